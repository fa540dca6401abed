"""The data doctor: looks through every clip of a `PoseDataset` for what would teach a model something false.

`check_dataset` gives a `Checkup`; `findings_table`, `summary_table`, `leave_out_line` and `exit_code` read it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import whole
from pose3d_lib.data.doctor.checks import ALL, CAMERA, CHECKS, ERROR, LEVELS, NOTE, VIEW, WARNING
from pose3d_lib.data.doctor.keypoints import find_other_camera, measure_views
from pose3d_lib.data.doctor.measures import TAKE, Finding, Measure, leave_out_parameter
from pose3d_lib.data.doctor.motion import measure_motion


@dataclass(frozen=True)
class Checkup:
    """What the doctor measured and what it found."""

    data: PoseDataset
    measures: pd.DataFrame  # a row per clip and check: the columns of `Measure`, `level` and `share` of the limits
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
    clips = list(data.clips.itertuples(index=False))
    found = measure_views(data, range(len(clips)), sources)
    broken = {m.clip for m in found if m.check == "numbers" and m.value and not m.source}
    usable = [n for n in whole.first_cameras(data).tolist() if n not in broken and 0 < clips[n].fps < np.inf]
    found = whole.pool_cameras(data, found)
    for number in usable:
        found += measure_motion(data, number, clips[number])
    found += whole.measure_whole(data, usable)
    return _checkup(data, found, parameters, [
        *whole.read_table(data),
        *whole.find_sampled(data, data.clips, parameters),
        *whole.find_duplicates(data, usable, sources, parameters),
        *(Finding(NOTE, "not checked", what) for what in whole.list_unchecked(data, sources)),
    ])  # fmt: skip


def check_keypoints(
    data: PoseDataset, clips: pd.DataFrame, keypoints: str, *, parameters: Collection[str] = ()
) -> Checkup:
    """Check one 2D source of some clips, without 3D, before it is lifted. Arguments as of `check_dataset`."""
    numbers = data.clips.index.get_indexer(clips.index)
    found = whole.pool_cameras(data, measure_views(data, numbers, [keypoints], poses=False))
    return _checkup(data, found, parameters, whole.find_sampled(data, clips, parameters))


def _checkup(
    data: PoseDataset, found: list[Measure], parameters: Collection[str], others: Iterable[Finding]
) -> Checkup:
    judged = [(*m, CHECKS[m.check].level(m.value), CHECKS[m.check].share(m.value)) for m in found]
    measures = pd.DataFrame(judged, columns=[*Measure._fields, "level", "share"])
    failed = measures[measures.level.notna()].itertuples(index=False)
    findings = [*_without_explained([_judge(data, measure, parameters) for measure in failed]), *others]
    findings.sort(key=lambda finding: (-LEVELS.index(finding.level), -finding.share))
    return Checkup(data, measures, tuple(findings), parameters)


def _judge(data: PoseDataset, measure: Measure, parameters: Collection[str]) -> Finding:
    """The finding of a measure that does not pass: a row of `Checkup.measures`."""
    check, where = CHECKS[measure.check], {}
    says = check.says.format(value=check.show(measure.value), detail=measure.detail, source=measure.source)
    advice = check.advise(measure.detail, parameters)
    if measure.clip >= 0:
        clip = data.clips.iloc[measure.clip]
        where = clip[TAKE].to_dict()
        if clip.labelled and check.scope not in (CAMERA, ALL):
            advice += leave_out_parameter(parameters, "; to leave it out: ", ["/".join(where.values())])
        if check.scope in (VIEW, CAMERA):
            where |= {"camera": data.camera_of(clip).name, "source": measure.source or None}
        if measure.level == ERROR and check.name in ("projection", "detections"):
            other = find_other_camera(data, clip, measure.source)
            says += f"; they are those of camera {other}" if other else ""
    frame = measure.frame if measure.frame >= 0 else None
    value, count, share = measure.value, measure.count, measure.share
    return Finding(measure.level, check.name, says, advice, value=value, frame=frame, count=count, share=share, **where)


def _without_explained(findings: list[Finding]) -> Iterator[Finding]:
    """Without what only repeats in other words what another check found of the same take."""
    worst: dict[tuple[str, str], int] = {}
    for finding in findings:
        key = finding.check, finding.where
        worst[key] = max(worst.get(key, 0), LEVELS.index(finding.level))
    for finding in findings:
        others = [worst.get((other, finding.where), -1) for other in CHECKS[finding.check].explained_by]
        if not finding.where or max(others, default=-1) < LEVELS.index(finding.level):
            yield finding


def exit_code(checkup: Checkup) -> int:
    """0 where everything passes, 1 with warnings, 2 with errors; notes change nothing."""
    return max((LEVELS.index(finding.level) for finding in checkup.findings), default=0)


def leave_out_line(checkup: Checkup) -> str:
    """The parameter that leaves out every take with an error; empty where there is none, or where it is most takes."""
    bad = {finding.where for finding in checkup.findings if finding.level == ERROR and finding.where}
    takes = checkup.data.clips.drop_duplicates(TAKE)
    return leave_out_parameter(checkup.parameters, "", sorted(bad)) if 0 < len(bad) <= len(takes) / 2 else ""


def describe_findings(checkup: Checkup, most: int | None = None) -> Iterator[tuple[str, str, str]]:
    """The rows of `findings_table` in words: the level, what was found where, and what to do."""
    for _, row in findings_table(checkup, most).iterrows():
        places = {"": row["Take"], "camera": row["Cameras"], "frame": row["Frame"]}
        where = ", ".join(f"{what} {place}".strip() for what, place in places.items() if place)
        yield row["Level"], f"{row['Check']}: {f'{where}: ' if where else ''}{row['What']}", row["What to do"]


def findings_table(checkup: Checkup, most: int | None = None) -> pd.DataFrame:
    """What was found, worst first, one row per take and check, however many cameras show it.

    Of each level and check only `most` rows are listed, and the others counted in a last row; all if None.
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
        cameras = ", ".join(dict.fromkeys(finding.camera for finding in own if finding.camera))
        frame = "" if worst.frame is None else f"{worst.frame}" + (f" (1 of {worst.count})" if worst.count > 1 else "")
        rows.append((level, check, worst.where, cameras, frame, worst.what, worst.advice))
    more = {key: count - most for key, count in shown.items() if most is not None and count > most}
    rows += [(level, check, "", "", "", f"and {count} more", "") for (level, check), count in more.items()]
    rows.sort(key=lambda row: -LEVELS.index(row[0]))
    return pd.DataFrame(rows, columns=["Level", "Check", "Take", "Cameras", "Frame", "What", "What to do"])


def summary_table(checkup: Checkup) -> pd.DataFrame:
    """One row per check: what was measured, how often, in how many takes it does not pass, the worst value, the limits.

    Takes are counted by their worst level, those included whose findings another check explains.
    """
    data, rows = checkup.data, []
    takes = [*data.clips.groupby(TAKE, sort=False).ngroup(), -1]  # -1: what is measured of the whole dataset, row -1
    measures = checkup.measures.assign(take=[takes[row] for row in checkup.measures["clip"]])
    for check in CHECKS.values():
        own = measures[measures.check == check.name]
        of_takes = own.dropna(subset="level").groupby("take")["level"].agg(lambda levels: max(levels, key=LEVELS.index))
        counts = [int((of_takes == level).sum()) for level in (WARNING, ERROR)]
        worst, where = "", ""
        if len(own):
            row = own.loc[own.share.idxmax()]
            worst = check.show(row.value)
            where = name_take(data, row["clip"]) if row.share > 0 else ""
        rows.append((check.name, check.about, len(own), *counts, worst, where, check.limits))
    of_table = Counter((finding.check, finding.level) for finding in checkup.findings)
    for name, about in whole.TABLE_CHECKS.items():
        counts = [of_table[name, level] for level in (WARNING, ERROR)]
        rows.append((name, about, len(data.clips), *counts, "", "", ""))
    columns = ["Check", "Measured", "Looked at", "Warnings", "Errors", "Worst", "Where", "Limits"]
    return pd.DataFrame(rows, columns=columns)


def name_take(data: PoseDataset, number: int) -> str:
    """subject/action/take of a row of the dataset's table; "all takes" for -1."""
    return "all takes" if number < 0 else "/".join(data.clips.iloc[number][TAKE])


def frames_table(data: PoseDataset) -> pd.DataFrame:
    """Frames of every action (rows) and subject (columns), over all cameras, with sums; 0 where there are none."""
    frames = data.clips.assign(frames=data.clips.stop - data.clips.start)
    table = frames.pivot_table(index="action", columns="subject", values="frames", aggfunc="sum", fill_value=0)
    table = table.loc[list(data.actions), list(dict.fromkeys(data.clips.subject))].astype(int)
    table["All subjects"] = table.sum(axis=1)
    table.loc["All actions"] = table.sum()
    return table.rename_axis(index="Action", columns=None)
