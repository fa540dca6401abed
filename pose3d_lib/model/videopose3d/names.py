"""The names of the tensors of VideoPose3D's network: a lifter from them, and they from a lifter.

A convolution is (out, in, taps) there and a matrix (out, taps * in), tap by tap, here; batch norms are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.model.file import check_shapes
from pose3d_lib.model.lifter import TemporalLifter

FIRST, LAST = "expand_conv.weight", "shrink.weight"
NORM = ("weight", "bias", "running_mean", "running_var")
COUNTER = "num_batches_tracked"  # not in files by PyTorch before 0.4.1; no result depends on it


@dataclass(frozen=True)
class Shape:
    """The shape of a network, from its tensors."""

    inputs: int  # numbers per frame
    outputs: int
    channels: int  # width of every hidden layer
    taps: tuple[int, ...]  # of the convolutions over time, in order

    def filter_widths(self, *, dense: bool) -> tuple[int, ...]:
        """The widths that give these taps, 0 for what none gives. A dense convolution has a tap on each frame it reaches."""
        if not dense:
            return self.taps
        widths, spread = [self.taps[0]], self.taps[0]
        for taps in self.taps[1:]:
            widths.append(0 if (taps - 1) % max(spread, 1) else (taps - 1) // max(spread, 1) + 1)
            spread *= widths[-1]
        return tuple(widths)


def read_state(tensors: object, where: str) -> dict[str, Tensor]:
    """A state dict in float32, without counters and without a prefix, such as "module." of DataParallel; `where` it is.

    An InputError that names what is no tensor of finite numbers.
    """
    if not isinstance(tensors, Mapping) or not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{where}: expected tensors by name, found {type(tensors).__name__}; name another file")
    prefix = next((name.removesuffix(FIRST) for name in tensors if name.endswith(FIRST)), "")
    state = {}
    for name, tensor in tensors.items():
        if name.endswith(f".{COUNTER}"):
            continue
        if not (isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.isfinite().all()):
            raise InputError(f"{where}: {printable(name)[:100]} is no tensor of finite numbers; name another file")
        state[name.removeprefix(prefix)] = tensor.detach().float()
    return state


def read_shape(state: Mapping[str, Tensor], where: str) -> Shape:
    """The shape of a network from its state dict; an InputError where the tensors that tell it are no convolutions.

    The others are compared in `load_state`.
    """
    blocks = sum(name.startswith("layers_conv.") for name in state) // 2
    names = [FIRST, *(f"layers_conv.{2 * block}.weight" for block in range(blocks)), LAST]
    shapes = [list(state[name].shape) if name in state else "missing" for name in names]
    if not all(len(shape) == 3 and 0 not in shape for shape in shapes) or shapes[-1][0] % 3:
        told = ", ".join(f"{name} is {shape}" for name, shape in zip(names, shapes, strict=True))
        raise InputError(
            f"{where}: {told}; expected convolutions over time (out, in, taps), the last into x, y, z of joints. Name another "
            "file"
        )
    return Shape(shapes[0][1], shapes[-1][0], shapes[0][0], tuple(shape[2] for shape in shapes[:-1]))


def check_state(model: TemporalLifter, state: Mapping[str, Tensor], where: str) -> None:
    """Rejects a state dict whose tensors are not exactly those of a lifter, which may be without memory ("meta")."""
    expected = {name: own for name, own in to_state(model).items() if not name.endswith(f".{COUNTER}")}
    check_shapes(state, expected, where, "it is no network of VideoPose3D; name another file")


def load_state(model: TemporalLifter, state: Mapping[str, Tensor]) -> None:
    """Copies a state dict into a lifter whose tensors it has (`check_state`)."""
    own = {ours: state.get(theirs, torch.tensor(0)) for ours, theirs in _names(model).items()}  # there are no counters
    model.load_state_dict({name: one.transpose(1, 2).flatten(1) if one.ndim == 3 else one for name, one in own.items()})


def to_state(model: TemporalLifter) -> dict[str, Tensor]:
    """A lifter's state dict as VideoPose3D's `load_state_dict` takes it."""
    own, state = model.state_dict(), {}
    for ours, theirs in _names(model).items():
        tensor = own[ours]
        if tensor.ndim == 2:
            inputs = model.num_joints_in * model.in_features if theirs == FIRST else model.channels
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
    return names | {name: name for name in (LAST, "shrink.bias")}
