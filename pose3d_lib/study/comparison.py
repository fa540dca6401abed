"""The finished runs of both arms under one condition, and what was left out of them and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.inventory import State, look_at
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.study.statistics import Cell, plain_cell
from pose3d_lib.training.config import RunConfig


@dataclass(frozen=True)
class Arms:
    """One action's runs of both arms; `baseline` names the original's, which the actions may share or not."""

    action: str
    original: Sequence[Run]
    action_based: Sequence[Run]
    baseline: str = ORIGINAL

    @property
    def runs(self) -> dict[str, Sequence[Run]]:
        return {ORIGINAL: self.original, ACTION_BASED: self.action_based}


@dataclass(frozen=True)
class Comparison:
    """The finished runs of both arms, one per seed, and the runs that are still missing."""

    original: list[Run]
    action_based: dict[str, list[Run]]  # by action; those without any are not in it
    missing: list[RunConfig]

    @property
    def runs(self) -> list[Run]:
        return [*self.original, *(run for runs in self.action_based.values() for run in runs)]

    @property
    def arms(self) -> list[Arms]:
        return [Arms(action, self.original, runs) for action, runs in self.action_based.items()]

    @property
    def usable(self) -> bool:
        """Whether both arms have at least one run, so that there is something to compare."""
        return bool(self.original and self.action_based)


def all_runs(arms: Sequence[Arms]) -> list[Run]:
    """The original's runs, which all these arms share, once, and the action-based runs of each."""
    return [*arms[0].original, *(run for own in arms for run in own.action_based)]


def find_runs(
    plan: Iterable[RunConfig], datasets: Mapping[DataSpec, PoseDataset]
) -> tuple[dict[RunConfig, Run], pd.DataFrame]:
    """The finished runs of a plan, each looked up once, and the begun ones: columns "Run", "Left out because".

    An InputError where a folder holds a run of another dataset than its name says.
    """
    found, left_out = {}, []
    for config in dict.fromkeys(plan):
        data = datasets[config.data]
        folder = run_folder(config, data)
        entry = look_at(folder, closely=True)
        if entry is None:
            continue
        if entry.state == State.FINISHED:
            found[config] = run = Run(folder)
            own = run.provenance["dataset"]
            if own["fingerprint"] != data.fingerprint:
                raise InputError(
                    f"{folder}: a run on {own['name']} (fingerprint {own['fingerprint'][:12]}) under the name of a run "
                    f"on {data.name} ({data.fingerprint[:12]}). Move that folder away"
                )
        elif entry.state == State.DAMAGED:
            left_out.append((folder.name, f"damaged: {entry.note}"))
        else:
            far = "" if entry.progress is None else f", {100 * entry.progress:.0f} % trained"
            left_out.append((folder.name, f"unfinished{far}"))
    return found, pd.DataFrame(sorted(left_out), columns=["Run", "Left out because"])


def collect_runs(plan: Sequence[RunConfig], found: Mapping[RunConfig, Run]) -> Comparison:
    """The runs of a condition, by arm and action, in the order of the plan."""
    by_action: dict[str, list[Run]] = {}
    for config in plan:
        if config in found:
            by_action.setdefault(config.action, []).append(found[config])
    missing = [config for config in plan if config not in found]
    return Comparison(by_action.pop(ALL, []), by_action, missing)


def take_cell(runs: Sequence[Run], action: str, column: str, name: str, *, beside: Sequence[Run] = ()) -> Cell:
    """A column of `Run.clips` on the takes of an action, by run and take: the cameras' clips of a take are one unit.

    Where these runs, or those that they stand beside, are on several datasets, they have no takes in common: then there is
    one error of each run, the frame-weighted mean.
    """
    clips = [run.clips[run.clips.action == action] for run in runs]
    if count_datasets([*runs, *beside]) > 1:
        return plain_cell([np.average(own[column], weights=own.frames) for own in clips], name)
    weighted = [own.assign(weighted=own[column] * own.frames) for own in clips]
    sums = [own.groupby(["subject", "take"], sort=False)[["weighted", "frames"]].sum() for own in weighted]
    takes = sums[0].index
    errors = np.array([(own.weighted / own.frames).loc[takes] for own in sums])
    return Cell(errors, sums[0].frames.to_numpy(float), tuple(takes.get_level_values("subject")), name, action)


def count_datasets(runs: Iterable[Run]) -> int:
    return len({run.provenance["dataset"]["fingerprint"] for run in runs})


def error_pairs(arms: Iterable[Arms], metric: str = "mpjpe") -> list[tuple[Cell, Cell]]:
    """The errors of both arms on every action, per run and, on one dataset, per take."""
    return [
        (
            take_cell(own.original, own.action, metric, own.baseline, beside=own.action_based),
            take_cell(own.action_based, own.action, metric, f"{ACTION_BASED}, {own.action}", beside=own.original),
        )
        for own in arms
    ]


def describe_runs(runs: Sequence[Run], data: PoseDataset) -> str:
    """The caption of every table and figure: which data, which network, how many runs, all values of what differs."""
    runs = list({run.folder: run for run in runs}.values())
    configs = [run.config for run in runs]
    based = [config for config in configs if not config.is_baseline] or configs
    origin = "SYNTHETIC data, nobody was filmed" if data.synthetic else "Data"
    network = f"{_all(c.receptive_field for c in configs)} frames, {_all(c.channels for c in configs)} channels"
    if any(config.precision != "float32" for config in configs):
        network += f", {_all(config.precision for config in configs)}"
    network += "".join(f", {mode}" for mode in dict.fromkeys(mode for config in configs for mode in config.modes))
    lengths = f"{_all(c.unit_epochs for c in configs)} unit epoch{'s' * any(c.unit_epochs != 1 for c in configs)}"
    rules = f"budget {_all(c.budget for c in based)}, schedule {_all(c.schedule for c in based)}"
    seen = f"2D keypoints {configs[0].keypoints!r}{' with scores' * (configs[0].keypoints in data.scores)}"
    several = (
        f" {count} datasets, data_seed {_all(c.data_seed for c in configs)},"
        if (count := count_datasets(runs)) > 1
        else ""
    )
    return (
        f"{origin}: {data.name},{several} {seen}, test subjects {', '.join(data.test_subjects)}. {network}, {lengths}, {rules}. "
        f"{len(runs)} run{'s' * (len(runs) != 1)}, seed {_all(c.seed for c in configs)}."
    )


def name_machines(runs: Sequence[Run]) -> str:
    """The processors and devices that runs were made on; their times depend on them."""
    return "; ".join(sorted({f"{run.provenance['processor']}, {run.provenance['device']}" for run in runs}))


def _all(values: Iterable) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else f"{value}" for value in sorted(set(values)))
