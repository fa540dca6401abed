"""A trained model in one file: safetensors, with its card as JSON in the metadata; and opening any model."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.files import sort_metadata, write_atomically
from pose3d_lib.common.paths import make_folder, models_dir, runs_dir
from pose3d_lib.data.actions import nearest
from pose3d_lib.model.card import ModelCard, TrainedModel, build_networks, parse_card
from pose3d_lib.model.file import check_weights, read_weights
from pose3d_lib.model.videopose3d.read import SUFFIXES as CHECKPOINTS
from pose3d_lib.model.videopose3d.read import import_checkpoint
from pose3d_lib.runs.card import read_run_card
from pose3d_lib.runs.inventory import choose_run, run_names
from pose3d_lib.runs.layout import WEIGHTS

FORMAT = "pose3d-model-1"
SUFFIX = ".safetensors"

ANOTHER = "get the file again, or name another model"


def save_model(model: TrainedModel, path: Path) -> None:
    """Writes a model's file, which is there whole or not at all."""
    make_folder(path.parent)
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.lifters.state_dict().items()}
    metadata = {"format": FORMAT, "card": model.card.model_dump_json()}

    def write(unfinished: Path) -> None:
        save_file(weights, unfinished, metadata=metadata)
        sort_metadata(unfinished)

    write_atomically(path, write)


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


def load_model(path: Path) -> TrainedModel:
    """The model in a file; an InputError where it is missing, no model's, damaged, or has other weights than its card says."""
    return _load_weights(path, read_card(path))


def open_model(what: str | Path, *, say: Callable[[str], None] = lambda line: None) -> TrainedModel:
    """A model by its name; an InputError where there is no such model, or it cannot be read.

    Args:
        what: a file `.safetensors`, or a checkpoint of VideoPose3D (`.bin`, `.pt`, `.pth`, `.tar`), in the working directory or
            among the imported models, which need no ending; or a run: its folder, its name, or a part of its name.
        say: called with a line for each assumption about a checkpoint of VideoPose3D.
    """
    path = Path(what).expanduser()
    try:
        place = _find(path)
    except OSError as error:
        raise InputError(f"{printable(str(what))[:300]}: cannot be looked at: {error.strerror}") from error
    if place.suffix in CHECKPOINTS:
        model = import_checkpoint(place)
        for sentence in model.card.assumed:
            say(f"assumed, as {path.name} does not say; options are those of `pose3d checkpoint import`: {sentence}")
        return model
    return load_model(place) if place.suffix == SUFFIX else _load_weights(place / WEIGHTS, read_run_card(place))


def _find(path: Path) -> Path:
    """The file, or the folder of the run."""
    if path.suffix in (SUFFIX, *CHECKPOINTS):
        return _find_file(path)
    if (imported := models_dir() / f"{path}{SUFFIX}").is_file():
        return imported
    return path if path.is_dir() else runs_dir() / choose_run(str(path), run_names())


def _find_file(path: Path) -> Path:
    """The file itself, or that of its name in the folder of imported models."""
    for place in (path, models_dir() / path):
        if place.is_file():
            return place
    there = {file.stem: file.name for folder in (Path.cwd(), models_dir()) for file in folder.glob(f"*{path.suffix}")}
    meant = [there[stem] for stem in nearest(path.stem, sorted(there))]
    hint = f"did you mean {', '.join(map(printable, meant))}? " if meant else ""
    raise InputError(
        f"{printable(str(path))}: there is no such file, neither in {Path.cwd()} nor in {models_dir()}; {hint}"
        "Give the path of a model's file, or the name of a run"
    )


def _load_weights(path: Path, card: ModelCard) -> TrainedModel:
    check_weights(path, lambda: build_networks(card), told="its card", remedy=ANOTHER)
    lifters = build_networks(card)
    lifters.load_state_dict(read_weights(path, remedy=ANOTHER))
    return TrainedModel(lifters.eval(), card)
