"""Numbers that tell whether a motion is a body's: bone lengths, joint angles, speeds, and feet that slide.

All functions take positions in the order of `skeleton.H36M_17`, world coordinates in metres with z up; NaN in, NaN out.
"""

import numpy as np

from pose3d_lib.data.skeleton import H36M_17

_FEET = (H36M_17.index("RFoot"), H36M_17.index("LFoot"))


def bone_lengths(positions: np.ndarray) -> dict[str, np.ndarray]:
    """Length of every bone over time, by the name of the joint where the bone ends.

    Args:
        positions: (frames, 17, 3).

    Returns:
        joint name -> (frames,), in the unit of `positions`.
    """
    names = H36M_17.joints
    return {names[j]: np.linalg.norm(positions[:, j] - positions[:, p], axis=-1) for p, j in H36M_17.bones}


def joint_angles(positions: np.ndarray) -> dict[str, np.ndarray]:
    """The angles that anatomy bounds, as far as joint positions alone determine them.

    Args:
        positions: (frames, 17, 3).

    Returns:
        name -> (frames,), degrees:
        `RKnee`, `LKnee`, `RElbow`, `LElbow`: flexion, 0 for a straight limb;
        `RHipSwing`, `LHipSwing`: between the thigh and the trunk's downward axis, 0 standing upright;
        `RShoulderSwing`, `LShoulderSwing`: between the upper arm and the trunk's downward axis, 180 straight up;
        `Spine`: between the two bones of the trunk; `Twist`: shoulders against hips about the trunk's axis;
        `Neck`: between the trunk's upper bone and the line from the thorax to the top of the head;
        `Lean`: between the trunk and the vertical.
    """
    p = {name: positions[:, j] for j, name in enumerate(H36M_17.joints)}
    down = p["Hip"] - p["Thorax"]
    upper = p["Thorax"] - p["Spine"]
    angles = {}
    for side in "RL":
        thigh = p[f"{side}Knee"] - p[f"{side}Hip"]
        upper_arm = p[f"{side}Elbow"] - p[f"{side}Shoulder"]
        angles[f"{side}Knee"] = _between(thigh, p[f"{side}Foot"] - p[f"{side}Knee"])
        angles[f"{side}Elbow"] = _between(upper_arm, p[f"{side}Wrist"] - p[f"{side}Elbow"])
        angles[f"{side}HipSwing"] = _between(thigh, p["Hip"] - p["Spine"])
        angles[f"{side}ShoulderSwing"] = _between(upper_arm, -upper)
    angles["Spine"] = _between(p["Spine"] - p["Hip"], upper)
    angles["Twist"] = _between(_across(p["RShoulder"] - p["LShoulder"], down), _across(p["RHip"] - p["LHip"], down))
    angles["Neck"] = _between(upper, p["Head"] - p["Thorax"])
    angles["Lean"] = _between(-down, np.broadcast_to([0.0, 0.0, 1.0], down.shape))
    return angles


def joint_speeds(positions: np.ndarray, fps: float) -> np.ndarray:
    """(frames - 1, 17), metres per second, from positions (frames, 17, 3)."""
    return np.linalg.norm(np.diff(positions, axis=0), axis=-1) * fps


def foot_contact(positions: np.ndarray, *, height: float = 0.005) -> np.ndarray:
    """(frames, 2), True while the right and the left ankle are as low as that ankle stands.

    Args:
        positions: (frames, 17, 3).
        height: metres above the ankle's lowest position that still count as contact.
    """
    z = positions[:, _FEET, 2]
    return z < z.min(axis=0, initial=np.inf) + height


def foot_slide(positions: np.ndarray, fps: float, *, height: float = 0.005) -> np.ndarray:
    """Speed of the ankles over the floor while they are in contact; 0 for feet that stand.

    Args:
        positions: (frames, 17, 3).
        fps: frames per second.
        height: see `foot_contact`.

    Returns:
        (frames - 1, 2), metres per second, right and left; NaN where the foot is in the air.
    """
    contact = foot_contact(positions, height=height)
    over_floor = np.linalg.norm(np.diff(positions[:, _FEET, :2], axis=0), axis=-1) * fps
    return np.where(contact[1:] & contact[:-1], over_floor, np.nan)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between vectors (frames, 3) and (frames, 3), degrees, (frames,); exact near 0 and 180 as arccos is not."""
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of vector (frames, 3) that is perpendicular to axis (frames, 3)."""
    unit = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    return vector - (vector * unit).sum(-1, keepdims=True) * unit
