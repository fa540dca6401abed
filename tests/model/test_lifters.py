"""Two networks as one: their tensors by name, together and apart."""

import pytest
import torch

from pose3d_lib.model.lifter import TRAJECTORY, Lifters, TemporalLifter


def lifter(joints: int, seed: int) -> TemporalLifter:
    torch.manual_seed(seed)
    return TemporalLifter(17, 2, joints, (3, 3), channels=8)


def both(seed: int = 0) -> Lifters:
    return Lifters(lifter(17, seed), lifter(1, seed + 1))


def test_a_pose_s_tensors_have_the_names_that_they_have_alone() -> None:
    pose = lifter(17, 0)
    assert Lifters(pose).state_dict().keys() == pose.state_dict().keys()
    state = both().state_dict()
    assert state.keys() == pose.state_dict().keys() | {TRAJECTORY + name for name in lifter(1, 1).state_dict()}


def test_what_one_pair_stores_another_reads() -> None:
    first, second = both(), both(seed=7)
    second.load_state_dict(first.state_dict())
    for (name, found), expected in zip(second.state_dict().items(), first.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name
    assert not torch.equal(both(7).pose.shrink.weight, second.pose.shrink.weight)


def test_tensors_of_another_number_of_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="those of a trajectory too"):
        Lifters(lifter(17, 0)).load_state_dict(both().state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        both().load_state_dict(Lifters(lifter(17, 0)).state_dict())


def test_modes_momenta_and_weights_are_those_of_both() -> None:
    lifters = both().train()
    lifters.set_bn_momentum(0.25)
    assert all(network.training and network.expand.momentum == 0.25 for network in lifters.networks)
    assert not any(network.training for network in lifters.eval().networks)
    assert len(list(lifters.parameters())) == 2 * len(list(lifters.pose.parameters()))
    assert lifters.num_parameters == lifters.pose.num_parameters + lifters.trajectory.num_parameters
    assert Lifters(lifters.pose).networks == (lifters.pose,)
