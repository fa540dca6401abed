"""Checks of the dataset as a whole: duplicates, differences between takes, and turned cameras."""

import hashlib
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import ERROR, WARNING
from pose3d_lib.data.doctor.findings import TAKE, Finding, leave_out_parameter
from pose3d_lib.data.doctor.limits import COMMON_STEP_RATE, LYING, SEEN, SHORTEST_BONE
from pose3d_lib.data.doctor.measures import Measure
from pose3d_lib.data.doctor.motion import bone_names, find_legs, measure_place, step_rate, typical_bones

SAME = 1e-5
"""Metres between the distances of joints to the root, averaged over a take, in takes that are taken for the same."""

FEWEST_TO_COMPARE = 8
"""Clips of a 2D source from which on one can be said to stand out."""

FEWEST_FRAMES = 10
"""Frames of a camera from which on people in it can be said to be turned."""


def first_cameras(data: PoseDataset) -> np.ndarray:
    """Row numbers of each labelled take's first clip: its 3D motion is the same in all of them."""
    clips = data.clips.reset_index(drop=True)
    return clips[clips.labelled].drop_duplicates(TAKE).index.to_numpy()


def measure_whole(data: PoseDataset, usable: Sequence[int]) -> Iterator[Measure]:
    """Compare takes with each other, and measure medians over all of them.

    Args:
        data: the dataset.
        usable: row numbers of the takes' first clips whose poses are finite.
    """
    rows = list(data.clips.itertuples(index=False))
    clips = [rows[number] for number in usable]
    yield from _compare_bones(data, usable, clips)
    placed = [clip for clip in clips if data.camera_of(clip).is_placed] if find_legs(data.skeleton) else []
    if placed:
        lowest, tilts = np.transpose([measure_place(data, clip) for clip in placed])
        yield Measure(-1, "floor", float(np.median(lowest)))
        yield Measure(-1, "upright", float(np.mean(tilts > LYING)))
    walks = [clip for clip in clips if "walk" in clip.action.casefold()]
    if rates := [rate for clip in walks if (rate := step_rate(data, clip))]:
        rate = float(np.median(rates))
        yield Measure(-1, "step rate", rate, detail=f"{COMMON_STEP_RATE / rate:.2g}")


def stand_out(found: Sequence[Measure]) -> Iterator[Measure]:
    """Compare each clip's detections with those of the median clip of the same 2D source."""
    off = pd.DataFrame([m for m in found if m.check == "detections"], columns=list(Measure._fields))
    for source, own in off.groupby("source"):
        if len(own) >= FEWEST_TO_COMPARE:
            typical = max(own.value.median(), 0.01)
            for clip, value in zip(own["clip"], own.value, strict=True):
                yield Measure(clip, "unlike the others", value / typical, source=source)


def find_turned(data: PoseDataset, turned: Sequence[tuple]) -> Iterator[Measure]:
    """Of each camera and 2D source, the shares of frames in which people are turned.

    It is of cameras because people lie in some clips and stand on their heads in others, and in few frames keypoints
    that are a little off can look like anything. The share is reported of the clip that has most such frames.

    Args:
        data: the dataset.
        turned: of every clip, 2D source and check: clip, check, source, frames, those that show it, those that are turned,
            the first of these.
    """
    table = pd.DataFrame(turned, columns=["clip", "check", "source", "frames", "seen", "count", "first"])
    cameras = data.clips.camera.to_numpy()[table["clip"].to_numpy(int)]
    for (camera, check, source), own in table.groupby([cameras, "check", "source"], sort=False):
        frames, seen, count = own[["frames", "seen", "count"]].sum()
        if seen >= max(SEEN * frames, FEWEST_FRAMES):
            worst, name = own.loc[own["count"].idxmax()], data.cameras[camera].name
            yield Measure(worst["clip"], check, count / seen, worst["first"], worst["count"], name, source)


def _compare_bones(data: PoseDataset, usable: Sequence[int], clips: list[pd.Series]) -> Iterator[Measure]:
    if not data.skeleton.bones or not clips:
        return
    bones = np.stack([typical_bones(data, clip) for clip in clips])
    subjects, names = np.array([clip.subject for clip in clips]), bone_names(data.skeleton)
    for subject in dict.fromkeys(subjects):
        own = np.flatnonzero(subjects == subject)
        typical = np.median(bones[own], axis=0)
        compared = np.flatnonzero(typical > SHORTEST_BONE)
        if len(own) < 2 or not len(compared):
            continue
        for take in own:
            changes = np.abs(bones[take, compared] / typical[compared] - 1)
            worst = int(changes.argmax())
            yield Measure(usable[take], "bones of a subject", float(changes[worst]), detail=names[compared[worst]])


def find_duplicates(
    data: PoseDataset, usable: Sequence[int], sources: Sequence[str], parameters: Collection[str]
) -> Iterator[Finding]:
    """Takes with the same motion, wherever they were filmed, and clips with the same keypoints, bit for bit."""
    from scipy.spatial import cKDTree

    clips, known = list(data.clips.itertuples(index=False)), set()  # the first three fields of a clip name its take
    lengths = (data.clips.stop - data.clips.start).to_numpy()
    for _, numbers in pd.Series(usable, dtype=int).groupby(lengths[np.asarray(usable, int)]):
        if len(numbers) < 2:
            continue
        shapes = [_distances(data.positions[clips[number].start : clips[number].stop]) for number in numbers]
        tree = cKDTree(np.stack([shape.mean(axis=0) for shape in shapes]))
        alike = tree.query_pairs(SAME * np.sqrt(data.skeleton.num_joints), output_type="ndarray")
        told: set[int] = set()  # each take is told of once, with the first that it repeats
        for a, b in alike[np.lexsort(alike.T[::-1])].tolist():
            if b not in told and np.abs(shapes[a] - shapes[b]).max() < SAME:
                told.add(b)
                first, second = clips[numbers.iloc[a]], clips[numbers.iloc[b]]
                yield _twice(data, first, second, "the same motion as", parameters)
                known.add((first[:3], second[:3]))
    for source in sources:
        seen: dict[bytes, tuple] = {}
        for clip in clips:
            digest = hashlib.blake2b(np.ascontiguousarray(data.keypoints[source][clip.start : clip.stop])).digest()
            before = seen.setdefault(digest, clip)
            if before is not clip and (before[:3], clip[:3]) not in known:
                yield _twice(data, before, clip, f"the same {source} keypoints as", parameters)


def _distances(poses: np.ndarray) -> np.ndarray:
    """Of the joints from the root, which no camera and no heading changes: (frames, joints, 3) -> (frames, joints)."""
    return np.linalg.norm(poses.astype(np.float64), axis=-1)


def _twice(data: PoseDataset, first: tuple, second: tuple, words: str, parameters: Collection[str]) -> Finding:
    tested = {clip.subject in data.test_subjects for clip in (first, second)}
    trained = {clip.subject in data.train_subjects for clip in (first, second)}
    level = ERROR if tested == trained == {True, False} else WARNING
    same_take = first[:3] == second[:3]
    other = f"camera {data.camera_of(first).name}" if same_take else "/".join(first[:3])
    possible = second.labelled and not same_take
    hint = leave_out_parameter(parameters, ": ", ["/".join(second[:3])]) if possible else ""
    both = "; one is trained on, the other tested" if level == ERROR else ""
    return Finding(
        level,
        "duplicates",
        f"{words} {other}{both}",
        f"use one of them only{hint}",
        *second[:3],
        data.camera_of(second).name,
    )
