"""The figure of the scarcity study: both arms against how much is labelled, and what each term of the loss is worth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pose3d_lib.report.figures.layout import (
    INK,
    ROW,
    SINGLE,
    dot,
    draw_seeds,
    finish_figure,
    log_axis,
    name_rows,
    start_figure,
)
from pose3d_lib.study.tables_scarcity import SEMI_SUPERVISED, SUPERVISED, WHOLE

COLOURS = {SUPERVISED: "#555555", SEMI_SUPERVISED: "#cc79a7"}
"""Apart from each other and from those of the paper's arms, for colour-blind readers and in grey too."""

MARKERS = {SUPERVISED: "o", SEMI_SUPERVISED: "s"}


def draw_scarcity(table: pd.DataFrame, title: str) -> Figure:
    """The error of both arms against the number of labelled frames.

    Args:
        table: rows of `tables_scarcity.seeds_table` of one action with the whole loss.
    """
    figure, grid = start_figure(1, 1, width=SINGLE, height=2.5)
    axes = grid[0, 0]
    log_axis(axes, table.frames, 10)
    for arm, rows in table.groupby("arm", sort=False):
        draw_seeds(axes, rows, "frames", COLOURS[arm])
        means = rows.groupby("frames").mpjpe.mean()
        axes.plot(means.index, means, MARKERS[arm], color=COLOURS[arm], markersize=4.5, zorder=4)
    axes.set(xlabel="labelled training frames", ylabel="test MPJPE [mm]")
    handles = [dot(COLOURS[arm], arm, marker=MARKERS[arm]) for arm in COLOURS]
    note = "Thick: mean over seeds; thin: one seed each." if table.seed.nunique() > 1 else "One seed."
    return finish_figure(figure, title, note, handles)


def draw_ablation(table: pd.DataFrame, title: str) -> Figure:
    """A dot per seed and a line at their mean: with the whole loss, without each of its terms, and supervised alone.

    Args:
        table: rows of `tables_scarcity.seeds_table` of one action and share.
    """
    kinds = {WHOLE: table[(table.arm == SEMI_SUPERVISED) & (table.without == "")]}
    for without, rows in table[table.without != ""].groupby("without", sort=False):
        kinds[f"without {without}"] = rows
    kinds["supervised alone"] = table[table.arm == SUPERVISED]
    figure, grid = start_figure(1, 1, width=SINGLE, height=ROW * len(kinds) + 0.6)
    axes = grid[0, 0]
    places = name_rows(axes, list(kinds))
    for name, rows in kinds.items():
        _draw_row(axes, rows, places[name], COLOURS[SUPERVISED if name == "supervised alone" else SEMI_SUPERVISED])
    axes.set_xlabel("test MPJPE [mm]")
    note = "Dots: one seed each; line: their mean." if table.seed.nunique() > 1 else "One seed."
    return finish_figure(figure, title, note)


def draw_question(table: pd.DataFrame, title: str) -> Figure:
    """For each action, its own model with and without video of the other actions: a dot per seed and a line at their mean.

    Args:
        table: rows of `tables_scarcity.seeds_table` of single actions.
    """
    actions = list(dict.fromkeys(table.action))
    figure, grid = start_figure(1, 1, width=SINGLE, height=1.6 * ROW * len(actions) + 0.6)
    axes = grid[0, 0]
    places = name_rows(axes, actions)
    for action, rows in table.groupby("action", sort=False):
        for arm, shift in ((SUPERVISED, 0.17), (SEMI_SUPERVISED, -0.17)):
            _draw_row(axes, rows[rows.arm == arm], places[action] + shift, COLOURS[arm], marker=MARKERS[arm])
    axes.set_xlabel("test MPJPE on the action [mm]")
    names = {SUPERVISED: "its own poses alone", SEMI_SUPERVISED: "and video of the other actions"}
    handles = [dot(COLOURS[arm], name, marker=MARKERS[arm]) for arm, name in names.items()]
    note = "Dots: one seed each; line: their mean." if table.seed.nunique() > 1 else "One seed."
    return finish_figure(figure, title, note, handles)


def _draw_row(axes: Axes, rows: pd.DataFrame, place: float, colour: str, *, marker: str = "o") -> None:
    values = rows.mpjpe.to_numpy()
    if not len(values):
        return
    axes.plot(values, np.full(len(values), place), marker, color=colour, markersize=4, alpha=0.75)
    axes.vlines(values.mean(), place - 0.13, place + 0.13, color=INK, linewidth=1.2, zorder=4)
