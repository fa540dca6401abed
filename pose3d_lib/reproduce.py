"""The main job from beginning to end: the data, every run, the tables."""

import re
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from rich.console import Console

from pose3d_lib.config import ResultsConfig, SweepConfig
from pose3d_lib.errors import InputError
from pose3d_lib.execution import check_parameters, notebook_output
from pose3d_lib.kernels import execute_notebook
from pose3d_lib.paths import outputs_dir, project_root
from pose3d_lib.sources import open_dataset
from pose3d_lib.sources.spec import DataSpec
from pose3d_lib.sweep import SECONDS_BETWEEN_LOOKS, count_jobs, first_look, look_again
from pose3d_lib.tables import results_dir, to_markdown
from pose3d_lib.terminal import RunBoard, clock

TABLES = ("table_1", "table_2", "table_3", "all_metrics")


def reproduce(parameters: Mapping[str, object], console: Console) -> Path:
    """Executes 01_data_prep, 03_action_based (which executes 02_train once per action) and 04_results.

    Args:
        parameters: of 03_action_based and 04_results; those that are about data go to 01_data_prep too.
        console: where progress and the tables are printed.

    Returns:
        The folder of the tables and figures.
    """
    begun = time.time()
    config = check_parameters("04_results", parameters)
    assert isinstance(config, ResultsConfig)
    about_data = {name: value for name, value in parameters.items() if name in DataSpec.model_fields}
    about_runs = {n: v for n, v in parameters.items() if n == "preset" or n in SweepConfig.model_fields}

    _step(console, "1 of 3  01_data_prep: preparing the dataset and looking at it")
    data = open_dataset(config.data, progress=lambda line: console.print(line, markup=False, highlight=False))
    for line in data.declarations():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    plan = config.plan(data)
    execute_notebook("01_data_prep", notebook_output("01_data_prep"), about_data)
    _step(console, f"2 of 3  03_action_based: {len(plan)} runs of 02_train, {count_jobs(config)} at a time")
    sweep_notebook(config, about_runs, console)
    _step(console, "3 of 3  04_results: tables and figures")
    execute_notebook("04_results", notebook_output("04_results"), parameters)

    folder = results_dir(data, config)
    for table in TABLES:
        console.print(
            f"\n{(folder / f'{table}.md').read_text(encoding='utf-8')}", markup=False, highlight=False, soft_wrap=True
        )
    for what, where in (
        ("executed notebooks", notebook_output("04_results").parent),
        ("runs, with their executed notebooks", outputs_dir() / "runs"),
        ("tables and figures", folder),
    ):
        console.print(f"{what + ':':<39} {where}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{'time taken:':<39} {clock(time.time() - begun)} minutes", highlight=False)
    return folder


def _step(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]", highlight=False)


def sweep_notebook(config: SweepConfig, parameters: Mapping[str, object], console: Console) -> None:
    """Executes 03_action_based in a process beside this one, which watches the run folders and shows how far they are."""
    begun = time.time()
    data = open_dataset(config.data)
    statuses = first_look(config.plan(data), data)
    with (
        RunBoard(console, begun) as board,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        board.show(statuses)
        future = pool.submit(execute_notebook, "03_action_based", notebook_output("03_action_based"), parameters)
        while not future.done():
            wait([future], timeout=SECONDS_BETWEEN_LOOKS)
            statuses = look_again(statuses, begun)
            board.show(statuses)
        future.result()


FORMATS = {".csv", ".md", ".tex", ".png", ".svg"}
"""What tables and figures are saved as."""


def write_reference(folder: Path) -> list[Path]:
    """Copies a comparison's tables and figures to `outputs/reference/` and puts the tables into the README.

    Between `<!-- name -->` and `<!-- /name -->` the README shows the table `name.csv`, and nothing else.
    """
    reference = project_root() / "outputs" / "reference"
    shutil.rmtree(reference, ignore_errors=True)
    reference.mkdir(parents=True)
    written = []
    for source in sorted(path for path in folder.iterdir() if path.suffix in FORMATS):
        written.append(Path(shutil.copy(source, reference / source.name)))
    readme = project_root() / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name in TABLES:
        if (reference / f"{name}.csv").is_file():
            text = put_table(text, name, pd.read_csv(reference / f"{name}.csv"))
    readme.write_text(text, encoding="utf-8")
    return written


def put_table(readme: str, name: str, table: pd.DataFrame) -> str:
    """The README's text with `table` between the two comments of that name."""
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, places = block.subn(lambda found: f"{found[1]}\n{to_markdown(table)}\n\n{found[2]}", readme)
    if places != 1:
        raise InputError(f"README.md: expected one place <!-- {name} --> ... <!-- /{name} -->, found {places}")
    return text
