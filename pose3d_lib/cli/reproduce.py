"""Runs with their progress in a terminal, and the main job from beginning to end: the data, every run, the tables."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from pose3d_lib.common.escaping import unescape_markdown
from pose3d_lib.common.paths import outputs_dir
from pose3d_lib.common.tables import to_text
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import Datasets
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.page import write_report
from pose3d_lib.report.parameters import check_parameters, notebook_output
from pose3d_lib.report.results import estimate_study
from pose3d_lib.runs.sweep.kernel import execute_notebook, open_kernels
from pose3d_lib.runs.sweep.progress import RunStatus, first_look, in_words, look_again, seconds_left, sweep_table
from pose3d_lib.runs.sweep.sweep import SECONDS_BETWEEN_LOOKS, count_jobs, raise_failures, run_sweep
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import StudyConfig, timed_runs
from pose3d_lib.study.results import results_dir
from pose3d_lib.training.config import RunConfig

PAGE = "report.html"  # the last execution of 04_results, in the folder of outputs


def reproduce(parameters: Mapping[str, object], console: Console) -> Path:
    """Executes 01_data_prep, 03_action_based (which executes 02_train once per action) and 04_results.

    The parameters are those of 03_action_based and 04_results, which are the same; those about data go to 01_data_prep too.
    Gives the folder of the tables and figures; progress, the answer and the claims are printed.
    """
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    begun = time.time()
    config = check_parameters("04_results", parameters)
    assert isinstance(config, StudyConfig)
    about_data = {name: value for name, value in parameters.items() if name in DataSpec.model_fields}

    _step(console, "1 of 3  01_data_prep: preparing the dataset and looking at it")
    datasets = Datasets(say)
    data = datasets[config.data]
    for line in data.declarations():
        say(line)
    with open_kernels(1) as submit:
        looked_at = submit(execute_notebook, "01_data_prep", notebook_output("01_data_prep"), about_data)
        runs, jobs = [*study_runs(config, datasets), *timed_runs(config, data)], count_jobs(config)
        for run in runs:
            datasets[run.data]  # prepares those of the other seeds meanwhile
        looked_at.result()
    say(estimate_study(config, datasets, jobs))
    alone = f", the last {config.timed} one at a time, to be timed" if config.timed else ""
    _step(console, f"2 of 3  03_action_based: {len(runs)} runs of 02_train, {jobs} at a time{alone}")
    sweep_notebook("03_action_based", runs, datasets, parameters, console)
    _step(console, "3 of 3  04_results: tables and figures")
    execute_notebook("04_results", notebook_output("04_results"), parameters)

    folder = results_dir(data, config)
    answer, claims = ((folder / f"{name}.md").read_text(encoding="utf-8") for name in ("answer", "claims"))
    for text in (answer.partition("\n\n")[0], claims):
        say(f"\n{unescape_markdown(text).replace('**', '')}")
    page = write_page(data)
    for what, where in (
        ("the results as one page", page),
        ("executed notebooks", notebook_output("04_results").parent),
        ("runs, with their executed notebooks", outputs_dir() / "runs"),
        ("all tables and figures", folder),
    ):
        say(f"{what + ':':<39} {where}")
    say(f"{'time taken:':<39} {in_words(time.time() - begun)}")
    return folder


def write_page(data: PoseDataset) -> Path:
    """The last execution of 04_results as one page, `outputs/report.html`."""
    title = f"Is one action enough? {data.name}"
    return write_report(notebook_output("04_results"), outputs_dir() / PAGE, title=title, synthetic=data.synthetic)


def _step(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]", highlight=False, soft_wrap=True)


def sweep_notebook(
    notebook: str,
    runs: Sequence[RunConfig],
    datasets: Mapping[DataSpec, PoseDataset],
    parameters: Mapping[str, object],
    console: Console,
) -> None:
    """Execute a notebook that makes runs in a thread, while this one shows their progress."""
    begun = time.time()
    statuses = first_look(runs, datasets)
    with RunBoard(console, begun) as board, open_kernels(1) as submit:
        board.show(statuses)
        future = submit(execute_notebook, notebook, notebook_output(notebook), parameters)
        while not future.done():
            wait([future], timeout=SECONDS_BETWEEN_LOOKS)
            statuses = look_again(statuses, begun)
            board.show(statuses)
        future.result()


def train_runs(
    configs: Sequence[RunConfig],
    datasets: Datasets,
    *,
    jobs: int = 1,
    scheduler: str = "local",
    alone: Sequence[RunConfig] = (),
) -> None:
    """Make runs, several at a time, then those that have the machine for themselves; a SweepFailed if any fails."""
    begun, waiting = time.time(), first_look(alone, datasets)
    with RunBoard(Console(), begun) as board:
        common = {"begun": begun, "scheduler": scheduler, "say": board.say}
        statuses = run_sweep(configs, datasets, jobs=jobs, on_look=lambda own: board.show([*own, *waiting]), **common)
        statuses += run_sweep(alone, datasets, jobs=1, on_look=lambda own: board.show([*statuses, *own]), **common)
    click.echo(to_text(sweep_table(statuses)))
    for status in statuses if len(statuses) == 1 else []:
        click.echo(f"run folder: {status.folder}")
    raise_failures(statuses)


class RunBoard:
    """Shows the statuses of a sweep that began at `begun` (as of `time.time`) as they change; a context manager."""

    def __init__(self, console: Console, begun: float):
        self._console, self._begun = console, begun
        self._at_work = console.status("")  # shows nothing where the console is no terminal
        self._ended: set[int] = set()

    def __enter__(self) -> "RunBoard":
        self._at_work.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._at_work.stop()

    def show(self, statuses: Sequence[RunStatus]) -> None:
        """Shows the statuses as they are now."""
        spent = time.time() - self._begun
        left = seconds_left(statuses, spent)
        rest = f", about {in_words(left)} left" if left else ""
        for number, status in enumerate(statuses):
            if status.ended and number not in self._ended:
                self._ended.add(number)
                trained = f", trained {status.seconds:.1f} s" if status.seconds else ""
                error = f": {status.error.splitlines()[0]}" if status.error else ""
                at = f"[{len(self._ended):>3}/{len(statuses)}]"
                self.say(f"{at} {status.folder.name} {status.state}{trained}{rest}{error}")
        at_work = [status for status in statuses if status.state in ("starting", "training", "testing")]
        lines = [f"{status.folder.name} {status.state} {100 * status.share:.0f} %" for status in at_work]
        so_far = f"{len(self._ended)} of {len(statuses)} runs, {in_words(spent)} so far{rest}"
        self._at_work.update(Text("\n".join([so_far, *lines])))

    def say(self, line: str) -> None:
        """A line of text above those at work."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
