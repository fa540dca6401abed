"""What a study has so far: its finished runs under every condition, what they say, and where its tables go."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pose3d_lib.common.paths import in_file_name, outputs_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.run import Run, find_run
from pose3d_lib.study.beyond import TIMED, TRAINING_SEEDS, study_parts
from pose3d_lib.study.config import STUDIES, Condition, StudyConfig, choose_actions
from pose3d_lib.study.observations import Observations, observe
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import Config
from pose3d_lib.training.settings import Settings

MOST_TOLD = 100  # bytes of a folder's name for settings; a name has 255 at most

# Settings that are in every name, or that no number depends on.
TOLD = {*DataSpec.model_fields, "filter_widths", "channels", "batch_size", "jobs", "scheduler", "threads", "device"}


@dataclass(frozen=True, repr=False)
class StudyResults:
    """A study and its finished runs, looked up once."""

    config: StudyConfig
    datasets: Mapping[DataSpec, PoseDataset]
    planned: list[RunConfig]  # each once
    found: dict[RunConfig, Run]  # the finished ones, in the order of the plan
    parts: dict[Condition | str, list[Run]]  # of `study_parts`

    @property
    def data(self) -> PoseDataset:
        """The dataset of the first seed."""
        return self.datasets[self.config.data]

    @property
    def missing(self) -> list[RunConfig]:
        return [config for config in self.planned if config not in self.found]

    @cached_property
    def observations(self) -> Observations:
        """What the finished runs say, but those of the questions beyond the paper."""
        compared = {part: runs for part, runs in self.parts.items() if isinstance(part, Condition)}
        actions, _ = choose_actions(self.config, self.data)
        return observe(compared, actions=actions, seeds=self.parts[TRAINING_SEEDS], timed=self.parts[TIMED])

    @property
    def folder(self) -> Path:
        return results_dir(self.data, self.config)


def collect_study(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> StudyResults:
    """The finished runs of a study."""
    plan = study_parts(config, datasets)
    planned = list(dict.fromkeys(run for runs in plan.values() for run in runs))
    found = find_runs(planned, datasets)
    parts = {part: [found[own] for own in runs if own in found] for part, runs in plan.items()}
    return StudyResults(config, datasets, planned, found, parts)


def find_runs(plan: Iterable[RunConfig], datasets: Mapping[DataSpec, PoseDataset]) -> dict[RunConfig, Run]:
    """The finished runs of a plan, each looked up once."""
    found = {config: find_run(config, datasets[config.data]) for config in dict.fromkeys(plan)}
    return {config: run for config, run in found.items() if run is not None}


def results_dir(data: PoseDataset, config: StudyConfig) -> Path:
    """Where the tables and figures of a study go; `data` are those of its first seed."""
    datasets = len({config.data_of(seed) for seed in config.seeds})
    return folder_of(data, config, STUDIES, datasets)


def folder_of(
    data: PoseDataset, config: Settings, studies: Mapping[str, Mapping[str, object]], datasets: int = 1
) -> Path:
    """The folder of a study's results, which no study of other data or settings shares.

    The name says dataset, how many there are if several, keypoints, widths, channels, batch size, the nearest of the
    `studies` (name -> settings that differ from the defaults), and every setting that differs from that, or a hash of these
    where they are many.
    """
    fields = type(config).model_fields
    defaults = {name: field.default for name, field in fields.items()}
    values = {name: getattr(config, name) for name in fields if name not in TOLD}
    differing = {
        name: [setting for setting in values if values[setting] != {**defaults, **settings}[setting]]
        for name, settings in studies.items()
    }
    study = min(differing, key=lambda name: len(differing[name]))
    other = "".join(f"-{setting}-{_in_name(values[setting])}" for setting in differing[study])
    if len(other.encode()) > MOST_TOLD or re.search(r"[/\\]", other):
        other = f"-{hashlib.sha256(other.encode()).hexdigest()[:10]}"
    widths = "x".join(map(str, config.filter_widths))
    several = f"-{datasets}-datasets" if datasets > 1 else ""
    seen = f"{in_file_name(data.name)}{several}-{data.fingerprint[:6]}-{config.keypoints}"
    what = f"{seen}-{widths}-{config.channels}c-{config.batch_size}b"
    return outputs_dir() / "results" / f"{what}-{study}{other}"


def write_settings(path: Path, config: Settings, **about: object) -> None:
    """Write a study's settings, and what else is said about it, as JSON."""
    content = {"settings": config.model_dump(mode="json"), **about}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_settings(path: Path, kind: type[Config]) -> tuple[Config, dict]:
    """What `write_settings` wrote; settings are not checked again, as they may be of another machine."""
    content = json.loads(path.read_text(encoding="utf-8"))
    settings = {name: _tuples(value) for name, value in content.pop("settings").items()}
    return kind.model_construct(**settings), content


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _in_name(value: object, between: str = ",") -> str:
    if isinstance(value, tuple):
        return between.join(_in_name(part, "x") for part in value)
    return f"{value:.15g}" if isinstance(value, float) else f"{value}"
