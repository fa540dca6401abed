"""The paper's tables from run folders written by hand: every number against arithmetic done here."""

import csv
import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from pose3d_lib import report
from pose3d_lib.config import ResultsConfig, RunConfig, SweepConfig, make_config
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.evaluation import METRICS
from pose3d_lib.runs import run_folder
from pose3d_lib.tables import (
    MEAN,
    QUOTED,
    Comparison,
    all_metrics,
    collect_runs,
    compare_arms,
    describe,
    results_dir,
    save_table,
    table_3,
    to_markdown,
    transfer,
)

ACTIONS = ("Eating", "Sitting", "Walking")
FRAMES = {"Eating": 100, "Sitting": 300, "Walking": 400}
MODELS = {"All": 0, "Eating": 1, "Sitting": 2, "Walking": 3}


def error_of(model: str, seed: int, action: str, metric: str) -> float:
    """MPJPE of the baseline: 50, 60, 70 mm. An action's own model is 10 to 30 mm better there, and 100 worse elsewhere."""
    own = -10 * MODELS[model] if model == action else 100 if model != "All" else 0
    return 50 + 10 * ACTIONS.index(action) + own + 4 * seed - METRICS.index(metric)


def write_run(config: RunConfig, data: PoseDataset, device: str = "CPU") -> Path:
    """A finished run's folder, by hand: only what tables read."""
    folder = run_folder(config, data)
    folder.mkdir(parents=True, exist_ok=True)
    errors = {
        action: {"frames": FRAMES[action], **{m: error_of(config.action, config.seed, action, m) for m in METRICS}}
        for action in ACTIONS
    }
    baseline = config.action == "All"
    timing = {
        "train_seconds": (300.0 if baseline else 100.0 * MODELS[config.action]) + config.seed,
        "evaluation_seconds": 7.0 + config.seed,
        "windows": 3_000_000 if baseline else 2_500_000,
    }
    files = {
        "config.json": config.model_dump(mode="json"),
        "metrics.json": {"actions": errors, "action_wise": {}, "frame_wise": {}},
        "timing.json": timing,
        "provenance.json": {"processor": "An Abacus", "device": device},
        "finished.json": {"format": 1},
    }
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    rows = [
        {"windows": windows, "unit_epochs": windows / 3_000_000, "test_mpjpe": 80.0, "test_actions": None}
        for windows in (1_000_000, timing["windows"])
    ]
    for row in rows:
        row["test_actions"] = {action: 80.0 for action in ACTIONS if config.action in ("All", action)}
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def plan(data: PoseDataset, seeds: str = "0", **changes: object) -> list[RunConfig]:
    parameters = {"scale": "tiny", "preset": "tiny", "device": "cpu", "actions": ",".join(ACTIONS), "seeds": seeds}
    return make_config(SweepConfig, {**parameters, **changes}).plan(data)


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture
def one_seed(tiny_data: PoseDataset) -> Comparison:
    for config in plan(tiny_data):
        write_run(config, tiny_data)
    return collect_runs(plan(tiny_data), tiny_data)


@pytest.fixture
def two_seeds(tiny_data: PoseDataset) -> Comparison:
    for config in plan(tiny_data, "0,1"):
        write_run(config, tiny_data)
    return collect_runs(plan(tiny_data, "0,1"), tiny_data)


def test_all_planned_runs_are_found(one_seed: Comparison, two_seeds: Comparison) -> None:
    assert [run.config.action for run in one_seed.original] == ["All"]
    assert list(one_seed.action_based) == list(ACTIONS)
    assert (one_seed.complete, one_seed.usable, one_seed.missing) == (True, True, [])
    assert [run.config.seed for run in two_seeds.original] == [0, 1]
    for action in ACTIONS:
        assert [run.config.seed for run in two_seeds.action_based[action]] == [0, 1]
    assert len(two_seeds.runs) == 8


@pytest.mark.parametrize(("metric", "less", "unit"), [("mpjpe", 0, "MPJPE [mm]"), ("mpjve", 3, "MPJVE [mm/frame]")])
def test_tables_1_and_2(one_seed: Comparison, metric: str, less: int, unit: str) -> None:
    table = compare_arms(one_seed, metric)
    assert list(table.columns) == ["Action", f"Original, {unit}", f"Action-based, {unit}", "Change [%]"]
    original, own = [50 - less, 60 - less, 70 - less], [40 - less, 40 - less, 40 - less]
    assert table.Action.tolist() == [*ACTIONS, MEAN]
    assert table[f"Original, {unit}"].tolist() == [*original, 60 - less]
    assert table[f"Action-based, {unit}"].tolist() == [*own, 40 - less]
    changes = [100 * (b - a) / a for a, b in zip([*original, 60 - less], [*own, 40 - less], strict=True)]
    assert table["Change [%]"].tolist() == pytest.approx(changes)


def test_the_paper_s_own_change_follows_from_its_numbers() -> None:
    assert QUOTED["Change [%]"].round(1).tolist() == [-7.6, 0.5, -4.1, -8.9, -29.9, 13.8, 14.3]


def test_the_paper_s_figures_are_quoted_as_printed() -> None:
    assert QUOTED.drop(columns="Change [%]").to_numpy().tolist() == [
        ["1", "unit epoch", "Eating, MPJPE [mm]", "56.34", "52.07"],
        ["1", "unit epoch", "Sitting, MPJPE [mm]", "70.49", "70.86"],
        ["2", "unit epoch", "Eating, MPJVE [mm/frame]", "3.14", "3.01"],
        ["2", "unit epoch", "Sitting, MPJVE [mm/frame]", "3.14", "2.86"],
        ["3", "80 epochs", "Eating, time [s]", "81173", "56921"],
        ["3", "80 epochs", "Eating, MPJPE [mm]", "43.30", "49.27"],
        ["3", "80 epochs", "Eating, MPJVE [mm/frame]", "2.24", "2.56"],
    ]


def test_runs_of_a_seed_that_another_model_lacks_are_left_out(two_seeds: Comparison, tiny_data: PoseDataset) -> None:
    (two_seeds.action_based["Eating"][1].folder / "finished.json").unlink()
    found = collect_runs(plan(tiny_data, seeds="0,1"), tiny_data)
    assert {run.config.seed for run in found.runs} == {0}
    assert [(config.action, config.seed) for config in found.missing] == [("Eating", 1)]
    assert {run.config.seed for run in found.left_out} == {1}
    assert len(found.runs) + len(found.missing) + len(found.left_out) == 8


def test_two_seeds_are_averaged(two_seeds: Comparison) -> None:
    table = compare_arms(two_seeds, "mpjpe").set_index("Action")
    assert table["Original, MPJPE [mm]"].tolist() == [52, 62, 72, 62]  # seed 1 errs by 4 mm more
    assert table["Action-based, MPJPE [mm]"].tolist() == [42, 42, 42, 42]
    rows = table_3(two_seeds).set_index("Action")
    assert rows["Original, time [s]"].tolist() == [308, 308, 308]
    assert rows["Action-based, time [s]"].tolist() == [108, 208, 308]
    assert transfer(two_seeds).loc["Eating"].tolist() == [42, 162, 172]
    assert all_metrics(two_seeds)["MPJPE [mm]"].tolist()[0] == 62


def test_table_3(one_seed: Comparison) -> None:
    table = table_3(one_seed).set_index("Action")
    assert table["Original, time [s]"].tolist() == [307, 307, 307]
    assert table["Action-based, time [s]"].tolist() == [107, 207, 307]
    assert table["Original, windows [M]"].tolist() == [3, 3, 3]
    assert table["Action-based, windows [M]"].tolist() == [2.5, 2.5, 2.5]
    assert table["Original, training [s/M windows]"].tolist() == pytest.approx([100, 100, 100])
    assert table["Action-based, training [s/M windows]"].tolist() == pytest.approx([40, 80, 120])
    assert table["Original, MPJPE [mm]"].tolist() == [50, 60, 70]
    assert table["Action-based, MPJPE [mm]"].tolist() == [40, 40, 40]
    assert table["Original, MPJVE [mm/frame]"].tolist() == [47, 57, 67]
    assert table["Action-based, MPJVE [mm/frame]"].tolist() == [37, 37, 37]


def test_all_metrics_action_wise_and_frame_wise(one_seed: Comparison) -> None:
    table = all_metrics(one_seed)
    assert table[["Arm", "Mean"]].values.tolist() == [
        ["Original", "action-wise"],
        ["Original", "frame-wise"],
        ["Action-based", "action-wise"],
        ["Action-based", "frame-wise"],
    ]
    frame_wise = (100 * 50 + 300 * 60 + 400 * 70) / 800
    columns = ["MPJPE [mm]", "P-MPJPE [mm]", "N-MPJPE [mm]", "MPJVE [mm/frame]"]
    assert list(table.columns[2:]) == columns
    for less, column in enumerate(columns):
        assert table[column].tolist() == pytest.approx([60 - less, frame_wise - less, 40 - less, 40 - less])


def test_all_metrics_without_weights_of_other_actions(one_seed: Comparison) -> None:
    some = Comparison(one_seed.original, {a: one_seed.action_based[a] for a in ("Eating", "Walking")}, [], [])
    table = all_metrics(some)
    assert table["MPJPE [mm]"].tolist() == pytest.approx([60, (100 * 50 + 400 * 70) / 500, 40, 40])


def test_transfer_has_every_model_on_every_action(one_seed: Comparison) -> None:
    matrix = transfer(one_seed)
    assert matrix.index.tolist() == ["All", *ACTIONS]
    assert matrix.columns.tolist() == list(ACTIONS)
    assert matrix.values.tolist() == [[50, 60, 70], [40, 160, 170], [150, 40, 170], [150, 160, 40]]
    assert transfer(one_seed, "mpjve").loc["All"].tolist() == [47, 57, 67]


def test_missing_runs_are_listed(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data, "0,1")
    for config in configs:
        if (config.action, config.seed) not in {("Sitting", 0), ("Sitting", 1), ("Walking", 1)}:
            write_run(config, tiny_data)
    comparison = collect_runs(configs, tiny_data)
    missing = [(config.action, config.seed) for config in comparison.missing]
    assert missing == [("Sitting", 0), ("Sitting", 1), ("Walking", 1)]
    assert (comparison.complete, comparison.usable) == (False, True)
    assert list(comparison.action_based) == ["Eating", "Walking"]
    assert compare_arms(comparison, "mpjpe").Action.tolist() == ["Eating", "Walking", MEAN]


def test_a_run_without_its_last_file_is_missing(tiny_data: PoseDataset) -> None:
    for config in plan(tiny_data):
        folder = write_run(config, tiny_data)
        if config.action == "Sitting":
            (folder / "finished.json").unlink()
    comparison = collect_runs(plan(tiny_data), tiny_data)
    assert [config.action for config in comparison.missing] == ["Sitting"]


def test_without_the_baseline_there_is_nothing_to_compare(tiny_data: PoseDataset) -> None:
    for config in plan(tiny_data)[1:]:
        write_run(config, tiny_data)
    comparison = collect_runs(plan(tiny_data), tiny_data)
    assert not comparison.usable
    assert [config.action for config in comparison.missing] == ["All"]


def test_runs_on_another_dataset_are_not_found(one_seed: Comparison, tiny_data: PoseDataset) -> None:
    other = dataclasses.replace(tiny_data, notes=("one word different",))
    comparison = collect_runs(plan(other), other)
    assert comparison.runs == []
    assert len(comparison.missing) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"unit_epochs": 2},
        {"channels": 17},
        {"dropout": 0.1},
        {"keypoints": "gt"},
        {"seeds": "1"},
        {"filter_widths": "3,3"},
        {"batch_size": 65},
        {"causal": True},
        {"evaluate_at": "0.5"},
        {"lr": 0.01},
    ],
    ids=str,
)
def test_runs_of_another_config_are_not_found(one_seed: Comparison, tiny_data: PoseDataset, change: dict) -> None:
    comparison = collect_runs(plan(tiny_data, **change), tiny_data)
    assert comparison.runs == []


@pytest.mark.parametrize(
    "change", [{"budget": "fifteen"}, {"lr_decay_per": "unit_epoch"}, {"bn_decay_per": "unit_epoch"}], ids=str
)
def test_what_cannot_change_the_baseline_leaves_it_found(
    one_seed: Comparison, tiny_data: PoseDataset, change: dict
) -> None:
    comparison = collect_runs(plan(tiny_data, **change), tiny_data)
    assert len(comparison.original) == 1
    assert comparison.action_based == {}


def test_the_caption_says_what_was_run(one_seed: Comparison, two_seeds: Comparison, tiny_data: PoseDataset) -> None:
    caption = describe(one_seed, tiny_data)
    assert caption.startswith("SYNTHETIC data, nobody was filmed: synthetic-tiny, 2D keypoints 'simulated'")
    for part in ("27 frames, 16 channels", "1 unit epoch,", "4 runs, seed 0,", "An Abacus, CPU", "S9, S11"):
        assert part in caption
    assert "8 runs, seed 0, 1," in describe(two_seeds, tiny_data)
    assert "16 channels, 1 unit epoch" in caption
    rounded = plan(tiny_data, precision="bfloat16")
    for config in rounded:
        write_run(config, tiny_data)
    assert "16 channels, bfloat16, 1 unit epoch" in describe(collect_runs(rounded, tiny_data), tiny_data)
    real = dataclasses.replace(tiny_data, synthetic=False, name="h36m")
    assert "SYNTHETIC" not in describe(one_seed, real)
    assert describe(one_seed, real).startswith("Data: h36m")


def test_the_caption_says_which_schedules_and_which_machines(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data, lr_decay_per="unit_epoch", budget="fifteen")
    for number, config in enumerate(configs):
        write_run(config, tiny_data, device="CPU" if number else "A GPU")
    caption = describe(collect_runs(configs, tiny_data), tiny_data)
    assert "budget fifteen, learning rate per unit_epoch, batch norm per epoch" in caption
    assert "on An Abacus, A GPU; An Abacus, CPU." in caption


def test_latex_holds_the_same_table_in_full_as_plain_text(one_seed: Comparison, tmp_path: Path) -> None:
    table = compare_arms(one_seed, "mpjpe")
    save_table(table, tmp_path / "table", "5 % of synthetic_data & more.")
    lines = (tmp_path / "table.tex").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == [r"\begin{table}", r"\centering", r"\caption{5 \% of synthetic\_data \& more.}"]
    assert lines[3].replace(" ", "") == r"\begin{tabular}{lrrr}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert lines[-2:] == [r"\end{tabular}", r"\end{table}"]
    cells = [[cell.strip() for cell in line.removesuffix(r"\\").split("&")] for line in lines if line.endswith(r"\\")]
    assert cells[0] == [name.replace("%", r"\%") for name in table.columns]
    shown = [[cell.strip() for cell in row.strip("|").split("|")] for row in to_markdown(table).splitlines()[2:]]
    assert cells[1:] == shown


def test_markdown_and_csv_hold_the_same_table(one_seed: Comparison, tmp_path: Path) -> None:
    for table in (compare_arms(one_seed, "mpjpe"), table_3(one_seed), all_metrics(one_seed), QUOTED):
        save_table(table, tmp_path / "folder" / "table", "What it is.")
        with (tmp_path / "folder" / "table.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        assert head == list(table.columns)
        for row, values in zip(rows, table.itertuples(index=False), strict=True):
            assert [type(value)(cell) for cell, value in zip(row, values, strict=True)] == list(values)
        text = (tmp_path / "folder" / "table.md").read_text(encoding="utf-8")
        assert text == f"{to_markdown(table)}\n\nWhat it is.\n"
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[: len(table) + 2]]
        assert lines[0] == list(table.columns)
        for line, row in zip(lines[2:], table.itertuples(index=False), strict=True):
            for cell, value in zip(line, row, strict=True):
                assert cell == value if isinstance(value, str) else abs(float(cell) - value) <= 0.05


def test_markdown_is_for_reading() -> None:
    table = pd.DataFrame(
        {
            "Action": ["Eating", "Sitting"],
            "Frames": [1559752, 12],
            "Error [mm]": [43.305, float("nan")],
            "Change [%]": [12.34, -0.96],
        }
    )
    lines = to_markdown(table).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2] == ["Eating", "1,559,752", f"{43.305:.2f}", "+12.3"]
    assert cells[3] == ["Sitting", "12", "", "-1.0"]
    assert lines[1].startswith("|:-")
    assert lines[1].count("-:|") == 3
    assert table.columns.tolist() == ["Action", "Frames", "Error [mm]", "Change [%]"]
    assert table.Frames.tolist() == [1559752, 12], "the table itself is not changed"


def test_results_of_other_data_or_settings_have_a_folder_of_their_own(tiny_data: PoseDataset, outputs: Path) -> None:
    name = f"synthetic-tiny-{tiny_data.fingerprint[:6]}-simulated-3x3x3-16c-64b"
    folder = results_dir(tiny_data, results_config())
    assert folder == outputs / "results" / name
    changes = ({"channels": 17}, {"filter_widths": "3,3"}, {"keypoints": "gt"}, {"batch_size": 32}, {"seeds": "0,1"})
    more = (
        {"actions": "Eating"},
        {"lr_decay_per": "unit_epoch"},
        {"unit_epochs": 2},
        {"dropout": 0.5},
        {"budget": "fifteen"},
    )
    others = [results_dir(tiny_data, results_config(**change)) for change in (*changes, *more)]
    assert len({folder, *others}) == 1 + len(others)
    assert results_dir(tiny_data, results_config(jobs=3)) == folder


def results_config(**changes: object) -> ResultsConfig:
    return make_config(ResultsConfig, {"scale": "tiny", "preset": "tiny", "device": "cpu", **changes})


def test_what_the_notebook_says_of_a_comparison(
    one_seed: Comparison, tiny_data: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(report, "say", said.append)
    monkeypatch.setattr(report, "display", lambda figure: said.append(type(figure).__name__))
    report.say_missing(one_seed)
    report.show_comparison(one_seed, tiny_data, "mpjpe", 1, tmp_path)
    report.show_means(one_seed, tiny_data, tmp_path)
    report.show_learning(one_seed, tiny_data, ("Eating", "Posing"), tmp_path)
    report.show_transfer(one_seed, tiny_data, tmp_path)
    report.show_table_3(one_seed, tiny_data, results_config(), tmp_path)
    assert said[0] == "All 4 planned runs are finished."
    sentences = " ".join(said)
    assert "lower MPJPE on 3 of 3 actions" in sentences
    assert "their mean is 33.3 % below the original's (40.00 against 60.00)" in sentences
    assert "One seed each" in sentences
    own, other, baseline = 40, (160 + 170 + 150 + 170 + 150 + 160) / 6, 60
    assert f"errs by {own:.1f} mm on average; on the others by {other:.1f} mm" in sentences
    assert f"The original errs by {baseline:.1f} mm" in sentences
    assert sentences.count("SYNTHETIC") == 3
    assert sentences.count("Figure") == 3
    assert {path.name for path in tmp_path.iterdir() if path.suffix in (".csv", ".md")} == {
        f"{name}.{kind}" for name in ("table_1", "all_metrics", "table_3") for kind in ("csv", "md")
    }
    assert (tmp_path / "table_1.md").read_text(encoding="utf-8").splitlines()[-1].startswith("Table 1. SYNTHETIC")


def test_what_the_notebook_says_before_there_are_runs(
    tiny_data: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(report, "say", said.append)
    nothing = collect_runs(plan(tiny_data), tiny_data)
    (tmp_path / "table_1.csv").write_text("an older comparison")
    report.say_missing(nothing)
    report.show_comparison(nothing, tiny_data, "mpjpe", 1, tmp_path)
    report.show_means(nothing, tiny_data, tmp_path)
    report.show_learning(nothing, tiny_data, ACTIONS, tmp_path)
    report.show_transfer(nothing, tiny_data, tmp_path)
    report.show_table_3(nothing, tiny_data, results_config(long_preset="paper_243"), tmp_path)
    assert said[0].startswith("**4 of 4 planned runs are not finished**: All (seed 0), Eating (seed 0), ")
    assert "03_action_based" in said[0]
    assert "Table 1 needs the baseline" in said[1]
    assert "`pose3d sweep -p unit_epochs 80 -p preset paper_243`" in said[2]
    assert len(said) == 3
    assert not (tmp_path / "table_1.csv").exists()
    assert (tmp_path / "table_3.md").read_text(encoding="utf-8").startswith("Table 3 compares long runs of 80")


def test_long_runs_differ_in_their_length_alone_unless_a_preset_is_given(tiny_data: PoseDataset) -> None:
    config = results_config(actions="Eating")
    for short, long in zip(config.plan(tiny_data), config.long_plan(tiny_data), strict=True):
        assert long == short.model_copy(update={"unit_epochs": 80})
    baseline, own = results_config(actions="Eating", long_preset="paper_243").long_plan(tiny_data)
    assert (baseline.action, own.action) == ("All", "Eating")
    assert (own.receptive_field, own.channels, own.unit_epochs, own.scale) == (243, 1024, 80, "tiny")
