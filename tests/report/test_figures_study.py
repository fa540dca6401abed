"""Figures of the study: what is drawn is what the table holds, certain and uncertain look different, and all can be read."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pose3d_lib.data.actions import ACTION_BASED, H36M_ACTIONS, ORIGINAL
from pose3d_lib.report.figures.attribution import draw_attribution
from pose3d_lib.report.figures.layout import COLOURS, MARKERS, wrap
from pose3d_lib.report.figures.run import ARM_COLOURS
from pose3d_lib.report.figures.study import draw_arms, draw_changes, draw_curves, rate_is_low_from
from pose3d_lib.study.attribution import BATCH_NORM, BUDGET, DATA, LEARNING_RATE, QUANTITIES, WHOLE
from pose3d_lib.study.tables import ARMS, MEAN
from pose3d_lib.study.tables_beyond import FINE_TUNED
from tests.helpers.figure_checks import check_printable

TITLE = "Table 1: MPJPE, synthetic-small (synthetic data). 1 unit epoch, published schedule, equal frames, 27 frames"
SCHEDULES = ("epoch", "unit_epoch", "lr_unit_epoch", "bn_unit_epoch")
CONDITIONS = [
    f"{length} unit epochs, {rule} for both arms, equal frames, 27 frames" for length in (1, 16) for rule in "abcd"
]


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def arms_table(actions: int, *, arms: tuple[str, ...] = ARMS, several: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(action, arm) for action in (*H36M_ACTIONS[:actions], MEAN) for arm in arms]
    table = pd.DataFrame(rows, columns=["action", "arm"]).assign(mean=rng.uniform(50, 120, len(rows)))
    table["low"] = table["mean"] - rng.uniform(2, 9, len(rows)) if several else np.nan
    table["high"] = table["mean"] + rng.uniform(2, 9, len(rows)) if several else np.nan
    return table


def changes_table(actions: int, conditions: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = [*H36M_ACTIONS[:actions], MEAN]
    rows = [(condition, name) for condition in CONDITIONS[:conditions] for name in names]
    table = pd.DataFrame(rows, columns=["condition", "action"])
    table["change"] = rng.normal(0, 20, len(table))
    table["low"], table["high"] = table.change - 7, table.change + 5
    table["verdict"] = np.resize(["lower", "not decidable", "higher"], len(table))
    return table


def attribution_table(claims: tuple[str, ...] = ("C1", "C2", "C3", "C5")) -> pd.DataFrame:
    parts = {WHOLE: 14.0, DATA: 7.5, LEARNING_RATE: 10.5, BATCH_NORM: -4.0, BUDGET: 2.0}
    rows = [
        (quantity.claim, part, effect, effect - 3, effect + 3, quantity.unit)
        for quantity in QUANTITIES
        for part, effect in parts.items()
        if quantity.claim in claims
    ]
    return pd.DataFrame(rows, columns=["claim", "part", "effect", "low", "high", "unit"])


def curves_table(
    actions: int, schedules: tuple[str, ...] = SCHEDULES[:1], seeds: int = 3, length: float = 16
) -> pd.DataFrame:
    points = [point for point in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64) if point <= length]
    rows = [
        (
            action,
            schedule,
            arm,
            seed,
            point,
            60 + 40 / (1 + point) + seed**2,
            0.5**point if arm == ACTION_BASED else 1.0,
        )
        for action in H36M_ACTIONS[:actions]
        for schedule in schedules
        for arm in ARMS
        for seed in range(seeds)
        for point in points
    ]
    return pd.DataFrame(rows, columns=["action", "schedule", "arm", "seed", "unit_epochs", "mpjpe", "lr_share"])


def dots(axes: Axes) -> list[tuple[float, float, Line2D]]:
    """(x, y, dot) of everything that is drawn as a single point."""
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


@pytest.mark.parametrize(("actions", "several"), [(1, True), (15, True), (2, False)])
def test_both_arms_are_legible(actions: int, several: bool) -> None:
    check_printable(draw_arms(arms_table(actions, several=several), TITLE))


def test_the_arms_dots_and_bars_are_those_of_the_table() -> None:
    table = arms_table(15).sample(frac=1, random_state=0)
    axes = draw_arms(table, TITLE, "MPJVE [mm/frame]").axes[0]
    assert axes.get_xlabel() == "MPJVE [mm/frame]"
    rows, found = rows_of(axes), dots(axes)
    means = table[table.arm == ORIGINAL].set_index("action")["mean"]
    names = sorted(rows, key=rows.get, reverse=True)
    assert names == [*means.drop(MEAN).sort_values(ascending=False).index, MEAN]
    assert len(found) == 2 * 16
    for row in table.to_dict("records"):
        _x, y, dot = next(own for own in found if own[0] == row["mean"])
        assert abs(y - rows[row["action"]]) < 0.5
        assert same_color(dot.get_color(), ARM_COLOURS[row["arm"]])
        assert not hollow(dot)
        assert (row["low"], row["high"], y) in bars(axes)


def test_the_note_says_what_the_bars_are_and_why_some_or_all_are_missing() -> None:
    table = arms_table(3)
    assert "Bars: 95 % interval over seeds and takes." in note(draw_arms(table, TITLE))
    assert "No bar" not in note(draw_arms(table, TITLE))
    table.loc[1, ["low", "high"]] = np.nan
    assert "No bar: too few seeds." in note(draw_arms(table, TITLE))
    figure = draw_arms(arms_table(3, several=False), TITLE)
    assert bars(figure.axes[0]) == []
    assert "No intervals" in note(figure)


@pytest.mark.parametrize("actions", [1, 15])
def test_fine_tuned_models_stand_beside_both_arms(actions: int) -> None:
    arms = (*ARMS, FINE_TUNED)
    table = arms_table(actions, arms=arms)
    table = table[(table.action != MEAN) | (table.arm != FINE_TUNED)]
    figure = draw_arms(table, TITLE, "MPJPE [mm]", arms)
    found = dots(figure.axes[0])
    for arm in arms:
        own = [
            x for x, _, dot in found if same_color(dot.get_color(), COLOURS[arm]) and dot.get_marker() == MARKERS[arm]
        ]
        assert sorted(own) == sorted(table[table.arm == arm]["mean"])
    assert legend(figure) == [*arms]
    check_printable(figure)


@pytest.mark.parametrize(("actions", "conditions"), [(1, 1), (15, 4), (2, 6)])
def test_changes_are_legible(actions: int, conditions: int) -> None:
    check_printable(draw_changes(changes_table(actions, conditions), "Change of the MPJPE, synthetic-small"))


def test_every_condition_has_a_panel_with_its_changes_in_the_same_rows() -> None:
    table = changes_table(15, 4)
    panels = draw_changes(table, TITLE).axes
    rows = rows_of(panels[0])
    for axes, (condition, own) in zip(panels, table.groupby("condition", sort=False), strict=True):
        assert axes.get_title().replace("\n", " ") == condition
        for row in own.itertuples():
            assert (row.change, rows[row.action]) in [(x, y) for x, y, _ in dots(axes)]
            assert (row.low, row.high, rows[row.action]) in bars(axes)
    assert len({axes.get_ylim() for axes in panels}) == len({axes.get_xlim() for axes in panels}) == 1


def test_a_change_that_is_not_decidable_is_hollow_and_its_colour_is_that_of_the_better_arm() -> None:
    table = changes_table(15, 1)
    figure = draw_changes(table, TITLE)
    for x, _, dot in dots(figure.axes[0]):
        verdict = table.set_index("change").verdict[x]
        assert hollow(dot) == (verdict == "not decidable")
        assert same_color(dot.get_color(), ARM_COLOURS[ACTION_BASED if x < 0 else ORIGINAL])
    assert legend(figure) == ["action-based is better", "original is better", "not decidable with these runs"]


@pytest.mark.parametrize("claims", [("C1",), ("C1", "C2", "C3")])
def test_the_attribution_is_legible(claims: tuple[str, ...]) -> None:
    figure = draw_attribution(attribution_table(claims), "What the published effects are made of, synthetic-small")
    check_printable(figure)
    assert [axes.get_title()[:2] for axes in figure.axes if axes.get_visible()] == list(claims)


def test_the_published_effect_stands_above_its_parts_and_the_budget_apart() -> None:
    figure = draw_attribution(attribution_table(("C1",)), TITLE)
    axes = figure.axes[0]
    rows = rows_of(axes)
    names = sorted(rows, key=rows.get, reverse=True)
    assert names == ["published effect", "= data", "+ learning rate", "+ batch norm", "budget"]
    heights = [rows[name] for name in names]
    lines = sorted(
        own.get_ydata()[0] for own in axes.lines if len(set(own.get_ydata())) == 1 and len(own.get_xdata()) == 2
    )
    assert len(lines) == 2
    assert heights[1] < lines[1] < heights[0]
    assert heights[4] < lines[0] < heights[3]
    assert "Published effect = data + learning rate + batch norm. Below zero" in note(figure)


def test_effects_their_intervals_and_their_numbers_are_those_of_the_table() -> None:
    table = attribution_table(("C1",))
    axes = draw_attribution(table, TITLE).axes[0]
    found = sorted(dots(axes), key=lambda own: -own[1])
    assert [x for x, _, _ in found] == list(table.effect)
    assert [bar[:2] for bar in sorted(bars(axes), key=lambda own: -own[2])] == list(
        zip(table.low, table.high, strict=True)
    )
    assert [bar.get_width() for bar in axes.patches] == list(table.effect)
    assert [text.get_text() for text in axes.texts] == ["+14.0", "+7.5", "+10.5", "−4.0", "+2.0"]
    assert [hollow(dot) for _, _, dot in found] == [False, False, False, False, True]
    assert any(list(line.get_xdata()) == [0, 0] for line in axes.lines)


def test_every_panel_of_an_attribution_has_its_own_unit_broken_into_lines() -> None:
    figure = draw_attribution(attribution_table(), TITLE)
    assert [axes.get_xlabel().replace("\n", " ") for axes in figure.axes] == [quantity.unit for quantity in QUANTITIES]
    unit = "change of the processor time of training per million windows [% of the original's seconds]"
    figure = draw_attribution(attribution_table().assign(unit=unit), TITLE)
    assert all("\n" in axes.get_xlabel() for axes in figure.axes)
    check_printable(figure)


@pytest.mark.parametrize(
    ("actions", "schedules", "seeds", "length"),
    [(1, 1, 1, 0.125), (2, 4, 3, 16), (5, 1, 2, 64)],
)
def test_learning_curves_are_legible(actions: int, schedules: int, seeds: int, length: float) -> None:
    table = curves_table(actions, SCHEDULES[:schedules], seeds, length)
    figure = draw_curves(table, "How fast either arm learns an action, synthetic-small (synthetic data)")
    assert sum(axes.get_visible() for axes in figure.axes) == actions * schedules
    assert all(axes.get_xscale() == axes.get_yscale() == "log" for axes in figure.axes if axes.get_visible())
    check_printable(figure)


def test_a_curve_is_the_mean_over_seeds_and_its_band_their_range() -> None:
    table = curves_table(1)
    axes = draw_curves(table, TITLE).axes[0]
    for arm, band in zip(ARMS, axes.collections, strict=True):
        errors = table[table.arm == arm].groupby("unit_epochs").mpjpe
        line = next(own for own in axes.lines if same_color(own.get_color(), ARM_COLOURS[arm]))
        np.testing.assert_allclose(line.get_xdata(), errors.mean().index)
        np.testing.assert_allclose(line.get_ydata(), errors.mean())
        corners = band.get_paths()[0].vertices
        assert same_color(band.get_facecolor()[0][:3], ARM_COLOURS[arm])
        assert {round(y, 9) for y in errors.min()} | {round(y, 9) for y in errors.max()} <= set(corners[:, 1].round(9))


@pytest.mark.parametrize("errors", [(50.0, 50.0), (51.0, 69.0), (60.0, 900.0)])
def test_the_axis_of_the_error_has_marks_whatever_its_range(errors: tuple[float, float]) -> None:
    table = curves_table(1)
    table["mpjpe"] = np.where(table.unit_epochs > 0.125, *errors)
    axes = draw_curves(table, TITLE).axes[0]
    check_printable(axes.figure)
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 1 + (errors[0] < errors[1])


def test_a_curve_leaves_out_points_that_a_seed_lacks() -> None:
    table = curves_table(1)
    lacking = (table.seed == 2) & (table.unit_epochs == 4) & (table.arm == ORIGINAL)
    lines = draw_curves(table[~lacking], TITLE).axes[0].lines
    original = next(own for own in lines if same_color(own.get_color(), ARM_COLOURS[ORIGINAL]))
    assert 4 not in original.get_xdata()
    assert 8 in original.get_xdata()


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


def test_a_long_sentence_is_broken_into_lines_of_about_the_same_length_and_none_gets_lost() -> None:
    words = "Bars: 95 % interval over seeds and takes, " * 4
    text = plt.figure(figsize=(7.2, 1)).text(0.5, 0.5, words, fontsize=7)
    wrap(text, 6.5)
    lines = text.get_text().split("\n")
    assert len(lines) == 2
    assert " ".join(lines) == words.strip()
    assert max(map(len, lines)) - min(map(len, lines)) < 12
    assert text.get_window_extent().width / text.get_figure().dpi <= 6.5


def test_names_that_look_like_formulas_and_very_long_ones_are_shown() -> None:
    table = arms_table(3)
    names = {H36M_ACTIONS[0]: "take $x_1$ of ${y}$", H36M_ACTIONS[1]: "CarryTheHeavyBoxDownTheStairsAndPutItOnTheShelf"}
    table["action"] = table.action.replace(names)
    figure = draw_arms(table, "Cost in $ and in $, " + "of a dataset with a very long name " * 4)
    check_printable(figure)
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert r"take \$x_1\$ of \${y}\$" in shown
    assert any(name.startswith("CarryTheHeav") and name.endswith("OnTheShelf") for name in shown)
