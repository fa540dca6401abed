"""Checkpoints of VideoPose3D: a model from one, and the tensors of one from a lifter.

The network follows from the tensors, the rest from the person who imports it. A convolution is (out, in, taps) there and a
matrix (out, taps * in), tap by tap, here; batch norms are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.files import sha256_of
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources import human36m_facts
from pose3d_lib.data.sources.detections.layouts import LAYOUTS as DETECTED
from pose3d_lib.data.sources.videopose3d.sets import HUMANEVA_FPS, HUMANEVA_TERMS
from pose3d_lib.data.sources.videopose3d.sets import LAYOUTS as NAMED
from pose3d_lib.data.untrusted.client import read_key
from pose3d_lib.model.card import ModelCard, Network, TrainedModel, build_networks, check_shapes
from pose3d_lib.model.lifter import TemporalLifter

FIRST, LAST = "expand_conv.weight", "shrink.weight"
NORM = ("weight", "bias", "running_mean", "running_var")
COUNTER = "num_batches_tracked"  # not in files by PyTorch before 0.4.1; no result depends on it
POSE, TRAJECTORY, EPOCH, RATE = "model_pos", "model_traj", "epoch", "lr"
WRAPPINGS = ("state_dict", "model_state_dict", "model", "net")  # keys of the network's tensors in other programs

LAYOUTS: dict[str, Skeleton] = {**NAMED, **DETECTED}  # the first with the right number of joints is taken
SKELETONS = {17: "h36m", 15: "humaneva15", 20: "humaneva20"}  # the joints that VideoPose3D lifts to, by their number
KEYPOINTS = {"h36m": "cpn_ft_h36m_dbb", "coco": "detectron_pt_coco", "mpii": "sh_ft_h36m"}  # VideoPose3D's, by layout
PUBLISHED = {  # files in VideoPose3D's documentation -> the joints that go in, as it says
    "pretrained_h36m_cpn.bin": "h36m",
    "pretrained_h36m_detectron_coco.bin": "coco",
    "pretrained_humaneva15_detectron.bin": "coco",
    "d-pt-243.bin": "coco",
}
FEATURES = {2: "x and y", 3: "x, y and a score"}
DROPOUT = 0.25

NOT_SAID = (
    "What it was trained on is not in the file. VideoPose3D gives its own models out under CC BY-NC 4.0, not for commercial "
    "use, and says that datasets have their own terms."
)


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


@dataclass(frozen=True)
class Unsaid:
    """What a checkpoint of VideoPose3D does not say; empty for the usual."""

    causal: bool = False
    dense: bool = False
    joints: str = ""  # that go in, a name in LAYOUTS; their number suggests it
    keypoints: str = ""  # the 2D source that it was trained on; usually the one that VideoPose3D has of those joints
    fps: float | None = None  # of what it was trained on; usually that of the dataset with those joints


def import_checkpoint(path: Path, given: Unsaid = Unsaid()) -> TrainedModel:
    """The model in a checkpoint of VideoPose3D, on the CPU and in evaluation mode; its card says what was assumed.

    Raises:
        InputError: the file is damaged, would run code, or is no checkpoint of VideoPose3D; or `given` does not suit it.
    """
    content = read_key(path, "torch", "")
    key = _find_pose(path, content)
    found = {f"{path}, key {key!r}" if key else str(path): content[key] if key else content}
    if content.get(TRAJECTORY) is not None:
        found[f"{path}, key {TRAJECTORY!r}"] = content[TRAJECTORY]
    states = {where: read_state(own, where) for where, own in found.items()}
    where, pose = next(iter(states.items()))
    card = _make_card(path, content, read_shape(pose, where), given)
    with torch.device("meta"):  # no memory is taken
        for network, (where, own) in zip(build_networks(card).networks, states.items(), strict=True):
            check_state(network, own, where)
    lifters = build_networks(card)
    for network, own in zip(lifters.networks, states.values(), strict=True):
        load_state(network, own)
    return TrainedModel(lifters.eval(), card)


def _find_pose(path: Path, content: object) -> str:
    """The key of the pose network's tensors; "" if the file is a state dict itself."""
    held = content if isinstance(content, Mapping) else {}
    for key in (POSE, *WRAPPINGS):
        if (key == POSE and key in held) or _has_network(held.get(key)):
            return key
    if _has_network(held):
        return ""
    shown = ", ".join(printable(str(name))[:60] for name in list(held)[:6]) or type(content).__name__
    raise InputError(
        f"{path}: key {POSE!r} is missing, found {shown}; expected a checkpoint of VideoPose3D, or its network's tensors "
        f"alone or under {', '.join(WRAPPINGS)}. Name another file"
    )


def _has_network(tensors: object) -> bool:
    return isinstance(tensors, Mapping) and any(str(name).endswith(FIRST) for name in tensors)


def _make_card(path: Path, content: Mapping, shape: Shape, given: Unsaid) -> ModelCard:
    count = shape.outputs // 3
    if count not in SKELETONS:
        known = ", ".join(f"{number} ({name})" for number, name in SKELETONS.items())
        raise InputError(f"{path}: {count} joints come out; known are {known}; name another file")
    joints_out = SKELETONS[count]
    joints, features, how_in = _choose_in(path, shape.inputs, given.joints, joints_out)
    keypoints = given.keypoints or KEYPOINTS.get(joints, joints)
    fps = given.fps or (human36m_facts.FPS if joints_out == "h36m" else HUMANEVA_FPS)
    own = {"channels": shape.channels, "dropout": DROPOUT, "in_features": features}
    widths = shape.filter_widths(dense=given.dense)
    try:
        network = Network(filter_widths=widths, causal=given.causal, dense=given.dense, **own)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(
            f"{path}: convolutions of {_listed(shape.taps)} taps are none of a network that is "
            f"{'dense; give no --dense' if given.dense else 'not dense; give --dense if it is'} "
            f"({problem['loc'][0]}: {problem['msg']})"
        ) from error
    assumed = (
        f"Causality: {'causal, as given' if given.causal else 'taken to be not causal; --causal says otherwise'}.",
        _tell_dense(shape, given),
        f"Joints that go in: those of {joints}, {FEATURES[features]} of each, {how_in}.",
        f"Joints that come out: the {count} of {joints_out}, as their number tells.",
        f"Keypoints: {keypoints}, {'as given' if given.keypoints else 'taken for granted; --keypoints names others'}.",
        f"Frames per second: {fps:g}, {'as given' if given.fps else 'as its data has; --fps says otherwise'}.",
        f"Dropout: {DROPOUT:g}, as VideoPose3D has it by default; no prediction depends on it.",
    )
    return ModelCard(
        name=path.stem,
        network=network,
        trajectory=content.get(TRAJECTORY) is not None,
        keypoints=keypoints,
        layout=LAYOUTS[joints],
        skeleton=LAYOUTS[joints_out],
        fps=(fps,),
        epochs=_number(content.get(EPOCH)),
        lr=_number(content.get(RATE)),
        licence=f"{NOT_SAID} {human36m_facts.TERMS if joints_out == 'h36m' else HUMANEVA_TERMS}",
        origin=f"Imported from {path.name}, a checkpoint of VideoPose3D; its SHA-256 is {sha256_of(path)}.",
        assumed=assumed,
    )


def _number(value: object) -> float | None:
    """A positive number of a checkpoint; None for anything else."""
    return float(value) if type(value) in (int, float) and 0 < value < 10**9 else None


def _choose_in(path: Path, inputs: int, given: str, joints_out: str) -> tuple[str, int, str]:
    """The name of the joints that go in, how many numbers each has, and how that is known."""
    each = {name: inputs / layout.num_joints for name, layout in LAYOUTS.items()}
    fitting = {name: int(numbers) for name, numbers in each.items() if numbers in FEATURES}
    if given:
        check_name(given, LAYOUTS, "layout for --joints")
    if not fitting or (given and given not in fitting):
        whose = (
            f"{given} has {LAYOUTS[given].num_joints} joints" if given else "no known layout has that number of joints"
        )
        known = ", ".join(f"{name} ({layout.num_joints})" for name, layout in LAYOUTS.items())
        remedy = f"--joints {' or '.join(fitting)} would suit" if fitting else f"known are {known}"
        raise InputError(
            f"{path}: {inputs} numbers go in per frame, and a joint has two, or three with its score; {whose}; {remedy}"
        )
    if given:
        return given, fitting[given], "as given"
    published = PUBLISHED.get(path.name)
    if published in fitting:
        return published, fitting[published], f"as VideoPose3D says of {path.name}; --joints names others"
    likely = "coco" if fitting.get("coco") == 3 or joints_out != "h36m" else ""
    first, *others = sorted(fitting, key=lambda name: name != likely)
    such = f", such as {others[0]}" if others else ""
    return first, fitting[first], f"taken for granted; --joints names others{such}"


def _tell_dense(shape: Shape, given: Unsaid) -> str:
    if given.dense:
        return "Convolutions: dense, as given."
    other = shape.filter_widths(dense=True)
    if len(other) == 1 or not all(width % 2 for width in other):
        return "Convolutions: dilated, as their taps are those of no dense network."
    return (
        f"Convolutions: taken to be dilated, with filter widths {_listed(shape.taps)}. They might be dense ones of widths "
        f"{_listed(other)}; --dense says so."
    )


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def read_state(tensors: object, where: str) -> dict[str, Tensor]:
    """A state dict in float32, without counters and without a prefix, such as "module." of DataParallel; `where` it is.

    It is made of arrays, as `read_key` returns them. An InputError names what is no array of finite numbers.
    """
    if not isinstance(tensors, Mapping) or not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{where}: expected tensors by name, found {type(tensors).__name__}; name another file")
    prefix = next((name.removesuffix(FIRST) for name in tensors if name.endswith(FIRST)), "")
    state = {}
    for name, tensor in tensors.items():
        if name.endswith(f".{COUNTER}"):
            continue
        if not (isinstance(tensor, np.ndarray) and tensor.dtype.kind == "f" and np.isfinite(tensor).all()):
            raise InputError(f"{where}: {printable(name)[:100]} is no tensor of finite numbers; name another file")
        state[name.removeprefix(prefix)] = torch.tensor(tensor).float()
    return state


def read_shape(state: Mapping[str, Tensor], where: str) -> Shape:
    """The shape of a network from its state dict; an InputError where the tensors that tell it are no convolutions.

    The others are compared in `check_state`.
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
