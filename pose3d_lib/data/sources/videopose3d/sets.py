"""What VideoPose3D's files do not say and a reader has to know: cameras, joints, frame rate, who is tested on.

It is known of Human3.6M and of HumanEva-I. Of any other set it stands in a description, which `export` writes beside
the arrays: a text of JSON under a key of its own that other programs pass over.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import H36M_ACTIONS, nearest
from pose3d_lib.data.cameras import Camera, h36m_cameras, humaneva_cameras
from pose3d_lib.data.skeleton import COCO_17, H36M_17, H36M_17_OF_32, HUMANEVA_15, HUMANEVA_20, MPII_16, Skeleton
from pose3d_lib.data.sources import human36m_facts
from pose3d_lib.data.sources.filming import GT
from pose3d_lib.data.untrusted.client import list_keys, read_npz_key

HUMANEVA_SUBJECTS = {
    "train": ("Train/S1", "Train/S2", "Train/S3"),
    "test": ("Validate/S1", "Validate/S2", "Validate/S3"),
}
HUMANEVA_FPS = 60.0
HUMANEVA_TERMS = (
    "HumanEva-I is given out by agreement, for research (http://humaneva.is.tue.mpg.de); the agreement decides what may be "
    "done with weights that were trained on it."
)

DESCRIPTION = "pose3d_dataset"  # the key of the description in `data_3d_*.npz`
MOST_JOINTS = 1000

# The joints of 2D keypoints by VideoPose3D's names. Some files do not name theirs; neither do those of ground truth,
# whose joints are those of the 3D.
LAYOUTS = {"h36m": H36M_17, "coco": COCO_17, "mpii": MPII_16, "humaneva15": HUMANEVA_15, "humaneva20": HUMANEVA_20}
NAMES = {layout: name for name, layout in LAYOUTS.items()}
UNNAMED = {"sh_pt_mpii": "mpii", "sh_ft_h36m": "mpii"}


class MotionSet(BaseModel):
    """What has to be known of a set besides its files; attributes as of a `PoseDataset`.

    Attributes:
        fps: frames per second.
        actions: all there can be; empty where only the file says.
        cameras: subject -> its cameras, in the order of the files.
        layouts: name of a 2D source -> its joints, where they are known from elsewhere than the file's metadata.
        train_subjects, test_subjects: empty where the set does not say.
        unplaced: the cameras of every other subject, none of which has 3D joints; empty if there may be no other.
        is_human36m: whether `human36m_facts` is true of its takes and sizes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(pattern=r"^[^/\\\x00-\x1f]{1,100}$")
    synthetic: bool
    fps: float = Field(gt=0, le=10_000)
    skeleton: Skeleton
    actions: tuple[str, ...]
    cameras: dict[str, tuple[Camera, ...]]
    layouts: dict[str, Skeleton]
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    notes: tuple[str, ...]
    terms: str = ""
    unplaced: tuple[Camera, ...] = Field((), exclude=True)  # export writes neither this nor the next
    is_human36m: bool = Field(False, exclude=True)

    @property
    def subjects(self) -> dict[str, tuple[str, ...]]:
        return {"train": self.train_subjects, "test": self.test_subjects}

    @property
    def used_joints(self) -> dict[int, tuple[int, ...]]:
        """How many joints a file of the set may have -> which of them are the skeleton's, in its order."""
        own = self.skeleton.num_joints
        return ({32: H36M_17_OF_32} if self.skeleton == H36M_17 else {}) | {own: tuple(range(own))}

    @property
    def can_project(self) -> bool:
        """Whether every camera is calibrated and placed."""
        return all(c.intrinsics and c.orientation and c.position for own in self.cameras.values() for c in own)

    def cameras_of(self, subject: str) -> tuple[Camera, ...]:
        return self.cameras.get(subject, self.unplaced)

    def changed(self, **fields: object) -> "MotionSet":
        return self.model_copy(update=fields)


@cache
def known_sets() -> dict[str, MotionSet]:
    """What stands between `data_3d_` and `.npz` -> the set."""
    human36m = MotionSet(
        name="h36m",
        synthetic=False,
        fps=human36m_facts.FPS,
        skeleton=H36M_17,
        actions=(),
        cameras=h36m_cameras(),
        layouts={},
        train_subjects=human36m_facts.SUBJECTS["train"],
        test_subjects=human36m_facts.SUBJECTS["test"],
        notes=(),
        terms=human36m_facts.TERMS,
        unplaced=_unplaced(h36m_cameras()["S1"]),  # camera number i is the same device for every subject
        is_human36m=True,
    )
    prefixes = ("Train", "Validate", "Unlabeled/Train", "Unlabeled/Validate", "Unlabeled")
    humaneva15 = human36m.changed(
        name="humaneva15",
        fps=HUMANEVA_FPS,
        skeleton=HUMANEVA_15,
        cameras={f"{prefix}/{subject}": own for subject, own in humaneva_cameras().items() for prefix in prefixes},
        train_subjects=HUMANEVA_SUBJECTS["train"],
        test_subjects=HUMANEVA_SUBJECTS["test"],
        terms=HUMANEVA_TERMS,
        unplaced=_unplaced(humaneva_cameras()["S1"]),
        is_human36m=False,
    )
    humaneva20 = humaneva15.changed(name="humaneva20", skeleton=HUMANEVA_20)
    return {motion_set.name: motion_set for motion_set in (human36m, humaneva15, humaneva20)}


def _unplaced(cameras: tuple[Camera, ...]) -> tuple[Camera, ...]:
    return tuple(replace(camera, orientation=None, position=None) for camera in cameras)


def open_set(path: Path, name: str) -> MotionSet:
    """What is known of the set in a file `data_3d_{name}.npz`: its description, or what is known of its name.

    A set without either is taken for other motion in front of Human3.6M's cameras.

    Raises:
        InputError: the description is not one.
    """
    if path.is_file() and DESCRIPTION in list_keys(path, "npz"):
        text = read_npz_key(path, DESCRIPTION)
        try:
            return MotionSet.model_validate_json(text.item())
        except (ValueError, AttributeError, TypeError) as error:
            reason = "; ".join(str(error).splitlines()[:3])[:300]
            raise InputError(
                f"{path}, key {DESCRIPTION!r}: not the description that export writes ({reason}); export again"
            ) from error
    if name in known_sets():
        return known_sets()[name]
    note = f"No cameras are known for the set {name!r}: its subjects are taken to be filmed by Human3.6M's cameras of theirs."
    return known_sets()["h36m"].changed(name=name, is_human36m=False, notes=(note,), terms="")


def describe_actions(actions: Iterable[str]) -> list[str]:
    """A note on the actions that Human3.6M does not have, if there are such."""
    own = [action for action in dict.fromkeys(actions) if action not in H36M_ACTIONS]
    close = {action: nearest(action, H36M_ACTIONS, 1) for action in own}
    named = ", ".join(f"{action} (did you mean {meant[0]}?)" if meant else action for action, meant in close.items())
    return [f"Actions by names that Human3.6M does not have are the file's own: {named}."] if own else []


def read_layout(path: Path, keypoints: str, motion_set: MotionSet) -> tuple[Skeleton, list[str]]:
    """The joints of the 2D keypoints in `data_2d_*.npz`, and notes on what was corrected.

    A known layout where there is a name for it, otherwise numbered joints. If the set has a layout of these keypoints,
    the metadata have to agree.
    """
    metadata = read_npz_key(path, "metadata")
    where = f"{path}, key 'metadata'"
    try:
        count = int(metadata["num_joints"])
        left, right = (tuple(int(joint) for joint in side) for side in metadata["keypoints_symmetry"])
        usual = NAMES.get(motion_set.skeleton) if keypoints == GT else UNNAMED.get(keypoints)
        name = metadata.get("layout_name", usual)
        expected = motion_set.layouts.get(keypoints) or LAYOUTS.get(name)
        if not 0 < count <= MOST_JOINTS:
            raise ValueError(f"num_joints {count}, expected 1 to {MOST_JOINTS}")
        found = Skeleton(str(name or keypoints), tuple(f"joint_{joint}" for joint in range(count)), (), left, right)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{where}: expected num_joints, keypoints_symmetry [left, right] and at most a text as layout_name ({error!r})"
        ) from error
    if expected is None:
        return found, []
    if (count, found.mirror) == (expected.num_joints, expected.mirror):
        return expected, []
    if (count, {*left}, {*right}) == (expected.num_joints, {*expected.left}, {*expected.right}):
        # The published stacked hourglass files list both sides from the lowest number: a hip opposite an ankle.
        note = (
            f"{path.name} pairs left {left} with right {right}; the mirror exchanges {expected.left} and "
            f"{expected.right} instead, each joint with its own opposite."
        )
        return expected, [note]
    raise InputError(
        f"{where}: layout {name or expected.name!r} has {expected.num_joints} joints, left {expected.left}, right "
        f"{expected.right}; found {count}, left {left}, right {right}"
    )


def layout_metadata(layout: Skeleton) -> dict[str, object]:
    """The metadata that VideoPose3D's files hold of their keypoints."""
    return {
        "layout_name": NAMES.get(layout, layout.name),
        "num_joints": layout.num_joints,
        "keypoints_symmetry": [list(layout.left), list(layout.right)],
    }
