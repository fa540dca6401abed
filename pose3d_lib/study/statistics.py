"""How sure a difference between two arms is: a bootstrap over runs and takes, and exact tests by permutation.

Two things are random: the runs, which differ in their seeds, and the takes that were filmed. A difference counts as real
only if both say so: p is the larger of two tests, each of which keeps the other source fixed, and the interval has both.
docs/statistics.md gives the reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.stats import permutation_test

DRAWS = 2_000  # of the bootstrap
MOST_PERMUTATIONS = 9_999  # drawn at random, the same each time, where there are more


@dataclass(frozen=True, eq=False)
class Cell:
    """Errors of runs that differ only in their seed, on the same takes.

    Cells with the same name of `runs` share their resampled runs (the baseline on all actions is one set of runs), and those
    with the same name of `takes` their takes (both arms on one action). `takes` is empty where there are no takes to
    resample (a time, say) and `errors` is (runs, 1).
    """

    errors: np.ndarray  # (runs, takes), any unit
    frames: np.ndarray  # (takes,), over all cameras: the weights of the takes
    subjects: tuple[str, ...]  # of each take
    runs: str
    takes: str

    def __post_init__(self):
        shapes = {self.errors.shape[1:], self.frames.shape, (len(self.subjects),)}
        if len(shapes) > 1 or not np.isfinite(self.errors).all() or not (self.frames > 0).all():
            raise ValueError(
                f"the runs {self.runs!r} on {self.takes!r}: not one error, weight and subject for each take, an error is no "
                "number, or a take has no frames"
            )

    @property
    def weights(self) -> np.ndarray:
        """(takes,): the share of each in all frames."""
        return self.frames / self.frames.sum()

    @property
    def per_run(self) -> np.ndarray:
        """(runs,): the frame-weighted mean over the takes."""
        return self.errors @ self.weights

    @property
    def mean(self) -> float:
        return float(self.per_run.mean())


@dataclass(frozen=True)
class Effect:
    """A measured change with its 95 % interval, both in per cent, and the p of its test."""

    value: float
    low: float  # of the interval; NaN where none can be given
    high: float
    p: float  # of the test against the null
    smallest_p: float  # that is possible with this number of runs and takes
    units: str  # number of runs and takes, in words

    def row(self, name: str) -> dict[str, float]:
        """Its columns of a table, that of the change called `name`."""
        return {name: self.value, "low": self.low, "high": self.high, "p": self.p, "smallest_p": self.smallest_p}


def plain_cell(values: Sequence[float], name: str) -> Cell:
    """The cell of one number per run, such as its training time."""
    return Cell(np.array(values, dtype=float)[:, None], np.ones(1), ("",), name, "")


def pooled_mean(arm: Sequence[Cell]) -> float:
    """The plain mean over the actions."""
    return float(np.mean([cell.mean for cell in arm]))


def pooled_per_run(cells: Sequence[Cell]) -> np.ndarray:
    """(runs,): the same for each of the runs that all cells have."""
    runs = min(len(cell.errors) for cell in cells)
    return np.mean([cell.per_run[:runs] for cell in cells], axis=0)


def deviation(values: np.ndarray) -> float:
    """Standard deviation; NaN for one value."""
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of draws; NaN where any of them is."""
    if np.isnan(draws).any():
        return np.nan, np.nan
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


# Bootstrap


def resample_means(cells: Sequence[Cell], *, draws: int = DRAWS) -> np.ndarray:
    """Draw the means of the cells of one arm by a two-level bootstrap: (cells, draws), in the unit of the errors.

    Runs are drawn independently for every set of runs, takes within their subject and the same for all cells of an action;
    where a subject has a single take, all takes are one group. A draw is the mean plus both deviations, divided by
    sqrt(chi^2 / df) with the df of all cells together. Draws are NaN for a single run or a single take.
    """
    runs = {cell.runs: len(cell.errors) - 1 for cell in cells}
    takes = {cell.takes: len(cell.subjects) - len(_strata(cell.subjects)) for cell in cells if cell.takes}
    spread_of_runs = _spread("spread of runs " + "+".join(runs), sum(runs.values()), draws)  # one for each arm
    spread_of_takes = _spread("spread of takes", sum(takes.values()), draws)
    means = np.array([np.full(draws, cell.mean) for cell in cells])
    for row, cell in zip(means, cells, strict=True):
        generator = _generator("runs", cell.runs)
        row += spread_of_runs * _resample(cell.per_run, np.ones(len(cell.errors)), draws, generator)
        if not cell.takes:
            continue
        generator, per_take = _generator("takes", cell.takes), cell.errors.mean(axis=0)
        for own in _strata(cell.subjects):
            deviation_of_takes = _resample(per_take[own], cell.frames[own], draws, generator)
            row += spread_of_takes * cell.weights[own].sum() * deviation_of_takes
    return means


def _generator(kind: str, name: str = "") -> np.random.Generator:
    return np.random.default_rng([0, *f"{kind} {name}".encode()])


def _spread(kind: str, df: int, draws: int) -> np.ndarray:
    """(draws,): sqrt(df / chi^2)."""
    return np.sqrt(df / _generator(kind).chisquare(df, draws)) if df else np.full(draws, np.nan)


def _strata(subjects: Sequence[str]) -> list[np.ndarray]:
    """Numbers of the takes that are drawn among each other: those of a subject, or all of them."""
    names, counts = np.unique(subjects, return_counts=True)
    if counts.min() == 1:
        return [np.arange(len(subjects))]
    return [np.flatnonzero(np.array(subjects) == name) for name in names]


def _resample(values: np.ndarray, weights: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """(draws,): deviations of the weighted mean of values drawn with replacement, widened by sqrt(n / (n - 1))."""
    count = len(values)
    chosen = generator.integers(count, size=(draws, count))
    parts = (values - np.average(values, weights=weights)) * weights / weights.sum()  # by the sum of all: centred draws
    return (np.sqrt(count / (count - 1)) if count > 1 else np.nan) * parts[chosen].sum(axis=1)


def resample_pooled(arms: Sequence[Sequence[Cell]], *, draws: int = DRAWS) -> np.ndarray:
    """The same for each arm's plain mean over the actions: (arms, draws). An arm is a cell of every action, in one order.

    Actions with a single take are drawn among each other, as if they were takes of one action; a single such action joins
    the one with the fewest takes.
    """
    groups = _join_single_takes(arms[0])
    shares = np.array([len(numbers) / len(arms[0]) for numbers in groups])
    pooled = []
    for arm in arms:
        cells = [_join([arm[number] for number in numbers]) for numbers in groups]
        deviations = resample_means(cells, draws=draws) - [[cell.mean] for cell in cells]
        pooled.append(pooled_mean(arm) + shares @ deviations)
    return np.array(pooled)


def _join_single_takes(cells: Sequence[Cell]) -> list[list[int]]:
    """Numbers of the cells that stay alone, and of those whose takes are drawn as one."""
    order = sorted(range(len(cells)), key=lambda number: len(cells[number].subjects))
    single = [number for number in order if cells[number].takes and len(cells[number].subjects) == 1]
    if len(single) == 1:
        single = order[:2]
    return [*([number] for number in order if number not in single), *([single] if single else [])]


def _join(cells: Sequence[Cell]) -> Cell:
    """A cell of the takes of several actions, whose mean is the plain mean over the actions; of the runs all have."""
    if len(cells) == 1:
        return cells[0]
    runs = min(len(cell.errors) for cell in cells)
    weights = np.concatenate([cell.weights for cell in cells])
    names = ["+".join(dict.fromkeys(name)) for name in zip(*((cell.runs, cell.takes) for cell in cells), strict=True)]
    return Cell(np.hstack([cell.errors[:runs] for cell in cells]), weights, ("",) * len(weights), *names)


# Permutation tests, all two-sided


def p_of_groups(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """p of the difference of two means, (n,) and (m,), over all ways to deal the values; and the smallest, 2 / C(n + m, n).

    A group of one says nothing of its spread: p is 1 then.
    """
    if min(len(first), len(second)) < 2:
        return 1.0, 1.0
    ways = comb(len(first) + len(second), len(first))
    return _permute((first, second), lambda x, y, axis: y.mean(axis) - x.mean(axis), "independent", ways)


def p_of_signs(differences: np.ndarray) -> tuple[float, float]:
    """p of the sum of weighted differences, (n,), over all ways to choose their signs; and the smallest, 2 / 2^n."""
    if len(differences) < 2:
        return 1.0, 1.0
    return _permute((differences,), lambda x, axis: x.sum(axis), "samples", 2 ** len(differences))


def _permute(samples: tuple[np.ndarray, ...], statistic: Callable, kind: str, ways: int) -> tuple[float, float]:
    options = {"n_resamples": MOST_PERMUTATIONS, "batch": 1_000, "random_state": 0}
    result = permutation_test(samples, statistic, permutation_type=kind, vectorized=True, **options)
    return float(result.pvalue), min(1.0, 2 / (ways if ways <= MOST_PERMUTATIONS else MOST_PERMUTATIONS + 1))


# Comparisons


def compare(pairs: Sequence[tuple[Cell, Cell]], *, null: float = 0.0) -> Effect:
    """The change, in per cent, of the second arm's mean over the actions relative to the first's, tested against `null`.

    The pairs are the cells of both arms on each action. A run of the pooled second arm is the models of all actions at the
    same place in their lists, limited to the shortest list.
    """
    first, second = (list(arm) for arm in zip(*pairs, strict=True))
    before, after = resample_pooled([first, second])
    value = 100 * (pooled_mean(second) / pooled_mean(first) - 1)

    scale = 1 + null / 100
    original, action_based = pooled_per_run(first), pooled_per_run(second)
    tests = [p_of_groups(original * scale, action_based)]
    units = f"{_count(len(original), 'run')} of the original and {_count(len(action_based), 'run')} of each action-based model"
    differences = [
        (cell.errors.mean(axis=0) - scale * reference.errors.mean(axis=0)) * cell.weights / len(pairs)
        for reference, cell in pairs
        if cell.takes
    ]
    if differences:
        joined = np.concatenate(differences)
        tests.append(p_of_signs(joined))
        units += f" on {_count(len(joined), 'take')}"
    p, smallest_p = (max(numbers) for numbers in zip(*tests, strict=True))
    return Effect(value, *interval(100 * (after / before - 1)), p, smallest_p, units)


def change_within(groups: Sequence[Sequence[float]], *, null: float = 0.0, units: str = "run") -> Effect:
    """The mean of changes (per cent) within runs, in groups of equal weight, such as those of each action; one sample.

    The test flips the signs of the changes minus `null`. It counts the differences between the groups as chance too, and so
    errs towards *not decidable*. `units` names what a change is of.
    """
    cells = [plain_cell(group, str(number)) for number, group in enumerate(groups)]
    changes = np.concatenate([(cell.per_run - null) / len(cell.errors) for cell in cells])
    words = _count(len(changes), units)
    return Effect(pooled_mean(cells), *interval(resample_pooled([cells])[0]), *p_of_signs(changes), words)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
