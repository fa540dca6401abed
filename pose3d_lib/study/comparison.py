"""The finished runs of both arms under one condition, and what was left out of them and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.inventory import State, look_at
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.training.config import RunConfig


@dataclass(frozen=True)
class Comparison:
    """The finished runs of both arms, one per seed."""

    original: list[Run]
    action_based: dict[str, list[Run]]  # by action; those without any are not in it

    @property
    def runs(self) -> list[Run]:
        return [*self.original, *(run for runs in self.action_based.values() for run in runs)]

    @property
    def usable(self) -> bool:
        """Whether both arms have at least one run, so that there is something to compare."""
        return bool(self.original and self.action_based)


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
    return Comparison(by_action.pop(ALL, []), by_action)
