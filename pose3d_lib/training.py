"""The training loop: shuffled windows, MPJPE, Adam with AMSGrad, and tests on the way."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.budget import Budget, batch_sizes, bn_momentum, learning_rate, plan_budget
from pose3d_lib.config import RunConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.evaluation import check_test_clips, evaluate, frame_wise, per_action
from pose3d_lib.model import TemporalLifter
from pose3d_lib.steps import TrainingSteps
from pose3d_lib.windows import TrainingWindows

SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True)
class HistoryRow:
    """The state of a run at the end of an epoch or at a test on the way.

    Attributes:
        epoch: epochs of this run so far; a fraction at a test within an epoch.
        unit_epochs: windows seen, in epochs of the baseline on all its frames.
        windows: windows seen.
        steps: optimiser steps made.
        lr, bn_momentum: of the last batch.
        train_mpjpe: mean loss since the row before, mm; with dropout, and of a network that was still changing.
        test_mpjpe: error on the clips of `own_test_clips`, mm, all frames weighted alike; None without a test.
        test_actions: the same per action; None without a test.
        train_seconds, test_seconds: spent so far in training, and in tests on the way.
    """

    epoch: float
    unit_epochs: float
    windows: int
    steps: int
    lr: float
    bn_momentum: float
    train_mpjpe: float
    test_mpjpe: float | None
    test_actions: dict[str, float] | None
    train_seconds: float
    test_seconds: float


@dataclass(frozen=True)
class Trained:
    """What training leaves: the network, and what it took.

    Attributes:
        model: the trained network, in evaluation mode.
        budget, windows, steps: what it was to see, and what it saw in how many optimiser steps.
        train_seconds, train_cpu_seconds: spent in training, by the clock and of all cores together; the latter does not
            grow where other processes want the same cores.
        test_seconds: spent in tests on the way, by the clock.
    """

    model: TemporalLifter
    budget: Budget
    windows: int
    steps: int
    train_seconds: float
    train_cpu_seconds: float
    test_seconds: float


class Stopwatch:
    """Adds up seconds by the clock and seconds of processor time, and can be halted while something else is done."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def go(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def halt(self) -> None:
        self.seconds += time.perf_counter() - self._since[0]
        self.cpu_seconds += time.process_time() - self._since[1]


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


def train(
    config: RunConfig,
    data: PoseDataset,
    *,
    initial: Mapping[str, Tensor] | None = None,
    on_row: Callable[[HistoryRow], None] = lambda row: None,
    on_progress: Callable[[int, int], None] = lambda seen, total: None,
) -> Trained:
    """Trains one run. The same config on the same machine's CPU gives the same weights, bit for bit.

    Args:
        config: what to train.
        data: the dataset that the config names.
        initial: the network's state that training starts with, weights and batch-norm statistics, where the config says
            `start_from`; none for random weights.
        on_row: called at every epoch's end and every test on the way.
        on_progress: called about twice a second with the windows seen and their total.

    Raises:
        InputError: the data cannot carry the run.
        FloatingPointError: the loss is no longer finite.
        ValueError: `initial` is there and the config starts from no run, or the other way round.
    """
    if bool(config.start_from) != (initial is not None):
        raise ValueError(f"expected initial weights just where a run starts from another, found {config.start_from!r}")
    budget = check_run(config, data)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    device = torch.device(config.device)
    clips = own_train_clips(config, data)
    windows = TrainingWindows(data, clips, config.keypoints, config.filter_widths, causal=config.causal, device=device)
    test_clips = own_test_clips(config, data)
    model = build_model(config, data)
    if initial is not None:
        model.load_state_dict(initial)
    model.to(device)
    make_step = TrainingSteps(model, windows, precision=config.precision, lr=config.lr, record=config.cuda_graphs)
    points = [round(point * budget.unit) for point in config.evaluate_at if point * budget.unit < budget.total]

    seen = steps = rows_seen = 0
    training, testing = Stopwatch(), Stopwatch()
    reported = time.perf_counter()
    training.go()
    for numbers, ends_epoch in _batches(budget, config, device):
        rate = learning_rate(config.lr, config.lr_decay, seen=seen, budget=budget, decay_per=config.lr_decay_per)
        momentum = bn_momentum(seen=seen, budget=budget, decay_per=config.bn_decay_per)
        make_step.set_schedule(rate, momentum)
        make_step(numbers)
        seen, steps = seen + len(numbers), steps + 1

        tests_now = bool(points) and seen >= points[0]
        if ends_epoch or tests_now:
            train_mpjpe = 1000 * float(make_step.loss_sum) / (seen - rows_seen)
            training.halt()
            if not train_mpjpe < float("inf"):
                raise FloatingPointError(
                    f"the training loss is {train_mpjpe} after {seen} windows, at learning rate {rate:.3g}"
                )
            errors = None
            if tests_now:
                points = [point for point in points if point > seen]
                testing.go()
                errors = per_action(evaluate(model, data, test_clips, config.keypoints))
                testing.halt()
            on_row(
                HistoryRow(
                    epoch=seen / budget.per_epoch,
                    unit_epochs=seen / budget.unit,
                    windows=seen,
                    steps=steps,
                    lr=rate,
                    bn_momentum=momentum,
                    train_mpjpe=train_mpjpe,
                    test_mpjpe=None if errors is None else float(frame_wise(errors).mpjpe),
                    test_actions=None if errors is None else errors.mpjpe.to_dict(),
                    train_seconds=training.seconds,
                    test_seconds=testing.seconds,
                )
            )
            make_step.loss_sum.zero_()
            rows_seen = seen
            training.go()  # what the caller does with a row is not training
        if time.perf_counter() - reported > SECONDS_BETWEEN_REPORTS:
            training.halt()
            reported = time.perf_counter()
            on_progress(seen, budget.total)
            training.go()
    return Trained(model.eval(), budget, seen, steps, training.seconds, training.cpu_seconds, testing.seconds)


def _batches(budget: Budget, config: RunConfig, device: torch.device) -> Iterator[tuple[Tensor, bool]]:
    """Numbers of the windows of each batch, shuffled anew every epoch, and whether the batch ends its epoch."""
    for epoch, size in enumerate(budget.epoch_sizes):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        order = torch.randperm(budget.per_epoch, generator=generator)[:size]
        batches = order.to(device).split(batch_sizes(size, config.batch_size))
        for number, batch in enumerate(batches):
            yield batch, number == len(batches) - 1
