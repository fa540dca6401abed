"""`PredictConfig`: which clips of which data a model shall lift, and what becomes of it; the parameters of 06_predict."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pose3d_lib.data.actions import check_name
from pose3d_lib.data.spec import AsList, DataSpec, Names
from pose3d_lib.model.poses import FORMATS

NEWEST, TRAIN = "newest", "train"
"""What `model` may say in place of a model: the last run of all actions, trained on all subjects and frames, that was finished;
to train that run if need be."""


class PredictConfig(DataSpec):
    """What is lifted, by which model, into which files. The data's settings are those of `DataSpec`.

    Attributes:
        model: what `open_model` opens, or NEWEST or TRAIN.
        keypoints: which 2D source the model sees; none given stands for that which it was trained on. Whether it sees scores
            too is the model's to say.
        subjects: whose clips; none given stands for the test subjects or, where there are none, for everybody.
        actions: doing what; none given stands for every action.
        clips: at most so many, spread over all that were chosen; 0 for all of them.
        formats: of the files of poses, some of FORMATS.
        output: the folder of all files; none given stands for one under `outputs/predictions/`.
        overwrite: whether files that are there already are replaced.
        device: "cpu" or "cuda"; "auto" is the latter where there is one.
    """

    model: str = NEWEST
    keypoints: str = ""
    subjects: Names = ()
    actions: Names = ()
    clips: int = Field(0, ge=0)
    formats: Annotated[tuple[str, ...], AsList] = ("npz",)
    output: str = ""
    overwrite: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def data_with(self, keypoints: str, *, scores: bool) -> DataSpec:
        """The part that says which data, with this 2D source, with or without its scores."""
        own = {name: getattr(self, name) for name in DataSpec.model_fields}
        return DataSpec(**own | {"keypoints": keypoints, "scores": scores})

    @field_validator("formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for name in formats:
            check_name(name, FORMATS, "format")
        if not formats or len(set(formats)) < len(formats):
            raise ValueError(f"give one or more of {', '.join(FORMATS)}, each once")
        return formats
