"""The joints of VideoPose3D's 2D keypoints: from the metadata that a file holds, and into such metadata."""

from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import COCO_17, H36M_17, HUMANEVA_15, HUMANEVA_20, MPII_16, Skeleton
from pose3d_lib.data.sources.filming import GT
from pose3d_lib.data.untrusted.client import read_npz_key

LAYOUTS = {
    "h36m": H36M_17,
    "coco": COCO_17,
    "mpii": MPII_16,
    "humaneva15": HUMANEVA_15,
    "humaneva20": HUMANEVA_20,
}  # by VideoPose3D's names

NAMES = {layout: name for name, layout in LAYOUTS.items()}

# Keypoints whose files do not name their layout; neither do files of ground truth, whose joints are those of the 3D.
UNNAMED = {"sh_pt_mpii": "mpii", "sh_ft_h36m": "mpii"}
MOST_JOINTS = 1000


def read_layout(
    path: Path, keypoints: str, skeleton: Skeleton, described: Skeleton | None = None
) -> tuple[Skeleton, list[str]]:
    """The joints of the 2D keypoints in `data_2d_*.npz`, and notes on what was corrected.

    A known layout where there is a name for it, otherwise numbered joints.

    Args:
        path, keypoints: the file, and what its name calls the keypoints.
        skeleton: the joints of the 3D, which those of ground truth are.
        described: the layout, if it is known from elsewhere; the metadata then have to agree.
    """
    metadata = read_npz_key(path, "metadata")
    where = f"{path}, key 'metadata'"
    try:
        count = int(metadata["num_joints"])
        left, right = (tuple(int(joint) for joint in side) for side in metadata["keypoints_symmetry"])
        usual = NAMES.get(skeleton) if keypoints == GT else UNNAMED.get(keypoints)
        name = metadata.get("layout_name", usual)
        sided = (*left, *right)
        if not 0 < count <= MOST_JOINTS or len(set(sided)) < len(sided) or not set(sided) <= set(range(count)):
            raise ValueError(f"keypoints_symmetry {left}, {right} does not suit {count} joints")
        if not isinstance(name, str | None):
            raise ValueError(f"layout_name {name!r} is no name")
        found = Skeleton(name or keypoints, tuple(f"joint_{joint}" for joint in range(count)), (), left, right)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"{where}: expected num_joints and keypoints_symmetry [left, right] ({error!r})") from error
    expected = described or LAYOUTS.get(name)
    if expected is None:
        return found, []
    notes = []
    if expected == MPII_16 and (set(left), set(right)) == (set(expected.left), set(expected.right)):
        # The published stacked hourglass files list both sides from the lowest number: a hip opposite an ankle.
        if found.mirror != expected.mirror:
            notes.append(
                f"{path.name} pairs left {left} with right {right}; the mirror exchanges {expected.left} and "
                f"{expected.right} instead, each joint with its own opposite."
            )
    elif (count, found.mirror) != (expected.num_joints, expected.mirror):
        raise InputError(
            f"{where}: layout {name or expected.name!r} has {expected.num_joints} joints, left {expected.left}, right "
            f"{expected.right}; found {count}, left {left}, right {right}"
        )
    if count != expected.num_joints:
        raise InputError(f"{where}: layout {name!r} has {expected.num_joints} joints; found {count}")
    return expected, notes


def layout_metadata(layout: Skeleton) -> dict[str, object]:
    """The metadata that VideoPose3D's files hold of their keypoints."""
    return {
        "layout_name": NAMES.get(layout, layout.name),
        "num_joints": layout.num_joints,
        "keypoints_symmetry": [list(layout.left), list(layout.right)],
    }
