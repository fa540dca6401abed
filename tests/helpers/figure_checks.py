"""What the tests of several kinds of figures ask: that every text can be read at the size at which it is printed."""

import io
import itertools
from collections.abc import Sequence
from xml.etree import ElementTree

import matplotlib.pyplot as plt
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from pose3d_lib.report.figures.style import DOUBLE, SINGLE, TEXT, TITLE


def shown_texts(figure: Figure) -> list[Text]:
    """Every text that is drawn; a tick outside the axis's limits keeps its label, but nobody sees it."""
    figure.draw_without_rendering()
    unseen = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        seen = {tick for tick in ticks if low <= tick.get_loc() <= high}
        for tick in {*axis.majorTicks, *axis.minorTicks} - seen:
            unseen |= {tick.label1, tick.label2}
    for axes in figure.axes:
        if not axes.axison:
            unseen |= {text for axis in axes.findobj(Axis) for text in axis.findobj(Text)}
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in unseen]


def texts_as_drawn(figure: Figure) -> list[str]:
    """What a reader of the picture reads, line by line."""
    file = io.StringIO()
    with plt.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg")
    lines = ElementTree.fromstring(file.getvalue()).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(line.itertext()) for line in lines]


def _collisions(figure: Figure, shown: Sequence[Text]) -> list[tuple[str, str]]:
    legends = figure.findobj(Legend)
    inside = {text for legend in legends for text in legend.findobj(Text)}
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    boxes = [(name, box.shrunk(0.96, 0.8)) for name, box in boxes if box.width and box.height]
    pairs = list(itertools.combinations(boxes, 2))
    outside = [(text.get_text(), text.get_window_extent()) for text in shown if text not in inside]
    pairs += [(box, ("the legend", legend.get_window_extent())) for legend in legends for box in outside]
    return [(a[0], b[0]) for a, b in pairs if a[1].overlaps(b[1])]


def _off_the_page(figure: Figure, shown: Sequence[Text]) -> list[str]:
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    page = figure.bbox.padded(1)
    inside = [page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1) for _, box in boxes]
    return [name for (name, _), whole in zip(boxes, inside, strict=True) if not whole]


def check_legible(figure: Figure) -> list[Text]:
    """No text lies on another, on a legend that it does not belong to, or beyond the page's edge; all that are shown."""
    shown = shown_texts(figure)
    assert not (together := _collisions(figure, shown)), together
    assert not (beyond := _off_the_page(figure, shown)), beyond
    return shown


def check_printable(figure: Figure) -> list[Text]:
    """Legible at the width at which it is printed, one column or two, in one size besides the title's; all that are shown."""
    shown = check_legible(figure)
    assert figure.get_figwidth() in (SINGLE, DOUBLE)
    assert [(text.get_text(), text.get_fontsize()) for text in shown if text.get_fontsize() not in (TEXT, TITLE)] == []
    return shown
