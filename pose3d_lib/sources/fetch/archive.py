"""Takes chosen files out of a zip archive that somebody else made, without trusting it.

Names that would leave the folder, links and devices, encrypted files, archives within limits only by their header, and
such as would fill the disk are refused before the first file is written.
"""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from pose3d_lib.errors import InputError

MOST_MEMBERS = 50_000
MOST_DIRECTORY = 16 * 2**20
"""Bytes of an archive's table of contents, which is read as a whole."""

MOST_FILE = 512 * 2**20
MOST_TOTAL = 24 * 2**30
MOST_RATIO = 200
"""Of a file's size to its size in the archive, for files above `FREE_RATIO` bytes; BVH has 3 to 10."""

FREE_RATIO = 2**20
MOST_NAME = 255
"""Bytes of a file's or folder's name, as file systems have it."""

CHUNK = 2**20

ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What a damaged or odd archive makes zipfile raise."""


class CannotWrite(InputError):
    """Nothing is wrong with the archive; there is no room, or a file cannot be written where it belongs."""


def list_members(archive: Path) -> dict[str, zipfile.ZipInfo]:
    """Path -> member, of every file of an archive; folders are not listed.

    Raises:
        InputError: not a zip archive, or one with a member that no honest archive has.
    """
    _check_directory(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
    except ERRORS as error:
        raise InputError(f"{archive}: not a whole zip archive ({error})") from error
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{archive}: {len(members):,} members; at most {MOST_MEMBERS:,} are unpacked")
    files: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        _check_member(member, archive)
        if member.is_dir():
            continue
        if member.filename in files:
            raise InputError(f"{archive}: member {member.filename!r} is there twice")
        files[member.filename] = member
    return files


def unpack(
    archive: Path,
    chosen: Mapping[str, str],
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Writes chosen members of an archive into a folder.

    Args:
        archive: the zip.
        chosen: member -> path below the folder.
        folder: is there, and trusted.
        progress: is called with the files done and all.
    """
    members = list_members(archive)
    total = 0
    for name in chosen:
        member = members[name]
        total += member.file_size
        if member.file_size > MOST_FILE:
            raise InputError(
                f"{archive}: member {name!r} has {member.file_size:,} bytes; at most {MOST_FILE:,} are unpacked"
            )
        if member.file_size > max(FREE_RATIO, MOST_RATIO * member.compress_size):
            raise InputError(
                f"{archive}: member {name!r} has {member.file_size:,} bytes packed into {member.compress_size:,}; more than "
                f"{MOST_RATIO} to 1 is not unpacked, as only archives that mean harm have it"
            )
    if total > MOST_TOTAL:
        raise InputError(f"{archive}: {total:,} bytes when unpacked; at most {MOST_TOTAL:,} are")
    free = shutil.disk_usage(folder).free
    if total > free:
        raise CannotWrite(f"{folder}: {total:,} bytes are needed and {free:,} are free; make room and try again")
    with zipfile.ZipFile(archive) as opened:
        for done, (name, path) in enumerate(chosen.items()):
            progress(done, len(chosen))
            target = folder / path
            if not target.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"{archive}: member {name!r} would be written outside {folder}")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(members[name]) as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, CHUNK)
            except ERRORS as error:
                raise InputError(f"{archive}: member {name!r} is damaged ({error})") from error
            except (FileExistsError, NotADirectoryError) as error:
                raise InputError(f"{archive}: member {name!r} is in the way of another, or is there twice") from error
            except OSError as error:
                raise CannotWrite(
                    f"{archive}: member {name!r} cannot be written as {target} ({error.strerror})"
                ) from error
    progress(len(chosen), len(chosen))


def _check_directory(archive: Path) -> None:
    """Refuses an archive whose table of contents would fill memory, from the last bytes of the file."""
    try:
        with archive.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 65_557))  # the end record has 22 bytes, and a comment of at most 65,535 behind it
            tail = file.read()
    except OSError as error:
        raise InputError(f"{archive}: cannot be read ({error.strerror})") from error
    start = tail.rfind(b"PK\x05\x06")
    if start < 0 or len(tail) < start + 22:
        raise InputError(f"{archive}: not a whole zip archive ({size:,} bytes, without a zip archive's end)")
    if tail[max(0, start - 20) : start].startswith(b"PK\x06\x07"):
        raise InputError(f"{archive}: a zip archive in the 64-bit form, which is not read; pack it anew without")
    count, length = (
        struct.unpack("<H", tail[start + 10 : start + 12])[0],
        struct.unpack("<I", tail[start + 12 : start + 16])[0],
    )
    if count > MOST_MEMBERS or length > MOST_DIRECTORY:
        raise InputError(
            f"{archive}: {count:,} members in a table of {length:,} bytes; at most {MOST_MEMBERS:,} and "
            f"{MOST_DIRECTORY:,} are read"
        )


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    name, mode = member.orig_filename, member.external_attr >> 16
    parts = name.rstrip("/").split("/")
    odd = any(part in ("", ".", "..") or len(part.encode()) > MOST_NAME for part in parts)
    if odd or any(sign in name for sign in "\\:\0"):
        raise InputError(f"{archive}: member {name!r} has a path that would lead out of the folder, or is none")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{archive}: member {name!r} is a link or a device; only plain files are unpacked")
    if member.flag_bits & 1:
        raise InputError(f"{archive}: member {name!r} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{archive}: member {name!r} is packed in a way (number {member.compress_type}) that is not read"
        )
