"""The scarcity study: its runs and its tables against arithmetic done here."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report.redraw import redraw_study
from pose3d_lib.report.semi_supervised import show_everything
from pose3d_lib.study.scarcity import (
    ScarcityConfig,
    plan_scarcity,
    question_actions,
    subjects,
)
from pose3d_lib.study.tables_scarcity import (
    ALONE,
    SEMI_SUPERVISED,
    SUPERVISED,
    ScarcityResults,
    ablation_table,
    collect_scarcity,
    scarcity_table,
)
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.run_folders import ACTIONS, TINY, error_of, write_runs


def study(**changes: object) -> ScarcityConfig:
    return make_config(ScarcityConfig, {**TINY, "seeds": "0,1,2,3", "shares": "0.1,0.5", **changes})


@pytest.fixture(scope="module")
def all_seeds(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> ScarcityResults:
    """A study of four seeds, finished."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("whole")))
        write_runs(plan_scarcity(study(), tiny_data), tiny_data)
        return collect_scarcity(study(), tiny_data)


@pytest.fixture(scope="module")
def whole(all_seeds: ScarcityResults) -> ScarcityResults:
    """Two seeds of it."""
    return replace(all_seeds, table=all_seeds.table[all_seeds.table.seed < 2])


# The plan


def kind(run: RunConfig) -> str:
    if run.without_terms:
        return f"without {run.without_terms[0]}"
    return f"{run.action}, {'semi-supervised' if run.semi_supervised else 'supervised'}"


def test_the_plan_has_both_arms_at_every_share_the_ablations_and_the_question(tiny_data: PoseDataset) -> None:
    runs = plan_scarcity(study(seeds="0,1"), tiny_data)
    both = {"All": 4, "Eating": 2, "Sitting": 2}
    arms = {f"{action}, {arm}": runs for action, runs in both.items() for arm in ("supervised", "semi-supervised")}
    assert Counter(map(kind, runs)) == {**arms, "without projection": 2, "without bones": 2}
    assert len(set(runs)) == len(runs)


def test_one_subject_is_labelled_in_part_and_the_others_are_seen(tiny_data: PoseDataset) -> None:
    config = study(labelled_subject="S6", actions="Photo", seeds=0)
    assert subjects(config, tiny_data) == ("S6", ("S1", "S5", "S7", "S8"))
    others = set(tiny_data.actions) - {"Photo"}
    for run in plan_scarcity(config, tiny_data):
        if run.is_baseline:
            assert (run.labelled_subjects, run.share_at) == (("S6",), "anywhere")
            assert run.unlabelled_subjects == (("S1", "S5", "S7", "S8") if run.semi_supervised else ())
        else:
            assert (run.action, run.labelled_subjects, run.train_share) == ("Photo", (), 1)
            assert set(run.unlabelled_actions) == (others if run.semi_supervised else set())


def test_every_run_sees_as_many_windows_and_its_rate_falls_as_far_as_the_published_one(tiny_data) -> None:
    clips = tiny_data.train_clips()
    frames = (clips.stop - clips.start).groupby(clips.subject).sum()
    length = 200 * 0.1 * frames["S1"] / frames.sum()  # as the notebook says it
    (run, *_) = plan_scarcity(study(shares=0.1, ablation_share=0, unit_epochs=length), tiny_data)
    assert plan_run(run, tiny_data).budget.epochs == pytest.approx(200, rel=0.01)
    for run in plan_scarcity(study(shares="0.1,0.5,1", unit_epochs=0.5, seeds=0), tiny_data):
        budget = plan_run(run, tiny_data).budget
        assert budget.total == round(0.5 * budget.unit)
        assert run.lr_decay**budget.epochs == pytest.approx(0.98**200, rel=1e-3)
        if run.semi_supervised:
            assert run.warmup_epochs / budget.epochs == pytest.approx(5 / 200, abs=1e-3)


def test_with_a_single_train_subject_the_rest_of_its_clips_is_seen(hand_made) -> None:
    rows = [(who, action, "0", 0, 900) for who in ("S1", "S9") for action in ("Eating", "Sitting")]
    data = hand_made(rows, cameras=h36m_cameras()["S1"][:2])
    config = study(shares="0.1,1", keypoints="simulated", seeds=0)
    assert subjects(config, data) == ("S1", ("S1",))
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


def test_the_actions_asked_about_are_the_paper_s_or_the_first_two(tiny_data: PoseDataset, hand_made) -> None:
    assert question_actions(study(), tiny_data) == ["Eating", "Sitting"]
    rows = [(who, action, "0", 0, 9) for who in ("S1", "S9") for action in ("Walking", "Jumping", "Running")]
    assert question_actions(study(), hand_made(rows)) == ["Walking", "Jumping"]
    single = hand_made([(who, "Walking", "0", 0, 9) for who in ("S1", "S9")])
    assert question_actions(study(), single) == []
    with pytest.raises(InputError, match="has only Walking, and no other to see without poses"):
        question_actions(study(actions="Walking"), single)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ablation_share": 0.2}, "parameter ablation_share: found 0.2: it is none of shares, 0.1, 0.5"),
        ({"shares": "1"}, "parameter ablation_share: found 0.1: it is none of shares, 1; give one of these, or 0"),
        ({"shares": "0,0.1"}, "parameter shares"),
        ({"labelled_subject": "S9"}, "unknown train subject of synthetic-tiny 'S9'"),
        ({"actions": "Eatin"}, "did you mean Eating"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes, message, tiny_data: PoseDataset) -> None:
    with pytest.raises(InputError) as refusal:
        plan_scarcity(study(**changes), tiny_data)
    assert message in str(refusal.value)


# Tables


def test_both_arms_stand_beside_how_much_seeds_differ(whole: ScarcityResults) -> None:
    table = scarcity_table(whole.table)
    kinds = [("All", 0.1), ("All", 0.5), ("Eating", 1.0), ("Sitting", 1.0)]
    assert list(zip(table.action, table.share, strict=True)) == kinds
    alone = np.array([72, 68, 42, 42])  # as `run_folders.error_of` says
    assert table[f"{SUPERVISED}, mean"].to_numpy() == pytest.approx(alone)
    assert table[f"{SEMI_SUPERVISED}, mean"].to_numpy() == pytest.approx(alone - 8)
    assert table[f"{SUPERVISED}, sd"].to_numpy() == pytest.approx(8**0.5)
    assert table.change.to_numpy() == pytest.approx(-8)
    assert table.spread.to_numpy() == pytest.approx(4)


def test_seeds_are_paired_and_a_seed_with_one_arm_is_left_out(all_seeds: ScarcityResults) -> None:
    runs = all_seeds.table[all_seeds.table.share == 0.5]
    table = scarcity_table(runs)
    logs = np.log([58, 62, 66, 70]) - np.log([66, 70, 74, 78])
    width = 3.18245 * logs.std(ddof=1) / 2  # t of 3 degrees of freedom
    expected = [100 * np.expm1(logs.mean() + shift) for shift in (0, -width, width)]
    assert table[["percent", "low", "high"]].to_numpy()[0] == pytest.approx(expected, rel=1e-4)
    assert (table.verdict[0], table.runs[0]) == ("better", 4)
    table = scarcity_table(runs[(runs.seed == 0) | (runs.arm == SUPERVISED)])
    assert (table.runs[0], table.verdict[0]) == (1, "not decidable")
    assert table[["spread", "low", "p"]].isna().all(axis=None)


def test_every_run_has_a_row_and_a_share_without_runs_of_both_arms_none(whole: ScarcityResults, tiny_data) -> None:
    for run, row in zip(
        plan_scarcity(study(seeds="0,1"), tiny_data), whole.table.to_dict(orient="records"), strict=True
    ):
        assert (row["action"], row["share"], row["seed"]) == (run.action, run.train_share, run.seed)
        assert row["arm"] == (SEMI_SUPERVISED if run.semi_supervised else SUPERVISED)
        assert (row["loss"] == ALONE) == (not run.semi_supervised)
        tested = ACTIONS if run.is_baseline else [run.action]
        assert row["mpjpe"] == pytest.approx(np.mean([error_of(run, action) for action in tested]))
    lacking = whole.table[(whole.table.arm == SUPERVISED) | (whole.table.share != 0.5)]
    assert scarcity_table(lacking).share.tolist() == [0.1, 1.0, 1.0]


def test_an_ablation_has_the_whole_loss_first_and_none_of_it_last(whole: ScarcityResults) -> None:
    table = ablation_table(whole.table[(whole.table.action == "All") & (whole.table.share == 0.1)])
    assert table.loss.tolist() == ["all terms", "without projection", "without bones", "supervised alone"]
    assert (table.mpjpe - table.mpjpe[0]).tolist() == pytest.approx([0, 3, 3, 8])
    assert table.mpjve_sd.tolist() == pytest.approx([np.std([0, 4], ddof=1)] * 4)
    assert table.runs.tolist() == [2] * 4


def test_every_table_and_figure_is_redrawn_from_the_folder_alone(all_seeds: ScarcityResults, tmp_path) -> None:
    show_everything(all_seeds)
    copy = Path(shutil.copytree(all_seeds.folder, tmp_path / "copy"))
    drawn = {path.name: path.read_bytes() for path in copy.iterdir() if path.suffix in (".csv", ".md", ".png")}
    assert len(drawn) == 9
    for name in drawn:
        (copy / name).unlink()
    redraw_study(copy)
    assert {name: (copy / name).read_bytes() for name in drawn} == drawn
