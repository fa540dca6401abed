"""From motion in the world to a `PoseDataset`: every take seen by every camera of its subject, with both 2D sources."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from pose3d_lib.cameras import Camera, view
from pose3d_lib.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.noise import simulate_detections
from pose3d_lib.skeleton import H36M_17
from pose3d_lib.sources.spec import Progress

GT, SIMULATED = "gt", "simulated"
"""The two 2D sources: exact projections, and projections with a detector-like error."""

EVERY = 3.0
"""Seconds between lines of progress."""


@dataclass(frozen=True)
class Take:
    """One subject doing one action once.

    Attributes:
        make: returns the motion, (frames, 17, 3), metres in the world, z up; called once, when the take is filmed.
        frames: how many frames `make` returns.
    """

    subject: str
    action: str
    take: str
    frames: int
    make: Callable[[], np.ndarray]


def film(
    takes: Sequence[Take],
    cameras: Mapping[str, Sequence[Camera]],
    *,
    name: str,
    synthetic: bool,
    fps: float,
    seed: int,
    train_subjects: Sequence[str],
    test_subjects: Sequence[str],
    notes: Sequence[str] = (),
    progress: Progress = lambda line: None,
) -> PoseDataset:
    """Every take seen by each camera of its subject.

    Args:
        takes: what is filmed, in the order in which the clips shall stand; a take's cameras follow each other.
        cameras: subject -> its cameras.
        name, synthetic, train_subjects, test_subjects, notes: as in `PoseDataset`.
        fps: frames per second of all takes.
        seed: of the detector-like error; a take's error depends on the seed and the take's place only.
        progress: called with a line every few seconds.
    """
    used = list(dict.fromkeys(camera for take in takes for camera in cameras[take.subject]))
    total = sum(take.frames * len(cameras[take.subject]) for take in takes)
    positions = np.empty((total, H36M_17.num_joints, 3), np.float32)
    trajectory = np.empty((total, 3), np.float32)
    keypoints = {source: np.empty((total, H36M_17.num_joints, 2), np.float32) for source in (GT, SIMULATED)}
    rows, start = [], 0
    begun = said = time.monotonic()
    with _one_thread():
        for number, take in enumerate(takes):
            world = take.make()
            if world.shape != (take.frames, H36M_17.num_joints, 3):
                raise ValueError(
                    f"{take.subject}/{take.action}/{take.take}: expected {take.frames} frames, got {world.shape}"
                )
            for eye, camera in enumerate(cameras[take.subject]):
                stop = start + take.frames
                in_camera, pixels = view(world, camera)
                rng = np.random.default_rng([seed, number, eye])
                trajectory[start:stop] = in_camera[:, 0]
                positions[start:stop] = in_camera - in_camera[:, :1]
                keypoints[GT][start:stop] = pixels
                keypoints[SIMULATED][start:stop] = simulate_detections(pixels, fps=fps, rng=rng)
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
        notes=tuple(notes),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps torch to one thread: the arrays of a clip are so small that several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
