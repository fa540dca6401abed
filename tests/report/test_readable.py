"""Tables for reading: a cell says as much as is known, and no more; the figures quoted stand apart."""

import pytest

from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report.readable import head_comparison, show_change, show_comparison, show_p, show_table_3, show_value
from pose3d_lib.study.comparison import Comparison, collect_runs, find_runs
from pose3d_lib.study.config import plan_study
from pose3d_lib.study.tables import MEAN, arms_table, changes_table, pair_arms, table_3
from tests.helpers.run_folders import Only, make_study, write_runs

NAN = float("nan")


def make_comparison(data: PoseDataset, *, repeats: int = 1, **changes: object) -> Comparison:
    (runs,) = plan_study(make_study(**changes), data).values()
    write_runs(runs, data, repeats=repeats)
    return collect_runs(runs, find_runs(runs, Only(data))[0])


@pytest.fixture(scope="module")
def single(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """One seed of both arms, after runs of 80 unit epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("single")))
        return make_comparison(tiny_data, lengths=80)


pytestmark = pytest.mark.usefixtures("outputs")


def tables(comparison: Comparison, metric: str = "mpjpe", number: str = "") -> tuple:
    """Those of both arms and of what changes; and how they are shown."""
    pairs = pair_arms(comparison, metric)
    arms, changes = arms_table(pairs, metric, number), changes_table(pairs)
    return arms, changes, show_comparison(head_comparison(arms, changes, metric))


def test_cells_show_as_much_as_is_known_with_signs_and_digits() -> None:
    for numbers, text in (
        ((66.61, 2.27, 53.249, 77.41), "66.6 ± 2.3 [53.2, 77.4]"),
        ((66.61, 2.27), "66.6 ± 2.3"),
        ((66.614, NAN, NAN, NAN), "66.61"),
        ((66.614, NAN, 60.123, 70.456), "66.61 [60.12, 70.46]"),
        ((3.1449, 0.0226, 2.86, 3.421), "3.14 ± 0.02 [2.86, 3.42]"),
        ((NAN, NAN), ""),
    ):
        assert show_value(*numbers) == text
    assert show_change(2.46, -15.14, 23.4) == "+2.5 [-15.1, +23.4]"
    assert show_change(-7.58) == show_change(-7.58, NAN, NAN) == "-7.6"
    cases = {1.0: "1.000", 0.0079: "0.008", 0.001: "0.001", 0.00099: "< 0.001", 0.0: "< 0.001", NAN: ""}
    assert [show_p(p) for p in cases] == list(cases.values())


def test_of_one_seed_the_table_shows_errors_changes_and_that_nothing_is_decided(single: Comparison) -> None:
    *_, shown = tables(single)
    columns = ["Action", "Original, MPJPE [mm]", "Action-based, MPJPE [mm]", "Change [%]", "Verdict"]
    assert shown.columns.tolist() == columns
    assert shown.iloc[0].tolist() == ["Eating", "50.00", "40.00", "-20.0", "not decidable"]
    assert shown.iloc[3].tolist() == [MEAN, "60.00", "40.00", "-33.3", "not decidable"]
    quoted = tables(single, "mpjpe", "1")[2]["Quoted, Human3.6M"]
    assert quoted.tolist() == ["56.34, 52.07 (-7.6 %)", "70.49, 70.86 (+0.5 %)", "", ""]
    walking = Comparison(single.original, {"Walking": single.action_based["Walking"]}, [])
    assert tables(walking, "mpjpe", "1")[2].columns.tolist() == columns, "no figure of the paper"


def test_of_several_seeds_the_table_shows_how_sure_it_is(tiny_data: PoseDataset) -> None:
    arms, changes, shown = tables(make_comparison(tiny_data, seeds="0,1,2,3,4", repeats=2), "mpjve")
    assert shown.columns.tolist()[4:] == ["Seeds", "p (Holm)", "Smallest p, needed", "Verdict"]
    row, source, change = shown.iloc[2], arms.iloc[4], changes.iloc[2]
    assert row["Original, MPJVE [mm/frame]"] == f"75.0 ± 6.3 [{source.low:.1f}, {source.high:.1f}]"
    assert row["Change [%]"] == f"{100 * (45 / 75 - 1):+.1f} [{change.low:+.1f}, {change.high:+.1f}]"
    assert row["Seeds"] == "5"
    assert row["p (Holm)"] == f"{3 * 2 / 252:.3f}"
    assert row["Smallest p, needed"] == f"{2 / 252:.3f}, {0.05 / 3:.3f}"
    assert row.Verdict == "lower"
    assert shown.iloc[3]["Smallest p, needed"] == f"{2 / 252:.3f}, 0.050"


def test_where_models_differ_in_seeds_both_numbers_are_there(tiny_data: PoseDataset) -> None:
    *_, shown = tables(make_comparison(tiny_data, seeds="0", more_seeds="1", focus="Eating"))
    assert shown.Seeds.tolist() == ["2", "2, 1", "2, 1", "2, 1"]
    assert shown["Action-based, MPJPE [mm]"].tolist()[1:3] == ["40.00", "40.00"]
    assert shown.Verdict.tolist() == ["not decidable"] * 4


def test_table_3_for_reading(single: Comparison) -> None:
    shown = show_table_3(table_3(single))
    assert shown.columns.tolist() == [
        *(
            "Action",
            "Arm",
            "training [s]",
            "evaluation [s]",
            "windows [M]",
            "steps",
            "training [processor s/M windows]",
        ),
        *("MPJPE [mm]", "MPJVE [mm/frame]", "Quoted, Human3.6M: time, MPJPE, MPJVE"),
    ]
    quoted = ["81,173 s, 43.30 mm, 2.24 mm/frame", "56,921 s, 49.27 mm, 2.56 mm/frame", *[""] * 4]
    assert shown["Quoted, Human3.6M: time, MPJPE, MPJVE"].tolist() == quoted
    assert shown.iloc[0].tolist()[2:-1] == ["24,000", "7.0", "240.00", "3,750,000", "50.0", "50.00", "47.00"]
    assert shown.iloc[3].tolist()[:5] == ["Sitting", "Action-based", "16,000", "7.0", "200.00"]


def test_a_shown_table_is_all_text_and_can_be_printed(single: Comparison, tiny_data: PoseDataset) -> None:
    for comparison in (single, make_comparison(tiny_data, seeds="0,1", actions="Sitting,Walking")):
        for shown in (tables(comparison, "mpjpe", "1")[2], show_table_3(table_3(comparison))):
            assert all(isinstance(cell, str) for cell in shown.to_numpy().ravel())
            assert "nan" not in to_markdown(shown)
    assert not shown.columns.str.contains("Quoted").any(), "as Eating is not there"
