"""The notebooks' cells, executed within this process: twice, in another order, and after a parameter was changed."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.display import DisplayHandle
from matplotlib.figure import Figure

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report.figures import skeletons as drawings
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.sweep.progress import RunStatus, first_look, look_again
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.data.test_plain_motion import motion
from tests.notebooks.test_notebooks import TINY, check_run_tables, code_cells, read_committed

SHORT = {**TINY, "unit_epochs": 0.1}
STUDY = {**TINY, "lengths": 0.1}
PREDICTED = {"scale": "tiny", "clips": 1}
MODEL = "{}-27f-0.1ue-seed0"
SCARCITY = {**SHORT, "unit_epochs": 0.2, "channels": 8, "seeds": "0", "shares": "0.5", "ablation_share": 0}

Values = dict[str, object]


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

    def show(self, cell: str) -> list[str]:
        """What a cell shows."""
        self._shown.clear()
        self._execute(self.sources[cell])
        return list(self._shown)

    def run(self, cell: str) -> str:
        return "\n".join(self.show(cell))

    def run_all(self, cells: Sequence[str]) -> dict[str, str]:
        return {cell: self.run(cell) for cell in cells}

    def find(self, *calls: str) -> list[str]:
        return [cell for cell, source in self.sources.items() if any(f"{call}(" in source for call in calls)]

    def _execute(self, source: str) -> None:
        self.variables["In"].append(source)
        exec(compile(source, "<cell>", "exec"), self.variables)


@pytest.fixture(scope="module")
def outputs(tiny_outputs: Path, tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A POSE3D_OUTPUTS with the dataset and the runs of a study of two actions."""
    folder = tmp_path_factory.mktemp("reruns")
    shutil.copytree(tiny_outputs / "data", folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(folder))
        for action in ("All", "Eating", "Sitting"):
            execute_run(plan_run(make_config(RunConfig, {**SHORT, "action": action}), tiny_data))
    return folder


Opens = Callable[[str, Values], Cells]


@pytest.fixture
def opened(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    """Opens a notebook without a kernel; what its cells display and print is kept, and sweeps train here."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(outputs))
    shown: list[str] = []

    def display(what: object, display_id: bool = False) -> DisplayHandle:
        shown.append(getattr(what, "data", type(what).__name__))
        return DisplayHandle("0")

    def run_sweep(configs: Sequence, data: PoseDataset, *, begun: float, on_look: Callable, **_) -> list[RunStatus]:
        statuses = first_look(configs, data)
        for config in configs:
            execute_run(plan_run(config, data))
        return look_again(statuses, begun)

    for name in ("IPython.display", "pose3d_lib.report.show", "pose3d_lib.report.notebook"):
        monkeypatch.setattr(f"{name}.display", display)
    monkeypatch.setattr("pose3d_lib.runs.sweep.sweep.run_sweep", run_sweep)
    monkeypatch.setattr("builtins.print", lambda *parts, sep=" ", **_: shown.append(sep.join(map(str, parts))))
    for name in ("draw_2d", "draw_3d"):
        monkeypatch.setattr(drawings, name, lambda *_, **__: None)
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    yield lambda name, parameters: Cells(name, shown, parameters)
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "parameters", "change"),
    [
        ("01_data_prep", {"scale": "tiny"}, {"keypoints": "gt"}),
        ("02_train", {**SHORT, "action": "Eating"}, {"action": "Walking", "budget": "fifteen", "downsample": 2}),
        ("03_action_based", {**STUDY, "actions": "Eating"}, {"actions": "Sitting"}),
        pytest.param("04_results", {**STUDY, "actions": "Eating"}, {"actions": "Sitting"}, marks=pytest.mark.slow),
        pytest.param(
            "05_semi_supervised", {**SCARCITY, "actions": "Eating"}, {"actions": "Sitting"}, marks=pytest.mark.slow
        ),
        (
            "06_predict",
            PREDICTED | {"model": MODEL.format("All")},
            {"model": MODEL.format("Sitting"), "keypoints": "gt"},
        ),
    ],
)
def test_cells_run_twice_and_from_any_on_after_a_parameter_changed(
    name: str, parameters: Values, change: Values, opened: Opens
) -> None:
    fresh = opened(name, parameters | change)
    (config_cell,), makers = fresh.find("read_parameters"), fresh.find("execute_run", "run_sweep")
    results = [cell for cell in fresh.sources if cell not in (config_cell, *makers)]
    wanted = fresh.run_all(fresh.sources)
    notebook = opened(name, parameters)
    before = notebook.run_all([config_cell, *fresh.sources])
    notebook.set(change)
    for cell in (*results[::-1], *makers):  # the parameters were not read yet
        assert notebook.run(cell) == before[cell] or cell in makers
    assert notebook.run(config_cell) == notebook.run(config_cell)
    for cell in results[::-1]:
        try:
            shown = notebook.run(cell)
        except InputError as refused:
            shown = str(refused)
        assert shown == wanted[cell] or (name == "02_train" and "execute the training cell" in shown)
    if makers:
        notebook.run_all(makers * 2)
        assert notebook.run_all(results[::-1]) == {cell: wanted[cell] for cell in results}


def test_a_run_s_tables_part_the_actions_into_those_it_was_trained_on_and_the_others(
    opened: Opens, outputs: Path
) -> None:
    notebook = opened("02_train", {**SHORT, "action": "Eating", "with_actions": "Sitting,Walking"})
    texts = [text for cell in notebook.sources for text in notebook.show(cell)]
    (folder,) = (outputs / "runs").glob("Eating+2-*")
    check_run_tables(texts, folder)


def test_04_before_any_run_says_what_is_missing(opened: Opens) -> None:
    notebook = opened("04_results", {**TINY, "actions": "Sitting,Walking", "lengths": 0.3})
    text = "\n".join(notebook.run_all(notebook.sources).values())
    assert "**3 of 3 planned runs are not finished**: All (seed 0), Sitting (seed 0), Walking (seed 0)" in text
    assert "`03_action_based` with the same parameters runs them" in text
    for number in (1, 2):
        assert f"Table {number} needs the baseline and at least one action-based run" in text
    assert "Table 3 compares long runs; none are finished" in text
    assert len(re.findall(r"^\| C\d .* not decidable", text, re.MULTILINE)) == 8
    assert text.count("Figure\n") + text.endswith("Figure") == 1, "what was compared can be drawn without runs"


def test_02_shows_the_name_of_its_action_as_it_is(opened: Opens, tmp_path: Path) -> None:
    takes = {
        f"{who}/{what}/1": motion(40, seed=number) for number, who in enumerate("ab") for what in ("a*b*c", "Walking")
    }
    np.savez(tmp_path / "mine.npz", **takes)
    short = {name: value for name, value in SHORT.items() if name != "scale"}
    given = {"dataset": str(tmp_path / "mine.npz"), "batch_size": 16, "action": "a*b*c"}
    notebook = opened("02_train", {**short, **given})
    assert r"a\*b\*c: MPJPE" in "\n".join(notebook.run_all(notebook.sources).values())
