"""The built-in datasets: made-up people do the fifteen actions of Human3.6M in front of its cameras.

No person was filmed. With them anyone can run the study; results on them say nothing about Human3.6M.
"""

from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

from pose3d_lib.data.actions import H36M_ACTIONS, check_name
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources.filming import GT, SIMULATED, Take, film
from pose3d_lib.data.sources.synthetic.layout import Layout
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.data.sources.takes import split_subjects
from pose3d_lib.data.spec import DataSpec, Found, Progress

PARAMETERS = ("scale", "data_seed", "train_subjects", "test_subjects")
KEYPOINTS = SIMULATED
FPS = 50.0


def find(spec: DataSpec, path: Path) -> Found:
    check_name(spec.keypoints, (GT, SIMULATED), "keypoints of the synthetic dataset")
    choose_subjects(Layout(spec.dataset, spec.scale), spec.train_subjects, spec.test_subjects)
    return Found(f"{spec.dataset}-{spec.scale}")


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return H36M_ACTIONS


def choose_subjects(
    layout: Layout, train: Sequence[str], test: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """As `split_subjects`; but given neither, who is trained and tested on is as the layout says."""
    if not train and not test:
        return layout.train, layout.test, []
    return split_subjects(layout.subjects, train, test, "the synthetic dataset")


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """The dataset of a layout; the same scale and seed give the same dataset bit for bit.

    A subject does, and is seen doing, the same whichever others are chosen, as in `choose_subjects`.
    """
    layout = Layout(spec.dataset, spec.scale)
    train, test, notes = choose_subjects(layout, spec.train_subjects, spec.test_subjects)
    seed, name, takes = spec.data_seed, f"{spec.dataset}-{spec.scale}", []
    persons, actions = enumerate(layout.subjects), list(enumerate(H36M_ACTIONS))
    for (person, subject), (number, action), take in product(persons, actions, range(layout.takes)):
        frames, eye = layout.frames(number, person, take, seed), layout.eye(number, person, take)
        own = {
            "body": layout.body(subject, seed),
            "frames": frames,
            "fps": FPS,
            "seed": [seed, 1, person, number, take],
        }
        takes.append(Take(subject, action, str(take), frames, partial(make_motion, action, **own), len(takes), eye))
    chosen = [take for take in takes if take.subject in (*train, *test)]
    progress(f"{name}: making {len(chosen)} takes of {len({take.subject for take in chosen})} subjects")
    rigs = h36m_cameras()
    return film(
        chosen,
        {subject: rigs[layout.rig(subject)] for subject in layout.subjects},
        name=name,
        synthetic=True,
        fps=FPS,
        seed=seed,
        scores=spec.scores,
        train_subjects=train,
        test_subjects=test,
        notes=["Synthetic motion: made by a program, nobody was filmed.", *notes],
    )
