"""The file of some networks' weights: compared with the networks by its header, before a number of it is read."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.model.lifter import Lifters

DTYPES = {torch.float32: "F32", torch.int64: "I64"}  # safetensors' names


def check_weights(path: Path, build: Callable[[], Lifters], *, told: str, remedy: str) -> None:
    """Rejects a safetensors file that does not hold exactly the tensors of the networks that `build` makes.

    Reads its header only, and takes no memory. Matrices may be in half precision. For messages: `told` is where it says that
    the file holds those.
    """
    with torch.device("meta"):
        state = build().state_dict()
    expected = {name: f"{DTYPES[tensor.dtype]}{list(tensor.shape)}" for name, tensor in state.items()}
    half = {name: f"F16{list(tensor.shape)}" for name, tensor in state.items() if tensor.dim() == 2}
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118, as it is no dict
            found = {name: f"{own.get_dtype()}{own.get_shape()}" for name, own in slices.items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from error
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) not in (expected.get(name), half.get(name, expected.get(name))):
            raise InputError(
                f"{path}: other weights than {told} says: {name} is {found.get(name, 'missing')}, expected "
                f"{expected.get(name, 'none of that name')}; {remedy}"
            )


def read_weights(path: Path, *, remedy: str) -> dict[str, Tensor]:
    """The tensors of a file; an InputError where it cannot be read or a number is not finite."""
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from error
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise InputError(f"{path}: {name} has numbers that are not finite; {remedy}")
    return weights
