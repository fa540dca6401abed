"""What the data doctor measures of 3D poses: a take's motion, bones, sides and place in the world.

Poses are (frames, joints, 3), metres.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.measures import (
    Measure,
    find_joints,
    head_and_feet,
    length,
    longest_still,
    peak,
    poses_of,
    share_of_frames,
    side_exchanges,
    tilt,
)
from pose3d_lib.data.skeleton import H36M_17, Skeleton

SHORTEST_BONE = 0.03  # metres; a deviation in per cent says nothing about shorter bones
BENT_KNEE = 15.0  # degrees; the bend of straighter knees is as much an error of the joints as a bend
FROZEN_STEP = 1e-5  # metres: ten times what float32 rounds at, far below the sway of a person who stands
# Metres that a take has to go, and metres per step, for it to be walking with a step rate. Not seconds or metres per
# second, which a wrong frame rate would change.
WALKED, SHORTEST_STEP = 2.5, 0.3
CONTACT = 0.005  # metres above the ankle's lowest position that still count as contact with the floor


def measure_motion(data: PoseDataset, clip: pd.Series) -> list[Measure]:
    """Everything that one labelled clip tells by itself; its poses must be finite."""
    poses, path = poses_of(data, clip)
    return [
        *_measure_steps(poses, path, clip.fps, data.skeleton),
        *_measure_bones(poses, data.skeleton),
        *_measure_limbs(poses, data.skeleton),
    ]


def _measure_steps(poses: np.ndarray, path: np.ndarray, fps: float, skeleton: Skeleton) -> Iterator[Measure]:
    if len(poses) < 2:
        return
    steps = np.diff(poses, axis=0)  # (frames - 1, joints, 3)
    of_root = length(np.diff(path, axis=0))[:, None]
    moved = length(steps)
    yield peak("joint speed", moved * fps, skeleton.joints, 1)
    yield peak("root speed", of_root * fps, ("root",), 1)
    if len(poses) > 2:
        yield peak("joint acceleration", length(np.diff(steps, axis=0)) * fps**2, skeleton.joints, 1)
    if skeleton.left:
        saved = side_exchanges(poses, skeleton.left, skeleton.right)
        yield peak("exchanged joints", saved, [_both(skeleton, *pair) for pair in _pairs(skeleton)], 1)
    yield longest_still("frozen", np.hstack([moved, of_root]).max(axis=1) < FROZEN_STEP, fps)


def _pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    return list(zip(skeleton.left, skeleton.right, strict=True))


def _both(skeleton: Skeleton, left: int, right: int) -> str:
    return f"{skeleton.joints[left]} and {skeleton.joints[right]}"


def bone_lengths(poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(frames, joints, 3) -> (frames, bones), metres."""
    parents, children = (list(side) for side in zip(*skeleton.bones, strict=True))
    return np.linalg.norm(poses[:, children] - poses[:, parents], axis=-1)


def _measure_bones(poses: np.ndarray, skeleton: Skeleton) -> Iterator[Measure]:
    if not skeleton.bones:
        return
    lengths = bone_lengths(poses, skeleton)
    typical = np.median(lengths, axis=0)
    long = {joint: bone for bone, (_, joint) in enumerate(skeleton.bones) if typical[bone] > SHORTEST_BONE}
    if long:
        bones = list(long.values())
        changes = np.abs(lengths[:, bones] / typical[bones] - 1)
        yield peak("bone length", changes, [skeleton.joints[joint] for joint in long], 0)
    pairs = [(typical[long[a]], typical[long[b]], a, b) for a, b in _pairs(skeleton) if {a, b} <= long.keys()]
    if pairs:
        value, *pair = max((abs(left - right) / (left + right) * 2, a, b) for left, right, a, b in pairs)
        yield Measure("symmetry", float(value), detail=_both(skeleton, *pair))


def find_legs(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """Hip, knee and ankle of the right and of the left leg, in this order; empty where they cannot be told."""
    if not skeleton.parents:
        return []
    legs = []
    for side in (skeleton.right, skeleton.left):
        for knee in find_joints(skeleton, "knee", among=side):
            legs += [(skeleton.parents[knee], knee, foot) for above, foot in skeleton.bones if above == knee]
    return legs if len(legs) == 2 else []


def _measure_limbs(poses: np.ndarray, skeleton: Skeleton) -> Iterator[Measure]:
    """Measure the length of the legs, how the knees bend, and whether hips and shoulders face the same way."""
    legs = find_legs(skeleton)
    if not legs:
        return
    thighs = [poses[:, knee] - poses[:, hip] for hip, knee, _ in legs]
    shanks = [poses[:, foot] - poses[:, knee] for _, knee, foot in legs]
    long = np.linalg.norm([thighs, shanks], axis=-1)  # (2, legs, frames)
    yield Measure("leg", float(2 * np.median(long, axis=2).mean()))
    shoulders = find_joints(skeleton, "shoulder", among=[*skeleton.right, *skeleton.left])
    if len(shoulders) != 2:
        return
    to_right = poses[:, legs[0][0]] - poses[:, legs[1][0]]
    turned = ((poses[:, shoulders[0]] - poses[:, shoulders[1]]) * to_right).sum(axis=-1) < 0
    yield share_of_frames("opposed shoulders", turned)
    to_right /= np.linalg.norm(to_right, axis=-1, keepdims=True).clip(1e-9)
    # Sine of each knee's bend about the line of the hips: a knee is a hinge, positive the way it turns.
    across = np.cross(shanks, thighs) / long.prod(axis=0)[..., None].clip(1e-9)  # (legs, frames, 3)
    bent = np.linalg.norm(across, axis=-1) > np.sin(np.radians(BENT_KNEE))
    bends = np.where(bent, (across * to_right).sum(axis=-1), 0.0)
    if total := np.abs(bends).sum():
        yield Measure("exchanged sides", float(np.clip(-bends, 0, None).sum() / total))


def measure_place(data: PoseDataset, clip: pd.Series) -> tuple[float, float]:
    """Height of a clip's lowest foot in the world, metres, and the median tilt of its body, degrees from upright.

    The clip's camera must have orientation and position, the skeleton legs.
    """
    camera, (poses, path) = data.camera_of(clip), poses_of(data, clip)
    w, x, y, z = camera.orientation
    up = np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])  # in the camera's axes
    feet = [foot for *_, foot in find_legs(data.skeleton)]
    heights = (poses[:, feet] + path[:, None]) @ up + camera.position[2]
    head, _ = head_and_feet(data.skeleton)
    return float(heights.min()), float(np.median(tilt(poses, (head, feet), up))) if head else 0.0


def step_rate(data: PoseDataset, clip: pd.Series) -> float | None:
    """Steps per second of a clip: how often its ankles part; None where it does not walk far enough.

    Walking is recognised by metres alone: a wrong frame rate makes every time wrong, and would hide itself.
    """
    legs, frames, (poses, path) = find_legs(data.skeleton), clip.stop - clip.start, poses_of(data, clip)
    walked = length(np.diff(path, axis=0)).sum()
    if not legs or walked < WALKED:
        return None
    apart = length(poses[:, legs[0][2]] - poses[:, legs[1][2]])
    # A foot that drifts away would hide the steps: the mean around each frame is subtracted.
    place = np.arange(frames)
    around = np.minimum(np.minimum(place, place[::-1]), int(WALKED / walked * frames / 2))
    total = np.append(0, np.cumsum(apart))
    apart -= (total[place + around + 1] - total[place - around]) / (2 * around + 1)
    padded = 8 * frames  # fine steps of frequency, although a short clip resolves it coarsely
    power = np.abs(np.fft.rfft(apart * np.hanning(frames), padded))
    power[:16] = 0  # fewer than two steps in the clip are a drift
    steps = power.argmax() / 8  # in the clip
    return float(steps / frames * clip.fps) if steps and walked / steps > SHORTEST_STEP else None


def flexion(poses: np.ndarray, upper: str, middle: str, lower: str) -> np.ndarray:
    """(frames,), degrees by which a limb of Human3.6M's 17 joints is bent at its middle joint, 0 if straight."""
    first, second, third = (poses[:, H36M_17.index(joint)] for joint in (upper, middle, lower))
    return angle_between(second - first, third - second)


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(frames, 3) and (frames, 3) -> (frames,), degrees; exact near 0 and 180, where arccos is not."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


def foot_slide(world: np.ndarray, fps: float) -> np.ndarray:
    """Speed of the ankles over the floor, right and left, while they are as low as they stand; NaN in the air.

    Of Human3.6M's 17 joints in the world, z up: (frames, 17, 3) -> (frames - 1, 2), metres per second.
    """
    feet = world[:, [H36M_17.index("RFoot"), H36M_17.index("LFoot")]]
    contact = feet[..., 2] < feet[..., 2].min(axis=0, initial=np.inf) + CONTACT
    over_floor = np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1) * fps
    return np.where(contact[1:] & contact[:-1], over_floor, np.nan)
