"""`Settings`: what the runs of one comparison have in common, and the presets that choose several of them at once."""

import os
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeVar

import torch
from pydantic import AfterValidator, Field, PositiveFloat, ValidationInfo, field_validator, model_validator

from pose3d_lib.data.actions import ALL
from pose3d_lib.data.spec import AsList, DataSpec, Names
from pose3d_lib.model.lifter import check_widths, receptive_field
from pose3d_lib.model.precision import fastest_precision

# Name -> settings that differ from those of `Settings`, with which a CPU can make hundreds of runs: narrow networks, and small
# batches, as a unit epoch of Human3.6M has 3,000 steps. The paper's are VideoPose3D's with 27 and 243 frames; `tiny` is for
# trying things out.
PRESETS: dict[str, dict] = {
    "default": {},
    "paper_27": {"filter_widths": (3, 3, 3), "channels": 1024, "batch_size": 1024, "threads": 0},
    "paper_243": {"filter_widths": (3, 3, 3, 3, 3), "channels": 1024, "batch_size": 1024, "threads": 0},
    "tiny": {"filter_widths": (3, 3, 3), "channels": 16, "batch_size": 64, "threads": 1},
}
AT_THE_END = "end"  # for `evaluate_at` and `recompute_at`: no test during training


def available_cores() -> int:
    """Cores that this process may use: in a container or a cluster job, perhaps not all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _sorted_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if ALL in names and len(names) > 1:
        raise ValueError(f"{ALL!r} stands for every action; give it alone, or name some")
    return tuple(sorted(set(names)))


T = TypeVar("T")
ListOf = Annotated[tuple[T, ...], AsList, AfterValidator(lambda values: tuple(dict.fromkeys(values)))]  # each once
OneOrMore = Annotated[ListOf[T], Field(min_length=1)]
NameSet = Annotated[Names, AfterValidator(_sorted_names)]  # sorted: in whatever order it was given, it is the same run

Seed = Annotated[int, Field(ge=0, lt=2**31)]
UnitEpochs = Annotated[float, Field(gt=0, le=100_000)]
Points = Annotated[ListOf[PositiveFloat], AfterValidator(lambda points: tuple(sorted(points)))]


class Settings(DataSpec):
    """What the runs of one comparison have in common. The data's settings are those of `DataSpec`.

    Attributes:
        filter_widths: taps of each temporal convolution, odd; their product is the receptive field in frames.
        channels: width of every hidden layer; the paper's is 1024.
        dropout: probability of zeroing an activation during training.
        causal: see no later frames.
        dense: the paper's ablation: a tap on each frame within a convolution's reach.
        chunk: consecutive output frames of a training window; 1 as published.
        batch_size: output frames per optimiser step; a multiple of `chunk`.
        mirror_training: train on mirror images too.
        mirror_testing: average each prediction with that of the mirror image.
        lr: first learning rate of Adam with AMSGrad.
        lr_decay: its factor per period.
        evaluate_at: unit epochs after which a run's own actions are tested, with the batch norms' statistics as published;
            "end" for none. The end is always tested.
        recompute_at: unit epochs after which they are tested with recomputed statistics too; "end" for none. The end always is.
        threads: CPU threads of one run; 0 for all cores. The last digits depend on it.
        device: "auto" takes cuda if there is one.
        precision: of training; "auto" takes the faster one here. Tests always use float32.
        cuda_graphs: on a GPU, record training steps and replay them.
    """

    # parameter -> its values, each a name for several settings; the first is the default
    BUNDLES: ClassVar[dict[str, dict]] = {"preset": PRESETS}

    filter_widths: Annotated[tuple[int, ...], AsList, AfterValidator(check_widths)] = (3, 3, 3)
    channels: int = Field(64, ge=1, le=10_000)
    dropout: float = Field(0.25, ge=0, lt=1)
    causal: bool = False
    dense: bool = False
    chunk: int = Field(1, ge=1, le=100_000)
    batch_size: int = Field(64, ge=2, le=100_000, validate_default=True)  # which `chunk` may not go into
    mirror_training: bool = True
    mirror_testing: bool = True
    lr: float = Field(0.001, gt=0)
    lr_decay: float = Field(0.95, gt=0, le=1)
    evaluate_at: Points = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
    recompute_at: Points = (4,)
    threads: int = Field(1, ge=1, le=1024)
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    cuda_graphs: bool = False

    @property
    def named_actions(self) -> tuple[str, ...]:
        """The actions that the settings name, to be compared with those of the data; may include "All"."""
        return ()

    @property
    def receptive_field(self) -> int:
        """Frames that one output frame sees."""
        return receptive_field(self.filter_widths)

    @property
    def modes(self) -> tuple[str, ...]:
        """How networks, windows and tests differ from VideoPose3D's defaults, in words."""
        differs = {
            "causal": self.causal,
            "dense": self.dense,
            f"windows of {self.chunk} output frames": self.chunk > 1,
            "no mirror images in training": not self.mirror_training,
            "tests not averaged with mirror images": not self.mirror_testing,
        }
        return tuple(mode for mode, holds in differs.items() if holds)

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, given: object) -> object:
        """Put in what this machine has for 0 threads and for "auto", and no point for "end"."""
        if not isinstance(given, Mapping):
            return given  # refused by pydantic
        given = dict(given)
        if given.get("threads") in (0, "0"):
            given["threads"] = available_cores()
        if given.get("device") == "auto":
            given["device"] = "cuda" if torch.cuda.is_available() else "cpu"
        if given.get("precision") == "auto":
            given["precision"] = fastest_precision(given.get("device", "cpu"))
        for points in ("evaluate_at", "recompute_at"):
            if str(given.get(points)).strip().lower() == AT_THE_END:
                given[points] = ()
        return given

    @field_validator("batch_size")
    @classmethod
    def _whole_chunks(cls, size: int, info: ValidationInfo) -> int:
        chunk = info.data.get("chunk", 1)
        if size % chunk:
            raise ValueError(
                f"a batch counts output frames, and a window has chunk = {chunk} of them; give a multiple of {chunk}"
            )
        return size
