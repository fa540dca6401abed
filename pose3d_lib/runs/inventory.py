"""The state of every run folder: one vocabulary for listing, showing, cleaning, verifying, sweeps and tables.

Only `remove` changes anything. Folders may change, vanish or be damaged meanwhile; a problem with one is reported for that one.
"""

import os
import shutil
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field
from safetensors import SafetensorError, safe_open

from pose3d_lib.common.errors import InputError, printable, some
from pose3d_lib.common.files import sha256_of
from pose3d_lib.common.paths import RUN_NAME, runs_dir
from pose3d_lib.data.actions import ALL, nearest
from pose3d_lib.runs import layout
from pose3d_lib.runs.layout import Files, Part, read_json, read_progress, scan_folder
from pose3d_lib.runs.lease import claim_run, read_holder

ABANDONED = 86_400.0  # seconds without a sign of life after which a lease is removed; clocks of machines differ by less


class State(StrEnum):
    """States of a run folder."""

    FINISHED = "finished"
    RUNNING = "running"
    UNFINISHED = "unfinished"
    DAMAGED = "damaged"
    OTHER = "other version"
    NO_RUN = "not a run"


@dataclass(frozen=True)
class RunEntry:
    """One folder under `outputs/runs/`."""

    name: str
    state: State
    note: str = ""  # what else there is to say of the state, separated by "; "
    action: str | None = None  # of its config; None where that cannot be read
    progress: float | None = None  # share of its windows that it has seen, 0 to 1
    mpjpe: float | None = None  # mm, of its own action, of a baseline the mean of the actions; None before the end
    size: int = 0  # bytes of all files
    at: float | None = None  # time (as of `time.time`) when it was finished, or last written to
    files: Files = field(default_factory=dict, compare=False, repr=False)  # in the folder

    @property
    def found(self) -> str:
        """The state with its note, as in "damaged, clips.csv: missing"."""
        return ", ".join(filter(None, (self.state, self.note)))


class _Format(Part):
    format: int


class Finished(_Format):
    """Content of FINISHED; other versions may lack all but the format."""

    at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    sha256: dict[str, str] = Field(default_factory=dict)


class _Config(Part):
    action: str


class _Mpjpe(Part):
    mpjpe: float


class _Errors(Part):
    actions: dict[str, _Mpjpe]
    action_wise: _Mpjpe


def list_runs() -> list[RunEntry]:
    """Everything in `outputs/runs/` that is not hidden, by name; an InputError where that folder cannot be read."""
    folder = str(runs_dir())
    return [entry for name in run_names() if (entry := look_at(f"{folder}/{name}"))]


def run_names() -> list[str]:
    """The names in `outputs/runs/`, sorted; none where there is no such folder, an InputError where it cannot be read."""
    try:
        return sorted(name for name in os.listdir(runs_dir()) if not name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"{runs_dir()}: run folders cannot be listed there ({error.strerror}); the environment variable "
            "POSE3D_OUTPUTS names another folder of outputs"
        ) from error


def choose_run(given: str, names: Iterable[str]) -> str:
    """The name that was given, whole or but for its digest, or the only one that contains it; otherwise an InputError."""
    names = list(names)
    matches = [name for name in names if given and given in name]
    matches = [given] if given in names else [name for name in matches if name.rpartition("-")[0] == given] or matches
    if len(matches) == 1:
        return matches[0]
    meant = some([printable(name) for name in matches or nearest(given, names)], 20)
    found = f"there are {len(matches):,} runs" if matches else "there is no run"
    raise InputError(
        f"{runs_dir()}: {found} with {printable(given)!r} in the name{f'; did you mean {meant}?' if meant else '.'} "
        "`pose3d runs list` shows all; give a whole name, or a part that only one has"
    )


def look_at(folder: str | os.PathLike, *, closely: bool = False) -> RunEntry | None:
    """The state of the run in a folder, None where the folder has vanished.

    A close look also compares the checksums of a finished run's files, a millisecond for each; of the weights, which may be
    large, only the header is read, which says how long the file must be.
    """
    path = os.fspath(folder)
    name = os.path.basename(path)
    try:
        files, size = scan_folder(path)
    except NotADirectoryError:
        return RunEntry(name, State.NO_RUN, "no folder")
    except FileNotFoundError:
        return None
    except OSError as error:
        return RunEntry(name, State.DAMAGED, f"cannot be opened ({error.strerror})")
    if not RUN_NAME.fullmatch(name) or (files and layout.MARKS.isdisjoint(files)):
        return RunEntry(name, State.NO_RUN, "its name or its files are not those of a run", size=size)
    found = _look_at_finished(path, files, closely) if layout.FINISHED in files else _look_at_unfinished(path, files)
    vanished = found["state"] != State.FINISHED and not os.path.isdir(path)
    return None if vanished else RunEntry(name, size=size, files=files, **found)


def check_finished(folder: Path, remedy: str) -> None:
    """An InputError with the remedy unless a run is finished here, and its files are what they were."""
    entry = look_at(folder, closely=True)
    if entry is None or entry.state != State.FINISHED:
        raise InputError(f"{folder}: {entry.found if entry else 'no such folder'}; {remedy}")


def _look_at_finished(path: str, files: Files, closely: bool) -> dict[str, object]:
    found: dict[str, object] = {"progress": 1.0, "at": files[layout.FINISHED].st_mtime}
    absent = [name for name in layout.NEEDED if name not in files or not files[name].st_size]
    problems = [f"{name}: missing or empty" for name in absent]
    try:
        finished = read_json(f"{path}/{layout.FINISHED}", Finished)
        if finished.at:
            found["at"] = finished.at.timestamp()
        if other := other_version(finished.format):
            return {**found, "state": State.OTHER, "note": other}
        found["action"] = action = read_json(f"{path}/{layout.CONFIG}", _Config).action
        errors = read_json(f"{path}/{layout.ERRORS}", _Errors)
        own = errors.action_wise if action == ALL else errors.actions.get(action)
        if own is None:
            raise InputError(f"{layout.ERRORS}: no MPJPE of {action!r}")
        found["mpjpe"] = own.mpjpe
        if closely and not problems:
            problems = [changed for name in layout.NEEDED if (changed := compare_sum(path, name, finished))]
    except InputError as error:
        problems = problems or [str(error)]
    return {**found, "state": State.DAMAGED if problems else State.FINISHED, "note": "; ".join(problems)}


def _look_at_unfinished(path: str, files: Files) -> dict[str, object]:
    found: dict[str, object] = {"at": max((status.st_mtime for status in files.values()), default=None)}
    other = ""
    # killed before they were written, or damaged: the next process that trains this run writes them again
    with suppress(InputError):
        other = other_version(read_json(f"{path}/{layout.PROVENANCE}", _Format).format)
    with suppress(InputError):
        found["action"] = read_json(f"{path}/{layout.CONFIG}", _Config).action
    if progress := read_progress(path):
        found["progress"] = progress.windows / progress.total
    touched = layout.LEASE in files and time.time() - files[layout.LEASE].st_mtime < layout.LEASE_SECONDS
    if touched and (holder := read_holder(path)):
        return {**found, "state": State.RUNNING, "note": holder}
    if other:
        return {**found, "state": State.OTHER, "note": f"{other}; unfinished"}
    kept = any(name in files for name in layout.CHECKPOINTS)
    return {**found, "state": State.UNFINISHED, "note": "" if kept else "no checkpoint"}


def other_version(found: int) -> str:
    """How a format of results differs from this version's; "" if it does not."""
    if found == layout.RESULT_FORMAT:
        return ""
    return f"format {found}, {'older' if found < layout.RESULT_FORMAT else 'newer'} than {layout.RESULT_FORMAT}"


def compare_sum(folder: str | os.PathLike, name: str, finished: Finished, *, whole: bool = False) -> str:
    """How a file of a finished run differs from its checksum, "" if it does not; weights only by their header unless `whole`."""
    path = Path(folder, name)
    try:
        if name == layout.WEIGHTS and not whole:
            with safe_open(path, framework="numpy"):
                return ""
        found = sha256_of(path)
    except SafetensorError as error:
        return f"{layout.WEIGHTS}: cut short or damaged ({error})"
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror})"
    expected = finished.sha256.get(name, "none")
    return "" if found == expected else f"{name}: changed: its sha256 is {found[:10]}…, expected {expected[:10]}…"


def plan_removals(states: Collection[State]) -> tuple[list[RunEntry], dict[str, str]]:
    """The runs in these states, and run -> why it is left alone nevertheless. Nothing is changed."""
    removals: list[RunEntry] = []
    spared: dict[str, str] = {}
    for name in run_names():
        entry = look_at(runs_dir() / name, closely=True)
        if entry is None:
            continue
        if entry.state == State.RUNNING and State.UNFINISHED in states:
            spared[name] = f"held by {entry.note}"
        elif entry.state not in states:
            continue
        elif (runs_dir() / name).is_symlink():
            spared[name] = "a link to another folder, which may be used elsewhere"
        elif entry.state == State.DAMAGED and not entry.files:  # it may be sound as soon as it can be opened
            spared[name] = entry.note
        else:
            removals.append(entry)
    return removals, spared


def remove(planned: RunEntry) -> str:
    """Remove a run as planned, and return what prevented it, "" if nothing did; it is held meanwhile, as by its training."""
    folder = runs_dir() / planned.name
    gone = folder.with_name(f".{folder.name}.removed")
    lease = folder / layout.LEASE
    try:
        if lease.exists() and time.time() - lease.stat().st_mtime > ABANDONED:
            lease.unlink()
        with claim_run(folder) as token:
            if token is None:
                return f"a process holds it, or did within the last day; if it has ended, delete {lease}"
            now = look_at(folder, closely=True)
            same = now is not None and (layout.FINISHED in now.files) == (layout.FINISHED in planned.files)
            if not same or now.state == State.FINISHED:
                return "changed meanwhile"
            shutil.rmtree(gone, ignore_errors=True)  # of a removal that was killed
            folder.rename(gone)  # at once, so that a kill leaves no half of a run
        shutil.rmtree(gone)
    except InputError as error:  # another version holds it
        return str(error)
    except OSError as error:
        return f"cannot be removed ({error.strerror})"
    return ""
