"""Detections in JSON: OpenPose's and MMPose's files of single images, AlphaPose, MMPose, YOLO, COCO and MediaPipe."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.records import (
    MAX_BYTES,
    MAX_VALUES,
    Person,
    Video,
    make_video,
    read_frame,
    read_number,
    read_rows,
    read_size,
    read_track,
    shown,
)
from pose3d_lib.data.sources.text_files import decode_head

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


def recognise_json(path: Path) -> str:
    """ "json" for files that begin like those that `read_json` reads, "frame" for those of one image, "" for others."""
    with path.open("rb") as file:
        head = decode_head(file.read(65_536))
    if _ONE_IMAGE.match(head):
        return "frame"
    return "json" if head.lstrip()[:1] in ("[", "{") and _KEYS.search(head) else ""


def read_json(path: Path, joints: str) -> Video:
    """The video of a file by AlphaPose, MMPose, YOLO, MediaPipe or in COCO's format; `joints` names the layout, or is ""."""
    content = _load(path)
    name, where = path.stem, str(path)
    if isinstance(content, dict):
        if "instance_info" in content:
            meta = content.get("meta_info")
            told = "h36m" if isinstance(meta, dict) and meta.get("dataset_name") == "h36m" else ""
            return _read_mmpose(content["instance_info"], name, f"{where}: instance_info", joints or told)
        if "annotations" in content:
            return _read_coco(content, name, where, joints)
        if "frames" in content:
            return _read_landmarks(content["frames"], name, f"{where}: frames", content, joints)
        if content and all(isinstance(item, dict) and set(_PEOPLE) & item.keys() for item in content.values()):
            return _read_images(content, name, where, joints)
    first = next((item for item in content if item), None) if isinstance(content, list) else None
    inner = next((item for item in first if item), None) if isinstance(first, list) else None
    keys = first.keys() if isinstance(first, dict) else set()
    if "instances" in keys:
        return _read_mmpose(content, name, f"{where}: ", joints)
    if {"keypoints", "image_id"} <= keys:
        return _read_results(content, name, f"{where}: ", joints)
    if isinstance(inner, dict) and {"keypoints", "box"} & inner.keys():
        return _read_images(dict(enumerate(content)), name, where, joints)
    if isinstance(first, list) or set(_LANDMARKS) & keys:
        return _read_landmarks(content, name, f"{where}: ", {}, joints)
    raise InputError(
        f"{where}: detections in none of the known formats: AlphaPose or COCO results (a list of objects with image_id and "
        "keypoints), COCO annotations, MMPose (instance_info, or a list of objects with frame_id and instances), YOLO (a list "
        "of each frame's results), MediaPipe (a list of objects with landmarks)"
    )


def read_frames(name: str, files: Sequence[Path], joints: str) -> Video:
    """The video of files by OpenPose, AlphaPose, MMPose or YOLO, one for each image, whose names end in the frame."""
    where, listed, people = str(files[0].parent), {}, []
    for path in files:
        frame = read_frame(FRAME_NAME.fullmatch(path.name)["frame"], str(path))
        if frame in listed:
            raise InputError(f"{where}: frame {frame} is there twice: {listed[frame]} and {path.name}")
        listed[frame] = path.name
        people += _read_people(_load(path), frame, str(path))
    return make_video(name, where, people, listed, joints=joints)


def _read_images(images: dict, name: str, where: str, joints: str) -> Video:
    """Everybody in every image: AlphaPose's `open` and `cmu`, by the images' names, and YOLO's results, in their order."""
    people, frames = [], {}
    for image, item in images.items():
        at = f"{where}: [{shown(image)}]"
        people += _read_people(item, _image_frame(image, frames, at), at)
    return make_video(name, where, people, frames, joints=joints)


def _read_people(content: object, frame: int, where: str) -> list[Person]:
    """Everybody in one image."""
    if isinstance(content, dict):
        key = _first(content, _PEOPLE)
        content, where = content.get(key), f"{where}: {key}"
    return [_read_person(item, frame, at) for at, item in _objects(content, where)]


def _read_person(item: dict, frame: int, at: str) -> Person:
    """One person as any of the detectors writes it."""
    key = _first(item, _KEYPOINTS)
    points, where = item.get(key), f"{at}.{key}"
    if isinstance(points, dict) and "x" in points:  # YOLO's lists of x, y and perhaps visible
        columns = [read_rows(points.get(part), 1, f"{where}.{part}", "numbers") for part in ("x", "y")]
        unknown = [None] * len(columns[0])
        columns.append(read_rows(points.get("visible", unknown), 1, f"{where}.visible", "numbers"))
    elif "keypoint_scores" in item:  # MMPose's lists of [x, y], and of scores
        if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise InputError(f"{where}: expected a list of [x, y], found {shown(points)}")
        flat = [value for point in points for value in point]
        columns = [read_rows(flat, 2, where, "joints as x, y")]
        columns.append(read_rows(item["keypoint_scores"], 1, f"{at}.keypoint_scores", "a score of each joint"))
    else:
        columns = [read_rows(points, 3, where, "joints as x, y, score")]
    if len({len(column) for column in columns}) > 1:
        if "keypoint_scores" in item and not isinstance(points, dict):
            raise InputError(f"{at}.keypoint_scores: {len(columns[1])} scores of {len(columns[0])} joints")
        raise InputError(f"{where}: x, y and visible are of {', '.join(str(len(column)) for column in columns)} joints")
    score, track = _first(item, _SCORE), _first(item, _TRACK)
    sure = read_number(item[score], f"{at}.{score}") if item.get(score) is not None else None
    return Person(frame, np.concatenate(columns, axis=1), sure, read_track(item.get(track), f"{at}.{track}"))


def _read_results(content: list, name: str, where: str, joints: str) -> Video:
    """AlphaPose's and COCO's results: one object for each person."""
    people, images = [], {}
    for at, item in _objects(content, where):
        frame = _image_frame(item.get("image_id"), images, f"{at}.image_id")
        if item.get("category_id", 1) == 1:  # COCO's person
            people.append(_read_person(item, frame, at))
    return make_video(name, where.rstrip(": "), people, images, joints=joints)


def _read_coco(content: dict, name: str, where: str, joints: str) -> Video:
    """COCO's annotations: the images, and the people in them. A joint with v 0 is not labelled; v is no score."""
    numbers, frames, sizes = {}, {}, set()
    if "images" not in content:
        raise InputError(
            f"{where}: images: expected a list of COCO's images (id, file_name, width, height), of which annotations tell "
            "the frame; there is none. Add it, or write the annotations alone, as a list of objects with image_id and keypoints"
        )
    for at, image in _objects(content["images"], f"{where}: images"):
        key, named = image.get("id"), image.get("file_name")
        if not isinstance(key, int | str) or key in numbers:
            raise InputError(f"{at}.id: expected an id of its own, found {shown(key)}")
        by = "file_name" if isinstance(named, str) and re.search(r"[0-9]", named) else "id"
        numbers[key] = _image_frame(image[by], frames, f"{at}.{by}")
        sizes |= _size(image, at)
    if len(sizes) > 1:
        some = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:4])
        raise InputError(f"{where}: images: expected one size of the video's images, found {some}")
    categories = content.get("categories")
    categories = [one for one in categories if isinstance(one, dict)] if isinstance(categories, list) else []
    person = next((category.get("id") for category in categories if category.get("name") == "person"), 1)
    people = []
    for at, item in _objects(content["annotations"], f"{where}: annotations"):
        key = item.get("image_id")
        if not isinstance(key, int | str) or key not in numbers:
            raise InputError(f"{at}.image_id: {shown(key)} is none of the images")
        if "keypoints" in item and item.get("category_id", person) == person:
            people.append(_read_person(item, numbers[key], at))
    return make_video(name, where, people, frames, joints=joints, size=next(iter(sizes), None), scored=False)


def _read_mmpose(content: object, name: str, where: str, joints: str) -> Video:
    """MMPose's frames, each with its instances."""
    listed, people = set(), []
    for at, item in _objects(content, where):
        frame = _unused(read_frame(item.get("frame_id"), f"{at}.frame_id"), listed, f"{at}.frame_id")
        people += _read_people(item.get("instances"), frame, f"{at}.instances")
    return make_video(name, where.rstrip(": "), people, listed, joints=joints)


def _read_landmarks(content: object, name: str, where: str, header: dict, joints: str) -> Video:
    """MediaPipe's landmarks, frame by frame: 33 objects with x, y and visibility, or a list of people of 33 each."""
    listed, people, scored = set(), [], True
    for number, item in enumerate(_list(content, where, " of frames")):
        at, found, frame = f"{where}[{number}]", item, number
        if isinstance(item, dict):
            key, by = _first(item, _LANDMARKS), _first(item, _FRAME)
            found, frame = item.get(key), read_frame(item.get(by, number), f"{at}.{by}")
            at = f"{at}.{key}"
        _unused(frame, listed, at)
        if isinstance(found, dict) and "landmark" in found:  # as protobuf's MessageToDict writes landmarks
            found, at = found["landmark"], f"{at}.landmark"
        if found is None or found == []:
            continue
        nested = isinstance(_list(found, at, " of landmarks")[0], list)
        for index, landmarks in enumerate(found if nested else [found]):
            place, rows = f"{at}[{index}]" if nested else at, []
            for spot, landmark in _objects(landmarks, place):
                scored = scored and "visibility" in landmark
                values = {"x": None, "y": None, "visibility": 1.0, **landmark}
                rows += [read_number(values[key], f"{spot}.{key}") for key in ("x", "y", "visibility")]
            people.append(Person(frame, read_rows(rows, 3, place, "landmarks")))
    size = next(iter(_size(header, where)), None)
    return make_video(name, where.rstrip(": "), people, listed, joints=joints, size=size, scored=scored)


def _load(path: Path) -> object:
    """What the file holds, unless it would need too much memory."""
    if not path.is_file():  # reading a pipe would wait for ever
        raise InputError(f"{path}: not a file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 2**20} MiB; cut the video into shorter ones")
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if text.count(b",") + text.count(b"[") + text.count(b"{") > MAX_VALUES:
        raise InputError(f"{path}: more than {MAX_VALUES:,} values; cut the video into shorter ones")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deep for detections; refused") from error
    except ValueError as error:  # bad JSON, bad UTF-8, or an integer of thousands of digits
        raise InputError(f"{path}: not whole JSON ({str(error)[:200]}); get or write the file again") from error


def _image_frame(image: object, images: dict[int, object], where: str) -> int:
    """The frame of an image, put into `images`: frame -> image, of which there may be one for each frame."""
    frame = read_frame(image, where)
    if images.setdefault(frame, image) != image:
        raise InputError(
            f"{where}: {shown(image)} and {shown(images[frame])} are both frame {frame}; expected one video in a file"
        )
    return frame


def _unused(frame: int, listed: set[int], where: str) -> int:
    if frame in listed:
        raise InputError(f"{where}: frame {frame} is there twice")
    listed.add(frame)
    return frame


def _size(item: dict, where: str) -> set[tuple[int, int]]:
    """The one size that an object tells, or none."""
    width, height = item.get("width"), item.get("height")
    return set() if width is None and height is None else {read_size(width, height, where)}


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
