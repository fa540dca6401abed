"""The figures of the data and of a run: each function returns a figure."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.model.lifter import receptive_field
from pose3d_lib.training.budget import BN_MOMENTUM_FIRST

ARM_COLOURS = {ORIGINAL: "#0072b2", ACTION_BASED: "#e69f00"}  # apart for colour-blind readers and in grey
REST = "#c9d3dc"


def shorten(name: object, most: int = 24) -> str:
    """A name for a row, a column or a panel: of a very long one both ends."""
    name = str(name)
    return escape_mathtext(name if len(name) <= most else f"{name[: most // 2]}…{name[-most // 2 + 1 :]}")


def draw_training(frames: pd.Series, action: str, title: str) -> Figure:
    """Figures 1 and 2 of the paper, drawn to scale: what either arm is shown, so that both see the same number of frames.

    `frames` are the training frames f(i) of every action that is trained on; `action` is that of the action-based model.
    """
    total, own, short = int(frames.sum()), int(frames[action]), shorten(action)
    once = [(n, shorten(name), ARM_COLOURS[ACTION_BASED] if name == action else REST) for name, n in frames.items()]
    repeated = [(own, short, ARM_COLOURS[ACTION_BASED])] * (total // own)
    if rest := total % own:
        repeated.append((rest, f"{rest / own:.2f} of {short}", ARM_COLOURS[ACTION_BASED]))
    second = f"Figure 2. Action-based: {short}, t = {total / own:.2f} times"
    panels = (
        (once, "Figure 1. Original: every action, once", "one lifter\nfor all actions", ORIGINAL),
        (repeated, second, f"one lifter\nfor {short}", ACTION_BASED),
    )
    figure, grid = plt.subplots(1, 2, figsize=(9.6, 3.9), layout="constrained", sharey=True)
    arrow = {"arrowstyle": "-|>", "color": "#333333", "lw": 1.5}
    for axes, (parts, part_title, model, arm) in zip(grid, panels, strict=True):
        bottom = 0
        for height, label, colour in parts:
            axes.bar(0, height, bottom=bottom, width=1, color=colour, edgecolor="white", linewidth=0.8)
            if height > 0.025 * total:
                axes.text(0, bottom + height / 2, label, ha="center", va="center", fontsize=7)
            bottom += height
        axes.annotate("", xy=(1.25, total / 2), xytext=(0.56, total / 2), arrowprops=arrow)
        box = {"boxstyle": "round,pad=0.6", "facecolor": ARM_COLOURS[arm], "alpha": 0.35, "edgecolor": "#333333"}
        axes.text(1.3, total / 2, model, ha="left", va="center", fontsize=10, bbox=box)
        axes.set(xlim=(-0.55, 2.6), xticks=[])
        axes.set_title(part_title, fontsize=10)
        _open_frame(axes, "top", "right", "bottom")
    grid[0].set_ylabel("training frames seen in one unit epoch")
    grid[0].yaxis.set_major_formatter("{x:,.0f}")
    figure.suptitle(escape_mathtext(title), fontsize=10)
    return figure


def draw_receptive_field(filter_widths: Sequence[int], *, causal: bool = False, dense: bool = False) -> Figure:
    """Which input frames one output frame sees, layer by layer; of the dense ablation, the frames between these too."""
    total = receptive_field(filter_widths)
    figure, axes = plt.subplots(figsize=(9.6, 0.7 * len(filter_widths) + 1.4), layout="constrained")
    positions = np.arange(total, dtype=float)
    axes.plot(positions, np.zeros(total), "o", color=ARM_COLOURS[ORIGINAL], markersize=max(1.5, 6 - total / 60))
    dilation = 1
    labels = [f"{total} input frames"]
    for layer, width in enumerate(filter_widths, start=1):
        groups = positions.reshape(-1, width)
        upper = groups[:, -1] if causal else groups.mean(axis=1)
        axes.plot([positions, upper.repeat(width)], [layer - 1, layer], color=REST, linewidth=0.8, zorder=0)
        axes.plot(upper, np.full(len(upper), layer), "o", color=ARM_COLOURS[ORIGINAL], markersize=5)
        taps = f"{(width - 1) * dilation + 1} neighbouring taps"
        labels.append(taps if dense else f"width {width}, dilation {dilation}")
        positions, dilation = upper, dilation * width
    axes.set(ylim=(-0.4, len(filter_widths) + 0.4), xlabel="frame, from the window's first")
    axes.set_yticks(range(len(labels)), labels)
    title = f"{'causal ' * causal}{'dense ' * dense}receptive field".capitalize()
    axes.set_title(f"{title}: {' x '.join(map(str, filter_widths))} = {total} frames", fontsize=10)
    _open_frame(axes, "top", "right", "left")
    axes.tick_params(left=False)
    return figure


def draw_shares(frames: pd.Series) -> Figure:
    """t of formula (1) for every action: all training frames over the action's own."""
    t = (frames.sum() / frames).sort_values()
    figure, axes = plt.subplots(figsize=(7.2, 0.26 * len(t) + 1.1), layout="constrained")
    axes.barh(range(len(t)), t, color=ARM_COLOURS[ACTION_BASED])
    axes.set_yticks(range(len(t)), [shorten(action) for action in t.index])
    for row, value in enumerate(t):
        axes.text(0.01 * t.max(), row, f"{value:.1f}", va="center", fontsize=8)
    axes.vlines(len(t), -0.6, len(t) - 0.4, color="#333333", linewidth=1, linestyle="--")
    axes.text(len(t), len(t) - 0.3, f"{len(t)}, were all actions of equal length", fontsize=8, va="bottom", ha="center")
    axes.set(xlabel="t, epochs of the action in one unit epoch", ylim=(-0.6, len(t) + 0.5))
    axes.set_xlim(0, max(1.05 * t.max(), 1.6 * len(t)))
    _open_frame(axes)
    return figure


def draw_learning_curve(
    history: pd.DataFrame,
    tested_on: str,
    title: str,
    final_test_mpjpe: float | None = None,
    final_recomputed_mpjpe: float | None = None,
) -> Figure:
    """One run: training loss and test error against the frames seen, and the schedules below.

    The test errors are those as published; the last argument is that at the end with recomputed statistics of the batch norms.
    """
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(7.2, 4.6), layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    style = {"marker": "o", "markersize": 4, "linewidth": 1.6}
    top.plot(history.unit_epochs, history.train_mpjpe, color="#777777", label="training loss (with dropout)", **style)
    tests = history.set_index("unit_epochs").test_mpjpe.dropna()
    if final_test_mpjpe is not None:
        tests.loc[history.unit_epochs.iloc[-1]] = final_test_mpjpe
    if len(tests):
        top.plot(tests, color="#009e73", label=escape_mathtext(f"test error, {tested_on}"), **style)
    if final_recomputed_mpjpe is not None:
        end = {"marker": "D", "markersize": 6, "linestyle": "none", "markerfacecolor": "none", "color": "#d55e00"}
        top.plot(
            history.unit_epochs.iloc[-1], final_recomputed_mpjpe, label="the last one, batch norms recomputed", **end
        )
    top.set(ylabel="MPJPE [mm]", yscale="log", title=escape_mathtext(title))
    top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    top.yaxis.set_major_formatter("{x:g}")
    top.yaxis.set_minor_formatter(NullFormatter())
    top.legend(frameon=False)
    seen = [0, *history.unit_epochs]  # a row's settings are those of the batches since the row before it
    for column, first, colour, name in (
        ("lr", history.lr.iloc[0], "#0072b2", "learning rate"),
        ("bn_momentum", BN_MOMENTUM_FIRST, "#cc79a7", "batch-norm momentum"),
    ):
        shares = history[column] / first
        bottom.step(seen, [shares.iloc[0], *shares], where="pre", color=colour, label=name)
    bottom.set(xlabel="windows seen, in unit epochs", ylabel="share of\nits start", ylim=(-0.05, 1.1))
    bottom.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes in (top, bottom):
        _open_frame(axes)
    return figure


def _open_frame(axes: Axes, *sides: str) -> None:
    """Remove the frame's lines at some sides, by default above and on the right."""
    axes.spines[list(sides or ("top", "right"))].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write `<path>.png`, legible at column width, and `<path>.svg`; the same figure gives the same files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path.with_suffix(".png"), dpi=150)
    with plt.rc_context({"svg.hashsalt": path.stem}):  # otherwise its names are random
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
