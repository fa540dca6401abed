"""A model from a checkpoint of VideoPose3D: the network from its tensors, the rest from the person who imports it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.files import sha256_of
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources import human36m_facts
from pose3d_lib.data.sources.detections.layouts import LAYOUTS as DETECTED
from pose3d_lib.data.sources.videopose3d.sets import HUMANEVA_FPS, HUMANEVA_TERMS
from pose3d_lib.data.sources.videopose3d.sets import LAYOUTS as NAMED
from pose3d_lib.data.untrusted.client import read_torch_file
from pose3d_lib.model.card import ModelCard, Network, TrainedModel, build_networks
from pose3d_lib.model.videopose3d.names import Shape, check_state, check_tensors, load_state, read_shape

POSE, TRAJECTORY, EPOCH, RATE = "model_pos", "model_traj", "epoch", "lr"
WRAPPINGS = ("state_dict", "model_state_dict", "model", "net")  # keys of the network's tensors in other programs
FIRST = "expand_conv.weight"

LAYOUTS: dict[str, Skeleton] = {**NAMED, **DETECTED}  # the first with the right number of joints is taken
SKELETONS = ("h36m", "humaneva15", "humaneva20")  # the joints that VideoPose3D lifts to, in LAYOUTS
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
class Unsaid:
    """What a checkpoint of VideoPose3D does not say; empty for the usual."""

    causal: bool = False
    dense: bool = False
    joints: str = ""  # that go in, a name in LAYOUTS; their number suggests it
    joints_out: str = ""  # that come out
    keypoints: str = ""  # the 2D source that it was trained on; usually the one that VideoPose3D has of those joints
    fps: float | None = None  # of what it was trained on; usually that of the dataset with those joints


def import_checkpoint(path: Path, given: Unsaid = Unsaid()) -> TrainedModel:
    """The model in a checkpoint of VideoPose3D, on the CPU and in evaluation mode; its card says what was assumed.

    Raises:
        InputError: the file is damaged, would run code, or is no checkpoint of VideoPose3D; or `given` does not suit it.
    """
    content = read_torch_file(path)
    key, size = _find_key(path, content), path.stat().st_size
    state, prefix = _without_prefix(content[key] if key else content)
    found = {f"{path}, key {key!r}" if key else str(path): state}
    if content.get(TRAJECTORY) is not None:
        found[f"{path}, key {TRAJECTORY!r}"] = _without_prefix(content[TRAJECTORY])[0]
    states = {where: check_state(own, where, file_size=size) for where, own in found.items()}
    where, pose = next(iter(states.items()))
    wrapping = [] if key == POSE else [f"under the key {key!r}" if key else "at the top of the file"]
    wrapping += [f"named with {printable(prefix)!r} in front, which is removed"] if prefix else []
    notes = [f"Tensors: {' and '.join(wrapping)}; VideoPose3D itself writes them otherwise."] if wrapping else []
    card = _make_card(path, content, read_shape(pose, where), given, notes)
    with torch.device("meta"):  # no memory is taken
        shapes = build_networks(card)
    for network, (where, own) in zip(shapes.networks, states.items(), strict=True):
        check_tensors(own, network, where)
    lifters = build_networks(card)
    for network, own in zip(lifters.networks, states.values(), strict=True):
        load_state(network, own)
    return TrainedModel(lifters.eval(), card)


def _find_key(path: Path, content: object) -> str | None:
    """The key of the pose network's tensors; None if the file is a state dict itself."""
    found = list(content) if isinstance(content, Mapping) else []
    if POSE in found:
        return POSE
    for key in (key for key in WRAPPINGS if key in found):
        if isinstance(content[key], Mapping) and any(str(name).endswith(FIRST) for name in content[key]):
            return key
    if any(str(name).endswith(FIRST) for name in found):
        return None
    shown = ", ".join(printable(str(name))[:60] for name in found[:6]) or type(content).__name__
    raise InputError(
        f"{path}: key {POSE!r} is missing, found {shown}; expected a checkpoint of VideoPose3D, or its network's tensors "
        f"alone or under {', '.join(WRAPPINGS)}. Name another file"
    )


def _without_prefix(state: object) -> tuple[object, str]:
    """A state dict with VideoPose3D's names, and the prefix that each had, such as "module." of DataParallel."""
    names = list(state) if isinstance(state, Mapping) else []
    first = next((name for name in names if isinstance(name, str) and name.endswith(f".{FIRST}")), FIRST)
    prefix = first.removesuffix(FIRST)
    if not all(isinstance(name, str) and name.startswith(prefix) for name in names):
        return state, ""
    return ({name.removeprefix(prefix): state[name] for name in names} if prefix else state), prefix


def _make_card(path: Path, content: Mapping, shape: Shape, given: Unsaid, notes: Sequence[str]) -> ModelCard:
    joints_out, told_out = _choose_out(path, shape, given)
    joints, features, told_in = _choose_in(path, shape, given, joints_out)
    keypoints = given.keypoints or KEYPOINTS.get(joints, joints)
    fps = given.fps or (human36m_facts.FPS if joints_out == "h36m" else HUMANEVA_FPS)
    widths = shape.filter_widths(dense=given.dense)
    if widths is None:
        raise InputError(
            f"{path}: convolutions of {_listed(shape.taps)} taps are none of a network with odd filter widths "
            f"that is {'dense; give no --dense' if given.dense else 'not dense; give --dense if it is'}"
        )
    own = {"channels": shape.channels, "dropout": DROPOUT, "in_features": features}
    try:
        network = Network(filter_widths=widths, causal=given.causal, dense=given.dense, **own)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        hint = "name another file, or give --dense if its convolutions are dense"
        raise InputError(f"{path}: {problem['loc'][0]}: {problem['msg']}; {hint}") from error
    assumed = [
        *notes,
        f"Causality: {'causal, as given' if given.causal else 'taken to be not causal; --causal says otherwise'}.",
        _tell_dense(shape, given),
        told_in,
        told_out,
        f"Keypoints: {keypoints}, {'as given' if given.keypoints else 'taken for granted; --keypoints names others'}.",
        f"Frames per second: {fps:g}, {'as given' if given.fps else 'as its data has; --fps says otherwise'}.",
        f"Dropout: {DROPOUT:g}, as VideoPose3D has it by default; no prediction depends on it.",
    ]
    epochs, rate = (_number(content, key) for key in (EPOCH, RATE))
    return ModelCard(
        name=path.stem,
        network=network,
        trajectory=content.get(TRAJECTORY) is not None,
        keypoints=keypoints,
        layout=LAYOUTS[joints],
        skeleton=LAYOUTS[joints_out],
        fps=(fps,),
        epochs=epochs,
        lr=rate,
        licence=f"{NOT_SAID} {human36m_facts.TERMS if joints_out == 'h36m' else HUMANEVA_TERMS}",
        origin=f"Imported from {path.name}, a checkpoint of VideoPose3D; its SHA-256 is {sha256_of(path)}.",
        assumed=tuple(assumed),
    )


def _number(content: Mapping, key: str) -> float | None:
    """The positive number under a key of the checkpoint, if there is one."""
    value = content.get(key)
    return float(value) if type(value) in (int, float) and 0 < value < 10**9 else None


def _choose_out(path: Path, shape: Shape, given: Unsaid) -> tuple[str, str]:
    """The name of the joints that come out, and a sentence on how it is known."""
    count = shape.outputs // 3
    fitting = [name for name in SKELETONS if LAYOUTS[name].num_joints == count]
    _check_choice(path, f"{count} joints come out", given.joints_out, SKELETONS, fitting, "--joints-out")
    if given.joints_out:
        return given.joints_out, f"Joints that come out: the {count} of {given.joints_out}, as given."
    return fitting[0], f"Joints that come out: {count}, taken for those of {fitting[0]}; --joints-out names others."


def _choose_in(path: Path, shape: Shape, given: Unsaid, joints_out: str) -> tuple[str, int, str]:
    """The name of the joints that go in, how many numbers each has, and a sentence on how that is known."""
    count = shape.inputs
    each = {name: count / layout.num_joints for name, layout in LAYOUTS.items()}
    fitting = {name: int(numbers) for name, numbers in each.items() if numbers in FEATURES}
    found = f"{count} numbers go in per frame, and a joint has two, or three with its score"
    _check_choice(path, found, given.joints, LAYOUTS, fitting, "--joints")
    if given.joints:
        name, how = given.joints, "as given"
    elif PUBLISHED.get(path.name) in fitting:
        name, how = PUBLISHED[path.name], f"as VideoPose3D says of {path.name}; --joints names others"
    else:
        detected = "coco" in fitting and (fitting["coco"] == 3 or joints_out != "h36m")
        name = "coco" if detected else next(iter(fitting))
        others = [other for other in fitting if other != name]
        how = f"taken for granted; --joints names others{f', such as {others[0]}' if others else ''}"
    return name, fitting[name], f"Joints that go in: those of {name}, {FEATURES[fitting[name]]} of each, {how}."


def _check_choice(
    path: Path, found: str, given: str, known: Iterable[str], fitting: Collection[str], option: str
) -> None:
    """Rejects a layout that is given and unknown or does not fit; and a network that fits none."""
    if given:
        check_name(given, known, f"layout for {option}")
    if fitting and given in ("", *fitting):
        return
    whose = f"{given} has {LAYOUTS[given].num_joints} joints" if given else "no known layout has that number of joints"
    others = ", ".join(f"{name} ({LAYOUTS[name].num_joints})" for name in known)
    remedy = f"{option} {' or '.join(fitting)} would suit" if fitting else f"known are {others}"
    raise InputError(f"{path}: {found}; {whose}; {remedy}")


def _tell_dense(shape: Shape, given: Unsaid) -> str:
    if given.dense:
        return "Convolutions: dense, as given."
    other = shape.filter_widths(dense=True) if len(shape.taps) > 1 else None
    if other is None:
        return "Convolutions: dilated, as their taps are those of no dense network."
    return (
        f"Convolutions: taken to be dilated, with filter widths {_listed(shape.taps)}. They might be dense ones of widths "
        f"{_listed(other)}; --dense says so."
    )


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
