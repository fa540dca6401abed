"""From run folders to the paper's tables, with their uncertainty: every number is read from a file that a run wrote."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import Comparison, take_cell
from pose3d_lib.study.config import Condition
from pose3d_lib.study.statistics import Cell, compare, deviation, interval, plain_cell, pooled_mean, resample_pooled
from pose3d_lib.study.verdicts import LEVEL, holm, word_change

MEAN = "Mean of the actions"

QUOTED = pd.DataFrame(
    [
        ("1", "unit epoch", "Eating, MPJPE [mm]", "56.34", "52.07"),
        ("1", "unit epoch", "Sitting, MPJPE [mm]", "70.49", "70.86"),
        ("2", "unit epoch", "Eating, MPJVE [mm/frame]", "3.14", "3.01"),
        ("2", "unit epoch", "Sitting, MPJVE [mm/frame]", "3.14", "2.86"),
        ("3", "80 epochs", "Eating, time [s]", "81173", "56921"),
        ("3", "80 epochs", "Eating, MPJPE [mm]", "43.30", "49.27"),
        ("3", "80 epochs", "Eating, MPJVE [mm/frame]", "2.24", "2.56"),
    ],
    columns=["Table", "Length", "Quantity", ORIGINAL, ACTION_BASED],
)
QUOTED["Change [%]"] = 100 * (QUOTED[ACTION_BASED].astype(float) / QUOTED[ORIGINAL].astype(float) - 1)
"""The figures of Bai and Wang, tables 1 to 3, on Human3.6M: quoted, not measured here."""


def quote(table: str, action: str, what: str, arm: str) -> float:
    """A figure of the paper; NaN where it has none.

    Args:
        table: "1", "2" or "3".
        action: such as "Eating".
        what: name and unit, such as "MPJPE [mm]".
        arm: ORIGINAL or ACTION_BASED.
    """
    found = QUOTED[(QUOTED.Table == table) & (QUOTED.Quantity == f"{action}, {what}")]
    return float(found[arm].iloc[0]) if len(found) else float("nan")


def pair_cells(comparison: Comparison, metric: str) -> dict[str, tuple[Cell, Cell]]:
    """Action -> the errors of the original and of the action's own models on it, per run and take."""
    return {
        action: (
            take_cell(comparison.original, action, metric, ORIGINAL),
            take_cell(runs, action, metric, f"{ACTION_BASED}, {action}"),
        )
        for action, runs in comparison.action_based.items()
    }


def summarise(cells: Sequence[Cell]) -> dict[str, float]:
    """Mean, standard deviation over the runs, and 95 % interval of the plain mean of some cells of one arm."""
    low, high = interval(resample_pooled([cells])[0])
    runs = min(len(cell.errors) for cell in cells)
    together = plain_cell(np.mean([cell.per_run[:runs] for cell in cells], axis=0), "")
    return {
        "mean": pooled_mean(cells),
        "sd": deviation(together),
        "low": low,
        "high": high,
        "runs": runs,
    }


def compare_arms(comparison: Comparison, metric: str, table: str = "") -> pd.DataFrame:
    """Tables 1 (mpjpe) and 2 (mpjve) of the paper, for every action: both arms, the change, and what is known of it.

    Args:
        comparison: with runs of both arms.
        metric: one of METRICS.
        table: the paper's table whose figures are quoted beside ours; none given quotes nothing.

    Returns:
        Columns "Action", "Metric"; per arm "<arm>, mean", ", sd", ", low", ", high" (95 %), ", runs", ", quoted";
        "Change [%]", "Change, low [%]", "Change, high [%]"; "p", "p (Holm)", "Smallest p", "Needed p", "Verdict",
        "Reason". The last row is the mean over the actions, a comparison of its own that Holm's correction leaves alone.
    """
    pairs = pair_cells(comparison, metric)
    groups = {**{action: [pair] for action, pair in pairs.items()}, MEAN: list(pairs.values())}
    effects = {action: compare(group) for action, group in groups.items()}
    adjusted = dict(zip(pairs, holm([effects[action].p for action in pairs]), strict=True))
    rows = []
    for action, group in groups.items():
        effect, comparisons = effects[action], 1 if action == MEAN else len(pairs)
        p = effect.p if action == MEAN else float(adjusted[action])
        verdict = word_change(effect, p, comparisons)
        rows.append(
            {
                "Action": action,
                "Metric": named(metric),
                **_arms(action, group, metric, table),
                "Change [%]": effect.value,
                "Change, low [%]": effect.low,
                "Change, high [%]": effect.high,
                "p": effect.p,
                "p (Holm)": p,
                "Smallest p": effect.smallest_p,
                "Needed p": LEVEL / comparisons,
                "Verdict": verdict.word,
                "Reason": verdict.reason,
            }
        )
    return pd.DataFrame(rows)


def _arms(action: str, pairs: Sequence[tuple[Cell, Cell]], metric: str, table: str) -> dict[str, float]:
    row = {}
    for arm, cells in zip((ORIGINAL, ACTION_BASED), zip(*pairs, strict=True), strict=True):
        row |= {f"{arm}, {name}": value for name, value in summarise(cells).items()}
        row[f"{arm}, quoted"] = quote(table, action, named(metric), arm)
    return row


def table_3(comparison: Comparison) -> pd.DataFrame:
    """Table 3 of the paper, for every action, a row per arm: time consumed, MPJPE and MPJVE of a long training.

    Time is split in training and final evaluation. Beside it stand the windows seen, in millions, the optimiser steps, and
    the seconds and processor seconds of training per million windows: two runs that saw different numbers of windows
    cannot be compared by their time alone, and other work on the machine lengthens time but not processor time.
    """
    rows = []
    pairs = {metric: pair_cells(comparison, metric) for metric in ("mpjpe", "mpjve")}
    for action, runs in comparison.action_based.items():
        for number, (arm, own) in enumerate(((ORIGINAL, comparison.original), (ACTION_BASED, runs))):
            row: dict[str, object] = {"Action": action, "Arm": arm, "runs": len(own), **consumed(own)}
            row["time, quoted [s]"] = quote("3", action, "time [s]", arm)
            for metric, cells in pairs.items():
                found = summarise([cells[action][number]])
                row |= {f"{named(metric)}, {name}": found[name] for name in ("mean", "sd", "low", "high")}
                row[f"{named(metric)}, quoted"] = quote("3", action, named(metric), arm)
            rows.append(row)
    return pd.DataFrame(rows)


def consumed(runs: Sequence[Run]) -> dict[str, float]:
    """What runs took, on average: seconds, windows in millions, steps, and seconds per million windows."""
    timing = pd.DataFrame([run.timing for run in runs]).mean()
    return {
        "training [s]": timing.train_seconds,
        "evaluation [s]": timing.evaluation_seconds,
        "windows [M]": timing.windows / 1e6,
        "steps": timing.steps,
        "training [s/M windows]": timing.train_seconds / timing.windows * 1e6,
        "training [processor s/M windows]": timing.train_cpu_seconds / timing.windows * 1e6,
    }


def on_the_way(comparison: Comparison, points: Sequence[float]) -> pd.DataFrame:
    """MPJPE of both arms, mean of the actions, at tests on the way of long runs and at their end.

    Args:
        comparison: of long runs.
        points: unit epochs, such as 1, 2, 4 and 8; those that not every run was tested at are left out.

    Returns:
        Columns "Unit epochs", "Windows seen [M]", "<arm>, steps", "<arm>, MPJPE [mm]", "Change [%]".
    """
    arms = {
        ORIGINAL: dict.fromkeys(comparison.action_based, comparison.original),
        ACTION_BASED: comparison.action_based,
    }
    rows = []
    for point in [*points, float("inf")]:
        tests = {
            arm: [[_test_at(run, a, point) for run in runs] for a, runs in own.items()] for arm, own in arms.items()
        }
        flat = [test for arm in tests.values() for runs in arm for test in runs]
        if any(test is None for test in flat):
            continue
        row: dict[str, object] = {"Unit epochs": flat[0]["unit_epochs"], "Windows seen [M]": flat[0]["windows"] / 1e6}
        for arm, actions in tests.items():
            row[f"{arm}, steps"] = round(np.mean([test["steps"] for runs in actions for test in runs]))
            row[f"{arm}, MPJPE [mm]"] = np.mean([np.mean([test["mpjpe"] for test in runs]) for runs in actions])
        rows.append(row)
    table = pd.DataFrame(rows)
    table["Change [%]"] = 100 * (table[f"{ACTION_BASED}, MPJPE [mm]"] / table[f"{ORIGINAL}, MPJPE [mm]"] - 1)
    return table


def _test_at(run: Run, action: str, point: float) -> dict[str, float] | None:
    """The first test of a run at or after some unit epochs, or its end for infinity; None where it was not tested then."""
    tests = run.history.dropna(subset=["test_actions"])
    found = tests[tests.unit_epochs >= point - 1e-9].head(1)
    if point == float("inf") or (not len(found) and abs(run.config.unit_epochs - point) < 1e-9):
        last = run.history.iloc[-1]
        return {**last[["unit_epochs", "windows", "steps"]].to_dict(), "mpjpe": float(run.actions.mpjpe[action])}
    if not len(found) or found.unit_epochs.iloc[0] > 1.05 * point:
        return None
    row = found.iloc[0]
    return {**row[["unit_epochs", "windows", "steps"]].to_dict(), "mpjpe": float(row.test_actions[action])}


def all_metrics(comparison: Comparison) -> pd.DataFrame:
    """All four metrics of both arms over the compared actions, action-wise and frame-wise, means over the runs.

    The action-based arm is every action's own model on its own action.
    """
    actions = list(comparison.action_based)
    frames = comparison.original[0].actions.frames.loc[actions]
    rows = []
    for arm in (ORIGINAL, ACTION_BASED):
        own = {
            action: comparison.original if arm == ORIGINAL else comparison.action_based[action] for action in actions
        }
        errors = pd.DataFrame(
            {m: [_error(own[action], action, m) for action in actions] for m in METRICS}, index=actions
        )
        rows.append([arm, "action-wise", *errors.mean()])
        rows.append([arm, "frame-wise", *(errors.mul(frames, axis=0).sum() / frames.sum())])
    return pd.DataFrame(rows, columns=["Arm", "Mean", *map(named, METRICS)])


def transfer(comparison: Comparison, metric: str = "mpjpe") -> pd.DataFrame:
    """Every model on every action: rows are models (the baseline first), columns the actions they are tested on."""
    actions = list(comparison.action_based)
    models = {ALL: comparison.original, **comparison.action_based}
    rows = {model: [_error(runs, action, metric) for action in actions] for model, runs in models.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=actions)


def _error(runs: Sequence[Run], action: str, metric: str) -> float:
    """A metric on the test clips of an action, averaged over runs that differ in their seed."""
    return float(np.mean([float(run.actions.loc[action, metric]) for run in runs]))


def study_table(comparisons: Mapping[Condition, Comparison]) -> pd.DataFrame:
    """What a study consists of: a row per comparison, how many of its runs are finished, and what each run sees."""
    rows = []
    for condition, comparison in comparisons.items():
        runs, models = comparison.runs, [run for own in comparison.action_based.values() for run in own]
        seeds = {action: len(own) for action, own in comparison.action_based.items()}
        counts = sorted(set(seeds.values()))
        rows.append(
            {
                "Unit epochs": f"{condition.unit_epochs:g}",
                "Schedule": condition.schedule,
                "Budget": condition.budget,
                "Frames": int(np.prod(condition.widths)),
                "Runs": f"{len(runs)} of {len(runs) + len(comparison.missing)}",
                "Actions": len(seeds),
                f"Seeds, {ORIGINAL}": len(comparison.original),
                f"Seeds, {ACTION_BASED}": " to ".join(map(str, sorted({*counts[:1], *counts[-1:]}))),
                f"Windows [M], {ORIGINAL}": _average(comparison.original, "windows", 1e6),
                f"Windows [M], {ACTION_BASED}": _average(models, "windows", 1e6),
                f"Steps, {ORIGINAL}": _average(comparison.original, "steps"),
                f"Steps, {ACTION_BASED}": _average(models, "steps"),
            }
        )
    return pd.DataFrame(rows)


def _average(runs: Sequence[Run], what: str, unit: float = 1) -> str:
    if not runs:
        return ""
    value = np.mean([run.timing[what] for run in runs]) / unit
    return f"{value:,.0f}" if unit == 1 else f"{value:.3f}"
