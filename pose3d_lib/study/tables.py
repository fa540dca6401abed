"""The paper's tables with their uncertainty, from `Observations`; headings and the form of the files are made in `report/`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.study.config import Condition
from pose3d_lib.study.evidence import why_not_timed
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, RECOMPUTED, Observations, Ratios, choose, is_end
from pose3d_lib.study.paper import quote
from pose3d_lib.study.two_way import mean_of_set
from pose3d_lib.study.verdicts import word_change

MEAN, UNSEEN = "Mean of the actions", "A new action"


def arms_table(
    observations: Observations,
    condition: Condition,
    metric: str,
    statistics: str = RECOMPUTED,
    table: str = "",
) -> pd.DataFrame:
    """The errors of both arms over the complete replicates, and the figures of the paper's `table`.

    A row per action, then MEAN, and arm: action, arm, mean, sd (over the replicates, NaN for one), replicates, quoted.
    """
    y = observations.ratios(condition, metric, statistics).y
    own = choose(observations.errors, condition, statistics=statistics)
    own = own[own.action.isin(y.index) & own.replicate.isin(y.columns)]
    errors = own.pivot(index=["action", "replicate"], columns="arm", values=metric)
    rows = []
    for action in (*y.index, *([MEAN] if len(y) else [])):
        runs = errors.groupby("replicate").mean() if action == MEAN else errors.loc[action]
        for arm in ARMS:
            values = {"mean": runs[arm].mean(), "sd": runs[arm].std(), "replicates": len(runs)}
            rows.append({"action": action, "arm": arm, **values, "quoted": quote(table, action, metric, arm)})
    return pd.DataFrame(rows, columns=["action", "arm", "mean", "sd", "replicates", "quoted"])


def changes_table(ratios: Ratios) -> pd.DataFrame:
    """What the action-based models change, and how sure it is; needs a complete replicate.

    A row per action, by (c) of docs/statistics.md, then MEAN by (a), the mean of the actions' changes, then UNSEEN by (b), with
    its prediction interval: action; change, low, high (per cent); p; p_holm, corrected for the number of actions; shrunken, the
    change that (b) estimates; verdict, of p_holm, "" for UNSEEN.
    """
    effects, p_holm = ratios.single()
    mean, general = ratios.mean(), ratios.general()
    rows = [
        {"action": action, **effect.row(), "p_holm": p, "shrunken": shrunken, "verdict": word_change(effect, p)}
        for action, effect, p, shrunken in zip(ratios.actions, effects, p_holm, general.shrunken, strict=True)
    ]
    rows.append(
        {"action": MEAN, **mean.row(), "p_holm": mean.p, "shrunken": np.nan, "verdict": word_change(mean, mean.p)}
    )
    low, high = general.unseen
    nothing = dict.fromkeys(("p", "p_holm", "shrunken"), np.nan)
    rows.append({"action": UNSEEN, "change": general.mean.value, "low": low, "high": high, **nothing, "verdict": ""})
    return pd.DataFrame(rows)


def subjects_table(observations: Observations, condition: Condition, metric: str = "mpjpe") -> pd.DataFrame:
    """The mean of the actions' changes on each test subject: subject, change, low, high, p; over trainings alone."""
    takes = choose(observations.takes, condition, statistics=RECOMPUTED)
    y = observations.ratios(condition, metric).y
    takes = takes[takes.action.isin(y.index) & takes.replicate.isin(y.columns)]
    weighted = (takes[metric] * takes.frames).groupby(
        [takes[name] for name in ("subject", "action", "replicate", "arm")]
    )
    logs = np.log(weighted.sum().unstack("arm"))  # both arms have the same frames
    changes = (logs[ARMS[1]] - logs[ARMS[0]]).groupby(["subject", "replicate"]).mean()
    return pd.DataFrame(
        {"subject": subject, **mean_of_set(own.to_numpy()[None]).row()} for subject, own in changes.groupby("subject")
    )


def table_3(observations: Observations, condition: Condition) -> pd.DataFrame:
    """Table 3 of the paper: time, MPJPE and MPJVE of a long training, and the paper's own figures.

    A row per action and arm: action, arm, replicates; windows_m (millions); steps; seconds and seconds_per_m (per million
    windows) of the timed runs of this condition, NaN for actions that have none or whose times cannot be compared; quoted_s; of
    mpjpe and mpjve "<metric>_mean", "_sd" and "_quoted".
    """
    parts = {metric: arms_table(observations, condition, metric, table="3") for metric in ("mpjpe", "mpjve")}
    table = parts["mpjpe"][["action", "arm", "replicates"]]
    for metric, own in parts.items():
        table = table.assign(**{f"{metric}_{name}": own[name] for name in ("mean", "sd", "quoted")})
    table = table[table.action != MEAN]
    keys = [table.action, table.arm]
    tests = choose(observations.tests, condition, statistics=RECOMPUTED)
    ends = tests[is_end(tests)].groupby(["action", "arm"])[["windows", "steps"]].mean().reindex(keys)
    times = choose(observations.times, condition)
    times = times.iloc[:0] if why_not_timed(times) else times
    means = times.groupby(["action", "arm"])[["seconds", "windows"]].mean().astype(float).reindex(keys)
    quoted = [quote("3", action, "seconds", arm) for action, arm in zip(*keys, strict=True)]
    return table.assign(
        windows_m=ends.windows.to_numpy() / 1e6,
        steps=ends.steps.to_numpy(),
        seconds=means.seconds.to_numpy(),
        seconds_per_m=(1e6 * means.seconds / means.windows).to_numpy(),
        quoted_s=quoted,
    )


def errors_during_training(observations: Observations, condition: Condition, points: Sequence[float]) -> pd.DataFrame:
    """MPJPE, mean of the actions and complete replicates, at tests during long runs and at their end; statistics as published.

    A row per point (unit epochs; those without a test of every run are left out) and arm: seen (unit epochs), windows_m
    (millions), arm, steps, mpjpe (mm).
    """
    tests, y = choose(observations.tests, condition, statistics=AS_PUBLISHED), observations.ratios(condition).y
    tests = tests[tests.action.isin(y.index) & tests.replicate.isin(y.columns)]
    keys, ends = ["arm", "action", "replicate"], tests[is_end(tests)]
    rows = []
    for point in points:
        near = tests[tests.seen.between(point - 1e-9, 1.05 * point)].drop_duplicates(keys)
        rows.append(near if len(near) == len(ends) else ends.iloc[:0])
    parts = []
    for own in (*rows, ends):
        for arm, found in own.groupby("arm", sort=False):
            mpjpe = found.groupby("action").mpjpe.mean().mean()
            place = {"seen": found.seen.mean(), "windows_m": found.windows.mean() / 1e6}
            parts.append({**place, "arm": arm, "steps": round(found.steps.mean()), "mpjpe": mpjpe})
    return pd.DataFrame(parts, columns=["seen", "windows_m", "arm", "steps", "mpjpe"])


def all_metrics(observations: Observations, condition: Condition) -> pd.DataFrame:
    """All four metrics with either statistics, means of the actions.

    A row per statistics and metric: statistics, metric, original, action_based, change, low, high (per cent), p, verdict.
    """
    rows = []
    for statistics in (RECOMPUTED, AS_PUBLISHED):
        for metric in METRICS:
            ratios = observations.ratios(condition, metric, statistics)
            if not ratios.y.size:
                continue
            arms, effect = arms_table(observations, condition, metric, statistics), ratios.mean()
            original, based = arms[arms.action == MEAN]["mean"]
            means = {"original": original, "action_based": based}
            row = {"statistics": statistics, "metric": metric, **means, **effect.row()}
            rows.append({**row, "verdict": word_change(effect, effect.p)})
    return pd.DataFrame(rows)
