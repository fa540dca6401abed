"""A lifter of frames as they come: it keeps what every layer made of the past, so that a new frame costs one frame's work."""

from collections import deque

import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.model.lifter import TemporalLifter, padding


class StreamingLifter:
    """Lifts frame by frame what `TemporalLifter.forward` lifts of a clip that begins with its first frame repeated.

    The model is in evaluation mode, and its weights must not change. A network that is told the action is refused: an InputError.

    Attributes:
        delay: a call returns the pose of the frame that was given so many calls before; 0 if the network is causal.
    """

    @torch.no_grad()
    def __init__(self, model: TemporalLifter):
        if model.labels:
            raise InputError(
                "the model has to be told the action, which is not known of frames as they come; name another"
            )
        first = _Convolution(*model.expand.folded(), model.filter_widths[0], 1)
        blocks = [_Convolution(*own.temporal.folded(), own.taps, own.spacing) for own in model.blocks]
        self._convolutions = [first, *blocks]
        self._pointwise = [block.pointwise.folded() for block in model.blocks]
        self._network = model
        self.delay = padding(model.filter_widths, causal=model.causal)[1]

    def reset(self) -> None:
        """Forget all frames; the next one begins a clip."""
        for convolution in self._convolutions:
            convolution.past.clear()

    @torch.no_grad()
    def __call__(self, frame: Tensor) -> Tensor:
        """Lift the next frame: (joints_in, features), normalised screen coordinates -> (joints_out, 3), metres."""
        expected = self._network.num_joints_in, self._network.in_features
        if frame.shape != expected:
            raise ValueError(f"expected {expected} joints and features, found {tuple(frame.shape)}")
        first, *others = self._convolutions
        x = first(frame.flatten())
        for block, convolution, (weight, bias) in zip(self._network.blocks, others, self._pointwise, strict=True):
            x = torch.addmv(bias, weight, convolution(x)).relu_().add_(convolution.past[block.residual])
        return torch.addmv(self._network.shrink.bias, self._network.shrink.weight, x).view(-1, 3)


class _Convolution:
    """A convolution over time and its ReLU, for the newest frame; `past` is what it sees, the newest frame last."""

    def __init__(self, weight: Tensor, bias: Tensor, taps: int, spacing: int):
        self.weight, self.bias, self.spacing = weight, bias, spacing
        self.past: deque[Tensor] = deque(maxlen=(taps - 1) * spacing + 1)

    def __call__(self, x: Tensor) -> Tensor:
        self.past.extend([x] * (1 if self.past else self.past.maxlen))  # before its first frame a clip was as in it
        return torch.addmv(self.bias, self.weight, torch.cat(list(self.past)[:: self.spacing])).relu_()
