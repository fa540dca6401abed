"""What the data doctor measures of 3D poses: a take's motion, bones, sides and place in the world."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
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

SHORTEST_BONE = 0.03  # metres; a deviation in per cent says nothing about shorter bones
BENT_KNEE = 15.0  # degrees; the bend of straighter knees is as much an error of the joints as a bend
FROZEN_STEP = 1e-5  # metres: ten times what float32 rounds at, far below the sway of a person who stands
# Metres that a take has to go, and metres per step, for it to be walking with a step rate. Not seconds or metres per
# second, which a wrong frame rate would change.
WALKED, SHORTEST_STEP = 2.5, 0.3


def measure_motion(data: PoseDataset, number: int, clip: pd.Series) -> list[Measure]:
    """Everything that one labelled clip, of a row number of the table, tells by itself; its poses must be finite."""
    rows = slice(clip.start, clip.stop)
    poses, path = data.positions[rows].astype(np.float64), data.trajectory[rows].astype(np.float64)
    return [
        *_measure_steps(number, poses, path, clip.fps, data.skeleton),
        *_measure_bones(number, poses, data.skeleton),
        *_measure_limbs(number, poses, data.skeleton),
    ]


def _measure_steps(
    number: int, poses: np.ndarray, path: np.ndarray, fps: float, skeleton: Skeleton
) -> Iterator[Measure]:
    if len(poses) < 2:
        return
    steps = np.diff(poses, axis=0)  # (frames - 1, joints, 3)
    of_root = length(np.diff(path, axis=0))[:, None]
    moved = length(steps)
    yield peak(number, "joint speed", moved * fps, skeleton.joints, 1)
    yield peak(number, "root speed", of_root * fps, ("root",), 1)
    if len(poses) > 2:
        yield peak(number, "joint acceleration", length(np.diff(steps, axis=0)) * fps**2, skeleton.joints, 1)
    if skeleton.left:
        saved = side_exchanges(poses, skeleton.left, skeleton.right)
        yield peak(number, "exchanged joints", saved, [_both(skeleton, *pair) for pair in _pairs(skeleton)], 1)
    longest, start = longest_run(np.maximum(moved.max(axis=1), of_root[:, 0]) < FROZEN_STEP)
    yield Measure(number, "frozen", longest / fps, start, longest)


def _pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    return list(zip(skeleton.left, skeleton.right, strict=True))


def _both(skeleton: Skeleton, left: int, right: int) -> str:
    return f"{skeleton.joints[left]} and {skeleton.joints[right]}"


def bone_lengths(poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(frames, joints, 3) -> (frames, bones), metres."""
    parents, children = (list(side) for side in zip(*skeleton.bones, strict=True))
    return np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)


def bone_names(skeleton: Skeleton) -> np.ndarray:
    return np.array([skeleton.joints[joint] for _, joint in skeleton.bones])


def _measure_bones(number: int, poses: np.ndarray, skeleton: Skeleton) -> Iterator[Measure]:
    if not skeleton.bones:
        return
    lengths = bone_lengths(poses, skeleton)
    typical = np.median(lengths, axis=0)
    compared = typical > SHORTEST_BONE
    if not compared.any():
        return
    changes = np.abs(lengths[:, compared] / typical[compared] - 1)
    yield peak(number, "bone length", changes, bone_names(skeleton)[compared].tolist(), 0)
    of_joint = {joint: bone for (_, joint), bone in zip(skeleton.bones, typical.tolist(), strict=True)}
    pairs = [pair for pair in _pairs(skeleton) if min(of_joint.get(joint, 0) for joint in pair) > SHORTEST_BONE]
    unequal = [(abs(of_joint[a] - of_joint[b]) / (of_joint[a] + of_joint[b]) * 2, a, b) for a, b in pairs]
    if unequal:
        value, *pair = max(unequal)
        yield Measure(number, "symmetry", value, detail=_both(skeleton, *pair))


def find_legs(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Hip, knee and ankle of the right and of the left leg, in this order; empty where they cannot be told."""
    legs = []
    for side in (skeleton.right, skeleton.left):
        knees = find_joints(skeleton, "knee", among=side)
        if len(knees) != 1 or not skeleton.parents:
            return []
        below = [joint for joint in range(skeleton.num_joints) if skeleton.parents[joint] == knees[0]]
        if len(below) != 1 or skeleton.parents[knees[0]] < 0:
            return []
        legs.append((skeleton.parents[knees[0]], knees[0], below[0]))
    return legs


def _measure_limbs(number: int, poses: np.ndarray, skeleton: Skeleton) -> Iterator[Measure]:
    """Measure the length of the legs, how the knees bend, and whether hips and shoulders face the same way."""
    legs = find_legs(skeleton)
    if not legs:
        return
    thighs = [poses[:, knee] - poses[:, hip] for hip, knee, _ in legs]
    shanks = [poses[:, foot] - poses[:, knee] for _, knee, foot in legs]
    long = np.linalg.norm([thighs, shanks], axis=-1)  # (2, legs, frames)
    yield Measure(number, "leg", float(2 * np.median(long, axis=2).mean()))
    shoulders = find_joints(skeleton, "shoulder", among=[*skeleton.right, *skeleton.left])
    if len(shoulders) != 2:
        return
    to_right = poses[:, legs[0][0]] - poses[:, legs[1][0]]
    turned = ((poses[:, shoulders[0]] - poses[:, shoulders[1]]) * to_right).sum(axis=-1) < 0
    yield Measure(number, "opposed shoulders", float(turned.mean()), int(turned.argmax()), int(turned.sum()))
    to_right /= np.linalg.norm(to_right, axis=-1, keepdims=True).clip(1e-9)
    # Sine of each knee's bend about the line of the hips: a knee is a hinge, positive the way it turns.
    across = np.cross(shanks, thighs) / long.prod(axis=0)[..., None].clip(1e-9)  # (legs, frames, 3)
    bent = np.linalg.norm(across, axis=-1) > np.sin(np.radians(BENT_KNEE))
    bends = np.where(bent, (across * to_right).sum(axis=-1), 0.0)
    if total := np.abs(bends).sum():
        yield Measure(number, "exchanged sides", float(np.clip(-bends, 0, None).sum() / total))


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
