"""What the data doctor measures of 3D poses: a take's motion, bones, sides and place in the world."""

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.limits import BENT_KNEE, FROZEN_STEP, SHORTEST_BONE, SHORTEST_STEP, WALKED
from pose3d_lib.data.doctor.measures import (
    Measure,
    find_joints,
    head_and_feet,
    length,
    longest_run,
    peak,
    side_exchanges,
    tilt,
)
from pose3d_lib.data.skeleton import Skeleton


def measure_motion(data: PoseDataset, number: int, clip: pd.Series) -> list[Measure]:
    """Everything that one labelled clip, of a row number of the table, tells by itself; its poses must be finite."""
    rows = slice(clip.start, clip.stop)
    poses, path = data.positions[rows].astype(np.float64), data.trajectory[rows].astype(np.float64)
    return [
        *_measure_steps(number, poses, path, clip.fps, data.skeleton),
        *_measure_bones(number, poses, data.skeleton),
        *_measure_size(number, poses, data.skeleton),
        *_measure_sides(number, poses, data.skeleton),
    ]


def _measure_steps(number: int, poses: np.ndarray, path: np.ndarray, fps: float, skeleton: Skeleton) -> list[Measure]:
    if len(poses) < 2:
        return []
    steps = np.diff(poses, axis=0)  # (frames - 1, joints, 3)
    of_root = length(np.diff(path, axis=0))[:, None]
    moved = length(steps)
    found = [
        peak(number, "joint speed", moved * fps, skeleton.joints, first=1),
        peak(number, "root speed", of_root * fps, ("root",), first=1),
    ]
    if len(poses) > 2:
        acceleration = length(np.diff(steps, axis=0)) * fps**2
        found.append(peak(number, "joint acceleration", acceleration, skeleton.joints, first=1))
    if skeleton.left:
        pairs = tuple(
            f"{skeleton.joints[a]} and {skeleton.joints[b]}" for a, b in zip(skeleton.left, skeleton.right, strict=True)
        )
        found.append(
            peak(number, "exchanged joints", side_exchanges(poses, skeleton.left, skeleton.right), pairs, first=1)
        )
    still = (moved.max(axis=1) < FROZEN_STEP) & (of_root[:, 0] < FROZEN_STEP)
    longest, start = longest_run(still)
    found.append(Measure(number, "frozen", longest / fps, start, longest))
    return found


def bone_lengths(poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(frames, joints, 3) -> (frames, bones), metres."""
    parents, children = (list(side) for side in zip(*skeleton.bones, strict=True))
    return np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)


def typical_bones(data: PoseDataset, clip: pd.Series) -> np.ndarray:
    """(bones,), metres: the median over the clip."""
    return np.median(bone_lengths(data.positions[clip.start : clip.stop].astype(np.float64), data.skeleton), axis=0)


def bone_names(skeleton: Skeleton) -> tuple[str, ...]:
    return tuple(skeleton.joints[joint] for _, joint in skeleton.bones)


def _measure_bones(number: int, poses: np.ndarray, skeleton: Skeleton) -> list[Measure]:
    if not skeleton.bones:
        return []
    lengths = bone_lengths(poses, skeleton)
    typical = np.median(lengths, axis=0)
    compared = typical > SHORTEST_BONE
    if not compared.any():
        return []
    names = tuple(name for name, used in zip(bone_names(skeleton), compared, strict=True) if used)
    changes = np.abs(lengths[:, compared] / typical[compared] - 1)
    found = [peak(number, "bone length", changes, names, first=0)]
    of_joint = {joint: typical[bone] for bone, (_, joint) in enumerate(skeleton.bones)}
    pairs = [pair for pair in zip(skeleton.left, skeleton.right, strict=True) if of_joint.keys() >= set(pair)]
    unequal = [
        (
            abs(of_joint[a] - of_joint[b]) / (of_joint[a] + of_joint[b]) * 2,
            f"{skeleton.joints[a]} and {skeleton.joints[b]}",
        )
        for a, b in pairs
        if min(of_joint[a], of_joint[b]) > SHORTEST_BONE
    ]
    if unequal:
        value, detail = max(unequal)
        found.append(Measure(number, "symmetry", float(value), detail=detail))
    return found


def _measure_size(number: int, poses: np.ndarray, skeleton: Skeleton) -> list[Measure]:
    legs = find_legs(skeleton)
    if not legs:
        farthest = np.linalg.norm(poses, axis=-1).max(axis=1)
        return [Measure(number, "reach", float(np.median(farthest)))]
    lengths = [
        np.linalg.norm(poses[:, a] - poses[:, b], axis=-1)
        for hip, knee, foot in legs
        for a, b in ((hip, knee), (knee, foot))
    ]
    return [Measure(number, "leg", float(2 * np.median(lengths, axis=1).mean()))]


def find_legs(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Hip, knee and ankle of the right and of the left leg, in this order; empty where they cannot be told."""
    legs = []
    for side in (skeleton.right, skeleton.left):
        knees = find_joints(skeleton, "knee", side)
        if len(knees) != 1 or not skeleton.parents:
            return []
        below = [joint for joint in range(skeleton.num_joints) if skeleton.parents[joint] == knees[0]]
        if len(below) != 1 or skeleton.parents[knees[0]] < 0:
            return []
        legs.append((skeleton.parents[knees[0]], knees[0], below[0]))
    return legs


def _measure_sides(number: int, poses: np.ndarray, skeleton: Skeleton) -> list[Measure]:
    """Whether the knees bend the way they can, and whether hips and shoulders face the same way."""
    legs = find_legs(skeleton)
    shoulders = find_joints(skeleton, "shoulder", [*skeleton.right, *skeleton.left])
    if not legs or len(shoulders) != 2:
        return []
    (hip_r, *_), (hip_l, *_) = legs
    to_right = poses[:, hip_r] - poses[:, hip_l]
    turned = ((poses[:, shoulders[0]] - poses[:, shoulders[1]]) * to_right).sum(axis=-1) < 0
    found = [Measure(number, "opposed shoulders", float(turned.mean()), int(turned.argmax()), int(turned.sum()))]
    to_right /= np.linalg.norm(to_right, axis=-1, keepdims=True).clip(1e-9)
    bends = []  # sine of each knee's bend about the line of the hips: a knee is a hinge, positive the way it turns
    for hip, knee, foot in legs:
        thigh, shank = poses[:, knee] - poses[:, hip], poses[:, foot] - poses[:, knee]
        long = np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shank, axis=-1)
        across = np.cross(shank, thigh) / long[:, None].clip(1e-9)
        bent = np.linalg.norm(across, axis=-1) > np.sin(np.radians(BENT_KNEE))
        bends.append(np.where(bent, (across * to_right).sum(axis=-1), 0.0))
    total = np.abs(bends).sum()
    if total:
        found.append(Measure(number, "exchanged sides", float(np.clip(np.negative(bends), 0, None).sum() / total)))
    return found


def measure_place(data: PoseDataset, clip: pd.Series) -> tuple[float, float]:
    """Height of a clip's lowest foot in the world, metres, and the median tilt of its body, degrees from upright.

    The clip's camera must have orientation and position, the skeleton legs.
    """
    camera, rows = data.camera_of(clip), slice(clip.start, clip.stop)
    w, x, y, z = camera.orientation
    up = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])  # in the camera's axes
    poses = data.positions[rows].astype(np.float64)
    feet = [foot for *_, foot in find_legs(data.skeleton)]
    heights = (poses[:, feet] + data.trajectory[rows, None]) @ up + camera.position[2]
    head, _ = head_and_feet(data.skeleton)
    return float(heights.min()), float(np.median(tilt(poses, (head, feet), up))) if head else 0.0


def step_rate(data: PoseDataset, clip: pd.Series) -> float | None:
    """Steps per second of a clip: how often its ankles part; None where it does not walk far enough.

    Walking is recognised by metres alone: a wrong frame rate makes every time wrong, and would hide itself.
    """
    legs = find_legs(data.skeleton)
    frames = clip.stop - clip.start
    path = length(np.diff(data.trajectory[clip.start : clip.stop].astype(np.float64), axis=0)).sum()
    if not legs or path < WALKED:
        return None
    poses = data.positions[clip.start : clip.stop].astype(np.float64)
    apart = length(poses[:, legs[0][2]] - poses[:, legs[1][2]])
    # A foot that drifts away would hide the steps: the mean around each frame is subtracted.
    place = np.arange(frames)
    around = np.minimum(np.minimum(place, place[::-1]), int(WALKED / path * frames / 2))
    total = np.append(0, np.cumsum(apart))
    apart -= (total[place + around + 1] - total[place - around]) / (2 * around + 1)
    padded = 8 * frames  # fine steps of frequency, although a short clip resolves it coarsely
    power = np.abs(np.fft.rfft(apart * np.hanning(frames), padded))
    power[:16] = 0  # fewer than two steps in the clip are a drift
    steps = power.argmax() / 8  # in the clip
    return float(steps / frames * clip.fps) if steps and path / steps > SHORTEST_STEP else None
