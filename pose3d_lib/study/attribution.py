"""The parts of a published effect: data, learning rate, batch norm and budget, each with its interval.

Data, learning rate and batch norm add up to the effect (Shapley's shares, docs/statistics.md); the budget is not among
the three.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import Arms, all_runs, take_cell
from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.evidence import Evidence, late_change, training_seconds, why_not_timed
from pose3d_lib.study.statistics import Cell, interval, plain_cell, pooled_mean, resample_pooled
from pose3d_lib.training.budget import SCHEDULES

WHOLE = "published"
SUMMANDS = DATA, LEARNING_RATE, BATCH_NORM = "data", "learning rate", "batch norm"  # add up to WHOLE
BUDGET = "budget"


def _errors(runs: Sequence[Run], action: str, name: str) -> Cell:
    return take_cell(runs, action, "mpjpe", name)


def _seconds(runs: Sequence[Run], action: str, name: str) -> Cell:
    return plain_cell([training_seconds(run) for run in runs], name)


def _late_changes(runs: Sequence[Run], action: str, name: str) -> Cell | None:
    changes = [late_change(run, action) for run in runs]
    return None if np.isnan(changes).any() else plain_cell(changes, name)


@dataclass(frozen=True)
class Quantity:
    """What is split for a claim."""

    claim: str
    lengths: tuple[str, ...]  # the first of them at which there are runs
    cell: Callable[[Sequence[Run], str, str], Cell | None]  # of runs, an action, a name; None without the numbers
    relative: bool  # whether the effect is the change relative to the original; otherwise the number itself
    unit: str  # of the effect, with what it is


QUANTITIES = (
    Quantity("C1", ("short",), _errors, True, "change of the MPJPE [% of the original's]"),
    Quantity("C2", ("long",), _errors, True, "change of the MPJPE [% of the original's]"),
    Quantity("C3", ("long", "short"), _seconds, True, "change of the training time [% of the original's]"),
    Quantity("C5", ("long",), _late_changes, False, "change of the action-based MPJPE after unit epoch 4 [%]"),
)


def attribution(evidence: Evidence) -> pd.DataFrame:
    """The effects of C1, C2, C3 and C5 on the actions in focus, split into their parts.

    C3's is that of the total training time: the arms see the same number of windows, which only the budget changes.

    Returns:
        A row per claim and part (WHOLE, the SUMMANDS, BUDGET): claim; part; effect, low, high (percentage points, 95 %
        interval); unit; actions (their names). A part whose runs are missing is NaN, on no action.
    """
    rows = []
    for quantity in QUANTITIES:
        for part, (actions, effects) in _split(quantity, evidence).items():
            low, high = interval(effects[1:])
            row = {"claim": quantity.claim, "part": part, "effect": effects[0], "low": low, "high": high}
            rows.append({**row, "unit": quantity.unit, "actions": ", ".join(actions)})
    return pd.DataFrame(rows)


def _split(quantity: Quantity, evidence: Evidence) -> dict[str, tuple[list[str], np.ndarray]]:
    """Part -> the actions that it is known of, and its effect followed by that of every draw of the bootstrap."""
    there = (length for length in quantity.lengths if evidence.arms(length, PUBLISHED))
    length = next(there, quantity.lengths[0])
    square = {schedule: evidence.arms(length, schedule) for schedule in SCHEDULES}
    actions, effect = _effects(quantity, square, evidence.focus)
    published, equal = effect[PUBLISHED], effect[EQUALISED]
    only_lr, only_bn = effect["lr_unit_epoch"], effect["bn_unit_epoch"]  # only this setting is equal for both arms
    parts = {
        WHOLE: (actions, published),
        DATA: (actions, equal),
        LEARNING_RATE: (actions, ((published - only_lr) + (only_bn - equal)) / 2),
        BATCH_NORM: (actions, ((published - only_bn) + (only_lr - equal)) / 2),
    }
    both = {PUBLISHED: square[PUBLISHED], "fifteen": evidence.arms(length, PUBLISHED, "fifteen")}
    actions, effect = _effects(quantity, both, evidence.focus)
    return {**parts, BUDGET: (actions, effect["fifteen"] - effect[PUBLISHED])}


def _effects(
    quantity: Quantity, conditions: Mapping[str, Sequence[Arms]], focus: Sequence[str]
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The actions with runs under all conditions, and condition -> (1 + draws,) its effect and those of the draws."""
    cells = {action: own for action in focus if (own := _cells(quantity, conditions, action))}
    if not cells:
        return [], dict.fromkeys(conditions, np.full(2, np.nan))
    arms = [list(arm) for arm in zip(*cells.values(), strict=True)]
    means = np.column_stack([[pooled_mean(arm) for arm in arms], resample_pooled(arms)])
    effects = 100 * (means[1:] / means[0] - 1) if quantity.relative else means[1:]
    return list(cells), dict(zip(conditions, effects, strict=True))


def _cells(quantity: Quantity, conditions: Mapping[str, Sequence[Arms]], action: str) -> list[Cell]:
    """The original's cell and that of the action-based runs under every condition; empty if any is missing."""
    arms = [own for arms in conditions.values() for own in arms if own.action == action]
    if len(arms) < len(conditions):
        return []
    if quantity.cell is _seconds and why_not_timed(all_runs(arms)):
        return []
    own = [
        quantity.cell(arm.action_based, action, f"{ACTION_BASED}, {name}, {action}")
        for name, arm in zip(conditions, arms, strict=True)
    ]
    cells = [quantity.cell(arms[0].original, action, ORIGINAL) if quantity.relative else own[0], *own]
    return [] if any(cell is None for cell in cells) else cells
