"""The rule that decides: claims of known truth, and those that nothing can be said of."""

import pytest

from pose3d_lib.study.statistics import Effect
from pose3d_lib.study.verdicts import (
    HIGHER,
    LOWER,
    NOT_DECIDABLE,
    NOT_REPRODUCED,
    REPRODUCED,
    decide,
    decide_within,
    word_change,
)

NAN = float("nan")
UNITS = "3 runs on 4 takes"


def effect(low: float, high: float, p: float = 0.01, smallest_p: float = 0.001) -> Effect:
    return Effect((low + high) / 2, low, high, p, smallest_p, UNITS)


@pytest.mark.parametrize(
    ("side", "null", "low", "high", "word"),
    [
        ("below", 0, -9, -3, REPRODUCED),
        ("below", 0, 3, 9, NOT_REPRODUCED),
        ("above", 0, 3, 9, REPRODUCED),
        ("above", 0, -9, -3, NOT_REPRODUCED),
        ("below", -11, -10, -3, NOT_REPRODUCED),
        ("above", -1, -0.9, 0.2, REPRODUCED),
    ],
)
def test_a_claim_is_decided_by_the_side_on_which_the_change_lies(side, null, low, high, word) -> None:
    verdict = decide(effect(low, high), side=side, null=null)
    assert (verdict.word, verdict.reason) == (word, "")


NO_INTERVAL = Effect(-9.0, NAN, NAN, 0.01, 0.001, UNITS)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (effect(-9, -3, smallest_p=0.1, p=0.1), f"p cannot fall below 0.1 with {UNITS}; 0.05 is needed"),
        (effect(-9, -3, p=0.0504), "p is 0.0504, above 0.05"),
        (effect(-9, 0), "the 95 % interval from -9.00 % to +0.00 % holds 0 %"),
        (NO_INTERVAL, f"no interval can be given with {UNITS}; it takes two of each for every action"),
    ],
)
def test_what_cannot_be_decided_says_why(found: Effect, reason: str) -> None:
    for verdict in (decide(found, side="below"), decide(found, side="above"), word_change(found, found.p, 1)):
        assert (verdict.word, verdict.reason) == (NOT_DECIDABLE, reason)


@pytest.mark.parametrize(
    ("low", "high", "word", "bound"),
    [
        (-5, 5, REPRODUCED, None),
        (6, 9, NOT_REPRODUCED, None),
        (-9, -6, NOT_REPRODUCED, None),
        (-6, 3, NOT_DECIDABLE, -5),
        (4, 9, NOT_DECIDABLE, 5),
        (-9, 9, NOT_DECIDABLE, -5),
    ],
)
def test_a_claim_of_no_change_is_decided_by_the_whole_interval(low, high, word, bound) -> None:
    verdict = decide_within(effect(low, high, p=1, smallest_p=1), -5, 5)
    assert (verdict.word, verdict.reason == "") == (word, bound is None)
    assert bound is None or verdict.reason.endswith(f"holds {bound} %")


def test_a_change_among_several_is_lower_higher_or_not_decidable() -> None:
    assert word_change(effect(-9, -3), 0.02, 15).word == LOWER
    assert word_change(effect(3, 9), 0.02, 15).word == HIGHER
    corrected = word_change(effect(3, 9), 0.3, 15)
    assert corrected.reason == "p, corrected for 15 comparisons, is 0.3, above 0.05"
    few = word_change(effect(-9, -3, p=0.01, smallest_p=0.0079), 0.02, 15)
    assert few.reason == f"p cannot fall below 0.0079 with {UNITS}; 0.05 / 15 = 0.0033 is needed"
    assert {corrected.word, few.word, decide_within(NO_INTERVAL, -5, 5).word} == {NOT_DECIDABLE}
