"""What a step minimises, against the same terms put together by hand: any number of output frames, labelled or not."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.metrics import mpjpe
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.training.losses import (
    BONES,
    POSE,
    PROJECTION,
    TERMS,
    TRAJECTORY,
    Objective,
    bone_loss,
    lift,
    projection_loss,
    trajectory_loss,
)
from pose3d_lib.training.windows import TrainingWindows

CHUNK = pytest.mark.parametrize("chunk", [1, 5])
CAUSAL = pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])


def lifter(joints: int = 17, *, causal: bool = False, dense: bool = False, seed: int = 0) -> TemporalLifter:
    """A narrow lifter of nine frames without dropout, whose batch norms have seen something."""
    torch.manual_seed(seed)
    model = TemporalLifter(17, 2, joints, (3, 3), causal=causal, dense=dense, dropout=0.0, channels=8).train()
    for _ in range(10):
        model.forward_windows(torch.randn(32, 9, 17, 2))
    return model.eval()


def both(**settings) -> Lifters:
    return Lifters(lifter(**settings), lifter(1, **settings, seed=1))


def semi_supervised(data: PoseDataset, lifters: Lifters, *, without: Sequence[str] = (), chunk: int = 1) -> Objective:
    """S1 is labelled, S5 is not; the true 2D."""
    settings = {"chunk": chunk, "causal": lifters.pose.causal}
    labelled = TrainingWindows(data, data.select(["S1"]), "gt", (3, 3), trajectory=True, **settings)
    windows = TrainingWindows(data, data.select(["S5"]), "gt", (3, 3), labelled=False, intrinsics=True, **settings)
    return Objective(lifters, labelled, windows, torch.tensor(data.skeleton.bones), tuple(without))


def numbers(objective: Objective) -> tuple[Tensor, Tensor]:
    """24 labelled windows and as many unlabelled ones."""
    generator = torch.Generator().manual_seed(0)
    counts = len(objective.labelled), len(objective.unlabelled)
    return tuple(torch.randperm(count, generator=generator)[:24] for count in counts)


@CHUNK
@CAUSAL
@pytest.mark.parametrize("dense", [False, True], ids=["dilated", "dense"])
def test_in_evaluation_mode_chunks_have_the_loss_of_their_frames_one_by_one(tiny_data, chunk, causal, dense) -> None:
    lifters = both(causal=causal, dense=dense)
    settings = {"causal": causal, "trajectory": True}
    clips = tiny_data.select(["S1"], ["Walking", "Photo"])
    single = TrainingWindows(tiny_data, clips, "simulated", (3, 3), **settings)
    windows = TrainingWindows(tiny_data, clips, "simulated", (3, 3), chunk=chunk, **settings)
    expected, frames = Objective(lifters, single)(torch.arange(len(single)))
    found, count = Objective(lifters, windows)(torch.arange(len(windows)))
    assert frames == int(count) == len(single)
    assert found.keys() == expected.keys() == {POSE, TRAJECTORY}
    for name in found:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=0)


@CHUNK
@CAUSAL
def test_the_terms_are_those_of_both_halves_of_a_batch_lifted_together(tiny_data, chunk, causal) -> None:
    lifters, twins = both(causal=causal).train(), both(causal=causal).train()
    objective = semi_supervised(tiny_data, lifters, chunk=chunk)
    own, others = numbers(objective)
    terms, _ = objective(own, others)

    batch, other = objective.labelled.gather(own), objective.unlabelled.gather(others)
    poses, roots = (lift(twin, torch.cat([batch.inputs, other.inputs])) for twin in twins.networks)
    errors = mpjpe(poses[:24], batch.targets)
    expected = {
        POSE: errors.mean() if batch.real is None else errors[batch.real].mean(),
        TRAJECTORY: trajectory_loss(roots[:24], batch.trajectory, batch.real),
        PROJECTION: projection_loss(
            poses[24:], roots[24:], other.seen, other.intrinsics, other.real, camera="distorted"
        ),
        BONES: bone_loss(poses[:24], poses[24:], torch.tensor(tiny_data.skeleton.bones), batch.real, other.real),
    }
    assert list(terms) == list(expected) == list(TERMS)
    for name in expected:
        torch.testing.assert_close(terms[name], expected[name], rtol=1e-5, atol=1e-7, msg=name)
    for found, twin in zip(lifters.networks, twins.networks, strict=True):  # one pass: one set of statistics
        torch.testing.assert_close(found.expand.norm.running_mean, twin.expand.norm.running_mean)
        assert found.expand.norm.num_batches_tracked == twin.expand.norm.num_batches_tracked


def test_while_only_labelled_windows_enter_the_other_terms_are_not_there(tiny_data) -> None:
    objective = semi_supervised(tiny_data, both())
    terms, count = objective(numbers(objective)[0])
    assert (list(terms), count) == ([POSE, TRAJECTORY], 24)
    assert objective.other_terms == (TRAJECTORY, PROJECTION, BONES)


@pytest.mark.parametrize("without", [(TRAJECTORY,), (PROJECTION, BONES)], ids=str)
def test_terms_can_be_left_out_and_the_others_stay_what_they_are(tiny_data, without) -> None:
    objective, reduced = (semi_supervised(tiny_data, both(), without=own) for own in ((), without))
    own, others = numbers(objective)
    everything, some = objective(own, others)[0], reduced(own, others)[0]
    assert list(some) == [term for term in TERMS if term not in without]
    assert all(torch.equal(some[name], everything[name]) for name in some)
    assert reduced.other_terms == tuple(term for term in TERMS[1:] if term not in without)


def test_each_term_moves_the_networks_that_it_is_about(tiny_data) -> None:
    moved = {}
    for term in TERMS:
        lifters = both().train()
        objective = semi_supervised(tiny_data, lifters)
        own, others = numbers(objective)
        objective(own, others)[0][term].backward()
        gradients = (network.expand.product.weight.grad for network in lifters.networks)
        moved[term] = tuple(gradient is not None and bool(gradient.any()) for gradient in gradients)
    assert moved == {POSE: (True, False), TRAJECTORY: (False, True), PROJECTION: (True, True), BONES: (True, False)}
