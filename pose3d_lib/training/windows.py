"""Windows to train on, by number: gathered from clips that stand end to end, each with its mirror image.

The frames of all clips are in one array, each clip padded with its first and last frame. A window is a stretch of that array
and a batch one gather from a view of it; nothing is copied beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import mirror_intrinsics, screen_intrinsics
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import ROOT, Skeleton
from pose3d_lib.model.lifter import padding, receptive_field
from pose3d_lib.model.predict import end_to_end, pad_clips


@dataclass(frozen=True)
class Batch:
    """The tensors of a step; None for what the windows do not have."""

    inputs: Tensor  # (B, frames, joints_in, features)
    real: Tensor | None  # (B, chunk) bool: which output frames are frames of the clip; None where all are
    seen: Tensor  # (B, chunk, joints_in, 2): the keypoints of the output frames, normalised
    targets: Tensor | None  # (B, chunk, joints_out, 3), metres, relative to the root
    trajectory: Tensor | None  # (B, chunk, 1, 3), metres: the root in camera space
    labels: Tensor | None  # (B,) int64: number of the action that the network is told
    intrinsics: Tensor | None  # (B, 1, 1, 9), of `screen_intrinsics`: the camera of each window


class TrainingWindows:
    """Every window of some clips by number, with `mirrored` followed by their mirror images.

    A window has `chunk` consecutive output frames; each frame of the clips is an output frame of one window. The last
    window of a clip may reach beyond its end, where repeated frames do not count in the loss. `filter_widths` and `causal` of
    the network decide how many frames lead to an output frame. On `device` the frames are kept and the batches gathered.

    Of their output frames they have the 3D poses if `labelled`, the root in camera space with `trajectory` (an InputError if
    one is not in front of its camera), the number of their action among `labels`, and the lenses with `intrinsics`.

    Attributes:
        lengths: (windows,) int64, on the CPU: output frames of each window within its clip.
        clip_rows: (windows,) int64, on the CPU: the row of each window's clip in the table of clips.
    """

    def __init__(
        self,
        data: PoseDataset,
        clips: pd.DataFrame,
        keypoints: str,
        filter_widths: Sequence[int],
        *,
        causal: bool = False,
        chunk: int = 1,
        mirrored: bool = True,
        device: torch.device | str = "cpu",
        labelled: bool = True,
        trajectory: bool = False,
        labels: Sequence[str] = (),
        intrinsics: bool = False,
    ):
        room = 1 + mirrored
        padded = pad_clips(data, clips, keypoints, filter_widths, causal=causal, chunk=chunk, room=room)
        self.chunk, self._mirrored, self._before = chunk, mirrored, padding(filter_widths, causal=causal)[0]
        self.frames = receptive_field(filter_widths) + chunk - 1
        self.joint_shape = padded.screen.shape[1:]
        self._device = torch.device(device)
        frames = torch.tensor(padded.lengths)
        counts = -(-frames // chunk)  # windows of each clip
        clip_rows = torch.arange(len(frames)).repeat_interleave(counts)
        done = chunk * (torch.arange(len(clip_rows)) - (counts.cumsum(0) - counts)[clip_rows])  # of the clip's frames
        lengths = (frames[clip_rows] - done).clamp(max=chunk)
        first = (frames.cumsum(0) - frames)[clip_rows] + done  # output frame, of those of all clips
        rows = padded.first_row[first]
        if mirrored:
            rows = torch.cat([rows, rows + len(padded.screen) // 2])
            first = torch.cat([first, first + frames.sum()])
        self.lengths, self.clip_rows = lengths.repeat(room), clip_rows.repeat(room)
        self.screen, self.first_row = self._keep(padded.screen, data.layouts[keypoints]).flatten(1), rows.to(device)
        self._first, self._own = first.to(device), self.lengths.to(device)
        self.targets = self._roots = self._labels = self._cameras = None
        if labelled:
            self.targets = self._keep(end_to_end(data.positions, clips, room=room), data.skeleton)
        if trajectory:
            _check_depths(data, clips)
            self._roots = self._keep(end_to_end(data.trajectory[:, None], clips, room=room), ROOT)
        if labels:
            numbers = torch.tensor([labels.index(action) for action in clips.action])
            self._labels = numbers[self.clip_rows].to(device)
        if intrinsics:
            plain = torch.stack([screen_intrinsics(data.cameras[number]) for number in clips.camera])
            self._cameras = torch.cat([plain, mirror_intrinsics(plain)]).to(device)
            in_mirror = mirrored * (torch.arange(len(self)) >= len(self) // 2)
            self._camera = (self.clip_rows + in_mirror * len(plain)).to(device)

    def __len__(self) -> int:
        return len(self.first_row)

    def gather(self, numbers: Tensor) -> Batch:
        """The batch of some windows: (B,) int64, on the device."""
        rows, width = self.screen.shape
        overlapping = self.screen.as_strided((rows - self.frames + 1, self.frames * width), (width, 1))
        inputs = overlapping.index_select(0, self.first_row[numbers]).view(-1, self.frames, *self.joint_shape)
        steps, own = torch.arange(self.chunk, device=self._device), self._own[numbers, None]
        places = self._first[numbers, None] + torch.minimum(steps, own - 1)  # beyond a clip's end, its last frame

        def outputs(frames: Tensor | None) -> Tensor | None:
            return None if frames is None else frames.index_select(0, places.flatten()).unflatten(0, places.shape)

        return Batch(
            inputs,
            real=None if self.chunk == 1 else steps < own,
            seen=inputs[:, self._before : self._before + self.chunk, :, :2],
            targets=outputs(self.targets),
            trajectory=outputs(self._roots),
            labels=None if self._labels is None else self._labels[numbers],
            intrinsics=None if self._cameras is None else self._cameras[self._camera[numbers], None, None],
        )

    def _keep(self, frames: Tensor, layout: Skeleton) -> Tensor:
        """An array of all frames on the device; its mirror image, if wanted, is written into its second half.

        Into memory that is there already, as memory touched first is what costs here.
        """
        if self._mirrored:
            first, second = frames.chunk(2)
            torch.index_select(first, 1, torch.tensor(layout.mirror), out=second)
            second[..., 0].neg_()
        return frames.to(self._device)


def _check_depths(data: PoseDataset, clips: pd.DataFrame) -> None:
    """Rejects a root beside or behind its camera, where an error relative to the depth makes no sense."""
    for _, clip in clips.iterrows():
        depths = data.trajectory[clip.start : clip.stop, 2]
        if not (depths > 0).all():
            frame = int(np.argmin(depths > 0))
            raise InputError(
                f"{data.name}: in {data.name_of(clip)} the root is {depths[frame]:.3g} m in front of the camera at frame "
                f"{frame}, and a trajectory is learnt relative to the depth; leave that take out (leave_out), or train "
                "without trajectory"
            )
