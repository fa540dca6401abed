"""The finished runs of both arms under one condition, and what was left out of them and why."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.actions import ALL
from pose3d_lib.config import RunConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.paths import runs_dir
from pose3d_lib.run_files import RESULT_FORMAT, find_damage, is_finished
from pose3d_lib.runs import Run, find_run, read_progress, run_folder
from pose3d_lib.sources.spec import DataSpec
from pose3d_lib.uncertainty import Cell


@dataclass(frozen=True)
class Comparison:
    """The finished runs of both arms, and what is still missing.

    Attributes:
        original: the baseline's runs, one per seed.
        action_based: action -> its models' runs, one per seed; actions without any are not in it.
        missing: the planned runs that are not finished.
    """

    original: list[Run]
    action_based: dict[str, list[Run]]
    missing: list[RunConfig]

    @property
    def runs(self) -> list[Run]:
        return [*self.original, *(run for runs in self.action_based.values() for run in runs)]

    @property
    def usable(self) -> bool:
        """Whether both arms have at least one run, so that there is something to compare."""
        return bool(self.original and self.action_based)


def collect_runs(plan: Sequence[RunConfig], data: PoseDataset) -> Comparison:
    """The finished runs of a plan; an InputError as of `find_own`."""
    by_action: dict[str, list[Run]] = {}
    missing = []
    for config in plan:
        run = find_own(config, data)
        if run is None:
            missing.append(config)
        else:
            by_action.setdefault(config.action, []).append(run)
    return Comparison(by_action.pop(ALL, []), by_action, missing)


def find_own(config: RunConfig, data: PoseDataset) -> Run | None:
    """The finished run of this config on this dataset, if there is one.

    Raises:
        InputError: the run folder is not what its name says: it holds a run of another dataset, which no table may mix in.
    """
    run = find_run(config, data)
    if run is None:
        return None
    found = run.provenance["dataset"]
    if found["fingerprint"] != data.fingerprint:
        raise InputError(
            f"{run.folder}: a run on {found['name']} (fingerprint {found['fingerprint'][:12]}) under the name of a run "
            f"on {data.name} ({data.fingerprint[:12]}); one table never mixes datasets. Move that folder away"
        )
    return run


def take_cell(runs: Sequence[Run], action: str, column: str, name: str) -> Cell:
    """The errors of some runs on the takes of an action: the cameras' clips of a take are one unit.

    Args:
        runs: those of one arm, which differ in their seed.
        action: of the test clips.
        column: of `Run.clips`, such as "mpjpe".
        name: of the set of runs, as in `Cell.runs`.
    """
    rows = []
    for run in runs:
        clips = run.clips[run.clips.action == action]
        clips = clips.assign(weighted=clips[column] * clips.frames)
        rows.append(clips.groupby(["subject", "take"], sort=False)[["weighted", "frames"]].sum())
    takes = rows[0].index
    errors = np.array([(own.weighted / own.frames).loc[takes] for own in rows])
    return Cell(errors, rows[0].frames.to_numpy(float), tuple(takes.get_level_values("subject")), name, action)


def find_left_out(plan: Sequence[RunConfig], data: PoseDataset) -> pd.DataFrame:
    """Run folders that hold the settings of a planned run and yet are in no table, with the reason.

    Returns:
        Columns "Run", "Left out because": unfinished runs of the plan, and runs with the same settings on another dataset
        or by a version of the code that gives other results.
    """
    planned = {run_folder(config, data).name for config in plan}
    wanted = {_settings(config.model_dump(mode="json")) for config in plan}
    rows = []
    for folder in sorted(runs_dir().iterdir()) if runs_dir().is_dir() else []:
        if folder.name in planned:
            if not is_finished(folder):
                rows.append((folder.name, _how_far(folder)))
            elif damage := find_damage(folder):
                rows.append((folder.name, f"damaged: {damage}"))
            continue
        reason = _foreign(folder, wanted, data)
        if reason:
            rows.append((folder.name, reason))
    return pd.DataFrame(rows, columns=["Run", "Left out because"])


def _settings(config: Mapping[str, object]) -> str:
    """What a run was asked for, but for the data: comparable between datasets and versions."""
    where = set(DataSpec.model_fields)
    return json.dumps({name: value for name, value in config.items() if name not in where}, sort_keys=True)


def _how_far(folder: Path) -> str:
    progress = read_progress(folder)
    return f"unfinished, {100 * progress['windows'] / progress['total']:.0f} % trained" if progress else "unfinished"


def _foreign(folder: Path, wanted: set[str], data: PoseDataset) -> str:
    """Why a folder that is not planned is none of the plan's although its settings are; empty if they are others."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        settings = _settings({**RunConfig().model_dump(mode="json"), **config})
        name, fingerprint = (str(provenance["dataset"][key]) for key in ("name", "fingerprint"))
        result_format = provenance["format"]
    except (OSError, ValueError, TypeError, KeyError):
        return "not a run folder that can be read"
    if settings not in wanted:
        return ""
    if fingerprint != data.fingerprint:
        return f"of another dataset, {name} ({fingerprint[:6]})"
    if result_format != RESULT_FORMAT:
        return f"by another version of the code: result format {result_format}, now {RESULT_FORMAT}"
    return ""


def describe(comparison: Comparison, data: PoseDataset) -> str:
    """What stands under every table and figure: which data, which network, how many runs."""
    return describe_runs(comparison.runs, data)


def describe_runs(runs: Sequence[Run], data: PoseDataset) -> str:
    """`describe` of any runs, each counted once; where they differ in a setting, all its values are named."""
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
    who = f"test subjects {', '.join(data.test_subjects)}"
    return (
        f"{origin}: {data.name}, {seen}, {who}. {network}, {lengths}, {rules}. "
        f"{len(runs)} run{'s' * (len(runs) != 1)}, seed {_all(c.seed for c in configs)}."
    )


def name_machines(runs: Sequence[Run]) -> str:
    """The processors and devices that runs were made on, on which their times depend."""
    return "; ".join(sorted({f"{run.provenance['processor']}, {run.provenance['device']}" for run in runs}))


def _all(values: Iterable) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else f"{value}" for value in sorted(set(values)))
