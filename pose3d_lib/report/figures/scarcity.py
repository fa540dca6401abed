"""The figures of the scarcity study: both arms against the labelled share, and what each term of the loss is worth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pose3d_lib.report.figures import layout
from pose3d_lib.study.tables_scarcity import ALONE, SEMI_SUPERVISED, SUPERVISED, losses

# Apart from each other and from those of the paper's arms, for colour-blind readers and in grey too.
COLOURS = {SUPERVISED: "#555555", SEMI_SUPERVISED: "#cc79a7"}
MARKERS = {SUPERVISED: "o", SEMI_SUPERVISED: "s"}

DOTS = "Dots: one seed each; line: their mean."


def draw_scarcity(table: pd.DataFrame, title: str) -> Figure:
    """The error of both arms against the number of labelled frames; of rows of `ScarcityResults.table`."""
    figure, grid = layout.start_figure(1, 1, width=layout.SINGLE, height=2.5)
    axes = grid[0, 0]
    layout.log_axis(axes, table.frames, 10)
    for arm, rows in table.groupby("arm", sort=False):
        layout.draw_seeds(axes, rows, "frames", COLOURS[arm], MARKERS[arm])
    axes.set(xlabel="labelled training frames", ylabel="test MPJPE [mm]")
    handles = [layout.dot(COLOURS[arm], arm, marker=MARKERS[arm]) for arm in COLOURS]
    return layout.finish_figure(figure, title, layout.explain_seeds(table), handles)


def draw_ablation(table: pd.DataFrame, title: str) -> Figure:
    """A dot per seed and a line at their mean, for every loss; of rows of `ScarcityResults.table` of one action and share."""
    names = losses(table)
    figure, grid = layout.start_figure(1, 1, width=layout.SINGLE, height=layout.ROW * len(names) + 0.6)
    axes = grid[0, 0]
    places = layout.name_rows(axes, names)
    for name in names:
        _draw_row(axes, table[table.loss == name], places[name], SUPERVISED if name == ALONE else SEMI_SUPERVISED)
    axes.set_xlabel("test MPJPE [mm]")
    return layout.finish_figure(figure, title, layout.explain_seeds(table, DOTS))


def draw_question(table: pd.DataFrame, title: str) -> Figure:
    """Each action's own model with and without video of the other actions; of rows of `ScarcityResults.table`."""
    actions = list(dict.fromkeys(table.action))
    figure, grid = layout.start_figure(1, 1, width=layout.SINGLE, height=1.6 * layout.ROW * len(actions) + 0.6)
    axes = grid[0, 0]
    places = layout.name_rows(axes, actions)
    for action, rows in table.groupby("action", sort=False):
        for arm, shift in ((SUPERVISED, 0.17), (SEMI_SUPERVISED, -0.17)):
            _draw_row(axes, rows[rows.arm == arm], places[action] + shift, arm, marker=MARKERS[arm])
    axes.set_xlabel("test MPJPE on the action [mm]")
    names = {SUPERVISED: "its own poses alone", SEMI_SUPERVISED: "and video of the other actions"}
    handles = [layout.dot(COLOURS[arm], name, marker=MARKERS[arm]) for arm, name in names.items()]
    return layout.finish_figure(figure, title, layout.explain_seeds(table, DOTS), handles)


def _draw_row(axes: Axes, rows: pd.DataFrame, place: float, arm: str, *, marker: str = "o") -> None:
    axes.plot(rows.mpjpe, np.full(len(rows), place), marker, color=COLOURS[arm], markersize=4, alpha=0.75)
    axes.vlines(rows.mpjpe.mean(), place - 0.13, place + 0.13, color=layout.INK, linewidth=1.2, zorder=4)
