"""What is measured for each claim: an effect with its interval, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import chdtri

from pose3d_lib.data.actions import ACTION_BASED
from pose3d_lib.study.config import EQUALISED, StudyConfig
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, RECOMPUTED, Observations, choose, is_end
from pose3d_lib.study.two_way import LEVEL, Effect, complete_table, mean_of_set

# The unit epoch after which the paper sees no further improvement: epoch 60 of an action-based model with t = 15. Tests come
# at the end of a batch, so one up to LATEST_START counts as at unit epoch 4.
LATE, LATEST_START = 4.0, 4.5
MOST_WAITED = 0.1  # of the training time; on an idle machine, with one run for each core, runs waited 1 to 2 %


@dataclass(frozen=True)
class Variant:
    """How a claim is judged: on which actions, under which schedule, with which statistics of the batch norms."""

    name: str
    schedule: str = ""  # "": that which decides, `StudyConfig.main_schedule`
    statistics: str = RECOMPUTED
    focus: bool = False  # the actions in focus only, by default the two that the paper shows


MAIN = Variant("main")
FOCUS = Variant("actions in focus", focus=True)
STALE = Variant("statistics as published", statistics=AS_PUBLISHED)
ONE_SCHEDULE = Variant("one schedule", schedule=EQUALISED)
VARIANTS = (MAIN, FOCUS, STALE, ONE_SCHEDULE)


@dataclass(frozen=True)
class Measured:
    effect: Effect  # per cent
    actions: int
    doubt: str = ""  # why the claim is not reproduced whatever the interval


Measure = Callable[[Observations, StudyConfig, Variant], Measured | str]  # or why there is nothing


def change_of_error(
    length: str, metric: str, observations: Observations, config: StudyConfig, variant: Variant
) -> Measured | str:
    """The change of the action-based models' error relative to the original's, mean of the actions."""
    if not (unit_epochs := getattr(config, length)):
        return f"the study has no {length} runs"
    condition = config.condition(unit_epochs, variant.schedule)
    actions = observations.focus(config) if variant.focus else None
    ratios = observations.ratios(condition, metric, variant.statistics, actions)
    if not ratios.y.size:
        return f"no finished {length} runs of both arms with the learning rate per {condition.schedule}"
    return Measured(ratios.mean(), len(ratios.y))


def late_gain(observations: Observations, config: StudyConfig, variant: Variant) -> Measured | str:
    """By how much the action-based models' MPJPE falls from unit epoch 4 to the end of the long runs."""
    if not config.long:
        return "the study has no long runs"
    condition = config.condition(config.long, variant.schedule)
    tests = choose(observations.tests, condition, statistics=variant.statistics)
    last = is_end(tests)
    start = tests[tests.seen.between(LATE, LATEST_START, inclusive="left") & ~last].drop_duplicates(["run", "action"])
    points = pd.concat([tests[last].assign(point="end"), start.assign(point="start")])
    whole = points[["action", "arm", "point"]].drop_duplicates().action.value_counts()
    wanted = observations.focus(config) if variant.focus else whole.index
    actions = [action for action in wanted if whole.get(action) == len(ARMS) * 2]
    if not actions:
        return f"no long runs of both arms were tested at unit epoch {LATE:g}, with these statistics, and continued after it"
    errors = points.set_index(["arm", "point", "action", "replicate"]).mpjpe
    original, based = (complete_table(errors[arm], actions, ("start", "end")) for arm in ARMS)
    original, based = (own.to_numpy() for own in original.align(based, join="inner", axis=1))
    if not based.size:
        return "no replicate has all long runs of both arms"
    change, difference = mean_of_set(based), mean_of_set(based - original)
    gain = replace(change, value=-change.value, low=-change.high, high=-change.low)
    doubt = "" if difference.p <= LEVEL else f"the original's gain is not shown to differ (p {difference.p:.2g})"
    return Measured(gain, len(based), doubt)


def change_of_time(
    per_window: bool, observations: Observations, config: StudyConfig, variant: Variant
) -> Measured | str:
    """The change of the training time, per window or in all, of the runs made to be timed."""
    times = observations.times
    if why := why_not_timed(times):
        return why
    seconds = times.set_index(["arm", "action", "repetition"]).eval("seconds / windows" if per_window else "seconds")
    y = complete_table(seconds, times.action.unique()).to_numpy()  # a timed run is of both arms
    return Measured(mean_of_set(y), len(y))


def why_not_timed(times: pd.DataFrame) -> str:
    """Why seconds cannot be compared; "" where they can.

    Other work on a CPU makes a run wait, and slows the seconds that it does get: caches and memory are shared too.
    """
    if set(times.arm) != set(ARMS):
        return "no finished runs of both arms that were made to be timed"
    if len(times[["processor", "device"]].drop_duplicates()) > 1:
        return "the timed runs were made on several machines"
    if (waited := times.waited.mean()) > MOST_WAITED:
        return (
            f"the timed runs waited {100 * waited:.0f} % of their time for processors that did other work, and at most "
            f"{100 * MOST_WAITED:.0f} % lets their times be compared; delete them, and make them again with nothing else running"
        )
    return ""


def least_shown(
    metric: str, observations: Observations, config: StudyConfig | None = None, variant: Variant = MAIN
) -> Measured | str:
    """The smallest change that one run per arm shows, 1.96 sqrt(2) s, where s is the deviation over training seeds.

    s is pooled over the original and the action-based models of each action; its interval is that of chi squared. The original's
    variance is the mean over the actions and counts once, as its errors on all of them come from the same trainings.
    """
    own = observations.seeds[observations.seeds.statistics == variant.statistics]
    own = own[own.action.isin(own.action[own.arm == ACTION_BASED])]
    model = own.action.where(own.arm == ACTION_BASED, "")  # "": the original
    logs = np.log(own[metric].astype(float)).groupby([model, own.action])
    seeds = logs.count().groupby(level=0).first()
    if not (df := int((seeds - 1).sum())):
        return "no finished runs that differ in their training seed alone"
    square = float((logs.var().groupby(level=0).mean() * (seeds - 1)).sum()) / df
    ends = [df * square / chdtri(df, LEVEL / 2), df * square / chdtri(df, 1 - LEVEL / 2)]
    value, low, high = (float(100 * np.expm1(1.96 * np.sqrt(2 * own))) for own in (square, *ends))
    effect = Effect(value, low, high, np.nan, df, float(np.sqrt(square)), int(seeds.max()))
    return Measured(effect, own.action.nunique())
