"""The parts of a model's card: the network, what it was trained on, its errors; and the words that any of them may hold."""

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator

from pose3d_lib.common.errors import printable
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.lifter import receptive_field

MOST_FRAMES = 100_000
"""Of a receptive field; one that is longer is a mistake."""

Text = Annotated[str, AfterValidator(printable)]
"""What can be shown on a terminal, whoever wrote the file that it comes from."""


def _printable_joints(skeleton: Skeleton) -> Skeleton:
    if not skeleton.joints:
        raise ValueError("no joints")
    return replace(skeleton, name=printable(skeleton.name), joints=tuple(map(printable, skeleton.joints)))


Joints = Annotated[Skeleton, AfterValidator(_printable_joints)]


class CardPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Network(CardPart):
    """What a network is made like; attributes as in `TemporalLifter`, with `in_features` 3 where it sees scores too."""

    filter_widths: tuple[Annotated[int, Field(ge=1, le=1001)], ...] = Field(min_length=1, max_length=12)
    channels: int = Field(ge=1, le=2**16)
    dropout: float = Field(ge=0, lt=1)
    causal: bool
    dense: bool
    in_features: int = Field(ge=2, le=3)

    @field_validator("filter_widths")
    @classmethod
    def _odd_widths(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        if even := [width for width in widths if width % 2 == 0]:
            raise ValueError(f"a filter width of {even[0]}; they are odd")
        if receptive_field(widths) > MOST_FRAMES:
            raise ValueError(
                f"a receptive field of {receptive_field(widths):,} frames; at most {MOST_FRAMES:,} make sense"
            )
        return widths


class Training(CardPart):
    """What a model was trained on, and how.

    Attributes:
        run: the run's name.
        dataset, fingerprint, synthetic: of the data, as in `PoseDataset`.
        subjects, actions: whose clips, doing what.
        clips, frames: how many those are, as camera frames; a share of each clip if the run took a share.
        windows: seen, counting each as often as it was seen, mirror images too.
        unlabelled_clips: seen without their 3D poses.
        unlabelled_subjects: whose those are; cards that are older than this have none.
        notes: what the data's own declarations say.
        config: every setting of the run.
        commit: of the code, with "+" where it had uncommitted changes; None where nobody knows.
        packages: name -> version.
    """

    run: Text
    dataset: Text
    fingerprint: Text
    synthetic: bool
    subjects: tuple[Text, ...]
    actions: tuple[Text, ...]
    clips: int
    frames: int
    windows: int
    unlabelled_clips: int
    unlabelled_subjects: tuple[Text, ...] = ()
    notes: tuple[Text, ...]
    config: dict[str, JsonValue]
    commit: Text | None
    packages: dict[Text, Text]


class Means(CardPart):
    """The four errors as METRICS of `evaluation` has them: mm, and mm per frame."""

    mpjpe: float
    p_mpjpe: float
    n_mpjpe: float
    mpjve: float


class ActionErrors(Means):
    """Those of one action, and on how many frames."""

    frames: int


class Errors(CardPart):
    """What a model was tested on, and its errors there.

    Attributes:
        dataset, subjects: whose clips.
        mirrored: whether predictions were averaged with those of the mirror image.
        actions: action -> its errors.
        action_wise, frame_wise: their means over actions and over frames.
        trajectory: action -> mean error of the root, mm; empty without a network of the trajectory.
    """

    dataset: Text
    subjects: tuple[Text, ...]
    mirrored: bool
    actions: dict[Text, ActionErrors] = Field(min_length=1)
    action_wise: Means
    frame_wise: Means
    trajectory: dict[Text, float] = {}

    @field_validator("trajectory")
    @classmethod
    def _same_actions(cls, trajectory: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        if trajectory and trajectory.keys() != info.data.get("actions", {}).keys():
            raise ValueError("errors of the trajectory on other actions than those of the pose")
        return trajectory
