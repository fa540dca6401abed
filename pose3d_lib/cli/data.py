"""`pose3d data ...`: list, check, fetch and export data."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from pose3d_lib.data.dataset import PoseDataset

Given = tuple[tuple[str, str], ...]

parameter_option = click.option(
    "-p",
    "--parameter",
    "given",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter of the notebook; may be given several times.",
)


def echo_parts(parts: Iterable[tuple[str, str]]) -> None:
    """Print titles and texts; a text of several lines stands below its title."""
    for title, text in parts:
        click.echo(f"\n{title}\n\n{text}\n" if "\n" in text else f"{title}: {text}")


@click.group()
def data() -> None:
    """Fetch, check and export data."""


@data.command("list")
def list_datasets() -> None:
    """The datasets that have names: what each is, whether it is there, under which licence, how to get it."""
    from pose3d_lib.data.open import list_named

    for _, row in list_named().iterrows():
        click.secho(row["Dataset"], bold=True, nl=False)
        click.echo(f" ({'there' if row['There'] == 'yes' else 'not there'}): {row['What it is']}")
        for title in ("Licence", "Where", "How to get it"):
            if row[title]:
                click.echo(f"    {title.lower()}: {row[title]}")


@data.command()
@click.argument("dataset")
@parameter_option
def check(dataset: str, given: Given) -> None:
    """Look for what is wrong with some data, for instance: pose3d data check motion.npz -p fps 60

    DATASET is a name or a path, as for the parameter `dataset`; -p gives other parameters of 01_data_prep. Ends with
    exit code 0 if nothing was found, 1 for warnings, 2 for errors or data that cannot be read.
    """
    from pose3d_lib.common.tables import to_text
    from pose3d_lib.data import doctor
    from pose3d_lib.data.open import used_parameters
    from pose3d_lib.report.data_prep import subjects_table

    opened = _open(dataset, given)
    checkup = doctor.check_dataset(opened, parameters=used_parameters(dataset))
    for line in opened.declarations():
        click.echo(line)
    for title, table in (
        ("Who is in it", subjects_table(opened)),
        ("What was checked", doctor.summary_table(checkup)),
    ):
        click.echo(f"\n{title}\n\n{to_text(table)}")
    click.echo("\nWhat was found\n")
    for level, what, advice in doctor.describe_findings(checkup):
        click.echo(f"{level}: {what}")
        if advice:
            click.echo(f"    {advice}")
    code = doctor.exit_code(checkup)
    if line := doctor.leave_out_line(checkup):
        click.echo(f"\nTo use the data without the takes with errors: {line}")
    click.echo("" if code else "nothing wrong was found")
    sys.exit(code)


@data.command()
@click.argument("name")
@click.option("--again", is_flag=True, help="Download it even if it is there.")
def fetch(name: str, again: bool) -> None:
    """Download an open collection, for instance: pose3d data fetch bandai-namco-2

    It goes to the folder of POSE3D_DATA; `pose3d data list` shows which there are.
    """
    from pose3d_lib.data.sources.fetch import fetch as fetch_collection

    folder = fetch_collection(name, Console(), again=again)
    click.echo(f"`pose3d data check {name}` looks at what is in {folder}")


@data.command()
@click.argument("dataset")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default="", help="NAME of data_3d_NAME.npz; that of the dataset if not given.")
@click.option("--overwrite", is_flag=True, help="Replace files of those names.")
@parameter_option
def export(dataset: str, folder: Path, name: str, overwrite: bool, given: Given) -> None:
    """Write a dataset as VideoPose3D's files, for instance: pose3d data export synthetic_h36m vp3d --name h36m

    VideoPose3D and its descendants read them as they are; the output says which scripts do.
    """
    from pose3d_lib.data.sources.videopose3d.write import describe_export, export_videopose3d

    opened = _open(dataset, given)
    name = name or opened.name
    for file in export_videopose3d(opened, folder, name=name, overwrite=overwrite):
        click.echo(f"written: {file}")
    for line in describe_export(opened, name):
        click.echo(line)


def _open(dataset: str, given: Given) -> "PoseDataset":
    from pose3d_lib.data.open import open_dataset
    from pose3d_lib.report.parameters import check_parameters

    spec = check_parameters("01_data_prep", {**dict(given), "dataset": dataset})
    return open_dataset(spec, progress=click.echo)
