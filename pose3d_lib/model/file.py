"""The file of some networks' weights, read and compared with the networks."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.model.lifter import Lifters


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
