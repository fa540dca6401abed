"""Find and delete leftovers of runs. Finished runs are never touched, nor is a run that a process holds."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import UNFINISHED
from pose3d_lib.common.paths import runs_dir
from pose3d_lib.runs.inventory import RunEntry, State, find_holder, look_at, run_names
from pose3d_lib.runs.layout import CHECKPOINTS, FINISHED, LEASE, LEASE_SECONDS, PROVENANCE, Files
from pose3d_lib.runs.lease import claim_run

AT_ONCE = 64  # runs whose leases are watched at the same time


@dataclass(frozen=True)
class Removal:
    """What to remove from `outputs/runs/`, and why."""

    run: str  # name of the folder
    state: State  # of the run when this was planned
    file: str  # in the folder; "" stands for the whole folder
    why: str
    size: int  # bytes

    @property
    def path(self) -> Path:
        return runs_dir() / self.run / self.file


def plan_removals(
    *, unfinished: bool = False, other: bool = False, damaged: bool = False
) -> tuple[list[Removal], dict[str, str]]:
    """What can be removed, and run -> why it is left alone although it was asked for. Nothing is changed.

    Args:
        unfinished: also the folders of unfinished runs that no process holds.
        other: also the folders of runs of other versions of this code, finished or not.
        damaged: also the folders of finished runs whose files are missing or changed.
    """
    removals: list[Removal] = []
    spared: dict[str, str] = {}
    asked = (State.UNFINISHED, State.RUNNING) * unfinished + (State.OTHER,) * other + (State.DAMAGED,) * damaged
    for name in run_names():
        path = runs_dir() / name
        entry = look_at(path, closely=True)
        if entry is None or entry.state == State.NO_RUN:
            continue
        if entry.state == State.DAMAGED and not entry.files:  # it may be sound as soon as it can be opened
            spared[name] = entry.note
            continue
        whole = entry.state in asked
        if entry.state == State.DAMAGED and not whole:
            spared[name] = f"damaged ({entry.note}); with --damaged it is removed, so that it can be trained again"
        own = [Removal(name, entry.state, "", entry.found, entry.size)] if whole else _leftovers(entry)
        if own and (reason := _spare(path, entry.files, whole=whole)):
            spared[name] = reason
        else:
            removals += own
    return removals, spared


def _leftovers(entry: RunEntry) -> list[Removal]:
    files = entry.files
    why = {name: "left by a process that was killed" for name in files if UNFINISHED.fullmatch(name)}
    if entry.state == State.FINISHED:
        why |= {name: "checkpoint of a finished run" for name in CHECKPOINTS if name in files}
    old = [name for name in sorted(why) if time.time() - files[name].st_mtime >= LEASE_SECONDS]
    return [Removal(entry.name, entry.state, name, why[name], files[name].st_size) for name in old]


def _spare(path: Path, files: Files, *, whole: bool) -> str:
    """Why nothing must be removed from a folder now, or ""."""
    if path.is_symlink():
        return "a link to another folder, which may be used elsewhere"
    if holder := find_holder(path, files):
        return f"held by {holder}"
    age = time.time() - max((status.st_mtime for status in files.values()), default=0.0)
    if whole and abs(age) < LEASE_SECONDS:  # a time further ahead is of another clock
        return f"written to {max(age, 0.0):.0f} s ago, so a process may be at work; try again in a minute"
    return ""


def remove_all(
    removals: Iterable[Removal], say: Callable[[str], None] = lambda line: None
) -> Iterator[tuple[Removal, str]]:
    """Removes what was planned; yields each removal with what prevented it, "" where nothing did.

    A folder is held while it is removed, as by a process that trains its run, and looked at again before. Runs with leases
    of processes on other machines are watched together for LEASE_SECONDS; `say` is called with a line of text then.
    """
    planned = list(removals)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(planned, pool.map(lambda removal: _remove(removal, say), planned), strict=True)


def _remove(removal: Removal, say: Callable[[str], None]) -> str:
    folder = runs_dir() / removal.run
    if folder.is_symlink():
        return "a link to another folder now"
    try:
        if removal.file:
            removal.path.unlink(missing_ok=True)
        elif folder.is_dir():
            return _remove_folder(folder, removal.state, say)
    except InputError:
        return "held by another version of this code"
    except OSError as error:
        began = error.errno == errno.ENOTEMPTY
        return "begun again meanwhile" if began else f"cannot be removed ({error.strerror})"
    return ""


def _remove_folder(folder: Path, planned: State, say: Callable[[str], None]) -> str:
    watching = f"watching for {LEASE_SECONDS:g} s whether the holder of {folder.name} shows a sign of life"
    with claim_run(folder, lambda _: say(watching), give_up=True) as token:
        if token is None:
            return "a process holds it"
        entry = look_at(folder, closely=True)
        running = State.RUNNING if planned != State.DAMAGED else planned  # what this process holds, if unfinished
        if entry is None or entry.state not in (planned, running):
            return "changed meanwhile"
        # FINISHED first, so that a kill leaves no finished run, and the file that tells the version last
        for name in sorted(os.listdir(folder), key=lambda name: (name != FINISHED, name == PROVENANCE)):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif name != LEASE:
                path.unlink(missing_ok=True)
    folder.rmdir()
    return ""
