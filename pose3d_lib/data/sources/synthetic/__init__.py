"""The built-in dataset: seven made-up subjects do the fifteen actions of Human3.6M in front of its four cameras.

No person was filmed. With it anyone can run the study; results on it say nothing about Human3.6M.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pose3d_lib.data.actions import H36M_ACTIONS, check_name
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources.filming import GT, SIMULATED, Take, film
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.data.sources.takes import split_subjects
from pose3d_lib.data.spec import DataSpec, Found, Progress

PARAMETERS = ("scale", "data_seed", "train_subjects", "test_subjects")
KEYPOINTS = SIMULATED

TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
SUBJECTS = (*TRAIN_SUBJECTS, *TEST_SUBJECTS)
TAKES = ("0", "1")
FPS = 50.0

MEAN_FRAMES = {"tiny": 24, "small": 170, "full": 2503}  # of a take; `full` has the 2.1 million frames of Human3.6M


def find(spec: DataSpec, path: Path) -> Found:
    check_name(spec.keypoints, (GT, SIMULATED), "keypoints of the synthetic dataset")
    choose_subjects(spec.train_subjects, spec.test_subjects)
    return Found(f"synthetic-{spec.scale}")


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return H36M_ACTIONS


def choose_subjects(train: Sequence[str], test: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """As `split_subjects`; but given neither, who is trained and tested on is as in Human3.6M."""
    if not train and not test:
        return TRAIN_SUBJECTS, TEST_SUBJECTS, []
    return split_subjects(SUBJECTS, train, test, "the synthetic dataset")


def take_frames(scale: str, action: str, subject: str, take: str, seed: int) -> int:
    """Length of a take in frames: actions differ in length, as formula (1) needs, and so do the takes of one action.

    An action's typical length is 0.6 to 1.4 times the mean, a take's 0.75 to 1.25 times that.
    """
    number = H36M_ACTIONS.index(action)
    typical = np.random.default_rng([seed, number]).uniform(0.6, 1.4)
    own = np.random.default_rng([seed, number, SUBJECTS.index(subject), TAKES.index(take)]).uniform(0.75, 1.25)
    return max(2, round(MEAN_FRAMES[scale] * typical * own))


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """The dataset at a scale of MEAN_FRAMES; the same scale and seed give the same dataset bit for bit.

    A subject does, and is seen doing, the same whichever others are chosen, as in `choose_subjects`.
    """
    train, test, notes = choose_subjects(spec.train_subjects, spec.test_subjects)
    seed, name, takes = spec.data_seed, f"synthetic-{spec.scale}", []
    for subject_number, subject in enumerate(SUBJECTS):
        body = make_body(subject, seed)
        for number, action in enumerate(H36M_ACTIONS):
            for take in TAKES:
                frames = take_frames(spec.scale, action, subject, take, seed)
                own_seed = [seed, 1, subject_number, number, TAKES.index(take)]
                make = partial(make_motion, action, body=body, frames=frames, fps=FPS, seed=own_seed)
                takes.append(Take(subject, action, take, frames, make, place=len(takes)))
    chosen = [take for take in takes if take.subject in (*train, *test)]
    progress(f"{name}: making {len(chosen)} takes of {len({take.subject for take in chosen})} subjects")
    return film(
        chosen,
        h36m_cameras(),
        name=name,
        synthetic=True,
        fps=FPS,
        seed=seed,
        scores=spec.scores,
        train_subjects=train,
        test_subjects=test,
        notes=["Synthetic motion: made by a program, nobody was filmed.", *notes],
    )
