"""`ModelCard`: what a trained model is, what it was trained on, its errors, its terms; its weights; and which data it fits."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pose3d_lib.common.errors import InputError, printable, some
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.lifter import Lifters, TemporalLifter, check_widths

NORMALISATION = "the image's width becomes [-1, 1], its aspect is kept"  # `normalize_screen`, as in VideoPose3D
UNITS = "metres"
NEAR = 0.2  # share by which a frame rate may lie beyond those that a model was trained on without a warning
SYNTHETIC = "Trained on synthetic data, which a program made: nobody was filmed, and no terms of data apply."
RECOMPUTED, PUBLISHED = STATISTICS = "recomputed", "published"  # of the batch norms, as `recompute_statistics` says

Text = Annotated[str, AfterValidator(printable)]  # can be shown on a terminal, whatever file it comes from


def _printable_joints(skeleton: Skeleton) -> Skeleton:
    if not skeleton.joints:
        raise ValueError("no joints")
    return replace(skeleton, name=printable(skeleton.name), joints=tuple(map(printable, skeleton.joints)))


Joints = Annotated[Skeleton, AfterValidator(_printable_joints)]


class CardPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Network(CardPart):
    """The shape of a network, as in `TemporalLifter`: `in_features` is 3 if it sees scores too, `labels` are told actions."""

    filter_widths: Annotated[tuple[int, ...], AfterValidator(check_widths)]
    channels: int = Field(ge=1, le=2**16)
    dropout: float = Field(ge=0, lt=1)
    causal: bool
    dense: bool
    in_features: int = Field(ge=2, le=3)
    labels: tuple[Text, ...] = ()

    def build(self, layout: Skeleton, skeleton: Skeleton, *, trajectory: bool) -> Lifters:
        """Untrained networks from the joints of `layout` to those of `skeleton` and, if asked for, to the root."""
        joints_out = (skeleton.num_joints, 1) if trajectory else (skeleton.num_joints,)
        own = {"num_joints_in": layout.num_joints, **self.model_dump()}
        return Lifters(*(TemporalLifter(num_joints_out=joints, **own) for joints in joints_out))


class Training(CardPart):
    """What a model was trained on, and how: the run, its data as in `PoseDataset`, its clips, its software."""

    run: Text
    dataset: Text
    fingerprint: Text
    synthetic: bool
    subjects: tuple[Text, ...]
    actions: tuple[Text, ...]
    clips: int
    frames: int  # of every camera, as far as the run used them
    windows: int  # seen, repetitions and mirror images included
    unlabelled_clips: int  # seen without their 3D poses
    unlabelled_subjects: tuple[Text, ...]
    notes: tuple[Text, ...]  # the declarations of the data
    config: dict[str, JsonValue]
    commit: Text | None  # of the code, with "+" for uncommitted changes; None if not known
    packages: dict[Text, Text]  # name -> version


class Means(CardPart):
    """The four errors of METRICS: mm, and mm per frame."""

    mpjpe: float
    p_mpjpe: float
    n_mpjpe: float
    mpjve: float


class ActionErrors(Means):
    frames: int


class Errors(CardPart):
    """What a model was tested on, and its errors there."""

    dataset: Text
    subjects: tuple[Text, ...]
    mirrored: bool  # averaged with the mirror image
    actions: dict[Text, ActionErrors] = Field(min_length=1)
    action_wise: Means  # mean over actions
    frame_wise: Means  # mean over frames
    trajectory: dict[Text, float] = {}  # action -> mean error of the root, mm; empty without a network for it


class ModelCard(CardPart):
    """All about a trained model except its weights; None where something is not known."""

    name: Text
    network: Network  # of the pose, and of the trajectory
    trajectory: bool  # whether there is a second network, of the root in camera space
    keypoints: Text  # the 2D source that it was trained on
    layout: Joints  # joints that go in, in order
    skeleton: Joints  # joints that come out, in order
    fps: tuple[float, ...]  # of what it was trained on
    normalisation: Literal[NORMALISATION] = NORMALISATION
    units: Literal[UNITS] = UNITS  # of what comes out
    statistics: Literal["recomputed", "published", ""] = ""  # of the batch norms, as in STATISTICS; "": not known
    epochs: float | None = None  # passes over its own frames, as in VideoPose3D's files
    lr: float | None = None  # learning rate of the next epoch, as there
    training: Training | None = None
    errors: Errors | None = None
    licence: Text  # the terms of what it was trained on, in sentences
    origin: Text  # how the model came to be, in a sentence
    assumed: tuple[Text, ...] = ()  # sentences on what is a convention and not known of this model

    @property
    def mirrored(self) -> bool:
        """Whether its predictions are averaged with those of the mirror image; they are by default."""
        return self.errors is None or self.errors.mirrored

    @property
    def is_ready(self) -> bool:
        """Whether it is a model that comes along, trained for keypoints of any detector on data that no reader makes."""
        return self.training is not None and self.training.config.get("dataset") == "ready"


def parse_card(text: str | bytes) -> ModelCard:
    """The card in a text of JSON, or an InputError that says where it is invalid."""
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = printable(".".join(str(part) for part in problem["loc"]))[:100] or "the whole card"
        raise InputError(f"not a model's card ({where}: {problem['msg']})") from error


@dataclass(frozen=True)
class TrainedModel:
    """The networks, on the CPU and in evaluation mode, and their card."""

    lifters: Lifters
    card: ModelCard


def network_of(model: TemporalLifter) -> Network:
    return Network(**{name: getattr(model, name) for name in Network.model_fields})


def build_networks(card: ModelCard) -> Lifters:
    """The untrained networks that a card describes."""
    return card.network.build(card.layout, card.skeleton, trajectory=card.trajectory)


def read_tensors(path: Path, *, remedy: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file; an InputError where it cannot be read or a number is not finite."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from error
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"{path}: {name} has numbers that are not finite; {remedy}")
    return tensors


def read_weights(path: Path, build: Callable[[], Lifters], *, told: str, remedy: str) -> dict[str, Tensor]:
    """`read_tensors`; also an InputError where they are not exactly those of the networks that `build` makes.

    Matrices may be in half precision. For messages: `told` is where it says that the file holds those.
    """
    weights = read_tensors(path, remedy=remedy)
    with torch.device("meta"):  # no memory is taken
        expected = build().state_dict()
    check_shapes(weights, expected, f"{path}: other weights than {told} says", remedy)
    return weights


def check_shapes(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str, remedy: str) -> None:
    """Rejects tensors of which one is missing, has another shape, or is one more than expected; `where` they are."""
    shapes = [{name: list(own.shape) for name, own in tensors.items()} for tensors in (found, expected)]
    for name in sorted(found.keys() | expected.keys()):
        own, other = shapes[0].get(name, "missing"), shapes[1].get(name, "no tensor of that name")
        if own != other:
            raise InputError(f"{where}: {printable(name)[:100]} is {own}, expected {other}; {remedy}")


def licence_of(data: PoseDataset) -> str:
    """The terms of weights that were trained on some data, as far as they are known here."""
    if data.synthetic:
        return SYNTHETIC
    unknown = "Its terms are not known here; they decide what may be done with weights that were trained on it."
    return f"Trained on {data.name}. {data.terms or unknown}"


def check_fit(card: ModelCard, data: PoseDataset, keypoints: str, clips: pd.DataFrame) -> list[str]:
    """Warnings, a sentence each: on another 2D source or frame rate and, where errors can be measured, on people seen before.

    An InputError for keypoints of other joints or another number of features, and an action that the model cannot be told.
    """
    told_actions(card.network, clips)
    what = f"the keypoints {keypoints!r} of {data.name} are"
    _check_joints(card, "sees", card.layout, data.layouts[keypoints], what, "keypoints")
    features = 2 + (keypoints in data.scores)
    if features != card.network.in_features:
        seen = {2: "x and y of a keypoint", 3: "x, y and the score of a keypoint"}
        raise InputError(
            f"model {card.name}: sees {seen[card.network.in_features]}; {what} opened with {seen[features]}; the parameter "
            "`scores` says which"
        )
    warnings = []
    # The keypoints of the ready models' dataset are like those of many detectors.
    if keypoints != card.keypoints and not card.is_ready:
        warnings.append(
            f"The keypoints are {keypoints!r}, and the model was trained on {card.keypoints!r}, whose errors it knows."
        )
    slowest, fastest = min(card.fps, default=0) * (1 - NEAR), max(card.fps, default=np.inf) * (1 + NEAR)
    if other := sorted({rate for rate in data.clips.fps if not slowest <= rate <= fastest}):
        every = math.ceil(other[-1] / fastest)
        warnings.append(
            f"{data.name} has {_numbers(other)} frames per second, and the model was trained on {_numbers(card.fps)}: "
            f"motion looks faster or slower to it than it was{f'; downsample {every} keeps one frame of {every}' * (every > 1)}."
        )
    measured = clips[clips.labelled] if data.skeleton.joints == card.skeleton.joints else clips[:0]
    return [*warnings, *_seen_before(card, data, measured)]


def _seen_before(card: ModelCard, data: PoseDataset, clips: pd.DataFrame) -> list[str]:
    """Warnings on people whom a model has seen in training.

    A dataset with other settings has another fingerprint and the same people: its name counts.
    """
    training, plain = card.training, re.compile(r"-every\d+$")  # the part of a name that tells the frame rate
    if training is None or plain.sub("", training.dataset) != plain.sub("", data.name):
        return []
    trained = [name for name in dict.fromkeys(clips.subject) if name in training.subjects]
    watched = [name for name in dict.fromkeys(clips.subject) if name in {*training.unlabelled_subjects} - {*trained}]
    maybe = "" if training.fingerprint == data.fingerprint else f" of a dataset by the same name, {training.dataset}"
    warnings = []
    if trained:
        warnings.append(
            f"The model was trained on {', '.join(trained)}{maybe}: errors there say nothing about other people."
        )
    if watched:
        warnings.append(
            f"The model saw video of {', '.join(watched)}{maybe} in its training, without poses: errors there are not those "
            "on people whom it never saw."
        )
    return warnings


def told_actions(network: Network | TemporalLifter, clips: pd.DataFrame) -> pd.Series:
    """The action that a network is told of each clip: the column "told" of the clips or, without it, the clip's own.

    Raises:
        InputError: an action that a network which is told it was not trained with.
    """
    told = clips.get("told", clips.action)
    unknown = [action for action in told if action not in network.labels]
    if network.labels and unknown:
        raise InputError(
            f"this model has to be told the action, and {printable(str(unknown[0]))!r} is none of those that it was trained "
            f"with: {', '.join(network.labels)}; choose clips of these, or another model"
        )
    return told


def check_skeleton(card: ModelCard, data: PoseDataset) -> None:
    """Rejects a dataset whose 3D joints are not those that a model predicts."""
    _check_joints(card, "predicts", card.skeleton, data.skeleton, f"the poses of {data.name} have", "data")


def _check_joints(card: ModelCard, does: str, own: Skeleton, found: Skeleton, what: str, choice: str) -> None:
    if own.joints != found.joints:
        raise InputError(
            f"model {card.name}: {does} the {own.num_joints} joints of {own.name}; {what} the {found.num_joints} joints of "
            f"{found.name}. In order, {', '.join(found.joints)}; expected {', '.join(own.joints)}. Choose other {choice}, or "
            "another model"
        )


def _numbers(values: Sequence[float]) -> str:
    return some([f"{value:g}" for value in values])
