"""05_semi_supervised from beginning to end: papermill executes it, and it has papermill execute 02_train for every run."""

import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from pose3d_lib.common.paths import runs_dir
from pose3d_lib.runs.inventory import list_runs
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.sweep.kernel import execute_notebook
from tests.helpers.notebooks import check_clean, figures_of, texts_of

STUDY = {
    "scale": "tiny", "preset": "tiny", "channels": 8, "seeds": "0", "shares": "0.5", "ablation_share": 0.5,
    "actions": "Eating", "unit_epochs": 0.5, "jobs": 2,
}  # fmt: skip
TABLES = ("table_scarcity", "table_ablation", "table_question")
FIGURES = ("figure_scarcity", "figure_ablation", "figure_question")


@pytest.mark.slow
def test_the_study_runs_from_its_parameters_to_its_tables(
    tmp_path: Path, tiny_outputs: Path, tiny_data: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    shutil.copytree(tiny_outputs / "data", tmp_path / "outputs" / "data")
    execute_notebook("05_semi_supervised", tmp_path / "executed.ipynb", STUDY)
    executed = nbformat.read(tmp_path / "executed.ipynb", as_version=4)
    check_clean(executed)
    text = "\n".join(texts_of(executed))
    assert re.search(r"^6 finished; \d+ s\.$", text, re.MULTILINE)
    assert len(figures_of(executed)) == len(FIGURES)

    runs = [Run(runs_dir() / entry.name) for entry in list_runs() if entry.state == "finished"]
    assert len(runs) == 6
    kinds = sorted((run.config.action, run.config.semi_supervised, ",".join(run.config.without_terms)) for run in runs)
    assert kinds == [
        ("All", False, ""), ("All", True, ""), ("All", True, "bones"), ("All", True, "projection"),
        ("Eating", False, ""), ("Eating", True, ""),
    ]  # fmt: skip
    for run in runs:
        notebook = nbformat.read(run.folder / "02_train.ipynb", as_version=4)
        check_clean(notebook)
        assert f"run folder: {run.folder}" in "\n".join(texts_of(notebook))
        assert ("unlabelled_windows" in run.timing) == run.config.semi_supervised

    (folder,) = (tmp_path / "outputs" / "results").iterdir()
    assert f"tables and figures: {folder}" in text
    for name in TABLES:
        shown = (folder / f"{name}.md").read_text(encoding="utf-8").partition("\n\n")[0]
        assert shown in text
        assert (folder / f"{name}.tex").is_file()
    for name in FIGURES:
        assert (folder / f"{name}.png").is_file()
    mpjpe = {
        (run.config.action, run.config.semi_supervised): run.actions.mpjpe
        for run in runs
        if not run.config.without_terms
    }
    table = pd.read_csv(folder / "table_scarcity.csv").iloc[0]
    for arm, semi in (("Supervised", False), ("Semi-supervised", True)):
        assert table[f"{arm}, mean"] == pytest.approx(mpjpe["All", semi].mean())
    question = pd.read_csv(folder / "table_question.csv").iloc[0]
    assert question["Semi-supervised, mean"] == pytest.approx(mpjpe["Eating", True]["Eating"])
    assert "Does video of other actions help a model that knows the poses of one? That is not decidable" in text
