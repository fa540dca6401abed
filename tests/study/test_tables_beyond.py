"""Tables beyond the paper's: curves, joints, fine-tuned models, mixing and fewer frames, against arithmetic done here."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.study.beyond import share_of, study_runs
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.results import StudyResults, collect_study
from pose3d_lib.study.tables import MEAN, arms_table, pair_arms
from pose3d_lib.study.tables_beyond import FINE_TUNED, curves, fewer_frames, joint_errors, mixing, specialised
from pose3d_lib.training.config import RunConfig
from tests.helpers.run_folders import ACTIONS, FRAMES, error_of, error_on_the_way, make_study, write_runs


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))


def study(**changes: object) -> StudyConfig:
    """Every question beyond the paper; two seeds, and a third of the baseline and of the actions in focus."""
    settings = {"study": "more", "preset": "tiny", "seeds": "0,1", "more_seeds": "2", "lengths": 1}
    return make_study(**{**settings, **changes})


def finished(config: StudyConfig, data: PoseDataset, unless=lambda run: False) -> StudyResults:
    write_runs([run for run in study_runs(config, data) if not unless(run)], data)
    return collect_study(config, data)


@pytest.fixture(scope="module")
def whole(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("whole")))
        return finished(study(), tiny_data)


# Curves


def test_curves_have_every_test_of_both_arms_and_the_end(tiny_data: PoseDataset) -> None:
    config = study(lengths=4, evaluate_at="1,2", beyond=False)
    results = finished(config, tiny_data)
    comparison = results.find(4.0, "unit_epoch")
    table = curves(comparison, "unit_epoch", ["Sitting", "Eating"])
    assert table.columns.tolist() == ["action", "schedule", "arm", "seed", "unit_epochs", "mpjpe", "lr_share"]
    assert set(table.schedule) == {"unit_epoch"}
    assert len(table) == 2 * (3 + 3) * 3  # actions; runs of both arms; tests
    for (action, arm, seed), rows in table.groupby(["action", "arm", "seed"]):
        (config_of,) = (
            run.config
            for run in (comparison.original if arm == ORIGINAL else comparison.action_based[action])
            if run.config.seed == seed
        )
        end = 4 if arm == ORIGINAL else 4 * 2.5 / 3
        assert rows.unit_epochs.tolist() == pytest.approx([1, 2, end], abs=1e-4)
        expected = [*(error_on_the_way(config_of, action, point) for point in (1, 2)), error_of(config_of, action)]
        assert rows.mpjpe.tolist() == pytest.approx(expected)
        assert rows.lr_share.tolist() == pytest.approx([0.5, 0.25, 0.5**end])
    assert table.action.drop_duplicates().tolist() == ["Sitting", "Eating"]
    comparison = Comparison(comparison.original, {"Eating": comparison.action_based["Eating"]}, [])
    assert set(curves(comparison, "epoch", ["Sitting"]).arm) == {ORIGINAL}


# Joints


def test_errors_of_every_joint_are_weighted_by_frames_and_averaged_over_seeds(whole: StudyResults) -> None:
    table = joint_errors(whole.find(1.0, "epoch"), whole)
    joints = whole.data.skeleton.joints
    assert table.columns.tolist() == ["action", "joint", ORIGINAL, ACTION_BASED]
    assert list(zip(table.action, table.joint, strict=True)) == [(a, j) for a in ACTIONS for j in joints]
    offsets = np.arange(len(joints)) - (len(joints) - 1) / 2
    for place, (action, seeds) in enumerate(zip(ACTIONS, ((0, 4, 8), (0, 4, 8), (0, 4)), strict=True)):
        own = table[table.action == action]
        np.testing.assert_allclose(own[ORIGINAL], 50 + 10 * place + 4 + offsets)
        np.testing.assert_allclose(own[ACTION_BASED], 40 + np.mean(seeds) + offsets)


# Specialised


def test_fine_tuned_models_stand_beside_both_arms(whole: StudyResults) -> None:
    table = specialised(whole)
    both = table[table.arm != FINE_TUNED].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, arms_table(pair_arms(whole.find(1.0, "unit_epoch"), "mpjpe"), "mpjpe"))
    tuned = table[table.arm == FINE_TUNED]
    assert tuned.action.tolist() == [*ACTIONS, MEAN]
    assert tuned["mean"].tolist() == pytest.approx([39] * 4)  # 3 mm better, seeds 0 and 1 add 0 and 4
    assert tuned.runs.tolist() == [2] * 4
    assert tuned.sd.tolist() == pytest.approx([8**0.5] * 4)
    assert (tuned.low < 39).all()
    assert (tuned.high > 39).all()


def test_fine_tuned_models_of_some_actions_have_no_mean(tiny_data: PoseDataset) -> None:
    def unless(run: RunConfig) -> bool:
        return run.action == ("Walking" if run.start_from else "Eating")

    table = specialised(finished(study(seeds="0", more_seeds=""), tiny_data, unless=unless))
    assert table[table.arm == ORIGINAL].action.tolist() == ["Sitting", "Walking", MEAN]
    tuned = table[table.arm == FINE_TUNED]
    assert (tuned.action.tolist(), tuned["mean"].tolist()) == (["Sitting"], pytest.approx([37]))


# Mixing


def test_mixing_goes_from_one_action_to_all(tiny_data: PoseDataset) -> None:
    data, config = tiny_data, study(actions="", focus="Eating,Sitting")
    asked = [run for run in study_runs(config, data) if run.with_actions]
    known = [run for run in asked if len(run.with_actions) < 7]  # of the fifteen, these runs know three
    plain = [run for run in study_runs(config, data) if run.action in ("All", "Eating", "Sitting")]
    write_runs([run for run in plain if not run.with_actions], data)
    write_runs(known, data)
    table = mixing(collect_study(config, data))
    assert table.columns.tolist() == ["action", "trained_on", "seed", "mpjpe"]
    assert set(table.seed) == {0, 1}, "not the further seeds of both ends"
    for (action, count, seed), rows in table.groupby(["action", "trained_on", "seed"]):
        base = {"Eating": 50, "Sitting": 60}[action] + 4 * seed
        errors = {1: 40 + 4 * seed, 2: 40 + 4 * seed + 5, 4: 40 + 4 * seed + 15, 15: base}
        assert rows.mpjpe.tolist() == pytest.approx([errors[count]])
    assert len(table) == 2 * 2 * 4


# Fewer frames


def test_errors_stand_against_the_frames_that_were_trained_on(whole: StudyResults) -> None:
    table = fewer_frames(whole)
    assert table.columns.tolist() == ["action", "arm", "frames", "share", "seed", "mpjpe"]
    assert set(table.seed) == {0, 1}
    everything = sum(FRAMES.values())
    for place, action in enumerate(("Eating", "Sitting")):
        for seed in (0, 1):
            rows = table[(table.action == action) & (table.seed == seed)]
            original, own = (rows[rows.arm == arm].sort_values("share") for arm in (ORIGINAL, ACTION_BASED))
            as_many = [share_of(other, whole.data) for other in ("Eating", "Sitting")]
            shares = sorted([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, *as_many])
            assert original.share.tolist() == shares
            assert original.frames.tolist() == [round(2 * share * everything) // 2 for share in shares]
            expected = [50 + 10 * place + 4 * seed + 10 * (1 - share) for share in shares]
            assert original.mpjpe.tolist() == pytest.approx(expected)
            assert own.share.tolist() == [1 / 4, 1 / 2, 1]
            assert own.frames.tolist() == [FRAMES[action] // 4, FRAMES[action] // 2, FRAMES[action]]
            assert own.mpjpe.tolist() == pytest.approx(
                [40 + 4 * seed + 10 * (1 - share) for share in (1 / 4, 1 / 2, 1)]
            )
    assert len(table) == 2 * 2 * (7 + 3)


# Without runs


def test_without_the_runs_that_a_table_needs_it_is_empty(tiny_data: PoseDataset) -> None:
    few = {"seeds": "0", "more_seeds": ""}
    for results in (
        collect_study(study(**few), tiny_data),
        finished(study(**few), tiny_data, unless=lambda run: run.is_baseline and run.train_share == 1),
        finished(study(**few, beyond=False, channels=17), tiny_data),
    ):
        assert all(table(results).empty for table in (specialised, mixing, fewer_frames))
