"""The look of every figure: widths, one size of text, a palette for arms and one for limbs, and how figures are saved."""

import io
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.data.skeleton import LEFT, RIGHT

SINGLE, DOUBLE = 3.5, 7.2  # widths in inches: one column of a page, and two
TEXT, TITLE = 8, 9  # sizes in points; nothing is smaller
DPI = 240  # of a PNG, which a screen shows at half its size: sharp on any screen

INK, GREY, PALE = "#333333", "#8a939b", "#d5dce3"  # of what is no arm and no limb
ARM_COLOURS = {ORIGINAL: "#0072b2", ACTION_BASED: "#e69f00"}  # apart for colour-blind readers and in grey
LIMBS = {"left": LEFT, "right": RIGHT, "middle": INK}
TRUTH = "#a8afb6"  # of a true pose


def cut(name: object, most: int) -> str:
    """Of a very long name both ends."""
    name = str(name)
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-most // 2 + 1 :]}"


def shorten(name: object, most: int = 24) -> str:
    """A name for a row, a column or a panel, cut and without formulas."""
    return escape_mathtext(cut(name, most))


def start_figure(
    rows: int, columns: int, *, width: float, height: float, **shared: object
) -> tuple[Figure, np.ndarray]:
    """A figure of panels without frames at the top and on the right; `width` of all, `height` of one row, in inches."""
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, rows * height), layout="constrained", squeeze=False, **shared
    )
    for axes in grid.flat:
        open_frame(axes)
    return figure, grid


def open_frame(axes: Axes, *sides: str) -> None:
    """No lines at some sides of a panel, by default above and on the right; and its texts in their size."""
    axes.spines[list(sides or ("top", "right"))].set_visible(False)
    axes.tick_params(which="both", labelsize=TEXT, width=0.6, length=2.5, color=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_size(TEXT)


def start_single(height: float, width: float = SINGLE) -> tuple[Figure, Axes]:
    """A figure of one panel, by default one column wide; inches."""
    figure, grid = start_figure(1, 1, width=width, height=height)
    return figure, grid[0, 0]


def finish_figure(figure: Figure, title: str, note: str = "", handles: Sequence[Artist] = ()) -> Figure:
    """The title above the panels, the legend and the note below them; the page grows by what these need.

    Of a title "What it shows. Under which conditions", the conditions stand below in the size of all text. The page also
    grows by further lines of the panels' titles and x labels.
    """
    width, height = figure.get_size_inches()
    lines = sum(max(name(axes).count("\n") for axes in figure.axes) for name in (Axes.get_title, Axes.get_xlabel))
    height += figure.axes[0].get_gridspec().nrows * lines * 1.2 * TEXT / 72
    figure.set_size_inches(width, height)
    what, _, conditions = title.partition(". ")
    style = {"ha": "center", "va": "bottom"}
    texts = [figure.text(0.5, 0, escape_mathtext(what), fontsize=TITLE, **style)]
    texts += [
        figure.text(0.5, 0, escape_mathtext(own), color=INK, fontsize=TEXT, **style) for own in (conditions, note)
    ]
    for text in texts:
        wrap(text, width - 0.3)
    legend = _add_legend(figure, handles, width) if handles else None
    gap = 0.06
    parts = texts[2], legend, texts[1], texts[0]
    tall = [own.get_window_extent().height / figure.dpi if own else 0 for own in parts]
    heights = [own + gap * (own > 0) for own in tall]
    page = height + sum(heights) + 3 * gap
    places = np.cumsum([gap, *heights[:2], height + gap, heights[2]])  # of the lower edges: note, legend, panels, ...
    figure.set_size_inches(width, page)
    figure.get_layout_engine().set(rect=(0, places[2] / page, 1, height / page))
    for text, place in zip(texts, places[[4, 3, 0]], strict=True):
        text.set_y(place / page)
    if legend:
        legend.set_bbox_to_anchor((0.5, places[1] / page), transform=figure.transFigure)
    return figure


def _add_legend(figure: Figure, handles: Sequence[Artist], width: float) -> Artist:
    """In as few rows as the page's width allows."""
    spacing = {"borderpad": 0, "borderaxespad": 0, "columnspacing": 1.4, "handletextpad": 0.5, "handlelength": 1.6}
    style = {"loc": "lower center", "frameon": False, "fontsize": TEXT, **spacing}
    for rows in range(1, len(handles) + 1):
        columns = -(-len(handles) // rows)
        legend = figure.legend(handles=handles, ncols=columns, **style)
        if columns == 1 or legend.get_window_extent().width / figure.dpi <= width - 0.1:
            return legend
        legend.remove()


def wrap(text: Text, inches: float) -> None:
    """Break a text into as few lines as are no wider than this, all of about the same length; not after a number or its unit."""
    space = "\N{NO-BREAK SPACE}"
    words = re.sub(r"(?<![\w-])[\d.,]*\d (?:unit )?", lambda found: found[0].replace(" ", space), text.get_text())

    def fill(letters: int) -> list[str]:
        return textwrap.wrap(words, letters, break_on_hyphens=False, break_long_words=False)

    for count in range(1, len(words.split(" ")) + 1):
        letters = next(own for own in range(len(words) // count or 1, len(words) + 2) if len(fill(own)) <= count)
        text.set_text("\n".join(fill(letters)).replace(space, " "))
        if text.get_window_extent().width / text.get_figure().dpi <= inches:
            return


def name_panel(axes: Axes, name: str, inches: float) -> None:
    """A panel's title, in lines no wider than `inches`."""
    axes.set_title(escape_mathtext(name), fontsize=TEXT)
    wrap(axes.title, inches)


def to_png(figure: Figure) -> bytes:
    """A figure as PNG of DPI; without a colour scale in at most 128 colours, rare ones too: it is a third as large."""
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, dpi=DPI)
    picture = Image.open(whole).convert("RGB")
    if not figure.findobj(QuadMesh):
        picture = picture.quantize(128, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    picture.save(small, "png")
    return small.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write `<path>.png`, at twice the pixels that a screen shows, and `<path>.svg`; the same figure gives the same files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".png").write_bytes(to_png(figure))
    with plt.rc_context({"svg.hashsalt": path.stem}):  # otherwise its names are random
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
