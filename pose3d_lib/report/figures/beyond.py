"""The figures of the questions beyond the paper: transfer, labels, mixing, fewer frames, the joints, scarce poses.

The tables are tidy, as `study/` makes them, with errors in mm; titles say which data.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FixedLocator, NullLocator
from scipy.cluster.hierarchy import dendrogram, leaves_list, linkage
from scipy.spatial.distance import squareform

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.report.figures import layout, style
from pose3d_lib.report.figures.layout import COLOURS, MARKERS
from pose3d_lib.study.tables_beyond import TOLD_ACTION, curves_of_frames
from pose3d_lib.study.tables_scarcity import ALONE, SEMI_SUPERVISED, SUPERVISED, losses
from pose3d_lib.study.two_way import t_interval

# Rows of `draw_labels`, by arm and whether the label is known
LABELS = {
    (ORIGINAL, ""): "one model of all actions",
    (TOLD_ACTION, "yes"): "the same, told the action",
    (TOLD_ACTION, "no"): "told a wrong action",
    (ACTION_BASED, "yes"): "the action's own model",
    (ACTION_BASED, "no"): "another action's model",
}

# From one arm's colour to the other's: the colour of a change is that of the arm that is better.
ARMS = LinearSegmentedColormap.from_list("arms", [COLOURS[ACTION_BASED], "white", COLOURS[ORIGINAL]])


def draw_transfer(matrix: pd.DataFrame, title: str) -> Figure:
    """Every model on every action, ordered so that actions whose models can stand in for each other are neighbours.

    `matrix` holds the MPJPE of the model of the row's action on the column's action; the row ALL, drawn on top, is the
    original model.
    """
    order, tree = cluster(matrix)
    count = len(order)
    ratios = {"height_ratios": (1, count), "width_ratios": (9, 1)}
    size = {"width": _width(count), "height": (0.27 * (count + 1.4) + 1.1) / 2}
    figure, grid = style.start_figure(2, 2, **size, gridspec_kw=ratios)
    figure.get_layout_engine().set(hspace=0.01, wspace=0.01)
    colours = {"cmap": "viridis_r", "vmin": matrix.min(axis=None), "vmax": matrix.max(axis=None)}
    top, main = grid[:, 0]
    _heat_map(top, matrix.loc[[ALL], order], "{:.0f}", **colours)
    top.set_xticks([])
    top.set_yticklabels([f"{ORIGINAL} (all)"])
    _heat_map(main, matrix.loc[order, order], "{:.0f}", **colours)
    for place in range(count):
        main.add_patch(Rectangle((place, place), 1, 1, fill=False, edgecolor="black", linewidth=1.3, clip_on=False))
    main.set(xlabel="tested on", ylabel="trained on")
    grid[0, 1].remove()
    side = grid[1, 1]
    dendrogram(tree, ax=side, orientation="right", no_labels=True, link_color_func=lambda _: style.GREY)
    side.collections[0].set_linewidth(0.9)
    side.set_ylim(10 * count, 0)  # a leaf takes 10 units, as dendrogram draws it; the first on top
    side.set_xticks([])
    side.set_axis_off()
    _add_scale(figure, main, "MPJPE [mm]", [side])
    note = "Framed: each action's own model. The tree joins actions whose models do well on each other."
    return style.finish_figure(figure, title, note)


def _width(columns: int) -> float:
    """Inches, of a heat map."""
    return style.SINGLE if columns <= 4 else style.DOUBLE


def cluster(matrix: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Two actions or more, neighbours being those whose models do well on each other's, and the linkage.

    The distance of two actions is the mean of what either model errs more on the other's action than the model of that
    action; average linkage, with the leaves in the best order.
    """
    errors = matrix.loc[list(matrix.columns)].to_numpy()
    excess = errors - np.diag(errors)  # a column's action has its own model on the diagonal
    distances = squareform(((excess + excess.T) / 2).clip(0), checks=False)
    tree = linkage(distances, method="average", optimal_ordering=True)
    return list(matrix.columns[leaves_list(tree)]), tree


def _heat_map(axes: Axes, values: pd.DataFrame, shape: str, **colours: object) -> None:
    """A heat map with its numbers, shaped as told, in black or white, whichever is easier to read on the cell."""
    import seaborn as sns  # takes a second, which a training run need not wait

    named = values.rename(index=style.shorten, columns=style.shorten)
    words = values.map(lambda value: shape.format(value).replace("-", "−"))
    sns.heatmap(
        named, annot=words, fmt="", annot_kws={"size": style.TEXT}, cbar=False, ax=axes, linewidths=0.4, **colours
    )
    faces = axes.collections[0].get_facecolors().reshape(*values.shape, 4)
    for text in axes.texts:
        column, row = (int(place) for place in text.get_position())
        bright = sns.utils.relative_luminance(faces[row, column])
        text.set_color("black" if bright > 0.18 else "white")  # whichever is easier to read (WCAG 2)
    axes.tick_params(length=0, labelsize=style.TEXT)
    axes.tick_params(axis="x", labelrotation=90)
    axes.tick_params(axis="y", labelrotation=0)
    axes.set(xlabel="", ylabel="")
    axes.set_facecolor("#eeeeee")


def _add_scale(figure: Figure, axes: Axes, label: str, beside: list[Axes]) -> None:
    """The colours of a heat map and what they mean, on the right of some panels."""
    bar = figure.colorbar(axes.collections[0], ax=beside, location="right", aspect=30, pad=0.02)
    bar.set_label(label, fontsize=style.TEXT)
    bar.ax.tick_params(labelsize=style.TEXT, width=0.6, length=2.5)
    bar.outline.set_visible(False)


def draw_joints(table: pd.DataFrame, title: str) -> Figure:
    """Where on the body the arms differ: the action-based error less the original's, per action and joint.

    `table` has a row per action and joint, in the order in which they are shown: "action", "joint" and either arm's error
    in a column of its name.
    """
    change = table.assign(change=table[ACTION_BASED] - table[ORIGINAL])
    values = change.pivot(index="action", columns="joint", values="change")
    values = values.loc[table.action.unique(), table.joint.unique()]
    largest = max(1.0, values.abs().max(axis=None))
    figure, axes = style.start_single(0.25 * len(values) + 1.0, _width(values.shape[1]))
    _heat_map(axes, values.round(), "{:+z.0f}", cmap=ARMS, vmin=-largest, vmax=largest)
    _add_scale(figure, axes, "change [mm]", [axes])
    note = "Action-based less original, mm. Below zero, in its colour, the action-based model is better; above, the original."
    return style.finish_figure(figure, title, note)


def draw_joint_bars(table: pd.DataFrame, title: str) -> Figure:
    """The error of every joint, for both arms: a bar for the mean of the actions, a line for their range."""
    joints = table.groupby("joint", sort=False)[[ORIGINAL, ACTION_BASED]]
    means, least, most = joints.mean(), joints.min(), joints.max()
    figure, axes = style.start_single(1.15 * layout.ROW * len(means) + 0.5)
    rows = np.array([*layout.name_rows(axes, means.index).values()])
    for arm, shift in ((ORIGINAL, 0.2), (ACTION_BASED, -0.2)):
        axes.barh(rows + shift, means[arm], height=0.36, color=COLOURS[arm], label=arm)
        axes.hlines(rows + shift, least[arm], most[arm], color=style.INK, linewidth=0.8)
    axes.set_xlabel("error of the joint [mm]")
    actions = table.action.nunique()
    handles = [Patch(color=COLOURS[arm], label=arm) for arm in (ORIGINAL, ACTION_BASED)]
    note = f"Bars: mean of {actions} actions; lines: from the least to the most."
    return style.finish_figure(figure, title, note if actions > 1 else f"{table.action.iloc[0]} only.", handles)


def draw_mixing(table: pd.DataFrame, title: str, every: int) -> Figure:
    """The error on an action against the number of actions that its model was trained on, from its own alone to all.

    `table` has a row per run: "action", the one tested on, "trained_on", the number of actions, "seed" and "mpjpe". `every`
    is the number of all actions.
    """
    ends = {1: ACTION_BASED, every: ORIGINAL}
    figure, panels = _start_panels(table)
    for axes, (action, own) in panels.items():
        layout.draw_seeds(axes, own, "trained_on", line=False)
        means = own.groupby("trained_on").mpjpe.mean()
        for count in means.index.intersection(list(ends)):
            arm = ends[count]
            axes.plot(count, means[count], MARKERS[arm], color=COLOURS[arm], markersize=6.5, zorder=4)
        style.name_panel(axes, action, 1.4)
        axes.set_xlabel("actions trained on")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(means.index))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    names = {ACTION_BASED: "action-based: one action", ORIGINAL: f"original: all {every} actions"}
    return style.finish_figure(figure, title, layout.explain_seeds(table), layout.arm_dots(names))


def draw_data_efficiency(table: pd.DataFrame, title: str) -> Figure:
    """The error on an action against the number of distinct frames that its model was trained on, both arms.

    `table` has a row per run: "action", the one tested on, "arm", "share", "frames", "seed" and "mpjpe". Where every seed's
    points tell a curve (`curves_of_frames`), it is drawn, the mean of theirs.
    """
    figure, panels = _start_panels(table)
    curves, note = curves_of_frames(table), layout.explain_seeds(table)
    for axes, (action, own) in panels.items():
        layout.log_axis(axes, table.frames, 10)
        for arm, rows in own.groupby("arm", sort=False):
            fits = curves.get((action, arm), {}).values()
            layout.draw_seeds(axes, rows, "frames", arm, by="share", line=False)
            if fits and all(fit.found for fit in fits):
                note = f"{layout.explain_seeds(table)} Lines: error = a + b n^-c, where the points tell it."
                frames = np.geomspace(rows.frames.min(), rows.frames.max(), 50)
                curve = np.mean([fit.at(frames) for fit in fits], axis=0)
                axes.plot(frames, curve, "-", color=COLOURS[arm], linewidth=1.4, zorder=3)
        style.name_panel(axes, action, 1.4)
        axes.set_xlabel("distinct training frames")
    return style.finish_figure(figure, title, note, layout.arm_dots((ORIGINAL, ACTION_BASED)))


def draw_labels(table: pd.DataFrame, title: str) -> Figure:
    """What the label is worth: the error of every kind of model with the true label and with a wrong one, of `labels`."""
    means = {key: own.groupby("seed").mpjpe.mean() for key, own in table.groupby(["arm", "known"])}
    found = [key for key in LABELS if key in means]
    figure, axes = style.start_single(1.2 * layout.ROW * len(found) + 0.6)
    for place, (arm, known) in enumerate(found):
        _draw_row(axes, means[arm, known], -place, arm, filled=known != "no")
    rows = {"yticks": -np.arange(len(found)), "yticklabels": [LABELS[key] for key in found]}
    axes.set(**rows, ylim=(0.6 - len(found), 0.6), xlabel="MPJPE, mean of the actions [mm]")
    axes.tick_params(axis="y", length=0)
    return style.finish_figure(figure, title, layout.explain_seeds(table))


def _start_panels(table: pd.DataFrame) -> tuple[Figure, dict[Axes, tuple[str, pd.DataFrame]]]:
    """A panel per action, and its rows."""
    groups = list(table.groupby("action", sort=False))
    figure, panels, columns = layout.start_panels(len(groups), height=2.2 if len(groups) < 3 else 1.8)
    for axes in panels[::columns]:
        axes.set_ylabel("test MPJPE [mm]")
    return figure, dict(zip(panels, groups, strict=True))


def draw_scarcity(table: pd.DataFrame, title: str) -> Figure:
    """The error of both arms against the number of labelled frames; of rows of `ScarcityResults.table`."""
    figure, axes = style.start_single(2.5)
    layout.log_axis(axes, table.frames, 10)
    for arm, beside in ((SUPERVISED, 0.96), (SEMI_SUPERVISED, 1.04)):  # otherwise one interval hides the other
        rows = table[table.arm == arm]
        layout.draw_seeds(axes, rows.assign(frames=beside * rows.frames), "frames", arm)
    axes.set(xlabel="labelled training frames", ylabel="test MPJPE [mm]")
    handles = layout.arm_dots((SUPERVISED, SEMI_SUPERVISED))
    return style.finish_figure(figure, title, layout.explain_seeds(table), handles)


def draw_ablation(table: pd.DataFrame, title: str) -> Figure:
    """A dot per seed and their mean, for every loss; of rows of `ScarcityResults.table` of one action and share."""
    names = losses(table)
    figure, axes = style.start_single(layout.ROW * len(names) + 0.6)
    places = layout.name_rows(axes, names)
    for name in names:
        arm = SUPERVISED if name == ALONE else SEMI_SUPERVISED
        _draw_row(axes, table.mpjpe[table.loss == name], places[name], arm)
    axes.set_xlabel("test MPJPE [mm]")
    return style.finish_figure(figure, title, layout.explain_seeds(table))


def draw_question(table: pd.DataFrame, title: str) -> Figure:
    """Each action's own model with and without video of the other actions; of rows of `ScarcityResults.table`."""
    actions = list(dict.fromkeys(table.action))
    figure, axes = style.start_single(1.6 * layout.ROW * len(actions) + 0.6)
    places = layout.name_rows(axes, actions)
    for action, rows in table.groupby("action", sort=False):
        for arm, shift in ((SUPERVISED, 0.17), (SEMI_SUPERVISED, -0.17)):
            _draw_row(axes, rows.mpjpe[rows.arm == arm], places[action] + shift, arm)
    axes.set_xlabel("test MPJPE on the action [mm]")
    names = {SUPERVISED: "its own poses alone", SEMI_SUPERVISED: "and video of the other actions"}
    return style.finish_figure(figure, title, layout.explain_seeds(table), layout.arm_dots(names))


def _draw_row(axes: Axes, errors: pd.Series, place: float, arm: str, *, filled: bool = True) -> None:
    """A dot for each error, and their mean with its interval."""
    layout.draw_dots(axes, errors, np.full(len(errors), place))
    mean, low, high = t_interval(errors.to_numpy())
    layout.draw_interval(axes, mean, place, low, high, COLOURS[arm], marker=MARKERS[arm], filled=filled)
