"""Takes chosen files out of a zip archive that somebody else made, without trusting it.

Names that would leave the folder, links and devices, encrypted files, archives within limits only by their header, and
such as would fill the disk are refused before the first file is written.
"""

import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted.zips import FAULTS, check_member, open_zip

MOST_FILE = 512 * 2**20
MOST_TOTAL = 24 * 2**30
MOST_RATIO = 200
"""Of a file's size to its size in the archive, for files above `FREE_RATIO` bytes; BVH has 3 to 10."""

FREE_RATIO = 2**20
CHUNK = 2**20


class CannotWrite(InputError):
    """Nothing is wrong with the archive; there is no room, or a file cannot be written where it belongs."""


def list_members(archive: Path) -> list[str]:
    """The paths of all files of an archive; folders are not listed.

    Raises:
        InputError: not a zip archive, or one with a path that no honest archive has.
    """
    with open_zip(archive) as opened:
        return [member.filename for member in opened.infolist() if not member.is_dir()]


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

    Raises:
        CannotWrite: there is no room, or the file system does not take a file.
        InputError: a member is damaged, not a plain file, there twice, or too large.
    """
    with open_zip(archive) as opened:
        members = [member for member in opened.infolist() if member.filename in chosen]
        _check_sizes(archive, members)
        total, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
        if total > free:
            raise CannotWrite(f"{folder}: {total:,} bytes are needed and {free:,} are free; make room and try again")
        for done, member in enumerate(members):
            progress(done, len(members))
            name, target = member.filename, folder / chosen[member.filename]
            check_member(archive, member)
            if not target.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"{archive}: member {name!r} would be written outside {folder}")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("xb") as file:
                    shutil.copyfileobj(source, file, CHUNK)
                    written = file.tell()
            except (FileExistsError, NotADirectoryError) as error:
                raise InputError(f"{archive}: member {name!r} is in the way of another, or is there twice") from error
            except OSError as error:
                raise CannotWrite(
                    f"{archive}: member {name!r} cannot be written as {target} ({error.strerror})"
                ) from error
            except FAULTS as error:
                raise InputError(f"{archive}: member {name!r} is damaged ({error!r})") from error
            if written != member.file_size:
                raise InputError(
                    f"{archive}: member {name!r} is damaged ({written:,} bytes, of which its header says {member.file_size:,})"
                )
    progress(len(chosen), len(chosen))


def _check_sizes(archive: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    for member in members:
        name, size = member.filename, member.file_size
        if size > MOST_FILE:
            raise InputError(f"{archive}: member {name!r} has {size:,} bytes; at most {MOST_FILE:,} are unpacked")
        if size > max(FREE_RATIO, MOST_RATIO * member.compress_size):
            raise InputError(
                f"{archive}: member {name!r} has {size:,} bytes packed into {member.compress_size:,}; more than "
                f"{MOST_RATIO} to 1 is not unpacked, as only archives that mean harm have it"
            )
    total = sum(member.file_size for member in members)
    if total > MOST_TOTAL:
        raise InputError(f"{archive}: {total:,} bytes when unpacked; at most {MOST_TOTAL:,} are")
