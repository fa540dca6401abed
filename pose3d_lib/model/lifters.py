"""`Lifters`: the network of the pose and, where there is one, that of the trajectory, as one thing to train and to store."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pose3d_lib.model.lifter import TemporalLifter

TRAJECTORY = "trajectory."
"""Before the names of the second network's tensors; those of the first are plain."""


@dataclass(frozen=True)
class Lifters:
    """Two networks of one shape that see the same keypoints (VideoPose3D, section 4).

    Attributes:
        pose: lifts to joints relative to the root, metres.
        trajectory: lifts to one joint, the root in camera space, metres; None where nobody asked for it.
    """

    pose: TemporalLifter
    trajectory: TemporalLifter | None = None

    @property
    def networks(self) -> tuple[TemporalLifter, ...]:
        """Those that there are, the pose's first."""
        return (self.pose,) if self.trajectory is None else (self.pose, self.trajectory)

    @property
    def num_parameters(self) -> int:
        return sum(network.num_parameters for network in self.networks)

    def parameters(self) -> Iterator[Tensor]:
        """Every weight, the pose's first."""
        for network in self.networks:
            yield from network.parameters()

    def state_dict(self) -> dict[str, Tensor]:
        """Every weight and every running statistic by name, those of the trajectory after TRAJECTORY."""
        state = dict(self.pose.state_dict())
        if self.trajectory is not None:
            state |= {TRAJECTORY + name: tensor for name, tensor in self.trajectory.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copies into the networks what `state_dict` gave, all of it."""
        parts = [{name: tensor for name, tensor in state.items() if not name.startswith(TRAJECTORY)}]
        parts.append({name[len(TRAJECTORY) :]: state[name] for name in state.keys() - parts[0].keys()})
        if self.trajectory is None and parts[1]:
            raise ValueError("expected the tensors of a pose network, found those of a trajectory too")
        for network, own in zip(self.networks, parts, strict=False):
            network.load_state_dict(own)

    def to(self, device: torch.device | str) -> "Lifters":
        for network in self.networks:
            network.to(device)
        return self

    def train(self, mode: bool = True) -> "Lifters":
        for network in self.networks:
            network.train(mode)
        return self

    def eval(self) -> "Lifters":
        return self.train(False)

    def set_bn_momentum(self, momentum: float) -> None:
        """As in `TemporalLifter`, in every network."""
        for network in self.networks:
            network.set_bn_momentum(momentum)
