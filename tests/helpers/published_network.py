"""The lifter written a second time, from the published description with plain convolutions, and its checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose3d_lib.model import layers
from pose3d_lib.model.lifter import TemporalLifter


class PublishedNetwork(nn.Module):
    """The same network in ordinary convolutions over (B, C, T), with a copy of a lifter's numbers.

    Expand convolution, then per block a dilated (or strided) convolution and one of width 1, each with batch norm, ReLU
    and dropout, beside a slice of the block's input: the centre one, or the last one if causal; at the end width 1 to 3D.
    If dense, a convolution has a tap on each of the frames between the first and the last of the dilated one.
    """

    def __init__(self, model: TemporalLifter, *, strided: bool):
        super().__init__()
        self.causal, self.strided, self.widths = model.causal, strided, model.filter_widths
        self.p = model.expand.dropout
        channels, first = model.shrink.in_features, model.filter_widths[0]
        inputs, outputs = model.num_joints_in * model.in_features, model.num_joints_out * 3
        spread = first
        convolutions = [nn.Conv1d(inputs, channels, first, stride=first if strided else 1, bias=False)]
        for width in model.filter_widths[1:]:
            form = {"stride": width} if strided else {} if model.dense else {"dilation": spread}
            taps = (width - 1) * spread + 1 if model.dense else width
            convolutions.append(nn.Conv1d(channels, channels, taps, **form, bias=False))
            convolutions.append(nn.Conv1d(channels, channels, 1, bias=False))
            spread *= width
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in convolutions)
        self.last = nn.Conv1d(channels, outputs, 1)
        self.to(model.shrink.weight.dtype).train(model.training)
        with torch.no_grad():
            for name, own in self.named_by_the_lifter():
                value = model.state_dict()[name]
                if own.ndim == 3:  # (out, width * in) -> (out, in, width)
                    value = value.unflatten(1, (own.shape[2], own.shape[1])).transpose(1, 2)
                own.copy_(value)

    def named_by_the_lifter(self) -> list[tuple[str, Tensor]]:
        """Every weight and every running statistic, with the name of its twin in the lifter."""
        blocks = range(len(self.widths) - 1)
        layers = ["expand", *(f"blocks.{block}.{layer}" for block in blocks for layer in ("temporal", "pointwise"))]
        named = []
        for layer, convolution, norm in zip(layers, self.convolutions, self.norms, strict=True):
            named.append((f"{layer}.product.weight", convolution.weight))
            named += [(f"{layer}.norm.{name}", value) for name, value in norm.state_dict(keep_vars=True).items()]
        return [*named, ("shrink.weight", self.last.weight), ("shrink.bias", self.last.bias)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, joints_in, features) -> (B, T', joints_out, 3)."""
        stages = iter(zip(self.convolutions, self.norms, strict=True))

        def stage(x: Tensor) -> Tensor:
            convolve, normalise = next(stages)
            return F.dropout(F.relu(normalise(convolve(x))), self.p, self.training)

        x = stage(x.flatten(2).transpose(1, 2))
        spread = self.widths[0]
        for width in self.widths[1:]:
            y = stage(stage(x))
            before = (width - 1 if self.causal else (width - 1) // 2) * (1 if self.strided else spread)
            x = x[:, :, before :: width if self.strided else 1][:, :, : y.shape[2]] + y
            spread *= width
        return self.last(x).transpose(1, 2).unflatten(2, (-1, 3))


def published_network(
    filter_widths: tuple[int, ...],
    *,
    joints_in: int = 17,
    features: int = 2,
    joints_out: int = 17,
    channels: int = 16,
    causal: bool = False,
    dense: bool = False,
    seed: int = 0,
) -> PublishedNetwork:
    """Such a network, whole clips in and out, in evaluation mode, with weights and running statistics of its own."""
    torch.manual_seed(seed)
    shape = TemporalLifter(
        joints_in, features, joints_out, filter_widths, causal=causal, dense=dense, channels=channels
    )
    network = PublishedNetwork(shape, strided=False).eval()
    for norm in network.norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.3)
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.5, 2)
        norm.num_batches_tracked.fill_(1234)
    for convolution in network.convolutions:
        nn.init.normal_(convolution.weight, 0, (convolution.weight[0].numel()) ** -0.5)
    return network


def share_masks(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What the lifter drops, PyTorch's dropout drops afterwards in the same order; the masks that are left to it."""
    masks: list[Tensor] = []
    generator = torch.Generator().manual_seed(9)

    def drop_(x: Tensor, p: float) -> Tensor:  # (B * T, C)
        masks.append((torch.rand(x.shape, generator=generator) >= p).to(x.dtype))
        return x.mul_(masks[-1])

    def dropout(x: Tensor, p: float, training: bool) -> Tensor:  # (B, C, T)
        assert training
        return x * masks.pop(0).view(len(x), -1, x.shape[1]).transpose(1, 2) / (1 - p)

    monkeypatch.setattr(layers, "drop_", drop_)
    monkeypatch.setattr(F, "dropout", dropout)
    return masks


def _names(network: PublishedNetwork) -> list[tuple[str, nn.Module]]:
    """What VideoPose3D calls the parts of the network."""
    layers = [("expand_conv", network.convolutions[0]), ("expand_bn", network.norms[0])]
    for number, (convolution, norm) in enumerate(zip(network.convolutions[1:], network.norms[1:], strict=True)):
        layers += [(f"layers_conv.{number}", convolution), (f"layers_bn.{number}", norm)]
    return [*layers, ("shrink", network.last)]


def state_of(network: PublishedNetwork) -> dict[str, Tensor]:
    """Every number of the network by the name that VideoPose3D has for it."""
    return {f"{name}.{key}": value for name, part in _names(network) for key, value in part.state_dict().items()}


def load_state(network: PublishedNetwork, state: dict[str, Tensor]) -> None:
    """Copies such a state into the network, every number of it: as strict as PyTorch is."""
    left = dict(state)
    for name, part in _names(network):
        part.load_state_dict({key: left.pop(f"{name}.{key}") for key in part.state_dict()})
    assert not left


def write_checkpoint(
    path: Path, pose: PublishedNetwork, trajectory: PublishedNetwork | None = None, *, legacy: bool = False, **changes
) -> Path:
    """A checkpoint as VideoPose3D writes it: optimiser and numpy's random generators too; `changes` replace its keys."""
    weights = [weight for part in (pose, trajectory) if part is not None for weight in part.parameters()]
    moments = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    state = [{"step": torch.tensor(1.0), **{name: torch.ones_like(own) for name in moments}} for own in weights]
    group = {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-08, "weight_decay": 0, "amsgrad": True}
    group["params"] = list(range(len(weights)))
    content = {
        "epoch": 80, "lr": 1.6e-05, "random_state": np.random.RandomState(1234),
        "optimizer": {"state": dict(enumerate(state)), "param_groups": [group]},
        "model_pos": state_of(pose),
        "model_traj": None if trajectory is None else state_of(trajectory),
        "random_state_semi": np.random.RandomState(1234),
    }  # fmt: skip
    torch.save({**content, **changes}, path, _use_new_zipfile_serialization=not legacy)
    return path
