"""The data doctor's figures: every check on every take at once, and one take around a frame that was found."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import Checkup
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, WARNING
from pose3d_lib.report.figures.skeletons import FLOOR, LIMBS, SIDES, draw_2d, draw_3d
from pose3d_lib.report.figures.style import (
    DOUBLE,
    GREY,
    INK,
    PALE,
    TEXT,
    cut,
    finish_figure,
    open_frame,
    shorten,
    start_single,
)

FASTEST_JOINT = CHECKS["joint speed"].tolerable[1]
PASSES = "passes"
LEVEL_COLOURS = {PASSES: GREY, WARNING: "#d4a017", ERROR: "#c1272d"}  # apart for colour-blind readers too
LEAST_SHARE = 1e-2  # of a limit; lower values are drawn there
FASTEST = ("-", "--", ":")  # lines of the fastest joints, in the colours of their sides
AROUND = 2  # frames drawn before and after the one that was found


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


def draw_take(data: PoseDataset, clip: pd.Series, frame: int) -> Figure:
    """The speed of a labelled clip's joints, the fastest at a frame named, and its poses around this frame."""
    poses = data.positions[clip.start : clip.stop].astype(np.float64)
    frame, shown = _frames_around(frame, len(poses))
    figure = plt.figure(figsize=(DOUBLE, 3.9), layout="constrained")
    grid = figure.add_gridspec(2, len(shown), height_ratios=(1.1, 1))
    axes = figure.add_subplot(grid[0, :])
    if len(poses) > 1:
        speeds = np.linalg.norm(np.diff(poses, axis=0), axis=-1) * clip.fps  # (frames - 1, joints)
        near = slice(max(frame - 2, 0), frame + 2)
        fastest = np.argsort(-speeds[near].max(axis=0), kind="stable")[: len(FASTEST)]
        time = np.arange(1, len(poses))
        axes.plot(time, np.delete(speeds, fastest, axis=1), color=PALE, linewidth=0.8)
        for joint, line in zip(fastest, FASTEST, strict=False):
            label, colour = escape_mathtext(data.skeleton.joints[joint]), LIMBS[data.skeleton.sides[joint]]
            axes.plot(time, speeds[:, joint], line, color=colour, linewidth=1.2, label=label)
        if speeds.max() > 0.5 * FASTEST_JOINT:
            axes.axhline(FASTEST_JOINT, color=INK, linewidth=0.9, linestyle="-.", label=f"{FASTEST_JOINT:g} m/s")
        axes.legend(frameon=False, fontsize=TEXT, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.axvspan(shown[0], shown[-1], color=GREY, alpha=0.3, linewidth=0)
    axes.set(xlabel="frame", ylabel="speed relative\nto the root [m/s]")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlim=(0, max(len(poses) - 1, 1)), ylim=(0, None))
    open_frame(axes)
    for column, number in enumerate(shown):
        pose_axes = figure.add_subplot(grid[1, column], projection="3d")
        draw_3d(pose_axes, poses[number], data.skeleton)
        pose_axes.set_title(
            f"frame {number}", fontsize=TEXT, y=0.97, fontweight="bold" if number == frame else "normal"
        )
    return finish_figure(figure, cut(f"{data.name}: {data.name_of(clip)}", 90), handles=[*SIDES, FLOOR])


def _frames_around(frame: int, length: int) -> tuple[int, list[int]]:
    """A frame of a clip of this length, and those to draw."""
    frame = min(max(frame, 0), length - 1)
    return frame, list(range(max(frame - AROUND, 0), min(frame + AROUND + 1, length)))


def draw_keypoints(data: PoseDataset, clip: pd.Series, frame: int, source: str) -> Figure:
    """The keypoints of a 2D source around a frame of a clip, and the edge of the image, which some may be beyond."""
    pixels, camera = data.keypoints[source][clip.start : clip.stop], data.camera_of(clip)
    frame, shown = _frames_around(frame, len(pixels))
    size = np.array([camera.width, camera.height], np.float64)
    points = np.clip(pixels[shown].astype(np.float64), -2 * size, 3 * size)  # what is further off is drawn there
    beyond = (points < 0).any() or (points > size).any()
    around = np.vstack([points.reshape(-1, 2), [(0, 0), size]]) if beyond else points
    figure, axes = plt.subplots(1, len(shown), figsize=(DOUBLE, 1.7), layout="constrained", squeeze=False)
    for view, number, seen in zip(axes[0], shown, points, strict=True):
        draw_2d(view, seen, data.layouts[source], camera, around=around)
        view.add_patch(Rectangle((0, 0), *size, fill=False, edgecolor=GREY, linewidth=1.2))
        view.set_title(f"frame {number}", fontsize=TEXT, fontweight="bold" if number == frame else "normal")
    edge = Line2D([], [], color=GREY, label="edge of the image")
    title = cut(f"{data.name}: {source} keypoints of {data.name_of(clip)}", 90)
    return finish_figure(figure, title, handles=[*SIDES, edge])


def draw_worst(checkup: Checkup) -> Figure | None:
    """The worst finding that has a frame: `draw_keypoints` if it is about keypoints, otherwise `draw_take`; or None."""
    data = checkup.data
    for finding in checkup.findings:
        if finding.frame >= 0 and finding.check != "numbers":
            clip = data.clips.iloc[finding.clip]
            if finding.source:
                return draw_keypoints(data, clip, finding.frame, finding.source)
            return draw_take(data, clip, finding.frame)
    return None
