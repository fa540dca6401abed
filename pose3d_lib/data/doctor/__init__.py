"""The data doctor: looks through every clip of a `PoseDataset` for what would teach a model something false.

`check_dataset` gives a `Checkup`; `findings_table`, `summary_table`, `leave_out_line` and `exit_code` read it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import some
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import checks, motion
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, LEVELS, NOTE, TAKE, WARNING, Finding, Measure
from pose3d_lib.data.doctor.keypoints import measure_views

SAME = 1e-5  # metres between the distances of joints to the root in takes that are taken for the same


@dataclass(frozen=True)
class Checkup:
    """What the doctor measured and what it found."""

    data: PoseDataset
    # A row per clip and check: the columns of `Measure`, `take` (subject/action/take, or "all takes"), `level` (None
    # where it passes) and `share`, how much of the limit the value uses up.
    measures: pd.DataFrame
    findings: tuple[Finding, ...]  # worst first
    parameters: Collection[str] = ()  # those that the source of the data takes


def check_dataset(data: PoseDataset, keypoints: str | None = None, *, parameters: Collection[str] = ()) -> Checkup:
    """Measure every clip, 3D motion of a take once, and compare with the limits of `doctor.checks`.

    Args:
        data: the dataset; its arrays are read clip by clip.
        keypoints: the 2D source to look at; every one if None.
        parameters: those that the source of the data takes (`used_parameters`); advice names no others.

    Raises:
        InputError: there is no such 2D source.
    """
    sources = sorted(data.keypoints) if keypoints is None else [check_name(keypoints, data.keypoints, "keypoints")]
    clips = data.clips.reset_index(drop=True)
    found = measure_views(data, clips.index, sources)
    broken = {m.clip for m in found if m.check == "numbers" and m.value and not m.source}
    # Of each labelled take the first clip: its 3D motion is the same in all of them.
    first = clips[clips.labelled].drop_duplicates(TAKE)
    first = first[(first.fps > 0) & (first.fps < np.inf) & ~first.index.isin(broken)]
    for clip in first.itertuples():
        found += [measure._replace(clip=clip.Index) for measure in motion.measure_motion(data, clip)]
    found += [*_compare_bones(data, first), *motion.measure_world(data, list(first.itertuples()))]
    others = [*_read_table(data), *_find_duplicates(data, first, parameters), *_list_unchecked(data)]
    return _checkup(data, found, parameters, others)


def check_keypoints(
    data: PoseDataset, clips: pd.DataFrame, keypoints: str, *, parameters: Collection[str] = ()
) -> Checkup:
    """Check one 2D source of some clips, without 3D, before it is lifted. Arguments as of `check_dataset`."""
    found = measure_views(data, data.clips.index.get_indexer(clips.index), [keypoints], poses=False)
    return _checkup(data, found, parameters, [])


def _compare_bones(data: PoseDataset, first: pd.DataFrame) -> Iterator[Measure]:
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


def _find_duplicates(data: PoseDataset, first: pd.DataFrame, parameters: Collection[str]) -> Iterator[Finding]:
    """Takes with the same motion, wherever they were filmed, each once, with the first that it repeats.

    `first` as in `_compare_bones`.
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
        advice = f"use one of them only{checks.leave_out(parameters, ': ', [take])}"
        yield Finding(ERROR if crossed else WARNING, "duplicates", what, advice, take)


def _read_table(data: PoseDataset) -> Iterator[Finding]:
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
        what = (
            f"clips of different frame rates: {parts}; {checks.RECEPTIVE_FIELD} frames do not last equally long in them"
        )
        yield Finding(WARNING, "frame rates", what, "prepare those of each rate as a dataset of its own")
    if short := int((clips.frames < checks.RECEPTIVE_FIELD).sum()):
        worst = clips.iloc[clips.frames.argmin()]
        what = (
            f"{short} of {len(clips)} clips are shorter than the {checks.RECEPTIVE_FIELD} frames that the default lifter sees, "
            f"so that some of what it sees repeats the clip's ends; the shortest, {'/'.join(worst[TAKE])}, has {worst.frames}"
        )
        yield Finding(NOTE, "short clips", what)


def _list_unchecked(data: PoseDataset) -> Iterator[Finding]:
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


def _checkup(
    data: PoseDataset, found: list[Measure], parameters: Collection[str], others: Iterable[Finding]
) -> Checkup:
    takes = ["/".join(take) for take in data.clips[TAKE].itertuples(index=False)]
    measures = pd.DataFrame(found, columns=Measure._fields)
    measures["take"] = [takes[m.clip] if m.clip >= 0 else "all takes" for m in found]
    measures["level"] = [CHECKS[m.check].level(m.value) for m in found]
    measures["share"] = [CHECKS[m.check].share(m.value) for m in found]
    failed = measures[measures.level.notna()].itertuples(index=False)
    findings = [*_without_explained([_judge(data, measure, parameters) for measure in failed]), *others]
    findings.sort(key=lambda finding: (-LEVELS.index(finding.level), -finding.share))
    return Checkup(data, measures, tuple(findings), parameters)


def _judge(data: PoseDataset, measure: tuple, parameters: Collection[str]) -> Finding:
    """The finding of a measure that does not pass: a row of `Checkup.measures`."""
    check = CHECKS[measure.check]
    says = check.says.format(value=check.show(measure.value), detail=measure.detail, source=measure.source)
    advice, where, camera = check.advise(measure.detail, parameters), "", ""
    if measure.clip >= 0:
        clip, where = data.clips.iloc[measure.clip], measure.take
        camera = data.camera_of(clip).name if check.scope in (checks.VIEW, checks.CAMERA) else ""
        if clip.labelled and check.scope in (checks.MOTION, checks.VIEW):
            advice += checks.leave_out(parameters, "; to leave it out: ", [where])
    return Finding(measure.level, check.name, says, advice, where, camera, measure.frame, measure.count, measure.share)


def _without_explained(findings: list[Finding]) -> Iterator[Finding]:
    """Without what only repeats in other words what another check found of the same take."""
    worst: dict[tuple[str, str], int] = {}
    for finding in findings:
        key = finding.check, finding.where
        worst[key] = max(worst.get(key, 0), LEVELS.index(finding.level))
    for finding in findings:
        others = [worst.get((other, finding.where), -1) for other in CHECKS[finding.check].explained_by]
        if max(others, default=-1) < LEVELS.index(finding.level):
            yield finding


def exit_code(checkup: Checkup) -> int:
    """0 where everything passes, 1 with warnings, 2 with errors; notes change nothing."""
    return max((LEVELS.index(finding.level) for finding in checkup.findings), default=0)


def leave_out_line(checkup: Checkup) -> str:
    """The parameter that leaves out every take with an error; empty where there is none, or where it is most takes."""
    bad = {finding.where for finding in checkup.findings if finding.level == ERROR and finding.where}
    takes = checkup.data.clips.drop_duplicates(TAKE)
    return checks.leave_out(checkup.parameters, "", sorted(bad)) if 0 < len(bad) <= len(takes) / 2 else ""


def describe_findings(checkup: Checkup, most: int | None = None) -> Iterator[tuple[str, str, str]]:
    """The rows of `findings_table` in words: the level, what was found where, and what to do."""
    for level, check, take, cameras, frame, what, advice in findings_table(checkup, most).itertuples(index=False):
        places = [take, cameras and f"camera {cameras}", frame and f"frame {frame}"]
        where = ", ".join(filter(None, places))
        yield level, f"{check}: {f'{where}: ' if where else ''}{what}", advice


def findings_table(checkup: Checkup, most: int | None = None) -> pd.DataFrame:
    """What was found, worst first, one row per take and check, however many cameras show it.

    Of each level and check only `most` rows are listed, and the others counted in a last row; all if None.
    """
    groups: dict[tuple[str, str], dict[str, list[Finding]]] = {}
    for finding in checkup.findings:
        own = groups.setdefault((finding.level, finding.check), {})
        own.setdefault(finding.where or finding.what, []).append(finding)
    rows = []
    for (level, check), takes in groups.items():
        for worst, *others in list(takes.values())[:most]:
            cameras = ", ".join(dict.fromkeys(f.camera for f in (worst, *others) if f.camera))
            frame = f"{worst.frame}{f' (1 of {worst.count})' if worst.count > 1 else ''}" if worst.frame >= 0 else ""
            rows.append((level, check, worst.where, cameras, frame, worst.what, worst.advice))
        if most is not None and len(takes) > most:
            rows.append((level, check, "", "", "", f"and {len(takes) - most} more", ""))
    return pd.DataFrame(rows, columns=["Level", "Check", "Take", "Cameras", "Frame", "What", "What to do"])


def summary_table(checkup: Checkup) -> pd.DataFrame:
    """One row per check: how often it measured, in how many takes it does not pass, and the worst value.

    Takes are counted by their worst level, those included whose findings another check explains.
    """
    rows, measures = [], checkup.measures
    for name in filter(set(measures.check).__contains__, CHECKS):
        own = measures[measures.check == name]
        takes = own.sort_values("share", ascending=False).drop_duplicates("take")
        worst = takes.iloc[0]
        counts = [int((takes.level == level).sum()) for level in (WARNING, ERROR)]
        rows.append((name, len(own), *counts, CHECKS[name].show(worst.value), worst["take"] if worst.share > 0 else ""))
    return pd.DataFrame(rows, columns=["Check", "Looked at", "Warnings", "Errors", "Worst", "Where"])
