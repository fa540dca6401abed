"""Skeletons: named joints, their parents, and which joints change places when the body is mirrored."""

from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT = "#6a3d9a", "#b3521e"  # sides of the body in every drawing; apart for colour-blind readers


@dataclass(frozen=True)
class Skeleton:
    """A set of named joints in the order in which arrays hold them."""

    name: str  # of the layout
    joints: tuple[str, ...]
    parents: tuple[int, ...]  # index of each joint's parent, -1 for the root; empty if there is no tree (2D detectors)
    left: tuple[int, ...]  # joints that a mirror exchanges, pair by pair
    right: tuple[int, ...]

    def __post_init__(self) -> None:
        count, sided = len(self.joints), {*self.left, *self.right}
        paired = len(self.left) == len(self.right) == len(sided) / 2 and sided <= set(range(count))
        tree = len(self.parents) == count and self.parents.count(-1) == 1 and set(self.parents) <= set(range(-1, count))
        if not paired or (self.parents and not tree):
            raise ValueError(
                f"skeleton {self.name!r}: left {self.left} and right {self.right} must be pairs of its {count} joints, and "
                f"parents {self.parents} one joint for each, -1 for the root alone"
            )

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, joint) for every joint that has a parent; of a known layout without a tree, the lines to draw."""
        if not self.parents:
            return COCO_LINES if self == COCO_17 else ()
        return tuple((parent, joint) for joint, parent in enumerate(self.parents) if parent >= 0)

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each joint, the joint that takes its place in the mirror; applied twice it is the identity."""
        order = list(range(self.num_joints))
        for a, b in zip(self.left, self.right, strict=True):
            order[a], order[b] = b, a
        return tuple(order)

    @property
    def sides(self) -> tuple[str, ...]:
        """Of every joint, the side of the body: left, right or middle."""
        side = {**dict.fromkeys(self.left, "left"), **dict.fromkeys(self.right, "right")}
        return tuple(side.get(joint, "middle") for joint in range(self.num_joints))

    @property
    def bone_sides(self) -> tuple[str, ...]:
        """The side of every bone: that of the joint where it ends, unless it crosses from one side to the other."""
        ends = [(self.sides[parent], self.sides[joint]) for parent, joint in self.bones]
        return tuple(joint if parent in ("middle", joint) else "middle" for parent, joint in ends)

    @property
    def legs(self) -> tuple[int, ...]:
        """The joints of the legs, from the hips on: those of one side that hang from the root by joints of that side."""
        legs: set[int] = set()
        for _ in self.joints:  # parents may come behind their children
            legs |= {
                joint
                for joint, parent in enumerate(self.parents)
                if self.sides[joint] != "middle" and parent >= 0 and (parent in legs or self.parents[parent] == -1)
            }
        return tuple(sorted(legs))

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    def sketch(self, points: Sequence[tuple[float, float]]) -> str:
        """A pose as a small SVG: a point for each joint, to the right and down, in any unit."""
        xs, ys = zip(*points, strict=True)
        scale = 150 / max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
        spots = [(scale * (x - min(xs)) + 5, scale * (y - min(ys)) + 5) for x, y in points]
        bones = self.bones or [(joint, joint) for joint in range(self.num_joints)]
        sides = self.bone_sides if self.bones else self.sides
        colours = {"left": LEFT, "right": RIGHT, "middle": "currentColor"}
        lines = "".join(
            f'<path d="M{spots[a][0]:.1f} {spots[a][1]:.1f}L{spots[b][0]:.1f} {spots[b][1]:.1f}" stroke="{colours[side]}"/>'
            for (a, b), side in zip(bones, sides, strict=True)
        )
        width, height = (max(along) + 5 for along in zip(*spots, strict=True))
        return (
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
            f'style="flex:none" stroke-width="4" stroke-linecap="round" role="img" aria-label="a pose">{lines}</svg>'
        )


def sided_skeleton(name: str, joints: str, parents: tuple[int, ...] = ()) -> Skeleton:
    """A skeleton of joints with spaces between them, whose names tell the sides: LKnee and RKnee are a pair in the mirror."""
    names = joints.split()
    left = [joint for joint in names if joint[0] == "L" and f"R{joint[1:]}" in names]
    right = [f"R{joint[1:]}" for joint in left]
    return Skeleton(name, tuple(names), parents, tuple(map(names.index, left)), tuple(map(names.index, right)))


# The 17 joints that work on Human3.6M uses, the root (pelvis) first.
H36M_17 = sided_skeleton(
    "h36m_17",
    "Hip RHip RKnee RFoot LHip LKnee LFoot Spine Thorax Neck Head LShoulder LElbow LWrist RShoulder RElbow RWrist",
    (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
)
# Which of the 32 joints of the Human3.6M files the 17 are, in order; others stand where one of them stands, or hardly move.
H36M_17_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)

# The one joint that a trajectory is of.
ROOT = sided_skeleton("root", "Root", (-1,))

HUMANEVA_15 = sided_skeleton(
    "humaneva_15",
    "Pelvis Thorax LShoulder LElbow LWrist RShoulder RElbow RWrist LHip LKnee LAnkle RHip RKnee RAnkle Head",
    (-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1),
)
# HumanEva's limbs end where its model of the body says, so elbows and knees are two points each, close together.
HUMANEVA_20 = sided_skeleton(
    "humaneva_20",
    "Pelvis Thorax Neck LShoulder LUpperArmEnd LForearmStart LWrist RShoulder RUpperArmEnd RForearmStart RWrist "
    "LHip LThighEnd LShankStart LAnkle RHip RThighEnd RShankStart RAnkle Head",
    (-1, 0, 1, 1, 3, 4, 5, 1, 7, 8, 9, 0, 11, 12, 13, 0, 15, 16, 17, 2),
)

COCO_17 = sided_skeleton(
    "coco_17",
    "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle RAnkle",
)
# The pairs of its joints between which a picture has a line.
COCO_LINES = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10),
    (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip

MPII_16 = sided_skeleton(
    "mpii_16",
    "RAnkle RKnee RHip LHip LKnee LAnkle Pelvis Thorax UpperNeck HeadTop RWrist RElbow RShoulder LShoulder LElbow LWrist",
    (1, 2, 6, 6, 3, 4, -1, 6, 7, 8, 11, 12, 7, 7, 13, 14),
)
