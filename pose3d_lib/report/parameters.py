"""The parameters of each notebook, checked before it is executed; those of 00_how_it_works and 06_predict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from pose3d_lib.common.paths import outputs_dir
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.spec import DataSpec, Name, Names
from pose3d_lib.model.poses import FORMATS
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.scarcity import ScarcityConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from pose3d_lib.training.settings import OneOrMore, Seed

NEWEST, TRAIN = "newest", "train"
READY = "ready"  # the model that comes along
GIF = "gif"  # among the formats: some clips, moving


class LessonConfig(DataSpec):
    """What 00_how_it_works trains its small networks on. The data's settings are those of `DataSpec`.

    Attributes:
        action: whose frames, exactly as the dataset spells it.
        steps: of each training, of 64 windows.
        seed: of the initial weights, the order of the windows and the dropout masks.
    """

    action: Name = "Sitting"
    steps: int = Field(400, ge=1, le=100_000)
    seed: Seed = 0

    @field_validator("action")
    @classmethod
    def _one_action(cls, action: str) -> str:
        if action == ALL:
            raise ValueError(f"{ALL!r} stands for every action, and the lesson compares one with all; name one")
        return action

    def run(self, unit: int, **changes) -> RunConfig:
        """A run of these steps, as published but for `changes`, where a unit epoch has `unit` windows."""
        settings = self.model_dump(exclude={"steps"}) | {"unit_epochs": 64 * self.steps / unit, "evaluate_at": ()}
        return RunConfig(**settings | changes)


class PredictConfig(DataSpec):
    """What is lifted, by which model, into which files. The data's settings are those of `DataSpec`.

    Attributes:
        model: what `open_model` opens, such as "ready"; NEWEST, the last finished run of all actions, trained on all subjects
            and frames; TRAIN, the same, trained first if there is none.
        statistics: of the batch norms of a run: recomputed after its training, or as published. The file of a model has but one
            kind.
        keypoints: which 2D source the model sees; by default the one it was trained on. The model says whether it sees
            scores too.
        subjects: whose clips; by default the test subjects or, where there are none, everybody's.
        actions: of which actions; by default all.
        clips: at most this number, spread over all that were chosen; 0 for all of them.
        formats: of the files of poses: npz, csv, json, bvh (Blender), trc (OpenSim); gif adds a short animation of some clips.
        upright: turn poses so that y is down along gravity, as standing people tell, where the camera's place is not known.
        output: the folder of all files; by default one under `outputs/predictions/`.
        overwrite: whether existing files are replaced.
        device: "cpu" or "cuda"; "auto" is the latter where there is one.
    """

    model: str = READY
    statistics: Literal["recomputed", "published"] = "recomputed"
    keypoints: str = ""
    subjects: Names = ()
    actions: Names = ()
    clips: int = Field(0, ge=0)
    formats: OneOrMore[str] = ("npz",)
    upright: bool = True
    output: str = ""
    overwrite: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_name(name, (*FORMATS, GIF), "format") for name in formats)


NOTEBOOKS = {
    "00_how_it_works": LessonConfig,
    "01_data_prep": DataSpec,
    "02_train": RunConfig,
    "03_action_based": StudyConfig,
    "04_results": StudyConfig,
    "05_semi_supervised": ScarcityConfig,
    "06_predict": PredictConfig,
}


def check_parameters(notebook: str, parameters: Mapping[str, object]) -> object:
    """The config that a notebook's parameters make; an InputError for a wrong one, within a second, nothing started."""
    config = make_config(NOTEBOOKS[notebook], parameters)
    check_data(config)
    return config


def notebook_output(notebook: str) -> Path:
    """The executed copy of a notebook that belongs to no single run."""
    return outputs_dir() / "notebooks" / f"{notebook}.ipynb"
