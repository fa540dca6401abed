"""Training windows and whole test clips, gathered from a dataset: normalised, padded at their ends, mirrored.

The frames of all chosen clips stand in one array, each clip padded by repeating its first and last frame. A window is
then a stretch of that array and a batch of windows one gather from a view of it; nothing is cut out beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.cameras import normalize_screen
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.model import padding, receptive_field
from pose3d_lib.skeleton import Skeleton

MOST_NAMED = 3
"""Clips of a batch that its description names."""


def mirror_keypoints(screen: Tensor, layout: Skeleton) -> Tensor:
    """Normalised keypoints as in a mirror: x negated, left and right exchanged: (..., joints, 2) -> the same."""
    return screen[..., list(layout.mirror), :] * screen.new_tensor([-1, 1])


def mirror_poses(poses: Tensor, skeleton: Skeleton) -> Tensor:
    """Camera-space poses as in a mirror: x negated, left and right exchanged: (..., joints, 3) -> the same."""
    return poses[..., list(skeleton.mirror), :] * poses.new_tensor([-1, 1, 1])


@dataclass(frozen=True)
class PaddedClips:
    """Some clips' keypoints, end to end.

    Attributes:
        screen: (rows, joints, 2) float32, normalised screen coordinates; every clip with its padding.
        first_row: (frames,) int64: for each frame of the clips, the row at which its window begins.
        lengths: frames of each clip, without padding.
    """

    screen: Tensor
    first_row: Tensor
    lengths: tuple[int, ...]


def pad_clips(
    data: PoseDataset,
    clips: pd.DataFrame,
    keypoints: str,
    filter_widths: Sequence[int],
    *,
    causal: bool,
    room: int = 1,
) -> PaddedClips:
    """Gathers clips, normalises their keypoints and repeats their first and last frames as far as a window reaches.

    With `room` 2, `screen` has twice the rows, the second half of them not yet written.
    """
    before, after = padding(filter_widths, causal=causal)
    lengths = (clips.stop - clips.start).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths + before + after)])
    pixels = data.keypoints[keypoints]
    screen = torch.empty((room * int(starts[-1]), *pixels.shape[1:]))
    for row, length, clip in zip(starts, lengths, clips.itertuples(), strict=False):
        camera = data.cameras[clip.camera]
        frames = torch.from_numpy(pixels[clip.start : clip.stop])
        own = screen[row : row + length + before + after]
        own[before : before + length] = normalize_screen(frames, camera.width, camera.height)
        own[:before] = own[before]
        own[before + length :] = own[before + length - 1]
    first_row = np.repeat(starts[:-1] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(
        lengths.sum()
    )
    return PaddedClips(screen, torch.from_numpy(first_row), tuple(int(length) for length in lengths))


def gather_targets(data: PoseDataset, clips: pd.DataFrame, *, room: int = 1) -> Tensor:
    """Root-relative 3D joints of some clips, end to end: (frames, joints, 3) float32, metres, camera space.

    With `room` 2, there are twice the frames, the second half of them not yet written.
    """
    ends = (clips.stop - clips.start).cumsum().tolist()
    targets = torch.empty((room * (ends or [0])[-1], *data.positions.shape[1:]))
    for end, start, stop in zip(ends, clips.start, clips.stop, strict=True):
        targets[end - (stop - start) : end] = torch.from_numpy(data.positions[start:stop])
    return targets


def _mirror_into_second_half(both: Tensor, layout: Skeleton) -> Tensor:
    """Writes the mirror image of the first half of some poses into the second; memory touched first is what costs here."""
    first, second = both.chunk(2)
    torch.index_select(first, 1, torch.tensor(layout.mirror), out=second)
    second[..., 0].neg_()
    return both


class TrainingWindows:
    """Every window of some clips and its mirror image, by number; the mirrored ones come after the others.

    Args:
        data, clips, keypoints: what to train on.
        filter_widths, causal: of the network, which decide how long a window is.
        device: where the frames are kept and the batches gathered.
    """

    def __init__(
        self,
        data: PoseDataset,
        clips: pd.DataFrame,
        keypoints: str,
        filter_widths: Sequence[int],
        *,
        causal: bool = False,
        device: torch.device | str = "cpu",
    ):
        padded = pad_clips(data, clips, keypoints, filter_widths, causal=causal, room=2)
        self.frames = receptive_field(filter_widths)
        self.joint_shape = padded.screen.shape[1:]
        self.screen = _mirror_into_second_half(padded.screen, data.layouts[keypoints]).flatten(1).to(device)
        self.first_row = torch.cat([padded.first_row, padded.first_row + len(padded.screen) // 2]).to(device)
        self.targets = _mirror_into_second_half(gather_targets(data, clips, room=2), data.skeleton).to(device)
        self._data, self._clips, self._ends = data, clips, np.cumsum(padded.lengths)

    def __len__(self) -> int:
        return len(self.targets)

    def gather(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """A batch: (B,) int64 -> windows (B, receptive field, joints_in, 2) and targets (B, joints_out, 3), metres."""
        rows, width = self.screen.shape
        overlapping = self.screen.as_strided((rows - self.frames + 1, self.frames * width), (width, 1))
        windows = overlapping.index_select(0, self.first_row[numbers])
        return windows.view(-1, self.frames, *self.joint_shape), self.targets.index_select(0, numbers)

    def describe(self, numbers: Tensor) -> str:
        """What is in a batch, in words: its clips, the range of its numbers, and the first that are not finite."""
        rows = np.searchsorted(self._ends, numbers.cpu().numpy() % (len(self) // 2), side="right")
        clips = [self._data.name_of(self._clips.iloc[row]) for row in dict.fromkeys(rows)]
        some = ", ".join(clips[:MOST_NAMED]) + (
            f" and {len(clips) - MOST_NAMED} more" if len(clips) > MOST_NAMED else ""
        )
        words = [f"{len(numbers)} windows of {some}"]
        for name, values in zip(("keypoints", "3D joints"), self.gather(numbers), strict=True):
            finite = values.isfinite().flatten(1).all(1)
            if finite.all():
                words.append(f"{name} from {values.min():.3g} to {values.max():.3g}")
            else:
                first = self._clips.iloc[rows[int(finite.logical_not().nonzero()[0])]]
                words.append(f"{name} that are not finite, first in a window of {self._data.name_of(first)}")
        return "; ".join(words)
