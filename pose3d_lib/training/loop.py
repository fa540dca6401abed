"""The training loop: shuffled windows, an objective, Adam with AMSGrad, tests and checkpoints during training."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError, RunStopped
from pose3d_lib.model.evaluate import evaluate, frame_wise, per_action
from pose3d_lib.training.budget import bn_momentum, learning_rate
from pose3d_lib.training.checkpoint import NEW_START, Checkpoint
from pose3d_lib.training.history import HistoryRow, Stopwatch, Trained
from pose3d_lib.training.losses import PROJECTION, Objective, Unlabelled
from pose3d_lib.training.order import EndlessOrder, batches, with_unlabelled
from pose3d_lib.training.plan import RunPlan, build_lifters
from pose3d_lib.training.steps import NEVER, TrainingSteps
from pose3d_lib.training.windows import TrainingWindows, UnlabelledWindows

SECONDS_BETWEEN_CHECKPOINTS = 60.0
CHECKPOINT_SHARE = 0.02  # of the time, that checkpoints at the ends of epochs may take
SECONDS_BETWEEN_REPORTS = 0.5


def train(
    plan: RunPlan,
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
        plan: what to train, on what.
        initial: the initial state of the networks if the config says `start_from`; None for random weights.
        resume: a checkpoint of the same run to resume from.
        on_row: called at the end of every epoch and at every test; in a resumed run, also with the earlier rows.
        on_progress: called about twice a second with the windows seen and their total.
        on_checkpoint: called with a checkpoint every SECONDS_BETWEEN_CHECKPOINTS, before a stop, and at the ends of epochs as
            long as that takes no more than CHECKPOINT_SHARE of the time.
        stop: called after every step; anything but "" ends the training there, and is the reason.

    Raises:
        InputError: the checkpoint is of another network.
        FloatingPointError: the loss is no longer finite.
        RunStopped: `stop` said so.
        ValueError: `initial` is given and the config starts from no run, or the other way round.
    """
    if resume is None and bool(plan.config.start_from) != (initial is not None):
        raise ValueError(
            f"expected initial weights just where a run starts from another, found {plan.config.start_from!r}"
        )
    training = _Training(plan, initial)
    if resume is not None:
        training.restore(resume)
        for row in training.rows:
            on_row(row)
    training.run(on_row=on_row, on_progress=on_progress, on_checkpoint=on_checkpoint, stop=stop)
    return training.result()


class _Training:
    """What was seen so far, and all that the next step depends on."""

    def __init__(self, plan: RunPlan, initial: Mapping[str, Tensor] | None):
        self._plan, config, data = plan, plan.config, plan.data
        self._config, self._budget = config, plan.budget
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self._device = torch.device(config.device)
        settings = {"causal": config.causal, "chunk": config.chunk, "mirrored": config.mirror_training}
        settings |= {"device": self._device, "keypoints": config.keypoints, "filter_widths": config.filter_widths}
        self._windows = TrainingWindows(data, plan.train, trajectory=config.has_trajectory, **settings)
        unlabelled, self._others = None, None
        if config.semi_supervised:
            projected = PROJECTION not in config.without_terms
            windows = UnlabelledWindows(data, plan.unlabelled, intrinsics=projected, **settings)
            self._others = EndlessOrder(len(windows), seed=config.seed, device=self._device)
            bones = torch.tensor(data.skeleton.bones, device=self._device)
            unlabelled = Unlabelled(windows, bones, config.without_terms, config.projection)
        self._lifters = build_lifters(config, data)
        if initial is not None:
            self._lifters.load_state_dict(initial)
        self._lifters.to(self._device)
        self._objective = Objective(self._lifters, self._windows, unlabelled)
        self._make_step = TrainingSteps(
            self._objective, precision=config.precision, lr=config.lr, record=config.cuda_graphs
        )
        self._points = {max(1, round(point * self._budget.unit)) for point in config.evaluate_at}
        self._total = sum(self._budget.epoch_sizes)
        if config.test_every:
            every = config.test_every * self._budget.per_epoch
            self._points |= set(range(every, self._total, every))
        self._seen = self._unlabelled = self._steps = self._resumed_at = 0
        self._training, self._testing = Stopwatch(), Stopwatch()
        self.rows: list[HistoryRow] = []

    def checkpoint(self) -> Checkpoint:
        """Where the training is, between two steps."""
        random = {"random.cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            random["random.cuda"] = torch.cuda.get_rng_state(self._device)
        numbers = {
            "seen": self._seen,
            "unlabelled": self._unlabelled,
            "steps": self._steps,
            "train_seconds": self._training.seconds,
            "train_cpu_seconds": self._training.cpu_seconds,
            "test_seconds": self._testing.seconds,
            "rows": [row.as_json() for row in self.rows],
        }
        return Checkpoint({**self._make_step.state, **random}, numbers)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Restores everything; an InputError if the checkpoint is of another network."""
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
        self._unlabelled = numbers["unlabelled"]
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
        """Makes every step that is left."""
        config, budget = self._config, self._budget
        reported = saved = time.perf_counter()
        saving = 0.0  # seconds that the last checkpoint took
        self._training.go()
        for numbers, frames, ends_epoch in self._batches(self._seen, self._unlabelled):
            rate = self._rate(self._seen)
            momentum = bn_momentum(seen=self._seen, budget=budget, decay_per=config.bn_decay_per)
            self._make_step.set_schedule(rate, momentum)
            self._make_step(*numbers)
            self._seen, self._steps = self._seen + frames, self._steps + 1
            self._unlabelled += sum(map(len, numbers[1:]))

            tests_now = self._tests_now(frames)
            if ends_epoch or tests_now:
                with self._paused():
                    self.rows.append(self._row(rate, momentum, tests_now))
                    on_row(self.rows[-1])
                    self._make_step.clear_sums()
            now, why = time.perf_counter(), stop()
            if now - reported > SECONDS_BETWEEN_REPORTS:
                with self._paused():
                    on_progress(self._seen, budget.total)
                reported = now
            due = now - saved > SECONDS_BETWEEN_CHECKPOINTS or (
                ends_epoch and saving <= CHECKPOINT_SHARE * (now - saved)
            )
            if on_checkpoint and (due or why):
                with self._paused():
                    on_checkpoint(self.checkpoint())
                saved = time.perf_counter()
                saving = saved - now
            if why:
                raise RunStopped(f"stopped by {why} after {self._seen:,} of {self._total:,} windows")
        self._training.halt()

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """What callers do with rows, progress and checkpoints is not training; none of it is of a broken network."""
        self._training.halt()
        self._check_finite()
        yield
        self._training.go()

    def _rate(self, seen: int) -> float:
        config = self._config
        return learning_rate(config.lr, config.lr_decay, seen=seen, budget=self._budget, decay_per=config.lr_decay_per)

    def _batches(self, seen: int, unlabelled: int) -> Iterator[tuple[tuple[Tensor, ...], int, bool]]:
        """The batches as of `order.batches`, with their unlabelled windows; those seen before are skipped."""
        config, budget = self._config, self._budget
        labelled = batches(
            budget,
            batch_size=config.batch_size // config.chunk,
            seed=config.seed,
            device=self._device,
            seen=seen,
            lengths=self._windows.lengths,
        )
        warm = config.warmup_epochs * budget.per_epoch
        return with_unlabelled(labelled, self._others, after=warm - seen, taken=unlabelled)

    def _tests_now(self, last: int) -> bool:
        """Whether the last batch, of `last` windows, reached a point at which the config tests."""
        return any(self._seen - last < point <= self._seen and point < self._budget.total for point in self._points)

    def _row(self, rate: float, momentum: float, tests_now: bool) -> HistoryRow:
        errors = None
        if tests_now:
            self._testing.go()
            clips = evaluate(
                self._lifters.pose,
                self._plan.data,
                self._plan.own_test,
                self._config.keypoints,
                mirror=self._config.mirror_testing,
            )
            errors = per_action(clips)
            self._testing.halt()
        since = self._seen - (self.rows[-1].windows if self.rows else 0)
        sums = {name: own.tolist() for name, own in self._make_step.term_sums.items()}
        terms = {name: own / frames for name, (own, frames) in sums.items() if frames}  # some enter after the warm-up
        return HistoryRow(
            epoch=self._seen / self._budget.per_epoch,
            unit_epochs=self._seen / self._budget.unit,
            windows=self._seen,
            steps=self._steps,
            lr=rate,
            bn_momentum=momentum,
            train_mpjpe=1000 * float(self._make_step.loss_sum) / since,
            test_mpjpe=None if errors is None else float(frame_wise(errors).mpjpe),
            test_actions=None if errors is None else errors.mpjpe.to_dict(),
            train_seconds=self._training.seconds,
            test_seconds=self._testing.seconds,
            terms=terms or None,
        )

    def _check_finite(self) -> None:
        bad = int(self._make_step.first_bad)
        if bad == NEVER:
            return
        bad += self._resumed_at
        order = self._batches(0, 0)
        seen = sum(frames for _, frames, _ in islice(order, bad - 1))
        numbers, *_ = next(order)
        what = self._windows.describe(numbers[0])
        if len(numbers) > 1:
            what += f"; and, unlabelled, {self._objective.unlabelled.windows.describe(numbers[1])}"
        raise FloatingPointError(
            f"the training loss is no longer finite from step {bad} on, after {seen:,} windows, at learning rate "
            f"{self._rate(seen):.3g}. The batch of that step: {what}. A checkpoint from before that step "
            "is kept if there was one; if the numbers of the batch are sound, give a lower lr"
        )

    def result(self) -> Trained:
        return Trained(
            self._lifters.eval(),
            self._budget,
            self._seen,
            self._steps,
            self._training.seconds,
            self._training.cpu_seconds,
            self._testing.seconds,
            self._unlabelled,
        )
