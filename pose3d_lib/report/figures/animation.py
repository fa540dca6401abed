"""A body that moves, as a GIF: the keypoints that a model sees, and what it makes of them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from pose3d_lib.common.escaping import escape_mathtext
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.report.figures.skeletons import draw_2d, draw_3d
from pose3d_lib.report.pictures import cut_pictures

FRAMES_PER_SECOND = 12.5
SECONDS = 2.5  # of each clip, from its beginning
COLOURS = 64


def save_animation(lifted: Lifted, clips: Sequence[LiftedClip], path: Path) -> None:
    """Write the beginning of some clips of `lifted`, one after the other, as fast as they were; the truth, if known, is grey."""
    pictures: list[Image.Image] = []
    milliseconds = []
    clips = [clip.beginning(SECONDS, FRAMES_PER_SECOND) for clip in clips]
    behind = cut_pictures(lifted, clips, [range(len(clip.frames)) for clip in clips])
    for clip, frames in zip(clips, behind, strict=True):
        space = clip.positions if clip.truth is None else np.stack([clip.positions, clip.truth])
        figure = plt.figure(figsize=(6.4, 3.4), dpi=90, layout="constrained")
        seen, made = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
        figure.suptitle(escape_mathtext(f"{'synthetic data, ' * lifted.synthetic}{clip.action}"), fontsize=11)
        for frame, pixels in enumerate(clip.pixels):
            seen.clear()
            made.clear()
            picture = frames.get(frame)
            draw_2d(seen, pixels, lifted.layout, clip.camera, around=clip.pixels, picture=picture)
            seen.set_title("2D keypoints in", fontsize=10)
            truth = None if clip.truth is None else clip.truth[frame]
            draw_3d(made, clip.positions[frame], lifted.skeleton, truth=truth, around=space)
            made.set_title("3D joints out" if truth is None else "3D joints out, the truth in grey", fontsize=10)
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
