"""The notebooks as the tests see them: as committed, executed by a kernel, or cell by cell within this process."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from pose3d_lib.common.escaping import unescape_markdown
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs.run import Run

TINY = {"scale": "tiny", "preset": "tiny"}

Values = dict[str, object]


def read_committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(notebooks_dir() / f"{name}.ipynb", as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters_cell(name: str) -> str:
    (cell,) = [cell for cell in read_committed(name).cells if "parameters" in cell.metadata.get("tags", [])]
    return cell.source


class Cells:
    """A notebook's code cells and the variables of its kernel; the cells run in whatever order a reader chooses."""

    def __init__(self, name: str, shown: list[str], parameters: Values):
        self.variables: dict[str, object] = {"In": [""]}
        cells = code_cells(read_committed(name))
        (given,) = (number for number, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
        self.sources = {cell.id: cell.source for cell in cells[given + 1 :]}
        self._shown = shown
        for cell in cells[: given + 1]:
            self._execute(cell.source)
        self.set(parameters)

    def set(self, parameters: Values) -> None:
        """Another value of some parameters, as papermill injects it."""
        self._execute("\n".join(["# Parameters", *(f"{name} = {value!r}" for name, value in parameters.items())]))

    def show(self, *cells: str) -> list[str]:
        """What some cells show, by default all of them: texts, and "Figure" for each figure."""
        self._shown.clear()
        for cell in cells or self.sources:
            self._execute(self.sources[cell])
        return list(self._shown)

    def run_each(self, cells: Sequence[str]) -> dict[str, str]:
        return {cell: "\n".join(self.show(cell)) for cell in cells}

    def find(self, *calls: str) -> list[str]:
        return [cell for cell, source in self.sources.items() if any(f"{call}(" in source for call in calls)]

    def _execute(self, source: str) -> None:
        self.variables["In"].append(source)
        exec(compile(source, "<cell>", "exec"), self.variables)


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def figures_of(notebook: nbformat.NotebookNode) -> list[str]:
    return [output.data["image/png"] for output in outputs_of(notebook) if "image/png" in output.get("data", {})]


def texts_of(notebook: nbformat.NotebookNode) -> list[str]:
    """What its cells printed and said."""
    return [
        output.text if output.output_type == "stream" else output.get("data", {}).get("text/markdown", "")
        for output in outputs_of(notebook)
    ]


def check_clean(notebook: nbformat.NotebookNode) -> None:
    """Executed to its end, without an error and without noise."""
    nbformat.validate(notebook)
    assert [cell.source for cell in code_cells(notebook) if cell.execution_count is None] == []
    for output in outputs_of(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        assert set(output.get("data", {})) <= {"text/plain", "text/markdown", "image/png", "text/html"}
    assert not re.search(r"Warning|Traceback|\bnan\b", "\n".join(texts_of(notebook)))


def tables_of(texts: Sequence[str]) -> list[pd.DataFrame]:
    """The tables among the texts; cells are text, and the first column is the index."""
    tables = []
    for text in (re.sub(r"^<details>.*</summary>\n\n", "", text) for text in texts):
        if text.startswith("|"):
            lines = text.partition("\n\n")[0].splitlines()
            heading, _, *rows = (
                [unescape_markdown(cell.strip()) for cell in line.strip("|").split("|")] for line in lines
            )
            tables.append(pd.DataFrame(rows, columns=heading).set_index(heading[0]))
    return tables


def rows_of(table: pd.DataFrame) -> dict[str, list[str]]:
    return {name: row.tolist() for name, row in table.iterrows()}


def error_rows(errors: Mapping[str, Mapping[str, float]], means: bool = True) -> dict[str, list[str]]:
    """What a table of errors must hold, by the arithmetic of the protocol: `frames` and METRICS of each row, then both means."""
    values = np.array([[own[metric] for metric in METRICS] for own in errors.values()])
    frames = [own["frames"] for own in errors.values()]
    rows = dict(zip(errors, zip(frames, values, strict=True), strict=True))
    if means and len(errors) > 1:
        rows["Action-wise mean"] = sum(frames), values.mean(axis=0)
        rows["Frame-wise mean"] = sum(frames), np.average(values, axis=0, weights=frames)
    return {name: [f"{number:,}", *(f"{value:.2f}" for value in own)] for name, (number, own) in rows.items()}


def check_run_tables(texts: Sequence[str], folder: Path) -> None:
    """The tables and the sentence of 02_train are those of a run folder, of what the run was trained on."""
    errors = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["actions"]
    config = Run(folder).config
    assert config.action == "All" or set(errors) == set(config.trained_actions)
    first, statistics, by_subject = tables_of(texts)
    assert rows_of(first) == error_rows(errors)
    published, clips = (pd.read_csv(folder / name) for name in ("clips_published.csv", "clips.csv"))
    for name, table in (("as published", published), ("recomputed", clips)):
        means = [*(np.average(table[metric], weights=table.frames) for metric in METRICS), table.scale.median()]
        assert statistics.loc[name].tolist() == [f"{value:.2f}" for value in means]
    subjects = {
        subject: {"frames": clip.frames.sum()}
        | {metric: np.average(clip[metric], weights=clip.frames) for metric in METRICS}
        for subject, clip in clips.groupby("subject", sort=False)
    }
    assert rows_of(by_subject) == error_rows(subjects, means=False)
    mpjpe = np.average(clips.mpjpe, weights=clips.frames)
    assert f"{', '.join(config.trained_actions)}: MPJPE {mpjpe:.1f} mm over all frames;" in "\n".join(texts)
    assert sum(folder.name in text for text in texts if text.startswith("|")) == 3
