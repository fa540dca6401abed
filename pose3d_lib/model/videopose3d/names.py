"""The names of the tensors of VideoPose3D's network: a lifter from them, and they from a lifter.

A convolution is (out, in, taps) there and a matrix (out, taps * in), tap by tap, here; batch norms are the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.model.lifter import TemporalLifter

NORM = ("weight", "bias", "running_mean", "running_var")
COUNTER = "num_batches_tracked"  # not in files by PyTorch before 0.4.1; no result depends on it
MOST_BLOCKS = 11
MOST_CHANNELS = 2**16


@dataclass(frozen=True)
class Shape:
    """The shape of a network, from its tensors."""

    inputs: int  # numbers per frame
    outputs: int
    channels: int  # width of every hidden layer
    taps: tuple[int, ...]  # of the convolutions over time, in order

    def filter_widths(self, *, dense: bool) -> tuple[int, ...] | None:
        """The widths that give these taps; None if no odd ones do. A dense convolution has a tap on each frame it reaches."""
        widths = [self.taps[0]]
        for taps in self.taps[1:]:
            spread = math.prod(widths)
            if dense and (taps - 1) % spread:
                return None
            widths.append((taps - 1) // spread + 1 if dense else taps)
        return None if any(width % 2 == 0 for width in widths) else tuple(widths)


def read_shape(state: Mapping[str, Tensor], where: str) -> Shape:
    """The shape of a network from its state dict, as `check_state` returns it; `where` is its file and key.

    An InputError where the tensors that tell it are missing or no convolutions. The others: `check_tensors`.
    """
    first, last = (_tensor(state, name, where) for name in ("expand_conv.weight", "shrink.weight"))
    if first.ndim != 3 or last.ndim != 3:
        raise InputError(
            f"{where}: expand_conv.weight is {_of(first)} and shrink.weight {_of(last)}, expected three dimensions, those of "
            "a convolution over time"
        )
    channels, inputs, width = first.shape
    blocks = sum(name.startswith("layers_conv.") for name in state) // 2
    if not 0 < channels <= MOST_CHANNELS or blocks > MOST_BLOCKS:
        raise InputError(
            f"{where}: {channels} channels and {blocks} residual blocks; no network that is known has those"
        )
    temporal = [_tensor(state, f"layers_conv.{2 * block}.weight", where) for block in range(blocks)]
    taps = (width, *(found.shape[-1] if found.ndim == 3 else 0 for found in temporal))
    if min(taps) < 1 or last.shape[0] % 3 or not last.shape[0]:
        raise InputError(
            f"{where}: convolutions of {list(taps)} taps into {last.shape[0]} numbers, expected x, y, z of joints"
        )
    return Shape(inputs, last.shape[0], channels, taps)


def check_tensors(state: Mapping[str, Tensor], model: TemporalLifter, where: str) -> None:
    """Rejects a state dict that lacks a tensor of this lifter, has one in another shape, or has one more."""
    expected = {name: own for name, own in to_state(model).items() if not name.endswith(f".{COUNTER}")}
    for name, own in expected.items():
        if (found := _tensor(state, name, where)).shape != own.shape:
            raise InputError(
                f"{where}: {name} is {_of(found)}, expected {_of(own)} as of the others; name another file"
            )
    if extra := [name for name in state if name not in expected]:
        raise InputError(
            f"{where}: {printable(extra[0])[:100]} is no tensor of VideoPose3D's network; name another file"
        )


def check_state(state: object, where: str, *, file_size: int) -> dict[str, Tensor]:
    """A state dict in float32, or an InputError that names what is no finite tensor of at most the file's size."""
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise InputError(f"{where}: expected tensors by name, found {type(state).__name__}; name another file")
    checked = {}
    for name, tensor in state.items():
        shown = f"{where}: {printable(name)[:100]}"
        if name.endswith(f".{COUNTER}"):
            continue
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise InputError(f"{shown} is no tensor of numbers; name another file")
        held = tensor.untyped_storage().nbytes()
        if held > file_size or tensor.numel() * tensor.element_size() > held:
            raise InputError(f"{shown} is {_of(tensor)}, more than the file holds; get the file again")
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise InputError(f"{shown} has numbers that are not finite, or no fractions; get the file again")
        checked[name] = tensor.detach().float()
    return checked


def load_state(model: TemporalLifter, state: Mapping[str, Tensor]) -> None:
    """Copies a state dict into a lifter whose tensors it has (`check_tensors`)."""
    own = {ours: state.get(theirs, torch.tensor(0)) for ours, theirs in _names(model).items()}  # there are no counters
    model.load_state_dict({name: one.transpose(1, 2).flatten(1) if one.ndim == 3 else one for name, one in own.items()})


def to_state(model: TemporalLifter) -> dict[str, Tensor]:
    """A lifter's state dict as VideoPose3D's `load_state_dict` takes it."""
    own, state = model.state_dict(), {}
    for ours, theirs in _names(model).items():
        tensor = own[ours]
        if tensor.ndim == 2:
            inputs = model.num_joints_in * model.in_features if ours == "expand.product.weight" else model.channels
            tensor = tensor.unflatten(1, (-1, inputs)).transpose(1, 2)
        state[theirs] = tensor.clone(memory_format=torch.contiguous_format)
    return state


def _names(model: TemporalLifter) -> dict[str, str]:
    """The name of each tensor here -> its name there."""
    layers = {"expand": ("expand_conv", "expand_bn")}
    for number in range(2 * len(model.blocks)):
        ours = f"blocks.{number // 2}.{('temporal', 'pointwise')[number % 2]}"
        layers[ours] = f"layers_conv.{number}", f"layers_bn.{number}"
    names = {}
    for ours, (convolution, norm) in layers.items():
        names[f"{ours}.product.weight"] = f"{convolution}.weight"
        names |= {f"{ours}.norm.{part}": f"{norm}.{part}" for part in (*NORM, COUNTER)}
    return names | {name: name for name in ("shrink.weight", "shrink.bias")}


def _tensor(state: Mapping[str, Tensor], name: str, where: str) -> Tensor:
    if name not in state:
        found = ", ".join(printable(known)[:60] for known in list(state)[:6]) or "nothing"
        raise InputError(f"{where}: {name} is missing, found {found}; VideoPose3D's network has it. Name another file")
    return state[name]


def _of(tensor: Tensor) -> list[int]:
    return list(tensor.shape)
