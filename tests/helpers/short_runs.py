"""Runs of some hundredths of a second, on random numbers."""

import json
from dataclasses import asdict

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.training.checkpoint import Checkpoint
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow, Trained
from pose3d_lib.training.loop import train
from pose3d_lib.training.plan import plan_run

# 100 frames to train on, so 200 windows in a unit epoch: 120 of Walking, 60 of Sitting, 20 of SittingDown.
ROWS = [
    ("S1", "Walking", "0", 0, 40), ("S1", "Walking", "1", 1, 20), ("S1", "Sitting", "0", 0, 30),
    ("S1", "SittingDown", "0", 0, 10), ("S9", "Walking", "0", 0, 12), ("S9", "Sitting", "0", 0, 8),
    ("S9", "SittingDown", "0", 1, 4),
]  # fmt: skip


def short_config(action: str = "Sitting", **changes: object) -> RunConfig:
    settings = {"filter_widths": (3,), "channels": 6, "batch_size": 16, "evaluate_at": (), "threads": 1}
    return RunConfig(**{**settings, "action": action, **changes})


def train_short(config: RunConfig, data: PoseDataset, **settings: object) -> tuple[Trained, list[HistoryRow]]:
    """What `train` gives, with the settings of it that are given, and the rows of its history."""
    rows: list[HistoryRow] = []
    return train(plan_run(config, data), on_row=rows.append, **settings), rows


def train_whole(
    config: RunConfig, data: PoseDataset, **settings: object
) -> tuple[Trained, list[dict], list[Checkpoint]]:
    """The same with rows without seconds, and every checkpoint as a file would hold it."""
    checkpoints: list[Checkpoint] = []

    def keep(checkpoint: Checkpoint) -> None:
        copied = {name: tensor.clone() for name, tensor in checkpoint.tensors.items()}
        checkpoints.append(Checkpoint(copied, json.loads(json.dumps(checkpoint.numbers))))

    trained, rows = train_short(config, data, on_checkpoint=keep, **settings)
    return trained, without_seconds(rows), checkpoints


def weights_of(trained: Trained) -> dict[str, bytes]:
    """Every number of the networks, running statistics included."""
    return {name: value.numpy().tobytes() for name, value in trained.lifters.state_dict().items()}


def without_seconds(rows: list[HistoryRow]) -> list[dict]:
    """The rows without what is different each time."""
    return [{name: value for name, value in asdict(row).items() if "seconds" not in name} for row in rows]
