"""The data doctor's figures: every check on every take at once, and the frames around the worst finding."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import Checkup
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, WARNING
from pose3d_lib.report.figures.skeletons import FLOOR, SIDES, draw_2d, draw_3d
from pose3d_lib.report.figures.style import DOUBLE, GREY, INK, TEXT, cut, finish_figure, shorten, start_single

PASSES = "passes"
LEVEL_COLOURS = {PASSES: GREY, WARNING: "#d4a017", ERROR: "#c1272d"}  # apart for colour-blind readers too
LEAST_SHARE = 1e-2  # of a limit; lower values are drawn there
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


def draw_worst(checkup: Checkup) -> Figure | None:
    """The frames around the worst finding that has one: keypoints if it is about these, poses otherwise; None without."""
    data = checkup.data
    finding = next((one for one in checkup.findings if one.frame >= 0 and one.check != "numbers"), None)
    if finding is None:
        return None
    clip, source = data.clips.iloc[finding.clip], finding.source
    shown = range(max(finding.frame - AROUND, 0), min(finding.frame + AROUND + 1, clip.stop - clip.start))
    figure, (axes,) = plt.subplots(
        1, len(shown), figsize=(DOUBLE, 1.7), layout="constrained", squeeze=False,
        subplot_kw={} if source else {"projection": "3d"},
    )  # fmt: skip
    for view, number in zip(axes, shown, strict=True):
        view.set_title(f"frame {number}", fontsize=TEXT, fontweight="bold" if number == finding.frame else "normal")
    title = f"{data.name}: {f'{source} keypoints of ' if source else ''}{data.name_of(clip)}"
    if source:
        _draw_keypoints(axes, data, clip, source, shown)
        handles = [*SIDES, Line2D([], [], color=GREY, label="edge of the image")]
    else:
        for view, number in zip(axes, shown, strict=True):
            draw_3d(view, data.positions[clip.start + number].astype(np.float64), data.skeleton)
        handles = [*SIDES, FLOOR]
    return finish_figure(figure, cut(title, 90), handles=handles)


def _draw_keypoints(axes: Sequence[Axes], data: PoseDataset, clip: pd.Series, source: str, shown: range) -> None:
    """Keypoints of a 2D source in some frames of a clip, and the edge of the image, which some may be beyond."""
    camera = data.camera_of(clip)
    size = np.array([camera.width, camera.height], np.float64)
    points = data.keypoints[source][clip.start + shown.start : clip.start + shown.stop].astype(np.float64)
    points = np.clip(points, -2 * size, 3 * size)  # what is further off is drawn there
    beyond = (points < 0).any() or (points > size).any()
    around = np.vstack([points.reshape(-1, 2), [(0, 0), size]]) if beyond else points
    for view, seen in zip(axes, points, strict=True):
        draw_2d(view, seen, data.layouts[source], camera, around=around)
        view.add_patch(Rectangle((0, 0), *size, fill=False, edgecolor=GREY, linewidth=1.2))
