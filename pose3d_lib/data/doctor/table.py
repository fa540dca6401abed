"""Checks of the table of clips: missing takes and cameras, differences between takes, and what could not be checked."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import some
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import NOTE, WARNING
from pose3d_lib.data.doctor.findings import TAKE, Finding
from pose3d_lib.data.doctor.keypoints import can_project, shared_joints
from pose3d_lib.data.doctor.limits import RECEPTIVE_FIELD, SAMPLED
from pose3d_lib.data.doctor.measures import head_and_feet
from pose3d_lib.data.doctor.motion import find_legs

TABLE_CHECKS = {
    "missing": "actions and takes that some subjects lack",
    "cameras": "takes that fewer cameras saw, or for longer or shorter",
    "frame rates": "whether all clips have the same frame rate",
    "sampling": "whether the takes of a video have one frame each",
    "duplicates": "takes with the same motion, clips with the same keypoints",
    "short clips": f"clips shorter than {RECEPTIVE_FIELD} frames",
    "not checked": "what could not be looked at",
}
"""Checks without a limit, and what they look at."""

USUAL = 0.75
"""Share of the subjects' actions that must have the same number of takes for that to be usual. A judgement."""

FEWEST_SAMPLES = 3
"""Takes of one frame of a video, from which on its frames are taken for sampled."""


def read_table(data: PoseDataset) -> list[Finding]:
    """Find missing actions and takes, cameras that differ, mixed frame rates and short clips."""
    clips = data.clips
    found = []
    subjects = tuple(dict.fromkeys(clips.subject))
    for action, own in clips.groupby("action", sort=False):
        if lacking := [subject for subject in subjects if subject not in set(own.subject)]:
            having = list(dict.fromkeys(own.subject))
            what = (
                f"{action} is missing from {_list(lacking)}; {_list(having)} {'have' if len(having) > 1 else 'has'} it"
            )
            found.append(Finding(NOTE, "missing", what, "look for its files, if it should be there", action=action))
    found += [*_compare_takes(clips), *_compare_cameras(clips)]
    rates = clips.groupby("fps", dropna=False).size().sort_values(ascending=False)
    if len(rates) > 1:
        parts = [f"{count} clips at {rate:g}" for rate, count in rates.items()]
        what = (
            f"clips of different frame rates: {_list(parts)}; {RECEPTIVE_FIELD} frames do not last equally long in them"
        )
        found.append(Finding(WARNING, "frame rates", what, "prepare those of each rate as a dataset of its own"))
    frames = clips.stop - clips.start
    if (short := frames < RECEPTIVE_FIELD).any():
        worst = clips[short].iloc[int(frames[short].argmin())]
        what = (
            f"{short.sum()} of {len(clips)} clips are shorter than the {RECEPTIVE_FIELD} frames that the default lifter sees, "
            f"so that some of what it sees repeats the clip's ends; the shortest, {worst.subject}/{worst.action}/"
            f"{worst['take']}, has {frames[short].min()}"
        )
        found.append(Finding(NOTE, "short clips", what, value=float(frames.min())))
    return found


def find_sampled(data: PoseDataset, clips: pd.DataFrame, parameters: Collection[str]) -> Iterator[Finding]:
    """Videos that are takes of one frame, as of frames that were sampled."""
    if not data.first_frames:
        return
    first = np.array(data.first_frames)[data.clips.index.get_indexer(clips.index)]
    frames = clips.stop - clips.start
    for (subject, action, _), own in clips.assign(first=first, single=frames == 1).groupby(
        ["subject", "action", "camera"], sort=False
    ):
        single = int(own.single.sum())
        if single < FEWEST_SAMPLES or single < SAMPLED * len(own):
            continue
        apart = int(np.median(np.diff(np.sort(own["first"]))))
        what = f"{single} of {len(own)} takes of {subject} have one frame, {apart} frames apart: they look like sampled frames"
        advice = "a lifter needs successive frames: find the keypoints of every frame of the video"
        if "max_gap" in parameters:
            advice += f"; -p max_gap {apart - 1} fills the frames between them in, by straight lines"
        yield Finding(WARNING, "sampling", what, advice, subject, action, own["take"].iloc[0], value=float(single))


def _compare_takes(clips: pd.DataFrame) -> list[Finding]:
    """Actions of which a subject has fewer takes than is usual, if there is a usual number."""
    takes = clips.drop_duplicates(TAKE).groupby(["subject", "action"], sort=False).size()
    usual, count = max(takes.value_counts().items(), key=lambda pair: pair[1])
    fewer = takes[takes < usual]
    if not len(fewer) or count < USUAL * len(takes):
        return []
    parts = [f"{subject}/{action} has {number}" for (subject, action), number in fewer.items()]
    what = f"takes are missing, where most subjects have {usual} of an action: {_list(parts)}"
    return [Finding(NOTE, "missing", what, "look for their files, if they should be there")]


def _compare_cameras(clips: pd.DataFrame) -> list[Finding]:
    """Takes that fewer cameras saw than the subject's other takes, and takes whose cameras differ in frames."""
    frames: dict[tuple[str, str, str], list[int]] = {}
    for clip in clips.itertuples():
        frames.setdefault((clip.subject, clip.action, clip.take), []).append(int(clip.stop - clip.start))
    usual: dict[str, int] = {}
    for (subject, *_), own in frames.items():
        usual[subject] = max(usual.get(subject, 0), len(own))
    found = []
    for take, own in frames.items():
        if len(own) < usual[take[0]]:
            what = f"{len(own)} of {usual[take[0]]} cameras saw this take"
            found.append(Finding(WARNING, "cameras", what, "look for the missing files", *take))
        if min(own) < max(own):
            what = f"its cameras have {min(own)} to {max(own)} frames"
            found.append(Finding(WARNING, "cameras", what, "look for cut or damaged files", *take))
    return found


def unchecked(data: PoseDataset, sources: Sequence[str]) -> list[Finding]:
    """Notes on what could not be looked at, and why."""
    clips, labelled = data.clips, data.clips[data.clips.labelled]
    found = []
    if len(labelled) < len(clips):
        count = len(clips) - len(labelled)
        found.append(f"{count} of {len(clips)} clips have no 3D poses: only their keypoints were looked at")
    used = [data.cameras[number] for number in labelled.camera.unique()]
    if names := [camera.name for camera in used if camera.intrinsics is None]:
        found.append(f"whether 2D belongs to 3D: nothing is known of the lenses of {_list(names)}")
    if names := [camera.name for camera in used if not camera.is_placed]:
        found.append(f"floor and up axis: it is not known where {_list(names)} stood")
    if len(labelled) and not find_legs(data.skeleton):
        found.append(
            f"knees, step rate, floor and up axis: the skeleton {data.skeleton.name} has no joints called knees, left and right"
        )
    for source in sources:
        if not all(head_and_feet(data.layouts[source])):
            found.append(f"whether people stand upright in the image: no {source} keypoints are called head and feet")
        if not shared_joints(data.skeleton, data.layouts[source]) and any(
            can_project(data, camera) for camera in labelled.camera.unique()
        ):
            found.append(f"whether the {source} keypoints belong to 3D: it is not known which joint is which")
    return [Finding(NOTE, "not checked", what) for what in found]


def _list(names: Iterable[str]) -> str:
    return some(list(dict.fromkeys(names)), 6)
