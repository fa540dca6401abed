"""Executed notebooks as they are committed: small, no scripts, no paths of a machine, links that lead somewhere."""

import base64
import io
import re
from pathlib import Path
from unittest.mock import MagicMock

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import reference
from PIL import Image
from reference import write_rendered

from pose3d_lib.common.paths import notebooks_dir, project_root
from pose3d_lib.report.figures.style import to_png
from pose3d_lib.report.parameters import NOTEBOOKS
from pose3d_lib.runs.sweep.kernel import LINK

COMMITTED = project_root() / "outputs" / "reference" / "notebooks"


def figure_png() -> str:
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.pcolormesh(np.linspace(0, 1, 400).reshape(20, 20))
    return base64.b64encode(to_png(figure)).decode()


def test_an_executed_notebook_becomes_small_and_speaks_of_no_machine(tmp_path: Path) -> None:
    picture = figure_png()
    notebook = nbformat.read(notebooks_dir() / "03_action_based.ipynb", as_version=4)
    notebook.metadata.papermill = {"output_path": str(project_root() / "a")}
    (cell, *_) = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cell.metadata.update(papermill={"duration": 1.0}, execution={"iopub.execute_input": "2020"})
    shown = [{"image/png": picture}, {"text/html": "<iframe srcdoc='x'></iframe>"}, {"text/html": "<table>"}]
    cell.outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    cell.outputs.append(nbformat.v4.new_output("stream", text=f"run folder: {project_root()}/outputs/runs/a\n"))
    (executed := tmp_path / "executed").mkdir()
    nbformat.write(notebook, executed / "03_action_based.ipynb")

    folder = tmp_path / "rendered"
    (path,) = write_rendered({"03_action_based": executed / "03_action_based.ipynb"}, folder)
    written = nbformat.read(path, as_version=4)
    assert "papermill" not in written.metadata
    (cell, *_) = [cell for cell in written.cells if cell.cell_type == "code"]
    assert cell.metadata == {}
    small, player, table, printed = cell.outputs
    assert len(small.data["image/png"]) < len(picture)
    before, after = (
        Image.open(io.BytesIO(base64.b64decode(own))).convert("RGB") for own in (picture, small.data["image/png"])
    )
    assert np.array_equal(before, after), "a colour scale keeps its colours"
    assert "iframe" not in player.data["text/html"]
    assert table.data["text/html"] == "<table>"
    assert str(project_root()) not in str(cell.outputs)
    assert printed.text == "run folder: outputs/runs/a\n"


@pytest.mark.usefixtures("outputs")
def test_the_reference_has_every_notebook_of_the_main_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("execute_notebook", "plan_task", "save_animation"):
        monkeypatch.setattr(reference, name, MagicMock())
    monkeypatch.setattr(reference, "write_rendered", lambda executed, folder: [*executed])
    written = reference.write_notebooks({"scale": "tiny", "preset": "tiny", "seeds": "1"})
    assert written == [name for name in NOTEBOOKS if name != "05_semi_supervised"]


@pytest.mark.parametrize(
    "path",
    [*notebooks_dir().glob("*.ipynb"), *COMMITTED.glob("*.ipynb")],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_links_in_notebooks_lead_to_files(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    links = [link for cell in notebook.cells if cell.cell_type == "markdown" for link in LINK.findall(cell.source)]
    assert links
    assert [link for link in links if not (path.parent / link).is_file()] == []


def test_the_committed_executed_notebooks_are_whole_small_and_without_errors() -> None:
    paths = sorted(COMMITTED.glob("*.ipynb"))
    assert [path.stem for path in paths] == [name for name in NOTEBOOKS if name != "05_semi_supervised"]
    assert sum(path.stat().st_size for path in paths) < 2e6
    for path in paths:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
        assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
        assert not re.search(r"(?<![\w.:/-])/(work|home|root|tmp|Users)/", path.read_text())
    assert (COMMITTED / "animation.gif").stat().st_size < 1e6
