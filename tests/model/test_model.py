"""The lifter against a network written a second time here, with plain convolutions, from the published description."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pose3d_lib.model.lifter import TRAJECTORY, Lifters, TemporalLifter, padding
from tests.helpers.published_network import PublishedNetwork, share_masks

WIDTHS = pytest.mark.parametrize("widths", [(3, 3, 3), (3, 5)], ids=str)
CAUSAL = pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])


def lifter(
    widths=(3, 3, 3), *, causal=False, dense=False, p=0.0, channels=12, seed=0, dtype: torch.dtype = torch.float64
) -> TemporalLifter:
    """A narrow lifter of 5 joints into 4, in evaluation mode, whose batch norms have seen something."""
    torch.manual_seed(seed)
    model = TemporalLifter(5, 2, 4, widths, causal=causal, dense=dense, dropout=p, channels=channels).to(dtype)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    for name, parameter in model.named_parameters():
        if ".norm." in name:
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    model.set_bn_momentum(0.1)  # to as many digits as the model has
    return model.eval()


def clips(frames: int, *, batch: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(batch, frames, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def published(model: TemporalLifter, x: Tensor, *, strided: bool) -> Tensor:
    return PublishedNetwork(model, strided=strided)(x)


def as_in_the_lifter(value: Tensor) -> Tensor:
    """A convolution's weight or its gradient, (out, in, width) -> (out, width * in); anything else as it is."""
    return value.transpose(1, 2).flatten(1) if value.ndim == 3 else value


def gradients(network: nn.Module, forward: Callable[[Tensor], Tensor], x: Tensor) -> dict[str, Tensor]:
    """Of some function of the result, for every weight and for the input; and the result."""
    x = x.clone().requires_grad_()
    result = forward(x)
    (result * torch.linspace(-1, 2, result.numel(), dtype=x.dtype).view_as(result)).sum().backward()
    weights = network.named_by_the_lifter() if isinstance(network, PublishedNetwork) else network.named_parameters()
    named = {name: as_in_the_lifter(value.grad) for name, value in weights if value.grad is not None}
    return {**named, "input": x.grad, "result": result.detach()}


def assert_all_close(found: dict[str, Tensor], expected: dict[str, Tensor], **tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], **tolerance, msg=lambda m, n=name: f"{n}: {m}")


def statistics(network: nn.Module) -> dict[str, Tensor]:
    named = network.named_by_the_lifter() if isinstance(network, PublishedNetwork) else network.state_dict().items()
    return {name: value for name, value in named if "running" in name or "tracked" in name}


@pytest.fixture
def same_masks(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    return share_masks(monkeypatch)


def test_the_network_of_the_paper_has_its_published_number_of_parameters() -> None:
    # 34*3*1024 + 2048, twice (3*1024^2 + 2048 + 1024^2 + 2048), 1024*51 + 51
    assert TemporalLifter(17, 2, 17, (3, 3, 3), channels=1024).num_parameters == 8_555_571
    # dense: 34*3*1024 + 2048, then taps 7 and 19: (taps + 1) * 1024^2 + 2 * 2048 each, 1024*51 + 51
    dense = 104_448 + 2048 + (8 + 20) * 1_048_576 + 4 * 2048 + 52_275
    assert TemporalLifter(17, 2, 17, (3, 3, 3), dense=True, channels=1024).num_parameters == dense


@WIDTHS
@CAUSAL
def test_both_forms_are_the_published_network_with_dilated_and_with_strided_convolutions(widths, causal) -> None:
    model, clip = lifter(widths, causal=causal), clips(math.prod(widths) + 6)
    expected = published(model, clip, strided=False)
    torch.testing.assert_close(model(clip), expected, atol=1e-12, rtol=0)
    windows = clip.unfold(1, math.prod(widths), 1).permute(0, 1, 4, 2, 3).flatten(0, 1)  # (B * 7, frames, 5, 2)
    single = model.forward_windows(windows)
    torch.testing.assert_close(single.unflatten(0, (2, 7)), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(single, published(model, windows, strided=True).squeeze(1), atol=1e-12, rtol=0)


@WIDTHS
@CAUSAL
@pytest.mark.parametrize("batch", [0, 3])
def test_without_gradients_clips_are_lifted_as_with_them_and_stay_as_they_are(widths, causal, batch) -> None:
    model = lifter(widths, causal=causal)
    clip = clips(math.prod(widths) + 6, batch=batch)
    before = clip.clone()
    expected = model(clip)
    assert expected.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(model(clip), expected.detach(), atol=1e-12, rtol=0)
        shortest = clip[:, : math.prod(widths)]
        torch.testing.assert_close(model(shortest), expected[:, :1].detach(), atol=1e-12, rtol=0)
    assert torch.equal(clip, before)


@WIDTHS
@CAUSAL
def test_the_dense_ablation_is_the_published_network_with_every_tap_between(widths, causal) -> None:
    model = lifter(widths, causal=causal, dense=True)
    frames = math.prod(widths)
    clip = clips(frames + 6)
    expected = published(model, clip, strided=False)
    assert expected.shape[1] == 7  # the same receptive field
    torch.testing.assert_close(model(clip), expected, atol=1e-12, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(model(clip), expected, atol=1e-12, rtol=0)
        torch.testing.assert_close(model.forward_windows(clip[:, :frames]), expected[:, 0], atol=1e-12, rtol=0)


# Training


@WIDTHS
@CAUSAL
@pytest.mark.parametrize("p", [0.0, 0.25])
def test_a_training_step_is_the_published_network_s_given_the_same_masks(widths, causal, p, same_masks) -> None:
    model, windows = lifter(widths, causal=causal, p=p).train(), 3 + clips(math.prod(widths), batch=7)
    twin = PublishedNetwork(model, strided=True)
    found = gradients(model, model.forward_windows, windows)
    assert len(same_masks) == 2 * len(widths) - 1
    expected = gradients(twin, lambda x: twin(x).squeeze(1), windows)
    assert not same_masks
    assert_all_close(found, expected, rtol=1e-10, atol=1e-11)
    assert_all_close(statistics(model), statistics(twin), rtol=1e-12, atol=1e-12)


@CAUSAL
@pytest.mark.parametrize("dense", [False, True], ids=["dilated", "dense"])
def test_in_training_whole_clips_too_are_the_published_network_s(causal, dense, same_masks) -> None:
    model, clip = lifter(causal=causal, dense=dense, p=0.25).train(), clips(33)
    twin = PublishedNetwork(model, strided=False)
    assert_all_close(gradients(model, model, clip), gradients(twin, twin, clip), rtol=1e-10, atol=1e-11)
    assert_all_close(statistics(model), statistics(twin), rtol=1e-12, atol=1e-12)


def test_a_single_frame_is_no_batch_to_train_on() -> None:
    with pytest.raises(ValueError, match="expected two frames or more to train on"):
        lifter().train().forward_windows(clips(27, batch=1))


# Form


@pytest.mark.parametrize("dense", [False, True], ids=["dilated", "dense"])
def test_a_causal_lifter_never_sees_the_future(dense) -> None:
    model, clip = lifter(causal=True, dense=dense), clips(10)
    before, after = padding(model.filter_widths, causal=True)

    def lift(clip: Tensor) -> Tensor:
        padded = [clip[:, :1].expand(-1, before, -1, -1), clip, clip[:, -1:].expand(-1, after, -1, -1)]
        return model(torch.cat(padded, 1))

    changed = clip.clone()
    changed[:, 6:] += 3
    assert torch.equal(lift(changed)[:, :6], lift(clip)[:, :6])
    assert (lift(changed)[:, 6] != lift(clip)[:, 6]).any()


def test_a_trained_network_s_numbers_have_the_names_of_plain_modules_and_nothing_else_is_stored() -> None:
    names = ("expand", *(f"blocks.{block}.{layer}" for block in (0, 1) for layer in ("temporal", "pointwise")))
    of_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{name}.product.weight" for name in names} | {f"{name}.norm.{n}" for name in names for n in of_norm}
    model, other = lifter(), lifter(seed=1)
    assert set(model.state_dict()) == expected | {"shrink.weight", "shrink.bias"}
    model.set_bn_momentum(0.5)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(clips(27)), model(clips(27)))


@pytest.mark.parametrize("widths", [(2, 3), (0,), (-3,), ()], ids=str)
def test_widths_that_have_no_centre_are_refused(widths) -> None:
    with pytest.raises(ValueError, match="odd and positive") as refusal:
        TemporalLifter(5, 2, 4, widths, channels=4)
    assert str(widths) in str(refusal.value)


@pytest.mark.parametrize("shape", [(2, 26, 5, 2), (2, 27, 4, 2), (2, 27, 5, 3), (27, 5, 2)], ids=str)
@pytest.mark.parametrize("form", ["forward", "forward_windows"])
def test_input_of_another_shape_is_refused_with_what_was_found(shape, form) -> None:
    with pytest.raises(ValueError, match="at least 27 frames, 5 joints") as refusal:
        getattr(lifter(), form)(torch.zeros(shape, dtype=torch.float64))
    assert str(shape) in str(refusal.value)
    with pytest.raises(ValueError, match="expected windows of 27 frames, found 28"):
        lifter().forward_windows(clips(28))


def test_two_networks_have_the_names_of_the_pose_s_alone_and_those_of_the_trajectory_s_after_a_prefix() -> None:
    both, others = (Lifters(lifter(seed=seed), lifter(seed=seed + 1)) for seed in (0, 7))
    state = both.state_dict()
    assert list(state) == [*both.pose.state_dict(), *(TRAJECTORY + name for name in both.trajectory.state_dict())]
    assert Lifters(both.pose).state_dict().keys() == both.pose.state_dict().keys()
    others.load_state_dict(state)
    for (name, found), expected in zip(others.state_dict().items(), state.values(), strict=True):
        assert torch.equal(found, expected), name
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Lifters(lifter()).load_state_dict(state)
    with pytest.raises(RuntimeError, match="Missing key"):
        both.load_state_dict(Lifters(lifter()).state_dict())
    both.set_bn_momentum(0.25)
    assert all(network.expand.momentum == 0.25 for network in both.networks)
    assert both.num_parameters == both.pose.num_parameters + both.trajectory.num_parameters
