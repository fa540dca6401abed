"""What is computed in which precision, how exact it is, and that PyTorch's settings are as before afterwards."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pose3d_lib.model import layers, precision
from pose3d_lib.model.evaluate import METRICS, evaluate
from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.precision import PRECISIONS, arithmetic, fastest_precision

ZEN_4 = {"architecture": "x86_64", "avx512_f": True, "avx512_bf16": True, "amx_tile": False, "amx_bf16": False}
SAPPHIRE_RAPIDS = {**ZEN_4, "amx_tile": True, "amx_bf16": True}
ZEN_2 = {"architecture": "x86_64", "avx2": True, "avx512_f": False, "avx512_bf16": False, "amx_tile": False}
GRAVITON = {"architecture": "aarch64", "neon": True, "bf16": True}
UNKNOWN: dict = {}


NEWER = pytest.mark.skipif(not hasattr(torch.backends.mkldnn, "matmul"), reason="before PyTorch 2.9")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch):
    """Makes PyTorch report another processor."""
    return lambda capabilities: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


def permission() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision


class Products(TorchDispatchMode):
    """Notes what every matrix product is made of: (rows, inner, columns) and the precision."""

    def __init__(self):
        super().__init__()
        self.seen: list[tuple[tuple[int, int, int], torch.dtype]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.addmm_, torch.ops.aten.bmm):
            left, right = [arg for arg in args if isinstance(arg, Tensor)][-2:]
            assert left.dtype == right.dtype
            self.seen.append(((*left.shape, right.shape[-1]), left.dtype))
        return func(*args, **(kwargs or {}))


# float32


@pytest.mark.parametrize(("rows", "inner", "columns"), [(512, 768, 256), (64, 1024, 51)])
def test_float32_products_are_those_of_float64_to_the_rounding_of_float32(rows, inner, columns) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(rows, inner), torch.randn(columns, inner).t()
    with arithmetic("float32", "cpu"):
        product = x @ y
        with_shift = F.linear(x, y.t(), torch.ones(columns))
    expected, scale = x.double() @ y.double(), x.double().abs() @ y.double().abs()
    # Products of numbers rounded to bfloat16 are 0.0009 off, to TF32 0.0001.
    assert ((product - expected).abs() / scale).max() < 2e-6
    assert ((with_shift - expected - 1).abs() / scale).max() < 2e-6


@NEWER
@pytest.mark.parametrize(
    ("capabilities", "fastest", "permitted"),
    [
        (ZEN_4, "bfloat16", "bf16"),
        (SAPPHIRE_RAPIDS, "bfloat16", "ieee"),
        (ZEN_2, "float32", "bf16"), (GRAVITON, "float32", "ieee"), (UNKNOWN, "float32", "ieee"),
    ],
    ids=["Zen 4", "Sapphire Rapids", "Zen 2", "Graviton", "unknown"],
)  # fmt: skip
def test_auto_is_what_a_processor_has_instructions_for_and_only_one_that_would_not_is_permitted_to_round(
    capabilities, fastest, permitted, processor
) -> None:
    processor(capabilities)
    assert fastest_precision("cpu") == fastest
    for name in PRECISIONS:
        with arithmetic(name, "cpu"):
            assert permission() == permitted


@NEWER
@pytest.mark.parametrize(("name", "expected"), [("float32", "ieee"), ("bfloat16", "tf32")])
def test_a_gpu_may_round_products_to_tf32_with_bfloat16_only(name, expected, monkeypatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.no_grad())  # warns where there is no GPU
    before = torch.backends.cuda.matmul.fp32_precision, permission()
    with arithmetic(name, "cuda"):
        assert (torch.backends.cuda.matmul.fp32_precision, permission()) == (expected, before[1])
    assert (torch.backends.cuda.matmul.fp32_precision, permission()) == before


# Afterwards


@pytest.fixture(params=["none", "bf16"])
def before(request) -> str:
    """What products may be rounded to before a test, which is "none" for PyTorch's own choice."""
    first = permission()
    torch.backends.mkldnn.matmul.fp32_precision = request.param
    yield request.param
    torch.backends.mkldnn.matmul.fp32_precision = first


@NEWER
@pytest.mark.parametrize("name", PRECISIONS)
def test_settings_return_afterwards_also_after_an_error(name, before) -> None:
    for _ in range(2):
        with arithmetic(name, "cpu"):
            assert torch.is_autocast_enabled("cpu") == (name == "bfloat16")
        assert (permission(), torch.is_autocast_enabled("cpu")) == (before, False)
        with pytest.raises(ZeroDivisionError), arithmetic(name, "cpu"):
            _ = 1 / 0
        assert (permission(), torch.is_autocast_enabled("cpu")) == (before, False)


# bfloat16


def drop_with_the_same_masks(x: Tensor, p: float) -> Tensor:
    """Masks that depend on the size alone; `drop_`'s own are others for elements of another size."""
    return x.mul_(torch.rand(x.shape, generator=torch.Generator().manual_seed(x.numel())) >= p)


def step(name: str, *, p: float = 0.0) -> tuple[TemporalLifter, Tensor, list, list]:
    """A lifter after a forward and a backward pass as in training; its result, the products forward and backward."""
    torch.manual_seed(0)
    model = TemporalLifter(17, 2, 17, (3, 3, 3), channels=64, dropout=p).train()
    windows, targets = torch.randn(384, 27, 17, 2), torch.randn(384, 17, 3)
    with arithmetic(name, "cpu"):
        with Products() as forward:
            result = model.forward_windows(windows)
        with Products() as backward, torch.autocast("cpu", enabled=False):
            (result - targets).norm(dim=-1).mean().backward()
    return model, result, forward.seen, backward.seen


@pytest.mark.parametrize("name", PRECISIONS)
def test_with_bfloat16_only_the_products_between_hidden_layers_are_in_it(name) -> None:
    _, _, forward, backward = step(name, p=0.25)
    hidden = getattr(torch, name)
    assert forward == [
        ((384 * 9, 102, 64), torch.float32),
        ((384 * 3, 192, 64), hidden), ((384 * 3, 64, 64), hidden), ((384, 192, 64), hidden), ((384, 64, 64), hidden),
        ((384, 64, 51), torch.float32),
    ]  # fmt: skip
    own = {(384, 51, 64), (51, 384, 64), (64, 384 * 9, 102)}  # of the last and the first
    assert len(backward) == 11
    assert {shape: dtype for shape, dtype in backward if shape in own} == dict.fromkeys(own, torch.float32)
    assert {dtype for shape, dtype in backward if shape not in own} == {hidden}


@pytest.mark.parametrize("p", [0.0, 0.25])
def test_with_bfloat16_every_gradient_points_where_float32_s_does(p, monkeypatch) -> None:
    monkeypatch.setattr(layers, "drop_", drop_with_the_same_masks)
    (exact, expected, *_), (rounded, found, *_) = (step(name, p=p) for name in PRECISIONS)
    assert 0 < (found - expected).norm() / expected.norm() < 0.02
    for (name, ours), plain in zip(rounded.named_parameters(), exact.parameters(), strict=True):
        assert F.cosine_similarity(ours.grad.flatten(), plain.grad.flatten(), dim=0) > 0.99, name
        assert 0.97 < ours.grad.norm() / plain.grad.norm() < 1.03, name
    for (name, ours), plain in zip(rounded.named_buffers(), exact.buffers(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0.01, atol=0.01, msg=name)


# Tests


def test_errors_are_measured_in_float32_whatever_surrounds_them(hand_made) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 40), ("S9", "Sitting", "0", 1, 12)])
    torch.manual_seed(0)
    model = TemporalLifter(17, 2, 17, (3, 3), channels=16).eval()
    expected = evaluate(model, data, data.clips, "simulated")
    with arithmetic("bfloat16", "cpu"), Products() as products:
        found = evaluate(model, data, data.clips, "simulated")
    assert {dtype for _, dtype in products.seen} - {torch.float64} == {torch.float32}
    assert found[list(METRICS)].to_numpy().tobytes() == expected[list(METRICS)].to_numpy().tobytes()


# auto


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_bfloat16_where_the_gpu_has_instructions_for_it_and_does_not_emulate_them(
    supported, expected, monkeypatch
) -> None:
    cuda = SimpleNamespace(is_bf16_supported=lambda including_emulation=True: including_emulation or supported)
    monkeypatch.setattr(precision.torch, "cuda", cuda)
    assert fastest_precision("cuda") == expected


def test_an_older_pytorch_without_these_settings_computes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", None, raising=False)
    assert fastest_precision("cpu") == "float32"
    x = torch.randn(8, 8)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with arithmetic(name, "cpu"):
            assert (x @ x).dtype == dtype
