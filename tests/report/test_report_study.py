"""What 04_results shows of a study: sentences with the numbers of its runs, files, and what is missing."""

import dataclasses
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from matplotlib.text import Text
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report import beyond as report_beyond
from pose3d_lib.report import results as report_study
from pose3d_lib.report import show as report
from pose3d_lib.report.page import to_page
from pose3d_lib.study.beyond import plan_beyond, study_runs
from pose3d_lib.study.config import Condition, plan_study, unique_runs
from pose3d_lib.study.results import StudyResults, collect_study
from tests.helpers import run_folders
from tests.helpers.run_folders import Only, make_study, write_run, write_runs

BEYOND = ("curves", "transfer", "specialised", "mixing", "joints", "fewer_frames")


pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture(autouse=True)
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures that were saved, by name; as files they would take longer than everything else."""
    saved = {}
    monkeypatch.setattr(report, "save_figure", lambda figure, path: saved.update({path.name: figure}))
    return saved


def finished(data: PoseDataset, **changes: object) -> StudyResults:
    config = make_study(**changes)
    write_runs(study_runs(config, Only(data)), data)
    return collect_study(config, Only(data))


@pytest.fixture(scope="module")
def plain(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """One seed of the published procedure, finished."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("plain")))
        return finished(tiny_data)


def saved(results: StudyResults) -> set[str]:
    return {path.name for path in results.folder.iterdir()}


def files_of(*names: str, kinds: str = "csv md tex") -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in kinds.split()}


def test_what_is_missing_is_said_and_nothing_of_folders_that_are_no_part_of_the_study(
    tiny_data: PoseDataset, shown
) -> None:
    config = make_study(seeds="0,1,2")
    planned = study_runs(config, Only(tiny_data))
    for run in write_runs(planned[:2], tiny_data):
        (run.folder / "finished.json").unlink()
    other = dataclasses.replace(tiny_data, name="elsewhere", notes=("one word different",))
    write_run(planned[3], other)
    report_study.show_study(collect_study(config, Only(tiny_data)))
    assert "**12 of 12 planned runs are not finished**: All (seed 0), Eating (seed 0), Sitting (seed 0)," in shown()
    assert " and 4 more. " in shown()
    assert "Actions compared: Eating, Sitting, Walking. In focus: Eating, Sitting." in shown()
    assert not re.search(r"elsewhere|27f|-[0-9a-f]{10}", shown())


def test_actions_that_cannot_be_compared_are_named_with_the_reason(hand_made, shown) -> None:
    rows = [(who, action, "0", 0, 9) for who in ("S1", "S9") for action in ("Eating", "Sitting")]
    data = hand_made([*rows, ("S1", "Posing", "0", 0, 9), ("S9", "Photo", "0", 0, 9)])
    report_study.show_study(collect_study(make_study(actions=""), Only(data)))
    assert "Posing (no test clips), Photo (no training clips)." in shown()


def test_the_study_s_table_says_how_much_of_every_comparison_is_finished(tiny_data: PoseDataset) -> None:
    config = make_study(seeds="0,1", more_seeds="2", confounds=True, architectures="3x3x3x3x3")
    plan = unique_runs(plan_study(config, tiny_data))
    left = [run for run in plan if run.schedule == "bn_unit_epoch" or (run.action, run.seed) == ("Walking", 1)]
    write_runs([run for run in plan if run not in left], tiny_data)
    table = report_study.study_table(collect_study(config, Only(tiny_data)).comparisons)
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


def test_a_plan_is_a_row_per_comparison_and_per_question(tiny_data: PoseDataset) -> None:
    config = make_study(study="more", preset="tiny", seeds="0", more_seeds="")
    table = report_study.plan_table(config, Only(tiny_data))
    plans = [*plan_study(config, tiny_data).values(), *plan_beyond(config, Only(tiny_data)).values()]
    assert table.Runs.tolist() == [len(runs) for runs in plans]
    assert table.Actions.tolist() == [3, 3, 2, 2, 2, 3, 3, 2, 2, 2, 0, 3, 2, 2]
    assert table.iloc[0, 0] == "both arms, 1 unit epoch, published schedule, equal frames, 27 frames"


def test_tables_1_and_2_are_shown_drawn_and_saved_with_what_they_say(plain: StudyResults, shown, figures) -> None:
    report_study.show_study(plain)
    report_study.show_comparisons(plain, "mpjpe", 1)
    report_study.show_comparisons(plain, "mpjve", 2)
    assert "All 4 planned runs are finished." in shown()
    assert "Without a comparison" not in shown()
    assert "One seed each, so no intervals." in shown()
    assert "standard deviation" not in shown()
    assert "lower mean MPJPE on 3 of 3 actions" in shown()
    assert "0 are lower, 0 higher, and 3 not decidable" in shown()
    assert "their mean is 33.3 % below the original's (40.00 against 60.00): not decidable" in shown()
    assert "their mean is 35.1 % below the original's (37.00 against 57.00): not decidable" in shown()
    assert "| 56.34, 52.07 (-7.6 %)" in shown()
    assert "| 3.14, 3.01 (-4.1 %)" in shown()
    assert list(figures) == ["figure_table_1", "figure_table_2"]
    assert files_of("table_1", "table_2") <= saved(plain)
    caption = (plain.folder / "table_1.md").read_text(encoding="utf-8").splitlines()[-1]
    assert caption.startswith("Table 1, 1 unit epoch, published schedule, equal frames, 27 frames. ")
    assert "SYNTHETIC data, nobody was filmed" in caption
    table = pd.read_csv(plain.folder / "table_1.csv")
    numbers = ("mean", "sd", "low", "high", "runs", "quoted")
    arms = [f"{arm}, {number}" for arm in ("Original", "Action-based") for number in numbers]
    changes = ["Change [%]", "Change, low [%]", "Change, high [%]", "p", "p (Holm)", "Smallest p", "Needed p"]
    assert table.columns.tolist() == ["Action", "Metric", *arms, *changes, "Verdict", "Reason"]
    assert table["Original, mean"].tolist() == pytest.approx([50, 60, 70, 60])


def test_every_condition_has_a_table_of_its_own_and_a_picture_shows_them_side_by_side(
    tiny_data: PoseDataset, shown, figures
) -> None:
    results = finished(tiny_data, schedules="epoch,unit_epoch", budgets="equal_frames,fifteen", actions="Eating")
    report_study.show_comparisons(results, "mpjpe", 1)
    names = ["table_1", "table_1_fifteen", "table_1_unit_epoch", "table_1_unit_epoch_fifteen"]
    assert saved(results) == files_of(*names)
    assert list(figures) == ["figure_table_1", "figure_changes_1"]
    for words in ("Published schedule", "same schedule for both arms, 15 epochs per unit epoch"):
        assert words.lower() in shown().lower()


def test_long_runs_are_shown_at_their_end_and_during_training(tiny_data: PoseDataset, shown, monkeypatch) -> None:
    results = finished(tiny_data, lengths="1,4", evaluate_at="1,2", actions="Eating")
    report_study.show_long(results)
    assert (
        "an action-based run trained 400 s for 10.00 million windows, the original 1,200 s for 12.00 million" in shown()
    )
    assert "that is 20.0 and 50.0 s of processor time. Their MPJPE is 40.00 mm against 50.00 mm." in shown()
    assert "against 50.00 mm. These times cannot be compared: the runs waited 50 % of their time" in shown()
    assert saved(results) == files_of("table_3", "table_on_the_way")
    way = pd.read_csv(results.folder / "table_on_the_way.csv")
    arms = ["Original, steps", "Original, MPJPE [mm]", "Action-based, steps", "Action-based, MPJPE [mm]"]
    assert way.columns.tolist() == ["Unit epochs", "Windows seen [M]", *arms, "Change [%]"]
    assert way["Original, MPJPE [mm]"].tolist() == [156, 106, 56]
    changes = [100 * (own / original - 1) for original, own in ((156, 146), (106, 96), (56, 46))]
    assert way["Change [%]"].tolist() == pytest.approx(changes)
    monkeypatch.setattr(report_study, "why_not_timed", lambda runs: "")
    before = shown()
    report_study.show_long(results)
    assert "cannot be compared" not in shown().removeprefix(before)


def test_before_there_are_runs_it_is_said_how_to_make_them(tiny_data: PoseDataset, shown, figures) -> None:
    results = collect_study(make_study(study="more", preset="tiny"), Only(tiny_data))
    results.folder.mkdir(parents=True)
    (results.folder / "table_1.csv").write_text("an older comparison")
    report_study.show_study(results)
    report_study.show_comparisons(results, "mpjpe", 1)
    report_study.show_means(results)
    report_study.show_long(results)
    for show in BEYOND:
        getattr(report_beyond, f"show_{show}")(results)
    assert f"**{len(results.planned)} of {len(results.planned)} planned runs are not finished**" in shown()
    assert "03_action_based" in shown()
    assert shown().count("Table 1 needs the baseline") == 2  # of both schedules
    assert "`pose3d sweep -p lengths 1,16`" in shown()
    assert shown().count("`pose3d sweep -p study more`") == 3
    assert not figures
    assert saved(results) == {"table_1.md", "table_1_unit_epoch.md", "table_3.md"}


def test_all_four_errors_the_transfer_and_the_joints_are_put_into_words(plain: StudyResults, shown, figures) -> None:
    report_study.show_means(plain)
    for show in ("transfer", "joints", "curves"):
        getattr(report_beyond, f"show_{show}")(plain)
    assert "MPJPE differs from the original's by -33.3 %, their P-MPJPE by -33.9 %" in shown()
    own, others, original = 40, (160 + 170 + 150 + 170 + 150 + 160) / 6, 60
    assert f"errs by {own:.1f} mm on average; on the others by {others:.1f} mm" in shown()
    assert f"errs by {original:.1f} mm on these actions" in shown()
    assert "the action-based models' error differs from the original's by -20.0 mm at " in shown()
    assert "46.0 against 66.0 mm at the end" in shown()
    assert list(figures) == ["figure_transfer", "figure_joint_bars", "figure_joints", "figure_curves"]
    assert files_of("all_metrics") | files_of("transfer", "joints", "curves", kinds="csv") <= saved(plain)
    metrics = ["MPJPE [mm]", "P-MPJPE [mm]", "N-MPJPE [mm]", "MPJVE [mm/frame]"]
    assert pd.read_csv(plain.folder / "all_metrics.csv").columns.tolist() == ["Arm", "Mean", *metrics]


def test_the_questions_beyond_the_paper_are_answered_in_words_and_every_figure_says_of_which_data(
    tiny_data: PoseDataset, shown, figures
) -> None:
    results = finished(tiny_data, schedules="unit_epoch", beyond=True, confounds=True)
    report_study.show_comparisons(results, "mpjpe", 1)
    for show in BEYOND:
        getattr(report_beyond, f"show_{show}")(results)
    assert "Mean of the actions: 37.0 mm fine-tuned, 60.0 mm the original, 40.0 mm action-based." in shown()
    assert "Fine-tuning has the lowest mean error on 3 of 3 actions; it has seen" in shown()
    steps = r"Eating: 40\.0 mm with 1, 45\.0 mm with 2, 50\.0 mm with 15 actions; the lowest mean is with 1 "
    assert re.search(steps, shown())
    assert "Eating: 40.0 mm from 100 frames of the action alone; the original 58.8 mm from 100 frames" in shown()
    assert shown().count("SYNTHETIC data") == 10, "under two tables and eight figures"
    assert len(figures) == 8
    for figure in figures.values():
        said = " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))
        for part in ("synthetic-tiny (synthetic data)", "1 unit epoch", "same schedule"):
            assert part in said
    published = Condition(1.0, "epoch", "equal_frames", (3, 3, 3))
    real = dataclasses.replace(results, datasets=Only(dataclasses.replace(tiny_data, synthetic=False, name="h36m")))
    assert report_study.title_figure("A", real, published).startswith("A, h36m. 1 unit epoch, published schedule,")


def test_names_are_said_as_they_are(hand_made, shown, monkeypatch) -> None:
    names = ("walk|fast", "<img src=x>", "a*b*c", "$x$ and $y$")
    rows = [(who, action, "0", 0, 9) for who in ("S1", "S9") for action in names]
    monkeypatch.setattr(run_folders, "ACTIONS", names)
    monkeypatch.setattr(run_folders, "FRAMES", dict.fromkeys(names, 100))
    monkeypatch.setattr(run_folders, "MODELS", {"All": 0, **{name: number for number, name in enumerate(names)}})
    data = hand_made([*rows, ("S1", "_x_", "0", 0, 9)], name="__my__")
    results = finished(data, actions="", beyond=True, schedules="unit_epoch")
    report_study.show_study(results)
    report_study.show_comparisons(results, "mpjpe", 1)
    report_study.show_long(results)
    for show in BEYOND:
        getattr(report_beyond, f"show_{show}")(results)
    output = new_output("display_data", data={"text/markdown": shown()})
    page = to_page(new_notebook(cells=[new_code_cell("show()", execution_count=1, outputs=[output])]), title="A title")
    text = BeautifulSoup(page, "html.parser").get_text()
    for name, sentences in ((names[0], 5), (names[1], 5), (names[2], 2), (names[3], 2), ("_x_ (no test clips)", 1)):
        assert text.count(name) >= sentences
    assert not re.search(r"<(img|math|del)[ >]", page)
    assert "__my__" in text
