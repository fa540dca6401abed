"""`RunConfig`: everything a run depends on, in one frozen and validated object; what a parameters cell becomes."""

import difflib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeVar

import torch
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from pose3d_lib.actions import ALL, check_name
from pose3d_lib.budget import SCHEDULES
from pose3d_lib.errors import InputError
from pose3d_lib.model import receptive_field
from pose3d_lib.precision import fastest_precision
from pose3d_lib.sources import complete_parameters, list_actions, prepared_path
from pose3d_lib.sources.spec import DataSpec, split_list

RESULT_FORMAT = 3
"""Raised whenever the same config would give other numbers or other files than before, so that old runs are not reused."""

ADDED = ("with_actions", "train_share", "start_from")
"""Settings of `RunConfig` that are younger than RESULT_FORMAT, and whose default is what every run did before them.

Such a setting is part of a run's name only while it differs from its default, so that runs which were finished before it
existed keep their names. Whoever adds a setting adds it here; whoever raises RESULT_FORMAT empties this."""

RUN_NAME = re.compile(r"[^/\\]+-[0-9a-f]{10}")
"""What `run_name` gives: the name of one folder, never a path, that ends in a hash."""

PRESETS: dict[str, dict] = {
    "default": {},
    "paper_27": {"filter_widths": (3, 3, 3), "channels": 1024, "batch_size": 1024, "threads": 0},
    "paper_243": {"filter_widths": (3, 3, 3, 3, 3), "channels": 1024, "batch_size": 1024, "threads": 0},
    "study": {"channels": 64},
    "tiny": {"filter_widths": (3, 3, 3), "channels": 16, "batch_size": 64, "threads": 1},
}
"""Name -> settings that differ from those of `Settings`, which are quick on a CPU. The paper's are VideoPose3D's with 27
and 243 frames; `study` makes hundreds of runs possible on a CPU; `tiny` is for trying things out."""


def available_cores() -> int:
    """Cores that this process may use, which in a container or a cluster job may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Settings(DataSpec):
    """What the runs of one comparison have in common. The data's settings are those of `DataSpec`.

    Attributes:
        BUNDLES: parameter -> its values, each a name for several settings; the first is the default.
        filter_widths: taps of each temporal convolution, odd; their product is the receptive field in frames.
        channels, dropout, causal: as in `TemporalLifter`.
        batch_size: windows per optimiser step.
        lr, lr_decay: first learning rate of Adam with AMSGrad, and its factor per period.
        evaluate_at: unit epochs after which a run's own actions are tested on the way; the end is always tested.
        threads: of the CPU, for one run; 0 stands for all cores. The last digits depend on it.
        device: "cpu" or "cuda"; "auto" becomes one of them.
        precision: "float32" or "bfloat16", as in `arithmetic`; "auto" becomes `fastest_precision`. Training only: tests
            are always float32.
        cuda_graphs: on a GPU, whether training steps are recorded and replayed; not by default, as it was never tried on one.
    """

    BUNDLES: ClassVar[dict[str, dict]] = {"preset": PRESETS}

    filter_widths: tuple[int, ...] = (3, 3, 3)
    channels: int = Field(128, ge=1)
    dropout: float = Field(0.25, ge=0, lt=1)
    causal: bool = False
    batch_size: int = Field(256, ge=2)
    lr: float = Field(0.001, gt=0)
    lr_decay: float = Field(0.95, gt=0, le=1)
    evaluate_at: tuple[float, ...] = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
    threads: int = Field(1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    cuda_graphs: bool = False

    @property
    def named_actions(self) -> tuple[str, ...]:
        """The actions that the settings name, to be checked against those of the data; "All" may be among them."""
        return ()

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
        with_actions: further actions that a run of one action is trained on; it is tested on the way on `action` alone.
        train_share: of the frames of every training clip, how much of it is trained on: its beginning, one frame at least,
            as if the clip ended there. Test clips stay whole, and a unit epoch stays that of all the frames.
        start_from: name of a finished run's folder, whose weights and batch-norm statistics training starts with; none
            given stands for random ones. Optimiser, schedules, order and dropout start anew.
        seed: of the initial weights, the order of the windows and the dropout masks.
        unit_epochs: length of a run in epochs of the baseline.
        budget: "equal_frames", formula (1), or "fifteen".
        lr_decay_per, bn_decay_per: what the learning rate and the batch-norm momentum count: "epoch" or "unit_epoch".
    """

    action: str = ALL
    with_actions: tuple[str, ...] = ()
    train_share: float = Field(1.0, gt=0, le=1)
    start_from: str = ""
    seed: Seed = 0
    unit_epochs: float = Field(1.0, gt=0)
    budget: Literal["equal_frames", "fifteen"] = "equal_frames"
    lr_decay_per: Literal["epoch", "unit_epoch"] = "epoch"
    bn_decay_per: Literal["epoch", "unit_epoch"] = "epoch"

    @property
    def named_actions(self) -> tuple[str, ...]:
        return self.trained_actions

    @property
    def trained_actions(self) -> tuple[str, ...]:
        """The actions that the run is trained on, `action` first; ("All",) for the baseline."""
        return (self.action, *self.with_actions)

    @property
    def schedule(self) -> str:
        """The name in SCHEDULES of what the learning rate and the batch-norm momentum count."""
        return next(name for name, pair in SCHEDULES.items() if pair == (self.lr_decay_per, self.bn_decay_per))

    @property
    def is_baseline(self) -> bool:
        return self.action == ALL

    @field_validator("with_actions", mode="before")
    @classmethod
    def _split_actions(cls, actions: object) -> object:
        return split_list(actions)

    @field_validator("with_actions")
    @classmethod
    def _set_of_others(cls, actions: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        action = info.data.get("action")
        if actions and action == ALL:
            raise ValueError(f"action {ALL!r} is trained on every action already; name one action, or none to add")
        if ALL in actions:
            raise ValueError(f"{ALL!r} stands for every action; to train on all of them, give it as action")
        if action in actions:
            raise ValueError(f"{action!r} is the run's action already; name only those to add")
        if twice := [name for name in actions if actions.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} is there twice; name each action once")
        return tuple(sorted(actions))  # a set: in whatever order it was given, it is the same run

    @field_validator("start_from")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if name and not RUN_NAME.fullmatch(name):
            raise ValueError("expected a run folder's name without its path, such as All-27f-1ue-seed0-06b751cf2e")
        return name

    @field_validator("budget", "lr_decay_per", "bn_decay_per")
    @classmethod
    def _one_baseline(cls, value: str, info: ValidationInfo) -> str:
        """A unit epoch is the baseline's, and its own epoch too while it has all frames: one run instead of eight."""
        same = info.data.get("train_share") == 1 or info.field_name == "budget"
        return cls.model_fields[info.field_name].default if same and info.data.get("action") == ALL else value


Config = TypeVar("Config", bound=BaseModel)


def make_config(kind: type[Config], parameters: Mapping[str, object]) -> Config:
    """A config from a notebook's or a command's parameters, or an InputError that names each parameter it refuses.

    Args:
        kind: RunConfig or another config class.
        parameters: name -> value. Those of `kind.BUNDLES`, such as `preset`, choose settings that other values override;
            None leaves a setting to them. Numbers and booleans may be strings, as papermill passes some of them.
    """
    given = {name: value for name, value in parameters.items() if value not in (None, "None", "null")}
    bundles = getattr(kind, "BUNDLES", {})
    for name in parameters:
        check_name(name, [*bundles, *kind.model_fields], "parameter")
    chosen: dict[str, object] = {"device": "auto"} if issubclass(kind, Settings) else {}
    for name, values in bundles.items():
        value = given.pop(name, chosen.pop(name, next(iter(values))))
        chosen.update(values[check_name(str(value), values, name)])
    try:
        return kind(**{**chosen, **complete_parameters(given)})
    except ValidationError as error:
        raise InputError("\n".join(_refusal(problem) for problem in error.errors())) from error


def _refusal(problem: dict) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "parameters"
    message = problem["msg"].removeprefix("Value error, ")
    found = problem["input"]
    allowed = problem.get("ctx", {}).get("expected", "")
    words = [word.strip("' ") for word in allowed.replace(" or ", ",").split(",")] if allowed else []
    close = difflib.get_close_matches(str(found), words)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if message.startswith("unknown "):  # the message of `check_name` says what was found
        return f"parameter {name}: {message}"
    return f"parameter {name}: found {found!r}: {message}{hint}"


def check_data(config: DataSpec) -> None:
    """Refuses a dataset that is not there and actions that it does not have, before anything slow is done."""
    spec = config.data if isinstance(config, Settings) else config
    prepared_path(spec)
    actions = list_actions(spec)
    for action in config.named_actions if isinstance(config, Settings) else ():
        check_name(action, (ALL, *actions), "action")


def run_name(config: RunConfig, fingerprint: str) -> str:
    """`<name>-<hash>`: readable, and different whenever anything differs that the result depends on.

    The hash covers the config, the dataset's fingerprint and the result format. Where the data lies is not in it: the
    fingerprint stands for the data itself. Nor is the number of CPU threads of a run on a GPU. The run that another starts
    from is covered by its name.
    """
    left_out = set(DataSpec.model_fields) - {"keypoints"}
    left_out |= {name for name in ADDED if getattr(config, name) == RunConfig.model_fields[name].default}
    if config.device == "cuda":
        left_out.add("threads")
    identity = {**config.model_dump(mode="json", exclude=left_out), "data": fingerprint, "format": RESULT_FORMAT}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{_readable_name(config)}-{digest[:10]}"


def _readable_name(config: RunConfig) -> str:
    """As Eating-27f-1ue-seed0, or Eating+3-27f-0.25ue-share0.5-from06b751cf2e-seed0 where everything differs."""
    actions = config.action + (f"+{len(config.with_actions)}" if config.with_actions else "")
    parts = [re.sub(r"[/\\]", "_", actions), f"{config.receptive_field}f", f"{config.unit_epochs:g}ue"]
    if config.train_share != 1:
        parts.append(f"share{config.train_share:.3g}")
    if config.start_from:
        parts.append(f"from{config.start_from[-10:]}")
    return "-".join([*parts, f"seed{config.seed}"])
