"""Whole clips, gathered from a dataset: normalised, padded, end to end; and their mirror images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.data.cameras import normalize_screen
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.lifter import padding


def mirror_keypoints(screen: Tensor, layout: Skeleton) -> Tensor:
    """Keypoints as in a mirror: x negated, left and right exchanged, scores kept: (..., joints, features) -> the same."""
    return screen[..., list(layout.mirror), :] * screen.new_tensor([-1, 1, 1][: screen.shape[-1]])


def mirror_poses(poses: Tensor, skeleton: Skeleton) -> Tensor:
    """Camera-space poses as in a mirror: x negated, left and right exchanged: (..., joints, 3) -> the same."""
    return poses[..., list(skeleton.mirror), :] * poses.new_tensor([-1, 1, 1])


@dataclass(frozen=True)
class PaddedClips:
    """The keypoints of some clips, end to end, each with its padding."""

    screen: Tensor  # (rows, joints, features) float32, normalised screen coordinates and, if there are any, scores
    first_row: Tensor  # (frames,) int64: the row at which the window of each frame begins
    lengths: tuple[int, ...]  # frames of each clip, without padding


def pad_clips(
    data: PoseDataset,
    clips: pd.DataFrame,
    keypoints: str,
    filter_widths: Sequence[int],
    *,
    causal: bool,
    chunk: int = 1,
    room: int = 1,
) -> PaddedClips:
    """Gathers clips, normalises their keypoints and repeats their first and last frames as far as a window reaches.

    Lengths are padded to a multiple of `chunk`. With `room` 2, `screen` has twice the rows; the second half is not written.
    """
    before, after = padding(filter_widths, causal=causal)
    lengths = (clips.stop - clips.start).to_numpy()
    starts = np.concatenate([[0], np.cumsum(before + lengths + -lengths % chunk + after)])
    pixels, scores = data.keypoints[keypoints], data.scores.get(keypoints)
    features = 2 if scores is None else 3
    screen = torch.empty((room * int(starts[-1]), pixels.shape[1], features))
    for row, end, length, clip in zip(starts, starts[1:], lengths, clips.itertuples(), strict=False):
        camera = data.cameras[clip.camera]
        frames = torch.from_numpy(pixels[clip.start : clip.stop])
        own = screen[row:end]
        inside = own[before : before + length]
        inside[..., :2] = normalize_screen(frames, camera.width, camera.height)
        if scores is not None:
            inside[..., 2] = torch.from_numpy(scores[clip.start : clip.stop])
        own[:before] = inside[0]
        own[before + length :] = inside[-1]
    first_frames = np.cumsum(lengths) - lengths
    first_row = np.repeat(starts[:-1] - first_frames, lengths) + np.arange(lengths.sum())
    return PaddedClips(screen, torch.from_numpy(first_row), tuple(lengths.tolist()))


def end_to_end(array: np.ndarray, clips: pd.DataFrame, *, room: int = 1) -> Tensor:
    """The rows of an array of all frames that belong to some clips, end to end: (frames, ...) float32; `room` as above."""
    ends = (clips.stop - clips.start).cumsum().tolist()
    rows = torch.empty((room * (ends or [0])[-1], *array.shape[1:]))
    for end, start, stop in zip(ends, clips.start, clips.stop, strict=True):
        rows[end - (stop - start) : end] = torch.from_numpy(array[start:stop])
    return rows
