"""A finished run, read from its folder, and what that folder is called."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import in_file_name, runs_dir
from pose3d_lib.common.tables import to_card
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.card import PUBLISHED, RECOMPUTED, read_tensors
from pose3d_lib.model.evaluate import METRICS, ROOT_ERROR, SCALE, named
from pose3d_lib.model.lifter import Lifters
from pose3d_lib.runs import layout
from pose3d_lib.runs.inventory import Finished, State, compare_sum, look_at
from pose3d_lib.runs.layout import (
    CONFIG,
    ERRORS,
    FINISHED,
    HISTORY,
    PROVENANCE,
    RESULT_FORMAT,
    TIMING,
    WEIGHTS,
    Origin,
    read_json,
)
from pose3d_lib.training.config import ADDED, RunConfig
from pose3d_lib.training.plan import build_lifters

DAMAGED_REMEDY = (
    "put its files back from a copy, or delete that folder (`pose3d runs clean --damaged --yes` deletes all damaged runs); "
    "then the same command trains the run again"
)

MOST_NAMED = 24  # characters that names of subjects or actions take in a run's name


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder.

    Attributes:
        folder: where its files are, under `outputs/runs/`.
        statistics: of the batch norms, one of STATISTICS: "recomputed" or, of `as_published`, "published".
    """

    folder: Path
    statistics: str = RECOMPUTED

    def _repr_html_(self) -> str:
        config, timing = self.config, self.timing
        length = f"{config.unit_epochs:g}: {timing['windows']:,} windows in {timing['train_seconds']:.1f} s"
        errors = {named(name): f"{self.frame_wise[name]:.1f}" for name in METRICS}
        rows = {"Run": self.folder.name, "Actions": ", ".join(config.trained_actions), "Unit epochs": length, **errors}
        return to_card({**rows, "Batch norms": self.statistics})

    @cached_property
    def as_published(self) -> "Run":
        """The same run, whose `metrics`, `clips`, all that is made of them, and networks are as published."""
        return replace(self, statistics=PUBLISHED)

    @cached_property
    def config(self) -> RunConfig:
        # not validated again: a run made on a GPU is read on a machine without one
        fields = self._read(CONFIG)
        return RunConfig.model_construct(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})

    @cached_property
    def provenance(self) -> dict:
        return self._read(PROVENANCE)

    @cached_property
    def timing(self) -> dict:
        """Seconds of training and of evaluation, windows, optimiser steps, t of formula (1)."""
        return self._read(TIMING)

    @cached_property
    def metrics(self) -> dict:
        """The errors, as `evaluation.summarise` gives them."""
        errors = self._read(ERRORS)
        published = errors.pop(layout.PUBLISHED)
        return published if self.statistics == PUBLISHED else errors

    @cached_property
    def actions(self) -> pd.DataFrame:
        """Errors per action: one row per action, `frames` and the four metrics, mm and mm per frame."""
        return pd.DataFrame.from_dict(self.metrics["actions"], orient="index")

    @property
    def action_wise(self) -> dict[str, float]:
        """The plain mean of each metric over the actions."""
        return self.metrics["action_wise"]

    @property
    def frame_wise(self) -> dict[str, float]:
        """The mean of each metric over all test frames."""
        return self.metrics["frame_wise"]

    @property
    def own_mpjpe(self) -> float:
        """MPJPE, mm, of the run's own action; of a baseline, the mean of the actions."""
        return self.action_wise["mpjpe"] if self.config.is_baseline else self.actions.mpjpe[self.config.action]

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per line of history.jsonl, columns as in `HistoryRow`."""
        lines = (self.folder / HISTORY).read_text(encoding="utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])  # pandas' own reader drops the last digits

    @cached_property
    def clips(self) -> pd.DataFrame:
        """Errors of every test clip."""
        names = dict.fromkeys(("subject", "action", "take", "camera"), str)
        exact = dict.fromkeys((*METRICS, SCALE, ROOT_ERROR), float)  # older versions of pandas lose the last digit
        path = self.folder / (layout.CLIPS_PUBLISHED if self.statistics == PUBLISHED else layout.CLIPS)
        return pd.read_csv(path, dtype=names, converters=exact, keep_default_na=False)

    @cached_property
    def root_errors(self) -> dict[str, float]:
        """Action -> mean root position error, mm; empty where no trajectory was trained."""
        return self.metrics.get("trajectory", {}).get(ROOT_ERROR, {})

    def load_lifters(self, data: PoseDataset) -> Lifters:
        """The trained networks, on the CPU, in evaluation mode."""
        lifters = build_lifters(self.config, data)
        lifters.load_state_dict(read_tensors(self.folder / WEIGHTS, remedy=DAMAGED_REMEDY))
        if self.statistics == PUBLISHED:
            statistics = read_tensors(self.folder / layout.STATISTICS_PUBLISHED, remedy=DAMAGED_REMEDY)
            lifters.load_statistics(statistics)
        return lifters.eval()

    def _read(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def run_folder(config: RunConfig, data: PoseDataset) -> Path:
    """Where a run's files are or will be."""
    return runs_dir() / run_name(config, data.fingerprint)


def find_run(config: RunConfig, data: PoseDataset) -> Run | None:
    """The finished run of this config on this dataset, if there is one whose files are whole."""
    entry = look_at(folder := run_folder(config, data), closely=True)
    return Run(folder) if entry and entry.state == State.FINISHED else None


def check_run(folder: Path) -> list[str]:
    """What is wrong with a finished run: checksums of all files, and whether its name is that of the config in it."""
    entry = look_at(folder, closely=True)
    if entry is None or entry.state != State.FINISHED:
        return [(entry.note or entry.state) if entry else "vanished"]
    try:
        origin, config = read_json(folder / PROVENANCE, Origin), read_json(folder / CONFIG, RunConfig)
        name = run_name(config, origin.dataset.fingerprint)
        changed = compare_sum(folder, WEIGHTS, read_json(folder / FINISHED, Finished), whole=True)
    except InputError as error:
        return [str(error)]
    other = "" if name == folder.name else f"{CONFIG} or {PROVENANCE} is another run's, of {name}"
    return [problem for problem in (changed, other) if problem]


def run_name(config: RunConfig, fingerprint: str) -> str:
    """`<name>-<hash>`: readable, and different whenever anything differs that the result depends on.

    The hash covers the config, the dataset's fingerprint and the result format, but not the place of the data, nor the CPU
    threads of a run on a GPU.
    """
    left_out = set(DataSpec.model_fields) - {"keypoints"}
    left_out |= {name for name in ADDED if getattr(config, name) == RunConfig.model_fields[name].default}
    if config.device == "cuda":
        left_out.add("threads")
    identity = {**config.model_dump(mode="json", exclude=left_out), "data": fingerprint, "format": RESULT_FORMAT}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{_readable_name(config)}-{digest[:10]}"


def _readable_name(config: RunConfig) -> str:
    """As Eating-27f-1ue-seed0, or Eating+3-27f-0.25ue-S1-share0.5-semi-S5+S6-from06b751cf2e-seed0 where everything differs."""
    actions = config.action + (f"+{len(config.with_actions)}" if config.with_actions else "")
    parts = [in_file_name(actions), f"{config.receptive_field}f", f"{config.unit_epochs:g}ue"]
    if config.labelled_subjects:
        parts.append(_in_name(config.labelled_subjects))
    if config.train_share != 1:
        parts.append(f"share{config.train_share:.3g}")
    if config.semi_supervised:
        parts.append(f"semi-{_in_name(config.unlabelled_subjects or config.unlabelled_actions)}")
    if config.action_input:
        parts.append("told")
    if config.start_from:
        parts.append(f"from{config.start_from[-10:]}")
    parts.append(f"seed{config.seed}")
    if config.timed:
        parts.append(f"timed{config.timed}")
    return "-".join(parts)


def _in_name(names: tuple[str, ...]) -> str:
    """Some names in the name of a folder; where they would make it long, how many there are."""
    joined = in_file_name("+".join(names))
    return joined if len(joined) <= MOST_NAMED else f"{len(names)}"
