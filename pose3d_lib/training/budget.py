"""Formula (1) of the paper: how many windows a run may see; and the schedules, which count the windows seen.

A *unit epoch* is one pass over the windows of all actions. A run on fewer windows (one action, several, or a share of the
frames) repeats them until it has seen the same number: sum over actions of f(i) = f(a) * t. Windows are counted by their
output frames, mirror images included.
"""

from dataclasses import dataclass

BUDGETS = ("equal_frames", "fifteen")  # the formula; and the authors' scripts, where t is 15 for every action

# Name -> what the learning rate and what the batch-norm momentum count. `epoch` is the published one; under `unit_epoch` both
# arms have the same; the other two change one of the settings, to separate their effects.
SCHEDULES = {
    "epoch": ("epoch", "epoch"),
    "unit_epoch": ("unit_epoch", "unit_epoch"),
    "lr_unit_epoch": ("unit_epoch", "epoch"),
    "bn_unit_epoch": ("epoch", "unit_epoch"),
}

FIFTEEN = 15
BN_MOMENTUM_FIRST, BN_MOMENTUM_LAST = 0.1, 0.001


@dataclass(frozen=True)
class Budget:
    """What a run may see, in windows: those of a unit epoch, those of one epoch of this run, and all that it sees."""

    unit: int
    per_epoch: int
    total: int

    @property
    def t(self) -> float:
        """t of formula (1): epochs of this run that have the windows of a unit epoch; 1 for the baseline."""
        return self.unit / self.per_epoch

    @property
    def epochs(self) -> float:
        """Epochs of this run; the last may be a part."""
        return self.total / self.per_epoch

    @property
    def epoch_sizes(self) -> list[int]:
        """Windows of each epoch in turn; their sum is `total`, except for a last epoch of a single window."""
        full, rest = divmod(self.total, self.per_epoch)
        return [self.per_epoch] * full + [rest] * (rest > 1)  # batch norm needs two windows

    def period(self, decay_per: str) -> int:
        """Windows between two steps of a schedule."""
        return {"epoch": self.per_epoch, "unit_epoch": self.unit}[decay_per]


def plan_budget(unit: int, per_epoch: int, *, unit_epochs: float, budget: str) -> Budget:
    """The budget, one of BUDGETS, of a run of this length in epochs of the baseline; all are the same for the baseline."""
    per_unit_epoch = {"equal_frames": unit, "fifteen": FIFTEEN * per_epoch if per_epoch != unit else unit}[budget]
    return Budget(unit=unit, per_epoch=per_epoch, total=round(unit_epochs * per_unit_epoch))


def batch_sizes(windows: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches; a single window left over joins the last batch, as batch norm needs two."""
    full, rest = divmod(windows, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    if rest == 1 and full:
        sizes[-2:] = [batch_size + 1]
    return sizes


def learning_rate(first: float, decay: float, *, seen: int, budget: Budget, decay_per: str) -> float:
    """The rate for the next batch after `seen` windows: multiplied by `decay` after every period (VideoPose3D, 5.2)."""
    return first * decay ** (seen // budget.period(decay_per))


def bn_momentum(*, seen: int, budget: Budget, decay_per: str) -> float:
    """Batch-norm momentum for the next batch: after period e of E it is 0.1 * 0.01^(e / E) (VideoPose3D, 5.2)."""
    period = budget.period(decay_per)
    share = (seen // period) * period / budget.total
    return BN_MOMENTUM_FIRST * (BN_MOMENTUM_LAST / BN_MOMENTUM_FIRST) ** share
