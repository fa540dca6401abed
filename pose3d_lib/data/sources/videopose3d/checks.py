"""Checks of what VideoPose3D's files hold of every take: motions, keypoints, scores and what was not detected."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.missing import bounded, count_missing, find_missing, interpolate, longest_gap
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.sources.videopose3d.sets import MotionSet

FARTHEST = 100  # metres from the origin; beyond, positions are in another unit
FARTHEST_PIXEL = 1_000_000  # detectors do place joints outside the image, but near it


def check_motions(world: Mapping[Key, object], path: Path, motion_set: MotionSet) -> None:
    """Reject takes that are not motions of the set's joints in metres, in front of placed cameras."""
    joints = " or ".join(map(str, motion_set.used_joints))
    for key, motion in world.items():
        where = f"{path}: {'/'.join(key)}"
        check_name(key[0], motion_set.cameras, f"subject (no cameras are known for it) in {path}")
        if lost := [camera.name for camera in motion_set.cameras[key[0]] if not camera.is_placed]:
            raise InputError(f"{where} has 3D joints, but where camera {lost[0]!r} stood is not known")
        shapes = [(count, 3) for count in motion_set.used_joints]
        _check_array(motion, shapes, where, f"float (frames, {joints}, 3), world metres")
        _check_numbers(motion, where, FARTHEST, "metres")


def check_keypoints(
    pixels: dict[Key, object], world: Mapping[Key, np.ndarray], layout: Skeleton, path: Path, motion_set: MotionSet
) -> list[str]:
    """Drop keypoints of takes that have no 3D joints though their subject has; returns notes on them.

    Rejects keypoints that do not suit the 3D joints, the layout or the cameras. All of them may have a third column, scores.
    """
    notes, subjects = [], {subject for subject, _, _ in world}
    for key in [key for key in pixels if key not in world and key[0] in subjects]:
        notes.append(f"{'/'.join(key)} is left out: it has 2D keypoints but no 3D joints.")
        del pixels[key]
    if without := [key for key in world if key not in pixels]:
        raise InputError(f"{path}: has no keypoints of {'/'.join(without[0])}, whose 3D joints there are")
    columns: set[int] = set()
    shapes = [(layout.num_joints, 2), (layout.num_joints, 3)]
    expected = f"float (frames, {layout.num_joints}, 2), as the metadata say, or 3 with scores"
    for key, views in pixels.items():
        where = f"{path}: {'/'.join(key)}"
        cameras = len(motion_set.cameras_of(key[0]))
        several = isinstance(views, list) or (isinstance(views, np.ndarray) and views.ndim > 0)
        if not several or len(views) != cameras:
            raise InputError(f"{where} has {len(views) if several else _kind(views)} cameras; expected {cameras}")
        for eye, seen in enumerate(views):
            where = f"{path}: {'/'.join(key)}, camera {eye}"
            _check_array(seen, shapes, where, expected)
            columns.add(seen.shape[2])
            if len(columns) > 1:
                raise InputError(f"{where} is {_kind(seen)}; expected scores in every array or in none")
            if key in world and len(seen) < len(world[key]):
                raise InputError(f"{where} has {len(seen)} frames of 2D, fewer than {len(world[key])} of 3D")
            if seen.shape[2] == 3:  # beside scores, a place that is NaN is a joint that was not detected
                seen = np.where(np.isnan(seen[..., :2]).any(axis=-1, keepdims=True), 0, seen)
            _check_numbers(seen, where, FARTHEST_PIXEL, "pixels")
    return notes


def settle_scores(data: PoseDataset, keypoints: str, path: Path, *, wanted: bool) -> PoseDataset:
    """Bring the scores of a file's third column between 0 and 1, or drop them where they are not wanted.

    Keypoints that were not detected are interpolated within their clips, in place.
    """
    pixels, scores, notes, longest = data.keypoints[keypoints], data.scores[keypoints], list(data.notes), 0
    missing = find_missing(pixels, scores)
    sure, said = bounded(np.where(missing, np.nan, scores), f"{path}, third column", path.name)
    for _, clip in data.clips.iterrows() if missing.any() else ():
        gone = missing[clip.start : clip.stop]
        if gone.all(axis=0).any():
            take = "/".join(clip[["subject", "action", "take"]])
            raise InputError(
                f"{path}: {data.name_of(clip)}: joint {int(gone.all(axis=0).argmax())} is detected in no frame; leave the "
                f"take out: -p leave_out {shlex.quote(take)}"
            )
        interpolate(pixels[clip.start : clip.stop], gone)
        longest = max(longest, longest_gap(gone))
    if missing.any():
        counted = count_missing(missing.sum(), missing.size)
        notes.append(f"{path.name}: {counted} and are interpolated; the longest gap is {longest} frames.")
    notes += said if wanted else [f"The scores in {path.name} are not used (`scores` would keep them)."]
    return replace(data, scores={keypoints: np.where(missing, 0, sure)} if wanted else {}, notes=tuple(notes))


def _check_array(values: object, shapes: list[tuple[int, int]], where: str, expected: str) -> None:
    floating = isinstance(values, np.ndarray) and values.dtype.kind == "f"
    if not (floating and values.ndim == 3 and values.shape[1:] in shapes and len(values)):
        raise InputError(f"{where} is {_kind(values)}; expected {expected}")


def _check_numbers(values: np.ndarray, where: str, farthest: float, unit: str) -> None:
    possible = (np.abs(values) < farthest).all(axis=(1, 2))
    if not possible.all():
        frame = int(np.argmin(possible))
        raise InputError(f"{where} holds NaN, or numbers beyond {farthest:,}, first in frame {frame}; expected {unit}")


def _kind(value: object) -> str:
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
