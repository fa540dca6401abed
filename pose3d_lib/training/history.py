"""What training reports: a row for every epoch and every test, and at its end what it took."""

import time
from dataclasses import asdict, dataclass

from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.training.budget import Budget


@dataclass(frozen=True)
class HistoryRow:
    """The state of a run at the end of an epoch or at a test during training.

    Attributes:
        epoch: epochs of this run so far; a fraction at a test within an epoch.
        unit_epochs: windows seen, in epochs of the baseline on all its frames.
        windows, steps: seen and made so far.
        lr, bn_momentum: of the last batch.
        train_mpjpe: mean loss since the last row, mm; with dropout, of a network that was still changing.
        test_mpjpe: error on the clips of `RunPlan.own_test`, mm, all frames weighted equally; None without a test.
        test_actions: the same per action; None without a test.
        train_seconds, test_seconds: spent so far.
        terms: means of the other terms of the loss since the last row, each over the batches that had it; None without any.
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
    terms: dict[str, float] | None = None

    def as_json(self) -> dict[str, object]:
        """The row as history.jsonl holds it: `terms` only if there are any."""
        row = asdict(self)
        return row if self.terms else {name: value for name, value in row.items() if name != "terms"}


@dataclass(frozen=True)
class Trained:
    """The networks, in evaluation mode, and what their training took.

    Attributes:
        windows, unlabelled, steps: seen and made.
        train_seconds, test_seconds: by the clock, of training and of the tests during it.
        train_cpu_seconds: of all cores together; other processes on the same cores do not change it.
    """

    lifters: Lifters
    budget: Budget
    windows: int
    steps: int
    train_seconds: float
    train_cpu_seconds: float
    test_seconds: float
    unlabelled: int = 0

    @property
    def model(self) -> TemporalLifter:
        """The network of the pose."""
        return self.lifters.pose


class Stopwatch:
    """Adds up seconds by the clock and of processor time; can be halted."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def go(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def halt(self) -> None:
        self.seconds += time.perf_counter() - self._since[0]
        self.cpu_seconds += time.process_time() - self._since[1]
