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
