"""Which clips and frames are kept: every n-th frame of each clip, one camera of each take; and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources.takes import downsample, one_camera_each

# Clips of which 4, 3, 1 and 2 frames stay of every third; two cameras saw the last take for different times.
ROWS = [
    ("S1", "Walking", "0", 0, 10), ("S9", "Walking", "0", 0, 9), ("S1", "Eating", "0", 1, 3),
    ("S9", "Eating", "1", 1, 4), ("S9", "Sitting", "0", 0, 3), ("S9", "Sitting", "0", 1, 8),
]  # fmt: skip


@pytest.fixture
def data(hand_made) -> PoseDataset:
    """The last four clips have keypoints only."""
    data = hand_made(ROWS, notes=("As it was.",))
    scores = np.random.default_rng(1).uniform(size=(37, 17)).astype(np.float32)
    return replace(
        data,
        clips=data.clips.assign(labelled=[True, True, False, False, False, False]),
        positions=data.positions[:19],
        trajectory=data.trajectory[:19],
        scores={"detected": scores},
    )


def test_every_third_frame_of_each_clip_is_kept_of_all_that_it_has(data) -> None:
    third = downsample(data, 3)
    labelled, kept = [0, 3, 6, 9, 10, 13, 16], [0, 3, 6, 9, 10, 13, 16, 22, 25]
    np.testing.assert_array_equal(third.positions, data.positions[labelled])
    np.testing.assert_array_equal(third.trajectory, data.trajectory[labelled])
    for source in ("simulated", "detected"):
        np.testing.assert_array_equal(third.keypoints[source], data.keypoints[source][kept])
    np.testing.assert_array_equal(third.scores["detected"], data.scores["detected"][kept])
    assert third.clips[["subject", "action", "take", "camera", "start", "stop", "labelled"]].to_numpy().tolist() == [
        ["S1", "Walking", "0", 0, 0, 4, True], ["S9", "Walking", "0", 0, 4, 7, True], ["S9", "Eating", "1", 1, 7, 9, False],
    ]  # fmt: skip
    assert third.clips.fps.tolist() == [50 / 3] * 3
    assert third.clips.index.tolist() == [0, 1, 2]
    assert third.name == "hand-made-every3"
    assert third.notes == (
        "As it was.",
        "One frame of every 3 is kept, from each clip's first on: 16.6667 frames per second (`downsample`).",
        "Left out, as fewer than 2 frames would stay of them: S1/Eating/0, S9/Sitting/0.",
    )


def test_clips_of_different_rates_keep_their_difference(data) -> None:
    mixed = replace(data, clips=data.clips.assign(fps=[50.0, 50, 30, 30, 50, 50]))
    half = downsample(mixed, 2)
    assert half.clips.fps.tolist() == [25, 25, 15, 15, 25, 25]
    assert "15, 25 frames per second" in half.notes[1]


@pytest.mark.parametrize("every", [10, 10**12])
def test_more_frames_than_a_clip_has_are_refused_with_what_would_do(every: int, data) -> None:
    with pytest.raises(InputError, match=rf"downsample: found {every}, .* has 10, so at most 9 does"):
        downsample(data, every)
    assert len(downsample(data, 9).clips) == 1
    assert downsample(data, 1) is data


def test_frames_keep_the_numbers_that_they_have_in_their_video(data) -> None:
    third = downsample(replace(data, first_frames=(0, 100, 0, 7, 0, 0)), 3)
    numbers = [third.frame_numbers(clip).tolist() for _, clip in third.clips.iterrows()]
    assert numbers == [[0, 3, 6, 9], [100, 103, 106], [7, 10]]
    sixth = downsample(downsample(data, 3), 2)
    assert [sixth.frame_numbers(clip).tolist() for _, clip in sixth.clips.iterrows()] == [[0, 6], [0, 6]]


def test_each_take_is_kept_as_one_of_its_cameras_saw_it_in_turn(hand_made) -> None:
    takes = [("S1", "Walking", "0"), ("S1", "Walking", "1"), ("S9", "Walking", "0"), ("S9", "Eating", "0")]
    seen = [(*take, camera, 5 + camera) for take in takes for camera in (0, 1)[: 1 if take[1] == "Eating" else 2]]
    data = hand_made(seen, notes=("As it was.",))
    one = one_camera_each(data)
    kept = [0, 3, 4, 6]
    assert one.clips[["subject", "action", "take", "camera"]].to_numpy().tolist() == [
        list(seen[row][:4]) for row in kept
    ]
    rows = [row for clip in kept for row in range(data.clips.start[clip], data.clips.stop[clip])]
    np.testing.assert_array_equal(one.positions, data.positions[rows])
    np.testing.assert_array_equal(one.keypoints["simulated"], data.keypoints["simulated"][rows])
    assert one.name == "hand-made-one-camera"
    assert one.notes == ("As it was.", "Each take is seen by one of its cameras, in turn (`one_camera`).")
