"""The notebooks: as committed, and executed by papermill in the order of the story, at the tiny scale."""

import ast
import html
import json
import os
import re
import subprocess
import symtable
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from papermill.inspection import inspect_notebook

from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.report.parameters import NOTEBOOKS
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.sweep.kernel import execute_notebook
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run

ROOT = notebooks_dir().parent
EVERY_NOTEBOOK = pytest.mark.parametrize("name", NOTEBOOKS)
TINY = {"scale": "tiny", "preset": "tiny"}
SHORT = {**TINY, "unit_epochs": 0.3}
SWEEP = {**TINY, "actions": "Sitting", "lengths": 0.3}
STUDY = {**SWEEP, "actions": "Sitting,Walking"}
PREDICTED = {"scale": "tiny", "actions": "Sitting,Walking", "clips": 5, "formats": "npz,csv,json"}
RESULTS = "synthetic-tiny-*-simulated-3x3x3-16c-64b-quick-actions-Sitting,Walking-lengths-0.3"
LINES_PER_CELL, LINES_PER_NOTEBOOK = 15, 85


def read_committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(notebooks_dir() / f"{name}.ipynb", as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters_cell(name: str) -> str:
    (cell,) = [cell for cell in read_committed(name).cells if "parameters" in cell.metadata.get("tags", [])]
    return cell.source


def code_lines(source: str) -> list[str]:
    """Without blank lines and comments."""
    return [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_the_folder_holds_these_notebooks() -> None:
    assert sorted(path.stem for path in notebooks_dir().glob("*.ipynb")) == list(NOTEBOOKS)


@EVERY_NOTEBOOK
def test_the_file_is_a_valid_notebook_without_outputs(name: str) -> None:
    notebook = read_committed(name)
    nbformat.validate(notebook)
    assert notebook.nbformat_minor >= 5, "older cells have no ids"
    assert notebook.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for cell in code_cells(notebook):
        assert (cell.outputs, cell.execution_count) == ([], None)
        assert not set(cell.metadata) - {"tags"}


@EVERY_NOTEBOOK
def test_cells_are_plain_short_python_between_texts(name: str) -> None:
    notebook = read_committed(name)
    sources = [cell.source for cell in code_cells(notebook)]
    for source in sources:
        for statement in ast.walk(ast.parse(source)):  # parsing refuses ! and %
            assert not isinstance(statement, ast.ClassDef | ast.While | ast.Try)
        assert 0 < len(code_lines(source)) <= LINES_PER_CELL or source == parameters_cell(name)
    assert sum(len(code_lines(source)) for source in sources) <= LINES_PER_NOTEBOOK
    assert re.match(rf"# {int(name[:2])} \w", notebook.cells[0].source)
    assert "cccc" not in "".join(cell.cell_type[0] for cell in notebook.cells), "four cells of code without a word"


@EVERY_NOTEBOOK
def test_the_parameters_cell_documents_parameters_with_the_config_s_defaults(name: str) -> None:
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


@EVERY_NOTEBOOK
def test_papermill_lists_every_parameter_with_its_help(name: str, capfd: pytest.CaptureFixture) -> None:
    listed = inspect_notebook(str(notebooks_dir() / f"{name}.ipynb"))
    assert list(listed) == [line.partition(":")[0] for line in parameters_cell(name).splitlines()]
    for parameter in listed.values():
        assert parameter["help"], parameter["name"]
        assert parameter["inferred_type_name"] != "None"
    assert capfd.readouterr().err == ""


@EVERY_NOTEBOOK
def test_a_name_stands_for_one_thing_in_all_cells(name: str) -> None:
    sources = [cell.source for cell in code_cells(read_committed(name)) if cell.source != parameters_cell(name)]
    symbols = [symtable.symtable(source, name, "exec").get_symbols() for source in sources]
    bound = [own.get_name() for cell in symbols for own in cell if own.is_assigned() or own.is_imported()]
    listed = {line.partition(":")[0] for line in parameters_cell(name).splitlines()}
    assert sorted({*listed, *NOTEBOOKS[name].model_fields}.intersection(bound)) == []
    assert sorted(own for own in set(bound) if bound.count(own) > 1) == []


Execute = Callable[[str, str, dict], nbformat.NotebookNode]


@pytest.fixture(scope="session")
def story(tiny_outputs: Path, tiny_data: object) -> Path:
    """POSE3D_OUTPUTS of this file: `tiny_outputs`, where the dataset is prepared already; one for all workers."""
    return tiny_outputs


@pytest.fixture(scope="session")
def executed(story: Path) -> Execute:
    """Executes a notebook once, whichever worker asks first, and reads what came of it."""

    def execute(label: str, name: str, parameters: dict) -> nbformat.NotebookNode:
        output = story / "story" / f"{label}.ipynb"
        done = output.with_suffix(".done")
        output.parent.mkdir(exist_ok=True)
        with FileLock(output.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
            if not done.exists():
                patch.setenv("POSE3D_OUTPUTS", str(story))
                execute_notebook(name, output, parameters)
                done.touch()
        return nbformat.read(output, as_version=4)

    return execute


@pytest.fixture
def sweep(executed: Execute) -> nbformat.NotebookNode:
    return executed("sweep", "03_action_based", SWEEP)


@pytest.fixture
def results(executed: Execute, sweep: object, story: Path, tiny_data: PoseDataset) -> nbformat.NotebookNode:
    """04_results of the sweep's runs and of one more, which is trained here."""
    with FileLock(story / "walking.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(story))
        execute_run(plan_run(make_config(RunConfig, {**SHORT, "action": "Walking"}), tiny_data))
    return executed("results", "04_results", STUDY)


@pytest.fixture
def predicted(executed: Execute, sweep: object) -> nbformat.NotebookNode:
    return executed("predicted", "06_predict", PREDICTED)


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def figures_of(notebook: nbformat.NotebookNode) -> list[str]:
    return [output.data["image/png"] for output in outputs_of(notebook) if "image/png" in output.get("data", {})]


def texts_of(notebook: nbformat.NotebookNode) -> list[str]:
    return [
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/markdown", "")
        for output in outputs_of(notebook)
    ]


def text_of(notebook: nbformat.NotebookNode) -> str:
    """All that its cells printed and said."""
    return "\n".join(texts_of(notebook))


def tables_of(texts: list[str]) -> list[pd.DataFrame]:
    """The tables that cells showed, as text; the first column is the index."""
    tables = []
    for text in texts:
        if text.startswith("|"):
            lines = text.partition("\n\n")[0].splitlines()
            heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
            tables.append(pd.DataFrame(rows, columns=heading).set_index(heading[0]))
    return tables


def error_rows(errors: Mapping[str, Mapping[str, float]], means: bool = True) -> dict[str, list[str]]:
    """What a table of errors must hold, by the arithmetic of the protocol: `frames` and METRICS of each row, then both means."""
    values = np.array([[own[metric] for metric in METRICS] for own in errors.values()])
    frames = [own["frames"] for own in errors.values()]
    rows = dict(zip(errors, zip(frames, values, strict=True), strict=True))
    if means and len(errors) > 1:
        rows["Action-wise mean"] = sum(frames), values.mean(axis=0)
        rows["Frame-wise mean"] = sum(frames), np.average(values, axis=0, weights=frames)
    return {name: [f"{number:,}", *(f"{value:.2f}" for value in own)] for name, (number, own) in rows.items()}


def rows_of(table: pd.DataFrame) -> dict[str, list[str]]:
    return {name: row.tolist() for name, row in table.iterrows()}


def check_run_tables(texts: list[str], folder: Path) -> None:
    """The tables and the sentence of 02_train are those of a run folder: of what it was trained on, and of the rest."""
    errors = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["actions"]
    config = Run(folder).config
    own = {name: errors[name] for name in (errors if config.action == "All" else config.trained_actions)}
    others = {name: errors[name] for name in errors if name not in own}
    first, *middle, by_subject = tables_of(texts)
    assert rows_of(first) == error_rows(own)
    assert [rows_of(table) for table in middle] == [error_rows(others)] * bool(others)
    clips = pd.read_csv(folder / "clips.csv")
    clips = clips[clips.action.isin(list(own))]
    subjects = {
        subject: {"frames": clip.frames.sum()}
        | {metric: np.average(clip[metric], weights=clip.frames) for metric in METRICS}
        for subject, clip in clips.groupby("subject", sort=False)
    }
    assert rows_of(by_subject) == error_rows(subjects, means=False)
    mpjpe = np.average(clips.mpjpe, weights=clips.frames)
    assert f"{', '.join(config.trained_actions)}: MPJPE {mpjpe:.1f} mm over all frames;" in "\n".join(texts)
    assert sum(folder.name in text for text in texts if text.startswith("|")) == 2


def check_clean(notebook: nbformat.NotebookNode, *more: str) -> None:
    """Executed to its end, without an error and without noise; `more` are kinds of output besides text and pictures."""
    nbformat.validate(notebook)
    assert [cell.source for cell in code_cells(notebook) if cell.execution_count is None] == []
    for output in outputs_of(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        assert set(output.get("data", {})) <= {"text/plain", "text/markdown", "image/png", *more}
    assert not re.search(r"Warning|Traceback|\bnan\b", text_of(notebook))


@pytest.mark.slow
def test_01_shows_the_dataset(executed: Execute, tiny_data) -> None:
    data_prep = executed("data", "01_data_prep", {"scale": "tiny"})
    check_clean(data_prep)
    text = text_of(data_prep)
    assert len(figures_of(data_prep)) >= 4
    assert f"synthetic-tiny, fingerprint {tiny_data.fingerprint[:12]}" in text
    assert "nobody was filmed" in text
    frames = tiny_data.frames_per_action().train
    for action, number in frames.items():
        assert re.search(rf"\| {action} +\| +{number:,} \|.* {frames.sum() / number:.2f} \|", text), action


def test_03_runs_02_for_the_original_and_every_action(sweep: nbformat.NotebookNode, story: Path) -> None:
    check_clean(sweep)
    text = text_of(sweep)
    assert "2 runs, 0 of them finished; the other 2 take about" in text
    assert re.search(r"^\| both arms, 0.3 unit epochs, published schedule.* \| +1 \| +2 \|$", text, re.MULTILINE)
    assert re.search(r"^2 finished; \d+ s\.$", text, re.MULTILINE)
    for action in ("All", "Sitting"):
        assert re.search(rf"^\| {action}, seed 0, 0.3 unit epochs +\| finished ", text, re.MULTILINE)
        (folder,) = (story / "runs").glob(f"{action}-27f-0.3ue-seed0-*")
        assert folder.name in text
        assert Run(folder).config.action == action
        errors = Run(folder).metrics
        mpjpe = errors["action_wise"]["mpjpe"] if action == "All" else errors["actions"][action]["mpjpe"]
        (row,) = tables_of(texts_of(sweep))[-1].filter(like=f"{action},", axis="index").to_dict(orient="records")
        assert row["own test MPJPE [mm]"] == f"{mpjpe:.2f}"
        assert row["training [s]"] == f"{Run(folder).timing['train_seconds']:.2f}"


@pytest.mark.parametrize("action", ["All", "Sitting"])
def test_every_run_has_its_executed_notebook(sweep: object, story: Path, action: str) -> None:
    (folder,) = (story / "runs").glob(f"{action}-27f-0.3ue-seed0-*")
    notebook = nbformat.read(folder / "02_train.ipynb", as_version=4)
    check_clean(notebook)
    assert len(figures_of(notebook)) >= 3
    text = text_of(notebook)
    assert f"{action} of synthetic-tiny" in text
    assert f"run folder: {folder}" in text
    assert re.search(r"^epoch .* 0 s left", text, re.MULTILINE)
    assert ("**not** trained on" in text) == (action != "All")
    check_run_tables(texts_of(notebook), folder)


@pytest.mark.slow
def test_03_executed_again_reuses_every_run(executed: Execute, sweep: object) -> None:
    again = executed("again", "03_action_based", SWEEP)
    check_clean(again)
    assert re.search(r"^2 reused; \d+ s\.$", text_of(again), re.MULTILINE)


def test_04_after_the_runs_shows_and_saves_the_tables(results: nbformat.NotebookNode, story: Path) -> None:
    check_clean(results)
    text = text_of(results)
    assert "All 3 planned runs are finished." in text
    assert "SYNTHETIC data, nobody was filmed" in text
    for number in ("Quoted from the paper, Human3.6M", "56.34", "52.07", "70.49", "70.86", "49.27"):
        assert number in text
    assert len(figures_of(results)) >= 7
    (folder,) = (story / "results").glob(RESULTS)
    assert f"tables and figures: {folder}" in text
    for name in ("table_1", "table_2", "all_metrics", "claims"):
        table = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert table.partition("\n\n")[0] in text
        assert "SYNTHETIC" in table
    for figure in ("table_1", "table_2", "curves", "transfer", "joints", "training"):
        assert (folder / f"figure_{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"figure_{figure}.svg").read_text(encoding="utf-8")
    said = "Table 3 compares long runs; none are finished for synthetic-tiny. `pose3d sweep"
    assert said in text
    assert (folder / "table_3.md").read_text(encoding="utf-8").startswith(said)
    assert not (folder / "table_3.csv").exists()


def test_04_shows_and_saves_the_numbers_of_the_run_folders(results: nbformat.NotebookNode, story: Path) -> None:
    metrics = {
        action: Run(next((story / "runs").glob(f"{action}-27f-0.3ue-seed0-*"))).metrics["actions"]
        for action in ("All", "Sitting", "Walking")
    }
    arms = {"Original": ["All", "All"], "Action-based": ["Sitting", "Walking"]}
    errors = {
        arm: pd.DataFrame([metrics[run][action] for run, action in zip(runs, ("Sitting", "Walking"), strict=True)])
        for arm, runs in arms.items()
    }
    (folder,) = (story / "results").glob(RESULTS)
    shown = tables_of(texts_of(results))
    for number, name, metric in ((1, "MPJPE [mm]", "mpjpe"), (2, "MPJVE [mm/frame]", "mpjve")):
        saved = pd.read_csv(folder / f"table_{number}.csv", index_col=0)
        (table,) = (table for table in shown if f"Original, {name}" in table and "Verdict" in table)
        assert table.index.tolist() == ["Sitting", "Walking", "Mean of the actions"]
        for arm, own in errors.items():
            wanted = [*own[metric], own[metric].mean()]
            assert saved[f"{arm}, mean"].tolist() == pytest.approx(wanted, rel=1e-12)
            assert table[f"{arm}, {name}"].str.split().str[0].tolist() == [f"{value:.2f}" for value in wanted]
        change = 100 * (errors["Action-based"][metric] / errors["Original"][metric] - 1)
        assert saved["Change [%]"].tolist()[:2] == pytest.approx(change.tolist(), rel=1e-12)
        assert table["Change [%]"].str.split().str[0].tolist()[:2] == [f"{value:+.1f}" for value in change]
        assert set(saved.Verdict) == {"not decidable"}, "one seed"
    (means,) = (table for table in shown if "P-MPJPE [mm]" in table and "Mean" in table)
    for arm, own in errors.items():
        wanted = [own[list(METRICS)].mean(), np.average(own[list(METRICS)], axis=0, weights=own.frames)]
        rows = means.loc[arm].drop(columns="Mean").to_numpy().tolist()
        assert rows == [[f"{value:.2f}" for value in row] for row in wanted]


def test_06_lifts_clips_with_the_run_of_all_actions_and_says_where_the_files_are(
    predicted: nbformat.NotebookNode, story: Path
) -> None:
    check_clean(predicted, "text/html")
    text = text_of(predicted)
    folders = {folder.name for folder in (story / "runs").glob("All-27f-*")}
    (model,) = re.findall(r"^Model (\S+): Trained by pose3d-lib", text, re.MULTILINE)
    assert model in folders
    assert "frames in 5 clips of synthetic-tiny, keypoints 'simulated'" in text
    assert re.search(r"^\| LWrist +\| +-?\d\.\d\d \|", text, re.MULTILINE)
    assert re.search(r"^\| one frame in 2: 25 per second +\| +[\d.]+ \| +[\d.]+ \|$", text, re.MULTILINE)
    folder = story / "predictions" / f"synthetic-tiny-simulated-by-{model}"
    with np.load(folder / "poses.npz") as poses:
        first = poses["positions"][poses["clip"] == 0]
        pose = pd.DataFrame(first[len(first) // 2], index=poses["joints"]).map("{:.2f}".format)
    assert rows_of(tables_of(texts_of(predicted))[0]) == rows_of(pose)
    assert sum(f"by {model}*" in shown for shown in texts_of(predicted)) == 2
    for name in ("poses.npz", "poses.csv", "poses.json", "sheet.png", "player.html"):
        assert f"{folder / name}\n" in text
        assert (folder / name).is_file()
    assert len(figures_of(predicted)) == 1
    (shown,) = [output for output in outputs_of(predicted) if "text/html" in output.get("data", {})]
    assert "image/png" not in shown.data, "JupyterLab would show the sheet only"
    page = html.unescape(re.search(r'srcdoc="(.*?)"', shown.data["text/html"], re.DOTALL)[1])
    assert page == (folder / "player.html").read_text(encoding="utf-8")


def papermill(*arguments: str, outputs: Path, cwd: Path, stdout: Path) -> subprocess.CompletedProcess:
    """papermill as a person or CI calls it; its standard error is returned."""
    with stdout.open("w") as file:
        return subprocess.run(
            [str(Path(sys.executable).with_name("papermill")), *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"POSE3D_OUTPUTS": str(outputs)},
            timeout=120,
        )


TINY_ARGUMENTS = ("-p", "scale", "tiny", "-p", "preset", "tiny", "-p", "unit_epochs", "0.3")


def test_papermill_from_the_notebooks_folder_without_an_output_path(story: Path, sweep: object, tmp_path: Path) -> None:
    """The run is that of the sweep, so it is not trained again."""
    before = (notebooks_dir() / "02_train.ipynb").read_bytes()
    ended = papermill(
        *("02_train.ipynb", "-p", "action", "Sitting", *TINY_ARGUMENTS),
        outputs=story,
        cwd=notebooks_dir(),
        stdout=tmp_path / "sitting.ipynb",
    )
    assert ended.returncode == 0, ended.stderr
    notebook = nbformat.read(tmp_path / "sitting.ipynb", as_version=4)
    check_clean(notebook)
    (folder,) = (story / "runs").glob("Sitting-27f-0.3ue-seed0-*")
    assert f"run folder: {folder}" in text_of(notebook)
    assert (notebooks_dir() / "02_train.ipynb").read_bytes() == before


@pytest.mark.slow
def test_papermill_from_the_repository_s_root_with_an_output_path(
    tiny_outputs: Path, tiny_data: object, tmp_path: Path
) -> None:
    ended = papermill(
        *("notebooks/02_train.ipynb", str(tmp_path / "all.ipynb"), "-p", "action", "Eating", *TINY_ARGUMENTS),
        outputs=tiny_outputs,
        cwd=ROOT,
        stdout=tmp_path / "stdout.txt",
    )
    assert ended.returncode == 0, ended.stderr
    notebook = nbformat.read(tmp_path / "all.ipynb", as_version=4)
    check_clean(notebook)
    assert re.search(r"^epoch .* 0 s left", text_of(notebook), re.MULTILINE)
    assert len(list((tiny_outputs / "runs").glob("Eating-27f-0.3ue-seed0-*/finished.json"))) == 1


@pytest.mark.slow
def test_papermill_with_a_wrong_parameter_fails_and_says_why(tmp_path: Path) -> None:
    ended = papermill(
        *("02_train.ipynb", str(tmp_path / "failed.ipynb"), "-p", "unit_epoch", "2", *TINY_ARGUMENTS),
        outputs=tmp_path / "outputs",
        cwd=notebooks_dir(),
        stdout=tmp_path / "stdout.txt",
    )
    assert ended.returncode != 0
    assert "unknown parameter 'unit_epoch': did you mean unit_epochs" in ended.stderr
    errors = [o for o in outputs_of(nbformat.read(tmp_path / "failed.ipynb", 4)) if o.output_type == "error"]
    assert [error.ename for error in errors] == ["InputError"]
    assert not (tmp_path / "outputs").exists(), "refused before anything was made"
