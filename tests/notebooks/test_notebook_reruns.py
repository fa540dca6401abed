"""The notebooks' cells, executed within this process: what they show, twice, in another order, and after a parameter changed."""

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.display import DisplayHandle
from matplotlib.figure import Figure

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.open import open_dataset
from pose3d_lib.report.figures import skeletons as drawings
from pose3d_lib.report.show import Picture
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.runs.sweep.progress import RunStatus, first_look, look_again
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.notebooks import Cells, check_run_tables, rows_of, tables_of
from tests.helpers.source_files import walker

RUN = {"preset": "tiny", "channels": 8, "batch_size": 64, "evaluate_at": ""}
SHORT = {**RUN, "unit_epochs": 0.5}
STUDY = {**RUN, "lengths": 0.5, "actions": "Eating,Sitting", "seeds": 0, "timed": 0}
MODEL = "{}-27f-0.5ue-seed0"
SCARCITY = {"preset": "tiny", "channels": 8, "unit_epochs": 0.5, "seeds": "0", "shares": "0.5", "ablation_share": 0}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A POSE3D_OUTPUTS with data of two subjects, one to train on, and the runs of a study of two actions."""
    folder = tmp_path_factory.mktemp("reruns")
    actions = ("Eating", "Sitting", "Walking", "a*b*c")
    takes = {(who, what): walker(40, seed=number) for number, who in enumerate("ab") for what in actions}
    np.savez(folder / "mine.npz", **{f"{who}/{what}/1": take for (who, what), take in takes.items()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(folder))
        for action in ("All", "Eating", "Sitting"):
            config = make_config(RunConfig, {**SHORT, "dataset": str(folder / "mine.npz"), "action": action})
            execute_run(plan_run(config, open_dataset(config.data)))
    return folder


Opens = Callable[..., Cells]


@pytest.fixture
def opened(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    """Opens a notebook without a kernel; what its cells display and print is kept, of figures the texts around the panels.

    Sweeps train here.
    """
    monkeypatch.setenv("POSE3D_OUTPUTS", str(outputs))
    shown: list[str] = []

    def display(what: object, display_id: bool = False) -> DisplayHandle:
        texts = [own.get_text() for own in what.figure.texts] if isinstance(what, Picture) else []
        shown.append(getattr(what, "data", " ".join(["Figure", *texts])))
        return DisplayHandle("0")

    def run_sweep(configs: Sequence, datasets: Mapping, *, begun: float, on_look: Callable, **_) -> list[RunStatus]:
        statuses = first_look(configs, datasets)
        for config in configs:
            execute_run(plan_run(config, datasets[config.data]))
        return look_again(statuses, begun)

    for name in (
        "IPython.display",
        *(f"pose3d_lib.report.{room}" for room in ("show", "notebook", "training", "player")),
    ):
        monkeypatch.setattr(f"{name}.display", display)
    monkeypatch.setattr("pose3d_lib.runs.sweep.sweep.run_sweep", run_sweep)
    monkeypatch.setattr("builtins.print", lambda *parts, sep=" ", **_: shown.append(sep.join(map(str, parts))))
    for name in ("draw_2d", "draw_3d"):
        monkeypatch.setattr(drawings, name, lambda *_, **__: None)
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    monkeypatch.setattr("pose3d_lib.report.figures.style.to_png", lambda figure: b"")
    yield lambda name, **parameters: Cells(name, shown, {"dataset": str(outputs / "mine.npz"), **parameters})
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "parameters", "change"),
    [
        ("00_how_it_works", {"steps": 4}, {"action": "Walking", "keypoints": "gt"}),
        ("01_data_prep", {}, {"keypoints": "gt"}),
        ("02_train", {**SHORT, "action": "Eating"}, {"action": "Walking", "budget": "fifteen", "downsample": 2}),
        ("03_action_based", {**STUDY, "actions": "Eating"}, {"actions": "Sitting"}),
        pytest.param("04_results", {**STUDY, "actions": "Eating"}, {"actions": "Sitting"}, marks=pytest.mark.slow),
        pytest.param(
            "05_semi_supervised", {**SCARCITY, "actions": "Eating"}, {"actions": "Sitting"}, marks=pytest.mark.slow
        ),
        ("06_predict", {"model": MODEL.format("All")}, {"model": MODEL.format("Sitting"), "keypoints": "gt"}),
    ],
)
def test_cells_run_twice_and_from_any_on_after_a_parameter_changed(name, parameters, change, opened) -> None:
    fresh = opened(name, **parameters | change)
    (config_cell,), makers = fresh.find("read_parameters"), fresh.find("execute_run", "run_sweep")
    results = [cell for cell in fresh.sources if cell not in (config_cell, *makers)]
    wanted = fresh.run_each(fresh.sources)
    notebook = opened(name, **parameters)
    before = notebook.run_each([config_cell, *fresh.sources])
    notebook.set(change)
    for cell in (*results[::-1], *makers):  # the parameters were not read yet
        assert notebook.run_each([cell])[cell] == before[cell] or cell in makers
    assert notebook.show(config_cell) == notebook.show(config_cell)
    for cell in results[::-1]:
        try:
            shown = notebook.run_each([cell])[cell]
        except InputError as refused:
            shown = str(refused)
        assert shown == wanted[cell] or (name == "02_train" and "execute the training cell" in shown)
    if makers:
        notebook.run_each(makers * 2)
        assert notebook.run_each(results[::-1]) == {cell: wanted[cell] for cell in results}


def test_a_run_s_tables_have_the_actions_that_it_was_trained_on(opened: Opens, outputs: Path) -> None:
    texts = opened("02_train", **SHORT, action="Eating", with_actions="Sitting,Walking").show()
    (folder,) = (outputs / "runs").glob("Eating+2-*")
    check_run_tables(texts, folder)


def test_02_shows_the_name_of_its_action_as_it_is(opened: Opens) -> None:
    assert r"a\*b\*c: MPJPE" in "\n".join(opened("02_train", **SHORT, action="a*b*c").show())


def test_04_before_any_run_says_what_is_missing(opened: Opens) -> None:
    texts = opened("04_results", **{**STUDY, "lengths": 0.3}).show()
    text = "\n".join(texts)
    assert "**3 of 3 planned runs are not finished**: All (seed 0), Eating (seed 0), Sitting (seed 0)" in text
    assert text.index("No replicate is complete yet: run `03_action_based`") < text.index("Quoted from the paper")
    for number in (1, 2):
        assert f"Table {number} needs a replicate with all of its runs" in text
    assert len(re.findall(r"^\| C\d .* not measured", text, re.MULTILINE)) == 2 * 11, (
        "the claims, and other ways to judge"
    )
    assert sum(own.startswith("Figure") for own in texts) == 1, "what was compared can be drawn without runs"


def test_04_shows_and_saves_the_numbers_of_the_run_folders(opened: Opens, outputs: Path) -> None:
    notebook = opened("04_results", **STUDY)
    texts = notebook.show()
    text, shown, folder = "\n".join(texts), tables_of(texts), notebook.variables["record"].folder
    assert "All 3 planned runs are finished." in text
    assert f"tables and figures: {folder}" in text
    assert text.index("the action-based models are **") < text.index("All 3 planned runs are finished.")
    for name in ("answer", "table_1", "table_2", "all_metrics", "claims", "claims_details"):
        assert (folder / f"{name}.md").read_text(encoding="utf-8").partition("\n\n")[0] in text
    for figure in ("changes_1", "changes_2", "curves", "training"):
        assert {".png", ".svg"} == {path.suffix for path in folder.glob(f"figure_{figure}.*")}
    assert (folder / "table_3.md").read_text(encoding="utf-8").strip() in text
    assert not (folder / "table_3.csv").exists()

    runs = {
        name: Run(next((outputs / "runs").glob(f"{MODEL.format(name)}-*"))) for name in ("All", "Eating", "Sitting")
    }
    arms = {"Original": ("All", "All"), "Action-based": ("Eating", "Sitting")}
    errors = {
        arm: pd.DataFrame(
            [runs[run].metrics["actions"][action] for run, action in zip(own, ("Eating", "Sitting"), strict=True)]
        )
        for arm, own in arms.items()
    }
    for number, name, metric in ((1, "MPJPE [mm]", "mpjpe"), (2, "MPJVE [mm/frame]", "mpjve")):
        saved = pd.read_csv(folder / f"table_{number}.csv", index_col=0)
        table = next(
            own for own in shown if f"Original, {name}" in own and "Verdict" in own
        )  # before that as published
        assert table.index.tolist() == ["Eating", "Sitting", "Mean of the actions", "A new action"]
        for arm, own in errors.items():
            wanted = [*own[metric], own[metric].mean()]
            assert saved[f"{arm}, mean"].tolist()[:3] == pytest.approx(wanted, rel=1e-11)
            assert table[f"{arm}, {name}"].tolist()[:3] == [f"{value:.2f}" for value in wanted]
        ratios = errors["Action-based"][metric] / errors["Original"][metric]
        changes = (100 * (np.array([*ratios, np.exp(np.log(ratios).mean())]) - 1)).tolist()
        assert saved.change.tolist()[:3] == pytest.approx(changes, rel=1e-9)
        assert table["Change [%]"].tolist()[:3] == [f"{value:+.1f}" for value in changes]
        assert set(saved.verdict.dropna()) == {"not decidable"}, "one replicate"
        (logs,) = (own for own in shown if "seed 0" in own) if number == 1 else (None,)
        assert logs is None or logs["seed 0"].tolist() == [f"{value:+.1f}" for value in changes]


def test_05_shows_the_errors_of_its_run_folders_with_and_without_video(opened: Opens) -> None:
    notebook = opened("05_semi_supervised", **SCARCITY, actions="Eating")
    texts, runs, data = notebook.show(), notebook.variables["runs"], notebook.variables["data"]
    assert "4 finished; " in "\n".join(texts)
    errors = [Run(run_folder(config, data)).actions.mpjpe for config in runs]
    wanted = [f"{error:.2f}" for error in (*(own.mean() for own in errors[:2]), *(own["Eating"] for own in errors[2:]))]
    arms = ["Supervised, MPJPE [mm]", "Semi-supervised, MPJPE [mm]"]
    assert [error for table in tables_of(texts) if arms[0] in table for error in table[arms].iloc[0]] == wanted
    assert [text.split()[1] for text in texts if text.startswith("Figure")] == ["What", "Does"]


def test_06_lifts_clips_with_the_run_of_all_actions_and_says_where_the_files_are(opened: Opens, outputs: Path) -> None:
    notebook = opened("06_predict", model="newest", actions="Sitting,Walking", clips=2, formats="npz,csv,json")
    texts = notebook.show()
    text, (run,) = "\n".join(texts), (outputs / "runs").glob(f"{MODEL.format('All')}-*")
    assert f"Model {run.name}: Trained by pose3d-lib" in text
    assert "frames in 2 clips of mine, keypoints 'simulated'" in text
    assert re.search(r"^\| one frame in 2: .* per second +\| +[\d.]+ \| +[\d.]+ \|$", text, re.MULTILINE)
    folder = notebook.variables["task"].folder
    with np.load(folder / "poses.npz") as poses:
        first = poses["positions"][poses["clip"] == 0]
        pose = pd.DataFrame(first[len(first) // 2], index=poses["joints"]).map("{:.2f}".format)
    assert rows_of(tables_of(texts)[0]) == rows_of(pose)
    assert sum(f"by {run.name}*" in own for own in texts) == 2
    files = [folder / name for name in ("poses.npz", "poses.csv", "poses.json", "sheet.png", "player.html")]
    assert texts[-1].split("\n") == [str(file) for file in files]
    assert all(file.is_file() for file in files)
    assert sum(own.startswith("Figure") for own in texts) == 2
    (frame,) = (re.search(r'srcdoc="(.*?)"', own, re.DOTALL) for own in texts if "<iframe" in own)
    assert html.unescape(frame[1]) == files[-1].read_text(encoding="utf-8")
