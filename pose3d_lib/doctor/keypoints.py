"""What the data doctor measures of 2D keypoints: where they lie, how they move, and whether they belong to their 3D."""

import numpy as np
import pandas as pd
import torch

from pose3d_lib.cameras import project
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.doctor.limits import DETECTION, EXCHANGE_2D, PROJECTION
from pose3d_lib.doctor.measures import Measure, longest_run, side_exchanges
from pose3d_lib.skeleton import Skeleton
from pose3d_lib.sources.filming import GT

SAME_JOINT = {"ankle": "foot"}
"""Names that layouts use for the same joint, as far as they are compared."""

COMPARED = ("shoulder", "elbow", "wrist", "hip", "knee", "foot")
"""Joints that every layout has at about the same place of the body."""

FRAMES_TO_RECOGNISE = 50
"""Frames that are compared with the other cameras' views."""

JUMP_TIME = 0.04
"""Seconds over which a person's motion in the image is measured: as long as a frame of a common video."""


def shared_joints(skeleton: Skeleton, layout: Skeleton) -> list[tuple[int, int]]:
    """(joint of the skeleton, joint of the layout) for every joint that can be compared."""
    if skeleton.joints == layout.joints:
        return [(joint, joint) for joint in range(skeleton.num_joints)]
    there = {_plain(name): joint for joint, name in enumerate(layout.joints)}
    pairs = ((joint, there.get(_plain(name))) for joint, name in enumerate(skeleton.joints))
    return [
        (joint, other) for joint, other in pairs if other is not None and _plain(skeleton.joints[joint])[1:] in COMPARED
    ]


def _plain(name: str) -> str:
    """l or r, and the joint: 'lfoot' for LAnkle, 'left_ankle' and LFoot."""
    name = name.casefold().replace("left", "l").replace("right", "r").replace("_", "").replace(" ", "")
    for one, other in SAME_JOINT.items():
        name = name.replace(one, other)
    return name


def person_size(pixels: np.ndarray) -> float:
    """Median diagonal of the box around a clip's keypoints: (frames, joints, 2) pixels -> pixels, at least 1."""
    width, height = np.ptp(pixels, axis=1).T
    return max(float(np.median(np.hypot(width, height))), 1.0)


def measure_keypoints(data: PoseDataset, clip: pd.Series, source: str) -> list[Measure]:
    """What the keypoints of one clip tell without any 3D; they must be finite."""
    pixels = data.keypoints[source][clip.start : clip.stop].astype(np.float64)
    layout, camera, size = data.layouts[source], data.camera_of(clip), person_size(pixels)
    outside = ((pixels < 0) | (pixels > [camera.width, camera.height])).any(axis=-1)
    worst = int(outside.sum(axis=1).argmax())
    found = [Measure("outside the image", float(outside.mean()), worst, int(outside.any(axis=1).sum()), source)]
    steps = np.linalg.norm(np.diff(pixels, axis=0), axis=-1)  # (frames - 1, joints)
    if not len(steps):
        return found
    frames = max(1, round(JUMP_TIME * clip.fps))  # a rate of 25 or less cannot tell shorter times
    moved = np.median(np.linalg.norm(pixels[frames:] - pixels[:-frames], axis=-1), axis=1) / size
    if len(moved):
        found.append(Measure("jumping person", float(moved.max()), int(moved.argmax()) + frames, 1, source))
    if layout.left:
        exchanged = side_exchanges(pixels, layout.left, layout.right) / size
        any_pair = (exchanged > EXCHANGE_2D).any(axis=1)
        first = int(exchanged.max(axis=1).argmax()) + 1
        found.append(Measure("exchanged keypoints", float(any_pair.mean()), first, int(any_pair.sum()), source))
    longest, start = longest_run(steps.max(axis=1) == 0)
    found.append(Measure("frozen keypoints", longest / clip.fps, start, longest, source))
    return found


def can_project(data: PoseDataset, clip: pd.Series) -> bool:
    return data.camera_of(clip).intrinsics is not None


def project_clip(data: PoseDataset, clip: pd.Series, frames: int | None = None) -> np.ndarray:
    """Where a labelled clip's joints appear in its camera: (frames, joints, 2) float64, pixels; of its first frames."""
    rows = slice(clip.start, clip.stop if frames is None else min(clip.stop, clip.start + frames))
    in_camera = torch.from_numpy(data.positions[rows].astype(np.float64) + data.trajectory[rows, None])
    return project(in_camera, torch.tensor(data.camera_of(clip).intrinsics, dtype=torch.float64)).numpy()


def measure_projection(data: PoseDataset, clip: pd.Series, source: str, projected: np.ndarray) -> list[Measure]:
    """How far the keypoints of a labelled clip are from its projected joints: (frames, joints, 2) pixels."""
    pairs = shared_joints(data.skeleton, data.layouts[source])
    if not pairs:
        return []
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    pixels = data.keypoints[source][clip.start : clip.stop].astype(np.float64)
    errors = np.linalg.norm(pixels[:, theirs] - projected[:, ours], axis=-1)
    per_frame = errors.max(axis=1)
    if source == GT:
        frame = int(per_frame.argmax())
        return [Measure("projection", float(per_frame[frame]), frame, int((per_frame > PROJECTION).sum()), source)]
    share = np.median(errors) / person_size(projected)
    return [Measure("detections", float(share), int(np.median(errors, axis=1).argmax()), detail=source)]


def find_other_camera(data: PoseDataset, clip: pd.Series, source: str) -> str | None:
    """Name of the camera whose view of the same take a labelled clip's keypoints really are, None where there is none."""
    clips, pairs = data.clips, shared_joints(data.skeleton, data.layouts[source])
    same = (clips.subject == clip.subject) & (clips.action == clip.action) & (clips["take"] == clip["take"])
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    pixels = data.keypoints[source][clip.start : clip.stop][:FRAMES_TO_RECOGNISE].astype(np.float64)
    for _, other in clips[same & clips.labelled & (clips.camera != clip.camera)].iterrows():
        if other.stop - other.start != clip.stop - clip.start or not can_project(data, other):
            continue
        projected = project_clip(data, other, FRAMES_TO_RECOGNISE)
        errors = np.linalg.norm(pixels[:, theirs] - projected[:, ours], axis=-1)
        if np.median(errors) < DETECTION / 2 * person_size(projected):
            return data.camera_of(other).name
    return None
