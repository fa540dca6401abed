"""Figures beyond the paper's questions: their order, their colours and their numbers are those of the table."""

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from pandas.api.typing import DataFrameGroupBy
from scipy import stats
from seaborn.utils import relative_luminance

from pose3d_lib.data.actions import ACTION_BASED, ALL, H36M_ACTIONS, ORIGINAL
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.report.figures.beyond import (
    LABELS,
    cluster,
    draw_data_efficiency,
    draw_joint_bars,
    draw_joints,
    draw_labels,
    draw_mixing,
    draw_transfer,
)
from pose3d_lib.report.figures.layout import COLOURS
from pose3d_lib.study.tables_beyond import TOLD_ACTION
from tests.helpers.figure_checks import check_printable

TITLE = "Every model on every action, synthetic-small (synthetic data)"


def blocks_matrix(groups: list[int], seed: int = 0) -> pd.DataFrame:
    """A matrix of models that do well on the actions of their own group, and badly on the others."""
    rng = np.random.default_rng(seed)
    names, own = list(H36M_ACTIONS[: len(groups)]), np.asarray(groups)
    base = rng.uniform(50, 100, len(names))
    errors = base + rng.uniform(5, 20, (len(names), len(names))) + 80 * (own[:, None] != own)
    np.fill_diagonal(errors, base)
    matrix = pd.DataFrame(errors, index=names, columns=names)
    return pd.concat([pd.DataFrame([base - 5], index=[ALL], columns=names), matrix])


def mixing_table(actions: int, counts: tuple[int, ...], seeds: int = 3) -> pd.DataFrame:
    rows = product(H36M_ACTIONS[:actions], counts, range(seeds))
    table = pd.DataFrame(rows, columns=["action", "trained_on", "seed"])
    return table.assign(mpjpe=60 + 40 / table.trained_on + table.seed**2)


def frames_table(actions: int, seeds: int = 3) -> pd.DataFrame:
    most = {ORIGINAL: 1_559_752, ACTION_BASED: 73_000}
    rows = product(H36M_ACTIONS[:actions], most, (0.1, 0.25, 0.5, 1), range(seeds))
    table = pd.DataFrame(rows, columns=["action", "arm", "share", "seed"])
    frames = (table.share * table.arm.map(most)).astype(int)
    return table.assign(frames=frames, mpjpe=50 + 20 / table.share**0.5 + table.seed**2)


def labels_table(seeds: int = 3) -> pd.DataFrame:
    rows = [(seed, *key, 60 + 20 * place + seed**2) for place, key in enumerate(LABELS) for seed in range(seeds)]
    return pd.DataFrame(rows, columns=["seed", "arm", "known", "mpjpe"])


def joints_table(actions: int, joints: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = product(H36M_ACTIONS[:actions], H36M_17.joints[:joints])
    table = pd.DataFrame(rows, columns=["action", "joint"])
    return table.assign(**{arm: rng.uniform(20, 90, len(table)) for arm in (ORIGINAL, ACTION_BASED)})


def labels(axes: Axes) -> tuple[list[str], list[str]]:
    return [t.get_text() for t in axes.get_yticklabels()], [t.get_text() for t in axes.get_xticklabels()]


def numbers(axes: Axes) -> dict[tuple[int, int], str]:
    """(row, column) -> what is written there in a heat map."""
    return {(int(y), int(x)): text.get_text() for text in axes.texts for x, y in [text.get_position()]}


@pytest.mark.parametrize(
    ("draw", "given"),
    [
        *((draw_transfer, (blocks_matrix(list(np.arange(actions) % 3)), TITLE)) for actions in (2, 3, 15)),
        (draw_mixing, (mixing_table(1, (1,), 1), TITLE, 15)),
        (draw_mixing, (mixing_table(5, (1, 2, 4, 8, 15), 2), TITLE, 15)),
        (draw_data_efficiency, (frames_table(1, 1), TITLE)),
        (draw_data_efficiency, (frames_table(5), TITLE)),
        *((draw_labels, (labels_table(seeds), TITLE)) for seeds in (1, 4)),
        *((draw_joints, (joints_table(*size), TITLE)) for size in ((1, 1), (15, 17))),
        *((draw_joint_bars, (joints_table(*size), TITLE)) for size in ((1, 1), (15, 17))),
    ],
)
def test_figures_are_legible_at_the_width_of_a_page(draw: Callable[..., Figure], given: tuple) -> None:
    check_printable(draw(*given))


@settings(max_examples=10, deadline=None)
@given(st.permutations([0] * 5 + [1] * 4 + [2] * 6), st.integers(0, 5))
def test_actions_that_teach_each_other_come_out_together(groups: list[int], seed: int) -> None:
    matrix = blocks_matrix(groups, seed)
    order = cluster(matrix)[0]
    assert sorted(order) == sorted(matrix.columns)
    of = dict(zip(matrix.columns, groups, strict=True))
    come = [of[name] for name in order]
    assert sum(one != other for one, other in pairwise(come)) == 2


def test_neighbours_are_the_nearest() -> None:
    places = np.array([0.0, 3.5, 1.0, 5.0, 2.2])
    names = list("acbdk")
    matrix = pd.DataFrame(70 + 10 * np.abs(places[:, None] - places), index=names, columns=names)
    assert cluster(matrix)[0] in (list("abkcd"), list("dckba"))


def test_the_transfer_matrix_has_one_order_its_numbers_and_the_original_on_top() -> None:
    matrix = blocks_matrix(list(np.arange(15) % 3))
    figure = draw_transfer(matrix, TITLE)
    order = cluster(matrix)[0]
    top, main, side = figure.axes[:3]
    assert labels(main) == (order, order)
    assert labels(top) == (["Original (all)"], [])
    assert numbers(top) == {(0, k): f"{matrix.loc[ALL, name]:.0f}" for k, name in enumerate(order)}
    assert numbers(main) == {
        (i, k): f"{matrix.loc[model, name]:.0f}" for i, model in enumerate(order) for k, name in enumerate(order)
    }
    assert top.get_position().y0 > main.get_position().y1
    assert top.collections[0].get_clim() == main.collections[0].get_clim()
    assert side.get_ylim() == (150, 0)
    framed = [(patch.get_x(), patch.get_y()) for patch in main.patches]
    assert framed == [(place, place) for place in range(15)]


def test_the_tree_joins_the_rows_beside_it() -> None:
    figure = draw_transfer(blocks_matrix([0, 1, 0, 1]), TITLE)
    figure.canvas.draw()
    main, side = (axes.get_position() for axes in figure.axes[1:3])
    assert (main.y0, main.y1) == pytest.approx((side.y0, side.y1))
    joined = [sorted({float(y) for y in path[:, 1]}) for path in figure.axes[2].collections[0].get_segments()]
    assert [5.0, 15.0] in joined
    assert [25.0, 35.0] in joined


def test_numbers_stand_out_from_their_cells() -> None:
    figure = draw_transfer(blocks_matrix(list(np.arange(15) % 3)), TITLE)
    main = figure.axes[1]
    cells = relative_luminance(main.collections[0].get_facecolors()).reshape(15, 15)
    assert {text.get_color() for text in main.texts} == {"black", "white"}
    for text in main.texts:
        column, row = (int(place) for place in text.get_position())
        ink = 1.0 if text.get_color() == "white" else 0.0
        light, dark = max(ink, cells[row, column]), min(ink, cells[row, column])
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # the least of WCAG 2 for text of this size


def test_mixing_shows_the_means_without_a_line_and_ends_in_the_colours_of_the_arms() -> None:
    table = mixing_table(1, (1, 2, 4, 8, 15))
    axes = draw_mixing(table.drop(index=0), TITLE, 15).axes[0]
    table = table.drop(index=0)
    means = table.groupby("trained_on").mpjpe.mean()
    ends = {line.get_color(): line for line in axes.lines if len(line.get_xdata()) == 1}
    for arm, count in ((ACTION_BASED, 1), (ORIGINAL, 15)):
        assert ends[COLOURS[arm]].get_xdata()[0] == count
        assert ends[COLOURS[arm]].get_ydata()[0] == means[count]
    assert not [line for line in axes.lines if line.get_linestyle() == "-"]
    marks = next(line for line in axes.lines if line.get_markersize() == 4.5)
    np.testing.assert_array_equal(marks.get_xdata(), means.index)
    np.testing.assert_allclose(marks.get_ydata(), means)
    assert_dots_and_intervals(axes, table, table.groupby("trained_on"))
    assert [tick for tick in axes.get_xticks() if tick] == [1, 2, 4, 8, 15]


def assert_dots_and_intervals(axes: Axes, table: pd.DataFrame, groups: DataFrameGroupBy) -> None:
    """A dot for each row, and a bar from end to end of the t interval of each group."""
    dots = [own for line in axes.lines if line.get_markersize() < 2 for own in line.get_ydata()]
    assert sorted(dots) == sorted(table.mpjpe)
    bars = [sorted(line[:, 1]) for own in axes.collections for line in own.get_segments()]
    for _, own in groups:
        half = stats.t.ppf(0.975, len(own) - 1) * own.mpjpe.std() / len(own) ** 0.5
        expected = [own.mpjpe.mean() - half, own.mpjpe.mean() + half]
        assert any(bar == pytest.approx(expected) for bar in bars)


def test_data_efficiency_shows_every_seed_the_means_and_the_mean_curve() -> None:
    table = frames_table(1)
    axes = draw_data_efficiency(table, TITLE).axes[0]
    assert axes.get_xscale() == "log"
    assert_dots_and_intervals(axes, table, table.groupby(["arm", "share"]))
    for arm in (ORIGINAL, ACTION_BASED):
        own = table[table.arm == arm]
        (curve,) = (
            line for line in axes.lines if same_color(line.get_color(), COLOURS[arm]) and line.get_linestyle() == "-"
        )
        frames = curve.get_xdata()
        assert (frames[0], frames[-1]) == pytest.approx((own.frames.min(), own.frames.max()))
        expected = 50 + 20 / (frames / own.frames.max()) ** 0.5 + np.mean([0, 1, 4])
        np.testing.assert_allclose(curve.get_ydata(), expected, rtol=1e-3)
    flat = draw_data_efficiency(table.assign(mpjpe=50.0), TITLE).axes[0]
    assert not [line for line in flat.lines if line.get_linestyle() == "-"], "no curve where the points tell none"


def test_a_label_has_a_row_for_each_kind_of_model_hollow_where_it_is_wrong() -> None:
    table = labels_table()
    axes = draw_labels(table, TITLE).axes[0]
    names = dict(zip(axes.get_yticks(), labels(axes)[0], strict=True))
    assert [names[place] for place in sorted(names, reverse=True)] == list(LABELS.values())
    for (arm, known), own in table.groupby(["arm", "known"]):
        (dot,) = (line for line in axes.lines if line.get_markersize() > 2 and line.get_xdata()[0] == own.mpjpe.mean())
        assert names[dot.get_ydata()[0]] == LABELS[arm, known]
        assert same_color(dot.get_markerfacecolor(), "white") == (known == "no")
    some = draw_labels(table[table.arm != TOLD_ACTION], TITLE).axes[0]
    assert labels(some)[0] == [LABELS[key] for key in LABELS if key[0] != TOLD_ACTION]


def test_the_joints_keep_the_bodys_order_and_the_cells_say_the_change() -> None:
    table = joints_table(3, 17)
    table.loc[5, [ORIGINAL, ACTION_BASED]] = 30.0, 29.8  # rounds to zero from below
    axes = draw_joints(table, TITLE).axes[0]
    assert labels(axes) == (list(H36M_ACTIONS[:3]), list(H36M_17.joints))
    change = (table[ACTION_BASED] - table[ORIGINAL]).round().to_numpy().reshape(3, 17).astype(int)
    written = {place: int(text.replace("−", "-")) for place, text in numbers(axes).items()}
    assert written == {(row, column): change[row, column] for row in range(3) for column in range(17)}
    assert numbers(axes)[0, 5] == "+0"
    low, high = axes.collections[0].get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(table[ACTION_BASED] - table[ORIGINAL]).max())


def test_a_joints_bar_is_the_mean_of_the_actions_and_its_line_their_range() -> None:
    table = joints_table(15, 17)
    axes = draw_joint_bars(table, TITLE).axes[0]
    rows = dict(zip((label.get_text() for label in axes.get_yticklabels()), axes.get_yticks(), strict=True))
    assert sorted(rows, key=rows.get, reverse=True) == list(H36M_17.joints)
    lines = {(float(line[0, 0]), float(line[1, 0])) for own in axes.collections for line in own.get_segments()}
    for arm in (ORIGINAL, ACTION_BASED):
        for joint, errors in table.groupby("joint")[arm]:
            bar = next(own for own in axes.patches if own.get_width() == pytest.approx(errors.mean()))
            assert abs(bar.get_y() + bar.get_height() / 2 - rows[joint]) < 0.5
            assert same_color(bar.get_facecolor(), COLOURS[arm])
            assert (errors.min(), errors.max()) in lines
