"""A `Video` of people in frames, which every file of 2D detections becomes, and the checks that all readers share."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.layouts import LAYOUTS, choose_layout
from pose3d_lib.data.sources.missing import find_missing

MAX_PIXELS = 100_000.0  # coordinates further from the image's corner are a mistake
MAX_FRAME = 10**9
MAX_BYTES, MAX_VALUES = 256 * 2**20, 20_000_000  # of a file: 17 joints in 400,000 frames take a gigabyte or two
MAX_SIDE = 65_535  # pixels of an image's side
NO_SCORE = 1e6  # scores beyond this, and NaN, count as 0


class Person(NamedTuple):
    """One person detected in one frame."""

    frame: int
    joints: np.ndarray  # (joints, 2 or 3) float32: x, y and perhaps a score, as the file has them
    score: float | None = None  # of the whole person; None for the mean of the joints' scores, 0 where one is missing
    track: str | None = None  # which person of the video it is, if the detector says so


@dataclass(frozen=True)
class Video:
    """Everybody who was detected in a video, in order of frames."""

    name: str  # the subject
    where: str  # the file or folder, for messages
    layout: str  # one of `LAYOUTS`
    listed: np.ndarray  # (n,) int64, ascending: the frames that the file knows of, with people or without
    frames: np.ndarray  # (people,) int64: the frame of each detected person
    points: np.ndarray  # (people, joints, 2) float32, pixels, or shares of the sides if `normalised`; NaN where missing
    scores: np.ndarray  # (people,) float32
    joint_scores: np.ndarray | None = None  # (people, joints) float32, NaN where missing; None if the file has none
    tracks: tuple[str, ...] | None = None  # (people,) who each is; None if the detector does not tell people apart
    size: tuple[int, int] | None = None  # width and height of the image, if the file has them
    normalised: bool = False
    fps: float | None = None  # frames per second, if the file has them
    notes: tuple[str, ...] = ()  # of who made the file, on the frames


def make_video(
    name: str,
    where: str,
    people: Sequence[Person],
    listed: Iterable[int],
    *,
    joints: str = "",
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    notes: tuple[str, ...] = (),
    scored: bool = True,
) -> Video:
    """The video of people in any order; `name`, `where`, `size`, `fps` and `notes` as in `Video`.

    `listed` are the frames that the file knows of besides those of the people. `joints` names the layout, "" stands for
    what the number of joints tells. Not `scored`, or if somebody has no scores, a third number is none of a joint.

    Raises:
        InputError: there is nobody, the number of joints varies or is that of no layout, or numbers are no coordinates.
    """
    if not people:
        raise InputError(f"{where}: nobody is detected in any frame")
    counts = {len(person.joints) for person in people}
    if len(counts) > 1:
        few = " and with ".join(map(str, sorted(counts)[:4]))
        raise InputError(f"{where}: people with {few} joints; expected the same number for all")
    layout = choose_layout(counts.pop(), joints, where)
    people = sorted(people, key=lambda person: person.frame)
    frames = np.array([person.frame for person in people], np.int64)
    used = np.ones((len(people), LAYOUTS[layout].num_joints, 3), np.float32)
    for row, person in enumerate(people):
        used[row, :, : person.joints.shape[1]] = person.joints[: used.shape[1]]
    points, joint_scores = used[..., :2].copy(), np.where(np.abs(used[..., 2]) < NO_SCORE, used[..., 2], np.nan)
    scored = scored and all(person.joints.shape[1] == 3 for person in people) and np.isfinite(joint_scores).any()
    missing = find_missing(points, joint_scores)
    if missing.all():
        raise InputError(f"{where}: every joint of everybody is missing")
    points[missing] = np.nan
    joint_scores = np.where(missing, 0, np.nan_to_num(joint_scores))
    largest = float(np.nanmax(np.abs(points)))
    if largest > MAX_PIXELS:
        raise InputError(f"{where}: a joint lies {largest:.3g} pixels from the corner of the image; expected pixels")
    means = joint_scores.mean(axis=1)
    scores = [mean if person.score is None else person.score for person, mean in zip(people, means, strict=True)]
    seen = ~missing.all(axis=1)
    tracks = tuple(person.track for person, there in zip(people, seen, strict=True) if there)
    alone = len(set(frames.tolist())) == len(people)
    # AlphaPose gives everybody the same track if it did not follow them.
    told = None not in tracks and (alone or len(set(tracks)) > 1)
    return Video(
        name=name,
        where=where,
        layout=layout,
        listed=np.union1d(np.fromiter(listed, np.int64), frames),
        frames=frames[seen],
        points=points[seen],
        scores=np.nan_to_num(to_float32(scores), nan=0.0)[seen],
        joint_scores=np.where(missing, np.float32(np.nan), joint_scores)[seen] if scored else None,
        tracks=tracks if told else None,
        size=size,
        normalised=layout == "mediapipe_33" and float(np.nanmedian(np.abs(points))) <= 2,
        fps=fps,
        notes=notes,
    )


def check_extent(path: Path, separators: str) -> None:
    """Refuse a text that would need too much memory: each separator stands for a value."""
    if not path.is_file():  # reading a pipe would wait for ever
        raise InputError(f"{path}: not a file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; cut the video into shorter ones")
        with path.open("rb") as file:
            values = sum(map(file.read().count, map(str.encode, separators)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if values > MAX_VALUES:
        raise InputError(f"{path}: more than {MAX_VALUES:,} values; cut the video into shorter ones")


def read_numbers(values: object, width: int, where: str, *, rows: int = -1) -> np.ndarray:
    """(rows, width) float32 from numbers as JSON has them, in one list or in a list for each row; null is NaN."""
    try:
        return to_float32(values).reshape(rows, width)
    except (TypeError, ValueError, OverflowError) as error:
        expected = "a number" if rows == 1 else f"numbers, {width} for each joint"
        raise InputError(f"{where}: expected {expected}: {str(error)[:200]}") from error


def to_float32(numbers: ArrayLike) -> np.ndarray:
    """A copy in which what float32 cannot hold, infinity included, stays far too large, and is no pixel; NaN is NaN."""
    return np.clip(np.asarray(numbers, np.float64), -1e30, 1e30).astype(np.float32)


def read_frame(value: object, where: str) -> int:
    """The number of a frame: an integer, or the last number in a file's name."""
    number = _whole(value)
    if isinstance(value, str):
        digits = re.findall(r"[0-9]+", value.rpartition(".")[0]) or re.findall(r"[0-9]+", value)
        number = int(digits[-1]) if digits and len(digits[-1]) <= 18 else None
    if number is None or not 0 <= number <= MAX_FRAME:
        raise InputError(f"{where}: expected the number of a frame, or a name that holds one, found {shown(value)}")
    return number


def read_track(value: object, where: str) -> str | None:
    """A track as text; None for none (null, -1). Of nested lists, the first: AlphaPose lists the tracks it merged."""
    while isinstance(value, list):
        value = value[0] if value else None
    if value is None or value == -1:
        return None
    name = value if isinstance(value, str) else _whole(value)
    if name is None:
        raise InputError(f"{where}: expected the number or name of a track, found {shown(value)}")
    return str(name)[:100]


def read_size(width: object, height: object, where: str) -> tuple[int, int] | None:
    """Width and height of an image, pixels; None if neither is told."""
    if width is None and height is None:
        return None
    sides = _whole(width), _whole(height)
    if not all(side is not None and 1 <= side <= MAX_SIDE for side in sides):
        raise InputError(
            f"{where}: expected the image's width and height in pixels, found {shown(width)}, {shown(height)}"
        )
    return sides


def _whole(value: object) -> int | None:
    """A whole number as JSON or numpy has it; None for anything else."""
    value = value.item() if isinstance(value, np.number) else value
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def shown(value: object) -> str:
    """A value, short enough for a message; of an array the type and shape."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, str):
        return ascii(value[:60])
    if type(value) is int and abs(value) > 10**18:
        return "a very large integer"
    return str(value)[:60] if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
