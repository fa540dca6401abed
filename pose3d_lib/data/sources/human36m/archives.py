"""Files of a folder, a zip or a tar one after another, without unpacking the whole and without trusting an archive.

Of an archive's names none is ever used as a path: each wanted file goes under a name of our own into a temporary folder,
is lent to the caller until the next one is asked for, and is removed.
"""

import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted.zips import (
    ALWAYS_ALLOWED,
    RATIO,
    check_count,
    check_member,
    check_path,
    named_faults,
    open_zip,
)

FILE_LIMIT = 50_000_000
"""Bytes of one file, unpacked: ten times what the longest recording of poses in Human3.6M takes."""

HEADER_ROOM = 1 << 20
"""Bytes of a tar between the end of one file and the beginning of the next: headers and long names, padding."""

TAR = (".tgz", ".tar.gz", ".tar")
ZIP = (".zip",)

_CHUNK = 1 << 16


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of a zip or a tar."""
    return path.name.lower().endswith((*TAR, *ZIP)) and path.is_file()


def list_names(place: Path, patterns: Sequence[str]) -> list[str] | None:
    """The names of all files in a zip, or of those in a folder that suit a pattern, sorted; None for a tar.

    A tar has no table of its files: to list them is to unpack it.
    """
    if place.is_dir():
        found = {file for pattern in patterns for file in place.glob(pattern) if file.is_file()}
        return sorted(file.relative_to(place).as_posix() for file in found)
    if place.name.lower().endswith(TAR):
        return None
    with open_zip(place) as archive:
        return sorted(info.filename for info in archive.infolist() if not info.is_dir())


def stream_files(
    place: Path, wanted: Callable[[str], bool], patterns: Sequence[str] = ()
) -> Iterator[tuple[str, Path]]:
    """The wanted files, each with its name in the archive or folder; a path is valid until the next file is asked for.

    Args:
        place: a folder, a zip, or a tar (also compressed by gzip), which is read once from its beginning to its end.
        wanted: is asked once about the name of every file that is not a folder; names have forward slashes.
        patterns: of a folder, the globs of files that are asked about.

    Raises:
        InputError: the archive is damaged, unpacks to more than it may, or holds a path that leads out of it or a wanted
            file that is a link, a device, encrypted or too large; it names the archive and the member.
    """
    if place.is_dir():
        for name in list_names(place, patterns) or ():
            if wanted(name):
                _check_size(place, name, (place / name).stat().st_size)
                yield name, place / name
        return
    with tempfile.TemporaryDirectory(prefix="pose3d-") as folder:
        read = _stream_tar if place.name.lower().endswith(TAR) else _stream_zip
        yield from read(place, wanted, Path(folder) / "file")


def _stream_zip(place: Path, wanted: Callable[[str], bool], target: Path) -> Iterator[tuple[str, Path]]:
    with open_zip(place) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir() and wanted(info.filename)]
        _check_total(place, sum(info.file_size for info in infos))
        for info in infos:
            check_member(place, info)
            _check_size(place, info.filename, info.file_size)
            with named_faults(place, info.filename), archive.open(info) as source:
                _copy(source, target, info.file_size, place, info.filename)
            yield info.filename, target


def _stream_tar(place: Path, wanted: Callable[[str], bool], target: Path) -> Iterator[tuple[str, Path]]:
    with place.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = _Bounded(_Inflated(raw) if compressed else raw, place)
        with named_faults(place):
            archive = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115 (closed below)
        with closing(archive):
            count = total = 0
            while True:
                with named_faults(place, f"number {count + 1}"):
                    member = archive.next()
                if member is None:
                    break
                count += 1
                check_count(place, count)
                archive.members.clear()  # tarfile remembers all of them
                check_path(place, member.name)
                if member.size < 0:
                    raise InputError(f"{place}: {member.name!r} has a size of {member.size} bytes")
                total += member.size
                _check_total(place, total)
                stream.allow(member.size + HEADER_ROOM)
                if member.isdir() or not wanted(member.name):
                    continue
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) or member.issparse():
                    raise InputError(f"{place}: {member.name!r} is a link or a device; expected an ordinary file")
                _check_size(place, member.name, member.size)
                with named_faults(place, member.name):
                    source = archive.extractfile(member)
                    _copy(source, target, member.size, place, member.name)
                yield member.name, target
        with named_faults(place):
            while chunk := stream.read(_CHUNK):  # to the end, where gzip's checksum stands
                if any(chunk):  # tarfile takes a damaged header for the end
                    raise InputError(f"{place}: is damaged behind its file number {count}; download or copy it again")


class _Inflated:
    """Reads a gzip stream. Python's own reader takes the texts in its header byte by byte: for minutes if they are long."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._inflater = raw, zlib.decompressobj(wbits=31)

    def read(self, size: int) -> bytes:
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._raw.read(_CHUNK)
            data = self._inflater.decompress(packed, size)
            if data:
                return data
            if not packed:
                raise EOFError("the gzip stream is cut off")
        if self._inflater.unused_data.strip(b"\0") or self._raw.read(_CHUNK).strip(b"\0"):
            raise ValueError("something follows the gzip stream")
        return b""


class _Bounded:
    """A stream that stops with an error where a tar reads on for longer than its headers so far give reason to."""

    def __init__(self, stream: BinaryIO, place: Path) -> None:
        self._stream, self._place = stream, place
        self._left, self._total = HEADER_ROOM, 0

    def allow(self, size: int) -> None:
        self._left = size

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        self._total += len(data)
        if self._left < 0:
            raise InputError(
                f"{self._place}: a header of more than {HEADER_ROOM:,} bytes; expected a tar of plain files"
            )
        _check_total(self._place, self._total)
        return data


def _copy(source: BinaryIO, target: Path, size: int, place: Path, name: str) -> None:
    """Copies as many bytes as were declared, and refuses a source that holds more or fewer."""
    copied = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            copied += len(chunk)
            if copied > size:
                break
            file.write(chunk)
    if copied != size:
        found = "more" if copied > size else f"{copied:,}"
        raise InputError(f"{place}: {name!r} unpacks to {found} bytes; its header says {size:,}")


def _check_size(place: Path, name: str, size: int) -> None:
    if size > FILE_LIMIT:
        raise InputError(f"{place}: {name!r} has {size:,} bytes; expected a recording of at most {FILE_LIMIT:,}")


def _check_total(place: Path, total: int) -> None:
    limit = max(ALWAYS_ALLOWED, RATIO * place.stat().st_size)
    if total > limit:
        raise InputError(
            f"{place}: unpacks to more than {limit:,} bytes, far more than motion would; unpack it yourself if you trust it"
        )
