"""Predictions as files that need nothing of this project to be read: `.npz` without pickles, CSV, JSON.

In all of them positions are metres in the camera's space (x to the right, y down, z away from the camera), relative to the
root joint; where a network of the trajectory says where the root is, a joint's own place is the sum of both.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import make_folder
from pose3d_lib.model.lifted import Lifted, LiftedClip

FORMATS = ("npz", "csv", "json")

FORMAT = "pose3d-poses-1"
"""Of the files' content, for whoever reads them; raised when a key changes its meaning."""

STEM = "poses"

SPACE = "camera: x to the right, y down, z away from the camera"

DIGITS = 5
"""Behind the point in text files, of metres and seconds: a hundredth of a millimetre, far below any error."""

AXES = ("x", "y", "z")
TRAJECTORY = "trajectory"
"""What every format calls the root's place in camera space."""


def check_free(folder: Path, names: Sequence[str], *, overwrite: bool) -> None:
    """Refuses a folder in which one of these files is already there, unless it may be overwritten."""
    there = [name for name in names if os.path.exists(folder / name)]  # False of a name that is too long
    if there and not overwrite:
        raise InputError(f"{folder / there[0]}: is already there; choose another folder, or say overwrite")


def file_names(formats: Sequence[str]) -> list[str]:
    """The names that `write_poses` gives."""
    return [f"{STEM}.{name}" for name in formats]


def write_poses(lifted: Lifted, folder: Path, formats: Sequence[str], *, overwrite: bool = False) -> list[Path]:
    """Writes `poses.npz`, `poses.csv`, `poses.json`, or some of them; each is there whole or not at all.

    Args:
        lifted: what to write.
        folder: made if it is not there.
        formats: some of WRITERS.
        overwrite: whether files of these names are replaced.

    Returns:
        The files, in the order of the formats.
    """
    names = file_names(formats)
    check_free(folder, names, overwrite=overwrite)
    make_folder(folder)
    for name, kind in zip(names, formats, strict=True):
        write_atomically(folder / name, lambda path, kind=kind: WRITERS[kind](lifted, path))
    return [folder / name for name in names]


def write_npz(lifted: Lifted, path: Path) -> None:
    """All clips end to end, as plain arrays; `np.load` reads them without pickles.

    positions       (frames, joints, 3) float32, metres
    trajectory      (frames, 3) float32, metres: the root in camera space; only where it is known
    keypoints       (frames, joints_in, 2) float32, pixels: what the model saw
    frame           (frames,) int64: number in the video
    clip            (frames,) int64: row of what follows
    subject, action, take, camera, fps, image_size    one row per clip; (width, height) of an image, pixels
    joints, parents, left, right, keypoint_joints     names of the joints, the skeleton's tree and its sides
    metadata        JSON: the model's name, units, and what else is the same for all
    """
    clips = lifted.clips
    skeleton = lifted.skeleton
    arrays = {
        "positions": np.concatenate([clip.positions for clip in clips]),
        "keypoints": np.concatenate([clip.pixels for clip in clips]),
        "frame": np.concatenate([clip.frames for clip in clips]),
        "clip": np.repeat(np.arange(len(clips)), [len(clip.frames) for clip in clips]),
        "subject": np.array([clip.subject for clip in clips]),
        "action": np.array([clip.action for clip in clips]),
        "take": np.array([clip.take for clip in clips]),
        "camera": np.array([clip.camera.name for clip in clips]),
        "fps": np.array([clip.fps for clip in clips]),
        "image_size": np.array([(clip.camera.width, clip.camera.height) for clip in clips]),
        "joints": np.array(skeleton.joints),
        "parents": np.array(skeleton.parents, np.int64),
        "left": np.array(skeleton.left, np.int64),
        "right": np.array(skeleton.right, np.int64),
        "keypoint_joints": np.array(lifted.layout.joints),
        "metadata": np.array(json.dumps(_about(lifted))),
    }
    if lifted.has_root:
        arrays[TRAJECTORY] = np.concatenate([clip.root for clip in clips])
    np.savez(path, **arrays)


def write_csv(lifted: Lifted, path: Path) -> None:
    """A row per frame, three columns per joint: `pandas.read_csv` gives a table in which `LWrist_y` is a curve over time.

    A row per joint would repeat the names of clip and model 17 times, and every look at a motion would begin with a
    pivot; whoever wants that shape has it with `pandas.wide_to_long`.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, clip in enumerate(lifted.clips):
            table = clip_table(lifted, clip)
            table.to_csv(file, index=False, header=number == 0, float_format=f"%.{DIGITS}f", lineterminator="\n")


def clip_table(lifted: Lifted, clip: LiftedClip) -> pd.DataFrame:
    """A clip as rows of the CSV: model, subject, action, take, camera, fps, frame, time (seconds), then x, y, z of every joint.

    Where the root's place is known, it stands behind the joints. Time is that of the frame's number.
    """
    places = clip.positions.reshape(len(clip.frames), -1)
    names = [f"{joint}_{axis}" for joint in lifted.skeleton.joints for axis in AXES]
    if clip.root is not None:
        places = np.hstack([places, clip.root])
        names += [f"{TRAJECTORY}_{axis}" for axis in AXES]
    same = {
        "model": lifted.model,
        "subject": clip.subject,
        "action": clip.action,
        "take": clip.take,
        "camera": clip.camera.name,
        "fps": f"{clip.fps:g}",
    }
    own = pd.DataFrame({"frame": clip.frames, "time": clip.times}).assign(**same)
    return pd.concat([own[[*same, "frame", "time"]], pd.DataFrame(places, columns=names)], axis=1)


def write_json(lifted: Lifted, path: Path) -> None:
    """One object: what is the same for all, and `clips`, each with `joints`: name -> [x, y, z] of every frame."""
    skeleton = lifted.skeleton
    about = {"joints": skeleton.joints, "parents": skeleton.parents, "left": skeleton.left, "right": skeleton.right}
    content = {**_about(lifted), **about, "clips": [_clip_object(lifted, clip) for clip in lifted.clips]}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def _clip_object(lifted: Lifted, clip: LiftedClip) -> dict[str, object]:
    return {
        "subject": clip.subject,
        "action": clip.action,
        "take": clip.take,
        "camera": clip.camera.name,
        "image_size": [clip.camera.width, clip.camera.height],
        "fps": clip.fps,
        "frames": clip.frames.tolist(),
        "joints": {joint: _rounded(clip.positions[:, n]) for n, joint in enumerate(lifted.skeleton.joints)},
        **({} if clip.root is None else {TRAJECTORY: _rounded(clip.root)}),
    }


def _rounded(places: np.ndarray) -> list[list[float]]:
    return places.astype(np.float64).round(DIGITS).tolist()


def _about(lifted: Lifted) -> dict[str, object]:
    """What is the same for every clip."""
    metres = ("positions", *((TRAJECTORY,) if lifted.has_root else ()))
    return {
        "format": FORMAT,
        "model": lifted.model,
        "dataset": lifted.dataset,
        "synthetic": lifted.synthetic,
        "keypoints": lifted.keypoints,
        "units": {**dict.fromkeys(metres, "metres"), "keypoints": "pixels"},
        "space": SPACE,
        "relative_to": lifted.root_joint,
        "notes": lifted.notes,
    }


WRITERS: Mapping[str, Callable[[Lifted, Path], None]] = dict(
    zip(FORMATS, (write_npz, write_csv, write_json), strict=True)
)
"""Format, which is also the file's ending -> what writes it."""
