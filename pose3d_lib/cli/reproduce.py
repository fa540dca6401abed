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
from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import Datasets, open_dataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.claims import compare_studies
from pose3d_lib.report.figures.animation import save_animation
from pose3d_lib.report.human36m import tell_human36m
from pose3d_lib.report.page import write_report
from pose3d_lib.report.parameters import NOTEBOOKS, check_parameters, notebook_output
from pose3d_lib.report.predict import plan_task
from pose3d_lib.report.record import STUDY, read_record
from pose3d_lib.report.redraw import redraw_study
from pose3d_lib.report.rendered import write_rendered
from pose3d_lib.report.results import estimate_study
from pose3d_lib.runs.sweep.estimate import in_words
from pose3d_lib.runs.sweep.kernel import execute_notebook, open_kernels
from pose3d_lib.runs.sweep.progress import first_look, look_again
from pose3d_lib.runs.sweep.sweep import SECONDS_BETWEEN_LOOKS, count_jobs
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import StudyConfig, choose_actions, timed_runs
from pose3d_lib.study.results import results_dir
from pose3d_lib.study.tables_scarcity import SCARCITY
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.settings import Settings

PAGE = "report.html"  # the last execution of 04_results, in the folder of outputs
FORMATS = {".csv", ".gz", ".json", ".md", ".tex", ".png", ".svg"}  # of observations, tables and figures
DOCUMENTS = ("README.md", "docs/results.md")  # that show tables of the reference


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


def reference_dir() -> Path:
    """The tables and figures that docs/results.md shows, a folder per study."""
    return project_root() / "outputs" / "reference"


def write_reference(folder: Path, study: str) -> list[Path]:
    """Copy a study's observations, tables and figures to `outputs/reference/<study>/`, and fill DOCUMENTS."""
    reference = reference_dir() / study
    shutil.rmtree(reference, ignore_errors=True)
    reference.mkdir(parents=True)
    sources = sorted(path for path in folder.iterdir() if path.suffix in FORMATS)
    written = [Path(shutil.copy(source, reference / source.name)) for source in sources]
    fill_documents(study)
    return written


def write_notebooks(parameters: Mapping[str, object], console: Console) -> list[Path]:
    """Write executed notebooks to the reference: those of `reproduce`, 02_train of an action in focus, 00 and 06; and a GIF."""
    config = check_parameters("04_results", parameters)
    assert isinstance(config, StudyConfig)
    about_data = {name: value for name, value in parameters.items() if name in DataSpec.model_fields}
    about_run = {name: value for name, value in parameters.items() if name in ("preset", *Settings.model_fields)}
    action = choose_actions(config, open_dataset(config.data))[1][-1]
    own = {"00_how_it_works": about_data, "02_train": {**about_run, "action": action}, "06_predict": about_data}
    for name, values in own.items():
        _step(console, name)
        execute_notebook(name, notebook_output(name), values)
    folder = reference_dir() / "notebooks"
    names = (name for name in NOTEBOOKS if name != "05_semi_supervised")
    written = write_rendered({name: notebook_output(name) for name in names}, folder)
    lifted = plan_task(check_parameters("06_predict", about_data)).lifted
    save_animation(lifted, lifted.of_actions(3), folder / "animation.gif")
    return written


def redraw_reference() -> list[str]:
    """Redraw every study of the reference from its observations, and fill DOCUMENTS; the names of the studies."""
    names = sorted(path.parent.name for file in (STUDY, SCARCITY) for path in reference_dir().glob(f"*/{file}"))
    for name in names:
        redraw_study(reference_dir() / name)
        fill_documents(name)
    return names


def fill_documents(study: str) -> None:
    """Put the tables of a study, and that of all studies, into DOCUMENTS.

    The text above the caption of `<study>/name.md` stands between `<!-- study/name -->` and `<!-- /study/name -->`; what is of no
    single study, between comments with a name of OF_ALL.
    """
    for document in (project_root() / name for name in DOCUMENTS):
        text = document.read_text(encoding="utf-8")
        for name in re.findall(rf"<!-- ({re.escape(study)}/\w+|all/\w+) -->", text):
            table = OF_ALL[name]() if name in OF_ALL else read_table(reference_dir() / f"{name}.md")
            text = put_table(text, name, table)
        document.write_text(text, encoding="utf-8")


def claims_beside() -> str:
    """The claims as every dataset of the reference decides them, as Markdown."""
    records = [read_record(path.parent) for path in sorted(reference_dir().glob(f"*/{STUDY}"))]
    return to_markdown(compare_studies(records)) if records else ""


OF_ALL = {"all/claims": claims_beside, "all/human36m": tell_human36m}


def read_table(path: Path) -> str:
    """The table above the caption in a Markdown file of `save_table`; an InputError where there is none."""
    table, _, caption = (path.read_text(encoding="utf-8") if path.is_file() else "").partition("\n\n")
    if not caption:
        raise InputError(f"{path}: {' and '.join(DOCUMENTS)} show it, and it is not there; have all runs finished?")
    return table


def put_table(text: str, name: str, table: str) -> str:
    """A document with `table` between the two comments of that name."""
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, places = block.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)
    if places != 1:
        raise InputError(f"expected one place <!-- {name} --> ... <!-- /{name} -->, found {places}")
    return text
