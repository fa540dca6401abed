"""The files of a collection: unpacked from an untrusted zip, described in `fetched.json`, compared with the first fetch."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import sha256_of
from pose3d_lib.data.catalogue import RECORD, Collection
from pose3d_lib.data.sources.fetch.cmu_actions import TAKES
from pose3d_lib.data.untrusted.client import list_members, read_member

KEYS = {
    "url": str, "commit": str, "sha256": str, "contents_sha256": str, "fetched": str, "files": int, "bytes": int,
}  # fmt: skip
POINTER = b"version https://git-lfs.github.com/spec/"  # how a file begins that Git LFS keeps elsewhere


class CannotWrite(InputError):
    """Nothing is wrong with the archive; there is no room, or a file cannot be written where it belongs."""


def unpack(known: Collection, archive: Path, folder: Path, progress: Callable[[int, int], None]) -> None:
    """Write the BVH files of an archive into a folder, and the collection's documents beside them.

    `progress` is called with the number of files done and of all.

    Raises:
        CannotWrite: there is no room, or the file system does not take a file.
        InputError: no BVH file, or a member is damaged, no plain file, or in the way of another.
    """
    members = list(list_members(archive))
    tops = {name.partition("/")[0] for name in members}
    top = f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in members) else ""
    inside = f"{top}{known.inside}/" if known.inside else top
    chosen = _choose_motion([name for name in members if name.startswith(inside)])
    documents = {f"{inside}{name}": name for name in known.documents if f"{inside}{name}" in members}
    nested = f"{inside}{known.nested}" if known.nested else ""
    if chosen:
        _write_members(archive, chosen | documents, folder, progress)
        return
    if nested not in members:
        raise InputError(f"{archive}: there is no BVH file in it below {inside or 'its top'!r}")
    inner = folder / ".nested.zip"
    _write_members(archive, documents | {nested: inner.name}, folder)
    with inner.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise InputError(
                f"{archive}: {nested} only points to a file that Git LFS keeps, which such archives leave out. Get the real "
                f"{known.nested} from the repository, unpack it into a folder, and use that folder's path as `dataset`"
            )
    chosen = _choose_motion(list(list_members(inner)))
    if not chosen:
        raise InputError(f"{archive}: there is no BVH file in its {nested}")
    _write_members(inner, chosen, folder, progress)
    inner.unlink()


def _choose_motion(names: list[str]) -> dict[str, str]:
    """Member -> path, of the BVH files, without the folders that they all share."""
    motion = sorted(name for name in names if name.lower().endswith(".bvh") and "__MACOSX" not in name)
    shared = os.path.commonpath([os.path.dirname(f"/{name}") for name in motion]) if motion else ""
    return {name: os.path.relpath(f"/{name}", shared) for name in motion}


def _write_members(
    archive: Path, chosen: Mapping[str, str], folder: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Write members of an archive to paths, which are trusted, below a folder."""
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


def describe(known: Collection, archive: Path, folder: Path) -> dict:
    """The record of what was unpacked; the hash of the contents does not change when an archive is packed otherwise."""
    contents = hashlib.sha256()
    for file in _files(folder):
        contents.update(f"{file.relative_to(folder).as_posix()}\0{sha256_of(file)}\n".encode())
    count, size = _measure(folder)
    given = {key: getattr(known, key) for key in ("name", "title", "url", "commit", "citation")}
    return given | {
        "licence": vars(known.licence),
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": sha256_of(archive),
        "archive_bytes": archive.stat().st_size,
        "contents_sha256": contents.hexdigest(),
        "files": count,
        "bytes": size,
    }


def compare(known: Collection, record: dict | None, made: dict, say: Callable[[str], None]) -> None:
    """Refuse contents that are not those of the first fetch from the same place."""
    if record is None or record["sha256"] == made["sha256"]:
        return
    if (record["url"], record["commit"]) != (made["url"], made["commit"]):
        say(f"What was there came from {record['url']}; it is replaced")
        return
    if record["contents_sha256"] != made["contents_sha256"]:
        raise InputError(
            f"{known.url}: the files are not those of {record['fetched'][:10]}: their sha256 is {made['contents_sha256']}, "
            f"it was {record['contents_sha256']}; the archive's is {made['sha256']}, it was {record['sha256']}. What is in "
            f"{known.home} was left as it is; to take the new files, remove it and fetch them again"
        )
    say(f"The archive was packed again (sha256 {made['sha256']}, was {record['sha256']}); the files in it are the same")


def read_record(known: Collection) -> dict | None:
    """The record of what was fetched; None if nothing was."""
    path = known.home / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(record[key], kind) for key, kind in KEYS.items()):
            raise TypeError("a key has another type")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({error!r}); remove {known.home} and fetch it again") from error
    return record


def check_files(known: Collection, record: dict) -> None:
    """Refuse a folder whose files differ from the record in number or size; their contents are not read."""
    count, size = _measure(known.home)
    if (count, size) != (record["files"], record["bytes"]):
        raise InputError(
            f"{known.home}: holds {count:,} files of {size:,} bytes; {record['files']:,} of {record['bytes']:,} were fetched. "
            f"`pose3d data fetch {known.name} --again` fetches them again"
        )


def _files(folder: Path) -> list[Path]:
    """The files that came from outside, in the order of their paths."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in (RECORD, TAKES)]
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())


def _measure(folder: Path) -> tuple[int, int]:
    """The number of files and their bytes."""
    sizes = [file.stat().st_size for file in _files(folder)]
    return len(sizes), sum(sizes)
