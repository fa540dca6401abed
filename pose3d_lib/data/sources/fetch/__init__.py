"""Fetch an open collection of motion capture into POSE3D_DATA: download, check, unpack, record.

A collection's folder appears whole or not at all, with `fetched.json` in it: source, checksums, licence. The archive stays
in `downloads/` beside it; one put there by hand is used as well.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import source_data_dir
from pose3d_lib.data import catalogue
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.catalogue import DOWNLOADS, RECORD, Collection
from pose3d_lib.data.sources.fetch import cmu_actions
from pose3d_lib.data.sources.fetch.archive import CannotWrite, unpack
from pose3d_lib.data.sources.fetch.record import check_files, compare, describe, hash_file, read_record, write_record
from pose3d_lib.data.sources.fetch.transfer import PAUSE, Bar, download
from pose3d_lib.data.untrusted.client import list_members

POINTER = b"version https://git-lfs.github.com/spec/"  # how a file begins that Git LFS keeps elsewhere

Say = Callable[[str], None]


def fetch(
    name: str,
    *,
    say: Say = print,
    bar: Bar = lambda what, done, total: None,
    accept: Callable[[Collection], bool] = lambda collection: True,
    again: bool = False,
    pause: float = PAUSE,
) -> Path:
    """Download a collection, unless it is there, and return its folder.

    Args:
        name: of a collection in `catalogue.collections()`.
        say: called with lines of text, the licence first.
        bar: called with the progress of downloading (bytes) and unpacking (files); `show_bar` makes one.
        accept: asked after the licence was shown; False downloads nothing.
        again: download once more, and compare with the first download.
        pause: seconds before a broken connection is tried again.

    Raises:
        InputError: no network, a wrong checksum, an archive that cannot be trusted, no room, terms not accepted.
    """
    known = catalogue.collections()[check_name(name, catalogue.collections(), "collection")]
    root = source_data_dir()
    try:
        (root / DOWNLOADS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{root}: cannot be made ({error.strerror}); the environment variable POSE3D_DATA names another"
        ) from error
    with _alone(root, say):
        _tidy(known.home)
        record = read_record(known)
        if record and not again:
            check_files(known, record)
            other = "" if record["commit"] == known.commit else f" (of commit {record['commit']}, now {known.commit})"
            say(
                f"{name} was fetched on {record['fetched'][:10]}{other} and lies in {known.home}; `--again` downloads it anew"
            )
            return known.home
        if not record and known.home.exists():
            raise InputError(
                f"{known.home}: is there, but was not put there by `pose3d data fetch`. Move it away, or use it by its path"
            )
        for line in known.licence_lines():
            say(line)
        if not accept(known):
            raise InputError(f"{name}: its licence was not accepted, so nothing was downloaded")
        _fetch(known, record, say, bar, pause)
    return known.home


@contextmanager
def show_bar(console: Console) -> Iterator[Bar]:
    """A progress bar on a console, as the `bar` of `fetch`."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), console=console
    ) as bars:
        tasks = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, done="")
            unit = (lambda n: f"{n / 1e6:,.1f} MB") if what == "downloading" else "{:,} files".format
            said = f"{unit(done)} of {unit(total)}" if total is not None else f"{unit(done)} so far"
            bars.update(tasks[what], completed=done, total=total, done=said)

        yield show


def _fetch(known: Collection, record: dict | None, say: Say, bar: Bar, pause: float) -> None:
    archive, fresh = _get_archive(known, record is not None, say, bar, pause)
    try:
        digest = hash_file(archive)
        if known.sha256 and digest != known.sha256:
            advice = "" if fresh else "; remove it, and run the same command to download it"
            raise InputError(
                f"{archive}: sha256 {digest}, expected {known.sha256}. It is not the archive that {known.url} had{advice}"
            )
        staging = known.home.with_name(f".{known.name}.unpacking")
        try:
            staging.mkdir()
            _unpack_collection(known, archive, staging, bar)
            made = describe(known, archive, digest, staging)
            compare(known, record, made, say)
            if known.index:
                made["takes"] = _name_takes(known, staging, say)
            write_record(staging / RECORD, made)
            _swap(staging, known.home)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except CannotWrite:
        if fresh:
            archive.replace(known.archive_path)
        raise
    except InputError:
        if fresh:
            archive.unlink()  # so that the next try does not meet the same bytes
        raise
    if fresh:
        archive.replace(known.archive_path)
    say(f"{known.name}: {made['files']:,} files, {made['bytes'] / 1e6:,.0f} MB, in {known.home}. sha256 {digest}")
    say(f"The archive stays at {known.archive_path} and may be removed")


def _get_archive(known: Collection, again: bool, say: Say, bar: Bar, pause: float) -> tuple[Path, bool]:
    """The archive, and whether it was downloaded just now; then it bears another name until it is known to be good."""
    path = known.archive_path
    if path.exists() and not again:
        say(f"Using {path}, which is there")
        return path, False
    fresh = path.with_name(f"{path.name}.new")
    if fresh.exists() and not again:  # whole: a fetch was killed after the download
        return fresh, True
    fresh.unlink(missing_ok=True)

    say(f"Downloading {known.url}")
    download(known.url, fresh, place=path, bar=bar, pause=pause)
    return fresh, True


def _unpack_collection(known: Collection, archive: Path, staging: Path, bar: Bar) -> None:
    """The BVH files into a folder, and the collection's documents beside them."""
    members = list(list_members(archive))
    tops = {name.partition("/")[0] for name in members}
    top = f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in members) else ""
    inside = f"{top}{known.inside}/" if known.inside else top
    chosen = _choose_motion([name for name in members if name.startswith(inside)])
    documents = {f"{inside}{name}": name for name in known.documents if f"{inside}{name}" in members}
    nested = f"{inside}{known.nested}" if known.nested else ""
    if chosen:
        unpack(archive, chosen | documents, staging, progress=partial(bar, "unpacking"))
        return
    if nested not in members:
        raise InputError(f"{archive}: there is no BVH file in it below {inside or 'its top'!r}")
    inner = staging / ".nested.zip"
    unpack(archive, documents | {nested: inner.name}, staging)
    with inner.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise InputError(
                f"{archive}: {nested} only points to a file that Git LFS keeps, which such archives leave out. Get the real "
                f"{known.nested} from the repository, unpack it into a folder, and use that folder's path as `dataset`"
            )
    chosen = _choose_motion(list(list_members(inner)))
    if not chosen:
        raise InputError(f"{archive}: there is no BVH file in its {nested}")
    unpack(inner, chosen, staging, progress=partial(bar, "unpacking"))
    inner.unlink()


def _choose_motion(names: list[str]) -> dict[str, str]:
    """Member -> path, of the BVH files, without the folders that they all share."""
    motion = sorted(name for name in names if name.lower().endswith(".bvh") and "__MACOSX" not in name)
    if not motion:
        return {}
    shared = os.path.commonpath([os.path.dirname(f"/{name}") for name in motion])
    return {name: os.path.relpath(f"/{name}", shared) for name in motion}


def _name_takes(known: Collection, staging: Path, say: Say) -> dict[str, int]:
    index = staging / known.index
    if not index.is_file():
        raise InputError(f"{known.url}: {known.index}, from which the actions are named, is not in the archive")
    named = cmu_actions.write_takes(staging, index)
    say(
        f"{len(named.rows):,} takes have an action; left out are {named.unplaced:,} whose description stands for none or "
        f"for several, and {named.undescribed:,} without a description"
    )
    return {"kept": len(named.rows), "unplaced": named.unplaced, "undescribed": named.undescribed}


def _swap(staging: Path, home: Path) -> None:
    """Puts the new folder in the old one's place; whatever stops it, `_tidy` finds one of them whole."""
    old = home.with_name(f".{home.name}.old")
    if home.exists():
        home.rename(old)
    staging.rename(home)
    shutil.rmtree(old, ignore_errors=True)


def _tidy(home: Path) -> None:
    """Removes what a killed fetch left."""
    shutil.rmtree(home.with_name(f".{home.name}.unpacking"), ignore_errors=True)
    old = home.with_name(f".{home.name}.old")
    if old.exists() and not home.exists():
        old.rename(home)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(root: Path, say: Say) -> Iterator[None]:
    """One fetch at a time: two collections may come in the same archive."""
    lock = FileLock(root / DOWNLOADS / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("Another fetch is under way; waiting for it to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
