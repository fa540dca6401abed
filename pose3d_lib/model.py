"""The temporal lifter of VideoPose3D: dilated temporal convolutions from 2D keypoints to 3D joints.

Written from the published description (Pavllo et al., CVPR 2019, section 3 and figure 2). Arrays are channels-last, and
every convolution is a matrix product over its taps side by side: on windows, where each convolution's stride equals its
width, that is a reshape and a product, which a processor runs several times faster than a general convolution.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def receptive_field(filter_widths: Sequence[int]) -> int:
    """How many input frames one output frame sees: the product of the widths, 27 for (3, 3, 3)."""
    return math.prod(filter_widths)


def padding(filter_widths: Sequence[int], *, causal: bool) -> tuple[int, int]:
    """Frames to add before and after a clip so that it comes out as long as it went in."""
    missing = receptive_field(filter_widths) - 1
    return (missing, 0) if causal else (missing // 2, missing // 2)


def dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """Zeroes each element with probability `p` and scales the rest by 1 / (1 - p); any shape -> the same.

    On a CPU, PyTorch draws one Bernoulli number per element, which took about a third of a narrow lifter's training step
    where it was measured. Random 64-bit words seen as eight bytes each are an eighth of the draws: an element is dropped
    where its byte is below 256 p. That is exact for multiples of 1/256, such as VideoPose3D's 0.25; other rates use
    PyTorch's own.
    """
    threshold = round(256 * p)
    if not training or x.device.type != "cpu" or threshold != 256 * p or not 0 < p < 1:
        return F.dropout(x, p, training)
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
    return x * keep.to(x.dtype).mul_(1 / (1 - p))


class _Layer(nn.Module):
    """Convolution over `width` taps as a matrix product, batch norm, ReLU, dropout: (B, T, width * C_in) -> (B, T, C_out)."""

    def __init__(self, width: int, channels_in: int, channels_out: int, dropout: float):
        super().__init__()
        self.product = nn.Linear(width * channels_in, channels_out, bias=False)  # the batch norm's shift is the bias
        self.norm = nn.BatchNorm1d(channels_out)
        self.dropout = dropout

    def forward(self, taps: Tensor) -> Tensor:
        y = self.product(taps)
        y = self.norm(y.flatten(0, 1)).view_as(y)  # (B * T, C): every frame is a sample of its channel
        return dropout(F.relu(y), self.dropout, training=self.training)


class _Block(nn.Module):
    """One residual block: a convolution of `width` taps and one of a single tap, beside a slice of the input."""

    def __init__(self, width: int, channels: int, dropout: float, causal: bool):
        super().__init__()
        self.width = width
        self.residual_tap = width - 1 if causal else width // 2
        self.temporal = _Layer(width, channels, channels, dropout)
        self.pointwise = _Layer(1, channels, channels, dropout)


class TemporalLifter(nn.Module):
    """Lifts 2D keypoints to 3D joints, one network in two forms that share every weight.

    `forward_windows` (strided) computes a single output frame per window and nothing else, for training on single
    frames; `forward` (dilated) computes every output frame of a clip and shares what neighbouring frames have in common,
    for testing. In evaluation mode they agree to rounding.

    Args:
        num_joints_in: joints of the 2D skeleton.
        in_features: numbers per input joint, 2 for x and y.
        num_joints_out: joints of the 3D skeleton.
        filter_widths: taps of the first convolution and of one residual block each; odd.
        causal: see only the frame itself and those before it.
        dropout: probability of zeroing an activation while training.
        channels: width of every hidden layer.
    """

    def __init__(
        self,
        num_joints_in: int,
        in_features: int,
        num_joints_out: int,
        filter_widths: Sequence[int],
        *,
        causal: bool = False,
        dropout: float = 0.25,
        channels: int = 1024,
    ):
        super().__init__()
        even = [width for width in filter_widths if width < 1 or width % 2 == 0]
        if even or not filter_widths:
            raise ValueError(f"filter_widths must be odd and positive, found {tuple(filter_widths)}")
        self.num_joints_in, self.in_features, self.num_joints_out = num_joints_in, in_features, num_joints_out
        self.filter_widths, self.causal = tuple(filter_widths), causal
        self.expand = _Layer(filter_widths[0], num_joints_in * in_features, channels, dropout)
        self.blocks = nn.ModuleList(_Block(width, channels, dropout, causal) for width in filter_widths[1:])
        self.shrink = nn.Linear(channels, num_joints_out * 3)

    @property
    def receptive_field(self) -> int:
        return receptive_field(self.filter_widths)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def set_bn_momentum(self, momentum: float) -> None:
        """How much of the newest batch enters the running statistics of every batch norm."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.momentum = momentum

    def forward(self, clips: Tensor) -> Tensor:
        """Whole clips, dilated: (B, T, joints_in, features) -> (B, T - receptive_field + 1, joints_out, 3), metres."""
        self._check(clips)
        x = self.expand(_dilated_taps(clips.flatten(2), self.filter_widths[0], 1))
        dilation = self.filter_widths[0]
        for block in self.blocks:
            y = block.pointwise(block.temporal(_dilated_taps(x, block.width, dilation)))
            first = block.residual_tap * dilation
            x = x[:, first : first + y.shape[1]] + y
            dilation *= block.width
        return self.shrink(x).unflatten(2, (self.num_joints_out, 3))

    def forward_windows(self, windows: Tensor) -> Tensor:
        """One output frame per window, strided: (B, receptive_field, joints_in, features) -> (B, joints_out, 3), metres."""
        self._check(windows)
        if windows.shape[1] != self.receptive_field:
            raise ValueError(f"expected windows of {self.receptive_field} frames, found {windows.shape[1]}")
        x = self.expand(_strided_taps(windows.flatten(2), self.filter_widths[0]))
        for block in self.blocks:
            residual = x[:, block.residual_tap :: block.width]
            x = residual + block.pointwise(block.temporal(_strided_taps(x, block.width)))
        return self.shrink(x.squeeze(1)).unflatten(1, (self.num_joints_out, 3))

    def _check(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[2:] != (self.num_joints_in, self.in_features) or x.shape[1] < self.receptive_field:
            raise ValueError(
                f"expected (batch, at least {self.receptive_field} frames, {self.num_joints_in} joints, "
                f"{self.in_features}), found {tuple(x.shape)}"
            )


def _strided_taps(x: Tensor, width: int) -> Tensor:
    """(B, T, C) -> (B, T / width, width * C): neighbouring frames side by side, a view."""
    batch, frames, channels = x.shape
    return x.reshape(batch, frames // width, width * channels)


def _dilated_taps(x: Tensor, width: int, dilation: int) -> Tensor:
    """(B, T, C) -> (B, T - (width - 1) * dilation, width * C): frames `dilation` apart side by side."""
    frames = x.shape[1] - (width - 1) * dilation
    return torch.cat([x[:, tap * dilation : tap * dilation + frames] for tap in range(width)], dim=2)
