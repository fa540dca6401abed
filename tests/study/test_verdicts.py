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
        ("below", -11, -20, -12, REPRODUCED),
        ("below", -11, -10, -3, NOT_REPRODUCED),
        ("above", -1, -0.9, 0.2, REPRODUCED),
        ("above", -1, -5, -1.1, NOT_REPRODUCED),
    ],
)
def test_a_claim_is_decided_by_the_side_on_which_the_change_lies(side, null, low, high, word) -> None:
    verdict = decide(effect(low, high), side=side, null=null)
    assert (verdict.word, verdict.reason) == (word, "")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (effect(-9, -3, smallest_p=0.1, p=0.1), f"p cannot fall below 0.1 with {UNITS}; 0.05 is needed"),
        (effect(-9, -3, p=0.0504), "p is 0.0504, above 0.05"),
        (effect(-9, 3), "the 95 % interval from -9.00 % to +3.00 % holds 0 %"),
        (effect(-9, 0), "the 95 % interval from -9.00 % to +0.00 % holds 0 %"),
        (
            Effect(-9.0, NAN, NAN, 0.01, 0.001, UNITS),
            f"no interval can be given with {UNITS}; it takes two of each for every action",
        ),
    ],
)
@pytest.mark.parametrize("side", ["below", "above"])
def test_what_cannot_be_decided_says_why(found: Effect, reason: str, side: str) -> None:
    verdict = decide(found, side=side)
    assert (verdict.word, verdict.reason) == (NOT_DECIDABLE, reason)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(-4, 3, REPRODUCED), (-5, 5, REPRODUCED), (6, 9, NOT_REPRODUCED), (-9, -6, NOT_REPRODUCED)],
)
def test_a_claim_of_no_change_is_decided_by_the_whole_interval(low: float, high: float, word: str) -> None:
    assert decide_within(effect(low, high, p=1, smallest_p=1), -5, 5).word == word


@pytest.mark.parametrize(("low", "high", "bound"), [(-6, 3, -5), (4, 9, 5), (-9, 9, -5)])
def test_a_claim_of_no_change_is_not_decidable_where_the_interval_holds_a_bound(low, high, bound) -> None:
    verdict = decide_within(effect(low, high), -5, 5)
    assert verdict.word == NOT_DECIDABLE
    assert verdict.reason.endswith(f"holds {bound} %")


def test_a_change_among_several_is_lower_higher_or_not_decidable() -> None:
    assert word_change(effect(-9, -3), 0.02, 15).word == LOWER
    assert word_change(effect(3, 9), 0.02, 15).word == HIGHER
    corrected = word_change(effect(3, 9), 0.3, 15)
    assert corrected.reason == "p, corrected for 15 comparisons, is 0.3, above 0.05"
    few = word_change(effect(-9, -3, p=0.01, smallest_p=0.0079), 0.02, 15)
    assert few.reason == f"p cannot fall below 0.0079 with {UNITS}; 0.05 / 15 = 0.0033 is needed"
    wide = word_change(effect(-9, 3), 0.02, 15)
    assert wide.reason == "the 95 % interval from -9.00 % to +3.00 % holds 0 %"
    assert {verdict.word for verdict in (corrected, few, wide)} == {NOT_DECIDABLE}
