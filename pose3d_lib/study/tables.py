"""From run folders to the paper's tables, with their uncertainty: every number is read from a file that a run wrote.

The tables are tidy; headings and the form of the files are made in `report.readable`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import Comparison, error_pairs
from pose3d_lib.study.statistics import Cell, compare, deviation, interval, pooled_mean, pooled_per_run, resample_pooled
from pose3d_lib.study.verdicts import LEVEL, word_change

ARMS = (ORIGINAL, ACTION_BASED)
MEAN = "Mean of the actions"

# The figures of Bai and Wang, tables 1 to 3, on Human3.6M: quoted, not measured here.
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

Pairs = Mapping[str, Sequence[tuple[Cell, Cell]]]


def quote(table: str, action: str, what: str, arm: str) -> float:
    """A figure of the paper's table "1", "2" or "3", such as of "MPJPE [mm]"; NaN where it has none."""
    found = QUOTED[(QUOTED.Table == table) & (QUOTED.Quantity == f"{action}, {what}")]
    return float(found[arm].iloc[0]) if len(found) else float("nan")


def pair_arms(comparison: Comparison, metric: str) -> dict[str, list[tuple[Cell, Cell]]]:
    """Action -> the errors of the original and of the action's own models; MEAN -> those of all actions."""
    pairs = error_pairs(comparison.arms, metric)
    return {**{own.action: [pair] for own, pair in zip(comparison.arms, pairs, strict=True)}, MEAN: pairs}


def arms_table(pairs: Pairs, metric: str, table: str = "") -> pd.DataFrame:
    """The errors of Tables 1 (mpjpe) and 2 (mpjve), a row per key of `pair_arms` and arm: action, arm, `summarise`, quoted."""
    return pd.DataFrame(
        {"action": action, "arm": arm, **summarise(cells), "quoted": quote(table, action, named(metric), arm)}
        for action, own in pairs.items()
        for arm, cells in zip(ARMS, zip(*own, strict=True), strict=True)
    )


def summarise(cells: Sequence[Cell]) -> dict[str, float]:
    """Of the plain mean of cells of one arm: mean, sd (over the runs), low and high (95 % interval), runs."""
    low, high = interval(resample_pooled([cells])[0])
    per_run = pooled_per_run(cells)
    return {"mean": pooled_mean(cells), "sd": deviation(per_run), "low": low, "high": high, "runs": len(per_run)}


def changes_table(pairs: Pairs) -> pd.DataFrame:
    """What the action-based models change, and how sure it is.

    Returns:
        A row per key of `pair_arms`: action; change, low, high (per cent, with its 95 % interval); p; p_holm; smallest_p;
        needed_p; verdict; reason. MEAN, the last, is a comparison of its own, without Holm's correction.
    """
    effects = [compare(own) for own in pairs.values()]
    table = pd.DataFrame({"action": action, **own.row("change")} for action, own in zip(pairs, effects, strict=True))
    p_holm = [*multipletests(table.p[:-1], alpha=LEVEL, method="holm")[1], table.p.iloc[-1]]
    comparisons = [len(pairs) - 1] * (len(pairs) - 1) + [1]
    verdicts = [word_change(*own) for own in zip(effects, p_holm, comparisons, strict=True)]
    table.insert(table.columns.get_loc("smallest_p"), "p_holm", p_holm)
    return table.assign(
        needed_p=[LEVEL / number for number in comparisons],
        verdict=[own.word for own in verdicts],
        reason=[own.reason for own in verdicts],
    )


def table_3(comparison: Comparison) -> pd.DataFrame:
    """Table 3 of the paper: time, MPJPE and MPJVE of a long training, and the paper's own figures.

    A row per action and arm: action, arm, runs, and as `consumed`; quoted_s; of mpjpe and mpjve "<metric>_mean", "_sd",
    "_low", "_high" and "_quoted".
    """
    rows = []
    pairs = {metric: error_pairs(comparison.arms, metric) for metric in ("mpjpe", "mpjve")}
    for place, own in enumerate(comparison.arms):
        for number, (arm, runs) in enumerate(own.runs.items()):
            row: dict[str, object] = {"action": own.action, "arm": arm, "runs": len(runs), **consumed(runs)}
            row["quoted_s"] = quote("3", own.action, "time [s]", arm)
            for metric, cells in pairs.items():
                found = summarise([cells[place][number]])
                row |= {f"{metric}_{name}": found[name] for name in ("mean", "sd", "low", "high")}
                row[f"{metric}_quoted"] = quote("3", own.action, named(metric), arm)
            rows.append(row)
    return pd.DataFrame(rows)


def consumed(runs: Sequence[Run]) -> dict[str, float]:
    """Mean seconds, windows (millions) and steps of runs; seconds per million windows, by the clock and of the processor."""
    timing = pd.DataFrame([run.timing for run in runs]).mean()
    return {
        "train_s": timing.train_seconds,
        "evaluation_s": timing.evaluation_seconds,
        "windows_m": timing.windows / 1e6,
        "steps": timing.steps,
        "train_s_per_m": timing.train_seconds / timing.windows * 1e6,
        "processor_s_per_m": timing.train_cpu_seconds / timing.windows * 1e6,
    }


def errors_during_training(comparison: Comparison, points: Sequence[float]) -> pd.DataFrame:
    """MPJPE, mean of the actions, at tests during long runs and at their end.

    A row per point (unit epochs; those without a test of every run are left out) and arm: unit_epochs, windows_m (millions),
    arm, steps, mpjpe (mm).
    """
    rows = []
    for point in [*points, np.inf]:
        tests = {
            arm: [[_test_at(run, own.action, point) for run in own.runs[arm]] for own in comparison.arms]
            for arm in ARMS
        }
        flat = [test for arm in tests.values() for runs in arm for test in runs]
        if any(test is None for test in flat):
            continue
        place = {"unit_epochs": flat[0]["unit_epochs"], "windows_m": flat[0]["windows"] / 1e6}
        for arm, actions in tests.items():
            steps = round(np.mean([test["steps"] for runs in actions for test in runs]))
            mpjpe = np.mean([np.mean([test["mpjpe"] for test in runs]) for runs in actions])
            rows.append({**place, "arm": arm, "steps": steps, "mpjpe": mpjpe})
    return pd.DataFrame(rows)


def _test_at(run: Run, action: str, point: float) -> dict[str, float] | None:
    """The first test of a run at or after some unit epochs, or its end for infinity; None without a test then.

    Batch norms as published, as in most tests during training.
    """
    if point == np.inf:
        row, mpjpe = run.history.iloc[-1], run.as_published.actions.mpjpe[action]
    else:
        tests = run.history.dropna(subset=["test_actions"])
        tests = tests[tests.unit_epochs.between(point - 1e-9, 1.05 * point)]
        if not len(tests):
            return None
        row, mpjpe = tests.iloc[0], tests.iloc[0].test_actions[action]
    return {**row[["unit_epochs", "windows", "steps"]].to_dict(), "mpjpe": float(mpjpe)}


def all_metrics(comparison: Comparison) -> pd.DataFrame:
    """All four metrics of both arms over the compared actions, means over the runs: arm, mean (of what), METRICS.

    The action-based arm is every action's own model on its own action.
    """
    actions = list(comparison.action_based)
    frames = comparison.original[0].actions.frames.loc[actions]
    rows = []
    for arm in ARMS:
        errors = pd.DataFrame(
            {m: [_error(own.runs[arm], own.action, m) for own in comparison.arms] for m in METRICS}, index=actions
        )
        rows.append([arm, "action-wise", *errors.mean()])
        rows.append([arm, "frame-wise", *(errors.mul(frames, axis=0).sum() / frames.sum())])
    return pd.DataFrame(rows, columns=["arm", "mean", *METRICS])


def transfer(comparison: Comparison) -> pd.DataFrame:
    """MPJPE of every model on every action: rows are models (the baseline first), columns the actions they are tested on."""
    actions = list(comparison.action_based)
    models = {ALL: comparison.original, **comparison.action_based}
    rows = {model: [_error(runs, action, "mpjpe") for action in actions] for model, runs in models.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=actions)


def _error(runs: Sequence[Run], action: str, metric: str) -> float:
    """A metric on the test clips of an action, averaged over runs that differ in their seed."""
    return float(np.mean([float(run.actions.loc[action, metric]) for run in runs]))
