"""What a config asks for on a dataset: the network, the clips, the budget, the order; refused where the data cannot carry it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.budget import Budget, batch_sizes, plan_budget
from pose3d_lib.config import RunConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.evaluation import check_test_clips
from pose3d_lib.model import TemporalLifter


def build_model(config: RunConfig, data: PoseDataset) -> TemporalLifter:
    """An untrained lifter; its weights follow from PyTorch's random state."""
    return TemporalLifter(
        num_joints_in=data.layouts[config.keypoints].num_joints,
        in_features=2,
        num_joints_out=data.skeleton.num_joints,
        filter_widths=config.filter_widths,
        causal=config.causal,
        dropout=config.dropout,
        channels=config.channels,
    )


def own_train_clips(config: RunConfig, data: PoseDataset) -> pd.DataFrame:
    """The clips that a run is trained on, each as long as `train_share` leaves it, in the order of the table."""
    for action in config.trained_actions:
        data.train_clips(action)  # refuses one that has none
    clips = data.select(data.train_subjects, None if config.is_baseline else config.trained_actions)
    frames = np.rint(config.train_share * (clips.stop - clips.start)).astype(int).clip(lower=1)
    return clips.assign(stop=clips.start + frames)


def own_test_clips(config: RunConfig, data: PoseDataset) -> pd.DataFrame:
    """The test clips of a run's `action`, or of all actions for the baseline: what it is tested on on the way."""
    clips = data.test_clips()
    return clips if config.is_baseline else clips[clips.action == config.action]


def check_run(config: RunConfig, data: PoseDataset) -> Budget:
    """The budget of a run, or an InputError where the data cannot carry it; reads the table of clips only."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "parameter device: this machine has no CUDA device that PyTorch can use; 'cpu' and 'auto' work here"
        )
    check_test_clips(data)
    everything, own = (2 * _num_frames(clips) for clips in (data.train_clips(), own_train_clips(config, data)))
    if not len(own_test_clips(config, data)):
        raise InputError(
            f"action {config.action!r} of {data.name} has no test clips, so nothing could be said of its model. "
            f"Actions with both: {', '.join(a for a in data.train_actions if a in data.test_actions)}"
        )
    if config.batch_size > own:
        share = "" if config.train_share == 1 else f" at train_share {config.train_share:g}"
        raise InputError(
            f"parameter batch_size: found {config.batch_size}, but there are only {own} training windows of "
            f"{', '.join(config.trained_actions)} in {data.name}{share} ({own // 2} frames, and their mirror images); "
            f"give at most {own}"
        )
    budget = plan_budget(everything, own, unit_epochs=config.unit_epochs, budget=config.budget)
    if budget.total < 2:
        raise InputError(
            f"parameter unit_epochs: found {config.unit_epochs:g}, which leaves {budget.total} windows to train on; "
            f"a unit epoch has {budget.unit}"
        )
    return budget


def _num_frames(clips: pd.DataFrame) -> int:
    return int((clips.stop - clips.start).sum())


def batches(budget: Budget, config: RunConfig, device: torch.device, seen: int = 0) -> Iterator[tuple[Tensor, bool]]:
    """Numbers of the windows of each batch, shuffled anew every epoch, and whether the batch ends its epoch.

    Those of the first `seen` windows are left out, which is where a batch ended.
    """
    for epoch, size in enumerate(budget.epoch_sizes):
        if seen >= size:
            seen -= size
            continue
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        order = torch.randperm(budget.per_epoch, generator=generator)[:size]
        split = order.to(device).split(batch_sizes(size, config.batch_size))
        for number, batch in enumerate(split):
            if seen:
                seen -= len(batch)
            else:
                yield batch, number == len(split) - 1
