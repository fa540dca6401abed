"""The figures of docs/performance.md: the roofline, and how the time of a training step divides."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MARKS = {"ours": ("o", "#0072b2"), "baseline": ("v", "#e69f00")}
PART_COLOURS = ("#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#c9d3dc")
"""Apart for colour-blind readers."""


def draw_roofline(table: pd.DataFrame, caption: str) -> Figure:
    """Attainable GFLOP/s against FLOP per byte, and the pieces of work of bench_roofline.py under it, by number."""
    figure = Figure(figsize=(9.6, 5.2), layout="constrained")
    axes = figure.subplots()
    memory, float32 = table.memory[0] / 1e9, table.limit_float32[0] / 1e9
    intensity = np.geomspace(0.1, 1000, 300)
    axes.plot(intensity, np.minimum(float32, intensity * memory), color="#333333", linewidth=1.5)
    _name_roof(axes, 3, 3 * memory, f"memory: {memory:.0f} GB/s", slope=True)
    _name_roof(axes, 110, float32, f"float32 products: {float32:.0f} GFLOP/s")
    top = float32
    if "limit_bfloat16" in table:
        top = table.limit_bfloat16[0] / 1e9
        axes.plot(intensity, np.where(intensity > float32 / memory, np.minimum(top, intensity * memory), np.nan), ":k")
        _name_roof(axes, 110, top, f"bfloat16 products: {top:.0f} GFLOP/s")
    for how, (marker, colour) in MARKS.items():
        own = table[table.how == how]
        axes.plot(own.flop / own.bytes, own.flops / 1e9, marker, color=colour, markersize=6, label=how)
    names = list(dict.fromkeys(table.what))
    for number, what in enumerate(names, start=1):
        for work in table[table.what == what].itertuples():
            side = (
                {"xytext": (5, -2.5), "ha": "left"} if work.how == "baseline" else {"xytext": (-5, -2.5), "ha": "right"}
            )
            if work.how == "ours" and number % 2 == 0:
                side = {"xytext": (0, 5), "ha": "center"}  # two lie side by side
            place = work.flop / work.bytes, work.flops / 1e9
            axes.annotate(str(number), place, textcoords="offset points", fontsize=7, **side)
    listed = "\n".join(f"{number}  {what}" for number, what in enumerate(names, start=1))
    axes.text(0.98, 0.03, listed, transform=axes.transAxes, fontsize=8, ha="right", va="bottom", multialignment="left")
    low = min(table.flops.min() / 1e9, 0.1 * memory)
    axes.set(xscale="log", yscale="log", xlim=(0.1, 1000), ylim=(0.5 * low, 2.5 * top))
    axes.set(xlabel="FLOP per byte that passes between processor and memory", ylabel="GFLOP/s")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    _finish(axes, f"What this processor can do at best, and what a forward pass gets out of it\n{caption}")
    return figure


def _name_roof(axes: Axes, x: float, y: float, text: str, *, slope: bool = False) -> None:
    """Its name over its right end; where it slopes, before the place."""
    side = (-6, 4) if slope else (0, 4)
    axes.annotate(text, (x, y), side, textcoords="offset points", fontsize=8, va="bottom", ha="right")


def draw_parts(table: pd.DataFrame, parts: Sequence[str], caption: str) -> Figure:
    """Milliseconds of each part of a training step, a bar for each row of bench_step.py's table."""
    widths = list(dict.fromkeys(table.channels))
    figure = Figure(figsize=(9.6, 1.2 + 1.5 * len(widths)), layout="constrained")
    grid = figure.subplots(len(widths), 1, squeeze=False)
    for axes, channels in zip(grid[:, 0], widths, strict=True):
        own = table[table.channels == channels].iloc[::-1]
        left = np.zeros(len(own))
        for part, colour in zip(parts, PART_COLOURS, strict=True):
            axes.barh(own.training, own[part], left=left, color=colour, edgecolor="white", linewidth=0.8, label=part)
            left += own[part].to_numpy()
        for row, total in enumerate(left):
            axes.text(total, row, f" {total:,.0f} ms", va="center", fontsize=8)
        axes.set(xlim=(0, 1.12 * left.max()))
        axes.tick_params(left=False, labelsize=8)
        _finish(axes, f"{channels} channels")
    grid[-1, 0].set_xlabel("milliseconds per step of 1,024 windows of 27 frames", fontsize=9)
    figure.suptitle(f"Where the time of a training step goes\n{caption}", fontsize=10)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return figure


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
