"""What other keypoints and another frame rate do to a prediction."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.takes import downsample
from pose3d_lib.model.predict import lift
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.report.predict import Task
from pose3d_lib.report.what_if import moved_by, what_if_table
from tests.helpers.made_up_models import made_up_model


def task_of(data: PoseDataset, *widths: int) -> Task:
    model = made_up_model(*widths, mirrored=False)
    return Task(PredictConfig(), model, data, data.clips, "simulated", Path())


def test_a_model_of_single_frames_does_not_notice_another_frame_rate(hand_made) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 9), ("S9", "Sitting", "0", 1, 2)])
    moved = dict(data.keypoints, other=data.keypoints["simulated"] + np.float32(20))
    data = hand_made(
        [("S9", "Walking", "0", 0, 9), ("S9", "Sitting", "0", 1, 2)],
        keypoints=moved,
        layouts=dict(data.layouts, other=H36M_17),
    )
    single, nine = what_if_table(task_of(data, 1)), what_if_table(task_of(data, 3, 3))
    assert single["What the model sees"].tolist() == [
        "keypoints 'simulated', every frame",
        "keypoints 'other'",
        "one frame in 2: 25 per second",
        "one frame in 4: 12.5 per second",
    ]
    column = "Joints move by [mm]"
    assert single[column].iloc[[0, 2, 3]].tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    assert single[column].iloc[1] > 1
    assert nine[column].iloc[0] == 0
    assert (nine[column].iloc[1:] > 1).all()
    clips = task_of(data, 3, 3).lifted.clips
    assert nine["MPJPE [mm]"].iloc[0] == pytest.approx(np.concatenate([clip.errors for clip in clips]).mean())


def test_of_a_thinned_video_rows_count_the_frames_of_the_video(hand_made) -> None:
    """Every frame of what was kept is not every frame."""
    data = downsample(hand_made([("S9", "Walking", "0", 0, 30)]), 3)
    assert what_if_table(task_of(data, 3))["What the model sees"].tolist() == [
        "keypoints 'simulated', one frame in 3",
        "one frame in 6: 8.33333 per second",
        "one frame in 12: 4.16667 per second",
    ]


def test_without_truth_there_is_no_error_to_show_and_clips_may_be_short(hand_made) -> None:
    data = hand_made([("S9", "Walking", "0", 0, 1)])
    data = dataclasses.replace(
        data, clips=data.clips.assign(labelled=False), positions=data.positions[:0], trajectory=data.trajectory[:0]
    )
    table = what_if_table(task_of(data, 3, 3, 3))
    assert list(table.columns) == ["What the model sees", "Joints move by [mm]"]
    assert len(table) == 3
    assert table["Joints move by [mm]"].iloc[0] == 0


def test_changed_keypoints_are_lifted_and_the_dataset_stays_as_it_is(hand_made) -> None:
    """A model of three frames sees a change of one frame in three."""
    data = hand_made([("S9", "Walking", "0", 0, 9), ("S9", "Sitting", "0", 1, 9)])
    task, before = task_of(data, 3), data.keypoints["simulated"].copy()
    assert len(task.lifted.clips) == 2

    def move(pixels: np.ndarray, scores: np.ndarray) -> None:
        assert (pixels == before[9:]).all()
        assert (scores == 1).all()
        pixels[4] += 100

    assert moved_by(task, lambda pixels, scores: None, 1) == pytest.approx(np.zeros(9))
    moved = moved_by(task, move, 1)
    assert np.flatnonzero(moved > 1e-3).tolist() == [3, 4, 5]
    assert (data.keypoints["simulated"] == before).all()
    data.keypoints["simulated"][13] += 100
    after = lift(task.model, data, data.clips, "simulated").clips[1].positions
    apart = 1000 * np.linalg.norm(after - task.lifted.clips[1].positions, axis=-1).mean(axis=-1)
    assert moved == pytest.approx(apart)
