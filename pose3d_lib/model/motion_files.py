"""Lifted clips as files of motion that other programs open, one clip a file: BVH for Blender, TRC for OpenSim.

In both y is up and the floor, on which the lowest joint stands, is at y = 0. The root's path is that of the trajectory;
without one the root stays above one point of the floor.
"""

import re
import warnings
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.predict import Lifted, LiftedClip

UP, FORWARD, LEFTWARDS = np.eye(3)[[1, 2, 0]]  # of the rest pose of a BVH file
CENTIMETRES = 100.0
TURNS = "Zrotation Xrotation Yrotation"
END_SITE = 10.0  # centimetres: the length of hands, feet and the top of the head, of which nothing is known
SETTLING = 0.25  # seconds over which the height of a root without a trajectory is averaged


def write_bvh(lifted: Lifted, path: Path) -> np.ndarray:
    """Write the only clip as BVH, in centimetres: x to the camera's right, y up, z towards the camera.

    Returns:
        (frames, joints) millimetres: how far each joint is from the lifted one, as bones keep their length (`fit_bones`).

    Raises:
        InputError: the skeleton is no tree of bones.
    """
    (clip,), skeleton = lifted.clips, lifted.skeleton
    if not skeleton.parents:
        raise InputError(
            f"{path.name}: the joints of {skeleton.name} form no tree of bones, which BVH needs; choose csv"
        )
    pose = clip.positions @ world_axes(clip.up).T
    order = _from_the_root(skeleton, skeleton.parents.index(-1))
    offsets, angles, fitted = fit_bones(pose, skeleton, order)
    root = stand(fitted, clip)
    rows = np.hstack([CENTIMETRES * root, angles]).round(4) + 0.0  # no -0.0
    with path.open("w", encoding="utf-8") as file:
        lines = ["HIERARCHY", *_joint_lines(skeleton, CENTIMETRES * offsets, order[0]), "MOTION"]
        file.write("\n".join([*lines, f"Frames: {len(rows)}", f"Frame Time: {1 / clip.fps:.8f}", ""]))
        np.savetxt(file, rows, "%.4f")
    return 1000 * np.linalg.norm(fitted - pose, axis=-1)


def write_trc(lifted: Lifted, path: Path) -> None:
    """Write the only clip as TRC, in metres: x is where the person faces in the first frame, y up, z the person's right."""
    (clip,), skeleton = lifted.clips, lifted.skeleton
    pose = clip.positions @ world_axes(clip.up).T
    pose += stand(pose, clip)[:, None]
    side = (pose[0, list(skeleton.right)] - pose[0, list(skeleton.left)]).sum(axis=0)
    angle = np.arctan2(side[2], side[0])
    right = np.array([np.cos(angle), 0, np.sin(angle)], np.float32)
    pose = pose @ np.stack([np.cross(UP, right), UP, right]).T.astype(np.float32)
    count, rate = len(pose), f"{clip.fps:g}"
    facts = {
        "DataRate": rate, "CameraRate": rate, "NumFrames": count, "NumMarkers": skeleton.num_joints, "Units": "m",
        "OrigDataRate": rate, "OrigDataStartFrame": clip.frames[0], "OrigNumFrames": count,
    }  # fmt: skip
    head = [
        ["PathFileType", "4", "(X/Y/Z)", in_plain_letters(clip.name)],
        facts,
        map(str, facts.values()),
        ["Frame#", "Time", *(f"{in_plain_letters(joint)}\t\t" for joint in skeleton.joints)],
        ["", "", *(f"{axis}{number}" for number in range(1, skeleton.num_joints + 1) for axis in "XYZ")],
    ]
    numbered = np.column_stack([np.arange(1, count + 1), clip.times, pose.reshape(count, -1)])
    with path.open("w", encoding="utf-8") as file:
        file.write("\n".join("\t".join(line) for line in head) + "\n\n")
        np.savetxt(file, numbered, ["%d", *["%.6f"] * (numbered.shape[1] - 1)], delimiter="\t")


def in_plain_letters(name: str) -> str:
    """A name without what files or their readers may stumble over: spaces, commas, slashes, braces."""
    return re.sub(r"[^\w.-]+", "_", name)


def world_axes(up: np.ndarray) -> np.ndarray:
    """(3, 3) float32: the camera's right, up, and towards the camera, level, as rows in camera space."""
    right = np.cross([0.0, 0.0, 1.0], up)
    right = right / np.linalg.norm(right) if right.any() else np.eye(3)[0]  # a camera may look straight down
    return np.stack([right, up, np.cross(right, up)]).astype(np.float32)


def stand(pose: np.ndarray, clip: LiftedClip) -> np.ndarray:
    """(frames, 3) float32, metres: the root's place above a floor at y = 0, of a pose (frames, joints, 3) with y up.

    Along a trajectory the lowest joint is on the floor in the median frame; without one it is in every frame, nearly.
    """
    from scipy.ndimage import uniform_filter1d

    lowest = pose[..., 1].min(axis=1)
    if clip.root is not None:
        root = clip.root @ world_axes(clip.up).T
        return root - np.median(root[:, 1] + lowest) * UP.astype(np.float32)
    size = 2 * round(SETTLING * clip.fps / 2) + 1
    return -uniform_filter1d(lowest, size, mode="nearest")[:, None] * UP.astype(np.float32)


def fit_bones(pose: np.ndarray, skeleton: Skeleton, order: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations of bones that keep their lengths, the medians over the clip: as BVH can say them.

    A joint with one child turns, against its parent, by the least rotation that leads its bone from the rest pose to where it
    points, so that nothing twists that is not seen to. One with several, the hips and the chest, turns as their rest pose
    is best turned onto them (least squares), and they keep their mean places in it. The last joint of a limb does not turn.

    Args:
        pose: (frames, joints, 3) metres, relative to the root.
        skeleton: its tree.
        order: the joints, parents before children.

    Returns:
        Offsets of joints from their parents (joints, 3), metres; rotations about z, x and y, each about the axes that those
        before have turned (frames, 3 * joints), degrees, joints in `order`; and the pose that they make, as `pose`.
    """
    from scipy.spatial.transform import Rotation  # takes half a second, which only BVH is to wait for

    rest, offsets, fitted = _rest_pose(skeleton), np.zeros(pose.shape[1:]), np.zeros_like(pose)
    angles = np.empty((len(pose), 3 * len(order)), np.float32)
    turns = {-1: Rotation.identity(len(pose))}  # joint -> how it is turned in the world
    for number, joint in enumerate(order):
        before = turns[skeleton.parents[joint]]
        children = _children(skeleton, joint)
        bones = pose[:, children].astype(np.float64) - pose[:, [joint]]
        places = rest[children]
        if len(children) > 1:
            turn = Rotation.from_matrix(_best_turns(places, bones))
            own = before.inv() * turn
            places = np.stack([turn.inv().apply(bones[:, n]).mean(axis=0) for n in range(len(children))])
            places /= np.linalg.norm(places, axis=1, keepdims=True).clip(1e-9)
        elif children:
            own = Rotation.from_quat(least_turns(places[0], before.inv().apply(bones[:, 0])))
        else:
            own = Rotation.identity(len(pose))
        turns[joint] = before * own
        offsets[children] = places * np.median(np.linalg.norm(bones, axis=-1), axis=0)[:, None]
        for child in children:
            fitted[:, child] = fitted[:, joint] + turns[joint].apply(offsets[child])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Gimbal lock")  # either solution is the same rotation
            angles[:, 3 * number : 3 * number + 3] = own.as_euler("ZXY", degrees=True)
    return offsets, np.unwrap(angles, period=360, axis=0), fitted


def _rest_pose(skeleton: Skeleton) -> np.ndarray:
    """(joints, 3): where the bone to each joint points in a T: trunk and head up, arms sideways, legs down; z is in front."""
    sides, legs = {"middle": UP, "left": LEFTWARDS, "right": -LEFTWARDS}, skeleton.legs
    bones = zip(range(skeleton.num_joints), skeleton.parents, skeleton.sides, strict=True)
    return np.array([-UP if joint in legs and parent in legs else sides[side] for joint, parent, side in bones])


def _children(skeleton: Skeleton, joint: int) -> list[int]:
    return [child for child, parent in enumerate(skeleton.parents) if parent == joint]


def _from_the_root(skeleton: Skeleton, joint: int) -> list[int]:
    """A joint and all below it, in the order of the file."""
    return [joint, *(below for child in _children(skeleton, joint) for below in _from_the_root(skeleton, child))]


def _joint_lines(skeleton: Skeleton, offsets: np.ndarray, joint: int) -> list[str]:
    """The joint in the hierarchy of the file, and all below it."""
    children, is_root = _children(skeleton, joint), skeleton.parents[joint] == -1
    channels = f"6 Xposition Yposition Zposition {TURNS}" if is_root else f"3 {TURNS}"
    inner = [f"OFFSET {_numbers(offsets[joint])}", f"CHANNELS {channels}"]
    inner += [line for child in children for line in _joint_lines(skeleton, offsets, child)]
    if not children:
        length = np.linalg.norm(offsets[joint])
        ahead = FORWARD if joint in skeleton.legs or not length else offsets[joint] / length
        inner += ["End Site", "{", f"\tOFFSET {_numbers(END_SITE * ahead)}", "}"]
    name = in_plain_letters(skeleton.joints[joint])
    return [f"{'ROOT' if is_root else 'JOINT'} {name}", "{", *(f"\t{line}" for line in inner), "}"]


def _numbers(place: np.ndarray) -> str:
    return " ".join(f"{number:.6f}" for number in place + 0.0)


def least_turns(rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """(frames, 4) quaternions, w last, of any length: the least rotations of a unit axis (3,) onto vectors (frames, 3)."""
    units = bones / np.linalg.norm(bones, axis=1, keepdims=True).clip(1e-9)
    cosines = units @ rest
    quaternions = np.column_stack([np.cross(rest, units), 1 + cosines])
    quaternions[cosines < 1e-12 - 1] = [*np.roll(rest, 1), 0]  # half a turn, about any axis across
    return quaternions


def _best_turns(rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """(frames, 3, 3): the rotations of vectors (children, 3) nearest to (frames, children, 3), least squares (Kabsch)."""
    left, _, right = np.linalg.svd(np.einsum("fci,cj->fij", bones, rest))
    left[..., 2] *= np.linalg.det(left @ right)[:, None]
    return left @ right
