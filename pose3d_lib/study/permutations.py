"""Exact tests by permutation: how rarely a difference as large would arise if it were chance, and how rarely at best.

All are two-sided. Every permutation is tried, or 9,999 drawn at random, the same each time, where there are more. With few
observations p cannot be small whatever they are, so each p comes with the smallest that could have been reached.
"""

from collections.abc import Callable
from math import comb

import numpy as np
from scipy.stats import permutation_test

MOST = 9_999


def p_of_groups(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """p of the difference of two means, (n,) and (m,), over all ways to deal the values to two groups; and the smallest.

    The smallest is 2 / C(n + m, n). A group of one says nothing of its spread: p is 1 then.
    """
    if min(len(first), len(second)) < 2:
        return 1.0, 1.0
    ways = comb(len(first) + len(second), len(first))
    return _permute((first, second), lambda x, y, axis: y.mean(axis) - x.mean(axis), "independent", ways)


def p_of_signs(differences: np.ndarray) -> tuple[float, float]:
    """p of the sum of paired and weighted differences, (n,), over all ways to choose their signs; and the smallest.

    The smallest is 2 / 2^n; of a single difference p is 1.
    """
    if len(differences) < 2:
        return 1.0, 1.0
    return _permute((differences,), lambda x, axis: x.sum(axis), "samples", 2 ** len(differences))


def _permute(samples: tuple[np.ndarray, ...], statistic: Callable, kind: str, ways: int) -> tuple[float, float]:
    result = permutation_test(
        samples, statistic, permutation_type=kind, vectorized=True, n_resamples=MOST, batch=1_000, random_state=0
    )
    return float(result.pvalue), min(1.0, 2 / (ways if ways <= MOST else MOST + 1))
