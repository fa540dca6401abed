"""Detections in numpy's files: VideoPose3D's `.npz` of Detectron and `data_2d_custom_*.npz`, and a plain `.npy`."""

from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.layouts import choose_layout
from pose3d_lib.data.sources.detections.records import Person, Video, make_video, read_size, shown, to_float32
from pose3d_lib.data.untrusted.client import list_keys, read_npz_key

PERSONS = 1  # of Detectron's classes
MAX_JOINTS = 1000
DETECTRON_KEYS = {"boxes", "segments", "keypoints", "metadata"}
CUSTOM_KEYS = {"positions_2d", "metadata"}
ARRAYS = "reconstruction"  # the key under which the demos of MHFormer and its followers keep the keypoints of a video
METRES = 20  # where no coordinate is larger, an array holds metres, not pixels


def recognise_npz(path: Path) -> str:
    """ "detectron", "custom" or "arrays"; "" for none."""
    try:
        keys = set(list_keys(path, "npz"))
        if "keypoints" in keys <= DETECTRON_KEYS and len(keys) > 1:
            return "detectron"
        if ARRAYS in keys:
            return "arrays"
        custom = keys >= CUSTOM_KEYS and "video_metadata" in _dict(read_npz_key(path, "metadata"))
        return "custom" if custom or path.name.startswith("data_2d_custom_") else ""
    except InputError:
        return ""  # its reader says what is wrong


def read_detectron(path: Path, joints: str) -> Video:
    """The video of an `.npz` with keypoints, perhaps boxes, of every frame, as VideoPose3D's inference scripts write it."""
    keys, people, frame = list_keys(path, "npz"), [], 0
    boxes = read_npz_key(path, "boxes") if "boxes" in keys else None
    keypoints = read_npz_key(path, "keypoints")
    try:
        for frame, (posed, boxed) in enumerate(zip(keypoints, keypoints if boxes is None else boxes, strict=True)):
            for rows, box in zip(posed[PERSONS], boxed[PERSONS], strict=True):
                x, y, _, sure = np.asarray(rows, np.float64)
                score = None if boxes is None else float(np.asarray(box, np.float64).reshape(5)[4])
                people.append(Person(frame, to_float32([x, y, sure]).T.reshape(-1, 3), score))
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}, keys 'boxes' and 'keypoints', frame {frame}: expected for each class, persons being the second, as many "
            f"boxes (x1, y1, x2, y2, score) as people, (4, joints) of x, y, logit, probability; {str(error)[:200]}"
        ) from error
    described = _dict(read_npz_key(path, "metadata")) if "metadata" in keys else {}
    size = read_size(described.get("w"), described.get("h"), f"{path}, key 'metadata'")
    return make_video(path.stem, str(path), people, range(len(keypoints)), joints=joints, size=size)


def read_custom(path: Path, joints: str) -> list[Video]:
    """The videos of a `data_2d_custom_*.npz`: one person each, in every frame."""
    positions, described = read_npz_key(path, "positions_2d"), _dict(read_npz_key(path, "metadata"))
    sizes, named = _dict(described.get("video_metadata")), described.get("layout_name")
    layout = joints or (named if named in ("coco", "h36m") else "")
    videos = []
    for name, actions in _dict(positions).items():
        where = f"{path}, key 'positions_2d', video {shown(name)}"
        views = _dict(actions).get("custom")
        if not isinstance(name, str) or not isinstance(views, list | tuple | np.ndarray) or len(views) != 1:
            raise InputError(
                f"{where}: expected a name, and a dict with the key 'custom' and one array, of the one camera"
            )
        people = _dense_people(views[0], where)
        own = _dict(sizes.get(name))
        size = read_size(own.get("w"), own.get("h"), f"{path}, key 'metadata', video {shown(name)}")
        videos.append(make_video(name, where, people, range(len(people)), joints=layout, size=size))
    if not videos:
        raise InputError(
            f"{path}, key 'positions_2d': expected a dict video -> 'custom' -> [array], found {shown(positions)}"
        )
    return videos


def read_arrays(path: Path, joints: str) -> Video:
    """The video of an `.npz` with keypoints under `reconstruction`, (people, frames, joints, 2 or 3), of Human3.6M's joints."""
    array, where = read_npz_key(path, ARRAYS), f"{path}, key {ARRAYS!r}"
    if isinstance(array, np.ndarray) and array.ndim == 3:
        array = array[None]
    if not (isinstance(array, np.ndarray) and array.ndim == 4):
        raise InputError(f"{where}: {shown(array)}; expected (people, frames, joints, 2 or 3), pixels")
    people = [
        person for track, motion in enumerate(array, start=1) for person in _dense_people(motion, where, str(track))
    ]
    if array.shape[3] == 3 and np.nanmax(np.abs(array[..., :2]), initial=0) < METRES:
        raise InputError(f"{where}: looks like 3D poses in metres; expected 2D keypoints, in pixels")
    return make_video(path.stem, str(path), people, range(array.shape[1]), joints=joints or "h36m")


def read_npy(path: Path, joints: str) -> Video:
    """The video of an `.npy`: (frames, joints, 2 or 3) of x, y and perhaps a score."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header cannot promise more than there is
    except (ValueError, TypeError, EOFError, OSError, OverflowError, SyntaxError, MemoryError) as error:
        raise InputError(f"{path}: not a plain array that numpy can read ({str(error)[:200]})") from error
    people = _dense_people(array, str(path))
    layout = choose_layout(array.shape[1], joints, path, named=False)
    return make_video(path.stem, str(path), people, range(len(people)), joints=layout)


def _dense_people(array: object, where: str, track: str | None = None) -> list[Person]:
    """One person in every frame."""
    numbers = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
    if not (numbers and array.ndim == 3 and array.shape[2] in (2, 3) and 0 < array.shape[1] <= MAX_JOINTS):
        raise InputError(
            f"{where}: {shown(array)}; expected (frames, joints, 2 or 3): x, y and perhaps a score, in pixels"
        )
    return [Person(frame, person, track=track) for frame, person in enumerate(to_float32(array))]


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}
