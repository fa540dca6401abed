"""The people of a video: who is chosen, followed from frame to frame, with gaps filled in, and notes on all that."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.sources.detections.layouts import LAYOUTS, convert
from pose3d_lib.data.sources.detections.records import Video
from pose3d_lib.data.sources.missing import bounded, count_missing, interpolate, longest_gap, true_runs
from pose3d_lib.data.spec import DataSpec

EVERYBODY = "all"
SCORE, SIZE = "score", "size"
REACH = 0.3  # how far a person may move between two frames, as a share of the diagonal of the box around the joints
MOST_FRAMES_APART = 10  # a person who was not seen for longer may have moved as far as in so many frames
REMEMBERED = 100  # how many people, those seen last, a new detection is compared with
MAX_FRAMES = 2_000_000  # of one video: eleven hours at 50 frames per second
UNSCORED = "has no scores of its joints, or not of all of them: those that were found count as 1."
HOW_TO_SIZE = 'give the size of its images as the parameter image_size, for instance "1920x1080"'
Take = tuple[int, dict[str, np.ndarray]]  # its first frame, and its 2D sources


@dataclass(frozen=True)
class Chosen:
    """One person of a video."""

    who: str  # the person's track
    rows: np.ndarray  # (n,) the video's detections of this person, at most one in a frame, in order of frames
    others: int  # number of other people


@dataclass(frozen=True)
class Run:
    """Frames without a gap."""

    start: int  # number of the first frame
    points: np.ndarray  # (frames, joints, 2 or 3), all finite where not `open`
    filled: np.ndarray  # (frames, needed joints) bool: was missing
    open: np.ndarray  # (joints,) bool: missing for too long somewhere, which only joints that are not needed can be


def choose_person(video: Video, person: str) -> Chosen:
    """The person that `person` means: the name of a track, or the highest "score" ("" too), or the largest box by "size".

    Score and size are means over all frames, 0 where the person is not seen. Without the detector's tracks, `link` tells
    people apart.
    """
    tracks = np.array(link(video) if video.tracks is None else video.tracks, object)
    names, first, which = np.unique(tracks.astype(str), return_index=True, return_inverse=True)
    if person in ("", SCORE, SIZE):
        weights = video.scores if person != SIZE else _sides(video.points).prod(axis=-1)
        best = int(np.lexsort([first, -np.bincount(which, weights)])[0])  # a draw: who is seen first
    else:
        check_name(person, names[np.argsort(first)], f"person in {video.where}")
        best = int(np.flatnonzero(names == person)[0])
    rows = np.flatnonzero(which == best)
    by_score = rows[np.lexsort([-video.scores[rows], video.frames[rows]])]
    _, kept = np.unique(video.frames[by_score], return_index=True)
    return Chosen(str(names[best]), by_score[kept], len(names) - 1)


def link(video: Video) -> tuple[str, ...]:
    """A track for every detection of a video: "1", "2", ... in order of first appearance.

    From frame to frame, those go together whose joints lie nearest to where they were: by the median distance of the
    joints that both have, as a share of the larger box's diagonal, at most `REACH` per frame, so that the sum over all
    people is least. Where never more than one person is in a frame, it is one person.

    Raises:
        InputError: there are more than `REMEMBERED` people in a frame.
    """
    starts = np.flatnonzero(np.diff(video.frames, prepend=-1))
    stops = np.append(starts[1:], len(video.frames))
    if (stops - starts).max() == 1:
        return ("1",) * len(video.frames)
    if (most := (stops - starts).max()) > REMEMBERED:  # each is compared with each
        frame = video.frames[starts[(stops - starts).argmax()]]
        raise InputError(
            f"{video.where}: {most:,} people in frame {frame}; at most {REMEMBERED} are read without tracks"
        )
    from scipy.optimize import linear_sum_assignment  # takes most of a second, which only those who need it should wait

    tracks = np.zeros(len(video.frames), np.int64)
    last = np.empty(0, np.int64)  # of every remembered person, the row where last seen; those seen last come last
    count = 0
    for start, stop in zip(starts, stops, strict=True):
        now = np.arange(start, stop)
        continued = np.zeros(len(last), bool)
        if len(last):
            apart = np.minimum(video.frames[start] - video.frames[last], MOST_FRAMES_APART)
            distance = distances(video.points[last], video.points[now]) / apart[:, None]
            allowed = distance <= REACH
            old, new = linear_sum_assignment(np.where(allowed, distance, 1e3))
            matched = allowed[old, new]
            tracks[now[new[matched]]] = tracks[last[old[matched]]]
            continued[old[matched]] = True
        for row in now[tracks[now] == 0]:
            count += 1
            tracks[row] = count
        last = np.concatenate([last[~continued], now])[-REMEMBERED:]
    return tuple(map(str, tracks))


def fill_gaps(
    frames: np.ndarray,
    points: np.ndarray,
    listed: np.ndarray,
    max_gap: int,
    where: str,
    *,
    needed: np.ndarray | slice = slice(None),
) -> tuple[list[Run], np.ndarray]:
    """The person's frames as runs without a gap, and (joints,) in how many frames each joint was missing for too long.

    Missing joints lie on a line between the frames around them; before the first and after the last frame that has it, a
    joint stays where it is there; the score of what is filled in is 0. Gaps of more than `max_gap` frames of the `needed`
    joints are not filled: there a run ends and another begins.

    `frames`, (n,), are the ascending numbers of the frames with the person, `listed` those of the video; `points`, (n,
    joints, 2 or 3), are x, y and perhaps a score, NaN where missing; `where` is the video, for messages.
    """
    first, last = int(listed[0]), int(listed[-1])
    runs, lost = [], np.zeros(points.shape[1], np.int64)
    ends = np.flatnonzero(np.diff(frames) > max_gap + 1)
    for begin, end in zip(np.append(0, ends + 1), np.append(ends, len(frames) - 1), strict=True):
        start, stop = int(frames[begin]), int(frames[end])
        start = first if begin == 0 and start - first <= max_gap else start
        stop = last if end == len(frames) - 1 and last - stop <= max_gap else stop
        if stop - start >= MAX_FRAMES:
            raise InputError(f"{where}: {stop - start + 1:,} frames in one piece; at most {MAX_FRAMES:,} are read")
        dense = np.full((stop - start + 1, *points.shape[1:]), np.nan, np.float64)
        dense[frames[begin : end + 1] - start] = points[begin : end + 1]
        missing = ~np.isfinite(dense).all(axis=-1)
        too_long = np.stack([_long_runs(column, max_gap) for column in missing.T], axis=1)
        lost += too_long.sum(axis=0)
        interpolate(dense, missing)
        for a, b in true_runs(~too_long[:, needed].any(axis=1)):
            runs.append(Run(start + a, dense[a:b], missing[a:b, needed], too_long[a:b].any(axis=0)))
    return runs, lost


def distances(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """(old, new): how far people are apart, as a share of the larger box's diagonal; infinite without a common joint."""
    apart = np.linalg.norm(before[:, None] - now[None], axis=-1)
    common = np.isfinite(apart)
    ordered = np.sort(np.where(common, apart, np.inf), axis=-1)
    middle = np.maximum(common.sum(axis=-1) - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[..., None], axis=-1)[..., 0]
    diagonals = [np.linalg.norm(_sides(people), axis=-1) for people in (before, now)]
    diagonal = np.maximum(diagonals[0][:, None], diagonals[1][None])
    return median / np.maximum(diagonal, 1e-6)


def _sides(points: np.ndarray) -> np.ndarray:
    """(people, 2): width and height of the box around the joints that are seen, 0 without any."""
    seen = np.isfinite(points)
    sides = np.where(seen, points, -np.inf).max(axis=1) - np.where(seen, points, np.inf).min(axis=1)
    return np.where(np.isfinite(sides), sides, 0).astype(np.float64)


def _long_runs(missing: np.ndarray, max_gap: int) -> np.ndarray:
    """Where stretches of more than `max_gap` frames are missing, or all."""
    long = np.full(len(missing), missing.all())
    for start, stop in true_runs(missing):
        if stop - start > max_gap:
            long[start:stop] = True
    return long


def follow_people(video: Video, size: tuple[int, int], spec: DataSpec, notes: list[str]) -> dict[str, list[Take]]:
    """The takes of whom `person` means, by subject: of one person the video's name, of all each person's behind it."""
    if spec.person != EVERYBODY:
        return {video.name: _follow(video, size, spec, notes)}
    video = replace(video, tracks=video.tracks or link(video))
    followed, left_out = {}, []
    for who, frames in Counter(video.tracks).items():
        try:
            if frames <= spec.max_gap:
                raise InputError(f"seen in {frames} frames only, which `max_gap` {spec.max_gap} would fill in")
            own = spec.model_copy(update={"person": who})
            followed[tidy_name(f"{video.name}-{who}")] = _follow(video, size, own, notes)
        except InputError as error:
            left_out.append(f"{who} ({str(error).removeprefix(f'{video.where}: ')})")
    if not followed:
        raise InputError(f"{video.where}: of {len(left_out)} people none can be used: {some(left_out, 3)}")
    if left_out:
        notes.append(f"{video.name}: people who are left out: {some(left_out)}.")
    return followed


def _follow(video: Video, size: tuple[int, int], spec: DataSpec, notes: list[str]) -> list[Take]:
    """The takes of one person of a video: first frame and 2D sources, with scores as third numbers; `notes` are added to."""
    keypoints, max_gap = spec.keypoints, spec.max_gap
    chosen = choose_person(video, spec.person)
    points = video.points[chosen.rows].astype(np.float64)
    if video.normalised:
        points *= size
    _check_inside(points, size, video)
    on_scores: list[str] = []
    if spec.scores:
        if video.joint_scores is None:
            own, on_scores = np.where(np.isnan(points[..., 0]), np.nan, 1), [f"{video.name} {UNSCORED}"]
        else:
            own, on_scores = bounded(video.joint_scores[chosen.rows], video.where, video.name)
        points = np.concatenate([points, own[..., None]], axis=-1)
    derived = convert(points, video.layout)
    check_name(keypoints, derived, f"keypoints of {video.where}")
    derived = {keypoints: derived.pop(keypoints), **derived}
    together = np.concatenate(list(derived.values()), axis=1)
    columns = np.repeat(list(derived), [array.shape[1] for array in derived.values()])
    needed = columns == keypoints
    runs, lost = fill_gaps(video.frames[chosen.rows], together, video.listed, max_gap, video.where, needed=needed)
    worst = {name: _worst(lost[columns == name], name) for name in derived}
    if not runs:
        raise InputError(
            f"{video.where}: no frame with all joints of {keypoints!r}: {worst[keypoints]}; other keypoints, or a "
            f"max_gap of more than {max_gap} frames, may do"
        )
    unfilled = {name for run in runs for name in columns[run.open]}
    notes += _describe(video, chosen, spec, runs, worst[keypoints])
    notes += on_scores
    notes += [
        f"{video.name} has no keypoints {name!r}: {worst[name]}, which `max_gap` {max_gap} leaves open."
        for name in derived
        if name in unfilled
    ]
    whole = [name for name in derived if name not in unfilled]
    return [(run.start, {name: run.points[:, columns == name] for name in whole}) for run in runs]


def _check_inside(points: np.ndarray, size: tuple[int, int], video: Video) -> None:
    """Refuses coordinates that cannot be pixels of images of this size."""
    seen = points[np.isfinite(points).all(axis=-1)]
    if np.abs(seen).max() <= 2:
        raise InputError(
            f"{video.where}: every coordinate lies between {seen.min():.3g} and {seen.max():.3g}; expected pixels, "
            "not shares of the image (OpenPose: --keypoint_scale 0; YOLO: normalize=False)"
        )
    inside = ((seen >= 0) & (seen <= size)).all(axis=-1).mean()
    if inside < 0.5:
        raise InputError(
            f"{video.where}: {1 - inside:.0%} of the joints lie outside the image of {size[0]}x{size[1]} pixels; {HOW_TO_SIZE}"
        )


def _describe(video: Video, chosen: Chosen, spec: DataSpec, runs: list[Run], worst: str) -> list[str]:
    """Sentences on the person who was chosen, on what was filled in, and on where the video was cut."""
    listed = int(video.listed[-1] - video.listed[0]) + 1
    who = "one person"
    if chosen.others:
        best, largest = "has the highest score over all frames", "has the largest box over all frames"
        rule = {"": best, SCORE: best, SIZE: largest}.get(spec.person, "`person` names")
        linked = "" if video.tracks else " (told apart by where they are from frame to frame)"
        who = f"of {chosen.others + 1} people{linked}, {chosen.who!r} was taken, who {rule}"
    notes = [f"{who}; detected in {len(chosen.rows):,} of {listed:,} frames."]
    lost = np.isnan(video.points[chosen.rows, :, 0]).sum(axis=0)
    if lost.any():
        counted = count_missing(lost.sum(), lost.size * len(chosen.rows))
        notes.append(f"{counted}: {_worst(lost, video.layout)}.")
    filled = [run.filled for run in runs]
    together = np.concatenate(filled)
    if together.any():
        notes.append(
            f"in {together.any(axis=1).sum():,} frames missing joints are interpolated, in {together.all(axis=1).sum():,} of "
            f"them all joints; the longest gap is {max(map(longest_gap, filled))} frames."
        )
    if left_out := listed - len(together):
        spans = [f"take {n} is frames {run.start}-{run.start + len(run.points) - 1}" for n, run in enumerate(runs)]
        notes.append(
            f"{left_out:,} frames are left out, as the person or a joint is missing in more than {spec.max_gap} frames in a row "
            f"(`max_gap`){f' ({worst})' if worst else ''}; {some(spans)}."
        )
    return [f"{video.name}: {note}" for note in notes]


def _worst(lost: np.ndarray, layout: str) -> str:
    """The joints that are missing for too long in most frames."""
    order = [int(joint) for joint in np.argsort(-lost, kind="stable")[:3] if lost[joint]]
    return ", ".join(f"{LAYOUTS[layout].joints[joint]} is missing in {lost[joint]:,} frames" for joint in order)
