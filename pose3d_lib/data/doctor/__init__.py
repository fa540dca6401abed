"""The data doctor: looks through every clip of a `PoseDataset` for what would teach a model something false.

`check_dataset` gives a `Checkup`; `findings_table`, `summary_table`, `leave_out_line` and `exit_code` read it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import checks, whole
from pose3d_lib.data.doctor.checks import CHECKS, ERROR, LEVELS, TAKE, WARNING, Finding, Measure, leave_out
from pose3d_lib.data.doctor.keypoints import measure_views
from pose3d_lib.data.doctor.motion import measure_motion, measure_world


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
        found += [measure._replace(clip=clip.Index) for measure in measure_motion(data, clip)]
    found += [*whole.compare_bones(data, first), *measure_world(data, list(first.itertuples()))]
    return _checkup(data, found, parameters, [
        *whole.read_table(data),
        *whole.find_duplicates(data, first, parameters),
        *whole.list_unchecked(data),
    ])  # fmt: skip


def check_keypoints(
    data: PoseDataset, clips: pd.DataFrame, keypoints: str, *, parameters: Collection[str] = ()
) -> Checkup:
    """Check one 2D source of some clips, without 3D, before it is lifted. Arguments as of `check_dataset`."""
    found = measure_views(data, data.clips.index.get_indexer(clips.index), [keypoints], poses=False)
    return _checkup(data, found, parameters, [])


def _checkup(
    data: PoseDataset, found: list[Measure], parameters: Collection[str], others: Iterable[Finding]
) -> Checkup:
    takes = ["/".join(take) for take in data.clips[TAKE].itertuples(index=False)]
    rows = [
        (
            *m,
            takes[m.clip] if m.clip >= 0 else "all takes",
            CHECKS[m.check].level(m.value),
            CHECKS[m.check].share(m.value),
        )
        for m in found
    ]
    measures = pd.DataFrame(rows, columns=[*Measure._fields, "take", "level", "share"])
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
            advice += leave_out(parameters, "; to leave it out: ", [where])
    return Finding(
        measure.level, check.name, says, advice, where, camera, measure.clip, measure.value, measure.frame, measure.count,
        measure.source, measure.share,
    )  # fmt: skip


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
    return leave_out(checkup.parameters, "", sorted(bad)) if 0 < len(bad) <= len(takes) / 2 else ""


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


def frames_table(data: PoseDataset) -> pd.DataFrame:
    """Frames of every action (rows) and subject (columns), over all cameras, with sums; 0 where there are none."""
    frames = data.clips.assign(frames=data.clips.stop - data.clips.start)
    table = frames.pivot_table(index="action", columns="subject", values="frames", aggfunc="sum", fill_value=0)
    table = table.loc[list(data.actions), list(dict.fromkeys(data.clips.subject))].astype(int)
    table["All subjects"] = table.sum(axis=1)
    table.loc["All actions"] = table.sum()
    return table.rename_axis(index="Action", columns=None)
