"""The record of a fetched collection: its source, checksums and licence, for later comparison."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.catalogue import RECORD, Collection
from pose3d_lib.data.sources.fetch.cmu_actions import TAKES

KEYS = {
    "url": str, "commit": str, "sha256": str, "contents_sha256": str, "fetched": str, "files": int, "bytes": int,
}  # fmt: skip


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(known: Collection, archive: Path, digest: str, staging: Path) -> dict:
    """The record of what was unpacked; the hash of the contents does not change when an archive is packed otherwise."""
    contents = hashlib.sha256()
    for file in _files(staging):
        contents.update(f"{file.relative_to(staging).as_posix()}\0{hash_file(file)}\n".encode())
    count, size = _measure(staging)
    return {
        "name": known.name,
        "title": known.title,
        "url": known.url,
        "commit": known.commit,
        "sha256": digest,
        "contents_sha256": contents.hexdigest(),
        "archive_bytes": archive.stat().st_size,
        "files": count,
        "bytes": size,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "licence": {"name": known.licence.name, "url": known.licence.url, "terms": known.licence.terms},
        "citation": known.citation,
    }


def compare(known: Collection, record: dict | None, made: dict, say: Callable[[str], None]) -> None:
    """Refuses contents that are not those of the first fetch from the same place."""
    if record is None or record["sha256"] == made["sha256"]:
        return
    if (record["url"], record["commit"]) != (made["url"], made["commit"]):
        say(f"What was there came from {record['url']}; it is replaced")
        return
    if record["contents_sha256"] != made["contents_sha256"]:
        raise InputError(
            f"{known.url}: the files are not those of {record['fetched'][:10]}: their sha256 is {made['contents_sha256']}, "
            f"it was {record['contents_sha256']}; the archive's is {made['sha256']}, it was {record['sha256']}. What is in "
            f"{known.home} was left as it is; to take the new files, remove it and {known.archive_path}"
        )
    say(f"The archive was packed anew (sha256 {made['sha256']}, was {record['sha256']}); the files in it are the same")


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


def write_record(path: Path, record: dict) -> None:
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False), encoding="utf-8")


def _files(folder: Path) -> list[Path]:
    """The files that came from outside, in the order of their paths."""
    own = {RECORD, TAKES}
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in own]
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())


def _measure(folder: Path) -> tuple[int, int]:
    sizes = [file.stat().st_size for file in _files(folder)]
    return len(sizes), sum(sizes)
