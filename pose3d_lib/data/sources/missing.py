"""Keypoints that a detector did not find, their interpolation, and the scores of those that it found."""

import numpy as np

from pose3d_lib.common.errors import InputError

NEVER_CONFIDENCE = -1.0  # below it, scores are logits, of which 0 is nothing special; -1 itself is often "none"
# Share of scores beyond 0 to 1, as peaks of heat maps are; more of them are on another scale. A judgement.
MOST_BEYOND = 0.05
WITHOUT = "leave the parameter scores out to use the keypoints alone"


def find_missing(keypoints: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(...) bool: NaN, exactly (0, 0), exactly (-1, -1), or a score at or below 0; other negative places are outside.

    Keypoints are (..., 2): x, y; scores (...), of everything that the file holds, as they are; a NaN says nothing.
    """
    lost = np.isnan(keypoints).any(axis=-1) | (keypoints == 0).all(axis=-1) | (keypoints == -1).all(axis=-1)
    return lost if (scores < NEVER_CONFIDENCE).any() else lost | (scores <= 0)


def interpolate(points: np.ndarray, missing: np.ndarray) -> None:
    """Put missing keypoints, in place, on a line between the frames around them, at the ends where they are seen next.

    Those that no frame has stay as they are. Points are (frames, joints, 2 or 3): a third number, the score, becomes 0.
    """
    frames = np.arange(len(points))
    for joint in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        gone, seen = np.flatnonzero(missing[:, joint]), np.flatnonzero(~missing[:, joint])
        for axis in range(2):
            points[gone, joint, axis] = np.interp(frames[gone], seen, points[seen, joint, axis])
    points[missing, 2:] = 0


def count_missing(count: int, keypoints: int) -> str:
    """Say how many of a source's keypoints were not detected; without a full stop."""
    return f"{count:,} of {keypoints:,} keypoints were not detected (no number, (0, 0), (-1, -1) or a score of 0)"


def longest_gap(missing: np.ndarray) -> int:
    """The largest number of frames in a row in which some joint is missing: (frames, joints)."""
    return max((stop - start for column in missing.T for start, stop in true_runs(column)), default=0)


def true_runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Start and stop of every stretch of True."""
    edges = np.flatnonzero(np.diff(values.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def bounded(scores: np.ndarray, where: object, name: str) -> tuple[np.ndarray, list[str]]:
    """The scores with those beyond 0 to 1 moved to the nearer of both, and a note if there are such; NaN stays.

    `where` is the file, for messages; `name` is whose scores they are, for the note.

    Raises:
        InputError: more than MOST_BEYOND of them lie beyond 0 to 1.
    """
    known = scores[np.isfinite(scores)]
    beyond = int(((known < 0) | (known > 1)).sum())
    if beyond > MOST_BEYOND * known.size:
        raise InputError(
            f"{where}: scores go from {known.min():.3g} to {known.max():.3g}, and {beyond / known.size:.0%} of them "
            f"lie beyond 0 to 1; expected something like probabilities: write them so into the file, or {WITHOUT}"
        )
    if not beyond:
        return scores, []
    said = f"{name}: {beyond:,} of {known.size:,} scores lie beyond 0 to 1 and count as the nearer of both."
    return scores.clip(0, 1), [said]
