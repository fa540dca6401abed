"""Numbers that tell whether a motion is a body's: bone lengths, bent limbs, speeds, and feet that slide.

All functions take positions in the order of `skeleton.H36M_17`, world coordinates in metres with z up; NaN in, NaN out.
"""

import numpy as np

from pose3d_lib.data.skeleton import H36M_17

_FEET = (H36M_17.index("RFoot"), H36M_17.index("LFoot"))
CONTACT = 0.005  # metres above the ankle's lowest position that still count as contact with the floor


def bone_lengths(positions: np.ndarray) -> dict[str, np.ndarray]:
    """Joint where a bone ends -> its length over time, (frames,): from positions (frames, 17, 3)."""
    names = H36M_17.joints
    return {names[j]: np.linalg.norm(positions[:, j] - positions[:, p], axis=-1) for p, j in H36M_17.bones}


def flexion(positions: np.ndarray, upper: str, middle: str, lower: str) -> np.ndarray:
    """(frames,), degrees by which a limb is bent at its middle joint, 0 if straight: from positions (frames, 17, 3)."""
    first, second, third = (positions[:, H36M_17.index(joint)] for joint in (upper, middle, lower))
    return angle_between(second - first, third - second)


def joint_speeds(positions: np.ndarray, fps: float) -> np.ndarray:
    """(frames - 1, 17), metres per second, from positions (frames, 17, 3)."""
    return np.linalg.norm(np.diff(positions, axis=0), axis=-1) * fps


def foot_slide(positions: np.ndarray, fps: float) -> np.ndarray:
    """Speed of the ankles over the floor, right and left, while they are as low as they stand; NaN in the air.

    (frames, 17, 3) -> (frames - 1, 2), metres per second; 0 for feet that stand.
    """
    heights = positions[:, _FEET, 2]
    contact = heights < heights.min(axis=0, initial=np.inf) + CONTACT
    over_floor = np.linalg.norm(np.diff(positions[:, _FEET, :2], axis=0), axis=-1) * fps
    return np.where(contact[1:] & contact[:-1], over_floor, np.nan)


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(frames, 3) and (frames, 3) -> (frames,), degrees; exact near 0 and 180, where arccos is not."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))
