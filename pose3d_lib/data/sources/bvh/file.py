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

FILE_LIMIT = 200 * 2**20
"""Bytes; an hour of 75 joints at 30 frames per second is about as long."""
HEADER_LIMIT = 2**20
"""Bytes within which MOTION has to begin."""
JOINT_LIMIT, DEPTH_LIMIT = 2000, 200
VALUE_LIMIT = 1e7
"""No millimetre and no degree of a motion is larger; what is would overflow sooner or later."""
RATE_LIMIT = 2000.0
"""Frames per second."""

END = ".end"
"""What an end site is called: its joint's name and this; a second one of the same joint has a 2 behind it."""

AXES = "xyz"
CHANNELS = tuple(axis + kind for kind in ("position", "rotation") for axis in AXES)

TOKEN = re.compile(rb"[{}]|[^\s{}]+")
TIMING = re.compile(rb"\s*frames\s*:\s*(\d{1,12})\s+frame\s*time\s*:\s*(\S+)", re.IGNORECASE)
JUNK = re.compile(rb"[^0-9eE+\-.\s]")
NUMERIC = b"0123456789eE+-. \t\n\r\v\f"
WORD = re.compile(rb"\S+")
NO_NUMBER = re.compile(rb"(?<!\S)(?![+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d++)?+(?!\S))\S+")
BLANKS = bytes.maketrans(b" \t\r\v\f", b"\n" * 5)


@dataclass(frozen=True)
class Hierarchy:
    """The joints of a BVH file, parents before children, end sites among them.

    Attributes:
        names: of the joints; an end site's is `END` behind its joint's.
        parents: index of each joint's parent, -1 for the root.
        offsets: (joints, 3), the file's units: where a joint is in its parent's axes, unless channels say so.
        channels: of each joint, in the file's order, out of CHANNELS.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Bvh:
    """A BVH file.

    Attributes:
        hierarchy: its joints.
        fps: frames per second.
        motion: (frames, channels of all joints in turn) float64, the file's units and degrees.
        promised: frames that the line `Frames:` says there are; there may be more.
    """

    hierarchy: Hierarchy
    fps: float
    motion: np.ndarray
    promised: int


def read_bvh(path: Path) -> Bvh:
    """Reads a file, or raises an InputError that names it, the line and what is wrong."""
    return parse_bvh(_read_bytes(path, FILE_LIMIT + 1), path)


def read_hierarchy(path: Path) -> Hierarchy:
    """The joints of a file, whose motion is not looked at."""
    return _parse_hierarchy(_without_mark(_read_bytes(path, HEADER_LIMIT)), path)[0]


def parse_bvh(data: bytes, where: object) -> Bvh:
    """The content of a BVH file; `where` names it in messages."""
    if len(data) > FILE_LIMIT:
        raise InputError(f"{where}: more than {FILE_LIMIT >> 20} MB; no BVH file of a single take is as large")
    data = _without_mark(data)
    hierarchy, begin = _parse_hierarchy(data, where)
    timing = TIMING.match(data[begin : begin + 400])
    if timing is None:
        _fail(data, begin, where, "expected 'Frames: <number>' and 'Frame Time: <seconds>' behind MOTION")
    frames, seconds = int(timing[1]), _number(timing[2])
    if not 1 / RATE_LIMIT <= seconds <= 60:
        _fail(
            data, begin, where, f"expected a Frame Time between {1 / RATE_LIMIT:g} and 60 s, found {_show(timing[2])}"
        )
    width = sum(map(len, hierarchy.channels))
    if not frames or not width:
        _fail(data, begin, where, f"{frames} frames of {width} channels: there is no motion in it")
    motion = _parse_numbers(data, begin + timing.end(), frames, width, where)
    if not (np.abs(motion) <= VALUE_LIMIT).all():
        frame, column = np.argwhere(~(np.abs(motion) <= VALUE_LIMIT))[0]
        word = next(itertools.islice(WORD.finditer(data, begin + timing.end()), int(frame * width + column), None))
        what = f"number {column + 1} of frame {frame} is {motion[frame, column]:g}: no motion is as large"
        _fail(data, word.start(), where, what)
    return Bvh(hierarchy, _frame_rate(seconds), motion, frames)


def _parse_hierarchy(data: bytes, where: object) -> tuple[Hierarchy, int]:
    """The joints, and the place behind MOTION."""
    tokens = TOKEN.finditer(data, 0, HEADER_LIMIT)
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float] | None] = []
    channels: list[tuple[str, ...]] = []
    known: set[str] = set()
    ends: dict[int, int] = {}  # joint -> how many end sites it has
    end_sites: set[int] = set()
    open_joints: list[int] = []
    first, _ = _next(tokens, data, where)
    if first.upper() != b"HIERARCHY":
        raise InputError(f"{where}: not a BVH file: it begins with {_show(first)}, expected HIERARCHY")
    while True:
        token, at = _next(tokens, data, where)
        word = token.upper()
        if word in (b"ROOT", b"JOINT", b"END"):
            name = _name(tokens, data, where)
            if word == b"ROOT" and names:
                _fail(data, at, where, f"a second ROOT, {name!r}: one person per file can be read; split the file")
            if (word == b"ROOT") == bool(open_joints) or (open_joints and open_joints[-1] in end_sites):
                _fail(data, at, where, f"{word.decode()} {name!r} does not belong there")
            parent = open_joints[-1] if open_joints else -1
            if word == b"END":
                end_sites.add(len(names))
                ends[parent] = ends.get(parent, 0) + 1
                name = names[parent] + END + (str(ends[parent]) if ends[parent] > 1 else "")
            if not name or name in known:
                _fail(data, at, where, f"a second joint is called {name!r}" if name else "a joint has no name")
            known.add(name)
            open_joints.append(len(names))
            if len(names) == JOINT_LIMIT or len(open_joints) > DEPTH_LIMIT:
                _fail(data, at, where, f"more than {JOINT_LIMIT} joints, or more than {DEPTH_LIMIT} below each other")
            names.append(name)
            parents.append(parent)
            offsets.append(None)
            channels.append(())
        elif word == b"MOTION" and names and not open_joints:
            return Hierarchy(tuple(names), tuple(parents), np.array(offsets, float), tuple(channels)), at + len(token)
        elif not open_joints:
            _fail(data, at, where, f"found {_show(token)}, expected {'MOTION' if names else 'ROOT'}")
        elif word == b"OFFSET":
            offsets[open_joints[-1]] = [_number(_next(tokens, data, where)[0]) for _ in AXES]
            if not all(abs(value) <= VALUE_LIMIT for value in offsets[open_joints[-1]]):
                _fail(data, at, where, f"the OFFSET of {names[open_joints[-1]]!r} is not three numbers")
        elif word == b"CHANNELS":
            channels[open_joints[-1]] = _channels(tokens, data, at, where)
        elif word == b"}":
            closed = open_joints.pop()
            if offsets[closed] is None:
                _fail(data, at, where, f"{names[closed]!r} has no OFFSET")
        else:
            _fail(data, at, where, f"found {_show(token)}, expected JOINT, End Site, OFFSET, CHANNELS or a brace")


def _next(tokens: Iterator[re.Match], data: bytes, where: object) -> tuple[bytes, int]:
    token = next(tokens, None)
    if token is None:
        many = len(data) >= HEADER_LIMIT
        at = min(len(data), HEADER_LIMIT)
        _fail(data, at, where, f"no MOTION within {HEADER_LIMIT >> 20} MB" if many else "the file ends before MOTION")
    return token[0], token.start()


def _name(tokens: Iterator[re.Match], data: bytes, where: object) -> str:
    """All up to the brace: some programs write spaces into names."""
    words = []
    while (word := _next(tokens, data, where))[0] != b"{":
        words.append(word[0])
        if len(words) > 20 or word[0] == b"}":
            _fail(data, word[1], where, "expected a brace { behind a joint's name")
    name = b" ".join(words)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _channels(tokens: Iterator[re.Match], data: bytes, at: int, where: object) -> tuple[str, ...]:
    count, _ = _next(tokens, data, where)
    if count not in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
        _fail(data, at, where, f"found {_show(count)} CHANNELS, expected 0 to 6")
    found = tuple(_next(tokens, data, where)[0].decode("latin-1").lower() for _ in range(int(count)))
    if not set(found) <= set(CHANNELS) or len(set(found)) < len(found):
        _fail(
            data,
            at,
            where,
            f"the CHANNELS are {', '.join(found)[:200]}; expected different ones of {', '.join(CHANNELS)}",
        )
    return found


def _parse_numbers(data: bytes, begin: int, frames: int, width: int, where: object) -> np.ndarray:
    """(frames, width) numbers of the text from `begin` on; `frames` or more, if what is there are whole frames."""
    text = data[begin:]
    promised = f"'Frames: {frames}' of {width} numbers"
    if 2 * frames * width - 1 > len(text):
        _fail(
            data, begin, where, f"{promised} cannot be in the {len(text)} bytes behind it: the file is cut off or wrong"
        )
    if text.translate(None, NUMERIC):
        junk = JUNK.search(text)
        _fail(data, begin + junk.start(), where, f"{_show(text[junk.start() : junk.start() + 12])} is not a number")
    try:  # one number per line, which pandas reads three times as fast as numpy
        column = pd.read_csv(
            io.BytesIO(text.translate(BLANKS)),
            header=None, names=["value"], sep=" ", quoting=3, dtype=np.float64, na_filter=False, low_memory=False,
        )["value"]  # fmt: skip
    except ValueError as error:
        if glued := NO_NUMBER.search(text):
            _fail(data, begin + glued.start(), where, f"{_show(glued[0])} is not a number")
        raise InputError(f"{where}: among the numbers of the motion: {error}") from error
    if len(column) >= frames * width and len(column) % width == 0:
        return column.to_numpy().reshape(-1, width)
    first = data.count(b"\n", 0, begin) + 1
    frame = -1
    for number, line in enumerate(text.split(b"\n", 200_000)[:200_000]):
        count = len(line.split())
        frame += count > 0
        if count not in (0, width):
            raise InputError(f"{where}, line {first + number}: frame {frame} has {count} numbers, expected {width}")
    found = f"found {len(column)} numbers, which is {len(column) / width:g} frames"
    _fail(data, begin, where, f"promised are {promised}, {found}")


def _frame_rate(seconds: float) -> float:
    """Frames per second; .0083333 is 120, which the file had no room to write."""
    rate = 1 / seconds
    return float(round(rate)) if abs(rate - round(rate)) < 5e-4 * rate else rate


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


def _without_mark(data: bytes) -> bytes:
    """The text in UTF-8, which a byte-order mark says is in another encoding."""
    encoding = encoding_of(data)
    return data if encoding == "utf-8" else data.decode(encoding, "replace").encode()


def _show(text: bytes) -> str:
    return repr(text[:40].decode("latin-1"))


def _fail(data: bytes, at: int, where: object, what: str) -> NoReturn:
    raise InputError(f"{where}, line {data.count(bytes([10]), 0, at) + 1}: {what}")
