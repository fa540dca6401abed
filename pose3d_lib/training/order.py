"""The order of windows: shuffled in every epoch, and found again in the middle of one."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from pose3d_lib.training.budget import Budget, batch_sizes

# Added to the seed of the order of unlabelled windows, so that it is the order of labelled ones in no epoch of the same run.
# (PyTorch's generator on the CPU uses the last 32 bits of a seed only.)
UNLABELLED = 2**31


def batches(
    budget: Budget,
    *,
    batch_size: int,
    seed: int,
    device: torch.device | str,
    seen: int = 0,
    lengths: Tensor | None = None,
) -> Iterator[tuple[Tensor, int, bool]]:
    """Yields for each batch the numbers of its windows, its output frames, and whether it ends its epoch.

    Args:
        budget: how many windows there are and how many are seen, both as output frames.
        batch_size: windows of a batch.
        seed: of the order.
        device: where the numbers go.
        seen: output frames seen before, up to the end of a batch; those batches are skipped.
        lengths: (windows,) int64, output frames of each window; None where each has one. The last window of a last, partial
            epoch is seen whole.
    """
    for epoch, size in enumerate(budget.epoch_sizes):
        if seen >= size:
            seen -= size
            continue
        order = _shuffle(budget.per_epoch if lengths is None else len(lengths), seed * 1_000_003 + epoch)
        if lengths is None:
            order = order[:size]
        else:  # the first windows that have this number of frames together
            order = order[: int(torch.searchsorted(lengths[order].cumsum(0), size)) + 1]
        sizes = batch_sizes(len(order), batch_size)
        frames = sizes if lengths is None else [int(own.sum()) for own in lengths[order].split(sizes)]
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
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def with_unlabelled(
    labelled: Iterable[tuple[Tensor, int, bool]], others: EndlessOrder | None, *, after: float, taken: int
) -> Iterator[tuple[tuple[Tensor, ...], int, bool]]:
    """Yields the batches of `batches`, each with the same number of unlabelled windows once these enter.

    Args:
        labelled: numbers, output frames, and whether the batch ends its epoch.
        others: the unlabelled windows, if any.
        after: labelled frames from here on after which they enter.
        taken: unlabelled windows seen before.
    """
    for numbers, frames, ends_epoch in labelled:
        if others is None or after > 0:
            yield (numbers,), frames, ends_epoch
        else:
            yield (numbers, others.take(taken, len(numbers))), frames, ends_epoch
            taken += len(numbers)
        after -= frames
