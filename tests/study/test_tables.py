"""The paper's tables from run folders written by hand: every number against arithmetic done here."""

import csv
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.tables import remove_table, save_table, to_latex, to_markdown
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.study.comparison import Comparison, collect_runs
from pose3d_lib.study.config import plan_study, unique_runs
from pose3d_lib.study.results import collect_study
from pose3d_lib.study.statistics import Cell, compare, interval, resample_pooled
from pose3d_lib.study.tables import (
    MEAN,
    QUOTED,
    all_metrics,
    compare_arms,
    consumed,
    on_the_way,
    pair_cells,
    quote,
    study_table,
    summarise,
    table_3,
    transfer,
)
from pose3d_lib.training.config import RunConfig
from tests.helpers.run_folders import (
    ACTIONS,
    FRAMES,
    TAKES,
    error_of,
    error_on_the_way,
    make_study,
    write_run,
    write_runs,
)

TOLERANCE = 1e-9


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def make_comparison(data: PoseDataset, *, repeats: int = 1, **changes: object) -> Comparison:
    """Both arms under the only condition of a study, finished."""
    (runs,) = plan_study(make_study(**changes), data).values()
    write_runs(runs, data, repeats=repeats)
    return collect_runs(runs, data)


@pytest.fixture
def one_seed(tiny_data: PoseDataset) -> Comparison:
    return make_comparison(tiny_data)


@pytest.fixture
def five_seeds(tiny_data: PoseDataset) -> Comparison:
    """With eight takes of every action."""
    return make_comparison(tiny_data, seeds="0,1,2,3,4", repeats=2)


# Tables 1 and 2


@pytest.mark.parametrize(("metric", "less", "name"), [("mpjpe", 0, "MPJPE [mm]"), ("mpjve", 3, "MPJVE [mm/frame]")])
def test_tables_1_and_2(one_seed: Comparison, metric: str, less: int, name: str) -> None:
    table = compare_arms(one_seed, metric)
    original, own = [50 - less, 60 - less, 70 - less], [40 - less, 40 - less, 40 - less]
    assert table.Action.tolist() == [*ACTIONS, MEAN]
    assert set(table.Metric) == {name}
    assert table["Original, mean"].tolist() == pytest.approx([*original, 60 - less])
    assert table["Action-based, mean"].tolist() == pytest.approx([*own, 40 - less])
    changes = [100 * (b - a) / a for a, b in zip([*original, 60 - less], [*own, 40 - less], strict=True)]
    assert table["Change [%]"].tolist() == pytest.approx(changes)


def test_seeds_are_averaged_with_their_standard_deviation(tiny_data: PoseDataset) -> None:
    table = compare_arms(make_comparison(tiny_data, seeds="0,1,5"), "mpjpe").set_index("Action")
    assert table["Original, mean"].tolist() == pytest.approx([58, 68, 78, 68])  # seeds add 0, 4 and 20 mm
    assert table["Action-based, mean"].tolist() == pytest.approx([48, 48, 48, 48])
    sd = (((0 - 8) ** 2 + (4 - 8) ** 2 + (20 - 8) ** 2) / 2) ** 0.5
    for arm in (ORIGINAL, ACTION_BASED):
        assert table[f"{arm}, sd"].tolist() == pytest.approx([sd] * 4)
        assert table[f"{arm}, runs"].tolist() == [3] * 4


def test_of_one_seed_nothing_is_known_but_its_errors(one_seed: Comparison) -> None:
    table = compare_arms(one_seed, "mpjpe")
    for arm in (ORIGINAL, ACTION_BASED):
        assert table[[f"{arm}, sd", f"{arm}, low", f"{arm}, high"]].isna().all(axis=None)
        assert table[f"{arm}, runs"].tolist() == [1] * 4
    assert table[["Change, low [%]", "Change, high [%]"]].isna().all(axis=None)
    assert table[["p", "p (Holm)", "Smallest p"]].to_numpy().tolist() == [[1, 1, 1]] * 4
    assert set(table.Verdict) == {"not decidable"}
    assert table.Reason.str.contains("no interval").all()


def p_of_runs(first: list[float], second: list[float]) -> float:
    """How many of all ways to deal the errors to two arms differ as much."""
    values, numbers = np.array([*first, *second]), range(len(first) + len(second))
    ways = [set(chosen) for chosen in combinations(numbers, len(first))]
    means = [(values[list(way)].mean(), values[[n for n in numbers if n not in way]].mean()) for way in ways]
    differences = np.abs([one - other for one, other in means])
    return float((differences >= differences[0] - TOLERANCE).mean())


def test_p_is_the_larger_of_that_over_the_runs_and_that_over_the_takes(five_seeds: Comparison) -> None:
    table = compare_arms(five_seeds, "mpjpe").set_index("Action")
    seeds = [0, 4, 8, 12, 16]
    expected = {
        action: max(
            p_of_runs([50 + 10 * place + seed for seed in seeds], [40 + seed for seed in seeds]),
            2 / 2**8,  # the model of its own action is better on every one of eight takes
        )
        for place, action in enumerate(ACTIONS)
    }
    assert table.p[list(ACTIONS)].to_dict() == pytest.approx(expected)
    assert expected["Eating"] > expected["Sitting"] == expected["Walking"] == 2 / 252
    assert table["Smallest p"].tolist() == pytest.approx([2 / 252] * 4)
    holm = np.maximum.accumulate([3 * expected["Walking"], 2 * expected["Sitting"], expected["Eating"]])
    assert table["p (Holm)"][["Walking", "Sitting", "Eating"]].tolist() == pytest.approx(holm)
    assert table["Needed p"].tolist() == pytest.approx([0.05 / 3] * 3 + [0.05])
    mean = p_of_runs([60 + seed for seed in seeds], [40 + seed for seed in seeds])
    assert table.p[MEAN] == table["p (Holm)"][MEAN] == pytest.approx(mean), "no correction, as it is one comparison"


def test_a_verdict_needs_runs_enough_and_a_p_that_is_small_after_holm_s_correction(
    five_seeds: Comparison, tiny_data: PoseDataset
) -> None:
    table = compare_arms(five_seeds, "mpjpe").set_index("Action")
    assert table.Verdict.to_dict() == {
        "Eating": "not decidable",
        "Sitting": "lower",
        "Walking": "lower",
        MEAN: "lower",
    }
    assert table.Reason[["Sitting", "Walking", MEAN]].tolist() == [""] * 3
    assert "above 0.05" in table.Reason["Eating"]
    few = compare_arms(make_comparison(tiny_data, seeds="0,1"), "mpjpe")
    assert set(few.Verdict) == {"not decidable"}
    assert few["Smallest p"].tolist() == pytest.approx([2 / 6] * 4)  # 6 ways to deal four runs to two arms
    assert few.Reason.str.contains("0.33").all()


def test_higher_errors_are_higher(tiny_data: PoseDataset) -> None:
    comparison = make_comparison(tiny_data, seeds="0,1,2,3,4", repeats=2)
    swapped = Comparison(comparison.action_based["Walking"], {"Walking": comparison.original}, [])
    assert compare_arms(swapped, "mpjpe").Verdict.tolist() == ["higher", "higher"]


def test_changes_and_intervals_are_those_of_the_bootstrap_over_runs_and_takes(five_seeds: Comparison) -> None:
    pairs = pair_cells(five_seeds, "mpjpe")
    table = compare_arms(five_seeds, "mpjpe").set_index("Action")
    for action, group in {**{action: [pair] for action, pair in pairs.items()}, MEAN: list(pairs.values())}.items():
        row, effect = table.loc[action], compare(group)
        assert row[["Change [%]", "Change, low [%]", "Change, high [%]", "p", "Smallest p"]].tolist() == [
            effect.value,
            effect.low,
            effect.high,
            effect.p,
            effect.smallest_p,
        ]
        assert effect.low < row["Change [%]"] < effect.high
        for place, arm in enumerate((ORIGINAL, ACTION_BASED)):
            own = [pair[place] for pair in group]
            assert row[[f"{arm}, low", f"{arm}, high"]].tolist() == list(interval(resample_pooled([own])[0]))
            assert row[f"{arm}, low"] < row[f"{arm}, mean"] < row[f"{arm}, high"]
    pd.testing.assert_frame_equal(compare_arms(five_seeds, "mpjpe").set_index("Action"), table)


def test_the_cells_of_both_arms_share_their_takes_and_those_of_the_original_its_runs(five_seeds: Comparison) -> None:
    for action, (original, own) in pair_cells(five_seeds, "mpjve").items():
        assert (original.runs, own.runs) == ("Original", f"Action-based, {action}")
        assert original.takes == own.takes == action
        assert original.errors.shape == own.errors.shape == (5, 8)
        harder = np.repeat(np.array(list(TAKES.values()))[:, 1], 2)
        np.testing.assert_allclose(original.errors[2] - original.per_run[2], harder)
        np.testing.assert_allclose(own.errors[2] - own.per_run[2], harder / 2)


def test_actions_may_differ_in_their_number_of_seeds(tiny_data: PoseDataset) -> None:
    comparison = make_comparison(tiny_data, seeds="0,1", more_seeds="2,3", focus="Eating")
    table = compare_arms(comparison, "mpjpe").set_index("Action")
    assert table["Original, runs"].tolist() == [4, 4, 4, 4]
    assert table["Action-based, runs"].tolist() == [4, 2, 2, 2]
    assert table["Action-based, mean"].tolist() == pytest.approx([46, 42, 42, (46 + 42 + 42) / 3])
    assert table["Action-based, sd"][MEAN] == pytest.approx(np.std([0, 4], ddof=1)), "of the runs that all have"


def test_actions_whose_models_are_missing_have_no_row(tiny_data: PoseDataset) -> None:
    configs = unique_runs(plan_study(make_study(), tiny_data))
    write_runs([config for config in configs if config.action != "Sitting"], tiny_data)
    assert compare_arms(collect_runs(configs, tiny_data), "mpjpe").Action.tolist() == ["Eating", "Walking", MEAN]


def test_the_mean_of_several_cells_is_the_plain_mean_of_the_actions() -> None:
    cells = [
        Cell(np.array([[10.0, 20.0], [30.0, 40.0]]), np.array([1.0, 3.0]), ("S9", "S9"), "one", "a"),
        Cell(np.array([[1.0, 1.0]]), np.array([1.0, 1.0]), ("S9", "S9"), "other", "b"),
    ]
    found = summarise(cells)
    assert found["mean"] == ((17.5 + 37.5) / 2 + 1) / 2
    assert found["runs"] == 1
    assert np.isnan(found["sd"])


# The paper's own figures


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


def test_every_figure_of_the_paper_can_be_asked_for_and_nothing_else() -> None:
    for row in QUOTED.to_dict("records"):
        action, _, what = row["Quantity"].partition(", ")
        for arm in (ORIGINAL, ACTION_BASED):
            assert quote(row["Table"], action, what, arm) == float(row[arm])
    for table, action, what in (
        ("1", "Walking", "MPJPE [mm]"),
        ("1", "Eating", "MPJVE [mm/frame]"),
        ("2", "Eating", "MPJPE [mm]"),
        ("3", "Sitting", "MPJPE [mm]"),
        ("", "Eating", "MPJPE [mm]"),
    ):
        assert np.isnan(quote(table, action, what, ORIGINAL))


def test_the_paper_s_figures_stand_only_beside_the_actions_that_it_shows(one_seed: Comparison) -> None:
    for metric, number, figures in (
        ("mpjpe", "1", [[56.34, 52.07], [70.49, 70.86]]),
        ("mpjve", "2", [[3.14, 3.01], [3.14, 2.86]]),
    ):
        quoted = compare_arms(one_seed, metric, number)[["Original, quoted", "Action-based, quoted"]]
        assert quoted[:2].to_numpy().tolist() == figures
        assert quoted[2:].isna().all(axis=None)
    assert compare_arms(one_seed, "mpjpe")[["Original, quoted", "Action-based, quoted"]].isna().all(axis=None)
    assert compare_arms(one_seed, "p_mpjpe", "1")["Original, quoted"].isna().all()


# Table 3


def test_table_3_has_a_row_per_action_and_arm_and_splits_the_time(tiny_data: PoseDataset) -> None:
    table = table_3(make_comparison(tiny_data, seeds="0,1", lengths=4))
    assert table[["Action", "Arm"]].to_numpy().tolist() == [
        [a, arm] for a in ACTIONS for arm in (ORIGINAL, ACTION_BASED)
    ]
    original, own = (table[table.Arm == arm] for arm in (ORIGINAL, ACTION_BASED))
    assert original["training [s]"].tolist() == [1200.5] * 3
    assert own["training [s]"].tolist() == [400.5, 800.5, 1200.5]
    assert table["evaluation [s]"].tolist() == [7.5] * 6
    assert original["windows [M]"].tolist() == [12] * 3
    assert own["windows [M]"].tolist() == [10] * 3
    assert original["steps"].tolist() == [12_000_000 // 64] * 3
    assert own["training [s/M windows]"].tolist() == pytest.approx([40.05, 80.05, 120.05])
    assert own["training [processor s/M windows]"].tolist() == pytest.approx([20.025, 40.025, 60.025])
    assert original["MPJPE [mm], mean"].tolist() == pytest.approx([52, 62, 72])
    assert own["MPJPE [mm], mean"].tolist() == pytest.approx([42] * 3)
    assert own["MPJVE [mm/frame], mean"].tolist() == pytest.approx([39] * 3)
    assert table["MPJPE [mm], sd"].tolist() == pytest.approx([8**0.5] * 6)
    assert (table["MPJPE [mm], low"] < table["MPJPE [mm], mean"]).all()
    assert table.runs.tolist() == [2] * 6


def test_table_3_quotes_the_paper_for_eating_alone(one_seed: Comparison) -> None:
    table = table_3(one_seed)
    quoted = table[["time, quoted [s]", "MPJPE [mm], quoted", "MPJVE [mm/frame], quoted"]]
    assert quoted[:2].to_numpy().tolist() == [[81173, 43.30, 2.24], [56921, 49.27, 2.56]]
    assert quoted[2:].isna().all(axis=None)


def test_what_runs_took_is_their_mean_and_speed_is_all_time_over_all_windows(tiny_data: PoseDataset) -> None:
    runs = make_comparison(tiny_data, lengths="1").action_based
    found = consumed([runs["Eating"][0], runs["Sitting"][0]])
    assert found["training [s]"] == 150
    assert found["windows [M]"] == 2.5
    assert found["training [s/M windows]"] == pytest.approx(300 / 5)
    assert found["training [processor s/M windows]"] == pytest.approx(150 / 5)


# On the way


def long_runs(data: PoseDataset, **changes: object) -> Comparison:
    return make_comparison(data, **{"seeds": "0,1", "lengths": 16, "evaluate_at": "0.5,1,2,4,8", **changes})


def test_long_runs_are_compared_at_tests_on_the_way_and_at_the_end(tiny_data: PoseDataset) -> None:
    comparison = long_runs(tiny_data)
    table = on_the_way(comparison, [1, 2, 4])
    assert table["Unit epochs"].tolist() == pytest.approx([1, 2, 4, 16], abs=1e-4)
    assert table["Windows seen [M]"].tolist() == pytest.approx([3, 6, 12, 48], abs=1e-4)
    for arm, end in ((ORIGINAL, 62), (ACTION_BASED, 42)):
        expected = [end + 100, end + 50, end + 12.5, end]
        assert table[f"{arm}, MPJPE [mm]"].tolist() == pytest.approx(expected)
    changes = [100 * (own / original - 1) for original, own in ((162, 142), (112, 92), (74.5, 54.5), (62, 42))]
    assert table["Change [%]"].tolist() == pytest.approx(changes)
    late = [(point * 3_000_000 + 64) // 64 for point in (1, 2, 4)]
    assert table["Original, steps"].tolist() == [*late, 48_000_000 // 64]
    assert table["Action-based, steps"].tolist() == [*late, 40_000_000 // 64]


def test_where_not_every_run_was_tested_there_is_no_row(tiny_data: PoseDataset) -> None:
    comparison = long_runs(tiny_data)
    assert on_the_way(comparison, [0.25, 0.75, 1, 3, 8, 12])["Unit epochs"].round(2).tolist() == [1, 8, 16]
    run = comparison.action_based["Sitting"][1]
    lines = (run.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    kept = [row for row in rows if not (row["test_actions"] and abs(row["unit_epochs"] - 2) < 0.01)]
    (run.folder / "history.jsonl").write_text("\n".join(map(json.dumps, kept)), encoding="utf-8")
    again = Comparison(
        comparison.original,
        {**comparison.action_based, "Sitting": [comparison.action_based["Sitting"][0], type(run)(run.folder)]},
        [],
    )
    assert on_the_way(again, [1, 2, 4])["Unit epochs"].round(2).tolist() == [1, 4, 16]


def test_runs_without_tests_on_the_way_have_their_end(tiny_data: PoseDataset) -> None:
    table = on_the_way(long_runs(tiny_data, evaluate_at=""), [1, 2, 4, 8])
    assert table["Unit epochs"].tolist() == [16]
    assert table["Original, MPJPE [mm]"].tolist() == [62]


def test_the_error_on_the_way_is_on_the_action_and_not_on_all_that_were_tested(tiny_data: PoseDataset) -> None:
    comparison = long_runs(tiny_data, actions="Walking", seeds="0")
    table = on_the_way(comparison, [1])
    baseline = comparison.original[0].config
    assert table["Original, MPJPE [mm]"].tolist() == [error_on_the_way(baseline, "Walking", 1), 70]


# All metrics, transfer, and what there is


def test_all_metrics_action_wise_and_frame_wise(one_seed: Comparison) -> None:
    table = all_metrics(one_seed)
    assert table[["Arm", "Mean"]].to_numpy().tolist() == [
        [arm, mean] for arm in (ORIGINAL, ACTION_BASED) for mean in ("action-wise", "frame-wise")
    ]
    frame_wise = (100 * 50 + 300 * 60 + 400 * 70) / 800
    columns = ["MPJPE [mm]", "P-MPJPE [mm]", "N-MPJPE [mm]", "MPJVE [mm/frame]"]
    assert list(table.columns[2:]) == columns
    for less, column in enumerate(columns):
        assert table[column].tolist() == pytest.approx([60 - less, frame_wise - less, 40 - less, 40 - less])


def test_all_metrics_without_weights_of_other_actions(one_seed: Comparison) -> None:
    some = Comparison(one_seed.original, {a: one_seed.action_based[a] for a in ("Eating", "Walking")}, [])
    frame_wise = (FRAMES["Eating"] * 50 + FRAMES["Walking"] * 70) / (FRAMES["Eating"] + FRAMES["Walking"])
    assert all_metrics(some)["MPJPE [mm]"].tolist() == pytest.approx([60, frame_wise, 40, 40])


def test_transfer_has_every_model_on_every_action(one_seed: Comparison, tiny_data: PoseDataset) -> None:
    matrix = transfer(one_seed)
    assert matrix.index.tolist() == ["All", *ACTIONS]
    assert matrix.columns.tolist() == list(ACTIONS)
    assert matrix.to_numpy().tolist() == [[50, 60, 70], [40, 160, 170], [150, 40, 170], [150, 160, 40]]
    assert transfer(one_seed, "mpjve").loc["All"].tolist() == [47, 57, 67]
    assert transfer(make_comparison(tiny_data, seeds="0,1")).loc["Eating"].tolist() == [42, 162, 172]


def test_the_study_s_table_says_how_much_of_every_comparison_is_finished(tiny_data: PoseDataset) -> None:
    config = make_study(seeds="0,1", more_seeds="2", confounds=True, architectures="3x3x3x3x3")
    plan = plan_study(config, tiny_data)
    left = [
        run for run in unique_runs(plan) if run.schedule == "bn_unit_epoch" or (run.action, run.seed) == ("Walking", 1)
    ]
    write_runs([run for run in unique_runs(plan) if run not in left], tiny_data)
    table = study_table(collect_study(config, tiny_data).comparisons)
    assert table.Schedule.tolist() == ["epoch", "unit_epoch", "lr_unit_epoch", "bn_unit_epoch", "epoch"]
    assert table.Budget.tolist() == ["equal_frames"] * 4 + ["fifteen"]
    assert set(table["Unit epochs"]) == {"1"}
    assert set(table.Frames) == {243}
    assert table.Runs.tolist() == ["10 of 11", "9 of 9", "9 of 9", "3 of 9", "9 of 9"]
    assert table.Actions.tolist() == [3, 2, 2, 0, 2]
    assert set(table["Seeds, Original"]) == {3}
    assert table["Seeds, Action-based"].tolist() == ["1 to 3", "3", "3", "", "3"]
    assert set(table["Windows [M], Original"]) == {"3.000"}
    assert table["Windows [M], Action-based"].tolist() == ["2.500", "2.500", "2.500", "", "2.500"]
    assert set(table["Steps, Original"]) == {f"{3_000_000 // 64:,}"}


# Files


def test_latex_holds_the_same_table_in_full_as_plain_text(one_seed: Comparison, tmp_path: Path) -> None:
    table = all_metrics(one_seed)
    save_table(table, tmp_path / "table", "5 % of synthetic_data & more.")
    lines = (tmp_path / "table.tex").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == [r"\begin{table}", r"\centering", r"\caption{5 \% of synthetic\_data \& more.}"]
    assert lines[3].replace(" ", "") == r"\begin{tabular}{llrrrr}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert lines[-2:] == [r"\end{tabular}", r"\end{table}"]
    cells = [[cell.strip() for cell in line.removesuffix(r"\\").split("&")] for line in lines if line.endswith(r"\\")]
    assert cells[0] == [name.replace("%", r"\%") for name in table.columns]
    shown = [[cell.strip() for cell in row.strip("|").split("|")] for row in to_markdown(table).splitlines()[2:]]
    assert cells[1:] == shown


def test_latex_says_what_is_special_to_it() -> None:
    text = to_latex(pd.DataFrame({"Change [%]": [1.0], "a_b": ["50 % & #1"]}), "")
    assert r"Change [\%]" in text
    assert r"a\_b" in text
    assert r"50 \% \& \#1" in text


def test_markdown_and_csv_hold_the_same_table(one_seed: Comparison, tmp_path: Path) -> None:
    for table in (all_metrics(one_seed), QUOTED, transfer(one_seed).rename_axis("model").reset_index()):
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


def test_a_table_with_several_numbers_in_a_cell_is_saved_with_every_digit(one_seed: Comparison, tmp_path: Path) -> None:
    table, shown = compare_arms(one_seed, "mpjpe", "1"), pd.DataFrame({"Action": ["Eating"], "Both": ["50, 40"]})
    save_table(table, tmp_path / "table", "What it is.", shown)
    kept = pd.read_csv(tmp_path / "table.csv", keep_default_na=False, na_values={"Original, quoted": ""})
    assert kept["Original, quoted"].tolist()[:2] == [56.34, 70.49]
    assert kept.columns.tolist() == table.columns.tolist()
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == f"{to_markdown(shown)}\n\nWhat it is.\n"
    assert "50, 40" in (tmp_path / "table.tex").read_text(encoding="utf-8")


def test_a_table_that_is_no_more_leaves_why(tmp_path: Path) -> None:
    save_table(pd.DataFrame({"a": [1]}), tmp_path / "results" / "table", "")
    remove_table(tmp_path / "results" / "table", "There are no long runs.")
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["table.md"]
    assert (tmp_path / "results" / "table.md").read_text(encoding="utf-8") == "There are no long runs.\n"
    remove_table(tmp_path / "nothing yet" / "table", "None.")
    assert (tmp_path / "nothing yet" / "table.md").is_file()


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


def test_where_there_is_no_text_nothing_is_shown() -> None:
    table = pd.concat(
        [pd.DataFrame({"Run": ["one"], "Why": ["failed"], "Time [s]": [None]}), pd.DataFrame({"Run": ["two"]})]
    )
    for row, cells in zip(to_markdown(table).splitlines()[2:], (["one", "failed", ""], ["two", "", ""]), strict=True):
        assert [cell.strip() for cell in row.strip("|").split("|")] == cells
    assert "nan" not in to_latex(table, "")


def test_the_run_folders_of_these_tests_hold_together(tiny_data: PoseDataset) -> None:
    run = write_run(RunConfig(action="Sitting", seed=2, channels=16), tiny_data)
    for action in ACTIONS:
        clips = run.clips[run.clips.action == action]
        assert clips.frames.sum() == FRAMES[action] == run.actions.frames[action]
        for metric in METRICS:
            mean = float(np.average(clips[metric], weights=clips.frames))
            assert mean == pytest.approx(run.actions.loc[action, metric]) == error_of(run.config, action, metric)
