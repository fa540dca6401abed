"""Filming motion: each 2D source by itself is what it is beside the other, and nobody is filmed from behind a lens."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import filming
from pose3d_lib.data.sources.filming import GT, SIMULATED, Take, check_in_front, film, one_thread

CAMERAS = {"S1": h36m_cameras()["S1"], "S9": h36m_cameras()["S9"][1:3]}


def motion(frames: int, seed: int, aside: float = 0) -> np.ndarray:
    """World metres, about the middle of the room or aside of it."""
    return np.random.default_rng(seed).uniform([aside - 0.8, -0.8, 0], [aside + 0.8, 0.8, 1.8], (frames, 17, 3))


def filmed(*takes: Take, **options: object) -> PoseDataset:
    fields = {"name": "filmed", "synthetic": False, "fps": 50.0, "train_subjects": ("S1",), "test_subjects": ("S9",)}
    return film(takes, CAMERAS, **{**fields, **options})


def two(aside: float = 0) -> tuple[Take, Take]:
    first, second = motion(3, 1), motion(2, 2, aside)
    return Take("S1", "Eating", "0", 3, lambda: first), Take("S9", "Eating", "1", 2, lambda: second)


def test_a_2d_source_alone_is_what_it_is_beside_the_other() -> None:
    both = filmed(*two(), seed=5)
    assert list(both.keypoints) == list(both.layouts) == [GT, SIMULATED]
    for source in (GT, SIMULATED):
        alone = filmed(*two(), seed=5, sources=(source,))
        assert list(alone.keypoints) == list(alone.layouts) == [source]
        np.testing.assert_array_equal(alone.keypoints[source], both.keypoints[source])
    assert np.abs(both.keypoints[GT] - both.keypoints[SIMULATED]).max() > 0.1


def test_scores_come_with_each_2d_source_and_change_no_keypoint() -> None:
    plain, scored = filmed(*two(), seed=5), filmed(*two(), seed=5, scores=True)
    assert plain.scores == {}
    assert list(scored.scores) == [GT, SIMULATED]
    assert (scored.scores[GT] == 1).all()
    for source in (GT, SIMULATED):
        np.testing.assert_array_equal(scored.keypoints[source], plain.keypoints[source])
        alone = filmed(*two(), seed=5, sources=(source,), scores=True)
        np.testing.assert_array_equal(alone.scores[source], scored.scores[source])
        assert alone.notes == tuple(note for note in scored.notes if source in note)
    assert len(np.unique(scored.scores[SIMULATED])) == scored.scores[SIMULATED].size  # none is drawn for two clips


def test_scores_depend_on_the_seed_and_the_take_s_place_only() -> None:
    first, second = two()
    data = filmed(first, second, seed=5, scores=True)
    again, other = (filmed(first, second, seed=seed, scores=True) for seed in (5, 6))
    assert np.array_equal(again.scores[SIMULATED], data.scores[SIMULATED])
    assert not np.isclose(other.scores[SIMULATED], data.scores[SIMULATED]).all()
    alone = filmed(replace(second, place=1), seed=5, scores=True)
    np.testing.assert_array_equal(alone.scores[SIMULATED], data.scores[SIMULATED][12:])
    np.testing.assert_array_equal(alone.keypoints[SIMULATED], data.keypoints[SIMULATED][12:])


def test_each_subject_is_seen_by_its_own_cameras_one_after_the_other() -> None:
    data = filmed(*two())
    assert data.cameras == (*CAMERAS["S1"], *CAMERAS["S9"])
    assert data.clips.camera.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.clips.start.tolist() == [0, 3, 6, 9, 12, 14]
    np.testing.assert_allclose(data.world(data.clips.iloc[5]), motion(2, 2), atol=1e-5)


def test_a_take_is_made_when_it_is_filmed_and_once() -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return motion(3, 1)

    take = Take("S1", "Eating", "0", 3, make)
    assert not made
    filmed(take)
    assert made == [1]


def test_who_is_behind_a_camera_is_refused_with_the_take_and_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="filmed: S9/Eating/1 goes behind camera"):
        filmed(*two(aside=20))
    with pytest.raises(InputError, match=f"{tmp_path}: S9/Eating/1 goes behind camera"):
        filmed(*two(aside=20), where=tmp_path)


def test_in_front_is_from_the_lens_onwards() -> None:
    camera = CAMERAS["S1"][0]
    check_in_front(np.full((2, 17, 3), 0.01), camera, "here")
    behind = np.ones((2, 17, 3))
    behind[1, 16, 2] = 0
    with pytest.raises(InputError, match=f"here goes behind camera {camera.name}"):
        check_in_front(behind, camera, "here")


def test_progress_is_told_take_by_take_but_no_more_often_than_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    filmed(*two(), progress=lines.append)
    assert not lines
    monkeypatch.setattr(filming, "EVERY", 0)
    filmed(*two(), progress=lines.append)
    assert [line.split(",")[0] for line in lines] == ["filmed 1 of 2 takes", "filmed 2 of 2 takes"]


def test_threads_are_as_many_as_before_even_after_an_error() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(InputError, match="behind"), one_thread():
            raise InputError("behind")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_a_take_of_another_length_than_announced_is_a_mistake_of_who_made_it() -> None:
    with pytest.raises(ValueError, match="S1/Eating/0: expected 4 frames"):
        filmed(Take("S1", "Eating", "0", 4, lambda: motion(3, 1)))
