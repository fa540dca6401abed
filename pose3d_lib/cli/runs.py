"""`pose3d runs ...`: list the runs, show one, clean up, verify."""

import math
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal as size_text

from pose3d_lib.cli.data import echo_parts
from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.paths import runs_dir

if TYPE_CHECKING:
    from pose3d_lib.runs.inventory import RunEntry


@click.group()
def runs() -> None:
    """List runs, look at one, clean up, verify."""


@runs.command("list")
def list_all() -> None:
    """Every run with its state.

    The error is the MPJPE of the run's own action, of a baseline the mean of all actions.
    """
    from pose3d_lib.runs.inventory import State, list_runs

    entries = list_runs()
    if entries:
        click.echo(to_table(entries))
    counts = Counter(entry.state for entry in entries)
    listed = [f"{counts[state]:,} {state}" for state in State if counts[state]]
    size = size_text(sum(entry.size for entry in entries))
    click.echo(f"{len(entries):,} in {runs_dir()}, {size}" + ": " * bool(listed) + ", ".join(listed))


def to_table(entries: Sequence["RunEntry"]) -> str:
    """One line per run below a line of headings."""
    from tabulate import tabulate

    rows = [
        (
            printable(entry.name),
            entry.state,
            "" if entry.progress is None else f"{math.floor(100 * entry.progress)} %",
            "" if entry.mpjpe is None else f"{entry.mpjpe:.2f}",
            size_text(entry.size),
            "" if entry.at is None else f"{datetime.fromtimestamp(entry.at):%Y-%m-%d %H:%M}",
            printable(entry.note),
        )
        for entry in entries
    ]
    headers = ("name", "state", "progress", "MPJPE [mm]", "size", "when", "note")
    sides = ("left", "left", "right", "right", "right", "left", "left")
    return tabulate(rows, headers, tablefmt="plain", colalign=sides, disable_numparse=True)


@runs.command()
@click.argument("name")
def show(name: str) -> None:
    """Everything about one run, for instance: pose3d runs show 06b751cf2e

    NAME is its folder's name, or a part of it that no other has.
    """
    from pose3d_lib.report.describe import describe_run
    from pose3d_lib.runs.inventory import choose_run, look_at, run_names

    folder = runs_dir() / choose_run(name, run_names())
    entry = look_at(folder, closely=True)
    if entry is None:
        raise InputError(f"{folder}: removed just now; `pose3d runs list` shows what is left")
    click.secho(printable(entry.name), bold=True)
    echo_parts(describe_run(folder, entry))


@runs.command()
@click.option("--unfinished", is_flag=True, help="Unfinished runs that no process holds, with their checkpoints.")
@click.option("--other", is_flag=True, help="Runs of other versions of this code.")
@click.option("--damaged", is_flag=True, help="Finished runs with files that are missing or changed.")
@click.option("--yes", is_flag=True, help="Remove them; without this nothing is changed.")
def clean(unfinished: bool, other: bool, damaged: bool, yes: bool) -> None:
    """Name runs that can go, and with --yes remove them, for instance: pose3d runs clean --unfinished

    Finished runs of this version stay, and so do runs that a process is at work on. Ends with exit code 1 if something could
    not be removed.
    """
    from pose3d_lib.runs.inventory import State, plan_removals, remove

    asked = {State.UNFINISHED: unfinished, State.OTHER: other, State.DAMAGED: damaged}
    if not any(asked.values()):
        raise InputError("pose3d runs clean: nothing is named to be removed; give --unfinished, --other or --damaged")
    removals, spared = plan_removals([state for state, wanted in asked.items() if wanted])
    for name, reason in spared.items():
        click.echo(f"left alone: {printable(name)}: {reason}")
    size = failures = 0
    for entry in removals:
        problem = remove(entry) if yes else ""
        size += 0 if problem else entry.size
        failures += bool(problem)
        verb = "not removed" if problem else "removed" if yes else "would be removed"
        what = f"{printable(entry.name)} ({printable(entry.found)}, {size_text(entry.size)})"
        click.echo(f"{verb}: {what}" + f": {problem}" * bool(problem))
    freed = "freed" if yes else "would be freed; nothing was removed, --yes does it"
    click.echo(f"{size_text(size)} in {runs_dir()} {freed}")
    sys.exit(bool(failures))


@runs.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Check that finished runs are what they were, for instance: pose3d runs verify 06b751cf2e

    Every file's checksum is computed again, of all finished runs or of those NAMES. Ends with exit code 1 if anything is
    wrong. `pose3d evaluate NAME` tests the weights of a run again.
    """
    from pose3d_lib.report.describe import WHAT_TO_DO
    from pose3d_lib.runs.inventory import State, choose_run, list_runs
    from pose3d_lib.runs.run import check_run

    entries = {entry.name: entry for entry in list_runs()}
    chosen = list(dict.fromkeys(choose_run(name, entries) for name in names))
    verifiable = [name for name, entry in entries.items() if entry.state in (State.FINISHED, State.DAMAGED)]
    for name in chosen:
        if name not in verifiable:
            raise InputError(
                f"{runs_dir() / name}: {entries[name].state}, and only finished runs of this version can be verified; "
                f"`pose3d runs show {shlex.quote(name)}` says more"
            )
    problems = {name: check_run(runs_dir() / name) for name in chosen or verifiable}
    for name, found in problems.items():
        for problem in found:
            click.echo(f"wrong: {printable(name)}: {problem}")
    wrong = sum(map(bool, problems.values()))
    click.echo(f"{len(problems):,} run{'s' * (len(problems) != 1)} in {runs_dir()}, {wrong:,} of them wrong")
    if wrong:
        click.echo(WHAT_TO_DO)
    sys.exit(bool(wrong))
