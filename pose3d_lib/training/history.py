"""What training tells of itself: a row for every epoch and every test on the way, and at its end what it took."""

import time
from dataclasses import asdict, dataclass

from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.lifters import Lifters
from pose3d_lib.training.budget import Budget


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
        test_mpjpe: error on the clips of `RunPlan.own_test`, mm, all frames weighted alike; None without a test.
        test_actions: the same per action; None without a test.
        train_seconds, test_seconds: spent so far in training, and in tests on the way.
        terms: means since the row before of the other terms of the loss, as `losses` measures them, each over the batches
            that had it; None where there are none.
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
        """The row as history.jsonl holds it: `terms` only where there are such."""
        row = asdict(self)
        return row if self.terms else {name: value for name, value in row.items() if name != "terms"}


@dataclass(frozen=True)
class Trained:
    """What training leaves: the networks, and what it took.

    Attributes:
        lifters: the trained networks, in evaluation mode.
        budget, windows, steps: what it was to see, and what it saw in how many optimiser steps.
        train_seconds, train_cpu_seconds: spent in training, by the clock and of all cores together; the latter does not
            grow where other processes want the same cores.
        test_seconds: spent in tests on the way, by the clock.
        unlabelled: unlabelled windows that it saw besides.
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
    """Adds up seconds by the clock and seconds of processor time, and can be halted while something else is done."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def go(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def halt(self) -> None:
        self.seconds += time.perf_counter() - self._since[0]
        self.cpu_seconds += time.process_time() - self._since[1]
