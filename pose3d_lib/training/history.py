"""What training reports: a row for every epoch and every test, and at its end what it took."""

from dataclasses import asdict, dataclass

from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.training.losses import Objective


@dataclass(frozen=True)
class HistoryRow:
    """The state of a run at the end of an epoch or at a test during training; seconds and counts are from its beginning on."""

    epoch: float  # of this run; a fraction at a test within an epoch
    unit_epochs: float  # windows seen, in epochs of the baseline on all its frames
    windows: int
    steps: int
    lr: float  # of the last batch
    bn_momentum: float
    train_mpjpe: float  # mean loss since the last row, mm; with dropout, of a network that was still changing
    test_mpjpe: float | None  # mean over the frames of `RunPlan.own_test`, mm; None without a test
    test_actions: dict[str, float] | None  # the same per action; statistics of the batch norms as published
    test_recomputed: dict[str, float] | None  # the same with recomputed ones, at the points of `recompute_at`
    train_seconds: float
    test_seconds: float
    terms: dict[str, float] | None = None  # of the loss besides `train_mpjpe`: means over batches that had them

    def as_json(self) -> dict[str, object]:
        """The row as history.jsonl holds it: `terms` only if there are any."""
        return {name: value for name, value in asdict(self).items() if name != "terms" or value}


@dataclass(kw_only=True)
class Totals:
    """What a training has seen and spent so far, as a checkpoint holds it."""

    seen: int = 0  # windows
    unlabelled: int = 0  # windows
    steps: int = 0
    train_seconds: float = 0.0  # by the clock
    train_cpu_seconds: float = 0.0  # of all cores together; other processes on the same cores do not change it
    test_seconds: float = 0.0  # of the tests during training


@dataclass(kw_only=True)
class Trained(Totals):
    """The networks, in evaluation mode, what they were trained on, and what their training took.

    The running statistics of their batch norms are as published; `recompute_statistics` gives others.
    """

    objective: Objective
    baseline: Totals | None = None  # of a run that is timed: what the baseline has seen and spent meanwhile

    @property
    def lifters(self) -> Lifters:
        return self.objective.lifters

    @property
    def model(self) -> TemporalLifter:
        """The network of the pose."""
        return self.lifters.pose
