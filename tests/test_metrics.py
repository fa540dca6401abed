"""The four errors recover known answers: on poses moved by hand, and against SciPy."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from pose3d_lib.metrics import best_scale, mpjpe, mpjve, n_mpjpe, p_mpjpe, procrustes_align

ALL_METRICS = pytest.mark.parametrize("metric", [mpjpe, n_mpjpe, p_mpjpe, mpjve])


def random_poses(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, 17, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def rotation_about(axis: tuple[float, float, float], degrees: float) -> Tensor:
    """(3, 3): a proper rotation about a unit axis."""
    return torch.from_numpy(Rotation.from_rotvec(np.radians(degrees) * np.array(axis)).as_matrix())


def best_scale_by_hand(predicted: np.ndarray, target: np.ndarray) -> float:
    return float(np.vdot(predicted, target) / np.vdot(predicted, predicted))


def aligned_by_scipy(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(joints, 3) twice: SciPy's best proper rotation of the centred poses, then the best scale of what it gives."""
    p, t = predicted - predicted.mean(axis=0), target - target.mean(axis=0)
    rotated = Rotation.align_vectors(t, p)[0].apply(p)
    return rotated * best_scale_by_hand(rotated, t) + target.mean(axis=0)


def test_mpjpe_is_the_plain_mean_over_joints() -> None:
    target = torch.zeros(1, 4, 3)
    predicted = torch.tensor([[[3.0, 4.0, 0.0], [0, 0, 0], [0, 0, 0], [0, 0, 1.0]]])
    assert mpjpe(predicted, target).tolist() == [1.5]


def test_mpjpe_does_not_centre_the_root_again() -> None:
    target = random_poses(1)
    predicted = target.clone()
    predicted[:, 0] += torch.tensor([0.0, 0.0, 1.7])
    torch.testing.assert_close(mpjpe(predicted, target), torch.tensor([0.1], dtype=torch.float64))


def test_a_rotated_scaled_and_shifted_pose_has_zero_p_mpjpe() -> None:
    target = random_poses(4)
    moved = 0.3 * target @ rotation_about((0.6, 0.0, 0.8), 77).T + torch.tensor([5.0, -1.0, 2.0])
    assert p_mpjpe(moved, target).max() < 1e-12


def test_a_mirrored_pose_does_not_have_zero_p_mpjpe() -> None:
    target = random_poses(20)
    mirrored = target * torch.tensor([-1.0, 1.0, 1.0])
    assert p_mpjpe(mirrored, target).min() > 0.1


@pytest.mark.parametrize("mirror", [1.0, -1.0], ids=["as drawn", "mirrored"])
def test_p_mpjpe_agrees_with_scipy(mirror: float) -> None:
    predicted, target = random_poses(40, seed=2), random_poses(40, seed=3)
    # Half alike, so that both signs of the determinant and both good and bad fits are among the frames.
    predicted = (predicted + target) * torch.tensor([mirror, 1.0, 1.0])
    expected = np.stack([aligned_by_scipy(p, t) for p, t in zip(predicted.numpy(), target.numpy(), strict=True)])
    np.testing.assert_allclose(procrustes_align(predicted, target).numpy(), expected, atol=1e-9)
    distance = np.linalg.norm(expected - target.numpy(), axis=-1).mean(axis=-1)
    np.testing.assert_allclose(p_mpjpe(predicted, target).numpy(), distance, atol=1e-9)


def test_n_mpjpe_scales_about_the_origin_and_moves_nothing() -> None:
    target = torch.tensor([[[1.0, 0.0, 0.0], [3.0, 0.0, 0.0]]], dtype=torch.float64)
    predicted = target + torch.tensor([1.0, 0.0, 0.0])
    # p = 2, 4 and t = 1, 3: s = (2 + 12) / (4 + 16) = 0.7, so the errors are 0.4 and 0.2.
    torch.testing.assert_close(n_mpjpe(predicted, target), torch.tensor([0.3], dtype=torch.float64))


def test_n_mpjpe_takes_the_scale_of_each_frame_by_itself() -> None:
    target = random_poses(3)
    own_scales = torch.tensor([0.5, 2.0, 7.0]).view(3, 1, 1)
    assert n_mpjpe(own_scales * target, target).max() < 1e-12


def test_the_best_scale_is_that_by_which_a_prediction_was_too_small() -> None:
    target = torch.randn(5, 17, 3, dtype=torch.float64)
    own = torch.tensor([0.5, 1, 1.25, -2, 1e-3], dtype=torch.float64)
    torch.testing.assert_close(best_scale(target / own[:, None, None], target), own)


def test_mpjve_of_a_linear_drift_is_its_step() -> None:
    target = random_poses(6)
    drift = torch.arange(6.0).view(6, 1, 1) * torch.tensor([0.2, -0.3, 0.6])
    torch.testing.assert_close(mpjve(target + drift, target), torch.full((5,), 0.7, dtype=torch.float64))


def test_mpjve_of_a_single_wrong_frame_counts_it_twice() -> None:
    target = random_poses(5)
    predicted = target.clone()
    predicted[2, :, 1] += 3
    expected = torch.tensor([0.0, 3, 3, 0], dtype=torch.float64)
    torch.testing.assert_close(mpjve(predicted, target), expected)


@ALL_METRICS
def test_a_batch_gives_what_its_clips_give_one_by_one(metric) -> None:
    predicted, target = random_poses(3, 5, seed=8), random_poses(3, 5, seed=9)
    looped = torch.stack([metric(p, t) for p, t in zip(predicted, target, strict=True)])
    torch.testing.assert_close(metric(predicted, target), looped)


@ALL_METRICS
def test_a_prediction_of_only_zeros_has_a_finite_error(metric) -> None:
    target = random_poses(3, dtype=torch.float32)
    assert metric(torch.zeros_like(target), target).isfinite().all()


@ALL_METRICS
@pytest.mark.parametrize(
    ("predicted", "target"),
    [((4, 17, 3), (5, 17, 3)), ((1, 17, 3), (5, 17, 3)), ((5, 16, 3), (5, 17, 3)), ((5, 17, 2), (5, 17, 2))],
    ids=["frames", "a frame that would broadcast", "joints", "two coordinates"],
)
def test_arrays_that_do_not_match_are_refused_with_both_shapes(metric, predicted, target) -> None:
    with pytest.raises(ValueError, match=r"expected two arrays \(\.\.\., joints, 3\)") as refusal:
        metric(torch.zeros(predicted), torch.zeros(target))
    assert str(predicted) in str(refusal.value)
    assert str(target) in str(refusal.value)
