"""The room that motion without cameras is filmed in: Human3.6M's, each clip moved to its middle and cut until it fits."""

from collections.abc import Sequence

import numpy as np
import torch

from pose3d_lib.data.cameras import Camera, camera_to_world, h36m_cameras, view
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.filming import one_thread

CAMERAS_OF = "S1"
NEAREST = 0.5
"""Metres in front of a camera that everything must keep: nearer, no projection is meaningful."""

OUTSIDE = 0.1
"""Share of a clip's joints that may lie outside a camera's picture, where cutting can help."""

LOOKS = 5
"""How often in the time of the shortest piece it is looked who is in the picture."""


def room_cameras() -> tuple[Camera, ...]:
    """The four Human3.6M cameras that all such motion is seen through."""
    return h36m_cameras()[CAMERAS_OF]


def centred(motion: np.ndarray) -> np.ndarray:
    """The clip moved along the floor so that the middle of its root's path is the room's centre; heights stay.

    (frames, 17, 3) world metres of any float type -> the same as float64.
    """
    moved = motion.astype(np.float64)
    root = moved[:, 0, :2]
    moved[..., :2] -= (root.min(axis=0) + root.max(axis=0)) / 2
    return moved


@one_thread()
def nearest_depth(motion: np.ndarray) -> float:
    """The least distance of any joint of the centred clip along a camera's axis, metres; negative behind a camera."""
    placed = centred(motion)
    return min(float(view(placed, camera)[0][..., 2].min()) for camera in room_cameras())


def uprightness(motion: np.ndarray) -> float:
    """How much of the way from the hip to the head is upwards, 1 for a trunk that stands, 0 for one that lies."""
    trunk = (motion[:, H36M_17.index("Head")] - motion[:, 0]).astype(np.float64)
    return float((trunk[:, 2] / np.linalg.norm(trunk, axis=-1).clip(1e-9)).mean())


@one_thread()
def share_outside(motion: np.ndarray) -> float:
    """The share of the centred clip's joints that lie outside the picture, in the camera where most do."""
    placed = centred(motion)
    shares = []
    for camera in room_cameras():
        pixels = view(placed, camera)[1]
        shares.append(((pixels < 0) | (pixels > [camera.width, camera.height])).any(axis=-1).mean())
    return float(max(shares))


def cut_to_fit(motion: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """Pieces of a clip, (start, stop) in order, each of which keeps `NEAREST` from every camera when it is centred.

    What does not fit is halved; so is what fits but has more than `OUTSIDE` of its joints outside a picture. Pieces of
    fewer than `shortest` frames are not made: what comes too near and cannot be halved into longer ones is left out,
    what only leaves the picture stays. So a clip that fits comes back whole, however short, and none may come back.
    """
    axes, behind = _sights(room_cameras())
    root = motion[:, 0, :2].astype(np.float64)
    depths = (motion.astype(np.float64) @ axes.T).min(axis=1) - behind  # (frames, cameras): not centred
    some = max(1, shortest // LOOKS)
    pieces, left = [], [(0, len(motion))]
    while left:
        start, stop = left.pop()
        middle = (root[start:stop].min(axis=0) + root[start:stop].max(axis=0)) / 2
        fits = (depths[start:stop].min(axis=0) - axes[:, :2] @ middle).min() >= NEAREST
        half = (start + stop) // 2
        if half - start < shortest:
            pieces += [(start, stop)] if fits else []
        elif fits and share_outside(motion[start:stop:some]) <= OUTSIDE:
            pieces.append((start, stop))
        else:
            left += [(half, stop), (start, half)]
    return pieces


def _sights(cameras: Sequence[Camera]) -> tuple[np.ndarray, np.ndarray]:
    """Where cameras look: unit vectors in the world (cameras, 3), and how far along these the cameras are, (cameras,)."""
    ends = torch.tensor([[0, 0, 0], [0, 0, 1]], dtype=torch.float64)
    found = np.stack([camera_to_world(ends, camera).numpy() for camera in cameras])
    axes = found[:, 1] - found[:, 0]
    return axes, (axes * found[:, 0]).sum(axis=1)
