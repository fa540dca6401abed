"""The paper's figures and claims, the rules that decide, and the verdicts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.study import evidence
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.observations import Observations
from pose3d_lib.study.verdicts import NOT_DECIDABLE, NOT_MEASURED, NOT_REPRODUCED, REPRODUCED

# The figures of Bai and Wang, tables 1 to 3, on Human3.6M, as printed: quoted, not measured here.
QUOTED = pd.DataFrame(
    [
        ("1", "short", "Eating", "mpjpe", "56.34", "52.07"),
        ("1", "short", "Sitting", "mpjpe", "70.49", "70.86"),
        ("2", "short", "Eating", "mpjve", "3.14", "3.01"),
        ("2", "short", "Sitting", "mpjve", "3.14", "2.86"),
        ("3", "long", "Eating", "seconds", "81173", "56921"),
        ("3", "long", "Eating", "mpjpe", "43.30", "49.27"),
        ("3", "long", "Eating", "mpjve", "2.24", "2.56"),
    ],
    columns=["table", "length", "action", "metric", ORIGINAL, ACTION_BASED],
)
QUOTED["change"] = 100 * (QUOTED[ACTION_BASED].astype(float) / QUOTED[ORIGINAL].astype(float) - 1)  # per cent
REPORTED = QUOTED[QUOTED.metric != "seconds"]  # changes of errors

NOTES = (
    "The paper's \"3*3\" can mean the widths 3,3,3 (27 frames) or 3,3,3,3,3 (243 frames): the authors' scripts have both.",
    "The original's errors in Table 3, 43.30 and 2.24, are VideoPose3D's published figures for 243 frames.",
    "Table 2 gives 3.14 for the original twice, on Eating and on Sitting.",
)

SMALLEST = REPORTED.change[REPORTED.metric == "mpjpe"].abs().min()  # per cent, of those of the MPJPE


@dataclass(frozen=True)
class Rule:
    """What the ends of a 95 % interval, per cent, say of a claim."""

    words: str
    reproduced: Callable[[float, float], bool]
    refuted: Callable[[float, float], bool]  # asked where it is not reproduced

    def judge(self, found: evidence.Measured) -> tuple[str, str]:
        """The verdict, and why if it is NOT_DECIDABLE."""
        low, high = found.effect.low, found.effect.high
        if np.isnan(low):
            several = found.effect.replicates > 1
            return NOT_DECIDABLE, "no action has several takes" if several else "one replicate gives no interval"
        if self.reproduced(low, high):
            return (NOT_DECIDABLE, found.doubt) if found.doubt else (REPRODUCED, "")
        if self.refuted(low, high):
            return NOT_REPRODUCED, ""
        return NOT_DECIDABLE, f"the 95 % interval from {low:+z.2f} % to {high:+z.2f} % leaves it open"


def _below(bound: str, value: float, words: str = "") -> Rule:
    return Rule(
        f"Reproduced if the upper end is below {bound}{words}, not reproduced if the lower end is above {bound}.",
        lambda low, high: high < value,
        lambda low, high: low > value,
    )


def _above(bound: str, value: float, words: str = "") -> Rule:
    return Rule(
        f"Reproduced if the lower end is above {bound}{words}, not reproduced if the upper end is below {bound}.",
        lambda low, high: low > value,
        lambda low, high: high < value,
    )


@dataclass(frozen=True)
class Claim:
    """What the paper says, in a few words, and in other words but for its quoted figures; what is measured; and the rule."""

    name: str
    short: str
    paper: str
    measured: str
    rule: Rule
    measure: evidence.Measure
    variants: tuple[evidence.Variant, ...] = evidence.VARIANTS


SHORT, LONG = "change of the MPJPE after the short runs", "change of the MPJPE after the long runs"
CLAIMS = (
    Claim(
        "C1",
        "better after a short training",
        "After one epoch the action-based model is the better one, as it learns faster. Quoted MPJPE: 56.34 to 52.07 mm on "
        "Eating (-7.6 %), 70.49 to 70.86 mm on Sitting (+0.5 %).",
        SHORT,
        _below("0", 0),
        partial(evidence.change_of_error, "short", "mpjpe"),
    ),
    Claim(
        "C1 velocity",
        "better in velocity after a short training",
        "So is its velocity error. Quoted MPJVE after one epoch: 3.14 to 3.01 mm per frame on Eating (-4.1 %), 3.14 to 2.86 on "
        "Sitting (-8.9 %).",
        "change of the MPJVE after the short runs",
        _below("0", 0),
        partial(evidence.change_of_error, "short", "mpjve"),
    ),
    Claim(
        "C2",
        "worse after a long training",
        "After many epochs it is the worse one. Quoted MPJPE after 80 epochs: 43.30 to 49.27 mm on Eating (+13.8 %).",
        LONG,
        _above("0", 0),
        partial(evidence.change_of_error, "long", "mpjpe"),
    ),
    Claim(
        "C2 velocity",
        "worse in velocity after a long training",
        "So is its velocity error. Quoted MPJVE after 80 epochs: 2.24 to 2.56 mm per frame on Eating (+14.3 %).",
        "change of the MPJVE after the long runs",
        _above("0", 0),
        partial(evidence.change_of_error, "long", "mpjve"),
    ),
    Claim(
        "C3",
        "takes less time, measured per million windows",
        "It takes less time. Quoted for 80 epochs: 81,173 s to 56,921 s (-29.9 %), for an unknown number of windows.",
        "change of the training time per million windows, of runs made to be timed",
        Rule(
            "Reproduced if the upper end is below 0, otherwise not reproduced if the interval lies within 5 % or above 0.",
            lambda low, high: high < 0,
            lambda low, high: (low > -5 and high < 5) or low > 0,
        ),
        partial(evidence.change_of_time, True),
        (evidence.MAIN,),
    ),
    Claim(
        "C4",
        "11 % better (no table gives it)",
        "It outperforms the original by 11 % (quoted from the introduction; no table gives it).",
        SHORT,
        Rule(
            "Reproduced if the interval excludes 0, contains -11 % and is at most 11 points wide, not reproduced if it "
            "excludes -11 %.",
            lambda low, high: low <= -11 <= high < 0 and high - low <= 11,
            lambda low, high: not low <= -11 <= high,
        ),
        partial(evidence.change_of_error, "short", "mpjpe"),
    ),
    Claim(
        "C5",
        "stops improving after unit epoch 4 (measured: the gain after it)",
        "Its error stops improving after its epoch 60, which is epoch 4 of the original (quoted, with t = 15).",
        "gain, the fall of the action-based models' MPJPE from unit epoch 4 to the end of the long runs",
        _below("1 %", 1, " and the gain differs from the original's"),
        evidence.late_gain,
    ),
    Claim(
        "C6",
        "results vary between runs (measured: the least change that one run shows)",
        f"Results vary between runs, so that every action should be run several times. The smallest change that it reports is "
        f"{SMALLEST:.1f} % (quoted).",
        "smallest change of the MPJPE that one run per arm shows, 1.96 sqrt(2) times the deviation over training seeds",
        _above(f"{SMALLEST:.1f} %", SMALLEST, ", so that one run per arm cannot show the smallest reported change"),
        partial(evidence.least_shown, "mpjpe"),
        (evidence.MAIN, evidence.STALE),
    ),
    Claim(
        "C7",
        "one action's data are enough (less than 5 % worse), short training",
        "It saves data, since the frames of one action are enough.",
        f"{SHORT}, relative to the original on all data",
        _below("+5 %", 5),
        partial(evidence.change_of_error, "short", "mpjpe"),
    ),
    Claim(
        "C7 long",
        "one action's data are enough (less than 5 % worse), long training",
        "The same after many epochs.",
        f"{LONG}, relative to the original on all data",
        _below("+5 %", 5),
        partial(evidence.change_of_error, "long", "mpjpe"),
    ),
    Claim(
        "C8",
        "the same time in all, by formula (1)",
        "Formula (1) makes both take the same time, which contradicts C3.",
        "change of the training time in all, of runs made to be timed",
        Rule(
            "Reproduced if the interval lies within 5 %, not reproduced if it lies outside.",
            lambda low, high: low > -5 and high < 5,
            lambda low, high: low > 5 or high < -5,
        ),
        partial(evidence.change_of_time, False),
        (evidence.MAIN,),
    ),
)


def judge_claims(observations: Observations, config: StudyConfig) -> pd.DataFrame:
    """A verdict per claim and variant.

    Returns:
        Columns claim, variant, paper, measured, rule; effect, low, high (per cent, 95 % interval); p, against no change;
        actions; replicates; verdict; reason, of what is not decidable or not measured, which is NaN, of 0 replicates.
    """
    rows = []
    for claim in CLAIMS:
        for variant in claim.variants:
            found = claim.measure(observations, config, variant)
            if isinstance(found, str):
                row = dict.fromkeys(("effect", "low", "high", "p"), np.nan) | {"actions": 0, "replicates": 0}
                verdict, reason = NOT_MEASURED, found
            else:
                row = found.effect.row("effect") | {"actions": found.actions, "replicates": found.effect.replicates}
                verdict, reason = claim.rule.judge(found)
            told = {"paper": claim.paper, "measured": claim.measured, "rule": claim.rule.words}
            named = {"claim": claim.name, "variant": variant.name, **told}
            rows.append({**named, **row, "verdict": verdict, "reason": reason})
    return pd.DataFrame(rows)


def quote(table: str, action: str, metric: str, arm: str) -> float:
    """A figure of the paper's table "1", "2" or "3"; NaN where it has none."""
    found = QUOTED[(QUOTED.table == table) & (QUOTED.action == action) & (QUOTED.metric == metric)]
    return float(found[arm].iloc[0]) if len(found) else float("nan")


def reported_changes(observations: Observations) -> pd.DataFrame:
    """For each change of an error that the paper reports, whether one run per arm could show it, whatever its length.

    A row each: table, length, action, metric, change (quoted, per cent), least (that one run per arm of the short runs shows),
    low, high (its interval), shown: yes, no, NOT_DECIDABLE. Empty without runs that differ in their training seed alone.
    """
    rows = []
    for quoted in REPORTED[["table", "length", "action", "metric", "change"]].to_dict("records"):
        if isinstance(found := evidence.least_shown(quoted["metric"], observations), str):
            break
        size, least = 100 * np.expm1(abs(np.log1p(quoted["change"] / 100))), found.effect
        shown = "yes" if size > least.high else "no" if size < least.low else NOT_DECIDABLE
        rows.append({**quoted, "least": least.value, "low": least.low, "high": least.high, "shown": shown})
    return pd.DataFrame(rows)
