"""The paper's tables from run folders written by hand: every number against arithmetic done here; and tables as files."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from pose3d_lib.common.tables import remove_table, save_table, to_latex, to_markdown
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import Comparison, collect_runs
from pose3d_lib.study.config import plan_study
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.statistics import compare, interval, resample_pooled
from pose3d_lib.study.tables import (
    ARMS,
    MEAN,
    QUOTED,
    all_metrics,
    arms_table,
    changes_table,
    consumed,
    errors_during_training,
    pair_arms,
    table_3,
    transfer,
)
from tests.helpers.run_folders import ACTIONS, make_study, write_runs


def some(comparison: Comparison, runs: int, actions: Sequence[str] = ACTIONS) -> Comparison:
    """The first runs of every model, on some of the actions."""
    based = {action: comparison.action_based[action][:runs] for action in actions}
    return Comparison(comparison.original[:runs], based, [])


@pytest.fixture(scope="module")
def one_seed(whole: StudyResults) -> Comparison:
    return some(whole.find(1.0, "epoch"), 1)


@pytest.fixture(scope="module")
def long_runs(whole: StudyResults) -> Comparison:
    return some(whole.find(4.0, "epoch"), 2)


@pytest.fixture(scope="module")
def five_seeds(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """With eight takes of every action."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        (plan,) = plan_study(make_study(seeds="0,1,2,3,4"), tiny_data).values()
        return collect_runs(plan, dict(zip(plan, write_runs(plan, tiny_data, repeats=2), strict=True)))


def tables(comparison: Comparison, metric: str = "mpjpe", number: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both arms, a column for each; and what changes. The index is the action."""
    pairs = pair_arms(comparison, metric)
    arms = arms_table(pairs, metric, number)
    assert arms.arm.tolist() == list(ARMS) * len(pairs)
    return arms.pivot(index="action", columns="arm").reindex(list(pairs)), changes_table(pairs).set_index("action")


# Tables 1 and 2


@pytest.mark.parametrize(("metric", "less"), [("mpjpe", 0), ("mpjve", 3)])
def test_tables_1_and_2(one_seed: Comparison, metric: str, less: int) -> None:
    arms, changes = tables(one_seed, metric)
    original, own = [50 - less, 60 - less, 70 - less, 60 - less], [40 - less] * 4
    assert arms.index.tolist() == changes.index.tolist() == [*ACTIONS, MEAN]
    assert arms["mean"][ORIGINAL].tolist() == pytest.approx(original)
    assert arms["mean"][ACTION_BASED].tolist() == pytest.approx(own)
    expected = [100 * (after - before) / before for before, after in zip(original, own, strict=True)]
    assert changes.change.tolist() == pytest.approx(expected)
    # Of one seed nothing is known but its errors.
    assert arms[["sd", "low", "high"]].isna().all(axis=None)
    assert (arms.runs == 1).all(axis=None)
    assert changes[["low", "high"]].isna().all(axis=None)
    assert (changes[["p", "p_holm", "smallest_p"]] == 1).all(axis=None)
    assert set(changes.verdict) == {"not decidable"}
    assert changes.reason.str.contains("no interval").all()


def test_p_is_the_larger_of_that_over_the_runs_and_that_over_the_takes(five_seeds: Comparison) -> None:
    _, changes = tables(five_seeds)
    # Of 252 ways to deal ten runs to two arms, so many differ as much; all eight takes are better: 2 of 256 ways.
    assert changes.p.tolist() == pytest.approx([14 / 252, 2 / 252, 2 / 252, 2 / 252])
    assert changes.smallest_p.tolist() == pytest.approx([2 / 252] * 4)
    assert changes.p_holm.tolist() == pytest.approx([14 / 252, 6 / 252, 6 / 252, 2 / 252]), (
        "of actions, not of the mean"
    )
    assert changes.needed_p.tolist() == pytest.approx([0.05 / 3] * 3 + [0.05])


def test_a_verdict_needs_runs_enough_and_a_p_that_is_small_after_holm_s_correction(five_seeds: Comparison) -> None:
    _, changes = tables(five_seeds)
    assert changes.verdict.tolist() == ["not decidable", "lower", "lower", "lower"]
    assert changes.reason.tolist()[1:] == [""] * 3
    assert "above 0.05" in changes.reason["Eating"]
    swapped = Comparison(five_seeds.action_based["Walking"], {"Walking": five_seeds.original}, [])
    assert tables(swapped)[1].verdict.tolist() == ["higher", "higher"]
    _, few = tables(some(five_seeds, 2))
    assert set(few.verdict) == {"not decidable"}
    assert few.smallest_p.tolist() == pytest.approx([2 / 6] * 4)  # 6 ways to deal four runs to two arms
    assert few.reason.str.contains("0.33").all()


def test_changes_and_intervals_are_those_of_the_bootstrap_over_runs_and_takes(five_seeds: Comparison) -> None:
    arms, changes = tables(five_seeds)
    for action, group in pair_arms(five_seeds, "mpjpe").items():
        row, effect = changes.loc[action], compare(group)
        expected = [effect.value, effect.low, effect.high, effect.p, effect.smallest_p]
        assert row[["change", "low", "high", "p", "smallest_p"]].tolist() == expected
        assert effect.low < effect.value < effect.high
        for arm, own in zip(ARMS, zip(*group, strict=True), strict=True):
            low, mean, high = (arms.loc[action][name, arm] for name in ("low", "mean", "high"))
            assert (low, high) == interval(resample_pooled([own])[0])
            assert low < mean < high


def test_seeds_are_averaged_and_actions_may_differ_in_their_number(whole: StudyResults) -> None:
    arms, _ = tables(whole.find(1.0, "epoch"))
    assert arms["runs"][ORIGINAL].tolist() == [3, 3, 3, 3]
    assert arms["runs"][ACTION_BASED].tolist() == [3, 3, 2, 2]
    assert arms["mean"][ORIGINAL].tolist() == pytest.approx([54, 64, 74, 64])  # seeds add 0, 4 and 8 mm
    assert arms["mean"][ACTION_BASED].tolist() == pytest.approx([44, 44, 42, (44 + 44 + 42) / 3])
    assert arms["sd"][ORIGINAL].tolist() == pytest.approx([4] * 4)
    assert arms["sd"][ACTION_BASED][MEAN] == pytest.approx(8**0.5), "of the runs that all have"


# The paper's own figures


def test_the_paper_s_figures_are_quoted_as_printed_beside_the_actions_that_it_shows(one_seed: Comparison) -> None:
    assert QUOTED.drop(columns="Change [%]").to_numpy().tolist() == [
        ["1", "unit epoch", "Eating, MPJPE [mm]", "56.34", "52.07"],
        ["1", "unit epoch", "Sitting, MPJPE [mm]", "70.49", "70.86"],
        ["2", "unit epoch", "Eating, MPJVE [mm/frame]", "3.14", "3.01"],
        ["2", "unit epoch", "Sitting, MPJVE [mm/frame]", "3.14", "2.86"],
        ["3", "80 epochs", "Eating, time [s]", "81173", "56921"],
        ["3", "80 epochs", "Eating, MPJPE [mm]", "43.30", "49.27"],
        ["3", "80 epochs", "Eating, MPJVE [mm/frame]", "2.24", "2.56"],
    ]
    assert QUOTED["Change [%]"].round(1).tolist() == [-7.6, 0.5, -4.1, -8.9, -29.9, 13.8, 14.3]
    for metric, number, figures in (
        ("mpjpe", "1", [56.34, 52.07, 70.49, 70.86]),
        ("mpjve", "2", [3.14, 3.01, 3.14, 2.86]),
        ("mpjpe", "", []),
    ):
        quoted = arms_table(pair_arms(one_seed, metric), metric, number).quoted
        assert quoted.dropna().tolist() == quoted[: len(figures)].tolist() == figures


# Table 3


def test_table_3_has_a_row_per_action_and_arm_and_splits_the_time(long_runs: Comparison) -> None:
    table = table_3(long_runs)
    assert table[["action", "arm"]].to_numpy().tolist() == [[a, arm] for a in ACTIONS for arm in ARMS]
    original, own = (table[table.arm == arm] for arm in ARMS)
    assert original.train_s.tolist() == [1200.5] * 3
    assert own.train_s.tolist() == [400.5, 800.5, 1200.5]
    assert table.evaluation_s.tolist() == [7.5] * 6
    assert original.windows_m.tolist() == [12] * 3
    assert own.windows_m.tolist() == [10] * 3
    assert original.steps.tolist() == [12_000_000 // 64] * 3
    assert own.train_s_per_m.tolist() == pytest.approx([40.05, 80.05, 120.05])
    assert own.processor_s_per_m.tolist() == pytest.approx([20.025, 40.025, 60.025])
    assert original.mpjpe_mean.tolist() == pytest.approx([52, 62, 72])
    assert own.mpjpe_mean.tolist() == pytest.approx([42] * 3)
    assert own.mpjve_mean.tolist() == pytest.approx([39] * 3)
    assert table.mpjpe_sd.tolist() == pytest.approx([8**0.5] * 6)
    assert (table.mpjpe_low < table.mpjpe_mean).all()
    assert table.runs.tolist() == [2] * 6
    quoted = table[["quoted_s", "mpjpe_quoted", "mpjve_quoted"]]
    assert quoted[:2].to_numpy().tolist() == [[81173, 43.30, 2.24], [56921, 49.27, 2.56]]
    assert quoted[2:].isna().all(axis=None)


def test_what_runs_took_is_their_mean_and_speed_is_all_time_over_all_windows(one_seed: Comparison) -> None:
    (eating,), (sitting,) = one_seed.action_based["Eating"], one_seed.original
    found = consumed([eating, sitting])
    assert (found["train_s"], found["windows_m"]) == (200, 2.75)
    assert found["train_s_per_m"] == pytest.approx(400 / 5.5)
    assert found["processor_s_per_m"] == pytest.approx(200 / 5.5)


# During training


def test_long_runs_are_compared_at_tests_during_training_and_at_the_end(long_runs: Comparison) -> None:
    table = errors_during_training(long_runs, [0.25, 0.75, 1, 2, 3])
    assert table.arm.tolist() == list(ARMS) * 3
    late = [(point * 3_000_000 + 64) // 64 for point in (1, 2)]
    for arm, end, steps in ((ORIGINAL, 68, 12_000_000 // 64), (ACTION_BASED, 48, 10_000_000 // 64)):
        own = table[table.arm == arm]
        assert own.unit_epochs.tolist() == pytest.approx([1, 2, 4], abs=1e-4), "no row without a test of every run"
        assert own.windows_m.tolist() == pytest.approx([3, 6, 12], abs=1e-4)
        assert own.mpjpe.tolist() == pytest.approx([end + 100, end + 50, end])
        assert own.steps.tolist() == [*late, steps]
    first, run = long_runs.action_based["Walking"]
    lacking = Run(run.folder)
    vars(lacking)["history"] = run.history[~run.history.unit_epochs.between(1.99, 2.01)]
    table = errors_during_training(Comparison(long_runs.original, {"Walking": [first, lacking]}, []), [1, 2])
    assert table.unit_epochs[::2].tolist() == pytest.approx([1, 4], abs=1e-4)
    assert table.mpjpe.tolist() == pytest.approx([178, 148, 78, 48]), "on this action, not on all that were tested"


# All metrics, transfer


def test_all_metrics_action_wise_and_frame_wise(one_seed: Comparison) -> None:
    table = all_metrics(one_seed)
    expected = [[arm, mean] for arm in ARMS for mean in ("action-wise", "frame-wise")]
    assert table[["arm", "mean"]].to_numpy().tolist() == expected
    frame_wise = (100 * 50 + 300 * 60 + 400 * 70) / 800
    for less, metric in enumerate(METRICS):
        assert table[metric].tolist() == pytest.approx([60 - less, frame_wise - less, 40 - less, 40 - less])
    frame_wise = (100 * 50 + 400 * 70) / 500
    fewer = all_metrics(some(one_seed, 1, ["Eating", "Walking"]))
    assert fewer.mpjpe.tolist() == pytest.approx([60, frame_wise, 40, 40])


def test_transfer_has_every_model_on_every_action(one_seed: Comparison, long_runs: Comparison) -> None:
    matrix = transfer(one_seed)
    assert matrix.index.tolist() == ["All", *ACTIONS]
    assert matrix.columns.tolist() == list(ACTIONS)
    assert matrix.to_numpy().tolist() == [[50, 60, 70], [40, 160, 170], [150, 40, 170], [150, 160, 40]]
    assert transfer(long_runs).loc["Eating"].tolist() == [42, 162, 172]


# Files

TABLE = pd.DataFrame(
    {
        "Action": ["Eating", "a_b & 50 %"],
        "Frames": [1559752, 12],
        "Error [mm]": [43.305, float("nan")],
        "Change [%]": [12.34, -0.96],
    }
)


def cells_of(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_table_is_saved_with_every_digit_and_rounded_for_reading(tmp_path: Path) -> None:
    save_table(TABLE, tmp_path / "folder" / "table", "5 % of synthetic_data & more.")
    with (tmp_path / "folder" / "table.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            [*TABLE.columns],
            ["Eating", "1559752", "43.305", "12.34"],
            ["a_b & 50 %", "12", "", "-0.96"],
        ]
    text = (tmp_path / "folder" / "table.md").read_text(encoding="utf-8")
    assert text == f"{to_markdown(TABLE)}\n\n5 % of synthetic_data & more.\n"
    head, line, *rows = to_markdown(TABLE).splitlines()
    assert cells_of([head, *rows]) == [
        [*TABLE.columns],
        ["Eating", "1,559,752", f"{43.305:.2f}", "+12.3"],
        ["a_b & 50 %", "12", "", "-1.0"],
    ]
    assert line.startswith("|:-")
    assert line.count("-:|") == 3
    lines = (tmp_path / "folder" / "table.tex").read_text(encoding="utf-8").splitlines()
    assert r"\caption{5 \% of synthetic\_data \& more.}" in lines
    assert r"Action & Frames & Error [mm] & Change [\%] \\" in lines
    assert r"a\_b \& 50 \% & 12 &  & -1.0 \\" in lines


def test_a_table_that_is_no_more_leaves_why(tmp_path: Path) -> None:
    save_table(pd.DataFrame({"a": [1]}), tmp_path / "results" / "table", "")
    for folder in ("results", "nothing yet"):
        remove_table(tmp_path / folder / "table", "There are no long runs.")
        assert [path.name for path in (tmp_path / folder).iterdir()] == ["table.md"]
        assert (tmp_path / folder / "table.md").read_text(encoding="utf-8") == "There are no long runs.\n"


def test_where_there_is_no_text_nothing_is_shown() -> None:
    table = pd.concat([pd.DataFrame({"Run": ["one"], "Why": ["failed"]}), pd.DataFrame({"Run": ["two"]})])
    assert cells_of(to_markdown(table).splitlines()[2:]) == [["one", "failed"], ["two", ""]]
    assert "nan" not in to_latex(table, "")
