"""Writes a `PoseDataset` as VideoPose3D's files, which VideoPose3D and its many descendants read.

VideoPose3D itself knows the sets h36m, humaneva15 and humaneva20, by these names and with their own subjects and
calibrations, and videos (custom), of which it needs 2D keypoints only. Files of any other name or subject are for
programs that read any subject, and for this one: `data_3d_*.npz` also holds a description, a text under a key of its own.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import check_free, make_folder
from pose3d_lib.data.actions import split_take
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.filming import one_thread
from pose3d_lib.data.sources.videopose3d.sets import DESCRIPTION, MotionSet, known_sets, layout_metadata

CUSTOM = "custom"  # VideoPose3D's name of a set of videos, and of the one action of each

# Which of the 17 joints stands for each of Human3.6M's 32: itself, or the nearest on its way to the root.
STANDS_FOR = [
    0, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6, 0, 7, 8, 9, 10, 8, 11, 12, 13, 13, 13, 13, 13, 8, 14, 15, 16, 16, 16, 16, 16,
]  # fmt: skip

# Of a subject and the name of a take in the files, or of a video: its clips, one per camera.
Takes = dict[tuple[str, str], pd.DataFrame]


def export_videopose3d(data: PoseDataset, folder: Path, *, name: str, overwrite: bool = False) -> list[Path]:
    """Writes `data_3d_{name}.npz` and, for every 2D source, `data_2d_{name}_{keypoints}.npz`, each whole or not at all.

    The 3D file holds float32 (frames, joints, 3), world metres, of every labelled take. VideoPose3D expects the 32 joints
    of Human3.6M's files and removes 15 of them: these are copies of the joint above them. The 2D files hold float32
    (frames, joints, 2), pixels, for each camera of a take, in the order of the dataset's cameras; with scores, a third
    column. Unlabelled takes are in the 2D files only; readers skip those of a subject who also has labelled ones.

    A dataset without any 3D joints is written as VideoPose3D's videos, one for each clip, and the set is called custom_{name}.

    Raises:
        InputError: the format cannot hold the dataset, VideoPose3D would take it for its own set of that name, or a file is
            already there and `overwrite` is false.
    """
    for part, what in ((name, "name of the set"), *((source, "keypoints") for source in data.keypoints)):
        if not re.fullmatch(r"[^\W_][\w.-]{0,99}", part):
            raise InputError(f"{what} {part!r}: a part of a file's name has letters, digits, '_', '-' and '.' only")
    _check_name(data, name)
    contents = {}
    if data.clips.labelled.any():
        takes = _arrange(data)
        contents[f"data_3d_{name}.npz"] = partial(_motion_file, data, takes)
    else:
        takes, name = _arrange_videos(data), f"{CUSTOM}_{name}"
    for source in data.keypoints:
        contents[f"data_2d_{name}_{source}.npz"] = partial(_keypoints_file, data, takes, source)
    check_free((folder / file for file in contents), overwrite=overwrite)
    make_folder(folder)
    for file, make in contents.items():
        write_atomically(folder / file, lambda unfinished, make=make: _write_npz(unfinished, make()))
    return [folder / file for file in contents]


def describe_export(data: PoseDataset, name: str) -> list[str]:
    """Sentences on who can read what `export_videopose3d` writes."""
    motion, rates = data.clips.labelled.any(), {f"{rate:g}" for rate in data.clips.fps}
    known = {own.name: f"{own.fps:g}" for own in known_sets().values()}
    if not motion or (name in known and rates == {known[name]}):
        options = " or ".join(f"`-k {source if motion else f'{name}_{source}'}`" for source in data.keypoints)
        said = [f"VideoPose3D reads these files with `-d {name if motion else CUSTOM}` and {options}."]
    else:
        sets = ", ".join(f"{own} of {rate}" for own, rate in known.items())
        said = [
            f"VideoPose3D itself does not read these files as they are meant: it knows the sets {sets} frames per second only, "
            f"and this is {name} of {', '.join(rates)}. They are for programs that read any subject."
        ]
    if data.scores:
        said.append(
            "But the 2D files hold the scores as a third column, which VideoPose3D's own do not have and which was not tried "
            "with it; without the parameter scores they have two columns."
        )
    if motion and data.skeleton == H36M_17:
        said.append("15 of the 32 joints are fillings, each a copy of the joint above it; VideoPose3D removes them.")
    if data.synthetic:
        said.append("The data are synthetic: nobody was filmed.")
    return said


def _check_name(data: PoseDataset, name: str) -> None:
    """Refuses the name of a set of which VideoPose3D takes joints and cameras for granted that are not those of the data."""
    labelled = data.clips[data.clips.labelled.astype(bool)]
    known = known_sets().get(name)
    if known is None or labelled.empty:
        return
    cameras = _cameras(data, labelled)
    strange = [subject for subject in cameras if cameras[subject] != known.cameras.get(subject)]
    if data.skeleton != known.skeleton or strange:
        what = f"the cameras of {strange[0]}" if strange else "the joints"
        raise InputError(
            f"{data.name}: VideoPose3D knows a set {name} and would take it for that, but {what} are others. Give the set "
            "another name (--name)"
        )


def _cameras(data: PoseDataset, clips: pd.DataFrame) -> dict[str, tuple[Camera, ...]]:
    """Subject -> its cameras, in order."""
    numbers = {subject: sorted(set(own.camera)) for subject, own in clips.groupby("subject", sort=False)}
    return {subject: tuple(data.cameras[number] for number in own) for subject, own in numbers.items()}


def _arrange(data: PoseDataset) -> Takes:
    """The clips of every take, camera by camera; rejects what the format cannot hold."""
    if data.clips.fps.nunique() > 1:
        raise InputError(f"{data.name}: has several frame rates ({sorted(set(data.clips.fps))}); the format knows none")
    cameras = _cameras(data, data.clips)
    takes: Takes = {}
    for (subject, action, take), clips in data.clips.groupby(["subject", "action", "take"], sort=False):
        where = f"{data.name}: {subject}/{action}/{take}"
        file_name = action if take == "0" else f"{action} {take}"
        if not action or split_take(file_name) != (action, take):
            meant = "/".join(split_take(file_name))
            raise InputError(f"{where} would be called {file_name!r}, which reads as {meant}; give it another name")
        clips = clips.sort_values("camera")
        own = tuple(data.cameras[number] for number in clips.camera)
        lengths = set(clips.stop - clips.start)
        if own != cameras[subject] or clips.labelled.nunique() > 1 or (clips.labelled.all() and len(lengths) > 1):
            raise InputError(
                f"{where} is {', '.join(map(str, sorted(lengths)))} frames in the cameras {[camera.name for camera in own]}; a "
                f"take needs all {[camera.name for camera in cameras[subject]]} of {subject}, as many frames in each, and 3D "
                "joints in all or in none"
            )
        if clips.labelled.all() and (lost := [camera.name for camera in own if not camera.is_placed]):
            raise InputError(
                f"{where}: where camera {lost[0]!r} stood is not known, so its 3D joints have no place in the world, in "
                "which the format has them"
            )
        takes[subject, file_name] = clips
    return takes


def _arrange_videos(data: PoseDataset) -> Takes:
    """Every clip as a video; a subject's only one is named after the subject, others also after action, take and camera."""
    videos: Takes = {}
    for place, clip in data.clips.iterrows():
        alone = (data.clips.subject == clip.subject).sum() == 1
        name = clip.subject if alone else "_".join((clip.subject, clip.action, clip["take"], data.camera_of(clip).name))
        if (name, CUSTOM) in videos:
            raise InputError(f"{data.name}: two clips would be called {name!r}; give them other subjects")
        videos[name, CUSTOM] = data.clips.loc[[place]]
    return videos


def _motion_file(data: PoseDataset, takes: Takes) -> dict[str, object]:
    positions: dict[str, dict[str, np.ndarray]] = {}
    for (subject, name), clips in takes.items():
        if clips.labelled.all():
            positions.setdefault(subject, {})[name] = _world(data, clips)
    description = MotionSet(
        **{name: getattr(data, name) for name in MotionSet.model_fields if hasattr(data, name) and name != "cameras"},
        fps=float(data.clips.fps.iloc[0]),
        cameras=_cameras(data, data.clips),
    )
    return {"positions_3d": positions, DESCRIPTION: description.model_dump_json()}


@one_thread()
def _world(data: PoseDataset, clips: pd.DataFrame) -> np.ndarray:
    """(frames, joints, 3) float32, world metres, of one take: the mean of its cameras; of Human3.6M's joints all 32."""
    joints = np.mean([data.world(clip) for _, clip in clips.iterrows()], axis=0).astype(np.float32)
    return joints[:, STANDS_FOR] if data.skeleton == H36M_17 else joints


def _keypoints_file(data: PoseDataset, takes: Takes, source: str) -> dict[str, object]:
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    sizes = {}
    for (subject, name), clips in takes.items():
        found.setdefault(subject, {})[name] = [_pixels(data, clip, source) for _, clip in clips.iterrows()]
        if name == CUSTOM:
            camera = data.camera_of(clips.iloc[0])
            sizes[subject] = {"w": camera.width, "h": camera.height}
    metadata = layout_metadata(data.layouts[source]) | ({"video_metadata": sizes} if sizes else {})
    return {"positions_2d": found, "metadata": metadata}


def _pixels(data: PoseDataset, clip: pd.Series, source: str) -> np.ndarray:
    rows = slice(clip.start, clip.stop)
    pixels = data.keypoints[source][rows]
    return np.concatenate([pixels, data.scores[source][rows, :, None]], axis=-1) if source in data.scores else pixels


def _write_npz(path: Path, content: Mapping[str, object]) -> None:
    """An `.npz` as numpy writes it: text as an array of characters, anything else as an array that holds one object."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in content.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                if isinstance(value, str):
                    np.lib.format.write_array(member, np.array(value), allow_pickle=False)
                    continue
                holder = np.empty((), object)
                holder[()] = value
                np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": ()})
                pickled = pickle.dumps(holder, protocol=3)  # later protocols announce lengths
                # As numpy before 1.26, which is common beside VideoPose3D, calls that module.
                member.write(pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray", 1))
