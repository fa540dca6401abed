"""BVH text to joints, channels and numbers.

The readers on the package index build an object per joint and frame, or know position channels on the root only.
"""

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.text_files import encoding_of

FILE_LIMIT = 200 * 2**20  # bytes; an hour of 75 joints at 30 frames per second is about as long
HEADER_LIMIT = 2**20  # bytes within which MOTION has to begin
JOINT_LIMIT, DEPTH_LIMIT = 2000, 200
VALUE_LIMIT = 1e7  # no millimetre and no degree of a motion is larger; what is would overflow sooner or later
RATE_LIMIT = 2000.0  # frames per second
LINES_LIMIT = 200_000  # lines that are searched for what is wrong

END = ".end"  # an end site is called as its joint with this behind; a second one of the same joint has .end2
AXES = "xyz"
CHANNELS = tuple(axis + kind for kind in ("position", "rotation") for axis in AXES)

TOKEN = re.compile(rb"[{}]|[^\s{}]+")
TIMING = re.compile(rb"\s*frames\s*:\s*(\d{1,12})\s+frame\s*time\s*:\s*(\S+)", re.IGNORECASE)
WORD = re.compile(rb"\S+")
NO_NUMBER = re.compile(rb"(?<!\S)(?![+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d++)?+(?!\S))\S+")
NUMERIC = b"0123456789eE+-. \t\n\r\v\f"
BLANKS = bytes.maketrans(b" \t\r\v\f", b"\n" * 5)


@dataclass(frozen=True)
class Hierarchy:
    """The joints of a BVH file, parents before children, end sites among them."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # index of each joint's parent, -1 for the root
    offsets: np.ndarray  # (joints, 3), the file's units: where a joint is in its parent's axes, unless channels say so
    channels: tuple[tuple[str, ...], ...]  # of each joint, in the file's order, out of CHANNELS


@dataclass(frozen=True)
class Bvh:
    """A BVH file."""

    hierarchy: Hierarchy
    fps: float
    motion: np.ndarray  # (frames, channels of all joints in turn) float64, the file's units and degrees
    promised: int  # frames that the line `Frames:` says there are; there may be more


def read_bvh(path: Path) -> Bvh:
    """Read a file, or raise an InputError that names it, the line and what is wrong."""
    return parse_bvh(_read_bytes(path, FILE_LIMIT + 1), path)


def read_hierarchy(path: Path) -> Hierarchy:
    """The joints of a file, whose motion is not looked at."""
    return _Reader(_read_bytes(path, HEADER_LIMIT), path).hierarchy()[0]


def parse_bvh(data: bytes, where: object) -> Bvh:
    """The content of a BVH file; `where` names it in messages."""
    if len(data) > FILE_LIMIT:
        raise InputError(f"{where}: more than {FILE_LIMIT >> 20} MB; no BVH file of a single take is as large")
    reader = _Reader(data, where)
    hierarchy, begin = reader.hierarchy()
    timing = TIMING.match(reader.data[begin : begin + 400])
    if timing is None:
        reader.fail(begin, "expected 'Frames: <number>' and 'Frame Time: <seconds>' behind MOTION")
    frames, seconds = int(timing[1]), _number(timing[2])
    if not 1 / RATE_LIMIT <= seconds <= 60:
        expected = f"expected a Frame Time between {1 / RATE_LIMIT:g} and 60 s"
        reader.fail(begin, f"{expected}, found {_show(timing[2])}")
    width = sum(map(len, hierarchy.channels))
    if not frames or not width:
        reader.fail(begin, f"{frames} frames of {width} channels: there is no motion in it")
    rate = 1 / seconds
    if abs(rate - round(rate)) < 5e-4 * rate:
        rate = float(round(rate))  # .0083333 is 120, which the file had no room to write
    return Bvh(hierarchy, rate, reader.numbers(begin + timing.end(), frames, width), frames)


class _Reader:
    """The text of a file, in UTF-8, and where reading it is."""

    def __init__(self, data: bytes, where: object):
        encoding = encoding_of(data)
        self.data = data if encoding == "utf-8" else data.decode(encoding, "replace").encode()
        self.where = where
        self.tokens: Iterator[re.Match] = TOKEN.finditer(self.data, 0, HEADER_LIMIT)
        self.at = 0  # of the last token

    def next(self) -> bytes:
        token = next(self.tokens, None)
        if token is None:
            many = len(self.data) >= HEADER_LIMIT
            what = f"no MOTION within {HEADER_LIMIT >> 20} MB" if many else "the file ends before MOTION"
            self.fail(min(len(self.data), HEADER_LIMIT), what)
        self.at = token.start()
        return token[0]

    def hierarchy(self) -> tuple[Hierarchy, int]:
        """The joints, and the place behind MOTION."""
        names: list[str] = []
        parents: list[int] = []
        offsets: list[list[float] | None] = []
        channels: list[tuple[str, ...]] = []
        end_sites: list[int] = []
        open_joints: list[int] = []
        first = self.next()
        if first.upper() != b"HIERARCHY":
            raise InputError(f"{self.where}: not a BVH file: it begins with {_show(first)}, expected HIERARCHY")
        while True:
            token = self.next()
            word, at = token.upper(), self.at
            joint = open_joints[-1] if open_joints else -1
            if word in (b"ROOT", b"JOINT", b"END"):
                name = self.name()
                if word == b"ROOT" and names:
                    self.fail(at, f"a second ROOT, {name!r}: one person per file can be read; split the file")
                if (word == b"ROOT") == bool(open_joints) or joint in end_sites:
                    self.fail(at, f"{word.decode()} {name!r} does not belong there")
                if word == b"END":
                    number = 1 + sum(parents[site] == joint for site in end_sites)
                    name = f"{names[joint]}{END}{number if number > 1 else ''}"
                    end_sites.append(len(names))
                if not name or name in names:
                    self.fail(at, f"a second joint is called {name!r}" if name else "a joint has no name")
                open_joints.append(len(names))
                if len(names) == JOINT_LIMIT or len(open_joints) > DEPTH_LIMIT:
                    self.fail(at, f"more than {JOINT_LIMIT} joints, or more than {DEPTH_LIMIT} below each other")
                names.append(name)
                parents.append(joint)
                offsets.append(None)
                channels.append(())
            elif word == b"MOTION" and names and not open_joints:
                found = Hierarchy(tuple(names), tuple(parents), np.array(offsets, float), tuple(channels))
                return found, at + len(token)
            elif not open_joints:
                self.fail(at, f"found {_show(token)}, expected {'MOTION' if names else 'ROOT'}")
            elif word == b"OFFSET":
                offsets[joint] = [_number(self.next()) for _ in AXES]
                if not all(abs(value) <= VALUE_LIMIT for value in offsets[joint]):
                    self.fail(at, f"the OFFSET of {names[joint]!r} is not three numbers")
            elif word == b"CHANNELS":
                channels[joint] = self.channels(at)
            elif word == b"}":
                open_joints.pop()
                if offsets[joint] is None:
                    self.fail(at, f"{names[joint]!r} has no OFFSET")
            else:
                self.fail(at, f"found {_show(token)}, expected JOINT, End Site, OFFSET, CHANNELS or a brace")

    def name(self) -> str:
        """All up to the brace: some programs write spaces into names."""
        words = []
        while (word := self.next()) != b"{":
            words.append(word)
            if len(words) > 20 or word == b"}":
                self.fail(self.at, "expected a brace { behind a joint's name")
        name = b" ".join(words)
        try:
            return name.decode()
        except UnicodeDecodeError:
            return name.decode("latin-1")

    def channels(self, at: int) -> tuple[str, ...]:
        count = self.next()
        if count not in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
            self.fail(at, f"found {_show(count)} CHANNELS, expected 0 to 6")
        found = tuple(self.next().decode("latin-1").lower() for _ in range(int(count)))
        if not set(found) <= set(CHANNELS) or len(set(found)) < len(found):
            expected = f"expected different ones of {', '.join(CHANNELS)}"
            self.fail(at, f"the CHANNELS are {', '.join(found)[:200]}; {expected}")
        return found

    def numbers(self, begin: int, frames: int, width: int) -> np.ndarray:
        """(frames, width) numbers of the text from `begin` on; `frames` or more, if what is there are whole frames."""
        text = self.data[begin:]
        promised = f"'Frames: {frames}' of {width} numbers"
        if 2 * frames * width - 1 > len(text):
            self.fail(begin, f"{promised} cannot be in the {len(text)} bytes behind it: the file is cut off or wrong")
        try:  # one number per line, which pandas reads three times as fast as numpy
            if text.translate(None, NUMERIC):
                raise ValueError("there are other characters than those of numbers")
            column = pd.read_csv(
                io.BytesIO(text.translate(BLANKS)),
                header=None, names=["value"], sep=" ", quoting=3, dtype=np.float64, na_filter=False, low_memory=False,
            )["value"].to_numpy()  # fmt: skip
        except ValueError as error:
            if word := NO_NUMBER.search(text):
                self.fail(begin + word.start(), f"{_show(word[0])} is not a number")
            raise InputError(f"{self.where}: among the numbers of the motion: {error}") from error
        if (large := ~(np.abs(column) <= VALUE_LIMIT)).any():
            number = int(large.argmax())
            word = next(itertools.islice(WORD.finditer(text), number, None))
            what = f"number {number % width + 1} of frame {number // width} is {column[number]:g}"
            self.fail(begin + word.start(), f"{what}: no motion is as large")
        if len(column) >= frames * width and len(column) % width == 0:
            return column.reshape(-1, width)
        first, frame = self.data.count(b"\n", 0, begin) + 1, -1
        for number, line in enumerate(text.split(b"\n", LINES_LIMIT)[:LINES_LIMIT]):
            count = len(line.split())
            frame += count > 0
            if count not in (0, width):
                what = f"frame {frame} has {count} numbers, expected {width}"
                raise InputError(f"{self.where}, line {first + number}: {what}")
        self.fail(begin, f"promised are {promised}, found {len(column)} numbers: {len(column) / width:g} frames")

    def fail(self, at: int, what: str) -> NoReturn:
        raise InputError(f"{self.where}, line {self.data.count(bytes([10]), 0, at) + 1}: {what}")


def _number(text: bytes) -> float:
    """The number, or NaN, which no check lets pass."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _read_bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _show(text: bytes) -> str:
    return repr(text[:40].decode("latin-1"))
