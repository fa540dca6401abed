"""`Measure`, a number that a check found; `Finding`, what does not pass; and what several checks compute."""

import shlex
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import CHECKS
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.missing import true_runs

TAKE = ["subject", "action", "take"]  # columns of the table of clips that name a take
LYING = 60.0  # degrees between upwards and the way from the feet to the head; people who sit on the floor reach 50


class Measure(NamedTuple):
    """A number that a check found in a clip."""

    check: str
    value: float  # in the check's unit
    frame: int = -1  # of the clip, where the value was found; -1 where it is not of one frame
    count: int = 0  # frames whose value does not pass
    detail: str = ""  # which joint or bone
    clip: int = -1  # row number in the dataset's table; of a take's first camera for 3D, -1 for the whole dataset
    source: str = ""  # which 2D source, if it is about one


class Finding(NamedTuple):
    """Something that does not pass, or that a reader should know."""

    level: str  # error, warning or note
    check: str
    what: str  # one sentence
    advice: str = ""
    where: str = ""  # subject/action/take, as `leave_out` takes it; empty for what concerns more than one take
    camera: str = ""
    clip: int = -1  # as of `Measure`, and so are those that follow
    value: float | None = None
    frame: int = -1
    count: int = 0
    source: str = ""
    share: float = 0.0  # how much of the limit is used up, for sorting


def poses_of(data: PoseDataset, clip: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """A labelled clip's joints relative to the root, (frames, joints, 3), and its root, (frames, 3): float64, metres."""
    rows = slice(clip.start, clip.stop)
    return data.positions[rows].astype(np.float64), data.trajectory[rows].astype(np.float64)


def leave_out_parameter(parameters: Collection[str], before: str, names: Sequence[str]) -> str:
    """The parameter that leaves takes out, with some words before it.

    Empty if the source of the data does not take it, or if a name holds a comma, which parts names.
    """
    possible = "leave_out" in parameters and not any("," in name for name in names)
    return f"{before}-p leave_out {shlex.quote(','.join(names))}" if possible else ""


def peak(check: str, series: np.ndarray, names: Sequence[str], first: int) -> Measure:
    """The greatest value of (steps, joints), its joint and frame, and how many steps pass the limit.

    `first` is the frame of the clip that the first row belongs to.
    """
    step, joint = divmod(int(series.argmax()), series.shape[1])
    count = int((series.max(axis=1) > CHECKS[check].good[1]).sum())
    return Measure(check, float(series[step, joint]), first + step, count, names[joint])


def count_frames(check: str, flags: np.ndarray, detail: str = "") -> Measure:
    """How many frames are flagged, and the first: (frames,) bool."""
    return Measure(check, float(flags.sum()), int(flags.argmax()), int(flags.sum()), detail)


def share_of_frames(check: str, flags: np.ndarray, first: int = 0) -> Measure:
    """The share of flagged frames, and the first; `first` is the frame that the first flag, (frames,) bool, belongs to."""
    return Measure(check, float(flags.mean()), first + int(flags.argmax()), int(flags.sum()))


def longest_still(check: str, still: np.ndarray, fps: float) -> Measure:
    """Seconds of the longest run of True, and its frame: (steps,) bool."""
    start, stop = max(true_runs(still), key=lambda run: run[1] - run[0], default=(0, 0))
    return Measure(check, (stop - start) / fps, start, stop - start)


def side_exchanges(points: np.ndarray, left: Sequence[int], right: Sequence[int]) -> np.ndarray:
    """What the joints of a pair save by changing places before a step: (frames, joints, 2 or 3) -> (frames - 1, pairs).

    The paths of a step are measured from where the joints were and from where they would go at the speed they had; what
    is saved is the lesser of both. It is 0 where exchanging does not at least halve the path: a joint that jumps alone
    cannot look like an exchange, and joints that pass each other do not.
    """
    pairs = np.stack([points[:, list(left)], points[:, list(right)]])  # (2, frames, pairs, 2 or 3)
    saved = _saved(pairs[:, :-1], pairs[:, 1:])
    some = np.flatnonzero(saved.any(axis=1))  # few
    if len(some):
        expected = 2 * pairs[:, some] - pairs[:, np.maximum(some - 1, 0)]
        saved[some] = np.minimum(saved[some], _saved(expected, pairs[:, some + 1]))
    return saved


def _saved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    stay = length(before - after).sum(axis=0)
    cross = length(before[::-1] - after).sum(axis=0)
    return np.where(cross < stay / 2, stay - cross, 0.0)


def length(vectors: np.ndarray) -> np.ndarray:
    """(..., n) -> (...); several times as fast as `np.linalg.norm`."""
    return np.sqrt(np.einsum("...i,...i", vectors, vectors))


def find_joints(skeleton: Skeleton, *names: str, among: Sequence[int] | None = None) -> list[int]:
    """The joints, or those among some, that have one of the names in theirs, name by name."""
    among = range(skeleton.num_joints) if among is None else among
    return [joint for name in names for joint in among if name in skeleton.joints[joint].casefold()]


def head_and_feet(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Joints at the ends of a body that stands; one of the lists is empty where names do not tell."""
    return find_joints(skeleton, "head", "nose"), find_joints(skeleton, "foot", "ankle")


def tilt(points: np.ndarray, ends: tuple[list[int], list[int]], up: np.ndarray) -> np.ndarray:
    """Degrees between upwards and the way from the feet to the head: (frames, joints, n), (n,) -> (frames,)."""
    head, feet = ends
    way = points[:, head].mean(axis=1) - points[:, feet].mean(axis=1)
    return np.degrees(np.arccos(((way @ up) / length(way).clip(1e-9)).clip(-1, 1)))
