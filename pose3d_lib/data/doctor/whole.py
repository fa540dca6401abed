"""What only all clips together tell: how takes differ, motion that is there twice, what the table of clips lacks."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import some
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import motion
from pose3d_lib.data.doctor.checks import ERROR, NOTE, RECEPTIVE_FIELD, STEP_RATE, WARNING
from pose3d_lib.data.doctor.keypoints import shared_joints
from pose3d_lib.data.doctor.measures import LYING, TAKE, Finding, Measure, head_and_feet, leave_out_parameter, poses_of

SAME = 1e-5  # metres between the distances of joints to the root in takes that are taken for the same
FEWEST_SAMPLES, SAMPLED = 3, 0.5  # takes of one frame, and share of a video's takes, that look sampled


def measure_whole(data: PoseDataset, usable: Sequence[int]) -> Iterator[Measure]:
    """Compare takes with each other, and measure medians over all of them.

    `usable` are row numbers of the takes' first clips, those whose poses are finite.
    """
    clips = list(data.clips.iloc[list(usable)].itertuples(index=False))
    if data.skeleton.bones and clips:
        yield from _compare_bones(data, usable, clips)
    placed = [clip for clip in clips if data.camera_of(clip).is_placed] if motion.find_legs(data.skeleton) else []
    if placed:
        lowest, tilts = np.transpose([motion.measure_place(data, clip) for clip in placed])
        yield Measure("floor", float(np.median(lowest)))
        yield Measure("upright", float(np.mean(tilts > LYING)))
    walks = [clip for clip in clips if "walk" in clip.action.casefold()]
    if rates := [rate for clip in walks if (rate := motion.step_rate(data, clip))]:
        rate = float(np.median(rates))
        yield Measure("step rate", rate, detail=f"{STEP_RATE / rate:.2g}")


def _compare_bones(data: PoseDataset, usable: Sequence[int], clips: Sequence[pd.Series]) -> Iterator[Measure]:
    medians = [np.median(motion.bone_lengths(poses_of(data, clip)[0], data.skeleton), axis=0) for clip in clips]
    bones = pd.DataFrame(medians, usable, [data.skeleton.joints[joint] for _, joint in data.skeleton.bones])
    for _, own in bones.groupby([clip.subject for clip in clips], sort=False):
        typical = own.median()
        changes = (own / typical - 1).abs().loc[:, typical > motion.SHORTEST_BONE]
        if len(own) > 1 and changes.size:
            for clip, row in changes.iterrows():
                yield Measure("bones of a subject", float(row.max()), detail=row.idxmax(), clip=clip)


def find_duplicates(
    data: PoseDataset, usable: Sequence[int], sources: Sequence[str], parameters: Collection[str]
) -> Iterator[Finding]:
    """Takes with the same motion, wherever they were filmed, and clips with the same keypoints, bit for bit."""
    from scipy.spatial import cKDTree

    clips = list(data.clips.itertuples(index=False))
    known = set()  # pairs of takes; the first three fields of a clip name its take
    frames = [clips[number].stop - clips[number].start for number in usable]
    for _, numbers in pd.Series(usable, dtype=int).groupby(frames):
        own = [clips[number] for number in numbers]
        # Distances from the root, which no camera and no heading changes: (frames, joints).
        shapes = [np.linalg.norm(poses_of(data, clip)[0], axis=-1) for clip in own]
        tree = cKDTree(np.stack([shape.mean(axis=0) for shape in shapes]))
        reported: set[int] = set()  # each take once, with the first that it repeats
        for a, b in sorted(tree.query_pairs(SAME * np.sqrt(data.skeleton.num_joints))):
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
    trained, tested = (
        {clip.subject in subjects for clip in (first, second)} for subjects in (data.train_subjects, data.test_subjects)
    )
    crossed = trained == tested == {True, False}
    first_take, take = ("/".join(clip[:3]) for clip in (first, second))
    other = f"camera {data.camera_of(first).name}" if first_take == take else first_take
    leave_out = leave_out_parameter(parameters, ": ", [take]) if second.labelled and first_take != take else ""
    what = f"{words} {other}{'; one is trained on, the other tested' if crossed else ''}"
    advice = f"use one of them only{leave_out}"
    return Finding(ERROR if crossed else WARNING, "duplicates", what, advice, take, data.camera_of(second).name)


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


def find_sampled(data: PoseDataset, clips: pd.DataFrame, parameters: Collection[str]) -> Iterator[Finding]:
    """Videos that are takes of one frame, as of frames that were sampled."""
    if not data.first_frames:
        return
    first = np.array(data.first_frames)[data.clips.index.get_indexer(clips.index)]
    clips = clips.assign(first=first, single=clips.stop - clips.start == 1)
    for (subject, _, _), own in clips.groupby(["subject", "action", "camera"], sort=False):
        single = int(own.single.sum())
        if single >= max(FEWEST_SAMPLES, SAMPLED * len(own)):
            apart = int(own["first"].sort_values().diff().median())
            what = f"{single} of {len(own)} takes of {subject} have one frame, {apart} frames apart"
            advice = "a lifter needs successive frames: find the keypoints of every frame of the video"
            if "max_gap" in parameters:
                advice += f"; -p max_gap {apart - 1} fills the frames between them in, by straight lines"
            yield Finding(
                WARNING,
                "sampling",
                f"{what}: they look like sampled frames",
                advice,
                "/".join(own.iloc[0][TAKE]),
                value=float(single),
            )


def list_unchecked(data: PoseDataset, sources: Sequence[str]) -> Iterator[str]:
    """What could not be looked at, and why."""
    clips, labelled = data.clips, data.clips[data.clips.labelled]
    if unlabelled := len(clips) - len(labelled):
        yield f"{unlabelled} of {len(clips)} clips have no 3D poses: only their keypoints were looked at"
    used = [data.cameras[number] for number in labelled.camera.unique()]
    if names := [camera.name for camera in used if camera.intrinsics is None]:
        yield f"whether 2D belongs to 3D: nothing is known of the lenses of {_list(names)}"
    if names := [camera.name for camera in used if not camera.is_placed]:
        yield f"floor and up axis: it is not known where {_list(names)} stood"
    if len(labelled) and not motion.find_legs(data.skeleton):
        legs = f"the skeleton {data.skeleton.name} has no joints called knees, left and right"
        yield f"units, knees, shoulders against hips, step rate, floor and up axis: {legs}"
    for source in sources:
        if not all(head_and_feet(data.layouts[source])):
            yield f"whether people stand upright in the image: no {source} keypoints are called head and feet"
        if used and not shared_joints(data.skeleton, data.layouts[source]):
            yield f"whether the {source} keypoints belong to 3D: it is not known which joint is which"


def _list(names: Iterable[str]) -> str:
    return some(list(dict.fromkeys(names)), 6)
