"""The study: which runs answer the paper's question."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import GENERATED
from pose3d_lib.data.spec import AsList, DataSpec, Names, split_list
from pose3d_lib.model.lifter import check_widths
from pose3d_lib.runs.sweep.jobs import SweepSettings
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.settings import PRESETS, OneOrMore, Seed, Settings, UnitEpochs

PAPER_ACTIONS = ("Eating", "Sitting")  # of the paper's tables

# What the learning rate counts: as published a run's own epochs, so that the arms differ; or the same for both.
PUBLISHED, EQUALISED = "epoch", "unit_epoch"

# Name -> settings of `StudyConfig`: the paper's first tables; everything that its claims need; and the questions beyond the
# paper too.
PAPER = {"lengths": (1, 16), "schedules": (PUBLISHED, EQUALISED), "training_seeds": 5, "timed": 3}
STUDIES: dict[str, dict] = {"quick": {}, "paper": PAPER, "more": {**PAPER, "beyond": True}}


def _single_actions(actions: tuple[str, ...]) -> tuple[str, ...]:
    if ALL in actions:
        raise ValueError(f"{ALL!r} is the baseline, which stands for every action; name actions only, or none")
    return tuple(dict.fromkeys(actions))


def _check_architectures(architectures: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    if len(set(architectures)) < len(architectures):  # 3,3,3 is one architecture to most who write it
        raise ValueError("one is there twice; join the widths of one by x, such as 3x3x3")
    for widths in architectures:
        check_widths(widths)
    return architectures


Actions = Annotated[Names, AfterValidator(_single_actions)]
Widths = Annotated[
    tuple[int, ...], BeforeValidator(lambda given: given.split("x") if isinstance(given, str) else split_list(given))
]


@dataclass(frozen=True)
class Condition:
    """What both arms of a comparison are trained under."""

    unit_epochs: float
    schedule: str  # `lr_decay_per`
    budget: str
    widths: tuple[int, ...]


class StudyConfig(SweepSettings):
    """Which runs a study has: for every replicate and condition the baseline and one model per action.

    Each seed of generated data has a dataset of its own, with other people and takes; files are the same for every seed, but for
    who is tested on with `leave_one_out`.

    Attributes:
        actions: which actions; default every action that can be trained and tested on.
        seeds: the replicates, of which each has every model.
        leave_one_out: whether each seed tests on another subject and trains on all others.
        focus: actions to examine more closely; default those that the paper shows, or the first two where the data lacks
            these.
        lengths: in unit epochs; the first is that of Tables 1 and 2, the second, if there is one, of Table 3.
        long_preset: preset of the second length; default that of the first.
        architectures: filter widths, such as 3x3x3; default `filter_widths`.
        schedules: what the learning rate counts; a comparison is made under each.
        budgets: how many frames the action-based models see; a comparison is made under each.
        training_seeds: how many short runs on the first dataset differ in their seed alone, of the baseline and of each action
            in focus; 0 for none.
        timed: how often the baseline and the first action in focus are trained in turn, to be timed.
        beyond: whether to add the runs of the questions beyond the paper.
    """

    BUNDLES: ClassVar[dict[str, dict]] = {"study": STUDIES, "preset": PRESETS}

    actions: Actions = ()
    seeds: OneOrMore[Seed] = (0, 1, 2, 3)
    leave_one_out: bool = False
    focus: Actions = ()
    lengths: OneOrMore[UnitEpochs] = (1.0,)
    long_preset: Annotated[str, AfterValidator(lambda name: name and check_name(name, PRESETS, "preset"))] = ""
    architectures: Annotated[tuple[Widths, ...], AsList, AfterValidator(_check_architectures)] = ()
    schedules: OneOrMore[Literal["epoch", "unit_epoch"]] = (PUBLISHED,)
    budgets: OneOrMore[Literal["equal_frames", "fifteen"]] = ("equal_frames",)
    training_seeds: int = Field(0, ge=0, le=1000)
    timed: int = Field(4, ge=0, le=1000)
    beyond: bool = False

    @property
    def named_actions(self) -> tuple[str, ...]:
        return (*self.actions, *self.focus)

    @property
    def data(self) -> DataSpec:
        """The data of the first seed."""
        return self.data_of(self.seeds[0])

    def data_of(self, seed: int) -> DataSpec:
        """The data of the runs with a seed."""
        own = {name: getattr(self, name) for name in DataSpec.model_fields}
        if self.leave_one_out:
            own["held_out"] = self.seeds.index(seed)
        return DataSpec(**own | {"data_seed": self.data_seed + seed * (self.dataset in GENERATED)})

    @field_validator("lengths")
    @classmethod
    def _short_and_long(cls, lengths: tuple[float, ...]) -> tuple[float, ...]:
        if len(lengths) > 2:
            raise ValueError("give two at most, of the short runs and of the long ones")
        return tuple(sorted(lengths))

    @model_validator(mode="after")
    def _together(self) -> "StudyConfig":
        if self.leave_one_out and self.dataset in GENERATED:
            raise ValueError(f"leave_one_out is for files: each seed of {self.dataset!r} has people of its own")
        if self.beyond and EQUALISED not in self.schedules:
            raise ValueError(
                f"beyond compares its runs with those under the schedule {EQUALISED!r}; schedules has {self.schedules}: "
                f"add it, or leave out beyond"
            )
        return self

    @property
    def short(self) -> float:
        """The length of Tables 1 and 2, unit epochs."""
        return self.lengths[0]

    @property
    def long(self) -> float | None:
        """The length of Table 3; None where the study has no long runs."""
        return self.lengths[1] if len(self.lengths) > 1 else None

    def widths(self, length: float) -> tuple[tuple[int, ...], ...]:
        """The architectures that are compared at a length."""
        if not self.architectures or (length == self.long and "filter_widths" in PRESETS.get(self.long_preset, {})):
            return (self.settings(length)["filter_widths"],)
        return self.architectures

    @property
    def main_schedule(self) -> str:
        """Of the runs that decide the claims: as published, if the study has those."""
        return PUBLISHED if PUBLISHED in self.schedules else self.schedules[0]

    def condition(self, length: float, schedule: str = "") -> Condition:
        """A condition with the first architecture and, if the study has it, with equal frames; by default of `main_schedule`."""
        budget = "equal_frames" if "equal_frames" in self.budgets else self.budgets[0]
        return Condition(length, schedule or self.main_schedule, budget, self.widths(length)[0])

    def conditions(self, length: float) -> list[Condition]:
        """The conditions that the tables of a length show, in their order."""
        return [Condition(length, *rest) for rest in product(self.schedules, self.budgets, self.widths(length))]

    def settings(self, length: float) -> dict[str, object]:
        """The settings of `Settings` for the runs of a length."""
        settings = {name: getattr(self, name) for name in Settings.model_fields}
        if length == self.long and self.long_preset:
            of_presets = {name for preset in PRESETS.values() for name in preset}
            settings |= {name: Settings.model_fields[name].default for name in of_presets} | PRESETS[self.long_preset]
        return settings


def choose_actions(config: StudyConfig, data: PoseDataset) -> tuple[list[str], list[str]]:
    """The actions of a study, and those of them in focus; what the data cannot train or test is refused."""
    actions = compared_actions(data, config.actions)
    if not actions:
        trained, tested = (", ".join(names) or "none" for names in (data.train_actions, data.test_actions))
        raise InputError(
            f"{data.name}: no action has both train clips ({trained}) and test clips ({tested}), so there is nothing to "
            "compare; choose other train_subjects or test_subjects"
        )
    if config.focus:
        return actions, [check_name(action, actions, "action of this study, to focus on") for action in config.focus]
    return actions, paper_actions(actions)


def compared_actions(data: PoseDataset, wanted: Sequence[str]) -> list[str]:
    """The actions with train and test clips, or the wanted ones of them; data that has nothing to train on is refused."""
    data.train_clips()
    both = [action for action in data.train_actions if action in data.test_actions]
    what = f"action with train and test clips in {data.name}"
    return [check_name(action, both, what) for action in wanted] or both


def paper_actions(actions: Sequence[str]) -> list[str]:
    """Those of some actions that the paper shows, if both are there; otherwise the first two."""
    papers = [action for action in PAPER_ACTIONS if action in actions]
    return papers if len(papers) == len(PAPER_ACTIONS) else list(actions[: len(PAPER_ACTIONS)])


def make_run(config: StudyConfig, condition: Condition, *, seed: int, **settings: object) -> RunConfig:
    """A run of a study under a condition, with further settings, on the data of its seed."""
    common = config.settings(condition.unit_epochs) | config.data_of(seed).model_dump()
    common |= {"unit_epochs": condition.unit_epochs, "budget": condition.budget, "seed": seed}
    common |= {"filter_widths": condition.widths, "lr_decay_per": condition.schedule}
    return RunConfig(**{**common, **settings})


def plan_study(config: StudyConfig, data: PoseDataset) -> dict[Condition, list[RunConfig]]:
    """Every comparison and its runs: short before long, replicate by replicate, the baseline first."""
    actions, _ = choose_actions(config, data)
    return {
        condition: [
            make_run(config, condition, action=action, seed=seed)
            for seed, action in product(config.seeds, (ALL, *actions))
        ]
        for length in config.lengths
        for condition in config.conditions(length)
    }


def training_seed_runs(config: StudyConfig, data: PoseDataset) -> list[RunConfig]:
    """Short runs on the first replicate's dataset that differ in their seed alone: the baseline, then each action in focus."""
    _, focus = choose_actions(config, data)
    condition, first = config.condition(config.short), config.seeds[0]
    models = [make_run(config, condition, action=action, seed=first) for action in (ALL, *focus)]
    return [run.model_copy(update={"seed": seed}) for run in models for seed in range(config.training_seeds)]


def timed_runs(config: StudyConfig, data: PoseDataset) -> list[RunConfig]:
    """Runs to be timed, with nothing else running: the longest of the first action in focus, each in turn with the baseline."""
    _, focus = choose_actions(config, data)
    condition = config.condition(config.lengths[-1])
    settings = {"action": focus[0], "seed": config.seeds[0], "evaluate_at": (), "recompute_at": ()}
    return [make_run(config, condition, **settings, timed=number) for number in range(1, config.timed + 1)]
