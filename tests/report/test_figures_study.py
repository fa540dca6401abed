"""Figures of the study: what is drawn is what the table holds, certain and uncertain look different, and all can be read."""

import re
from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pose3d_lib.data.actions import ACTION_BASED, H36M_ACTIONS, ORIGINAL
from pose3d_lib.report.figures.layout import COLOURS, MARKERS
from pose3d_lib.report.figures.study import draw_arms, draw_attribution, draw_changes, draw_curves, rate_is_low_from
from pose3d_lib.study.observations import ARMS
from pose3d_lib.study.tables import DATA, LEARNING_RATE, MEAN, QUANTITIES, STALE, UNSEEN, WHOLE
from pose3d_lib.study.tables_beyond import FINE_TUNED, TOLD_ACTION
from tests.helpers.figure_checks import check_printable

TITLE = (
    "Table 1: MPJPE, synthetic-small (synthetic data). 1 unit epoch, published schedule, equal frames, 27-frame network"
)
SCHEDULES = ("epoch", "unit_epoch")
ENDING = "for both arms, equal frames, 27-frame network"
CONDITIONS = [f"{length} unit epochs, {rule} {ENDING}" for length in (1, 16) for rule in "abcd"]


def arms_table(actions: int, *, arms: tuple[str, ...] = ARMS, several: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(product((*H36M_ACTIONS[:actions], MEAN), arms), columns=["action", "arm"])
    table["mean"] = rng.uniform(50, 120, len(table))
    return table.assign(sd=rng.uniform(2, 9, len(table)) if several else np.nan)


def changes_table(actions: int, conditions: int) -> pd.DataFrame:
    names = [*H36M_ACTIONS[:actions], MEAN, UNSEEN]
    table = pd.DataFrame(product(CONDITIONS[:conditions], names), columns=["condition", "action"])
    change = np.random.default_rng(0).normal(0, 20, len(table))
    verdicts = np.resize(["better", "not decidable", "worse"], len(table))
    return table.assign(change=change, low=change - 7, high=change + 5, verdict=verdicts)


def attribution_table(claims: tuple[str, ...] = tuple(QUANTITIES)) -> pd.DataFrame:
    points = {WHOLE: 14.0, DATA: 7.5, LEARNING_RATE: 10.5, STALE: -4.0}
    rows = [(claim, part, own) for claim in claims for part, own in points.items()]
    table = pd.DataFrame(rows, columns=["claim", "part", "log_points"])
    ends = {"effect": 0, "low": -5, "high": 5}
    return table.assign(**{name: 100 * np.expm1((table.log_points + shift) / 100) for name, shift in ends.items()})


def curves_table(
    actions: int, schedules: tuple[str, ...] = SCHEDULES[:1], seeds: int = 3, length: float = 16
) -> pd.DataFrame:
    points = [point for point in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64) if point <= length]
    columns = ["action", "schedule", "arm", "seed", "unit_epochs"]
    rows = product(H36M_ACTIONS[:actions], schedules, ARMS, range(seeds), points)
    table = pd.DataFrame(rows, columns=columns).assign(mpjpe=lambda own: 60 + 40 / (1 + own.unit_epochs) + own.seed**2)
    return table.assign(lr_share=0.5 ** (table.unit_epochs * (table.arm == ACTION_BASED)))


def dots(axes: Axes) -> list[tuple[float, float, Line2D]]:
    """(x, y, dot) of everything drawn as a single point."""
    single = [line for line in axes.lines if len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0]), line) for line in single]


def hollow(dot: Line2D) -> bool:
    return same_color(dot.get_markerfacecolor(), "white")


def bars(axes: Axes) -> list[tuple[float, float, float]]:
    """(low, high, y) of every horizontal interval."""
    lines = [line for own in axes.collections if isinstance(own, LineCollection) for line in own.get_segments()]
    return [(float(line[0, 0]), float(line[1, 0]), float(line[0, 1])) for line in lines]


def rows_of(axes: Axes) -> dict[str, float]:
    """Name -> height of the row that has it."""
    return {label.get_text(): y for label, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}


def note(figure: Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in figure.texts)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


@pytest.mark.parametrize(
    ("draw", "table"),
    [
        *((draw_arms, table) for table in (arms_table(1), arms_table(15), arms_table(2, several=False))),
        *((draw_changes, changes_table(*size)) for size in ((1, 1), (15, 4), (2, 6))),
        *((draw_attribution, attribution_table(claims)) for claims in (("C1",), tuple(QUANTITIES))),
        (draw_curves, curves_table(1, seeds=1, length=0.125)),
        (draw_curves, curves_table(2, SCHEDULES)),
        (draw_curves, curves_table(5, seeds=2, length=64)),
    ],
)
def test_figures_are_legible_at_the_width_of_a_page(draw: Callable[..., Figure], table: pd.DataFrame) -> None:
    check_printable(draw(table, TITLE))


@pytest.mark.parametrize("arms", [ARMS, (*ARMS, FINE_TUNED), (*ARMS, FINE_TUNED, TOLD_ACTION)])
def test_the_arms_dots_and_bars_are_those_of_the_table(arms: tuple[str, ...]) -> None:
    table = arms_table(15, arms=arms).sample(frac=1, random_state=0)
    table = table[(table.action != MEAN) | (table.arm != FINE_TUNED)]
    figure = draw_arms(table, TITLE, arms)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), legend(figure)) == ("MPJPE [mm]", [*arms])
    rows, found = rows_of(axes), dots(axes)
    means = table[table.arm == ORIGINAL].set_index("action")["mean"]
    assert sorted(rows, key=rows.get, reverse=True) == [*means.drop(MEAN).sort_values(ascending=False).index, MEAN]
    assert len(found) == len(table)
    for row in table.to_dict("records"):
        _x, y, dot = next(own for own in found if own[0] == row["mean"])
        assert abs(y - rows[row["action"]]) < 0.5
        assert same_color(dot.get_color(), COLOURS[row["arm"]])
        assert dot.get_marker() == MARKERS[row["arm"]]
        assert not hollow(dot)
        assert (row["mean"] - row["sd"], row["mean"] + row["sd"], y) in bars(axes)


def test_the_note_says_what_the_bars_are_or_why_there_are_none() -> None:
    assert "Bars: standard deviation over the replicates" in note(draw_arms(arms_table(3), TITLE))
    figure = draw_arms(arms_table(3, several=False), TITLE)
    assert bars(figure.axes[0]) == []
    assert "One replicate." in note(figure)
    unknown = changes_table(3, 1).assign(low=np.nan, high=np.nan)
    assert "No intervals: they take several replicates." in note(draw_changes(unknown, TITLE))


def test_every_condition_has_a_panel_with_its_changes_in_the_same_rows_and_undecided_ones_hollow() -> None:
    table = changes_table(15, 4)
    figure = draw_changes(table, TITLE)
    rows = rows_of(figure.axes[0])
    assert sorted(rows, key=rows.get)[:2] == [UNSEEN, MEAN]
    for axes, (condition, own) in zip(figure.axes, table.groupby("condition", sort=False), strict=True):
        assert axes.get_title().replace("\n", " ") == condition
        found = {x: (y, dot) for x, y, dot in dots(axes)}
        for row in own.itertuples():
            y, dot = found[row.change]
            assert y == rows[row.action]
            assert (row.low, row.high, y) in bars(axes)
            if row.action != UNSEEN:
                assert hollow(dot) == (row.verdict == "not decidable")
                assert same_color(dot.get_color(), COLOURS[ACTION_BASED if row.change < 0 else ORIGINAL])
    assert len({(axes.get_ylim(), axes.get_xlim()) for axes in figure.axes}) == 1
    assert legend(figure) == ["action-based is better", "original is better", "not decidable", "prediction interval"]


def test_a_wide_prediction_interval_does_not_squeeze_the_actions() -> None:
    table = changes_table(3, 1)
    table.loc[table.action == UNSEEN, ["low", "high"]] = -90.0, 2000.0
    figure = draw_changes(table, TITLE)
    assert figure.axes[0].get_xlim()[1] < 200
    assert "extends beyond it" in note(figure)


def test_the_published_change_stands_above_its_parts_in_log_points() -> None:
    table = attribution_table(("C1",))
    figure = draw_attribution(table, TITLE)
    axes = figure.axes[0]
    rows = rows_of(axes)
    names = sorted(rows, key=rows.get, reverse=True)
    assert names == ["as published", "= data", "+ learning rate", "+ stale statistics"]
    heights = [rows[name] for name in names]
    (line,) = (own.get_ydata()[0] for own in axes.lines if len({*own.get_ydata()}) == 1 and len(own.get_xdata()) == 2)
    assert heights[1] < line < heights[0]
    assert "As published = data + learning rate + stale statistics, in log points" in note(figure)
    found = sorted(dots(axes), key=lambda own: -own[1])
    assert [x for x, _, _ in found] == [bar.get_width() for bar in axes.patches] == list(table.log_points)
    ends = sorted((low, high) for low, high, _ in bars(axes))
    np.testing.assert_allclose(ends, sorted((own - 5, own + 5) for own in table.log_points))
    assert [text.get_text() for text in axes.texts] == ["+15.0 %", "+7.8 %", "+11.1 %", "−3.9 %"]
    assert [hollow(dot) for _, _, dot in found] == [False, False, False, True]
    assert any(list(line.get_xdata()) == [0, 0] for line in axes.lines)
    titles = [axes.get_title().replace("\n", " ") for axes in draw_attribution(attribution_table(), TITLE).axes]
    assert titles[:2] == ["C1: MPJPE, short training", "C1: velocity error, short training"]
    assert [title[:2] for title in titles] == [claim[:2] for claim in QUANTITIES]


def test_a_curve_is_the_mean_over_seeds_and_its_band_their_range_where_all_seeds_were_tested() -> None:
    table = curves_table(1)
    lacking = (table.seed == 2) & (table.unit_epochs == 4) & (table.arm == ORIGINAL)
    axes = draw_curves(table[~lacking], TITLE).axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    for arm, band in zip(ARMS, axes.collections, strict=True):
        own = table[(table.arm == arm) & ((arm != ORIGINAL) | (table.unit_epochs != 4))]
        errors = own.groupby("unit_epochs").mpjpe
        line = next(own for own in axes.lines if same_color(own.get_color(), COLOURS[arm]))
        np.testing.assert_allclose(line.get_xdata(), errors.mean().index)
        np.testing.assert_allclose(line.get_ydata(), errors.mean())
        corners = band.get_paths()[0].vertices
        assert same_color(band.get_facecolor()[0][:3], COLOURS[arm])
        assert {round(y, 9) for y in errors.min()} | {round(y, 9) for y in errors.max()} <= set(corners[:, 1].round(9))


def test_axes_have_marks_whatever_their_range() -> None:
    for axes in draw_curves(curves_table(2, length=1), TITLE).axes:
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [0.125, 0.25, 0.5, 1]
    table = curves_table(1)
    for errors in ((50.0, 50.0), (51.0, 69.0), (60.0, 900.0)):
        axes = draw_curves(table.assign(mpjpe=np.where(table.unit_epochs > 0.125, *errors)), TITLE).axes[0]
        low, high = axes.get_ylim()
        assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 1 + (errors[0] < errors[1])


def test_the_learning_rate_is_marked_where_it_falls_below_a_hundredth() -> None:
    shares = pd.DataFrame({"unit_epochs": [1.0, 2, 4, 8, 16], "lr_share": 0.5 ** np.array([1.0, 2, 4, 8, 16])})
    assert rate_is_low_from(shares) == pytest.approx(np.log2(100))
    assert rate_is_low_from(shares[:3]) is None
    assert rate_is_low_from(shares.iloc[[1, 4]]) == pytest.approx(np.log2(100))
    assert rate_is_low_from(shares[3:]) == 8
    figure = draw_curves(curves_table(1), TITLE)
    marks = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert marks == [pytest.approx(np.log2(100))]
    assert "action-based learning rate below 1/100 of its start" in legend(figure)


def test_a_number_stays_with_its_unit() -> None:
    title = "unit epochs " * 20 + "4 datasets 0.25 unit epochs " * 20
    lines = draw_arms(arms_table(1), title).texts[0].get_text()
    assert lines.count("\n") > 10
    assert not re.search(r"\d( unit)?\n", lines)


def test_names_that_look_like_formulas_and_very_long_ones_are_shown() -> None:
    table = arms_table(3)
    names = {H36M_ACTIONS[0]: "take $x_1$ of ${y}$", H36M_ACTIONS[1]: "CarryTheHeavyBoxDownTheStairsAndPutItOnTheShelf"}
    table["action"] = table.action.replace(names)
    figure = draw_arms(table, "Cost in $ and in $, " + "of a dataset with a very long name " * 4)
    check_printable(figure)
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert r"take \$x_1\$ of \${y}\$" in shown
    assert any(name.startswith("CarryTheHeav") and name.endswith("OnTheShelf") for name in shown)
