"""What only all clips together tell: how takes differ, turned cameras, and motion that is there twice."""

import hashlib
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import CAMERA, CHECKS, ERROR, STEP_RATE, WARNING
from pose3d_lib.data.doctor.measures import LYING, TAKE, Finding, Measure, leave_out_parameter
from pose3d_lib.data.doctor.motion import (
    SHORTEST_BONE,
    bone_lengths,
    bone_names,
    find_legs,
    measure_place,
    step_rate,
)  # fmt: skip

SAME = 1e-5  # metres between the distances of joints to the root in takes that are taken for the same
FEWEST_FRAMES = 10  # of a camera, from which on it can be said to be turned


def first_cameras(data: PoseDataset) -> np.ndarray:
    """Row numbers of each labelled take's first clip: its 3D motion is the same in all of them."""
    clips = data.clips.reset_index(drop=True)
    return clips[clips.labelled].drop_duplicates(TAKE).index.to_numpy()


def measure_whole(data: PoseDataset, usable: Sequence[int]) -> Iterator[Measure]:
    """Compare takes with each other, and measure medians over all of them.

    `usable` are row numbers of the takes' first clips, those whose poses are finite.
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
        yield Measure(-1, "step rate", rate, detail=f"{STEP_RATE / rate:.2g}")


def _compare_bones(data: PoseDataset, usable: Sequence[int], clips: Sequence[pd.Series]) -> Iterator[Measure]:
    if not data.skeleton.bones or not clips:
        return
    poses = (data.positions[clip.start : clip.stop].astype(np.float64) for clip in clips)
    bones = np.stack([np.median(bone_lengths(each, data.skeleton), axis=0) for each in poses])
    for own in pd.Series(range(len(clips))).groupby([clip.subject for clip in clips], sort=False).indices.values():
        typical = np.median(bones[own], axis=0)
        compared = np.flatnonzero(typical > SHORTEST_BONE)
        if len(own) < 2 or not len(compared):
            continue
        changes = np.abs(bones[own][:, compared] / typical[compared] - 1)
        names = bone_names(data.skeleton)[compared[changes.argmax(axis=1)]]
        for take, value, name in zip(own, changes.max(axis=1), names.tolist(), strict=True):
            yield Measure(usable[take], "bones of a subject", float(value), detail=name)


def pool_cameras(data: PoseDataset, found: Sequence[Measure]) -> list[Measure]:
    """The measures, with the frames that show turned people put together for each camera and 2D source.

    People lie in some clips and stand on their heads in others, and in few frames keypoints that are a little off can
    look like anything. The value of a clip was its number of frames; that of a camera is the share of turned frames, and
    is reported of the clip that has most of them.
    """
    of_cameras = {check.name for check in CHECKS.values() if check.scope == CAMERA}
    pooled = [measure for measure in found if measure.check not in of_cameras]
    turned = pd.DataFrame([measure for measure in found if measure.check in of_cameras], columns=Measure._fields)
    cameras = data.clips.camera.iloc[list(turned["clip"])].to_numpy()
    for (camera, check, source), own in turned.groupby([cameras, "check", "source"], sort=False):
        if own.value.sum() >= FEWEST_FRAMES:
            worst, share = own.loc[own["count"].idxmax()], own["count"].sum() / own.value.sum()
            name = data.cameras[camera].name
            pooled.append(Measure(worst["clip"], check, share, worst.frame, worst["count"], name, source))
    return pooled


def find_duplicates(
    data: PoseDataset, usable: Sequence[int], sources: Sequence[str], parameters: Collection[str]
) -> Iterator[Finding]:
    """Takes with the same motion, wherever they were filmed, and clips with the same keypoints, bit for bit."""
    from scipy.spatial import cKDTree

    clips, known = list(data.clips.itertuples(index=False)), set()  # the first three fields of a clip name its take
    frames = [clips[number].stop - clips[number].start for number in usable]
    for _, numbers in pd.Series(usable, dtype=int).groupby(frames):
        own = [clips[number] for number in numbers]
        # Distances from the root, which no camera and no heading changes: (frames, joints).
        poses = (data.positions[clip.start : clip.stop].astype(np.float64) for clip in own)
        shapes = [np.linalg.norm(pose, axis=-1) for pose in poses]
        tree = cKDTree(np.stack([shape.mean(axis=0) for shape in shapes]))
        reported: set[int] = set()  # each take once, with the first that it repeats
        alike = tree.query_pairs(SAME * np.sqrt(data.skeleton.num_joints), output_type="ndarray")
        for a, b in alike[np.lexsort(alike.T[::-1])].tolist():
            if b not in reported and np.abs(shapes[a] - shapes[b]).max() < SAME:
                reported.add(b)
                yield _twice(data, own[a], own[b], "the same motion as", parameters)
                known.add((own[a][:3], own[b][:3]))
    for source in sources:
        seen: dict[bytes, tuple] = {}
        for clip in clips:
            digest = hashlib.blake2b(np.ascontiguousarray(data.keypoints[source][clip.start : clip.stop])).digest()
            before = seen.setdefault(digest, clip)
            if before is not clip and (before[:3], clip[:3]) not in known:
                yield _twice(data, before, clip, f"the same {source} keypoints as", parameters)


def _twice(data: PoseDataset, first: tuple, second: tuple, words: str, parameters: Collection[str]) -> Finding:
    tested = {clip.subject in data.test_subjects for clip in (first, second)}
    trained = {clip.subject in data.train_subjects for clip in (first, second)}
    level = ERROR if tested == trained == {True, False} else WARNING
    same_take = first[:3] == second[:3]
    other = f"camera {data.camera_of(first).name}" if same_take else "/".join(first[:3])
    possible = second.labelled and not same_take
    hint = leave_out_parameter(parameters, ": ", ["/".join(second[:3])]) if possible else ""
    both = "; one is trained on, the other tested" if level == ERROR else ""
    advice = f"use one of them only{hint}"
    return Finding(level, "duplicates", f"{words} {other}{both}", advice, *second[:3], data.camera_of(second).name)
