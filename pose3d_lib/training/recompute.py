"""Precise batch norm: the running statistics of a network as it is, not of the networks that it was in its last steps.

In training they are averages over the last batches, and only a test reads them. Where the weights change faster than the average
forgets, it describes a network that no longer exists (Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3).
"""

import hashlib

import torch
from torch import Tensor

from pose3d_lib.model.precision import arithmetic
from pose3d_lib.training.budget import EndlessOrder
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import Totals
from pose3d_lib.training.losses import Objective

MOST_FRAMES = 50_000  # output frames that are enough for the statistics of any training set


@torch.no_grad()
def recompute_statistics(objective: Objective, config: RunConfig, totals: Totals) -> dict[str, Tensor]:
    """Measures the statistics of every batch norm on a run's own train windows: `Lifters.statistics`, to be loaded there.

    The windows pass as in training: shuffled, mirrored, with dropout, together with as many unlabelled ones once these have
    entered. All pass once, or as many as have MOST_FRAMES output frames, in equal batches of `batch_size` or a little more. The
    result is the plain mean over them of their means and of their unbiased variances.

    Networks and random state are left as they were. Order and masks depend on the seed and on the windows seen (`totals`) only.
    """
    lifters, device, windows = objective.lifters, objective.labelled.targets.device, objective.labelled
    before, was_training = [own.clone() for own in lifters.buffers()], lifters.training
    lifters.train()
    digest = hashlib.sha256(f"recompute {config.seed} {totals.seen}".encode()).digest()
    seed = int.from_bytes(digest[:4], "little")  # of 32 bits: unlike any that training derives by arithmetic
    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        arithmetic(config.precision, device.type),
    ):
        torch.manual_seed(seed)
        order = torch.randperm(len(windows))[: max(2, MOST_FRAMES // config.chunk)]
        others = objective.unlabelled if totals.unlabelled else None
        if others is not None:
            other_order = EndlessOrder(len(others), seed=seed, device=device)
        parts = order.to(device).tensor_split(max(1, len(order) * config.chunk // config.batch_size))
        seen = 0
        for number, numbers in enumerate(parts, start=1):
            lifters.set_bn_momentum(1 / number)  # so that the running average is the mean of all batches so far
            objective(numbers, None if others is None else other_order.take(seen, len(numbers)))
            seen += len(numbers)
        found = {name: own.clone() for name, own in lifters.statistics.items()}
    for own, old in zip(lifters.buffers(), before, strict=True):
        own.copy_(old)  # in place: a recorded step holds these very tensors
    lifters.train(was_training)
    return found
