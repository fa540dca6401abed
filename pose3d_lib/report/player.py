"""Lifted clips as a player: one HTML page that needs nothing but itself, 2D that goes in beside 3D that comes out."""

import base64
import html
import json
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from pose3d_lib.common.files import write_atomically
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.lifted import Lifted, LiftedClip

MOST_CLIPS = 12
MOST_FRAMES = 4000
"""Of all clips of a page, which is then of about a megabyte."""

HEIGHT = 700
"""Of the player in a notebook, CSS pixels."""

LARGEST = 32767
"""Of the 16-bit integers that coordinates become."""

ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
"""How JSON says what HTML would read as something else: a clip may be called as it likes."""


def write_player(lifted: Lifted, path: Path) -> None:
    """Writes the page, which is there whole or not at all."""
    text = player_page(lifted)
    write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def player_page(lifted: Lifted) -> str:
    """The page: it asks no network for anything, plays at once, and turns with the mouse, a finger or keys.

    Of many clips some are in it, spread over all, and of long ones the beginning; it says so.
    """
    clips = shown_clips(lifted)
    content = {
        "about": _about(lifted, clips),
        "joints": lifted.skeleton.joints,
        "root": lifted.root_joint,
        "bones": _bones(lifted.skeleton),
        "bones_in": _bones(lifted.layout),
        "sides_in": lifted.layout.sides,
        "clips": [_pack_clip(clip) for clip in clips],
    }
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for letter, escaped in ESCAPED.items():
        text = text.replace(letter, escaped)
    page = resources.files(__package__).joinpath("player.html").read_text(encoding="utf-8")
    return Template(page).substitute(title=html.escape(f"{lifted.dataset}, lifted to 3D"), data=text)


def player_frame(lifted: Lifted, instead: str) -> str:
    """The page inside of another, as a notebook shows it; where frames are not allowed, the text `instead` is left."""
    page = html.escape(player_page(lifted))
    frame = f'<iframe srcdoc="{page}" title="player" style="width:100%;height:{HEIGHT}px;border:0"></iframe>'
    return f"{frame}<p>{html.escape(instead)}</p>"


def shown_clips(lifted: Lifted) -> tuple[LiftedClip, ...]:
    """What is in the page: at most MOST_CLIPS clips, and as much of each as leaves at most MOST_FRAMES frames."""
    clips = lifted.some(MOST_CLIPS)
    return tuple(clip.first(MOST_FRAMES // len(clips)) for clip in clips)


def _about(lifted: Lifted, clips: tuple[LiftedClip, ...]) -> str:
    """What stands under the title: where it comes from, and what of it is there."""
    said = ["Synthetic data, nobody was filmed"] if lifted.synthetic else []
    said.append(f"Keypoints {lifted.keypoints}, model {lifted.model}")
    if len(clips) < len(lifted.clips):
        said.append(f"{len(clips)} of {len(lifted.clips):,} clips")
    longest = MOST_FRAMES // len(clips)
    if any(len(clip.frames) > longest for clip in lifted.some(MOST_CLIPS)):
        said.append(f"of long clips the first {longest:,} frames")
    return " · ".join(said)


def _pack_clip(clip: LiftedClip) -> dict[str, object]:
    errors = clip.errors
    return {
        "name": clip.name,
        "fps": clip.fps,
        "frames": len(clip.frames),
        "first": int(clip.frames[0]),
        "step": clip.step,
        "size": [clip.camera.width, clip.camera.height],
        "up": clip.up.round(6).tolist(),
        "pixels": _pack(clip.pixels),
        "pose": _pack(clip.positions),
        "root": None if clip.root is None else _pack(clip.root),
        "truth": None if clip.truth is None else _pack(clip.truth),
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
