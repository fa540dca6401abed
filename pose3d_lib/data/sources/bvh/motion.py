"""BVH files to the 17 joints at the wanted frame rate."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.bvh.file import Bvh, read_bvh
from pose3d_lib.data.sources.bvh.joints import JointMapping, weight_matrix
from pose3d_lib.data.sources.bvh.kinematics import joint_positions, without_zero_positions
from pose3d_lib.data.spec import Progress

HIGHEST_RATE = 60.0  # frames per second; of faster recordings every second, third, ... frame is taken
SAME_RATE = 1e-3  # two frame rates whose ratio is as near to a whole number are taken for multiples
# A first frame is none of the motion's if from it a joint moves this many times as far as from any other frame of the
# first second, and by more than this share of the leg's length.
JUMP, FURTHEST = 5.0, 0.2
REST = 0.01  # degrees; a rotation as small is that of the rest pose
MORE_FRAMES = "have more frames than their line `Frames:` says; all of them are read."
ZERO_POSITIONS = "have joints whose positions are 0 in every frame; their OFFSETs are used."
MOST_BAD = 5
EVERY = 3.0  # seconds between lines of progress


@dataclass(frozen=True)
class Recording:
    """The motion of a BVH file."""

    motion: np.ndarray  # (frames, 17, 3) float32, the file's units and axes
    fps: float
    leg: float  # median length of a leg, hip to knee to ankle, the file's units
    without_rest: bool  # whether a first frame in rest pose was left out
    remarks: tuple[str, ...] = ()  # what was read otherwise than the file says; "... files" goes before each


def read_motion(path: Path, mapping: JointMapping, fps: float | None, recorded_fps: float | None = None) -> Recording:
    """The 17 joints of a file; at `fps`, or at its own rate divided until it is at most `HIGHEST_RATE`.

    Its own rate is `recorded_fps`, if that is given, or what its header says.
    """
    written = read_bvh(path)
    bvh = without_zero_positions(written)
    remarks = [MORE_FRAMES] * (len(bvh.motion) > bvh.promised) + [ZERO_POSITIONS] * (bvh is not written)
    bvh = replace(bvh, fps=recorded_fps or bvh.fps)
    joints, weights = weight_matrix(mapping, bvh.hierarchy.names, path)
    rest = _begins_with_rest(bvh, joints, weights)
    if rest:
        bvh = replace(bvh, motion=bvh.motion[1:])
    wanted = fps or bvh.fps / math.ceil(bvh.fps / HIGHEST_RATE - SAME_RATE)
    every = round(bvh.fps / wanted)
    if every and abs(bvh.fps / wanted / every - 1) <= SAME_RATE:
        motion = weights @ joint_positions(replace(bvh, motion=bvh.motion[::every]), joints)
    else:
        motion = resample(weights @ joint_positions(bvh, joints), bvh.fps, wanted)
    leg = float(np.median(leg_lengths(motion)))
    return Recording(motion.astype(np.float32), float(wanted), leg, rest, tuple(remarks))


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


def read_all(
    files: Mapping[str, Path], mapping: JointMapping, fps: float | None, recorded_fps: float | None, progress: Progress
) -> list[Recording]:
    """`read_motion` of every file, in order; `files` are by their takes, "subject/action/take".

    Raises:
        InputError: some files cannot be read; lists them.
    """
    found: list[Recording] = []
    bad: dict[str, str] = {}
    begun = said = time.monotonic()
    for number, (take, file) in enumerate(files.items(), start=1):
        try:
            found.append(read_motion(file, mapping, fps, recorded_fps))
        except InputError as error:
            bad[take] = f"{error} (take {take})"
            if len(bad) == MOST_BAD:
                break
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            progress(f"read {number:,} of {len(files):,} files, {said - begun:.0f} s")
    if bad:
        more = ", and maybe more" if number < len(files) else ""
        raise InputError(
            f"{len(bad)} BVH file{'s' if len(bad) > 1 else ''} cannot be used{more}:\n"
            + "\n".join(bad.values())
            + f"\nMend them, or leave them out: leave_out = {','.join(bad)!r}"
        )
    return found


def _begins_with_rest(bvh: Bvh, joints: Sequence[int], weights: np.ndarray) -> bool:
    """Whether the first frame is no motion but the rest pose, which conversions put before it (CMU's does)."""
    if len(bvh.motion) < 3:
        return False
    turning = np.array(["rotation" in name for names in bvh.hierarchy.channels for name in names])
    still = np.abs(bvh.motion[:2, turning]) < REST
    if still[0].mean() > 0.9 and still[1].mean() < 0.5:
        return True
    second = weights @ joint_positions(replace(bvh, motion=bvh.motion[: max(3, round(bvh.fps) + 1)]), joints)
    steps = np.linalg.norm(np.diff(second, axis=0), axis=-1).max(axis=1)
    return bool(steps[0] > JUMP * steps[1:].max() and steps[0] > FURTHEST * np.median(leg_lengths(second)))
