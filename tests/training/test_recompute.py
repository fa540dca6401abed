"""Recomputed statistics are those of the trained network on its own windows, and recomputing them changes nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate, per_action
from pose3d_lib.model.lifter import TRAJECTORY
from pose3d_lib.model.precision import PRECISIONS
from pose3d_lib.training import recompute
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow, Totals, Trained
from pose3d_lib.training.recompute import recompute_statistics
from pose3d_lib.training.windows import TrainingWindows
from tests.helpers.published_network import PublishedNetwork, share_masks
from tests.helpers.short_runs import ROWS, short_config, train_short, weights_of

SEMI = {"unlabelled_subjects": ("S5",), "without_terms": ("projection",), "warmup_epochs": 0.5}
CHUNK = pytest.mark.parametrize("chunk", [1, 4])


@pytest.fixture
def data(hand_made: Callable[..., PoseDataset]) -> PoseDataset:
    """The dataset of `short_runs`, and S5, of whom keypoints are enough."""
    rows = [*ROWS, ("S5", "Walking", "0", 0, 50)]
    roots = np.random.default_rng(1).uniform(2, 6, (sum(row[4] for row in rows), 3)).astype(np.float32)
    return hand_made(rows, trajectory=roots)


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Tensor, Tensor]]:
    """Fills with "labelled" or "unlabelled", the numbers and the inputs of the windows, for every batch."""
    seen: list[tuple[str, Tensor, Tensor]] = []
    gather = TrainingWindows.gather

    def remember(self, numbers):
        batch = gather(self, numbers)
        seen.append(("unlabelled" if self.targets is None else "labelled", numbers, batch.inputs))
        return batch

    monkeypatch.setattr(TrainingWindows, "gather", remember)
    return seen


def trained(data: PoseDataset, **settings: object) -> tuple[RunConfig, Trained, list[HistoryRow]]:
    config = short_config(**{"action": "All", "filter_widths": (3, 3), "lr": 0.01, **settings})
    return config, *train_short(config, data)


def parameters_of(trained: Trained) -> dict[str, bytes]:
    return {name: own.detach().numpy().tobytes() for name, own in trained.lifters.named_parameters()}


def recomputed(config: RunConfig, trained: Trained, **totals: int) -> dict[str, Tensor]:
    return recompute_statistics(trained.objective, config, Totals(**totals) if totals else trained)


def as_bytes(statistics: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: own.numpy().tobytes() for name, own in statistics.items()}


# What they are


@CHUNK
@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("settings", [{}, {"causal": True, "action": "Walking"}, SEMI], ids=["all", "causal", "semi"])
def test_they_are_the_cumulative_means_of_pytorch_s_own_batch_norm(
    settings: dict, dropout: float, chunk: int, data: PoseDataset, inputs: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, given the same masks."""
    config, result, _ = trained(data, **settings, dropout=dropout, chunk=chunk)
    inputs.clear()
    masks = share_masks(monkeypatch)
    found = recomputed(config, result)
    if not dropout:
        monkeypatch.setattr("tests.helpers.published_network.F.dropout", lambda x, p, training: x)
    batches = [own for kind, _, own in inputs if kind == "labelled"]
    if config.semi_supervised:
        others = [own for kind, _, own in inputs if kind == "unlabelled"]
        batches = [torch.cat(both) for both in zip(batches, others, strict=True)]
    twins = [PublishedNetwork(network.train(), strided=chunk == 1) for network in result.lifters.networks]
    for twin in twins:
        for norm in twin.norms:
            norm.momentum = None  # PyTorch's cumulative mean
            norm.reset_running_stats()
    for batch in batches:  # as `Objective` does: the pose, then the trajectory
        for twin in twins:
            twin(batch)
    assert not (dropout and masks)
    expected = {
        f"{prefix}{name}": own
        for prefix, twin in zip(("", TRAJECTORY), twins, strict=False)
        for name, own in twin.named_by_the_lifter()
        if "running" in name
    }
    assert found.keys() == expected.keys()
    for name, own in expected.items():
        torch.testing.assert_close(found[name], own, rtol=1e-6, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_every_window_and_mirror_image_passes_once_in_batches_of_the_size_in_training(data, inputs: list) -> None:
    config, result, _ = trained(data, batch_size=32)
    inputs.clear()
    recomputed(config, result)
    sizes = [len(numbers) for _, numbers, _ in inputs]
    assert sizes == [34, 34, 33, 33, 33, 33]  # 200 windows: six times 32 and a few
    order = torch.cat([numbers for _, numbers, _ in inputs]).tolist()
    assert sorted(order) == list(range(200))
    assert order != sorted(order)


@CHUNK
def test_of_more_windows_as_many_as_suffice_pass(chunk: int, data: PoseDataset, inputs: list, monkeypatch) -> None:
    monkeypatch.setattr(recompute, "MOST_FRAMES", 80)
    config, result, _ = trained(data, chunk=chunk)
    inputs.clear()
    recomputed(config, result)
    assert [len(numbers) * chunk for _, numbers, _ in inputs] == [16] * 5


def test_unlabelled_windows_pass_too_once_they_have_entered(data: PoseDataset, inputs: list) -> None:
    config, result, _ = trained(data, **SEMI)
    inputs.clear()
    recomputed(config, result, seen=90)
    assert {kind for kind, _, _ in inputs} == {"labelled"}
    inputs.clear()
    recomputed(config, result, seen=120, unlabelled=16)
    sizes = {kind: [len(own) for one, own, _ in inputs if one == kind] for kind in ("labelled", "unlabelled")}
    assert sizes["labelled"] == sizes["unlabelled"]
    assert sum(sizes["labelled"]) == 200
    order = torch.cat([own for kind, own, _ in inputs if kind == "unlabelled"]).tolist()
    assert sorted(order) == sorted([*range(100), *range(100)])  # 50 frames and their mirror images, twice


def test_order_and_masks_follow_from_the_seed_and_the_windows_seen(data: PoseDataset, inputs: list) -> None:
    config, result, _ = trained(data)
    inputs.clear()
    first = as_bytes(recomputed(config, result))
    torch.rand(7)  # what was drawn before does not matter
    assert as_bytes(recomputed(config, result)) == first
    others = [
        recomputed(config, result, seen=100),
        recomputed(config.model_copy(update={"seed": 1}), result, seen=result.seen),
    ]
    assert all(as_bytes(other) != first for other in others)
    orders = [numbers.tolist() for _, numbers, _ in inputs[:: len(inputs) // 4]]
    assert orders[0] == orders[1] != orders[2] != orders[3]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("training", [False, True])
def test_networks_and_random_state_are_left_as_they_were(training: bool, precision: str, data: PoseDataset) -> None:
    config, result, _ = trained(data, precision=precision)
    result.lifters.train(training)
    buffers = {name: (own, own.clone()) for name, own in result.lifters.named_buffers()}
    weights, state = weights_of(result), torch.get_rng_state()
    found = recomputed(config, result)
    assert weights_of(result) == weights
    assert torch.equal(torch.get_rng_state(), state)
    assert {module.training for module in result.lifters.modules()} == {training}
    for name, own in result.lifters.named_buffers():
        assert own is buffers[name][0], "a recorded step holds the very tensors"
        assert torch.equal(own, buffers[name][1])
    assert all(own.dtype == torch.float32 and own.isfinite().all() for own in found.values())


def test_statistics_of_other_networks_are_not_loaded(data: PoseDataset) -> None:
    _, result, _ = trained(data)
    _, wider, _ = trained(data, channels=7)
    with pytest.raises(RuntimeError, match="size mismatch"):
        result.lifters.load_statistics(wider.lifters.statistics)


# In training


@pytest.mark.parametrize("settings", [{}, SEMI], ids=["supervised", "semi"])
def test_the_momentum_and_tests_with_recomputed_statistics_touch_no_weight(settings: dict, data: PoseDataset) -> None:
    settings = {"action": "Sitting", "unit_epochs": 2, **settings}
    config, plain, _ = trained(data, **settings)
    _, tested, rows = trained(data, **settings, recompute_at=(0.3, 1, 1.5))
    assert weights_of(tested) == weights_of(plain)
    assert sum(row.test_recomputed is not None for row in rows) == 3
    other_config, other, _ = trained(data, **settings, bn_decay_per="unit_epoch", recompute_at=(0.3,))
    assert parameters_of(other) == parameters_of(plain)
    assert weights_of(other) != weights_of(plain)
    assert as_bytes(recomputed(other_config, other)) == as_bytes(recomputed(config, plain))


def test_a_point_has_a_test_as_published_and_one_with_recomputed_statistics(data: PoseDataset) -> None:
    # 60 windows of Sitting in an epoch, 200 in a unit epoch; batches of 16
    settings = {"action": "Sitting", "filter_widths": (3,)}
    config, _, rows = trained(data, **settings, evaluate_at=(0.05, 0.25), recompute_at=(0.25, 0.5, 1, 4))
    assert [row.windows for row in rows if row.test_actions] == [16, 60, 108]
    tests = {row.windows: row for row in rows if row.test_recomputed}
    assert list(tests) == [60, 108], "the end is tested by the caller"
    assert all(row.test_recomputed.keys() == row.test_actions.keys() == {"Sitting"} for row in tests.values())
    assert all(row.test_recomputed != row.test_actions for row in tests.values())
    _, short, _ = trained(data, **settings, unit_epochs=0.3, lr_decay_per="unit_epoch")
    assert short.seen == 60
    short.lifters.load_statistics(recomputed(config, short))
    clips = evaluate(short.lifters.pose, data, data.select(["S9"], ["Sitting"]), "simulated")
    assert per_action(clips).mpjpe.to_dict() == tests[60].test_recomputed
