"""The operations between two matrix products of the lifter, with fewer passes over memory than PyTorch's own modules.

With products at full speed, most of a training step is memory access. Each function equals the plain expression in its docstring.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by size in bytes


def drop_(x: Tensor, p: float) -> Tensor:
    """Zeroes each element of a contiguous array with probability `p`, in place; those that stay are not scaled.

    Equals multiplication by a Bernoulli mask, which takes PyTorch on a CPU ten times as long. Here a byte of a random 64-bit
    word decides on an element: it is dropped if the byte, signed, is below 256 p - 128, which is exact for multiples of 1/256.
    For each of as many parts as an element has bytes, a shift brings the next byte to the top, where whole numbers compare by it.
    """
    threshold = round(256 * p)
    if p == 0:
        return x
    if x.device.type != "cpu" or threshold != 256 * p:
        return x.mul_(torch.empty_like(x).bernoulli_(1 - p))
    size = x.element_size()
    numbers = x.view(-1).view(INTEGERS[size])
    length = -(-x.numel() // size)
    words = torch.empty(-(-length * size // 8), dtype=torch.int64).random_(-(2**63), None).view(numbers.dtype)
    limit = (threshold - 128) * 2 ** (8 * (size - 1)) - 1
    for number, part in enumerate(numbers.split(length) if x.numel() else ()):
        if number:
            words.bitwise_left_shift_(8)
        _zero_unless_above(part, words[: part.shape[0]], limit, grad_input=part)
    return x


_zero_unless_above = torch.ops.aten.threshold_backward.grad_input  # one pass; a comparison and a choice take three


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, p: float) -> Tensor:
        active = drop_(torch.relu(x), p)
        ctx.save_for_backward(active)
        return active

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        (active,) = ctx.saved_tensors  # above zero: ReLU let it through and dropout kept it, so no mask is stored
        return torch.ops.aten.threshold_backward(grad, active, 0), None


def relu_dropout(x: Tensor, p: float) -> Tensor:
    """ReLU, then dropout without its factor 1 / (1 - p): any contiguous shape -> the same.

    Equals `(1 - p) * F.dropout(F.relu(x), p)`; a batch norm before it can include the factor in its scale and shift.
    """
    return _ReluDropout.apply(x, p)


class _TapsAndResidual(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, width: int, tap: int) -> tuple[Tensor, Tensor]:
        ctx.shape, ctx.width, ctx.tap = x.shape, width, tap
        batch, frames, channels = x.shape
        return x.view(batch, frames // width, width * channels), x[:, tap::width]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_taps: Tensor, grad_residual: Tensor):
        grad = grad_taps.reshape(ctx.shape)
        grad[:, ctx.tap :: ctx.width] += grad_residual  # nobody else needs this gradient: a product has just made it
        return grad, None, None


def taps_and_residual(x: Tensor, width: int, tap: int) -> tuple[Tensor, Tensor]:
    """Neighbouring frames side by side for a product, and every `width`-th frame from `tap` on, for the residual.

    (B, T, C) -> (B, T / width, width * C) and (B, T / width, C), both views. Equals `x.view(...)` and `x[:, tap::width]`,
    whose gradients PyTorch adds with two more arrays of the size of `x`. The first must go into a product, whose gradient is
    changed in place.
    """
    return _TapsAndResidual.apply(x, width, tap)
