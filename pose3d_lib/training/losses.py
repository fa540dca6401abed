"""What a step minimises: the terms of the loss, for labelled windows and for those of which only the keypoints are known.

From VideoPose3D, section 4 (Pavllo et al. 2019); all weights are 1. Poses are relative to the root, metres. `real` says which
frames count, (batch, chunk) bool, and is None where all do.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pose3d_lib.data.cameras import project, project_linear
from pose3d_lib.metrics import joint_errors, mpjpe
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.training.windows import TrainingWindows

POSE, TRAJECTORY, PROJECTION, BONES = TERMS = "pose", "trajectory", "projection", "bones"
CAMERA_MODELS = {"distorted": project, "linear": project_linear}  # the calibrated lens, or one without distortion


def mean_over(values: Tensor, real: Tensor | None) -> Tensor:
    """The mean over the frames that count: (batch, chunk) -> ()."""
    return values.mean() if real is None else (values * real).sum() / real.sum()


def trajectory_loss(predicted: Tensor, target: Tensor, real: Tensor | None) -> Tensor:
    """Root error divided by the true depth, so that distant people do not count more: (batch, chunk, 1, 3) twice -> ()."""
    return mean_over((joint_errors(predicted, target) / target[..., 2]).squeeze(-1), real)


def projection_loss(
    poses: Tensor, trajectory: Tensor, seen: Tensor, intrinsics: Tensor, real: Tensor | None, *, camera: str
) -> Tensor:
    """Distance of the projected prediction from the keypoints, in normalised screen coordinates (an image is 2 wide): ().

    `poses` and `trajectory` are (batch, chunk, joints, 3) and (batch, chunk, 1, 3), `seen` (batch, chunk, joints, 2),
    `intrinsics` (batch, 1, 1, 9) for those coordinates; `camera` is a name of CAMERA_MODELS.
    """
    projected = CAMERA_MODELS[camera](poses + trajectory, intrinsics)
    return mean_over(torch.linalg.vector_norm(projected - seen, dim=-1).mean(dim=-1), real)


def bone_loss(
    labelled: Tensor, unlabelled: Tensor, bones: Tensor, labelled_real: Tensor | None, unlabelled_real: Tensor | None
) -> Tensor:
    """Mean difference of the mean predicted bone lengths between the two halves of a batch, metres: ().

    (batch, chunk, joints, 3) twice; the gradient flows through both. `bones`, (bones, 2) int64, are the joints at the ends.
    """
    parents, joints = bones.unbind(dim=1)

    def mean_lengths(poses: Tensor, real: Tensor | None) -> Tensor:
        ends = poses.index_select(-2, joints), poses.index_select(-2, parents)
        lengths = joint_errors(*ends)  # (batch, chunk, bones)
        if real is None:
            return lengths.mean(dim=(0, 1))
        return (lengths * real[..., None]).sum(dim=(0, 1)) / real.sum()

    return (mean_lengths(labelled, labelled_real) - mean_lengths(unlabelled, unlabelled_real)).abs().mean()


@dataclass(frozen=True)
class Objective:
    """The terms of the loss of a batch.

    Both networks see unlabelled windows in one forward pass with the labelled ones, so that the batch norms normalise both
    together (VideoPose3D, section 4).
    """

    lifters: Lifters  # what is trained; the trajectory's error is a term if there is a network for it
    labelled: TrainingWindows
    unlabelled: TrainingWindows | None = None
    bones: Tensor | None = None  # (bones, 2) int64, on the device: the joints at the ends of those that are compared
    without: tuple[str, ...] = ()  # terms to leave out
    camera: str = "distorted"  # a name of CAMERA_MODELS

    @property
    def other_terms(self) -> tuple[str, ...]:
        """The terms besides the pose's; those of unlabelled windows come once these enter."""
        wanted = [TRAJECTORY] * (self.lifters.trajectory is not None)
        wanted += [PROJECTION, BONES] * (self.unlabelled is not None)
        return tuple(term for term in wanted if term not in self.without)

    def __call__(self, numbers: Tensor, others: Tensor | None = None) -> tuple[dict[str, Tensor], Tensor | int]:
        """The terms of a batch by name, to be summed, and its number of labelled frames.

        `numbers`, (batch,) int64, are of the labelled windows; `others` of the same number of unlabelled ones, or None.
        """
        batch, wanted = self.labelled.gather(numbers), self.other_terms
        inputs, other = batch.inputs, None
        if others is not None:
            other = self.unlabelled.gather(others)
            inputs = torch.cat([inputs, other.inputs])
        sizes = [len(numbers), len(inputs) - len(numbers)]
        poses, *roots = (lift(network, inputs, batch.labels).split(sizes) for network in self.lifters.networks)
        terms = {POSE: mean_over(mpjpe(poses[0], batch.targets), batch.real)}  # metres
        if TRAJECTORY in wanted:
            terms[TRAJECTORY] = trajectory_loss(roots[0][0], batch.trajectory, batch.real)
        if other is not None and PROJECTION in wanted:
            terms[PROJECTION] = projection_loss(
                poses[1], roots[0][1], other.seen, other.intrinsics, other.real, camera=self.camera
            )
        if other is not None and BONES in wanted:
            terms[BONES] = bone_loss(*poses, self.bones, batch.real, other.real)
        return terms, len(numbers) if batch.real is None else batch.real.sum()


def lift(network: TemporalLifter, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
    """Windows of any number of output frames: (batch, frames, joints_in, features) -> (batch, chunk, joints_out, 3), metres."""
    if inputs.shape[1] == network.receptive_field:
        return network.forward_windows(inputs, labels).unsqueeze(1)
    return network(inputs, labels)
