"""Detections in numpy's files: VideoPose3D's `.npz` of Detectron and `data_2d_custom_*.npz`, and a plain `.npy`."""

from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.records import (
    MAX_PEOPLE,
    Person,
    Video,
    make_video,
    read_size,
    shown,
    to_float32,
)
from pose3d_lib.data.untrusted.client import list_npz_keys, read_npz_key

PERSONS = 1  # of Detectron's classes
MAX_JOINTS = 1000
DETECTRON_KEYS = {"boxes", "segments", "keypoints", "metadata"}
CUSTOM_KEYS = {"positions_2d", "metadata"}
ARRAYS = "reconstruction"  # the key under which the demos of MHFormer and its followers keep the keypoints of a video

# Where no coordinate is larger, an array holds metres, not pixels; a third number that is larger is no score.
METRES = 20


def recognise_npz(path: Path) -> str:
    """ "detectron", "custom" or "arrays"; "" for none."""
    try:
        keys = set(list_npz_keys(path))
        if "keypoints" in keys <= DETECTRON_KEYS and len(keys) > 1:
            return "detectron"
        if ARRAYS in keys:
            return "arrays"
        if not keys >= CUSTOM_KEYS or len(keys) > 4:
            return ""
        named = path.name.startswith("data_2d_custom_")
        return "custom" if named or "video_metadata" in _dict(read_npz_key(path, "metadata")) else ""
    except InputError:
        return ""  # its reader says what is wrong


def read_detectron(path: Path, joints: str) -> Video:
    """The video of an `.npz` with keypoints, perhaps boxes, of every frame, as VideoPose3D's inference scripts write it."""
    keys = list_npz_keys(path)
    used = [key for key in ("boxes", "keypoints") if key in keys]
    arrays = {key: read_npz_key(path, key) for key in used}
    for key, value in arrays.items():
        if not _is_sequence(value) or len(value) != len(arrays[used[0]]):
            raise InputError(
                f"{path}, key {key!r}: expected an array of as many frames as `boxes`, found {_kind(value)}"
            )
    people = []
    for frame in range(len(arrays["keypoints"])):
        places = {key: f"{path}, key {key!r}, frame {frame}" for key in used}
        found = {key: _persons(arrays[key][frame], places[key]) for key in used}
        posed, boxes, where = found["keypoints"], found[used[0]], places["keypoints"]
        if len(posed) != len(boxes):
            raise InputError(f"{where}: {len(posed)} people, but {len(boxes)} boxes")
        for rows, box in zip(posed, boxes, strict=True):
            if not (_is_number(rows) and rows.ndim == 2 and len(rows) == 4 and 0 < rows.shape[1] <= MAX_JOINTS):
                raise InputError(f"{where}: a person is {_kind(rows)}; expected (4, joints): x, y, logit, probability")
            if "boxes" in used and not (_is_number(box) and box.shape == (5,)):
                raise InputError(f"{places['boxes']}: {_kind(box)}; expected x1, y1, x2, y2, score")
            people.append(Person(frame, to_float32(rows[[0, 1, 3]].T), float(box[4]) if "boxes" in used else None))
    size = _size(read_npz_key(path, "metadata") if "metadata" in keys else None, f"{path}, key 'metadata'")
    return make_video(path.stem, str(path), people, range(len(arrays["keypoints"])), joints=joints, size=size)


def read_custom(path: Path, joints: str) -> list[Video]:
    """The videos of a `data_2d_custom_*.npz`: one person each, in every frame."""
    positions, described = read_npz_key(path, "positions_2d"), _dict(read_npz_key(path, "metadata"))
    if not isinstance(positions, dict) or not positions:
        raise InputError(
            f"{path}, key 'positions_2d': expected a dict video -> 'custom' -> [array], found {_kind(positions)}"
        )
    sizes, named = _dict(described.get("video_metadata")), described.get("layout_name")
    layout = joints or (named if named in ("coco", "h36m") else "")
    videos = []
    for name, actions in positions.items():
        where = f"{path}, key 'positions_2d', video {shown(name)}"
        if not isinstance(name, str) or not isinstance(actions, dict) or list(actions) != ["custom"]:
            raise InputError(f"{where}: expected a name and a dict with the one key 'custom'")
        views = actions["custom"]
        if not _is_sequence(views) or len(views) != 1:
            raise InputError(f"{where}: expected a list of one array, of the one camera")
        people = _dense_people(views[0], where)
        size = _size(sizes.get(name), f"{path}, key 'metadata', video {shown(name)}")
        videos.append(make_video(name, where, people, range(len(people)), joints=layout, size=size))
    return videos


def read_arrays(path: Path, joints: str) -> Video:
    """The video of an `.npz` with keypoints under `reconstruction`, (people, frames, joints, 2 or 3), of Human3.6M's joints."""
    array, where = read_npz_key(path, ARRAYS), f"{path}, key {ARRAYS!r}"
    if isinstance(array, np.ndarray) and array.ndim == 3:
        array = array[None]
    if not (isinstance(array, np.ndarray) and array.ndim == 4 and 0 < len(array) <= MAX_PEOPLE):
        raise InputError(f"{where}: {_kind(array)}; expected (people, frames, joints, 2 or 3), pixels")
    if array.shape[3] == 3 and _is_number(array):
        largest = np.abs(np.nan_to_num(array)).max(axis=(0, 1, 2), initial=0)
        if largest.max() < METRES or largest[2] > METRES:
            raise InputError(f"{where}: looks like 3D poses; expected 2D keypoints, in pixels")
    people = [
        person for track, motion in enumerate(array, start=1) for person in _dense_people(motion, where, str(track))
    ]
    return make_video(path.stem, str(path), people, range(array.shape[1]), joints=joints or "h36m")


def read_npy(path: Path, joints: str) -> Video:
    """The video of an `.npy`: (frames, joints, 2 or 3) of x, y and perhaps a score."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header cannot promise more than there is
    except (ValueError, TypeError, EOFError, OSError, OverflowError, SyntaxError, MemoryError) as error:
        raise InputError(f"{path}: not a plain array that numpy can read ({str(error)[:200]})") from error
    if isinstance(array, np.ndarray) and array.ndim == 3 and array.shape[1] == 17 and not joints:
        raise InputError(
            f"{path}: 17 joints, in the order of COCO (nose first) or of Human3.6M (hip first)? "
            'The parameter `joints` says so: "coco" or "h36m"'
        )
    people = _dense_people(array, str(path))
    return make_video(path.stem, str(path), people, range(len(people)), joints=joints)


def _dense_people(array: object, where: str, track: str | None = None) -> list[Person]:
    """One person in every frame."""
    if not (_is_number(array) and array.ndim == 3 and array.shape[2] in (2, 3) and 0 < array.shape[1] <= MAX_JOINTS):
        raise InputError(
            f"{where}: {_kind(array)}; expected (frames, joints, 2 or 3): x, y and perhaps a score, in pixels"
        )
    return [Person(frame, person, track=track) for frame, person in enumerate(to_float32(array))]


def _size(described: object, where: str) -> tuple[int, int] | None:
    """The size of the images in metadata, if it is there."""
    described = _dict(described)
    return read_size(described["w"], described["h"], where) if {"w", "h"} <= described.keys() else None


def _persons(frame: object, where: str) -> list | np.ndarray:
    """What a frame holds of the class of persons: one entry for each."""
    if not _is_sequence(frame) or len(frame) <= PERSONS:
        raise InputError(f"{where}: expected a list with one entry per class, persons second, found {_kind(frame)}")
    persons = frame[PERSONS]
    if not _is_sequence(persons):
        raise InputError(f"{where}: expected the persons' arrays, found {_kind(persons)}")
    return persons


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _is_sequence(value: object) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _is_number(array: object) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "fiu"


def _kind(value: object) -> str:
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else shown(value)
