"""What a study has so far: its finished runs under every condition, what is missing, and where its tables go."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.run import Run, find_run
from pose3d_lib.study.beyond import plan_beyond, study_runs
from pose3d_lib.study.comparison import Comparison, collect_runs, find_left_out, find_own
from pose3d_lib.study.config import PUBLISHED, STUDIES, Condition, StudyConfig, choose_actions, plan_study
from pose3d_lib.study.result_folders import folder_of
from pose3d_lib.training.config import RunConfig


@dataclass(frozen=True)
class StudyResults:
    """A study and its finished runs.

    Attributes:
        config, data: the study and its dataset.
        comparisons: condition -> the finished runs of both arms, in the order of the plan.
        beyond: question of `plan_beyond` -> its finished runs.
    """

    config: StudyConfig
    data: PoseDataset
    comparisons: dict[Condition, Comparison]
    beyond: dict[str, list[Run]]

    @cached_property
    def planned(self) -> list[RunConfig]:
        return study_runs(self.config, self.data)

    @cached_property
    def missing(self) -> list[RunConfig]:
        return [config for config in self.planned if find_run(config, self.data) is None]

    @cached_property
    def runs(self) -> list[Run]:
        """Every finished run, each once."""
        found = (find_run(config, self.data) for config in self.planned)
        return [run for run in found if run]

    @cached_property
    def left_out(self) -> pd.DataFrame:
        return find_left_out(self.planned, self.data)

    @property
    def focus(self) -> list[str]:
        return choose_actions(self.config, self.data)[1]

    @property
    def folder(self) -> Path:
        return results_dir(self.data, self.config)

    def tables_of(self, length: float | None) -> dict[Condition, Comparison]:
        """The comparisons that the tables of a length show."""
        wanted = self.config.conditions(length) if length else []
        return {condition: self.comparisons[condition] for condition in wanted}

    def find(self, length: float | None, schedule: str, budget: str = "equal_frames") -> Comparison | None:
        """The comparison of a length under a schedule and budget, with the first architecture; None if not planned."""
        for condition, comparison in self.comparisons.items():
            if (condition.unit_epochs, condition.schedule, condition.budget) == (length, schedule, budget):
                return comparison
        return None

    def condition_of(self, comparison: Comparison) -> Condition:
        """The condition of a comparison of this study."""
        return next(condition for condition, own in self.comparisons.items() if own is comparison)

    def file_name(self, what: str, condition: Condition) -> str:
        """The name of a table or figure: that of the published procedure is plain, others say what differs."""
        differs = [condition.schedule] * (condition.schedule != PUBLISHED)
        differs += [condition.budget] * (condition.budget != "equal_frames")
        if condition.widths != self.config.conditions(condition.unit_epochs)[0].widths:
            differs.append("x".join(map(str, condition.widths)))
        return "_".join([what, *differs])


def collect_study(config: StudyConfig, data: PoseDataset) -> StudyResults:
    """The finished runs of a study.

    Raises:
        InputError: a run folder holds a run of another dataset than its name says.
    """
    comparisons = {condition: collect_runs(runs, data) for condition, runs in plan_study(config, data).items()}
    beyond = {
        question: [run for run in (find_own(own, data) for own in runs) if run]
        for question, runs in plan_beyond(config, data).items()
    }
    return StudyResults(config, data, comparisons, beyond)


def results_dir(data: PoseDataset, config: StudyConfig) -> Path:
    """Where the tables and figures of a study go."""
    return folder_of(data, config, STUDIES)
