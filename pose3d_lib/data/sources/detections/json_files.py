"""Detections in JSON: OpenPose's and MMPose's files of single images, AlphaPose, MMPose, YOLO, COCO and MediaPipe."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.landmarks import LANDMARK_KEYS, read_landmarks
from pose3d_lib.data.sources.detections.records import (
    Person,
    Video,
    first_key,
    make_video,
    read_frame,
    read_number,
    read_objects,
    read_rows,
    read_size,
    read_track,
    shown,
)
from pose3d_lib.data.sources.text_files import decode_head

MAX_BYTES = 256 * 2**20
MAX_VALUES = 20_000_000
"""Numbers, texts and containers of one file: people with 17 joints in 400,000 frames. They take a gigabyte or two of memory."""

FRAME_NAME = re.compile(
    r"(?:(?P<video>.*?)[_. -]?)?(?P<frame>[0-9]{1,18})(?P<openpose>_keypoints)?\.json", re.DOTALL | re.IGNORECASE
)
"""The name of a file of one image: the video, its frame, and OpenPose's ending."""

_KEYS = re.compile(
    r'"(keypoints|instance_info|meta_info|instances|images|annotations|people|bodies|'
    r'landmarks|pose_landmarks|visibility|pose_keypoints_2d)"'
)
_ONE_IMAGE = re.compile(
    r'\s*(\{\s*("version"\s*:[^,{[]*,\s*)?"people"\s*:'
    r'|\[\s*(\{\s*"keypoints"\s*:\s*\[\s*\[|\{\s*"name"\s*:\s*"[^"]*"\s*,\s*"class"|\]\s*$))'
)
"""How files of one image begin: of OpenPose and AlphaPose; of MMPose; of YOLO; of MMPose and YOLO if nobody is in it."""

_PEOPLE_KEYS = ("people", "bodies")
_KEYPOINT_KEYS = ("keypoints", "pose_keypoints_2d", "joints")
_SCORE_KEYS = ("score", "bbox_score", "confidence")
_TRACK_KEYS = ("idx", "track_id", "person_id")
"""Of one person: what COCO, AlphaPose, MMPose, YOLO and OpenPose call its keypoints, its score and its track."""


def recognise_json(path: Path) -> str:
    """ "json" for files that begin like those that `read_json` reads, "frame" for those of one image, "" for others."""
    with path.open("rb") as file:
        head = decode_head(file.read(65_536))
    if _ONE_IMAGE.match(head):
        return "frame"
    return "json" if head.lstrip()[:1] in ("[", "{") and _KEYS.search(head) else ""


def read_json(path: Path, joints: str) -> Video:
    """The video of a file by AlphaPose, MMPose, YOLO, MediaPipe or in COCO's format.

    Args:
        joints: the name of the layout, or "" for what the file tells.
    """
    content = _load(path)
    name, where = path.stem, str(path)
    if isinstance(content, dict):
        if "instance_info" in content:
            found = _mmpose_layout(content)
            return _read_mmpose(content["instance_info"], name, f"{where}: instance_info", joints or found)
        if "annotations" in content:
            return _read_coco(content, name, where, joints)
        if "frames" in content:
            return read_landmarks(content["frames"], name, f"{where}: frames", content, joints)
        if content and all(isinstance(item, dict) and set(_PEOPLE_KEYS) & item.keys() for item in content.values()):
            return _read_images(content, name, where, joints)
    first = next((item for item in content if item), None) if isinstance(content, list) else None
    inner = next((item for item in first if item), None) if isinstance(first, list) else None
    if isinstance(first, dict) and "instances" in first:
        return _read_mmpose(content, name, f"{where}: ", joints)
    if isinstance(first, dict) and "keypoints" in first and "image_id" in first:
        return _read_results(content, name, f"{where}: ", joints)
    if isinstance(inner, dict) and {"keypoints", "box"} & inner.keys():
        return _read_images(dict(enumerate(content)), name, where, joints)
    if isinstance(first, list) or (isinstance(first, dict) and any(key in first for key in LANDMARK_KEYS)):
        return read_landmarks(content, name, f"{where}: ", {}, joints)
    raise InputError(
        f"{where}: detections in none of the known formats: AlphaPose or COCO results (a list of objects with image_id and "
        "keypoints), COCO annotations, MMPose (instance_info, or a list of objects with frame_id and instances), YOLO (a list "
        "of each frame's results), MediaPipe (a list of objects with landmarks)"
    )


def read_frames(name: str, files: Sequence[Path], joints: str) -> Video:
    """The video of files by OpenPose, AlphaPose, MMPose or YOLO, one for each image, whose names end in the frame's number.

    Raises:
        InputError: as well where two files are of one frame.
    """
    where = str(files[0].parent)
    listed: dict[int, str] = {}
    people = []
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
        key = first_key(content, _PEOPLE_KEYS)
        content, where = content.get(key), f"{where}: {key}"
    return [_read_person(item, frame, at) for at, item in read_objects(content, where)]


def _read_person(item: dict, frame: int, at: str) -> Person:
    """One person as any of the detectors writes it."""
    key = first_key(item, _KEYPOINT_KEYS)
    points, where = item.get(key), f"{at}.{key}"
    if isinstance(points, dict) and "x" in points:  # YOLO's lists of x, y and perhaps visible
        columns = [read_rows(points.get(part), 1, f"{where}.{part}", "numbers") for part in ("x", "y")]
        unknown = [None] * len(columns[0])
        columns.append(read_rows(points.get("visible", unknown), 1, f"{where}.visible", "numbers"))
        if len({len(column) for column in columns}) > 1:
            raise InputError(
                f"{where}: x, y and visible are of {', '.join(str(len(column)) for column in columns)} joints"
            )
        values = np.concatenate(columns, axis=1)
    elif "keypoint_scores" in item:  # MMPose
        pairs = _pairs(points, where)
        scores = read_rows(item["keypoint_scores"], 1, f"{at}.keypoint_scores", "a score of each joint")
        if len(scores) != len(pairs):
            raise InputError(f"{at}.keypoint_scores: {len(scores)} scores of {len(pairs)} joints")
        values = np.concatenate([pairs, scores], axis=1)
    else:
        values = read_rows(points, 3, where, "joints as x, y, score")
    score, track = first_key(item, _SCORE_KEYS), first_key(item, _TRACK_KEYS)
    sure = read_number(item[score], f"{at}.{score}") if item.get(score) is not None else None
    return Person(frame, values, sure, read_track(item.get(track), f"{at}.{track}"))


def _read_results(content: list, name: str, where: str, joints: str) -> Video:
    """AlphaPose's and COCO's results: one object for each person."""
    people, images = [], {}
    for at, item in read_objects(content, where):
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
    for at, image in read_objects(content.get("images"), f"{where}: images"):
        key = image.get("id")
        if not isinstance(key, int | str) or key in numbers:
            raise InputError(f"{at}.id: expected an id of its own, found {shown(key)}")
        named = image.get("file_name")
        has_number = isinstance(named, str) and re.search(r"[0-9]", named)
        numbers[key] = _image_frame(named if has_number else key, frames, f"{at}.{'file_name' if has_number else 'id'}")
        if image.get("width") is not None or image.get("height") is not None:
            sizes.add(read_size(image.get("width"), image.get("height"), at))
    if len(sizes) > 1:
        some = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:4])
        raise InputError(f"{where}: images: expected one size of the video's images, found {some}")
    category = _person_category(content.get("categories"))
    people = []
    for at, item in read_objects(content["annotations"], f"{where}: annotations"):
        key = item.get("image_id")
        if not isinstance(key, int | str) or key not in numbers:
            raise InputError(f"{at}.image_id: {shown(key)} is none of the images")
        if "keypoints" not in item or item.get("category_id", category) != category:
            continue
        people.append(_read_person(item, numbers[key], at))
    size = sizes.pop() if sizes else None
    return make_video(name, where, people, frames, joints=joints, size=size, scored=False)


def _read_mmpose(content: object, name: str, where: str, joints: str) -> Video:
    """MMPose's frames, each with its instances."""
    listed, people = set(), []
    for at, item in read_objects(content, where):
        frame = read_frame(item.get("frame_id"), f"{at}.frame_id")
        if frame in listed:
            raise InputError(f"{at}.frame_id: frame {frame} is there twice")
        listed.add(frame)
        people += _read_people(item.get("instances"), frame, f"{at}.instances")
    return make_video(name, where.rstrip(": "), people, listed, joints=joints)


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


def _pairs(points: object, where: str) -> np.ndarray:
    """(joints, 2) float32 from a list of [x, y]."""
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise InputError(f"{where}: expected a list of [x, y], found {shown(points)}")
    return read_rows([value for point in points for value in point], 2, where, "joints as x, y")


def _image_frame(image: object, images: dict[int, object], where: str) -> int:
    """The frame of an image, put into `images`: frame -> image, of which there may be one for each frame."""
    frame = read_frame(image, where)
    if images.setdefault(frame, image) != image:
        raise InputError(
            f"{where}: {shown(image)} and {shown(images[frame])} are both frame {frame}; expected one video in a file"
        )
    return frame


def _person_category(categories: object) -> object:
    """The id of the category called person; COCO's 1 where there is none."""
    for category in categories if isinstance(categories, list) else []:
        if isinstance(category, dict) and category.get("name") == "person":
            return category.get("id")
    return 1


def _mmpose_layout(content: dict) -> str:
    """The layout that MMPose's description of its dataset tells, "" if only the number of joints does."""
    described = content.get("meta_info")
    return "h36m" if isinstance(described, dict) and described.get("dataset_name") == "h36m" else ""
