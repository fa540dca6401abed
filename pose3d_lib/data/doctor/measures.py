"""`Measure`, a number that a check found, and `Block`, clips that are measured together."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import CHECKS
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.missing import true_runs

FRAMES_AT_ONCE = 4096
"""Of the clips of a block: enough for numpy to be quick, few enough for the processor's cache."""


class Measure(NamedTuple):
    """A number that a check found in a clip.

    Attributes:
        clip: row number in the dataset's table; of a take's first camera for what is measured in 3D, -1 for what is measured
            of the whole dataset.
        check: name of a check of `CHECKS`.
        value: in the check's unit.
        frame: of the clip, where the value was found; -1 where it is not of one frame.
        count: frames whose value does not pass; 0 where it is not of one frame.
        detail: which joint or bone.
        source: which 2D source, if it is about one.
    """

    clip: int
    check: str
    value: float
    frame: int = -1
    count: int = 0
    detail: str = ""
    source: str = ""


class Block:
    """Some clips of one frame rate, end to end, so that numpy measures them together.

    Args:
        clips: of the dataset's table.
        numbers: their row numbers in it.

    Attributes:
        numbers: (clips,).
        fps, labelled: of all of them.
        cameras: (clips,), which of the dataset's.
        lengths, starts: (clips,): frames, and the first frame within the block.
        owner: (frames,): which of the clips a frame is of.
        frame: (frames,): its number within its clip.
    """

    def __init__(self, clips: pd.DataFrame, numbers: Sequence[int]):
        self.numbers = np.asarray(numbers)
        own = clips.iloc[self.numbers]
        self.fps = float(own.fps.iloc[0])
        self.labelled = bool(own.labelled.iloc[0])
        self.cameras = own.camera.to_numpy()
        self._rows = list(zip(own.start.tolist(), own.stop.tolist(), strict=True))
        self.lengths = (own.stop - own.start).to_numpy()
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.owner = np.repeat(np.arange(len(own)), self.lengths)
        self.frame = np.arange(len(self.owner)) - self.starts[self.owner]

    def read(self, array: np.ndarray) -> np.ndarray:
        """The clips' rows of one of the dataset's arrays: (frames, ...) float64."""
        parts = [array[start:stop] for start, stop in self._rows]
        return np.concatenate(parts, dtype=np.float64)

    @cached_property
    def spans(self) -> list[slice]:
        return [slice(a, a + n) for a, n in zip(self.starts.tolist(), self.lengths.tolist(), strict=True)]

    def most(self, values: np.ndarray) -> np.ndarray:
        """The greatest value of each clip: (frames,) -> (clips,)."""
        return np.maximum.reduceat(values, self.starts)

    def where_most(self, values: np.ndarray) -> np.ndarray:
        """The first frame of each clip that has its greatest value: (frames,) -> (clips,)."""
        return np.array([values[span].argmax() for span in self.spans])

    def count(self, values: np.ndarray) -> np.ndarray:
        """The sum of each clip: (frames,) -> (clips,)."""
        return np.add.reduceat(values.astype(np.int64), self.starts)

    def median(self, values: np.ndarray) -> np.ndarray:
        """Of each clip: (frames,) -> (clips,)."""
        ranked = values[np.lexsort((values, self.owner))]
        last = self.lengths - 1
        return (ranked[self.starts + last // 2] + ranked[self.starts + (last + 1) // 2]) / 2

    def measures(
        self, check: str, values: np.ndarray, frames: np.ndarray | None = None, counts: np.ndarray | None = None,
        *, among: np.ndarray | None = None, details: Sequence[str] | None = None, source: str = "",
    ) -> Iterator[Measure]:  # fmt: skip
        """A `Measure` of each clip among some, or of all: (clips,) each."""
        clips = np.arange(len(values)) if among is None else np.flatnonzero(among)
        columns = [
            self.numbers[clips].tolist(),
            [check] * len(clips),
            values[clips].astype(float).tolist(),
            [-1] * len(clips) if frames is None else frames[clips].tolist(),
            [0] * len(clips) if counts is None else counts[clips].tolist(),
            [""] * len(clips) if details is None else [details[clip] for clip in clips],
            [source] * len(clips),
        ]
        return map(Measure, *columns)


def blocks(data: PoseDataset, numbers: Sequence[int]) -> Iterator[Block]:
    """Clips by their row numbers, in order, in blocks of one kind and about FRAMES_AT_ONCE frames.

    Clips of a kind have the same frame rate, and all or none of them are labelled and seen through a known lens.
    """
    clips = data.clips
    known = np.array([camera.intrinsics is not None for camera in data.cameras])[clips.camera.to_numpy()]
    kinds = list(zip(clips.fps.tolist(), clips.labelled.tolist(), known.tolist(), strict=True))
    lengths = (clips.stop - clips.start).tolist()
    own: list[int] = []
    frames = 0
    for number in numbers:
        if own and (kinds[number] != kinds[own[-1]] or frames >= FRAMES_AT_ONCE):
            yield Block(clips, own)
            own, frames = [], 0
        own.append(number)
        frames += lengths[number]
    if own:
        yield Block(clips, own)


def peak(clip: int, check: str, series: np.ndarray, names: tuple[str, ...], first: int) -> Measure:
    """The greatest value of a series: (steps, joints) -> its value, its frame, and how many frames pass the limit.

    Args:
        clip: row number in the dataset's table.
        check: which one.
        series: (steps, joints), the check's unit.
        names: of the joints.
        first: frame of the clip that the first row belongs to.
    """
    step, joint = np.unravel_index(series.argmax(), series.shape)
    count = int((series.max(axis=1) > CHECKS[check].good[1]).sum())
    return Measure(clip, check, float(series[step, joint]), first + int(step), count, names[joint])


def longest_run(still: np.ndarray) -> tuple[int, int]:
    """Length and start of the longest run of True: (steps,) bool; (0, 0) where there is none."""
    return max(((stop - start, start) for start, stop in true_runs(still)), key=lambda run: run[0], default=(0, 0))


def side_exchanges(
    points: np.ndarray, left: tuple[int, ...], right: tuple[int, ...], starts: Sequence[int] = (0,)
) -> np.ndarray:
    """What the joints of a pair save by changing places before a step: (frames, joints, 2 or 3) -> (frames - 1, pairs).

    The paths of a step are measured from where the joints were and from where they would go at the speed they had; what
    is saved is the lesser of both. It is 0 where exchanging does not at least halve the path: a joint that jumps alone
    cannot look like an exchange, and joints that pass each other do not. `starts` are the first frames of clips that
    stand end to end, from one to the next of which there is no step.
    """
    pairs = np.stack([points[:, list(left)], points[:, list(right)]])  # (2, frames, pairs, 2 or 3)
    saved = _saved(pairs[:, :-1], pairs[:, 1:])
    saved[np.asarray(starts[1:], int) - 1] = 0
    some = np.flatnonzero(saved.any(axis=1))  # few
    before = pairs[:, some]
    speed = before - pairs[:, np.where(np.isin(some, starts), some, some - 1)]
    saved[some] = np.minimum(saved[some], _saved(before + speed, pairs[:, some + 1]))
    return saved


def _saved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    stay = length(before - after).sum(axis=0)
    cross = length(before[::-1] - after).sum(axis=0)
    return np.where(cross < stay / 2, stay - cross, 0.0)


def length(vectors: np.ndarray) -> np.ndarray:
    """(..., n) -> (...); several times as fast as `np.linalg.norm`."""
    return np.sqrt(np.einsum("...i,...i", vectors, vectors))


def head_and_feet(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Joints at the ends of a body that stands; one of the lists is empty where names do not tell."""
    head, feet = ("head", "nose"), ("foot", "ankle")
    return tuple([joint for name in names for joint in find_joints(skeleton, name)] for names in (head, feet))


def find_joints(skeleton: Skeleton, name: str, among: Sequence[int] | None = None) -> list[int]:
    """The joints, or those among some, that have a name in theirs."""
    among = range(skeleton.num_joints) if among is None else among
    return [joint for joint in among if name in skeleton.joints[joint].casefold()]


def tilt(points: np.ndarray, ends: tuple[list[int], list[int]], up: np.ndarray) -> np.ndarray:
    """Degrees between upwards and the way from the feet to the head: (frames, joints, n), (n,) -> (frames,)."""
    head, feet = ends
    way = points[:, head].mean(axis=1) - points[:, feet].mean(axis=1)
    return np.degrees(np.arccos(((way @ up) / length(way).clip(1e-9)).clip(-1, 1)))
