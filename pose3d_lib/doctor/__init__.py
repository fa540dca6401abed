"""The data doctor: looks through every clip of a `PoseDataset` for what would teach a model something false.

`check_dataset` gives a `Checkup`; `findings_table`, `summary_table`, `leave_out_line` and `exit_code` say what is in it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pose3d_lib.actions import check_name
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.doctor.keypoints import (
    can_project,
    find_other_camera,
    measure_keypoints,
    measure_projection,
    project_clip,
)
from pose3d_lib.doctor.limits import CHECKS, ERROR, EXPLAINED_BY, LEVELS, NOTE, WARNING
from pose3d_lib.doctor.measures import Measure
from pose3d_lib.doctor.motion import measure_motion
from pose3d_lib.doctor.whole import (
    TABLE_CHECKS,
    Finding,
    find_duplicates,
    first_cameras,
    leave_out_parameter,
    measure_whole,
    read_table,
    stand_out,
    unchecked,
)

__all__ = [
    "Checkup",
    "Finding",
    "check_dataset",
    "exit_code",
    "findings_table",
    "frames_table",
    "leave_out_line",
    "summary_table",
]

MEASURE_COLUMNS = ("clip", "check", "value", "frame", "count", "detail")


@dataclass(frozen=True)
class Checkup:
    """What the doctor measured and what it found.

    Attributes:
        data: the dataset.
        measures: one row per clip and check, columns MEASURE_COLUMNS; `clip` is a row number of the dataset's table, of
            a take's first camera for what is measured in 3D, -1 for what is measured of the whole dataset.
        findings: what does not pass and what a reader should know, worst first.
    """

    data: PoseDataset
    measures: pd.DataFrame
    findings: tuple[Finding, ...]


def check_dataset(data: PoseDataset, keypoints: str | None = None) -> Checkup:
    """Measures every clip, 3D motion of a take once, and compares with the limits of `doctor.limits`.

    Args:
        data: the dataset; its arrays are read clip by clip.
        keypoints: the 2D source to look at; every one if None.

    Raises:
        InputError: there is no such 2D source.
    """
    sources = sorted(data.keypoints) if keypoints is None else [check_name(keypoints, data.keypoints, "keypoints")]
    found, usable = _measure_clips(data, sources)
    found += [*measure_whole(data, usable), *stand_out(found)]
    measures = pd.DataFrame(
        [(clip, m.check, m.value, m.frame, m.count, m.detail) for clip, m in found], columns=list(MEASURE_COLUMNS)
    )
    findings = [
        *_without_explained(list(_judge(data, found))),
        *read_table(data),
        *find_duplicates(data, usable, sources),
        *unchecked(data, sources),
    ]
    findings.sort(key=lambda finding: (-LEVELS.index(finding.level), -finding.share))
    return Checkup(data, measures, tuple(findings))


def _measure_clips(data: PoseDataset, sources: Sequence[str]) -> tuple[list[tuple[int, Measure]], list[int]]:
    """What every clip tells by itself, and the row numbers of the takes' first clips whose poses are finite."""
    found: list[tuple[int, Measure]] = []
    usable, first = [], set(first_cameras(data).tolist())
    for number, clip in enumerate(data.clips.itertuples(index=False)):
        rows = slice(clip.start, clip.stop)
        poses = {"positions": data.positions[rows], "trajectory": data.trajectory[rows]} if clip.labelled else {}
        broken = {name: _count_broken(array) for name, array in poses.items()}
        whole = not any(measure.value for measure in broken.values())
        pixels = {source: _count_broken(data.keypoints[source][rows]) for source in sources}
        all_arrays = {**broken, **{f"the {source} keypoints": measure for source, measure in pixels.items()}}
        found += [(number, replace(measure, detail=name)) for name, measure in all_arrays.items()]
        found.append((number, Measure("frame rate", float(clip.fps))))
        timed = 0 < clip.fps < np.inf
        if clip.labelled and whole and timed and number in first:
            usable.append(number)
            found += [(number, measure) for measure in measure_motion(data, clip)]
        projected = project_clip(data, clip) if clip.labelled and whole and can_project(data, clip) else None
        for source in (source for source in sources if not pixels[source].value):
            if timed:
                found += [(number, measure) for measure in measure_keypoints(data, clip, source)]
            if projected is not None:
                found += [(number, measure) for measure in measure_projection(data, clip, source, projected)]
    return found, usable


def _count_broken(array: np.ndarray) -> Measure:
    """Frames with NaN or infinity: (frames, ...) -> how many, and the first."""
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    count = int((~finite).sum())
    return Measure("numbers", float(count), int(finite.argmin()) if count else -1, count)


OF_ONE_CAMERA = (
    "numbers", "projection", "detections", "unlike the others", "outside the image", "exchanged keypoints",
    "jumping person", "frozen keypoints",
)  # fmt: skip
"""Checks whose findings name a camera; those of 3D motion hold for all cameras of a take."""


def _judge(data: PoseDataset, found: Sequence[tuple[int, Measure]]) -> Iterator[Finding]:
    """A finding for every measure that does not pass."""
    for number, measure in found:
        check = CHECKS[measure.check]
        level = check.level(measure.value)
        if level is None:
            continue
        where, advice, says = (
            {},
            check.advice,
            check.says.format(value=check.show(measure.value), detail=measure.detail),
        )
        if number >= 0:
            clip = data.clips.iloc[number]
            where = {"subject": clip.subject, "action": clip.action, "take": clip["take"]}
            if clip.labelled and not check.common:
                advice += leave_out_parameter("; to leave it out: ", ["/".join(where.values())])
            if measure.check in OF_ONE_CAMERA:
                where["camera"] = data.camera_of(clip).name
                where["source"] = measure.detail if measure.detail in data.keypoints else None
            if level == ERROR and check.name in ("projection", "detections"):
                other = find_other_camera(data, clip, measure.detail)
                says += f"; they are those of camera {other}" if other else ""
        yield Finding(
            level,
            check.name,
            says,
            advice,
            value=measure.value,
            frame=measure.frame if measure.frame >= 0 else None,
            count=measure.count,
            share=check.share(measure.value),
            **where,
        )


def _without_explained(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Without what only repeats in other words what another check found of the same take; see `EXPLAINED_BY`."""
    worst: dict[tuple[str, str], int] = {}
    for finding in findings:
        key = finding.check, finding.where
        worst[key] = max(worst.get(key, 0), LEVELS.index(finding.level))
    for finding in findings:
        others = (worst.get((other, finding.where), -1) for other in EXPLAINED_BY.get(finding.check, ()))
        if not finding.where or max(others, default=-1) < LEVELS.index(finding.level):
            yield finding


def exit_code(checkup: Checkup) -> int:
    """0 where everything passes, 1 with warnings, 2 with errors; notes change nothing."""
    return max((LEVELS.index(finding.level) for finding in checkup.findings), default=0)


def leave_out_line(checkup: Checkup) -> str:
    """The parameter that leaves out every take with an error; empty where there is none, or where it is most takes."""
    bad = {finding.where for finding in checkup.findings if finding.level == ERROR and finding.where}
    takes = checkup.data.clips.drop_duplicates(["subject", "action", "take"])
    return leave_out_parameter("", sorted(bad)) if 0 < len(bad) <= len(takes) / 2 else ""


def findings_table(checkup: Checkup, most: int | None = None) -> pd.DataFrame:
    """What was found, worst first, one row per take and check, however many cameras show it.

    Args:
        checkup: of `check_dataset`.
        most: rows per level and check; those that follow are counted in a last row. All if None.
    """
    groups: dict[tuple, list[Finding]] = {}
    for finding in checkup.findings:
        own = finding.where or finding.what
        groups.setdefault((finding.level, finding.check, own), []).append(finding)
    rows, shown = [], Counter()
    for (level, check, _), own in groups.items():
        shown[level, check] += 1
        if most is not None and shown[level, check] > most:
            continue
        worst = own[0]
        cameras = list(dict.fromkeys(finding.camera for finding in own if finding.camera))
        frame = "" if worst.frame is None else f"{worst.frame}" + (f" (1 of {worst.count})" if worst.count > 1 else "")
        rows.append((level, check, worst.where, ", ".join(cameras), frame, worst.what, worst.advice))
    for (level, check), count in shown.items():
        if most is not None and count > most:
            rows.append((level, check, "", "", "", f"and {count - most} more takes", ""))
    columns = ["Level", "Check", "Take", "Cameras", "Frame", "What", "What to do"]
    order = sorted(range(len(rows)), key=lambda row: -LEVELS.index(rows[row][0]))
    return pd.DataFrame([rows[row] for row in order], columns=columns)


def summary_table(checkup: Checkup) -> pd.DataFrame:
    """One row per check: what was measured, how often, in how many takes it does not pass, the worst value, the limits.

    Takes are counted by their worst level, those included whose findings another check explains.
    """
    data, rows = checkup.data, []
    takes = data.clips.groupby(["subject", "action", "take"], sort=False).ngroup().to_numpy()
    for check in CHECKS.values():
        own = checkup.measures[checkup.measures.check == check.name]
        levels = pd.Series([LEVELS.index(check.level(value) or NOTE) for value in own.value], dtype=int)
        of_takes = levels.groupby([takes[row] if row >= 0 else -1 for row in own["clip"]]).max()
        counts = [int((of_takes == LEVELS.index(level)).sum()) for level in (WARNING, ERROR)]
        worst, where = "", ""
        if len(own):
            row = own.iloc[int(own.value.map(check.share).argmax())]
            worst = check.show(row.value)
            where = name_take(data, row["clip"]) if check.share(row.value) > 0 else ""
        rows.append((check.name, check.about, len(own), *counts, worst, where, check.limits))
    of_table = Counter((finding.check, finding.level) for finding in checkup.findings)
    for name, about in TABLE_CHECKS.items():
        counts = [of_table[name, level] for level in (WARNING, ERROR)]
        rows.append((name, about, len(data.clips), *counts, "", "", ""))
    columns = ["Check", "Measured", "Looked at", "Warnings", "Errors", "Worst", "Where", "Limits"]
    return pd.DataFrame(rows, columns=columns)


def name_take(data: PoseDataset, number: int) -> str:
    """subject/action/take of a row of the dataset's table; "all takes" for -1."""
    return "all takes" if number < 0 else "/".join(data.clips.iloc[number][["subject", "action", "take"]])


def frames_table(data: PoseDataset) -> pd.DataFrame:
    """Frames of every action (rows) and subject (columns), over all cameras, with sums; 0 where there are none."""
    frames = data.clips.assign(frames=data.clips.stop - data.clips.start)
    table = frames.pivot_table(index="action", columns="subject", values="frames", aggfunc="sum", fill_value=0)
    table = table.loc[list(data.actions), list(dict.fromkeys(data.clips.subject))].astype(int)
    table["All subjects"] = table.sum(axis=1)
    table.loc["All actions"] = table.sum()
    return table.rename_axis(index="Action", columns=None)
