"""Trained models: the card of a finished run; a model in one file, with its card in the metadata; opening any model."""

import os
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.files import sort_metadata, write_atomically, write_json
from pose3d_lib.common.paths import make_folder, models_dir, runs_dir
from pose3d_lib.data.actions import nearest
from pose3d_lib.model.card import (
    PUBLISHED,
    RECOMPUTED,
    Errors,
    ModelCard,
    TrainedModel,
    Training,
    build_networks,
    licence_of,
    network_of,
    parse_card,
    read_tensors,
    read_weights,
)
from pose3d_lib.model.evaluate import ROOT_ERROR
from pose3d_lib.runs import layout
from pose3d_lib.runs.inventory import Finished, choose_run, other_version, run_names
from pose3d_lib.runs.layout import CARD, FINISHED, WEIGHTS, read_json
from pose3d_lib.runs.run import Run
from pose3d_lib.training.budget import learning_rate
from pose3d_lib.training.plan import RunPlan, build_lifters

FORMAT = "pose3d-model-1"
SUFFIX = ".safetensors"
CHECKPOINTS = (".bin", ".pt", ".pth", ".tar")  # of VideoPose3D, and of its forks
READY = {
    name: Path(str(resources.files("pose3d_lib.model"))) / "ready" / f"{name}{SUFFIX}"
    for name in ("ready", "ready-causal")
}

ANOTHER = "get the file again, or name another model"


def write_card(run: Run, plan: RunPlan) -> None:
    """Writes the card of a run whose errors are written into its folder."""
    config, data, provenance = plan.config, plan.data, run.provenance
    clips, unlabelled, budget = plan.train, plan.unlabelled, plan.budget
    timing = run.timing
    with torch.device("meta"):  # no memory is taken, and no random number
        network = network_of(build_lifters(config, data).pose)
    card = ModelCard(
        name=run.folder.name,
        network=network,
        trajectory=config.has_trajectory,
        keypoints=config.keypoints,
        layout=data.layouts[config.keypoints],
        skeleton=data.skeleton,
        fps=tuple(sorted(set(clips.fps))),
        statistics=RECOMPUTED,
        epochs=timing["epochs"],
        lr=learning_rate(
            config.lr, config.lr_decay, seen=timing["windows"], budget=budget, decay_per=config.lr_decay_per
        ),
        training=Training(
            run=run.folder.name,
            dataset=data.name,
            fingerprint=data.fingerprint,
            synthetic=data.synthetic,
            subjects=tuple(dict.fromkeys(clips.subject)),
            actions=tuple(dict.fromkeys(clips.action)),
            clips=len(clips),
            frames=int((clips.stop - clips.start).sum()),
            windows=timing["windows"],
            unlabelled_clips=unlabelled.index.nunique(),
            unlabelled_subjects=tuple(dict.fromkeys(unlabelled.sort_index().subject)),
            notes=tuple(data.declarations()),
            config=config.model_dump(mode="json"),
            commit=provenance["commit"],
            packages=provenance["packages"],
        ),
        errors=Errors(
            dataset=data.name,
            subjects=tuple(dict.fromkeys(plan.test.subject)),
            mirrored=config.mirror_testing,
            **_measured(run.metrics),
        ),
        licence=licence_of(data),
        origin=f"Trained by pose3d-lib {provenance['packages']['pose3d-lib']}, in the run {run.folder.name}.",
    )
    write_json(run.folder / CARD, card.model_dump(mode="json"))


def _measured(summary: Mapping) -> dict[str, object]:
    """The part of `Errors` that was measured, of what `summarise` gave."""
    means = {name: summary[name] for name in ("actions", "action_wise", "frame_wise")}
    return {**means, "trajectory": summary.get("trajectory", {}).get(ROOT_ERROR, {})}


def read_run_card(folder: Path) -> ModelCard:
    """The card of a finished run, wherever its folder lies; an InputError where it is unfinished, or its card damaged."""
    try:
        if other := other_version(read_json(folder / FINISHED, Finished).format):
            raise InputError(f"{other}: train that run again")
        return parse_card((folder / CARD).read_bytes())
    except (InputError, OSError) as error:
        raise InputError(f"{folder}: not a finished run ({error}); `pose3d runs list` shows those that are") from error


def save_model(model: TrainedModel, path: Path, *, half: bool = False) -> None:
    """Writes a model's file, which is there whole or not at all; with `half`, its matrices in half precision."""
    make_folder(path.parent)
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.lifters.state_dict().items()}
    if half:
        weights = {name: tensor.half() if tensor.dim() == 2 else tensor for name, tensor in weights.items()}
    metadata = {"format": FORMAT, "card": model.card.model_dump_json()}
    write_atomically(path, lambda unfinished: save_file(weights, unfinished, metadata=metadata), sort_metadata)


def read_card(path: Path) -> ModelCard:
    """The card in a model's file, of which only the header is read; an InputError where it is none, or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a model's file ({error}); {ANOTHER}") from error
    if metadata.get("format") != FORMAT or "card" not in metadata:
        hint = "name the run's folder instead" if path.name == WEIGHTS else ANOTHER
        raise InputError(
            f"{path}, key 'format': found {metadata.get('format')!r}, expected {FORMAT!r}: weights without a card; {hint}"
        )
    try:
        return parse_card(metadata["card"])
    except InputError as error:
        raise InputError(f"{path}, key 'card': {error}; {ANOTHER}") from error


def open_model(
    what: str | Path, *, statistics: str = RECOMPUTED, say: Callable[[str], None] = lambda line: None
) -> TrainedModel:
    """A model by its name; an InputError where there is no such model, or it cannot be read.

    Args:
        what: "ready" or "ready-causal", which come along; or a file `.safetensors`, or a checkpoint of VideoPose3D (`.bin`,
            `.pt`, `.pth`, `.tar`), in the working directory or among the imported models, which need no ending; or a run: its
            folder, its name, or a part of its name.
        statistics: of the batch norms of a run, one of STATISTICS. A file has but one kind: an InputError where it holds
            recomputed ones and those as published are asked for.
        say: called with a line for each assumption about a checkpoint of VideoPose3D, and where a file holds statistics as
            published.
    """
    path = Path(what).expanduser()
    place = _find(path)
    if place.suffix in CHECKPOINTS:
        from pose3d_lib.model.videopose3d import import_checkpoint  # which a run's kernel does not need

        model = import_checkpoint(place)
        for sentence in model.card.assumed:
            say(f"assumed, as {path.name} does not say; options are those of `pose3d checkpoint import`: {sentence}")
        return model
    if place.suffix != SUFFIX:
        return _open_run(place, statistics)
    model = _load_weights(place, read_card(place))
    found = model.card.statistics
    if (found, statistics) == (RECOMPUTED, PUBLISHED):
        raise InputError(
            f"{place}: holds recomputed statistics of its batch norms only, and those as published were asked for; name the run "
            "that it comes from"
        )
    if (found, statistics) == (PUBLISHED, RECOMPUTED):
        say(f"{path.name} holds the statistics of its batch norms as published; they are used, as it holds no others")
    return model


def _open_run(folder: Path, statistics: str) -> TrainedModel:
    """The model of a finished run with either statistics, and the errors that were measured with them."""
    model = _load_weights(folder / WEIGHTS, read_run_card(folder))
    if statistics == RECOMPUTED:
        return model
    run = Run(folder, PUBLISHED)
    published = read_tensors(folder / layout.STATISTICS_PUBLISHED, remedy=ANOTHER)
    try:
        model.lifters.load_statistics(published)
        errors = Errors(**{**model.card.errors.model_dump(), **_measured(run.metrics)})
    except (RuntimeError, ValueError, LookupError) as error:
        raise InputError(f"{folder}: not with statistics and errors as published ({error}); {ANOTHER}") from error
    return TrainedModel(model.lifters, model.card.model_copy(update={"statistics": PUBLISHED, "errors": errors}))


def _find(path: Path) -> Path:
    """The file itself or of that name among the imported models, or the folder of the run."""
    if str(path) in READY:
        return READY[str(path)]
    is_file = path.suffix in (SUFFIX, *CHECKPOINTS)
    for place in (path, models_dir() / path) if is_file else (models_dir() / f"{path}{SUFFIX}",):
        if os.path.isfile(place):  # False too of a name that no file can have
            return place
    if not is_file:
        return path if os.path.isdir(path) else runs_dir() / choose_run(str(path), run_names())
    there = {file.name for folder in (Path.cwd(), models_dir()) for file in folder.glob(f"*{path.suffix}")}
    meant = ", ".join(map(printable, nearest(path.name, sorted(there))))
    raise InputError(
        f"{printable(str(path))}: there is no such file, neither in {Path.cwd()} nor in {models_dir()}; "
        f"{f'did you mean {meant}? ' if meant else ''}Give the path of a model's file, or the name of a run"
    )


def _load_weights(path: Path, card: ModelCard) -> TrainedModel:
    weights = read_weights(path, lambda: build_networks(card), told="its card", remedy=ANOTHER)
    lifters = build_networks(card)
    lifters.load_state_dict(weights)
    return TrainedModel(lifters.eval(), card)
