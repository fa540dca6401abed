"""Lifted clips as a player: one HTML page that needs nothing but itself, 2D that goes in beside 3D that comes out."""

import base64
import html
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Template

import numpy as np
from IPython.display import HTML, display

from pose3d_lib.data.skeleton import LEFT, RIGHT, Skeleton
from pose3d_lib.model.predict import Lifted, LiftedClip
from pose3d_lib.report.pictures import Picture, cut_pictures, follow
from pose3d_lib.report.show import say
from pose3d_lib.runs.lease import CLAIM

SECONDS, FRAMES_PER_SECOND = 4.0, 25.0  # of a clip in a notebook, about; the player shows what lies between two frames
MOST_CLIPS = 12
MOST_FRAMES = 4000  # of all clips of a page, which then has about a megabyte
MOST_PICTURES, PICTURES_PER_SECOND = 240, 12.5  # of a video, which the page holds then: some 5 MB
HEIGHT = 700  # of the player in a notebook, CSS pixels
LARGEST = 32767  # of the 16-bit integers that store coordinates
ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}  # how JSON writes what HTML would interpret


def show_player(lifted: Lifted) -> None:
    """Show the beginnings of clips in a notebook; nothing of a run that a sweep makes, as it keeps hundreds of notebooks."""
    if CLAIM in os.environ:
        say("Run this cell to see the player; notebooks of a sweep are kept without it.")
        return
    told = f"The first {SECONDS:g} s of each clip. In a notebook that you only opened, run the cell to see them."
    clips = tuple(clip.beginning(SECONDS, FRAMES_PER_SECOND) for clip in lifted.clips)
    display(HTML(player_frame(replace(lifted, clips=clips), told)))


def player_page(lifted: Lifted) -> str:
    """The page: it needs no network, plays at once, and turns with the mouse, a finger or keys.

    It has at most MOST_CLIPS clips, spread over all, and the beginnings of long ones; it says so. Clips that are no model's are
    a take in its cameras, all of which are seen at once. Of a video it has pictures, of the beginnings of the clips.
    """
    chosen = lifted.some(MOST_CLIPS)
    longest = MOST_FRAMES // len(chosen)
    clips = [clip.part(slice(longest)) for clip in chosen]
    about = ["Synthetic data, nobody was filmed"] if lifted.synthetic else []
    about.append(f"Keypoints {lifted.keypoints}" + f", model {lifted.model}" * bool(lifted.model))
    if len(clips) < len(lifted.clips):
        about.append(f"{len(clips)} of {len(lifted.clips):,} clips")
    if any(len(clip.frames) > longest for clip in chosen):
        about.append(f"of long clips the first {longest:,} frames")
    steps = [max(1, round(clip.fps / PICTURES_PER_SECOND)) for clip in clips]
    places = [range(len(clip.frames))[::step] for clip, step in zip(clips, steps, strict=True)]
    pictures = cut_pictures(lifted, clips, [own[: MOST_PICTURES // len(clips)] for own in places])
    content = {
        "about": " · ".join(about),
        "together": not lifted.model,
        "clips": [pack_clip(clip, own) for clip, own in zip(clips, pictures, strict=True)],
    }
    title = f"{lifted.dataset}, lifted to 3D" if lifted.model else f"{lifted.dataset}, a take in its cameras"
    return fill_page(title, content, lifted)


def fill_page(title: str, content: dict[str, object], lifted: Lifted, *, connect: str = "") -> str:
    """The page with its clips and what is said of them, besides the joints of `lifted`.

    `connect` is the one address that the page may connect to, as a content security policy names it; none by default.
    """
    content |= {
        "joints": lifted.skeleton.joints,
        "root": lifted.root_joint,
        "bones": _bones(lifted.skeleton),
        "bones_in": _bones(lifted.layout),
        "sides_in": lifted.layout.sides,
    }
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for letter, escaped in ESCAPED.items():
        text = text.replace(letter, escaped)
    page = Path(__file__).with_name("player.html").read_text(encoding="utf-8")
    allowed = f"; connect-src {connect}" if connect else ""
    return Template(page).substitute(title=html.escape(title), data=text, left=LEFT, right=RIGHT, connect=allowed)


def player_frame(lifted: Lifted, told: str) -> str:
    """The page inside another, as a notebook shows it, above a text, which is left where frames are not allowed."""
    page = html.escape(player_page(lifted))
    frame = f'<iframe srcdoc="{page}" title="player" style="width:100%;height:{HEIGHT}px;border:0"></iframe>'
    return f"{frame}<p>{html.escape(told)}</p>"


def pack_clip(clip: LiftedClip, pictures: Mapping[int, Picture]) -> dict[str, object]:
    """A clip, and pictures of some of its frames, as the page reads them."""
    middles, reach = follow(clip)
    return {
        "name": clip.name,
        "fps": clip.fps,
        "frames": len(clip.frames),
        "first": int(clip.frames[0]),
        "step": clip.step,
        "size": [clip.camera.width, clip.camera.height],
        "up": clip.up.round(6).tolist(),
        "pixels": _pack(clip.pixels),
        "middle": _pack(middles),
        "reach": round(reach, 2),
        "pictures": [[at, *own.box, base64.b64encode(own.jpeg).decode("ascii")] for at, own in pictures.items()],
        "pose": _pack(clip.positions),
        "root": None if clip.root is None else _pack(clip.root),
        "truth": None if clip.truth is None else _pack(clip.truth),
        "errors": None if clip.errors is None else clip.errors.round().astype(int).tolist(),
    }


def _pack(array: np.ndarray) -> dict[str, object]:
    """Any numbers as 16-bit integers times a unit, little-endian, in base64: off by half a unit at most."""
    unit = max(float(np.abs(array).max()) / LARGEST, 1e-9)
    steps = np.rint(array / unit).astype("<i2")
    return {"unit": unit, "int16": base64.b64encode(steps.tobytes()).decode("ascii")}


def _bones(skeleton: Skeleton) -> list[tuple[int, int, str]]:
    """(from, to, side) of every bone."""
    return [(*bone, side) for bone, side in zip(skeleton.bones, skeleton.bone_sides, strict=True)]
