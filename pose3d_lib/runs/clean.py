"""Find and delete runs that are unfinished, damaged or of another version, unless a process holds them."""

import shutil
import time
from collections.abc import Collection

from pose3d_lib.common.paths import runs_dir
from pose3d_lib.runs.inventory import RunEntry, State, look_at, run_names
from pose3d_lib.runs.layout import FINISHED, LEASE
from pose3d_lib.runs.lease import claim_run

ABANDONED = 86_400.0  # seconds without a sign of life after which a lease is removed; clocks of machines differ by less


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
    lease = folder / LEASE
    try:
        if lease.exists() and time.time() - lease.stat().st_mtime > ABANDONED:
            lease.unlink()
        with claim_run(folder) as token:
            if token is None:
                return f"a process holds it, or did within the last day; if it has ended, delete {lease}"
            now = look_at(folder, closely=True)
            if now is None or now.state == State.FINISHED or (FINISHED in now.files) != (FINISHED in planned.files):
                return "changed meanwhile"
            shutil.rmtree(gone, ignore_errors=True)  # of a removal that was killed
            folder.rename(gone)  # at once, so that a kill leaves no half of a run
        shutil.rmtree(gone)
    except OSError as error:
        return f"cannot be removed ({error.strerror})"
    return ""
