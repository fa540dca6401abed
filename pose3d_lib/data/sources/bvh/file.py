"""BVH text to joints, channels and numbers.

The readers on the package index build an object per joint and frame, or know position channels on the root only.
"""

import io
import re
from codecs import BOM_UTF8
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError

FILE_LIMIT = 200 * 2**20  # bytes; an hour of 75 joints at 30 frames per second is about as long
HEADER_LIMIT = 2**20  # bytes within which MOTION has to begin
JOINT_LIMIT = 2000
VALUE_LIMIT = 1e7  # no millimetre and no degree of a motion is larger; what is would overflow sooner or later
RATE_LIMIT = 2000.0  # frames per second

END = ".end"  # an end site is called as its joint with this behind; a second one of the same joint has .end2
AXES = "xyz"
CHANNELS = tuple(axis + kind for kind in ("position", "rotation") for axis in AXES)

# One step of a hierarchy. A joint's name is all up to the brace: some programs write spaces into names.
STEP = re.compile(
    rb"""\s*(?P<step>
    (?P<joint>ROOT|JOINT|END)(?=[\s{])(?P<name>[^{}]*)\{
    | OFFSET(?P<offset>(?:\s+[^\s{}]+){3})
    | CHANNELS\s+(?P<count>[0-9]{1,9})(?P<channels>(?:\s+[XYZ](?:position|rotation)(?=[\s}]))*)
    | (?P<close>\})
    | (?P<motion>MOTION)(?=\s|$))""",
    re.IGNORECASE | re.VERBOSE,
)
TIMING = re.compile(rb"\s*frames\s*:\s*(\d{1,12})\s+frame\s*time\s*:\s*(\S+)", re.IGNORECASE)
NUMERIC = b"0123456789eE+-. \t\n\r\v\f"
BLANKS = bytes.maketrans(b" \t\r\v\f", b"\n" * 5)


@dataclass(frozen=True)
class Bvh:
    """A BVH file: its joints, parents before children, end sites among them, and their motion."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # index of each joint's parent, -1 for the root
    offsets: np.ndarray  # (joints, 3), the file's units: where a joint is in its parent's axes, unless channels say so
    channels: tuple[tuple[str, ...], ...]  # of each joint, in the file's order, out of CHANNELS
    fps: float
    motion: np.ndarray  # (frames, channels of all joints in turn) float64, the file's units and degrees


def read_bvh(path: Path) -> Bvh:
    """Read a file, or raise an InputError that names it, the line and what is wrong."""
    return parse_bvh(_read_bytes(path, FILE_LIMIT + 1), path)


def read_joint_names(path: Path) -> tuple[str, ...]:
    """The names of a file's joints; its motion is not looked at."""
    return _Text(_read_bytes(path, HEADER_LIMIT), path).joints()[0]


def parse_bvh(data: bytes, where: object) -> Bvh:
    """The content of a BVH file; `where` names it in messages."""
    if len(data) > FILE_LIMIT:
        raise InputError(f"{where}: more than {FILE_LIMIT >> 20} MB; no BVH file of a single take is as large")
    text = _Text(data, where)
    names, parents, offsets, channels, begin = text.joints()
    timing = TIMING.match(text.data[begin : begin + 400])
    if timing is None:
        text.fail(begin, "expected 'Frames: <number>' and 'Frame Time: <seconds>' behind MOTION")
    frames, seconds = int(timing[1]), _number(timing[2])
    if not 1 / RATE_LIMIT <= seconds <= 60:
        text.fail(begin, f"expected a Frame Time between {1 / RATE_LIMIT:g} and 60 s, found {_show(timing[2])}")
    width = sum(map(len, channels))
    if not frames or not width:
        text.fail(begin, f"{frames} frames of {width} channels: there is no motion in it")
    rate = 1 / seconds
    if abs(rate - round(rate)) < 5e-4 * rate:
        rate = float(round(rate))  # .0083333 is 120, which the file had no room to write
    motion = text.numbers(begin + timing.end(), frames, width)
    return Bvh(names, parents, offsets, channels, rate, motion)


class _Text:
    """The text of a file."""

    def __init__(self, data: bytes, where: object):
        self.data, self.where = data.removeprefix(BOM_UTF8), where

    def joints(self) -> tuple[tuple[str, ...], tuple[int, ...], np.ndarray, tuple[tuple[str, ...], ...], int]:
        """Names, parents, offsets and channels of the joints, as in `Bvh`, and the place behind MOTION."""
        begin = re.match(rb"\s*HIERARCHY\s", self.data, re.IGNORECASE)
        if begin is None:
            raise InputError(f"{self.where}: not a BVH file: it begins with {_show(self.data)}, expected HIERARCHY")
        names: list[str] = []
        parents: list[int] = []
        offsets: list[list[float] | None] = []
        channels: list[tuple[str, ...]] = []
        end_sites: Counter[int] = Counter()  # of each joint
        open_joints: list[int] = []
        place = begin.end()
        while step := STEP.match(self.data, place, HEADER_LIMIT):
            at, place = step.start("step"), step.end()
            joint, kind = open_joints[-1] if open_joints else -1, (step["joint"] or b"").upper()
            if kind == b"ROOT" and names:
                self.fail(at, "a second ROOT: one person per file can be read; split the file")
            if bool(open_joints) == (kind == b"ROOT" or step["motion"] is not None):
                self.fail(at, f"{_show(step['step'])} does not belong there")
            if step["motion"]:
                return tuple(names), tuple(parents), np.array(offsets, float), tuple(channels), place
            if kind:
                name = b" ".join(step["name"].split()).decode(errors="backslashreplace")
                if kind == b"END":
                    end_sites[joint] += 1
                    name = f"{names[joint]}{END}{end_sites[joint] if end_sites[joint] > 1 else ''}"
                if not name or name in names or len(names) == JOINT_LIMIT:
                    self.fail(at, f"the joint's name is {name!r}; expected at most {JOINT_LIMIT} different names")
                open_joints.append(len(names))
                names.append(name)
                parents.append(joint)
                offsets.append(None)
                channels.append(())
            elif step["offset"]:
                offsets[joint] = [_number(word) for word in step["offset"].split()]
                if not all(abs(value) <= VALUE_LIMIT for value in offsets[joint]):
                    self.fail(at, f"the OFFSET of {names[joint]!r} is {_show(step['offset'])}, expected three numbers")
            elif step["count"]:
                channels[joint] = tuple(step["channels"].decode().lower().split())
                if not int(step["count"]) == len(channels[joint]) == len(set(channels[joint])):
                    expected = f"expected their number, and different ones of {', '.join(CHANNELS)}"
                    self.fail(at, f"found {_show(self.data[at:])}, {expected}")
            else:
                open_joints.pop()
                if offsets[joint] is None:
                    self.fail(at, f"{names[joint]!r} has no OFFSET")
        rest = self.data[place:HEADER_LIMIT].lstrip()
        expected = f"ROOT, JOINT, End Site, OFFSET, CHANNELS, a brace, or MOTION within {HEADER_LIMIT >> 20} MB"
        found = _show(rest) if rest else "the end"
        self.fail(min(len(self.data), HEADER_LIMIT) - len(rest), f"found {found}, expected {expected}")

    def numbers(self, begin: int, frames: int, width: int) -> np.ndarray:
        """(frames, width) numbers of the text from `begin` on; `frames` or more, if what is there are whole frames."""
        text = self.data[begin:]
        promised = f"'Frames: {frames}' of {width} numbers"
        if 2 * frames * width - 1 > len(text):
            self.fail(begin, f"{promised} cannot be in the {len(text)} bytes behind it: the file is cut off or wrong")
        column = np.array([np.nan])
        if not text.translate(None, NUMERIC):
            with suppress(ValueError):  # one number per line, which pandas reads three times as fast as numpy
                column = pd.read_csv(
                    io.BytesIO(text.translate(BLANKS)),
                    header=None, names=["value"], sep=" ", quoting=3, dtype=np.float64, na_filter=False, low_memory=False,
                )["value"].to_numpy()  # fmt: skip
        if (np.abs(column) <= VALUE_LIMIT).all() and len(column) >= frames * width and len(column) % width == 0:
            return column.reshape(-1, width)
        for line in re.finditer(rb"\S[^\n]*", text):
            words = line[0].split()
            if bad := next((word for word in words if not _is_value(word)), b""):
                self.fail(begin + line.start(), f"{_show(bad)} is not a number up to {VALUE_LIMIT:,.0f}")
            if len(words) != width:
                self.fail(begin + line.start(), f"found {len(words)} numbers, expected {width} for each frame")
        self.fail(begin, f"promised are {promised}, found {len(column) / width:g} frames")

    def fail(self, at: int, what: str) -> NoReturn:
        raise InputError(f"{self.where}, line {self.data.count(bytes([10]), 0, at) + 1}: {what}")


def _number(text: bytes) -> float:
    """The number, or NaN, which no check lets pass."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _is_value(word: bytes) -> bool:
    return not word.translate(None, NUMERIC) and abs(_number(word)) <= VALUE_LIMIT


def _read_bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _show(text: bytes) -> str:
    """The beginning of a text, for a message."""
    return repr(b" ".join(text[:200].split())[:40].decode("latin-1"))
