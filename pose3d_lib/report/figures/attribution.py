"""The figure of the confounds: what the effect behind each claim is made of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.report.figures.layout import (
    DOUBLE,
    GREY,
    INK,
    INTERVAL,
    ROW,
    SINGLE,
    SMALL,
    dot,
    draw_interval,
    explain_bars,
    finish_figure,
    make_room,
    name_panel,
    start_figure,
    wrap,
)
from pose3d_lib.study.attribution import BUDGET, WHOLE

CLAIM_NAMES = {
    "C1": "C1: better after a short training",
    "C2": "C2: worse after a long training",
    "C3": "C3: takes less time",
    "C5": "C5: stops improving early",
}
"""Claim -> what it says, above its panel."""


def draw_attribution(
    table: pd.DataFrame,
    title: str,
    interval: str = INTERVAL,
    below: str = "Below zero speaks for the action-based model.",
) -> Figure:
    """What the published effect behind each claim is made of, one panel per claim.

    The labels say which parts add up to the published effect, "=" before the first and "+" before the others, if they do;
    a part that is not among the summands, such as the budget, stands apart.

    Args:
        table: as `attribution` gives it, a row per claim and part: "claim", "part", "effect", "low", "high" (NaN where
            there is one seed) and "unit", what the effect is and what it is measured in.
        interval: what the bars are.
        below: what the sign of an effect means.
    """
    claims = list(dict.fromkeys(table.claim))
    columns = min(len(claims), 2)
    rows = -(-len(claims) // columns)
    width = SINGLE if columns == 1 else DOUBLE
    height = ROW * table.groupby("claim").size().max() + 1.05
    figure, grid = start_figure(rows, columns, width=width, height=height)
    figure.get_layout_engine().set(hspace=0.05)
    sums = set()
    for axes in grid.flat[len(claims) :]:
        axes.set_visible(False)
    for axes, claim in zip(grid.flat, claims, strict=False):
        own = table[table.claim == claim].drop_duplicates("part").set_index("part")
        summands = find_summands(own.effect)
        sums.add(tuple(summands))
        _draw_parts(axes, own, summands)
        name_panel(axes, CLAIM_NAMES.get(claim, claim), (width - 0.4) / columns)
        axes.set_xlabel(escape_mathtext(own.unit.iloc[0]))
        wrap(axes.xaxis.label, width / columns - 0.7)
    make_room(figure, rows)
    note = f"{below} {explain_bars(table, 'low', interval)}".strip()
    if len(sums) == 1 and all(sums):
        note = f"Published effect = {' + '.join(next(iter(sums)))}. {note}"
    handles = [dot(INK, "interval leaves out zero"), dot(INK, "zero within the interval, or no interval", filled=False)]
    return finish_figure(figure, title, note, handles)


def find_summands(effects: pd.Series) -> list[str]:
    """The parts that add up to the published effect: all but the budget, or all of them; none if neither do.

    Args:
        effects: part -> effect, with WHOLE among the parts.
    """
    parts = [part for part in effects.index if part != WHOLE]
    for summands in ([part for part in parts if part != BUDGET], parts):
        if len(summands) > 1 and WHOLE in effects:
            whole = effects[WHOLE]
            if abs(effects[summands].sum(skipna=False) - whole) <= 0.005 * effects[[*summands, WHOLE]].abs().max():
                return summands
    return []


def _draw_parts(axes: Axes, own: pd.DataFrame, summands: Sequence[str]) -> None:
    others = [part for part in own.index if part != WHOLE and part not in summands]
    groups = [[part for part in own.index if part == WHOLE], list(summands), others]
    y, ticks, labels = 0.0, [], []
    for group in filter(None, groups):
        if ticks:
            axes.axhline(y + 0.3, color=GREY, linewidth=0.6)
            y -= 0.4
        for part in group:
            sign = ("= " if part == summands[0] else "+ ") if part in summands else ""
            labels.append("published effect" if part == WHOLE else escape_mathtext(f"{sign}{part}"))
            ticks.append(y)
            effect, low, high = own.loc[part, ["effect", "low", "high"]]
            axes.barh(y, effect, height=0.62, color=GREY if part == WHOLE else "#d5dce3", zorder=1)
            draw_interval(axes, effect, y, low, high, INK, filled=bool(low > 0 or high < 0))
            if np.isfinite(effect):
                place = axes.get_yaxis_transform()
                axes.text(
                    1.02, y, f"{effect:+.1f}".replace("-", "−"), transform=place, va="center", fontsize=SMALL, color=INK
                )
            y -= 1
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
    axes.set(yticks=ticks, ylim=(y + 0.4, 0.6))
    axes.set_yticklabels(labels)
    axes.tick_params(axis="y", length=0)
