"""The claims of the paper on made-up observations of known truth: reproduced, not reproduced, and not decidable."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from pose3d_lib.study.claims import CLAIMS, judge_claims, reported_changes
from pose3d_lib.study.evidence import FOCUS, MAIN, ONE_SCHEDULE, STALE, VARIANTS
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED, Observations
from pose3d_lib.study.verdicts import NOT_DECIDABLE, NOT_MEASURED, NOT_REPRODUCED, REPRODUCED
from tests.helpers.made_up_observations import everything, make_observations
from tests.helpers.run_folders import make_study

STUDY = make_study(lengths="1,16", schedules="epoch,unit_epoch")


def judged(observations: Observations, variant: str = MAIN.name) -> pd.DataFrame:
    claims = judge_claims(observations, STUDY)
    return claims[claims.variant == variant].set_index("claim")


def short(change: object, schedule: str = "epoch", statistics: str = RECOMPUTED, **settings: object) -> Observations:
    return make_observations({(1.0, schedule, statistics): change}, **settings)


def half_width(noise: float) -> float:
    """Of the interval of four replicates that are `noise` up and down, logs: t of 3 degrees of freedom, and s / 2."""
    return 3.18245 * noise * np.sqrt(4 / 3) / 2


# Errors


def test_a_change_is_the_mean_of_the_log_ratios_with_its_t_interval() -> None:
    changes = {"Eating": -20.0, "Sitting": 10.0, "Walking": -5.0}
    row = judged(short(changes)).loc["C1"]
    mean = np.log([0.8, 1.1, 0.95]).mean()
    expected = [100 * np.expm1(mean + shift) for shift in (0, -half_width(0.01), half_width(0.01))]
    assert row[["effect", "low", "high"]].tolist() == pytest.approx(expected, rel=1e-4)
    assert (row.actions, row.replicates, row.verdict, row.reason) == (3, 4, REPRODUCED, "")


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        (-11, (REPRODUCED, NOT_REPRODUCED, REPRODUCED, REPRODUCED)),
        (-8, (REPRODUCED, NOT_REPRODUCED, NOT_REPRODUCED, REPRODUCED)),
        (0, (NOT_DECIDABLE, NOT_DECIDABLE, NOT_REPRODUCED, REPRODUCED)),
        (4.5, (NOT_REPRODUCED, REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE)),
        (9, (NOT_REPRODUCED, REPRODUCED, NOT_REPRODUCED, NOT_REPRODUCED)),
    ],
)
def test_the_interval_decides_what_is_better_worse_11_per_cent_and_saves_data(change: float, verdicts: tuple) -> None:
    claims = judged(everything(change, change))
    assert tuple(claims.verdict[["C1", "C2", "C4", "C7"]]) == verdicts
    assert claims.verdict["C7 long"] == claims.verdict["C7"]
    of_velocity = claims.effect[["C1 velocity", "C2 velocity"]].tolist()
    assert of_velocity == pytest.approx([change + 3] * 2, abs=0.01), "each metric's change is 1 per cent more"


def test_11_per_cent_needs_an_interval_of_at_most_11_points_without_0() -> None:
    for noise, verdict in ((0.02, REPRODUCED), (0.05, NOT_DECIDABLE), (0.2, NOT_DECIDABLE)):
        row = judged(short(-11, noise=noise)).loc["C4"]
        assert row.verdict == verdict
        assert (row.high - row.low <= 11 and row.high < 0) == (verdict == REPRODUCED)


def test_variants_are_the_paper_s_actions_the_published_statistics_and_one_schedule() -> None:
    changes = {
        (1.0, "epoch", RECOMPUTED): {"Eating": -20.0, "Sitting": -10.0, "Walking": 30.0},
        (1.0, "epoch", AS_PUBLISHED): 5.0,
        (1.0, "unit_epoch", RECOMPUTED): -12.0,
    }
    claims = judge_claims(make_observations(changes), STUDY)
    own = claims[claims.claim == "C1"].set_index("variant")
    assert list(own.index) == [variant.name for variant in VARIANTS]
    pair = 100 * (np.sqrt(0.8 * 0.9) - 1)
    assert own.effect[[FOCUS.name, STALE.name, ONE_SCHEDULE.name]].tolist() == pytest.approx([pair, 5, -12])
    assert own.actions.tolist() == [3, 2, 3, 3]
    assert own.verdict.tolist()[1:] == [REPRODUCED, NOT_REPRODUCED, REPRODUCED]


def test_the_takes_of_fixed_data_widen_the_interval() -> None:
    fresh, fixed = (judged(short(-8, of_takes=0.05, fixed=fixed)).loc["C1"] for fixed in (False, True))
    assert fresh.effect == pytest.approx(fixed.effect)
    assert fixed.high - fixed.low > 1.5 * (fresh.high - fresh.low)


# Gain


def test_the_gain_after_unit_epoch_4_is_small_and_another_than_the_original_s() -> None:
    expected = {((10, 0.5), 0.001): REPRODUCED, ((0.5, 0.5), 0.001): NOT_DECIDABLE}
    expected |= {((10, 3), 0.001): NOT_REPRODUCED, ((10, 1), 0.01): NOT_DECIDABLE}
    for (gains, noise), verdict in expected.items():
        row = judged(everything(-8, 8, gains=gains, noise=noise)).loc["C5"]
        assert row.verdict == verdict, gains
        assert row.effect == pytest.approx(gains[1], abs=1e-3)
        assert row.low < row.effect < row.high
    row = judged(everything(-8, 8, gains=(0.5, 0.5), noise=0.001)).loc["C5"]
    assert row.high < 1
    assert "the original's gain" in row.reason


# Time


def times(original: Sequence[float], action_based: Sequence[float], **settings: object) -> pd.DataFrame:
    return judged(short(-8, seconds=(original, action_based), **settings))


@pytest.mark.parametrize(
    ("action_based", "verdicts"),
    [
        ((90, 92.5, 87.5), (NOT_DECIDABLE, NOT_DECIDABLE)),
        ((80, 80.5, 79.5), (REPRODUCED, NOT_REPRODUCED)),
        ((100, 101, 99), (NOT_REPRODUCED, REPRODUCED)),
        ((90, 90.1, 89.9), (NOT_REPRODUCED, NOT_REPRODUCED)),
        ((70, 100, 130), (NOT_DECIDABLE, NOT_DECIDABLE)),
    ],
)
def test_times_are_of_the_timed_runs_per_window_and_in_all(action_based: tuple, verdicts: tuple) -> None:
    claims = times((100, 100, 100), action_based)
    assert tuple(claims.verdict[["C3", "C8"]]) == verdicts
    mean = np.exp(np.log(action_based).mean())
    assert claims.effect[["C3", "C8"]].tolist() == pytest.approx([mean / 0.9 - 100, mean - 100])


def test_times_of_runs_that_waited_are_not_told() -> None:
    claims = times((100, 100, 100), (90, 90, 90), waited=0.2)
    assert claims.effect[["C3", "C8"]].isna().all()
    assert "waited 20 %" in claims.reason["C3"]
    assert "made to be timed" in times((100, 100), ()).reason["C8"]
    assert "gives no interval" in times((100,), (90,)).reason["C8"]


# Runs that differ in their seed alone


def test_the_smallest_change_that_one_run_per_arm_shows() -> None:
    found = short(-8, of_seeds=0.018)
    row = judged(found).loc["C6"]
    least = 100 * np.expm1(1.96 * np.sqrt(2) * 0.018 * np.sqrt(10 / 4))
    assert row.effect == pytest.approx(least)
    of_a_model = 4  # the original's two actions count once
    ends = [
        np.log1p(least / 100) * np.sqrt(3 * of_a_model / chi2.ppf(share, 3 * of_a_model)) for share in (0.975, 0.025)
    ]
    assert [row.low, row.high] == pytest.approx([100 * np.expm1(end) for end in ends])
    assert (row.actions, row.replicates, row.verdict) == (2, 5, REPRODUCED)
    assert judged(short(-8, of_seeds=0.0005)).verdict["C6"] == NOT_REPRODUCED
    changes = reported_changes(found)
    assert list(zip(changes.action, changes.metric, changes.length, strict=True)) == [
        ("Eating", "mpjpe", "short"), ("Sitting", "mpjpe", "short"), ("Eating", "mpjve", "short"),
        ("Sitting", "mpjve", "short"), ("Eating", "mpjpe", "long"), ("Eating", "mpjve", "long"),
    ]  # fmt: skip
    assert changes.least.tolist() == pytest.approx([least] * 6)
    assert changes.shown.tolist() == [NOT_DECIDABLE, "no", "no", NOT_DECIDABLE, NOT_DECIDABLE, "yes"]
    assert reported_changes(short(-8)).empty


# What is missing


def test_without_runs_nothing_is_measured_and_the_reason_is_given() -> None:
    claims = judged(short(-8, of_seeds=0.0))
    assert list(claims.index) == [claim.name for claim in CLAIMS]
    for name in ("C2", "C2 velocity", "C3", "C5", "C6", "C7 long", "C8"):
        row = claims.loc[name]
        assert np.isnan([row.effect, row.low, row.high, row.p]).all()
        assert (row.actions, row.replicates, row.verdict) == (0, 0, NOT_MEASURED)
        assert row.reason
    assert claims.rule.str.fullmatch("Reproduced if .*not reproduced if .*").all()
    assert claims.paper.str.contains("uoted").sum() >= 6


def test_one_replicate_gives_no_interval_and_one_that_lacks_a_run_is_left_out() -> None:
    row = judged(short(-8, replicates=1)).loc["C1"]
    assert (row.effect, row.verdict) == (pytest.approx(100 * (0.92 * np.exp(0.01) - 1)), NOT_DECIDABLE)
    whole = short(-8)
    gone = whole.errors.query("replicate == 3 and action == 'Walking' and arm == 'Action-based'").index
    row = judged(replace(whole, errors=whole.errors.drop(gone))).loc["C1"]
    assert (row.replicates, row.actions) == (3, 3)
