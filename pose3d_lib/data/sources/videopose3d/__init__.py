"""VideoPose3D's files: world positions in `data_3d_{set}.npz`, 2D keypoints in `data_2d_{set}_{keypoints}.npz`.

The sets are Human3.6M (h36m), HumanEva-I (humaneva15, humaneva20), and whatever `export` has written. Several may lie in
one folder. Without a file of ground-truth keypoints, these are projected from the 3D joints where the cameras allow it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name, split_take, tidy_name
from pose3d_lib.data.cameras import view, world_to_camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import human36m_facts
from pose3d_lib.data.sources import takes as selection
from pose3d_lib.data.sources.filming import GT, PROJECTED, SCORES, Seen, check_in_front, collect, with_scores
from pose3d_lib.data.sources.missing import WITHOUT
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.sources.videopose3d.checks import check_keypoints, check_motions, settle_scores
from pose3d_lib.data.sources.videopose3d.sets import MotionSet, describe_actions, known_sets, open_set, read_layout
from pose3d_lib.data.spec import DataSpec, Progress
from pose3d_lib.data.untrusted.client import read_npz_key

PARAMETERS = ("leave_out",)
KEYPOINTS = GT


def recognise(path: Path) -> bool:
    return path.is_dir() and bool(_files_in(path, "data_3d_"))


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    name = choose_set(spec.dataset, path)
    return f"{name}-{spec.keypoints}", find_files(path, name, spec.keypoints)


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    name = choose_set(spec.dataset, path)
    positions = _find_positions(path, name)
    motion_set = open_set(positions, name)
    return motion_set.actions or tuple(
        dict.fromkeys(action for _, action, _ in _read_takes(positions, "positions_3d", motion_set))
    )


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
        raise _missing(folder / f"data_2d_{name}_{keypoints}.npz", name, f"; {error}") from error
    return [positions, offered[keypoints]] if keypoints in offered else [positions]


def _find_positions(folder: Path, name: str) -> Path:
    positions = _files_in(folder, "data_3d_").get(name)
    if positions is None:
        raise _missing(folder / f"data_3d_{name}.npz", name)
    return positions


def _files_in(folder: Path, prefix: str) -> dict[str, Path]:
    """Rest of the name behind the prefix -> the `.npz`, whatever the case of its suffix."""
    files = sorted(path for path in folder.glob("*.[nN][pP][zZ]") if path.stem.startswith(prefix))
    return {path.stem.removeprefix(prefix): path for path in files if path.stem != prefix}


def _missing(file: Path, name: str, reason: str = "") -> InputError:
    there = ", ".join(path.name for path in _files_in(file.parent, f"data_2d_{name}_").values()) or "none"
    made_from = (
        "HumanEva-I, which must be requested at http://humaneva.is.tue.mpg.de"
        if name.startswith("humaneva")
        else "Human3.6M, whose licence must be requested at http://vision.imar.ro/human3.6m. Its original downloads, Poses > "
        "D3 Positions, serve as well, in the same folder"
    )
    return InputError(
        f"{file}: there is no such file{reason}. Keypoints files there: {there}. The folder is set by the environment variable "
        f"POSE3D_DATA. VideoPose3D's DATASETS.md describes how these files are made from {made_from}"
    )


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """Every take of a set through its subject's cameras; "gt" keypoints are projected where there is no file of them.

    Subjects that have keypoints but no 3D joints become unlabelled clips after the others.
    """
    name, keypoints = choose_set(spec.dataset, path), spec.keypoints
    files = find_files(path, name, keypoints)
    motion_set = open_set(files[0], name)
    world, pixels = _read_takes(files[0], "positions_3d", motion_set), {}
    layout, of_layout = motion_set.skeleton, [PROJECTED]
    if len(files) == 2:
        pixels = _read_takes(files[1], "positions_2d", motion_set)
        layout, of_layout = read_layout(files[1], keypoints, motion_set)
    rules = human36m_facts if motion_set.is_human36m else selection
    kept, left_out = rules.leave_out(list(dict.fromkeys([*world, *pixels])), spec.leave_out, files[0])
    notes = [*motion_set.notes, *of_layout]
    if motion_set.is_human36m:
        notes += describe_actions(action for _, action, _ in world)
        notes += [*left_out, *human36m_facts.describe_missing_takes(world)]
    else:
        notes += left_out
    world, pixels = ({key: found[key] for key in kept if key in found} for found in (world, pixels))
    check_motions(world, files[0], motion_set)
    subjects = human36m_facts.present_subjects(world, motion_set.subjects, files[0])
    if len(files) == 2:
        notes += check_keypoints(pixels, world, layout, files[1], motion_set)
    scored = any(seen.shape[2] == 3 for views in pixels.values() for seen in views)
    if spec.scores and not scored and keypoints != GT:
        raise InputError(f"{files[1]}: its keypoints have no third column, which would be their scores; {WITHOUT}")
    data = collect(
        _see(world, pixels, keypoints, motion_set, files[0], exact_scores=spec.scores and not scored),
        {subject: motion_set.cameras_of(subject) for subject, _, _ in [*world, *pixels]},
        skeleton=motion_set.skeleton,
        name=motion_set.name,
        synthetic=motion_set.synthetic,
        layouts={keypoints: layout},
        terms=motion_set.terms,
        **subjects,
    )
    totals = human36m_facts.KNOWN_FRAMES if motion_set.is_human36m else {}
    data = replace(data, notes=(*notes, *human36m_facts.describe_totals(data, motion_set.subjects, totals)))
    if scored:
        data = settle_scores(data, keypoints, files[1], wanted=spec.scores)
    last = [SCORES[GT]] if spec.scores and not scored else []
    others = sorted(
        file.name for file in path.iterdir() if not (file in files or file.name.startswith(".") or file.is_dir())
    )
    if others:
        last.append(f"Passed over, as they are not of these keypoints of this set: {some(others)}.")
    return replace(data, notes=(*data.notes, *last))


def _read_takes(path: Path, key: str, motion_set: MotionSet) -> dict[Key, object]:
    """What the file holds of every take, in its order, under canonical names."""
    content = read_npz_key(path, key)
    if not (isinstance(content, dict) and all(isinstance(actions, dict) for actions in content.values())):
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


def _see(
    world: Mapping[Key, np.ndarray],
    pixels: Mapping[Key, list[np.ndarray]],
    keypoints: str,
    motion_set: MotionSet,
    path: Path,
    *,
    exact_scores: bool,
) -> Iterator[Seen]:
    """Every take through each of its cameras, those with 3D joints first; with `exact_scores`, all scores are 1."""
    for key in dict.fromkeys([*world, *pixels]):
        joints, views = None, pixels.get(key)
        if key in world:
            joints = world[key][:, list(motion_set.used_joints[world[key].shape[1]])].astype(np.float64)
        for eye, camera in enumerate(motion_set.cameras_of(key[0])):
            if views is None:
                in_camera, seen = view(joints, camera)
                check_in_front(in_camera, camera, f"{path}: {'/'.join(key)}")
            else:
                in_camera = None if joints is None else world_to_camera(torch.from_numpy(joints), camera).numpy()
                seen = views[eye] if joints is None else views[eye][: len(joints)]
            shown = {keypoints: with_scores(seen) if exact_scores else seen}
            yield Seen(key, camera, in_camera, shown, motion_set.fps)
