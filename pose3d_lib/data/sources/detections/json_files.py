"""Detections in JSON: OpenPose's and MMPose's files of single images, AlphaPose, MMPose, YOLO, COCO and MediaPipe.

All of them are images, in a list or by their names, and in each image people, under one key or another.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, printable, some
from pose3d_lib.data.sources.detections.records import (
    Person,
    Video,
    check_extent,
    make_video,
    read_frame,
    read_numbers,
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
# What detectors and scripts call an image; the people in it, the last three being MediaPipe's; and of one person the
# keypoints, score and track.
_IMAGE = ("image_id", "frame_id", "frame", "frame_index", "frame_number")
_PEOPLE = ("people", "bodies", "instances", "landmarks", "pose_landmarks", "landmark")
_KEYPOINTS = ("keypoints", "pose_keypoints_2d", "joints")
_SCORE = ("score", "bbox_score", "confidence")
_TRACK = ("idx", "track_id", "person_id")
UNKNOWN = "detections in none of the known formats; docs/data.md, Detections, lists them"
PERSON = 1  # of COCO's categories
MAX_FPS = 10_000

# A frame of a video, its image (a name or number), its place in the file, and what is there: people, or one of them.
_Image = tuple[int, object, str, object]


def recognise_json(head: str) -> str:
    """ "json" for files that begin like those that `read_json` reads, "frame" for those of one image, "" for others."""
    if _ONE_IMAGE.match(head):
        return "frame"
    return "json" if head.lstrip()[:1] in ("[", "{") and _KEYS.search(head) else ""


def read_json(path: Path, joints: str) -> Video:
    """The video of a file by AlphaPose, MMPose, YOLO, MediaPipe or in COCO's format; `joints` names the layout, or is ""."""
    content, where, known = _load(path), str(path), {}
    if isinstance(content, list):
        images = _list_images(content, f"{where}: ")
    elif "annotations" in content:
        images, known = _open_coco(content, where)
    elif key := next((key for key in ("instance_info", "frames") if key in content), ""):
        images, known = _list_images(content[key], f"{where}: {key}"), _told(content, where)
    elif all(isinstance(image, dict) and _first(image, _PEOPLE) in image for image in content.values()):
        # AlphaPose's `open` and `cmu`: images by their names
        places = {name: f"{where}: [{shown(name)}]" for name in content}
        images = [(read_frame(name, places[name]), name, places[name], item) for name, item in content.items()]
    else:
        raise InputError(f"{where}: {_keys(content)}: {UNKNOWN}")
    people, frames = _read_images(images)
    return make_video(path.stem, where, people, frames, **known | ({"joints": joints} if joints else {}))


def read_frames(name: str, files: Sequence[Path], joints: str) -> Video:
    """The video of files by OpenPose, AlphaPose, MMPose or YOLO, one for each image, whose names end in the frame."""
    people, frames = _read_images(
        (read_frame(path.name, f"{path}"), path.name, f"{path}", _load(path)) for path in files
    )
    return make_video(name, str(files[0].parent), people, frames, joints=joints)


def _read_images(images: Iterable[_Image]) -> tuple[list[Person], dict[int, object]]:
    """Everybody in every image, and frame -> image, of which there is one for each frame."""
    people, frames = [], {}
    for frame, image, where, content in images:
        if frame in frames and not (_is_person(content) and frames[frame] == image):
            both = f": {shown(frames[frame])} and {shown(image)}" if frames[frame] != image else ""
            raise InputError(f"{where}: frame {frame} is there twice{both}; expected one video in a file")
        frames[frame] = image
        people += [_read_person(item, frame, at) for at, item in _find_people(content, where)]
    return people, frames


def _is_person(content: object) -> bool:
    """Whether it is one person, and not all of an image."""
    return isinstance(content, dict) and _first(content, _KEYPOINTS) in content


def _list_images(content: object, where: str) -> Iterator[_Image]:
    """Images, or people who tell their image, in a list; images are in the order of time if they have no number."""
    if not isinstance(content, list):
        raise InputError(f"{where}: expected a list of frames, found {shown(content)}")
    for number, item in enumerate(content):
        at, key = f"{where}[{number}]", _first(item, _IMAGE) if isinstance(item, dict) else ""
        if key and key in item:
            yield read_frame(item[key], f"{at}.{key}"), item[key], at, item
        elif _is_person(item):
            raise InputError(f"{at}: a person without {key}, the image's name or number; found {_keys(item)}")
        else:
            yield number, number, at, item


def _open_coco(content: dict, where: str) -> tuple[list[_Image], dict[str, object]]:
    """COCO's annotations: the images, and the people in them. A joint with v 0 is not labelled; v is no score."""
    images, named, sizes = [], {}, set()
    if "images" not in content:
        raise InputError(f"{where}: annotations without images; add COCO's `images` (id, file_name, width, height)")
    for at, image in _objects(content["images"], f"{where}: images"):
        key, name = shown(image.get("id")), image.get("file_name")
        if key in named:
            raise InputError(f"{at}.id: expected an id of its own, found {key}")
        by = "file_name" if isinstance(name, str) and re.search(r"[0-9]", name) else "id"
        named[key] = read_frame(image.get(by), f"{at}.{by}"), image.get(by)
        images.append((*named[key], at, None))
        sizes.add(read_size(image.get("width"), image.get("height"), at))
    sizes = sorted(sizes - {None})
    if len(sizes) > 1:
        found = some([f"{width}x{height}" for width, height in sizes], 4)
        raise InputError(f"{where}: images: expected one size of the video's images, found {found}")
    categories = [category for _, category in _objects(content.get("categories") or [], f"{where}: categories")]
    person = next((category.get("id") for category in categories if category.get("name") == "person"), PERSON)
    for at, item in _objects(content["annotations"], f"{where}: annotations"):
        key = shown(item.get("image_id"))
        if key not in named:
            raise InputError(f"{at}.image_id: {key} is none of the images")
        if "keypoints" in item and item.get("category_id", person) == person:
            images.append((*named[key], at, item | {"category_id": PERSON}))
    return images, {"scored": False, "size": next(iter(sizes), None)}


def _told(content: dict, where: str) -> dict[str, object]:
    """What MMPose says of a video, and besides what `pose3d detect` says: the images' size, the frame rate, and notes."""
    meta, notes = content.get("meta_info", content), content.get("notes")
    meta = meta if isinstance(meta, dict) else {}
    fps = read_numbers(meta.get("fps"), 1, f"{where}: meta_info.fps", rows=1).item()
    notes = [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    return {
        "joints": "h36m" if meta.get("dataset_name") == "h36m" else "",
        "size": read_size(meta.get("width"), meta.get("height"), f"{where}: meta_info"),
        "fps": fps if 0 < fps <= MAX_FPS else None,
        "notes": tuple(printable(note[:500]) for note in notes[:20]),
    }


def _find_people(content: object, where: str) -> Iterator[tuple[str, object]]:
    """Everybody in an image, each with their place: an object, or MediaPipe's list of landmarks."""
    if isinstance(content, dict):
        key = next((key for key in _PEOPLE if key in content), None)
        if key:
            yield from _find_people(content[key], f"{where}.{key}")
        elif content.get("category_id", PERSON) == PERSON:
            yield where, content
    elif isinstance(content, list) and content and isinstance(content[0], dict) and "x" in content[0]:
        yield where, content
    elif isinstance(content, list):
        yield from ((f"{where}[{number}]", item) for number, item in enumerate(content))
    elif content is not None:
        raise InputError(f"{where}: expected a list of people or landmarks, found {shown(content)}")


def _read_person(item: object, frame: int, at: str) -> Person:
    """One person as any of the detectors writes it: an object, or MediaPipe's list of landmarks."""
    if isinstance(item, list):
        marks = [mark for _, mark in _objects(item, at)]
        names = ("x", "y", "visibility") if all("visibility" in mark for mark in marks) else ("x", "y")
        return Person(frame, read_numbers([[mark.get(name) for name in names] for mark in marks], len(names), at))
    if not _is_person(item):
        found = _keys(item) if isinstance(item, dict) else shown(item)
        raise InputError(f"{at}: expected a person's keypoints, found {found}: {UNKNOWN}")
    key = _first(item, _KEYPOINTS)
    points, where = item[key], f"{at}.{key}"
    if isinstance(points, dict):  # YOLO's lists of x, y and perhaps visible
        x, y = (read_numbers(points.get(axis), 1, f"{where}.{axis}") for axis in "xy")
        columns = [x, y, read_numbers(points.get("visible", [None] * len(x)), 1, f"{where}.visible")]
    elif "keypoint_scores" in item:  # MMPose's lists of [x, y], and of scores
        columns = [read_numbers(points, 2, where), read_numbers(item["keypoint_scores"], 1, f"{at}.keypoint_scores")]
    else:
        columns = [read_numbers(points, 3, where)]
    if len({len(column) for column in columns}) > 1:
        counts = " and ".join(str(len(column)) for column in columns)
        raise InputError(f"{where}: lists of {counts} joints; expected the same number in each")
    score, track = _first(item, _SCORE), _first(item, _TRACK)
    sure = read_numbers(item[score], 1, f"{at}.{score}", rows=1).item() if item.get(score) is not None else None
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


def _first(item: dict, keys: Sequence[str]) -> str:
    """The first of the keys that an object has, or else the first of all."""
    return next((key for key in keys if key in item), keys[0])


def _keys(item: dict) -> str:
    """What an object is, for a message."""
    return f"an object with the keys {some(list(map(shown, item)))}" if item else "an empty object"


def _objects(items: object, where: str) -> Iterator[tuple[str, dict]]:
    """(place, object) for each in a list of objects."""
    if not isinstance(items, list):
        raise InputError(f"{where}: expected a list of objects, found {shown(items)}")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise InputError(f"{where}[{number}]: expected an object, found {shown(item)}")
        yield f"{where}[{number}]", item
