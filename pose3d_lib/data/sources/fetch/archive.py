"""Chosen files of an untrusted zip archive, written into a folder."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted.client import list_members, read_member


class CannotWrite(InputError):
    """Nothing is wrong with the archive; there is no room, or a file cannot be written where it belongs."""


def unpack(
    archive: Path,
    chosen: Mapping[str, str],
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write members of an archive into a folder.

    Args:
        archive: the zip.
        chosen: member -> path below the folder, which is trusted.
        folder: exists.
        progress: called with the number of files done and of all.

    Raises:
        CannotWrite: there is no room, or the file system does not take a file.
        InputError: a member is damaged, no plain file, or in the way of another.
    """
    sizes = list_members(archive)
    total, free = sum(sizes[name] for name in chosen), shutil.disk_usage(folder).free
    if total > free:
        raise CannotWrite(f"{folder}: {total:,} bytes are needed and {free:,} are free; make room and try again")
    for done, (name, path) in enumerate(chosen.items()):
        progress(done, len(chosen))
        target, content = folder / path, read_member(archive, name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(content.data)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{archive}: member {name!r} is in the way of another") from error
        except OSError as error:
            raise CannotWrite(f"{archive}: member {name!r} cannot be written as {target} ({error.strerror})") from error
    progress(len(chosen), len(chosen))
