"""Which runs there are and how each is doing, read from their folders: ten thousand of them in a second or so.

Nothing is written, and nothing is imported that takes long. Folders may change, vanish or be damaged meanwhile; whatever is
wrong with one is told of that one.
"""

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.paths import runs_dir
from pose3d_lib.data.actions import ALL, nearest
from pose3d_lib.runs.holders import find_holder
from pose3d_lib.runs.layout import (
    CHECKPOINTS,
    CONFIG,
    ERRORS,
    FINISHED,
    MARKS,
    NEEDED,
    PROGRESS,
    PROVENANCE,
    Files,
    compare_format,
    find_damage,
    missing_file,
    read_object,
    scan_folder,
)

STATES = ("finished", "running", "unfinished", "damaged", "other version", "not a run")

NO_CHECKPOINT = "no checkpoint"
"""The note of an unfinished run that would begin anew."""

RUN_NAME = re.compile(r".+-[0-9a-f]{10}", re.DOTALL)
"""A run's folder ends in a hash. One of another name is no run's, and is never deleted as one."""


MOST_MEANT = 20
"""Names that a message lists where a part of a name is that of many."""

BEYOND_ANY_NUMBER = 1e300
"""No error, and no number of windows, is larger; JSON may hold larger ones, and integers that no float can."""


LATEST = datetime(9999, 1, 1).timestamp()
"""No later time can be shown; a disk may hold one."""


@dataclass(frozen=True)
class RunEntry:
    """One folder under `outputs/runs/`.

    Attributes:
        name: of the folder.
        state: one of STATES.
        note: what else there is to know of the state; several things are separated by "; ".
        action: of its config; None where that cannot be read.
        progress: share of its windows that it has seen, 0 to 1; None where that is not known.
        mpjpe: mm, of its own action, or the mean of the actions for the baseline; None before the end.
        size: bytes of all files.
        at: time (as of `time.time`) when it was finished, or when something was last written to it.
    """

    name: str
    state: str
    note: str = ""
    action: str | None = None
    progress: float | None = None
    mpjpe: float | None = None
    size: int = 0
    at: float | None = None


def list_runs() -> list[RunEntry]:
    """All that is in `outputs/runs/`, by name, but what is hidden; an InputError where that folder cannot be read."""
    folder, now = str(runs_dir()), time.time()
    looked = (look_at(f"{folder}/{name}", now) for name in run_names())
    return [entry for entry in looked if entry]


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
    """The name that was given, or the only one that it is a part of; otherwise an InputError with those that may be meant."""
    names = list(names)
    matches = [given] if given in names else [name for name in names if given and given in name]
    if len(matches) == 1:
        return matches[0]
    meant = matches or nearest(given, names)
    more = f" and {len(meant) - MOST_MEANT:,} more" if len(meant) > MOST_MEANT else ""
    hint = f"; did you mean {', '.join(map(printable, meant[:MOST_MEANT]))}{more}?" if meant else "."
    found = f"there are {len(matches):,} runs" if matches else "there is no run"
    raise InputError(
        f"{runs_dir()}: {found} with {printable(given)!r} in the name{hint} `pose3d runs list` shows all; "
        "give a whole name, or a part that only one has"
    )


def look_at(path: str, now: float) -> RunEntry | None:
    """How the run in a folder is doing, None where the folder has vanished; `now` as of `time.time`."""
    name = os.path.basename(path)
    try:
        files, size = scan_folder(path)
    except NotADirectoryError:
        return RunEntry(name, "not a run", "no folder")
    except FileNotFoundError:
        return RunEntry(name, "not a run", "a link to nothing") if os.path.islink(path) else None
    except OSError as error:
        return RunEntry(name, "damaged", f"cannot be opened ({error.strerror})")
    if not RUN_NAME.fullmatch(name):
        return RunEntry(name, "not a run", "its name does not end in a run's hash", size=size)
    if files and MARKS.isdisjoint(files):
        return RunEntry(name, "not a run", "no file of a run is in it", size=size)
    told = _look_at_finished(path, files) if FINISHED in files else _look_at_unfinished(path, files, now)
    if told["state"] != "finished" and not os.path.isdir(path):
        return None
    if not 0 <= (told["at"] or 0) <= LATEST:
        told["at"] = None
    return RunEntry(**{"name": name, "size": size, **told})


def look_closely(path: str, now: float) -> RunEntry | None:
    """As `look_at`, and reads the checksums too, a millisecond for each finished run."""
    entry = look_at(path, now)
    if entry and entry.state == "finished" and (damage := find_damage(path)):
        return replace(entry, state="damaged", note=damage)
    return entry


def _look_at_finished(path: str, files: Files) -> dict[str, object]:
    told: dict[str, object] = {"progress": 1.0, "at": files[FINISHED].st_mtime}
    problems = []
    try:
        finished = read_object(f"{path}/{FINISHED}")
        told["at"] = _seconds(finished.get("at")) or told["at"]
        if other := compare_format(finished.get("format"), FINISHED):
            told |= {"state": "other version", "note": other}
    except InputError as error:
        problems.append(str(error))
    if "state" not in told:
        problems += [problem for name in NEEDED if (problem := missing_file(files, name))]
    try:
        told["action"] = _read_action(path)
        told["mpjpe"] = _read_mpjpe(path, told["action"])
    except InputError as error:
        problems += [str(error)] * (not problems)  # what is missing was told already
    return {"state": "damaged" if problems else "finished", "note": "; ".join(problems), **told}


def _look_at_unfinished(path: str, files: Files, now: float) -> dict[str, object]:
    told: dict[str, object] = {"at": max((status.st_mtime for status in files.values()), default=None)}
    other = ""
    # killed before they were written, or damaged: whoever goes on writes them anew
    with suppress(InputError):
        other = compare_format(read_object(f"{path}/{PROVENANCE}").get("format"), PROVENANCE)
    with suppress(InputError):
        told["action"] = _read_action(path)
    with suppress(InputError):
        told["progress"] = _read_progress(path)
    if holder := find_holder(path, files, now):
        return {**told, "state": "running", "note": holder}
    if other:
        return {**told, "state": "other version", "note": f"{other}; unfinished"}
    kept = any(name in files for name in CHECKPOINTS)
    return {**told, "state": "unfinished", "note": "" if kept else NO_CHECKPOINT}


def _read_action(path: str) -> str:
    action = read_object(f"{path}/{CONFIG}").get("action")
    if not isinstance(action, str):
        raise InputError(f"{CONFIG}: action {action!r}, expected a name")
    return action


def _read_mpjpe(path: str, action: str) -> float:
    metrics = read_object(f"{path}/{ERRORS}")
    try:
        mpjpe = (metrics["action_wise"] if action == ALL else metrics["actions"][action])["mpjpe"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{ERRORS}: no MPJPE of {action!r}") from error
    return _number(mpjpe, ERRORS, "MPJPE")


def _read_progress(path: str) -> float | None:
    progress = read_object(f"{path}/{PROGRESS}")
    windows, total = (_number(progress.get(name), PROGRESS, name) for name in ("windows", "total"))
    return min(max(windows / total, 0.0), 1.0) if total > 0 else None


def _number(found: object, name: str, what: str) -> float:
    if type(found) in (int, float) and abs(found) < BEYOND_ANY_NUMBER:
        return float(found)
    raise InputError(f"{name}: {what} {str(found)[:80]!r}, expected a number")


def _seconds(iso: object) -> float | None:
    try:
        return datetime.fromisoformat(iso).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
