"""`RunConfig`: everything a run depends on, in one frozen and validated object; what a parameters cell becomes.

A comparison of several runs is a `SweepConfig`: the same settings, and which actions and seeds.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from pose3d_lib.actions import ALL, check_name
from pose3d_lib.budget import BUDGETS, DECAY_PER
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.model import receptive_field
from pose3d_lib.precision import fastest_precision
from pose3d_lib.sources import complete_parameters, list_actions, prepared_path
from pose3d_lib.sources.spec import DataSpec, split_list

RESULT_FORMAT = 3
"""Raised whenever the same config would give other numbers or other files than before, so that old runs are not reused."""

PRESETS: dict[str, dict] = {
    "default": {},
    "paper_27": {"filter_widths": (3, 3, 3), "channels": 1024, "batch_size": 1024, "threads": 0},
    "paper_243": {"filter_widths": (3, 3, 3, 3, 3), "channels": 1024, "batch_size": 1024, "threads": 0},
    "tiny": {"filter_widths": (3, 3, 3), "channels": 16, "batch_size": 64, "threads": 1},
}
"""Name -> settings that differ from those of `Settings`, which are quick on a CPU. The paper's are VideoPose3D's with 27
and 243 frames; `tiny` is for trying things out."""


def available_cores() -> int:
    """Cores that this process may use, which in a container or a cluster job may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Settings(DataSpec):
    """What the runs of one comparison have in common. The data's settings are those of `DataSpec`.

    Attributes:
        filter_widths: taps of each temporal convolution, odd; their product is the receptive field in frames.
        channels, dropout, causal: as in `TemporalLifter`.
        batch_size: windows per optimiser step.
        lr, lr_decay: first learning rate of Adam with AMSGrad, and its factor per period.
        unit_epochs: length of a run in epochs of the baseline.
        budget: "equal_frames", formula (1), or "fifteen".
        lr_decay_per, bn_decay_per: what the learning rate and the batch-norm momentum count: "epoch" or "unit_epoch".
        evaluate_at: unit epochs after which a run's own actions are tested on the way; the end is always tested.
        threads: of the CPU, for one run; 0 stands for all cores. The last digits depend on it.
        device: "cpu" or "cuda"; "auto" becomes one of them.
        precision: "float32" or "bfloat16", as in `arithmetic`; "auto" becomes `fastest_precision`. Training only: tests
            are always float32.
        cuda_graphs: on a GPU, whether training steps are recorded and replayed; not by default, as it was never tried on one.
    """

    filter_widths: tuple[int, ...] = (3, 3, 3)
    channels: int = Field(128, ge=1)
    dropout: float = Field(0.25, ge=0, lt=1)
    causal: bool = False
    batch_size: int = Field(256, ge=2)
    lr: float = Field(0.001, gt=0)
    lr_decay: float = Field(0.95, gt=0, le=1)
    unit_epochs: float = Field(1.0, gt=0)
    budget: Literal["equal_frames", "fifteen"] = "equal_frames"
    lr_decay_per: Literal["epoch", "unit_epoch"] = "epoch"
    bn_decay_per: Literal["epoch", "unit_epoch"] = "epoch"
    evaluate_at: tuple[float, ...] = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
    threads: int = Field(1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    cuda_graphs: bool = False

    @property
    def receptive_field(self) -> int:
        """Frames that one output frame sees."""
        return receptive_field(self.filter_widths)

    @property
    def data(self) -> DataSpec:
        """The part that says which data."""
        return DataSpec(**{name: getattr(self, name) for name in DataSpec.model_fields})

    @field_validator("filter_widths", "evaluate_at", mode="before")
    @classmethod
    def _split_numbers(cls, numbers: object) -> object:
        return split_list(numbers)

    @field_validator("filter_widths")
    @classmethod
    def _odd_widths(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        even = [width for width in widths if width < 1 or width % 2 == 0]
        if even or not widths:
            raise ValueError(
                f"widths must be odd and positive, so that a window has a middle; {even[:1] or 'none'} given"
            )
        return widths

    @field_validator("evaluate_at")
    @classmethod
    def _sorted_points(cls, points: tuple[float, ...]) -> tuple[float, ...]:
        if any(point <= 0 for point in points):
            raise ValueError("unit epochs must be positive")
        return tuple(sorted(set(points)))

    @field_validator("threads", mode="before")
    @classmethod
    def _all_cores(cls, threads: object) -> object:
        return available_cores() if threads in (0, "0") else threads

    @field_validator("device", mode="before")
    @classmethod
    def _resolve_device(cls, device: object) -> object:
        return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device

    @field_validator("precision", mode="before")
    @classmethod
    def _resolve_precision(cls, precision: object, info: ValidationInfo) -> object:
        if precision != "auto":
            return precision
        return fastest_precision(info.data["device"]) if "device" in info.data else "float32"  # device is refused


class RunConfig(Settings):
    """One training run.

    Attributes:
        action: one action, exactly as the dataset spells it, or "All" for the baseline.
        seed: of the initial weights, the order of the windows and the dropout masks.
    """

    action: str = ALL
    seed: Seed = 0

    @property
    def is_baseline(self) -> bool:
        return self.action == ALL

    @model_validator(mode="before")
    @classmethod
    def _one_baseline(cls, values: dict) -> dict:
        """The baseline's own epoch is the unit epoch, so these settings cannot change it: one run, not eight."""
        if values.get("action", ALL) != ALL:
            return values
        first = {"budget": BUDGETS, "lr_decay_per": DECAY_PER, "bn_decay_per": DECAY_PER}
        return {**values, **{name: valid[0] for name, valid in first.items() if values.get(name) in valid}}


class SweepConfig(Settings):
    """The runs of a comparison: for every seed the baseline and one model per action.

    Attributes:
        actions: which actions; none given stands for every action that can be trained and tested on.
        seeds: one comparison each.
        jobs: runs at a time; 0 stands for as many as the cores allow with `threads` each, or one on a GPU.
    """

    actions: tuple[str, ...] = ()
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    jobs: int = Field(0, ge=0)

    @field_validator("actions", "seeds", mode="before")
    @classmethod
    def _split_list(cls, values: object) -> object:
        values = split_list(values)
        return tuple(dict.fromkeys(values)) if isinstance(values, list | tuple) else values

    def plan(self, data: PoseDataset) -> list[RunConfig]:
        """Every run, the baseline of each seed first; actions that the dataset cannot train or test are refused."""
        data.train_clips()  # refuses data that has nothing to train on
        both = [action for action in data.train_actions if action in data.test_actions]
        chosen = [
            check_name(action, both, f"action with train and test clips in {data.name}") for action in self.actions
        ]
        settings = {name: getattr(self, name) for name in Settings.model_fields}
        arms = (ALL, *(chosen or both))
        return [RunConfig(**settings, action=action, seed=seed) for seed in self.seeds for action in arms]


class ResultsConfig(SweepConfig):
    """Which runs the tables are made of.

    Attributes:
        long_unit_epochs: length of the runs in Table 3; the paper's is 80.
        long_preset: their preset; none given stands for the one of the short runs.
    """

    long_unit_epochs: float = Field(80, gt=1)
    long_preset: str = ""

    @field_validator("long_preset")
    @classmethod
    def _known_preset(cls, preset: str) -> str:
        return preset and check_name(preset, PRESETS, "preset")

    def long_plan(self, data: PoseDataset) -> list[RunConfig]:
        """The long runs of Table 3, as `plan` gives the short ones."""
        settings = {name: getattr(self, name) for name in SweepConfig.model_fields}
        if self.long_preset:
            reset = {name: Settings.model_fields[name].default for preset in PRESETS.values() for name in preset}
            settings.update({**reset, **PRESETS[self.long_preset]})
        return SweepConfig(**{**settings, "unit_epochs": self.long_unit_epochs}).plan(data)


Config = TypeVar("Config", bound=BaseModel)


def make_config(kind: type[Config], parameters: Mapping[str, object]) -> Config:
    """A config from a notebook's or a command's parameters, or an InputError that names each parameter it refuses.

    Args:
        kind: RunConfig or another config class.
        parameters: name -> value. `preset` chooses the settings that other values override; None leaves a setting to
            the preset. Numbers and booleans may be strings, as papermill passes some of them.
    """
    given = {name: value for name, value in parameters.items() if value not in (None, "None", "null")}
    preset = check_name(str(given.pop("preset", "default")), PRESETS, "preset")
    has_settings = issubclass(kind, Settings)
    known = ["preset", *kind.model_fields] if has_settings else list(kind.model_fields)
    for name in parameters:
        check_name(name, known, "parameter")
    given = complete_parameters(given)
    try:
        return kind(**{"device": "auto", **PRESETS[preset], **given} if has_settings else given)
    except ValidationError as error:
        raise InputError("\n".join(_refusal(problem) for problem in error.errors())) from error


def _refusal(problem: dict) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "parameters"
    message = problem["msg"].removeprefix("Value error, ")
    found = problem["input"]
    allowed = problem.get("ctx", {}).get("expected", "")
    close = difflib.get_close_matches(
        str(found), [word.strip("' ") for word in allowed.replace(" or ", ",").split(",")]
    )
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if message.startswith("unknown "):  # the message of `check_name` says what was found
        return f"parameter {name}: {message}"
    return f"parameter {name}: found {found!r}: {message}{hint}"


def check_data(config: DataSpec) -> None:
    """Refuses a dataset that is not there and actions that it does not have, before anything slow is done."""
    spec = config.data if isinstance(config, Settings) else config
    prepared_path(spec)
    actions = list_actions(spec)
    if isinstance(config, RunConfig):
        check_name(config.action, (ALL, *actions), "action")
    if isinstance(config, SweepConfig):
        for action in config.actions:
            check_name(action, actions, "action")


def run_name(config: RunConfig, fingerprint: str) -> str:
    """`<name>-<hash>`: readable, and different whenever anything differs that the result depends on.

    The hash covers the config, the dataset's fingerprint and the result format. Where the data lies is not in it: the
    fingerprint stands for the data itself. Nor is the number of CPU threads of a run on a GPU.
    """
    located = set(DataSpec.model_fields) - {"keypoints"}
    if config.device == "cuda":
        located.add("threads")
    identity = {**config.model_dump(mode="json", exclude=located), "data": fingerprint, "format": RESULT_FORMAT}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{config.action}-{config.receptive_field}f-{config.unit_epochs:g}ue-seed{config.seed}-{digest[:10]}"
