"""MediaPipe's landmarks in JSON, as scripts write them."""

from pose3d_lib.common.errors import InputError
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
    shown,
)

LANDMARK_KEYS = ("landmarks", "pose_landmarks")
_FRAME_KEYS = ("frame", "frame_id", "frame_index", "frame_number")


def read_landmarks(content: object, name: str, where: str, header: dict, joints: str) -> Video:
    """MediaPipe's landmarks, frame by frame: 33 objects with x, y and visibility, or a list of people of 33 each."""
    if not isinstance(content, list):
        raise InputError(f"{where.rstrip(': ')}: expected a list of frames, found {shown(content)}")
    listed, people, scored = set(), [], True
    for number, item in enumerate(content):
        at = f"{where}[{number}]"
        found, key, frame = item, "", number
        if isinstance(item, dict):
            key = first_key(item, LANDMARK_KEYS)
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
            for spot, landmark in read_objects(landmarks, place):
                score = landmark.get("visibility", 1.0)
                scored = scored and "visibility" in landmark
                rows += [read_number(landmark.get("x"), f"{spot}.x"), read_number(landmark.get("y"), f"{spot}.y")]
                rows += [read_number(score, f"{spot}.visibility")]
            people.append(Person(frame, read_rows(rows, 3, place, "landmarks")))
    sized = header.get("width") is not None or header.get("height") is not None
    size = read_size(header.get("width"), header.get("height"), where) if sized else None
    return make_video(name, where.rstrip(": "), people, listed, joints=joints, size=size, scored=scored)
