"""Fetch an open collection of motion capture into POSE3D_DATA: download, unpack, record.

A collection's folder appears whole or not at all, with `fetched.json` in it: source, checksums, licence. The archive stays
in `downloads/` beside it; one put there by hand is used as well.
"""

import hashlib
import os
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import requests
from filelock import FileLock
from pydantic import BaseModel
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import sha256_of, write_json
from pose3d_lib.common.paths import make_folder
from pose3d_lib.data import catalogue
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.catalogue import RECORD, Collection, Licence
from pose3d_lib.data.sources.fetch.cmu_actions import write_takes
from pose3d_lib.data.untrusted.client import list_keys, read_key

TIMEOUT = (10, 60)  # seconds to connect, and to wait for the next bytes


class Record(BaseModel):
    """What was fetched, and from where: the content of `fetched.json`."""

    name: str
    title: str
    url: str
    commit: str
    citation: str
    licence: Licence
    fetched: datetime
    sha256: str  # of the archive
    contents_sha256: str  # of names and contents of the files: the same when an archive is packed otherwise
    files: int
    bytes: int


def fetch(name: str, console: Console, *, again: bool = False) -> Path:
    """Download a collection, unless it is there, and return its folder.

    Args:
        name: of a collection in `catalogue.collections()`.
        console: shows lines of text, the licence first, and the progress of downloading and unpacking.
        again: download once more, and compare with the first download.

    Raises:
        InputError: no network, an archive that cannot be trusted or has other files than the first time, no room.
    """
    known = catalogue.collections()[check_name(name, catalogue.collections(), "collection")]
    home, archive, say = known.home, known.archive_path, partial(console.out, highlight=False)
    make_folder(archive.parent)
    with FileLock(archive.parent / ".lock"):  # one fetch at a time: two collections may come in the same archive
        record = _read_record(home)
        if record and not again:
            commit = "" if record.commit == known.commit else f" (of commit {record.commit}, now {known.commit})"
            when = f"{record.fetched:%Y-%m-%d}{commit}"
            say(f"{name} was fetched on {when} and lies in {home}; `--again` fetches it again")
            return home
        if not record and home.exists():
            raise InputError(
                f"{home}: is there, but was not put there by `pose3d data fetch`. Move it away, or use it by its path"
            )
        say(catalogue.find_entry(name).notes[0])  # the terms, before anything is downloaded
        say(f"Licence: {known.licence.url}")
        with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=console) as bars:
            if again or not archive.exists():
                say(f"Downloading {known.url}")
                _download(known.url, archive, bars)
            else:
                say(f"Using {archive}, which is there; `--again` downloads it again")
            made = _replace(known, record, bars)
    say(f"{name}: {made.files:,} files, {made.bytes / 1e6:,.0f} MB, in {home}. sha256 {made.sha256}")
    say(f"The archive stays at {archive} and may be removed")
    return home


def _download(url: str, target: Path, bars: Progress) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT) as answer, part.open("wb") as file:
            answer.raise_for_status()
            length = answer.headers.get("Content-Length", "")
            task = bars.add_task("downloading", total=int(length) if length.isdecimal() else None)
            for chunk in answer.iter_content(2**16):
                bars.advance(task, file.write(chunk))
        part.replace(target)
    except requests.RequestException as error:
        raise InputError(
            f"{url}: cannot be downloaded ({error}). Try again; or download it by other means, put it at {target}, and run the "
            "same command"
        ) from error
    except OSError as error:
        raise InputError(f"{part}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _replace(known: Collection, before: Record | None, bars: Progress) -> Record:
    """Unpack the archive beside the collection's folder, and put it in its place if it is whole, with the files of `before`."""
    work = known.home.with_name(f".{known.home.name}.unpacking")
    staging = work / "new"
    shutil.rmtree(work, ignore_errors=True)  # of a killed fetch
    try:
        _unpack(known, staging, bars)
        record = _describe(known, staging)
        same_place = before and (before.url, before.commit) == (record.url, record.commit)
        if same_place and before.contents_sha256 != record.contents_sha256:
            raise InputError(
                f"{known.url}: the files are not those of {before.fetched:%Y-%m-%d}: their sha256 is {record.contents_sha256}, "
                f"it was {before.contents_sha256}; the archive's is {record.sha256}, it was {before.sha256}. What is in "
                f"{known.home} was left as it is; to take the new files, remove it and fetch them again"
            )
        if known.index:
            bars.console.out(write_takes(staging, staging / known.index), highlight=False)
        write_json(staging / RECORD, record.model_dump(mode="json"))
        if before:  # moved away in one step: a folder that was being removed would still have its record
            known.home.rename(work / "old")
        staging.rename(known.home)
    except OSError as error:
        where = error.filename or staging  # a full disk is reported without a name
        raise InputError(f"{where}: cannot be written ({error.strerror}); mend it and try again") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return record


def _unpack(known: Collection, folder: Path, bars: Progress) -> None:
    """Write the BVH files of the archive, without the folders that all of them share, and the collection's documents."""
    archive = known.archive_path
    sizes = list_keys(archive, "archive")
    inside = "/".join(filter(None, (next(iter(sizes), "").partition("/")[0], known.inside))) + "/"
    motion = sorted(name for name in sizes if name.startswith(inside) and name.lower().endswith(".bvh"))
    documents = {f"{inside}{name}": name for name in known.documents if f"{inside}{name}" in sizes}
    if not motion or (known.index and known.index not in documents.values()):
        lacking = known.index if motion else "BVH file"
        raise InputError(f"{archive}: there is no {lacking} in its folder {inside}; `--again` downloads it again")
    shared = os.path.commonpath([os.path.dirname(name) for name in motion])
    targets = {name: os.path.relpath(name, shared) for name in motion} | documents
    task = bars.add_task("unpacking", total=sum(sizes[name] for name in targets))
    for name, target in targets.items():
        content = read_key(archive, "archive", name)
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        with (folder / target).open("xb") as file:
            bars.advance(task, file.write(content.data))


def _describe(known: Collection, folder: Path) -> Record:
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    contents = "".join(f"{name}\0{sha256_of(folder / name)}\n" for name in names)
    return Record(
        **{key: getattr(known, key) for key in ("name", "title", "url", "commit", "citation", "licence")},
        fetched=datetime.now(UTC).replace(microsecond=0),
        sha256=sha256_of(known.archive_path),
        contents_sha256=hashlib.sha256(contents.encode()).hexdigest(),
        files=len(names),
        bytes=sum((folder / name).stat().st_size for name in names),
    )


def _read_record(home: Path) -> Record | None:
    """The record of what was fetched; None if nothing was."""
    path = home / RECORD
    if not path.is_file():
        return None
    try:
        return Record.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is damaged ({error}); remove {home} and fetch it again") from error
