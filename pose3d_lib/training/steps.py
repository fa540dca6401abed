"""Optimiser steps: Adam with AMSGrad on the terms of a batch's loss.

All that changes between steps is in tensors on the device, and nothing is read back from it. So on a GPU a step can be
recorded once per batch size and replayed as a whole (a CUDA graph), without waiting for Python between its 200 kernels.
"""

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.adam import adam

from pose3d_lib.model.precision import arithmetic
from pose3d_lib.training.losses import POSE, Objective

STEPS_BEFORE_RECORDING = 3  # of each batch size; libraries choose their kernels and allocate in the first ones


class AmsGrad:
    """Adam with AMSGrad and its published defaults: PyTorch's fused update.

    `torch.optim.Adam` does the same, but imports PyTorch's compiler: a second and a half of every run.
    """

    def __init__(self, parameters: list[Tensor], lr: float):
        self.lr = torch.tensor(lr, device=parameters[0].device)
        self._parameters = parameters
        kinds = ("mean", "square", "largest")
        self._moments = {kind: [torch.zeros_like(parameter) for parameter in parameters] for kind in kinds}
        self._moments["steps"] = [torch.zeros((), device=parameter.device) for parameter in parameters]

    @property
    def state(self) -> dict[str, Tensor]:
        """Every tensor that a later step depends on, by name, except the learning rate; copy into them to restore."""
        return {f"{kind}.{number}": own for kind, row in self._moments.items() for number, own in enumerate(row)}

    @torch.no_grad()
    def step(self) -> None:
        """Updates every parameter that has a gradient, and frees the gradients."""
        rows = zip(self._parameters, *self._moments.values(), strict=True)
        used = [(parameter, parameter.grad, *moments) for parameter, *moments in rows if parameter.grad is not None]
        published = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "maximize": False}
        adam(*map(list, zip(*used, strict=True)), lr=self.lr, amsgrad=True, fused=True, **published)
        for parameter in self._parameters:
            parameter.grad = None


class TrainingSteps:
    """Trains the networks of an objective in place, one batch of windows per call; with `record`, a GPU replays its steps.

    Attributes:
        loss_sum: () float64, the losses of all labelled frames since `clear_sums`, metres.
        term_sums: name of another term -> (2,) float64: its sum, and the number of labelled frames in it.
    """

    def __init__(self, objective: Objective, *, precision: str, lr: float, record: bool = False):
        self._objective, self._lifters, self._precision = objective, objective.lifters.train(), precision
        self._device = objective.labelled.targets.device
        self._optimizer = AmsGrad(list(self._lifters.parameters()), lr)
        self._record = record
        self._recorded: dict[tuple[int, ...], Callable[..., None]] = {}
        self._times = Counter()
        self._schedule: tuple[float, float] | None = None
        self.loss_sum = torch.zeros((), device=self._device, dtype=torch.float64)
        self.term_sums = {name: self.loss_sum.new_zeros(2) for name in objective.other_terms}

    @property
    def state(self) -> dict[str, Tensor]:
        """Every tensor that later steps depend on, by name, with those of the networks; copy into them to restore."""
        return {
            **{f"network.{name}": own for name, own in self._lifters.state_dict().items()},
            **{f"optimiser.{name}": own for name, own in self._optimizer.state.items()},
            "loss_sum": self.loss_sum,
            **{f"loss_sum.{name}": own for name, own in self.term_sums.items()},
        }

    def set_schedule(self, lr: float, bn_momentum: float) -> None:
        """Learning rate and batch-norm momentum of the steps that follow."""
        if (lr, bn_momentum) != self._schedule:
            self._schedule = lr, bn_momentum
            self._optimizer.lr.fill_(lr)
            self._lifters.set_bn_momentum(bn_momentum)

    @property
    def all_finite(self) -> bool:
        """Whether every loss since `clear_sums` was finite; waits for a GPU."""
        return all(bool(own.isfinite().all()) for own in (self.loss_sum, *self.term_sums.values()))

    def clear_sums(self) -> None:
        for own in (self.loss_sum, *self.term_sums.values()):
            own.zero_()

    def __call__(self, *numbers: Tensor) -> None:
        """One step on labelled windows and, if given, unlabelled ones: their numbers, (batch,) int64, on the device."""
        sizes = tuple(map(len, numbers))
        with arithmetic(self._precision, self._device.type):
            if not self._record or self._device.type != "cuda":
                return self._step(*numbers)
            self._times[sizes] += 1
            if self._times[sizes] <= STEPS_BEFORE_RECORDING:
                return _aside(self._step, *numbers)
            if sizes not in self._recorded:
                self._recorded[sizes] = _record(self._step, *numbers)
            return self._recorded[sizes](*numbers)

    def _step(self, *numbers: Tensor) -> None:
        terms, count = self._objective(*numbers)
        loss = sum(terms.values())
        # Autocast is for the forward pass: here it would round the gradients of the first and the last product.
        with torch.autocast(self._device.type, enabled=False):
            loss.backward()
        self._optimizer.step()
        self.loss_sum += terms[POSE].detach() * count
        for name, own in self.term_sums.items():
            if name in terms:
                own[0] += terms[name].detach() * count
                own[1] += count


def _aside(step: Callable[..., None], *numbers: Tensor) -> None:
    """Makes a step outside the default stream, as those before a recording have to be."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        step(*numbers)
    torch.cuda.current_stream().wait_stream(stream)


def _record(step: Callable[..., None], *numbers: Tensor) -> Callable[..., None]:
    """Records a step without making it; returns a function that makes it on the same number of windows."""
    given, graph = [own.clone() for own in numbers], torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(*given)

    def replay(*numbers: Tensor) -> None:
        for own, new in zip(given, numbers, strict=True):
            own.copy_(new)
        graph.replay()

    return replay
