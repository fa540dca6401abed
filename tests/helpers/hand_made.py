"""Datasets of a few hand-made clips of random numbers."""

import numpy as np
import pandas as pd

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17


def hand_made(rows: list[tuple], **changes) -> PoseDataset:
    """A row is subject, action, take, camera number, frames and, if there are no poses, False. S1 trains and S9 is tested.

    Image widths are powers of two, so that normalising pixels rounds nothing.
    """
    stops = np.cumsum([row[4] for row in rows]).tolist()
    clips = [(*row[:4], 50.0, stop - row[4], stop, len(row) == 5) for row, stop in zip(rows, stops, strict=True)]
    rng = np.random.default_rng(0)
    labelled = sum(row[4] for row in rows if len(row) == 5)
    fields = {
        "name": "hand-made", "synthetic": True, "skeleton": H36M_17,
        "cameras": (Camera("wide", 1024, 512), Camera("tall", 512, 2048)),
        "clips": pd.DataFrame(clips, columns=list(CLIP_COLUMNS)),
        "keypoints": {
            "simulated": rng.uniform(0, 512, (stops[-1], 17, 2)).astype(np.float32),
            "detected": rng.uniform(0, 512, (stops[-1], 17, 2)).astype(np.float32),
        },
        "layouts": {"simulated": H36M_17, "detected": COCO_17},
        "positions": rng.normal(0, 0.3, (labelled, 17, 3)).astype(np.float32),
        "trajectory": rng.normal(0, 1, (labelled, 3)).astype(np.float32),
        "train_subjects": ("S1",),
        "test_subjects": ("S9",),
    }  # fmt: skip
    return PoseDataset(**{**fields, **changes})
