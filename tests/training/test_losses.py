"""Every term of the loss against answers known beforehand, and the gradients of the projection against small differences."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pose3d_lib.data.cameras import (
    Camera,
    h36m_cameras,
    mirror_intrinsics,
    normalize_screen,
    project,
    project_linear,
    screen_intrinsics,
)
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.training.losses import CAMERA_MODELS, bone_loss, mean_over, projection_loss, trajectory_loss

CAMERA = h36m_cameras()["S1"][1]
BONES = torch.tensor(H36M_17.bones)
LENS = pytest.mark.parametrize("camera", CAMERA_MODELS)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def people(batch: int, chunk: int = 1, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Poses relative to the root and the root's place, some four metres in front of a camera."""
    roots = randn(batch, chunk, 1, 3, seed=seed + 1) * 0.3 + torch.tensor([0.0, 0.0, 4.5])
    return 0.3 * randn(batch, chunk, 17, 3, seed=seed), roots


def seen_by(camera: Camera, points: Tensor) -> Tensor:
    pixels = project(points, torch.tensor(camera.intrinsics, dtype=points.dtype))
    return normalize_screen(pixels, camera.width, camera.height)


def lens_of(*cameras: Camera) -> Tensor:
    """(cameras, 1, 1, 9)."""
    return torch.stack([screen_intrinsics(camera) for camera in cameras]).double()[:, None, None]


# Cameras in screen coordinates


@pytest.mark.parametrize("camera", h36m_cameras()["S1"][:2], ids=lambda camera: camera.name)
def test_with_screen_intrinsics_a_projection_is_in_normalised_screen_coordinates(camera) -> None:
    poses, roots = people(50)
    points = poses + roots
    found = project(points, lens_of(camera))
    assert (found - seen_by(camera, points)).abs().max() < 1e-6
    assert 0.05 < found.abs().max() < 2


def test_a_mirrored_camera_sees_the_mirrored_body_mirrored() -> None:
    poses, roots = people(50)
    points, mirror = poses + roots, torch.tensor([-1.0, 1.0, 1.0])
    found = project(points * mirror, mirror_intrinsics(lens_of(CAMERA)))
    expected = project(points, lens_of(CAMERA)) * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    wrong = project(points * mirror, lens_of(CAMERA))
    assert (wrong - expected).abs().max() > 1e-2


def test_a_camera_without_intrinsics_has_none_for_the_screen_either() -> None:
    with pytest.raises(ValueError, match="'C1' has no intrinsics"):
        screen_intrinsics(Camera("C1", 640, 480))


def test_the_linear_lens_is_the_calibrated_one_without_its_distortion() -> None:
    poses, roots = people(50)
    points, straight = poses + roots, lens_of(CAMERA).clone()
    straight[..., 4:] = 0
    assert (project_linear(points, lens_of(CAMERA)) - project(points, straight)).abs().max() < 1e-12
    assert (project_linear(points, lens_of(CAMERA)) - project(points, lens_of(CAMERA))).abs().max() > 1e-3


# The terms


def test_a_mean_is_over_the_frames_that_count() -> None:
    values, real = torch.tensor([[1.0, 5.0], [3.0, 100.0]]), torch.tensor([[True, True], [True, False]])
    assert mean_over(values, real) == 3
    assert mean_over(values, None) == 109 / 4


def test_the_trajectory_s_term_is_the_error_over_the_true_depth() -> None:
    target = torch.tensor([[[[0.0, 0.0, 4.0]]], [[[1.0, 1.0, 8.0]]]])
    predicted = target + torch.tensor([0.0, 1.0, 0.0])
    assert trajectory_loss(predicted, target, None).item() == pytest.approx((1 / 4 + 1 / 8) / 2)
    real = torch.tensor([[False], [True]])
    assert trajectory_loss(predicted, target, real).item() == pytest.approx(1 / 8)


def test_what_is_predicted_where_it_was_seen_has_no_projection_error() -> None:
    poses, roots = people(5, 4)
    seen, lens = seen_by(CAMERA, poses + roots), lens_of(CAMERA)
    assert projection_loss(poses, roots, seen, lens, None, camera="distorted") < 1e-6
    beside = seen + torch.tensor([0.06, 0.08])
    assert projection_loss(poses, roots, beside, lens, None, camera="distorted").item() == pytest.approx(0.1, rel=1e-5)


def test_frames_beyond_a_clip_s_end_have_no_projection_error() -> None:
    poses, roots = people(3, 2)
    seen, real = seen_by(CAMERA, poses + roots), torch.tensor([[True, False]] * 3)
    seen[:, 1] += 5
    assert projection_loss(poses, roots, seen, lens_of(CAMERA), real, camera="distorted") < 1e-6


def test_the_bones_term_is_the_difference_of_mean_lengths() -> None:
    poses = randn(6, 1, 17, 3)
    lengths = np.array([
        np.linalg.norm(poses[:, 0, j] - poses[:, 0, p], axis=-1).mean() for p, j in H36M_17.bones
    ])  # fmt: skip
    assert bone_loss(poses, poses.flip(0), BONES, None, None) < 1e-12
    larger = bone_loss(poses, 1.25 * poses, BONES, None, None)
    assert larger.item() == pytest.approx(0.25 * lengths.mean())
    moved = bone_loss(poses, poses + randn(6, 1, 1, 3, seed=3), BONES, None, None)
    assert moved < 1e-12


def test_frames_beyond_a_clip_s_end_have_no_bones() -> None:
    poses, real = randn(5, 2, 17, 3), torch.tensor([[True, False]] * 5)
    other = poses.clone()
    other[:, 1] *= 7
    assert bone_loss(other, poses, BONES, real, real) < 1e-12
    assert bone_loss(other, poses, BONES, None, None) > 0.1
