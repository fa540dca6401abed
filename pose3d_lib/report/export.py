"""Writes a trained model for others: for VideoPose3D, for ONNX Runtime, or as our own file, with its card beside it."""

import io
import shlex
from pathlib import Path

import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import check_free, make_folder
from pose3d_lib.data.skeleton import HUMANEVA_15, HUMANEVA_20
from pose3d_lib.data.sources.videopose3d.sets import HUMANEVA_SUBJECTS
from pose3d_lib.model.card import ModelCard, TrainedModel
from pose3d_lib.model.onnx import to_onnx
from pose3d_lib.model.videopose3d import EPOCH, POSE, RATE, TRAJECTORY, to_state
from pose3d_lib.report.describe import card_markdown
from pose3d_lib.runs.models import SUFFIX, save_model

CARD_SUFFIX, BIN, ONNX = ".md", ".bin", ".onnx"
FIRST_RATE = 0.001  # VideoPose3D's own, for models whose rate is not known


def export_model(
    model: TrainedModel, path: Path, *, streaming: bool = False, overwrite: bool = False, half: bool = False
) -> list[Path]:
    """Writes a model's file, of one of the three suffixes, and its card as Markdown, which serves all; returns both files.

    `streaming` is of ONNX: a graph that lifts a clip's next frames. `half` is of our own file: matrices in half precision.
    """
    if path.suffix not in (BIN, SUFFIX, ONNX):
        raise InputError(
            f"{path}: what is it to be? A name in {BIN} makes a checkpoint of VideoPose3D, one in {SUFFIX} a model's file, "
            f"one in {ONNX} a graph of ONNX"
        )
    if streaming and path.suffix != ONNX:
        raise InputError(f"{path}: --streaming is of graphs of ONNX; give a name in {ONNX}, or leave the option out")
    if path.suffix != SUFFIX and model.card.network.labels:
        raise InputError(f"{path}: model {model.card.name} is told the action, which only a name in {SUFFIX} keeps")
    check_free([path], overwrite=overwrite)
    card, text = path.with_suffix(CARD_SUFFIX), card_markdown(model.card)
    if not (card.is_file() and card.read_bytes() == text.encode()):
        check_free([card], overwrite=overwrite)
    make_folder(path.parent)
    if path.suffix == BIN:
        save_checkpoint(model, path)
    elif path.suffix == ONNX:
        content = to_onnx(model, streaming=streaming).SerializeToString(deterministic=True)
        write_atomically(path, lambda unfinished: unfinished.write_bytes(content))
    else:
        save_model(model, path, half=half)
    write_atomically(card, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
    return [path, card]


def save_checkpoint(model: TrainedModel, path: Path) -> None:
    """Write a checkpoint that VideoPose3D loads with PyTorch 1.6 or newer, atomically.

    VideoPose3D fails on a trajectory's key without a network (its issue 191), so only models with one have the key. Without
    the optimiser's state it begins with a new one.
    """
    card, networks = model.card, dict(zip((POSE, TRAJECTORY), model.lifters.networks, strict=False))
    content = {
        EPOCH: round(card.epochs or 0),
        RATE: card.lr or FIRST_RATE,
        "random_state": None,
        "optimizer": None,
        **{key: {name: own.cpu() for name, own in to_state(network).items()} for key, network in networks.items()},
    }
    buffer = io.BytesIO()  # into a file, torch.save would write the file's name too
    torch.save(content, buffer)
    write_atomically(path, lambda unfinished: unfinished.write_bytes(buffer.getvalue()))


def videopose3d_command(card: ModelCard, path: Path) -> str:
    """The command that tests the checkpoint in VideoPose3D's folder."""
    made = card.network
    widths = ",".join(map(str, made.filter_widths))
    words = ["python", "run.py", *_dataset_words(card), "-k", card.keypoints, "-arc", widths]
    words += ["-ch", str(made.channels)] + ["--causal"] * made.causal + ["--dense"] * made.dense
    return shlex.join([*words, "-c", str(path.resolve().parent), "--evaluate", path.name])


def _dataset_words(card: ModelCard) -> list[str]:
    """The options for data that is not VideoPose3D's default; of HumanEva it needs the subjects too."""
    for name, skeleton in (("humaneva15", HUMANEVA_15), ("humaneva20", HUMANEVA_20)):
        if card.skeleton.joints == skeleton.joints:
            trained = card.training.subjects if card.training else HUMANEVA_SUBJECTS["train"]
            tested = card.errors.subjects if card.errors else HUMANEVA_SUBJECTS["test"]
            return ["-d", name, "-str", ",".join(trained), "-ste", ",".join(tested)]
    return []
