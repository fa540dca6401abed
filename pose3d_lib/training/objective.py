"""What a step minimises: on labelled windows the error, on unlabelled ones what their keypoints and their cameras tell."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.lifters import Lifters
from pose3d_lib.training.losses import (
    BONES,
    POSE,
    PROJECTION,
    TRAJECTORY,
    bone_loss,
    pose_loss,
    projection_loss,
    trajectory_loss,
)
from pose3d_lib.training.windows import Batch, TrainingWindows, UnlabelledWindows


@dataclass(frozen=True)
class Unlabelled:
    """The unlabelled half of a batch, and what is made of it.

    Attributes:
        windows: where it comes from.
        bones: (bones, 2) int64, on the device: the joints at the ends of those that shall be as long as in the labelled half.
        without: terms that are left out.
        camera: a name of `losses.CAMERA_MODELS`.
    """

    windows: UnlabelledWindows
    bones: Tensor
    without: tuple[str, ...] = ()
    camera: str = "distorted"


@dataclass(frozen=True)
class Objective:
    """The terms of the loss of a batch.

    Attributes:
        lifters: what is trained; the trajectory's error is a term where there is a network for it.
        labelled: windows with 3D poses.
        unlabelled: those without, if there are such; both networks see them in one forward pass with the labelled ones, so
            that the batch norms normalise both together (VideoPose3D, section 4).
    """

    lifters: Lifters
    labelled: TrainingWindows
    unlabelled: Unlabelled | None = None

    @property
    def other_terms(self) -> tuple[str, ...]:
        """The terms besides the pose's, of which those of unlabelled windows come once these enter."""
        wanted = [TRAJECTORY] * (self.lifters.trajectory is not None) + [PROJECTION, BONES] * (
            self.unlabelled is not None
        )
        return tuple(term for term in wanted if term not in self._without)

    @property
    def _without(self) -> tuple[str, ...]:
        return self.unlabelled.without if self.unlabelled else ()

    def __call__(self, numbers: Tensor, others: Tensor | None = None) -> tuple[dict[str, Tensor], Tensor | int]:
        """Each term of a batch by its name, to be added up, and how many labelled frames are in it.

        Args:
            numbers: (B,) int64, of the labelled windows.
            others: of as many unlabelled ones; None while only labelled windows enter.
        """
        batch = self.labelled.gather(numbers)
        count = len(numbers) if batch.real is None else batch.real.sum()
        if others is None or self.unlabelled is None:
            return self._labelled_terms(
                batch, *(lift(network, batch.inputs) for network in self.lifters.networks)
            ), count
        other = self.unlabelled.windows.gather(others)
        inputs = torch.cat([batch.inputs, other.inputs])
        lifted = [lift(network, inputs).split([len(numbers), len(others)]) for network in self.lifters.networks]
        terms = self._labelled_terms(batch, *(labelled for labelled, _ in lifted))
        return terms | self._unlabelled_terms(batch, other, *lifted), count

    def _labelled_terms(self, batch: Batch, poses: Tensor, trajectory: Tensor | None = None) -> dict[str, Tensor]:
        terms = {POSE: pose_loss(poses, batch.targets, batch.real)}
        if trajectory is not None and TRAJECTORY not in self._without:
            terms[TRAJECTORY] = trajectory_loss(trajectory, batch.trajectory, batch.real)
        return terms

    def _unlabelled_terms(
        self, batch: Batch, other: Batch, poses: tuple[Tensor, Tensor], trajectory: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        terms = {}
        if PROJECTION not in self._without:
            terms[PROJECTION] = projection_loss(
                poses[1], trajectory[1], other.seen, other.intrinsics, other.real, camera=self.unlabelled.camera
            )
        if BONES not in self._without:
            terms[BONES] = bone_loss(*poses, self.unlabelled.bones, batch.real, other.real)
        return terms


def lift(network: TemporalLifter, inputs: Tensor) -> Tensor:
    """Windows of any number of output frames: (B, frames, joints_in, features) -> (B, chunk, joints_out, 3), metres."""
    if inputs.shape[1] == network.receptive_field:
        return network.forward_windows(inputs).unsqueeze(1)
    return network(inputs)
