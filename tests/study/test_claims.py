"""The claims of the paper on made-up runs of known truth: reproduced, not reproduced, and not decidable."""

import re
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.study import evidence
from pose3d_lib.study.claims import CLAIMS, judge_claims
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.evidence import Evidence, late_change, training_seconds
from pose3d_lib.study.statistics import Effect
from pose3d_lib.study.verdicts import NOT_DECIDABLE, NOT_REPRODUCED, REPRODUCED
from tests.helpers.made_up_runs import FRAMES, make_comparison, make_evidence, make_run

SIX = ("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Sitting")


def short(**settings) -> Evidence:
    return make_evidence(short={"epoch": make_comparison(**settings)})


def long(**settings) -> Evidence:
    return make_evidence(long={"epoch": make_comparison(**settings)})


def of(original: list, based: dict, length: str = "short") -> Evidence:
    return make_evidence(**{length: {"epoch": Comparison(original, based, [])}})


def as_many_frames(change: float, actions: Sequence[str] = ("Eating", "Sitting", "Walking")) -> Evidence:
    """Action-based models that differ by `change` from those of as many frames of all actions, but not from the original."""
    references = make_comparison(change).original
    comparison = make_comparison(change, original_change=change)
    return make_evidence(short={"epoch": comparison}, as_many_frames={"epoch": dict.fromkeys(actions, references)})


def row(evidence: Evidence, claim: str) -> pd.Series:
    return judge_claims(evidence, [own for own in CLAIMS if own.name == claim]).iloc[0]


@pytest.mark.parametrize(
    ("claim", "evidence", "change", "verdict"),
    [
        ("C1", partial(short, change=-8), -8, REPRODUCED),
        ("C2", partial(long, change=-8), -8, NOT_REPRODUCED),
        ("C3", partial(long, faster=30), -30, REPRODUCED),
        ("C4", partial(short, change=-20), -20, REPRODUCED),
        ("C4", partial(short, change=-5), -5, NOT_REPRODUCED),
        ("C5", partial(long, late=0.0), 0, REPRODUCED),
        ("C5", partial(long, late=-4), -4, NOT_REPRODUCED),
        ("C6", partial(short, actions=SIX, noise=2.0), None, REPRODUCED),
        ("C6", partial(short, actions=SIX, noise=0.02), None, NOT_REPRODUCED),
        ("C7", partial(as_many_frames, -8), -8, REPRODUCED),
        ("C7", partial(as_many_frames, 8), 8, NOT_REPRODUCED),
        ("C8", partial(long, faster=0), 0, REPRODUCED),
        ("C8", partial(long, faster=30), -30, NOT_REPRODUCED),
    ],
)
def test_a_claim_of_known_truth_is_judged_rightly(claim, evidence, change, verdict) -> None:
    found = row(evidence(), claim)
    assert (found.verdict, found.reason) == (verdict, "")
    assert found.low < found.effect < found.high
    if change is not None:
        assert found.effect == pytest.approx(change, abs=1.5)
        assert found.low - 0.5 < change < found.high + 0.5
    if claim == "C8":
        assert np.isnan([found.p, found.smallest_p]).all(), "its interval decides"
    else:
        assert found.smallest_p <= found.p <= 0.05


@pytest.mark.parametrize(
    ("claim", "evidence", "reason"),
    [
        ("C1", partial(short, change=-8, runs=(3, 3)), r"p cannot fall below 0\.1 with 3 runs of the original and 3"),
        ("C1", partial(short, change=-8, actions=("Eating",)), r"p cannot fall below 0\.12 with .* on 4 takes; 0"),
        ("C5", partial(long, late=-1.05, runs=(5, 3)), r"p is 0\.\d+, above 0\.05"),
        ("C6", partial(short, noise=2.0), r"p cannot fall below 0\.25 with 3 actions"),
        ("C8", partial(long, faster=5), r"the 95 % interval from .* holds -5 %"),
    ],
)
def test_a_claim_that_cannot_be_decided_says_why_with_numbers(claim, evidence, reason) -> None:
    found = row(evidence(), claim)
    assert found.verdict == NOT_DECIDABLE
    assert re.match(reason, found.reason), found.reason


def test_without_runs_every_claim_says_which_are_missing() -> None:
    table = judge_claims(make_evidence())
    assert set(table.verdict) == set(table.equalised_verdict) == {NOT_DECIDABLE}
    assert table[["effect", "low", "high", "p", "smallest_p"]].isna().all(axis=None)
    assert (table[["actions", "runs"]] == 0).all(axis=None)
    both = "no finished {} runs of both arms under the schedule 'epoch'"
    assert table.set_index("claim").reason.to_dict() == {
        **dict.fromkeys(("C1", "C4"), both.format("short")),
        **dict.fromkeys(("C2", "C5"), both.format("long")),
        **dict.fromkeys(("C3", "C8"), both.format("long or short")),
        "C6": "no action has two finished short runs under the schedule 'epoch'",
        "C7": "no finished runs on as many frames of all actions under the schedule 'epoch'",
    }


def test_the_two_schedules_are_judged_apart() -> None:
    evidence = make_evidence(short={"epoch": make_comparison(8), "unit_epoch": make_comparison(-8, runs=(5, 4))})
    found = row(evidence, "C1")
    assert (found.verdict, found.equalised_verdict) == (NOT_REPRODUCED, REPRODUCED)
    assert found.effect == pytest.approx(-found.equalised_effect, abs=2)
    assert (found.actions, found.runs, found.equalised_runs) == (3, 5 + 15, 5 + 12)


def test_a_change_is_that_of_the_mean_over_the_actions_of_frame_weighted_errors() -> None:
    takes = np.array([40.0, 50, 60, 70])
    original = [make_run({"Eating": takes, "Sitting": takes + 20}) for _ in range(2)]
    based = {"Eating": [make_run({"Eating": takes - 10})] * 2, "Sitting": [make_run({"Sitting": takes + 40})] * 2}
    weighted = np.average(takes, weights=FRAMES)
    assert row(of(original, based), "C1").effect == pytest.approx(100 * (10 / (2 * weighted + 20)))
    del based["Sitting"]
    found = row(of(original, based), "C1")
    assert found.effect == pytest.approx(100 * (-10 / weighted))
    assert found.actions == 1


def test_time_is_judged_per_million_windows_for_c3_and_altogether_for_c8() -> None:
    comparison = make_comparison()
    slow = {
        action: [make_run({action: np.full(4, 50.0)}, processor_seconds=100, windows=500_000) for _ in range(5)]
        for action in comparison.action_based
    }
    errors = {"Eating": np.full(4, 50.0)}
    assert training_seconds(make_run(errors, waited=0.9)) == 100, "those of the processor on a CPU"
    assert training_seconds(make_run(errors, waited=0.9, device="cuda")) == pytest.approx(1000), "by the clock on a GPU"
    table = judge_claims(of(comparison.original, slow, "long")).set_index("claim")
    assert pytest.approx(100, abs=2) == table.effect.C3
    assert pytest.approx(0, abs=1) == table.effect.C8
    assert table.verdict[["C3", "C8"]].tolist() == [NOT_REPRODUCED, REPRODUCED]


@pytest.mark.parametrize(
    ("waited", "device", "decided"), [(0.05, "cpu", True), (0.3, "cpu", False), (0.3, "cuda", True)]
)
def test_times_of_runs_that_had_to_wait_for_other_work_decide_nothing(waited, device, decided) -> None:
    found = row(long(faster=30, waited=waited, device=device), "C3")
    assert (found.verdict != NOT_DECIDABLE) == decided
    assert decided or "waited 30 % of their time for processors that did other work" in found.reason


def test_times_of_several_machines_are_not_compared() -> None:
    comparison = make_comparison(faster=30)
    comparison.action_based["Eating"][2] = make_run({"Eating": np.full(4, 50.0)}, processor="A Slide Rule")
    table = judge_claims(make_evidence(long={"epoch": comparison})).set_index("claim")
    assert table.effect.notna()[["C2", "C3", "C8"]].tolist() == [True, False, False]
    assert table.reason[["C3", "C8"]].str.contains("several machines").all()


def test_the_late_change_is_that_from_the_test_at_unit_epoch_4_to_the_end() -> None:
    errors = {"Eating": np.array([40.0, 50, 60, 70])}
    run = make_run(errors, late=-3)
    assert late_change(run, "Eating") == pytest.approx(-3)
    run.timing["windows"] = int(run.history.windows[run.history.unit_epochs > 4].iloc[0])
    assert np.isnan(late_change(run, "Eating")), "a test at the end is none before it"
    for tests in ((1.0, 2.0), (3.9, 4.6)):
        assert np.isnan(late_change(make_run(errors, tests=tests), "Eating"))
    found = row(long(tests=(1.0, 8.0)), "C5")
    assert found.verdict == NOT_DECIDABLE
    assert found.reason.startswith("no long run was tested at unit epoch 4")


def test_the_difference_of_seeds_is_the_mean_over_pairs_and_actions_relative_to_their_mean() -> None:
    flat = {action: [make_run({action: np.full(4, e)}) for e in (49.0, 50.0, 51.0)] for action in ("Eating", "Sitting")}
    flat["Sitting"].pop()
    found = row(of([make_run(dict.fromkeys(flat, np.full(4, 50.0)))], flat), "C6")
    assert found.effect == pytest.approx((100 * (1 + 1 + 2) / 3 / 50 + 100 / 49.5) / 2)
    assert (found.actions, found.runs) == (2, 5)


def test_data_is_compared_on_the_actions_with_runs_on_as_many_frames_alone() -> None:
    evidence = as_many_frames(-8, actions=("Eating", "Sitting"))
    found = row(evidence, "C7")
    assert (found.actions, found.runs) == (2, 20)
    assert found.effect == pytest.approx(-8, abs=1)
    assert row(evidence, "C1").effect == pytest.approx(0, abs=1)


def test_the_original_is_one_set_of_runs_for_all_actions_and_every_other_model_a_set_of_its_own(monkeypatch) -> None:
    names = []

    def note(pairs: list, *, null: float) -> Effect:
        names.append([{own.runs for own in arm} for arm in zip(*pairs, strict=True)])
        return Effect(0.0, -1.0, 1.0, 1.0, 0.01, "")

    monkeypatch.setattr(evidence, "compare", note)
    row(short(), "C1")
    row(as_many_frames(0), "C7")
    row(long(), "C3")
    assert [[len(arm) for arm in own] for own in names] == [[1, 3], [3, 3], [1, 3]]


def test_actions_with_a_single_run_wait_for_a_second_while_others_have_several() -> None:
    comparison = make_comparison(-8)
    original, based = comparison.original, comparison.action_based
    first, *others = based
    found = row(of(original, {**based, first: based[first][:1]}), "C1")
    expected = row(of(original, {action: based[action] for action in others}), "C1")
    assert (found.actions, found.effect, found.p) == (len(others), expected.effect, expected.p)
    single = {action: runs[:1] for action, runs in based.items()}
    assert row(of(original, single), "C1").actions == len(single)
