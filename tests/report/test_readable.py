"""Tables for reading: a cell says as much as is known, and no more; the figures quoted stand apart."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report.readable import show_arms, show_change, show_p, show_quoted, show_table_3, show_value
from pose3d_lib.study.comparison import Comparison, collect_runs
from pose3d_lib.study.config import plan_study
from pose3d_lib.study.tables import MEAN, compare_arms, table_3
from tests.helpers.run_folders import ACTIONS, make_study, write_runs

NAN = float("nan")


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def make_comparison(data: PoseDataset, *, repeats: int = 1, **changes: object) -> Comparison:
    (runs,) = plan_study(make_study(**changes), data).values()
    write_runs(runs, data, repeats=repeats)
    return collect_runs(runs, data)


# Cells


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((66.61, 2.27, 53.249, 77.41), "66.6 ± 2.3 [53.2, 77.4]"),
        ((66.61, 2.27), "66.6 ± 2.3"),
        ((66.614, NAN, NAN, NAN), "66.61"),
        ((66.614,), "66.61"),
        ((66.614, NAN, 60.123, 70.456), "66.61 [60.12, 70.46]"),
        ((3.1449, 0.0226, 2.86, 3.421), "3.14 ± 0.02 [2.86, 3.42]"),
        ((-66.61, 2.27), "-66.6 ± 2.3"),
        ((0.0, 0.0), "0.00 ± 0.00"),
    ],
)
def test_a_value_is_shown_as_far_as_it_is_known(numbers, text) -> None:
    assert show_value(*numbers) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((2.46, -15.14, 23.4), "+2.5 [-15.1, +23.4]"), ((-7.58,), "-7.6"), ((-7.58, NAN, NAN), "-7.6"), ((0,), "+0.0")],
)
def test_a_change_has_a_sign(numbers, text) -> None:
    assert show_change(*numbers) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "1.000"), (0.0079, "0.008"), (0.001, "0.001"), (0.00099, "< 0.001"), (0.0, "< 0.001"), (NAN, "")],
)
def test_a_p_has_three_digits_and_is_never_nought(p, text) -> None:
    assert show_p(p) == text


def test_the_paper_s_figures_are_shown_with_their_change() -> None:
    assert show_quoted(56.34, 52.07) == "56.34, 52.07 (-7.6 %)"
    assert show_quoted(3.14, 2.86) == "3.14, 2.86 (-8.9 %)"
    assert show_quoted(81173, 56921) == "81,173.00, 56,921.00 (-29.9 %)"
    assert show_quoted(NAN, 52.07) == show_quoted(56.34, NAN) == ""


# Tables 1 and 2


def test_of_one_seed_the_table_shows_errors_changes_and_that_nothing_is_decided(tiny_data: PoseDataset) -> None:
    shown = show_arms(compare_arms(make_comparison(tiny_data), "mpjpe"))
    assert shown.columns.tolist() == [
        "Action",
        "Original, MPJPE [mm]",
        "Action-based, MPJPE [mm]",
        "Change [%]",
        "Verdict",
    ]
    assert shown.iloc[0].tolist() == ["Eating", "50.00", "40.00", "-20.0", "not decidable"]
    assert shown.iloc[3].tolist() == [MEAN, "60.00", "40.00", "-33.3", "not decidable"]


def test_of_several_seeds_the_table_shows_how_sure_it_is(tiny_data: PoseDataset) -> None:
    table = compare_arms(make_comparison(tiny_data, seeds="0,1,2,3,4", repeats=2), "mpjve")
    shown = show_arms(table)
    assert shown.columns.tolist() == [
        "Action",
        "Original, MPJVE [mm/frame]",
        "Action-based, MPJVE [mm/frame]",
        "Change [%]",
        "Seeds",
        "p (Holm)",
        "Smallest p, needed",
        "Verdict",
    ]
    row, source = shown.iloc[2], table.iloc[2]
    low, high = source["Original, low"], source["Original, high"]
    assert row["Original, MPJVE [mm/frame]"] == f"75.0 ± 6.3 [{low:.1f}, {high:.1f}]"
    change = f"[{source['Change, low [%]']:+.1f}, {source['Change, high [%]']:+.1f}]"
    assert row["Change [%]"] == f"{100 * (45 / 75 - 1):+.1f} {change}"
    assert row["Seeds"] == "5"
    assert row["p (Holm)"] == f"{3 * 2 / 252:.3f}"
    assert row["Smallest p, needed"] == f"{2 / 252:.3f}, {0.05 / 3:.3f}"
    assert row.Verdict == "lower"
    assert shown.iloc[3]["Smallest p, needed"] == f"{2 / 252:.3f}, 0.050"


def test_where_the_arms_differ_in_seeds_both_numbers_are_there(tiny_data: PoseDataset) -> None:
    comparison = make_comparison(tiny_data, seeds="0,1", more_seeds="2", focus="Eating")
    assert show_arms(compare_arms(comparison, "mpjpe")).Seeds.tolist() == ["3", "3, 2", "3, 2", "3, 2"]


def test_one_model_of_a_single_seed_among_others_says_so(tiny_data: PoseDataset) -> None:
    comparison = make_comparison(tiny_data, seeds="0", more_seeds="1", focus="Eating")
    shown = show_arms(compare_arms(comparison, "mpjpe"))
    assert shown.Seeds.tolist() == ["2", "2, 1", "2, 1", "2, 1"]
    assert shown["Action-based, MPJPE [mm]"].tolist()[1:3] == ["40.00", "40.00"]
    assert shown.Verdict.tolist() == ["not decidable"] * 4


def test_the_paper_s_figures_have_a_column_only_where_there_are_some(tiny_data: PoseDataset) -> None:
    comparison = make_comparison(tiny_data)
    quoted = show_arms(compare_arms(comparison, "mpjpe", "1"))["Quoted, Human3.6M"]
    assert quoted.tolist() == ["56.34, 52.07 (-7.6 %)", "70.49, 70.86 (+0.5 %)", "", ""]
    walking = Comparison(comparison.original, {"Walking": comparison.action_based["Walking"]}, [])
    assert "Quoted, Human3.6M" not in show_arms(compare_arms(walking, "mpjpe", "1"))


# Table 3


def test_table_3_for_reading(tiny_data: PoseDataset) -> None:
    table = table_3(make_comparison(tiny_data, lengths=80))
    shown = show_table_3(table)
    assert shown.columns.tolist() == [
        "Action",
        "Arm",
        "training [s]",
        "evaluation [s]",
        "windows [M]",
        "steps",
        "training [processor s/M windows]",
        "MPJPE [mm]",
        "MPJVE [mm/frame]",
        "Quoted, Human3.6M: time, MPJPE, MPJVE",
    ]
    quoted = [["81,173 s, 43.30 mm, 2.24 mm/frame"], ["56,921 s, 49.27 mm, 2.56 mm/frame"], *[[""]] * 4]
    assert shown[["Quoted, Human3.6M: time, MPJPE, MPJVE"]].to_numpy().tolist() == quoted
    assert shown.iloc[0].tolist()[2:-1] == ["24,000", "7.0", "240.00", "3,750,000", "50.0", "50.00", "47.00"]
    assert shown.iloc[3].tolist()[:5] == ["Sitting", "Action-based", "16,000", "7.0", "200.00"]


def test_table_3_without_eating_quotes_nothing(tiny_data: PoseDataset) -> None:
    shown = show_table_3(table_3(make_comparison(tiny_data, actions="Sitting,Walking", seeds="0,1")))
    assert not shown.columns.str.contains("Quoted").any()
    assert shown["MPJPE [mm]"].str.contains("±").all()


@pytest.mark.parametrize("seeds", ["0", "0,1"])
def test_a_shown_table_is_all_text_and_can_be_printed(tiny_data: PoseDataset, seeds: str) -> None:
    comparison = make_comparison(tiny_data, seeds=seeds)
    for shown in (show_arms(compare_arms(comparison, "mpjpe", "1")), show_table_3(table_3(comparison))):
        assert all(isinstance(cell, str) for cell in shown.to_numpy().ravel())
        assert "nan" not in to_markdown(shown)
        assert np.unique(shown.Action).tolist()[0] == ACTIONS[0]
    assert isinstance(shown, pd.DataFrame)
