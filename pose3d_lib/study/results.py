"""What a study has so far: its finished runs under every condition, what they say, and where its tables go."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import pandas as pd

from pose3d_lib.common.paths import in_file_name, outputs_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.run import Run
from pose3d_lib.study.attribution import attribution
from pose3d_lib.study.beyond import AS_MANY_FRAMES, plan_beyond, share_of
from pose3d_lib.study.claims import judge_claims
from pose3d_lib.study.comparison import Comparison, collect_runs, find_runs
from pose3d_lib.study.config import (
    EQUALISED,
    PUBLISHED,
    STUDIES,
    Condition,
    StudyConfig,
    choose_actions,
    plan_study,
    unique_runs,
)
from pose3d_lib.study.evidence import Evidence
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.settings import Settings

MOST_TOLD = 100  # bytes of a folder's name for settings; a name has 255 at most

# Settings that are in every name, or that no number depends on.
TOLD = {*DataSpec.model_fields, "filter_widths", "channels", "batch_size", "jobs", "scheduler", "threads", "device"}


@dataclass(frozen=True)
class StudyResults:
    """A study and its finished runs, looked up once; what follows from them is computed once, when it is first needed."""

    config: StudyConfig
    datasets: Mapping[DataSpec, PoseDataset]
    planned: list[RunConfig]  # each once
    found: dict[RunConfig, Run]  # the finished ones, in the order of the plan, as everywhere below
    left_out: pd.DataFrame  # the begun runs, as `find_runs` gives them
    comparisons: dict[Condition, Comparison]
    beyond: dict[str, list[Run]]  # by question of `plan_beyond`

    @property
    def data(self) -> PoseDataset:
        """The dataset of the first seed."""
        return self.datasets[self.config.data]

    @property
    def missing(self) -> list[RunConfig]:
        return [config for config in self.planned if config not in self.found]

    @property
    def runs(self) -> list[Run]:
        """Every finished run, each once."""
        return list(self.found.values())

    @cached_property
    def focus(self) -> list[str]:
        return choose_actions(self.config, self.data)[1]

    @cached_property
    def evidence(self) -> Evidence:
        """The runs of the first architecture, as the claims need them."""
        comparisons: dict[tuple[str, str, str], Comparison] = {}
        for condition, comparison in self.comparisons.items():
            length = "short" if condition.unit_epochs == self.config.short else "long"
            comparisons.setdefault((length, condition.schedule, condition.budget), comparison)
        as_many: dict[str, dict[str, list[Run]]] = {PUBLISHED: {}, EQUALISED: {}}
        for action, run in product(self.focus, self.beyond.get(AS_MANY_FRAMES, [])):
            if run.config.train_share == share_of(action, self.datasets[run.config.data]):
                as_many[run.config.schedule].setdefault(action, []).append(run)
        return Evidence(comparisons, tuple(self.focus), as_many)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """A row per claim, as `judge_claims` gives them."""
        return judge_claims(self.evidence)

    @cached_property
    def attribution(self) -> pd.DataFrame:
        return attribution(self.evidence)

    @property
    def folder(self) -> Path:
        return results_dir(self.data, self.config)

    def tables_of(self, length: float | None) -> dict[Condition, Comparison]:
        """The comparisons that the tables of a length show."""
        wanted = self.config.conditions(length) if length else []
        return {condition: self.comparisons[condition] for condition in wanted}

    def find(self, length: float | None, schedule: str, budget: str = "equal_frames") -> Comparison | None:
        """The comparison of a length under a schedule and budget, with the first architecture; None if not planned."""
        return self.comparisons.get(self.config.condition(length, schedule, budget)) if length else None

    def file_name(self, what: str, condition: Condition) -> str:
        """The name of a table or figure: that of the published procedure is plain, others say what differs."""
        differs = [condition.schedule] * (condition.schedule != PUBLISHED)
        differs += [condition.budget] * (condition.budget != "equal_frames")
        if condition.widths != self.config.widths(condition.unit_epochs)[0]:
            differs.append("x".join(map(str, condition.widths)))
        return "_".join([what, *differs])


def collect_study(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> StudyResults:
    """The finished runs of a study; an InputError as of `find_runs`."""
    plan, questions = plan_study(config, datasets[config.data]), plan_beyond(config, datasets)
    planned = unique_runs({**plan, **questions})
    found, left_out = find_runs(planned, datasets)
    comparisons = {condition: collect_runs(runs, found) for condition, runs in plan.items()}
    beyond = {question: [found[own] for own in runs if own in found] for question, runs in questions.items()}
    return StudyResults(config, datasets, planned, found, left_out, comparisons, beyond)


def results_dir(data: PoseDataset, config: StudyConfig) -> Path:
    """Where the tables and figures of a study go; `data` are those of its first seed."""
    return folder_of(data, config, STUDIES, config.num_datasets)


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


def _in_name(value: object, between: str = ",") -> str:
    if isinstance(value, tuple):
        return between.join(_in_name(part, "x") for part in value)
    return f"{value:.15g}" if isinstance(value, float) else f"{value}"
