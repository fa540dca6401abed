"""The scarcity study: its runs, its tables against arithmetic done here, and what the notebook says of them."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report import semi_supervised as report_scarcity
from pose3d_lib.report.figures.scarcity import draw_ablation, draw_question, draw_scarcity
from pose3d_lib.study.scarcity import (
    ScarcityConfig,
    labelled_subject,
    plan_scarcity,
    question_actions,
    unlabelled_subjects,
)
from pose3d_lib.study.tables_scarcity import (
    SEMI_SUPERVISED,
    SUPERVISED,
    ScarcityResults,
    ablation_table,
    scarcity_table,
    seeds_table,
)
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.figure_checks import check_printable
from tests.helpers.run_folders import ACTIONS, error_of, write_runs

TINY = {"scale": "tiny", "preset": "tiny", "device": "cpu"}


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    yield tmp_path / "outputs"
    plt.close("all")


def study(**changes: object) -> ScarcityConfig:
    return make_config(ScarcityConfig, {**TINY, "seeds": "0,1", "shares": "0.1,0.5", **changes})


def finished(data: PoseDataset, unless=lambda run: False, **changes: object) -> ScarcityResults:
    config = study(**changes)
    write_runs([run for run in plan_scarcity(config, data) if not unless(run)], data)
    return ScarcityResults(config, data)


# The plan


def kind(run: RunConfig) -> str:
    if run.without_terms:
        return f"without {run.without_terms[0]}"
    return f"{run.action}, {'semi-supervised' if run.semi_supervised else 'supervised'}"


def test_the_plan_has_both_arms_at_every_share_the_ablations_and_the_question(tiny_data: PoseDataset) -> None:
    runs = plan_scarcity(study(), tiny_data)
    assert Counter(map(kind, runs)) == {
        "All, supervised": 4,
        "All, semi-supervised": 4,
        "without projection": 2,
        "without bones": 2,
        "Eating, supervised": 2,
        "Eating, semi-supervised": 2,
        "Sitting, supervised": 2,
        "Sitting, semi-supervised": 2,
    }
    assert len(set(runs)) == len(runs)
    for run in runs:
        plan_run(run, tiny_data)


def test_one_subject_is_labelled_in_part_and_the_others_are_seen(tiny_data: PoseDataset) -> None:
    config = study(labelled_subject="S6")
    assert labelled_subject(config, tiny_data) == "S6"
    assert unlabelled_subjects(config, tiny_data) == ("S1", "S5", "S7", "S8")
    for run in plan_scarcity(config, tiny_data):
        if run.is_baseline:
            assert run.labelled_subjects == ("S6",)
            assert run.share_at == "anywhere"
            assert run.unlabelled_subjects == (("S1", "S5", "S7", "S8") if run.semi_supervised else ())


def test_of_one_action_the_poses_are_known_by_everybody_and_the_others_are_seen(tiny_data: PoseDataset) -> None:
    for run in plan_scarcity(study(actions="Photo"), tiny_data):
        if not run.is_baseline:
            assert (run.action, run.labelled_subjects, run.train_share) == ("Photo", (), 1)
            if run.semi_supervised:
                assert run.unlabelled_subjects == ()
                assert set(run.unlabelled_actions) == set(tiny_data.actions) - {"Photo"}


def test_every_run_sees_as_many_windows_and_its_rate_falls_as_far_as_the_published_one(tiny_data) -> None:
    for run in plan_scarcity(study(shares="0.1,0.5,1", unit_epochs=0.5), tiny_data):
        budget = plan_run(run, tiny_data).budget
        assert budget.total == round(0.5 * budget.unit)
        assert run.lr_decay**budget.epochs == pytest.approx(0.98**200, rel=1e-3)
        if run.semi_supervised:
            assert run.warmup_epochs / budget.epochs == pytest.approx(5 / 200, abs=1e-3)


def test_with_a_single_train_subject_the_rest_of_its_clips_is_seen(hand_made) -> None:
    rows = [(who, action, "0", 0, 900) for who in ("S1", "S9") for action in ("Eating", "Sitting")]
    data = hand_made(rows, cameras=h36m_cameras()["S1"][:2])
    config = study(shares="0.1,1", keypoints="simulated")
    assert unlabelled_subjects(config, data) == ("S1",)
    runs = [run for run in plan_scarcity(config, data) if run.is_baseline]
    assert {run.unlabelled_subjects for run in runs if run.semi_supervised} == {("S1",)}
    assert not any(run.semi_supervised for run in runs if run.train_share == 1), "nothing is left to be seen"


def test_the_published_settings_are_the_study_s_own_whatever_the_preset() -> None:
    for preset in ("default", "paper_27", "tiny"):
        config = make_config(ScarcityConfig, {"preset": preset})
        assert (config.keypoints, config.batch_size, config.lr_decay) == ("gt", 64, 0.98)
        assert config.dropout == (0.25 if preset == "paper_27" else 0.1)
    assert make_config(ScarcityConfig, {"preset": "paper_27", "dropout": 0.3}).dropout == 0.3
    assert make_config(ScarcityConfig, {"preset": "paper_27"}).channels == 1024
    assert make_config(ScarcityConfig, {"keypoints": "simulated"}).keypoints == "simulated"
    assert make_config(ScarcityConfig, {"keypoints": ""}).keypoints == "gt"
    assert make_config(RunConfig, {}).keypoints == "simulated"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ablation_share": 0.2}, "parameter ablation_share: found 0.2: it is none of shares, 0.1, 0.5"),
        ({"shares": "1"}, "parameter ablation_share: found 0.1: it is none of shares, 1; give one of these, or 0"),
        ({"shares": "0,0.1"}, "parameter shares.0"),
        ({"shares": ""}, "parameter shares: found ''"),
        ({"actions": "All"}, "with 'All' no other action is left"),
        ({"labelled_subject": "S9"}, "unknown train subject of synthetic-tiny 'S9'"),
        ({"actions": "Eatin"}, "did you mean Eating"),
        ({"scheduler": "pbs"}, "parameter scheduler: found 'pbs'"),
        ({"lr_decay": 1e-300, "shares": "0.5", "ablation_share": 0}, "parameter unit_epochs: found 4, which leaves"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_planned_is_refused(changes, message, tiny_data: PoseDataset) -> None:
    with pytest.raises(InputError) as refusal:
        plan_scarcity(study(**changes), tiny_data)
    assert message in str(refusal.value)


# Tables


def mean_error(run: RunConfig, metric: str = "mpjpe") -> float:
    actions = ACTIONS if run.is_baseline else (run.action,)
    return float(np.mean([error_of(run, action, metric) for action in actions]))


def means(results: ScarcityResults, **wanted: object) -> list[float]:
    """Of the planned runs with these settings, the error on what they are trained on."""
    chosen = [run for run in results.planned if all(getattr(run, name) == value for name, value in wanted.items())]
    assert len(chosen) == len(results.config.seeds)
    return [mean_error(run) for run in chosen]


@pytest.mark.parametrize("action", ["All", "Eating"])
def test_both_arms_stand_beside_how_much_seeds_differ(action, tiny_data: PoseDataset) -> None:
    results = finished(tiny_data)
    shares = (0.1, 0.5) if action == "All" else (1.0,)
    table = scarcity_table(results, action, shares, "mpjpe")
    assert table["Labelled [%]"].tolist() == [100 * share for share in shares]
    for share, row in zip(shares, table.to_dict(orient="records"), strict=True):
        alone, helped = (
            means(results, action=action, train_share=share, semi_supervised=semi, without_terms=())
            for semi in (False, True)
        )
        assert row[f"{SUPERVISED}, mean"] == pytest.approx(np.mean(alone))
        assert row[f"{SEMI_SUPERVISED}, mean"] == pytest.approx(np.mean(helped))
        assert row[f"{SUPERVISED}, sd"] == pytest.approx(np.std(alone, ddof=1))
        assert row["Change [mm]"] == pytest.approx(-8)
        assert row["Change [%]"] == pytest.approx(100 * (np.mean(helped) / np.mean(alone) - 1))
        assert row["Spread [mm]"] == pytest.approx(4)
        assert row["Smallest p"] > 0.05
        assert row["Verdict"] == "not decidable"


def test_a_single_seed_does_not_tell_how_much_seeds_differ(tiny_data: PoseDataset, shown) -> None:
    results = finished(tiny_data, unless=lambda run: run.seed > 0)
    assert scarcity_table(results, "All", (0.1, 0.5), "mpjpe")["Spread [mm]"].isna().all()
    report_scarcity.show_scarcity(results)
    (row,) = re.findall(r"^\| 10 .*$", shown(), re.MULTILINE)
    assert [cell.strip() for cell in row.split("|")][7] == ""
    assert "nan" not in shown()


def test_a_share_without_runs_of_both_arms_is_left_out(tiny_data: PoseDataset) -> None:
    results = finished(tiny_data, unless=lambda run: run.semi_supervised and run.train_share == 0.5)
    assert scarcity_table(results, "All", (0.1, 0.5), "mpjpe")["Labelled [%]"].tolist() == [10]
    assert len(scarcity_table(results, "All", (0.5,), "mpjpe")) == 0


def test_an_ablation_has_the_whole_loss_first_and_none_of_it_last(tiny_data: PoseDataset) -> None:
    table = ablation_table(finished(tiny_data), "All", 0.1)
    names = ["all terms", "without projection", "without bones", "supervised alone"]
    assert table.Loss.tolist() == names
    errors = table["MPJPE [mm]"]
    assert (errors - errors[0]).tolist() == pytest.approx([0, 3, 3, 8])
    assert table["MPJVE [mm/frame], sd"].tolist() == pytest.approx([np.std([0, 4], ddof=1)] * 4)
    assert table.Runs.tolist() == [2] * 4


def test_every_run_has_a_row(tiny_data: PoseDataset) -> None:
    results = finished(tiny_data)
    table = seeds_table(results)
    assert len(table) == len(results.planned)
    for run, row in zip(results.planned, table.to_dict(orient="records"), strict=True):
        assert (row["action"], row["share"], row["seed"]) == (run.action, run.train_share, run.seed)
        assert row["arm"] == (SEMI_SUPERVISED if run.semi_supervised else SUPERVISED)
        assert row["mpjpe"] == pytest.approx(mean_error(run))


# What is shown


def test_the_notebook_s_tables_figures_and_sentences(tiny_data: PoseDataset, shown) -> None:
    results = finished(tiny_data)
    report_scarcity.show_plan(results)
    assert "| 10 %, 50 % of every clip of S1 labelled" in shown()
    assert "All runs are finished." in shown()
    report_scarcity.show_scarcity(results)
    assert "With 10 % of every clip labelled" in shown()
    known = {"action": "All", "train_share": 0.1, "without_terms": ()}
    helped, alone = (np.mean(means(results, **known, semi_supervised=semi)) for semi in (True, False))
    assert f"video makes it 8.0 mm better: {helped:.1f} against {alone:.1f} mm, more than two seeds differ" in shown()
    assert "two seeds differ (4.0 mm at most). Verdict: not decidable." in shown()
    report_scarcity.show_ablation(results)
    assert "without projection: +3.0 mm; without bones: +3.0 mm; supervised alone: +8.0 mm" in shown()
    report_scarcity.show_question(results)
    numbers = {
        own: [np.mean(means(results, action=own, semi_supervised=semi)) for semi in (True, False)]
        for own in ACTIONS[:2]
    }
    told = [
        f"on {action} 8.0 mm better: {helped:.1f} against {alone:.1f} mm, more than two seeds differ (4.0 mm at most), "
        "verdict not decidable"
        for action, (helped, alone) in numbers.items()
    ]
    assert (
        "Does video of other actions help a model that knows the poses of one? That is not decidable with these runs, as with "
        f"so few runs p cannot be below 0.333. It makes the model, {'; '.join(told)}."
    ) in shown()
    assert shown().count("SYNTHETIC data, nobody was filmed: synthetic-tiny") == 6
    written = {path.name for path in report_scarcity.scarcity_dir(results).iterdir()}
    for name in ("scarcity", "ablation", "question"):
        assert {f"table_{name}.{kind}" for kind in ("csv", "md", "tex")} <= written
        assert {f"figure_{name}.png", f"figure_{name}.svg"} <= written


@pytest.mark.parametrize(
    ("verdicts", "least", "answer"),
    [
        (("lower", "lower"), 0.01, "Yes. It makes the model, on Eating 8.0 mm better"),
        (("higher", "higher"), 0.01, "No, it harms. It"),
        (("lower", "higher"), 0.01, "That is not the same for every action, or not decidable for all. It"),
        (("lower", "not decidable"), 0.01, "That is not the same for every action, or not decidable for all. It"),
        (("not decidable",) * 2, 0.01, "That is not decidable with these runs. It"),
        (("not decidable",) * 2, 0.1, "That is not decidable with these runs, as with so few runs p cannot be below 0.100. It"),
    ],
)  # fmt: skip
def test_the_answer_follows_from_the_verdicts(verdicts, least, answer, tiny_data, shown, monkeypatch) -> None:
    given = dict(zip(("Eating", "Sitting"), verdicts, strict=True))
    monkeypatch.setattr(
        report_scarcity,
        "scarcity_table",
        lambda results, action, *rest: scarcity_table(results, action, *rest).assign(
            **{"Verdict": given[action], "Smallest p": least}
        ),
    )
    report_scarcity.show_question(finished(tiny_data, ablation_share=0))
    assert f"knows the poses of one? {answer}" in shown()


def test_of_one_seed_nobody_says_that_seeds_do_not_differ(tiny_data: PoseDataset, shown) -> None:
    results = finished(tiny_data, seeds="0", ablation_share=0, shares="0.5")
    report_scarcity.show_scarcity(results)
    report_scarcity.show_question(results)
    assert shown().count("(one seed, so that nobody knows how much seeds differ)") == 3
    assert "than two seeds differ" not in shown()


def test_three_seeds_decide_nothing_and_four_may(tiny_data: PoseDataset) -> None:
    """As the notebook says."""
    text = text_of_notebook("05_semi_supervised")
    assert "With three seeds in each arm no p-value is below 0.1" in text
    assert "Four seeds (`-p seeds 0,1,2,3`) are the least" in text
    for seeds, least in (("0,1,2", 0.1), ("0,1,2,3", 2 / 70)):
        results = finished(tiny_data, seeds=seeds, ablation_share=0, shares="0.5")
        (row,) = scarcity_table(results, "All", (0.5,), "mpjpe").to_dict(orient="records")
        assert row["Smallest p"] == pytest.approx(least)


def test_the_notebook_s_formula_of_the_length_makes_as_many_epochs(tiny_data: PoseDataset) -> None:
    text = text_of_notebook("05_semi_supervised")
    assert "$u / (s f)$ epochs" in text
    assert "$u = 200 \\, s f$ makes as many" in text
    clips = tiny_data.train_clips()
    frames = (clips.stop - clips.start).groupby(clips.subject).sum()
    part = frames["S1"] / frames.sum()
    for share in (0.1, 0.5):
        (run, *_) = plan_scarcity(study(shares=share, ablation_share=0, unit_epochs=200 * share * part), tiny_data)
        assert plan_run(run, tiny_data).budget.epochs == pytest.approx(200, rel=0.01)
    assert part == pytest.approx(0.2, abs=0.02), "about a fifth"


def text_of_notebook(name: str) -> str:
    notebook = nbformat.read(notebooks_dir() / f"{name}.ipynb", as_version=4)
    return " ".join("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown").split())


def test_studies_of_other_settings_have_folders_of_their_own(tiny_data: PoseDataset) -> None:
    changes = ({}, {"labelled_subject": "S6"}, {"seeds": "5"}, {"dropout": 0.2}, {"mirror_testing": False})
    changes += ({"actions": "Photo"}, {"unit_epochs": 3}, {"causal": True}, {"keypoints": "simulated"})
    folders = {report_scarcity.scarcity_dir(ScarcityResults(study(**own), tiny_data)) for own in changes}
    assert len(folders) == len(changes)


def test_without_runs_the_notebook_says_what_is_missing(tiny_data: PoseDataset, shown) -> None:
    results = ScarcityResults(study(), tiny_data)
    report_scarcity.show_plan(results)
    assert "20 runs, 20 of them not finished yet." in shown()
    report_scarcity.show_scarcity(results)
    report_scarcity.show_ablation(results)
    report_scarcity.show_question(results)
    assert "There are no finished runs of both arms yet." in shown()
    assert "No run that leaves out a term is finished yet." in shown()
    report_scarcity.show_ablation(ScarcityResults(study(ablation_share=0), tiny_data))
    assert "No run leaves out a term of the loss." in shown()
    assert "There are no finished runs of single actions" in shown()


@pytest.mark.parametrize("seeds", [1, 3])
def test_figures_can_be_printed(seeds) -> None:
    rows = [
        (action, share, 1000 * share, arm, without, seed, 70 + seed - 5 * (arm == SEMI_SUPERVISED), 200.0)
        for action in ("All", "BasketballSignal")
        for share in (0.02, 0.1, 0.5)
        for arm in (SUPERVISED, SEMI_SUPERVISED)
        for without in ("", "projection", "bones")
        for seed in range(seeds)
        if arm == SEMI_SUPERVISED or not without
    ]
    table = pd.DataFrame(rows, columns=["action", "share", "frames", "arm", "without", "seed", "mpjpe", "mrpe"])
    plain = table[table.without == ""]
    for figure in (
        draw_scarcity(plain[plain.action == "All"], "What unlabelled video is worth, synthetic-small (synthetic data)"),
        draw_ablation(table[(table.action == "All") & (table.share == 0.1)], "What each term is worth, cmu_mocap"),
        draw_question(plain[plain.action != "All"], "Does video of other actions help?, synthetic-small"),
    ):
        check_printable(figure)


def test_the_actions_asked_about_are_the_paper_s_or_the_first_two(tiny_data: PoseDataset, hand_made) -> None:
    assert question_actions(study(), tiny_data) == ["Eating", "Sitting"]
    rows = [(who, action, "0", 0, 9) for who in ("S1", "S9") for action in ("Walking", "Jumping", "Running")]
    assert question_actions(study(), hand_made(rows)) == ["Walking", "Jumping"]
    single = hand_made([(who, "Walking", "0", 0, 9) for who in ("S1", "S9")])
    assert question_actions(study(), single) == []
    with pytest.raises(InputError, match="has no other action that could be seen without poses"):
        question_actions(study(actions="Walking", dataset="synthetic"), single)
