"""Where the joints of a BVH file are: forward kinematics, for all frames at once."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pose3d_lib.data.sources.bvh.file import AXES, Bvh, Hierarchy

AT_ONCE = 8192
"""Frames whose positions are computed together; this bounds the memory to 0.8 MB a joint."""


def joint_positions(bvh: Bvh, joints: Sequence[int]) -> np.ndarray:
    """Where joints are: (frames, joints asked for, 3) float64, the file's units and axes.

    A position channel takes the place of its component of the joint's offset, on the root as on any joint; rotations
    follow each other in the file's order, each about the axes that those before it have turned.
    """
    found = np.empty((len(bvh.motion), len(joints), 3))
    for start in range(0, len(found), AT_ONCE):
        part = np.ascontiguousarray(bvh.motion[start : start + AT_ONCE].T)
        found[start : start + AT_ONCE] = _positions(bvh.hierarchy, part, joints)
    return found


def without_zero_positions(bvh: Bvh) -> Bvh:
    """The file without the position channels of joints below the root that are 0 all the time though the OFFSET is not.

    Some programs write six channels for every joint and fill in the rotations only; such a body would be a single point.
    """
    columns = [(joint, name) for joint, names in enumerate(bvh.hierarchy.channels) for name in names]
    positions = np.array([joint > 0 and name.endswith("position") for joint, name in columns])
    joints = np.array([joint for joint, _ in columns])
    moved = set(joints[positions & bvh.motion.any(axis=0)])
    empty = positions & ~np.isin(joints, list(moved)) & bvh.hierarchy.offsets.any(axis=1)[joints]
    if not empty.any():
        return bvh
    left = [[] for _ in bvh.hierarchy.names]
    for joint, name in itertools.compress(columns, ~empty):
        left[joint].append(name)
    return replace(
        bvh, hierarchy=replace(bvh.hierarchy, channels=tuple(map(tuple, left))), motion=bvh.motion[:, ~empty]
    )


def _positions(hierarchy: Hierarchy, motion: np.ndarray, joints: Sequence[int]) -> np.ndarray:
    """(channels, frames) -> (frames, joints asked for, 3)."""
    parents, wanted, turning = hierarchy.parents, set(joints), set()
    for joint in reversed(range(len(parents))):  # children come behind their parents
        if joint in wanted and parents[joint] >= 0:
            wanted.add(parents[joint])
            turning.add(parents[joint])
    places: dict[int, np.ndarray] = {}  # joint -> (3, frames)
    axes: dict[int, np.ndarray] = {}  # joint -> (3, 3, frames): where its x, y and z point, as columns
    column = 0
    for joint, channels in enumerate(hierarchy.channels):
        values = dict(zip(channels, motion[column : column + len(channels)], strict=True))
        column += len(channels)
        if joint not in wanted:
            continue
        offset = np.repeat(hierarchy.offsets[joint][:, None], motion.shape[1], axis=1)
        for number, axis in enumerate(AXES):
            if f"{axis}position" in values:
                offset[number] = values[f"{axis}position"]
        if parents[joint] >= 0:
            base = axes[parents[joint]]
            places[joint] = (
                places[parents[joint]] + base[:, 0] * offset[0] + base[:, 1] * offset[1] + base[:, 2] * offset[2]
            )
        else:
            base = np.repeat(np.eye(3)[..., None], motion.shape[1], axis=2)
            places[joint] = offset
        if joint in turning:
            axes[joint] = _turned(
                base, [(AXES.index(name[0]), values[name]) for name in channels if "rotation" in name]
            )
    return np.stack([places[joint] for joint in joints], axis=1).transpose(2, 1, 0)


def _turned(base: np.ndarray, rotations: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
    """Axes (3, 3, frames) turned about their own x, y or z by degrees, one rotation after the other."""
    turned = base.copy()
    for axis, degrees in rotations:
        angle = np.radians(degrees)
        cosine, sine = np.cos(angle), np.sin(angle)
        one, two = turned[:, (axis + 1) % 3].copy(), turned[:, (axis + 2) % 3].copy()
        turned[:, (axis + 1) % 3] = cosine * one + sine * two
        turned[:, (axis + 2) % 3] = cosine * two - sine * one
    return turned
