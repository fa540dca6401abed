"""What 04_results shows of a study: sentences with the numbers of its runs, files, and what is missing."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.text import Text
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report import answer
from pose3d_lib.report import beyond as report_beyond
from pose3d_lib.report import results as report_study
from pose3d_lib.report.page import to_page
from pose3d_lib.report.readable import tell_change
from pose3d_lib.report.record import StudyRecord, View, make_record, read_record
from pose3d_lib.report.redraw import redraw_study, show_everything
from pose3d_lib.study.beyond import study_parts, study_runs
from pose3d_lib.study.config import timed_runs
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED
from pose3d_lib.study.results import StudyResults, collect_study
from tests.helpers import run_folders
from tests.helpers.made_up_observations import everything, make_observations
from tests.helpers.made_up_records import record_of, transfer_table
from tests.helpers.run_folders import Only, make_study, write_run, write_runs

BEYOND = ("curves", "transfer", "labels", "specialised", "mixing", "joints", "fewer_frames")
BOTH = {"lengths": "1,16", "schedules": "epoch,unit_epoch", "seeds": "0,1,2,3"}

pytestmark = pytest.mark.usefixtures("outputs")


def finished(data: PoseDataset, **changes: object) -> tuple[StudyResults, StudyRecord]:
    config = make_study(**{"seeds": "0,1", **changes})
    write_runs([*study_runs(config, Only(data)), *timed_runs(config, data)], data)
    results = collect_study(config, Only(data))
    return results, make_record(results)


def saved(record: StudyRecord) -> set[str]:
    return {path.name for path in record.folder.iterdir() if path.suffix not in (".gz", ".json")}


def files_of(*names: str, kinds: str = "csv md tex") -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in kinds.split()}


def test_what_is_missing_is_said_and_nothing_of_folders_that_are_no_part_of_the_study(tiny_data, shown) -> None:
    config = make_study(seeds="0,1,2", timed=0)
    planned = study_runs(config, Only(tiny_data))
    for run in write_runs(planned[:2], tiny_data):
        (run.folder / "finished.json").unlink()
    other = dataclasses.replace(tiny_data, name="elsewhere", notes=("one word different",))
    write_run(planned[3], other)
    results = collect_study(config, Only(tiny_data))
    report_study.show_study(results, make_record(results))
    assert "**12 of 12 planned runs are not finished**: All (seed 0), Eating (seed 0), Sitting (seed 0)," in shown()
    assert " and 4 more. " in shown()
    assert "Actions compared: Eating, Sitting, Walking. In focus: Eating, Sitting." in shown()
    assert not re.search(r"elsewhere|27f|-[0-9a-f]{10}", shown())


def test_quoted_figures_are_as_printed_with_thousands_separators(shown) -> None:
    report_study.show_quoted()
    assert re.search(r"\| Eating +\| time \[s\] +\| 81,173 +\| 56,921 +\| -29\.9 +\|", shown())
    assert re.search(r"\| 43\.30 +\| 49\.27 +\|", shown())


def test_of_people_held_out_in_turn_name_and_captions_say_so(tiny_data) -> None:
    own = {"dataset": "/elsewhere/motion.npz", "keypoints": "simulated", "leave_one_out": True}
    config = make_study(**own, seeds="0,1", timed=0)
    people = (*tiny_data.train_subjects, *tiny_data.test_subjects)
    files, datasets = dataclasses.replace(tiny_data, name="motion", synthetic=False), {}
    for seed in config.seeds:
        who = {"train_subjects": (*people[:seed], *people[seed + 1 :]), "test_subjects": (people[seed],)}
        datasets[config.data_of(seed)] = dataclasses.replace(files, **who)
    for run in study_runs(config, datasets):
        write_run(run, datasets[run.data])
    record = make_record(collect_study(config, datasets))
    assert record.name == "motion (2 subjects held out in turn)"
    assert record.about.subjects == list(people[:2])
    said = record.describe(*record.conditions)
    assert "motion, 2 subjects held out in turn" in said
    assert "new people, new takes and new trainings, approximately" in said
    assert record.ratios(record.main(1.0)).takes is None
    assert read_record(record.folder).describe(*record.conditions) == said


def test_captions_say_what_intervals_are_about_and_count_complete_replicates(tmp_path: Path) -> None:
    changes = {(1.0, "epoch", RECOMPUTED): -8.0}
    of_files = {"dataset": "/elsewhere/motion.npz", "keypoints": "gt", "leave_one_out": True, "seeds": "0,1,2,3"}
    for settings, own, said in (
        ({"replicates": 1}, {}, "One replicate: it gives no interval."),
        ({"replicates": 4}, {}, "over 4 replicates, .* about new people, new takes and new trainings\\."),
        (
            {"replicates": 3, "fixed": True},
            {},
            "over 3 trainings, .* about these people, other takes and other trainings",
        ),
        (
            {"replicates": 4},
            of_files,
            "over 4 replicates, .* another subject .* new trainings, approximately, .* overlap",
        ),
    ):
        record = record_of(make_observations(changes, **settings), tmp_path, **own)
        assert re.search(said, record.describe(*record.conditions))
    whole = make_observations(changes)
    gone = (whole.errors.replicate == 2) & (whole.errors.action == "Walking")
    fewer = dataclasses.replace(whole, errors=whole.errors[~gone])
    record = record_of(fewer, tmp_path, lengths="1,16")
    short, long = record.conditions
    assert "over 3 replicates" in record.describe(short)
    assert "over 3 replicates" in record.describe(short, long)
    assert record.describe(long).endswith("No replicate is complete.")


def test_a_plan_is_a_row_per_comparison_question_and_purpose(tiny_data: PoseDataset) -> None:
    config = make_study(study="more", preset="tiny", seeds="0")
    table = report_study.plan_table(config, Only(tiny_data))
    parts = study_parts(config, Only(tiny_data)).values()
    assert table.Runs.tolist() == [len(runs) for runs in parts]
    assert table.iloc[0, 0] == "both arms, 1 unit epoch, published schedule, equal frames, 27-frame network"
    assert table.iloc[-1].tolist() == ["to be timed, one at a time", 1, 3]


def test_the_estimate_counts_the_timed_runs_alone(tiny_data: PoseDataset) -> None:
    config = make_study(seeds="0")
    write_runs([*study_runs(config, Only(tiny_data)), *timed_runs(config, tiny_data)], tiny_data)
    assert report_study.estimate_study(config, Only(tiny_data), 2) == (
        "4 runs, all finished. Then, to be timed: 4 runs, all finished."
    )
    short = make_study(seeds="0", timed=0)
    assert report_study.estimate_study(short, Only(tiny_data), 2) == "4 runs, all finished."


def test_tables_1_and_2_are_shown_drawn_and_saved_with_what_they_say(tiny_data: PoseDataset, shown, figures) -> None:
    results, record = finished(tiny_data, timed=0)
    report_study.show_study(results, record)
    report_study.show_comparisons(record, "mpjpe", 1)
    report_study.show_comparisons(record, "mpjve", 2)
    assert "All 8 planned runs are finished." in shown()
    mean = record.ratios(record.main(1.0)).mean()
    assert (
        f"MPJPE changes by {mean.value:+.1f} % on average (95 % interval {mean.low:+.1f} to {mean.high:+.1f} %)"
        in shown()
    )
    assert "It is lower on 3 of 3 actions; after Holm's correction it is better on" in shown()
    assert "| A new action" in shown()
    assert "| 56.34, 52.07 (-7.6 %)" in shown()
    assert "| 3.14, 3.01 (-4.1 %)" in shown()
    assert list(figures) == ["figure_changes_1", "figure_changes_2"]
    assert saved(record) >= files_of("table_1", "table_2", "table_1_as_published", "table_2_as_published")
    caption = (record.folder / "table_1.md").read_text(encoding="utf-8").splitlines()[-1]
    assert caption.startswith("Table 1, 1 unit epoch, published schedule, equal frames, 27-frame network, statistics ")
    assert "SYNTHETIC data, nobody was filmed" in caption
    table = pd.read_csv(record.folder / "table_1.csv")
    assert table["Original, mean"].tolist()[:4] == pytest.approx([52, 62, 72, 62])


def test_an_incomplete_replicate_is_left_out(tiny_data: PoseDataset, shown, figures) -> None:
    config = make_study(seeds="0,1,2")
    runs = [run for run in study_runs(config, Only(tiny_data)) if (run.seed, run.action) != (2, "Eating")]
    write_runs(runs, tiny_data)
    record = make_record(collect_study(config, Only(tiny_data)))
    report_study.show_comparisons(record, "mpjpe", 1)
    assert "95 % intervals over 2 trainings" in shown()
    table = report_study.study_table(record)
    assert table["Complete replicates"].tolist() == [2]
    assert [name.split(", ")[1] for name in table.columns[-4:]] == ["Original"] * 2 + ["Action-based"] * 2


def test_where_all_replicates_have_the_same_people_each_subject_has_its_change(tmp_path: Path, shown) -> None:
    short = {(1.0, "epoch", RECOMPUTED): -11.0}
    for fixed, subjects in ((False, ["S9", "S11"]), (True, ["S9"]), (True, ["S9", "S11"])):
        observations = make_observations(short, fixed=fixed)
        of_some = dataclasses.replace(observations, takes=observations.takes[observations.takes.subject.isin(subjects)])
        record = record_of(of_some, tmp_path, seeds="0,1,2,3")
        report_study.show_subjects(record)
        assert (record.folder / "table_subjects.csv").is_file() == (fixed and len(subjects) > 1)
    assert re.search(r"^\| S11 +\| -11\.0 \[-\d+\.\d, -\d+\.\d\] +\|", shown(), re.MULTILINE)


def test_every_condition_has_a_table_of_its_own_and_a_picture_shows_them_side_by_side(
    tiny_data: PoseDataset, shown, figures
) -> None:
    _, record = finished(tiny_data, schedules="epoch,unit_epoch", budgets="equal_frames,fifteen", actions="Eating")
    report_study.show_comparisons(record, "mpjpe", 1)
    names = ["table_1", "table_1_as_published", "table_1_fifteen", "table_1_unit_epoch", "table_1_unit_epoch_fifteen"]
    assert saved(record) >= files_of(*names)
    panels = [axes.get_title().replace("\n", " ") for axes in figures["figure_changes_1"].axes if axes.get_title()]
    assert panels[:2] == [
        "published schedule, equal frames, statistics recomputed",
        "published schedule, equal frames, statistics as published",
    ]
    assert record.file_name("table_1", View(record.main(1.0).condition, AS_PUBLISHED)) == "table_1_as_published"


def test_long_runs_are_shown_at_their_end_and_during_training(tiny_data: PoseDataset, shown, figures) -> None:
    _, record = finished(tiny_data, lengths="1,4", evaluate_at="1,2", actions="Eating")
    report_study.show_long(record)
    assert files_of("table_3", "table_during_training") <= saved(record)
    table = pd.read_csv(record.folder / "table_3.csv")
    assert table.action.tolist() == ["Eating", "Eating"]
    assert table.seconds.notna().all()
    assert "training [s]" in shown()
    assert "81,173 s" in shown()
    way = pd.read_csv(record.folder / "table_during_training.csv")
    assert way.seen[way.arm == "Original"].round().tolist() == [1, 2, 4]
    slow = record.observations.times.assign(waited=0.5)
    observations = dataclasses.replace(record.observations, times=slow)
    before = shown()
    report_study.show_long(StudyRecord(record.config, observations, {}, record.about, record.folder))
    assert "Times are not shown: the timed runs waited 50 % of their time" in shown().removeprefix(before)
    assert "training [s]" not in shown().removeprefix(before)


def test_before_there_are_runs_it_is_said_how_to_make_them(tiny_data: PoseDataset, shown, figures) -> None:
    results = collect_study(make_study(study="more", preset="tiny"), Only(tiny_data))
    record = make_record(results)
    report_study.show_study(results, record)
    assert f"**{len(results.planned)} of {len(results.planned)} planned runs are not finished**" in shown()
    show_everything(record)
    assert shown().count(answer.WITHOUT_RUNS) == shown().count("Table 1 needs a replicate") == 1
    assert shown().count("`pose3d sweep -p study more`") == 5
    assert list(figures) == ["figure_training"]


def test_all_four_errors_and_the_joints_are_put_into_words(tiny_data: PoseDataset, shown, figures) -> None:
    _, record = finished(tiny_data, timed=0)
    for show in (report_study.show_metrics, report_beyond.show_joints, report_beyond.show_curves):
        show(record)
    table = pd.read_csv(record.folder / "all_metrics.csv")
    assert len(table) == 8
    assert f"MPJPE changes by {table.change[0]:+.1f} %, their P-MPJPE" in shown()
    assert "the action-based models' error differs from the original's by -20.0 mm at " in shown()
    assert list(figures) == ["figure_joint_bars", "figure_joints", "figure_curves"]
    assert files_of("all_metrics") | {"joints.csv"} <= saved(record)


def test_the_questions_beyond_the_paper_are_answered_in_words_and_every_figure_says_of_which_data(
    tiny_data: PoseDataset, shown, figures
) -> None:
    _, record = finished(tiny_data, schedules="unit_epoch", beyond=True, batch_size=8, timed=0)
    report_study.show_comparisons(record, "mpjpe", 1)
    for show in BEYOND:
        getattr(report_beyond, f"show_{show}")(record)
    assert "errs by 42.0 mm on average; on the others by 162.0 mm. The original errs by 62.0 mm on these" in shown()
    told = {mm: tell_change(100 * np.expm1(np.log([mm / 40, (mm + 4) / 44]).mean())) for mm in (45, 50)}
    changes = r"(\d+\.\d % \w+ \(95 % interval [^)]+\))"
    for here, there in (
        ("models of one action are", "the action's own model is"),
        ("windows.*one model that is told the action is", "Against the original, one model that is told the action is"),
    ):  # the same models are told of twice
        assert re.search(f"{here} {changes}", shown())[1] == re.search(f"{there} {changes}", shown())[1]
    assert re.search(r"told another one, it is \d\d\.\d % worse \(", shown())
    assert re.search(r"the model of another action is 1\d\d\.\d % worse \(", shown())
    assert re.search(r"models fine-tuned on it are \d\d\.\d % better", shown())
    assert "fine-tuned ones are 7.2 % better" in shown()  # 37 and 41 mm, where the action-based have 40 and 44
    assert f"On Eating, against a model of this action alone, one of 2 actions is {told[45]} (" in shown()
    assert f"; one of 15 actions is {told[50]} (" in shown()
    assert "On Eating, with twice the frames, by the curves, the original would be " in shown()
    assert "The action's own frames make a model " in shown()
    assert len(figures) == 9
    assert files_of("table_specialised", "table_fewer_frames") | {"beyond_labels.md", "beyond_mixing.md"} <= saved(
        record
    )
    for figure in figures.values():
        said = " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))
        for part in ("synthetic-tiny (synthetic data)", "1 unit epoch", "one schedule", "statistics"):
            assert part in said


def test_a_study_is_redrawn_from_its_files_alone(tmp_path: Path, monkeypatch, capsys) -> None:
    written = []
    monkeypatch.setattr("pose3d_lib.report.show.save_figure", lambda figure, path: written.append(path.name))
    seconds = (10, 10.1, 10.2), (9, 9.1, 9.2)
    observations = everything(-11, 5, of_seeds=0.01, seconds=seconds)
    record = record_of(observations, tmp_path / "study", beyond={"transfer": transfer_table(70, 152, 79)}, **BOTH)
    record.write()
    again = read_record(record.folder)
    assert again.config == record.config
    assert again.about == record.about
    pd.testing.assert_frame_equal(again.claims, record.claims)
    redraw_study(record.folder)
    assert capsys.readouterr().out == ""
    drawn = {path.name for path in record.folder.iterdir()}
    assert drawn >= files_of("table_1", "table_3", "claims", "attribution") | {"answer.md"}
    assert {"figure_changes_1", "figure_attribution", "figure_transfer", "figure_training"} <= set(written)
    with pytest.raises(InputError, match=r"no study\.json and no scarcity\.json here"):
        redraw_study(tmp_path)


def test_names_are_said_as_they_are(hand_made, shown, monkeypatch, figures) -> None:
    names = ("walk|fast", "<img src=x>", "a*b*c", "$x$ and $y$")
    monkeypatch.setattr(run_folders, "ACTIONS", names)
    monkeypatch.setattr(run_folders, "FRAMES", dict.fromkeys(names, 100))
    monkeypatch.setattr(run_folders, "MODELS", {"All": 0, **{name: number for number, name in enumerate(names)}})
    data = hand_made([(who, action, "0", 0, 9) for who in ("S1", "S9") for action in names], name="__my__")
    results, record = finished(data, actions="", beyond=True, schedules="unit_epoch", timed=0)
    report_study.show_study(results, record)
    show_everything(record)
    output = new_output("display_data", data={"text/markdown": shown()})
    page = to_page(new_notebook(cells=[new_code_cell("show()", execution_count=1, outputs=[output])]), title="A title")
    text = BeautifulSoup(page, "html.parser").get_text()
    for name, sentences in zip((*names, "__my__"), (5, 5, 2, 2, 1), strict=True):
        assert text.count(name) >= sentences
    assert not re.search(r"<(img|math|del)[ >]", page)
