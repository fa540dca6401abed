"""Detections in JSON: OpenPose's folders, AlphaPose, MMPose, COCO keypoints and MediaPipe landmarks."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pose3d_lib.errors import InputError
from pose3d_lib.sources.detections.records import (
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

MAX_BYTES = 256 * 2**20
MAX_VALUES = 20_000_000
"""Numbers, texts and containers of one file: people with 17 joints in 400,000 frames. They take a gigabyte or two of memory."""

OPENPOSE_NAME = re.compile(r"(?:(?P<video>.*)_)?(?P<frame>[0-9]{1,18})_keypoints\.json", re.DOTALL)

_KEYS = re.compile(
    rb'"(keypoints|instance_info|meta_info|instances|images|annotations|'
    rb'landmarks|pose_landmarks|visibility|pose_keypoints_2d)"'
)
_FRAME_KEYS = ("frame", "frame_id", "frame_index", "frame_number")
_LANDMARK_KEYS = ("landmarks", "pose_landmarks")


def recognise_json(path: Path) -> bool:
    """Whether the file begins like one of those that `read_json` reads."""
    with path.open("rb") as file:
        head = file.read(65_536)
    return head.lstrip()[:1] in (b"[", b"{") and _KEYS.search(head) is not None


def read_json(path: Path, joints: str) -> Video:
    """The video of a file by AlphaPose, MMPose, MediaPipe or in COCO's format.

    Args:
        joints: the name of the layout, or "" for what the file tells.
    """
    content = _load(path)
    name, where = path.stem, str(path)
    if isinstance(content, dict) and "instance_info" in content:
        return _read_mmpose(
            content["instance_info"], name, f"{where}: instance_info", joints or _mmpose_layout(content)
        )
    if isinstance(content, dict) and "annotations" in content:
        return _read_coco(content, name, where, joints)
    if isinstance(content, dict) and "frames" in content:
        return _read_landmarks(content["frames"], name, f"{where}: frames", content, joints)
    first = next((item for item in content if item), None) if isinstance(content, list) else None
    if isinstance(first, dict) and "instances" in first:
        return _read_mmpose(content, name, f"{where}: ", joints)
    if isinstance(first, dict) and "keypoints" in first and "image_id" in first:
        return _read_results(content, name, f"{where}: ", joints)
    if isinstance(first, list) or (isinstance(first, dict) and any(key in first for key in _LANDMARK_KEYS)):
        return _read_landmarks(content, name, f"{where}: ", {}, joints)
    hint = " (a single frame of OpenPose: give the folder)" if isinstance(content, dict) and "people" in content else ""
    raise InputError(
        f"{where}: detections in none of the known formats{hint}: AlphaPose or COCO results (a list of objects with "
        "image_id and keypoints), COCO annotations, MMPose (instance_info, or a list of objects with frame_id and "
        "instances), MediaPipe (a list of objects with landmarks)"
    )


def read_openpose(name: str, files: Sequence[Path], joints: str) -> Video:
    """The video of OpenPose's files, one for each frame, whose names end in the frame's number.

    Raises:
        InputError: as well where two files are of one frame.
    """
    where = str(files[0].parent)
    listed: dict[int, str] = {}
    people = []
    for path in files:
        frame = read_frame(OPENPOSE_NAME.fullmatch(path.name)["frame"], str(path))
        if frame in listed:
            raise InputError(f"{where}: frame {frame} is there twice: {listed[frame]} and {path.name}")
        listed[frame] = path.name
        content = _load(path)
        if not isinstance(content, dict) or not isinstance(content.get("people"), list):
            raise InputError(f"{path}: people: expected OpenPose's list of people")
        for at, person in _objects(content["people"], f"{path}: people"):
            values = read_rows(person.get("pose_keypoints_2d"), 3, f"{at}.pose_keypoints_2d", "joints as x, y, score")
            people.append(Person(frame, values, None, read_track(person.get("person_id"), f"{at}.person_id")))
    return make_video(name, where, people, listed, joints=joints)


def _read_results(content: list, name: str, where: str, joints: str) -> Video:
    """AlphaPose's and COCO's results: one object for each person."""
    people, images = [], {}
    for at, item in _objects(content, where):
        frame = _image_frame(item.get("image_id"), images, f"{at}.image_id")
        if item.get("category_id", 1) != 1:
            continue  # 1 is COCO's person
        values = read_rows(item.get("keypoints"), 3, f"{at}.keypoints", "joints as x, y, score")
        people.append(Person(frame, values, _score(item, "score", at), read_track(item.get("idx"), f"{at}.idx")))
    return make_video(name, where.rstrip(": "), people, images, joints=joints)


def _read_coco(content: dict, name: str, where: str, joints: str) -> Video:
    """COCO's annotations: the images, and the people in them. A joint with v 0 is not labelled; v is no score."""
    numbers, frames, sizes = {}, {}, set()
    for at, image in _objects(content.get("images"), f"{where}: images"):
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
    for at, item in _objects(content["annotations"], f"{where}: annotations"):
        key = item.get("image_id")
        if not isinstance(key, int | str) or key not in numbers:
            raise InputError(f"{at}.image_id: {shown(key)} is none of the images")
        if "keypoints" not in item or item.get("category_id", category) != category:
            continue
        values = read_rows(item["keypoints"], 3, f"{at}.keypoints", "joints as x, y, v")
        track = read_track(item.get("track_id"), f"{at}.track_id")
        people.append(Person(numbers[key], values, _score(item, "score", at), track))
    size = sizes.pop() if sizes else None
    return make_video(name, where, people, frames, joints=joints, size=size, scored=False)


def _read_mmpose(content: object, name: str, where: str, joints: str) -> Video:
    """MMPose's frames, each with its instances."""
    listed, people = set(), []
    for at, item in _objects(content, where):
        frame = read_frame(item.get("frame_id"), f"{at}.frame_id")
        if frame in listed:
            raise InputError(f"{at}.frame_id: frame {frame} is there twice")
        listed.add(frame)
        for place, instance in _objects(item.get("instances"), f"{at}.instances"):
            values = _pairs(instance.get("keypoints"), f"{place}.keypoints")
            scores = read_rows(instance.get("keypoint_scores"), 1, f"{place}.keypoint_scores", "a score of each joint")
            if len(scores) != len(values):
                raise InputError(f"{place}.keypoint_scores: {len(scores)} scores of {len(values)} joints")
            track = read_track(instance.get("track_id"), f"{place}.track_id")
            person = np.concatenate([values, scores], axis=1)
            people.append(Person(frame, person, _score(instance, "bbox_score", place), track))
    return make_video(name, where.rstrip(": "), people, listed, joints=joints)


def _read_landmarks(content: object, name: str, where: str, header: dict, joints: str) -> Video:
    """MediaPipe's landmarks, frame by frame: 33 objects with x, y and visibility, or a list of people of 33 each."""
    if not isinstance(content, list):
        raise InputError(f"{where.rstrip(': ')}: expected a list of frames, found {shown(content)}")
    listed, people, scored = set(), [], True
    for number, item in enumerate(content):
        at = f"{where}[{number}]"
        found, key, frame = item, "", number
        if isinstance(item, dict):
            key = next((key for key in _LANDMARK_KEYS if key in item), _LANDMARK_KEYS[0])
            found, at_frame = item.get(key), next((key for key in _FRAME_KEYS if key in item), "")
            frame = read_frame(item[at_frame], f"{at}.{at_frame}") if at_frame else number
        if frame in listed:
            raise InputError(f"{at}: frame {frame} is there twice")
        listed.add(frame)
        at = f"{at}.{key}" if key else at
        if isinstance(found, dict) and "landmark" in found:  # as protobuf's MessageToDict writes landmarks
            found, at = found["landmark"], f"{at}.landmark"
        if found is None or found == []:
            continue
        if not isinstance(found, list):
            raise InputError(f"{at}: expected a list of landmarks, found {shown(found)}")
        nested = isinstance(found[0], list)
        for index, landmarks in enumerate(found if nested else [found]):
            place = f"{at}[{index}]" if nested else at
            rows = []
            for spot, landmark in _objects(landmarks, place):
                score = landmark.get("visibility", 1.0)
                scored = scored and "visibility" in landmark
                rows += [read_number(landmark.get("x"), f"{spot}.x"), read_number(landmark.get("y"), f"{spot}.y")]
                rows += [read_number(score, f"{spot}.visibility")]
            people.append(Person(frame, read_rows(rows, 3, place, "landmarks")))
    sized = header.get("width") is not None or header.get("height") is not None
    size = read_size(header.get("width"), header.get("height"), where) if sized else None
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


def _objects(items: object, where: str) -> Iterator[tuple[str, dict]]:
    """(place, object) for each in a list of objects."""
    if not isinstance(items, list):
        raise InputError(f"{where.rstrip(': ')}: expected a list, found {shown(items)}")
    for number, item in enumerate(items):
        at = f"{where}[{number}]"
        if not isinstance(item, dict):
            raise InputError(f"{at}: expected an object, found {shown(item)}")
        yield at, item


def _pairs(points: object, where: str) -> np.ndarray:
    """(joints, 2) float32 from a list of [x, y]."""
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise InputError(f"{where}: expected a list of [x, y], found {shown(points)}")
    return read_rows([value for point in points for value in point], 2, where, "joints as x, y")


def _score(item: dict, key: str, at: str) -> float | None:
    return read_number(item[key], f"{at}.{key}") if item.get(key) is not None else None


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
