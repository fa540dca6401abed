"""Writes a `PoseDataset` as VideoPose3D's files, which VideoPose3D and its many descendants read.

VideoPose3D itself knows the sets h36m, humaneva15 and humaneva20, by these names and with their own subjects and
calibrations, and videos (custom), of which it needs 2D keypoints only. Files of any other name or subject are for
programs that read any subject, and for this one: `data_3d_*.npz` also holds a description, a text under a key of its own.
"""

import os
import pickle
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import check_free
from pose3d_lib.data.actions import split_take
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17, H36M_17_OF_32
from pose3d_lib.data.sources.filming import one_thread
from pose3d_lib.data.sources.videopose3d.sets import DESCRIPTION, MotionSet, known_sets, layout_metadata

CUSTOM = "custom"  # VideoPose3D's name of a set of videos, and of the one action of each
AGREE = 0.01  # metres by which a take's cameras may disagree on where a joint was

# How a pickle of an array begins, and how numpy before 1.26, which is common beside VideoPose3D, expects it to begin.
_CORE = b"\x80\x03cnumpy._core.multiarray\n", b"\x80\x03cnumpy.core.multiarray\n"

Takes = dict[str, dict[str, pd.DataFrame]]  # subject -> name of the take in the files -> its clips, one per camera


def export_videopose3d(data: PoseDataset, folder: Path, *, name: str, overwrite: bool = False) -> list[Path]:
    """Writes `data_3d_{name}.npz` and, for every 2D source, `data_2d_{name}_{keypoints}.npz`, each whole or not at all.

    The 3D file holds float32 (frames, joints, 3), world metres, of every labelled take. VideoPose3D expects the 32 joints
    of Human3.6M's files and removes 15 of them: these are copies of the joint above them. The 2D files hold float32
    (frames, joints, 2), pixels, for each camera of a take, in the order of the dataset's cameras; with scores, a third
    column. Unlabelled takes are in the 2D files only; readers skip those of a subject who also has labelled ones.

    A dataset without any 3D joints is written as VideoPose3D's videos, one for each clip: `data_2d_custom_{name}.npz`, or,
    with several 2D sources, `data_2d_custom_{name}_{keypoints}.npz`.

    Raises:
        InputError: the format cannot hold the dataset, VideoPose3D would take it for its own set of that name, or a file is
            already there and `overwrite` is false.
    """
    for part, what in ((name, "name of the set"), *((source, "keypoints") for source in data.keypoints)):
        if not re.fullmatch(r"[^\W_][\w.-]{0,99}", part):
            raise InputError(f"{what} {part!r}: a part of a file's name has letters, digits, '_', '-' and '.' only")
    if data.clips.labelled.any():
        if reason := _mistaken(data, name):
            raise InputError(
                f"{data.name}: as {name}, VideoPose3D would read it wrongly: {reason}. Give the set another name (--name)"
            )
        takes = _arrange(data)
        contents = {f"data_3d_{name}.npz": partial(_motion_file, data, takes)}
        for source in data.keypoints:
            contents[f"data_2d_{name}_{source}.npz"] = partial(_keypoints_file, data, takes, source)
    else:
        videos, several = _arrange_videos(data), len(data.keypoints) > 1
        contents = {
            f"data_2d_{CUSTOM}_{name}{f'_{source}' * several}.npz": partial(_video_file, data, videos, source)
            for source in data.keypoints
        }
    check_free((folder / file for file in contents), overwrite=overwrite)
    return _write_all(folder, contents)


def describe_export(data: PoseDataset, name: str) -> list[str]:
    """Sentences on who can read what `export_videopose3d` writes."""
    videos, several = not data.clips.labelled.any(), len(data.keypoints) > 1
    names = [f"{name}{f'_{source}' * several}" for source in data.keypoints] if videos else data.keypoints
    reason = "" if videos else _why_not(data, name)
    if reason:
        said = [
            f"VideoPose3D itself does not read these files as they are meant: {reason}. They are for programs that read "
            "any subject."
        ]
    else:
        options = " or ".join(f"`-k {source}`" for source in names)
        said = [f"VideoPose3D reads these files with `-d {CUSTOM if videos else name}` and {options}."]
    if data.scores:
        said.append(
            "But the 2D files hold the scores as a third column, which VideoPose3D's own do not have and which was not tried "
            "with it; without the parameter scores they have two columns."
        )
    if not videos and data.skeleton == H36M_17:
        said.append("15 of the 32 joints are fillings, each a copy of the joint above it; VideoPose3D removes them.")
    if data.synthetic:
        said.append("The data are synthetic: nobody was filmed.")
    return said


def _why_not(data: PoseDataset, name: str) -> str:
    """Why VideoPose3D would not read the files as they are meant; "" if it would."""
    if name not in known_sets():
        return f"it knows the sets {', '.join(known_sets())} only, and this one is called {name}"
    if (rates := set(data.clips.fps)) != {known_sets()[name].fps}:
        found = ", ".join(f"{rate:g}" for rate in sorted(rates))
        return f"it takes {name} for {known_sets()[name].fps:g} frames per second, and this has {found}"
    return ""


def _mistaken(data: PoseDataset, name: str) -> str:
    """Why VideoPose3D, with its own joints and cameras, would be wrong about a set of this name; "" if it would not."""
    if not (known := known_sets().get(name)):
        return ""
    if data.skeleton != known.skeleton:
        return f"it expects the joints of {known.skeleton.name}, and these are those of {data.skeleton.name}"
    for subject, own in _cameras(data, data.clips[data.clips.labelled.astype(bool)]).items():
        if subject not in known.cameras:
            return f"it knows no subject {subject} in {name}"
        if own != known.cameras[subject]:
            return f"{subject} was not filmed by the cameras of {name}, which it takes for granted"
    return ""


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
        if own != cameras[subject]:
            found, expected = ([camera.name for camera in some] for some in (own, cameras[subject]))
            raise InputError(
                f"{where} has the cameras {found}, other takes of {subject} also {expected}; all need the same"
            )
        if clips.labelled.nunique() > 1 or (clips.labelled.all() and (clips.stop - clips.start).nunique() > 1):
            raise InputError(f"{where}: its cameras differ in length, or some have 3D joints and others have none")
        takes.setdefault(subject, {})[file_name] = clips
    return takes


def _arrange_videos(data: PoseDataset) -> dict[str, pd.Series]:
    """Video -> its clip; a subject's only video is named after the subject, others also after action, take and camera."""
    videos: dict[str, pd.Series] = {}
    for _, clip in data.clips.iterrows():
        alone = (data.clips.subject == clip.subject).sum() == 1
        name = clip.subject if alone else "_".join((clip.subject, clip.action, clip["take"], data.camera_of(clip).name))
        if name in videos:
            raise InputError(f"{data.name}: two clips would be called {name!r}; give them other subjects")
        videos[name] = clip
    return videos


def _motion_file(data: PoseDataset, takes: Takes) -> dict[str, object]:
    positions: dict[str, dict[str, np.ndarray]] = {}
    for subject, own in takes.items():
        for name, clips in own.items():
            if clips.labelled.all():
                positions.setdefault(subject, {})[name] = _world(data, clips)
    description = MotionSet(
        **{name: getattr(data, name) for name in MotionSet.model_fields if hasattr(data, name) and name != "cameras"},
        fps=float(data.clips.fps.iloc[0]),
        cameras=_cameras(data, data.clips),
    )
    return {"positions_3d": positions, DESCRIPTION: description.model_dump_json()}


def _world(data: PoseDataset, clips: pd.DataFrame) -> np.ndarray:
    """(frames, joints, 3) float32, world metres, of one take: of Human3.6M's joints all 32."""
    where = "/".join(clips.iloc[0][["subject", "action", "take"]])
    for number in clips.camera:
        if not data.cameras[number].is_placed:
            raise InputError(
                f"{data.name}: {where}: where camera {data.cameras[number].name!r} stood is not known, so its 3D joints "
                "have no place in the world, in which the format has them"
            )
    with one_thread():
        seen = [data.world(clip) for _, clip in clips.iterrows()]
    apart = max(float(np.abs(other - seen[0]).max()) for other in seen)
    if not apart < AGREE:
        raise InputError(f"{data.name}: {where}: its cameras see the same joint up to {apart:.3g} m apart in the world")
    joints = np.mean(seen, axis=0).astype(np.float32)
    return joints[:, _above_32()] if data.skeleton == H36M_17 else joints


# Of each of Human3.6M's 32 joints, the joint above it.
PARENTS_OF_32 = (
    -1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 13, 16, 17, 18, 19, 20, 19, 22, 13, 24, 25, 26, 27, 28, 27, 30,
)  # fmt: skip


def _above_32() -> list[int]:
    """Which of the 17 joints stands for each of Human3.6M's 32: itself, or the nearest on its way to the root."""
    above: list[int] = []
    for joint, parent in enumerate(PARENTS_OF_32):
        above.append(H36M_17_OF_32.index(joint) if joint in H36M_17_OF_32 else above[parent])
    return above


def _keypoints_file(data: PoseDataset, takes: Takes, source: str) -> dict[str, object]:
    pixels = {
        subject: {name: [_pixels(data, clip, source) for _, clip in clips.iterrows()] for name, clips in own.items()}
        for subject, own in takes.items()
    }
    return {"positions_2d": pixels, "metadata": layout_metadata(data.layouts[source])}


def _video_file(data: PoseDataset, videos: Mapping[str, pd.Series], source: str) -> dict[str, object]:
    cameras = {video: data.camera_of(clip) for video, clip in videos.items()}
    sizes = {video: {"w": camera.width, "h": camera.height} for video, camera in cameras.items()}
    return {
        "positions_2d": {video: {CUSTOM: [_pixels(data, clip, source)]} for video, clip in videos.items()},
        "metadata": {**layout_metadata(data.layouts[source]), "video_metadata": sizes},
    }


def _pixels(data: PoseDataset, clip: pd.Series, source: str) -> np.ndarray:
    rows = slice(clip.start, clip.stop)
    pixels = data.keypoints[source][rows]
    if source in data.scores:
        pixels = np.concatenate([pixels, data.scores[source][rows, :, None]], axis=-1)
    if not np.isfinite(pixels).all():
        raise InputError(f"{data.name}: {clip.subject}/{clip.action}/{clip['take']}: {source} holds NaN or infinity")
    return pixels


def _write_all(folder: Path, contents: Mapping[str, Callable[[], Mapping]]) -> list[Path]:
    """Writes every file into a folder beside, and moves them to their places when all are whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as unfinished:
            for file, make in contents.items():
                _write_npz(Path(unfinished) / file, make())
            for file in contents:
                os.replace(Path(unfinished) / file, folder / file)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    return [folder / file for file in contents]


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
                pickled = pickle.dumps(holder, protocol=3)  # later protocols announce lengths
                own, known = _CORE if pickled.startswith(_CORE[0]) else (b"", b"")
                np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": ()})
                member.write(known)
                member.write(memoryview(pickled)[len(own) :])
