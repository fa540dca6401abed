"""The room that motion without cameras is filmed in: Human3.6M's, each clip moved to its middle and cut until it fits."""

from collections.abc import Sequence

import numpy as np
import torch

from pose3d_lib.cameras import Camera, camera_to_world, h36m_cameras, view
from pose3d_lib.skeleton import H36M_17

CAMERAS_OF = "S1"
NEAREST = 0.5
"""Metres in front of a camera that everything must keep: nearer, no projection is meaningful."""


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


def nearest_depth(motion: np.ndarray) -> float:
    """The least distance of any joint of the centred clip along a camera's axis, metres; negative behind a camera."""
    placed = centred(motion)
    return min(float(view(placed, camera)[0][..., 2].min()) for camera in room_cameras())


def uprightness(motion: np.ndarray) -> float:
    """How much of the way from the hip to the head is upwards, 1 for a trunk that stands, 0 for one that lies."""
    trunk = (motion[:, H36M_17.index("Head")] - motion[:, 0]).astype(np.float64)
    return float((trunk[:, 2] / np.linalg.norm(trunk, axis=-1).clip(1e-9)).mean())


def cut_to_fit(motion: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """Pieces of a clip, (start, stop) in order, each of which keeps `NEAREST` from every camera when it is centred.

    What does not fit is halved. Pieces of fewer than `shortest` frames, and what cannot be halved into longer ones, are
    not among them: so a clip that fits comes back whole, however short, and none may come back at all.
    """
    axes, behind = _sights(room_cameras())
    root = motion[:, 0, :2].astype(np.float64)
    depths = (motion.astype(np.float64) @ axes.T).min(axis=1) - behind  # (frames, cameras): not centred
    pieces, left = [], [(0, len(motion))]
    while left:
        start, stop = left.pop()
        middle = (root[start:stop].min(axis=0) + root[start:stop].max(axis=0)) / 2
        if (depths[start:stop].min(axis=0) - axes[:, :2] @ middle).min() >= NEAREST:
            pieces.append((start, stop))
        elif (stop - start) // 2 >= shortest:
            half = (start + stop) // 2
            left += [(half, stop), (start, half)]
    return pieces


def _sights(cameras: Sequence[Camera]) -> tuple[np.ndarray, np.ndarray]:
    """Where cameras look: unit vectors in the world (cameras, 3), and how far along these the cameras are, (cameras,)."""
    ends = torch.tensor([[0, 0, 0], [0, 0, 1]], dtype=torch.float64)
    found = np.stack([camera_to_world(ends, camera).numpy() for camera in cameras])
    axes = found[:, 1] - found[:, 0]
    return axes, (axes * found[:, 0]).sum(axis=1)
