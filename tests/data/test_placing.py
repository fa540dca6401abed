"""Motion without cameras in Human3.6M's room: centred, seen, and cut where it leaves what the cameras see."""

import numpy as np
import pytest

from pose3d_lib.data.sources.placing import NEAREST, OUTSIDE, centred, cut_to_fit, nearest_depth, share_outside

FPS = 30


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


def test_a_clip_that_is_seen_stays_whole() -> None:
    assert cut_to_fit(walk(1, 90), FPS) == [(0, 90)]


def test_a_clip_that_only_leaves_the_picture_is_cut_until_it_is_seen() -> None:
    motion = walk(6, 8 * FPS)
    assert nearest_depth(motion) > NEAREST  # it does not come too near
    assert share_outside(motion) > OUTSIDE
    pieces = cut_to_fit(motion, FPS)
    assert len(pieces) > 1
    assert [start for start, _ in pieces] == [0, *(stop for _, stop in pieces[:-1])]
    assert pieces[-1][1] == len(motion)
    assert all(share_outside(motion[start:stop]) <= 1.5 * OUTSIDE for start, stop in pieces)


@pytest.mark.parametrize("metres", [6, 12])
def test_a_runner_too_fast_to_be_cut_stays_if_no_camera_is_too_near(metres: int) -> None:
    motion = walk(metres, 40)
    fits = nearest_depth(motion) > NEAREST
    assert fits == (metres == 6)
    assert cut_to_fit(motion, FPS) == ([(0, 40)] if fits else [])
