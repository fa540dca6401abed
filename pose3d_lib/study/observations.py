"""What a study's finished runs say, as tidy tables, from which every table, claim and curve is computed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.model.evaluate import METRICS, SCALE
from pose3d_lib.runs.run import Run
from pose3d_lib.study import two_way
from pose3d_lib.study.config import Condition, StudyConfig, paper_actions

RECOMPUTED, AS_PUBLISHED = "recomputed", "as published"  # statistics of the batch norms in a test

ARMS = (ORIGINAL, ACTION_BASED)
CONDITION = [field.name for field in fields(Condition)]
RUN = [*CONDITION, "replicate", "arm", "dataset", "run"]
VALUES = [*METRICS, SCALE]
MODEL = [*RUN, "action", "statistics"]
TAKE = [*MODEL, "subject", "take"]
TESTS = [*MODEL, "seen", "windows", "steps", "lr_share", "mpjpe"]
TIMES = [*RUN, "action", "repetition", "seconds", "windows", "waited", "processor", "device"]

EMPTY_IS_NAN = {"keep_default_na": False, "na_values": [""]}  # to read tables in which an action may be called NA


@dataclass(frozen=True, eq=False)
class Ratios:
    """The changes of one condition: log(action-based error / original error) by action and replicate."""

    y: pd.DataFrame  # (actions, complete replicates)
    errors_of_takes: list[two_way.TakeErrors]  # by action; empty unless all replicates share their takes

    @cached_property
    def takes(self) -> two_way.Takes | None:
        return two_way.spread_of_takes(self.errors_of_takes) if self.errors_of_takes else None

    @property
    def actions(self) -> list[str]:
        return list(self.y.index)

    def mean(self) -> two_way.Effect:
        """(a) The mean of the actions."""
        return two_way.mean_of_set(self.y.to_numpy(), takes=self.takes)

    def general(self) -> two_way.GeneralEffect:
        """(b) Actions in general."""
        return two_way.actions_in_general(self.y.to_numpy(), takes=self.takes)

    def single(self) -> tuple[list[two_way.Effect], np.ndarray]:
        """(c) Every action, and p after Holm's correction, (actions,)."""
        return two_way.single_actions(self.y.to_numpy(), takes=self.takes)


@dataclass(frozen=True, eq=False)
class Observations:
    """Tidy tables. All have RUN (dataset: its fingerprint; run: the folder's name) and "action", the one tested on.

    errors: a row per statistics: "statistics"; METRICS, mm and mm per frame, frame-weighted means; SCALE, the same of the
        clips' medians; "frames".
    takes: the same per "subject" and "take", whose cameras are one take.
    tests: a row per test during training and at the end, the last of its run, and statistics: "statistics"; "seen", unit
        epochs; "windows"; "steps"; "lr_share", of the first rate; "mpjpe", mm.
    seeds: as `errors`, of runs that differ in their training seed alone, which is the replicate.
    times: a row per timed run and arm: "repetition"; "seconds" of training, on a CPU the processor's; "windows"; "waited",
        share of the time, NaN on a GPU; "processor"; "device". The action is that of the action-based runs in both arms.
    """

    errors: pd.DataFrame
    takes: pd.DataFrame
    tests: pd.DataFrame
    seeds: pd.DataFrame
    times: pd.DataFrame

    def focus(self, config: StudyConfig) -> list[str]:
        """The actions in focus, whether they have action-based runs yet or not."""
        return list(config.focus) or paper_actions(list(dict.fromkeys(self.errors.action)))

    @property
    def shared_takes(self) -> bool:
        """Whether all replicates are trained and tested on the same dataset."""
        return self.errors.dataset.nunique() == 1

    def ratios(
        self,
        condition: Condition,
        metric: str = "mpjpe",
        statistics: str = RECOMPUTED,
        actions: Sequence[str] | None = None,
    ) -> Ratios:
        """The changes under a condition; of some actions, by default all with action-based runs of it."""
        own, takes = (choose(table, condition, statistics=statistics) for table in (self.errors, self.takes))
        known = own.action[own.arm == ACTION_BASED].unique()
        rows = [action for action in known if actions is None or action in actions]
        if not rows:
            return Ratios(pd.DataFrame(), [])
        y = two_way.complete_table(own.set_index(["arm", "action", "replicate"])[metric], rows)
        if not (self.shared_takes and y.size):
            return Ratios(y, [])
        keys = ["action", "subject", "take", "arm"]
        means = takes[takes.replicate.isin(y.columns)].groupby(keys, sort=False)[[metric, "frames"]].mean().unstack()
        columns = [(metric, ORIGINAL), (metric, ACTION_BASED), ("frames", ORIGINAL)]
        by_action = (means.loc[action, columns] for action in rows)
        of_takes = [
            two_way.TakeErrors(*own.to_numpy().T, list(own.index.get_level_values("subject"))) for own in by_action
        ]
        return Ratios(y, of_takes)

    def write(self, folder: Path) -> None:
        """Write each table."""
        for name, table in vars(self).items():
            write_table(table, folder / f"{name}.csv.gz")

    @classmethod
    def read(cls, folder: Path) -> "Observations":
        # what may look like a number
        text = dict.fromkeys(("widths", "dataset", "run", "action", "subject", "take"), str)
        names = (field.name for field in fields(cls))
        return cls(*(pd.read_csv(folder / f"{name}.csv.gz", dtype=text, **EMPTY_IS_NAN) for name in names))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a compressed CSV with every digit; the same table gives the same bytes."""
    table.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})


def choose(table: pd.DataFrame, condition: Condition, **values: object) -> pd.DataFrame:
    """The rows of a condition that have these values."""
    for column, value in {**_columns(condition), **values}.items():
        table = table[table[column] == value]
    return table


def is_end(tests: pd.DataFrame) -> pd.Series:
    """Whether a row of `tests`, of one condition and statistics, is the last test of its run."""
    return tests.windows == tests.groupby(["run", "action"]).windows.transform("max")


def _columns(condition: Condition) -> dict[str, object]:
    widths = "x".join(map(str, condition.widths))
    return dict(zip(CONDITION, (condition.unit_epochs, condition.schedule, condition.budget, widths), strict=True))


def observe(
    compared: Mapping[Condition, Sequence[Run]],
    *,
    actions: Sequence[str],
    seeds: Sequence[Run] = (),
    timed: Sequence[Run] = (),
) -> Observations:
    """The tables of the runs under each condition, of those that differ in their seed alone, and of those to be timed.

    A model of all actions is observed on `actions`, another one on its own.
    """
    by_condition = [(condition, run) for condition, runs in compared.items() for run in runs]
    alone, to_time = ([(_condition_of(run), run) for run in runs] for runs in (seeds, timed))
    clips = [*TAKE, "frames", *VALUES]
    takes, of_seeds = (average(_gather(runs, actions, _clips, clips), TAKE) for runs in (by_condition, alone))
    tests, times = _gather(by_condition, actions, _tests, TESTS), _gather(to_time, actions, _times, TIMES)
    return Observations(average(takes, MODEL), takes, tests, average(of_seeds, MODEL), times)


def arm_of(run: Run) -> str:
    return ORIGINAL if run.config.is_baseline else ACTION_BASED


def _condition_of(run: Run) -> Condition:
    config = run.config
    return Condition(config.unit_epochs, config.lr_decay_per, config.budget, tuple(config.filter_widths))


def _gather(
    runs: Iterable[tuple[Condition, Run]],
    actions: Sequence[str],
    measure: Callable[[Run, Sequence[str]], pd.DataFrame],
    columns: Sequence[str],
) -> pd.DataFrame:
    """The rows that are measured of each run on its actions, with the columns of RUN."""
    parts = [pd.DataFrame(columns=columns)]
    for condition, run in runs:
        own = measure(run, actions if run.config.is_baseline else [run.config.action])
        place = {"arm": arm_of(run), "run": run.folder.name, "dataset": run.provenance["dataset"]["fingerprint"][:12]}
        place |= {**_columns(condition), "replicate": run.config.seed}
        parts.append(own.assign(**{name: value for name, value in place.items() if name not in own})[columns])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _clips(run: Run, actions: Sequence[str]) -> pd.DataFrame:
    views = {RECOMPUTED: run, AS_PUBLISHED: run.as_published}
    clips = pd.concat([view.clips.assign(statistics=statistics) for statistics, view in views.items()])
    return clips[clips.action.isin(actions)]


def average(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Frame-weighted means of VALUES; "frames" are added up."""
    weighted = table[VALUES].mul(table.frames, axis=0).astype(float).assign(frames=table.frames)
    sums = pd.concat([table[by], weighted], axis=1).groupby(by, sort=False, as_index=False).sum()
    return sums.assign(**{name: sums[name] / sums.frames for name in VALUES})


def _tests(run: Run, actions: Sequence[str]) -> pd.DataFrame:
    """The tests during training, and at the end that of the run's clips."""
    history = run.history.assign(lr_share=run.history.lr / run.config.lr).rename(columns={"unit_epochs": "seen"})
    *before, last = history.to_dict("records")
    last |= {"test_recomputed": run.actions.mpjpe, "test_actions": run.as_published.actions.mpjpe}
    rows = []
    for test in (*before, last):
        for statistics, column in ((RECOMPUTED, "test_recomputed"), (AS_PUBLISHED, "test_actions")):
            if (errors := test[column]) is not None:
                place = {**test, "statistics": statistics}
                rows += [{**place, "action": own, "mpjpe": float(errors[own])} for own in actions]
    return pd.DataFrame(rows)


def _times(run: Run, actions: Sequence[str]) -> pd.DataFrame:
    """Of both arms; on a CPU the processor's seconds, without those for which a run waited, on a GPU those of the clock."""
    timing, cuda, rows = run.timing, run.config.device == "cuda", []
    for arm, own, windows in ((ORIGINAL, timing["baseline"], "seen"), (ACTION_BASED, timing, "windows")):
        clock, processor = own["train_seconds"], own["train_cpu_seconds"]
        waited = np.nan if cuda else 1 - processor / (clock * run.config.threads)
        seconds = {"seconds": clock if cuda else processor, "windows": own[windows], "waited": waited}
        rows.append({"arm": arm, "action": actions[0], "repetition": run.config.timed, **seconds})
    return pd.DataFrame(rows).assign(**{name: run.provenance[name] for name in ("processor", "device")})
