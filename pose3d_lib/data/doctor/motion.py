"""What the data doctor measures of 3D poses: motion, bones, sides and place in the world; and what 2D needs of it too.

Poses are (frames, joints, 3), metres.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import CHECKS, STEP_RATE, Measure
from pose3d_lib.data.skeleton import H36M_17, Skeleton
from pose3d_lib.data.sources.missing import true_runs

LYING = 60.0  # degrees between upwards and the way from the feet to the head; people who sit on the floor reach 50
SHORTEST_BONE = 0.03  # metres; a deviation in per cent says nothing about shorter bones
BENT_KNEE = 15.0  # degrees; the bend of straighter knees is as much an error of the joints as a bend
FROZEN_STEP = 1e-5  # metres: ten times what float32 rounds at, far below the sway of a person who stands
# Metres that a take has to go, and metres per step, for it to be walking with a step rate. Not seconds or metres per
# second, which a wrong frame rate would change.
WALKED, SHORTEST_STEP = 2.5, 0.3
CONTACT = 0.005  # metres above the ankle's lowest position that still count as contact with the floor


def poses_of(data: PoseDataset, clip: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """A labelled clip's joints relative to the root, (frames, joints, 3), and its root, (frames, 3): float64, metres."""
    rows = slice(clip.start, clip.stop)
    return data.positions[rows].astype(np.float64), data.trajectory[rows].astype(np.float64)


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


def measure_world(data: PoseDataset, clips: Sequence[pd.Series]) -> Iterator[Measure]:
    """Measure medians over clips: where people stand in the world, and how fast they walk; their poses must be finite."""
    if not find_legs(data.skeleton):
        return
    if placed := [_measure_place(data, clip) for clip in clips if data.camera_of(clip).is_placed]:
        lowest, tilts = np.transpose(placed)
        yield Measure("floor", float(np.median(lowest)))
        yield Measure("upright", float(np.mean(tilts > LYING)))
    walks = [clip for clip in clips if "walk" in clip.action.casefold()]
    if rates := [rate for clip in walks if (rate := step_rate(data, clip))]:
        rate = float(np.median(rates))
        yield Measure("step rate", rate, detail=f"{STEP_RATE / rate:.2g}")


def _measure_place(data: PoseDataset, clip: pd.Series) -> tuple[float, float]:
    """Height of a clip's lowest foot in the world, metres, and the median tilt of its body, degrees from upright.

    The clip's camera must have orientation and position.
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
    if walked < WALKED:
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


def peak(check: str, series: np.ndarray, names: Sequence[str], first: int) -> Measure:
    """The greatest value of (steps, joints), its joint and frame, and how many steps pass the limit.

    `first` is the frame of the clip that the first row belongs to.
    """
    step, joint = divmod(int(series.argmax()), series.shape[1])
    count = int((series.max(axis=1) > CHECKS[check].good[1]).sum())
    return Measure(check, float(series[step, joint]), first + step, count, names[joint])


def count_frames(check: str, flags: np.ndarray, detail: str = "") -> Measure:
    """How many frames are flagged, and the first: (frames,) bool."""
    return Measure(check, float(flags.sum()), int(flags.argmax()), int(flags.sum()), detail)


def share_of_frames(check: str, flags: np.ndarray, first: int = 0) -> Measure:
    """The share of flagged frames, and the first; `first` is the frame that the first flag, (frames,) bool, belongs to."""
    return Measure(check, float(flags.mean()), first + int(flags.argmax()), int(flags.sum()))


def longest_still(check: str, still: np.ndarray, fps: float) -> Measure:
    """Seconds of the longest run of True, and its frame: (steps,) bool."""
    start, stop = max(true_runs(still), key=lambda run: run[1] - run[0], default=(0, 0))
    return Measure(check, (stop - start) / fps, start, stop - start)


def side_exchanges(points: np.ndarray, left: Sequence[int], right: Sequence[int]) -> np.ndarray:
    """What the joints of a pair save by changing places before a step: (frames, joints, 2 or 3) -> (frames - 1, pairs).

    The paths of a step are measured from where the joints were and from where they would go at the speed they had; what
    is saved is the lesser of both. It is 0 where exchanging does not at least halve the path: a joint that jumps alone
    cannot look like an exchange, and joints that pass each other do not.
    """
    pairs = np.stack([points[:, list(left)], points[:, list(right)]])  # (2, frames, pairs, 2 or 3)
    saved = _saved(pairs[:, :-1], pairs[:, 1:])
    some = np.flatnonzero(saved.any(axis=1))  # few
    if len(some):
        expected = 2 * pairs[:, some] - pairs[:, np.maximum(some - 1, 0)]
        saved[some] = np.minimum(saved[some], _saved(expected, pairs[:, some + 1]))
    return saved


def _saved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    stay = length(before - after).sum(axis=0)
    cross = length(before[::-1] - after).sum(axis=0)
    return np.where(cross < stay / 2, stay - cross, 0.0)


def length(vectors: np.ndarray) -> np.ndarray:
    """(..., n) -> (...); several times as fast as `np.linalg.norm`."""
    return np.sqrt(np.einsum("...i,...i", vectors, vectors))


def find_joints(skeleton: Skeleton, *names: str, among: Sequence[int] | None = None) -> list[int]:
    """The joints, or those among some, that have one of the names in theirs, name by name."""
    among = range(skeleton.num_joints) if among is None else among
    return [joint for name in names for joint in among if name in skeleton.joints[joint].casefold()]


def head_and_feet(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Joints at the ends of a body that stands; one of the lists is empty where names do not tell."""
    return find_joints(skeleton, "head", "nose"), find_joints(skeleton, "foot", "ankle")


def tilt(points: np.ndarray, ends: tuple[list[int], list[int]], up: np.ndarray) -> np.ndarray:
    """Degrees between upwards and the way from the feet to the head: (frames, joints, n), (n,) -> (frames,)."""
    head, feet = ends
    way = points[:, head].mean(axis=1) - points[:, feet].mean(axis=1)
    return np.degrees(np.arccos(((way @ up) / length(way).clip(1e-9)).clip(-1, 1)))
