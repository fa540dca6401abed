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
    rules = f"budget {_all(c.budget for c in based)}, schedule {_all(c.lr_decay_per for c in based)}"
    seen = f"2D keypoints {configs[0].keypoints!r}{' with scores' * (configs[0].keypoints in data.scores)}"
    count = len({run.provenance["dataset"]["fingerprint"] for run in runs})
    several = f" {count} datasets, data_seed {_all(c.data_seed for c in configs)}," if count > 1 else ""
    return (
        f"{origin}: {data.name},{several} {seen}, test subjects {', '.join(data.test_subjects)}. {network}, {lengths}, {rules}. "
        f"{len(runs)} run{'s' * (len(runs) != 1)}, seed {_all(c.seed for c in configs)}."
    )


def _all(values: Iterable) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else f"{value}" for value in sorted(set(values)))
