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


@dataclass(frozen=True)
class Claim:
    """A claim, and the rule that decides.

    Attributes:
        name: C1 to C8.
        paper: what the paper says, in other words; its figures are quoted.
        measured: what is measured here.
        side, bound: where the measured change has to lie, per cent; "within" means between -bound and bound.
        measure: evidence, schedule and the change to test against -> what was measured, or why nothing can be.
    """

    name: str
    paper: str
    measured: str
    side: Literal["below", "above", "within"]
    bound: float
    measure: Callable[[Evidence, str, float], Measured | str]

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


CLAIMS = (
    Claim(
        "C1",
        "After one epoch the action-based model is the better one, as it learns faster. Quoted MPJPE: 56.34 to 52.07 mm on "
        "Eating (-7.6 %), 70.49 to 70.86 mm on Sitting (+0.5 %).",
        "change of the MPJPE after the short runs",
        "below",
        0,
        partial(change_of_error, "short"),
    ),
    Claim(
        "C2",
        "After many epochs it is the worse one. Quoted MPJPE after 80 epochs: 43.30 to 49.27 mm on Eating (+13.8 %).",
        "change of the MPJPE after the long runs",
        "above",
        0,
        partial(change_of_error, "long"),
    ),
    Claim(
        "C3",
        "It takes less time. Quoted for 80 epochs: 81,173 s to 56,921 s (-29.9 %), of windows whose number is not told.",
        "change of the training time per million windows, in the long runs, or in the short ones if there are no long ones",
        "below",
        0,
        partial(change_of_time, True),
    ),
    Claim(
        "C4",
        "It outperforms the original by 11 % (quoted from the introduction; no table gives it).",
        "change of the MPJPE after the short runs",
        "below",
        -11,
        partial(change_of_error, "short"),
    ),
    Claim(
        "C5",
        "Its error stops improving after its epoch 60, which is epoch 4 of the original (quoted, with t = 15).",
        "change of the action-based models' MPJPE from unit epoch 4 to the end of the long runs",
        "above",
        -1,
        late_improvement,
    ),
    Claim(
        "C6",
        "Results vary between runs, so that every action should be run several times. The smallest change that it reports "
        "is 0.5 % (quoted).",
        "difference between two action-based models of one action that differ in their seed, after the short runs",
        "above",
        0.5,
        difference_of_seeds,
    ),
    Claim(
        "C7",
        "It saves data, since the frames of one action are enough.",
        "change of the MPJPE after the short runs, relative to a model of as many frames of all actions",
        "below",
        0,
        change_of_data,
    ),
    Claim(
        "C8",
        "Formula (1) makes both take the same time, which contradicts C3.",
        "change of the total training time, in the long runs, or in the short ones if there are no long ones",
        "within",
        5,
        partial(change_of_time, False),
    ),
)


def judge_claims(evidence: Evidence, claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """One row per claim.

    Returns:
        Columns "claim", "paper", "measured", "rule"; then, under the published schedule, "effect", "low", "high" (per cent,
        with the 95 % interval), "p", "smallest_p", "actions", "runs", "verdict", "reason" (why it is not decidable); then
        the same names with "equalised_" before them, under the schedule that is the same for both arms. What was not
        measured is NaN. C8 has no p: its interval alone decides.
    """
    rows = []
    for claim in claims:
        row = {"claim": claim.name, "paper": claim.paper, "measured": claim.measured, "rule": claim.rule}
        for prefix, schedule in (("", PUBLISHED), ("equalised_", EQUALISED)):
            row |= {f"{prefix}{name}": value for name, value in _judge(claim, evidence, schedule).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _judge(claim: Claim, evidence: Evidence, schedule: str) -> dict[str, object]:
    tested = claim.side != "within"
    found = claim.measure(evidence, schedule, claim.bound if tested else 0.0)
    if isinstance(found, str):
        nothing = dict.fromkeys(("effect", "low", "high", "p", "smallest_p"), np.nan)
        return {**nothing, "actions": 0, "runs": 0, "verdict": NOT_DECIDABLE, "reason": found}
    effect, verdict = found.effect, claim.judge(found.effect)
    return {
        "effect": effect.value,
        "low": effect.low,
        "high": effect.high,
        "p": effect.p if tested else np.nan,
        "smallest_p": effect.smallest_p if tested else np.nan,
        "actions": found.actions,
        "runs": found.runs,
        "verdict": verdict.word,
        "reason": verdict.reason,
    }
