"""A dataset of random numbers whose clips are as long as those of Human3.6M, for benchmarks: speed does not ask what is in it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import H36M_17

SHORTEST, LONGEST = 1_000, 4_000


def lengths_adding_up_to(frames: int) -> list[int]:
    """Frames of each clip, evenly spread between the shortest and the longest; together at least as many."""
    count = -(-2 * frames // (SHORTEST + LONGEST))
    return np.linspace(SHORTEST, LONGEST, count).round().astype(int).tolist()


def random_clips(train: Sequence[int], test: Sequence[int], seed: int = 0) -> PoseDataset:
    """One clip of each length, the first of subject S1 and the second of S9: pixels of two cameras, metres around a root."""
    stops = np.cumsum([*train, *test]).tolist()
    subjects = ["S1"] * len(train) + ["S9"] * len(test)
    rows = [
        (subject, "Walking", str(number), number % 2, 50.0, stop - length, stop, True)
        for number, (subject, length, stop) in enumerate(zip(subjects, [*train, *test], stops, strict=True))
    ]
    rng = np.random.default_rng(seed)
    return PoseDataset(
        name="random numbers",
        synthetic=True,
        skeleton=H36M_17,
        cameras=(Camera("left", 1000, 1002), Camera("right", 1000, 1000)),
        clips=pd.DataFrame(rows, columns=list(CLIP_COLUMNS)),
        keypoints={"gt": 1000 * rng.random((stops[-1], 17, 2), np.float32)},
        layouts={"gt": H36M_17},
        positions=rng.random((stops[-1], 17, 3), np.float32) - 0.5,
        trajectory=rng.random((stops[-1], 3), np.float32),
        train_subjects=("S1",),
        test_subjects=("S9",),
    )
