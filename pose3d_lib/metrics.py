"""The errors of 3D poses: MPJPE, P-MPJPE, N-MPJPE and MPJVE, batched, in the unit of their input.

Each function reduces joints and coordinates only and returns one error per frame. All joints count, the root included, and
nothing is re-centred. The four are the protocols of VideoPose3D (Pavllo et al. 2019, section 5.1 and the supplement).
"""

import torch
from torch import Tensor


def _check(predicted: Tensor, target: Tensor) -> None:
    if predicted.shape != target.shape or predicted.ndim < 2 or predicted.shape[-1] != 3:
        raise ValueError(
            f"expected two arrays (..., joints, 3), found {tuple(predicted.shape)} and {tuple(target.shape)}"
        )


def joint_errors(predicted: Tensor, target: Tensor) -> Tensor:
    """Euclidean distance of every joint: (..., joints, 3), (..., joints, 3) -> (..., joints)."""
    _check(predicted, target)
    return torch.linalg.vector_norm(predicted - target, dim=-1)


def mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint position error, protocol 1: (..., joints, 3) twice -> (...)."""
    return joint_errors(predicted, target).mean(dim=-1)


def best_scale(predicted: Tensor, target: Tensor) -> Tensor:
    """The scale s = <p, t> / <p, p> of each frame, which minimises |s p - t|^2: (..., joints, 3) twice -> (...).

    Above 1 the prediction is too small.
    """
    _check(predicted, target)
    square = predicted.square().sum(dim=(-1, -2))
    return (predicted * target).sum(dim=(-1, -2)) / square.clamp_min(torch.finfo(square.dtype).tiny)


def n_mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """MPJPE after the best scale of each frame, protocol 3: (..., joints, 3) twice -> (...)."""
    return mpjpe(predicted * best_scale(predicted, target)[..., None, None], target)


def procrustes_align(predicted: Tensor, target: Tensor) -> Tensor:
    """`predicted` moved onto `target` by each frame's best similarity transform: (..., joints, 3) twice -> the same.

    Scale, translation and a proper rotation: a reflection is not allowed, so a mirrored pose does not fit. With the
    centred poses P and T and the decomposition P^T T = U S V^T, the rotation is U D V^T with D = diag(1, 1, +-1) of the
    sign that makes its determinant 1, and the scale is tr(S D) / |P|^2.
    """
    _check(predicted, target)
    if not (predicted.isfinite().all() and target.isfinite().all()):
        raise FloatingPointError("cannot align poses that hold NaN or infinity")
    mean_p, mean_t = predicted.mean(dim=-2, keepdim=True), target.mean(dim=-2, keepdim=True)
    p, t = predicted - mean_p, target - mean_t
    u, s, vh = torch.linalg.svd(p.transpose(-1, -2) @ t)
    sign = torch.linalg.det(u @ vh).sign()
    d = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)  # (..., 3): flips the weakest axis
    rotation = (u * d.unsqueeze(-2)) @ vh
    square = p.square().sum(dim=(-1, -2)).clamp_min(torch.finfo(p.dtype).tiny)
    scale = (s * d).sum(dim=-1) / square
    return scale[..., None, None] * (p @ rotation) + mean_t


def p_mpjpe(predicted: Tensor, target: Tensor) -> Tensor:
    """MPJPE after Procrustes alignment of each frame, protocol 2: (..., joints, 3) twice -> (...)."""
    return mpjpe(procrustes_align(predicted, target), target)


def mpjve(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean per-joint velocity error, per frame step: (..., frames, joints, 3) twice -> (..., frames - 1).

    MPJPE of the first temporal difference. The frames must be of one clip: across a cut there is no velocity.
    """
    _check(predicted, target)
    if predicted.ndim < 3:
        raise ValueError(f"expected clips (..., frames, joints, 3), found {tuple(predicted.shape)}")
    return mpjpe(predicted.diff(dim=-3), target.diff(dim=-3))


def mrpe(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean root position error, of a trajectory in camera space: (..., 3) twice -> (...).

    The distance of the root joint, which the other errors leave out (Moon et al. 2019, "Camera distance-aware top-down
    approach for 3D multi-person pose estimation", section 7).
    """
    return joint_errors(predicted[..., None, :], target[..., None, :]).squeeze(-1)
