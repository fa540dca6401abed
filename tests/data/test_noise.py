"""The detector-like error and its scores have the sizes and the memory that their module promises, on many made-up clips."""

import numpy as np
import pytest

from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.noise import simulate_detections, simulate_scores

SIGMA = {"Hip": 4, "Head": 5, "LKnee": 5, "LFoot": 7, "RElbow": 7, "RWrist": 9}  # pixels, of a person 450 pixels tall


def person(frames: int, *, size: float = 450.0) -> np.ndarray:
    """(frames, 17, 2) pixels: joints on a slope of 3 to 4, so that the person's extent is exactly `size`."""
    share = np.linspace(0, 1, H36M_17.num_joints)[:, None] * [0.6, 0.8]
    return np.broadcast_to(500 + size * share, (frames, H36M_17.num_joints, 2)).copy()


def errors_of(clips: int, frames: int, *, fps: float, seed: int = 0, size: float = 450.0) -> np.ndarray:
    """(clips, frames, 17, 2) pixels."""
    true = person(frames, size=size)
    made = [simulate_detections(true, fps=fps, rng=np.random.default_rng([seed, clip])) for clip in range(clips)]
    return np.stack(made) - true


def robust_std(values: np.ndarray, axis) -> np.ndarray:
    """Standard deviation from the quartiles, which a few lost joints hardly move."""
    low, high = np.quantile(values, [0.25, 0.75], axis=axis)
    return (high - low) / 1.3490


def correlation(errors: np.ndarray, lag: int) -> float:
    """Between a frame and the one `lag` frames later, over joints that are not lost, in units of their sigma."""
    scaled = errors / robust_std(errors, axis=(0, 1, 3))[:, None]
    now, later = scaled[:, :-lag].ravel(), scaled[:, lag:].ravel()
    usual = (np.abs(now) < 4) & (np.abs(later) < 4)
    return float(np.corrcoef(now[usual], later[usual])[0, 1])


def lost_share(errors: np.ndarray) -> np.ndarray:
    """(17,): share of a joint's frames that are further than 50 pixels away, where no usual error comes."""
    return (np.linalg.norm(errors, axis=-1) > 50).mean(axis=(0, 1))


@pytest.fixture(scope="module")
def short_clips() -> np.ndarray:
    return errors_of(1200, 16, fps=50)


@pytest.fixture(scope="module")
def long_clips() -> np.ndarray:
    """1200 seconds at 50 frames per second."""
    return errors_of(20, 3000, fps=50)


def test_each_joint_has_the_standard_deviation_of_its_kind(short_clips) -> None:
    found = {joint: robust_std(short_clips[:, :, H36M_17.index(joint)], axis=None) for joint in SIGMA}
    assert found == pytest.approx(SIGMA, rel=0.05)


def test_the_error_is_centred_on_the_truth_and_stationary_from_the_first_frame_on(short_clips) -> None:
    scaled = short_clips / robust_std(short_clips, axis=(0, 1, 3))[:, None]
    assert robust_std(scaled, axis=(0, 2, 3)) == pytest.approx(np.ones(16), rel=0.05)
    assert np.abs(np.median(scaled, axis=(0, 1))).max() < 0.1


@pytest.mark.parametrize(("fps", "lag"), [(25, 3), (100, 12), (50, 1)])
def test_the_wandering_part_forgets_63_percent_in_its_memory_s_time_at_any_frame_rate(fps, lag) -> None:
    # 0.35 of the standard deviation never changes, the rest falls to 1/e in 0.12 seconds.
    expected = 0.35**2 + (1 - 0.35**2) * np.exp(-lag / fps / 0.12)
    assert correlation(errors_of(400, lag + 8, fps=fps), lag) == pytest.approx(expected, abs=0.03)


def test_after_a_second_only_the_clip_s_own_offset_is_left(long_clips) -> None:
    # A clip has one offset per coordinate, so twenty clips of 34 coordinates tell its size.
    assert correlation(long_clips, 50) == pytest.approx(0.35**2, abs=0.03)


def test_losses_are_occasional_and_more_frequent_at_extremities_than_at_the_trunk(long_clips) -> None:
    share = lost_share(long_clips)
    # 0.04 losses per second of 0.2 seconds each; 53 % of the places drawn are further than 50 pixels away.
    assert share.mean() == pytest.approx(0.04 * 0.2 * np.exp(-(50**2) / 2 / 45**2), rel=0.2)
    wrists = share[[H36M_17.index("LWrist"), H36M_17.index("RWrist")]].mean()
    trunk = share[[H36M_17.index(name) for name in ("Hip", "Thorax", "Neck")]].mean()
    assert 1.5 < wrists / trunk < 3.5  # their jitter is 9 to 4


def test_a_loss_lasts_a_fifth_of_a_second_and_stays_in_its_place(long_clips) -> None:
    far = np.linalg.norm(long_clips, axis=-1) > 80
    edges = np.diff(far.astype(int), axis=1, prepend=0, append=0)
    # A loss right at the limit of 80 pixels is cut by the wandering part, so that pieces are shorter than losses.
    assert 6 < far.sum() / (edges == 1).sum() < 11


def test_errors_grow_in_proportion_to_the_person_and_count_in_proportion() -> None:
    small, large = (errors_of(3, 200, fps=50, size=size) for size in (225.0, 900.0))
    np.testing.assert_allclose(large, 4 * small, atol=1e-9)
    np.testing.assert_allclose(scores_at(10, clips=3), scores_at(20, clips=3, size=900.0), atol=1e-9)


# Scores


def scores_at(distance: float, *, clips=300, frames=16, size=450.0, fps=50) -> np.ndarray:
    """(clips, frames, 17): of keypoints that all lie so many pixels from their places."""
    true = person(frames, size=size)
    beside = true + distance * np.array([0.6, 0.8])
    made = [simulate_scores(beside, true, fps=fps, rng=np.random.default_rng(clip)) for clip in range(clips)]
    return np.stack(made)


def odds(scores: np.ndarray) -> np.ndarray:
    return np.log(scores / (1 - scores))


@pytest.mark.parametrize(("distance", "median"), [(0, 0.924), (6, 0.881), (15, 0.777), (30, 0.5), (60, 0.076)])
def test_a_detector_is_less_sure_of_what_lies_further_from_its_place(distance, median) -> None:
    assert np.median(scores_at(distance)) == pytest.approx(median, abs=0.01)


def test_a_detector_misjudges_by_a_standard_deviation_of_1_in_log_odds_wherever_the_keypoint_is() -> None:
    for distance in (0, 30):
        assert odds(scores_at(distance, clips=400)).std() == pytest.approx(1, rel=0.03)


def test_no_score_tells_a_usual_error_but_together_they_do() -> None:
    true = person(5000)
    errors, scores = [], []
    for clip in range(10):
        found = simulate_detections(true, fps=50, rng=np.random.default_rng([0, clip]))
        errors.append(np.linalg.norm(found - true, axis=-1))
        scores.append(simulate_scores(found, true, fps=50, rng=np.random.default_rng([1, clip])))
    errors, scores = np.array(errors), np.array(scores)
    usual = errors < 20
    assert -0.45 < np.corrcoef(errors[usual], odds(scores[usual]))[0, 1] < -0.2
    lost = errors > 50
    assert (scores[lost] < 0.3).mean() > 0.9
    assert 0.2 < lost[scores < 0.3].mean() < 0.6  # most of what is doubted is where it should be, or nearly
