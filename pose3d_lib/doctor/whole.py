"""What the data doctor sees only in the dataset as a whole: what is missing, what is there twice, what differs between takes."""

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.dataset import PoseDataset
from pose3d_lib.doctor.keypoints import can_project, shared_joints
from pose3d_lib.doctor.limits import COMMON_STEP_RATE, ERROR, NOTE, RECEPTIVE_FIELD, SHORTEST_BONE, WARNING
from pose3d_lib.doctor.measures import Measure
from pose3d_lib.doctor.motion import bone_names, find_legs, measure_place, step_rate, typical_bones

TABLE_CHECKS = {
    "missing": "actions and takes that some subjects lack",
    "cameras": "takes that fewer cameras saw, or for longer or shorter",
    "frame rates": "whether all clips have the same frame rate",
    "duplicates": "takes with the same motion, clips with the same keypoints",
    "short clips": f"clips shorter than {RECEPTIVE_FIELD} frames",
    "not checked": "what could not be looked at",
}
"""Checks without a limit, and what they look at."""

SAME = 1e-5
"""Metres between the distances of joints to the root, averaged over a take, in takes that are taken for the same."""

USUAL = 0.75
"""Share of the subjects' actions that must have the same number of takes for that to be usual. A judgement."""

FEWEST_TO_COMPARE = 8
"""Clips of a 2D source from which on one can be said to stand out."""

TAKE = ["subject", "action", "take"]


@dataclass(frozen=True)
class Finding:
    """Something that does not pass, or that a reader should know.

    Attributes:
        level: error, warning or note.
        check: which check found it.
        what: one sentence.
        advice: what to do.
        subject, action, take, camera: where; None for what concerns more than one.
        value: in the check's unit; None for checks without one.
        frame: of the clip, the worst or the first; None where it is not of one frame.
        count: frames that do not pass.
        share: how much of the limit is used up, for sorting.
        source: the 2D source it is about, where it is about one clip's keypoints.
    """

    level: str
    check: str
    what: str
    advice: str = ""
    subject: str | None = None
    action: str | None = None
    take: str | None = None
    camera: str | None = None
    value: float | None = None
    frame: int | None = None
    count: int = 0
    share: float = 0.0
    source: str | None = None

    @property
    def where(self) -> str:
        """subject/action/take, as `leave_out` takes it; empty for what concerns more than one take."""
        return "" if self.take is None else f"{self.subject}/{self.action}/{self.take}"


def first_cameras(data: PoseDataset) -> np.ndarray:
    """Row numbers of each labelled take's first clip: its 3D motion is the same in all of them."""
    clips = data.clips.reset_index(drop=True)
    return clips[clips.labelled].drop_duplicates(TAKE).index.to_numpy()


def measure_whole(data: PoseDataset, usable: Sequence[int]) -> list[tuple[int, Measure]]:
    """What compares takes, and what is a median over all: (row number of a clip or -1, measure).

    Args:
        data: the dataset.
        usable: row numbers of the takes' first clips whose poses are finite.
    """
    clips = [data.clips.iloc[number] for number in usable]
    found = _compare_bones(data, usable, clips)
    placed = [clip for clip in clips if _is_placed(data, clip)] if find_legs(data.skeleton) else []
    if placed:
        lowest, upright = zip(*(measure_place(data, clip) for clip in placed), strict=True)
        found.append((-1, Measure("floor", float(np.median(lowest)))))
        found.append((-1, Measure("upright", 1 - float(np.mean(upright)))))
    walks = [clip for clip in clips if "walk" in clip.action.casefold()]
    if rates := [(rate, clip.fps) for clip in walks if (rate := step_rate(data, clip))]:
        rate, fps = np.median(rates, axis=0)
        found.append((-1, Measure("step rate", float(rate), detail=f"{fps * COMMON_STEP_RATE / rate:.0f}")))
    return found


def stand_out(found: Sequence[tuple[int, Measure]]) -> Iterator[tuple[int, Measure]]:
    """How each clip's detections compare with those of the median clip of the same 2D source."""
    table = pd.DataFrame([(clip, m.value, m.detail) for clip, m in found if m.check == "detections"])
    if table.empty:
        return
    for source, own in table.groupby(2):
        typical = max(own[1].median(), 0.01)
        for clip, value in zip(own[0], own[1], strict=True):
            if len(own) >= FEWEST_TO_COMPARE:
                yield int(clip), Measure("unlike the others", float(value / typical), detail=str(source))


def _compare_bones(data: PoseDataset, usable: Sequence[int], clips: list[pd.Series]) -> list[tuple[int, Measure]]:
    if not data.skeleton.bones or not clips:
        return []
    bones = np.stack([typical_bones(data, clip) for clip in clips])
    subjects, names = np.array([clip.subject for clip in clips]), bone_names(data.skeleton)
    found = []
    for subject in dict.fromkeys(subjects):
        own = np.flatnonzero(subjects == subject)
        typical = np.median(bones[own], axis=0)
        compared = np.flatnonzero(typical > SHORTEST_BONE)
        if len(own) < 2 or not len(compared):
            continue
        for take in own:
            changes = np.abs(bones[take, compared] / typical[compared] - 1)
            worst = int(changes.argmax())
            found.append(
                (int(usable[take]), Measure("bones of a subject", changes[worst], detail=names[compared[worst]]))
            )
    return found


def _is_placed(data: PoseDataset, clip: pd.Series) -> bool:
    camera = data.camera_of(clip)
    return camera.orientation is not None and camera.position is not None


def read_table(data: PoseDataset) -> list[Finding]:
    """What the table of clips tells: missing actions, cameras, frame rates and short clips."""
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
        what = f"clips of different frame rates: {_list(parts)}; 27 frames last differently long in them"
        found.append(Finding(WARNING, "frame rates", what, "resample them, or prepare them as datasets of their own"))
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


def find_duplicates(data: PoseDataset, usable: Sequence[int], sources: Sequence[str]) -> list[Finding]:
    """Takes with the same motion, wherever they were filmed, and clips with the same keypoints, bit for bit."""
    from scipy.spatial import cKDTree

    clips, found, known = data.clips.reset_index(drop=True), [], set()
    by_length = pd.Series(usable, dtype=int).groupby(lambda row: _frames(clips, usable[row]))
    for _, numbers in by_length:
        if len(numbers) < 2:
            continue
        shapes = [_distances(data.positions[_rows(clips, number)]) for number in numbers]
        tree = cKDTree(np.stack([shape.mean(axis=0) for shape in shapes]))
        alike = tree.query_pairs(SAME * np.sqrt(data.skeleton.num_joints), output_type="ndarray")
        told: set[int] = set()  # each take is told of once, with the first that it repeats
        for a, b in alike[np.lexsort(alike.T[::-1])].tolist():
            if b not in told and np.abs(shapes[a] - shapes[b]).max() < SAME:
                told.add(b)
                first, second = clips.loc[numbers.iloc[a]], clips.loc[numbers.iloc[b]]
                found.append(_twice(data, first, second, "the same motion as"))
                known.add((tuple(first[TAKE]), tuple(second[TAKE])))
    for source in sources:
        seen: dict[bytes, pd.Series] = {}
        for _, clip in clips.iterrows():
            digest = hashlib.blake2b(np.ascontiguousarray(data.keypoints[source][clip.start : clip.stop])).digest()
            before = seen.setdefault(digest, clip)
            if before is not clip and (tuple(before[TAKE]), tuple(clip[TAKE])) not in known:
                found.append(_twice(data, before, clip, f"the same {source} keypoints as"))
    return found


def _distances(poses: np.ndarray) -> np.ndarray:
    """Of the joints from the root, which no camera and no heading changes: (frames, joints, 3) -> (frames, joints)."""
    return np.linalg.norm(poses.astype(np.float64), axis=-1)


def _twice(data: PoseDataset, first: pd.Series, second: pd.Series, words: str) -> Finding:
    tested = {clip.subject in data.test_subjects for clip in (first, second)}
    trained = {clip.subject in data.train_subjects for clip in (first, second)}
    level = ERROR if tested == trained == {True, False} else WARNING
    same_take = tuple(first[TAKE]) == tuple(second[TAKE])
    other = f"camera {data.camera_of(first).name}" if same_take else "/".join(first[TAKE])
    hint = leave_out_parameter(": ", ["/".join(second[TAKE])]) if second.labelled and not same_take else ""
    both = "; one is trained on, the other tested" if level == ERROR else ""
    return Finding(
        level,
        "duplicates",
        f"{words} {other}{both}",
        f"leave one of them out{hint}",
        *second[TAKE],
        data.camera_of(second).name,
    )


def leave_out_parameter(before: str, names: Sequence[str]) -> str:
    """The parameter that leaves takes out, with some words before it; empty if a name holds a comma, which parts names."""
    return "" if any("," in name for name in names) else f"{before}-p leave_out {shlex.quote(','.join(names))}"


def _frames(clips: pd.DataFrame, number: int) -> int:
    return int(clips.stop[number] - clips.start[number])


def _rows(clips: pd.DataFrame, number: int) -> slice:
    return slice(int(clips.start[number]), int(clips.stop[number]))


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
    if names := [camera.name for camera in used if camera.orientation is None or camera.position is None]:
        found.append(f"floor and up axis: nobody knows where {_list(names)} stood")
    if len(labelled) and not find_legs(data.skeleton):
        found.append(
            f"knees and step rate: the skeleton {data.skeleton.name} has no joints called knees, left and right"
        )
    for source in sources:
        if not shared_joints(data.skeleton, data.layouts[source]) and any(
            can_project(data, c) for c in _each(labelled)
        ):
            found.append(f"whether the {source} keypoints belong to 3D: nobody knows which joint is which")
    return [Finding(NOTE, "not checked", what) for what in found]


def _each(clips: pd.DataFrame) -> Iterator[pd.Series]:
    return (clip for _, clip in clips.drop_duplicates("camera").iterrows())


def _list(names: Sequence[str], most: int = 6) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
