"""The figures of the paper's comparison: both arms, their change and what it is made of, and how fast they learn.

The tables are tidy, as `study/` makes them. "low" and "high" are NaN where there is one replicate; titles say which data.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.figures import layout
from pose3d_lib.report.figures.layout import COLOURS, MARKERS, ROW
from pose3d_lib.report.figures.style import GREY, INK, PALE, TEXT, finish_figure, name_panel, start_single
from pose3d_lib.report.record import SCHEDULE_WORDS
from pose3d_lib.study.observations import ARMS
from pose3d_lib.study.tables import MEAN, QUANTITIES, SUMMANDS, UNSEEN, WHOLE
from pose3d_lib.study.two_way import LEVEL
from pose3d_lib.study.verdicts import NOT_DECIDABLE

LOW_RATE = 0.01  # share of its first value; a learning rate below it hardly changes a model

SCHEDULE_NOTE = (
    "Published: the learning rate falls after every epoch of the run's own actions; one: after every unit epoch."
)

ERRORS = {"mpjpe": "MPJPE", "mpjve": "velocity error"}


def draw_arms(table: pd.DataFrame, title: str, arms: Sequence[str] = ARMS) -> Figure:
    """The MPJPE of several arms, from top to bottom, on every action, and how it varies.

    `table` has a row per action and arm: "action", "arm", "mean", "sd", mm.
    """
    names = layout.sort_rows(table[table.arm == ORIGINAL], "mean")
    figure, axes = start_single((0.4 + 0.3 * len(arms)) * ROW * len(names) + 0.5)
    heights = layout.name_rows(axes, names)
    for own in table.to_dict("records"):
        arm = own["arm"]
        y = heights[own["action"]] + min(0.26, 0.8 / len(arms)) * ((len(arms) - 1) / 2 - arms.index(arm))
        ends = own["mean"] - own["sd"], own["mean"] + own["sd"]
        layout.draw_interval(axes, own["mean"], y, *ends, COLOURS[arm], marker=MARKERS[arm])
    axes.set_xlabel("MPJPE [mm]")
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    note = (
        "One replicate." if table.sd.isna().all() else "Bars: standard deviation over the replicates, to either side."
    )
    return finish_figure(figure, title, note, layout.arm_dots(arms))


def draw_changes(table: pd.DataFrame, title: str, error: str = "MPJPE") -> Figure:
    """The change of the error by action, their mean and a new action; a panel per condition.

    `table` has a row per condition and action, as of `tables.changes_table`: "condition", "action", "change" in per cent of the
    original's error, "low", "high" and "verdict"; a row that is NOT_DECIDABLE is hollow. Of UNSEEN the bar is the prediction
    interval, dashed.
    """
    conditions = list(dict.fromkeys(table.condition))
    names = layout.sort_rows(table.drop_duplicates("action"), "change")
    height = ROW * len(names) + 0.75
    figure, panels, columns = layout.start_panels(len(conditions), height=height, sharex=True, sharey=True)
    for place, (axes, condition) in enumerate(zip(panels, conditions, strict=True)):
        heights = layout.name_rows(axes, names)
        axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for own in table[table.condition == condition].itertuples():
            if own.action == UNSEEN:
                style = {"marker": "|", "dashes": (0, (3, 2))}
                layout.draw_interval(axes, own.change, heights[UNSEEN], own.low, own.high, INK, **style)
                continue
            better = ACTION_BASED if own.change < 0 else ORIGINAL
            style = {"marker": "D" if own.action == MEAN else MARKERS[better], "filled": own.verdict != NOT_DECIDABLE}
            layout.draw_interval(axes, own.change, heights[own.action], own.low, own.high, COLOURS[better], **style)
        name_panel(axes, condition if len(conditions) > 1 else "", (figure.get_figwidth() - 1.5) / columns)
        if place + columns >= len(conditions):
            axes.set_xlabel(f"change of the {error} [%]")
            axes.tick_params(axis="x", labelbottom=True)
    handles = layout.arm_dots({arm: f"{arm.lower()} is better" for arm in (ACTION_BASED, ORIGINAL)})
    handles.append(layout.dot(GREY, NOT_DECIDABLE, filled=False))
    note = layout.explain_bars(table.low)
    unseen = table[table.action == UNSEEN]
    if unseen.low.notna().any():
        handles.append(Line2D([], [], color=INK, lw=1.1, ls=(0, (3, 2)), label="prediction interval"))
        note = f"{note} Filled: p after Holm's correction is at most {LEVEL:g}."
        others = table[table.action != UNSEEN]
        low, high = min(others.low.min(), 0.0), max(others.high.max(), 0.0)
        left, right = low - (high - low) / 2, high + (high - low) / 2  # twice the range of all others and zero
        if unseen.low.min() < left or unseen.high.max() > right:  # it would squeeze all others
            panels[0].set_xlim(left, right)
            note += " A prediction interval that reaches the edge extends beyond it."
    return finish_figure(figure, title, note, handles)


def draw_attribution(table: pd.DataFrame, title: str) -> Figure:
    """The parts of the published change behind each claim, a panel per claim, in log points, which add up.

    `table` is that of `attribution`. Bars are the log points, marked with the change in per cent.
    """
    claims = list(dict.fromkeys(table.claim))
    height = ROW * table.groupby("claim").size().max() + 0.95
    figure, panels, columns = layout.start_panels(len(claims), height=height, most=2)
    figure.get_layout_engine().set(hspace=0.05)
    for axes, (claim, own) in zip(panels, table.groupby("claim", sort=False), strict=True):
        _draw_parts(axes, own)
        length, metric = QUANTITIES[claim]
        name = f"{claim.removesuffix(' velocity')}: {ERRORS[metric]}, {length} training"
        name_panel(axes, name, (figure.get_figwidth() - 0.4) / columns)
        axes.set_xlabel("change of the error [log points]")
    note = (
        f"As published = {' + '.join(SUMMANDS)}, in log points (100 ln of the ratio); beside the bars the change in per cent. "
        f"Below zero speaks for the action-based model. {layout.explain_bars(table.low)}"
    )
    handles = [
        layout.dot(INK, "interval leaves out zero"),
        layout.dot(INK, "zero within the interval, or no interval", filled=False),
    ]
    return finish_figure(figure, title, note, handles)


def _draw_parts(axes: Axes, own: pd.DataFrame) -> None:
    y, ticks, labels = 0.0, [], []
    for row in own.itertuples():
        if row.part == SUMMANDS[0]:  # a line between the whole and its parts
            axes.axhline(y + 0.3, color=GREY, linewidth=0.6)
            y -= 0.4
        sign = ("= " if row.part == SUMMANDS[0] else "+ ") if row.part in SUMMANDS else ""
        labels.append("as published" if row.part == WHOLE else f"{sign}{row.part}")
        ticks.append(y)
        axes.barh(y, row.log_points, height=0.62, color=GREY if row.part == WHOLE else PALE, zorder=1)
        low, high = (100 * np.log1p(end / 100) for end in (row.low, row.high))
        layout.draw_interval(axes, row.log_points, y, low, high, INK, filled=bool(low > 0 or high < 0))
        style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": TEXT, "color": INK}
        axes.text(1.02, y, f"{row.effect:+z.1f} %".replace("-", "−"), **style)
        y -= 1
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
    axes.set(yticks=ticks, ylim=(y + 0.4, 0.6))
    axes.set_yticklabels(labels)
    axes.tick_params(axis="y", length=0)


def draw_curves(curves: pd.DataFrame, title: str) -> Figure:
    """How fast either arm learns: the test error against what was seen, per action (down) and schedule (across).

    The line is the mean over the seeds, the band from the least to the most. A dotted line marks where the action-based
    learning rate falls below LOW_RATE of its first value. `curves` has a row per test: "action", "schedule", "arm", "seed",
    "unit_epochs", "mpjpe", mm, and "lr_share", the learning rate in shares of the first.
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
        layout.log_axis(axes, curves.unit_epochs, 2)
        _log_errors(axes, curves.mpjpe[curves.action == action])
        for arm, rows in own.groupby("arm", sort=False):
            _draw_band(axes, rows, COLOURS[arm])
        low = rate_is_low_from(own[own.arm == ACTION_BASED])
        if low is not None:
            marked = True
            axes.axvline(low, color=INK, linewidth=0.9, linestyle=":", zorder=1)
        name = f"{action}: {SCHEDULE_WORDS[schedule]}" if len(schedules) > 1 else action
        name_panel(axes, name, (figure.get_figwidth() - 1.4) / columns)
        if place % columns == 0:
            axes.set_ylabel("test MPJPE [mm]")
        if place + columns >= len(panels):
            axes.set_xlabel("windows seen\n[unit epochs]" if columns > 3 else "windows seen [unit epochs]")
    handles = [Line2D([], [], color=COLOURS[arm], lw=1.6, label=arm) for arm in ARMS]
    several = curves.groupby(["action", "arm"]).seed.nunique().max() > 1
    if several:
        handles.append(Patch(color=GREY, alpha=0.35, lw=0, label="range of the replicates"))
    if marked:
        label = "action-based learning rate below 1/100 of its start"
        handles.append(Line2D([], [], color=INK, lw=0.9, ls=":", label=label))
    note = "Lines: mean over the replicates." if several else "One replicate."
    return finish_figure(figure, title, f"{note} {SCHEDULE_NOTE}" if len(schedules) > 1 else note, handles)


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
    """The "unit_epochs" after which the mean "lr_share" of one model's seeds is below LOW_RATE; None where it never is.

    Between two rows it falls by a constant factor per window, or nearly: it is multiplied by lr_decay at every epoch's end.
    """
    shares = rows.groupby("unit_epochs").lr_share.mean()
    below = np.flatnonzero(shares < LOW_RATE)
    if not len(below):
        return None
    around = slice(max(below[0] - 1, 0), below[0] + 1)
    logs = np.log(np.maximum(shares.iloc[around], 1e-300))
    return float(np.interp(-np.log(LOW_RATE), -logs, shares.index[around]))
