"""Intervals and analysis of variance: against statsmodels and scipy, against numbers worked out here, and the document's."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.study.two_way import (
    TakeErrors,
    Takes,
    actions_in_general,
    complete_table,
    holm,
    mean_of_set,
    mean_squares,
    single_actions,
    spread_of_takes,
)

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
EXAMPLE = np.array([[-36, -12, 3], [-33, -5, 9], [-41, -11, 2], [-34, -8, 10]]).T / 100  # that of the document


def log(percent: float) -> float:
    return np.log1p(percent / 100)


def table(actions: int = 6, replicates: int = 5, *, between: float = 0.15, shared: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng([actions, replicates])
    own = rng.normal(-0.1, between, (actions, 1)) + rng.normal(0, shared, (1, replicates))
    return own + rng.normal(0, 0.04, (actions, replicates))


def errors(**changes: float | None) -> pd.Series:
    """Two actions in three replicates, the action-based error being half; a change is of "arm action replicate"."""
    rows = product(((ORIGINAL, 80.0), (ACTION_BASED, 40.0)), ("Walking", "Eating"), range(3))
    found = {(arm, name, seed): changes.get(f"{arm[0]}{name[0]}{seed}", error) for (arm, error), name, seed in rows}
    return pd.Series(found, dtype=float).dropna()


# The table


def test_a_table_has_the_log_ratios_in_the_order_asked_for() -> None:
    y = complete_table(errors(OE1=20.0), ["Eating", "Walking"])
    assert list(y.index) == ["Eating", "Walking"]
    assert y.to_numpy() == pytest.approx(np.log([[0.5, 2, 0.5], [0.5, 0.5, 0.5]]))
    assert list(complete_table(errors(), ["Walking"]).index) == ["Walking"]


def test_a_replicate_that_lacks_a_run_is_left_out() -> None:
    assert list(complete_table(errors(AE0=None, OW2=None), ["Walking", "Eating"]).columns) == [1]
    assert complete_table(errors(), ["Walking", "Eating", "Sitting"]).shape == (3, 0)
    assert complete_table(errors().iloc[:0], ["Walking"]).shape == (1, 0)


def test_a_table_refuses_what_has_no_logarithm_and_two_errors_of_one_run() -> None:
    for error in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match=r"not a positive number.*Eating"):
            complete_table(errors(AE0=error), ["Walking", "Eating"])
    with pytest.raises(ValueError, match="duplicate"):
        complete_table(pd.concat([errors(), errors()]), ["Walking"])


def test_holm_s_correction_is_that_of_statsmodels() -> None:
    for p in np.random.default_rng(0).random((5, 15)).round(1) / 10:  # with ties
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@pytest.mark.filterwarnings("ignore:.*deprecated and will be removed")  # in statsmodels' own import
def test_mean_squares_are_those_of_statsmodels() -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    y = table()
    long = pd.DataFrame(y).melt(ignore_index=False).reset_index(names="action")
    anova = anova_lm(ols("value ~ C(action) + C(variable)", long).fit())
    assert mean_squares(y) == pytest.approx(tuple(anova.mean_sq))
    assert actions_in_general(y).p_heterogeneity == pytest.approx(anova["PR(>F)"].iloc[0])


# (a)


def test_the_mean_of_a_set_has_the_t_interval_of_its_replicates() -> None:
    y = table()
    means = y.mean(axis=0)
    expected = stats.ttest_1samp(means, 0)
    effect = mean_of_set(y)
    assert (log(effect.low), log(effect.high)) == pytest.approx(tuple(expected.confidence_interval()))
    assert (log(effect.value), effect.p, effect.df) == pytest.approx((means.mean(), expected.pvalue, 4))
    assert effect.deviation == pytest.approx(means.std(ddof=1))
    assert effect.row("error") == {"error": effect.value, "low": effect.low, "high": effect.high, "p": effect.p}


def test_an_exact_permutation_of_signs_gives_nearly_the_p_of_a_mean() -> None:
    y = table(6, 12)
    y += 0.02 - y.mean()
    exact = stats.permutation_test((y.mean(axis=0),), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert mean_of_set(y).p == pytest.approx(exact.pvalue, rel=0.05)


# (b)


def test_where_replicates_share_nothing_it_is_a_meta_analysis_of_the_actions_means() -> None:
    y = table(8, 4, shared=0)
    y -= y.mean(axis=0) - y.mean()  # so that MS_replicate is 0
    squares, general = mean_squares(y), actions_in_general(y)
    meta = combine_effects(y.mean(axis=1), np.full(8, squares.residual / 4), method_re="chi2", use_t=True)
    assert general.between**2 == pytest.approx(meta.tau2)
    assert general.mean.df == 7
    assert (log(general.mean.low), log(general.mean.high)) == pytest.approx(meta.conf_int()[1])
    half = (log(general.unseen[1]) - log(general.unseen[0])) / 2
    assert half == pytest.approx(stats.t.isf(0.025, 7) * np.sqrt(meta.tau2 + squares.action / 32))


def test_what_replicates_share_widens_the_interval() -> None:
    y = table(8, 4, shared=0.1)
    squares, effect = mean_squares(y), actions_in_general(y).mean
    parts, df = np.array([squares.action, squares.replicate, -squares.residual]) / 32, np.array([7, 3, 21])
    assert effect.df == pytest.approx(parts.sum() ** 2 / (parts**2 / df).sum())
    half = stats.t.isf(0.025, effect.df) * np.sqrt(parts.sum())
    assert (log(effect.low), log(effect.high)) == pytest.approx((y.mean() - half, y.mean() + half))


def test_a_shrunken_effect_keeps_the_share_of_its_variance_that_is_no_noise() -> None:
    y = table()
    general, squares = actions_in_general(y), mean_squares(y)
    kept = 1 - squares.residual / squares.action
    assert np.log1p(general.shrunken / 100) == pytest.approx(y.mean() + kept * (y.mean(axis=1) - y.mean()))


def test_actions_that_differ_less_than_by_chance_differ_by_nothing() -> None:
    y = np.array([[1.0, -1, 1, -1], [-1, 1, -1, 1], [0.1, 0, 0, 0]]) / 10
    general = actions_in_general(y)
    assert general.between == 0
    assert general.p_heterogeneity > 0.9
    assert general.shrunken == pytest.approx(100 * np.expm1(y.mean()))
    assert general.unseen == pytest.approx((general.mean.low, general.mean.high), rel=0.5)


# (c)


def test_single_actions_share_the_mean_of_their_variances() -> None:
    y = table()
    effects, p = single_actions(y)
    variance = y.var(axis=1, ddof=1).mean() / 5
    squares = mean_squares(y)
    parts, df = np.array([squares.replicate, 5 * squares.residual]) / 30, np.array([4, 20])
    assert parts.sum() == pytest.approx(variance)
    half = stats.t.isf(0.025, variance**2 / (parts**2 / df).sum()) * np.sqrt(variance)
    for effect, own in zip(effects, y, strict=True):
        assert (log(effect.low), log(effect.high)) == pytest.approx((own.mean() - half, own.mean() + half))
        assert effect.deviation == pytest.approx(own.std(ddof=1))
    assert p == pytest.approx(holm(np.array([effect.p for effect in effects])))
    alone = table(1, 5)
    assert single_actions(alone)[0] == [mean_of_set(alone)]


# Fixed data


def take_errors(ratios, frames=None, subjects=None) -> TakeErrors:
    ratios = np.asarray(ratios, dtype=float)
    number = len(ratios)
    frames = np.ones(number) if frames is None else np.array(frames)
    return TakeErrors(np.full(number, 50.0), 50 * ratios, frames, subjects or ["S9"] * number)


def test_takes_vary_within_their_subject() -> None:
    ratios, subjects = np.array([0.90, 0.92, 0.95, 1.02, 1.05]), ["S9"] * 3 + ["S11"] * 2
    takes = spread_of_takes([take_errors(ratios, subjects=subjects)], draws=50_000)
    expected = (3 * ratios[:3].var(ddof=1) + 2 * ratios[3:].var(ddof=1)) / 25 / ratios.mean() ** 2
    assert takes.variance == pytest.approx([expected], rel=0.03)
    assert takes.df == [3]
    again = spread_of_takes([take_errors(ratios, subjects=subjects)], draws=50_000)
    assert takes.variance == again.variance


def test_a_subject_with_one_take_is_drawn_with_the_others() -> None:
    ratios = np.array([0.90, 0.92, 1.02])
    takes = spread_of_takes([take_errors(ratios, subjects=["S9", "S9", "S11"])], draws=50_000)
    assert takes.variance == pytest.approx([ratios.var(ddof=1) / 3 / ratios.mean() ** 2], rel=0.03)
    assert takes.df == [2]


def test_an_action_with_one_take_has_the_variance_of_a_take_of_the_others() -> None:
    known = take_errors([0.9, 1.0, 1.1, 0.95])
    takes = spread_of_takes([known, take_errors([1.0]), take_errors([0.9, 1.1], frames=[300, 100])])
    per_take = (3 * takes.variance[0] * 4 + takes.variance[2] / (10 / 16)) / 4
    assert takes.pooled == pytest.approx([per_take / 4, per_take, per_take * 10 / 16])
    assert takes.variance[1] == takes.pooled[1]
    assert list(takes.df) == [3, 4, 1]
    assert takes.pooled_df == 4


def test_takes_add_to_the_variance_of_seeds() -> None:
    y = table(3, 4)
    none = Takes(np.zeros(3), np.full(3, 2.0), np.zeros(3), 6)
    some = Takes(np.full(3, 0.03), np.full(3, 2.0), np.full(3, 0.03), 6)
    assert mean_of_set(y, takes=none).low == pytest.approx(mean_of_set(y).low)
    assert single_actions(y, takes=none)[1] == pytest.approx(single_actions(y)[1])
    assert actions_in_general(y, takes=none).between == pytest.approx(actions_in_general(y).between)

    parts, df = np.array([y.mean(axis=0).var(ddof=1) / 4, *[0.03 / 9] * 3]), np.array([3, 2, 2, 2])
    effect = mean_of_set(y, takes=some)
    assert effect.df == pytest.approx(parts.sum() ** 2 / (parts**2 / df).sum())
    half = stats.t.isf(0.025, effect.df) * np.sqrt(parts.sum())
    assert log(effect.high) - log(effect.low) == pytest.approx(2 * half)

    squares, general = mean_squares(y), actions_in_general(y, takes=some)
    assert general.mean == actions_in_general(y).mean  # the takes are in MS_action
    noise, df = squares.residual + 4 * 0.03, np.array([6, 6])
    of_noise = noise**2 / (np.array([squares.residual, 4 * 0.03]) ** 2 / df).sum()
    assert general.p_heterogeneity == pytest.approx(stats.f.sf(squares.action / noise, 2, of_noise))
    assert general.between**2 == pytest.approx(max(0, (squares.action - squares.residual) / 4 - 0.03))
    assert single_actions(y, takes=some)[0][0].low < single_actions(y)[0][0].low


# Too few


def test_what_one_replicate_or_single_takes_cannot_tell_is_no_number() -> None:
    y = table(3, 4)
    single = spread_of_takes([take_errors([1.0])] * 3)
    effects = [mean_of_set(y[:, :1]), mean_of_set(y, takes=single), actions_in_general(y[:, :1]).mean]
    effects += [actions_in_general(y[:1]).mean, *single_actions(y[:, :1])[0], *single_actions(y, takes=single)[0]]
    for effect in effects:
        assert np.isfinite(effect.value)
        assert np.isnan([effect.low, effect.high, effect.p, effect.df]).all()
    assert np.isnan(single_actions(y[:, :1])[1]).all()


# The document


def test_the_example_of_the_document_is_what_comes_out() -> None:
    every, general, (singles, p) = mean_of_set(EXAMPLE), actions_in_general(EXAMPLE), single_actions(EXAMPLE)
    squares = mean_squares(100 * EXAMPLE)
    words = " ".join(DOCUMENT.split())
    for effect in (every, general.mean, *singles):
        assert f"**{effect.value:+.1f} % ({effect.low:+.1f} to {effect.high:+.1f})**" in words
    for own in (
        "here {:.1f} for actions, {:.1f} for replicates, {:.2f} for the residual".format(*squares),
        "the four are {:.1f}, {:.1f}, {:.1f} and {:.1f}".format(*100 * EXAMPLE.mean(axis=0)),
        f"mean {100 * EXAMPLE.mean():.1f}, s = {100 * every.deviation:.2f}, t = {stats.t.isf(0.025, 3):.2f}",
        f"from {100 * log(every.low):.1f} to {100 * log(every.high):.1f}",
        f"p = {every.p:.4f}",
        f"= {(squares.action + squares.replicate - squares.residual) / 12:.1f}, with {general.mean.df:.1f} degrees",
        f"here {100 * general.between:.1f};",
        f"= {(squares.replicate + 2 * squares.residual) / 3:.1f}.",
        f"{p[0]:.5f}, {p[1]:.3f}, {p[2]:.3f}",
    ):
        assert own in words
