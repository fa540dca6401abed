"""The figure of the confounds: the parts of the effect behind each claim."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.report.figures import layout
from pose3d_lib.study.attribution import SUMMANDS, WHOLE

# Claim -> its sentence above the panel.
CLAIM_NAMES = {
    "C1": "C1: better after a short training",
    "C2": "C2: worse after a long training",
    "C3": "C3: takes less time",
    "C5": "C5: stops improving early",
}


def draw_attribution(table: pd.DataFrame, title: str) -> Figure:
    """The parts of the published effect behind each claim, one panel per claim.

    The labels say which parts add up to the published effect: "=" before the first and "+" before the others.

    Args:
        table: as `attribution` gives it, without the parts that are not known: a row per claim and part, with "claim",
            "part", "effect", "low", "high" (NaN where there is one seed) and "unit".
        title: above it; it says which data.
    """
    claims = list(dict.fromkeys(table.claim))
    height = layout.ROW * table.groupby("claim").size().max() + 1.05
    figure, panels, columns = layout.start_panels(len(claims), height=height, most=2)
    figure.get_layout_engine().set(hspace=0.05)
    width = figure.get_figwidth()
    for axes, (claim, own) in zip(panels, table.groupby("claim", sort=False), strict=True):
        _draw_parts(axes, own.set_index("part"))
        layout.name_panel(axes, CLAIM_NAMES[claim], (width - 0.4) / columns)
        axes.set_xlabel(escape_mathtext(own.unit.iloc[0]))
        layout.wrap(axes.xaxis.label, width / columns - 0.7)
    note = f"Below zero speaks for the action-based model. {layout.explain_bars(table.low)}"
    if (table.groupby("claim").part.nunique() > 1).all():
        note = f"Published effect = {' + '.join(SUMMANDS)}. {note}"
    handles = [
        layout.dot(layout.INK, "interval leaves out zero"),
        layout.dot(layout.INK, "zero within the interval, or no interval", filled=False),
    ]
    return layout.finish_figure(figure, title, note, handles)


def _draw_parts(axes: Axes, own: pd.DataFrame) -> None:
    y, ticks, labels = 0.0, [], []
    for part, (effect, low, high) in own[["effect", "low", "high"]].iterrows():
        if ticks and part not in SUMMANDS[1:]:  # a line between the whole, its parts, and the budget
            axes.axhline(y + 0.3, color=layout.GREY, linewidth=0.6)
            y -= 0.4
        sign = ("= " if part == SUMMANDS[0] else "+ ") if part in SUMMANDS else ""
        labels.append("published effect" if part == WHOLE else f"{sign}{part}")
        ticks.append(y)
        axes.barh(y, effect, height=0.62, color=layout.GREY if part == WHOLE else "#d5dce3", zorder=1)
        layout.draw_interval(axes, effect, y, low, high, layout.INK, filled=bool(low > 0 or high < 0))
        style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": layout.SMALL, "color": layout.INK}
        axes.text(1.02, y, f"{effect:+.1f}".replace("-", "−"), **style)
        y -= 1
    axes.axvline(0, color=layout.INK, linewidth=0.8, zorder=1.5)
    axes.set(yticks=ticks, ylim=(y + 0.4, 0.6))
    axes.set_yticklabels(labels)
    axes.tick_params(axis="y", length=0)
