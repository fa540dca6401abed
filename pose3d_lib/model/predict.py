"""Lifting whole clips: gathered, padded, averaged with their mirror image; what a model saw and what it made of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, normalize_screen, world_to_camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import ROOT, Skeleton
from pose3d_lib.model.card import TrainedModel, told_actions
from pose3d_lib.model.lifter import TemporalLifter, padding
from pose3d_lib.model.precision import arithmetic

if TYPE_CHECKING:
    from pose3d_lib.data.sources.video.frames import VideoFile

ROWS_AT_ONCE = 2048  # frames, with padding, few enough for a cache; a longer clip passes whole


def mirror_image(points: Tensor, layout: Skeleton) -> Tensor:
    """Keypoints, or poses in camera space, as in a mirror: (..., joints, 2 or 3) -> the same.

    x is negated, left and right are exchanged; y, and z or a score, are kept.
    """
    return points[..., list(layout.mirror), :] * points.new_tensor([-1, 1, 1][: points.shape[-1]])


class PaddedClips(NamedTuple):
    """The keypoints of some clips, end to end, each with its padding."""

    screen: Tensor  # (rows, joints, features) float32, normalised screen coordinates and, if there are any, scores
    first_row: Tensor  # (frames,) int64: the row at which the window of each frame begins
    lengths: list[int]  # frames of each clip, without padding


def pad_clips(
    data: PoseDataset,
    clips: pd.DataFrame,
    keypoints: str,
    filter_widths: Sequence[int],
    *,
    causal: bool,
    chunk: int = 1,
    room: int = 1,
) -> PaddedClips:
    """Gathers clips, normalises their keypoints and repeats their first and last frames as far as a window reaches.

    Lengths are padded to a multiple of `chunk`. With `room` 2, `screen` has twice the rows; the second half is not written.
    """
    before, after = padding(filter_widths, causal=causal)
    lengths = (clips.stop - clips.start).to_numpy()
    starts = np.concatenate([[0], np.cumsum(before + lengths + -lengths % chunk + after)])
    pixels, scores = data.keypoints[keypoints], data.scores.get(keypoints)
    screen = torch.empty((room * int(starts[-1]), pixels.shape[1], 2 if scores is None else 3))
    for row, end, length, clip in zip(starts, starts[1:], lengths, clips.itertuples(), strict=False):
        camera, own = data.cameras[clip.camera], screen[row:end]
        inside, frames = own[before : before + length], torch.from_numpy(pixels[clip.start : clip.stop])
        inside[..., :2] = normalize_screen(frames, camera.width, camera.height)
        if scores is not None:
            inside[..., 2] = torch.from_numpy(scores[clip.start : clip.stop])
        own[:before] = inside[0]
        own[before + length :] = inside[-1]
    first_row = np.repeat(starts[:-1] - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    return PaddedClips(screen, torch.from_numpy(first_row), lengths.tolist())


def end_to_end(array: np.ndarray, clips: pd.DataFrame, *, room: int = 1) -> Tensor:
    """The rows of an array of all frames that belong to some clips, end to end: (frames, ...) float32; `room` as above."""
    ends = (clips.stop - clips.start).cumsum().tolist()
    rows = torch.empty((room * (ends or [0])[-1], *array.shape[1:]))
    for end, start, stop in zip(ends, clips.start, clips.stop, strict=True):
        rows[end - (stop - start) : end] = torch.from_numpy(array[start:stop])
    return rows


@torch.no_grad()
def predict(
    model: TemporalLifter,
    data: PoseDataset,
    clips: pd.DataFrame,
    keypoints: str,
    *,
    mirror: bool = True,
    joints: Skeleton | None = None,
) -> Iterator[list[Tensor]]:
    """Lift whole clips, a group of them at a time: yield one (frames, joints, 3) prediction, metres, per clip, in order.

    Args:
        model: the lifter, which sees `keypoints`, a 2D source of `data`.
        clips: rows of `data.clips`; what a lifter is told of a clip: `told_actions`.
        mirror: average with what the lifter makes of the mirror image, mirrored back (VideoPose3D, section 5.2).
        joints: what the lifter lifts to: ROOT for one of the trajectory; the dataset's skeleton if not given.

    Clips stand end to end with their padding and pass through the dilated network as one; the frames between two clips
    that mix both are dropped, so each prediction is exactly that of the clip alone.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = (clips.stop - clips.start).to_numpy() + sum(padding(model.filter_widths, causal=model.causal))
    places = np.cumsum(rows) // ROWS_AT_ONCE
    told = told_actions(model, clips)
    labels = []
    if model.labels:  # the clips of a group are told the same
        places = places + (told != told.shift()).cumsum().to_numpy()
    for _, group in clips.groupby(places):
        padded = pad_clips(data, group, keypoints, model.filter_widths, causal=model.causal)
        screen = padded.screen.to(device)
        images = [screen, mirror_image(screen, data.layouts[keypoints])] if mirror else [screen]
        if model.labels:
            labels = [torch.full((len(images),), model.labels.index(told[group.index[0]]), device=device)]
        with arithmetic("float32", device.type):
            lifted = model(torch.stack(images), *labels)
        poses, *mirrored = lifted[:, padded.first_row.to(device)].double().cpu()
        if mirrored:
            poses = (poses + mirror_image(mirrored[0], joints or data.skeleton)) / 2
        yield list(poses.split(padded.lengths))
    model.train(was_training)


@dataclass(frozen=True)
class LiftedClip:
    """One clip, frame by frame; camera space has x to the right, y down, z away from the camera."""

    subject: str
    action: str
    take: str
    camera: Camera
    fps: float
    frames: np.ndarray  # (frames,) int64, their numbers in the video, ascending by `step`
    pixels: np.ndarray  # (frames, joints_in, 2) float32, what the model saw
    positions: np.ndarray  # (frames, joints, 3) float32, metres, camera space, relative to the root
    root: np.ndarray | None = None  # (frames, 3) float32, metres, camera space; None without a network for it
    truth: np.ndarray | None = None  # as `positions`; None where it is not known
    step: int = 1
    upright: bool = False  # positions, root and truth were turned, so that y is down along gravity (`upright.level`)

    def part(self, kept: slice) -> "LiftedClip":
        """Some of its frames, in order: all, or one in so many."""
        step = kept.step or 1
        arrays = {name: getattr(self, name) for name in ("frames", "pixels", "positions", "root", "truth")}
        arrays = {name: None if array is None else array[kept] for name, array in arrays.items()}
        return replace(self, **arrays, fps=self.fps / step, step=self.step * step)

    def beginning(self, seconds: float, fps: float) -> "LiftedClip":
        """Its first seconds, at the rate of one frame in so many that is nearest to `fps`; one frame at least."""
        return self.part(slice(0, round(seconds * self.fps) or 1, max(1, round(self.fps / fps))))

    @property
    def times(self) -> np.ndarray:
        """(frames,) seconds since the video's frame 0."""
        return self.frames / (self.step * self.fps)

    @property
    def name(self) -> str:
        """For people; the camera of a video has the video's name."""
        camera = "" if self.camera.name == self.subject else f", camera {self.camera.name}"
        return f"{self.subject}, {self.action}, take {self.take}{camera}"

    @property
    def errors(self) -> np.ndarray | None:
        """(frames,) MPJPE of every frame, mm; None without the truth."""
        if self.truth is None:
            return None
        return 1000 * np.linalg.norm(self.positions - self.truth, axis=-1).mean(axis=-1)

    @property
    def up(self) -> np.ndarray:
        """(3,) which way is up, in camera space: the world's up if the camera's place is known, otherwise its own."""
        if not self.camera.is_placed:
            return np.array([0.0, -1.0, 0.0])
        x, y, z = self.camera.position
        return world_to_camera(torch.tensor([x, y, z + 1], dtype=torch.float64), self.camera).numpy()


@dataclass(frozen=True)
class Lifted:
    """Some clips of a dataset, one or more, lifted by one model."""

    model: str  # its name; "" where the poses are the known ones
    dataset: str
    synthetic: bool
    keypoints: str  # the 2D source that the model saw
    layout: Skeleton  # joints that went in, in order
    skeleton: Skeleton  # joints that came out
    clips: tuple[LiftedClip, ...]
    notes: tuple[str, ...] = ()  # of the dataset
    video: "VideoFile | None" = None  # that the keypoints were found in

    def some(self, most: int) -> tuple[LiftedClip, ...]:
        """At most so many of the clips, spread evenly over all of them."""
        return tuple(self.clips[place] for place in spread(len(self.clips), most))

    def of_actions(self, most: int) -> tuple[LiftedClip, ...]:
        """At most so many clips, each of another action if there are so many actions, spread evenly over them."""
        first = {clip.action: clip for clip in reversed(self.clips)}
        others = tuple(clip for clip in self.clips if first[clip.action] is clip)
        return replace(self, clips=others).some(most) if len(others) >= most else self.some(most)

    @property
    def root_joint(self) -> str:
        """The name of the joint that all others are relative to."""
        parents = self.skeleton.parents
        return self.skeleton.joints[parents.index(-1) if parents else 0]

    @property
    def has_root(self) -> bool:
        """Whether it is known where in camera space the root is."""
        return self.clips[0].root is not None


def spread(number: int, most: int) -> list[int]:
    """The places of at most so many of a number of things, spread evenly over all of them, in order."""
    taken = min(most, number)
    return [(2 * place + 1) * number // (2 * taken) for place in range(taken)]


def lift(model: TrainedModel, data: PoseDataset, clips: pd.DataFrame, keypoints: str) -> Lifted:
    """Lift whole clips, with or without mirror images, as the model was tested.

    Args:
        model: as `open_model` gives it.
        data: a dataset that fits (`check_fit`).
        clips: rows of `data.clips`.
        keypoints: the 2D source that the model sees.

    Raises:
        InputError: there is no clip, or a prediction is not finite.
    """
    if not len(clips):
        raise InputError(f"{data.name}: no clip was chosen, so there is nothing to lift")
    lifters, card = model.lifters, model.card
    given = {"data": data, "clips": clips, "keypoints": keypoints, "mirror": card.mirrored}
    poses = chain.from_iterable(predict(lifters.pose, **given, joints=card.skeleton))
    roots = repeat(None)
    if lifters.trajectory is not None:
        roots = chain.from_iterable(predict(lifters.trajectory, **given, joints=ROOT))
    known = data.skeleton.joints == card.skeleton.joints
    lifted = []
    for (_, row), pose, root in zip(clips.iterrows(), poses, roots, strict=False):
        if not (pose.isfinite().all() and (root is None or root.isfinite().all())):
            raise InputError(
                f"model {card.name}: what it makes of {data.name_of(row)} is not finite; its weights are damaged"
            )
        own = slice(row.start, row.stop)
        clip = LiftedClip(
            subject=row.subject,
            action=row.action,
            take=row["take"],
            camera=data.camera_of(row),
            fps=float(row.fps),
            frames=data.frame_numbers(row),
            pixels=data.keypoints[keypoints][own],
            positions=pose.float().numpy(),
            root=None if root is None else root[:, 0].float().numpy(),
            truth=data.positions[own] if known and row.labelled else None,
            step=data.frame_step,
        )
        lifted.append(clip)
    return Lifted(
        model=card.name,
        dataset=data.name,
        synthetic=data.synthetic,
        keypoints=keypoints,
        layout=data.layouts[keypoints],
        skeleton=card.skeleton,
        clips=tuple(lifted),
        notes=tuple(data.notes),
    )
