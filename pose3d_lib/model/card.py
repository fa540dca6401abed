"""`ModelCard`: what a trained model is, what it learnt from, how good it is, and under which terms; and what it fits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from pydantic import ValidationError

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import ROOT, Skeleton
from pose3d_lib.model.card_parts import CardPart, Errors, Joints, Network, Text, Training
from pose3d_lib.model.lifter import Lifters, TemporalLifter

NORMALISATION = "the image's width becomes [-1, 1], its aspect is kept"
"""What `normalize_screen` does to pixels; VideoPose3D does the same."""

UNITS = "metres"

SYNTHETIC = "Trained on synthetic data, which a program made: nobody was filmed, and no terms of data apply."

MOST_NAMED = 8
"""Joints, subjects or numbers that a message lists."""


class ModelCard(CardPart):
    """What has to be known of a trained model besides its weights.

    Attributes:
        name: of the model, for people.
        network: what the network of the pose is made like, and that of the trajectory too.
        trajectory: whether there is a second network, of the root's place in camera space.
        keypoints: the 2D source that it was trained on.
        layout, skeleton: joints that go in and that come out, in order.
        fps: frames per second of what it was trained on; several if there were several, none where nobody knows.
        normalisation: how pixels become what the network sees.
        units: of what comes out.
        epochs, lr: how often it saw its own frames, and the learning rate of the next epoch, as in VideoPose3D's files.
        training, errors: what it was trained and tested on. Of these and of the two before, None where nobody knows.
        licence: the terms of what it was trained on, in sentences.
        origin: how the model came to be, in a sentence.
        assumed: sentences on what is a convention and not known of this very model.
    """

    name: Text
    network: Network
    trajectory: bool
    keypoints: Text
    layout: Joints
    skeleton: Joints
    fps: tuple[float, ...]
    normalisation: Text = NORMALISATION
    units: Text = UNITS
    epochs: float | None = None
    lr: float | None = None
    training: Training | None = None
    errors: Errors | None = None
    licence: Text
    origin: Text
    assumed: tuple[Text, ...] = ()

    @property
    def mirrored(self) -> bool:
        """Whether its predictions are averaged with those of the mirror image; they are where nobody knows better."""
        return self.errors is None or self.errors.mirrored


def parse_card(text: str | bytes) -> ModelCard:
    """The card that a text of JSON is, or an InputError that says where it is none."""
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = printable(".".join(str(part) for part in problem["loc"]))[:100] or "the whole card"
        raise InputError(f"not a model's card ({where}: {problem['msg']})") from error


@dataclass(frozen=True)
class TrainedModel:
    """The networks, on the CPU and in evaluation mode, and what has to be known of them."""

    lifters: Lifters
    card: ModelCard


def network_of(model: TemporalLifter) -> Network:
    """What a network is made like."""
    return Network(
        filter_widths=model.filter_widths,
        channels=model.shrink.in_features,
        dropout=model.expand.dropout,
        causal=model.causal,
        dense=model.dense,
        in_features=model.in_features,
    )


def build_networks(card: ModelCard) -> Lifters:
    """The untrained networks that a card describes."""

    def build(joints: Skeleton) -> TemporalLifter:
        made = card.network
        return TemporalLifter(
            num_joints_in=card.layout.num_joints,
            in_features=made.in_features,
            num_joints_out=joints.num_joints,
            filter_widths=made.filter_widths,
            causal=made.causal,
            dense=made.dense,
            dropout=made.dropout,
            channels=made.channels,
        )

    return Lifters(build(card.skeleton), build(ROOT) if card.trajectory else None)


def licence_of(data: PoseDataset) -> str:
    """Under which terms weights are that were trained on some data, as far as is known here."""
    if data.synthetic:
        return SYNTHETIC
    if data.terms:
        return f"Trained on {data.name}. {data.terms}"
    return (
        f"Trained on {data.name}, whose terms are not known here; they decide what may be done with weights that were "
        "trained on it."
    )


def check_fit(card: ModelCard, data: PoseDataset, keypoints: str) -> list[str]:
    """Refuses keypoints that a model cannot see, and says in what those that it can see differ from its own.

    Args:
        card: the model's.
        data, keypoints: a dataset, and which of its 2D sources.

    Returns:
        Warnings, a sentence each: another 2D source, another frame rate.

    Raises:
        InputError: other joints, another number of input features, or another normalisation.
    """
    layout = data.layouts[keypoints]
    if layout.joints != card.layout.joints:
        raise InputError(
            f"model {card.name}: sees {_joints(card.layout)}; the keypoints {keypoints!r} of {data.name} are "
            f"{_joints(layout)}. {_difference(card.layout, layout)}Choose other keypoints, or another model"
        )
    features = 2 + (keypoints in data.scores)
    if features != card.network.in_features:
        seen = {2: "x and y of a keypoint", 3: "x, y and the score of a keypoint"}
        raise InputError(
            f"model {card.name}: sees {seen[card.network.in_features]}; the keypoints {keypoints!r} of {data.name} were "
            f"opened with {seen[features]}; the parameter `scores` says which"
        )
    if card.normalisation != NORMALISATION:
        raise InputError(
            f"model {card.name}: sees keypoints that were normalised in another way ({card.normalisation}) than is known "
            f"here ({NORMALISATION}); nothing that it predicted would be right"
        )
    warnings = []
    if keypoints != card.keypoints:
        warnings.append(
            f"The keypoints are {keypoints!r}, and the model was trained on {card.keypoints!r}, whose errors it knows."
        )
    if card.fps and (other := sorted(set(data.clips.fps) - set(card.fps))):
        warnings.append(
            f"{data.name} has {_numbers(other)} frames per second, and the model was trained on {_numbers(card.fps)}: "
            "motion looks faster or slower to it than it was."
        )
    return warnings


def seen_before(card: ModelCard, data: PoseDataset, clips: pd.DataFrame) -> list[str]:
    """Whom of some clips a model has seen in its training, as warnings on its errors there, a sentence each.

    Other settings make other data of the same people: of a dataset with another fingerprint the name counts.
    """
    training = card.training
    if training is None or _plain(training.dataset) != _plain(data.name):
        return []
    everybody = list(dict.fromkeys(clips.subject))
    trained = [name for name in everybody if name in training.subjects]
    video = [name for name in everybody if name in training.unlabelled_subjects and name not in trained]
    maybe = "" if training.fingerprint == data.fingerprint else f" of a dataset by the same name, {training.dataset}"
    warnings = []
    if trained:
        warnings.append(
            f"The model was trained on {', '.join(trained)}{maybe}: errors there say nothing about other people."
        )
    if video:
        warnings.append(
            f"The model saw video of {', '.join(video)}{maybe} in its training, without poses: errors there are not those "
            "on people whom it never saw."
        )
    return warnings


def _plain(name: str) -> str:
    """A dataset's name, whatever frame rate it was brought to."""
    return re.sub(r"-every\d+$", "", name)


def check_skeleton(card: ModelCard, data: PoseDataset) -> None:
    """Refuses a dataset whose 3D joints are not those that come out of a model, so that no error could be measured."""
    if data.skeleton.joints != card.skeleton.joints:
        raise InputError(
            f"model {card.name}: predicts {_joints(card.skeleton)}; the poses of {data.name} have {_joints(data.skeleton)}. "
            f"{_difference(card.skeleton, data.skeleton)}Choose other data, or another model"
        )


def _joints(skeleton: Skeleton) -> str:
    return f"the {skeleton.num_joints} joints of {skeleton.name}"


def _difference(expected: Skeleton, found: Skeleton) -> str:
    """How the joints of one differ from those of another, in a sentence."""
    missing = [joint for joint in expected.joints if joint not in found.joints]
    other = [joint for joint in found.joints if joint not in expected.joints]
    told = [
        f"{what} {', '.join(names[:MOST_NAMED])}" for what, names in (("lacking", missing), ("with", other)) if names
    ]
    return f"They differ: {'; '.join(told)}. " if told else "They are the same in another order. "


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values[:MOST_NAMED])
