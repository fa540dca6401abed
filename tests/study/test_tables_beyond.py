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
from pose3d_lib.study.beyond import FEWER_FRAMES, condition_beyond
from pose3d_lib.study.config import Condition
from pose3d_lib.study.observations import AS_PUBLISHED
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, summarise_arms
from pose3d_lib.study.tables_beyond import (
    FINE_TUNED,
    TOLD_ACTION,
    as_many_of_all,
    change_of_arm,
    curves,
    data_efficiency,
    evaluate_saved,
    fewer_frames,
    joint_errors,
    labels,
    mixing,
    specialised,
    transfer,
)
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.made_up_observations import make_observations
from tests.helpers.run_folders import ACTIONS, FRAMES, TINY, error_of, error_on_the_way, error_saved


def without(results: StudyResults, unless: Callable[[RunConfig], bool]) -> StudyResults:
    """The same study with fewer finished runs."""

    def kept(runs: list[Run]) -> list[Run]:
        return [run for run in runs if not unless(run.config)]

    return replace(results, parts={part: kept(runs) for part, runs in results.parts.items()})


def test_curves_have_every_test_of_both_arms_and_the_end(whole: StudyResults) -> None:
    compared = whole.parts[whole.config.condition(4.0, "unit_epoch")]
    table = curves(whole.observations, whole.config.condition(4.0, "unit_epoch"), ["Sitting", "Eating"])
    assert table.columns.tolist() == ["action", "schedule", "arm", "seed", "unit_epochs", "mpjpe", "lr_share"]
    assert set(table.schedule) == {"unit_epoch"}
    assert table.action.drop_duplicates().tolist() == ["Sitting", "Eating"]
    assert len(table) == 2 * (2 + 2) * 4  # actions; runs of both arms; tests
    for (action, arm, seed), rows in table.groupby(["action", "arm", "seed"]):
        model = "All" if arm == ORIGINAL else action
        (config,) = (run.config for run in compared if (run.config.action, run.config.seed) == (model, seed))
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
    table = joint_errors(whole.parts[whole.config.condition(1.0, "epoch")], whole.data.skeleton)
    joints = whole.data.skeleton.joints
    assert list(zip(table.action, table.joint, strict=True)) == [(a, j) for a in ACTIONS for j in joints]
    offsets = np.arange(len(joints)) - (len(joints) - 1) / 2
    for place, action in enumerate(ACTIONS):
        own = table[table.action == action]
        np.testing.assert_allclose(own[ORIGINAL], 50 + 10 * place + 2 + offsets)
        np.testing.assert_allclose(own[ACTION_BASED], 40 + 2 + offsets)


def test_transfer_has_every_model_on_every_action_and_every_label(whole: StudyResults) -> None:
    table = transfer(whole)
    assert table.columns.tolist() == ["model", "told", "seed", *ACTIONS]
    assert len(table) == 2 * (4 + 3)
    plain = table[table.told == ""].groupby("model")[list(ACTIONS)].mean().loc[["All", *ACTIONS]]
    np.testing.assert_allclose(plain, [[52, 62, 72], [42, 162, 172], [152, 42, 172], [152, 162, 42]])
    told = table[table.told != ""].groupby("told")[list(ACTIONS)].mean().loc[list(ACTIONS)]
    np.testing.assert_allclose(told, np.array([50, 60, 70]) + 50 * (1 - np.eye(3)))  # 2 mm better, 2 mm of the seeds


def test_what_a_label_is_worth_is_the_mean_of_the_actions_of_each_replicate(whole: StudyResults) -> None:
    table = labels(transfer(whole))
    assert list(table.action.unique()) == list(ACTIONS)
    worth = {(ORIGINAL, ""): 60, (ACTION_BASED, "yes"): 40, (ACTION_BASED, "no"): 160}
    told = {(TOLD_ACTION, "yes"): 58, (TOLD_ACTION, "no"): 108}
    expected = {(seed, *key): own + 4 * seed for seed in (0, 1) for key, own in (worth | told).items()}
    assert table.groupby(["seed", "arm", "known"]).mpjpe.mean().to_dict() == pytest.approx(expected)
    some = labels(transfer(without(whole, lambda run: run.action == "Sitting" or run.action_input)))
    assert set(zip(some.arm, some.known, strict=True)) == set(worth)


def test_models_tested_on_their_own_action_are_evaluated_once_for_the_transfer(whole, monkeypatch) -> None:
    condition, asked = condition_beyond(whole.config), []
    own = [run if run.config.is_baseline else own_action_only(run) for run in whole.parts[condition]]
    fewer = replace(whole, parts={**whole.parts, condition: own})
    (fewer.folder / "transfer_errors.csv").unlink(missing_ok=True)

    def measure(run: Run, data: object, actions: list[str], told: str) -> pd.Series:
        asked.append((run.config.action, told))
        return error_saved(run, data, actions, told)

    assert transfer(replace(fewer, config=whole.config.model_copy(update={"beyond": False}))).empty
    expected = transfer(whole)
    (fewer.folder / "transfer_errors.csv").unlink()
    monkeypatch.setattr(tables_beyond, "evaluate_saved", measure)
    for _ in range(2):
        pd.testing.assert_frame_equal(transfer(fewer), expected)
    assert sorted(asked) == sorted(
        2 * [*(("All", action) for action in ACTIONS), *((action, "") for action in ACTIONS)]
    )


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


def test_four_kinds_of_models_stand_beside_each_other(whole: StudyResults) -> None:
    table = specialised(whole)
    assert table.columns.tolist() == ["action", "arm", "seed", "mpjpe"]
    assert len(table) == 3 * 4 * 2
    means = table.groupby(["arm", "action"], sort=False).mpjpe.mean().unstack().loc[:, list(ACTIONS)]
    expected = {ORIGINAL: [52, 62, 72], ACTION_BASED: [42] * 3, FINE_TUNED: [39] * 3, TOLD_ACTION: [50, 60, 70]}
    for arm, errors in expected.items():
        assert means.loc[arm].tolist() == pytest.approx(errors), arm
    summary = summarise_arms(table.rename(columns={"seed": "replicate"})).set_index(["arm", "action"])
    assert summary["mean"][FINE_TUNED, MEAN] == pytest.approx(39)
    assert summary.sd.tolist() == pytest.approx([8**0.5] * 16)
    assert set(summary.replicates) == {2}
    some = specialised(without(whole, lambda run: run.action == "Walking" and bool(run.start_from)))
    summary = summarise_arms(some.rename(columns={"seed": "replicate"}))
    assert summary.action[summary.arm == FINE_TUNED].tolist() == ["Eating", "Sitting"], (
        "of some actions there is no mean"
    )


def test_a_change_is_paired_within_replicates_over_the_actions_of_both_arms(whole: StudyResults) -> None:
    table = specialised(without(whole, lambda run: run.action == "Walking" and bool(run.start_from)))
    effect = change_of_arm(table, FINE_TUNED)
    logs = [np.mean([np.log((37 + 4 * seed) / (error + 4 * seed)) for error in (50, 60)]) for seed in (0, 1)]
    assert effect.value == pytest.approx(100 * np.expm1(np.mean(logs)))
    assert effect.replicates == 2
    assert effect.low < effect.value < effect.high
    assert change_of_arm(table, "another") is None


def test_mixing_goes_from_one_action_to_all(whole: StudyResults) -> None:
    table = mixing(whole)
    assert table.columns.tolist() == ["action", "trained_on", "seed", "mpjpe"]
    expected = {
        (action, count, seed): error + 4 * seed
        for action, base in (("Eating", 50), ("Sitting", 60))
        for count, error in ((1, 40), (2, 45), (15, base))
        for seed in (0, 1)
    }
    assert len(table) == len(expected)
    assert table.set_index(["action", "trained_on", "seed"]).mpjpe.to_dict() == pytest.approx(expected)


def test_errors_stand_against_the_frames_that_were_trained_on(whole: StudyResults) -> None:
    table = fewer_frames(whole)
    assert table.columns.tolist() == ["action", "arm", "share", "frames", "seed", "mpjpe"]
    assert len(table.groupby(["action", "arm", "seed"])) == 2 * 2 * 2
    for (action, arm, seed), rows in table.sort_values("share").groupby(["action", "arm", "seed"]):
        original = arm == ORIGINAL
        everything, best = (sum(FRAMES.values()), 50 + 10 * ACTIONS.index(action)) if original else (FRAMES[action], 40)
        made = [run.config for run in whole.parts[FEWER_FRAMES] if run.config.seed == seed]
        shares = [*(run.train_share for run in made if run.action == ("All" if original else action)), 1]
        assert rows.share.tolist() == pytest.approx(shares)
        assert len(shares) > 1
        assert rows.frames.tolist() == [round(2 * share * everything) // 2 for share in shares]
        assert rows.mpjpe.tolist() == pytest.approx([best + 4 * seed + 10 * (1 - share) for share in shares])


def power_law_table() -> pd.DataFrame:
    """Errors of one action: of all frames 40 + 30 (n / 30,720)^-0.5 mm, of its own 50 + 5 (n / 1,920)^-0.8; 1 mm a seed."""
    rows = [
        ("Eating", arm, share, round(share * most), seed, a + seed + b * share**-c)
        for arm, most, a, b, c in ((ORIGINAL, 30_720, 40, 30, 0.5), (ACTION_BASED, 1_920, 50, 5, 0.8))
        for seed in range(4)
        for share in (1 / 64, 1 / 16, 1 / 4, 1)
    ]
    return pd.DataFrame(rows, columns=["action", "arm", "share", "frames", "seed", "mpjpe"])


def test_data_efficiency_finds_the_curves_and_what_more_frames_would_give() -> None:
    found = data_efficiency(power_law_table()).set_index("arm")
    assert found.found.all()
    assert found.frames.tolist() == [30_720, 1_920]
    assert found.a.tolist() == pytest.approx([41.5, 51.5], rel=1e-3)
    assert found.c.tolist() == pytest.approx([0.5, 0.8], rel=1e-3)
    spread = 3.182 * np.std([0, 1, 2, 3], ddof=1) / 2  # t of 3 degrees of freedom
    assert (found.a_high - found.a_low).tolist() == pytest.approx([2 * spread] * 2, rel=1e-2)
    twice = [np.log((40 + seed + 30 * 2**-0.5) / (70 + seed)) for seed in range(4)]
    assert found.change[ORIGINAL] == pytest.approx(100 * np.expm1(np.mean(twice)), rel=1e-3)
    ratios = [np.log((55 + seed) / (40 + seed + 30 * 4)) for seed in range(4)]  # 1,920 is a 16th of 30,720
    effect = as_many_of_all(power_law_table(), "Eating")
    assert effect.value == pytest.approx(100 * np.expm1(np.mean(ratios)), rel=1e-3)
    assert effect.replicates == 4


def test_errors_that_fall_with_no_frames_tell_no_curve() -> None:
    table = power_law_table().assign(mpjpe=lambda own: 60 + own.share)
    assert not data_efficiency(table).found.any()
    fewer = power_law_table()
    assert data_efficiency(fewer[fewer.share > 0.05]).empty, "three points for three parameters"


def test_without_the_runs_that_a_table_needs_it_is_empty(whole: StudyResults) -> None:
    for results in (
        without(whole, lambda run: True),
        without(whole, lambda run: run.is_baseline and run.train_share == 1 and not run.action_input),
        replace(
            whole,
            parts={condition: runs for condition, runs in whole.parts.items() if isinstance(condition, Condition)},
        ),
    ):
        assert all(table(results).empty for table in (specialised, mixing, fewer_frames))
