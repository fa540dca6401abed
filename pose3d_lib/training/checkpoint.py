"""The checkpoint of an unfinished run: all that the rest of its training depends on, in one file that is whole or absent.

The file is a SHA-256 (32 bytes) of the safetensors file that follows; its metadata hold the numbers as JSON. The previous
checkpoint is kept, so that a damaged one costs an epoch or a minute at most.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import flush_folder, write_atomically
from pose3d_lib.common.paths import CHECKPOINTS

NEWER, CHECKPOINT, PREVIOUS = CHECKPOINTS
CHECKPOINT_FORMAT = 1  # raised when the code cannot resume from what it wrote before
DIGEST_BYTES = 32
NEW_START = "delete both checkpoints there to train that run from its beginning"


@dataclass(frozen=True)
class Checkpoint:
    """A moment between two steps of a training."""

    tensors: Mapping[str, Tensor]  # network, optimiser, random states, sum of the losses, by name
    numbers: Mapping[str, object]  # windows seen, seconds, rows of history: all that is no tensor, as JSON holds it


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a run folder's checkpoint; the existing one becomes the previous one once the new one is on disk."""
    numbers = {**checkpoint.numbers, "format": CHECKPOINT_FORMAT}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    content = safetensors.torch.save(tensors, {"numbers": json.dumps(numbers, allow_nan=False)})
    write_atomically(folder / NEWER, lambda path: path.write_bytes(hashlib.sha256(content).digest() + content))
    if (folder / CHECKPOINT).is_file():
        os.replace(folder / CHECKPOINT, folder / PREVIOUS)
    os.replace(folder / NEWER, folder / CHECKPOINT)
    flush_folder(folder)


def load_checkpoint(folder: Path) -> tuple[Checkpoint | None, str]:
    """The newest whole checkpoint of a run folder, None if there is none, and what is wrong with a newer one.

    An InputError where none of them is whole and can be read, or the newest such one has another format.
    """
    problems = []
    for path in (folder / name for name in CHECKPOINTS):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{path}: cannot be read ({error.strerror or error})")
            continue
        digest, content = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() == digest:
            return _parse(path, content), "; ".join(problems)
        problems.append(f"{path}: damaged: its content does not have the checksum at its beginning")
    if problems:
        raise InputError(f"{'; '.join(problems)}. No older one is whole: {NEW_START}")
    return None, ""


def _parse(path: Path, content: bytes) -> Checkpoint:
    # safetensors gives metadata of files only; the header is a length of eight bytes and JSON
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    numbers = json.loads(header["__metadata__"]["numbers"])
    if (found := numbers["format"]) != CHECKPOINT_FORMAT:
        raise InputError(
            f"{path}: format {found} of checkpoints, expected {CHECKPOINT_FORMAT}: made by another version of this code; "
            f"finish the run with that version, or {NEW_START}"
        )
    return Checkpoint(safetensors.torch.load(content), numbers)


def delete_checkpoints(folder: Path) -> None:
    for name in CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)
