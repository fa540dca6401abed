"""The motion of a BVH file: where its joints are, by forward kinematics, and the 17 joints at the wanted frame rate."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.file import AXES, Bvh, read_bvh
from pose3d_lib.data.sources.bvh.joints import JointMapping, weight_matrix

HIGHEST_RATE = 60.0  # frames per second; of faster recordings every second, third, ... frame is taken
SAME_RATE = 1e-3  # two frame rates whose ratio is as near to a whole number are taken for multiples
# A first frame is none of the motion's if from it a joint moves this many times as far as from any other frame of the
# first second, and by more than this share of the leg's length.
JUMP, FURTHEST = 5.0, 0.2
REST = 0.01  # degrees; a rotation as small is that of the rest pose
REMARKS = {  # what may be read otherwise than a file says, for a note on how many of all files that is done with
    "rest": "{count} files begin with a frame in rest pose, which is left out.",
    "zeros": "{count} of {all} files have joints whose positions are 0 in every frame; their OFFSETs are used.",
}


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
    joints, weights = weight_matrix(mapping, bvh.names, path)
    rest = _begins_with_rest(bvh, joints, weights)
    if rest:
        bvh = replace(bvh, motion=bvh.motion[1:])
    told = {"rest": rest, "zeros": filled is not written}
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
    turning = ["rotation" in name for names in bvh.channels for name in names]
    still = np.abs(bvh.motion[:2, turning]) < REST
    if still[0].mean() > 0.9 and still[1].mean() < 0.5:
        return True
    second = weights @ joint_positions(replace(bvh, motion=bvh.motion[: max(3, round(bvh.fps) + 1)]), joints)
    steps = np.linalg.norm(np.diff(second, axis=0), axis=-1).max(axis=1)
    return bool(steps[0] > JUMP * steps[1:].max() and steps[0] > FURTHEST * np.median(leg_lengths(second)))


def joint_positions(bvh: Bvh, joints: Sequence[int]) -> np.ndarray:
    """Where joints are: (frames, joints asked for, 3) float64, the file's units and axes.

    A position channel takes the place of its component of the joint's offset, on the root as on any joint; rotations
    follow each other in the file's order, each about the axes that those before it have turned. Ten times as fast as
    scipy's rotations joint by joint.
    """
    parents, frames, wanted = bvh.parents, len(bvh.motion), set(joints)
    for joint in reversed(range(len(parents))):  # children come behind their parents
        if joint in wanted:
            wanted.add(parents[joint])
    columns = iter(np.ascontiguousarray(bvh.motion.T))
    places = {-1: np.zeros((3, frames))}  # joint -> (3, frames)
    axes = {-1: np.repeat(np.eye(3)[..., None], frames, axis=2)}  # joint -> (3, 3, frames): its x, y and z, as columns
    for joint, (parent, channels) in enumerate(zip(parents, bvh.channels, strict=True)):
        values = [(name.endswith("rotation"), AXES.index(name[0]), next(columns)) for name in channels]
        if joint not in wanted:
            continue
        x, y, z = place = np.repeat(bvh.offsets[joint][:, None], frames, axis=1)
        axes[joint] = axes[parent].copy()
        for turns, axis, value in values:
            if turns:
                _turn(axes[joint], axis, np.radians(value))
            else:
                place[axis] = value
        base = axes[parent]
        places[joint] = places[parent] + base[:, 0] * x + base[:, 1] * y + base[:, 2] * z
    return np.stack([places[joint] for joint in joints], axis=1).transpose(2, 1, 0)


def fill_zero_positions(bvh: Bvh) -> Bvh:
    """The file with the OFFSET in position channels of joints below the root that are 0 all the time though it is not.

    Some programs write six channels for every joint and fill in the rotations only: the body would be a single point.
    """
    names = list(itertools.chain(*bvh.channels))
    joints = np.repeat(np.arange(len(bvh.names)), list(map(len, bvh.channels)))
    positions = (joints > 0) & [name.endswith("position") for name in names]
    moved = joints[positions & bvh.motion.any(axis=0)]
    empty = positions & ~np.isin(joints, moved) & bvh.offsets.any(axis=1)[joints]
    offsets = bvh.offsets[joints, [AXES.index(name[0]) for name in names]]
    return replace(bvh, motion=np.where(empty, offsets, bvh.motion)) if empty.any() else bvh


def _turn(axes: np.ndarray, axis: int, angle: np.ndarray) -> None:
    """Turn axes (3, 3, frames) in place about one of their own by angles (frames,), radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    one, two = axes[:, (axis + 1) % 3].copy(), axes[:, (axis + 2) % 3].copy()
    axes[:, (axis + 1) % 3] = cosine * one + sine * two
    axes[:, (axis + 2) % 3] = cosine * two - sine * one
