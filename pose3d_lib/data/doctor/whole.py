"""What only all clips together tell: how takes differ, turned cameras, motion that is there twice, what the table lacks."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import some
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import motion
from pose3d_lib.data.doctor.checks import CAMERA, CHECKS, ERROR, NOTE, RECEPTIVE_FIELD, STEP_RATE, WARNING
from pose3d_lib.data.doctor.keypoints import shared_joints
from pose3d_lib.data.doctor.measures import LYING, TAKE, Finding, Measure, head_and_feet, leave_out_parameter

SAME = 1e-5  # metres between the distances of joints to the root in takes that are taken for the same
FEWEST_FRAMES = 10  # of a camera, from which on it can be said to be turned
# Checks without a limit, and what they look at.
TABLE_CHECKS = {
    "missing": "actions that some subjects lack",
    "cameras": "takes that fewer cameras saw, or for longer or shorter",
    "frame rates": "whether all clips have the same frame rate",
    "sampling": "whether the takes of a video have one frame each",
    "duplicates": "takes with the same motion, clips with the same keypoints",
    "short clips": f"clips shorter than {RECEPTIVE_FIELD} frames",
    "not checked": "what could not be looked at",
}
FEWEST_SAMPLES, SAMPLED = 3, 0.5  # takes of one frame, and share of a video's takes, that look sampled


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
    placed = [clip for clip in clips if data.camera_of(clip).is_placed] if motion.find_legs(data.skeleton) else []
    if placed:
        lowest, tilts = np.transpose([motion.measure_place(data, clip) for clip in placed])
        yield Measure(-1, "floor", float(np.median(lowest)))
        yield Measure(-1, "upright", float(np.mean(tilts > LYING)))
    walks = [clip for clip in clips if "walk" in clip.action.casefold()]
    if rates := [rate for clip in walks if (rate := motion.step_rate(data, clip))]:
        rate = float(np.median(rates))
        yield Measure(-1, "step rate", rate, detail=f"{STEP_RATE / rate:.2g}")


def _compare_bones(data: PoseDataset, usable: Sequence[int], clips: Sequence[pd.Series]) -> Iterator[Measure]:
    if not data.skeleton.bones or not clips:
        return
    poses = (data.positions[clip.start : clip.stop].astype(np.float64) for clip in clips)
    bones = np.stack([np.median(motion.bone_lengths(each, data.skeleton), axis=0) for each in poses])
    for own in pd.Series(range(len(clips))).groupby([clip.subject for clip in clips], sort=False).indices.values():
        typical = np.median(bones[own], axis=0)
        compared = np.flatnonzero(typical > motion.SHORTEST_BONE)
        if len(own) < 2 or not len(compared):
            continue
        changes = np.abs(bones[own][:, compared] / typical[compared] - 1)
        names = motion.bone_names(data.skeleton)[compared[changes.argmax(axis=1)]]
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


def read_table(data: PoseDataset) -> Iterator[Finding]:
    """Find missing actions, cameras that differ, mixed frame rates and short clips."""
    clips = data.clips
    subjects = tuple(dict.fromkeys(clips.subject))
    for action, own in clips.groupby("action", sort=False):
        if lacking := [subject for subject in subjects if subject not in set(own.subject)]:
            having = list(dict.fromkeys(own.subject))
            have = "have" if len(having) > 1 else "has"
            what = f"{action} is missing from {_list(lacking)}; {_list(having)} {have} it"
            yield Finding(NOTE, "missing", what, "look for its files, if it should be there", action=action)
    yield from _compare_cameras(clips)
    rates = clips.groupby("fps", dropna=False).size().sort_values(ascending=False)
    if len(rates) > 1:
        parts = _list(f"{count} clips at {rate:g}" for rate, count in rates.items())
        what = f"clips of different frame rates: {parts}; {RECEPTIVE_FIELD} frames do not last equally long in them"
        yield Finding(WARNING, "frame rates", what, "prepare those of each rate as a dataset of its own")
    frames = (clips.stop - clips.start).to_numpy()
    if short := int((frames < RECEPTIVE_FIELD).sum()):
        worst = "/".join(clips.iloc[frames.argmin()][TAKE])
        what = (
            f"{short} of {len(clips)} clips are shorter than the {RECEPTIVE_FIELD} frames that the default lifter sees, "
            f"so that some of what it sees repeats the clip's ends; the shortest, {worst}, has {frames.min()}"
        )
        yield Finding(NOTE, "short clips", what, value=float(frames.min()))


def _compare_cameras(clips: pd.DataFrame) -> Iterator[Finding]:
    """Takes that fewer cameras saw than the subject's other takes, and takes whose cameras differ in frames."""
    takes = clips.assign(frames=clips.stop - clips.start).groupby(TAKE, sort=False).frames.agg(["size", "min", "max"])
    takes["usual"] = takes.groupby("subject")["size"].transform("max")
    for take, (cameras, least, most, usual) in zip(takes.index, takes.to_numpy().tolist(), strict=True):
        if cameras < usual:
            what = f"{cameras} of {usual} cameras saw this take"
            yield Finding(WARNING, "cameras", what, "look for the missing files", *take)
        if least < most:
            what = f"its cameras have {least} to {most} frames"
            yield Finding(WARNING, "cameras", what, "look for cut or damaged files", *take)


def find_sampled(data: PoseDataset, clips: pd.DataFrame, parameters: Collection[str]) -> Iterator[Finding]:
    """Videos that are takes of one frame, as of frames that were sampled."""
    if not data.first_frames:
        return
    first = np.array(data.first_frames)[data.clips.index.get_indexer(clips.index)]
    clips = clips.assign(first=first, single=clips.stop - clips.start == 1)
    for (subject, action, _), own in clips.groupby(["subject", "action", "camera"], sort=False):
        single = int(own.single.sum())
        if single < FEWEST_SAMPLES or single < SAMPLED * len(own):
            continue
        apart = int(np.median(np.diff(np.sort(own["first"]))))
        what = (
            f"{single} of {len(own)} takes of {subject} have one frame, {apart} frames apart: "
            "they look like sampled frames"
        )
        advice = "a lifter needs successive frames: find the keypoints of every frame of the video"
        if "max_gap" in parameters:
            advice += f"; -p max_gap {apart - 1} fills the frames between them in, by straight lines"
        yield Finding(WARNING, "sampling", what, advice, subject, action, own["take"].iloc[0], value=float(single))


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
    projected = any(camera.intrinsics is not None for camera in used)
    for source in sources:
        if not all(head_and_feet(data.layouts[source])):
            yield f"whether people stand upright in the image: no {source} keypoints are called head and feet"
        if projected and not shared_joints(data.skeleton, data.layouts[source]):
            yield f"whether the {source} keypoints belong to 3D: it is not known which joint is which"


def _list(names: Iterable[str]) -> str:
    return some(list(dict.fromkeys(names)), 6)
