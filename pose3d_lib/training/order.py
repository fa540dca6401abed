"""In which order windows are seen: shuffled anew every epoch, and found again in the middle of one."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from pose3d_lib.training.budget import Budget, batch_sizes

UNLABELLED = 2**31
"""Added to the seed of the order of unlabelled windows, which is then that of labelled ones in no epoch of the same run.

(Of a seed, PyTorch's generator on the CPU uses the last 32 bits only.)"""


def batches(
    budget: Budget,
    *,
    batch_size: int,
    seed: int,
    device: torch.device | str,
    seen: int = 0,
    lengths: Tensor | None = None,
) -> Iterator[tuple[Tensor, int, bool]]:
    """Numbers of the windows of each batch, shuffled anew every epoch, their output frames, and whether it ends its epoch.

    Args:
        budget: how many there are and how many are seen, both as output frames.
        batch_size: windows of a batch.
        seed: of the order.
        device: where the numbers go.
        seen: output frames that were seen already, which is where a batch ended; those batches are left out.
        lengths: (windows,) int64: output frames of each window; None where each has one. The last window of a last epoch
            that is not whole is seen whole.
    """
    for epoch, size in enumerate(budget.epoch_sizes):
        if seen >= size:
            seen -= size
            continue
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(budget.per_epoch if lengths is None else len(lengths), generator=generator)
        order = order[:size] if lengths is None else order[: _windows_until(size, lengths[order])]
        sizes = batch_sizes(len(order), batch_size)
        frames = sizes if lengths is None else [int(own.sum()) for own in lengths[order].split(sizes)]
        for number, (batch, own) in enumerate(zip(order.to(device).split(sizes), frames, strict=True)):
            if seen:
                seen -= own
            else:
                yield batch, own, number == len(sizes) - 1


def _windows_until(frames: int, lengths: Tensor) -> int:
    """How many windows from the first on have so many frames together, at least."""
    return int(torch.searchsorted(lengths.cumsum(0), frames)) + 1


class EndlessOrder:
    """The order of unlabelled windows, which go round and round, shuffled anew each time, while epochs come and go.

    Args:
        count: windows that there are.
        seed: of the order.
        device: where the numbers go.
    """

    def __init__(self, count: int, *, seed: int, device: torch.device | str):
        self._count, self._seed, self._device = count, seed, device
        self._round, self._order = -1, torch.empty(0, dtype=torch.int64)

    def take(self, position: int, size: int) -> Tensor:
        """The windows from a position of the endless row on: (size,) int64."""
        parts = []
        while size:
            number, place = divmod(position, self._count)
            part = self._shuffled(number)[place : place + size]
            parts.append(part)
            position, size = position + len(part), size - len(part)
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _shuffled(self, number: int) -> Tensor:
        if number != self._round:
            generator = torch.Generator().manual_seed(UNLABELLED + self._seed * 1_000_003 + number)
            self._round, self._order = number, torch.randperm(self._count, generator=generator).to(self._device)
        return self._order


def with_unlabelled(
    labelled: Iterable[tuple[Tensor, int, bool]], others: EndlessOrder | None, *, after: float, taken: int
) -> Iterator[tuple[tuple[Tensor, ...], int, bool]]:
    """The batches of `batches`, each with as many unlabelled windows once these enter.

    Args:
        labelled: numbers, output frames, and whether the batch ends its epoch.
        others: the unlabelled windows; None where there are none.
        after: labelled frames from here on after which they enter.
        taken: unlabelled windows that were seen already.
    """
    for numbers, frames, ends_epoch in labelled:
        if others is None or after > 0:
            yield (numbers,), frames, ends_epoch
        else:
            yield (numbers, others.take(taken, len(numbers))), frames, ends_epoch
            taken += len(numbers)
        after -= frames
