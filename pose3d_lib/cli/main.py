"""`pose3d ...`: the notebooks and their functions in a terminal."""

import sys
from pathlib import Path

import click
from rich.console import Console

from pose3d_lib.cli import checkpoint, data, evaluate, live, runs
from pose3d_lib.cli.data import Given, parameter_option
from pose3d_lib.common.errors import InputError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pose3d-lib")
def cli() -> None:
    """Action-based training of VideoPose3D, as reproducible notebooks."""


MORE = (data.data, runs.runs, checkpoint.checkpoint, live.detect, evaluate.evaluate, evaluate.predict, live.live)
for command in MORE:
    cli.add_command(command)


@cli.command()
@click.argument("notebook")
@parameter_option
def run(notebook: str, given: Given) -> None:
    """Execute one notebook, for instance: pose3d run 02_train -p action Sitting

    Parameters are checked before anything starts. 02_train goes to the run's own folder under outputs/runs/ and a run
    that is finished is not repeated; the other notebooks go to outputs/notebooks/.
    """
    from pose3d_lib.data.actions import check_name
    from pose3d_lib.data.open import Datasets
    from pose3d_lib.report.parameters import NOTEBOOKS, check_parameters, notebook_output

    notebook = check_name(notebook.removesuffix(".ipynb"), NOTEBOOKS, "notebook")
    parameters = dict(given)
    config, datasets = check_parameters(notebook, parameters), Datasets(click.echo)

    from pose3d_lib.cli import reproduce as job
    from pose3d_lib.runs.sweep.kernel import execute_notebook
    from pose3d_lib.study.beyond import study_runs
    from pose3d_lib.study.config import timed_runs
    from pose3d_lib.study.scarcity import plan_scarcity

    if notebook == "02_train":
        job.train_runs([config], datasets)
        return
    runs = []  # that the notebook makes
    if notebook == "03_action_based":
        runs = [*study_runs(config, datasets), *timed_runs(config, datasets[config.data])]
    elif notebook == "05_semi_supervised":
        runs = plan_scarcity(config, datasets[config.data])
    if runs:
        job.sweep_notebook(notebook, runs, datasets, parameters, Console())
    else:
        execute_notebook(notebook, notebook_output(notebook), parameters)
    click.echo(f"executed notebook: {notebook_output(notebook)}")
    if notebook == "04_results":
        click.echo(f"as one page: {job.write_page(datasets[config.data])}")


@cli.command()
@parameter_option
@click.option("--scheduler", help="local (the default), slurm, lsf, or tcp://host:8786: docs/clusters.md.")
@click.option("--print-job", is_flag=True, help="Print the script of a slurm or lsf job, and start nothing.")
def sweep(given: Given, scheduler: str | None, print_job: bool) -> None:
    """Train the baseline and one model per action, for instance: pose3d sweep -p seeds 0,1,2

    The parameters are those of 03_action_based. Finished runs are reused, and unfinished ones resume from their checkpoints.
    """
    from pose3d_lib.data.open import Datasets
    from pose3d_lib.report.parameters import check_parameters
    from pose3d_lib.study.beyond import study_runs
    from pose3d_lib.study.config import timed_runs

    parameters = dict(given) | ({"scheduler": scheduler} if scheduler else {})
    config = check_parameters("03_action_based", parameters)
    if print_job:
        from pose3d_lib.runs.sweep.jobs import job_script

        click.echo(job_script(config.scheduler, threads=config.threads, device=config.device))
        return
    from pose3d_lib.cli.reproduce import train_runs
    from pose3d_lib.report.results import estimate_study
    from pose3d_lib.runs.sweep.sweep import count_jobs

    datasets = Datasets(click.echo)
    runs, timed = study_runs(config, datasets), timed_runs(config, datasets[config.data])
    click.echo(estimate_study(config, datasets, count_jobs(config)))
    train_runs(runs, datasets, jobs=count_jobs(config), scheduler=config.scheduler, alone=timed)


@cli.command()
@parameter_option
def reproduce(given: Given) -> None:
    """The main job: prepare the data, train every model, print the answer and the claims.

    The parameters are those of 04_results, for instance: pose3d reproduce -p scale tiny -p preset tiny. With -p study paper
    it makes all runs that the paper's claims need; it can be stopped at any time, and resumes when it is called again.
    """
    from pose3d_lib.report.parameters import check_parameters

    check_parameters("04_results", dict(given))  # before what takes seconds to import
    from pose3d_lib.cli import reproduce as job

    job.reproduce(dict(given), Console())


@cli.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
def figures(folders: tuple[Path, ...]) -> None:
    """Redraw every table and figure of a study without training, for instance: pose3d figures outputs/reference/quick

    FOLDERS are those that 04_results and 05_semi_supervised wrote.
    """
    from pose3d_lib.report.redraw import redraw_study

    for folder in folders:
        redraw_study(folder)
        click.echo(f"redrawn: {folder}")


def main() -> None:
    """The console script: what a user got wrong ends in one message and exit code 2, a failed run in exit code 1."""
    from pose3d_lib.runs.sweep.kernel import NotebookFailed, SweepFailed

    try:
        cli()
    except (InputError, MemoryError, NotebookFailed, SweepFailed) as error:
        click.echo(f"error: {'memory ran out: ' * isinstance(error, MemoryError)}{error}", err=True)
        sys.exit(2 if isinstance(error, InputError) or getattr(error, "refused", False) else 1)


if __name__ == "__main__":
    main()
