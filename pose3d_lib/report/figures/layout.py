"""Layout that the study's figures share: size on the page, rows and axes, and a title, a legend and a note around them."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import EngFormatter, FixedLocator, LogLocator, NullFormatter, NullLocator

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.figures.run import ARM_COLOURS, shorten
from pose3d_lib.study.tables import MEAN, UNSEEN
from pose3d_lib.study.tables_beyond import FINE_TUNED, TOLD_ACTION
from pose3d_lib.study.tables_scarcity import SEMI_SUPERVISED, SUPERVISED
from pose3d_lib.study.two_way import t_interval

SINGLE, DOUBLE = 3.5, 7.2  # widths in inches: one column of a page, and two
SMALL, NORMAL, LARGE = 7, 7.5, 8.5  # sizes of text in points; nothing is smaller
ROW = 0.21  # height of a row that has a name, inches

# Of every arm of both studies: apart for colour-blind readers and in grey, and by their markers without colour.
COLOURS = {
    **ARM_COLOURS,
    FINE_TUNED: "#009e73",
    TOLD_ACTION: "#cc79a7",
    SUPERVISED: "#555555",
    SEMI_SUPERVISED: "#cc79a7",
}
MARKERS = {ORIGINAL: "o", ACTION_BASED: "s", FINE_TUNED: "D", TOLD_ACTION: "^", SUPERVISED: "o", SEMI_SUPERVISED: "s"}
INK, GREY = "#333333", "#8a939b"


def start_figure(
    rows: int, columns: int, *, width: float, height: float, **shared: object
) -> tuple[Figure, np.ndarray]:
    """A figure of panels without frames at the top and on the right; `width` of all, `height` of one row, in inches."""
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, rows * height), layout="constrained", squeeze=False, **shared
    )
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(which="both", labelsize=SMALL, width=0.6, length=2.5, color=INK)
        for axis in (axes.xaxis, axes.yaxis):
            axis.label.set_size(NORMAL)
    return figure, grid


def start_single(height: float, width: float = SINGLE) -> tuple[Figure, Axes]:
    """A figure of one panel, by default one column wide; inches."""
    figure, grid = start_figure(1, 1, width=width, height=height)
    return figure, grid[0, 0]


def start_panels(count: int, *, height: float, most: int = 4, **shared: object) -> tuple[Figure, list[Axes], int]:
    """A figure of so many panels, at most `most` beside each other; then these and the number of columns."""
    columns = min(count, most)
    width = SINGLE if columns == 1 else DOUBLE
    figure, grid = start_figure(-(-count // columns), columns, width=width, height=height, **shared)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count]), columns


def finish_figure(figure: Figure, title: str, note: str, handles: Sequence[Artist] = ()) -> Figure:
    """The title above the panels, the legend and the note below them; the page grows by what these three need.

    It also grows by further lines of the panels' titles and x labels.
    """
    width, height = figure.get_size_inches()
    lines = sum(max(name(axes).count("\n") for axes in figure.axes) for name in (Axes.get_title, Axes.get_xlabel))
    height += figure.axes[0].get_gridspec().nrows * lines * 1.2 * NORMAL / 72
    figure.set_size_inches(width, height)
    texts = [
        figure.text(0.5, 0, escape_mathtext(text), ha="center", va="bottom", fontsize=size, color=colour)
        for text, size, colour in ((title, LARGE, "black"), (note, SMALL, INK))
    ]
    for text in texts:
        wrap(text, width - 0.3)
    legend = _add_legend(figure, handles, width) if handles else None
    heights = [own.get_window_extent().height / figure.dpi if own else 0 for own in (texts[1], legend, texts[0])]
    gap = 0.05
    bottom = heights[0] + heights[1] + 3 * gap
    page = bottom + height + heights[2] + 2 * gap
    figure.set_size_inches(width, page)
    figure.get_layout_engine().set(rect=(0, bottom / page, 1, height / page))
    texts[0].set_y((bottom + height + gap) / page)
    texts[1].set_y(gap / page)
    if legend:
        legend.set_bbox_to_anchor((0.5, (heights[0] + 2 * gap) / page), transform=figure.transFigure)
    return figure


def _add_legend(figure: Figure, handles: Sequence[Artist], width: float) -> Artist:
    """In as few rows as the page's width allows."""
    spacing = {"borderpad": 0, "borderaxespad": 0, "columnspacing": 1.4, "handletextpad": 0.5, "handlelength": 1.6}
    style = {"loc": "lower center", "frameon": False, "fontsize": SMALL, **spacing}
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(handles=handles, ncols=columns, **style)
        if columns == 1 or legend.get_window_extent().width / figure.dpi <= width - 0.1:
            return legend
        legend.remove()


def wrap(text: Text, inches: float) -> None:
    """Breaks a text into lines that are no wider than this, and all of about the same length; not after a number or its unit."""
    space = "\N{NO-BREAK SPACE}"
    words = re.sub(r"(?<=\d) (?:unit )?", lambda found: found[0].replace(" ", space), text.get_text())
    letters = len(words)

    def fill(letters: int) -> str:
        return textwrap.fill(words, letters, break_on_hyphens=False).replace(space, " ")

    while letters > 1 and (wide := text.get_window_extent().width / text.get_figure().dpi) > inches:
        letters = max(1, min(letters - 1, int(letters * inches / wide)))
        text.set_text(fill(letters))
    while "\n" in text.get_text() and fill(letters - 1).count("\n") == text.get_text().count("\n"):
        letters -= 1
        text.set_text(fill(letters))


def name_panel(axes: Axes, name: str, inches: float) -> None:
    """A panel's title, in lines no wider than `inches`."""
    axes.set_title(escape_mathtext(name), fontsize=NORMAL)
    wrap(axes.title, inches)


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


def explain_seeds(
    table: pd.DataFrame, several: str = "Dots: one replicate each; markers: their mean with its 95 % interval."
) -> str:
    return several if table.seed.nunique() > 1 else "One replicate."


def log_axis(axes: Axes, values: Iterable[float], base: int) -> None:
    """A logarithmic x axis around the values: powers of the base as ticks, or the values' ends where these are too close."""
    low, high = min(values), max(values)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.25, high * 1.25)
    powers = np.log([low / 1.25, high * 1.25]) / np.log(base)
    if np.floor(powers[1]) > np.ceil(powers[0]):
        axes.xaxis.set_major_locator(LogLocator(base=base))
        axes.xaxis.set_minor_locator(LogLocator(base=base, subs=range(2, base)))
    else:
        axes.xaxis.set_major_locator(FixedLocator([low] if high < 1.5 * low else [low, high]))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep="") if low >= 100 else "{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
