"""Cameras against the formula written out number by number, against OpenCV and SciPy, and against the room itself."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pose3d_lib.data.cameras import (
    Camera,
    camera_to_world,
    h36m_cameras,
    humaneva_cameras,
    normalize_screen,
    project,
    view,
    world_to_camera,
)

SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
LENS = (1145.0, 1143.8, 512.5, 515.5, -0.2071, 0.2478, -0.0031, -0.00098, -0.00142)


def points_in_view(count: int, *, seed: int = 0) -> np.ndarray:
    """(count, 3) metres in camera space, in front of the camera, within what a picture of 1000 pixels shows."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(2, 8, (count, 1))
    return np.hstack([rng.uniform(-0.44, 0.44, (count, 2)) * depth, depth])


def project_by_hand(point: list[float], lens: tuple[float, ...]) -> list[float]:
    """The projection of Human3.6M's calibration, number by number."""
    fx, fy, cx, cy, k1, k2, k3, q1, q2 = (float(value) for value in lens)
    x = min(1.0, max(-1.0, point[0] / point[2]))
    y = min(1.0, max(-1.0, point[1] / point[2]))
    r2 = x * x + y * y
    d = 1 + k1 * r2 + k2 * r2 * r2 + k3 * r2 * r2 * r2 + q1 * x + q2 * y
    return [fx * (x * d + q1 * r2) + cx, fy * (y * d + q2 * r2) + cy]


def project_by_opencv(points: np.ndarray, lens: tuple[float, ...]) -> np.ndarray:
    fx, fy, cx, cy, k1, k2, k3, q1, q2 = lens
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, np.array([k1, k2, q1, q2, k3]))
    return pixels[:, 0]


def project_all(points: np.ndarray, lens: tuple[float, ...]) -> np.ndarray:
    return project(torch.from_numpy(points), torch.tensor(lens, dtype=torch.float64)).numpy()


def test_projection_is_the_formula_written_out() -> None:
    points = np.vstack([points_in_view(50), [[9.0, 1.0, 2.0], [-9.0, -9.0, 2.0], [0.5, 7.0, 3.0], [0.0, 0.0, 1.0]]])
    lens = (1145.0, 1143.8, 512.5, 515.5, -0.2, 0.25, -0.3, -0.1, 0.2)
    expected = [project_by_hand(point, lens) for point in points.tolist()]
    np.testing.assert_allclose(project_all(points, lens), expected, atol=1e-9)


def test_projection_without_tangential_terms_is_opencv_s() -> None:
    rng = np.random.default_rng(1)
    depth = rng.uniform(1, 8, (200, 1))
    points = np.hstack([rng.uniform(-0.99, 0.99, (200, 2)) * depth, depth])
    lens = (*LENS[:7], 0.0, 0.0)
    np.testing.assert_allclose(project_all(points, lens), project_by_opencv(points, lens), atol=1e-8)


def test_every_clip_may_have_intrinsics_of_its_own() -> None:
    points = torch.from_numpy(points_in_view(6)).view(2, 3, 3)
    lenses = torch.tensor([LENS, (*LENS[:2], 300.0, 200.0, *LENS[4:])], dtype=torch.float64)
    both = project(points, lenses[:, None, :].expand(2, 3, 9))
    for number in range(2):
        torch.testing.assert_close(both[number], project(points[number], lenses[number]))


def test_projection_is_differentiable_in_points_and_intrinsics() -> None:
    points = torch.from_numpy(points_in_view(4)).requires_grad_()
    lens = torch.tensor([2.0, 1.9, 0.1, 0.2, -0.2, 0.25, -0.3, -0.1, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(project, (points, lens))


def test_world_to_camera_is_the_inverse_rotation_of_what_lies_beyond_the_camera_s_place() -> None:
    camera = h36m_cameras()["S1"][0]
    w, x, y, z = camera.orientation
    world = np.random.default_rng(0).normal(size=(7, 17, 3))
    expected = Rotation.from_quat([x, y, z, w]).inv().apply((world - np.array(camera.position)).reshape(-1, 3))
    found = world_to_camera(torch.from_numpy(world), camera).numpy()
    np.testing.assert_allclose(found.reshape(-1, 3), expected, atol=1e-6)


def test_whole_numbers_lose_no_fractions() -> None:
    camera = h36m_cameras()["S1"][0]
    points, pixels = torch.tensor([[1, 2, 3]]), torch.tensor([[500, 501]])
    torch.testing.assert_close(world_to_camera(points, camera), world_to_camera(points.float(), camera))
    torch.testing.assert_close(normalize_screen(pixels, 1000, 1002), normalize_screen(pixels.float(), 1000, 1002))


def test_a_view_is_camera_space_and_its_projection_in_double_precision() -> None:
    camera = h36m_cameras()["S1"][3]
    in_camera, pixels = view(np.array([[[0.1, -0.2, 0.9]]], np.float32), camera)
    assert (in_camera.dtype, pixels.dtype) == (np.float64, np.float64)
    expected = world_to_camera(torch.tensor([[[0.1, -0.2, 0.9]]]), camera)
    np.testing.assert_allclose(in_camera, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(pixels[0, 0], project_by_hand(in_camera[0, 0].tolist(), camera.intrinsics), atol=1e-9)


def test_a_camera_without_a_place_or_with_too_few_intrinsics_is_refused_by_name() -> None:
    for move in (world_to_camera, camera_to_world):
        with pytest.raises(ValueError, match="'C1' has no orientation and position"):
            move(torch.zeros(3), Camera(name="C1", width=640, height=480))
    with pytest.raises(ValueError, match="'C1': expected 9 intrinsics, found 4"):
        Camera(name="C1", width=640, height=480, intrinsics=(1.0, 1.0, 0.0, 0.0))


def test_human36m_has_four_calibrated_cameras_for_each_of_seven_subjects_with_the_published_numbers() -> None:
    assert set(h36m_cameras()) == set(SUBJECTS)
    heights = {"54138969": 1002, "55011271": 1000, "58860488": 1000, "60457274": 1002}
    for cameras in h36m_cameras().values():
        assert {camera.name: camera.height for camera in cameras} == heights
        assert {camera.width for camera in cameras} == {1000}
    camera = h36m_cameras()["S1"][0]
    assert camera.intrinsics == (
        1145.0494384765625, 1143.7811279296875, 512.54150390625, 515.4514770507812,
        -0.20709891617298126, 0.24777518212795258, -0.0030751503072679043,
        -0.0009756988729350269, -0.00142447161488235,
    )  # fmt: skip
    assert camera.orientation == (0.1407056450843811, -0.1500701755285263, -0.755240797996521, 0.6223280429840088)
    assert camera.position == pytest.approx((1.8411070556640625, 4.95528466796875, 1.5634454345703125), abs=1e-12)


def test_every_camera_stands_on_a_tripod_and_looks_at_a_person_in_the_middle_of_the_room() -> None:
    person = np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.8]]])  # feet, waist, head
    for camera in (camera for cameras in h36m_cameras().values() for camera in cameras):
        assert np.linalg.norm(camera.orientation) == pytest.approx(1, abs=1e-6)
        assert 1.2 < camera.position[2] < 2
        assert 3.5 < np.hypot(*camera.position[:2]) < 6
        in_camera, pixels = view(person, camera)
        axis = camera_to_world(torch.tensor([0.0, 0.0, 1.0]), camera) - torch.tensor(camera.position)
        towards = torch.tensor([0.0, 0.0, 1.0]) - torch.tensor(camera.position)
        assert torch.cosine_similarity(axis, towards, dim=0) > np.cos(np.radians(12))
        assert in_camera[..., 2].min() > 3
        assert (pixels > 0).all()
        assert (pixels < [camera.width, camera.height]).all()
        feet, waist, head = pixels[0, :, 1]
        assert head < waist < feet
        world = 2 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(camera_to_world(world_to_camera(world, camera), camera), world, atol=1e-5, rtol=0)


def test_humaneva_has_three_cameras_without_intrinsics_for_each_of_three_subjects_with_the_published_numbers() -> None:
    assert set(humaneva_cameras()) == {"S1", "S2", "S3"}
    for cameras in humaneva_cameras().values():
        assert [camera.name for camera in cameras] == ["C1", "C2", "C3"]
        assert {(camera.width, camera.height, camera.intrinsics) for camera in cameras} == {(640, 480, None)}
    camera = humaneva_cameras()["S2"][1]
    assert camera.orientation == (0.6501393, -0.7476588, -0.0954617, 0.0959808)
    assert camera.position == pytest.approx((0.923574, -3.8779243, 1.5045518), abs=1e-12)


def test_every_humaneva_camera_stands_on_a_tripod_and_looks_at_the_middle_of_the_room() -> None:
    for camera in (camera for cameras in humaneva_cameras().values() for camera in cameras):
        assert np.linalg.norm(camera.orientation) == pytest.approx(1, abs=1e-6)
        assert 1.2 < camera.position[2] < 2
        middle, above = world_to_camera(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]), camera)
        assert 3.5 < middle[2] < 4.5
        assert math.hypot(*middle[:2].tolist()) < 0.25
        assert above[1] - middle[1] < -0.95


def test_the_width_of_the_picture_becomes_minus_one_to_one() -> None:
    corners = torch.tensor([[0.0, 0.0], [1000.0, 1002.0], [500.0, 501.0]])
    expected = torch.tensor([[-1.0, -1.002], [1.0, 1.002], [0.0, 0.0]])
    torch.testing.assert_close(normalize_screen(corners, 1000, 1002), expected)


def test_a_mirrored_motion_is_seen_mirrored_by_the_lens_with_its_centre_and_first_tangential_term_negated() -> None:
    camera = h36m_cameras()["S1"][0]
    fx, fy, cx, cy, *radial, q1, q2 = camera.intrinsics
    scale = 2 / camera.width
    on_screen = (fx * scale, fy * scale, cx * scale - 1, cy * scale - camera.height / camera.width, *radial, q1, q2)
    mirrored = (*on_screen[:2], -on_screen[2], *on_screen[3:7], -q1, q2)
    points = points_in_view(20)
    expected = project_all(points, on_screen) * [-1, 1]
    np.testing.assert_allclose(project_all(points * [-1, 1, 1], mirrored), expected, atol=1e-12)
    pixels = torch.from_numpy(project_all(points, camera.intrinsics))
    on_screen_pixels = normalize_screen(pixels, camera.width, camera.height)
    np.testing.assert_allclose(on_screen_pixels.numpy() * [-1, 1], expected, atol=1e-12)
