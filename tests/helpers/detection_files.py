"""Made-up people seen in a video, written as the detectors write them, for the tests of detections."""

import csv
import json
from pathlib import Path

import numpy as np

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.sources import detections
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.spec import DataSpec

SIZE = (1000, 800)


def read_detections(path: Path, *, image_size: tuple[int, int] | None = None, **parameters) -> PoseDataset:
    """The dataset of a file or folder, by parameters of a `DataSpec`."""
    given = {"keypoints": "h36m", "image_size": "x".join(map(str, image_size or ())), **parameters}
    return detections.read(DataSpec(dataset=str(path), **given), path, lambda line: None)


LOST = (np.nan, np.nan, 0.9)  # what stands in a file for a joint that is NaN, that is, was not detected: x, y, score
_UPRIGHT = {
    "Nose": (2, 20), "LEye": (6, 15), "REye": (-3, 15), "LEar": (11, 18), "REar": (-9, 18),
    "LShoulder": (40, 60), "RShoulder": (-40, 58), "LElbow": (60, 120), "RElbow": (-65, 118),
    "LWrist": (70, 180), "RWrist": (-72, 175), "LHip": (25, 200), "RHip": (-27, 203),
    "LKnee": (28, 300), "RKnee": (-30, 297), "LAnkle": (30, 400), "RAnkle": (-31, 395),
}  # fmt: skip


def walk(frames: int = 8, *, at: tuple[float, float] = (300, 200), scale: float = 1.0) -> np.ndarray:
    """(frames, 17, 2) pixels: a person in COCO's joints who goes to the right, 6 pixels a frame, and swings an arm."""
    body = np.array([_UPRIGHT[joint] for joint in COCO_17.joints], float) * scale + at
    motion = np.repeat(body[None], frames, axis=0) + np.arange(frames)[:, None, None] * np.array([6.0, 0.5])
    motion[:, COCO_17.index("LWrist"), 1] -= 3 * np.arange(frames)
    return motion.round(3)


def in_layout(coco: np.ndarray, layout: str) -> np.ndarray:
    """(frames, joints, 2): the same person in another detector's joints; those that COCO lacks lie where they should."""
    of = {joint: coco[:, index] for index, joint in enumerate(COCO_17.joints)}
    of["Neck"] = (of["LShoulder"] + of["RShoulder"]) / 2
    of["MidHip"] = (of["LHip"] + of["RHip"]) / 2
    near = {"Toe": "Ankle", "Heel": "Ankle", "Foot": "Ankle", "Eye": "Eye"} | dict.fromkeys(
        ("Pinky", "Index", "Thumb"), "Wrist"
    )
    for joint in LAYOUTS[layout].joints:
        part = next((near[key] for key in near if key in joint), "Ear")
        of.setdefault(joint, of.get(f"{joint[0]}{part}", of["Nose"]) + 1)
    return np.stack([of[joint] for joint in LAYOUTS[layout].joints], axis=1)


def expected_h36m(coco: np.ndarray) -> np.ndarray:
    """(frames, 17, 2): Human3.6M's joints of a person in COCO's, by hand."""
    of = {joint: coco[:, index] for index, joint in enumerate(COCO_17.joints)}
    hip, thorax = (of["LHip"] + of["RHip"]) / 2, (of["LShoulder"] + of["RShoulder"]) / 2
    ears = (of["LEar"] + of["REar"]) / 2
    own = {"Hip": hip, "Thorax": thorax, "Spine": (hip + thorax) / 2, "Neck": of["Nose"], "RFoot": of["RAnkle"],
           "LFoot": of["LAnkle"], "Head": 1.3 * ears - 0.3 * thorax}  # fmt: skip
    return np.stack([own[joint] if joint in own else of[joint] for joint in H36M_17.joints], axis=1)


def scored(points: np.ndarray, score: float = 0.9) -> np.ndarray:
    """(..., 3): points that all have one score; `LOST` where a point is NaN."""
    rows = np.concatenate([points, np.full((*points.shape[:-1], 1), score)], axis=-1)
    rows[np.isnan(points).any(axis=-1)] = LOST
    return rows


def flat(points: np.ndarray) -> list[float]:
    return np.asarray(points).ravel().tolist()


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_openpose(folder: Path, coco: np.ndarray, *, layout: str = "body_25", video: str = "walk") -> Path:
    for frame, joints in enumerate(scored(in_layout(coco, layout))):
        person = {"person_id": [-1], "pose_keypoints_2d": flat(joints), "face_keypoints_2d": []}
        write_json(folder / f"{video}_{frame:012d}_keypoints.json", {"version": 1.3, "people": [person]})
    return folder


def alphapose(coco: np.ndarray, *, layout: str = "coco", score: float = 2.5, first: int = 0, **more) -> list[dict]:
    return [
        {"image_id": f"{first + frame}.jpg", "category_id": 1, "keypoints": flat(joints), "score": score, "box": [0, 0, 9, 9]}
        | more
        for frame, joints in enumerate(scored(in_layout(coco, layout)))
    ]  # fmt: skip


def coco_annotations(coco: np.ndarray, *, size: tuple[int, int] = SIZE) -> dict:
    images = [
        {"id": 100 + frame, "file_name": f"img_{frame:05d}.png", "width": size[0], "height": size[1]}
        for frame in range(len(coco))
    ]
    people = [
        {"id": frame, "image_id": 100 + frame, "category_id": 7, "keypoints": flat(joints), "num_keypoints": 17}
        for frame, joints in enumerate(scored(coco, 2))
    ]
    return {"images": images, "annotations": people, "categories": [{"id": 7, "name": "person"}]}


def mmpose_instance(joints: np.ndarray, **more) -> dict:
    rows = scored(joints)
    return {"keypoints": rows[:, :2].tolist(), "keypoint_scores": rows[:, 2].tolist(), "bbox": [[0, 0, 9, 9]], **more}


def mmpose(coco: np.ndarray) -> dict:
    frames = [
        {"frame_id": n + 1, "instances": [mmpose_instance(joints, bbox_score=0.8)]} for n, joints in enumerate(coco)
    ]
    return {"meta_info": {"dataset_name": "coco"}, "instance_info": frames}


def write_images(folder: Path, images: list[object], *, name: str = "{:06d}.json") -> Path:
    """A file for each image."""
    for frame, content in enumerate(images):
        write_json(folder / name.format(frame), content)
    return folder


def alphapose_open(coco: np.ndarray) -> dict:
    """What AlphaPose writes with `--format open`."""
    return {
        f"{frame}.jpg": {"version": "AlphaPose v0.3", "people": [{"pose_keypoints_2d": flat(joints)}]}
        for frame, joints in enumerate(scored(in_layout(coco, "openpose_18")))
    }


def yolo(coco: np.ndarray, **more) -> list[list[dict]]:
    """What Ultralytics' `results.tojson()` gives of every frame."""
    box = {"x1": 0.0, "y1": 0.0, "x2": 9.0, "y2": 9.0}
    return [
        [{"name": "person", "class": 0, "confidence": 0.8, "box": box, **more}
         | {"keypoints": dict(zip(("x", "y", "visible"), joints.T.tolist(), strict=True))}]
        for joints in scored(coco)
    ]  # fmt: skip


def recode(path: Path, encoding: str, *changes: tuple[str, str]) -> Path:
    """The same text in another encoding, with some characters exchanged."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        text = text.replace(old, new)
    path.write_text(text, encoding=encoding)
    return path


def mediapipe(coco: np.ndarray, *, size: tuple[int, int] = SIZE) -> list[dict]:
    shares = scored(in_layout(coco, "mediapipe_33") / size)
    return [
        {"frame": n, "landmarks": [{"x": x, "y": y, "z": 0.1, "visibility": sure} for x, y, sure in joints]}
        for n, joints in enumerate(shares.tolist())
    ]


def write_detectron(
    path: Path,
    people: list[list[np.ndarray]],
    *,
    scores: list[list[float]] | None = None,
    without: tuple[str, ...] = (),
) -> Path:
    """An `.npz` of frames of people (17, 2); without people, a frame has empty lists as VideoPose3D's script writes."""
    boxes, keypoints = np.empty((len(people), 2), object), np.empty((len(people), 2), object)
    for frame, persons in enumerate(people):
        boxes[frame, 0], keypoints[frame, 0] = [], []
        boxes[frame, 1], keypoints[frame, 1] = [], []
        if persons:
            given = scores[frame] if scores else [0.95] * len(persons)
            rows = [
                [*joints.min(axis=0), *joints.max(axis=0), score] for joints, score in zip(persons, given, strict=True)
            ]
            boxes[frame, 1] = np.array(rows, np.float32)
            logits = np.linspace(-5, 8, 17)
            four = [np.stack([x, y, logits, sure]) for x, y, sure in (scored(joints).T for joints in persons)]
            keypoints[frame, 1] = np.array(four, np.float32)
    metadata = {"w": SIZE[0], "h": SIZE[1]}
    arrays = {"boxes": boxes, "segments": np.full(len(people), None), "keypoints": keypoints, "metadata": metadata}
    np.savez_compressed(path, **{key: array for key, array in arrays.items() if key not in without})
    return path


def write_custom(
    path: Path,
    videos: dict[str, np.ndarray],
    *,
    size: tuple[int, int] = SIZE,
    layout: str = "coco",
    with_scores: bool = False,
) -> Path:
    metadata = {
        "layout_name": layout,
        "num_joints": 17,
        "keypoints_symmetry": [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]],
        "video_metadata": {name: {"w": size[0], "h": size[1]} for name in videos},
    }
    positions = {
        name: {"custom": [scored(points)[..., : 3 if with_scores else 2].astype(np.float32)]}
        for name, points in videos.items()
    }
    np.savez_compressed(path, positions_2d=positions, metadata=metadata)
    return path


def write_csv(path: Path, header: list[str], rows: list[list]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_wide_csv(path: Path, points: np.ndarray, names: list[str]) -> Path:
    header = ["frame", *(f"{name}_{value}" for name in names for value in ("x", "y", "score"))]
    return write_csv(path, header, [[n, *flat(joints)] for n, joints in enumerate(scored(points))])


def write_long_csv(path: Path, points: np.ndarray, names: list[str]) -> Path:
    rows = [[n, name, *row] for n, joints in enumerate(scored(points)) for name, row in zip(names, joints, strict=True)]
    return write_csv(path, ["frame", "joint", "x", "y", "score"], rows)
