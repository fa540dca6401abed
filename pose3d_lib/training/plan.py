"""`RunPlan`: what a config asks for on a dataset, checked once: its clips and its budget; and its untrained networks."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.card import Network
from pose3d_lib.model.evaluate import check_velocity
from pose3d_lib.model.lifter import Lifters
from pose3d_lib.model.precision import check_device
from pose3d_lib.training.budget import Budget, batch_sizes, plan_budget
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.losses import PROJECTION


@dataclass(frozen=True, eq=False)
class RunPlan:
    """A run whose dataset can carry it, as `plan_run` makes it."""

    config: RunConfig
    data: PoseDataset
    train: pd.DataFrame  # the clips with poses, each cut to `train_share` of its frames
    unlabelled: pd.DataFrame  # clips seen without poses; twice, before and after it, where the middle is labelled
    test: pd.DataFrame  # as of `choose_test`
    budget: Budget  # how many windows it sees

    @property
    def own_test(self) -> pd.DataFrame:
        """The test clips of the run's `action`, without `with_actions`: those of the tests during training."""
        return self.test if self.config.is_baseline else self.test[self.test.action == self.config.action]


def plan_run(config: RunConfig, data: PoseDataset) -> RunPlan:
    """The plan of a run: its clips and its budget; only the table of clips is read.

    Args:
        config: the run's settings.
        data: what it is trained and tested on.

    Raises:
        InputError: the data cannot carry the run.
    """
    check_device(config.device)
    test = choose_test(config, data)
    check_velocity(data, test)
    train = _choose_train(config, data)
    frames = (int((clips.stop - clips.start).sum()) for clips in (data.train_clips(), train))
    unit, own = ((1 + config.mirror_training) * number for number in frames)
    budget = plan_budget(unit, own, unit_epochs=config.unit_epochs, budget=config.budget)
    plan = RunPlan(config, data, train, _choose_unlabelled(config, data, train), test, budget)
    _check_plan(plan)
    return plan


def choose_test(config: RunConfig, data: PoseDataset) -> pd.DataFrame:
    """The test clips of the actions that a run is trained on; of all for the baseline, unless it is told the action."""
    clips = data.test_clips()
    if config.is_baseline and not config.action_input:
        return clips
    return clips[clips.action.isin(label_actions(config, data) or config.trained_actions)]


def label_actions(config: RunConfig, data: PoseDataset) -> tuple[str, ...]:
    """The actions that the network of a run is told of, in the dataset's order."""
    own = data.train_actions if config.action_input else ()
    return tuple(action for action in own if config.is_baseline or action in config.trained_actions)


def plan_baseline(plan: RunPlan) -> RunPlan:
    """The run of all actions that a run is timed beside."""
    settings = {"action": ALL, "with_actions": (), "start_from": "", "evaluate_at": (), "recompute_at": (), "timed": 0}
    return plan_run(RunConfig(**plan.config.model_dump() | settings), plan.data)


def _choose_train(config: RunConfig, data: PoseDataset) -> pd.DataFrame:
    for action in config.trained_actions:
        data.train_clips(action)  # rejects one that has none
    subjects = [
        check_name(name, data.train_subjects, f"train subject of {data.name}") for name in config.labelled_subjects
    ]
    clips = data.select(subjects or data.train_subjects, None if config.is_baseline else config.trained_actions)
    if not len(clips):
        raise InputError(
            f"parameter labelled_subjects: {', '.join(config.labelled_subjects)} of {data.name} never does "
            f"{', '.join(config.trained_actions)}, so there is nothing to train on; name others"
        )
    whole, start = clips.stop - clips.start, clips.start
    frames = np.rint(config.train_share * whole).astype(int).clip(lower=1)
    if config.share_at == "anywhere":  # the same for every camera of a take and in every run
        names = clips.subject.str.cat([clips.action, clips["take"]], sep="/")
        shares = [int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12 for name in names]  # 0 to 1
        start = start + (np.array(shares) * (whole - frames + 1)).astype(int)
    return clips.assign(start=start, stop=start + frames)


def _choose_unlabelled(config: RunConfig, data: PoseDataset, labelled: pd.DataFrame) -> pd.DataFrame:
    if not config.semi_supervised:
        return data.clips.iloc[:0]
    everyone = tuple(dict.fromkeys(data.clips.subject))
    subjects = [check_name(name, everyone, f"subject of {data.name}") for name in config.unlabelled_subjects]
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


def _check_plan(plan: RunPlan) -> None:
    config, data, budget, windows = plan.config, plan.data, plan.budget, plan.budget.per_epoch
    if not len(plan.own_test):
        raise InputError(
            f"action {config.action!r} of {data.name} has no test clips, so nothing could be said of its model. "
            f"Actions with both: {', '.join(a for a in data.train_actions if a in data.test_actions)}"
        )
    if config.batch_size > windows:
        raise InputError(
            f"parameter batch_size: found {config.batch_size}, but there are only {windows} training windows of "
            f"{', '.join(config.trained_actions)} in {data.name} at train_share {config.train_share:g}; give at most {windows}"
        )
    if budget.total < 2:
        raise InputError(
            f"parameter unit_epochs: found {config.unit_epochs:g}, which leaves {budget.total} windows to train on; "
            f"a unit epoch has {budget.unit}"
        )
    if config.semi_supervised:
        _check_unlabelled(config, data, plan.unlabelled, budget)


def _check_unlabelled(config: RunConfig, data: PoseDataset, clips: pd.DataFrame, budget: Budget) -> None:
    if not len(clips):
        whose = ", ".join(config.unlabelled_subjects) or "the labelled subjects"
        what = ", ".join(config.unlabelled_actions) or "any action"
        raise InputError(
            f"parameters unlabelled_subjects, unlabelled_actions: {data.name} has no frame of {whose} doing {what} that is "
            "not labelled in this run; name others, labelled_subjects without them, or a smaller train_share"
        )
    last = batch_sizes(budget.epoch_sizes[-1], config.batch_size)[-1]
    if config.warmup_epochs * budget.per_epoch > sum(budget.epoch_sizes) - last:  # where the last batch begins
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


def build_lifters(config: RunConfig, data: PoseDataset) -> Lifters:
    """The untrained networks of a run; their weights follow from PyTorch's random state."""
    shape = {name: getattr(config, name) for name in ("filter_widths", "channels", "dropout", "causal", "dense")}
    features = 2 + (config.keypoints in data.scores)
    network = Network(**shape, in_features=features, labels=label_actions(config, data))
    layout = data.layouts[config.keypoints]
    return network.build(layout, data.skeleton, trajectory=config.has_trajectory)
