"""The baseline: the published network, its training windows and its test, as they are commonly written in PyTorch and NumPy.

Convolutions are Conv1d modules on (batch, channels, frames), every window is assembled by itself, and every test clip
passes alone. It computes what ours computes, which tests/test_benchmarks.py checks.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.training.config import RunConfig


class PlainLifter(nn.Module):
    """The network with the weights of ours: (B, frames, joints, 2) -> (B, frames that are left, joints, 3).

    Args:
        model: whose weights are copied; not causal.
        strided: one output frame per window, for training; else dilated, for whole clips.
    """

    def __init__(self, model: TemporalLifter, *, strided: bool):
        super().__init__()
        if model.causal or model.dense:
            raise ValueError("the baseline is neither causal nor dense")
        self.widths, self.strided, reach = model.filter_widths, strided, model.filter_widths[0]
        layers = [_convolution(model.expand.product, reach, strided=strided)]
        norms = [model.expand.norm]
        for block, width in zip(model.blocks, self.widths[1:], strict=True):
            layers.append(_convolution(block.temporal.product, width, strided=strided, dilation=reach))
            layers.append(_convolution(block.pointwise.product, 1, strided=strided))
            norms += [block.temporal.norm, block.pointwise.norm]
            reach *= width
        self.convolutions, self.norms = nn.ModuleList(layers), nn.ModuleList(copy.deepcopy(norm) for norm in norms)
        self.shrink = _convolution(model.shrink, 1, strided=strided)
        self.relu, self.dropout = nn.ReLU(), nn.Dropout(model.expand.dropout)

    def forward(self, frames: Tensor) -> Tensor:
        x = self._layer(0, frames.flatten(2).transpose(1, 2))
        dilation = self.widths[0]
        for block, width in enumerate(self.widths[1:]):
            middle = width // 2
            if self.strided:
                residual = x[:, :, middle::width]
            else:
                residual = x[:, :, middle * dilation : x.shape[2] - middle * dilation]
            x = residual + self._layer(2 * block + 2, self._layer(2 * block + 1, x))
            dilation *= width
        return self.shrink(x).transpose(1, 2).unflatten(2, (-1, 3))

    def _layer(self, number: int, x: Tensor) -> Tensor:
        return self.dropout(self.relu(self.norms[number](self.convolutions[number](x))))


def _convolution(linear: nn.Linear, width: int, *, strided: bool, dilation: int = 1) -> nn.Conv1d:
    """The same weights for (B, C, T)."""
    weight = linear.weight.detach().unflatten(1, (width, -1)).transpose(1, 2)
    steps = {"stride": width} if strided else {"dilation": dilation}
    made = nn.Conv1d(weight.shape[1], weight.shape[0], width, bias=linear.bias is not None, **steps)
    made.weight.data.copy_(weight)
    if linear.bias is not None:
        made.bias.data.copy_(linear.bias.detach())
    return made


class PlainWindows:
    """Batches assembled window by window: a stretch of a clip, its ends repeated, every other one mirrored."""

    def __init__(self, data: PoseDataset, config: RunConfig):
        self.pad = config.receptive_field // 2
        self.keypoints, self.poses = [], []
        for clip in data.train_clips(config.action).itertuples():
            camera = data.cameras[clip.camera]
            pixels = data.keypoints[config.keypoints][clip.start : clip.stop]
            self.keypoints.append(pixels / camera.width * 2 - np.float32([1, camera.height / camera.width]))
            self.poses.append(np.array(data.positions[clip.start : clip.stop]))
        self.mirror_2d, self.mirror_3d = list(data.layouts[config.keypoints].mirror), list(data.skeleton.mirror)
        self.windows = [
            (clip, frame, mirrored)
            for mirrored in (False, True)
            for clip, poses in enumerate(self.poses)
            for frame in range(len(poses))
        ]

    def batch(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        inputs, targets = [], []
        for number in numbers:
            clip, frame, mirrored = self.windows[number]
            keypoints, pose = self.keypoints[clip], self.poses[clip][frame]
            first, last = frame - self.pad, frame + self.pad + 1
            before, after = max(0, -first), max(0, last - len(keypoints))
            window = keypoints[max(0, first) : last]
            if before or after:
                window = np.pad(window, ((before, after), (0, 0), (0, 0)), "edge")
            if mirrored:
                window, pose = window[:, self.mirror_2d].copy(), pose[self.mirror_3d].copy()
                window[..., 0] *= -1
                pose[..., 0] *= -1
            inputs.append(window)
            targets.append(pose)
        return torch.from_numpy(np.stack(inputs)).float(), torch.from_numpy(np.stack(targets)).float()


def plain_training(plain: PlainLifter, windows: PlainWindows, lr: float) -> Callable[[Tensor], None]:
    """Trains a network in place: one optimiser step on the windows of given numbers, again and again."""
    plain.train()
    optimizer = torch.optim.Adam(plain.parameters(), lr=lr, amsgrad=True)

    def step(numbers: Tensor) -> None:
        inputs, targets = windows.batch(numbers.tolist())
        optimizer.zero_grad()
        loss = torch.mean(torch.norm(plain(inputs).squeeze(1) - targets, dim=-1))
        loss.backward()
        optimizer.step()

    return step


def plain_errors(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """The four errors of one clip: (frames, joints, 3) twice, in millimetres."""
    p, t = predicted - predicted.mean(axis=1, keepdims=True), target - target.mean(axis=1, keepdims=True)
    norm_p = np.sqrt((p**2).sum(axis=(1, 2), keepdims=True))
    norm_t = np.sqrt((t**2).sum(axis=(1, 2), keepdims=True))
    u, s, vt = np.linalg.svd((t / norm_t).transpose(0, 2, 1) @ (p / norm_p))
    v = vt.transpose(0, 2, 1)
    sign = np.sign(np.linalg.det(v @ u.transpose(0, 2, 1)))
    v[:, :, -1] *= sign[:, None]
    s[:, -1] *= sign
    rotation = v @ u.transpose(0, 2, 1)
    aligned = s.sum(axis=1)[:, None, None] * norm_t / norm_p * (p @ rotation) + target.mean(axis=1, keepdims=True)
    scale = (predicted * target).sum(axis=(1, 2), keepdims=True) / (predicted**2).sum(axis=(1, 2), keepdims=True)
    return {
        "mpjpe": np.linalg.norm(predicted - target, axis=2).mean(),
        "p_mpjpe": np.linalg.norm(aligned - target, axis=2).mean(),
        "n_mpjpe": np.linalg.norm(scale * predicted - target, axis=2).mean(),
        "mpjve": np.linalg.norm(np.diff(predicted, axis=0) - np.diff(target, axis=0), axis=2).mean(),
    }


def plain_evaluate(plain: PlainLifter, data: PoseDataset, clips: pd.DataFrame, keypoints: str) -> pd.DataFrame:
    """The errors of every clip, one row each: the clip and its mirror image pass together, and nothing else."""
    mirror_2d, mirror_3d = list(data.layouts[keypoints].mirror), list(data.skeleton.mirror)
    pad, rows = int(np.prod(plain.widths)) // 2, []
    for clip in clips.itertuples():
        camera = data.cameras[clip.camera]
        pixels = data.keypoints[keypoints][clip.start : clip.stop]
        screen = pixels / camera.width * 2 - np.float32([1, camera.height / camera.width])
        padded = np.pad(screen, ((pad, pad), (0, 0), (0, 0)), "edge")
        both = np.stack([padded, padded[:, mirror_2d]])
        both[1, ..., 0] *= -1
        with torch.no_grad():
            poses = plain(torch.from_numpy(both).float()).numpy()
        poses[1, ..., 0] *= -1
        poses[1] = poses[1][:, mirror_3d]
        target = data.positions[clip.start : clip.stop]
        rows.append(plain_errors(1000 * poses.mean(axis=0, dtype=np.float64), 1000 * target.astype(np.float64)))
    return pd.DataFrame(rows)
