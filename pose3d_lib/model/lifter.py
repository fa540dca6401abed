"""The temporal lifter of VideoPose3D: dilated temporal convolutions from 2D keypoints to 3D joints.

Written from the published description (Pavllo et al., CVPR 2019, section 3 and figure 2). Arrays are channels-last, and every
convolution is a matrix product over its taps side by side; on windows, whose strides equal the widths, that is a reshape and
a product, several times faster than a general convolution.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose3d_lib.model.layers import relu_dropout, taps_and_residual

TRAJECTORY = "trajectory."  # before the names of the second network's tensors
RUNNING = (".running_mean", ".running_var")  # how the names of a batch norm's running statistics end
LONGEST_FIELD = 10_000  # frames; the published networks see up to 243


def receptive_field(filter_widths: Sequence[int]) -> int:
    """How many input frames one output frame sees: the product of the widths, 27 for (3, 3, 3)."""
    return math.prod(filter_widths)


def check_widths(filter_widths: Sequence[int]) -> Sequence[int]:
    """The widths; a ValueError if a window would have no middle, or sees too many frames to make sense."""
    odd = all(width > 0 and width % 2 for width in filter_widths)
    if not odd or not 1 <= len(filter_widths) <= 20 or receptive_field(filter_widths) > LONGEST_FIELD:
        raise ValueError(
            f"filter widths must be odd and positive, 1 to 20, and see at most {LONGEST_FIELD:,} frames, found "
            f"{tuple(filter_widths)[:20]}"
        )
    return filter_widths


def padding(filter_widths: Sequence[int], *, causal: bool) -> tuple[int, int]:
    """Frames to add before and after a clip so that it comes out as long as it went in."""
    missing = receptive_field(filter_widths) - 1
    return (missing, 0) if causal else (missing // 2, missing // 2)


class _Layer(nn.Module):
    """Convolution over `width` taps as a matrix product, batch norm, ReLU, dropout: (B, T, width * C_in) -> (B, T, C_out)."""

    def __init__(self, width: int, channels_in: int, channels_out: int, dropout: float):
        super().__init__()
        self.product = nn.Linear(width * channels_in, channels_out, bias=False)  # the batch norm's shift is the bias
        self.norm = nn.BatchNorm1d(channels_out)
        self.register_buffer("momentum", torch.tensor(0.1), persistent=False)  # a tensor: a recorded step reads it anew
        self.dropout = dropout

    def forward(self, taps: Tensor) -> Tensor:
        return self.activate(self.product(taps))

    def activate(self, y: Tensor) -> Tensor:
        """What follows the product: (B, T, C) -> the same. Every frame of the batch is a sample of its channel."""
        rows, norm = y.flatten(0, 1), self.norm
        if not self.training:
            return F.relu(norm(rows)).view_as(y)
        if len(rows) < 2:
            raise ValueError("expected two frames or more to train on: a batch norm cannot normalise one")
        keep = 1 - self.dropout
        mean, variance = torch.zeros_like(norm.running_mean), torch.zeros_like(norm.running_var)
        # With a momentum of 1 it leaves the batch's own statistics.
        rows = F.batch_norm(rows, mean, variance, norm.weight / keep, norm.bias / keep, True, 1.0, norm.eps)
        with torch.no_grad():
            norm.running_mean.lerp_(mean, self.momentum)
            norm.running_var.lerp_(variance, self.momentum)
            norm.num_batches_tracked.add_(1)
        return relu_dropout(rows, self.dropout).view_as(y)

    def folded(self, shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(C_out, width * C_in) weight and (C_out,) bias of the product with the batch norm in it, as in evaluation mode.

        A `shift`, (..., C_out), is added to the product, before the batch norm; the bias then has its shape.
        """
        scale = self.norm.weight * torch.rsqrt(self.norm.running_var + self.norm.eps)
        bias = self.norm.bias - self.norm.running_mean * scale
        return self.product.weight * scale[:, None], bias if shift is None else bias + shift * scale

    def lift(self, rows: Tensor, width: int, dilation: int, out: Tensor, shift: Tensor | None = None) -> Tensor:
        """`forward` on `_dilated_taps` in evaluation mode: (N, C_in) -> (N - (width - 1) * dilation, C_out), within `out`.

        Each tap is a product added to the first: no frame is copied. A `shift`, (N, C_out), is added to the product.
        """
        count = len(rows) - (width - 1) * dilation
        weight, bias = self.folded(None if shift is None else shift[:count])
        taps = weight.t().split(rows.shape[1])
        y = torch.addmm(bias, rows[:count], taps[0], out=out[:count])
        for tap, weight in enumerate(taps[1:], start=1):
            y.addmm_(rows[tap * dilation : tap * dilation + count], weight)
        return y.relu_()


class _Block(nn.Module):
    """One residual block: a convolution over time and one of a single tap, beside a slice of the input."""

    def __init__(self, width: int, dilation: int, channels: int, dropout: float, *, causal: bool, dense: bool):
        super().__init__()
        reach = (width - 1) * dilation
        self.taps, self.spacing = (reach + 1, 1) if dense else (width, dilation)  # spacing: frames between two taps
        self.residual = reach if causal else reach // 2  # index of the input frame that is added to an output frame
        self.temporal = _Layer(self.taps, channels, channels, dropout)
        self.pointwise = _Layer(1, channels, channels, dropout)


class TemporalLifter(nn.Module):
    """Lifts 2D keypoints to 3D joints, in two forms that share every weight and agree to rounding in evaluation mode.

    Args:
        num_joints_in: joints of the 2D skeleton.
        in_features: numbers per input joint, 2 for x and y, 3 with a score.
        num_joints_out: joints of the 3D skeleton.
        filter_widths: taps of the first convolution and of one residual block each; odd.
        causal: see only the frame itself and those before it.
        dense: the paper's ablation: convolutions have a tap on each frame within their reach, and there is no strided form.
        dropout: probability of zeroing an activation while training.
        channels: width of every hidden layer.
        labels: actions that the network is told of, none as published. A told action is a further input, one-hot: it adds a
            learnt shift, at first 0, to the first layer's product. `labels` of a call are their numbers, a (B,) int64 tensor.

    `forward_windows` (strided) computes one output frame per window, for training on single frames; `forward` (dilated)
    computes every output frame of a clip, for testing and for training on several frames at once.
    """

    def __init__(
        self,
        num_joints_in: int,
        in_features: int,
        num_joints_out: int,
        filter_widths: Sequence[int],
        *,
        causal: bool = False,
        dense: bool = False,
        dropout: float = 0.25,
        channels: int = 1024,
        labels: Sequence[str] = (),
    ):
        super().__init__()
        check_widths(filter_widths)
        self.num_joints_in, self.in_features, self.num_joints_out = num_joints_in, in_features, num_joints_out
        self.filter_widths, self.causal, self.dense = tuple(filter_widths), causal, dense
        self.dropout, self.channels, self.labels = dropout, channels, tuple(labels)
        self.shifts = nn.Parameter(torch.zeros(len(labels), channels)) if labels else None
        self.expand = _Layer(filter_widths[0], num_joints_in * in_features, channels, dropout)
        dilations = [math.prod(filter_widths[:number]) for number in range(1, len(filter_widths))]
        self.blocks = nn.ModuleList(
            _Block(width, dilation, channels, dropout, causal=causal, dense=dense)
            for width, dilation in zip(filter_widths[1:], dilations, strict=True)
        )
        self.shrink = nn.Linear(channels, num_joints_out * 3)

    @property
    def receptive_field(self) -> int:
        return receptive_field(self.filter_widths)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def set_bn_momentum(self, momentum: float) -> None:
        """Sets the weight of the newest batch in the running statistics of every batch norm."""
        for module in self.modules():
            if isinstance(module, _Layer):
                module.momentum.fill_(momentum)

    def forward(self, clips: Tensor, labels: Tensor | None = None) -> Tensor:
        """Whole clips, dilated: (B, T, joints_in, features) -> (B, T - receptive_field + 1, joints_out, 3), metres."""
        self._check(clips, labels)
        if len(clips) and not self.training and not torch.is_grad_enabled():
            with torch.autocast(clips.device.type, enabled=False):  # it passes over products in place
                return self._lift(clips, labels)
        x = self._expand(_dilated_taps(clips.flatten(2), self.filter_widths[0], 1), labels)
        for block in self.blocks:
            y = block.pointwise(block.temporal(_dilated_taps(x, block.taps, block.spacing)))
            x = x[:, block.residual : block.residual + y.shape[1]] + y
        return self._shrink(x)

    def forward_windows(self, windows: Tensor, labels: Tensor | None = None) -> Tensor:
        """One output frame per window: (B, receptive_field, joints_in, features) -> (B, joints_out, 3), metres."""
        self._check(windows, labels)
        if windows.shape[1] != self.receptive_field:
            raise ValueError(f"expected windows of {self.receptive_field} frames, found {windows.shape[1]}")
        if self.dense:
            return self(windows, labels).squeeze(1)
        width = self.filter_widths[0]
        x = self._expand(windows.reshape(len(windows), self.receptive_field // width, -1), labels)
        for block in self.blocks:
            taps, residual = taps_and_residual(x, block.taps, block.residual // block.spacing)
            x = residual + block.pointwise(block.temporal(taps))
        return self._shrink(x).squeeze(1)

    def _lift(self, clips: Tensor, labels: Tensor | None) -> Tensor:
        """`forward` in evaluation mode without gradients: the clips pass as one, and frames that mix two are dropped."""
        batch, frames = clips.shape[:2]
        rows, channels = batch * frames, self.channels
        # One piece of memory, which is given back whole: arrays of many sizes in turn would leave the heap full of holes.
        # Each part begins at a multiple of 64 bytes, as an array of its own would.
        parts = clips.new_empty(3, -(-rows * channels // 16) * 16)[:, : rows * channels].unflatten(1, (rows, channels))
        here, between, there = parts
        shift = None if labels is None else self._shift(labels).expand(-1, frames, -1).flatten(0, 1)
        x = self.expand.lift(clips.reshape(rows, -1), self.filter_widths[0], 1, here, shift)
        for block in self.blocks:
            y = block.temporal.lift(x, block.taps, block.spacing, between)
            y = block.pointwise.lift(y, 1, 1, there)
            x = y.add_(x[block.residual : block.residual + len(y)])
            here, there = there, here
        poses = F.pad(self.shrink(x), (0, 0, 0, batch * frames - len(x))).unflatten(0, (batch, frames))
        return poses[:, : frames - self.receptive_field + 1].unflatten(2, (self.num_joints_out, 3))

    def _shift(self, labels: Tensor) -> Tensor:
        """What the told actions add to the first product: (B,) -> (B, 1, C). A product, as its gradient is deterministic."""
        told = labels[:, None, None] == torch.arange(len(self.labels), device=labels.device)
        return told.to(self.shifts.dtype) @ self.shifts

    def _expand(self, taps: Tensor, labels: Tensor | None) -> Tensor:
        """The first layer, whose product keeps the precision of the coordinates that it is given."""
        device = taps.device.type
        with torch.autocast(device, enabled=False):
            y = self.expand.product(taps)
            y = y if labels is None else y + self._shift(labels)
        return self.expand.activate(y.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else y)

    def _shrink(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, joints_out, 3): coordinates again, and so in the precision of the weights."""
        with torch.autocast(x.device.type, enabled=False):
            return self.shrink(x.to(self.shrink.weight.dtype)).unflatten(2, (self.num_joints_out, 3))

    def _check(self, x: Tensor, labels: Tensor | None) -> None:
        if (labels is None) != (self.shifts is None):
            raise ValueError("expected labels for a network that is told the action, and for no other")
        if x.ndim != 4 or x.shape[2:] != (self.num_joints_in, self.in_features) or x.shape[1] < self.receptive_field:
            raise ValueError(
                f"expected (batch, at least {self.receptive_field} frames, {self.num_joints_in} joints, "
                f"{self.in_features}), found {tuple(x.shape)}"
            )


def _dilated_taps(x: Tensor, width: int, dilation: int) -> Tensor:
    """(B, T, C) -> (B, T - (width - 1) * dilation, width * C): frames `dilation` apart side by side."""
    frames = x.shape[1] - (width - 1) * dilation
    return torch.cat([x[:, tap * dilation : tap * dilation + frames] for tap in range(width)], dim=2)


class Lifters(nn.Module):
    """The network of the pose and the one of the trajectory: same shape, same keypoints (VideoPose3D, section 4).

    `pose` lifts to joints relative to the root, metres; `trajectory` to the root in camera space, metres. Not to be nested:
    `state_dict` takes no prefix, as a module that holds this one would give it.
    """

    def __init__(self, pose: TemporalLifter, trajectory: TemporalLifter | None = None):
        super().__init__()
        self.pose, self.trajectory = pose, trajectory

    @property
    def networks(self) -> tuple[TemporalLifter, ...]:
        return (self.pose,) if self.trajectory is None else (self.pose, self.trajectory)

    num_parameters, set_bn_momentum = TemporalLifter.num_parameters, TemporalLifter.set_bn_momentum  # of all modules

    def state_dict(self) -> dict[str, Tensor]:
        """Every weight and running statistic by name, those of the pose as alone, those of the trajectory after TRAJECTORY."""
        return {name.removeprefix("pose."): own for name, own in super().state_dict().items()}

    @property
    def statistics(self) -> dict[str, Tensor]:
        """The running mean and variance of every batch norm, (C,) each, by their names in `state_dict`: a part of it."""
        return {name: own for name, own in self.state_dict().items() if name.endswith(RUNNING)}

    def load_statistics(self, statistics: Mapping[str, Tensor]) -> None:
        """Copies what `statistics` gave into the networks, all of it; a RuntimeError if it is of other networks."""
        if statistics.keys() != self.statistics.keys():
            raise RuntimeError("running means and variances of other networks")
        self.load_state_dict({**self.state_dict(), **statistics})

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copies what `state_dict` gave into the networks, all of it."""
        own = {name if name.startswith(TRAJECTORY) else f"pose.{name}": tensor for name, tensor in state.items()}
        super().load_state_dict(own)
