"""Zip archives that somebody else made, opened without trusting them; for readers and for unpackers of archives."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pose3d_lib.common.errors import InputError

MOST_MEMBERS = 50_000
"""Of one archive."""

MOST_TABLE = 8 * 2**20
"""Bytes of an archive's table of files, which Python reads as a whole; 50,000 files with names of 75 letters need 6 MB."""

RATIO, ALWAYS_ALLOWED = 50, 100_000_000
"""An archive may unpack to as many bytes as are always allowed, or to so many times its own size."""

FAULTS = (
    OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error,
    ValueError, NotImplementedError, RuntimeError, OverflowError, MemoryError, IndexError,
)  # fmt: skip
"""What the standard library raises on archives that are damaged, encrypted or made up."""


@contextmanager
def named_faults(place: Path, name: str = "") -> Iterator[None]:
    """Turns what the standard library raises on a broken archive into an InputError that names archive and member."""
    try:
        yield
    except InputError:
        raise
    except FAULTS as error:
        member = f", member {name!r}" if name else ""
        raise InputError(f"{place}{member}: cannot be read ({error!r}); download or copy it again") from error


@contextmanager
def open_zip(place: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, with no more files than are reasonable, none of which has a path that leads out of it.

    Raises:
        InputError: it is not a whole zip, too long, or cannot be trusted; names it.
    """
    with named_faults(place):
        file = _SmallReads(place)
    with file:
        with named_faults(place):
            archive = zipfile.ZipFile(file)
        file.opening = False
        with archive:
            check_count(place, len(archive.infolist()))
            for info in archive.infolist():
                check_path(place, info.orig_filename)
            yield archive


class _SmallReads(io.FileIO):
    """A file that, while a zip in it is opened, gives no more at once than an honest table of files has."""

    opening = True

    def read(self, size: int = -1) -> bytes:
        if self.opening and size > MOST_TABLE:
            raise zipfile.BadZipFile(
                f"its table of files is said to have {size:,} bytes; at most {MOST_TABLE:,} are read"
            )
        return super().read(size)


def check_count(place: Path, count: int) -> None:
    if count > MOST_MEMBERS:
        raise InputError(f"{place}: has more than {MOST_MEMBERS:,} files; unpack it yourself if you trust it")


def check_path(place: Path, name: str) -> None:
    """Refuses the name of a file, in a zip or a tar, that would lead out of the folder it is unpacked into."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":") or "\0" in name:
        raise InputError(
            f"{place}: {name!r} leads out of the archive; expected relative paths without '..'. Do not trust this archive"
        )


def check_member(place: Path, info: zipfile.ZipInfo) -> None:
    """Refuses a file of a zip that is not a plain one, or packed so that its size could not be bounded."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise InputError(f"{place}: {info.filename!r} is a link or a device; expected an ordinary file")
    if info.flag_bits & 1:
        raise InputError(f"{place}: {info.filename!r} is encrypted; expected an ordinary file")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without bound
        raise InputError(
            f"{place}: {info.filename!r} is compressed by method {info.compress_type}; expected deflate or none"
        )
