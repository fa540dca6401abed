"""The exact tests, against every permutation counted here one by one."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose3d_lib.study.permutations import p_of_groups, p_of_signs

values = st.integers(-1000, 1000).map(lambda number: number / 8)  # sums of eighths are exact, so that ties are ties


def two_sided(observed: float, all_of_them: list[float]) -> float:
    below = np.mean([value <= observed for value in all_of_them])
    above = np.mean([value >= observed for value in all_of_them])
    return min(1.0, 2 * min(below, above))


@given(st.lists(values, min_size=2, max_size=4), st.lists(values, min_size=2, max_size=4))
@settings(max_examples=40, deadline=None)
def test_two_groups_against_all_ways_to_deal_them(first: list[float], second: list[float]) -> None:
    joined = np.array(first + second)

    def difference(chosen: tuple[int, ...]) -> float:  # of the sum rather than the mean: their order is the same
        return -float(joined[list(chosen)].sum())

    ways = [difference(chosen) for chosen in combinations(range(len(joined)), len(first))]
    p, smallest = p_of_groups(np.array(first), np.array(second))
    assert p == pytest.approx(two_sided(difference(tuple(range(len(first)))), ways))
    assert smallest == pytest.approx(2 / len(ways))
    assert p >= smallest


@given(st.lists(values, min_size=2, max_size=8))
@settings(max_examples=40, deadline=None)
def test_signs_against_all_ways_to_choose_them(differences: list[float]) -> None:
    sums = [float(np.dot(signs, differences)) for signs in product((-1, 1), repeat=len(differences))]
    p, smallest = p_of_signs(np.array(differences))
    assert p == pytest.approx(two_sided(sum(differences), sums))
    assert smallest == pytest.approx(2 / 2 ** len(differences))


@pytest.mark.parametrize(
    ("runs", "smallest"), [((2, 2), 1 / 3), ((3, 3), 0.1), ((5, 3), 1 / 28), ((5, 5), 1 / 126), ((7, 5), 1 / 396)]
)
def test_the_smallest_p_of_so_many_runs_is_reached_by_groups_apart(runs: tuple[int, int], smallest: float) -> None:
    first, second = np.arange(runs[0]), 100.0 + np.arange(runs[1])
    assert p_of_groups(first, second) == pytest.approx((smallest, smallest))
    assert p_of_groups(second, first) == pytest.approx((smallest, smallest))


@pytest.mark.parametrize("takes", [2, 4, 13])
def test_the_smallest_p_of_so_many_takes_is_reached_by_differences_of_one_sign(takes: int) -> None:
    assert p_of_signs(np.linspace(1, 2, takes)) == pytest.approx((2 / 2**takes, 2 / 2**takes))


def test_where_there_are_too_many_ways_9999_of_them_are_drawn_at_random() -> None:
    assert p_of_signs(np.linspace(1, 2, 60)) == pytest.approx((2 / 10_000, 2 / 10_000))
    groups = np.arange(10.0), 100 + np.arange(10.0)
    assert p_of_groups(*groups) == pytest.approx((2 / 10_000, 2 / 10_000))
    mixed = np.random.default_rng(0).normal(0.1, 1, 60)
    p, smallest = p_of_signs(mixed)
    assert smallest < 0.05 < p < 1
    assert p_of_signs(mixed) == (p, smallest), "the same ways are drawn each time"


@pytest.mark.parametrize("runs", [(1, 1), (1, 5), (5, 1)])
def test_one_run_of_an_arm_tells_nothing(runs: tuple[int, int]) -> None:
    assert p_of_groups(np.zeros(runs[0]), np.full(runs[1], 9.0)) == (1.0, 1.0)


def test_one_take_tells_nothing() -> None:
    assert p_of_signs(np.array([9.0])) == (1.0, 1.0)
