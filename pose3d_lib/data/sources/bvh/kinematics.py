"""Where the joints of a BVH file are: forward kinematics, for all frames at once."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pose3d_lib.data.sources.bvh.file import AXES, Bvh, Hierarchy

AT_ONCE = 8192  # frames whose positions are computed together: 0.8 MB of memory a joint


def joint_positions(bvh: Bvh, joints: Sequence[int]) -> np.ndarray:
    """Where joints are: (frames, joints asked for, 3) float64, the file's units and axes.

    A position channel takes the place of its component of the joint's offset, on the root as on any joint; rotations
    follow each other in the file's order, each about the axes that those before it have turned.
    """
    starts = range(0, len(bvh.motion), AT_ONCE)
    parts = (np.ascontiguousarray(bvh.motion[start : start + AT_ONCE].T) for start in starts)
    return np.concatenate([_positions(bvh.hierarchy, part, joints) for part in parts])


def without_zero_positions(bvh: Bvh) -> Bvh:
    """The file without the position channels of joints below the root that are 0 all the time though the OFFSET is not.

    Some programs write six channels for every joint and fill in the rotations only: the body would be a single point.
    """
    columns = [(joint, name) for joint, names in enumerate(bvh.hierarchy.channels) for name in names]
    joints = np.array([joint for joint, _ in columns])
    positions = np.array([joint > 0 and name.endswith("position") for joint, name in columns])
    moved = joints[positions & bvh.motion.any(axis=0)]
    empty = positions & ~np.isin(joints, moved) & bvh.hierarchy.offsets.any(axis=1)[joints]
    if not empty.any():
        return bvh
    left = [[] for _ in bvh.hierarchy.names]
    for joint, name in itertools.compress(columns, ~empty):
        left[joint].append(name)
    hierarchy = replace(bvh.hierarchy, channels=tuple(map(tuple, left)))
    return replace(bvh, hierarchy=hierarchy, motion=bvh.motion[:, ~empty])


def _positions(hierarchy: Hierarchy, motion: np.ndarray, joints: Sequence[int]) -> np.ndarray:
    """(channels, frames) -> (frames, joints asked for, 3); ten times as fast as scipy's rotations joint by joint."""
    parents, wanted, turning = hierarchy.parents, set(joints), set()
    for joint in reversed(range(len(parents))):  # children come behind their parents
        if joint in wanted and parents[joint] >= 0:
            wanted.add(parents[joint])
            turning.add(parents[joint])
    places: dict[int, np.ndarray] = {}  # joint -> (3, frames)
    axes: dict[int, np.ndarray] = {}  # joint -> (3, 3, frames): where its x, y and z point, as columns
    column = 0
    for joint, channels in enumerate(hierarchy.channels):
        values = list(zip(channels, motion[column : column + len(channels)], strict=True))
        column += len(channels)
        if joint not in wanted:
            continue
        place = np.repeat(hierarchy.offsets[joint][:, None], motion.shape[1], axis=1)
        for name, value in values:
            if name.endswith("position"):
                place[AXES.index(name[0])] = value
        if parents[joint] >= 0:
            base = axes[parents[joint]]
            place = places[parents[joint]] + base[:, 0] * place[0] + base[:, 1] * place[1] + base[:, 2] * place[2]
        else:
            base = np.repeat(np.eye(3)[..., None], motion.shape[1], axis=2)
        places[joint] = place
        if joint in turning:
            axes[joint] = base.copy()
            for name, value in values:
                if name.endswith("rotation"):
                    _turn(axes[joint], AXES.index(name[0]), np.radians(value))
    return np.stack([places[joint] for joint in joints], axis=1).transpose(2, 1, 0)


def _turn(axes: np.ndarray, axis: int, angle: np.ndarray) -> None:
    """Turn axes (3, 3, frames) in place about one of their own by angles (frames,), radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    one, two = axes[:, (axis + 1) % 3].copy(), axes[:, (axis + 2) % 3].copy()
    axes[:, (axis + 1) % 3] = cosine * one + sine * two
    axes[:, (axis + 2) % 3] = cosine * two - sine * one
