"""Cameras: calibrations, world to camera and back, projection with lens distortion, normalised screen coordinates.

The projection is the one that Human3.6M's calibration belongs to. It is not OpenCV's model: fed the same tangential
pair, OpenCV's pixels differ by some. It is differentiable with respect to points and intrinsics.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """One calibrated camera; a camera without intrinsics (HumanEva) has only a name and an image size."""

    name: str  # for instance the serial number
    width: int  # pixels, as is height
    height: int
    intrinsics: tuple[float, ...] | None = None  # fx, fy, cx, cy (pixels), k1, k2, k3 (radial), q1, q2 (tangential)
    orientation: tuple[float, float, float, float] | None = None  # unit quaternion (w, x, y, z), camera to world axes
    position: tuple[float, float, float] | None = None  # centre in the world, metres

    def __post_init__(self) -> None:
        if self.intrinsics is not None and len(self.intrinsics) != 9:
            raise ValueError(f"camera {self.name!r}: expected 9 intrinsics, found {len(self.intrinsics)}")

    @property
    def is_placed(self) -> bool:
        """Whether position and orientation are known."""
        return self.orientation is not None and self.position is not None


@cache
def h36m_cameras() -> dict[str, tuple[Camera, ...]]:
    """Subject -> the four calibrated cameras of Human3.6M, in the order of the dataset's files."""
    return _read_calibration("h36m_cameras.json")


@cache
def humaneva_cameras() -> dict[str, tuple[Camera, ...]]:
    """Subject -> the three colour cameras of HumanEva-I, in the order of VideoPose3D's files; without intrinsics."""
    return _read_calibration("humaneva_cameras.json")


def _read_calibration(name: str) -> dict[str, tuple[Camera, ...]]:
    """Subject -> its cameras, of a file of this package."""
    calibration = json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
    lens = ("focal_length", "center", "radial_distortion", "tangential_distortion")
    return {
        subject: tuple(
            Camera(
                name=inner["id"],
                width=inner["res_w"],
                height=inner["res_h"],
                intrinsics=tuple(number for part in lens for number in inner[part]) if lens[0] in inner else None,
                orientation=tuple(outer["orientation"]),
                position=tuple(millimetres / 1000 for millimetres in outer["translation"]),
            )
            for inner, outer in zip(calibration["intrinsics"], extrinsics, strict=True)
        )
        for subject, extrinsics in calibration["extrinsics"].items()
    }


def rotate(quaternion: Tensor, vectors: Tensor) -> Tensor:
    """Vectors turned by one unit quaternion (w, x, y, z): (4,), (..., 3) -> (..., 3)."""
    w, x, y, z = quaternion
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]),
    ]
    return vectors @ torch.stack(rows).T  # one product for all: cross products took most of preparing Human3.6M


def world_to_camera(points: Tensor, camera: Camera) -> Tensor:
    """(..., 3) world metres -> (..., 3) camera metres: the inverse rotation of (point - camera position)."""
    orientation, position = _extrinsics(camera, points)
    return rotate(orientation * orientation.new_tensor([1, -1, -1, -1]), points - position)


def camera_to_world(points: Tensor, camera: Camera) -> Tensor:
    """(..., 3) camera metres -> (..., 3) world metres."""
    orientation, position = _extrinsics(camera, points)
    return rotate(orientation, points) + position


def _extrinsics(camera: Camera, like: Tensor) -> tuple[Tensor, Tensor]:
    if not camera.is_placed:
        raise ValueError(f"camera {camera.name!r} has no orientation and position")
    kind = {"dtype": torch.result_type(like, 1.0), "device": like.device}  # whole numbers would cut fractions off
    return torch.tensor(camera.orientation, **kind), torch.tensor(camera.position, **kind)


def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Camera-space points to pixels through the distorted lens: (..., 3), (..., 9) or (9,) -> (..., 2).

    x = clip(X / Z, -1, 1), y likewise; r2 = x^2 + y^2; d = 1 + k1 r2 + k2 r2^2 + k3 r2^3 + q1 x + q2 y;
    u = fx (x d + q1 r2) + cx, v = fy (y d + q2 r2) + cy. The intrinsics are those of `Camera`.
    """
    focal, centre, radial, tangential = intrinsics.split([2, 2, 3, 2], dim=-1)
    xy = (points[..., :2] / points[..., 2:]).clamp(-1, 1)
    r2 = xy.square().sum(dim=-1, keepdim=True)
    powers = torch.cat([r2, r2**2, r2**3], dim=-1)
    d = 1 + (radial * powers).sum(dim=-1, keepdim=True) + (tangential * xy).sum(dim=-1, keepdim=True)
    return focal * (xy * d + tangential * r2) + centre


def project_linear(points: Tensor, intrinsics: Tensor) -> Tensor:
    """As `project`, through a lens that does not distort: u = fx x + cx, v = fy y + cy."""
    focal, centre, _ = intrinsics.split([2, 2, 5], dim=-1)
    return focal * (points[..., :2] / points[..., 2:]).clamp(-1, 1) + centre


def screen_intrinsics(camera: Camera) -> Tensor:
    """The camera's intrinsics with which `project` gives normalised screen coordinates in place of pixels: (9,) float32."""
    if camera.intrinsics is None:
        raise ValueError(f"camera {camera.name!r} has no intrinsics")
    lens = torch.tensor(camera.intrinsics, dtype=torch.float64)
    focal = lens[:2] * (2 / camera.width)
    centre = normalize_screen(lens[2:4], camera.width, camera.height)
    return torch.cat([focal, centre, lens[4:]]).float()


def mirror_intrinsics(intrinsics: Tensor) -> Tensor:
    """Of `screen_intrinsics`, those of the camera that sees a mirrored clip: cx and q1 negated: (..., 9) -> the same."""
    return intrinsics * intrinsics.new_tensor([1, 1, -1, 1, 1, 1, 1, -1, 1])


def view(world: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """What a camera sees of a motion: (frames, joints, 3) world metres -> camera metres, and (frames, joints, 2) pixels."""
    in_camera = world_to_camera(torch.from_numpy(np.asarray(world, np.float64)), camera)
    pixels = project(in_camera, torch.tensor(camera.intrinsics, dtype=torch.float64))
    return in_camera.numpy(), pixels.numpy()


def normalize_screen(pixels: Tensor, width: float, height: float) -> Tensor:
    """Pixels to screen coordinates: the image's width becomes [-1, 1], its aspect is kept: (..., 2) -> (..., 2)."""
    scaled = pixels * (2 / width)
    return scaled - scaled.new_tensor([1, height / width])
