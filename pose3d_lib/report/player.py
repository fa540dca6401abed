"""Lifted clips as a player: one HTML page that needs nothing but itself, 2D that goes in beside 3D that comes out."""

import base64
import html
import json
from pathlib import Path
from string import Template

import numpy as np

from pose3d_lib.common.files import write_atomically
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.predict import Lifted, LiftedClip

MOST_CLIPS = 12
MOST_FRAMES = 4000  # of all clips of a page, which then has about a megabyte
HEIGHT = 700  # of the player in a notebook, CSS pixels
LARGEST = 32767  # of the 16-bit integers that store coordinates
ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}  # how JSON writes what HTML would interpret


def write_player(lifted: Lifted, path: Path) -> None:
    """Write the page, atomically."""
    text = player_page(lifted)
    write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def player_page(lifted: Lifted) -> str:
    """The page: it needs no network, plays at once, and turns with the mouse, a finger or keys.

    It has at most MOST_CLIPS clips, spread over all, and the beginnings of long ones; it says so.
    """
    clips = lifted.some(MOST_CLIPS)
    longest = MOST_FRAMES // len(clips)
    about = ["Synthetic data, nobody was filmed"] if lifted.synthetic else []
    about.append(f"Keypoints {lifted.keypoints}, model {lifted.model}")
    if len(clips) < len(lifted.clips):
        about.append(f"{len(clips)} of {len(lifted.clips):,} clips")
    if any(len(clip.frames) > longest for clip in clips):
        about.append(f"of long clips the first {longest:,} frames")
    content = {
        "about": " · ".join(about),
        "joints": lifted.skeleton.joints,
        "root": lifted.root_joint,
        "bones": _bones(lifted.skeleton),
        "bones_in": _bones(lifted.layout),
        "sides_in": lifted.layout.sides,
        "clips": [_pack_clip(clip, longest) for clip in clips],
    }
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for letter, escaped in ESCAPED.items():
        text = text.replace(letter, escaped)
    page = Path(__file__).with_name("player.html").read_text(encoding="utf-8")
    return Template(page).substitute(title=html.escape(f"{lifted.dataset}, lifted to 3D"), data=text)


def player_frame(lifted: Lifted, instead: str) -> str:
    """The page inside another, as a notebook shows it; where frames are not allowed, the text `instead` is left."""
    page = html.escape(player_page(lifted))
    frame = f'<iframe srcdoc="{page}" title="player" style="width:100%;height:{HEIGHT}px;border:0"></iframe>'
    return f"{frame}<p>{html.escape(instead)}</p>"


def _pack_clip(clip: LiftedClip, frames: int) -> dict[str, object]:
    """A clip's first frames as the page reads them."""
    root, truth, errors = (None if array is None else array[:frames] for array in (clip.root, clip.truth, clip.errors))
    return {
        "name": clip.name,
        "fps": clip.fps,
        "frames": len(clip.frames[:frames]),
        "first": int(clip.frames[0]),
        "step": clip.step,
        "size": [clip.camera.width, clip.camera.height],
        "up": clip.up.round(6).tolist(),
        "pixels": _pack(clip.pixels[:frames]),
        "pose": _pack(clip.positions[:frames]),
        "root": None if root is None else _pack(root),
        "truth": None if truth is None else _pack(truth),
        "errors": None if errors is None else errors.round().astype(int).tolist(),
    }


def _pack(array: np.ndarray) -> dict[str, object]:
    """Any numbers as 16-bit integers times a unit, little-endian, in base64: off by half a unit at most."""
    unit = max(float(np.abs(array).max()) / LARGEST, 1e-9)
    steps = np.rint(array / unit).astype("<i2")
    return {"unit": unit, "int16": base64.b64encode(steps.tobytes()).decode("ascii")}


def _bones(skeleton: Skeleton) -> list[tuple[int, int, str]]:
    """(from, to, side) of every bone."""
    return [(*bone, side) for bone, side in zip(skeleton.bones, skeleton.bone_sides, strict=True)]
