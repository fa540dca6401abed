"""Lifting whole clips: padded at their ends, averaged with their mirror image, on any device."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import ROOT, Skeleton
from pose3d_lib.model.clips import mirror_keypoints, mirror_poses, pad_clips
from pose3d_lib.model.lifter import TemporalLifter, padding
from pose3d_lib.model.precision import arithmetic

ROWS_AT_ONCE = 2048
"""Frames, with padding, that pass through the network together, few enough for a cache; a longer clip passes whole."""


@torch.no_grad()
def predict(
    model: TemporalLifter,
    data: PoseDataset,
    clips: pd.DataFrame,
    keypoints: str,
    *,
    mirror: bool = True,
    joints: Skeleton | None = None,
) -> Iterator[list[Tensor]]:
    """Lifts whole clips, a group of them at a time: yields one (frames, joints, 3) prediction, metres, per clip, in order.

    Clips stand end to end with their padding and pass through the dilated network as one; the frames between two clips
    that mix both are dropped, so each prediction is exactly that of the clip alone. A prediction is the mean of the
    clip's and of its mirror image's, mirrored back (VideoPose3D, section 5.2).

    Args:
        model: the lifter, on any device.
        data, clips, keypoints: what to lift.
        mirror: whether the mirror image is lifted too.
        joints: what the lifter lifts to; the dataset's skeleton if not given.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = (clips.stop - clips.start).to_numpy() + sum(padding(model.filter_widths, causal=model.causal))
    for _, group in clips.groupby(np.cumsum(rows) // ROWS_AT_ONCE):
        padded = pad_clips(data, group, keypoints, model.filter_widths, causal=model.causal)
        screen = padded.screen.to(device)
        images = [screen, mirror_keypoints(screen, data.layouts[keypoints])] if mirror else [screen]
        with arithmetic("float32", device.type):
            lifted = model(torch.stack(images))
        poses, *mirrored = lifted[:, padded.first_row.to(device)].double().cpu()
        if mirrored:
            poses = (poses + mirror_poses(mirrored[0], joints or data.skeleton)) / 2
        yield list(poses.split(padded.lengths))
    model.train(was_training)


def predict_trajectory(
    model: TemporalLifter, data: PoseDataset, clips: pd.DataFrame, keypoints: str, *, mirror: bool = True
) -> Iterator[list[Tensor]]:
    """As `predict`, with a lifter of the trajectory: one (frames, 3), the root in camera space, metres, per clip."""
    for group in predict(model, data, clips, keypoints, mirror=mirror, joints=ROOT):
        yield [root.squeeze(1) for root in group]
