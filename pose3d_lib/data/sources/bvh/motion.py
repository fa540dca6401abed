"""The motion of a BVH file: where its joints are, by forward kinematics, and the 17 joints at the wanted frame rate."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.file import AXES, Bvh, Hierarchy, read_bvh
from pose3d_lib.data.sources.bvh.joints import JointMapping, weight_matrix

HIGHEST_RATE = 60.0  # frames per second; of faster recordings every second, third, ... frame is taken
SAME_RATE = 1e-3  # two frame rates whose ratio is as near to a whole number are taken for multiples
# A first frame is none of the motion's if from it a joint moves this many times as far as from any other frame of the
# first second, and by more than this share of the leg's length.
JUMP, FURTHEST = 5.0, 0.2
REST = 0.01  # degrees; a rotation as small is that of the rest pose
REMARKS = {  # what may be read otherwise than a file says, for a note on how many of all files that is done with
    "rest": "{count} files begin with a frame in rest pose, which is left out.",
    "more": "{count} of {all} files have more frames than their line `Frames:` says; all of them are read.",
    "zeros": "{count} of {all} files have joints whose positions are 0 in every frame; their OFFSETs are used.",
}
AT_ONCE = 8192  # frames whose positions are computed together: 0.8 MB of memory a joint


@dataclass(frozen=True)
class Recording:
    """The motion of a BVH file."""

    motion: np.ndarray  # (frames, 17, 3) float32, the file's units and axes
    fps: float
    leg: float  # median length of a leg, hip to knee to ankle, the file's units
    remarks: tuple[str, ...]  # keys of REMARKS


def read_motion(path: Path, mapping: JointMapping, fps: float | None, recorded_fps: float | None = None) -> Recording:
    """The 17 joints of a file; at `fps`, or at its own rate divided until it is at most `HIGHEST_RATE`.

    Its own rate is `recorded_fps`, if that is given, or what its header says.
    """
    written = read_bvh(path)
    filled = fill_zero_positions(written)
    bvh = replace(filled, fps=recorded_fps or written.fps)
    joints, weights = weight_matrix(mapping, bvh.hierarchy.names, path)
    rest = _begins_with_rest(bvh, joints, weights)
    if rest:
        bvh = replace(bvh, motion=bvh.motion[1:])
    told = {"rest": rest, "more": len(written.motion) > written.promised, "zeros": filled is not written}
    wanted = fps or bvh.fps / math.ceil(bvh.fps / HIGHEST_RATE - SAME_RATE)
    every = round(bvh.fps / wanted)
    if every and abs(bvh.fps / wanted / every - 1) <= SAME_RATE:
        motion = weights @ joint_positions(replace(bvh, motion=bvh.motion[::every]), joints)
    else:
        motion = resample(weights @ joint_positions(bvh, joints), bvh.fps, wanted)
    leg = float(np.median(leg_lengths(motion)))
    return Recording(motion.astype(np.float32), float(wanted), leg, tuple(key for key in REMARKS if told[key]))


def leg_lengths(motion: np.ndarray) -> np.ndarray:
    """(frames, 17, 3) -> (frames,): hip to knee to ankle, the mean of both legs."""
    legs = [[H36M_17.index(side + joint) for joint in ("Hip", "Knee", "Foot")] for side in "LR"]
    return np.linalg.norm(np.diff(motion[:, legs], axis=2), axis=-1).sum(axis=2).mean(axis=1)


def resample(motion: np.ndarray, fps: float, wanted: float) -> np.ndarray:
    """Motion at another frame rate, over the same time, by cubic splines through every coordinate."""
    from scipy.interpolate import CubicSpline  # takes a while, which only those who resample should wait

    if len(motion) == 1:
        return motion
    times = np.arange(math.floor((len(motion) - 1) / fps * wanted + SAME_RATE) + 1) / wanted
    return CubicSpline(np.arange(len(motion)) / fps, motion, axis=0)(times)


def _begins_with_rest(bvh: Bvh, joints: Sequence[int], weights: np.ndarray) -> bool:
    """Whether the first frame is no motion but the rest pose, which conversions put before it (CMU's does)."""
    if len(bvh.motion) < 3:
        return False
    turning = ["rotation" in name for names in bvh.hierarchy.channels for name in names]
    still = np.abs(bvh.motion[:2, turning]) < REST
    if still[0].mean() > 0.9 and still[1].mean() < 0.5:
        return True
    second = weights @ joint_positions(replace(bvh, motion=bvh.motion[: max(3, round(bvh.fps) + 1)]), joints)
    steps = np.linalg.norm(np.diff(second, axis=0), axis=-1).max(axis=1)
    return bool(steps[0] > JUMP * steps[1:].max() and steps[0] > FURTHEST * np.median(leg_lengths(second)))


def joint_positions(bvh: Bvh, joints: Sequence[int]) -> np.ndarray:
    """Where joints are: (frames, joints asked for, 3) float64, the file's units and axes.

    A position channel takes the place of its component of the joint's offset, on the root as on any joint; rotations
    follow each other in the file's order, each about the axes that those before it have turned.
    """
    starts = range(0, len(bvh.motion), AT_ONCE)
    parts = (np.ascontiguousarray(bvh.motion[start : start + AT_ONCE].T) for start in starts)
    return np.concatenate([_positions(bvh.hierarchy, part, joints) for part in parts])


def fill_zero_positions(bvh: Bvh) -> Bvh:
    """The file with the OFFSET in position channels of joints below the root that are 0 all the time though it is not.

    Some programs write six channels for every joint and fill in the rotations only: the body would be a single point.
    """
    hierarchy = bvh.hierarchy
    names = list(itertools.chain(*hierarchy.channels))
    joints = np.repeat(np.arange(len(hierarchy.names)), list(map(len, hierarchy.channels)))
    positions = (joints > 0) & [name.endswith("position") for name in names]
    moved = joints[positions & bvh.motion.any(axis=0)]
    empty = positions & ~np.isin(joints, moved) & hierarchy.offsets.any(axis=1)[joints]
    offsets = hierarchy.offsets[joints, [AXES.index(name[0]) for name in names]]
    return replace(bvh, motion=np.where(empty, offsets, bvh.motion)) if empty.any() else bvh


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
