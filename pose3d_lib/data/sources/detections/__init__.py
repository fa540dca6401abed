"""2D keypoints that a detector found in videos: input for a trained model, without any 3D.

Every video becomes a subject with the one action `custom`, as in VideoPose3D's files of custom videos. The 2D sources
are "h36m" (the 17 joints of Human3.6M, derived as `to_h36m` says; for models trained on the ground truth or on CPN's
keypoints), "coco" (for models trained on `detectron_pt_coco`) and the detector's own layout.
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.detections.formats import list_sources, read_videos
from pose3d_lib.data.sources.detections.formats import recognise as recognise
from pose3d_lib.data.sources.detections.layouts import LAYOUTS, convert
from pose3d_lib.data.sources.detections.people import SCORE, SIZE, Chosen, Run, choose_person, fill_gaps, link
from pose3d_lib.data.sources.detections.records import Video, read_size
from pose3d_lib.data.sources.missing import bounded, count_missing, longest_gap
from pose3d_lib.data.spec import DataSpec, Found, Progress

PARAMETERS = ("fps", "joints", "image_size", "person", "max_gap")
KEYPOINTS = "h36m"
ACTION = "custom"
EVERYBODY = "all"
Take = tuple[int, dict[str, np.ndarray]]  # its first frame, and its 2D sources
FPS = 50.0  # of videos without `fps`
SCORES = (
    "The scores are the detector's. Joints of h36m that it does not have get the mean of those that they follow from, "
    "interpolated ones 0."
)
UNSCORED = "has no scores of its joints, or not of all of them: those that were found count as 1."
HOW_TO_SIZE = 'give the size of its images as the parameter image_size, for instance "1920x1080"'


def find(spec: DataSpec, path: Path) -> Found:
    check_name(spec.keypoints, LAYOUTS, "keypoints of detections")
    if spec.joints:
        check_name(spec.joints, LAYOUTS, "joints of detections")
    parse_size(spec.image_size)
    sources, _ = list_sources(path)
    return Found(f"{path.resolve().stem}-{spec.keypoints}", tuple(file for source in sources for file in source.files))


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return (ACTION,)


def parse_size(text: str) -> tuple[int, int] | None:
    """(1920, 1080) from "1920x1080"; None from ""."""
    if not text:
        return None
    sides = re.fullmatch(r"\s*([0-9]{1,6})\s*[x×*,]\s*([0-9]{1,6})\s*", text.casefold())
    if not sides:
        raise InputError(f'parameter image_size: found {text!r}, expected width and height in pixels: "1920x1080"')
    return read_size(int(sides[1]), int(sides[2]), "parameter image_size")


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """One person of every video of a file or folder, or all, without gaps.

    The 2D source `keypoints` must be whole in every frame; others are kept if they are whole as well.
    """
    sources, passed = list_sources(path)
    notes = []
    if passed:
        notes.append(f"Passed over, as no detections are in them: {some([entry.name for entry in passed])}.")
    notes += [SCORES] if spec.scores else []
    image_size = parse_size(spec.image_size)
    rows, takes, starts, stop = [], [], [], 0
    cameras: dict[str, Camera] = {}  # by the names of the videos
    for source in sources:
        progress(f"reading {source.name}")
        for video in read_videos(source, spec.joints):
            video = replace(video, name=tidy_name(video.name))
            if video.name in cameras:
                raise InputError(f"{path}: two videos are called {video.name!r}; give one of them another name")
            size, fps = _image_size(video, image_size), float(spec.fps or video.fps or FPS)
            notes += video.notes
            if not (spec.fps or video.fps):
                notes.append(f"{video.name} is taken for {FPS:g} frames per second (`fps` says otherwise).")
            for subject, runs in _follow_people(video, size, spec, notes).items():
                for number, (first, arrays) in enumerate(runs):
                    start, stop = stop, stop + len(arrays[spec.keypoints])
                    rows.append((subject, ACTION, str(number), len(cameras), fps, start, stop, False))
                    takes.append(arrays)
                    starts.append(first)
            cameras[video.name] = Camera(video.name, *size)
    if not takes:
        raise InputError(f"{path}: there are no detections in it")
    kept = [name for name in takes[0] if all(name in take for take in takes)]
    arrays = {name: np.concatenate([take[name] for take in takes]).astype(np.float32) for name in kept}
    return PoseDataset(
        name=path.resolve().stem,
        synthetic=False,
        skeleton=H36M_17,
        cameras=tuple(cameras.values()),
        clips=pd.DataFrame(rows, columns=list(CLIP_COLUMNS)),
        keypoints={name: array[..., :2] for name, array in arrays.items()},
        layouts={name: LAYOUTS[name] for name in kept},
        positions=np.empty((0, H36M_17.num_joints, 3), np.float32),
        trajectory=np.empty((0, 3), np.float32),
        train_subjects=(),
        test_subjects=(),
        notes=tuple(notes),
        scores={name: array[..., 2] for name, array in arrays.items() if spec.scores},
        first_frames=tuple(starts),
    )


def _follow_people(video: Video, size: tuple[int, int], spec: DataSpec, notes: list[str]) -> dict[str, list[Take]]:
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
    notes += _describe(video, chosen, spec, runs, [run.filled[:, needed] for run in runs], worst[keypoints])
    notes += on_scores
    notes += [
        f"{video.name} has no keypoints {name!r}: {worst[name]}, which `max_gap` {max_gap} leaves open."
        for name in derived
        if name in unfilled
    ]
    whole = [name for name in derived if name not in unfilled]
    return [(run.start, {name: run.points[:, columns == name] for name in whole}) for run in runs]


def _image_size(video: Video, given: tuple[int, int] | None) -> tuple[int, int]:
    if given is None and video.size is None:
        raise InputError(f"{video.where}: does not hold the size of the images; {HOW_TO_SIZE}")
    if given and video.size and given != video.size:
        found, said = ("x".join(map(str, size)) for size in (video.size, given))
        raise InputError(
            f"{video.where}: its images are {found}, but the parameter image_size says {said}; leave it out"
        )
    return given or video.size


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


def _describe(
    video: Video, chosen: Chosen, spec: DataSpec, runs: list[Run], filled: list[np.ndarray], worst: str
) -> list[str]:
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
