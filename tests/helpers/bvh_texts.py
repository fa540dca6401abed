"""BVH files for tests: text of any hierarchy, and a standing person with the joint names of 100STYLE."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT_CHANNELS = ("Xposition", "Yposition", "Zposition", "Yrotation", "Xrotation", "Zrotation")
TURNS = ("Yrotation", "Xrotation", "Zrotation")

Joint = tuple[str, str, Sequence[float], Sequence[str]]
"""Name, parent's name ("" for the root), offset, channels; a name that ends in .end is an end site."""

SIDES = (("Left", 1), ("Right", -1))
PERSON: list[Joint] = [
    ("Hips", "", (0, 0, 0), ROOT_CHANNELS), ("Chest", "Hips", (0, 10, 0), TURNS),
    ("Chest2", "Chest", (0, 10, 0), TURNS), ("Chest3", "Chest2", (0, 10, 0), TURNS),
    ("Chest4", "Chest3", (0, 10, 0), TURNS), ("Neck", "Chest4", (0, 14, 0), TURNS),
    ("Head", "Neck", (0, 9, 0), TURNS), ("Head.end", "Head", (0, 17, 0), ()),
]  # fmt: skip
for _side, _sign in SIDES:
    PERSON += [
        (f"{_side}Collar", "Chest4", (3 * _sign, 8, 0), TURNS),
        (f"{_side}Shoulder", f"{_side}Collar", (14 * _sign, 0, 0), TURNS),
        (f"{_side}Elbow", f"{_side}Shoulder", (28 * _sign, 0, 0), TURNS),
        (f"{_side}Wrist", f"{_side}Elbow", (25 * _sign, 0, 0), TURNS),
        (f"{_side}Hip", "Hips", (9 * _sign, 0, 0), TURNS),
        (f"{_side}Knee", f"{_side}Hip", (0, -40, 0), TURNS),
        (f"{_side}Ankle", f"{_side}Knee", (0, -40, 0), TURNS),
    ]
"""Legs of 80 units, arms stretched out sideways, y up, facing z: the left side is where x is positive."""

ANKLE_HEIGHT = 9.0  # of a person whose root is where `walk` puts it


def in_file_order(joints: Sequence[Joint], top: str = "") -> list[Joint]:
    """The joints as `bvh_text` writes them: every joint's children right behind it, in the order given."""
    own = [joint for joint in joints if joint[1] == top]
    return [found for joint in own for found in (joint, *in_file_order(joints, joint[0]))]


def bvh_text(joints: Sequence[Joint], motion: np.ndarray, frame_time: str = "0.0333333") -> str:
    """The file with these joints and a row of channels per frame."""
    lines, open_joints = ["HIERARCHY"], []
    for name, parent, offset, channels in in_file_order(joints):
        while open_joints and open_joints[-1] != parent:
            lines.append("}")
            open_joints.pop()
        head = "End Site" if ".end" in name else f"{'JOINT' if parent else 'ROOT'} {name}"
        lines += [head, "{", f"OFFSET {' '.join(repr(float(value)) for value in offset)}"]
        lines += [f"CHANNELS {len(channels)} {' '.join(channels)}"] * bool(channels)
        open_joints.append(name)
    rows = [" ".join(repr(float(value)) for value in row) for row in motion]
    timing = ["MOTION", f"Frames: {len(motion)}", f"Frame Time: {frame_time}"]
    return "\n".join([*lines, *"}" * len(open_joints), *timing, *rows, ""])


def walk(
    frames: int, *, speed: float = 2.0, seed: int = 0, turns: Mapping[str, Sequence[float]] | None = None
) -> np.ndarray:
    """(frames, channels of PERSON): goes along z at so many units per frame, limbs turning by some degrees."""
    names = [joint[0] for joint in in_file_order(PERSON) if joint[3]]
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / 30
    size, phase = rng.uniform(1, 8, (len(names), 3)), rng.uniform(0, 6, (len(names), 3))
    angles = size * np.sin(3 * time + phase)
    angles[:, 0] = 0
    for name, values in (turns or {}).items():
        angles[:, names.index(name)] = values
    root = np.zeros((frames, 3))
    root[:, 1] = 80 + ANKLE_HEIGHT
    root[:, 2] = speed * np.arange(frames)
    return np.hstack([root, angles.reshape(frames, -1)])


def write_person(path: Path, frames: int = 20, frame_time: str = "0.0333333", **of_walk) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bvh_text(PERSON, walk(frames, **of_walk), frame_time))
    return path
