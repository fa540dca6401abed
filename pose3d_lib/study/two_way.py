"""How sure a change is: t intervals and analysis of variance of log ratios by action and replicate.

The input y is a complete table (actions, replicates) of log(action-based error / original error). A replicate is everything
made again with another seed: people, takes and training where the data is synthetic, training alone where it is fixed.
docs/statistics.md explains the three questions, with a worked example and the simulation behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import fdtrc, stdtr, stdtrit

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL

LEVEL = 0.05  # of all tests, two-sided; intervals are 95 %
DRAWS = 2_000  # of the bootstrap over takes


@dataclass(frozen=True)
class Effect:
    """A change in per cent with its 95 % interval. What cannot be computed, with one replicate for instance, is NaN."""

    value: float
    low: float
    high: float
    p: float  # two-sided, against no change
    df: float  # degrees of freedom of the interval's t
    deviation: float  # standard deviation of one replicate's value, in logs; 0.05 is about 5 %
    replicates: int

    def row(self, name: str = "change") -> dict[str, float]:
        """Its columns of a table: the change under `name`, low, high, p."""
        return {name: self.value, "low": self.low, "high": self.high, "p": self.p}


class TakeErrors(NamedTuple):
    """Errors of both arms on the takes of one action, each the mean over the replicates, any unit; all (takes,)."""

    original: np.ndarray
    action_based: np.ndarray
    frames: np.ndarray
    subjects: Sequence[str]


@dataclass(frozen=True, eq=False)
class Takes:
    """How much the log ratio of each action varies with the takes that were filmed; where replicates share their takes."""

    variance: np.ndarray  # (actions,), from the action's own takes; `pooled` for an action with a single take
    df: np.ndarray  # (actions,), its takes - strata; `pooled_df` for an action with a single take
    pooled: np.ndarray  # (actions,), as if a take varied equally in all actions
    pooled_df: int


@dataclass(frozen=True, eq=False)
class GeneralEffect:
    """What the actions of a table say of actions in general. Effects are in per cent, `between` in logs."""

    mean: Effect  # of the average action
    between: float  # standard deviation of the true effects between actions; 0 if the data shows none
    p_heterogeneity: float  # of F = MS_action / MS_residual; small: the actions differ
    shrunken: np.ndarray  # (actions,), each action's effect pulled towards the mean (empirical Bayes)
    unseen: tuple[float, float]  # 95 % prediction interval of the true effect of an action not in the table


class MeanSquares(NamedTuple):
    """Mean squares of a two-way table without repetition; NaN where there are no degrees of freedom."""

    action: float
    replicate: float
    residual: float


def percent(log_ratio: float) -> float:
    """A log ratio as a change in per cent."""
    return float(100 * np.expm1(log_ratio))


def complete_table(
    errors: pd.Series, actions: Sequence[str], arms: tuple[str, str] = (ORIGINAL, ACTION_BASED)
) -> pd.DataFrame:
    """The table of log ratios, without the replicates that lack a run.

    Args:
        errors: any unit, above 0, with a MultiIndex of arm, action and replicate.
        actions: the rows of the table. An action that is not trained yet must not be among them: every replicate lacks it.
        arms: the ratio is the second to the first.

    Returns:
        (actions, complete replicates), log ratios.

    Raises:
        ValueError: two errors of one arm, action and replicate, or an error that is not a positive number.
    """
    if len(unusable := errors[~errors.between(0, np.inf, inclusive="neither")]):
        raise ValueError(f"an error is not a positive number: {unusable.iloc[:1].to_dict()}")
    wide = errors.unstack().reindex(pd.MultiIndex.from_product([arms, actions])).dropna(axis=1)
    logs = np.log(wide.astype(float))
    return logs.loc[arms[1]] - logs.loc[arms[0]]


def spread_of_takes(actions: Sequence[TakeErrors], *, draws: int = DRAWS) -> Takes:
    """A bootstrap over the takes of each action, drawn within their subject; where a subject has one take, among all.

    Of n takes n - 1 are drawn, so that the variance is not too small for few (Rao and Wu 1988). The same draws every time.
    """
    variance, df, share = np.array([_variance_of_takes(own, draws) for own in actions]).T
    total = int(df.sum())
    pooled = (df * variance / share).sum() / total * share if total else np.full(len(df), np.nan)
    return Takes(np.where(df, variance, pooled), np.where(df, df, total), pooled, total)


def _variance_of_takes(own: TakeErrors, draws: int) -> tuple[float, int, float]:
    """Of the log ratio of one action: variance over takes, degrees of freedom, 1 / (number of takes of equal length)."""
    names, strata = np.unique([*own.subjects], return_inverse=True)
    if np.bincount(strata).min() == 1:
        names, strata = names[:1], np.zeros_like(strata)
    share = float(np.sum(own.frames**2) / np.sum(own.frames) ** 2)
    df = len(strata) - len(names)
    if not df:
        return 0.0, 0, share
    generator, sums = np.random.default_rng(0), np.zeros((draws, 2))
    errors = np.stack([own.original, own.action_based], axis=1) * np.asarray(own.frames)[:, None]
    for number in range(len(names)):
        weighted = errors[strata == number]
        count = len(weighted)
        drawn = generator.multinomial(count - 1, np.full(count, 1 / count), size=draws)
        sums += drawn @ weighted * count / (count - 1)
    return float(np.var(np.log(sums[:, 1] / sums[:, 0]))), df, share


def mean_squares(y: np.ndarray) -> MeanSquares:
    """The analysis of variance of y, (actions, replicates): a main effect of each, and their interaction as residual."""
    actions, replicates = y.shape
    rows, columns = y.mean(axis=1) - y.mean(), y.mean(axis=0) - y.mean()
    residual = y - y.mean() - rows[:, None] - columns
    squares = np.array([replicates * np.sum(rows**2), actions * np.sum(columns**2), np.sum(residual**2)])
    df = np.array([actions - 1, replicates - 1, (actions - 1) * (replicates - 1)])
    return MeanSquares(*np.divide(squares, df, out=np.full(3, np.nan), where=df > 0).tolist())


def _satterthwaite(parts: Sequence[float], df: Sequence[float]) -> tuple[float, float]:
    """The sum of independent parts of a variance and its degrees of freedom.

    Those are at least the smallest of the parts', as theory has it for parts above 0; one that is subtracted would spoil it.
    """
    if min(df) < 1:
        return np.nan, np.nan
    total, spread = float(np.sum(parts)), float(np.sum(np.square(parts) / df))
    return total, max(total**2 / spread if spread else 0.0, float(min(df)))


def _variance(values: np.ndarray) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else np.nan


def _effect(mean: float, variance: float, df: float, per_replicate: np.ndarray) -> Effect:
    """A mean of logs with the variance of its error; `per_replicate` (replicates,) are what it is the mean of."""
    count, deviation = len(per_replicate), float(np.sqrt(_variance(per_replicate)))
    if not (df > 0 and variance >= 0):
        return Effect(percent(mean), np.nan, np.nan, np.nan, np.nan, deviation, count)
    error = float(np.sqrt(variance))
    half = stdtrit(df, 1 - LEVEL / 2) * error
    p = float(2 * stdtr(df, -abs(mean) / error)) if error else float(mean == 0)
    return Effect(percent(mean), percent(mean - half), percent(mean + half), p, df, deviation, count)


def t_interval(values: np.ndarray) -> np.ndarray:
    """The mean of some values and the ends of its 95 % t interval, NaN for a single value: (values,) -> (3,)."""
    mean, count = float(np.mean(values)), len(values)
    half = stdtrit(count - 1, 1 - LEVEL / 2) * np.sqrt(_variance(values) / count) if count > 1 else np.nan
    return np.array([mean, mean - half, mean + half])


def mean_of_set(y: np.ndarray, *, takes: Takes | None = None) -> Effect:
    """(a) The mean effect on a named set of actions: a t interval of the replicates' means. It decides claims.

    Args:
        y: (actions of the set, replicates), log ratios.
        takes: of the same actions, where all replicates share their takes; its variance is added.
    """
    means = y.mean(axis=0)
    parts, df = [_variance(means) / len(means)], [len(means) - 1]
    if takes is not None:
        parts, df = [*parts, *takes.variance / len(y) ** 2], [*df, *takes.df]
    return _effect(float(means.mean()), *_satterthwaite(parts, df), means)


def actions_in_general(y: np.ndarray, *, takes: Takes | None = None) -> GeneralEffect:
    """(b) The effect on actions in general, of which those of the table are a sample: two-way random effects.

    Args:
        y: (actions, replicates), log ratios.
        takes: of the actions, where all replicates share their takes. Their variance is within MS_action already, and is
            taken out of what actions differ by.
    """
    actions, replicates = y.shape
    squares, means = mean_squares(y), y.mean(axis=1)
    df = [actions - 1, replicates - 1, (actions - 1) * (replicates - 1)]

    parts = np.array([squares.action, squares.replicate, -squares.residual]) / y.size
    shares_nothing = parts.sum() < parts[0]  # by chance; the actions' spread alone is the least that is plausible
    variance, df_mean = _satterthwaite(parts[:1], df[:1]) if shares_nothing else _satterthwaite(parts, df)

    noise, df_noise, of_takes = squares.residual, float(df[2]), 0.0
    if takes is not None:
        of_takes = takes.pooled
        noise, df_noise = _satterthwaite([noise, replicates * float(of_takes.mean())], [df[2], takes.pooled_df])
    between = max((squares.action - noise) / replicates, 0.0)
    kept = between / (between + squares.residual / replicates + of_takes) if between else 0.0

    half = stdtrit(df[0], 1 - LEVEL / 2) * np.sqrt(between + variance)
    return GeneralEffect(
        mean=_effect(float(y.mean()), variance, df_mean, y.mean(axis=0)),
        between=float(np.sqrt(between)),
        p_heterogeneity=float(fdtrc(df[0], df_noise, squares.action / noise if noise else np.inf)),
        shrunken=100 * np.expm1(y.mean() + kept * (means - y.mean())),
        unseen=(percent(y.mean() - half), percent(y.mean() + half)),
    )


def single_actions(y: np.ndarray, *, takes: Takes | None = None) -> tuple[list[Effect], np.ndarray]:
    """(c) The effect on each action, not shrunken: t intervals with a variance that is pooled over the actions.

    The pooled variance within actions is (MS_replicate + (actions - 1) MS_residual) / actions: it contains what the actions
    of one replicate share, which the residual alone does not.

    Args:
        y: (actions, replicates), log ratios.
        takes: of the actions, where all replicates share their takes; their pooled variance is added.

    Returns:
        An effect per action, and p after Holm's correction, (actions,): those up to LEVEL are decided.
    """
    actions, replicates = y.shape
    squares = mean_squares(y)
    parts, df = [squares.replicate / y.size], [replicates - 1]
    if actions > 1:
        parts, df = [*parts, (actions - 1) * squares.residual / y.size], [*df, (actions - 1) * (replicates - 1)]
    of_takes = [[]] * actions if takes is None else takes.pooled[:, None]
    df += [] if takes is None else [takes.pooled_df]
    effects = [
        _effect(float(row.mean()), *_satterthwaite([*parts, *own], df), row)
        for row, own in zip(y, of_takes, strict=True)
    ]
    return effects, holm(np.array([effect.p for effect in effects]))


def holm(p: np.ndarray) -> np.ndarray:
    """p after Holm's correction, (tests,) -> the same. (statsmodels' function takes a second to import and 50 ms a call.)"""
    order = np.argsort(p)
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return corrected[np.argsort(order)]
