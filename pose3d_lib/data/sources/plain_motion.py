"""Plain motion: an `.npz` of float arrays (frames, 17, 3), world metres, under keys `subject/Action/take`.

The motion is seen through the four Human3.6M cameras of S1, each clip centred in the room, so that the paper's question
can be asked of any open motion capture, without Human3.6M.
"""

from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.filming import GT, NEAREST, SIMULATED, Take, film, nearest_depth, uprightness
from pose3d_lib.data.sources.takes import Key, leave_out, read_takes, split_subjects
from pose3d_lib.data.spec import DataSpec, Progress
from pose3d_lib.data.untrusted.client import list_keys, read_file

PARAMETERS = ("data_seed", "fps", "train_subjects", "test_subjects", "leave_out")
KEYPOINTS = SIMULATED
FPS = 50.0  # of clips whose frame rate is not given


def recognise(path: Path) -> bool:
    """Whether it is an `.npz` with some key like subject/Action/take, or one that is too damaged to tell."""
    try:
        return path.suffix.lower() == ".npz" and path.is_file() and any("/" in key for key in list_keys(path, "npz"))
    except InputError:
        return True  # so that it is opened again and refused with its reason


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    check_name(spec.keypoints, (GT, SIMULATED), "keypoints of plain motion")
    list_takes(path)
    return path.stem, [path]


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    kept, _ = leave_out(list_takes(path), spec.leave_out, path)
    return tuple(dict.fromkeys(action for _, action, _ in kept))


def list_takes(path: Path) -> dict[Key, str]:
    """(subject, action, take) -> its key, of every array of the file, in the file's order."""
    takes: dict[Key, str] = {}
    for stored in list_keys(path, "npz"):
        key = tuple(tidy_name(stored).split("/"))
        if len(key) != 3 or not all(key) or key in takes:
            raise InputError(f"{path}: key {stored!r}: expected subject/Action/take, such as S1/Walking/walk_03, once")
        takes[key] = stored
    if not takes:
        raise InputError(f"{path}: there is not a single array in it")
    return takes


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    stored = list_takes(path)
    keys, notes = leave_out(stored, spec.leave_out, path)
    subjects = [subject for subject, _, _ in keys]
    train, test, split = split_subjects(subjects, spec.train_subjects, spec.test_subjects, path)
    notes += split
    if spec.fps is None:
        notes.append(f"Taken for {FPS:g} frames per second (`fps` says otherwise).")
    used = {"/".join(key): key for key in keys if key[0] in (*train, *test)}
    found = read_file(path, "npz", [stored[key] for key in used.values()])
    arrays = {name: found[stored[key]] for name, key in used.items()}
    motions = read_takes(list(used), lambda name: _check_motion(arrays[name], f"{path}: key {name!r}"), progress)
    takes = [Take(key, motion) for key, motion in zip(used.values(), motions, strict=True)]
    if np.median([uprightness(motion) for motion in motions]) < 0.5:
        raise InputError(f"{path}: in most takes the bodies do not stand along z; expected world metres, z up")
    return film(
        takes,
        name=path.stem,
        synthetic=False,
        fps=spec.fps or FPS,
        seed=spec.data_seed,
        scores=spec.scores,
        train_subjects=train,
        test_subjects=test,
        notes=notes,
    )


def _check_motion(motion: object, where: str) -> np.ndarray:
    """The array under a key, where it is the motion of a person."""
    if isinstance(motion, InputError):
        raise motion
    expected = f"expected float (frames, {H36M_17.num_joints}, 3), world metres"
    shape, kind = getattr(motion, "shape", ()), getattr(motion, "dtype", np.dtype(object))
    if kind.kind != "f" or len(shape) != 3 or shape[1:] != (H36M_17.num_joints, 3) or not len(motion):
        raise InputError(f"{where} is {kind}{shape}, {expected}")
    if not (finite := np.isfinite(motion).all(axis=(1, 2))).all():
        raise InputError(f"{where} holds NaN or infinity, first in frame {finite.argmin()}")
    with np.errstate(over="ignore"):
        height = np.ptp(motion[..., 2], axis=1).max()
    if not 0.2 < height < 4:
        raise InputError(f"{where} is {height:.3g} tall along z; {expected}, z up")
    nearest = nearest_depth(motion)
    if nearest < NEAREST:
        raise InputError(
            f"{where} comes as near as {nearest:.1f} m to a camera or behind it, although centred in the room; the "
            "room ends about 4 m from its centre: cut the clip into shorter ones, each of which is centred"
        )
    return motion
