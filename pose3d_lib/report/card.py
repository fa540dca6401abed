"""A model's card in words, and as the Markdown that goes with its file."""

from collections.abc import Iterator, Mapping

import pandas as pd
import torch

from pose3d_lib.common.errors import printable
from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import to_markdown, to_text
from pose3d_lib.model.card import ModelCard, build_networks
from pose3d_lib.model.card_parts import Errors, Network, Training
from pose3d_lib.model.evaluate import METRICS, errors_table
from pose3d_lib.model.lifter import receptive_field
from pose3d_lib.training.config import RunConfig

FEATURES = {2: "x and y", 3: "x, y and its score"}

UNKNOWN = "nobody knows"

ASSUMED = "Not in its file, and assumed"
LICENCE = "Licence"
ERRORS_ON = "Errors on "
"""Begins the title of the table."""

BRIEF = ("Origin", "Network", ASSUMED, "Licence")
"""Titles of what has to be known of a model first."""


def describe_card(card: ModelCard) -> Iterator[tuple[str, str]]:
    """What there is to know of a model, as titles and plain texts; a text of several lines is a list or a table."""
    yield "Origin", card.origin
    yield "Network", _network(card)
    yield "Sees", _seen(card)
    yield "Predicts", _predicted(card)
    if card.assumed:
        yield ASSUMED, "\n".join(card.assumed)
    yield LICENCE, card.licence
    yield "Trained on", f"{UNKNOWN} here" if card.training is None else _training(card.training)
    yield "Trained for", _length(card)
    if card.training is not None:
        yield "Settings", tell_settings(card.training.config)
        yield "Trained with", _made_with(card.training)
        if card.training.notes:
            yield "Of the data", "\n".join(card.training.notes)
    if card.errors is None:
        yield "Errors", f"{UNKNOWN} here; `pose3d evaluate` measures them"
    else:
        yield f"{ERRORS_ON}{_errors_title(card.errors)}", to_text(_errors(card.errors))


def card_markdown(card: ModelCard) -> str:
    """The card as a document of its own."""
    lines = [f"# {escape_markdown(card.name)}", ""]
    for title, text in describe_card(card):
        escape = str if title == LICENCE else escape_markdown  # addresses in prose stay links
        rows = [escape(row) for row in text.splitlines()]
        body = "\n".join(f"- {row}" for row in rows) if len(rows) > 1 else "".join(rows)
        if title.startswith(ERRORS_ON):
            body = to_markdown(_errors(card.errors))
        lines += [f"## {escape_markdown(title)}", "", body, ""]
    return "\n".join(lines)


def tell_settings(config: Mapping[str, object]) -> str:
    """Action, seed and what differs from the defaults of `RunConfig`, a line each."""
    default = RunConfig().model_dump(mode="json")
    names = [name for name in config if name in ("action", "seed") or config[name] != default.get(name, ...)]
    lines = [
        f"{tell_value(name)}: {tell_value(config[name])}"
        for name in sorted(names, key=lambda name: name not in ("action", "seed"))
    ]
    return "\n".join([*lines, "all others: the defaults"])


def tell_value(value: object) -> str:
    """A value of JSON as a person reads it; a list as a command line gives it."""
    if isinstance(value, list):
        return ",".join(map(tell_value, value)) or "none"
    if type(value) in (int, float):
        return f"{value:,}" if type(value) is int else f"{value:,.6g}"
    return printable(str(value))[:300]


def _network(card: ModelCard) -> str:
    made: Network = card.network
    kinds = ["causal: it sees no later frame"] * made.causal + ["dense convolutions"] * made.dense
    with torch.device("meta"):  # no memory is taken
        parameters = build_networks(card).num_parameters
    return "; ".join(
        [
            f"filter widths {','.join(map(str, made.filter_widths))}, so {receptive_field(made.filter_widths)} frames",
            f"{made.channels} channels",
            *kinds,
            f"dropout {made.dropout:g}",
            f"{parameters:,} parameters{' in two networks' if card.trajectory else ''}",
        ]
    )


def _seen(card: ModelCard) -> str:
    fps = ", ".join(f"{rate:g}" for rate in card.fps) or UNKNOWN
    return "\n".join(
        [
            f"joints: {card.layout.num_joints} of {card.layout.name}, {FEATURES[card.network.in_features]} of each: "
            f"{', '.join(card.layout.joints)}",
            f"keypoints: {card.keypoints}",
            f"frames per second: {fps}",
            f"pixels: normalised, {card.normalisation}",
        ]
    )


def _predicted(card: ModelCard) -> str:
    root = card.skeleton.joints[0]
    lines = [
        f"joints: {card.skeleton.num_joints} of {card.skeleton.name}: {', '.join(card.skeleton.joints)}",
        f"each relative to {root}, in the camera's axes, {card.units}",
    ]
    if card.trajectory:
        lines.append(f"trajectory: where {root} is in the camera's axes, {card.units}")
    return "\n".join(lines)


def _training(training: Training) -> str:
    lines = [
        f"data: {training.dataset}, fingerprint {training.fingerprint[:10]}"
        f"{', synthetic: nobody was filmed' if training.synthetic else ''}",
        f"subjects: {', '.join(training.subjects)}",
        f"actions: {', '.join(training.actions)}",
        f"clips: {training.clips:,} of {training.frames:,} frames",
    ]
    if training.unlabelled_clips:
        whose = f", of {', '.join(training.unlabelled_subjects)}" if training.unlabelled_subjects else ""
        lines.append(f"and {training.unlabelled_clips:,} clips without their 3D poses{whose}")
    return "\n".join(lines)


def _length(card: ModelCard) -> str:
    if card.epochs is None:
        return UNKNOWN
    windows = f", {card.training.windows:,} windows" if card.training else ""
    return f"{card.epochs:,.4g} epochs of its own frames{windows}"


def _made_with(training: Training) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in training.packages.items())
    return f"commit {training.commit or UNKNOWN}\n{packages}"


def _errors_title(errors: Errors) -> str:
    mirrored = "averaged with the mirror image" if errors.mirrored else "without the mirror image"
    return f"{errors.dataset}, test subjects {', '.join(errors.subjects)}, {mirrored}"


def _errors(errors: Errors) -> pd.DataFrame:
    rows = {action: own.model_dump() for action, own in errors.actions.items()}
    return errors_table(pd.DataFrame.from_dict(rows, orient="index")[["frames", *METRICS]], errors.trajectory)
