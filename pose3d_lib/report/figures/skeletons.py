"""Skeletons in 2D and 3D, still and moving: the left side one colour, the right another, a prediction beside its truth."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke
from mpl_toolkits.mplot3d import Axes3D
from PIL import Image

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.report.figures.style import DOUBLE, INK, LIMBS, PALE, TEXT, TRUTH, cut, finish_figure, shorten
from pose3d_lib.report.pictures import Picture, cut_pictures

NAMES = {"left": "left side of the body", "right": "right side", "middle": "trunk and head"}
SIDES = [Line2D([], [], color=LIMBS[side], label=name) for side, name in NAMES.items()]
FLOOR = Line2D([], [], color=PALE, label="floor, squares of 0.5 m")
TRUTH_LINE = Line2D([], [], color=TRUTH, linewidth=3.2, label="ground truth")
SHEET_COLUMNS = 6  # frames of a clip on a contact sheet
SECONDS, FRAMES_PER_SECOND = 2.5, 12.5  # of each clip of an animation, from its beginning
COLOURS = 64  # of an animation


def draw_2d(
    axes: Axes,
    pixels: np.ndarray,
    layout: Skeleton,
    *,
    around: np.ndarray,
    picture: Picture | None = None,
) -> None:
    """Keypoints over the image plane of their camera: (joints, 2) pixels; bones only where the layout has some.

    What is seen is a square about the points `around`, pixels (..., 2), or a `picture`, part of the frame, that lies behind.
    """
    halo = None if picture is None else [withStroke(linewidth=3, foreground="white", alpha=0.8), Normal()]
    for bone, side in zip(layout.bones, layout.bone_sides, strict=True):
        axes.plot(*pixels[list(bone)].T, color=LIMBS[side], linewidth=1.6, solid_capstyle="round", path_effects=halo)
    axes.plot(*pixels.T, "o", color=INK, markersize=1.8 if layout.bones else 4)
    share = 0.6
    if picture is not None:
        left, top, right, bottom = picture.box
        axes.imshow(picture.image, extent=(left, right, bottom, top), zorder=0)
        around, share = np.reshape(picture.box, (2, 2)), 0.5
    low, high = around.reshape(-1, 2).min(axis=0), around.reshape(-1, 2).max(axis=0)
    (x, y), half = (low + high) / 2, share * (high - low).max()
    axes.set(
        xlim=(x - half, x + half), ylim=(y + half, y - half), aspect="equal", xticks=[], yticks=[], facecolor="#f4f4f4"
    )
    for spine in axes.spines.values():
        spine.set(visible=True, color="#bbbbbb")


def draw_3d(
    axes: Axes3D,
    pose: np.ndarray,
    skeleton: Skeleton,
    *,
    truth: np.ndarray | None = None,
    around: np.ndarray | None = None,
) -> None:
    """A camera-space pose seen a little from the side: (joints, 3) metres; optionally the truth behind it.

    `around`, metres (..., 3), makes the box a cube about these points; otherwise it holds a standing body. The floor is below
    the lowest point of what is in the box.
    """

    def draw_bone(ends: np.ndarray, **style: object) -> None:
        x, y, z = ends.T
        axes.plot(x, z, -y, solid_capstyle="round", **style)

    for bone in skeleton.bones if truth is not None else ():
        draw_bone(truth[list(bone)], color=TRUTH, linewidth=3.2, alpha=0.8)
    for bone, side in zip(skeleton.bones, skeleton.bone_sides, strict=True):
        draw_bone(pose[list(bone)], color=LIMBS[side], linewidth=1.8)
    if around is None:
        x, depth, floor, size = 0, 0, -pose[:, 1].max(), 1.8
    else:
        low, high = around.reshape(-1, 3).min(axis=0), around.reshape(-1, 3).max(axis=0)
        (x, _, depth), floor, size = (low + high) / 2, -high[1], max((high - low).max(), 0.1)
    ends = np.array([[x - size / 2, x + size / 2], [depth - size / 2, depth + size / 2]])
    (left, right), (front, back) = np.stack([np.floor(2 * ends[:, 0]) / 2, np.ceil(2 * ends[:, 1]) / 2], axis=1)
    style = {"color": PALE, "linewidth": 0.7, "zorder": 0}
    for place in np.arange(left, right + 0.1, 0.5):
        axes.plot((place, place), (front, back), floor, **style)
    for place in np.arange(front, back + 0.1, 0.5):
        axes.plot((left, right), (place, place), floor, **style)
    axes.set(xlim=ends[0], ylim=ends[1], zlim=(floor, floor + size))
    axes.set_axis_off()
    axes.set_box_aspect((1, 1, 1), zoom=1.35)
    axes.view_init(elev=12, azim=-65)


def _draw_lifted(axes: Axes3D, clip: LiftedClip, frame: int, skeleton: Skeleton) -> None:
    """A frame's pose in a box that holds all of its clip, the truth, if known, behind it."""
    if clip.truth is None:
        draw_3d(axes, clip.positions[frame], skeleton, around=clip.positions)
    else:
        space = np.stack([clip.positions, clip.truth])
        draw_3d(axes, clip.positions[frame], skeleton, truth=clip.truth[frame], around=space)


def draw_cameras(data: PoseDataset, clip: pd.Series, frame: int, keypoints: str) -> Figure:
    """A frame of a take seen by every camera that filmed it, and its 3D pose in the first camera's space, if known.

    `clip` is a row of the dataset's table, for one of the cameras; `frame` counts within the clip.
    """
    clips, layout = data.clips, data.layouts[keypoints]
    views = clips[(clips.subject == clip.subject) & (clips.action == clip.action) & (clips["take"] == clip["take"])]
    columns = len(views) + bool(clip.labelled)
    figure = plt.figure(figsize=(DOUBLE, 1.9), layout="constrained")
    for number, view in enumerate(views.itertuples(), start=1):
        axes, camera = figure.add_subplot(1, columns, number), data.cameras[view.camera]
        points = data.keypoints[keypoints][view.start + frame]
        draw_2d(axes, points, layout, around=points)
        axes.set_title(f"camera {shorten(camera.name, 12)}", fontsize=TEXT)
    if clip.labelled:
        axes = figure.add_subplot(1, columns, columns, projection="3d")
        draw_3d(axes, data.positions[views.start.iloc[0] + frame], data.skeleton)
        axes.set_title(f"3D, from {shorten(data.cameras[views.camera.iloc[0]].name, 12)}", fontsize=TEXT)
    title = f"{data.name}: {clip.subject}, {clip.action}, take {clip['take']}, frame {frame}"
    return finish_figure(figure, cut(title, 90), handles=[*SIDES, *[FLOOR] * bool(clip.labelled)])


def draw_sheet(lifted: Lifted, clips: Sequence[LiftedClip]) -> Figure:
    """A contact sheet, one band for each of some clips of `lifted`: its frames from the first to the last, and their poses.

    Keypoints are above, predictions below, with the truth behind them where it is known.
    """
    figure = plt.figure(figsize=(DOUBLE, 2.9 * len(clips) + 0.6), layout="constrained")
    *bands, below = figure.subfigures(len(clips) + 1, 1, height_ratios=[*[2.9] * len(clips), 0.6])
    chosen = [
        np.unique(np.linspace(0, len(clip.frames) - 1, SHEET_COLUMNS).round().astype(int)).tolist() for clip in clips
    ]
    columns, pictures = max(map(len, chosen)), cut_pictures(lifted, clips, chosen)
    for band, clip, frames, own in zip(bands, clips, chosen, pictures, strict=True):
        low, high = clip.pixels.min(axis=1), clip.pixels.max(axis=1)  # (frames, 2) each
        corners = (high - low).max() / 2 * np.array([[-1], [1]])  # all in one scale
        for column, frame in enumerate(frames, start=1):
            axes = band.add_subplot(2, columns, column)
            around = (low + high)[frame] / 2 + corners
            draw_2d(axes, clip.pixels[frame], lifted.layout, around=around, picture=own.get(frame))
            axes.set_title(f"frame {clip.frames[frame]}", fontsize=TEXT)
            axes = band.add_subplot(2, columns, columns + column, projection="3d")
            _draw_lifted(axes, clip, frame, lifted.skeleton)
            if clip.truth is not None:
                axes.set_title(f"MPJPE {clip.errors[frame]:.0f} mm", fontsize=TEXT, y=0.97)
        band.suptitle(escape_mathtext(clip.name), fontsize=TEXT)
    handles = [*SIDES, FLOOR, *[TRUTH_LINE] * any(clip.truth is not None for clip in clips)]
    origin = "synthetic data, nobody was filmed; " if lifted.synthetic else ""
    title = f"{lifted.dataset}: {origin}keypoints {lifted.keypoints}\nmodel {lifted.model}"
    below.suptitle(escape_mathtext(title), fontsize=TEXT)
    below.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=TEXT, frameon=False)
    return figure


def save_animation(lifted: Lifted, clips: Sequence[LiftedClip], path: Path) -> None:
    """Write the beginning of some clips of `lifted`, one after the other, as fast as they were; the truth, if known, is grey."""
    pictures: list[Image.Image] = []
    milliseconds = []
    clips = [clip.beginning(SECONDS, FRAMES_PER_SECOND) for clip in clips]
    behind = cut_pictures(lifted, clips, [range(len(clip.frames)) for clip in clips])
    for clip, frames in zip(clips, behind, strict=True):
        figure = plt.figure(figsize=(6.4, 3.4), dpi=90, layout="constrained")
        seen, made = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
        figure.suptitle(escape_mathtext(f"{'synthetic data, ' * lifted.synthetic}{clip.action}"), fontsize=11)
        for frame, pixels in enumerate(clip.pixels):
            seen.clear()
            made.clear()
            picture = frames.get(frame)
            draw_2d(seen, pixels, lifted.layout, around=clip.pixels, picture=picture)
            seen.set_title("2D keypoints in", fontsize=10)
            _draw_lifted(made, clip, frame, lifted.skeleton)
            made.set_title("3D joints out" if clip.truth is None else "3D joints out, the truth in grey", fontsize=10)
            figure.canvas.draw()
            figure.set_layout_engine("none")  # what does not move stays where it is, and takes no room in the file
            drawn = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
            # Colours of a video change; those of drawings do not, and take less room with one palette.
            palette = pictures[0] if pictures and picture is None else None
            colours = COLOURS if picture is None else 256
            pictures.append(drawn.quantize(colours, palette=palette, dither=Image.Dither.NONE))
        plt.close(figure)
        milliseconds += [10 * round(100 / clip.fps)] * len(clip.frames)  # a GIF counts hundredths
    pictures[0].save(path, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)


def draw_moments(positions: np.ndarray, truth: np.ndarray, skeleton: Skeleton) -> Figure:
    """Some frames of a clip, predicted and true: (frames, joints, 3) metres, camera space, relative to the root, twice."""
    figure, row = plt.subplots(
        1, SHEET_COLUMNS, figsize=(DOUBLE, 1.5), layout="constrained", subplot_kw={"projection": "3d"}
    )
    frames = np.linspace(0, len(truth) - 1, SHEET_COLUMNS).round().astype(int)
    errors = 1000 * np.linalg.norm(positions - truth, axis=-1).mean(axis=-1)
    for axes, frame in zip(row, frames, strict=True):
        draw_3d(axes, positions[frame], skeleton, truth=truth[frame], around=np.stack([positions, truth]))
        axes.set_title(f"frame {frame}:\n{errors[frame]:.0f} mm", fontsize=TEXT, y=0.97)
    title = f"MPJPE {errors.mean():.0f} mm on average"
    return finish_figure(figure, title, handles=[*SIDES, FLOOR, TRUTH_LINE])


def draw_actions(data: PoseDataset, subject: str) -> Figure:
    """One pose of every action of a subject, from the middle of its first take, in 3D."""
    clips = data.select([subject]).drop_duplicates("action")
    columns, rows = 5, -(-len(clips) // 5)
    figure = plt.figure(figsize=(DOUBLE, 1.5 * rows), layout="constrained")
    for number, (_, clip) in enumerate(clips.iterrows(), start=1):
        axes = figure.add_subplot(rows, columns, number, projection="3d")
        draw_3d(axes, data.positions[(clip.start + clip.stop) // 2], data.skeleton)
        axes.set_title(escape_mathtext(clip.action), fontsize=TEXT, y=0.97)
    title = f"{cut(data.name, 40)}: {cut(subject, 24)}, the middle of each action's first take"
    return finish_figure(figure, title, handles=[*SIDES, FLOOR])
