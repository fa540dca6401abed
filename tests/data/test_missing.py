"""Scores of files lie between 0 and 1, where single ones may be moved, or are refused as something else."""

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.missing import bounded


@pytest.mark.parametrize("scores", [np.array([[0, 1], [np.nan, 0.5]], np.float32), np.full(3, np.nan)])
def test_scores_from_0_to_1_or_of_nobody_stay_as_they_are_and_nothing_is_said(scores) -> None:
    found, said = bounded(scores, "v.json", "v")
    assert found is scores
    assert said == []


def test_a_few_beyond_are_moved_to_the_nearer_end_and_counted() -> None:
    scores = np.full(100, 0.5, np.float32)
    scores[[3, 5, 7, 11]] = [1.04, -0.2, np.nan, 2]
    found, said = bounded(scores, "v.json", "v")
    assert found[[3, 5, 11]].tolist() == [1, 0, 1]
    assert np.isnan(found[7])
    assert (np.delete(found, [3, 5, 7, 11]) == 0.5).all()
    assert said == ["v: 3 of 99 scores lie beyond 0 to 1 and count as the nearer of both."]


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (np.linspace(-3, 12, 16), "scores go from -3 to 12, and 88% of them lie beyond 0 to 1"),
        (np.linspace(0, 100, 101), "scores go from 0 to 100, and 98%"),
        (np.array([0.5] * 94 + [1.5] * 6), "scores go from 0.5 to 1.5, and 6%"),
    ],
    ids=["logits", "percents", "too many"],
)
def test_another_scale_is_refused_with_the_file_and_what_to_do(scores, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        bounded(scores, "v.json", "v")
    assert str(refusal.value).startswith(f"v.json: {said}")
    assert "leave the parameter scores out" in str(refusal.value)
