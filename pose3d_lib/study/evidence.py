"""What is measured for each claim: an effect under a schedule, tested against a change (per cent); or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from pose3d_lib.data.actions import ORIGINAL
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import Arms, Comparison, all_runs, error_pairs
from pose3d_lib.study.statistics import Cell, Effect, change_within, compare, plain_cell

# The unit epoch after which the paper sees no further improvement: epoch 60 of an action-based model with t = 15. Tests come
# at the end of a batch, so one up to LATEST_START counts as at unit epoch 4.
LATE, LATEST_START = 4.0, 4.5
MOST_WAITED = 0.1  # of the training time; on an idle machine, with one run for each core, runs waited 1 to 2 %


@dataclass(frozen=True)
class Evidence:
    """The finished runs of a study, as far as the claims need them; any part may be missing.

    `comparisons` are by length ("short" or "long"), schedule and budget; `as_many_frames` are short runs of the baseline on
    as many frames of all actions as an action has, by schedule and action.
    """

    comparisons: Mapping[tuple[str, str, str], Comparison] = field(default_factory=dict)
    focus: tuple[str, ...] = ()  # the actions trained under the other schedules and the other budget too
    as_many_frames: Mapping[str, Mapping[str, Sequence[Run]]] = field(default_factory=dict)

    def arms(self, length: str, schedule: str, budget: str = "equal_frames") -> list[Arms]:
        """Both arms of every action with runs of both. Actions with one seed wait while others have several."""
        found = self.comparisons.get((length, schedule, budget))
        if found is None or not found.original:
            return []
        return [own for own in found.arms if len(own.action_based) > 1] or found.arms


@dataclass(frozen=True)
class Measured:
    """An effect, the number of its actions, and of its runs altogether."""

    effect: Effect
    actions: int
    runs: int


def training_seconds(run: Run) -> float:
    """On a CPU the processor's, which other work does not lengthen; on a GPU those of the clock."""
    return run.timing["train_seconds" if run.config.device == "cuda" else "train_cpu_seconds"]


def why_not_timed(runs: Sequence[Run]) -> str:
    """Why the seconds of some runs cannot be compared; "" where they can.

    Other work on a CPU makes a run wait, and slows the seconds that it does get: caches and memory are shared too.
    """
    if len({(run.provenance["processor"], run.provenance["device"]) for run in runs}) > 1:
        return "the runs were made on several machines, so that their times cannot be compared"
    timed = [(run.timing, run.config.threads) for run in runs if run.config.device != "cuda"]
    shares = [1 - own["train_cpu_seconds"] / (own["train_seconds"] * threads) for own, threads in timed]
    if shares and (waited := float(np.mean(shares))) > MOST_WAITED:
        return (
            f"the runs waited {100 * waited:.0f} % of their time for processors that did other work, and at most "
            f"{100 * MOST_WAITED:.0f} % lets their times be compared; run them again with nothing else running"
        )
    return ""


def late_change(run: Run, action: str) -> float:
    """Change of an action's test MPJPE from unit epoch 4 to the end of a run, per cent; NaN if it was not tested then.

    Both are with recomputed statistics of the batch norms.
    """
    tests = run.history.dropna(subset=["test_recomputed"])
    tests = tests[(tests.unit_epochs >= LATE) & (tests.unit_epochs < LATEST_START)]
    if not len(tests) or run.timing["windows"] <= tests.windows.iloc[0]:
        return np.nan
    return 100 * (float(run.actions.loc[action, "mpjpe"]) / tests.test_recomputed.iloc[0][action] - 1)


def _no_runs(length: str, schedule: str) -> str:
    return f"no finished {length} runs of both arms under the schedule {schedule!r}"


def change_of_error(length: str, evidence: Evidence, schedule: str, null: float) -> Measured | str:
    """Change of the action-based models' MPJPE relative to the original's, in the short or the long runs."""
    arms = evidence.arms(length, schedule)
    if not arms:
        return _no_runs(length, schedule)
    return Measured(compare(error_pairs(arms), null=null), len(arms), len(all_runs(arms)))


def change_of_time(per_window: bool, evidence: Evidence, schedule: str, null: float) -> Measured | str:
    """Change of the training time, total or per window, in the long runs; in the short ones if there are no long ones."""
    arms = evidence.arms("long", schedule) or evidence.arms("short", schedule)
    if not arms:
        return _no_runs("long or short", schedule)
    runs = all_runs(arms)
    if why := why_not_timed(runs):
        return why

    def seconds(own: Sequence[Run], name: str) -> Cell:
        return plain_cell([training_seconds(run) / (run.timing["windows"] if per_window else 1) for run in own], name)

    pairs = [(seconds(own.original, ORIGINAL), seconds(own.action_based, own.action)) for own in arms]
    return Measured(compare(pairs, null=null), len(arms), len(runs))


def late_improvement(evidence: Evidence, schedule: str, null: float) -> Measured | str:
    """Change of the action-based models' MPJPE from unit epoch 4 to the end of the long runs."""
    arms = evidence.arms("long", schedule)
    if not arms:
        return _no_runs("long", schedule)
    changes = [[late_change(run, own.action) for run in own.action_based] for own in arms]
    told = [own for own in changes if not np.isnan(own).any()]
    if not told:
        return f"no long run was tested at unit epoch {LATE:g} and went on after it"
    return Measured(change_within(told, null=null), len(told), sum(map(len, told)))


def difference_of_seeds(evidence: Evidence, schedule: str, null: float) -> Measured | str:
    """Mean absolute difference of the MPJPE of two short action-based runs that differ in their seed only, per cent."""
    arms = [own for own in evidence.arms("short", schedule) if len(own.action_based) > 1]
    if not arms:
        return f"no action has two finished short runs under the schedule {schedule!r}"
    errors = [[float(run.actions.loc[own.action, "mpjpe"]) for run in own.action_based] for own in arms]
    differences = [100 * np.mean([abs(a - b) for a, b in combinations(own, 2)]) / np.mean(own) for own in errors]
    runs = sum(len(own.action_based) for own in arms)
    return Measured(change_within([differences], null=null, units="action"), len(arms), runs)


def change_of_data(evidence: Evidence, schedule: str, null: float) -> Measured | str:
    """Change of the short action-based models' MPJPE relative to models of as many frames of all actions."""
    references = evidence.as_many_frames.get(schedule, {})
    arms = [
        replace(own, original=references[own.action], baseline=f"{ORIGINAL}, as many frames as {own.action}")
        for own in evidence.arms("short", schedule)
        if references.get(own.action)
    ]
    if not arms:
        return f"no finished runs on as many frames of all actions under the schedule {schedule!r}"
    runs = sum(len(own.original) + len(own.action_based) for own in arms)
    return Measured(compare(error_pairs(arms), null=null), len(arms), runs)
