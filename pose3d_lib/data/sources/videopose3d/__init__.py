"""VideoPose3D's files: world positions in `data_3d_{set}.npz`, 2D keypoints in `data_2d_{set}_{keypoints}.npz`.

The sets are Human3.6M (h36m), HumanEva-I (humaneva15, humaneva20), and whatever `export` has written. Several may lie in
one folder. Without a file of ground-truth keypoints, these are projected from the 3D joints where the cameras allow it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name, split_take, tidy_name
from pose3d_lib.data.cameras import view, world_to_camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources import human36m_facts
from pose3d_lib.data.sources import takes as selection
from pose3d_lib.data.sources.filming import GT, SCORES, check_in_front, one_thread
from pose3d_lib.data.sources.missing import WITHOUT
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.sources.videopose3d.checks import check_keypoints, check_motions, settle_scores
from pose3d_lib.data.sources.videopose3d.sets import MotionSet, known_sets, open_set, read_layout, settle_actions
from pose3d_lib.data.spec import DataSpec, Found, Progress
from pose3d_lib.data.untrusted.client import read_npz_key

PARAMETERS = ("leave_out",)
KEYPOINTS = GT

HOW_TO_GET = {
    "h36m": "VideoPose3D's DATASETS.md describes how these files are made from Human3.6M, whose licence must be requested "
    "at http://vision.imar.ro/human3.6m. Its original downloads, Poses > D3 Positions, serve as well, in the same folder",
    "humaneva": "VideoPose3D's DATASETS.md describes how these files are made from HumanEva-I, which must be requested at "
    "http://humaneva.is.tue.mpg.de",
}


def recognise(path: Path) -> bool:
    return path.is_dir() and bool(_files_in(path, "data_3d_"))


def find(spec: DataSpec, path: Path) -> Found:
    name = choose_set(spec.dataset, path)
    return Found(f"{name}-{spec.keypoints}", tuple(find_files(path, name, spec.keypoints)))


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    name = choose_set(spec.dataset, path)
    positions = _find_positions(path, name)
    motion_set = open_set(positions, name)
    takes = {} if motion_set.actions else _read_takes(positions, "positions_3d", motion_set)
    return motion_set.actions or tuple(dict.fromkeys(action for _, action, _ in takes))


def choose_set(dataset: str, folder: Path) -> str:
    """Which set of a folder is meant: one that `dataset` names, otherwise the only one that is there."""
    if dataset in known_sets():
        return dataset
    there = list(_files_in(folder, "data_3d_"))
    if len(there) != 1:
        found = ", ".join(f"data_3d_{name}.npz" for name in there) or "none"
        raise InputError(
            f"{folder}: expected one file data_3d_*.npz, found {found}. Where several sets lie in one folder, let "
            f"POSE3D_DATA name the folder and give one of {', '.join(known_sets())} as dataset"
        )
    return there[0]


def find_files(folder: Path, name: str, keypoints: str) -> list[Path]:
    """`data_3d_{name}.npz` and `data_2d_{name}_{keypoints}.npz`; not the latter for "gt" if the cameras can project.

    Raises:
        InputError: one of them is missing; says what was looked for, what there is, and what to get.
    """
    positions = _find_positions(folder, name)
    offered = _files_in(folder, f"data_2d_{name}_")
    projected = {GT} - offered.keys() if open_set(positions, name).can_project else set()
    try:
        check_name(keypoints, [*offered, *projected], "keypoints")
    except InputError as error:
        looked_for = folder / f"data_2d_{name}_{keypoints}.npz"
        raise InputError(f"{looked_for}: there is no such file; {error}. {_there(folder, name)}") from error
    return [positions, offered[keypoints]] if keypoints in offered else [positions]


def _find_positions(folder: Path, name: str) -> Path:
    positions = _files_in(folder, "data_3d_").get(name, folder / f"data_3d_{name}.npz")
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder. {_there(folder, name)}")
    if not positions.is_file():
        raise InputError(f"{positions}: there is no such file. {_there(folder, name)}")
    return positions


def _files_in(folder: Path, prefix: str) -> dict[str, Path]:
    """Rest of the name behind the prefix -> the `.npz`, whatever the case of its suffix."""
    files = sorted(path for path in folder.glob("*.[nN][pP][zZ]") if path.stem.startswith(prefix))
    return {path.stem.removeprefix(prefix): path for path in files if path.stem != prefix}


def _there(folder: Path, name: str) -> str:
    """What there is instead of a missing file, and how to get it."""
    files = ", ".join(path.name for path in _files_in(folder, f"data_2d_{name}_").values()) or "none"
    source = HOW_TO_GET["humaneva" if name.startswith("humaneva") else "h36m"]
    return f"Keypoints files there: {files}. The folder is set by the environment variable POSE3D_DATA. {source}"


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """Every take of a set through its subject's cameras; "gt" keypoints are projected where there is no file of them.

    Subjects that have keypoints but no 3D joints become unlabelled clips after the others.
    """
    name, keypoints = choose_set(spec.dataset, path), spec.keypoints
    files = find_files(path, name, keypoints)
    motion_set = open_set(files[0], name)
    notes = list(motion_set.notes)
    world = _read_takes(files[0], "positions_3d", motion_set)
    subjects = list(dict.fromkeys(subject for subject, _, _ in world))
    if len(files) == 2:
        layout, corrected = read_layout(files[1], keypoints, motion_set)
        notes += corrected
        pixels = _read_takes(files[1], "positions_2d", motion_set)
    else:
        layout, pixels = motion_set.skeleton, None
        notes.append("The 2D keypoints are projections of the 3D joints through the calibrated cameras.")
    motion_set, said = settle_actions(motion_set, (action for _, action, _ in world))
    notes += said
    if motion_set.is_human36m:
        (pixels or {}).pop(human36m_facts.CORRUPT_KEY, None)
        notes += [human36m_facts.CORRUPT_NOTE] if world.pop(human36m_facts.CORRUPT_KEY, None) is not None else []
    takes = list(world)
    rules = human36m_facts if motion_set.is_human36m else selection
    keys = list(dict.fromkeys([*world, *(pixels or ())]))
    kept, said = rules.leave_out(keys, spec.leave_out, files[0])
    notes += said
    for key in set(keys) - set(kept):
        world.pop(key, None)
        (pixels or {}).pop(key, None)
    notes += human36m_facts.describe_missing_takes(takes) if motion_set.is_human36m else []
    check_motions(world, files[0], motion_set, subjects)
    if pixels is not None:
        notes += check_keypoints(pixels, world, layout, files[1], motion_set, subjects)
    scored = any(seen.shape[2] == 3 for views in (pixels or {}).values() for seen in views)
    if spec.scores and not scored and keypoints != GT:
        raise InputError(f"{files[1]}: its keypoints have no third column, which would be their scores; {WITHOUT}")
    columns = 3 if spec.scores or scored else 2
    with one_thread():
        data = _assemble(world, pixels, layout, keypoints, motion_set, notes, files[0], columns)
    if scored:
        data = settle_scores(data, keypoints, files[1], wanted=spec.scores)
    last = [SCORES[GT]] if spec.scores and not scored else []
    others = sorted(
        file for file in path.iterdir() if not (file in files or file.name.startswith(".") or file.is_dir())
    )
    if others:
        last.append(
            f"Passed over, as they are not of these keypoints of this set: {some([file.name for file in others])}."
        )
    return replace(data, notes=(*data.notes, *last))


def _read_takes(path: Path, key: str, motion_set: MotionSet) -> dict[Key, object]:
    """What the file holds of every take, in its order, under canonical names."""
    content = read_npz_key(path, key)
    subjects = content.values() if isinstance(content, dict) else [content]
    if not all(
        isinstance(actions, dict) and all(isinstance(name, str) for name in actions) for actions in (content, *subjects)
    ):
        raise InputError(f"{path}, key {key!r}: expected a dict subject -> dict action -> arrays")
    takes: dict[Key, object] = {}
    for subject, actions in content.items():
        for name, value in actions.items():
            subject, (action, take) = tidy_name(subject), split_take(tidy_name(name))
            if motion_set.actions:
                check_name(action, motion_set.actions, f"action of {subject} in {path}")
            if not action:
                raise InputError(f"{path}, key {key!r}: {subject} has a take {name!r}, which names no action")
            if (subject, action, take) in takes:
                raise InputError(f"{path}, key {key!r}: {subject} has {action}, take {take}, twice; once as {name!r}")
            takes[subject, action, take] = value
    return takes


def _assemble(
    world: dict[Key, np.ndarray],
    pixels: dict[Key, Sequence[np.ndarray]] | None,
    layout: Skeleton,
    keypoints: str,
    motion_set: MotionSet,
    notes: Sequence[str],
    path: Path,
    columns: int,
) -> PoseDataset:
    """Fill the flat arrays clip by clip, freeing each take once it is copied: the files are about as large.

    With 3 columns, the third is the scores, 1 by default.
    """
    unlabelled = [key for key in pixels or () if key not in world]
    subjects = list(dict.fromkeys(subject for subject, _, _ in (*world, *unlabelled)))
    cameras = list(dict.fromkeys(camera for subject in subjects for camera in motion_set.cameras_of(subject)))
    number = {camera: index for index, camera in enumerate(cameras)}
    labelled_frames = sum(len(motion) * len(motion_set.cameras_of(key[0])) for key, motion in world.items())
    frames = labelled_frames + sum(len(seen) for key in unlabelled for seen in pixels[key])
    positions = np.empty((labelled_frames, motion_set.skeleton.num_joints, 3), np.float32)
    trajectory = np.empty((labelled_frames, 3), np.float32)
    flat_pixels = np.ones((frames, layout.num_joints, columns), np.float32)
    rows, start = [], 0
    for key in (*world, *unlabelled):
        motion = world.pop(key, None)
        views = pixels.pop(key) if pixels is not None else None
        joints = None
        if motion is not None:
            joints = motion[:, list(motion_set.used_joints[motion.shape[1]])].astype(np.float64)
        for eye, camera in enumerate(motion_set.cameras_of(key[0])):
            stop = start + len(views[eye] if motion is None else motion)
            if views is None:
                in_camera, flat_pixels[start:stop, :, :2] = view(joints, camera)
                check_in_front(in_camera, camera, f"{path}: {'/'.join(key)}")
            else:
                in_camera = None if joints is None else world_to_camera(torch.from_numpy(joints), camera).numpy()
                flat_pixels[start:stop, :, : views[eye].shape[2]] = views[eye][: stop - start]
            if in_camera is not None:
                trajectory[start:stop] = in_camera[:, 0]
                positions[start:stop] = in_camera - in_camera[:, :1]
            rows.append((*key, number[camera], motion_set.fps, start, stop, motion is not None))
            start = stop
    clips = pd.DataFrame(rows, columns=list(CLIP_COLUMNS))
    labelled = set(clips.subject[clips.labelled.astype(bool)])
    present = {split: tuple(s for s in wanted if s in labelled) for split, wanted in motion_set.subjects.items()}
    if motion_set.is_human36m:
        missing = human36m_facts.describe_totals(clips, present)
    else:
        absent = {split: [s for s in wanted if s not in labelled] for split, wanted in motion_set.subjects.items()}
        missing = [
            f"Missing {split} subjects: {', '.join(subjects)}." for split, subjects in absent.items() if subjects
        ]
    return PoseDataset(
        name=motion_set.name,
        synthetic=motion_set.synthetic,
        skeleton=motion_set.skeleton,
        cameras=tuple(cameras),
        clips=clips,
        keypoints={keypoints: flat_pixels[..., :2]},
        layouts={keypoints: layout},
        positions=positions,
        trajectory=trajectory,
        train_subjects=present["train"],
        test_subjects=present["test"],
        notes=(*notes, *missing),
        terms=motion_set.terms,
        scores={keypoints: flat_pixels[..., 2]} if columns == 3 else {},
    )
