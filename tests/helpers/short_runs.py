"""Runs of some hundredths of a second, on random numbers."""

from pose3d_lib.training.config import RunConfig

# 100 frames to train on, so 200 windows in a unit epoch: 120 of Walking, 60 of Sitting, 20 of SittingDown.
ROWS = [
    ("S1", "Walking", "0", 0, 60),
    ("S1", "Sitting", "0", 0, 30),
    ("S1", "SittingDown", "0", 0, 10),
    ("S9", "Walking", "0", 0, 12),
    ("S9", "Sitting", "0", 0, 8),
    ("S9", "SittingDown", "0", 1, 4),
]


def short_config(action: str = "Sitting", **changes: object) -> RunConfig:
    settings = {"filter_widths": (3,), "channels": 6, "batch_size": 16, "evaluate_at": (), "threads": 1}
    return RunConfig(**{**settings, "action": action, **changes})
