"""The main job from beginning to end: the data, every run, the tables."""

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path

from rich.console import Console

from pose3d_lib.cli.progress import RunBoard
from pose3d_lib.common.errors import InputError
from pose3d_lib.common.escaping import unescape_markdown
from pose3d_lib.common.paths import outputs_dir, project_root
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import Datasets
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.page import write_report
from pose3d_lib.report.parameters import check_parameters, notebook_output
from pose3d_lib.runs.sweep.estimate import estimate_runs, in_words
from pose3d_lib.runs.sweep.kernel import execute_notebook, open_kernels
from pose3d_lib.runs.sweep.progress import first_look, look_again
from pose3d_lib.runs.sweep.sweep import SECONDS_BETWEEN_LOOKS, count_jobs
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.results import results_dir
from pose3d_lib.training.config import RunConfig

TABLES = ("table_1", "table_2", "table_3", "all_metrics", "answer")  # printed at the end
PAGE = "report.html"  # the last execution of 04_results, in the folder of outputs
FORMATS = {".csv", ".md", ".tex", ".png", ".svg"}  # of tables and figures


def reproduce(parameters: Mapping[str, object], console: Console) -> Path:
    """Executes 01_data_prep, 03_action_based (which executes 02_train once per action) and 04_results.

    The parameters are those of 03_action_based and 04_results, which are the same; those about data go to 01_data_prep too.
    Gives the folder of the tables and figures; progress and the tables are printed.
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
    runs, jobs = study_runs(config, datasets), count_jobs(config)
    say(str(estimate_runs(runs, datasets, jobs)))
    execute_notebook("01_data_prep", notebook_output("01_data_prep"), about_data)
    _step(console, f"2 of 3  03_action_based: {len(runs)} runs of 02_train, {jobs} at a time")
    sweep_notebook("03_action_based", runs, datasets, parameters, console)
    _step(console, "3 of 3  04_results: tables and figures")
    execute_notebook("04_results", notebook_output("04_results"), parameters)

    folder = results_dir(data, config)
    for text in (folder / f"{name}.md" for name in TABLES):
        if text.is_file():  # a study need not have the published schedule
            say(f"\n{unescape_markdown(text.read_text(encoding='utf-8'))}")
    page = write_page(data)
    for what, where in (
        ("the results as one page", page),
        ("executed notebooks", notebook_output("04_results").parent),
        ("runs, with their executed notebooks", outputs_dir() / "runs"),
        ("tables and figures", folder),
    ):
        say(f"{what + ':':<39} {where}")
    say(f"{'time taken:':<39} {in_words(time.time() - begun)}")
    return folder


def write_page(data: PoseDataset) -> Path:
    """The last execution of 04_results as one page, `outputs/report.html`."""
    title = f"Is one action enough? {data.name}"
    return write_report(notebook_output("04_results"), outputs_dir() / PAGE, title=title, synthetic=data.synthetic)


def _step(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]", highlight=False)


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


def reference_dir() -> Path:
    """The tables and figures that docs/results.md shows, a folder per study."""
    return project_root() / "outputs" / "reference"


def write_reference(folder: Path, study: str, *, page: bool = True) -> list[Path]:
    """Copy a study's tables, figures and page to `outputs/reference/<study>/`, and its tables into docs/results.md.

    There the table `name.md` stands between `<!-- study/name -->` and `<!-- /study/name -->`.
    """
    reference = reference_dir() / study
    shutil.rmtree(reference, ignore_errors=True)
    reference.mkdir(parents=True)
    sources = sorted(path for path in folder.iterdir() if path.suffix in FORMATS) + [outputs_dir() / PAGE] * page
    written = [Path(shutil.copy(source, reference / source.name)) for source in sources]
    document = project_root() / "docs" / "results.md"
    text = document.read_text(encoding="utf-8")
    for name in re.findall(rf"<!-- {study}/(\w+) -->", text):
        text = put_table(text, f"{study}/{name}", read_table(reference / f"{name}.md"))
    document.write_text(text, encoding="utf-8")
    return written


def read_table(path: Path) -> str:
    """The table above the caption in a Markdown file of `save_table`; an InputError where there is none."""
    table, _, caption = (path.read_text(encoding="utf-8") if path.is_file() else "").partition("\n\n")
    if not caption:
        raise InputError(
            f"{path}: docs/results.md shows this table, and there is none; have all runs of the study finished?"
        )
    return table


def put_table(text: str, name: str, table: str) -> str:
    """A document with `table` between the two comments of that name."""
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, places = block.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)
    if places != 1:
        raise InputError(f"expected one place <!-- {name} --> ... <!-- /{name} -->, found {places}")
    return text
