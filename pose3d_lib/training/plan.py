"""What a config asks for on a dataset: the networks, the clips, the budget; refused where the data cannot carry it."""

import hashlib

import numpy as np
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import ROOT, Skeleton
from pose3d_lib.model.evaluate import check_test_clips
from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.lifters import Lifters
from pose3d_lib.training.budget import Budget, batch_sizes, plan_budget
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.losses import PROJECTION

MOST_EPOCHS = 1_000_000
"""Of a run's own; published models have 80, the paper's action-based ones 1,200."""


def build_model(config: RunConfig, data: PoseDataset, joints: Skeleton | None = None) -> TemporalLifter:
    """An untrained lifter to the dataset's joints, or to others; its weights follow from PyTorch's random state."""
    return TemporalLifter(
        num_joints_in=data.layouts[config.keypoints].num_joints,
        in_features=2 + (config.keypoints in data.scores),
        num_joints_out=(joints or data.skeleton).num_joints,
        filter_widths=config.filter_widths,
        causal=config.causal,
        dense=config.dense,
        dropout=config.dropout,
        channels=config.channels,
    )


def build_lifters(config: RunConfig, data: PoseDataset) -> Lifters:
    """The untrained networks of a run."""
    return Lifters(build_model(config, data), build_model(config, data, ROOT) if config.has_trajectory else None)


def own_train_clips(config: RunConfig, data: PoseDataset) -> pd.DataFrame:
    """The clips that a run is trained on, each as long as `train_share` leaves it, in the order of the table."""
    for action in config.trained_actions:
        data.train_clips(action)  # refuses one that has none
    subjects = [
        check_name(name, data.train_subjects, f"train subject of {data.name}") for name in config.labelled_subjects
    ]
    clips = data.select(subjects or data.train_subjects, None if config.is_baseline else config.trained_actions)
    if not len(clips):
        raise InputError(
            f"parameter labelled_subjects: {', '.join(config.labelled_subjects)} of {data.name} never does "
            f"{', '.join(config.trained_actions)}, so there is nothing to train on; name others"
        )
    whole = clips.stop - clips.start
    frames = np.rint(config.train_share * whole).astype(int).clip(lower=1)
    start = clips.start
    if config.share_at == "anywhere":
        start = start + (_places(clips) * (whole - frames + 1)).astype(int)
    return clips.assign(start=start, stop=start + frames)


def _places(clips: pd.DataFrame) -> np.ndarray:
    """A number from 0 to 1 for each clip, the same for every camera of a take and in every run."""
    names = clips.subject.str.cat([clips.action, clips["take"]], sep="/")
    return np.array([int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12 for name in names])


def unlabelled_clips(config: RunConfig, data: PoseDataset) -> pd.DataFrame:
    """The clips that a run sees without their 3D poses, cut where a part of one is labelled; none if it is supervised.

    Where the labelled stretch of a clip is in its middle, both parts beside it are there.
    """
    if not config.semi_supervised:
        return data.clips.iloc[:0]
    labelled = own_train_clips(config, data)
    everybody = tuple(dict.fromkeys(data.clips.subject))
    subjects = [check_name(name, everybody, f"subject of {data.name}") for name in config.unlabelled_subjects]
    chosen = data.clips.subject.isin(subjects or config.labelled_subjects or data.train_subjects)
    if config.unlabelled_actions not in ((), (ALL,)):
        actions = [check_name(name, data.actions, f"action of {data.name}") for name in config.unlabelled_actions]
        chosen &= data.clips.action.isin(actions)
    clips = data.clips[chosen]
    own = labelled.reindex(clips.index)
    before = clips.assign(stop=own.start.fillna(clips.stop).astype(int))
    after = clips[own.stop.notna()].assign(start=own.stop.dropna().astype(int))
    parts = pd.concat([before, after]).sort_values("start", kind="stable")
    return parts[parts.stop > parts.start]


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
    per_frame = 1 + config.mirror_training
    everything, own = (per_frame * _num_frames(clips) for clips in (data.train_clips(), own_train_clips(config, data)))
    if not len(own_test_clips(config, data)):
        raise InputError(
            f"action {config.action!r} of {data.name} has no test clips, so nothing could be said of its model. "
            f"Actions with both: {', '.join(a for a in data.train_actions if a in data.test_actions)}"
        )
    if config.batch_size > own:
        share = "" if config.train_share == 1 else f" at train_share {config.train_share:g}"
        images = ", and their mirror images" if config.mirror_training else ""
        raise InputError(
            f"parameter batch_size: found {config.batch_size}, but there are only {own} training windows of "
            f"{', '.join(config.trained_actions)} in {data.name}{share} ({own // per_frame} frames{images}); "
            f"give at most {own}"
        )
    budget = plan_budget(everything, own, unit_epochs=config.unit_epochs, budget=config.budget)
    if budget.total < 2:
        raise InputError(
            f"parameter unit_epochs: found {config.unit_epochs:g}, which leaves {budget.total} windows to train on; "
            f"a unit epoch has {budget.unit}"
        )
    if budget.epochs > MOST_EPOCHS:
        raise InputError(
            f"parameter unit_epochs: found {config.unit_epochs:g}, which makes {budget.epochs:,.0f} epochs of this run, each "
            f"with a row in its history; give at most {config.unit_epochs * MOST_EPOCHS / budget.epochs:.3g}"
        )
    if config.test_every >= budget.epochs:
        raise InputError(
            f"parameter test_every: found {config.test_every}, and the run has {budget.epochs:.3g} epochs of its own, so no "
            "test on the way would be made; give less, 0 for none, or more unit_epochs"
        )
    longest = int((own_train_clips(config, data).eval("stop - start")).max())
    if config.chunk > longest:
        raise InputError(
            f"parameter chunk: found {config.chunk}, and the longest stretch of a clip that is trained on has {longest} "
            f"frames; give at most {longest}"
        )
    if config.semi_supervised:
        _check_unlabelled(config, data, budget)
    return budget


def _check_unlabelled(config: RunConfig, data: PoseDataset, budget: Budget) -> None:
    clips = unlabelled_clips(config, data)
    if not len(clips):
        whose = ", ".join(config.unlabelled_subjects) or "the labelled subjects"
        what = ", ".join(config.unlabelled_actions) or "any action"
        raise InputError(
            f"parameters unlabelled_subjects, unlabelled_actions: {data.name} has no frame of {whose} doing {what} that is "
            "not labelled in this run; name others, labelled_subjects without them, or a smaller train_share"
        )
    if idle := [name for name in config.unlabelled_subjects if name not in set(clips.subject)]:
        raise InputError(
            f"parameter unlabelled_subjects: every frame of {', '.join(idle)} that the run could see is labelled in it; leave "
            "them out, or name labelled_subjects without them"
        )
    if config.warmup_epochs * budget.per_epoch > _start_of_last_batch(config, budget):
        raise InputError(
            f"parameter warmup_epochs: found {config.warmup_epochs:g}, and the run has {budget.epochs:.3g} epochs, so no "
            "unlabelled window would ever enter; give less, or more unit_epochs"
        )
    if PROJECTION in config.without_terms:
        return
    blind = sorted({data.cameras[number].name for number in clips.camera if data.cameras[number].intrinsics is None})
    remedy = f"without_terms {PROJECTION} trains without that term"
    if blind:
        raise InputError(
            f"{data.name}: the intrinsics of camera {', '.join(blind)} are unknown, and the back-projection of unlabelled "
            f"clips needs them; {remedy}"
        )
    layout = data.layouts[config.keypoints]
    if layout.joints != data.skeleton.joints:
        raise InputError(
            f"parameter keypoints: {config.keypoints!r} has the joints of {layout.name}, and the back-projection compares "
            f"them with those that are predicted, of {data.skeleton.name}; choose keypoints of the same joints, or "
            f"{remedy}"
        )


def _start_of_last_batch(config: RunConfig, budget: Budget) -> int:
    """How many windows a run has seen when its last batch begins; of windows of several frames, at least so many."""
    *_, last = budget.epoch_sizes
    batch = min(config.batch_size, last) if config.chunk > 1 else batch_sizes(last, config.batch_size)[-1]
    return sum(budget.epoch_sizes) - batch


def _num_frames(clips: pd.DataFrame) -> int:
    return int((clips.stop - clips.start).sum())
