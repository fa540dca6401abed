"""Writes a trained model for others: as a checkpoint that VideoPose3D loads, or as our own file, with its card beside it."""

import io
import os
import pickle
import shlex
import struct
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import make_folder
from pose3d_lib.data.skeleton import HUMANEVA_15, HUMANEVA_20
from pose3d_lib.data.sources.videopose3d.sets import HUMANEVA_SUBJECTS
from pose3d_lib.model.card import ModelCard, TrainedModel
from pose3d_lib.model.videopose3d.names import to_state
from pose3d_lib.model.videopose3d.read import EPOCH, POSE, RATE, TRAJECTORY
from pose3d_lib.model.videopose3d.read import SUFFIX as BIN
from pose3d_lib.report.card import card_markdown
from pose3d_lib.runs.models import SUFFIX, save_model

STORAGES = {torch.float32: torch.FloatStorage, torch.int64: torch.LongStorage}
CARD_SUFFIX = ".md"
FIRST_RATE = 0.001  # VideoPose3D's own, for models whose rate is not known


def export_model(model: TrainedModel, path: Path, *, overwrite: bool = False) -> list[Path]:
    """Writes a model's file, `.bin` or `.safetensors`, and its card as Markdown, which serves both; returns both files."""
    check_target(path, overwrite=overwrite)
    card, text = path.with_suffix(CARD_SUFFIX), card_markdown(model.card)
    if not (card.is_file() and card.read_bytes() == text.encode()):
        check_absent([card], overwrite=overwrite)
    make_folder(path.parent)
    if path.suffix == BIN:
        save_checkpoint(model, path)
    else:
        save_model(model, path)
    write_atomically(card, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
    return [path, card]


def check_target(path: Path, *, overwrite: bool) -> None:
    """An InputError if the name of a model's file has no known suffix, or is taken."""
    if path.suffix not in (BIN, SUFFIX):
        raise InputError(
            f"{path}: what is it to be? A name in {BIN} makes a checkpoint of VideoPose3D, one in {SUFFIX} a model's file"
        )
    check_absent([path], overwrite=overwrite)


def check_absent(files: list[Path], *, overwrite: bool) -> None:
    """An InputError if one of the files exists and may not be replaced."""
    there = [file for file in files if os.path.exists(file)]  # False of a name that is too long
    if there and not overwrite:
        raise InputError(f"{there[0]}: is already there; give another name, or --overwrite")


def save_checkpoint(model: TrainedModel, path: Path) -> None:
    """Writes a checkpoint that VideoPose3D loads, atomically.

    VideoPose3D fails on a trajectory's key without a network (its issue 191), so only models with one have the key. Without
    the optimiser's state it begins with a new one.
    """
    card, networks = model.card, dict(zip((POSE, TRAJECTORY), model.lifters.networks, strict=False))
    content = {
        EPOCH: round(card.epochs or 0),
        RATE: card.lr or FIRST_RATE,
        "random_state": None,
        "optimizer": None,
        **{key: to_state(network) for key, network in networks.items()},
    }
    buffer = io.BytesIO()
    _save_legacy(content, buffer)
    write_atomically(path, lambda unfinished: unfinished.write_bytes(buffer.getvalue()))


class _Storage(int):
    """The number of a tensor, whose values follow the pickles."""


def _save_legacy(content: object, file: BinaryIO) -> None:
    """Writes the format that PyTorch before 1.6 reads too: five pickles, then the values of every tensor.

    `torch.save` can do it, but names and sorts the values by their addresses in memory, so that no two files are alike.
    """
    tensors: list[torch.Tensor] = []

    class Pickler(pickle.Pickler):
        def reducer_override(self, value: object) -> object:
            if not isinstance(value, torch.Tensor):
                return NotImplemented
            tensors.append(value.detach().cpu().contiguous())
            form = (0, tuple(value.shape), tensors[-1].stride(), False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, (_Storage(len(tensors) - 1), *form)

        def persistent_id(self, value: object) -> tuple | None:
            if not isinstance(value, _Storage):
                return None
            return "storage", STORAGES[tensors[value].dtype], f"{value}", "cpu", tensors[value].numel(), None

    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for head in (0x1950A86A20F9469CFC6C, 1001, sizes):
        pickle.dump(head, file, protocol=2)
    Pickler(file, protocol=2).dump(content)
    pickle.dump([f"{number}" for number in range(len(tensors))], file, protocol=2)
    for tensor in tensors:
        file.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())


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
