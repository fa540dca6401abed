"""Predictions as files that need nothing of this project to be read: `.npz` without pickles, CSV, JSON; BVH, TRC.

In the first three positions are metres in the camera's space (x to the right, y down, z away from the camera), or in that space
turned so that y is down along gravity, relative to the root joint; where a network of the trajectory says where the root is,
a joint's own place is the sum of both.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import in_file_name, make_folder
from pose3d_lib.model.motion_files import in_plain_letters, write_bvh, write_trc
from pose3d_lib.model.predict import Lifted, LiftedClip

FORMAT = "pose3d-poses-2"  # of the files' content; raised when a key changes its meaning
STEM = "poses"
SPACE = "camera: x to the right, y down, z away from the camera"
UPRIGHT = "; of clips whose `space` is upright, turned so that y is down along gravity"
DIGITS = 5  # decimals of metres and seconds in text files: a hundredth of a millimetre, far below any error
AXES = ("x", "y", "z")
TRAJECTORY = "trajectory"  # the root's place in camera space, in every format


def file_names(formats: Sequence[str], clips: Sequence[tuple[str, str, str]]) -> list[str]:
    """The names that `write_poses` gives: `poses.<format>`; in CLIP_FORMATS `poses-<number>-<names>.<format>` of several clips.

    `clips` are subject, action and take of each; numbers count from 0, as in the column `clip` of npz.
    """
    labels = [f"-{number}-{in_file_name(in_plain_letters('-'.join(clip)))}" for number, clip in enumerate(clips)]
    several = labels if len(clips) > 1 else [""]
    return [f"{STEM}{label}.{kind}" for kind in formats for label in (several if kind in CLIP_FORMATS else [""])]


def write_poses(
    lifted: Lifted, folder: Path, formats: Sequence[str], *, say: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Write `file_names` for some of FORMATS, each atomically, into a folder that is created; return the files.

    `say` is called with a line on what a format changes: BVH keeps the lengths of bones.
    """
    make_folder(folder)
    files, moved = [], []
    keys = [(clip.subject, clip.action, clip.take) for clip in lifted.clips]
    for kind in formats:
        names = file_names([kind], keys)
        parts = [replace(lifted, clips=(clip,)) for clip in lifted.clips] if len(names) > 1 else [lifted]
        for name, part in zip(names, parts, strict=True):
            write_atomically(folder / name, lambda path, part=part, kind=kind: moved.append(WRITERS[kind](part, path)))
            files.append(folder / name)
    if apart := [distances.ravel() for distances in moved if distances is not None]:
        distances = np.concatenate(apart)
        say(
            f"BVH: its bones keep their lengths, which moves joints by {distances.mean():.1f} mm on average, "
            f"{distances.max():.0f} mm at most."
        )
    return files


def write_npz(lifted: Lifted, path: Path) -> None:
    """All clips end to end, as plain arrays; `np.load` reads them without pickles.

    positions       (frames, joints, 3) float32, metres
    trajectory      (frames, 3) float32, metres: the root in camera space; only where it is known
    keypoints       (frames, joints_in, 2) float32, pixels: what the model saw
    frame           (frames,) int64: number in the video
    clip            (frames,) int64: row of what follows
    subject, action, take, camera, image_size, fps, space    one row per clip; (width, height) of an image, pixels
    joints, parents, left, right, keypoint_joints     names of the joints, the skeleton's tree and its sides
    metadata        JSON: the model's name, units, and what else is the same for all
    """
    clips, skeleton = lifted.clips, lifted.skeleton
    rows = [_describe(clip) for clip in clips]
    arrays = {
        "positions": np.concatenate([clip.positions for clip in clips]),
        "keypoints": np.concatenate([clip.pixels for clip in clips]),
        "frame": np.concatenate([clip.frames for clip in clips]),
        "clip": np.repeat(np.arange(len(clips)), [len(clip.frames) for clip in clips]),
        **{name: np.array([row[name] for row in rows]) for name in rows[0]},
        "joints": np.array(skeleton.joints),
        **{name: np.array(getattr(skeleton, name), np.int64) for name in ("parents", "left", "right")},
        "keypoint_joints": np.array(lifted.layout.joints),
        "metadata": np.array(json.dumps(_about(lifted))),
    }
    if lifted.has_root:
        arrays[TRAJECTORY] = np.concatenate([clip.root for clip in clips])
    np.savez(path, **arrays)


def write_csv(lifted: Lifted, path: Path) -> None:
    """A row per frame, three columns per joint: in pandas, `LWrist_y` is a curve over time.

    Columns: model, subject, action, take, camera, fps, space, frame, time (seconds, of the frame's number), x, y, z of every
    joint and, where it is known, of the root's place.
    """
    names = [f"{joint}_{axis}" for joint in lifted.skeleton.joints for axis in AXES]
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, clip in enumerate(lifted.clips):
            table = pd.DataFrame(clip.positions.reshape(len(clip.frames), -1), columns=names)
            if clip.root is not None:
                table[[f"{TRAJECTORY}_{axis}" for axis in AXES]] = clip.root
            about = {"model": lifted.model, **_describe(clip), "fps": f"{clip.fps:g}"}
            del about["image_size"]
            about |= {"frame": clip.frames, "time": clip.times}
            table = pd.concat([pd.DataFrame(about), table], axis=1)
            table.to_csv(file, index=False, header=number == 0, float_format=f"%.{DIGITS}f", lineterminator="\n")


def write_json(lifted: Lifted, path: Path) -> None:
    """One object: what is the same for all, and `clips`, each with `joints`: name -> [x, y, z] of every frame."""
    skeleton = lifted.skeleton
    clips = []
    for clip in lifted.clips:
        joints = {joint: _rounded(clip.positions[:, n]) for n, joint in enumerate(skeleton.joints)}
        clips.append({**_describe(clip), "frames": clip.frames.tolist(), "joints": joints})
        if clip.root is not None:
            clips[-1][TRAJECTORY] = _rounded(clip.root)
    about = {name: getattr(skeleton, name) for name in ("joints", "parents", "left", "right")}
    content = {**_about(lifted), **about, "clips": clips}
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def _describe(clip: LiftedClip) -> dict[str, object]:
    camera, space = clip.camera, "upright" if clip.upright else "camera"
    names = {"subject": clip.subject, "action": clip.action, "take": clip.take, "camera": camera.name}
    return {**names, "image_size": [camera.width, camera.height], "fps": clip.fps, "space": space}


def _rounded(places: np.ndarray) -> list[list[float]]:
    return places.astype(np.float64).round(DIGITS).tolist()


def _about(lifted: Lifted) -> dict[str, object]:
    """What is the same for every clip."""
    units = {"positions": "metres", **({TRAJECTORY: "metres"} if lifted.has_root else {}), "keypoints": "pixels"}
    return {
        "format": FORMAT,
        "model": lifted.model,
        "dataset": lifted.dataset,
        "synthetic": lifted.synthetic,
        "keypoints": lifted.keypoints,
        "units": units,
        "space": SPACE + UPRIGHT,
        "relative_to": lifted.root_joint,
        "notes": lifted.notes,
    }


WRITERS: Mapping[str, Callable[[Lifted, Path], np.ndarray | None]] = {
    "npz": write_npz, "csv": write_csv, "json": write_json, "bvh": write_bvh, "trc": write_trc,
}  # fmt: skip
CLIP_FORMATS = ("bvh", "trc")  # hold one clip each
FORMATS = tuple(WRITERS)  # each is also the file's ending
