"""A model and a run in words: a model's card, also as Markdown; a run's settings, state, errors and command."""

import shlex
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pandas as pd
import torch
from rich.filesize import decimal as size_text

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import to_markdown, to_text
from pose3d_lib.model.card import PUBLISHED, RECOMPUTED, Errors, ModelCard, build_networks
from pose3d_lib.model.evaluate import METRICS, errors_table
from pose3d_lib.model.lifter import receptive_field
from pose3d_lib.runs.inventory import RunEntry, State
from pose3d_lib.runs.layout import CONFIG, LOG, PROVENANCE, TIMING, Whole, read_json
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import parameters_of

FEATURES = {2: "x and y", 3: "x, y and its score"}
UNKNOWN = "not known"
STATISTICS = {
    RECOMPUTED: "running statistics recomputed after the training, with the weights frozen",
    PUBLISHED: "running statistics as published: an average over the last steps, as the schedule of their momentum left it",
    "": "running statistics as its file has them; how they were averaged is not known",
}
ASSUMED = "Not in its file, and assumed"
LICENCE = "Licence"
ERRORS_ON = "Errors on "  # begins the title of the table

LAST_LINES = 10  # of the log that are shown of an unfinished run

WHAT_TO_DO = (
    "Nothing was repaired. Put the files back from a copy, or remove the run with `pose3d runs clean --damaged --yes` and "
    "train it again; `pose3d runs show NAME` gives the command."
)  # about a damaged run


def describe_card(card: ModelCard) -> Iterator[tuple[str, str]]:
    """Everything known of a model, as titles and plain texts; a text of several lines is a list or a table."""
    training = card.training
    yield "Origin", card.origin
    yield "Network", _network(card)
    yield "Batch norms", STATISTICS[card.statistics]
    fps = ", ".join(f"{rate:g}" for rate in card.fps) or UNKNOWN
    yield (
        "Sees",
        f"joints: {card.layout.num_joints} of {card.layout.name}, {FEATURES[card.network.in_features]} of each: "
        f"{', '.join(card.layout.joints)}\nkeypoints: {card.keypoints}\nframes per second: {fps}\n"
        f"pixels: normalised, {card.normalisation}",
    )
    joints = card.skeleton.joints
    place = f"in the camera's axes, {card.units}"
    trajectory = f"\ntrajectory: where {joints[0]} is {place}" if card.trajectory else ""
    yield (
        "Predicts",
        f"joints: {len(joints)} of {card.skeleton.name}: {', '.join(joints)}\n"
        f"each relative to {joints[0]}, {place}{trajectory}",
    )
    if card.assumed:
        yield ASSUMED, "\n".join(card.assumed)
    yield LICENCE, card.licence
    trained = training and tell_values(training.model_dump(mode="json", exclude={"config", "notes"}))
    yield "Trained on", trained or UNKNOWN
    yield "Trained for", UNKNOWN if card.epochs is None else f"{card.epochs:,.4g} epochs of its own frames"
    if training:
        yield "Settings", tell_settings(training.config)
        yield "Of the data", "\n".join(training.notes) or "nothing else"
    if card.errors is None:
        yield "Errors", f"{UNKNOWN}; `pose3d evaluate` measures them"
    else:
        mirrored = "averaged with the mirror image" if card.errors.mirrored else "without the mirror image"
        title = f"{ERRORS_ON}{card.errors.dataset}, test subjects {', '.join(card.errors.subjects)}, {mirrored}"
        yield title, to_text(_errors(card.errors))


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
    first = {name: config[name] for name in ("action", "seed") if name in config}
    others = {name: value for name, value in config.items() if value != default.get(name, ...)}
    return f"{tell_values(first | others)}\nall others: the defaults"


def tell_values(values: Mapping[str, object]) -> str:
    """What is in an object of JSON, a line each."""
    return "\n".join(f"{tell_value(name)}: {tell_value(value)}" for name, value in values.items())


def tell_value(value: object) -> str:
    """A value of JSON as a person reads it; a list as a command line gives it."""
    if isinstance(value, dict):
        return ", ".join(f"{tell_value(name)} {tell_value(own)}" for name, own in value.items())
    if isinstance(value, list):
        return ",".join(map(tell_value, value)) or "none"
    if type(value) in (int, float):
        return f"{value:,}" if type(value) is int else f"{value:,.6g}"
    return printable(str(value))[:300]


def _network(card: ModelCard) -> str:
    network = card.network
    with torch.device("meta"):  # no memory is taken
        parameters = build_networks(card).num_parameters
    parts = [
        f"filter widths {','.join(map(str, network.filter_widths))}, so {receptive_field(network.filter_widths)} frames",
        f"{network.channels} channels",
        "causal: it sees no later frame" if network.causal else "",
        "dense convolutions" if network.dense else "",
        f"told which of {len(network.labels)} actions it sees" if network.labels else "",
        f"dropout {network.dropout:g}",
        f"{parameters:,} parameters{' in two networks' if card.trajectory else ''}",
    ]
    return "; ".join(filter(None, parts))


def _errors(errors: Errors) -> pd.DataFrame:
    rows = {action: own.model_dump() for action, own in errors.actions.items()}
    return errors_table(pd.DataFrame.from_dict(rows, orient="index")[["frames", *METRICS]], errors.trajectory)


def describe_run(folder: Path, entry: RunEntry) -> Iterator[tuple[str, str]]:
    """Titles and texts about a run, whose `look_at` is given; of a file that cannot be read, why."""
    yield "State", _state(entry)
    yield "Folder", f"{folder}, {size_text(entry.size)}"
    for title, name, tell in (
        ("Settings", CONFIG, tell_settings),
        ("Made with", PROVENANCE, tell_values),
        ("Time", TIMING, tell_values),
    ):
        if (folder / name).exists():
            yield title, _read(folder / name, tell)
    if entry.state == State.FINISHED:
        run = Run(folder)
        yield "Errors", to_text(errors_table(run.actions, run.root_errors))
    elif (folder / LOG).is_file():
        with (folder / LOG).open(encoding="utf-8", errors="replace") as log:
            yield f"End of {LOG}", "\n".join(printable(line.rstrip("\n")) for line in deque(log, LAST_LINES))
    if entry.state == State.DAMAGED:
        yield "What to do", WHAT_TO_DO
    if entry.state != State.OTHER:
        with suppress(InputError):  # settings that are not valid here make no command
            yield "Command", start_command(read_json(folder / CONFIG, RunConfig))


def _read(path: Path, tell: Callable[[Mapping[str, object]], str]) -> str:
    try:
        return tell(read_json(path, Whole).root)
    except InputError as error:
        return str(error)


def _state(entry: RunEntry) -> str:
    progress = "" if entry.progress in (None, 1.0) else f", {100 * entry.progress:.1f} % trained"
    error = "" if entry.mpjpe is None else f", MPJPE {entry.mpjpe:.2f} mm on {tell_value(entry.action)}"
    what = "finished" if entry.state == State.FINISHED else "last written to"
    when = "" if entry.at is None else f", {what} {datetime.fromtimestamp(entry.at):%Y-%m-%d %H:%M}"
    note = f": {printable(entry.note)}" if entry.note else ""
    return f"{entry.state}{note}{progress}{error}{when}"


def start_command(config: RunConfig) -> str:
    """The command that makes a run of this config."""
    words = ["pose3d", "run", "02_train"]
    for name, value in parameters_of(config).items():
        words += ["-p", name, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return shlex.join(words)
