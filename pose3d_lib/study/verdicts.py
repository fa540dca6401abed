"""The rules that decide, as docs/statistics.md states them: what an effect says of a claim, and when it says nothing."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pose3d_lib.study.statistics import Effect

LEVEL = 0.05  # the largest p that decides

REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE = "reproduced", "not reproduced", "not decidable"
LOWER, HIGHER = "lower", "higher"


@dataclass(frozen=True)
class Verdict:
    """What follows from an effect; `reason` says why nothing does, and is empty otherwise."""

    word: Literal["reproduced", "not reproduced", "not decidable", "lower", "higher"]
    reason: str = ""


def decide(effect: Effect, *, side: Literal["below", "above"], null: float = 0.0) -> Verdict:
    """Whether a claim that the change lies below or above `null`, which the effect was tested against, is reproduced."""
    doubt = _too_few(effect, 1) or _doubt(effect, effect.p, "p", null)
    if doubt:
        return Verdict(NOT_DECIDABLE, doubt)
    return Verdict(REPRODUCED if (effect.value < null) == (side == "below") else NOT_REPRODUCED)


def decide_within(effect: Effect, low: float, high: float) -> Verdict:
    """Whether a claim that the change lies between `low` and `high` is reproduced."""
    if np.isnan(effect.low):
        return Verdict(NOT_DECIDABLE, _too_few(effect, 1))
    if low <= effect.low and effect.high <= high:
        return Verdict(REPRODUCED)
    if effect.high < low or effect.low > high:
        return Verdict(NOT_REPRODUCED)
    return Verdict(NOT_DECIDABLE, _holds(effect, low if effect.low < low else high))


def word_change(effect: Effect, adjusted_p: float, comparisons: int) -> Verdict:
    """Whether one of several changes is lower or higher than none, with its p after Holm's correction.

    It is not decidable if no p can be as small as Holm's correction asks of the first of them.
    """
    name = "p" if comparisons == 1 else f"p, corrected for {comparisons} comparisons,"
    doubt = _too_few(effect, comparisons) or _doubt(effect, adjusted_p, name, 0)
    return Verdict(NOT_DECIDABLE, doubt) if doubt else Verdict(LOWER if effect.value < 0 else HIGHER)


def _too_few(effect: Effect, comparisons: int) -> str:
    """Why there are too few runs or takes to decide anything, whatever the errors are; empty if there are enough."""
    if np.isnan(effect.low):
        return f"no interval can be given with {effect.units}; it takes two of each for every action"
    if effect.smallest_p > LEVEL / comparisons:
        needed = f"{LEVEL:g}" if comparisons == 1 else f"{LEVEL:g} / {comparisons} = {LEVEL / comparisons:.2g}"
        return f"p cannot fall below {effect.smallest_p:.2g} with {effect.units}; {needed} is needed"
    return ""


def _doubt(effect: Effect, p: float, name: str, null: float) -> str:
    if p > LEVEL:
        return f"{name} is {p:.3g}, above {LEVEL:g}"
    return _holds(effect, null) if effect.low <= null <= effect.high else ""


def _holds(effect: Effect, bound: float) -> str:
    return f"the 95 % interval from {effect.low:+.2f} % to {effect.high:+.2f} % holds {bound:g} %"
