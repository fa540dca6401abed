"""Checks of the table of clips: missing takes and cameras, differences between takes, and what could not be checked."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import some
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import NOTE, RECEPTIVE_FIELD, WARNING
from pose3d_lib.data.doctor.keypoints import shared_joints
from pose3d_lib.data.doctor.measures import TAKE, Finding, head_and_feet
from pose3d_lib.data.doctor.motion import find_legs

# Checks without a limit, and what they look at.
TABLE_CHECKS = {
    "missing": "actions and takes that some subjects lack",
    "cameras": "takes that fewer cameras saw, or for longer or shorter",
    "frame rates": "whether all clips have the same frame rate",
    "sampling": "whether the takes of a video have one frame each",
    "duplicates": "takes with the same motion, clips with the same keypoints",
    "short clips": f"clips shorter than {RECEPTIVE_FIELD} frames",
    "not checked": "what could not be looked at",
}
USUAL = 0.75  # of the subjects' actions must have the same number of takes for that to be usual
FEWEST_SAMPLES, SAMPLED = 3, 0.5  # takes of one frame, and share of a video's takes, that look sampled


def read_table(data: PoseDataset) -> Iterator[Finding]:
    """Find missing actions and takes, cameras that differ, mixed frame rates and short clips."""
    clips = data.clips
    subjects = tuple(dict.fromkeys(clips.subject))
    for action, own in clips.groupby("action", sort=False):
        if lacking := [subject for subject in subjects if subject not in set(own.subject)]:
            having = list(dict.fromkeys(own.subject))
            have = "have" if len(having) > 1 else "has"
            what = f"{action} is missing from {_list(lacking)}; {_list(having)} {have} it"
            yield Finding(NOTE, "missing", what, "look for its files, if it should be there", action=action)
    yield from _compare_takes(clips)
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


def _compare_takes(clips: pd.DataFrame) -> Iterator[Finding]:
    """Actions of which a subject has fewer takes than is usual, if there is a usual number."""
    takes = clips.drop_duplicates(TAKE).groupby(["subject", "action"], sort=False).size()
    usual, count = max(takes.value_counts().items(), key=lambda pair: pair[1])
    fewer = takes[takes < usual]
    if len(fewer) and count >= USUAL * len(takes):
        parts = _list(f"{subject}/{action} has {number}" for (subject, action), number in fewer.items())
        what = f"takes are missing, where most subjects have {usual} of an action: {parts}"
        yield Finding(NOTE, "missing", what, "look for their files, if they should be there")


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


def list_unchecked(data: PoseDataset, sources: Sequence[str]) -> Iterator[Finding]:
    """Notes on what could not be looked at, and why."""
    return (Finding(NOTE, "not checked", what) for what in _unchecked(data, sources))


def _unchecked(data: PoseDataset, sources: Sequence[str]) -> Iterator[str]:
    clips, labelled = data.clips, data.clips[data.clips.labelled]
    if unlabelled := len(clips) - len(labelled):
        yield f"{unlabelled} of {len(clips)} clips have no 3D poses: only their keypoints were looked at"
    used = [data.cameras[number] for number in labelled.camera.unique()]
    if names := [camera.name for camera in used if camera.intrinsics is None]:
        yield f"whether 2D belongs to 3D: nothing is known of the lenses of {_list(names)}"
    if names := [camera.name for camera in used if not camera.is_placed]:
        yield f"floor and up axis: it is not known where {_list(names)} stood"
    if len(labelled) and not find_legs(data.skeleton):
        legs = f"the skeleton {data.skeleton.name} has no joints called knees, left and right"
        yield f"knees, step rate, floor and up axis: {legs}"
    projected = any(camera.intrinsics is not None for camera in used)
    for source in sources:
        if not all(head_and_feet(data.layouts[source])):
            yield f"whether people stand upright in the image: no {source} keypoints are called head and feet"
        if projected and not shared_joints(data.skeleton, data.layouts[source]):
            yield f"whether the {source} keypoints belong to 3D: it is not known which joint is which"


def _list(names: Iterable[str]) -> str:
    return some(list(dict.fromkeys(names)), 6)
