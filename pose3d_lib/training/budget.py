"""Formula (1) of the paper: how many windows a run may see, and the schedules that follow from how many it has seen.

A *unit epoch* is one pass over the windows of all actions. An action-based run repeats its own, smaller set of windows
until it has seen as many: sum over actions of f(i) = f(a) * t. So does a run of several actions, or of a share of the
frames. Everything here counts windows, one per output frame, mirrored ones included; both sides of the formula hold twice
as many windows as frames.
"""

from dataclasses import dataclass

BUDGETS = ("equal_frames", "fifteen")
"""`equal_frames` is the formula; `fifteen` is the authors' scripts, t = 15 whatever the action's share of the frames."""

SCHEDULES = {
    "epoch": ("epoch", "epoch"),
    "unit_epoch": ("unit_epoch", "unit_epoch"),
    "lr_unit_epoch": ("unit_epoch", "epoch"),
    "bn_unit_epoch": ("epoch", "unit_epoch"),
}
"""Name -> what the learning rate and what the batch-norm momentum count; `epoch` is the published one, and under
`unit_epoch` both arms have the same. The other two change one of the settings only, to tell their effects apart."""

FIFTEEN = 15
BN_MOMENTUM_FIRST, BN_MOMENTUM_LAST = 0.1, 0.001


@dataclass(frozen=True)
class Budget:
    """What a run may see.

    Attributes:
        unit: windows of a unit epoch: those of all frames of all actions.
        per_epoch: windows of one epoch of this run: those that it is trained on; as many as `unit` for the baseline.
        total: windows the run sees altogether.
    """

    unit: int
    per_epoch: int
    total: int

    @property
    def t(self) -> float:
        """t of formula (1): epochs of this run in a unit epoch, if it is to see as many windows; 1 for the baseline."""
        return self.unit / self.per_epoch

    @property
    def epochs(self) -> float:
        """Epochs of this run; the last may be a part."""
        return self.total / self.per_epoch

    @property
    def epoch_sizes(self) -> list[int]:
        """Windows of each epoch in turn. They add up to `total`, but for a last epoch of one single window."""
        full, rest = divmod(self.total, self.per_epoch)
        return [self.per_epoch] * full + [rest] * (rest > 1)  # batch norm needs two windows

    def period(self, decay_per: str) -> int:
        """Windows between two steps of a schedule."""
        return {"epoch": self.per_epoch, "unit_epoch": self.unit}[decay_per]


def plan_budget(unit: int, per_epoch: int, *, unit_epochs: float, budget: str) -> Budget:
    """The budget of a run.

    Args:
        unit: windows of all frames of all actions together.
        per_epoch: windows that the run is trained on. Where they are all there are, every budget is the same.
        unit_epochs: length of the baseline, in its epochs; any other run gets what the budget makes of it.
        budget: one of BUDGETS; "equal_frames" for a baseline that is trained on a share of the frames.
    """
    per_unit_epoch = {"equal_frames": unit, "fifteen": FIFTEEN * per_epoch}[budget]
    if per_epoch == unit:
        per_unit_epoch = unit
    return Budget(unit=unit, per_epoch=per_epoch, total=round(unit_epochs * per_unit_epoch))


def batch_sizes(windows: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches; a single window left over joins the batch before it, as batch norm needs two."""
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
