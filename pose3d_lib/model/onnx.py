"""A model as a graph of ONNX, for programs without PyTorch: whole clips, or frames as they come with the state between them."""

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.model.card import ModelCard, TrainedModel
from pose3d_lib.model.lifter import TemporalLifter, padding

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8  # of 2022: every ONNX Runtime from 1.13 on reads them
TO_THE_END = 2**63 - 1
CLIPS = "The first and the last frame count as repeated beyond the clip's ends: there is a pose of every frame."
STREAM = (
    "Every state_... goes out as next_state_... and in with the next call. Begin a clip with zeros, and with its first frame {} "
    "times in one call, of which only the last pose counts."
)
DELAY = " A pose is that of the frame {} before; at the clip's end, give its last frame so many times more."


@torch.no_grad()
def to_onnx(model: TrainedModel, *, streaming: bool = False) -> "onnx.ModelProto":
    """The graph: `keypoints` (batch, frames, joints_in, features) -> `positions` (batch, frames, joints, 3), metres.

    Both numbers of frames and batches are free. Keypoints are normalised (`normalize_screen`), with a score as third feature if
    the model sees it. A model with a trajectory has a second output, `trajectory` (batch, frames, 3). Without mirror images.

    Args:
        model: the model, on the CPU, that is not told the action; its card goes into the metadata.
        streaming: each call gives the next frames of a clip, with a state; the metadata's `usage` says how to begin.

    Raises:
        InputError: the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError("a file of ONNX needs the package onnx: pip install -e '.[onnx]'") from error
    graph = _Graph(streaming)
    for name, lifter in zip(("positions", "trajectory"), model.lifters.networks, strict=False):
        graph.add_network(lifter, name)
    opset = [onnx.helper.make_opsetid("", OPSET)]
    made = onnx.helper.make_model(
        graph.build(model.card.name), opset_imports=opset, ir_version=IR_VERSION, doc_string=model.card.licence
    )
    onnx.helper.set_model_props(made, _metadata(model.card, model.lifters.pose, streaming=streaming))
    onnx.checker.check_model(made)
    return made


def _metadata(card: ModelCard, lifter: TemporalLifter, *, streaming: bool) -> dict[str, str]:
    delay = padding(lifter.filter_widths, causal=lifter.causal)[1]
    stream = STREAM.format(lifter.receptive_field) + DELAY.format(delay) * (delay > 0)
    return {
        "joints_in": json.dumps(card.layout.joints),
        "joints": json.dumps(card.skeleton.joints),
        "normalisation": card.normalisation,
        "units": card.units,
        "frames_per_second": json.dumps(card.fps),
        "receptive_field": json.dumps(lifter.receptive_field),
        "causal": json.dumps(lifter.causal),
        "usage": stream if streaming else CLIPS,
        "card": card.model_dump_json(),
    }


class _Graph:
    """Nodes, weights, inputs and outputs of a graph; arrays between the nodes are (batch, channels, frames)."""

    def __init__(self, streaming: bool):
        self.streaming = streaming
        self.nodes, self.weights, self.inputs, self.outputs = [], [], {}, {}

    def build(self, name: str) -> "onnx.GraphProto":
        from onnx import TensorProto, helper

        def described(shapes: dict[str, list]) -> list["onnx.ValueInfoProto"]:
            names = sorted(shapes, key=lambda own: "state" in own)
            return [helper.make_tensor_value_info(own, TensorProto.FLOAT, shapes[own]) for own in names]

        return helper.make_graph(self.nodes, name, described(self.inputs), described(self.outputs), self.weights)

    def add(self, kind: str, *inputs: str | np.ndarray | Tensor, to: str = "", **attributes: object) -> str:
        """A node on these inputs, of which arrays become weights; returns the name of what comes out."""
        from onnx import helper, numpy_helper

        names, to = [], to or f"{kind}_{len(self.nodes)}"
        for own in inputs:
            if not isinstance(own, str):
                name = f"weight_{len(self.weights)}"
                self.weights.append(numpy_helper.from_array(np.ascontiguousarray(own), name))
                own = name
            names.append(own)
        self.nodes.append(helper.make_node(kind, names, [to], name=to, **attributes))
        return to

    def add_network(self, lifter: TemporalLifter, name: str) -> None:
        """One of a model's networks; both see the same keypoints."""
        self.inputs["keypoints"] = ["batch", "frames", lifter.num_joints_in, lifter.in_features]
        x = self.add("Reshape", "keypoints", np.array([0, 0, -1]))
        x = self.add("Transpose", x, perm=[0, 2, 1])
        if not self.streaming:
            before, after = padding(lifter.filter_widths, causal=lifter.causal)
            x = self.add("Pad", x, np.array([0, 0, before, 0, 0, after]), mode="edge")
        x = self._remember(x, lifter.num_joints_in * lifter.in_features, lifter.filter_widths[0] - 1)
        x = self.add("Relu", self._convolve(x, *lifter.expand.folded(), lifter.filter_widths[0], 1))
        for block in lifter.blocks:
            reach = (block.taps - 1) * block.spacing
            x = self._remember(x, lifter.channels, reach)
            y = self.add("Relu", self._convolve(x, *block.temporal.folded(), block.taps, block.spacing))
            y = self.add("Relu", self._convolve(y, *block.pointwise.folded(), 1, 1))
            x = self.add("Add", y, self._slice(x, block.residual, block.residual - reach or TO_THE_END))
        x = self._convolve(x, lifter.shrink.weight, lifter.shrink.bias, 1, 1)
        x = self.add("Transpose", x, perm=[0, 2, 1])
        shape = [lifter.num_joints_out, 3] if name == "positions" else [3]
        self.outputs[self.add("Reshape", x, np.array([0, 0, *shape]), to=name)] = ["batch", "frames", *shape]

    def _remember(self, x: str, channels: int, reach: int) -> str:
        """If streaming, what a convolution sees: the frames within its reach before the new ones."""
        if not self.streaming or not reach:
            return x
        state = f"state_{sum(name.startswith('state') for name in self.inputs)}"
        self.inputs[state] = ["batch", channels, reach]
        x = self.add("Concat", state, x, axis=2)
        self.outputs[self._slice(x, -reach, TO_THE_END, to=f"next_{state}")] = ["batch", channels, reach]
        return x

    def _convolve(self, x: str, weight: Tensor, bias: Tensor, taps: int, spacing: int) -> str:
        """Weights are (C_out, taps * C_in), as in the lifter."""
        weight = weight.unflatten(1, (taps, -1)).transpose(1, 2)
        return self.add("Conv", x, weight, bias, dilations=[spacing])

    def _slice(self, x: str, start: int, stop: int, to: str = "") -> str:
        return self.add("Slice", x, *(np.array([number]) for number in (start, stop, 2)), to=to)
