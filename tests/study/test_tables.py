"""The paper's tables from observations of known truth: every number against arithmetic done here."""

import dataclasses

import numpy as np
import pytest

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.study.claims import QUOTED
from pose3d_lib.study.config import Condition
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, RECOMPUTED, Observations
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import (
    MEAN,
    UNSEEN,
    all_metrics,
    arms_table,
    changes_table,
    errors_during_training,
    subjects_table,
    table_3,
)
from tests.helpers.made_up_observations import make_observations
from tests.helpers.run_folders import ACTIONS

SHORT = Condition(1.0, "epoch", "equal_frames", (3, 3, 3))
LONG = dataclasses.replace(SHORT, unit_epochs=4.0)
CHANGES = {"Eating": -20.0, "Sitting": 10.0, "Walking": -1.0}


def made_up(**settings: object) -> Observations:
    return make_observations({(1.0, "epoch", RECOMPUTED): CHANGES}, **settings)


# Tables 1 and 2


@pytest.mark.parametrize(("metric", "less"), [("mpjpe", 0), ("mpjve", 3)])
def test_errors_of_both_arms_are_means_over_the_replicates(whole: StudyResults, metric: str, less: int) -> None:
    for statistics, more in ((RECOMPUTED, 0), (AS_PUBLISHED, 6)):
        table = arms_table(whole.observations, SHORT, metric, statistics)
        assert list(zip(table.action, table.arm, strict=True)) == [(a, arm) for a in (*ACTIONS, MEAN) for arm in ARMS]
        wide = table.pivot(index="action", columns="arm", values="mean").loc[[*ACTIONS, MEAN]]
        assert wide[ORIGINAL].tolist() == pytest.approx([own + 2 - less + more for own in (50, 60, 70, 60)])
        assert wide[ACTION_BASED].tolist() == pytest.approx([42 - less + more] * 4)
        assert table.sd.tolist() == pytest.approx([8**0.5] * 8)  # of seeds that are 4 mm apart
        assert set(table.replicates) == {2}


def test_changes_are_those_of_single_actions_their_mean_and_an_action_not_seen() -> None:
    ratios = made_up().ratios(SHORT)
    table = changes_table(ratios)
    assert table.action.tolist() == [*ACTIONS, MEAN, UNSEEN]
    mean = 100 * np.expm1(np.log([0.8, 1.1, 0.99]).mean())
    assert table.change.tolist() == pytest.approx([-20, 10, -1, mean, mean])
    assert table.verdict.tolist() == ["better", "worse", "not decidable", "better", ""]
    assert table.p[:4].notna().all()
    assert (table.p_holm >= table.p)[:3].all()
    assert table.p_holm[3] == table.p[3]
    assert table[["p", "p_holm", "shrunken"]].iloc[4].isna().all()
    assert (table.shrunken[:3] - mean).abs().le((table.change[:3] - mean).abs() + 1e-9).all()
    assert (table.high - table.low)[4] > 100, "from three actions"
    found = ratios.general()
    assert found.unseen[0] == table.low[4] < found.mean.low < found.mean.value < found.mean.high < found.unseen[1]


def test_one_replicate_decides_nothing_and_incomplete_ones_are_left_out() -> None:
    one, whole = made_up(replicates=1), made_up()
    table = changes_table(one.ratios(SHORT))
    assert table[["low", "high", "p", "p_holm"]][:4].isna().all(axis=None)
    assert set(table.verdict[:4]) == {"not decidable"}
    assert arms_table(one, SHORT, "mpjpe").sd.isna().all()
    gone = (whole.errors.replicate == 0) & (whole.errors.action == "Walking") & (whole.errors.arm == ACTION_BASED)
    fewer = dataclasses.replace(whole, errors=whole.errors[~gone])
    assert set(arms_table(fewer, SHORT, "mpjpe").replicates) == {3}


def test_the_test_subjects_have_changes_of_their_own(whole: StudyResults) -> None:
    table = subjects_table(made_up(), SHORT)
    assert table.subject.tolist() == ["S11", "S9"]
    assert table.change.tolist() == pytest.approx([100 * np.expm1(np.log([0.8, 1.1, 0.99]).mean())] * 2)
    assert len(subjects_table(whole.observations, SHORT)) == 2


# The paper's own figures


def test_the_paper_s_figures_are_quoted_as_printed_beside_the_actions_that_it_shows() -> None:
    assert QUOTED.drop(columns="change").to_numpy().tolist() == [
        ["1", "short", "Eating", "mpjpe", "56.34", "52.07"],
        ["1", "short", "Sitting", "mpjpe", "70.49", "70.86"],
        ["2", "short", "Eating", "mpjve", "3.14", "3.01"],
        ["2", "short", "Sitting", "mpjve", "3.14", "2.86"],
        ["3", "long", "Eating", "seconds", "81173", "56921"],
        ["3", "long", "Eating", "mpjpe", "43.30", "49.27"],
        ["3", "long", "Eating", "mpjve", "2.24", "2.56"],
    ]
    assert QUOTED.change.round(1).tolist() == [-7.6, 0.5, -4.1, -8.9, -29.9, 13.8, 14.3]
    for metric, number, figures in (
        ("mpjpe", "1", [56.34, 52.07, 70.49, 70.86]),
        ("mpjve", "2", [3.14, 3.01, 3.14, 2.86]),
        ("mpjpe", "", []),
    ):
        quoted = arms_table(made_up(), SHORT, metric, table=number).quoted
        assert quoted.dropna().tolist() == quoted[: len(figures)].tolist() == figures


# Table 3


def test_table_3_has_a_row_per_action_and_arm_and_the_times_of_timed_runs(whole: StudyResults) -> None:
    table = table_3(whole.observations, LONG)
    assert list(zip(table.action, table.arm, strict=True)) == [(a, arm) for a in ACTIONS for arm in ARMS]
    original, own = (table[table.arm == arm] for arm in ARMS)
    assert original.windows_m.tolist() == [12] * 3
    assert own.windows_m.tolist() == [10] * 3
    assert original.steps.tolist() == [12_000_000 // 64] * 3
    assert original.mpjpe_mean.tolist() == pytest.approx([52, 62, 72])
    assert own.mpjpe_mean.tolist() == pytest.approx([42] * 3)
    assert own.mpjve_mean.tolist() == pytest.approx([39] * 3)
    assert table.mpjpe_sd.tolist() == pytest.approx([8**0.5] * 6)
    assert set(table.replicates) == {2}
    assert table.seconds[:2].tolist() == pytest.approx([1176, 392])
    assert table.seconds_per_m[:2].tolist() == pytest.approx([98, 39.2])
    assert table[["seconds", "seconds_per_m"]][2:].isna().all(axis=None), "no run of these was timed"
    quoted = table[["quoted_s", "mpjpe_quoted", "mpjve_quoted"]]
    assert quoted[:2].to_numpy().tolist() == [[81173, 43.30, 2.24], [56921, 49.27, 2.56]]
    assert quoted[2:].isna().all(axis=None)
    waited = made_up(seconds=((100, 100), (90, 90)), waited=0.3)
    assert table_3(waited, SHORT)[["seconds", "seconds_per_m"]].isna().all(axis=None)


# During training


def test_long_runs_are_compared_at_tests_during_training_and_at_the_end(whole: StudyResults) -> None:
    table = errors_during_training(whole.observations, LONG, [0.25, 0.75, 1, 2, 3])
    assert table.arm.tolist() == list(ARMS) * 3
    late = [(point * 3_000_000 + 64) // 64 for point in (1, 2)]
    for arm, end, length in ((ORIGINAL, 68, 4), (ACTION_BASED, 48, 10 / 3)):
        own = table[table.arm == arm]
        assert own.seen.tolist() == pytest.approx([1, 2, length], abs=1e-4), "no row without a test of every run"
        assert own.windows_m.tolist() == pytest.approx([3, 6, 3 * length], abs=1e-4)
        assert own.mpjpe.tolist() == pytest.approx([end + 100, end + 50, end])
        assert own.steps.tolist() == [*late, round(length * 3e6) // 64]


# All metrics


def test_all_metrics_have_either_statistics_and_intervals() -> None:
    found = make_observations({(1.0, "epoch", RECOMPUTED): -8.0, (1.0, "epoch", AS_PUBLISHED): 20.0})
    table = all_metrics(found, SHORT)
    assert list(zip(table.statistics, table.metric, strict=True)) == [
        (statistics, metric) for statistics in (RECOMPUTED, AS_PUBLISHED) for metric in METRICS
    ]
    assert table.change.tolist() == pytest.approx([-8, -7, -6, -5, 20, 21, 22, 23])
    assert table.original.tolist() == pytest.approx([60, 59, 58, 57] * 2)
    assert ((table.low < table.change) & (table.change < table.high)).all()
    assert table.verdict.tolist() == ["better"] * 4 + ["worse"] * 4
    assert all_metrics(found, LONG).empty
