"""The notebooks: as committed, and executed in kernels by papermill at the tiny scale."""

import ast
import os
import re
import subprocess
import symtable
import sys
from pathlib import Path

import nbformat
import pytest
from papermill.inspection import inspect_notebook

from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.data.open import open_dataset
from pose3d_lib.report.parameters import NOTEBOOKS
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.sweep.kernel import execute_notebook
from pose3d_lib.study.scarcity import ScarcityConfig, plan_scarcity
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.notebooks import (
    TINY,
    Values,
    check_clean,
    check_run_tables,
    code_cells,
    figures_of,
    outputs_of,
    parameters_cell,
    read_committed,
    tables_of,
    texts_of,
)

ROOT = notebooks_dir().parent
EVERY_NOTEBOOK = pytest.mark.parametrize("name", NOTEBOOKS)
SWEEP = {**TINY, "actions": "Sitting", "lengths": 0.3, "seeds": 0, "timed": 0}
SCARCITY = {**TINY, "seeds": "0", "shares": "0.5", "ablation_share": 0.5, "actions": "Eating", "unit_epochs": 0.5}
RUN = "{}-27f-0.3ue-seed0-*"
LESSON, NETWORK = "00_how_it_works", "class VideoPose3D("  # its cell of the network is longer than others
LINES_PER_CELL, LINES_OF_THE_NETWORK = 15, 30


def code_lines(source: str) -> list[str]:
    """Without blank lines and comments."""
    return [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_the_folder_holds_these_notebooks() -> None:
    assert sorted(path.stem for path in notebooks_dir().glob("*.ipynb")) == list(NOTEBOOKS)


@EVERY_NOTEBOOK
def test_the_file_holds_plain_short_python_between_texts_and_no_outputs(name: str) -> None:
    notebook = read_committed(name)
    nbformat.validate(notebook)
    assert notebook.nbformat_minor >= 5, "older cells have no ids"
    assert notebook.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    lines = 0
    for cell in code_cells(notebook):
        assert (cell.outputs, cell.execution_count) == ([], None)
        assert not set(cell.metadata) - {"tags"}
        for statement in ast.walk(ast.parse(cell.source)):  # parsing refuses ! and %
            assert not isinstance(statement, ast.While | ast.Try)
            assert not isinstance(statement, ast.ClassDef) or cell.source.startswith(NETWORK)
        most = LINES_OF_THE_NETWORK if cell.source.startswith(NETWORK) else LINES_PER_CELL
        assert 0 < len(code_lines(cell.source)) <= most
        lines += len(code_lines(cell.source))
    assert lines <= (150 if name == LESSON else 80)
    assert re.match(rf"# {int(name[:2])} \w", notebook.cells[0].source)
    assert "cccc" not in "".join(cell.cell_type[0] for cell in notebook.cells), "four cells of code without a word"


@EVERY_NOTEBOOK
def test_the_parameters_cell_documents_parameters_with_the_config_s_defaults(name, capfd) -> None:
    lines, kind = parameters_cell(name).splitlines(), NOTEBOOKS[name]
    for line in lines:
        assert re.fullmatch(r"[a-z_]+: (str|int|float|bool) = \S+  # \S.*", line), line
    defaults = {
        statement.target.id: ast.literal_eval(statement.value) for statement in ast.parse("\n".join(lines)).body
    }
    assert len(defaults) == len(lines)
    assert defaults.keys() <= {*getattr(kind, "BUNDLES", {}), *kind.model_fields}
    given = {
        key: value for key, value in defaults.items() if value is not None and key not in ("preset", "study", "action")
    }
    read, untouched = kind(**given), kind()
    assert {key: getattr(read, key) for key in given} == {key: getattr(untouched, key) for key in given}
    listed = inspect_notebook(str(notebooks_dir() / f"{name}.ipynb"))
    assert list(listed) == list(defaults)
    assert all(own["help"] and own["inferred_type_name"] != "None" for own in listed.values())
    assert capfd.readouterr().err == ""


@EVERY_NOTEBOOK
def test_a_name_stands_for_one_thing_in_all_cells(name: str) -> None:
    sources = [cell.source for cell in code_cells(read_committed(name)) if cell.source != parameters_cell(name)]
    symbols = [symtable.symtable(source, name, "exec").get_symbols() for source in sources]
    bound = [own.get_name() for cell in symbols for own in cell if own.is_assigned() or own.is_imported()]
    listed = {line.partition(":")[0] for line in parameters_cell(name).splitlines()}
    assert sorted({*listed, *NOTEBOOKS[name].model_fields}.intersection(bound)) == []
    assert sorted(own for own in set(bound) if bound.count(own) > 1) == []


@pytest.fixture(scope="module")
def story(tiny_outputs: Path, tiny_data: object) -> Path:
    """POSE3D_OUTPUTS of this file: `tiny_outputs`, where the dataset is prepared already."""
    return tiny_outputs


def execute(story: Path, name: str, parameters: Values) -> nbformat.NotebookNode:
    output = story / "story" / f"{name}.ipynb"
    output.parent.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(story))
        execute_notebook(name, output, parameters)
    notebook = nbformat.read(output, as_version=4)
    check_clean(notebook)
    return notebook


@pytest.fixture(scope="module")
def sweep(story: Path) -> nbformat.NotebookNode:
    return execute(story, "03_action_based", SWEEP)


def test_03_runs_02_for_the_original_and_every_action(sweep: nbformat.NotebookNode, story: Path) -> None:
    texts = texts_of(sweep)
    text = "\n".join(texts)
    assert "2 runs, 0 of them finished; the other 2 take about" in text
    assert re.search(r"^\| both arms, 0.3 unit epochs, published schedule.* \| +1 \| +2 \|$", text, re.MULTILINE)
    assert re.search(r"^2 finished; \d+ s\.$", text, re.MULTILINE)
    for action in ("All", "Sitting"):
        (folder,) = (story / "runs").glob(RUN.format(action))
        run = Run(folder)
        assert folder.name in text
        errors = run.metrics["action_wise"] if action == "All" else run.metrics["actions"][action]
        name = folder.name.rpartition("-")[0]
        (row,) = tables_of(texts)[-1].filter(like=name, axis="index").to_dict(orient="records")
        assert row["state"].startswith("finished")
        assert row["own test MPJPE [mm]"] == f"{errors['mpjpe']:.2f}"
        assert row["training [s]"] == f"{run.timing['train_seconds']:.2f}"


@pytest.mark.parametrize("action", ["All", "Sitting"])
def test_every_run_has_its_executed_notebook(sweep: object, story: Path, action: str) -> None:
    (folder,) = (story / "runs").glob(RUN.format(action))
    notebook = nbformat.read(folder / "02_train.ipynb", as_version=4)
    check_clean(notebook)
    assert len(figures_of(notebook)) >= 3
    texts = texts_of(notebook)
    text = "\n".join(texts)
    assert f"{action} of synthetic-tiny" in text
    assert f"run folder: {folder}" in text
    assert re.search(r"^epoch .* 0 s left", text, re.MULTILINE)
    check_run_tables(texts, folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "figures", "said"),
    [
        (LESSON, {"scale": "tiny", "steps": 20}, 7, "\nSitting: t = "),
        ("01_data_prep", {"scale": "tiny"}, 4, "nobody was filmed"),
        ("03_action_based", SWEEP, 0, "\n2 reused; "),
        ("04_results", SWEEP, 6, "All 2 planned runs are finished."),
        ("06_predict", {"model": "newest", "scale": "tiny", "clips": 2}, 2, "frames in 2 clips of synthetic-tiny"),
    ],
)
def test_the_other_notebooks_run_in_kernels(name, parameters, figures, said, sweep, story) -> None:
    notebook = execute(story, name, parameters)
    assert len(figures_of(notebook)) >= figures
    assert said in "\n".join(texts_of(notebook))


@pytest.mark.slow
def test_05_makes_the_run_that_is_left_and_shows_them_all(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(story))
    config = make_config(ScarcityConfig, SCARCITY)
    data = open_dataset(config.data)
    for run in plan_scarcity(config, data)[:-1]:
        execute_run(plan_run(run, data))
    notebook = execute(story, "05_semi_supervised", SCARCITY)
    assert len(figures_of(notebook)) >= 3
    assert "\n5 reused, 1 finished; " in "\n".join(texts_of(notebook))


def papermill(*arguments: str, outputs: Path, cwd: Path, stdout: Path) -> subprocess.CompletedProcess:
    """papermill as a person or CI calls it; its standard error is returned."""
    with stdout.open("w") as file:
        program, tiny = Path(sys.executable).with_name("papermill"), ["-p", "scale", "tiny", "-p", "preset", "tiny"]
        environment = os.environ | {"POSE3D_OUTPUTS": str(outputs)}
        return subprocess.run(
            [str(program), *arguments, *tiny], cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE,
            text=True, env=environment, timeout=120,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "notebook", "output"),
    [("notebooks", "02_train.ipynb", ""), (".", "notebooks/02_train.ipynb", "out.ipynb")],
)
def test_papermill_from_any_folder_with_and_without_an_output_path(
    folder: str, notebook: str, output: str, story: Path, sweep: object, tmp_path: Path
) -> None:
    """The run is that of the sweep, so it is not trained again."""
    before = (notebooks_dir() / "02_train.ipynb").read_bytes()
    printed, paths = tmp_path / "printed.txt", [str(tmp_path / output)] if output else []
    given = (notebook, *paths, "-p", "action", "Sitting", "-p", "unit_epochs", "0.3")
    ended = papermill(*given, outputs=story, cwd=ROOT / folder, stdout=printed)
    assert ended.returncode == 0, ended.stderr
    executed = nbformat.read(tmp_path / output if output else printed, as_version=4)
    check_clean(executed)
    (run,) = (story / "runs").glob(RUN.format("Sitting"))
    assert f"run folder: {run}" in "\n".join(texts_of(executed))
    assert (notebooks_dir() / "02_train.ipynb").read_bytes() == before


@pytest.mark.slow
def test_papermill_with_a_wrong_parameter_fails_and_says_why(tmp_path: Path) -> None:
    failed = tmp_path / "failed.ipynb"
    given = ("02_train.ipynb", str(failed), "-p", "unit_epoch", "2")
    ended = papermill(*given, outputs=tmp_path / "outputs", cwd=notebooks_dir(), stdout=tmp_path / "stdout.txt")
    assert ended.returncode != 0
    assert "unknown parameter 'unit_epoch': did you mean unit_epochs" in ended.stderr
    errors = [output for output in outputs_of(nbformat.read(failed, 4)) if output.output_type == "error"]
    assert [error.ename for error in errors] == ["InputError"]
    assert not (tmp_path / "outputs").exists(), "refused before anything was made"
