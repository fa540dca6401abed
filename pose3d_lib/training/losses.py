"""The terms of the loss, for labelled windows and for those of which only the keypoints are known.

From VideoPose3D, section 4 (Pavllo et al. 2019). All weights are 1. `real` says which frames count, and is None where all do;
poses are relative to the root, in metres.
"""

import torch
from torch import Tensor

from pose3d_lib.data.cameras import project, project_linear
from pose3d_lib.metrics import joint_errors, mpjpe

POSE, TRAJECTORY, PROJECTION, BONES = "pose", "trajectory", "projection", "bones"
TERMS = (POSE, TRAJECTORY, PROJECTION, BONES)
"""In the order in which the functions below stand."""

CAMERA_MODELS = {"distorted": project, "linear": project_linear}
"""Through which lens a prediction is seen: the calibrated one, or one without distortion."""


def mean_over(values: Tensor, real: Tensor | None) -> Tensor:
    """The mean over the frames that count: (B, chunk), (B, chunk) bool or None -> ()."""
    return values.mean() if real is None else (values * real).sum() / real.sum()


def pose_loss(predicted: Tensor, target: Tensor, real: Tensor | None) -> Tensor:
    """MPJPE, metres: (B, chunk, joints, 3) twice -> ()."""
    return mean_over(mpjpe(predicted, target), real)


def trajectory_loss(predicted: Tensor, target: Tensor, real: Tensor | None) -> Tensor:
    """Distance from the root's true place, over its true depth, so that far people do not count for more: a share.

    (B, chunk, 1, 3) twice, camera space -> ().
    """
    return mean_over((joint_errors(predicted, target) / target[..., 2]).squeeze(-1), real)


def projection_loss(
    poses: Tensor, trajectory: Tensor, seen: Tensor, intrinsics: Tensor, real: Tensor | None, *, camera: str
) -> Tensor:
    """Distance in the picture of what is predicted from the keypoints that it was predicted from.

    Args:
        poses: (B, chunk, joints, 3).
        trajectory: (B, chunk, 1, 3), camera space.
        seen: (B, chunk, joints, 2), normalised screen coordinates; of the same joints as the poses.
        intrinsics: (B, 1, 1, 9), for those coordinates.
        real: (B, chunk) or None.
        camera: a name of CAMERA_MODELS.

    Returns:
        (), in normalised screen coordinates, in which a picture is 2 wide.
    """
    drawn = CAMERA_MODELS[camera](poses + trajectory, intrinsics)
    return mean_over(torch.linalg.vector_norm(drawn - seen, dim=-1).mean(dim=-1), real)


def bone_loss(
    labelled: Tensor,
    unlabelled: Tensor,
    bones: Tensor,
    labelled_real: Tensor | None,
    unlabelled_real: Tensor | None,
) -> Tensor:
    """How far apart the mean predicted lengths of the bones are between the two halves of a batch: metres, ().

    (B, chunk, joints, 3) twice; the gradient flows through both. `bones`, (bones, 2) int64, are the joints at their ends.
    """
    parents, joints = bones.unbind(dim=1)

    def mean_lengths(poses: Tensor, real: Tensor | None) -> Tensor:
        ends = poses.index_select(-2, joints), poses.index_select(-2, parents)
        lengths = joint_errors(*ends)  # (B, chunk, bones)
        if real is None:
            return lengths.mean(dim=(0, 1))
        return (lengths * real[..., None]).sum(dim=(0, 1)) / real.sum()

    return (mean_lengths(labelled, labelled_real) - mean_lengths(unlabelled, unlabelled_real)).abs().mean()
