"""Tables beyond the paper's: curves, joints, fine-tuned models, mixing and fewer frames, against arithmetic done here."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run
from pose3d_lib.study import tables_beyond
from pose3d_lib.study.beyond import share_of
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.config import Condition
from pose3d_lib.study.observations import AS_PUBLISHED
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, arms_table
from pose3d_lib.study.tables_beyond import (
    FINE_TUNED,
    curves,
    evaluate_saved,
    fewer_frames,
    joint_errors,
    mixing,
    specialised,
    transfer,
)
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.made_up_observations import make_observations
from tests.helpers.run_folders import ACTIONS, FRAMES, TINY, error_of, error_on_the_way


def without(results: StudyResults, unless: Callable[[RunConfig], bool]) -> StudyResults:
    """The same study with fewer finished runs."""

    def kept(runs: list[Run]) -> list[Run]:
        return [run for run in runs if not unless(run.config)]

    comparisons = {
        condition: Comparison(
            kept(own.original), {action: runs for action, all_ in own.action_based.items() if (runs := kept(all_))}
        )
        for condition, own in results.comparisons.items()
    }
    return replace(results, comparisons=comparisons, beyond={name: kept(runs) for name, runs in results.beyond.items()})


def test_curves_have_every_test_of_both_arms_and_the_end(whole: StudyResults) -> None:
    comparison = whole.comparisons[whole.config.condition(4.0, "unit_epoch")]
    table = curves(whole.observations, whole.config.condition(4.0, "unit_epoch"), ["Sitting", "Eating"])
    assert table.columns.tolist() == ["action", "schedule", "arm", "seed", "unit_epochs", "mpjpe", "lr_share"]
    assert set(table.schedule) == {"unit_epoch"}
    assert table.action.drop_duplicates().tolist() == ["Sitting", "Eating"]
    assert len(table) == 2 * (2 + 2) * 4  # actions; runs of both arms; tests
    for (action, arm, seed), rows in table.groupby(["action", "arm", "seed"]):
        runs = comparison.original if arm == ORIGINAL else comparison.action_based[action]
        config = runs[seed].config
        end = 4 if arm == ORIGINAL else 4 * 2.5 / 3
        assert rows.unit_epochs.tolist() == pytest.approx([0.5, 1, 2, end], abs=1e-4)
        expected = [*(error_on_the_way(config, action, point) for point in (0.5, 1, 2)), error_of(config, action) + 6]
        assert rows.mpjpe.tolist() == pytest.approx(expected)
        assert rows.lr_share.tolist() == pytest.approx([0.5**0.5, 0.5, 0.25, 0.5**end])


def test_points_of_a_curve_are_the_same_for_every_seed_whose_batches_end_elsewhere() -> None:
    observations = make_observations({(1.0, "epoch", AS_PUBLISHED): -8.0})
    tests = observations.tests
    moved = tests.assign(seen=tests.seen + 0.001 * tests.replicate * (tests.seen < 1))
    table = curves(replace(observations, tests=moved), Condition(1.0, "epoch", "equal_frames", (3, 3, 3)), ["Eating"])
    points = table.groupby("arm").unit_epochs.unique()
    assert [*points.iloc[0], *points.iloc[1]] == pytest.approx([0.5015, 1.0] * 2)


def test_errors_of_every_joint_are_weighted_by_frames_and_averaged_over_seeds(whole: StudyResults) -> None:
    table = joint_errors(whole.comparisons[whole.config.condition(1.0, "epoch")], whole)
    joints = whole.data.skeleton.joints
    assert list(zip(table.action, table.joint, strict=True)) == [(a, j) for a in ACTIONS for j in joints]
    offsets = np.arange(len(joints)) - (len(joints) - 1) / 2
    for place, action in enumerate(ACTIONS):
        own = table[table.action == action]
        np.testing.assert_allclose(own[ORIGINAL], 50 + 10 * place + 2 + offsets)
        np.testing.assert_allclose(own[ACTION_BASED], 40 + 2 + offsets)


def test_transfer_has_every_model_on_every_action(whole: StudyResults) -> None:
    matrix = transfer(whole, whole.config.condition(1.0, "epoch"))
    assert matrix.index.tolist() == ["All", *ACTIONS]
    assert matrix.columns.tolist() == list(ACTIONS)
    expected = [[52, 62, 72], [42, 162, 172], [152, 42, 172], [152, 162, 42]]
    np.testing.assert_allclose(matrix.to_numpy(), expected)


def test_models_tested_on_their_own_action_are_evaluated_once_for_the_transfer(whole, monkeypatch) -> None:
    condition, asked = whole.config.condition(1.0, "epoch"), []
    comparison = whole.comparisons[condition]
    own = {action: [own_action_only(run) for run in runs] for action, runs in comparison.action_based.items()}
    fewer = replace(whole, comparisons={condition: Comparison(comparison.original, own)})
    (fewer.folder / "transfer_errors.csv").unlink(missing_ok=True)

    def measure(run: Run, data: object, actions: list[str]) -> pd.Series:
        asked.append(run.config.action)
        return pd.Series({action: error_of(run.config, action) for action in actions})

    monkeypatch.setattr(tables_beyond, "evaluate_saved", measure)
    paper = replace(fewer, config=whole.config.model_copy(update={"beyond": False}))
    assert transfer(paper, condition).empty
    expected = transfer(whole, condition)
    (fewer.folder / "transfer_errors.csv").unlink()
    for _ in range(2):
        pd.testing.assert_frame_equal(transfer(fewer, condition), expected)
    assert asked == ["Eating", "Eating", "Sitting", "Sitting", "Walking", "Walking"]


def own_action_only(run: Run) -> Run:
    fewer = Run(run.folder)
    vars(fewer)["actions"] = run.actions.loc[[run.config.action]]
    return fewer


def test_a_saved_model_gives_the_errors_of_its_run(tiny_data: PoseDataset) -> None:
    config = make_config(RunConfig, {**TINY, "channels": 4, "unit_epochs": 0.02, "action": "Sitting"})
    run = execute_run(plan_run(config, tiny_data))
    found = evaluate_saved(run, tiny_data, ["Walking", "Sitting"])
    assert list(run.actions.index) == ["Sitting"], "a run is tested on what it was trained on"
    assert found["Sitting"] == pytest.approx(run.actions.mpjpe["Sitting"], rel=1e-4)
    assert found["Walking"] > 0


def test_fine_tuned_models_stand_beside_both_arms(whole: StudyResults) -> None:
    table = specialised(whole)
    both = table[table.arm != FINE_TUNED].reset_index(drop=True)
    arms = arms_table(whole.observations, whole.config.condition(1.0, "unit_epoch"), "mpjpe")
    pd.testing.assert_frame_equal(both, arms)
    tuned = table[table.arm == FINE_TUNED]
    assert tuned.action.tolist() == [*ACTIONS, MEAN]
    assert tuned["mean"].tolist() == pytest.approx([39] * 4)  # 3 mm better, seeds 0 and 1 add 0 and 4
    assert tuned.replicates.tolist() == [2] * 4
    assert tuned.sd.tolist() == pytest.approx([8**0.5] * 4)
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
            for seed in (0, 1)
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
