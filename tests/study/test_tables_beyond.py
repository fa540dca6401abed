"""Tables beyond the paper's: curves, joints, fine-tuned models, mixing and fewer frames, against arithmetic done here."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.runs.run import Run
from pose3d_lib.study.beyond import share_of
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, arms_table, pair_arms
from pose3d_lib.study.tables_beyond import FINE_TUNED, curves, fewer_frames, joint_errors, mixing, specialised
from pose3d_lib.training.config import RunConfig
from tests.helpers.run_folders import ACTIONS, AS_PUBLISHED, FRAMES, error_of, error_on_the_way


def without(results: StudyResults, unless: Callable[[RunConfig], bool]) -> StudyResults:
    """The same study with fewer finished runs."""

    def kept(runs: list[Run]) -> list[Run]:
        return [run for run in runs if not unless(run.config)]

    comparisons = {
        condition: Comparison(
            kept(own.original), {action: runs for action, all_ in own.action_based.items() if (runs := kept(all_))}, []
        )
        for condition, own in results.comparisons.items()
    }
    return replace(results, comparisons=comparisons, beyond={name: kept(runs) for name, runs in results.beyond.items()})


def test_curves_have_every_test_of_both_arms_and_the_end(whole: StudyResults) -> None:
    comparison = whole.find(4.0, "unit_epoch")
    table = curves(comparison, "unit_epoch", ["Sitting", "Eating"])
    assert table.columns.tolist() == ["action", "schedule", "arm", "seed", "unit_epochs", "mpjpe", "lr_share"]
    assert set(table.schedule) == {"unit_epoch"}
    assert table.action.drop_duplicates().tolist() == ["Sitting", "Eating"]
    assert len(table) == 2 * (3 + 3) * 4  # actions; runs of both arms; tests
    for (action, arm, seed), rows in table.groupby(["action", "arm", "seed"]):
        runs = comparison.original if arm == ORIGINAL else comparison.action_based[action]
        config = runs[seed].config
        end = 4 if arm == ORIGINAL else 4 * 2.5 / 3
        assert rows.unit_epochs.tolist() == pytest.approx([0.5, 1, 2, end], abs=1e-4)
        expected = [error_on_the_way(config, action, point) for point in (0.5, 1, 2)]
        expected.append(error_of(config, action) + AS_PUBLISHED)
        assert rows.mpjpe.tolist() == pytest.approx(expected)
        assert rows.lr_share.tolist() == pytest.approx([0.5**0.5, 0.5, 0.25, 0.5**end])
    comparison = Comparison(comparison.original, {"Eating": comparison.action_based["Eating"]}, [])
    assert set(curves(comparison, "epoch", ["Sitting"]).arm) == {ORIGINAL}


def test_errors_of_every_joint_are_weighted_by_frames_and_averaged_over_seeds(whole: StudyResults) -> None:
    table = joint_errors(whole.find(1.0, "epoch"), whole)
    joints = whole.data.skeleton.joints
    assert list(zip(table.action, table.joint, strict=True)) == [(a, j) for a in ACTIONS for j in joints]
    offsets = np.arange(len(joints)) - (len(joints) - 1) / 2
    for place, (action, seeds) in enumerate(zip(ACTIONS, ((0, 4, 8), (0, 4, 8), (0, 4)), strict=True)):
        own = table[table.action == action]
        np.testing.assert_allclose(own[ORIGINAL], 50 + 10 * place + 4 + offsets)
        np.testing.assert_allclose(own[ACTION_BASED], 40 + np.mean(seeds) + offsets)


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
    some = specialised(without(whole, lambda run: run.action == ("Walking" if run.start_from else "Eating")))
    assert some[some.arm == ORIGINAL].action.tolist() == ["Sitting", "Walking", MEAN]
    assert some[some.arm == FINE_TUNED].action.tolist() == ["Sitting"], "of some actions there is no mean"


def test_mixing_goes_from_one_action_to_all(whole: StudyResults) -> None:
    table = mixing(whole)
    assert table.columns.tolist() == ["action", "trained_on", "seed", "mpjpe"]
    found = {(action, count, seed): mpjpe for action, count, seed, mpjpe in table.itertuples(index=False)}
    assert len(found) == len(table)
    assert found == pytest.approx(
        {
            (action, count, seed): error + 4 * seed
            for action, base in (("Eating", 50), ("Sitting", 60))
            for count, error in ((1, 40), (2, 45), (15, base))
            for seed in (0, 1)  # not the further seeds of both ends
        }
    )


def test_errors_stand_against_the_frames_that_were_trained_on(whole: StudyResults) -> None:
    table = fewer_frames(whole)
    assert table.columns.tolist() == ["action", "arm", "frames", "share", "seed", "mpjpe"]
    as_many = [share_of(action, whole.data) for action in ("Eating", "Sitting")]
    shares = {ORIGINAL: sorted([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, *as_many]), ACTION_BASED: [1 / 4, 1 / 2, 1]}
    assert len(table) == 2 * 2 * (7 + 3)
    for (action, arm, seed), rows in table.sort_values("share").groupby(["action", "arm", "seed"]):
        assert seed in (0, 1)
        original = arm == ORIGINAL
        everything, best = (sum(FRAMES.values()), 50 + 10 * ACTIONS.index(action)) if original else (FRAMES[action], 40)
        assert rows.share.tolist() == shares[arm]
        assert rows.frames.tolist() == [round(2 * share * everything) // 2 for share in shares[arm]]
        assert rows.mpjpe.tolist() == pytest.approx([best + 4 * seed + 10 * (1 - share) for share in shares[arm]])


def test_without_the_runs_that_a_table_needs_it_is_empty(whole: StudyResults) -> None:
    for results in (
        without(whole, lambda run: True),
        without(whole, lambda run: run.is_baseline and run.train_share == 1),
        replace(whole, beyond={}),
    ):
        assert all(table(results).empty for table in (specialised, mixing, fewer_frames))
