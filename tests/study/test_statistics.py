"""Bootstrap, permutation tests and comparison: against variances and permutations worked out here, and known truths."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import spearmanr

from pose3d_lib.study.statistics import (
    Cell,
    change_within,
    compare,
    deviation,
    interval,
    p_of_groups,
    p_of_signs,
    plain_cell,
    pooled_mean,
    resample_means,
    resample_pooled,
)
from pose3d_lib.study.verdicts import NOT_DECIDABLE, decide

MANY = 100_000
TWO_BY_TWO = ("S9", "S9", "S11", "S11")


def cell(errors, frames=None, subjects=None, runs: str = "runs", takes: str = "takes") -> Cell:
    errors = np.array(errors, dtype=float)
    number = errors.shape[1]
    frames = np.ones(number) if frames is None else np.array(frames, dtype=float)
    return Cell(errors, frames, subjects or ("S9",) * number, runs, takes)


def draw(own: Cell, draws: int = MANY) -> np.ndarray:
    return resample_means([own], draws=draws)[0]


def spread(df: int) -> float:
    """The variance of Student's t."""
    return df / (df - 2)


# Cells


def test_a_mean_is_weighted_by_frames_and_a_deviation_is_that_of_the_runs() -> None:
    own = cell([[10, 20], [14, 24], [18, 28]], frames=[300, 100])
    assert own.mean == pytest.approx(16.5)
    assert deviation(own.per_run) == pytest.approx(4)
    assert np.isnan(deviation(cell([[10, 20]]).per_run))
    assert plain_cell([3, 5], "times").mean == 4


@pytest.mark.parametrize(("errors", "frames"), [([[1, np.nan]], [1, 1]), ([[1, 2]], [1, 0])])
def test_a_cell_refuses_what_it_cannot_average(errors, frames) -> None:
    with pytest.raises(ValueError, match="is no number"):
        Cell(np.array(errors), np.array(frames), ("S9", "S9"), "runs", "takes")


# The bootstrap: its variance is that of the mean, s^2 / n, times that of Student's t


@pytest.mark.parametrize(("runs", "sets"), [(2, 60), (30, 1)])
def test_few_runs_are_not_drawn_too_narrowly_and_many_spread_as_their_standard_error(runs: int, sets: int) -> None:
    rng = np.random.default_rng(runs)
    cells = [plain_cell(rng.normal(50, 3, runs), str(number)) for number in range(sets)]
    pooled = resample_pooled([cells], draws=MANY)[0]
    expected = np.mean([own.errors.var(ddof=1) / runs for own in cells]) / sets
    assert pooled.mean() == pytest.approx(pooled_mean(cells), abs=0.02)
    assert pooled.var() == pytest.approx(expected * spread(sets * (runs - 1)), rel=0.03)


def test_takes_are_drawn_within_their_subject() -> None:
    subjects = ("S9",) * 20 + ("S11",) * 10
    errors = np.random.default_rng(0).normal(0, 2, (1, 30)) + np.where(np.arange(30) < 20, 90, 50)
    draws = draw(cell(np.repeat(errors, 2, axis=0), subjects=subjects))
    own, other = errors[0, :20], errors[0, 20:]
    expected = (2 / 3) ** 2 * own.var(ddof=1) / 20 + (1 / 3) ** 2 * other.var(ddof=1) / 10
    assert draws.var() == pytest.approx(expected * spread(28), rel=0.03)
    as_one = draw(cell(np.repeat(errors, 2, axis=0), subjects=tuple(map(str, range(30)))))  # who have one take each
    assert as_one.var() == pytest.approx(errors.var(ddof=1) / 30 * spread(29), rel=0.03)


def test_a_longer_take_weighs_more() -> None:
    frames = np.array([900.0] * 10 + [100] * 50)
    errors = np.random.default_rng(0).normal(50, 3, 60) + 6 * (frames > 100)
    own = cell(np.repeat([errors], 2, axis=0), frames=frames)
    weights = frames / frames.sum()
    expected = 60 / 59 * ((weights * (errors - own.mean)) ** 2).sum()
    assert draw(own).mean() == pytest.approx(weights @ errors, abs=0.02)
    assert weights @ errors > errors.mean() + 2
    assert draw(own).var() == pytest.approx(expected * spread(59), rel=0.03)
    assert expected > 1.5 * errors.var(ddof=1) / 60, "alike weights would give less"


def test_runs_and_takes_both_add_to_the_spread() -> None:
    rng = np.random.default_rng(1)
    runs, takes = rng.normal(0, 2, 20), rng.normal(0, 3, 24)
    draws = draw(cell(50 + runs[:, None] + takes))
    expected = runs.var(ddof=1) / 20 * spread(19) + takes.var(ddof=1) / 24 * spread(23)
    assert draws.var() == pytest.approx(expected, rel=0.03)


def test_cells_of_the_same_runs_share_their_draws_and_others_do_not() -> None:
    values = [1.0, 2, 4, 8, 16]
    same = resample_means([plain_cell(values, "a"), plain_cell(values, "a")])
    assert np.array_equal(same[0], same[1])
    other = resample_pooled([[plain_cell(values, "a")], [plain_cell(values, "b")]], draws=MANY)
    assert abs(np.corrcoef(other)[0, 1]) < 0.02
    assert abs(spearmanr(*np.abs(other - 6.2)).statistic) < 0.02, "nor how far they are off"


def test_both_arms_share_the_takes() -> None:
    errors = np.array([[30, 90, 40, 60]] * 3)
    pairs = [(cell(errors, runs="a", subjects=TWO_BY_TWO), cell(0.9 * errors, runs="b", subjects=TWO_BY_TWO))]
    effect = compare(pairs)
    assert [effect.value, effect.low, effect.high] == pytest.approx([-10, -10, -10])
    apart = [(pairs[0][0], cell(0.9 * errors, runs="b", takes="others", subjects=TWO_BY_TWO))]
    assert compare(apart).high > 10


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_a_single_run_or_take_has_no_interval(shape: tuple[int, int]) -> None:
    draws = draw(cell(np.random.default_rng(0).normal(50, 2, shape)), 20)
    assert np.isnan(draws).all()
    assert np.isnan(interval(draws)).all()
    assert interval(np.arange(1001.0)) == (25, 975)


# Actions with a single take


def test_actions_with_a_single_take_stand_for_takes_of_one_another() -> None:
    rng = np.random.default_rng(3)
    errors = rng.normal(50, 4, 24)
    arm = [cell([[e], [e]], runs=str(i), takes=str(i)) for i, e in enumerate(errors)]
    draws = resample_pooled([arm], draws=MANY)[0]
    assert draws.mean() == pytest.approx(errors.mean(), abs=0.02)
    assert draws.var() == pytest.approx(errors.var(ddof=1) / 24 * spread(23), rel=0.03)


def test_an_action_that_alone_has_a_single_take_joins_the_one_with_the_fewest() -> None:
    takes = [30.0, 50, 70]
    arm = [cell([takes * 4] * 2, takes="many"), cell([[40.0]] * 2, takes="one"), cell([takes] * 2, takes="few")]
    draws = resample_pooled([arm], draws=MANY)[0]
    assert pooled_mean(arm) == pytest.approx(140 / 3)
    assert draws.mean() == pytest.approx(140 / 3, abs=0.1)
    alone = resample_pooled([[arm[0]]], draws=MANY)[0].var() / spread(11)
    joined = resample_pooled([arm[1:]], draws=MANY)[0].var() / spread(3)
    assert draws.var() / spread(14) == pytest.approx(alone / 9 + joined * 4 / 9, rel=0.05)


# Permutation tests


def two_sided(observed: float, ways: Sequence[float]) -> float:
    near = 1e-9
    below, above = np.mean(np.array(ways) <= observed + near), np.mean(np.array(ways) >= observed - near)
    return min(1.0, 2 * min(below, above))


def test_the_smallest_p_is_reached_by_groups_apart_and_by_differences_of_one_sign() -> None:
    for runs, smallest in (((2, 2), 1 / 3), ((3, 3), 0.1), ((5, 3), 1 / 28), ((5, 5), 1 / 126), ((7, 5), 1 / 396)):
        first, second = np.arange(runs[0]), 100.0 + np.arange(runs[1])
        assert p_of_groups(first, second) == pytest.approx((smallest, smallest))
        assert p_of_groups(second, first) == pytest.approx((smallest, smallest))
    for takes in (2, 4, 13):
        assert p_of_signs(np.linspace(1, 2, takes)) == pytest.approx((2 / 2**takes, 2 / 2**takes))
    many = np.random.default_rng(0).normal(0.1, 1, 60)  # so many ways that 9,999 of them are drawn
    assert p_of_signs(np.abs(many)) == pytest.approx((2 / 10_000, 2 / 10_000))
    assert p_of_signs(many) == p_of_signs(many), "the same each time"
    for runs in ((1, 1), (1, 5), (5, 1)):
        assert p_of_groups(np.zeros(runs[0]), np.full(runs[1], 9.0)) == (1, 1), "one run says nothing"
    assert p_of_signs(np.array([9.0])) == (1, 1)


# Comparing


def make_pairs(
    rng: np.random.Generator, *, runs: Sequence[int] = (5, 5), actions: int = 1, change: float = 0.0
) -> list[tuple[Cell, Cell]]:
    """A made-up study of four takes: runs and takes differ by chance, and the second arm by `change` per cent.

    The baseline's runs have an effect on all actions and one on each; takes differ much, alike for both arms, and a
    little between the arms.
    """
    shared, pairs = rng.normal(0, 1, runs[0]), []
    for number in range(actions):
        size = (50 + 3 * number) * np.array([1, 1 + change / 100])
        frames, take = rng.integers(200, 1200, 4).astype(float), rng.normal(0, 5, 4)
        first = size[0] + shared[:, None] + rng.normal(0, 1, (runs[0], 1)) + rng.normal(0, 0.5, (runs[0], 4))
        second = size[1] + rng.normal(0, 1.4, (runs[1], 1)) + rng.normal(0, 0.5, (runs[1], 4))
        places = (frames, ("S0", "S1", "S0", "S1"))
        own = rng.normal(0, 1, 4)
        name = f"action {number}"
        pairs.append(
            (Cell(first + take, *places, "original", name), Cell(second + take + own, *places, f"model {number}", name))
        )
    return pairs


def test_a_change_is_that_of_the_means_over_the_actions() -> None:
    first = [cell([[50, 60], [54, 64]], frames=[3, 1], runs="o", takes=name) for name in "AB"]
    second = [
        cell([[40, 40], [44, 44]], frames=[3, 1], runs="A", takes="A"),
        cell([[20, 20]], frames=[3, 1], runs="B", takes="B"),
    ]
    assert compare([(first[0], second[0])]).value == pytest.approx(100 * (42 / 54.5 - 1))
    assert compare(list(zip(first, second, strict=True))).value == pytest.approx(100 * (31 / 54.5 - 1))


def by_hand(pairs: Sequence[tuple[Cell, Cell]], null: float) -> tuple[float, float]:
    """p over the runs and p over the takes, counting every permutation."""
    scale = 1 + null / 100
    runs = min(len(second.errors) for _, second in pairs)
    before = scale * np.mean([first.per_run for first, _ in pairs], axis=0)
    after = np.mean([second.per_run[:runs] for _, second in pairs], axis=0)
    joined = np.concatenate([before, after])
    sums = np.array([joined[list(chosen)].sum() for chosen in combinations(range(len(joined)), len(before))])
    weighted = [(s.errors.mean(0) - scale * f.errors.mean(0)) * f.weights for f, s in pairs]
    signed = np.array(list(product((-1, 1), repeat=sum(map(len, weighted))))) @ np.concatenate(weighted)
    return two_sided(before.sum(), sums), two_sided(sum(map(np.sum, weighted)), signed)


def test_p_is_the_larger_of_that_over_runs_and_that_over_takes() -> None:
    rng, larger = np.random.default_rng(0), set()
    for null in (*[0] * 20, -11, 4.0):
        pairs = make_pairs(rng, runs=(4, 3), actions=2, change=-2)
        own = by_hand(pairs, null)
        assert compare(pairs, null=null).p == pytest.approx(max(own))
        larger.add(np.argmax(own))
    assert larger == {0, 1}


@pytest.mark.parametrize(
    ("runs", "actions", "smallest"), [((3, 3), 2, 0.1), ((5, 5), 1, 1 / 8), ((5, 5), 2, 1 / 126), ((1, 5), 2, 1)]
)
def test_the_smallest_p_is_the_larger_of_both(runs: tuple[int, int], actions: int, smallest: float) -> None:
    effect = compare(make_pairs(np.random.default_rng(0), runs=runs, actions=actions, change=-50))
    assert [effect.p, effect.smallest_p] == pytest.approx([smallest] * 2)
    assert f"on {4 * actions} takes" in effect.units


def test_the_models_of_all_actions_at_one_place_are_a_run_as_far_as_all_have_it() -> None:
    more, (first, second) = make_pairs(np.random.default_rng(0), actions=2, change=-50)
    effect = compare([more, (first, replace(second, errors=second.errors[:2]))])
    assert effect.smallest_p == pytest.approx(2 / 21)
    assert effect.units == "5 runs of the original and 2 runs of each action-based model on 8 takes"


def test_times_have_no_takes_and_so_no_test_over_them() -> None:
    effect = compare([(plain_cell([10, 11, 12, 13, 14], "original"), plain_cell([5, 6, 7, 8, 9], "own"))])
    assert effect.p == effect.smallest_p == pytest.approx(2 / 252)
    assert effect.value == pytest.approx(100 * (7 / 12 - 1))
    assert effect.units == "5 runs of the original and 5 runs of each action-based model"


def test_changes_within_runs_are_tested_by_their_signs() -> None:
    effect = change_within([[-3, -5], [-8, -8, -5]], null=-1)
    assert (effect.value, effect.units) == (-5.5, "5 runs")
    assert effect.p == effect.smallest_p == pytest.approx(2 / 32)
    assert effect.low < -5.5 < effect.high
    groups = [[-3, 1], [-8, 2, -5, -6]]
    weighted = np.concatenate([(np.array(own) + 1) / len(own) for own in groups])
    sums = np.array(list(product((-1, 1), repeat=6))) @ weighted
    assert change_within(groups, null=-1).p == pytest.approx(2 * np.mean(sums <= weighted.sum() + 1e-9))
    assert change_within([[0.1, 0.2, 0.4]], units="action").units == "3 actions"
    assert np.isnan(change_within([[-3, -5], [-8]]).low)


# Made-up studies


@pytest.mark.parametrize(("runs", "actions", "change"), [((5, 5), 2, 0.0), ((5, 3), 4, -7.0)])
def test_the_truth_is_hardly_ever_rejected_and_lies_in_the_interval(runs, actions, change) -> None:
    rng = np.random.default_rng(1)
    effects = [compare(make_pairs(rng, runs=runs, actions=actions, change=change), null=change) for _ in range(60)]
    assert np.mean([effect.p <= 0.05 for effect in effects]) < 0.1
    assert np.mean([effect.low <= change <= effect.high for effect in effects]) > 0.92
    assert np.mean([decide(effect, side="below", null=change).word == NOT_DECIDABLE for effect in effects]) > 0.95
