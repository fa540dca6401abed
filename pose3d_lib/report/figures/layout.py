"""Layout that the study's figures share: panels, rows and axes, dots and intervals, and the colours of all arms."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, NullFormatter

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.figures.style import ARM_COLOURS, DOUBLE, GREY, INK, SINGLE, shorten, start_figure
from pose3d_lib.study.tables import MEAN, UNSEEN
from pose3d_lib.study.tables_beyond import FINE_TUNED, TOLD_ACTION
from pose3d_lib.study.tables_scarcity import SEMI_SUPERVISED, SUPERVISED
from pose3d_lib.study.two_way import t_interval

ROW = 0.22  # height of a row that has a name, inches

# Of every arm of both studies: apart for colour-blind readers and in grey, and by their markers without colour.
COLOURS = {
    **ARM_COLOURS,
    FINE_TUNED: "#009e73",
    TOLD_ACTION: "#cc79a7",
    SUPERVISED: "#555555",
    SEMI_SUPERVISED: "#882255",
}
MARKERS = {ORIGINAL: "o", ACTION_BASED: "s", FINE_TUNED: "D", TOLD_ACTION: "^", SUPERVISED: "o", SEMI_SUPERVISED: "s"}

POINTS = {  # how sns.pointplot draws both arms
    "palette": COLOURS, "markers": [*MARKERS.values()][:2], "markersize": 4, "err_kws": {"linewidth": 1.1},
    "dodge": 0.3, "linestyle": "none", "legend": False,
}  # fmt: skip


def start_panels(count: int, *, height: float, most: int = 4, **shared: object) -> tuple[Figure, list[Axes], int]:
    """A figure of so many panels, at most `most` beside each other; then these and the number of columns."""
    columns = -(-count // -(-count // most))  # as even as can be
    width = SINGLE if columns == 1 else DOUBLE
    figure, grid = start_figure(-(-count // columns), columns, width=width, height=height, **shared)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:count]), columns


SUMMARIES = (MEAN, UNSEEN)  # rows that are no action


def sort_rows(table: pd.DataFrame, by: str) -> list[str]:
    """Actions from the largest value to the smallest, the SUMMARIES last."""
    actions = table[~table.action.isin(SUMMARIES)].sort_values(by, ascending=False, kind="stable").action
    return [*actions, *(name for name in SUMMARIES if name in set(table.action))]


def name_rows(axes: Axes, names: Sequence[str]) -> dict[str, float]:
    """Gives every name a row, the first on top, the SUMMARIES below a line; returns name -> height of its row."""
    heights = np.arange(len(names))[::-1].astype(float)
    last = sum(name in SUMMARIES for name in names)
    if 0 < last < len(names):
        heights[:-last] += 0.3
        axes.axhline(last - 0.35, color=GREY, linewidth=0.6, zorder=0)
    axes.set(yticks=heights, ylim=(-0.6, heights[0] + 0.6))
    axes.set_yticklabels([shorten(name) for name in names])
    axes.tick_params(axis="y", length=0)
    return dict(zip(names, heights, strict=True))


def draw_interval(
    axes: Axes,
    x: float,
    y: float,
    low: float,
    high: float,
    colour: str,
    *,
    marker: str = "o",
    filled: bool = True,
    dashes: str = "-",
) -> None:
    """A dot at (x, y) and a horizontal bar from `low` to `high`, if these are not NaN."""
    if np.isfinite(low):
        axes.hlines(y, low, high, color=colour, linewidth=1.1, linestyle=dashes, zorder=2)
    face = colour if filled else "white"
    axes.plot(x, y, marker, color=colour, markerfacecolor=face, markersize=4, markeredgewidth=0.9, zorder=3)


def dot(colour: str, label: str, *, marker: str = "o", filled: bool = True) -> Line2D:
    """How a legend shows what `draw_interval` draws."""
    face = colour if filled else "white"
    return Line2D([], [], color=colour, marker=marker, ls="", ms=4, mew=0.9, markerfacecolor=face, label=label)


def arm_dots(arms: Iterable[str] | Mapping[str, str]) -> list[Line2D]:
    """How a legend shows arms, under their own names or as arm -> what the legend calls it."""
    names = arms if isinstance(arms, Mapping) else {arm: arm for arm in arms}
    return [dot(COLOURS[arm], label, marker=MARKERS[arm]) for arm, label in names.items()]


def explain_bars(lows: pd.Series) -> str:
    """What the bars of changes are, or why there are none."""
    return "No intervals: they take several replicates." if lows.isna().all() else "Bars: 95 % intervals."


def draw_seeds(axes: Axes, rows: pd.DataFrame, x: str, arm: str = "", *, by: str = "", line: bool = True) -> None:
    """The MPJPE against a column: a dot per seed, and the means with 95 % intervals, grey if no arm; `by` groups them, or `x`.

    With `line`, one from mean to mean.
    """
    colour, marker = COLOURS.get(arm, GREY), MARKERS.get(arm, "o")
    draw_dots(axes, rows[x], rows.mpjpe)
    groups = [own for _, own in rows.groupby(by or x)]
    places = np.array([own[x].mean() for own in groups])
    means, lows, highs = np.array([t_interval(own.mpjpe.to_numpy()) for own in groups]).T
    axes.vlines(places, lows, highs, color=colour, linewidth=1.1, zorder=2)
    axes.plot(places, means, marker, color=colour, markersize=4.5, zorder=4)
    if line:
        axes.plot(places, means, "-", color=colour, linewidth=1.4, zorder=3)


def draw_dots(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """A small dot for each replicate, in front of their mean."""
    axes.plot(x, y, "o", color=INK, markersize=1.8, markeredgewidth=0, alpha=0.8, zorder=5)


def explain_seeds(table: pd.DataFrame) -> str:
    several = "Dots: one replicate each; markers: their mean with its 95 % interval."
    return several if table.seed.nunique() > 1 else "One replicate."


def log_axis(axes: Axes, values: Iterable[float], base: int) -> None:
    """A logarithmic x axis around the values: powers of the base as ticks, or the values' ends where these are too close."""
    low, high = min(values), max(values)
    axes.set_xscale("log", base=base, subs=range(2, base))
    axes.set_xlim(low / 1.25, high * 1.25)
    powers = np.log([low / 1.25, high * 1.25]) / np.log(base)
    if np.floor(powers[1]) <= np.ceil(powers[0]):  # one at most
        axes.set_xticks([low] if high < 1.5 * low else [low, high])
        axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(EngFormatter(sep="") if low >= 100 else "{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
