"""`RunConfig`: everything a run depends on, in one frozen and validated object; what a parameters cell becomes."""

import hashlib
import json
import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from pose3d_lib.actions import ALL
from pose3d_lib.budget import SCHEDULES
from pose3d_lib.settings import Seed, Settings
from pose3d_lib.sources.spec import DataSpec, split_list

RESULT_FORMAT = 3
"""Raised whenever the same config would give other numbers or other files than before, so that old runs are not reused."""

ADDED = ("with_actions", "train_share", "start_from")
"""Settings of `RunConfig` that are younger than RESULT_FORMAT, and whose default is what every run did before them.

Such a setting is part of a run's name only while it differs from its default, so that runs which were finished before it
existed keep their names. Whoever adds a setting adds it here; whoever raises RESULT_FORMAT empties this."""

RUN_NAME = re.compile(r"[^/\\]+-[0-9a-f]{10}")
"""What `run_name` gives: the name of one folder, never a path, that ends in a hash."""


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
