"""Scores that files give of their keypoints: from 0 to 1, or refused."""

import numpy as np

from pose3d_lib.common.errors import InputError

MOST_BEYOND = 0.05
"""Share of a file's scores that may lie beyond 0 to 1, as peaks of some detectors' heat maps do by a little; of more, the
scores are logits, percents, sums or anything else. A judgement."""

WITHOUT = "leave the parameter scores out to use the keypoints alone"


def bounded(
    scores: np.ndarray, where: object, name: str, *, remedy: str = f"write them so into the file, or {WITHOUT}"
) -> tuple[np.ndarray, list[str]]:
    """The scores with those beyond 0 to 1 moved to the nearer of both, and a note if there are such; NaN stays.

    Args:
        scores: of any shape, NaN where there is no keypoint.
        where: the file, for messages.
        name: whose they are, for the note.
        remedy: what to do where they are no scores, for messages.

    Raises:
        InputError: more than MOST_BEYOND of them lie beyond 0 to 1.
    """
    known = scores[np.isfinite(scores)]
    beyond = int(((known < 0) | (known > 1)).sum())
    if beyond > MOST_BEYOND * known.size:
        raise InputError(
            f"{where}: scores go from {known.min():.3g} to {known.max():.3g}, and {beyond / known.size:.0%} of them lie beyond "
            f"0 to 1; expected something like probabilities: {remedy}"
        )
    if not beyond:
        return scores, []
    return scores.clip(0, 1), [
        f"{name}: {beyond:,} of {known.size:,} scores lie beyond 0 to 1 and count as the nearer of both."
    ]
