"""People in a video: who is chosen, who is followed from frame to frame, and what is filled in where they are missing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections import people
from pose3d_lib.data.sources.detections.people import choose_person, fill_gaps, link
from pose3d_lib.data.sources.detections.records import Person, Video, make_video
from pose3d_lib.data.sources.missing import longest_gap
from tests.helpers import detection_files as files

LEFT, RIGHT = files.walk(20, at=(150, 200)), files.walk(20, at=(700, 200))[::-1]


def video(*walks: np.ndarray, tracks: list[str] | None = None, scores: tuple[float, ...] = (), seed: int = 0) -> Video:
    """People (frames, 17, 2) in one video, a frame of only NaN standing for nobody, in shuffled order within a frame."""
    found = []
    for number, walk in enumerate(walks):
        for frame, joints in enumerate(walk):
            if np.isfinite(joints).any():
                track = tracks[number] if tracks else None
                score = scores[number] if scores else 0.9
                found.append(Person(frame, files.scored(joints).astype(np.float32), score, track))
    np.random.default_rng(seed).shuffle(found := np.array([*found, None], object)[:-1])
    return make_video("v", "v.json", list(found), range(len(walks[0])))


def where(walks: list[np.ndarray], seen: Video) -> np.ndarray:
    """For each detection, which of the walks it is."""
    apart = np.stack([np.abs(walk[seen.frames] - seen.points) for walk in walks])
    apart[np.isnan(apart) & np.isfinite(seen.points)] = 1e6  # seen, but not of this walk
    return np.nan_to_num(apart).max(axis=(2, 3)).argmin(axis=0)


def gone(walk: np.ndarray, start: int, stop: int) -> np.ndarray:
    walk = walk.copy()
    walk[start:stop] = np.nan
    return walk


FAST = LEFT + np.arange(20)[:, None, None] * np.array([60, 0])
HIDDEN = np.random.default_rng(0).random((2, 20, 17, 1)) < 0.4
FOLLOWED = {
    "three, of whom one is small": [LEFT, RIGHT, files.walk(20, at=(420, 260), scale=0.7)],
    "two who pass each other": [files.walk(40, at=(100, 200)), files.walk(40, at=(350, 330), scale=0.5)[::-1]],
    "one who is gone for a while": [gone(LEFT, 6, 11), RIGHT],
    "one who may have gone further the longer nobody saw them": [gone(FAST, 6, 9), RIGHT + np.array([0, 2000])],
    "one who appears far from everybody": [
        gone(LEFT, 10, 20), gone(RIGHT, 0, 10), files.walk(20, at=(420, 300), scale=0.5)
    ],
    "joints that are not seen in both frames": [np.where(HIDDEN[0], np.nan, LEFT), np.where(HIDDEN[1], np.nan, RIGHT)],
}  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", FOLLOWED)
def test_people_are_followed_by_their_joints(case, seed) -> None:
    walks = FOLLOWED[case]
    seen = video(*walks, seed=seed)
    tracks, walk = np.array(link(seen)), where(walks, seen)
    own = [set(tracks[walk == number]) for number in range(len(walks))]
    assert [len(names) for names in own] == [1] * len(walks)
    assert len(set.union(*own)) == len(walks)


def test_tracks_are_numbered_in_order_of_appearance_and_a_lone_person_is_one() -> None:
    walks = [LEFT, gone(RIGHT, 0, 5)]
    seen = video(*walks)
    assert np.array(link(seen)).tolist() == [str(number + 1) for number in where(walks, seen)]
    jumping = LEFT.copy()
    jumping[7:] += [500, 100]
    assert set(link(video(jumping))) == {"1"}


@pytest.mark.parametrize("tracks", [["a", "b"], None])
def test_the_highest_score_over_all_frames_is_taken(tracks) -> None:
    seen = video(LEFT, RIGHT, tracks=tracks, scores=(0.6, 0.7))
    chosen = choose_person(seen, "")
    np.testing.assert_array_equal(seen.points[chosen.rows], RIGHT.astype(np.float32))
    assert seen.frames[chosen.rows].tolist() == list(range(20))
    assert chosen.others == 1
    assert choose_person(seen, "score").who == chosen.who
    brief = video(LEFT, gone(RIGHT, 5, 20), tracks=["a", "b"], scores=(0.5, 0.99))  # surely, but not throughout
    assert choose_person(brief, "").who == "a"


@pytest.mark.parametrize("seed", range(4))
def test_of_two_people_with_one_score_who_is_seen_first_is_taken(seed) -> None:
    seen = video(LEFT, RIGHT, tracks=["b", "a"], scores=(0.5, 0.5), seed=seed)
    assert choose_person(seen, "").who == seen.tracks[0]


def test_of_two_detections_of_one_track_in_a_frame_the_surer_is_kept() -> None:
    people_of_a_frame = ((LEFT, 0.2, "a"), (RIGHT, 0.8, "a"), (files.walk(1, at=(400, 300)), 0.1, "b"))
    found = [Person(0, files.scored(walk[0]).astype(np.float32), score, who) for walk, score, who in people_of_a_frame]
    seen = make_video("v", "v.json", found, [])
    chosen = choose_person(seen, "")
    np.testing.assert_array_equal(seen.points[chosen.rows], RIGHT[:1].astype(np.float32))
    assert chosen.others == 1


def test_tracks_count_if_everybody_has_one_and_they_differ() -> None:
    assert video(LEFT, RIGHT, tracks=["0", "0"]).tracks is None  # as AlphaPose writes without tracking
    assert set(video(LEFT, tracks=["0"]).tracks) == {"0"}
    found = [Person(n, files.scored(LEFT[n]).astype(np.float32), 0.5, "a" if n else None) for n in range(3)]
    assert make_video("v", "v.json", found, []).tracks is None


def test_a_frame_of_too_many_people_without_tracks_is_refused() -> None:
    with pytest.raises(InputError, match=r"v\.json: 101 people in frame 0; at most 100"):
        link(video(*[LEFT[:2]] * 101))


def line(frames: list[int]) -> np.ndarray:
    """(n, 2, 2): two joints that move evenly."""
    return np.array([[[n, 2 * n], [100 - n, 5]] for n in frames], float)


def fill(frames: list[int], points: np.ndarray, last: int, max_gap: int) -> list[people.Run]:
    return fill_gaps(np.array(frames), points, np.array([0, last]), max_gap, "v.json")[0]


def test_missing_frames_lie_on_a_line_the_ends_are_held_and_nobody_is_sure_of_them() -> None:
    points = files.scored(line([2, 3, 6, 7]), 0.8)
    points[1, 0] = np.nan
    (run,) = fill([2, 3, 6, 7], points, 9, 3)
    np.testing.assert_allclose(run.points[..., :2], line([2, 2, 2, 3, 4, 5, 6, 7, 7, 7]))
    np.testing.assert_allclose(run.points[..., 2], np.where(run.filled, 0, 0.8))
    assert run.filled[:, 1].tolist() == [True, True, False, False, True, True, False, False, True, True]
    assert run.filled[3].tolist() == [True, False]
    assert (run.start, longest_gap(run.filled)) == (0, 3)


@pytest.mark.parametrize(
    ("frames", "last", "max_gap", "runs"),
    [
        ([2, 3, 6, 7], 9, 1, [(2, 2), (6, 2)]),
        ([2, 3, 6, 7], 9, 2, [(0, 10)]),
        ([0, 1, 2], 2, 0, [(0, 3)]),
        ([0, 2], 2, 0, [(0, 1), (2, 1)]),
    ],
)
def test_a_gap_longer_than_max_gap_is_where_one_run_ends_and_another_begins(frames, last, max_gap, runs) -> None:
    assert [(run.start, len(run.points)) for run in fill(frames, line(frames), last, max_gap)] == runs


def test_a_joint_that_is_missing_for_long_ends_a_run_if_it_is_needed_and_is_counted() -> None:
    points = line(list(range(10)))
    points[1:3, 0] = np.nan
    points[4:8, 1] = np.nan
    runs, lost = fill_gaps(np.arange(10), points, np.arange(10), 3, "v.json")
    assert [(run.start, len(run.points)) for run in runs] == [(0, 4), (8, 2)]
    assert lost.tolist() == [0, 4]
    np.testing.assert_allclose(runs[0].points, line([0, 1, 2, 3]))
    assert runs[0].filled.tolist() == [[False, False], [True, False], [True, False], [False, False]]
    (run,), lost = fill_gaps(np.arange(10), points, np.arange(10), 3, "v.json", needed=slice(1))
    assert (run.start, len(run.points), run.open.tolist(), lost.tolist()) == (0, 10, [False, True], [0, 4])
    points[:, 1] = np.nan
    runs, lost = fill_gaps(np.arange(10), points, np.arange(10), 10, "v.json")
    assert (runs, lost.tolist()) == ([], [0, 10])


def test_a_piece_of_too_many_frames_is_refused_before_it_is_made() -> None:
    with pytest.raises(InputError, match=r"v\.json: 1,000,000,000 frames in one piece"):
        fill([0, 10**9 - 1], line([0, 1]), 10**9 - 1, 10**9)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    frames=st.lists(st.integers(0, 40), min_size=1, max_size=25, unique=True).map(sorted),
    seed=st.integers(0, 1000),
    max_gap=st.integers(0, 6),
    ends=st.tuples(st.integers(0, 8), st.integers(0, 8)),
)
def test_runs_hold_every_frame_that_no_long_gap_touches_and_what_was_seen_stays(frames, seed, max_gap, ends) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 100, (len(frames), 2, 2))
    points[rng.random((len(frames), 2)) < 0.3] = np.nan
    first, last = frames[0] - ends[0], frames[-1] + ends[1]
    runs = fill_gaps(np.array(frames), points, np.array([first, last]), max_gap, "v")[0]
    held = {run.start + n: (run.points[n], run.filled[n]) for run in runs for n in range(len(run.points))}
    seen = {frame: np.isfinite(points[n]).all(axis=-1) for n, frame in enumerate(frames)}
    nobody = np.zeros(2, bool)
    for frame, (values, filled) in held.items():
        assert np.isfinite(values).all()
        assert (filled == ~seen.get(frame, nobody)).all()
        if frame in seen:
            np.testing.assert_array_equal(values[seen[frame]], points[frames.index(frame)][seen[frame]])
    for joint in range(2):
        with_joint = {frame for frame in seen if seen[frame][joint]}
        for frame in held:
            before = next((n for n in range(frame + 1) if frame - n in with_joint), np.inf)
            after = next((n for n in range(last - frame + 1) if frame + n in with_joint), np.inf)
            assert before + after - 1 <= max_gap or min(before, after) <= max_gap
    whole = [frame for frame in seen if seen[frame].all()]
    assert set(whole) <= set(held)
