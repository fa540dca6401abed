"""Skeletons: named joints, their parents, and which joints change places when the body is mirrored."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """A set of named joints in the order in which arrays hold them.

    Attributes:
        name: what the layout is called.
        joints: one name per joint.
        parents: index of each joint's parent, -1 for the root; empty where a layout has no tree (2D detectors).
        left, right: joints that a mirror exchanges, pair by pair.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.joints)
        if len(self.left) != len(self.right) or set(self.left) & set(self.right):
            raise ValueError(f"skeleton {self.name!r}: left {self.left} and right {self.right} are not pairs")
        if self.parents and (len(self.parents) != count or self.parents.count(-1) != 1):
            raise ValueError(f"skeleton {self.name!r}: {count} joints need {count} parents, one of them -1")

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, joint) for every joint that has a parent."""
        return tuple((parent, joint) for joint, parent in enumerate(self.parents) if parent >= 0)

    @property
    def mirror(self) -> tuple[int, ...]:
        """For each joint, the joint that takes its place in the mirror; applied twice it is the identity."""
        order = list(range(self.num_joints))
        for a, b in zip(self.left, self.right, strict=True):
            order[a], order[b] = b, a
        return tuple(order)

    def index(self, joint: str) -> int:
        return self.joints.index(joint)


H36M_17 = Skeleton(
    name="h36m_17",
    joints=(
        "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck", "Head",
        "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    left=(4, 5, 6, 11, 12, 13),
    right=(1, 2, 3, 14, 15, 16),
)  # fmt: skip
"""The 17 joints that work on Human3.6M uses, the root (pelvis) first."""

H36M_17_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Which of the 32 joints of the Human3.6M files the 17 are, in order."""

COCO_17 = Skeleton(
    name="coco_17",
    joints=(
        "Nose", "LEye", "REye", "LEar", "REar", "LShoulder", "RShoulder", "LElbow", "RElbow", "LWrist", "RWrist",
        "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle",
    ),
    parents=(),
    left=(1, 3, 5, 7, 9, 11, 13, 15),
    right=(2, 4, 6, 8, 10, 12, 14, 16),
)  # fmt: skip
