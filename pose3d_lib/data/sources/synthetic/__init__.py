"""The built-in datasets: made-up people do the fifteen actions of Human3.6M in front of its cameras.

No person was filmed. With them anyone can run the study; results on them say nothing about Human3.6M.

An action is the same in every dataset: its postures, its gait, its typical length. People and takes are drawn by the seed:
bodies, habits, what a take shows, and of takes to train on how long each is. So datasets of several seeds are independent
samples of one world, and t of formula (1) is nearly the same in all of them.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from pose3d_lib.data.actions import H36M_ACTIONS, check_name
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources.filming import GT, SIMULATED, Take, film
from pose3d_lib.data.sources.synthetic.body import Body, make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.data.sources.takes import split_subjects
from pose3d_lib.data.spec import DataSpec, Progress

PARAMETERS = ("scale", "data_seed", "train_subjects", "test_subjects")
KEYPOINTS = SIMULATED
FPS = 50.0

STUDY, H36M = "synthetic", "synthetic_h36m"  # the names of the datasets

TRAIN = ("S1", "S5", "S6", "S7", "S8")
TEST = ("S9", "S11", "S12", "S13", "S14", "S15", "S16", "S17")
RIGS = ("S9", "S11")  # whose cameras film the subjects of TEST, in turn
CAMERAS = 4

FRAMES = {"tiny": 24, "small": 100, "full": 5006}  # of a take to train on; `full` has the 1.5 million of Human3.6M
TEST_FRAMES = {"tiny": 24, "small": 300, "full": 1250}  # of every take to test on; of `full` 600,000 in all
H36M_FRAMES = {"tiny": 24, "small": 170, "full": 2503}  # of a take; `full` has the 2.1 million of Human3.6M


@dataclass(frozen=True)
class Layout:
    """STUDY: four takes of every action and subject, each filmed by one of four cameras in turn. H36M: as Human3.6M itself,
    seven subjects and two takes, each filmed by all four cameras; there the seed draws the actions' typical lengths too.

    An action's typical length is 0.6 to 1.4 times the mean, a take's 0.75 to 1.25 times that; STUDY's test takes have one.
    """

    dataset: str
    scale: str
    train = TRAIN

    @property
    def takes(self) -> int:
        return 2 if self.dataset == H36M else CAMERAS

    @property
    def test(self) -> tuple[str, ...]:
        return TEST[:2] if self.dataset == H36M or self.scale == "tiny" else TEST

    @property
    def subjects(self) -> tuple[str, ...]:
        return (*self.train, *self.test)

    def body(self, subject: str, seed: int) -> Body:
        """A subject's body; Human3.6M's names have statures that no seed changes."""
        return make_body(subject if self.dataset == H36M else f"{STUDY} {subject}", seed)

    def rig(self, subject: str) -> str:
        """The subject of Human3.6M whose cameras film a subject."""
        return subject if subject in TRAIN else RIGS[TEST.index(subject) % len(RIGS)]

    def eye(self, action: int, person: int, take: int) -> int | None:
        """The number of the camera that sees a take; None for all of them."""
        return None if self.dataset == H36M else (action + person + take) % CAMERAS

    def frames(self, action: int, person: int, take: int, seed: int) -> int:
        """Frames of a take; action, person and take as numbers."""
        if self.dataset == H36M:
            mean, of_action, of_take = H36M_FRAMES[self.scale], [seed, action], [seed, action, person, take]
        elif person < len(self.train):
            mean, of_action, of_take = FRAMES[self.scale], [0, action], [seed, 2, action, person, take]
        else:
            return TEST_FRAMES[self.scale]
        typical = np.random.default_rng(of_action).uniform(0.6, 1.4)
        return max(2, round(mean * typical * np.random.default_rng(of_take).uniform(0.75, 1.25)))


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    check_name(spec.keypoints, (GT, SIMULATED), "keypoints of the synthetic dataset")
    choose_subjects(spec)
    return f"{spec.dataset}-{spec.scale}", []


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return H36M_ACTIONS


def choose_subjects(spec: DataSpec) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """As `split_subjects`; but given neither, who is trained and tested on is as the layout says."""
    layout = Layout(spec.dataset, spec.scale)
    if not spec.train_subjects and not spec.test_subjects:
        return layout.train, layout.test, []
    return split_subjects(layout.subjects, spec.train_subjects, spec.test_subjects, "the synthetic dataset")


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """The dataset of a layout; the same scale and seed give the same dataset bit for bit.

    A subject does, and is seen doing, the same whichever others are chosen, as in `choose_subjects`.
    """
    layout = Layout(spec.dataset, spec.scale)
    train, test, notes = choose_subjects(spec)
    chosen = {*train, *test}
    progress(f"making {len(chosen) * len(H36M_ACTIONS) * layout.takes} takes of {len(chosen)} subjects")
    return film(
        _make_takes(layout, spec.data_seed, chosen),
        {subject: h36m_cameras()[layout.rig(subject)] for subject in layout.subjects},
        name=f"{spec.dataset}-{spec.scale}",
        synthetic=True,
        fps=FPS,
        seed=spec.data_seed,
        scores=spec.scores,
        train_subjects=train,
        test_subjects=test,
        notes=["Synthetic motion: made by a program, nobody was filmed.", *notes],
    )


def _make_takes(layout: Layout, seed: int, subjects: Collection[str]) -> Iterator[Take]:
    """The takes of some subjects, one after the other."""
    persons, actions = enumerate(layout.subjects), list(enumerate(H36M_ACTIONS))
    for place, ((person, subject), (number, action), take) in enumerate(product(persons, actions, range(layout.takes))):
        if subject in subjects:
            frames = layout.frames(number, person, take, seed)
            body, own_seed = layout.body(subject, seed), [seed, 1, person, number, take]
            motion = make_motion(action, body=body, frames=frames, fps=FPS, seed=own_seed)
            key, eye = (subject, action, str(take)), layout.eye(number, person, take)
            yield Take(key, motion, place=place, eye=eye)
