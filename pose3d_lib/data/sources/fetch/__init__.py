"""Fetch an open collection of motion capture into POSE3D_DATA: download, check, unpack, record.

A collection's folder appears whole or not at all, with `fetched.json` in it: source, checksums, licence. The archive stays
in `downloads/` beside it; one put there by hand is used as well.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_json
from pose3d_lib.common.paths import source_data_dir
from pose3d_lib.data import catalogue
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.catalogue import DOWNLOADS, RECORD, Collection
from pose3d_lib.data.sources.fetch import cmu_actions, contents
from pose3d_lib.data.sources.fetch.transfer import Bar, download

Say = Callable[[str], None]


def fetch(name: str, *, say: Say = print, bar: Bar = lambda what, done, total: None, again: bool = False) -> Path:
    """Download a collection, unless it is there, and return its folder.

    Args:
        name: of a collection in `catalogue.collections()`.
        say: called with lines of text, the licence first.
        bar: called with the progress of downloading (bytes) and unpacking (files); `show_bar` makes one.
        again: download once more, and compare with the first download.

    Raises:
        InputError: no network, an archive that cannot be trusted or has other files than the first time, no room.
    """
    known = catalogue.collections()[check_name(name, catalogue.collections(), "collection")]
    root = source_data_dir()
    try:
        (root / DOWNLOADS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{root}: cannot be made ({error.strerror}); the environment variable POSE3D_DATA names another"
        ) from error
    lock = FileLock(root / DOWNLOADS / ".lock")  # one fetch at a time: two collections may come in the same archive
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        say("Another fetch is under way; waiting for it to end")
        held = lock.acquire()
    with held:
        _finish(known.home)  # a killed fetch
        record = contents.read_record(known)
        if record and not again:
            contents.check_files(known, record)
            other = "" if record["commit"] == known.commit else f" (of commit {record['commit']}, now {known.commit})"
            when = f"{name} was fetched on {record['fetched'][:10]}{other}"
            say(f"{when} and lies in {known.home}; `--again` downloads it again")
            return known.home
        if not record and known.home.exists():
            raise InputError(
                f"{known.home}: is there, but was not put there by `pose3d data fetch`. Move it away, or use it by its path"
            )
        for line in known.licence_lines():
            say(line)
        _fetch(known, record, say, bar)
    return known.home


@contextmanager
def show_bar(console: Console) -> Iterator[Bar]:
    """A progress bar on a console, as the `bar` of `fetch`."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, done="")
            unit = (lambda n: f"{n / 1e6:,.1f} MB") if what == "downloading" else "{:,} files".format
            said = f"{unit(done)} of {unit(total)}" if total is not None else f"{unit(done)} so far"
            bars.update(tasks[what], completed=done, total=total, done=said)

        yield show


def _fetch(known: Collection, record: dict | None, say: Say, bar: Bar) -> None:
    archive, fresh = known.archive_path, record is not None or not known.archive_path.exists()
    before, staging = archive.with_name(f"{archive.name}.old"), _staging(known.home)
    try:
        if fresh:
            if archive.exists():
                archive.replace(before)
            say(f"Downloading {known.url}")
            download(known.url, archive, bar=bar)
        else:
            say(f"Using {archive}, which is there")
        staging.mkdir()
        contents.unpack(known, archive, staging, partial(bar, "unpacking"))
        made = contents.describe(known, archive, staging)
        contents.compare(known, record, made, say)
        if known.index:
            made["takes"] = _name_takes(known, staging, say)
        write_json(staging / RECORD, made)
    except BaseException as error:
        if fresh and isinstance(error, InputError) and not isinstance(error, contents.CannotWrite):
            archive.unlink(missing_ok=True)  # so that the next try does not meet the same bytes
        if before.exists():
            before.replace(archive)
        raise
    finally:
        _finish(known.home)
    before.unlink(missing_ok=True)
    size = f"{made['files']:,} files, {made['bytes'] / 1e6:,.0f} MB"
    say(f"{known.name}: {size}, in {known.home}. sha256 {made['sha256']}")
    say(f"The archive stays at {archive} and may be removed")


def _name_takes(known: Collection, staging: Path, say: Say) -> dict[str, int]:
    """Write `takes.csv` from the collection's index; the numbers of takes kept and left out."""
    index = staging / known.index
    if not index.is_file():
        raise InputError(f"{known.url}: {known.index}, from which the actions are named, is not in the archive")
    counts = cmu_actions.write_takes(staging, index)
    say(
        f"{counts['kept']:,} takes have an action; left out are {counts['unplaced']:,} whose description stands for none or "
        f"for several, and {counts['undescribed']:,} without a description"
    )
    return counts


def _staging(home: Path) -> Path:
    return home.with_name(f".{home.name}.unpacking")


def _finish(home: Path) -> None:
    """Put the new folder in the old one's place if it is whole: its record is written last. Remove any other."""
    staging, before = _staging(home), home.with_name(f".{home.name}.old")
    if (staging / RECORD).is_file():
        try:
            if home.exists():
                home.rename(before)
            staging.rename(home)
        except OSError as error:
            raise InputError(f"{home}: cannot be replaced ({error.strerror}); close what uses it, and retry") from error
    for folder in (before, staging):
        shutil.rmtree(folder, ignore_errors=True)
