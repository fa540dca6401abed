"""The lifter against a network written a second time here, with plain convolutions, from the published description."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chi2
from torch import Tensor, nn

from pose3d_lib.model import TemporalLifter, dropout, padding, receptive_field

WIDTHS = pytest.mark.parametrize("widths", [(3, 3, 3), (3, 5), (5,), (1, 3)], ids=str)
CAUSAL = pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])


def lifter(widths=(3, 3, 3), *, causal=False, p=0.0, channels=12, seed=0) -> TemporalLifter:
    """A narrow lifter in double precision, of 5 joints into 4, whose batch norms have seen something."""
    torch.manual_seed(seed)
    model = TemporalLifter(5, 2, 4, widths, causal=causal, dropout=p, channels=channels).double()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    for name, parameter in model.named_parameters():
        if ".norm." in name:
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def clips(frames: int, *, batch: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(batch, frames, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def published_network(model: TemporalLifter, x: Tensor, *, strided: bool) -> Tensor:
    """(B, T, 5, 2) -> (B, T', 4, 3): the same weights in ordinary convolutions over (B, C, T).

    Expand convolution, then per block a dilated (or strided) convolution and one of width 1, each with batch norm and
    ReLU, beside a slice of the block's input: the centre one, or the last one if causal; at the end width 1 to 3D.
    """

    def convolve(x: Tensor, linear: nn.Linear, width: int, dilation: int, stride: int) -> Tensor:
        weight = linear.weight.unflatten(1, (width, -1)).transpose(1, 2)  # (out, width * in) -> (out, in, width)
        conv = nn.Conv1d(*weight.shape[1::-1], width, dilation=dilation, stride=stride, bias=linear.bias is not None)
        state = {"weight": weight} if linear.bias is None else {"weight": weight, "bias": linear.bias}
        return torch.func.functional_call(conv.double(), state, (x,))

    def normalise(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
        statistics = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        return F.relu(F.batch_norm(x, *statistics, training=model.training, momentum=0.0, eps=1e-5))

    first, *others = model.filter_widths
    x = x.flatten(2).transpose(1, 2)
    x = normalise(convolve(x, model.expand.product, first, 1, first if strided else 1), model.expand.norm)
    spread = first
    for block, width in zip(model.blocks, others, strict=True):
        dilation, stride = (1, width) if strided else (spread, 1)
        y = convolve(x, block.temporal.product, width, dilation, stride)
        y = normalise(y, block.temporal.norm)
        y = normalise(convolve(y, block.pointwise.product, 1, 1, 1), block.pointwise.norm)
        before = (width - 1 if model.causal else (width - 1) // 2) * dilation
        x = x[:, :, before::stride][:, :, : y.shape[2]] + y
        spread *= width
    return convolve(x, model.shrink, 1, 1, 1).transpose(1, 2).unflatten(2, (4, 3))


def test_the_network_of_the_paper_has_its_published_number_of_parameters() -> None:
    # 34*3*1024 + 2048, twice (3*1024^2 + 2048 + 1024^2 + 2048), 1024*51 + 51
    assert TemporalLifter(17, 2, 17, (3, 3, 3), channels=1024).num_parameters == 8_555_571


@pytest.mark.parametrize(("widths", "frames"), [((3, 3, 3), 27), ((3,) * 4, 81), ((3,) * 5, 243), ((3, 5), 15)])
def test_one_output_frame_sees_exactly_its_receptive_field(widths, frames) -> None:
    model = lifter(widths)
    assert model.receptive_field == receptive_field(widths) == frames
    seen = clips(frames + 8, batch=4).requires_grad_()
    model(seen)[:, 3].square().sum().backward()
    matters = seen.grad.abs().sum(dim=(0, 2, 3)) > 0
    assert matters.nonzero().flatten().tolist() == list(range(3, 3 + frames))


@pytest.mark.parametrize(("widths", "frames"), [((3, 3, 3), 27), ((3,) * 4, 81), ((3,) * 5, 243)])
@CAUSAL
def test_changing_a_frame_changes_an_output_only_from_within_its_receptive_field(widths, frames, causal) -> None:
    model = lifter(widths, causal=causal)
    clip = clips(frames + 8)
    before = model(clip)[:, 3]
    for frame, matters in [(2, False), (3, True), (3 + frames - 1, True), (3 + frames, False)]:
        changed = clip.clone()
        changed[:, frame] += 5
        assert bool((model(changed)[:, 3] != before).any()) is matters, f"input frame {frame}"


@WIDTHS
@CAUSAL
def test_windows_give_what_the_whole_clip_gives(widths, causal) -> None:
    model = lifter(widths, causal=causal)
    clip = clips(math.prod(widths) + 6)
    windows = clip.unfold(1, math.prod(widths), 1).permute(0, 1, 4, 2, 3)  # (B, 7, receptive field, 5, 2)
    single = model.forward_windows(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
    torch.testing.assert_close(single, model(clip), atol=1e-12, rtol=0)


@WIDTHS
@CAUSAL
def test_the_clip_form_is_the_published_network_with_dilated_convolutions(widths, causal) -> None:
    model = lifter(widths, causal=causal)
    clip = clips(math.prod(widths) + 6)
    torch.testing.assert_close(model(clip), published_network(model, clip, strided=False), atol=1e-12, rtol=0)


@WIDTHS
@CAUSAL
def test_the_windows_form_is_the_published_network_with_strided_convolutions(widths, causal) -> None:
    model = lifter(widths, causal=causal)
    windows = clips(math.prod(widths), batch=6)
    expected = published_network(model, windows, strided=True).squeeze(1)
    torch.testing.assert_close(model.forward_windows(windows), expected, atol=1e-12, rtol=0)


@CAUSAL
def test_in_training_both_forms_are_the_published_network_whose_batch_norm_counts_every_frame(causal) -> None:
    model = lifter(causal=causal).train()
    windows = clips(27, batch=6)
    expected = published_network(model, windows, strided=True).squeeze(1)
    torch.testing.assert_close(model.forward_windows(windows), expected, atol=1e-11, rtol=0)
    clip = clips(33)
    expected = published_network(model, clip, strided=False)
    torch.testing.assert_close(model(clip), expected, atol=1e-11, rtol=0)


@CAUSAL
def test_a_padded_clip_comes_out_as_long_as_it_went_in(causal) -> None:
    before, after = padding((3, 3, 3), causal=causal)
    assert (before, after) == ((26, 0) if causal else (13, 13))
    assert lifter(causal=causal)(clips(before + 10 + after)).shape == (2, 10, 4, 3)


def test_a_causal_lifter_never_sees_the_future() -> None:
    model, clip = lifter(causal=True), clips(10)
    before, after = padding(model.filter_widths, causal=True)

    def lift(clip: Tensor) -> Tensor:
        return model(
            torch.cat([clip[:, :1].expand(-1, before, -1, -1), clip, clip[:, -1:].expand(-1, after, -1, -1)], 1)
        )

    changed = clip.clone()
    changed[:, 6:] += 3
    assert torch.equal(lift(changed)[:, :6], lift(clip)[:, :6])
    assert (lift(changed)[:, 6] != lift(clip)[:, 6]).any()


@CAUSAL
def test_the_residual_path_alone_carries_the_frame_that_is_lifted(causal) -> None:
    model = TemporalLifter(5, 2, 4, (1, 3, 3), causal=causal, dropout=0.0, channels=10).double().eval()
    with torch.no_grad():
        model.expand.product.weight.copy_(torch.eye(10))
        for block in model.blocks:
            block.pointwise.norm.weight.zero_()
        model.shrink.weight.copy_(torch.eye(12, 10))
        model.shrink.bias.zero_()
    clip = clips(12).abs()
    kept = clip[:, 8:] if causal else clip[:, 4:8]
    expected = F.pad(kept.flatten(2), (0, 2)).unflatten(2, (4, 3)) / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(model(clip), expected)


def test_only_the_last_layer_has_a_bias_beside_those_of_the_batch_norms() -> None:
    biased = [name for name, _ in lifter().named_parameters() if name.endswith("bias") and ".norm." not in name]
    assert biased == ["shrink.bias"]


def test_dropout_follows_every_batch_norm_but_not_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    monkeypatch.setattr("pose3d_lib.model.dropout", lambda x, p, *, training: rates.append((p, training)) or x)
    model = lifter(p=0.3)
    model.train().forward_windows(clips(27))
    model.eval()(clips(27))
    assert rates == [(0.3, True)] * 5 + [(0.3, False)] * 5


def test_the_momentum_setter_reaches_every_batch_norm() -> None:
    model = lifter().train()
    model.set_bn_momentum(0.25)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(clips(40))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    assert len(norms) == 5
    assert {norm.momentum for norm in norms} == {0.25}
    frames = clips(40).flatten(2).unfold(1, 3, 1).transpose(2, 3).flatten(2)  # (B, 38, 3 * 10): tap-major
    seen = (frames @ model.expand.product.weight.T).flatten(0, 1)
    expected = 0.75 * before["expand.norm.running_mean"] + 0.25 * seen.mean(dim=0)
    torch.testing.assert_close(model.expand.norm.running_mean, expected)
    expected = 0.75 * before["expand.norm.running_var"] + 0.25 * seen.var(dim=0)
    torch.testing.assert_close(model.expand.norm.running_var, expected)


@pytest.mark.parametrize("widths", [(2, 3), (3, 4), (0,), (-3,), ()], ids=str)
def test_widths_that_have_no_centre_are_refused(widths) -> None:
    with pytest.raises(ValueError, match="odd and positive, found") as refusal:
        TemporalLifter(5, 2, 4, widths, channels=4)
    assert str(widths) in str(refusal.value)


@pytest.mark.parametrize("shape", [(2, 26, 5, 2), (2, 27, 4, 2), (2, 27, 5, 3), (27, 5, 2)], ids=str)
@pytest.mark.parametrize("form", ["forward", "forward_windows"])
def test_input_of_another_shape_is_refused_with_what_was_found(shape, form) -> None:
    with pytest.raises(ValueError, match="at least 27 frames, 5 joints") as refusal:
        getattr(lifter(), form)(torch.zeros(shape, dtype=torch.float64))
    assert str(shape) in str(refusal.value)


def test_windows_longer_than_the_receptive_field_are_refused() -> None:
    with pytest.raises(ValueError, match="expected windows of 27 frames, found 28"):
        lifter().forward_windows(clips(28))


def test_the_same_seed_gives_the_same_network_and_the_same_training_step() -> None:
    def output(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return TemporalLifter(5, 2, 4, (3, 3), channels=8).double().train().forward_windows(clips(9, batch=8))

    assert torch.equal(output(3), output(3))
    assert not torch.equal(output(3), output(4))


@pytest.mark.parametrize("p", [0.25, 0.5, 0.3, 1 / 256])
def test_dropout_drops_its_share(p) -> None:
    torch.manual_seed(0)
    count = 2_000_000
    dropped = int((dropout(torch.ones(count), p, training=True) == 0).sum())
    # One byte value too many or too few would be 1/256 of the elements, ten standard deviations and more.
    assert abs(dropped - count * p) < 5 * math.sqrt(count * p * (1 - p))


def test_dropout_drops_every_place_of_a_random_word_equally_often() -> None:
    torch.manual_seed(0)
    words = 100_000
    dropped = (dropout(torch.ones(words, 8), 0.25, training=True) == 0).sum(dim=0).double()
    statistic = ((dropped - words / 4) ** 2 / (words / 4 * 0.75)).sum().item()
    assert statistic < chi2.ppf(1 - 1e-6, df=8)


def test_dropout_decides_on_neighbours_independently() -> None:
    torch.manual_seed(0)
    words = 60_000
    kept = (dropout(torch.ones(words, 8), 0.25, training=True) != 0).long()
    kinds = (kept * 2 ** torch.arange(8)).sum(dim=1).bincount(minlength=256).double()  # one count per pattern of 8
    bits = torch.tensor([bin(kind).count("1") for kind in range(256)], dtype=torch.float64)
    expected = words * 0.75**bits * 0.25 ** (8 - bits)
    common = expected >= 5
    statistic = ((kinds - expected)[common].square() / expected[common]).sum().item()
    assert statistic < chi2.ppf(1 - 1e-6, df=int(common.sum()))


def test_dropout_draws_another_mask_every_time() -> None:
    torch.manual_seed(0)
    x = torch.ones(1000)
    assert not torch.equal(dropout(x, 0.25, training=True), dropout(x, 0.25, training=True))


@pytest.mark.parametrize("p", [0.25, 0.5, 0.3])
def test_dropout_scales_what_it_keeps(p) -> None:
    torch.manual_seed(0)
    x = torch.linspace(1, 2, 1003, dtype=torch.float64).view(17, 59)
    y = dropout(x, p, training=True)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / (1 - p))


@pytest.mark.parametrize("p", [0.3, 0.1, 1 / 3])
def test_a_rate_that_is_no_multiple_of_a_256th_is_pytorch_s_own_dropout(p) -> None:
    x = torch.rand(1000)
    torch.manual_seed(7)
    ours = dropout(x, p, training=True)
    torch.manual_seed(7)
    assert torch.equal(ours, F.dropout(x, p, True))


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (0.25, False), (0.3, False)])
def test_dropout_changes_nothing_at_rate_zero_or_in_evaluation(p, training) -> None:
    x = torch.rand(100)
    assert torch.equal(dropout(x, p, training=training), x)


@pytest.mark.parametrize("shape", [(1,), (7,), (9, 3), (2, 3, 5), (0, 3)], ids=str)
def test_dropout_keeps_shape_and_precision_whatever_the_number_of_elements(shape) -> None:
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        y = dropout(torch.ones(shape, dtype=dtype), 0.25, training=True)
        assert (y.shape, y.dtype) == (shape, dtype)


def test_the_gradient_of_dropout_flows_only_where_an_element_was_kept() -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert x.grad.unique().tolist() == pytest.approx([0, 4 / 3])


def test_dropout_is_repeated_by_the_seed_of_pytorch() -> None:
    torch.manual_seed(5)
    first = dropout(torch.ones(1000), 0.25, training=True)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(torch.ones(1000), 0.25, training=True))


@pytest.mark.parametrize("p", [1.5, -0.5])
def test_dropout_refuses_a_rate_that_is_no_probability(p) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        dropout(torch.ones(10), p, training=True)


def test_dropout_at_rate_one_drops_everything() -> None:
    assert dropout(torch.ones(10), 1.0, training=True).sum() == 0
