"""Detections in JSON: OpenPose's and MMPose's files of single images, AlphaPose, MMPose, YOLO, COCO and MediaPipe."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.data.sources.detections.records import (
    MAX_FPS,
    Person,
    Video,
    check_extent,
    make_video,
    read_frame,
    read_number,
    read_rows,
    read_size,
    read_track,
    shown,
)

# The name of a file of one image: the video, its frame, and OpenPose's ending.
FRAME_NAME = re.compile(
    r"(?:(?P<video>.*?)[_. -]?)?(?P<frame>[0-9]{1,18})(?P<openpose>_keypoints)?\.json", re.DOTALL | re.IGNORECASE
)
_KEYS = re.compile(
    r'"(keypoints|instance_info|meta_info|instances|images|annotations|people|bodies|'
    r'landmarks|pose_landmarks|visibility|pose_keypoints_2d)"'
)
# How files of one image begin: of OpenPose and AlphaPose; of MMPose; of YOLO; of MMPose and YOLO if nobody is in it.
_ONE_IMAGE = re.compile(
    r'\s*(\{\s*("version"\s*:[^,{[]*,\s*)?"people"\s*:'
    r'|\[\s*(\{\s*"keypoints"\s*:\s*\[\s*\[|\{\s*"name"\s*:\s*"[^"]*"\s*,\s*"class"|\]\s*$))'
)
# What COCO, AlphaPose, MMPose, YOLO, OpenPose and scripts with MediaPipe call people, and of one person its keypoints,
# score and track; and what scripts call landmarks and the frame.
_PEOPLE = ("people", "bodies")
_KEYPOINTS = ("keypoints", "pose_keypoints_2d", "joints")
_SCORE = ("score", "bbox_score", "confidence")
_TRACK = ("idx", "track_id", "person_id")
_LANDMARKS = ("landmarks", "pose_landmarks")
_FRAME = ("frame", "frame_id", "frame_index", "frame_number")

# A video's image (its name or number), its place in the file, and everybody in it, each with their place.
_Image = tuple[object, str, Iterable[tuple[str, object]]]


def recognise_json(head: str) -> str:
    """ "json" for files that begin like those that `read_json` reads, "frame" for those of one image, "" for others."""
    if _ONE_IMAGE.match(head):
        return "frame"
    return "json" if head.lstrip()[:1] in ("[", "{") and _KEYS.search(head) else ""


def read_json(path: Path, joints: str) -> Video:
    """The video of a file by AlphaPose, MMPose, YOLO, MediaPipe or in COCO's format; `joints` names the layout, or is ""."""
    images, known = _open(_load(path), str(path))
    people, frames = _read_images(images, repeated=known.pop("repeated", False))
    return make_video(path.stem, str(path), people, frames, **known | ({"joints": joints} if joints else {}))


def read_frames(name: str, files: Sequence[Path], joints: str) -> Video:
    """The video of files by OpenPose, AlphaPose, MMPose or YOLO, one for each image, whose names end in the frame."""
    people, frames = _read_images((path.name, str(path), _people(_load(path), str(path))) for path in files)
    return make_video(name, str(files[0].parent), people, frames, joints=joints)


def _read_images(images: Iterable[_Image], *, repeated: bool = False) -> tuple[list[Person], dict[int, object]]:
    """Everybody in every image, and frame -> image, of which there is one for each frame, `repeated` or not."""
    people, frames = [], {}
    for image, where, found in images:
        frame = read_frame(image, where)
        if frame in frames and not (repeated and frames[frame] == image):
            both = f": {shown(frames[frame])} and {shown(image)}" if frames[frame] != image else ""
            raise InputError(f"{where}: frame {frame} is there twice{both}; expected one video in a file")
        frames[frame] = image
        people += [_read_person(item, frame, at) for at, item in found]
    return people, frames


def _open(content: object, where: str) -> tuple[Iterable[_Image], dict[str, object]]:
    """The images of a file by the keys that tell its format, and what `make_video` has to know of them."""
    if isinstance(content, dict):
        if "instance_info" in content:
            return _open_mmpose(content["instance_info"], f"{where}: instance_info"), _told(content, where)
        if "annotations" in content:
            return _open_coco(content, where)
        if "frames" in content:
            return _open_landmarks(content["frames"], f"{where}: frames"), {"size": _size(content, where)}
        if content and all(isinstance(item, dict) and set(_PEOPLE) & item.keys() for item in content.values()):
            return _open_images(content, where), {}
    first = next((item for item in content if item), None) if isinstance(content, list) else None
    inner = next((item for item in first if item), None) if isinstance(first, list) else None
    keys = first.keys() if isinstance(first, dict) else set()
    if "instances" in keys:
        return _open_mmpose(content, f"{where}: "), {}
    if {"keypoints", "image_id"} <= keys:
        return _open_results(content, f"{where}: "), {"repeated": True}
    if isinstance(inner, dict) and {"keypoints", "box"} & inner.keys():
        return _open_images(dict(enumerate(content)), where), {}
    if isinstance(first, list) or set(_LANDMARKS) & keys:
        return _open_landmarks(content, f"{where}: "), {}
    raise InputError(
        f"{where}: detections in none of the known formats: AlphaPose or COCO results (a list of objects with image_id and "
        "keypoints), COCO annotations, MMPose (instance_info, or a list of objects with frame_id and instances), YOLO (a list "
        "of each frame's results), MediaPipe (a list of objects with landmarks)"
    )


def _open_images(images: dict, where: str) -> Iterator[_Image]:
    """AlphaPose's `open` and `cmu`, by the images' names, and YOLO's results, in their order."""
    for image, item in images.items():
        at = f"{where}: [{shown(image)}]"
        yield image, at, _people(item, at)


def _open_mmpose(content: object, where: str) -> Iterator[_Image]:
    """MMPose's frames, each with its instances."""
    for at, item in _objects(content, where):
        yield item.get("frame_id"), f"{at}.frame_id", _objects(item.get("instances"), f"{at}.instances")


def _told(content: dict, where: str) -> dict[str, object]:
    """What MMPose says of a video, and besides what `pose3d detect` says: the images' size, the frame rate, and notes."""
    meta, notes = content.get("meta_info"), content.get("notes", [])
    meta = meta if isinstance(meta, dict) else {}
    fps = read_number(meta.get("fps"), f"{where}: meta_info.fps")
    return {
        "joints": "h36m" if meta.get("dataset_name") == "h36m" else "",
        "size": _size(meta, f"{where}: meta_info"),
        "fps": fps if 0 < fps <= MAX_FPS else None,
        "notes": tuple(printable(note[:500]) for note in notes[:20] if isinstance(note, str))
        if isinstance(notes, list)
        else (),
    }


def _open_results(content: list, where: str) -> Iterator[_Image]:
    """AlphaPose's and COCO's results: one object for each person."""
    for at, item in _objects(content, where):
        yield item.get("image_id"), f"{at}.image_id", [(at, item)] if item.get("category_id", 1) == 1 else []


def _open_coco(content: dict, where: str) -> tuple[Iterable[_Image], dict[str, object]]:
    """COCO's annotations: the images, and the people in them. A joint with v 0 is not labelled; v is no score."""
    images, named, sizes = [], {}, set()
    if "images" not in content:
        raise InputError(
            f"{where}: images: expected a list of COCO's images (id, file_name, width, height), of which annotations tell "
            "the frame; there is none. Add it, or write the annotations alone, as a list of objects with image_id and keypoints"
        )
    for at, image in _objects(content["images"], f"{where}: images"):
        key, name = image.get("id"), image.get("file_name")
        if not isinstance(key, int | str) or key in named:
            raise InputError(f"{at}.id: expected an id of its own, found {shown(key)}")
        by = "file_name" if isinstance(name, str) and re.search(r"[0-9]", name) else "id"
        named[key] = image[by]
        images.append((image[by], f"{at}.{by}", ()))
        sizes.add(_size(image, at))
    sizes = sorted(sizes - {None})
    if len(sizes) > 1:
        some = ", ".join(f"{width}x{height}" for width, height in sizes[:4])
        raise InputError(f"{where}: images: expected one size of the video's images, found {some}")
    categories = content.get("categories")
    categories = [one for one in categories if isinstance(one, dict)] if isinstance(categories, list) else []
    person = next((category.get("id") for category in categories if category.get("name") == "person"), 1)
    for at, item in _objects(content["annotations"], f"{where}: annotations"):
        key = item.get("image_id")
        if not isinstance(key, int | str) or key not in named:
            raise InputError(f"{at}.image_id: {shown(key)} is none of the images")
        if "keypoints" in item and item.get("category_id", person) == person:
            images.append((named[key], f"{at}.image_id", [(at, item)]))
    return images, {"repeated": True, "scored": False, "size": next(iter(sizes), None)}


def _open_landmarks(content: object, where: str) -> Iterator[_Image]:
    """MediaPipe's landmarks, frame by frame: 33 objects with x, y and visibility, or a list of people of 33 each."""
    for number, item in enumerate(_list(content, where, " of frames")):
        at, found, frame, by = f"{where}[{number}]", item, number, ""
        if isinstance(item, dict):
            key, by = _first(item, _LANDMARKS), _first(item, _FRAME)
            found, frame = item.get(key), item.get(by, number)
            at, by = f"{at}.{key}", f"{at}.{by}"
        if isinstance(found, dict) and "landmark" in found:  # as protobuf's MessageToDict writes landmarks
            found, at = found["landmark"], f"{at}.landmark"
        people = [] if found is None or not _list(found, at, " of landmarks") else [(at, found)]
        if people and isinstance(found[0], list):
            people = [(f"{at}[{index}]", landmarks) for index, landmarks in enumerate(found)]
        yield frame, by or at, people


def _people(content: object, where: str) -> Iterator[tuple[str, dict]]:
    """Everybody in one image of OpenPose's, AlphaPose's, MMPose's or YOLO's."""
    if isinstance(content, dict):
        key = _first(content, _PEOPLE)
        content, where = content.get(key), f"{where}: {key}"
    return _objects(content, where)


def _read_person(item: dict | list, frame: int, at: str) -> Person:
    """One person as any of the detectors writes it: an object, or MediaPipe's list of landmarks."""
    if not isinstance(item, dict):
        marks = list(_objects(item, at))
        names = ("x", "y", "visibility") if all("visibility" in mark for _, mark in marks) else ("x", "y")
        rows = [read_number(mark.get(name), f"{spot}.{name}") for spot, mark in marks for name in names]
        return Person(frame, read_rows(rows, len(names), at, "landmarks"))
    key = _first(item, _KEYPOINTS)
    points, where = item.get(key), f"{at}.{key}"
    if isinstance(points, dict) and "x" in points:  # YOLO's lists of x, y and perhaps visible
        columns = [read_rows(points.get(part), 1, f"{where}.{part}", "numbers") for part in ("x", "y")]
        unknown = [None] * len(columns[0])
        columns.append(read_rows(points.get("visible", unknown), 1, f"{where}.visible", "numbers"))
    elif "keypoint_scores" in item:  # MMPose's lists of [x, y], and of scores
        if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise InputError(f"{where}: expected a list of [x, y], found {shown(points)}")
        columns = [read_rows([value for point in points for value in point], 2, where, "joints as x, y")]
        where = f"{at}.keypoint_scores"
        columns.append(read_rows(item["keypoint_scores"], 1, where, "a score of each joint"))
    else:
        columns = [read_rows(points, 3, where, "joints as x, y, score")]
    if len({len(column) for column in columns}) > 1:
        counts = " and ".join(str(len(column)) for column in columns)
        raise InputError(f"{where}: lists of {counts} joints; expected the same number in each")
    score, track = _first(item, _SCORE), _first(item, _TRACK)
    sure = read_number(item[score], f"{at}.{score}") if item.get(score) is not None else None
    return Person(frame, np.concatenate(columns, axis=1), sure, read_track(item.get(track), f"{at}.{track}"))


def _load(path: Path) -> object:
    """What the file holds, unless it would need too much memory."""
    check_extent(path, ",[{")
    try:
        return json.loads(path.read_bytes())
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deep for detections; refused") from error
    except ValueError as error:  # bad JSON, bad UTF-8, or an integer of thousands of digits
        raise InputError(f"{path}: not whole JSON ({str(error)[:200]}); get or write the file again") from error


def _size(item: dict, where: str) -> tuple[int, int] | None:
    """The size that an object tells."""
    width, height = item.get("width"), item.get("height")
    return None if width is None and height is None else read_size(width, height, where)


def _first(item: dict, keys: Sequence[str]) -> str:
    """The first of the keys that an object has, or else the first of all."""
    return next((key for key in keys if key in item), keys[0])


def _list(items: object, where: str, what: str = "") -> list:
    if not isinstance(items, list):
        raise InputError(f"{where.rstrip(': ')}: expected a list{what}, found {shown(items)}")
    return items


def _objects(items: object, where: str) -> Iterator[tuple[str, dict]]:
    """(place, object) for each in a list of objects."""
    for number, item in enumerate(_list(items, where)):
        at = f"{where}[{number}]"
        if not isinstance(item, dict):
            raise InputError(f"{at}: expected an object, found {shown(item)}")
        yield at, item
