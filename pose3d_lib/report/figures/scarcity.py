"""The figures of the scarcity study: both arms against the labelled share, and what each term of the loss is worth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pose3d_lib.report.figures import layout
from pose3d_lib.study.tables_scarcity import ALONE, SEMI_SUPERVISED, SUPERVISED, losses

DOTS = "Dots: one seed each; line: their mean."


def draw_scarcity(table: pd.DataFrame, title: str) -> Figure:
    """The error of both arms against the number of labelled frames; of rows of `ScarcityResults.table`."""
    figure, axes = layout.start_single(2.5)
    layout.log_axis(axes, table.frames, 10)
    for arm, rows in table.groupby("arm", sort=False):
        layout.draw_seeds(axes, rows, "frames", arm)
    axes.set(xlabel="labelled training frames", ylabel="test MPJPE [mm]")
    handles = layout.arm_dots({SUPERVISED: SUPERVISED, SEMI_SUPERVISED: SEMI_SUPERVISED})
    return layout.finish_figure(figure, title, layout.explain_seeds(table), handles)


def draw_ablation(table: pd.DataFrame, title: str) -> Figure:
    """A dot per seed and a line at their mean, for every loss; of rows of `ScarcityResults.table` of one action and share."""
    names = losses(table)
    figure, axes = layout.start_single(layout.ROW * len(names) + 0.6)
    places = layout.name_rows(axes, names)
    for name in names:
        arm = SUPERVISED if name == ALONE else SEMI_SUPERVISED
        _draw_row(axes, table[table.loss == name], places[name], layout.COLOURS[arm], "o")
    axes.set_xlabel("test MPJPE [mm]")
    return layout.finish_figure(figure, title, layout.explain_seeds(table, DOTS))


def draw_question(table: pd.DataFrame, title: str) -> Figure:
    """Each action's own model with and without video of the other actions; of rows of `ScarcityResults.table`."""
    actions = list(dict.fromkeys(table.action))
    figure, axes = layout.start_single(1.6 * layout.ROW * len(actions) + 0.6)
    places = layout.name_rows(axes, actions)
    for action, rows in table.groupby("action", sort=False):
        for arm, shift in ((SUPERVISED, 0.17), (SEMI_SUPERVISED, -0.17)):
            own = rows[rows.arm == arm]
            _draw_row(axes, own, places[action] + shift, layout.COLOURS[arm], layout.MARKERS[arm])
    axes.set_xlabel("test MPJPE on the action [mm]")
    names = {SUPERVISED: "its own poses alone", SEMI_SUPERVISED: "and video of the other actions"}
    return layout.finish_figure(figure, title, layout.explain_seeds(table, DOTS), layout.arm_dots(names))


def _draw_row(axes: Axes, rows: pd.DataFrame, place: float, colour: str, marker: str) -> None:
    axes.plot(rows.mpjpe, np.full(len(rows), place), marker, color=colour, markersize=4, alpha=0.75)
    axes.vlines(rows.mpjpe.mean(), place - 0.13, place + 0.13, color=layout.INK, linewidth=1.2, zorder=4)
