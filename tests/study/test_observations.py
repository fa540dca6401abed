"""Which numbers of run folders the tidy tables hold, how they are compared, and what the intervals are about."""

import dataclasses
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.study.config import Condition
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED, Observations, choose, is_end
from pose3d_lib.study.results import StudyResults
from tests.helpers import run_folders
from tests.helpers.made_up_observations import make_observations
from tests.helpers.run_folders import ACTIONS, FRAMES, TAKES, error_of

SHORT = Condition(1.0, "epoch", "equal_frames", (3, 3, 3))


def test_errors_are_those_of_the_runs_by_action_and_statistics(whole: StudyResults) -> None:
    errors = whole.observations.errors
    configs = {run.folder.name: run.config for run in whole.found.values()}
    # two lengths and schedules, two seeds, both statistics; each model of an action on its own, that of all on three
    assert len(errors) == 2 * 2 * 2 * 2 * (3 + 3)
    for row in errors.to_dict("records"):
        config, more = configs[row["run"]], run_folders.AS_PUBLISHED * (row["statistics"] == AS_PUBLISHED)
        assert row["action"] in (ACTIONS if config.is_baseline else [config.action])
        assert row["arm"] == (ORIGINAL if config.is_baseline else ACTION_BASED)
        assert (row["replicate"], row["unit_epochs"]) == (config.seed, config.unit_epochs)
        assert [row[metric] for metric in METRICS] == pytest.approx(
            [error_of(config, row["action"], metric) + more for metric in METRICS]
        )
        assert row["frames"] == FRAMES[row["action"]]
        assert row["scale"] == pytest.approx(1.1 if more else 1)
    assert set(errors.schedule) == {"epoch", "unit_epoch"}, "the original's runs are those of both"


def test_a_take_s_error_is_that_of_all_its_cameras_frames(whole: StudyResults) -> None:
    takes = choose(whole.observations.takes, SHORT, statistics=RECOMPUTED, arm=ORIGINAL, replicate=1, action="Sitting")
    assert list(zip(takes.subject, takes["take"], strict=True)) == list(TAKES)
    shares, harder = np.array(list(TAKES.values())).T
    np.testing.assert_allclose(takes.mpjpe, 60 + 4 + harder)
    np.testing.assert_allclose(takes.frames, shares * FRAMES["Sitting"])


def test_tests_during_training_and_at_the_end_have_either_statistics(whole: StudyResults) -> None:
    long = dataclasses.replace(SHORT, unit_epochs=4.0)
    own = choose(whole.observations.tests, long, arm=ACTION_BASED, action="Eating", replicate=0)
    published, recomputed = (own[own.statistics == name] for name in (AS_PUBLISHED, RECOMPUTED))
    assert published.seen.tolist() == pytest.approx([0.5, 1, 2, 4 * 2.5 / 3], abs=1e-4)
    assert recomputed.seen.tolist() == pytest.approx([2, 4 * 2.5 / 3], abs=1e-4)
    assert published.mpjpe.tolist() == pytest.approx([46 + 200 * 0.5**0.5, 146, 96, 46])
    assert recomputed.mpjpe.tolist() == pytest.approx([90, 40])
    assert is_end(published).tolist() == [False, False, False, True]


def test_training_seeds_and_timed_runs_stand_apart(whole: StudyResults) -> None:
    seeds, times = whole.observations.seeds, whole.observations.times
    assert set(seeds.replicate) == {0, 1, 2}
    own = seeds[(seeds.statistics == RECOMPUTED) & (seeds.arm == ACTION_BASED)]
    assert own.action.tolist() == ["Eating"] * 3 + ["Sitting"] * 3
    assert own.mpjpe.tolist() == pytest.approx([40, 44, 48] * 2)
    assert list(zip(times.repetition, times.arm, strict=True)) == [*product((1, 2), (ORIGINAL, ACTION_BASED))]
    assert set(times.action) == {"Eating"}
    assert times.seconds.tolist() == pytest.approx([1176, 392, 1176, 392])
    assert times.waited.tolist() == pytest.approx([0.02] * 4)


def test_ratios_are_of_complete_replicates() -> None:
    whole = make_observations({(1.0, "epoch", RECOMPUTED): {"Eating": -20.0, "Sitting": 10.0, "Walking": 5.0}})
    ratios = whole.ratios(SHORT)
    signs = np.array([0.01, -0.01, 0.01, -0.01])
    np.testing.assert_allclose(ratios.y, np.log([[0.8], [1.1], [1.05]]) + signs)
    assert ratios.takes is None
    errors = whole.errors
    gone = (errors.replicate == 2) & (errors.action == "Walking") & (errors.arm == ACTION_BASED)
    fewer = dataclasses.replace(whole, errors=errors[~gone])
    assert list(fewer.ratios(SHORT).y.columns) == [0, 1, 3]
    assert list(fewer.ratios(SHORT, actions=["Eating", "Sitting"]).y.columns) == [0, 1, 2, 3]
    assert whole.ratios(dataclasses.replace(SHORT, schedule="unit_epoch")).y.empty


def test_where_replicates_share_their_takes_their_spread_is_added() -> None:
    changes = {(1.0, "epoch", RECOMPUTED): -8.0}
    found = make_observations(changes, fixed=True, of_takes=0.03).ratios(SHORT)
    # takes of one subject have 3/8 and 1/8 of the frames; one of two is drawn: both of them are off by 0.03
    assert found.takes.variance == pytest.approx([0.03**2 / 2] * 3, rel=0.2)
    assert found.takes.df.tolist() == [2, 2, 2]
    assert make_observations(changes, of_takes=0.03).ratios(SHORT).takes is None


def test_tables_are_read_as_they_were_written(whole: StudyResults, tmp_path: Path) -> None:
    whole.observations.write(tmp_path)
    found = Observations.read(tmp_path)
    for name, table in vars(whole.observations).items():
        pd.testing.assert_frame_equal(vars(found)[name], table, check_exact=True, check_dtype=False)
    one = dataclasses.replace(whole.observations, errors=whole.observations.errors.assign(widths="3"))
    one.write(tmp_path)
    assert Observations.read(tmp_path).ratios(dataclasses.replace(SHORT, widths=(3,))).y.size
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    Observations.read(tmp_path).write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
