"""The figures of the paper's comparison: both arms and their change, with uncertainty, and how fast they learn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.figures import layout
from pose3d_lib.report.figures.run import ARM_COLOURS
from pose3d_lib.study.tables import ARMS
from pose3d_lib.study.verdicts import NOT_DECIDABLE

LOW_RATE = 0.01  # share of its first value; a learning rate below it hardly changes a model

# Schedule -> its name above a panel.
SCHEDULE_NAMES = {
    "epoch": "published schedule",
    "unit_epoch": "same schedule",
    "lr_unit_epoch": "same learning rate",
    "bn_unit_epoch": "same batch norm",
}
SCHEDULE_NOTE = (
    "Published: learning rate and batch-norm momentum fall after every epoch of the run's own actions. Same: they, or the "
    "one that is named, fall after every unit epoch in both arms."
)


def draw_arms(table: pd.DataFrame, title: str, error: str = "MPJPE [mm]", arms: Sequence[str] = ARMS) -> Figure:
    """Table 1 or 2 as a picture: the errors of several arms on every action, with their intervals.

    Args:
        table: a row per action and arm: "action", "arm", "mean", "low", "high", the last two NaN where there is one seed.
        title: above it; it says which data.
        error: what is measured, with its unit.
        arms: which, from top to bottom.
    """
    names = layout.sort_rows(table[table.arm == ORIGINAL], "mean")
    row = layout.ROW if len(arms) == 2 else 1.3 * layout.ROW
    figure, grid = layout.start_figure(1, 1, width=layout.SINGLE, height=row * len(names) + 0.5)
    axes = grid[0, 0]
    heights = layout.name_rows(axes, names)
    for own in table.to_dict("records"):
        y = heights[own["action"]] + 0.26 * ((len(arms) - 1) / 2 - arms.index(own["arm"]))
        style = {"marker": layout.MARKERS[own["arm"]]}
        layout.draw_interval(axes, own["mean"], y, own["low"], own["high"], layout.COLOURS[own["arm"]], **style)
    axes.set_xlabel(escape_mathtext(error))
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    handles = [layout.dot(layout.COLOURS[arm], arm, marker=layout.MARKERS[arm]) for arm in arms]
    return layout.finish_figure(figure, title, layout.explain_bars(table.low), handles)


def draw_changes(table: pd.DataFrame, title: str, error: str = "MPJPE") -> Figure:
    """The action-based model's change of the error, per action, under one condition or several.

    Args:
        table: a row per condition and action: "condition", "action", "change" in per cent of the original's error, "low",
            "high" (NaN where there is one seed) and "verdict". A change whose verdict is NOT_DECIDABLE is hollow.
        title: above it; it says which data.
        error: what is measured.
    """
    conditions = list(dict.fromkeys(table.condition))
    names = layout.sort_rows(table.drop_duplicates("action"), "change")
    shared = {"sharex": True, "sharey": True}
    figure, panels, columns = layout.start_panels(len(conditions), height=layout.ROW * len(names) + 0.75, **shared)
    for place, (axes, condition) in enumerate(zip(panels, conditions, strict=True)):
        heights = layout.name_rows(axes, names)
        axes.axvline(0, color=layout.INK, linewidth=0.8, zorder=1)
        for own in table[table.condition == condition].itertuples():
            better = ACTION_BASED if own.change < 0 else ORIGINAL
            style = {"marker": layout.MARKERS[better], "filled": own.verdict != NOT_DECIDABLE}
            layout.draw_interval(axes, own.change, heights[own.action], own.low, own.high, ARM_COLOURS[better], **style)
        layout.name_panel(axes, condition if len(conditions) > 1 else "", (figure.get_figwidth() - 1.5) / columns)
        if place + columns >= len(conditions):
            axes.set_xlabel(f"change of the {error} [%]")
            axes.tick_params(axis="x", labelbottom=True)
    handles = [
        layout.dot(ARM_COLOURS[arm], f"{arm.lower()} is better", marker=layout.MARKERS[arm])
        for arm in (ACTION_BASED, ORIGINAL)
    ]
    handles.append(layout.dot(layout.GREY, f"{NOT_DECIDABLE} with these runs", filled=False))
    return layout.finish_figure(figure, title, layout.explain_bars(table.low), handles)


def draw_curves(curves: pd.DataFrame, title: str) -> Figure:
    """How fast either arm learns: the test error against what was seen, per action (down) and schedule (across).

    The line is the mean over the seeds, the band from the least to the most. A dotted line marks where the action-based
    learning rate falls below LOW_RATE of its first value.

    Args:
        curves: a row per test: "action", "schedule", "arm", "seed", "unit_epochs", "mpjpe", mm, and "lr_share", the learning
            rate in shares of the first.
        title: above it; it says which data.
    """
    schedules = list(curves.schedule.unique())
    panels = [(action, schedule) for action in curves.action.unique() for schedule in schedules]
    figure, grid, columns = layout.start_panels(
        len(panels),
        height=1.9 if len(panels) == 1 else 1.65,
        most=4 if len(schedules) == 1 else len(schedules),
        sharey="row" if len(schedules) > 1 else False,  # of one action, under every schedule
    )
    marked = False
    for place, (axes, (action, schedule)) in enumerate(zip(grid, panels, strict=True)):
        own = curves[(curves.action == action) & (curves.schedule == schedule)]
        layout.log_axis(axes, curves.unit_epochs, 4)
        _log_errors(axes, curves.mpjpe[curves.action == action])
        for arm, rows in own.groupby("arm", sort=False):
            _draw_band(axes, rows, ARM_COLOURS[arm])
        low = rate_is_low_from(own[own.arm == ACTION_BASED])
        if low is not None:
            marked = True
            axes.axvline(low, color=layout.INK, linewidth=0.9, linestyle=":", zorder=1)
        name = f"{action}: {SCHEDULE_NAMES[schedule]}" if len(schedules) > 1 else action
        layout.name_panel(axes, name, (figure.get_figwidth() - 1.4) / columns)
        if place % columns == 0:
            axes.set_ylabel("test MPJPE [mm]")
        if place + columns >= len(panels):
            axes.set_xlabel("windows seen\n[unit epochs]" if columns > 2 else "windows seen [unit epochs]")
    handles = [Line2D([], [], color=ARM_COLOURS[arm], lw=1.6, label=arm) for arm in ARMS]
    several = curves.groupby(["action", "arm"]).seed.nunique().max() > 1
    if several:
        handles.append(Patch(color=layout.GREY, alpha=0.35, lw=0, label="range of the seeds"))
    if marked:
        label = "action-based learning rate below 1/100 of its start"
        handles.append(Line2D([], [], color=layout.INK, lw=0.9, ls=":", label=label))
    note = "Lines: mean over seeds." if several else "One seed."
    if len(schedules) > 1:
        note += f" {SCHEDULE_NOTE}"
    return layout.finish_figure(figure, title, note, handles)


def _log_errors(axes: Axes, errors: pd.Series) -> None:
    """A logarithmic y axis, so that the small differences at the end are seen beside the large errors of the beginning."""
    axes.set_yscale("log")
    span = errors.max() / errors.min()
    subs = (1, 1.5, 2, 3, 5, 7) if span < 6 else (1, 2, 5)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)) if span < 1.7 else LogLocator(subs=subs))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _draw_band(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    """The mean over the seeds at every point that all of them were tested at, and the band around it."""
    points = rows.assign(unit_epochs=rows.unit_epochs.round(6))
    seeds = points.pivot_table(index="unit_epochs", columns="seed", values="mpjpe").dropna()
    axes.plot(seeds.index, seeds.mean(axis=1), ".-", color=colour, linewidth=1.4, markersize=4)
    if seeds.shape[1] > 1:
        axes.fill_between(seeds.index, seeds.min(axis=1), seeds.max(axis=1), color=colour, alpha=0.25, linewidth=0)


def rate_is_low_from(rows: pd.DataFrame) -> float | None:
    """The unit epochs after which the learning rate is below LOW_RATE of its first value; None where it never is.

    Between two rows it falls by a constant factor per window, or nearly: it is multiplied by lr_decay at every epoch's end.

    Args:
        rows: one model's "unit_epochs" and "lr_share", from one seed or several.
    """
    shares = rows.groupby("unit_epochs").lr_share.mean()
    below = np.flatnonzero(shares < LOW_RATE)
    if not len(below):
        return None
    first = below[0]
    if first == 0:
        return float(shares.index[0])
    logs = np.log(np.maximum(shares.iloc[first - 1 : first + 1], 1e-300))
    return float(np.interp(-np.log(LOW_RATE), -logs, shares.index[first - 1 : first + 1]))
