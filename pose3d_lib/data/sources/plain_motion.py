"""Plain motion: an `.npz` of float arrays (frames, 17, 3), world metres, under keys `subject/Action/take`.

The motion is seen through the four Human3.6M cameras of S1, each clip centred in the room, so that somebody without
Human3.6M can ask the paper's question of any open motion capture.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.filming import GT, SIMULATED, Take, film
from pose3d_lib.data.sources.placing import CAMERAS_OF, NEAREST, centred, nearest_depth, room_cameras, uprightness
from pose3d_lib.data.sources.takes import Key, leave_out, split_subjects
from pose3d_lib.data.spec import DataSpec, Found, Progress
from pose3d_lib.data.untrusted.client import list_npz_keys, read_file

PARAMETERS = ("data_seed", "fps", "train_subjects", "test_subjects", "leave_out")
KEYPOINTS = SIMULATED

FPS = 50.0
"""Of clips whose frame rate nobody gives."""

MOST_BAD = 5
"""Takes that cannot be used and are named at once."""


def recognise(path: Path) -> bool:
    """Whether it is an `.npz` with some key like subject/Action/take, or one that is too damaged to tell."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        return any("/" in key for key in list_npz_keys(path))
    except InputError:
        return True  # so that it is opened again and refused with its reason


def find(spec: DataSpec, path: Path) -> Found:
    check_name(spec.keypoints, (GT, SIMULATED), "keypoints of plain motion")
    list_takes(path)
    return Found(path.stem, (path,))


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    kept, _ = leave_out(list_takes(path), spec.leave_out, path)
    return tuple(dict.fromkeys(action for _, action, _ in kept))


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    return read_plain_motion(
        path,
        fps=spec.fps,
        train_subjects=spec.train_subjects,
        test_subjects=spec.test_subjects,
        without=spec.leave_out,
        seed=spec.data_seed,
        scores=spec.scores,
    )


def list_takes(path: Path) -> list[Key]:
    """(subject, action, take) of every array of the file, in the file's order."""
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such file. Plain motion is an .npz of float arrays (frames, 17, 3) in world metres "
            "under keys subject/Action/take; give its path, or put it into the folder that POSE3D_DATA names"
        )
    keys = _stored_keys(path)
    for key in keys:
        if key.count("/") != 2 or not all(key.split("/")):
            raise InputError(f"{path}: key {key!r}: expected subject/Action/take, such as S1/Walking/walk_03")
    if not keys:
        raise InputError(f"{path}: there is not a single array in it")
    return [tuple(key.split("/")) for key in keys]


def read_plain_motion(
    path: Path,
    *,
    fps: float | None = None,
    train_subjects: Sequence[str] = (),
    test_subjects: Sequence[str] = (),
    without: Sequence[str] = (),
    seed: int,
    scores: bool = False,
) -> PoseDataset:
    """Reads the file and films every clip of it.

    Args:
        path: the `.npz`.
        fps: frames per second of its clips; `FPS` if not given.
        train_subjects, test_subjects: as in `split_subjects`.
        without: takes to leave out, as in `leave_out`.
        seed: of the detector-like 2D error.
        scores: whether the dataset gets scores of its keypoints.
    """
    keys, notes = leave_out(list_takes(path), without, path)
    train_subjects, test_subjects, said = split_subjects(
        [subject for subject, _, _ in keys], train_subjects, test_subjects, path
    )
    notes += said
    if fps is None:
        notes.append(f"Taken for {FPS:g} frames per second (`fps` says otherwise).")
    stored = _stored_keys(path)
    used = ["/".join(key) for key in keys if key[0] in (*train_subjects, *test_subjects)]
    found = read_file(path, "npz", [stored[key] for key in used])
    takes, upright, bad = [], [], {}
    for key in used:
        try:
            motion = _check_motion(found[stored[key]], path, key)
        except InputError as error:
            bad[key] = str(error)
            if len(bad) == MOST_BAD:
                break
            continue
        upright.append(uprightness(motion))
        takes.append(Take(*key.split("/"), len(motion), lambda motion=motion: centred(motion)))
    if bad:
        raise InputError(
            "\n".join(bad.values()) + f"\nMend them, or leave them out: -p leave_out {shlex.quote(','.join(bad))}"
        )
    if np.median(upright) < 0.5:
        raise InputError(f"{path}: in most takes the bodies do not stand along z; expected world metres, z up")
    return film(
        takes,
        dict.fromkeys((*train_subjects, *test_subjects), room_cameras()),
        name=path.stem,
        synthetic=False,
        fps=fps or FPS,
        seed=seed,
        scores=scores,
        train_subjects=train_subjects,
        test_subjects=test_subjects,
        notes=[*notes, f"The 2D keypoints are projections through the Human3.6M cameras of {CAMERAS_OF}."],
    )


def _stored_keys(path: Path) -> dict[str, str]:
    """The file's keys by their tidy names, in the file's order."""
    stored = list_npz_keys(path)
    tidy = {tidy_name(key): key for key in stored}
    if len(tidy) < len(stored):
        twice = next(key for key in stored if tidy[tidy_name(key)] != key)
        raise InputError(f"{path}: key {twice!a} is there twice, in two ways of writing it; rename one")
    return tidy


def _check_motion(motion: object, path: Path, key: str) -> np.ndarray:
    """The array under a key, where it is the motion of a person."""
    if isinstance(motion, InputError):
        raise motion
    if not isinstance(motion, np.ndarray):
        raise InputError(f"{path}: key {key!r} holds an object; expected a plain array")
    expected = f"expected float (frames, {H36M_17.num_joints}, 3), world metres"
    if motion.dtype.kind != "f" or motion.ndim != 3 or motion.shape[1:] != (H36M_17.num_joints, 3) or not len(motion):
        raise InputError(f"{path}: key {key!r} is {motion.dtype}{motion.shape}, {expected}")
    if not np.isfinite(motion).all():
        raise InputError(f"{path}: key {key!r} holds NaN or infinity, first in frame {_first_bad(motion)}")
    with np.errstate(over="ignore"):
        height = np.ptp(motion[..., 2], axis=1).max()
    if not 0.2 < height < 4:
        raise InputError(f"{path}: key {key!r} is {height:.3g} tall along z; {expected}, z up")
    head, feet = H36M_17.index("Head"), [H36M_17.index("RFoot"), H36M_17.index("LFoot")]
    if motion[:, head, 2].mean() < motion[:, feet, 2].mean():
        raise InputError(f"{path}: key {key!r}: the head is below the feet; {expected}, z up")
    nearest = nearest_depth(motion)
    if nearest < NEAREST:
        raise InputError(
            f"{path}: key {key!r} comes as near as {nearest:.1f} m to a camera or behind it, although centred in the room; "
            f"the room ends about 4 m from its centre: cut the clip into shorter ones, each of which is centred"
        )
    return motion


def _first_bad(motion: np.ndarray) -> int:
    return int(np.argmin(np.isfinite(motion).all(axis=(1, 2))))
