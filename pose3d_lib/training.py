"""The training loop: shuffled windows, MPJPE, Adam with AMSGrad, tests and checkpoints on the way."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from pose3d_lib.assignment import batches, build_model, check_run, own_test_clips, own_train_clips
from pose3d_lib.budget import Budget, bn_momentum, learning_rate
from pose3d_lib.checkpoints import NEW_START, Checkpoint
from pose3d_lib.config import RunConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.evaluation import evaluate, frame_wise, per_action
from pose3d_lib.interrupts import RunStopped
from pose3d_lib.model import TemporalLifter
from pose3d_lib.steps import NEVER, TrainingSteps
from pose3d_lib.windows import TrainingWindows

SECONDS_BETWEEN_CHECKPOINTS = 60.0
CHECKPOINT_SHARE = 0.02
"""Of the time, that checkpoints at the ends of epochs may take."""

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


def train(
    config: RunConfig,
    data: PoseDataset,
    *,
    initial: Mapping[str, Tensor] | None = None,
    resume: Checkpoint | None = None,
    on_row: Callable[[HistoryRow], None] = lambda row: None,
    on_progress: Callable[[int, int], None] = lambda seen, total: None,
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
    stop: Callable[[], str] = lambda: "",
) -> Trained:
    """Trains one run. The same config on the same machine's CPU gives the same weights, bit for bit, resumed or not.

    Args:
        config: what to train.
        data: the dataset that the config names.
        initial: the network's state that training starts with, weights and batch-norm statistics, where the config says
            `start_from`; none for random weights.
        resume: a checkpoint of the same run to go on from, which holds the weights then; none to begin.
        on_row: called at every epoch's end and every test on the way; of a resumed run, also with the rows before.
        on_progress: called about twice a second with the windows seen and their total.
        on_checkpoint: called with where training is, at an epoch's end, at most SECONDS_BETWEEN_CHECKPOINTS apart, and
            before a stop; none for a training that cannot be resumed. Where epochs are so short that it would take more
            than CHECKPOINT_SHARE of the time, some epochs pass without.
        stop: asked after every step; anything but "" ends the training there, and says why.

    Raises:
        InputError: the data cannot carry the run.
        FloatingPointError: the loss is no longer finite.
        RunStopped: `stop` said so.
        ValueError: `initial` is there and the config starts from no run, or the other way round.
    """
    if resume is None and bool(config.start_from) != (initial is not None):
        raise ValueError(f"expected initial weights just where a run starts from another, found {config.start_from!r}")
    training = _Training(config, data, initial)
    if resume is not None:
        training.restore(resume)
        for row in training.rows:
            on_row(row)
    training.run(on_row=on_row, on_progress=on_progress, on_checkpoint=on_checkpoint, stop=stop)
    return training.result()


class _Training:
    """A training under way: what was seen, and all that the next step depends on."""

    def __init__(self, config: RunConfig, data: PoseDataset, initial: Mapping[str, Tensor] | None):
        self._config, self._data, self._budget = config, data, check_run(config, data)
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self._device = torch.device(config.device)
        clips = own_train_clips(config, data)
        self._windows = TrainingWindows(
            data, clips, config.keypoints, config.filter_widths, causal=config.causal, device=self._device
        )
        self._test_clips = own_test_clips(config, data)
        self._model = build_model(config, data)
        if initial is not None:
            self._model.load_state_dict(initial)
        self._model.to(self._device)
        self._make_step = TrainingSteps(
            self._model, self._windows, precision=config.precision, lr=config.lr, record=config.cuda_graphs
        )
        self._points = [max(1, round(point * self._budget.unit)) for point in config.evaluate_at]
        self._total = sum(self._budget.epoch_sizes)
        self._seen = self._steps = self._resumed_at = 0
        self._training, self._testing = Stopwatch(), Stopwatch()
        self.rows: list[HistoryRow] = []

    def checkpoint(self) -> Checkpoint:
        """Where the training is, between two steps."""
        random = {"random.cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            random["random.cuda"] = torch.cuda.get_rng_state(self._device)
        numbers = {
            "seen": self._seen,
            "steps": self._steps,
            "train_seconds": self._training.seconds,
            "train_cpu_seconds": self._training.cpu_seconds,
            "test_seconds": self._testing.seconds,
            "rows": [asdict(row) for row in self.rows],
        }
        return Checkpoint({**self._make_step.state, **random}, numbers)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Puts everything where it was; an InputError where the checkpoint is of another network."""
        state = self._make_step.state
        expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
        found = {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items() if name in state}
        if found != expected:
            raise InputError(f"the checkpoint is of another network than this run's; {NEW_START}")
        with torch.no_grad():
            for name, tensor in state.items():
                tensor.copy_(checkpoint.tensors[name])
        torch.set_rng_state(checkpoint.tensors["random.cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(checkpoint.tensors["random.cuda"], self._device)
        numbers = checkpoint.numbers
        self._seen, self._steps = numbers["seen"], numbers["steps"]
        self._resumed_at = self._steps
        self._training.seconds, self._training.cpu_seconds = numbers["train_seconds"], numbers["train_cpu_seconds"]
        self._testing.seconds = numbers["test_seconds"]
        self.rows = [HistoryRow(**row) for row in numbers["rows"]]

    def run(
        self,
        *,
        on_row: Callable[[HistoryRow], None],
        on_progress: Callable[[int, int], None],
        on_checkpoint: Callable[[Checkpoint], None] | None,
        stop: Callable[[], str],
    ) -> None:
        """Every step that is left."""
        config, budget = self._config, self._budget
        reported = saved = time.perf_counter()
        saving = 0.0  # seconds that the last checkpoint took
        self._training.go()
        for numbers, ends_epoch in batches(budget, config, self._device, self._seen):
            rate = learning_rate(
                config.lr, config.lr_decay, seen=self._seen, budget=budget, decay_per=config.lr_decay_per
            )
            momentum = bn_momentum(seen=self._seen, budget=budget, decay_per=config.bn_decay_per)
            self._make_step.set_schedule(rate, momentum)
            self._make_step(numbers)
            self._seen, self._steps = self._seen + len(numbers), self._steps + 1

            tests_now = self._tests_now(len(numbers))
            if ends_epoch or tests_now:
                self._training.halt()
                self._check_finite()
                self.rows.append(self._row(rate, momentum, tests_now))
                on_row(self.rows[-1])
                self._make_step.loss_sum.zero_()
                self._training.go()  # what the caller does with a row is not training
            now, why = time.perf_counter(), stop()
            if now - reported > SECONDS_BETWEEN_REPORTS:
                self._training.halt()
                self._check_finite()
                on_progress(self._seen, budget.total)
                reported = now
                self._training.go()
            due = now - saved > SECONDS_BETWEEN_CHECKPOINTS or (
                ends_epoch and saving <= CHECKPOINT_SHARE * (now - saved)
            )
            if on_checkpoint and (due or why):
                self._training.halt()
                self._check_finite()
                on_checkpoint(self.checkpoint())
                saved = time.perf_counter()
                saving = saved - now
                self._training.go()
            if why:
                raise RunStopped(f"stopped by {why} after {self._seen:,} of {self._total:,} windows")
        self._training.halt()

    def _tests_now(self, last: int) -> bool:
        """Whether the last batch, of so many windows, came to a point of the config where a run is tested on the way."""
        return any(self._seen - last < point <= self._seen and point < self._budget.total for point in self._points)

    def _row(self, rate: float, momentum: float, tests_now: bool) -> HistoryRow:
        errors = None
        if tests_now:
            self._testing.go()
            errors = per_action(evaluate(self._model, self._data, self._test_clips, self._config.keypoints))
            self._testing.halt()
        before = self.rows[-1].windows if self.rows else 0
        return HistoryRow(
            epoch=self._seen / self._budget.per_epoch,
            unit_epochs=self._seen / self._budget.unit,
            windows=self._seen,
            steps=self._steps,
            lr=rate,
            bn_momentum=momentum,
            train_mpjpe=1000 * float(self._make_step.loss_sum) / (self._seen - before),
            test_mpjpe=None if errors is None else float(frame_wise(errors).mpjpe),
            test_actions=None if errors is None else errors.mpjpe.to_dict(),
            train_seconds=self._training.seconds,
            test_seconds=self._testing.seconds,
        )

    def _check_finite(self) -> None:
        """Raises where a loss was not finite, and describes the batch."""
        bad = int(self._make_step.first_bad)
        if bad == NEVER:
            return
        bad += self._resumed_at
        seen = 0
        for step, (numbers, _) in enumerate(batches(self._budget, self._config, self._device), start=1):
            if step == bad:
                break
            seen += len(numbers)
        config = self._config
        rate = learning_rate(config.lr, config.lr_decay, seen=seen, budget=self._budget, decay_per=config.lr_decay_per)
        raise FloatingPointError(
            f"the training loss is no longer finite from step {bad} on, after {seen:,} windows, at learning rate "
            f"{rate:.3g}. The batch of that step: {self._windows.describe(numbers)}. A checkpoint from before that step "
            "is kept if there was one; if the numbers of the batch are sound, give a lower lr"
        )

    def result(self) -> Trained:
        return Trained(
            self._model.eval(),
            self._budget,
            self._seen,
            self._steps,
            self._training.seconds,
            self._training.cpu_seconds,
            self._testing.seconds,
        )
