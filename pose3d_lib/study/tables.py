"""The paper's tables with their uncertainty, from `Observations`; headings and the form of the files are made in `report/`."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.study.claims import quote
from pose3d_lib.study.config import EQUALISED, PUBLISHED, Condition, StudyConfig
from pose3d_lib.study.evidence import why_not_timed
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED, Observations, Ratios, choose, is_end
from pose3d_lib.study.two_way import complete_table, mean_of_set
from pose3d_lib.study.verdicts import word_change

MEAN, UNSEEN = "Mean of the actions", "A new action"

# Of `attribution`: a published change and its parts.
WHOLE = "published"
SUMMANDS = DATA, LEARNING_RATE, STALE = "data", "learning rate", "stale statistics"  # logs add up to that of WHOLE
NO_PROPERTY = (
    "Stale statistics are no property of the trained network: they are how far the running statistics of the batch norms, "
    "which the published test uses, lag behind its weights."
)

# Claim -> its length and metric.
NAMES = "C1", "C1 velocity", "C2", "C2 velocity"
QUANTITIES = dict(zip(NAMES, product(("short", "long"), ("mpjpe", "mpjve")), strict=True))


def summarise_arms(table: pd.DataFrame, metric: str = "mpjpe") -> pd.DataFrame:
    """The errors of arms over the replicates, of a row per "action", "arm" and "replicate".

    A row per action, then MEAN of the replicates with every action, and arm: action, arm, mean, sd (NaN for one), replicates.
    """
    errors = table.pivot(index=["arm", "replicate"], columns="action", values=metric)
    errors = errors.loc[table.arm.unique(), table.action.unique()]
    errors = errors.assign(**{MEAN: errors.mean(axis=1, skipna=False)}).melt(ignore_index=False).dropna()
    parts = errors.groupby(["action", "arm"], sort=False).value.agg(["mean", "std", "count"]).reset_index()
    return parts.rename(columns={"std": "sd", "count": "replicates"})


def arms_table(
    observations: Observations,
    condition: Condition,
    metric: str,
    statistics: str = RECOMPUTED,
    table: str = "",
) -> pd.DataFrame:
    """The columns of `summarise_arms`, over the complete replicates; and "quoted", the figures of the paper's `table`."""
    y = observations.ratios(condition, metric, statistics).y
    own = choose(observations.errors, condition, statistics=statistics)
    arms = summarise_arms(own[own.action.isin(y.index) & own.replicate.isin(y.columns)], metric)
    quoted = [quote(table, action, metric, arm) for action, arm in zip(arms.action, arms.arm, strict=True)]
    return arms.assign(quoted=quoted)


def changes_table(ratios: Ratios) -> pd.DataFrame:
    """What the action-based models change, and how sure it is; needs a complete replicate.

    A row per action, by (c) of docs/statistics.md, then MEAN by (a), the mean of the actions' changes, then UNSEEN by (b), with
    its prediction interval: action; change, low, high (per cent); p; p_holm, corrected for the number of actions; shrunken, the
    change that (b) estimates; verdict, of p_holm, "" for UNSEEN.
    """
    (effects, p_holm), mean, general = ratios.single(), ratios.mean(), ratios.general()
    effects, p_holm = [*effects, mean], [*p_holm, mean.p]
    table = pd.DataFrame([effect.row() for effect in effects])
    table.insert(0, "action", [*ratios.actions, MEAN])
    table["p_holm"], table["shrunken"] = p_holm, [*general.shrunken, np.nan]
    table["verdict"] = list(map(word_change, effects, p_holm))
    low, high = general.unseen
    unseen = {"action": UNSEEN, "change": general.mean.value, "low": low, "high": high, "verdict": ""}
    return pd.concat([table, pd.DataFrame([unseen])], ignore_index=True)


def subjects_table(observations: Observations, condition: Condition, metric: str = "mpjpe") -> pd.DataFrame:
    """The mean of the actions' changes on each test subject: subject, change, low, high, p; over trainings alone."""
    takes = choose(observations.takes, condition, statistics=RECOMPUTED)
    y = observations.ratios(condition, metric).y
    takes = takes[takes.action.isin(y.index) & takes.replicate.isin(y.columns)]
    weighted = takes.assign(error=takes[metric] * takes.frames)  # both arms have the same frames
    sums = weighted.groupby(["subject", "arm", "action", "replicate"]).error.sum()
    changes = {
        subject: complete_table(own.loc[subject], own.index.unique("action")) for subject, own in sums.groupby(level=0)
    }
    return pd.DataFrame({"subject": subject, **mean_of_set(own.to_numpy()).row()} for subject, own in changes.items())


def table_3(observations: Observations, condition: Condition) -> pd.DataFrame:
    """Table 3 of the paper: time, MPJPE and MPJVE of a long training, and the paper's own figures.

    A row per action and arm: action, arm, replicates; windows_m (millions); steps; seconds and seconds_per_m (per million
    windows) of the timed runs of this condition, NaN for actions that have none or whose times cannot be compared; quoted_s; of
    mpjpe and mpjve "<metric>_mean", "_sd" and "_quoted".
    """
    keys = ["action", "arm"]
    parts = {own: arms_table(observations, condition, own, table="3").set_index(keys) for own in ("mpjpe", "mpjve")}
    table = parts["mpjpe"][["replicates"]]
    for metric, own in parts.items():
        table = table.join(own[["mean", "sd", "quoted"]].add_prefix(f"{metric}_"))
    tests, times = choose(observations.tests, condition, statistics=RECOMPUTED), choose(observations.times, condition)
    ends = tests[is_end(tests)].groupby(keys)[["windows", "steps"]].mean()
    timed = times.iloc[: 0 if why_not_timed(times) else None].groupby(keys)[["seconds", "windows"]].mean().astype(float)
    table = table.drop(MEAN, level="action").assign(
        windows_m=ends.windows / 1e6,
        steps=ends.steps,
        seconds=timed.seconds,
        seconds_per_m=1e6 * timed.seconds / timed.windows,
    )
    return table.assign(quoted_s=[quote("3", action, "seconds", arm) for action, arm in table.index]).reset_index()


def errors_during_training(observations: Observations, condition: Condition, points: Sequence[float]) -> pd.DataFrame:
    """MPJPE, mean of the actions and complete replicates, at tests during long runs and at their end; statistics as published.

    A row per point (unit epochs; those without a test of every run are left out) and arm: seen (unit epochs), windows_m
    (millions), arm, steps, mpjpe (mm).
    """
    tests, y = choose(observations.tests, condition, statistics=AS_PUBLISHED), observations.ratios(condition).y
    tests = tests[tests.action.isin(y.index) & tests.replicate.isin(y.columns)]
    ends = tests[is_end(tests)]
    near = [
        tests[tests.seen.between(point - 1e-9, 1.05 * point)].drop_duplicates(["run", "action"]) for point in points
    ]
    parts = []
    for own in (*(own for own in near if len(own) == len(ends)), ends):
        means = own.groupby("arm", sort=False)[["seen", "windows", "steps"]].mean()
        mpjpe = own.groupby(["arm", "action"]).mpjpe.mean().groupby("arm").mean()
        parts.append(means.assign(mpjpe=mpjpe, windows_m=means.windows / 1e6, steps=means.steps.round().astype(int)))
    return pd.concat(parts).reset_index()[["seen", "windows_m", "arm", "steps", "mpjpe"]]


def all_metrics(observations: Observations, condition: Condition) -> pd.DataFrame:
    """All four metrics with either statistics, means of the actions.

    A row per statistics and metric: statistics, metric, original, action_based, change, low, high (per cent), p, verdict.
    """
    rows = []
    for statistics in (RECOMPUTED, AS_PUBLISHED):
        for metric in METRICS:
            ratios = observations.ratios(condition, metric, statistics)
            if ratios.y.size:
                arms, effect = arms_table(observations, condition, metric, statistics), ratios.mean()
                means = dict(zip(("original", "action_based"), arms["mean"][arms.action == MEAN], strict=True))
                row = {"statistics": statistics, "metric": metric, **means, **effect.row()}
                rows.append({**row, "verdict": word_change(effect, effect.p)})
    return pd.DataFrame(rows)


def attribution(observations: Observations, config: StudyConfig) -> pd.DataFrame:
    """The changes behind C1 and C2 as published, on all actions, split into their parts.

    With y(schedule, statistics) the table of log ratios: y(published, as published) = y(equal, recomputed)
    + [y(published, recomputed) - y(equal, recomputed)] + [y(published, as published) - y(published, recomputed)].

    Returns:
        A row per claim and part (WHOLE, the SUMMANDS): claim; part; effect, low, high, per cent, of which 1 + effect / 100 of
        the parts multiply up to the whole's; log_points, 100 times the logarithm, which add up; p; actions; replicates. Where
        replicates share their takes, only WHOLE and DATA have the takes' variance. Claims without their runs are left out.
    """
    rows = []
    for claim, (length, metric) in QUANTITIES.items():
        if not (unit_epochs := getattr(config, length)):
            continue
        published, equal = (config.condition(unit_epochs, schedule) for schedule in (PUBLISHED, EQUALISED))
        actions = observations.ratios(published, metric, actions=observations.ratios(equal, metric).actions).actions
        whole, both, data = (
            observations.ratios(condition, metric, statistics, actions)
            for condition, statistics in ((published, AS_PUBLISHED), (published, RECOMPUTED), (equal, RECOMPUTED))
        )
        replicates = both.y.columns.intersection(data.y.columns)
        if not (actions and len(replicates)):
            continue
        of_whole, of_both, of_data = (own.y.loc[actions, replicates].to_numpy() for own in (whole, both, data))
        parts = {
            WHOLE: (of_whole, whole.takes),
            DATA: (of_data, data.takes),
            LEARNING_RATE: (of_both - of_data, None),
            STALE: (of_whole - of_both, None),
        }
        for part, (y, takes) in parts.items():
            row = mean_of_set(y, takes=takes).row("effect")
            row |= {"log_points": 100 * float(y.mean()), "actions": len(actions), "replicates": len(replicates)}
            rows.append({"claim": claim, "part": part, **row})
    columns = ["claim", "part", "effect", "low", "high", "log_points", "p", "actions", "replicates"]
    return pd.DataFrame(rows, columns=columns)
