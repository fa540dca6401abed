"""`Measure`: one number that a check found in one clip, and where it was found."""

from dataclasses import dataclass

import numpy as np

from pose3d_lib.doctor.limits import CHECKS


@dataclass(frozen=True)
class Measure:
    """What a check found.

    Attributes:
        check: name of a check of `CHECKS`.
        value: in the check's unit.
        frame: of the clip, where the value was found; -1 where it is not of one frame.
        count: frames whose value does not pass; 0 where it is not of one frame.
        detail: which joint, bone or 2D source.
    """

    check: str
    value: float
    frame: int = -1
    count: int = 0
    detail: str = ""


def peak(check: str, series: np.ndarray, names: tuple[str, ...], first: int) -> Measure:
    """The greatest value of a series: (steps, joints) -> its value, its frame, and how many frames pass the limit.

    Args:
        check: which one.
        series: (steps, joints), the check's unit.
        names: of the joints.
        first: frame of the clip that the first row belongs to.
    """
    step, joint = np.unravel_index(series.argmax(), series.shape)
    count = int((series.max(axis=1) > CHECKS[check].good[1]).sum())
    return Measure(check, float(series[step, joint]), first + int(step), count, names[joint])


def longest_run(still: np.ndarray) -> tuple[int, int]:
    """Length and start of the longest run of True: (steps,) bool; (0, 0) where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]])))
    if not len(edges):
        return 0, 0
    starts, stops = edges[::2], edges[1::2]
    longest = int((stops - starts).argmax())
    return int(stops[longest] - starts[longest]), int(starts[longest])


def side_exchanges(points: np.ndarray, left: tuple[int, ...], right: tuple[int, ...]) -> np.ndarray:
    """What the joints of a pair save by changing places before a step: (frames, joints, 2 or 3) -> (frames - 1, pairs).

    The paths of a step are measured from where the joints were and from where they would go at the speed they had; what
    is saved is the lesser of both. It is 0 where exchanging does not at least halve the path: a joint that jumps alone
    cannot look like an exchange, and joints that pass each other do not.
    """
    pairs = np.stack([points[:, list(left)], points[:, list(right)]])  # (2, frames, pairs, 2 or 3)
    speed = np.diff(pairs, axis=1, prepend=pairs[:, :1])
    return np.minimum(_saved(pairs[:, :-1], pairs[:, 1:]), _saved((pairs + speed)[:, :-1], pairs[:, 1:]))


def _saved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    stay = _distance(before, after).sum(axis=0)
    cross = _distance(before[::-1], after).sum(axis=0)
    return np.where(cross < stay / 2, stay - cross, 0.0)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a - b, axis=-1)
