"""Filming motion: each 2D source by itself is what it is beside the other; clips are centred, and cut where they leave."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import takes
from pose3d_lib.data.sources.filming import (
    GT,
    NEAREST,
    OUTSIDE,
    SIMULATED,
    Take,
    centred,
    check_in_front,
    cut_to_fit,
    film,
    nearest_depth,
    one_thread,
    share_outside,
)

CAMERAS = {"S1": h36m_cameras()["S1"], "S9": h36m_cameras()["S9"][1:3]}


def motion(frames: int, seed: int, aside: float = 0) -> np.ndarray:
    """World metres, about the middle of the room or aside of it."""
    return np.random.default_rng(seed).uniform([aside - 0.8, -0.8, 0], [aside + 0.8, 0.8, 1.8], (frames, 17, 3))


def filmed(*shown: Take, **options: object) -> PoseDataset:
    fields = {"name": "filmed", "synthetic": False, "fps": 50.0, "train_subjects": ("S1",), "test_subjects": ("S9",)}
    return film(shown, CAMERAS, **{**fields, **options})


def two(aside: float = 0) -> tuple[Take, Take]:
    first, second = motion(3, 1), motion(2, 2, aside)
    return Take(("S1", "Eating", "0"), first), Take(("S9", "Eating", "1"), second)


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


def test_errors_and_scores_depend_on_the_seed_and_the_take_s_place_only() -> None:
    first, second = two()
    data = filmed(first, second, seed=5, scores=True)
    other, alone = filmed(first, second, seed=6, scores=True), filmed(replace(second, place=1), seed=5, scores=True)
    for name in ("scores", "keypoints"):
        found = getattr(data, name)[SIMULATED]
        assert not np.isclose(getattr(other, name)[SIMULATED], found).all()
        np.testing.assert_array_equal(getattr(alone, name)[SIMULATED], found[12:])


def test_each_subject_is_seen_by_its_own_cameras_one_after_the_other() -> None:
    data = filmed(*two())
    assert data.cameras == (*CAMERAS["S1"], *CAMERAS["S9"])
    assert data.clips.camera.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.clips.start.tolist() == [0, 3, 6, 9, 12, 14]
    np.testing.assert_allclose(data.world(data.clips.iloc[5]), motion(2, 2), atol=1e-5)


def test_who_is_behind_a_camera_is_refused_with_the_take_and_the_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="filmed: S9/Eating/1 goes behind camera"):
        filmed(*two(aside=20))
    with pytest.raises(InputError, match=f"{tmp_path}: S9/Eating/1 goes behind camera"):
        filmed(*two(aside=20), where=tmp_path)
    check_in_front(np.full((2, 17, 3), 0.01), CAMERAS["S1"][0], "here")


def test_progress_is_told_take_by_take_but_no_more_often_than_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    filmed(*two(), progress=lines.append)
    assert not lines
    monkeypatch.setattr(takes, "EVERY", 0)
    filmed(*two(), progress=lines.append)
    assert [line.split(",")[0] for line in lines] == ["filmed 1 takes", "filmed 2 takes"]


@one_thread()
def fail() -> None:
    raise InputError(f"{torch.get_num_threads()} thread")


def test_threads_are_as_many_as_before_even_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(InputError, match="1 thread"):
            fail()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


RATE = 30


def walk(metres: float, frames: int) -> np.ndarray:
    """(frames, 17, 3): a body 1.7 m tall that goes along y, the room's long way, at an even speed."""
    body = np.column_stack([np.linspace(-0.2, 0.2, 17), np.zeros(17), np.linspace(0.1, 1.7, 17)])
    return body + np.linspace(0, metres, frames)[:, None, None] * [0, 1, 0]


def test_a_clip_is_moved_along_the_floor_only() -> None:
    motion = walk(4, 9) + np.array([7, -3, 0.5])
    placed = centred(motion)
    np.testing.assert_allclose(placed[:, 0, :2].min(axis=0) + placed[:, 0, :2].max(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(placed[..., 2], motion[..., 2])
    np.testing.assert_allclose(np.diff(placed, axis=0), np.diff(motion, axis=0), atol=1e-12)


def test_who_stands_in_the_middle_is_seen_by_every_camera_and_who_walks_far_is_not() -> None:
    assert share_outside(walk(0, 5)) == 0
    assert share_outside(walk(8, 100)) > 0.2
    shares = [share_outside(walk(metres, 100)) for metres in (2, 4, 6, 8)]
    assert shares == sorted(shares)


def test_a_clip_that_only_leaves_the_picture_is_cut_until_it_is_seen() -> None:
    motion = walk(6, 8 * RATE)
    assert nearest_depth(motion) > NEAREST  # it does not come too near
    assert share_outside(motion) > OUTSIDE
    pieces = cut_to_fit(motion, RATE)
    assert len(pieces) > 1
    assert [start for start, _ in pieces] == [0, *(stop for _, stop in pieces[:-1])]
    assert pieces[-1][1] == len(motion)
    assert all(share_outside(motion[start:stop]) <= 1.5 * OUTSIDE for start, stop in pieces)


@pytest.mark.parametrize("metres", [6, 12])
def test_a_runner_too_fast_to_be_cut_stays_if_no_camera_is_too_near(metres: int) -> None:
    motion = walk(metres, 40)
    fits = nearest_depth(motion) > NEAREST
    assert fits == (metres == 6)
    assert cut_to_fit(motion, RATE) == ([(0, 40)] if fits else [])
