"""Human3.6M in VideoPose3D's files: world positions in `data_3d_h36m.npz`, 2D keypoints in `data_2d_h36m_*.npz`.

Without a file of ground-truth keypoints, these are projected from the 3D joints through the calibrated cameras.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pose3d_lib.actions import H36M_ACTIONS, check_name, split_take
from pose3d_lib.cameras import h36m_cameras, view, world_to_camera
from pose3d_lib.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.skeleton import COCO_17, H36M_17, H36M_17_OF_32, Skeleton
from pose3d_lib.sources.filming import GT
from pose3d_lib.sources.restricted_pickle import read_npz_key
from pose3d_lib.sources.spec import DataSpec, Found, Progress

PARAMETERS = ()
KEYPOINTS = GT

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}

KNOWN_FRAMES = {"train": 1_559_752, "test": 543_344}
"""Frames over four cameras that work on the whole dataset trains and tests on."""

CORRUPT = ("S11", "Directions")
"""Subject and name, letter for letter, of the take that everybody leaves out; `Directions 1` is another one."""

FPS = 50.0
LAYOUTS = {"h36m": H36M_17, "coco": COCO_17}

CAMERAS = 4
MOST_JOINTS = 1000
"""Metadata with more joints than this are a mistake."""

HOW_TO_GET = (
    "The folder is set by the environment variable POSE3D_DATA. VideoPose3D's DATASETS.md describes how these files "
    "are made from Human3.6M, whose licence must be requested at http://vision.imar.ro/human3.6m"
)

Key = tuple[str, str, str]
"""Subject, canonical action, take."""


def recognise(path: Path) -> bool:
    return path.is_dir() and (path / "data_3d_h36m.npz").is_file()


def find(spec: DataSpec, path: Path) -> Found:
    return Found(f"h36m-{spec.keypoints}", tuple(find_files(path, "h36m", spec.keypoints)))


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return H36M_ACTIONS


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    return read_human36m(path, keypoints=spec.keypoints)


def find_files(folder: Path, name: str, keypoints: str) -> list[Path]:
    """The source files: `data_3d_{name}.npz` and `data_2d_{name}_{keypoints}.npz`, the latter not needed for "gt".

    Raises:
        InputError: one of them is missing; says what was looked for, what there is, and what to get.
    """
    found = sorted(folder.glob(f"data_2d_{name}_*.npz"))
    offered = {path.stem.removeprefix(f"data_2d_{name}_"): path for path in found}
    there = f"Keypoints files there: {', '.join(path.name for path in found) or 'none'}. {HOW_TO_GET}"
    positions = folder / f"data_3d_{name}.npz"
    if not positions.is_file():
        missing = positions if folder.is_dir() else folder
        raise InputError(f"{missing}: there is no such {'file' if folder.is_dir() else 'folder'}. {there}")
    try:
        check_name(keypoints, [*offered, *({GT} - offered.keys())], "keypoints")
    except InputError as error:
        looked_for = folder / f"data_2d_{name}_{keypoints}.npz"
        raise InputError(f"{looked_for}: there is no such file; {error}. {there}") from error
    return [positions, offered[keypoints]] if keypoints in offered else [positions]


def read_human36m(folder: Path, *, keypoints: str) -> PoseDataset:
    """Every take through its subject's four cameras, with the 2D keypoints called `keypoints`.

    Subjects that have keypoints but no 3D joints become unlabelled clips after the others.
    """
    files = find_files(folder, "h36m", keypoints)
    notes: list[str] = []
    world = _read_takes(files[0], "positions_3d", notes)
    if len(files) == 2:
        layout = _read_layout(files[1], keypoints)
        pixels = _read_takes(files[1], "positions_2d", [])
    else:
        layout, pixels = H36M_17, None
        notes.append("The 2D keypoints are projections of the 3D joints through the calibrated cameras.")
    subjects = list(dict.fromkeys(subject for subject, _, _ in world))
    _check_world(world, files[0], subjects)
    if pixels is not None:
        notes += _check_pixels(pixels, world, layout, files[1], subjects)
    return _assemble(world, pixels, layout, keypoints, subjects, notes)


def _read_takes(path: Path, key: str, notes: list[str]) -> dict[Key, object]:
    """What the file holds of every take, in its order, under canonical names and without the corrupt take."""
    content = read_npz_key(path, key)
    if not _is_named(content) or not all(map(_is_named, content.values())):
        raise InputError(f"{path}, key {key!r}: expected a dict subject -> dict action -> arrays")
    takes: dict[Key, object] = {}
    for subject, actions in content.items():
        for name, value in actions.items():
            if (subject, name) == CORRUPT:
                notes.append(
                    "S11's take `Directions` is left out because its recording is corrupt; `Directions 1` stays."
                )
                continue
            action, take = split_take(name)
            check_name(action, H36M_ACTIONS, f"action of {subject} in {path}")
            if (subject, action, take) in takes:
                raise InputError(f"{path}, key {key!r}: {subject} has {action}, take {take}, twice; once as {name!r}")
            takes[subject, action, take] = value
    return takes


def _read_layout(path: Path, keypoints: str) -> Skeleton:
    """The joints of the 2D keypoints: a known layout where the metadata name one, otherwise numbered joints."""
    metadata = read_npz_key(path, "metadata")
    where = f"{path}, key 'metadata'"
    try:
        count = int(metadata["num_joints"])
        left, right = (tuple(int(joint) for joint in side) for side in metadata["keypoints_symmetry"])
        name = metadata.get("layout_name", "h36m" if keypoints == GT else None)
        sided = (*left, *right)
        if not 0 < count <= MOST_JOINTS or len(set(sided)) < len(sided) or not set(sided) <= set(range(count)):
            raise ValueError(f"keypoints_symmetry {left}, {right} does not suit {count} joints")
        if not isinstance(name, str | None):
            raise ValueError(f"layout_name {name!r} is no name")
        found = Skeleton(name or keypoints, tuple(f"joint_{joint}" for joint in range(count)), (), left, right)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{where}: expected num_joints and keypoints_symmetry [left, right] ({error!r})") from error
    if name not in LAYOUTS:
        return found
    if (count, found.mirror) != (LAYOUTS[name].num_joints, LAYOUTS[name].mirror):
        expected = LAYOUTS[name]
        raise InputError(
            f"{where}: layout {name!r} has {expected.num_joints} joints, left {expected.left}, right {expected.right}; "
            f"found {count}, left {left}, right {right}"
        )
    return LAYOUTS[name]


def _check_world(world: dict[Key, object], path: Path, subjects: list[str]) -> None:
    for subject in subjects:
        check_name(subject, h36m_cameras(), f"subject (no cameras are known for it) in {path}")
    for split, wanted in SUBJECTS.items():
        if not set(wanted) & set(subjects):
            raise InputError(
                f"{path}: has no {split} subject; found {', '.join(subjects) or 'none'}, expected {wanted}"
            )
    for key, motion in world.items():
        where = f"{path}: {'/'.join(key)}"
        if not (_is_float(motion) and motion.ndim == 3 and motion.shape[1:] in ((32, 3), (17, 3)) and len(motion)):
            raise InputError(f"{where} is {_kind(motion)}; expected float (frames, 32 or 17, 3), world metres")
        if np.abs(motion).max() > 100:
            raise InputError(f"{where} has joints {np.abs(motion).max():.0f} m from the origin; expected metres")


def _check_pixels(
    pixels: dict[Key, object], world: dict[Key, object], layout: Skeleton, path: Path, subjects: list[str]
) -> list[str]:
    """Drops the keypoints of takes that have no 3D joints though their subject has, and returns notes that say so."""
    without = [subject for subject in subjects if subject not in {key[0] for key in pixels}]
    if without:
        raise InputError(f"{path}: has no keypoints of {', '.join(without)}, whose 3D joints there are")
    notes = []
    for key in [key for key in pixels if key not in world and key[0] in subjects]:
        notes.append(f"{'/'.join(key)} is left out: it has 2D keypoints but no 3D joints.")
        del pixels[key]
    for key in world:
        if key not in pixels:
            raise InputError(f"{path}: has no keypoints of {'/'.join(key)}, whose 3D joints there are")
    for key, views in pixels.items():
        where = f"{path}: {'/'.join(key)}"
        if not isinstance(views, list | tuple | np.ndarray) or len(views) != CAMERAS:
            found = len(views) if hasattr(views, "__len__") else _kind(views)
            raise InputError(f"{where} has {found} cameras; expected {CAMERAS}")
        for eye, seen in enumerate(views):
            if not (_is_float(seen) and seen.ndim == 3 and seen.shape[1:] == (layout.num_joints, 2) and len(seen)):
                expected = f"expected float (frames, {layout.num_joints}, 2), as the metadata say"
                raise InputError(f"{where}, camera {eye} is {_kind(seen)}; {expected}")
            if key in world and len(seen) < len(world[key]):
                raise InputError(
                    f"{where}, camera {eye} has {len(seen)} frames of 2D, fewer than {len(world[key])} of 3D"
                )
    return notes


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_float(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _kind(value: object) -> str:
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _assemble(
    world: dict[Key, np.ndarray],
    pixels: dict[Key, list[np.ndarray]] | None,
    layout: Skeleton,
    keypoints: str,
    subjects: list[str],
    notes: list[str],
) -> PoseDataset:
    """Fills the flat arrays clip by clip, letting go of each take once it is copied: the files are about as large."""
    cameras = [camera for subject in subjects for camera in h36m_cameras()[subject]]
    unlabelled = [key for key in pixels or () if key not in world]
    labelled_frames = CAMERAS * sum(map(len, world.values()))
    frames = labelled_frames + sum(len(seen) for key in unlabelled for seen in pixels[key])
    positions = np.empty((labelled_frames, H36M_17.num_joints, 3), np.float32)
    trajectory = np.empty((labelled_frames, 3), np.float32)
    flat_pixels = np.empty((frames, layout.num_joints, 2), np.float32)
    rows, start = [], 0
    for key in list(world):
        motion = world.pop(key)
        views = pixels.pop(key) if pixels is not None else None
        used = list(H36M_17_OF_32) if motion.shape[1] == 32 else slice(None)
        joints = motion[:, used].astype(np.float64)
        for eye, camera in enumerate(h36m_cameras()[key[0]]):
            stop = start + len(motion)
            if views is None:
                in_camera, seen = view(joints, camera)
            else:
                in_camera, seen = world_to_camera(torch.from_numpy(joints), camera).numpy(), views[eye][: len(motion)]
            trajectory[start:stop] = in_camera[:, 0]
            positions[start:stop] = in_camera - in_camera[:, :1]
            flat_pixels[start:stop] = seen
            rows.append((*key, CAMERAS * subjects.index(key[0]) + eye, FPS, start, stop, True))
            start = stop
    if unlabelled:
        # Camera number i is the same device for every subject; where it stood is not known for these.
        cameras += [replace(camera, orientation=None, position=None) for camera in cameras[:CAMERAS]]
    for key in unlabelled:
        for eye, seen in enumerate(pixels.pop(key)):
            stop = start + len(seen)
            flat_pixels[start:stop] = seen
            rows.append((*key, len(cameras) - CAMERAS + eye, FPS, start, stop, False))
            start = stop
    clips = pd.DataFrame(rows, columns=list(CLIP_COLUMNS))
    present = {split: tuple(s for s in wanted if s in subjects) for split, wanted in SUBJECTS.items()}
    return PoseDataset(
        name="h36m",
        synthetic=False,
        skeleton=H36M_17,
        cameras=tuple(cameras),
        clips=clips,
        keypoints={keypoints: flat_pixels},
        layouts={keypoints: layout},
        positions=positions,
        trajectory=trajectory,
        train_subjects=present["train"],
        test_subjects=present["test"],
        notes=(*notes, *_incomplete(clips, present)),
    )


def _incomplete(clips: pd.DataFrame, present: dict[str, tuple[str, ...]]) -> list[str]:
    """Sentences on missing subjects, and on frame totals other than those of the whole dataset."""
    said = []
    for split, subjects in present.items():
        missing = [subject for subject in SUBJECTS[split] if subject not in subjects]
        if missing:
            said.append(f"Missing {split} subjects: {', '.join(missing)}.")
        chosen = clips[clips.subject.isin(subjects)]
        found, known = int((chosen.stop - chosen.start).sum()), KNOWN_FRAMES[split]
        if found != known:
            said.append(f"Found {found:,} {split} frames over four cameras; the whole dataset has {known:,}.")
    return said
