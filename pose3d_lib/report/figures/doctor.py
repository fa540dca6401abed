"""The data doctor's figure: every check on every take at once."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pose3d_lib.data.doctor import Checkup
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, WARNING
from pose3d_lib.report.figures.style import DOUBLE, GREY, INK, TEXT, cut, finish_figure, shorten, start_single

PASSES = "passes"
LEVEL_COLOURS = {PASSES: GREY, WARNING: "#d4a017", ERROR: "#c1272d"}  # apart for colour-blind readers too
LEAST_SHARE = 1e-2  # of a limit; lower values are drawn there


def draw_checks(checkup: Checkup) -> Figure:
    """Every check as a row of dots, one per take: what share of the limit it uses up; the worst is named.

    A crowd near the line with a few dots beyond it is a limit that cuts through ordinary data; dots far beyond the line
    and a crowd far below it are takes that differ from all others.
    """
    measures = checkup.measures.sort_values("share").drop_duplicates(["check", "take"], keep="last")
    names = [name for name in CHECKS if name in set(measures.check)]
    most = max(10.0, 2 * measures.share[np.isfinite(measures.share)].max())
    figure, axes = start_single(0.22 * len(names) + 0.7, DOUBLE)
    beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
    for row, name in enumerate(reversed(names)):
        own = measures[measures.check == name]
        rng = np.random.default_rng(row)  # spreads dots of the same value
        for level, dots in own.groupby(own.level.fillna(PASSES), sort=False):
            style = {"s": 9, "alpha": 0.35} if level == PASSES else {"s": 22, "alpha": 0.9}
            y = row + rng.uniform(-0.22, 0.22, len(dots))
            axes.scatter(dots.share.clip(LEAST_SHARE, most), y, color=LEVEL_COLOURS[level], linewidths=0, **style)
        worst = own.iloc[-1]
        where = "" if worst.share <= LEAST_SHARE else f", {shorten(worst['take'], 34)}"
        axes.text(1.02, row, f"{CHECKS[name].show(worst.value)}{where}", fontsize=TEXT, **beside)
    axes.text(1.02, len(names), "worst value, and where", fontsize=TEXT, **beside)
    axes.axvline(1, color=INK, linewidth=1, linestyle="--")
    axes.set(xscale="log", xlim=(LEAST_SHARE / 1.3, most * 1.2), ylim=(-0.6, len(names) - 0.4))
    axes.set_yticks(range(len(names)), reversed(names))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(f"share of the limit that a take uses up ({LEAST_SHARE:g}: this or less); a finding beyond 1")
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)
    dots = [Line2D([], [], marker="o", ms=4, ls="", color=colour, label=k) for k, colour in LEVEL_COLOURS.items()]
    return finish_figure(figure, f"{cut(checkup.data.name, 60)}: every check, one dot per take", handles=dots)
