"""The claims of the paper: what is measured for each, the rule that decides, and the verdict under both schedules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.evidence import (
    Evidence,
    Measured,
    change_of_data,
    change_of_error,
    change_of_time,
    difference_of_seeds,
    late_improvement,
)
from pose3d_lib.study.statistics import Effect
from pose3d_lib.study.verdicts import NOT_DECIDABLE, Verdict, decide, decide_within

# What the rules of the claims mean by shown.
SHOWN = (
    "A change is shown to be below or above a bound if p is at most 0.05 and its whole 95 % interval lies there. p is the "
    "larger of two: that of permuting the runs between the arms, and that of changing the signs of the takes' differences."
)


# Claim -> what the paper says, in other words; its figures are quoted.
PAPER = {
    "C1": "After one epoch the action-based model is the better one, as it learns faster. Quoted MPJPE: 56.34 to 52.07 mm on "
    "Eating (-7.6 %), 70.49 to 70.86 mm on Sitting (+0.5 %).",
    "C2": "After many epochs it is the worse one. Quoted MPJPE after 80 epochs: 43.30 to 49.27 mm on Eating (+13.8 %).",
    "C3": "It takes less time. Quoted for 80 epochs: 81,173 s to 56,921 s (-29.9 %), of windows whose number is not told.",
    "C4": "It outperforms the original by 11 % (quoted from the introduction; no table gives it).",
    "C5": "Its error stops improving after its epoch 60, which is epoch 4 of the original (quoted, with t = 15).",
    "C6": "Results vary between runs, so that every action should be run several times. The smallest change that it reports "
    "is 0.5 % (quoted).",
    "C7": "It saves data, since the frames of one action are enough.",
    "C8": "Formula (1) makes both take the same time, which contradicts C3.",
}


@dataclass(frozen=True)
class Claim:
    """What is measured for a claim of PAPER, and the rule that decides."""

    name: str
    side: Literal["below", "above", "within"]  # where the change has to lie; within: between -bound and bound
    bound: float  # per cent
    measure: Callable[[Evidence, str, float], Measured | str]
    measured: str  # in words

    @property
    def rule(self) -> str:
        """The rule, in a sentence; SHOWN belongs to it."""
        if self.side == "within":
            between = f"between -{self.bound:g} % and {self.bound:g} %"
            return f"Reproduced if the whole 95 % interval lies {between}, not reproduced if the whole interval lies outside."
        other = "above" if self.side == "below" else "below"
        bound = f"{self.bound:g} %"
        return f"Reproduced if shown to be {self.side} {bound}, not reproduced if shown to be {other} {bound}."

    def judge(self, effect: Effect) -> Verdict:
        if self.side == "within":
            return decide_within(effect, -self.bound, self.bound)
        return decide(effect, side=self.side, null=self.bound)


EITHER = "in the long runs, or in the short ones if there are no long ones"
AFTER_SHORT = "change of the MPJPE after the short runs"
CLAIMS = (
    Claim("C1", "below", 0, partial(change_of_error, "short"), AFTER_SHORT),
    Claim("C2", "above", 0, partial(change_of_error, "long"), "change of the MPJPE after the long runs"),
    Claim(
        "C3", "below", 0, partial(change_of_time, True), f"change of the training time per million windows, {EITHER}"
    ),
    Claim("C4", "below", -11, partial(change_of_error, "short"), AFTER_SHORT),
    Claim(
        "C5",
        "above",
        -1,
        late_improvement,
        "change of the action-based models' MPJPE from unit epoch 4 to the end of the long runs",
    ),
    Claim(
        "C6",
        "above",
        0.5,
        difference_of_seeds,
        "difference between two action-based models of one action that differ in their seed, after the short runs",
    ),
    Claim("C7", "below", 0, change_of_data, f"{AFTER_SHORT}, relative to a model of as many frames of all actions"),
    Claim("C8", "within", 5, partial(change_of_time, False), f"change of the total training time, {EITHER}"),
)


def judge_claims(evidence: Evidence, claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """A row per claim: claim, paper, measured, rule; its verdict, as `_judge` gives it; that under the equalised schedule.

    The last has "equalised_" before its columns.
    """
    rows = []
    for claim in claims:
        row = {"claim": claim.name, "paper": PAPER[claim.name], "measured": claim.measured, "rule": claim.rule}
        for prefix, schedule in (("", PUBLISHED), ("equalised_", EQUALISED)):
            row |= {f"{prefix}{name}": value for name, value in _judge(claim, evidence, schedule).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _judge(claim: Claim, evidence: Evidence, schedule: str) -> dict[str, object]:
    """Effect, low, high (per cent, 95 % interval), p, smallest_p, actions, runs, verdict, reason (why it is not decidable).

    What was not measured is NaN. C8 has no p: its interval alone decides.
    """
    tested = claim.side != "within"
    found = claim.measure(evidence, schedule, claim.bound if tested else 0.0)
    if isinstance(found, str):
        nothing = dict.fromkeys(("effect", "low", "high", "p", "smallest_p"), np.nan)
        return {**nothing, "actions": 0, "runs": 0, "verdict": NOT_DECIDABLE, "reason": found}
    row, verdict = found.effect.row("effect"), claim.judge(found.effect)
    if not tested:
        row |= {"p": np.nan, "smallest_p": np.nan}
    return {**row, "actions": found.actions, "runs": found.runs, "verdict": verdict.word, "reason": verdict.reason}
