"""The training loop: shuffled windows, an objective, Adam with AMSGrad, tests and checkpoints during training."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice

import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError, RunStopped
from pose3d_lib.model.evaluate import evaluate, frame_wise, per_action
from pose3d_lib.training.budget import EndlessOrder, batches, bn_momentum, learning_rate
from pose3d_lib.training.checkpoint import NEW_START, Checkpoint
from pose3d_lib.training.history import HistoryRow, Totals, Trained
from pose3d_lib.training.losses import PROJECTION, Objective
from pose3d_lib.training.plan import RunPlan, build_lifters, label_actions
from pose3d_lib.training.recompute import recompute_statistics
from pose3d_lib.training.steps import TrainingSteps
from pose3d_lib.training.windows import TrainingWindows

SECONDS_BETWEEN_CHECKPOINTS = 60.0
CHECKPOINT_SHARE = 0.02  # of the time, that checkpoints at the ends of epochs may take
SECONDS_BETWEEN_REPORTS = 0.5
TURN = 20  # steps, a tenth of a second: a processor's speed changes from second to second, and so meets both arms alike
Turn = Callable[[int | None], Totals]  # as `Training.take_turn`


def train(
    plan: RunPlan,
    *,
    initial: Mapping[str, Tensor] | None = None,
    resume: Checkpoint | None = None,
    baseline: Turn | None = None,
    on_row: Callable[[HistoryRow], None] = lambda row: None,
    on_progress: Callable[[int, int], None] = lambda seen, total: None,
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
    stop: Callable[[], str] = lambda: "",
) -> Trained:
    """Trains one run. The same config on the same machine's CPU gives the same weights, bit for bit, resumed or not.

    Args:
        plan: what to train, on what.
        initial: the initial state of the networks if the config says `start_from`; None for random weights.
        resume: a checkpoint of the same run to resume from.
        baseline: `in_turn`'s, trained in turn with the run, TURN steps each, to compare their times.
        on_row: is given a row at the end of every epoch and at every test; in a resumed run, also the earlier ones.
        on_progress: is given the windows seen and their total, about twice a second.
        on_checkpoint: is given a checkpoint every SECONDS_BETWEEN_CHECKPOINTS, before a stop, and at the ends of epochs.
        stop: anything but "" ends the training after a step with `RunStopped`, and is the reason.

    Raises:
        InputError: the checkpoint is of another network.
        FloatingPointError: the loss is no longer finite.
    """
    start = plan.config.start_from
    if resume is None and bool(start) != (initial is not None):
        raise ValueError(f"expected initial weights just where a run starts from another, found {start!r}")
    training = Training(plan, initial)
    if resume is not None:
        training.restore(resume)
        for row in training.rows:
            on_row(row)
    totals = training.totals
    reported = saved = time.perf_counter()
    saving = 0.0  # seconds that the last checkpoint took
    training.go()
    for numbers, frames, ends_epoch in training.batches(totals.seen, totals.unlabelled):
        rate, momentum = training.step(numbers, frames)
        if baseline and totals.steps % TURN == 0:
            with training.paused():
                baseline(TURN)
        tests_now, recomputes_now = (
            any(totals.seen - frames < point <= totals.seen for point in points)
            for points in (training.points, training.recomputed_points)
        )
        if ends_epoch or tests_now:
            with training.paused():
                on_row(training.add_row(rate, momentum, tests_now, recomputes_now))
        now, why = time.perf_counter(), stop()
        if now - reported > SECONDS_BETWEEN_REPORTS:
            with training.paused():
                on_progress(totals.seen, plan.budget.total)
            reported = now
        due = now - saved > SECONDS_BETWEEN_CHECKPOINTS or (ends_epoch and saving <= CHECKPOINT_SHARE * (now - saved))
        if on_checkpoint and (due or why):
            with training.paused():
                on_checkpoint(training.checkpoint())
            saved = time.perf_counter()
            saving = saved - now
        if why:
            total = sum(plan.budget.epoch_sizes)
            raise RunStopped(f"stopped by {why} after {totals.seen:,} of {total:,} windows", totals.seen / total)
    training.halt()
    training.lifters.eval()
    spent = {"baseline": baseline and baseline(None), **asdict(totals)}
    return Trained(objective=training.objective, **spent)


class Training:
    """What was seen so far, and all that the next step depends on."""

    def __init__(self, plan: RunPlan, initial: Mapping[str, Tensor] | None):
        self._plan, config, data = plan, plan.config, plan.data
        self._config, self._budget = config, plan.budget
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self._device = torch.device(config.device)
        settings = {"causal": config.causal, "chunk": config.chunk, "mirrored": config.mirror_training}
        settings |= {"device": self._device, "keypoints": config.keypoints, "filter_widths": config.filter_widths}
        own = {"trajectory": config.has_trajectory, "labels": label_actions(config, data)}
        self._windows = TrainingWindows(data, plan.train, **own, **settings)
        semi, self._others = {}, None
        if config.semi_supervised:
            projected = PROJECTION not in config.without_terms
            others = TrainingWindows(data, plan.unlabelled, labelled=False, intrinsics=projected, **settings)
            self._others = EndlessOrder(len(others), seed=config.seed, device=self._device)
            bones = torch.tensor(data.skeleton.bones, device=self._device)
            semi = {"unlabelled": others, "bones": bones, "without": config.without_terms, "camera": config.projection}
        self.lifters = build_lifters(config, data)
        if initial is not None:
            self.lifters.load_state_dict(initial)
        self.lifters.to(self._device)
        self.objective = Objective(self.lifters, self._windows, **semi)
        self._make_step = TrainingSteps(
            self.objective, precision=config.precision, lr=config.lr, record=config.cuda_graphs
        )
        points, self.recomputed_points = (self._windows_at(own) for own in (config.evaluate_at, config.recompute_at))
        if config.test_every:
            every = config.test_every * self._budget.per_epoch
            points |= set(range(every, sum(self._budget.epoch_sizes), every))
        self.points = points | self.recomputed_points
        self.totals = Totals()
        self._order = self.batches(0, 0)  # of `take_turn`
        self.rows: list[HistoryRow] = []

    def _windows_at(self, points: Iterable[float]) -> set[int]:
        """Points in unit epochs as windows seen, without those at the end, which the caller tests, and beyond."""
        windows = {max(1, round(point * self._budget.unit)) for point in points}
        return {point for point in windows if point < self._budget.total}

    def checkpoint(self) -> Checkpoint:
        """Where the training is, between two steps."""
        random = {"random.cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            random["random.cuda"] = torch.cuda.get_rng_state(self._device)
        numbers = {**asdict(self.totals), "rows": [row.as_json() for row in self.rows]}
        return Checkpoint({**self._make_step.state, **random}, numbers)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restores everything; an InputError if the checkpoint is of another network."""
        state, tensors, numbers = self._make_step.state, checkpoint.tensors, checkpoint.numbers
        if any(name not in tensors or tensors[name].shape != own.shape for name, own in state.items()):
            raise InputError(f"the checkpoint is of another network than this run's; {NEW_START}")
        with torch.no_grad():
            for name, own in state.items():
                own.copy_(tensors[name])
        torch.set_rng_state(tensors["random.cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self._device)
        self.totals = Totals(**{name: numbers[name] for name in asdict(self.totals)})
        self.rows = [HistoryRow(**row) for row in numbers["rows"]]

    def step(self, numbers: tuple[Tensor, ...], frames: int) -> tuple[float, float]:
        """Makes a step; its learning rate and momentum."""
        totals = self.totals
        config, seen = self._config, {"seen": totals.seen, "budget": self._budget}
        rate = learning_rate(config.lr, config.lr_decay, decay_per=config.lr_decay_per, **seen)
        momentum = bn_momentum(decay_per=config.bn_decay_per, **seen)
        self._make_step.set_schedule(rate, momentum)
        self._make_step(*numbers)
        totals.seen, totals.steps = totals.seen + frames, totals.steps + 1
        totals.unlabelled += sum(map(len, numbers[1:]))
        return rate, momentum

    def take_turn(self, steps: int | None) -> Totals:
        """Makes that number of steps, or all that are left, and nothing else; what was seen and spent so far."""
        self.go()
        for numbers, frames, _ in islice(self._order, steps):
            self.step(numbers, frames)
        self.halt()
        return self.totals

    def go(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def halt(self) -> None:
        float(self._make_step.loss_sum)  # waits for a GPU
        self.totals.train_seconds += time.perf_counter() - self._since[0]
        self.totals.train_cpu_seconds += time.process_time() - self._since[1]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What callers do with rows, progress and checkpoints is not training; none of it is of a broken network."""
        self.halt()
        if not self._make_step.all_finite:
            raise FloatingPointError(
                f"parameter lr: found {self._config.lr:g}, and the training loss is no longer finite after "
                f"{self.totals.seen:,} windows ({self.totals.steps:,} steps); give a lower one, or see what "
                "`pose3d data check` says of the data"
            )
        yield
        self.go()

    def batches(self, seen: int, unlabelled: int) -> Iterator[tuple[tuple[Tensor, ...], int, bool]]:
        """What is left of `budget.batches`, after the warm-up each with the same number of unlabelled windows."""
        config, budget = self._config, self._budget
        settings = {"batch_size": config.batch_size // config.chunk, "seed": config.seed, "device": self._device}
        for numbers, frames, ends_epoch in batches(budget, self._windows.lengths, seen=seen, **settings):
            if self._others is None or seen < config.warmup_epochs * budget.per_epoch:
                yield (numbers,), frames, ends_epoch
            else:
                yield (numbers, self._others.take(unlabelled, len(numbers))), frames, ends_epoch
                unlabelled += len(numbers)
            seen += frames

    def _test(self) -> pd.DataFrame:
        """The MPJPE of the run's own actions, as of `per_action`."""
        config, pose, test = self._config, self.lifters.pose, self._plan.own_test
        how = {"mirror": config.mirror_testing, "only_mpjpe": True}
        return per_action(evaluate(pose, self._plan.data, test, config.keypoints, **how))

    def _test_recomputed(self) -> pd.DataFrame:
        """The same with recomputed statistics, which are in the networks for that long."""
        published = {name: own.clone() for name, own in self.lifters.statistics.items()}
        self.lifters.load_statistics(recompute_statistics(self.objective, self._config, self.totals))
        errors = self._test()
        self.lifters.load_statistics(published)
        return errors

    def add_row(self, rate: float, momentum: float, tests_now: bool, recomputes_now: bool) -> HistoryRow:
        """Ends a row of the history, with a test if it is time to, and begins the next; the one that has ended."""
        errors, recomputed = None, None
        if tests_now:
            started = time.perf_counter()
            errors = self._test()
            recomputed = self._test_recomputed() if recomputes_now else None
            self.totals.test_seconds += time.perf_counter() - started
        totals, budget = self.totals, self._budget
        since = totals.seen - (self.rows[-1].windows if self.rows else 0)
        sums = {name: own.tolist() for name, own in self._make_step.term_sums.items()}
        terms = {name: own / frames for name, (own, frames) in sums.items() if frames}  # some enter after the warm-up
        row = HistoryRow(
            epoch=totals.seen / budget.per_epoch,
            unit_epochs=totals.seen / budget.unit,
            windows=totals.seen,
            steps=totals.steps,
            lr=rate,
            bn_momentum=momentum,
            train_mpjpe=1000 * float(self._make_step.loss_sum) / since,
            test_mpjpe=None if errors is None else float(frame_wise(errors).mpjpe),
            test_actions=None if errors is None else errors.mpjpe.to_dict(),
            test_recomputed=None if recomputed is None else recomputed.mpjpe.to_dict(),
            train_seconds=totals.train_seconds,
            test_seconds=totals.test_seconds,
            terms=terms or None,
        )
        self.rows.append(row)
        self._make_step.clear_sums()
        return row


def in_turn(plan: RunPlan) -> Turn:
    """A training of which nothing but the time is kept; it leaves the random numbers of others as they were."""
    devices = [plan.config.device] if plan.config.device == "cuda" else []
    with torch.random.fork_rng(devices):
        Training(plan, None).take_turn(TURN)  # the first steps in a process take longer: here no clock runs that counts
        training = Training(plan, None)

    def turn(steps: int | None) -> Totals:
        with torch.random.fork_rng(devices):
            return training.take_turn(steps)

    return turn
