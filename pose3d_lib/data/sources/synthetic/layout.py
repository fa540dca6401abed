"""How synthetic data are laid out: who is filmed how often, for how long, by which cameras; what a seed changes of it.

An action is the same in every dataset: its postures, its gait, its typical length. People and takes are drawn by the seed:
bodies, habits, what a take shows, and of takes to train on how long each is. So datasets of several seeds are independent
samples of one world, and t of formula (1) is nearly the same in all of them.
"""

from dataclasses import dataclass

import numpy as np

from pose3d_lib.data.sources.synthetic.body import Body, make_body

STUDY, H36M = "synthetic", "synthetic_h36m"  # the names of the datasets

TRAIN = ("S1", "S5", "S6", "S7", "S8")
TEST = ("S9", "S11", "S12", "S13", "S14", "S15", "S16", "S17")
RIGS = ("S9", "S11")  # whose cameras film the subjects of TEST, in turn
CAMERAS = 4

FRAMES = {"tiny": 24, "small": 100, "full": 5006}  # of a take to train on; `full` has the 1.5 million of Human3.6M
TEST_FRAMES = {"tiny": 24, "small": 300, "full": 1250}  # of every take to test on; of `full` 600,000 in all
TESTED = {"tiny": 2}  # subjects to test on, where they are not all of TEST
H36M_FRAMES = {"tiny": 24, "small": 170, "full": 2503}  # of a take; `full` has the 2.1 million of Human3.6M


@dataclass(frozen=True)
class Layout:
    """The study's: four takes of every action and subject, each filmed by one of four cameras in turn.

    An action's typical length is 0.6 to 1.4 times the mean, a train take's 0.75 to 1.25 times that; test takes have one length.
    """

    scale: str
    train = TRAIN
    takes = CAMERAS

    @property
    def test(self) -> tuple[str, ...]:
        return TEST[: TESTED.get(self.scale)]

    @property
    def subjects(self) -> tuple[str, ...]:
        return (*self.train, *self.test)

    def body(self, subject: str, seed: int) -> Body:
        return make_body(f"{STUDY} {subject}", seed)  # Human3.6M's names have statures that no seed changes

    def rig(self, subject: str) -> str:
        """The subject of Human3.6M whose cameras film a subject."""
        return subject if subject in TRAIN else RIGS[TEST.index(subject) % len(RIGS)]

    def eye(self, action: int, person: int, take: int) -> int | None:
        """The number of the camera that sees a take; None for all of them."""
        return (action + person + take) % CAMERAS

    def frames(self, action: int, person: int, take: int, seed: int) -> int:
        """Frames of a take; action, person and take as numbers."""
        if person >= len(self.train):
            return TEST_FRAMES[self.scale]
        typical = np.random.default_rng([0, action]).uniform(0.6, 1.4)
        own = np.random.default_rng([seed, 2, action, person, take]).uniform(0.75, 1.25)
        return max(2, round(FRAMES[self.scale] * typical * own))


@dataclass(frozen=True)
class H36MLayout(Layout):
    """Human3.6M's own: its seven subjects, two takes of every action, each filmed by all four cameras.

    The seed changes actions' typical lengths too.
    """

    takes = 2

    @property
    def test(self) -> tuple[str, ...]:
        return RIGS

    def body(self, subject: str, seed: int) -> Body:
        return make_body(subject, seed)

    def eye(self, action: int, person: int, take: int) -> None:
        return None

    def frames(self, action: int, person: int, take: int, seed: int) -> int:
        typical = np.random.default_rng([seed, action]).uniform(0.6, 1.4)
        own = np.random.default_rng([seed, action, person, take]).uniform(0.75, 1.25)
        return max(2, round(H36M_FRAMES[self.scale] * typical * own))


def choose_layout(dataset: str, scale: str) -> Layout:
    return H36MLayout(scale) if dataset == H36M else Layout(scale)
