"""The members of an `.npz`, each checked before it is unpacked: as large as it says, and no larger than arrays compress to.

A zip of a megabyte can unpack to a gigabyte, a header of numpy's can promise 10^12 frames, and either would be believed.
"""

import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose3d_lib.errors import InputError
from pose3d_lib.sources.zips import check_member, open_zip

ALWAYS_ALLOWED, RATIO = 64 * 2**20, 50
"""A member, and all of them together, may unpack to as many bytes as are always allowed (328,000 poses that are all zero),
or to so many times their compressed size (motion compresses to a half or a third)."""

HEADER_LIMIT = 10_000
"""Bytes of an array's header, which numpy pads to 128."""

_CHUNK = 1 << 20

FAULTS = (
    OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError,  # the zip
    ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, RuntimeError,  # the array or its pickle
)  # fmt: skip
"""What the readers of zips, arrays and pickles raise when bytes are missing or changed."""

_HEADER = re.compile(
    rb"\s*\{\s*'descr'\s*:\s*'(?P<dtype>[<>|=]?(b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,9}|O[48]?))'\s*,"
    rb"\s*'fortran_order'\s*:\s*(?P<fortran>True|False)\s*,"
    rb"\s*'shape'\s*:\s*\((?P<shape>(\d{1,18}L?(\s*,\s*\d{1,18}L?){0,31}\s*,?)?)\s*\)\s*,?\s*\}\s*"
)
_LENGTH = {(1, 0): "<H", (2, 0): "<I"}


class RefusedError(Exception):
    """Why something is not read; becomes an InputError where file and key are known."""


@contextmanager
def named_faults(where: str) -> Iterator[None]:
    """Any fault of the input inside becomes an InputError that begins with `where`."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{where}: there is no such file") from error
    except (RefusedError, InputError) as error:
        raise InputError(f"{where} {error}") from error
    except FAULTS as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise InputError(f"{where} cannot be read as numpy writes it ({reason}); get the file again") from error


@dataclass(frozen=True)
class Member:
    """An array of the file, of which only the header was read.

    Attributes:
        file: what follows the header.
        shape, dtype, order: of the array, as the header says; order is C or F.
        size: bytes that follow the header.
    """

    file: BinaryIO
    shape: tuple[int, ...]
    dtype: np.dtype
    order: str
    size: int


@contextmanager
def open_npz(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """The zip and its members by key; a RefusedError or one of FAULTS where it is none, or none to be trusted."""
    size = path.stat().st_size
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_zip(path, names_are_paths=False))
        except InputError as error:
            if isinstance(error.__cause__, FAULTS):
                raise error.__cause__ from None
            raise RefusedError(str(error).removeprefix(f"{path}: ")) from error
        members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            key = info.filename.removesuffix(".npy")
            if key in members:
                raise RefusedError(f"has the key {key!r} twice; refused")
            members[key] = info
        for key, info in members.items():
            _check_ratio(info.file_size, size, f"key {key!r} ")
        _check_ratio(sum(info.file_size for info in members.values()), size)
        yield archive, members


@contextmanager
def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Member]:
    """The array of a member; a RefusedError or one of FAULTS where it is none, or promises what is not there."""
    check_member(Path(archive.filename), info)
    _check_ratio(info.file_size, info.compress_size)
    with archive.open(info) as file:
        start = _read(file, 8)
        if start[:6] != b"\x93NUMPY":
            raise ValueError(f"begins with {start[:6]!r}, not as an array does")
        version = (start[6], start[7])
        if version not in _LENGTH:
            raise RefusedError(f"is of the .npy format {version}; known: {', '.join(map(str, _LENGTH))}")
        (length,) = struct.unpack(_LENGTH[version], _read(file, struct.calcsize(_LENGTH[version])))
        header = _HEADER.fullmatch(_read(file, length)) if length <= HEADER_LIMIT else None
        if header is None:
            raise ValueError("its header is not that of an array of numbers, texts or objects")
        shape = tuple(int(text) for text in re.findall(rb"\d+", header["shape"]))
        order = "F" if header["fortran"] == b"True" else "C"
        yield Member(file, shape, np.dtype(header["dtype"].decode()), order, info.file_size - file.tell())


def read_values(member: Member) -> np.ndarray:
    """The numbers or texts of an array without objects, exactly as many as there are bytes for."""
    if member.dtype.hasobject:
        raise RefusedError("is an array of objects, which are pickles; expected numbers; refused")
    count = math.prod(member.shape)
    announced = count * member.dtype.itemsize
    if announced != member.size or count > max(1, announced):
        raise RefusedError(f"holds {member.size} bytes of numbers where its header announces {announced}: not whole")
    buffer = bytearray(announced)
    view, done = memoryview(buffer), 0
    while done < announced:
        read = member.file.readinto(view[done : done + _CHUNK])
        if not read:
            raise EOFError(f"ends after {done} of {announced} bytes")
        done += read
    if member.file.read(1):  # at the end, the zip's checksum is compared
        raise RefusedError("goes on after its end; refused")
    return np.ndarray(member.shape, member.dtype, buffer=buffer, order=member.order)


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise EOFError("ends within its header")
    return data


def _check_ratio(unpacked: int, packed: int, what: str = "") -> None:
    limit = max(ALWAYS_ALLOWED, RATIO * packed)
    if unpacked > limit:
        raise RefusedError(
            f"{what}unpacks from {packed:,} to {unpacked:,} bytes, which no arrays of motion do (at most {limit:,}); refused"
        )
