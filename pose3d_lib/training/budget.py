"""Formula (1) of the paper: how many windows a run may see; learning rate and momentum by windows seen; and their order.

A *unit epoch* is one pass over the windows of all actions. A run on fewer windows repeats them until it has seen the same number:
sum over actions of f(i) = f(a) * t. Windows are counted by their output frames, mirror images included.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BUDGETS = ("equal_frames", "fifteen")  # the formula; and the authors' scripts, where t is 15 for every action
FIFTEEN = 15
BN_MOMENTUM_FIRST, BN_MOMENTUM_LAST = 0.1, 0.001

UNLABELLED = 2**31  # added to the seed of the order of unlabelled windows: in no epoch is it that of labelled ones


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
        """Windows of each epoch in turn, without a last epoch of a single window: batch norm needs two."""
        full, rest = divmod(self.total, self.per_epoch)
        return [self.per_epoch] * full + [rest] * (rest > 1)

    def period(self, decay_per: str) -> int:
        """Windows between two steps of a schedule."""
        return {"epoch": self.per_epoch, "unit_epoch": self.unit}[decay_per]


def plan_budget(unit: int, per_epoch: int, *, unit_epochs: float, budget: str) -> Budget:
    """The budget, one of BUDGETS, of a run of this length in epochs of the baseline; all are the same for the baseline."""
    per_unit_epoch = {"equal_frames": unit, "fifteen": FIFTEEN * per_epoch if per_epoch != unit else unit}[budget]
    return Budget(unit=unit, per_epoch=per_epoch, total=round(unit_epochs * per_unit_epoch))


def learning_rate(first: float, decay: float, *, seen: int, budget: Budget, decay_per: str) -> float:
    """The rate for the next batch after `seen` windows: multiplied by `decay` after every period (VideoPose3D, 5.2)."""
    return first * decay ** (seen // budget.period(decay_per))


def bn_momentum(*, seen: int, budget: Budget, decay_per: str) -> float:
    """Batch-norm momentum for the next batch: after period e of E it is 0.1 * 0.01^(e / E) (VideoPose3D, 5.2)."""
    period = budget.period(decay_per)
    share = (seen // period) * period / budget.total
    return BN_MOMENTUM_FIRST * (BN_MOMENTUM_LAST / BN_MOMENTUM_FIRST) ** share


def batch_sizes(windows: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches; a single window left over joins the last batch, as batch norm needs two."""
    full, rest = divmod(windows, batch_size)
    if rest == 1 and full:
        return [batch_size] * (full - 1) + [batch_size + 1]
    return [batch_size] * full + [rest] * (rest > 0)


def batches(
    budget: Budget, lengths: Tensor, *, batch_size: int, seed: int, device: torch.device | str, seen: int = 0
) -> Iterator[tuple[Tensor, int, bool]]:
    """Shuffle the windows in every epoch; yield for each batch their numbers, its output frames, whether it ends its epoch.

    Args:
        budget: how many windows there are and how many are seen, both as output frames.
        lengths: (windows,) int64, output frames of each window. The last window of a last, partial epoch is seen whole.
        batch_size: windows of a batch.
        seed, device: of the order; where the numbers go.
        seen: output frames seen before, up to the end of a batch; those batches are skipped.
    """
    for epoch, size in enumerate(budget.epoch_sizes):
        if seen >= size:
            seen -= size
            continue
        order = _shuffle(len(lengths), seed * 1_000_003 + epoch)
        order = order[: int(torch.searchsorted(lengths[order].cumsum(0), size)) + 1]  # that have `size` frames together
        sizes = batch_sizes(len(order), batch_size)
        frames = [int(own.sum()) for own in lengths[order].split(sizes)]
        for number, (batch, own) in enumerate(zip(order.to(device).split(sizes), frames, strict=True)):
            if seen:
                seen -= own
            else:
                yield batch, own, number == len(sizes) - 1


def _shuffle(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


class EndlessOrder:
    """The order of `count` unlabelled windows, shuffled in every round; rounds and epochs are independent."""

    def __init__(self, count: int, *, seed: int, device: torch.device | str):
        self._count, self._seed, self._device = count, seed, device
        self._round, self._order = -1, torch.empty(0, dtype=torch.int64)

    def take(self, position: int, size: int) -> Tensor:
        """The windows from a position of the endless row on: (size,) int64."""
        parts = []
        while size:
            number, place = divmod(position, self._count)
            if number != self._round:
                shuffled = _shuffle(self._count, UNLABELLED + self._seed * 1_000_003 + number)
                self._round, self._order = number, shuffled.to(self._device)
            parts.append(self._order[place : place + size])
            position, size = position + len(parts[-1]), size - len(parts[-1])
        return torch.cat(parts)
