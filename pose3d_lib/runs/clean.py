"""Find and delete runs that are unfinished, damaged or of another version, unless a process holds them."""

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pose3d_lib.common.paths import runs_dir
from pose3d_lib.runs.inventory import RunEntry, State, look_at, run_names
from pose3d_lib.runs.layout import FINISHED, LEASE_SECONDS
from pose3d_lib.runs.lease import claim_run

AT_ONCE = 64  # runs whose leases are watched at the same time


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


def remove_all(removals: Sequence[RunEntry], say: Callable[[str], None]) -> Iterator[tuple[RunEntry, str]]:
    """Removes what was planned; yields each run with what prevented it, "" where nothing did.

    Each is held while it is removed, as by a process that trains it. Runs with leases of processes on other machines are
    watched together for LEASE_SECONDS; `say` is called with a line of text then.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(removals, pool.map(lambda entry: _remove(entry, say), removals), strict=True)


def _remove(planned: RunEntry, say: Callable[[str], None]) -> str:
    folder = runs_dir() / planned.name
    gone = folder.with_name(f".{folder.name}.removed")
    watching = f"watching for {LEASE_SECONDS:g} s whether the holder of {folder.name} shows a sign of life"
    try:
        with claim_run(folder, lambda _: say(watching), give_up=True) as token:
            if token is None:
                return "a process holds it"
            now = look_at(folder, closely=True)
            if now is None or now.state == State.FINISHED or (FINISHED in now.files) != (FINISHED in planned.files):
                return "changed meanwhile"
            shutil.rmtree(gone, ignore_errors=True)  # of a removal that was killed
            folder.rename(gone)  # at once, so that a kill leaves no half of a run
        shutil.rmtree(gone)
    except OSError as error:
        return f"cannot be removed ({error.strerror})"
    return ""
