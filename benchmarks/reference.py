"""The reference: outputs/reference/, and its tables in README.md and docs/results.md: `make reference`, `make figures`."""

import base64
import io
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import nbformat
import pandas as pd
from human36m import tell_human36m
from PIL import Image
from rich.console import Console

from pose3d_lib.cli.data import Given, parameter_option
from pose3d_lib.cli.main import cli as pose3d
from pose3d_lib.cli.reproduce import reproduce
from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir, project_root
from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.claims import details_table, say_claims
from pose3d_lib.report.figures.skeletons import save_animation
from pose3d_lib.report.parameters import NOTEBOOKS, check_parameters, notebook_output
from pose3d_lib.report.predict import plan_task
from pose3d_lib.report.record import STUDY, StudyRecord, read_record
from pose3d_lib.report.redraw import redraw_study
from pose3d_lib.runs.sweep.kernel import execute_notebook, relink
from pose3d_lib.study.config import StudyConfig, choose_actions
from pose3d_lib.study.evidence import MAIN
from pose3d_lib.study.tables_scarcity import SCARCITY, collect_scarcity
from pose3d_lib.study.verdicts import NOT_MEASURED
from pose3d_lib.training.settings import Settings

FORMATS = {".csv", ".gz", ".json", ".md", ".tex", ".png", ".svg"}  # of observations, tables and figures
DOCUMENTS = ("README.md", "docs/results.md")  # that show tables of the reference
SCRIPT = re.compile(r"<(script|iframe)\b")


@click.group()
def cli() -> None:
    """Write outputs/reference/ and the tables of the documents."""


@cli.command()
@click.argument("name")
@parameter_option
@click.option("--notebooks", is_flag=True, help="Also outputs/reference/notebooks/, the executed notebooks.")
def study(name: str, given: Given, notebooks: bool) -> None:
    """Make a study as `pose3d reproduce` does, and write it to outputs/reference/NAME/."""
    write_reference(reproduce(dict(given), Console()), name)
    if notebooks:
        write_notebooks(dict(given))


@cli.command()
def scarcity() -> None:
    """Execute 05_semi_supervised with its defaults, and write what it found to outputs/reference/scarcity/."""
    pose3d(["run", "05_semi_supervised"], standalone_mode=False)
    config = check_parameters("05_semi_supervised", {})
    write_reference(collect_scarcity(config, open_dataset(config.data)).folder, "scarcity")


@cli.command()
def redraw() -> None:
    """Redraw every study of the reference from its observations, and fill the documents."""
    for path in sorted(path for file in (STUDY, SCARCITY) for path in reference_dir().glob(f"*/{file}")):
        redraw_study(path.parent)
        fill_documents(path.parent.name)
        click.echo(f"redrawn: {path.parent}")


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


def write_notebooks(parameters: Mapping[str, object]) -> list[Path]:
    """Write executed notebooks to the reference: those of `reproduce`, 02_train of an action in focus, 00 and 06; and a GIF."""
    config = check_parameters("04_results", parameters)
    assert isinstance(config, StudyConfig)
    about_data = {name: value for name, value in parameters.items() if name in DataSpec.model_fields}
    about_run = {name: value for name, value in parameters.items() if name in ("preset", *Settings.model_fields)}
    action = choose_actions(config, open_dataset(config.data))[1][-1]
    own = {"00_how_it_works": about_data, "02_train": {**about_run, "action": action}, "06_predict": about_data}
    for name, values in own.items():
        execute_notebook(name, notebook_output(name), values)
    folder = reference_dir() / "notebooks"
    names = (name for name in NOTEBOOKS if name != "05_semi_supervised")
    written = write_rendered({name: notebook_output(name) for name in names}, folder)
    lifted = plan_task(check_parameters("06_predict", about_data)).lifted
    save_animation(lifted, lifted.of_actions(3), folder / "animation.gif")
    return written


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


def compare_studies(records: Iterable[StudyRecord]) -> pd.DataFrame:
    """A row per claim, a column per dataset: change, 95 % interval and main verdict, synthetic data first.

    Of several studies of a dataset the largest that measured a claim judges it.
    """
    told = say_claims()
    table = {"Claim": [*told], "The paper says": [*told.values()]}
    for record in sorted(records, key=lambda record: (not record.about.synthetic, record.about.finished)):
        found = details_table(record.claims).set_index("Claim")[MAIN.name.capitalize()][[*told]]
        table[record.name] = found.mask(found == NOT_MEASURED, table.get(record.name, found)).to_numpy()
    return pd.DataFrame(table)


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


def write_rendered(executed: Mapping[str, Path], folder: Path) -> list[Path]:
    """Write executed notebooks, name -> path, into a folder of the project; links among them stay within it."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, path in executed.items():
        notebook = nbformat.read(path, as_version=4)
        committed = nbformat.read(notebooks_dir() / path.name, as_version=4)
        texts = {cell.id: cell.source for cell in committed.cells}  # whose links an execution has changed
        notebook.metadata.pop("papermill", None)
        for cell in notebook.cells:
            cell.source = texts.get(cell.id, cell.source)
            cell.metadata = {name: own for name, own in cell.metadata.items() if name not in ("papermill", "execution")}
            for output in cell.get("outputs", []):
                _slim(output)
        relink(notebook, notebooks_dir(), folder, {f"{own}.ipynb" for own in executed})
        written.append(folder / f"{name}.ipynb")
        nbformat.write(notebook, written[-1])
    return written


def _slim(output: nbformat.NotebookNode) -> None:
    """Pictures compressed; no page with scripts, which a forge does not run; paths from the project's root."""
    root = f"{project_root()}/"
    if "text" in output:
        output.text = output.text.replace(root, "")
    data = output.get("data", {})
    for kind, content in data.items():
        if kind == "image/png":
            small = io.BytesIO()
            Image.open(io.BytesIO(base64.b64decode(content))).save(small, "PNG", optimize=True)
            data[kind] = base64.b64encode(small.getvalue()).decode("ascii")
        elif kind == "text/html" and SCRIPT.search(content):
            data[kind] = "<p><em>Left out of this copy: a player. Run the cell to see it.</em></p>"
        elif isinstance(content, str):
            data[kind] = content.replace(root, "")


if __name__ == "__main__":
    cli()
