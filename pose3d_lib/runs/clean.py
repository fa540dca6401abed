"""Which files and folders of runs nobody needs any more, and removing them: never what is finished, never what is at work."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, LeaseSettingsMismatch, SoftFileLease, Timeout

from pose3d_lib.common.files import UNFINISHED
from pose3d_lib.common.paths import runs_dir
from pose3d_lib.runs.holders import find_holder
from pose3d_lib.runs.inventory import RunEntry, look_closely, run_names
from pose3d_lib.runs.layout import CHECKPOINTS, FINISHED, LEASE, LEASE_SECONDS, OLD_LOCK, PROVENANCE, Files, scan_folder
from pose3d_lib.runs.lease import SECONDS_TO_TAKE_OVER, LeaseWatch

SECONDS_BETWEEN_TRIES = 1.0


@dataclass(frozen=True)
class Removal:
    """What to remove from `outputs/runs/`.

    Attributes:
        run: the folder.
        state: of the run when this was planned.
        file: what to remove from the folder; "" stands for the whole of it.
        why: nobody needs it.
        size: bytes.
    """

    run: str
    state: str
    file: str
    why: str
    size: int

    @property
    def path(self) -> Path:
        return runs_dir() / self.run / self.file


def plan_removals(
    *, unfinished: bool = False, other: bool = False, damaged: bool = False
) -> tuple[list[Removal], dict[str, str]]:
    """What can be removed, and run -> why it is left alone although it was asked for. Nothing is changed.

    Args:
        unfinished: also the folders of unfinished runs that nobody holds.
        other: also the folders of runs of other versions of this code, finished or not.
        damaged: also the folders of finished runs whose files are not whole.
    """
    removals: list[Removal] = []
    spared: dict[str, str] = {}
    asked = ("unfinished", "running") * unfinished + ("other version",) * other + ("damaged",) * damaged
    now = time.time()
    for name in run_names():
        path = str(runs_dir() / name)
        entry = look_closely(path, now)
        if entry is None or entry.state == "not a run":
            continue
        try:
            files, _ = scan_folder(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            spared[name] = f"cannot be opened ({error.strerror})"
            continue
        whole = entry.state in asked
        if entry.state == "damaged" and not whole:
            spared[name] = f"damaged ({entry.note}); with --damaged it is removed, so that it can be trained again"
        why = ", ".join(filter(None, (entry.state, entry.note)))
        own = [Removal(name, entry.state, "", why, entry.size)] if whole else _superfluous(entry, files, now)
        if reason := _spare(path, files, now, whole=whole) if own else "":
            spared[name] = reason
        else:
            removals += own
    return removals, spared


def _superfluous(entry: RunEntry, files: Files, now: float) -> list[Removal]:
    why = {name: "left by a process that was killed" for name in files if UNFINISHED.fullmatch(name)}
    if entry.state == "finished":
        why |= {name: "checkpoint of a finished run" for name in CHECKPOINTS if name in files}
    old = [name for name in why if now - files[name].st_mtime >= LEASE_SECONDS]
    return [Removal(entry.name, entry.state, name, why[name], files[name].st_size) for name in sorted(old)]


def _spare(path: str, files: Files, now: float, *, whole: bool) -> str:
    """Why nothing is to be removed from a folder now, or ""."""
    if os.path.islink(path):
        return "a link to another folder, which may be used elsewhere"
    if holder := find_holder(path, files, now):
        return f"held by {holder}"
    age = now - max((status.st_mtime for status in files.values()), default=0.0)
    if whole and abs(age) < LEASE_SECONDS:  # a time that lies further ahead is of another clock
        return f"written to {max(age, 0.0):.0f} s ago, so that somebody may be at work; try again in a minute"
    return ""


def remove_all(
    removals: Iterable[Removal], say: Callable[[str], None] = lambda line: None
) -> Iterator[tuple[Removal, str]]:
    """Removes what was planned; yields each removal with what prevented it, "" where nothing did.

    Before a folder goes, this process holds its run as one that trains it would, and looks at it again. That the holder of a
    lease is dead shows at once where it was on this machine; where it was on another, after LEASE_SECONDS without a sign of
    life, during which all such runs are watched together. `say` is called with a line of text then.
    """
    waiting: list[tuple[Removal, SoftFileLease, LeaseWatch]] = []
    for removal in removals:
        if removal.file:
            yield removal, _remove_file(removal)
            continue
        lease = SoftFileLease(removal.path / LEASE, lease_duration=LEASE_SECONDS)
        problem = _remove_folder(removal, lease)
        if problem is None:
            waiting.append((removal, lease, LeaseWatch(removal.path / LEASE)))
        else:
            yield removal, problem
    if waiting:
        say(f"watching for {LEASE_SECONDS} s whether whoever holds {len(waiting)} of the runs shows a sign of life")
    end = time.monotonic() + LEASE_SECONDS + SECONDS_TO_TAKE_OVER + 3 * SECONDS_BETWEEN_TRIES
    while waiting:
        time.sleep(SECONDS_BETWEEN_TRIES)
        over = time.monotonic() >= end
        tried, waiting = waiting, []
        for removal, lease, watch in tried:
            watch.look()
            problem = _remove_folder(removal, lease)
            if problem is None and not over:
                waiting.append((removal, lease, watch))
            else:
                yield removal, "somebody holds it" if problem is None else problem


def _remove_file(removal: Removal) -> str:
    if removal.path.parent.is_symlink():
        return "its folder is a link now"
    try:
        removal.path.unlink(missing_ok=True)
    except OSError as error:
        return f"cannot be removed ({error.strerror})"
    return ""


def _remove_folder(removal: Removal, lease: SoftFileLease) -> str | None:
    """Removes a run's folder; gives what prevented it, "" if nothing did, None if somebody holds it who may be dead."""
    folder = removal.path
    if folder.is_symlink():
        return "a link to another folder now"
    if not folder.is_dir():
        return ""
    try:
        with _held(folder, lease):
            entry = look_closely(str(folder), time.time())
            # held by this process, an unfinished run is a running one
            if entry is None or entry.state not in (removal.state, "running"):
                return "changed meanwhile"
            _empty(folder)
        folder.rmdir()
    except Timeout:
        return None
    except LeaseSettingsMismatch:
        return "held by another version of this code"
    except OSError as error:
        began = error.errno == errno.ENOTEMPTY
        return "begun anew meanwhile" if began else f"cannot be removed ({error.strerror})"
    return ""


@contextmanager
def _held(folder: Path, lease: SoftFileLease) -> Iterator[None]:
    """Holds a run; versions of this code before there were leases hold theirs by a lock."""
    lease.acquire(timeout=0)
    try:
        if (folder / OLD_LOCK).is_file():
            with FileLock(folder / OLD_LOCK, timeout=0):
                yield
        else:
            yield
    finally:
        lease.release()


def _empty(folder: Path) -> None:
    """Removes all but the lease: FINISHED first, so that a kill leaves no finished run, and what tells the version last."""
    names = sorted(os.listdir(folder), key=lambda name: (name != FINISHED, name == PROVENANCE))
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif name != LEASE:
            path.unlink(missing_ok=True)
