"""What is reported of a study apart from its run folders: files from which every table and figure is redrawn."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.data.open import Datasets
from pose3d_lib.report.show import describe_data, name_data, name_network, unit_epochs
from pose3d_lib.study import tables_beyond
from pose3d_lib.study.claims import judge_claims
from pose3d_lib.study.config import EQUALISED, PUBLISHED, Condition, StudyConfig
from pose3d_lib.study.observations import AS_PUBLISHED, EMPTY_IS_NAN, RECOMPUTED, Observations, Ratios, choose
from pose3d_lib.study.results import StudyResults, collect_study, read_settings, write_settings

STUDY = "study.json"  # all of a record that is no table
SCHEDULE_WORDS = {PUBLISHED: "published schedule", EQUALISED: "one schedule for both arms"}
BUDGET_WORDS = {"equal_frames": "equal frames", "fifteen": "15 epochs per unit epoch"}


@dataclass(frozen=True)
class View:
    """What a table shows: the runs under a condition, tested with one of both statistics of the batch norms."""

    condition: Condition
    statistics: str = RECOMPUTED

    @property
    def rules(self) -> list[str]:
        """The condition in words, a part each."""
        own = self.condition
        words = SCHEDULE_WORDS[own.schedule], BUDGET_WORDS[own.budget], f"{np.prod(own.widths)}-frame network"
        return [unit_epochs(own.unit_epochs), *words]

    @property
    def parts(self) -> list[str]:
        """The rules and the statistics."""
        return [*self.rules, f"statistics {self.statistics}"]

    def __str__(self) -> str:
        return ", ".join(self.parts)


@dataclass(frozen=True)
class About:
    """Of the dataset: name, whether it is synthetic, tested subjects, training frames by action; and runs of the study."""

    name: str
    synthetic: bool
    subjects: list[str]
    frames: dict[str, int]
    planned: int
    finished: int


@dataclass(frozen=True, eq=False)
class StudyRecord:
    """A study as it is reported; `beyond` holds the tables of the questions beyond the paper, empty without runs."""

    config: StudyConfig
    observations: Observations
    beyond: dict[str, pd.DataFrame]
    about: About
    folder: Path  # of tables and figures

    @cached_property
    def claims(self) -> pd.DataFrame:
        """The verdicts, as `judge_claims` gives them."""
        return judge_claims(self.observations, self.config)

    @property
    def name(self) -> str:
        """The dataset in a title or sentence, which says whether the data are synthetic, and how many datasets there are."""
        return name_data(self.about.name, *self._several(self.observations.errors), synthetic=self.about.synthetic)

    def _several(self, errors: pd.DataFrame) -> list[str]:
        """How many datasets the runs are on, if several, in words."""
        count, what = errors.dataset.nunique(), "subjects held out in turn" if self.config.leave_one_out else "datasets"
        return [f"{count} {what}"] * (count > 1)

    @property
    def conditions(self) -> list[Condition]:
        """All that the tables show."""
        return [own for length in self.config.lengths for own in self.config.conditions(length)]

    def main(self, length: float) -> View:
        """What decides at a length: the published schedule, if the study has it, and statistics recomputed."""
        return View(self.config.condition(length))

    def views(self, length: float) -> list[View]:
        """What the tables of a length show: `main`, the same with statistics as published, the other conditions."""
        main = self.main(length)
        others = [View(own) for own in self.config.conditions(length) if own != main.condition]
        return [main, View(main.condition, AS_PUBLISHED), *others]

    def ratios(self, view: View, metric: str = "mpjpe") -> Ratios:
        return self.observations.ratios(view.condition, metric, view.statistics)

    @property
    def plainest(self) -> Condition:
        """Of the long runs, or else the short, those whose arms differ in the data only; or else the published short ones."""
        for length in reversed(self.config.lengths):
            if self.ratios(equal := View(self.config.condition(length, EQUALISED))).y.size:
                return equal.condition
        return self.main(self.config.short).condition

    def file_name(self, what: str, view: View) -> str:
        """The name of a table or figure; it says what differs from the published procedure with recomputed statistics."""
        own = view.condition
        differs = [own.schedule] * (own.schedule != PUBLISHED) + [own.budget] * (own.budget != "equal_frames")
        if own.widths != self.config.widths(own.unit_epochs)[0]:
            differs.append("x".join(map(str, own.widths)))
        return "_".join([what, *differs, *["as_published"] * (view.statistics == AS_PUBLISHED)])

    def describe(self, *conditions: Condition, intervals: bool = True) -> str:
        """What stands under every table and figure: which data, network and runs, and what its intervals are about, if any."""
        config, about = self.config, self.about
        rows = pd.concat([choose(self.observations.errors, own) for own in conditions])
        name = ", ".join([about.name, *self._several(rows)])
        of_lengths = [config.model_copy(update=config.settings(own.unit_epochs)) for own in conditions]
        network = dict.fromkeys(part for own in of_lengths for part in name_network(own))
        seeds = ", ".join(map(str, sorted(rows.replicate.unique())))
        told = (
            f"{describe_data(name, about.subjects, config, synthetic=about.synthetic)}; {', '.join(network)}; "
            f"{unit_epochs(*sorted({own.unit_epochs for own in conditions}))}; "
            f"{rows.run.nunique()} runs of both arms{f', seeds {seeds}' if seeds else ''}."
        )
        return f"{told} {self._tell_intervals(conditions)}" if intervals else told

    def _tell_intervals(self, conditions: Sequence[Condition]) -> str:
        """What the intervals of tables and claims under some conditions are about."""
        counts = {self.observations.ratios(own).y.shape[1] for own in conditions} - {0}
        if max(counts, default=0) < 2:
            return "One replicate: it gives no interval." if counts else "No replicate is complete."
        new = "they are about new people, new takes and new trainings"
        if self.config.leave_one_out:
            what = f"replicates, each tested on another subject and trained on all others: {new}, approximately, "
            what += "as the replicates' training data overlap"
        elif self.observations.shared_takes:
            what = "trainings, with the spread of the takes added: they are about these people, other takes and other trainings"
        else:
            what = f"replicates, each with people, takes and trainings of its own: {new}"
        return f"95 % intervals over {' to '.join(map(str, sorted({min(counts), max(counts)})))} {what}."

    def write(self) -> None:
        """Write everything into the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.observations.write(self.folder)
        for name, table in self.beyond.items():
            if len(table):
                table.to_csv(self.folder / f"{name}.csv", index=False)
        write_settings(self.folder / STUDY, self.config, **asdict(self.about), beyond=list(self.beyond))


def make_record(results: StudyResults) -> StudyRecord:
    """What finished runs say, and the study's folder holds from now on."""
    data = results.data
    frames = data.frames_per_action().train.loc[list(data.train_actions)].astype(int).to_dict()
    own = [results.datasets[results.config.data_of(seed)] for seed in results.config.seeds]
    subjects = list(dict.fromkeys(subject for tested in own for subject in tested.test_subjects))
    about = About(data.name, data.synthetic, subjects, frames, len(results.planned), len(results.found))
    record = StudyRecord(results.config, results.observations, {}, about, results.folder)
    runs = tables_beyond.with_both_arms(results.parts[record.plainest])
    record.beyond.update(
        transfer=tables_beyond.transfer(results),
        joints=tables_beyond.joint_errors(runs, data.skeleton) if runs else pd.DataFrame(),
        specialised=tables_beyond.specialised(results),
        mixing=tables_beyond.mixing(results),
        fewer_frames=tables_beyond.fewer_frames(results),
    )
    record.write()
    return record


def open_study(config: StudyConfig) -> tuple[StudyResults, StudyRecord]:
    """The finished runs of a study, and the record of what they say."""
    results = collect_study(config, Datasets(print))
    return results, make_record(results)


def read_record(folder: Path) -> StudyRecord:
    """A study that was written, without its runs."""
    config, about = read_settings(folder / STUDY, StudyConfig)
    paths = {name: folder / f"{name}.csv" for name in about.pop("beyond")}
    text = dict.fromkeys(("action", "model", "told", "joint"), str)  # what may look like a number
    beyond = {
        name: pd.read_csv(path, dtype=text, **EMPTY_IS_NAN) if path.is_file() else pd.DataFrame()
        for name, path in paths.items()
    }
    return StudyRecord(config, Observations.read(folder), beyond, About(**about), folder)
