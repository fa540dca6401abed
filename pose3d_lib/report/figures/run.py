"""The figures of the data, of the data doctor and of a run: each function returns a figure."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.data.doctor import Checkup
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, WARNING
from pose3d_lib.model.lifter import receptive_field
from pose3d_lib.report.figures.style import (
    ARM_COLOURS,
    DOUBLE,
    GREY,
    INK,
    PALE,
    TEXT,
    cut,
    finish_figure,
    open_frame,
    shorten,
    start_figure,
    start_single,
)
from pose3d_lib.training.budget import BN_MOMENTUM_FIRST

PASSES = "passes"
LEVEL_COLOURS = {PASSES: GREY, WARNING: "#d4a017", ERROR: "#c1272d"}  # apart for colour-blind readers too
LEAST_SHARE = 1e-2  # of a limit; lower values are drawn there


def draw_training(frames: pd.Series, action: str, title: str) -> Figure:
    """Figures 1 and 2 of the paper, drawn to scale: what either arm is shown, so that both see the same number of frames.

    `frames` are the training frames f(i) of every action that is trained on; `action` is that of the action-based model.
    """
    total, own, short = int(frames.sum()), int(frames[action]), shorten(action, 12)
    once = [(n, shorten(name, 12), ARM_COLOURS[ACTION_BASED] if name == action else PALE) for name, n in frames.items()]
    repeated = [(own, short, ARM_COLOURS[ACTION_BASED])] * (total // own)
    if rest := total % own:
        repeated.append((rest, f"{rest / own:.2f} times", ARM_COLOURS[ACTION_BASED]))
    second = f"Figure 2. Action-based: {shorten(action)}, t = {total / own:.2f} times"
    panels = (
        (once, "Figure 1. Original: every action once", "one lifter\nfor all\nactions", ORIGINAL),
        (repeated, second, "one lifter\nfor this\naction", ACTION_BASED),
    )
    figure, grid = start_figure(2, 1, width=DOUBLE, height=1.35, sharex=True)
    for axes, (parts, name, model, arm) in zip(grid[:, 0], panels, strict=True):
        left = 0
        for width, label, colour in parts:
            axes.barh(0, width, left=left, height=1, color=colour, edgecolor="white", linewidth=0.8)
            if width > 0.025 * total:
                axes.text(left + width / 2, 0, label, rotation=90, ha="center", va="center", fontsize=TEXT)
            left += width
        box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": ARM_COLOURS[arm], "linewidth": 1.5}
        arrow = {"arrowstyle": "-|>", "color": INK, "lw": 1.2}
        axes.annotate("", (1.08 * total, 0), (total, 0), arrowprops=arrow)
        axes.text(1.14 * total, 0, model, ha="center", va="center", fontsize=TEXT, bbox=box)
        axes.set(xlim=(0, 1.2 * total), ylim=(-0.5, 0.5), yticks=[])
        axes.set_title(name, fontsize=TEXT, loc="left")
        open_frame(axes, "top", "right", "left")
    axes.set_xlabel("training frames seen in one unit epoch")
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= total])
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return finish_figure(figure, title)


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


def draw_receptive_field(filter_widths: Sequence[int], *, causal: bool = False, dense: bool = False) -> Figure:
    """Which input frames one output frame sees, layer by layer; of the dense ablation, the frames between these too."""
    total = receptive_field(filter_widths)
    figure, axes = start_single(0.55 * len(filter_widths) + 0.8, DOUBLE)
    positions = np.arange(total, dtype=float)
    axes.plot(positions, np.zeros(total), "o", color=INK, markersize=max(1.5, 5 - total / 60))
    dilation = 1
    labels = [f"{total} input frames"]
    for layer, width in enumerate(filter_widths, start=1):
        groups = positions.reshape(-1, width)
        upper = groups[:, -1] if causal else groups.mean(axis=1)
        axes.plot([positions, upper.repeat(width)], [layer - 1, layer], color=GREY, linewidth=0.7, zorder=0)
        axes.plot(upper, np.full(len(upper), layer), "o", color=INK, markersize=4)
        taps = f"{(width - 1) * dilation + 1} neighbouring taps"
        labels.append(taps if dense else f"width {width}, dilation {dilation}")
        positions, dilation = upper, dilation * width
    axes.set(ylim=(-0.4, len(filter_widths) + 0.4), xlabel="frame, from the window's first")
    axes.set_yticks(range(len(labels)), labels)
    open_frame(axes, "top", "right", "left")
    axes.tick_params(left=False)
    title = f"{'causal ' * causal}{'dense ' * dense}receptive field".capitalize()
    return finish_figure(figure, f"{title}: {' x '.join(map(str, filter_widths))} = {total} frames")


def draw_shares(frames: pd.Series) -> Figure:
    """t of formula (1) for every action: all training frames over the action's own."""
    t = (frames.sum() / frames).sort_values()
    figure, axes = start_single(0.22 * len(t) + 0.8, DOUBLE)
    axes.barh(range(len(t)), t, color=ARM_COLOURS[ACTION_BASED])
    axes.set_yticks(range(len(t)), [shorten(action) for action in t.index])
    for row, value in enumerate(t):
        axes.text(0.01 * t.max(), row, f"{value:.1f}", va="center", fontsize=TEXT)
    axes.vlines(len(t), -0.6, len(t) - 0.4, color=INK, linewidth=1, linestyle="--")
    style = {"fontsize": TEXT, "va": "bottom", "ha": "center"}
    axes.text(len(t), len(t) - 0.3, f"{len(t)}, were all actions of equal length", **style)
    axes.set(xlabel="t, epochs of the action in one unit epoch", ylim=(-0.6, len(t) + 0.5))
    axes.set_xlim(0, max(1.05 * t.max(), 1.6 * len(t)))
    return finish_figure(figure, "How often an action-based model sees its own frames in one unit epoch")


def draw_learning_curve(history: pd.DataFrame, tested_on: str, title: str, *final: float) -> Figure:
    """One run: training loss and test error against the frames seen, and the schedules below.

    The test errors are those as published; `final` are that at the end, and the same with recomputed statistics.
    """
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(DOUBLE, 3.8), layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    style = {"marker": "o", "markersize": 3.5, "linewidth": 1.4}
    top.plot(history.unit_epochs, history.train_mpjpe, color=GREY, label="training loss (with dropout)", **style)
    tests, end = history.set_index("unit_epochs").test_mpjpe.dropna(), history.unit_epochs.iloc[-1]
    if final:
        tests.loc[end] = final[0]
    if len(tests):
        top.plot(tests, color=INK, label=escape_mathtext(f"test error, {tested_on}"), **style)
    if final:
        style = {"marker": "D", "markersize": 6, "linestyle": "none", "markerfacecolor": "none", "color": INK}
        top.plot(end, final[1], label="the last one, batch norms recomputed", **style)
    top.set(ylabel="MPJPE [mm]", yscale="log")
    top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    top.yaxis.set_major_formatter("{x:g}")
    top.yaxis.set_minor_formatter(NullFormatter())
    seen = [0, *history.unit_epochs]  # a row's settings are those of the batches since the row before it
    for column, first, line, name in (
        ("lr", history.lr.iloc[0], "-", "learning rate"),
        ("bn_momentum", BN_MOMENTUM_FIRST, "--", "batch-norm momentum"),
    ):
        shares = history[column] / first
        bottom.step(seen, [shares.iloc[0], *shares], where="pre", color=INK, linestyle=line, linewidth=1.2, label=name)
    bottom.set(xlabel="windows seen [unit epochs]", ylabel="share of\nits start", ylim=(-0.05, 1.1))
    for axes in (top, bottom):
        open_frame(axes)
        axes.legend(frameon=False, fontsize=TEXT)
    return finish_figure(figure, title)
