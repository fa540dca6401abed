"""What only all clips together tell: how takes differ, motion that is there twice, what the table of clips lacks."""

from collections.abc import Collection, Iterable, Iterator

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import some
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import motion
from pose3d_lib.data.doctor.checks import ERROR, NOTE, RECEPTIVE_FIELD, TAKE, WARNING, Finding, Measure, leave_out

SAME = 1e-5  # metres between the distances of joints to the root in takes that are taken for the same


def compare_bones(data: PoseDataset, first: pd.DataFrame) -> Iterator[Measure]:
    """Compare the bones of each subject's takes; `first` are their first clips, those whose poses are finite."""
    if not data.skeleton.bones or not len(first):
        return
    lengths = (motion.bone_lengths(motion.poses_of(data, clip)[0], data.skeleton) for clip in first.itertuples())
    names = [data.skeleton.joints[joint] for _, joint in data.skeleton.bones]
    bones = pd.DataFrame([np.median(own, axis=0) for own in lengths], first.index, names)
    for _, own in bones.groupby(first.subject, sort=False):
        typical = own.median()
        changes = (own / typical - 1).abs().loc[:, typical > motion.SHORTEST_BONE]
        if len(own) > 1 and changes.size:
            for clip, row in changes.iterrows():
                yield Measure("bones of a subject", float(row.max()), detail=row.idxmax(), clip=clip)


def find_duplicates(data: PoseDataset, first: pd.DataFrame, parameters: Collection[str]) -> Iterator[Finding]:
    """Takes with the same motion, wherever they were filmed, each once, with the first that it repeats.

    `first` as in `compare_bones`.
    """
    alike: dict[tuple, list] = {}
    for clip in first.itertuples():
        # Distances from the root, which no camera and no heading changes: (frames, joints).
        shape = np.linalg.norm(motion.poses_of(data, clip)[0], axis=-1)
        similar = alike.setdefault((len(shape), shape.mean(axis=0).round(3).tobytes()), [])
        before = next((other for other, own in similar if np.abs(own - shape).max() < SAME), None)
        if before is None:
            similar.append((clip, shape))
            continue
        trained = {one.subject in data.train_subjects for one in (before, clip)}
        tested = {one.subject in data.test_subjects for one in (before, clip)}
        crossed = trained == tested == {True, False}
        other, take = (f"{one.subject}/{one.action}/{one.take}" for one in (before, clip))
        what = f"the same motion as {other}{'; one is trained on, the other tested' if crossed else ''}"
        advice = f"use one of them only{leave_out(parameters, ': ', [take])}"
        yield Finding(ERROR if crossed else WARNING, "duplicates", what, advice, take)


def read_table(data: PoseDataset) -> Iterator[Finding]:
    """Find missing actions, cameras that differ, mixed frame rates and short clips."""
    clips = data.clips.assign(frames=data.clips.stop - data.clips.start)
    subjects = set(clips.subject)
    for action, own in clips.groupby("action", sort=False):
        if lacking := subjects - set(own.subject):
            have = _list(own.subject)
            what = f"{action} is missing from {_list(s for s in clips.subject if s in lacking)}; {have} have it"
            yield Finding(NOTE, "missing", what, "look for its files, if it should be there")
    takes = clips.groupby(TAKE, sort=False).frames.agg(["size", "min", "max"])
    usual = takes.groupby("subject")["size"].transform("max")
    for take, cameras in takes[takes["size"] < usual]["size"].items():
        what = f"{cameras} of {usual[take]} cameras saw this take"
        yield Finding(WARNING, "cameras", what, "look for the missing files", "/".join(take))
    for take, (_, least, most) in takes[takes["min"] < takes["max"]].iterrows():
        what = f"its cameras have {least} to {most} frames"
        yield Finding(WARNING, "cameras", what, "look for cut or damaged files", "/".join(take))
    rates = clips.fps.value_counts(dropna=False)
    if len(rates) > 1:
        parts = _list(f"{count} clips at {rate:g}" for rate, count in rates.items())
        what = f"clips of different frame rates: {parts}; {RECEPTIVE_FIELD} frames do not last equally long in them"
        yield Finding(WARNING, "frame rates", what, "prepare those of each rate as a dataset of its own")
    if short := int((clips.frames < RECEPTIVE_FIELD).sum()):
        worst = clips.iloc[clips.frames.argmin()]
        what = (
            f"{short} of {len(clips)} clips are shorter than the {RECEPTIVE_FIELD} frames that the default lifter sees, "
            f"so that some of what it sees repeats the clip's ends; the shortest, {'/'.join(worst[TAKE])}, has {worst.frames}"
        )
        yield Finding(NOTE, "short clips", what)


def list_unchecked(data: PoseDataset) -> Iterator[Finding]:
    """What could not be looked at, and why."""
    clips, labelled = data.clips, data.clips[data.clips.labelled]
    said = []
    if unlabelled := len(clips) - len(labelled):
        said.append(f"{unlabelled} of {len(clips)} clips have no 3D poses: only their keypoints were looked at")
    used = [data.cameras[number] for number in labelled.camera.unique()]
    if names := [camera.name for camera in used if camera.intrinsics is None]:
        said.append(f"whether 2D belongs to 3D: nothing is known of the lenses of {_list(names)}")
    if names := [camera.name for camera in used if not camera.is_placed]:
        said.append(f"floor and up axis: it is not known where {_list(names)} stood")
    if used and not motion.find_legs(data.skeleton):
        legs = f"the skeleton {data.skeleton.name} has no joints called knees, left and right"
        said.append(f"units, knees, shoulders against hips, step rate, floor and up axis: {legs}")
    return (Finding(NOTE, "not checked", what) for what in said)


def _list(names: Iterable[str]) -> str:
    return some(list(dict.fromkeys(names)), 6)
