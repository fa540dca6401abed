"""What stands between two products against its plain twins: the masks' distribution, values and gradients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose3d_lib.model import layers
from pose3d_lib.model.layers import drop_, relu_dropout, taps_and_residual

DTYPES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# drop_


def dropped(*shape: int, p: float = 0.25, dtype: torch.dtype = torch.float32) -> Tensor:
    """Where ones became zeros."""
    x = drop_(torch.ones(shape, dtype=dtype), p)
    assert ((x == 0) | (x == 1)).all()
    return x == 0


@pytest.mark.parametrize("p", [1 / 256, 0.25, 129 / 256], ids=lambda p: f"{p:.4f}")
@DTYPES
def test_each_byte_of_the_random_words_decides_on_one_element(p, dtype) -> None:
    count, size = 8_000, dtype.itemsize
    found = dropped(size, count // size, p=p, dtype=dtype)
    torch.manual_seed(0)
    words = torch.empty(count // 8, dtype=torch.int64).random_(-(2**63), None)
    integers = words.numpy().view(f"u{size}")
    places = [(integers >> np.array(8 * (size - 1 - part)).astype(integers.dtype)) & 255 for part in range(size)]
    signed = np.stack(places).astype(np.uint8).view(np.int8)
    np.testing.assert_array_equal(found.numpy(), signed < 256 * p - 128)


@pytest.mark.parametrize("p", [0.0, 0.25])
@DTYPES
def test_it_works_in_place_and_what_stays_keeps_every_bit(p, dtype) -> None:
    x = torch.randn(7, 143, dtype=dtype)
    x[0], x[1], x[2] = torch.nan, torch.inf, -0.0
    before = x.clone()
    assert drop_(x, p) is x
    bits, bits_before = (array.view(layers.INTEGERS[dtype.itemsize]) for array in (x, before))
    stayed = bits == bits_before
    assert ((bits == 0) | stayed).all()
    assert stayed.all() if p == 0 else 0.68 < stayed.double().mean() < 0.82


@pytest.mark.parametrize("p", [0.3, 1 / 512], ids=lambda p: f"{p:.4f}")
@DTYPES
def test_a_rate_that_is_no_multiple_of_a_256th_has_pytorch_s_own_masks(p, dtype) -> None:
    ours = dropped(1000, p=p, dtype=dtype)
    torch.manual_seed(0)
    assert torch.equal(ours, F.dropout(torch.ones(1000, dtype=dtype), p) == 0)


# relu_dropout


def values_and_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = function(x)
    y.backward(torch.linspace(-1, 2, x.numel()).to(x.dtype).view_as(x))
    return y.detach(), x.grad


@pytest.mark.parametrize("p", [0.0, 0.25, 0.3])
@DTYPES
def test_relu_and_dropout_are_pytorch_s_but_for_the_factor(p, dtype, monkeypatch) -> None:
    mask = torch.ones(9, 4, 37).bernoulli_(1 - p)
    monkeypatch.setattr(layers, "drop_", lambda x, rate: x.mul_(mask) if rate == p else None)
    # PyTorch's gets the mask by the only way in: the numbers that it draws.
    monkeypatch.setattr(F, "dropout", lambda x, rate: x * (mask / (1 - rate)).to(x.dtype))
    x = torch.randn(9, 4, 37, dtype=dtype)
    x[0] = 0  # where PyTorch's ReLU has gradient zero
    found = values_and_gradient(lambda x: relu_dropout(x, p), x)
    expected = values_and_gradient(lambda x: (1 - p) * F.dropout(F.relu(x), p), x)
    for ours, twin in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, twin)
        assert torch.equal(ours == 0, twin == 0)


# taps_and_residual


def plain_taps_and_residual(x: Tensor, width: int, tap: int) -> tuple[Tensor, Tensor]:
    batch, frames, channels = x.shape
    return x.view(batch, frames // width, width * channels), x[:, tap::width]


TAPS = pytest.mark.parametrize(("width", "tap"), [(3, 1), (5, 4), (1, 0)], ids=["centred", "five causal", "one"])


@TAPS
@DTYPES
def test_a_block_around_taps_and_residual_has_the_gradients_of_view_and_slice(width, tap, dtype) -> None:
    product = nn.Linear(6 * width, 6, bias=False, dtype=dtype)
    below = torch.randn(4, 2 * width, 6, dtype=dtype)
    results = []
    for function in (taps_and_residual, plain_taps_and_residual):
        x, product.weight.grad = below.clone().requires_grad_(), None
        hidden = torch.tanh(x)
        taps, residual = function(hidden, width, tap)
        assert taps.untyped_storage().data_ptr() == residual.untyped_storage().data_ptr() == hidden.data_ptr(), "views"
        y = residual + F.relu(product(taps))
        y.square().sum().backward()
        results.append((y.detach(), x.grad, product.weight.grad))
    for ours, twin in zip(*results, strict=True):
        if dtype == torch.float64:
            torch.testing.assert_close(ours, twin, rtol=1e-14, atol=1e-14)
        else:  # added up in the same order
            torch.testing.assert_close(ours, twin)


def test_taps_and_residual_change_no_gradient_that_another_place_sees() -> None:
    x = torch.randn(2, 6, 3, requires_grad=True)
    taps, residual = taps_and_residual(x, 3, 1)
    residual.retain_grad()
    other = torch.randn(2, 2, 3, requires_grad=True)
    y = residual + other
    (F.linear(taps, torch.ones(3, 9)) * y).sum().backward()
    assert torch.equal(residual.grad, other.grad)
    torch.testing.assert_close(other.grad, F.linear(taps, torch.ones(3, 9)).detach())
