"""`pose3d runs ...`: which runs there are, everything about one, removing what nobody needs, checking what is finished."""

import shlex
import sys

import click

from pose3d_lib.cli.run_table import CHOICES, ORDERS

VERIFIABLE = ("finished", "damaged")

WHAT_TO_DO = (
    "What is wrong is not mended here. Put the files back from a copy, or remove the run's folder and train it again; "
    "`pose3d runs show NAME` gives the command. Where only the data are missing, --sample 0 leaves the test out."
)


@click.group()
def runs() -> None:
    """List runs, look at one, clean up, verify."""


@runs.command("list")
@click.option("--state", "states", type=click.Choice(list(CHOICES)), multiple=True, help="Only such; may be repeated.")
@click.option("--action", help="Only runs of this action; All stands for the baselines.")
@click.option("--sort", type=click.Choice(list(ORDERS)), default="name", help="What stands first.", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
def list_all(states: tuple[str, ...], action: str | None, sort: str, as_json: bool) -> None:
    """Every run with its state, for instance: pose3d runs list --state unfinished --state damaged

    The error is the MPJPE of the run's own action, of a baseline the mean of all actions. --sort puts the lowest error, the
    largest size, or the latest time first.
    """
    from pose3d_lib.cli.run_table import choose_entries, summary_line, to_json, to_table
    from pose3d_lib.common.paths import runs_dir
    from pose3d_lib.runs.inventory import list_runs

    entries = list_runs()
    shown = choose_entries(entries, states=states, action=action, order=sort)
    if as_json:
        click.echo(to_json(shown))
        return
    if shown:
        click.echo(to_table(shown))
    click.echo(summary_line(entries, shown, runs_dir()))


@runs.command()
@click.argument("name")
def show(name: str) -> None:
    """Everything about one run, for instance: pose3d runs show 06b751cf2e

    NAME is its folder's name, or a part of it that no other has.
    """
    import time

    from pose3d_lib.common.errors import InputError, printable
    from pose3d_lib.common.paths import runs_dir
    from pose3d_lib.report.run import describe_run
    from pose3d_lib.runs.inventory import choose_run, look_closely, run_names

    folder = runs_dir() / choose_run(name, run_names())
    entry = look_closely(str(folder), time.time())
    if entry is None:
        raise InputError(f"{folder}: removed just now; `pose3d runs list` shows what is left")
    click.secho(printable(entry.name), bold=True)
    for title, text in describe_run(folder, entry):
        if "\n" in text:
            click.echo(f"\n{title}\n\n{text}\n")
        else:
            click.echo(f"{title}: {text}")


@runs.command()
@click.option("--unfinished", is_flag=True, help="Also unfinished runs that nobody holds, with their checkpoints.")
@click.option("--other", is_flag=True, help="Also runs of other versions of this code.")
@click.option("--damaged", is_flag=True, help="Also finished runs with files that are missing or changed.")
@click.option("--yes", is_flag=True, help="Remove it; without this nothing is changed.")
def clean(unfinished: bool, other: bool, damaged: bool, yes: bool) -> None:
    """Name what is left over, and with --yes remove it, for instance: pose3d runs clean --unfinished

    That is what killed processes left half-written, and checkpoints of finished runs. Damaged runs are named, and removed with
    --damaged. Finished runs of this version stay, and so do runs that a process is at work on. Ends with exit code 1 if
    something could not be removed.
    """
    from pose3d_lib.common.errors import printable
    from pose3d_lib.common.escaping import format_size
    from pose3d_lib.common.paths import runs_dir
    from pose3d_lib.runs.clean import plan_removals, remove_all

    removals, spared = plan_removals(unfinished=unfinished, other=other, damaged=damaged)
    for name, reason in spared.items():
        click.echo(f"left alone: {printable(name)}: {reason}")
    if not removals:
        click.echo(f"nothing to remove in {runs_dir()}")
        return
    size = failures = 0
    done = ((removal, "") for removal in removals) if not yes else remove_all(removals, click.echo)
    for removal, problem in done:
        what = printable(f"{removal.run}/{removal.file}")
        size += 0 if problem else removal.size
        failures += bool(problem)
        verb = "not removed" if problem else "removed" if yes else "would be removed"
        click.echo(f"{verb}: {what} ({removal.why}, {format_size(removal.size)}){': ' if problem else ''}{problem}")
    if yes:
        click.echo(f"{format_size(size)} freed in {runs_dir()}")
    else:
        click.echo(f"{format_size(size)} would be freed in {runs_dir()}; nothing was removed, --yes does it")
    sys.exit(bool(failures))


@runs.command()
@click.argument("names", nargs=-1)
@click.option("--sample", type=click.IntRange(min=0), default=1, show_default=True, help="Runs to test again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which runs those are.")
def verify(names: tuple[str, ...], sample: int, seed: int) -> None:
    """Check that finished runs are what they were, for instance: pose3d runs verify --sample 3

    Every file's checksum is computed anew, of all finished runs or of those NAMES; then the weights of some of them are
    tested on the dataset, and the errors compared with those written. Ends with exit code 1 if anything is wrong.
    """
    from pose3d_lib.common.errors import InputError, printable
    from pose3d_lib.common.paths import runs_dir
    from pose3d_lib.runs.inventory import choose_run, list_runs
    from pose3d_lib.runs.verify import check_files, draw_sample

    entries = {entry.name: entry for entry in list_runs()}
    chosen = list(dict.fromkeys(choose_run(name, entries) for name in names))
    for name in chosen:
        if entries[name].state not in VERIFIABLE:
            raise InputError(
                f"{runs_dir() / name}: {entries[name].state}, and only finished runs of this version can be verified; "
                f"`pose3d runs show {shlex.quote(name)}` says more"
            )
    chosen = chosen or [name for name, entry in entries.items() if entry.state in VERIFIABLE]
    wrong, plain, sound = 0, 0, []
    for name in chosen:
        problems, has_sums = check_files(runs_dir() / name)
        for problem in problems:
            click.echo(f"wrong: {printable(name)}: {problem}")
        plain += not has_sums
        wrong += bool(problems)
        sound += [] if problems else [name]
    without = f", {plain:,} of them without checksums, as they were made before there were any" if plain else ""
    runs_found = f"{len(chosen):,} run{'s' * (len(chosen) != 1)}"
    click.echo(f"files: {runs_found} in {runs_dir()}, {wrong:,} of them wrong{without}")
    drawn = draw_sample(sound, sample, seed)
    differ = [name for name in drawn if not _same_again(name)]
    if wrong or differ:
        click.echo(WHAT_TO_DO)
    sys.exit(bool(wrong or differ))


def _same_again(name: str) -> bool:
    from pose3d_lib.common.errors import InputError, printable
    from pose3d_lib.common.paths import runs_dir
    from pose3d_lib.data.open import open_dataset
    from pose3d_lib.runs.run import Run
    from pose3d_lib.runs.verify import evaluate_again, judge

    run = Run(runs_dir() / name)
    try:
        difference = evaluate_again(run, open_dataset(run.config.data, progress=click.echo))
    except (InputError, OSError) as error:
        click.echo(f"wrong: {printable(name)}: cannot be tested again: {error}")
        return False
    if problem := judge(difference, run.provenance):
        click.echo(f"wrong: {printable(name)}: {problem}")
        return False
    at_most = (
        f"differs by {difference.relative:.1e} of it at most ({difference.where})"
        if difference.relative
        else "is the same"
    )
    click.echo(f"tested again: {printable(name)}: every error {at_most}")
    return True
