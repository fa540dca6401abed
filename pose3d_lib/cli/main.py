"""`pose3d ...`: the notebooks and their functions in a terminal."""

import sys
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console

from pose3d_lib.cli import checkpoint as cli_checkpoints
from pose3d_lib.cli import data as cli_data
from pose3d_lib.cli import evaluate as cli_evaluate
from pose3d_lib.cli import runs as cli_runs
from pose3d_lib.cli.data import Given, parameter_option
from pose3d_lib.common.errors import InputError

if TYPE_CHECKING:
    from pose3d_lib.data.open import Datasets
    from pose3d_lib.training.config import RunConfig

SWEEPS = ("03_action_based", "05_semi_supervised")  # notebooks that execute 02_train many times


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pose3d-lib")
def cli() -> None:
    """Action-based training of VideoPose3D, as reproducible notebooks."""


cli.add_command(cli_data.data)
cli.add_command(cli_runs.runs)
cli.add_command(cli_checkpoints.checkpoint)
cli.add_command(cli_evaluate.evaluate)
cli.add_command(cli_evaluate.predict)


@cli.command()
@click.argument("notebook")
@parameter_option
@click.option("--write-reference", is_flag=True, help="Of 05: also renew outputs/reference/ and docs/results.md.")
def run(notebook: str, given: Given, write_reference: bool) -> None:
    """Execute one notebook, for instance: pose3d run 02_train -p action Sitting

    Parameters are checked before anything starts. 02_train goes to the run's own folder under outputs/runs/ and a run
    that is finished is not repeated; the other notebooks go to outputs/notebooks/.
    """
    from pose3d_lib.data.actions import check_name
    from pose3d_lib.data.open import Datasets
    from pose3d_lib.report.parameters import NOTEBOOKS, check_parameters, notebook_output
    from pose3d_lib.runs.sweep.kernel import execute_notebook
    from pose3d_lib.training.config import RunConfig

    notebook = check_name(notebook.removesuffix(".ipynb"), NOTEBOOKS, "notebook")
    parameters = dict(given)
    if write_reference and (notebook != "05_semi_supervised" or parameters):
        raise InputError("--write-reference: the reference is 05_semi_supervised with its defaults; give no parameter")
    config, datasets = check_parameters(notebook, parameters), Datasets(click.echo)
    if isinstance(config, RunConfig):
        _train([config], datasets)
        return
    from pose3d_lib.cli import reproduce as job
    from pose3d_lib.study.beyond import study_runs
    from pose3d_lib.study.scarcity import ScarcityConfig, plan_scarcity

    if notebook in SWEEPS:
        if isinstance(config, ScarcityConfig):
            runs = plan_scarcity(config, datasets[config.data])
        else:
            runs = study_runs(config, datasets)
        job.sweep_notebook(notebook, runs, datasets, parameters, Console())
    else:
        execute_notebook(notebook, notebook_output(notebook), parameters)
    click.echo(f"executed notebook: {notebook_output(notebook)}")
    if notebook == "04_results":
        click.echo(f"as one page: {job.write_page(datasets[config.data])}")
    if write_reference:
        from pose3d_lib.study.tables_scarcity import ScarcityResults

        job.write_reference(ScarcityResults(config, datasets[config.data]).folder, "scarcity", page=False)


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
    from pose3d_lib.runs.sweep.estimate import estimate_runs
    from pose3d_lib.runs.sweep.sweep import count_jobs
    from pose3d_lib.study.beyond import study_runs
    from pose3d_lib.study.config import StudyConfig

    parameters = dict(given) | ({"scheduler": scheduler} if scheduler else {})
    config = check_parameters("03_action_based", parameters)
    assert isinstance(config, StudyConfig)
    if print_job:
        from pose3d_lib.runs.sweep.jobs import job_script

        click.echo(job_script(config.scheduler, threads=config.threads, device=config.device))
        return
    datasets = Datasets(click.echo)
    runs = study_runs(config, datasets)
    click.echo(str(estimate_runs(runs, datasets, count_jobs(config))))
    _train(runs, datasets, jobs=count_jobs(config), scheduler=config.scheduler)


def _train(configs: "list[RunConfig]", datasets: "Datasets", jobs: int = 1, scheduler: str = "local") -> None:
    from pose3d_lib.cli.progress import RunBoard
    from pose3d_lib.common.tables import to_text
    from pose3d_lib.runs.sweep.progress import sweep_table
    from pose3d_lib.runs.sweep.sweep import raise_failures, run_sweep

    begun = time.time()
    with RunBoard(Console(), begun) as board:
        statuses = run_sweep(
            configs, datasets, jobs=jobs, begun=begun, scheduler=scheduler, on_look=board.show, say=board.say
        )
    click.echo(to_text(sweep_table(statuses)))
    for status in statuses if len(statuses) == 1 else []:
        click.echo(f"run folder: {status.folder}")
    raise_failures(statuses)


@cli.command()
@parameter_option
@click.option("--write-reference", is_flag=True, help="Also renew outputs/reference/ and docs/results.md.")
def reproduce(given: Given, write_reference: bool) -> None:
    """The main job: prepare the data, train every model, print the tables.

    The parameters are those of 04_results, for instance: pose3d reproduce -p scale tiny -p preset tiny. With -p study paper
    it makes all runs that the paper's claims need; it can be stopped at any time, and resumes when it is called again.
    """
    from pose3d_lib.report.parameters import check_parameters

    parameters = dict(given)
    check_parameters("04_results", parameters)
    from pose3d_lib.cli import reproduce as job

    if write_reference and parameters.keys() - {"study"}:
        raise InputError(
            "--write-reference: the reference is the studies with their defaults; give no parameter but study"
        )
    folder = job.reproduce(parameters, Console())
    if write_reference:
        job.write_reference(folder, "paper" if parameters.get("study", "quick") != "quick" else "quick")


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
