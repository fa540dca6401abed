"""From motion in the world to a `PoseDataset`: every take seen by every camera of its subject."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, view
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.noise import simulate_detections, simulate_scores
from pose3d_lib.data.spec import Progress

GT, SIMULATED = "gt", "simulated"
"""The two 2D sources: exact projections, and projections with a detector-like error."""

SCORES = {
    GT: "The scores of gt keypoints, which are exact, are 1.",
    SIMULATED: "The scores of simulated keypoints follow from their errors by a model with noise of its own; they are no "
    "detector's.",
}
"""What is to be said of the scores of each."""

EVERY = 3.0
"""Seconds between lines of progress."""


@dataclass(frozen=True)
class Take:
    """One subject doing one action once.

    Attributes:
        make: returns the motion, (frames, 17, 3), metres in the world, z up; called once, when the take is filmed.
        frames: how many frames `make` returns.
        place: which of all takes of its source it is, also where some are not filmed; None for its place among those that
            are.
    """

    subject: str
    action: str
    take: str
    frames: int
    make: Callable[[], np.ndarray]
    place: int | None = None


def film(
    takes: Sequence[Take],
    cameras: Mapping[str, Sequence[Camera]],
    *,
    name: str,
    synthetic: bool,
    fps: float,
    seed: int = 0,
    sources: Sequence[str] = (GT, SIMULATED),
    scores: bool = False,
    train_subjects: Sequence[str],
    test_subjects: Sequence[str],
    notes: Sequence[str] = (),
    where: object = "",
    progress: Progress = lambda line: None,
) -> PoseDataset:
    """Every take seen by each camera of its subject.

    Args:
        takes: what is filmed, in the order in which the clips shall stand; a take's cameras follow each other.
        cameras: subject -> its cameras.
        name, synthetic, train_subjects, test_subjects, notes: as in `PoseDataset`.
        fps: frames per second of all takes.
        seed: of the detector-like error; a take's error depends on the seed and the take's place only.
        sources: which of the two 2D sources the dataset gets.
        scores: whether it gets their scores too.
        where: the file or folder, for messages.
        progress: called with a line every few seconds.

    Raises:
        InputError: a joint is behind a camera, where nothing can be projected; names take and camera.
    """
    used = list(dict.fromkeys(camera for take in takes for camera in cameras[take.subject]))
    total = sum(take.frames * len(cameras[take.subject]) for take in takes)
    positions = np.empty((total, H36M_17.num_joints, 3), np.float32)
    trajectory = np.empty((total, 3), np.float32)
    keypoints = {source: np.empty((total, H36M_17.num_joints, 2), np.float32) for source in sources}
    sure = {source: np.ones((total, H36M_17.num_joints), np.float32) for source in sources if scores}
    rows, start = [], 0
    begun = said = time.monotonic()
    with one_thread():
        for number, take in enumerate(takes):
            world = take.make()
            if world.shape != (take.frames, H36M_17.num_joints, 3):
                raise ValueError(
                    f"{take.subject}/{take.action}/{take.take}: expected {take.frames} frames, got {world.shape}"
                )
            for eye, camera in enumerate(cameras[take.subject]):
                stop = start + take.frames
                in_camera, pixels = view(world, camera)
                check_in_front(in_camera, camera, f"{where or name}: {take.subject}/{take.action}/{take.take}")
                rng = np.random.default_rng([seed, number if take.place is None else take.place, eye])
                trajectory[start:stop] = in_camera[:, 0]
                positions[start:stop] = in_camera - in_camera[:, :1]
                if GT in keypoints:
                    keypoints[GT][start:stop] = pixels
                if SIMULATED in keypoints:
                    found = simulate_detections(pixels, fps=fps, rng=rng)
                    keypoints[SIMULATED][start:stop] = found
                if SIMULATED in sure:
                    (own,) = rng.spawn(1)
                    sure[SIMULATED][start:stop] = simulate_scores(found, pixels, fps=fps, rng=own)
                rows.append((take.subject, take.action, take.take, used.index(camera), float(fps), start, stop, True))
                start = stop
            if time.monotonic() - said >= EVERY:
                said = time.monotonic()
                progress(f"filmed {number + 1:,} of {len(takes):,} takes, {said - begun:.0f} s")
    return PoseDataset(
        name=name,
        synthetic=synthetic,
        skeleton=H36M_17,
        cameras=tuple(used),
        clips=pd.DataFrame(rows, columns=list(CLIP_COLUMNS)),
        keypoints=keypoints,
        layouts=dict.fromkeys(keypoints, H36M_17),
        positions=positions,
        trajectory=trajectory,
        train_subjects=tuple(train_subjects),
        test_subjects=tuple(test_subjects),
        notes=(*notes, *(SCORES[source] for source in sure)),
        scores=sure,
    )


def check_in_front(in_camera: np.ndarray, camera: Camera, where: str) -> None:
    """Refuses camera metres, (frames, joints, 3), of which a joint lies behind the camera or beside its lens."""
    if in_camera[..., 2].min() <= 0:
        raise InputError(
            f"{where} goes behind camera {camera.name}, where nothing can be projected; is it in world coordinates, in "
            "metres? If it is, `leave_out` leaves the take out"
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps torch to one thread: a clip's arrays are so small that on a busy machine several mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
