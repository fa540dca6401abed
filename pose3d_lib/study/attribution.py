"""The parts of a published change, each with its interval: data, learning rate, stale statistics of the batch norms."""

from itertools import product

import pandas as pd

from pose3d_lib.study.config import EQUALISED, PUBLISHED, StudyConfig
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED, Observations
from pose3d_lib.study.two_way import mean_of_set

WHOLE = "published"
SUMMANDS = DATA, LEARNING_RATE, STALE = "data", "learning rate", "stale statistics"  # logs add up to that of WHOLE
NO_PROPERTY = (
    "Stale statistics are no property of the trained network: they are how far the running statistics of the batch norms, "
    "which the published test uses, lag behind its weights."
)

# Claim -> its length and metric.
NAMES = "C1", "C1 velocity", "C2", "C2 velocity"
QUANTITIES = dict(zip(NAMES, product(("short", "long"), ("mpjpe", "mpjve")), strict=True))


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
