"""Checks of what VideoPose3D's files hold of every take: motions, keypoints, scores and what was not detected."""

import shlex
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
FARTHEST_PIXEL = 1e6  # detectors do place joints outside the image, but near it


def check_motions(world: dict[Key, object], path: Path, motion_set: MotionSet, subjects: list[str]) -> None:
    """Reject takes that are not motions of the set's joints in metres; `subjects` are those of the file."""
    for subject in subjects:
        check_name(subject, motion_set.cameras, f"subject (no cameras are known for it) in {path}")
        if lost := [camera.name for camera in motion_set.cameras[subject] if not camera.is_placed]:
            raise InputError(f"{path}: {subject} has 3D joints, but where camera {lost[0]!r} stood is not known")
    left = list(dict.fromkeys(subject for subject, _, _ in world))
    for split, wanted in motion_set.subjects.items():
        if wanted and not set(wanted) & set(left):
            raise InputError(f"{path}: has no {split} subject; found {', '.join(left) or 'none'}, expected {wanted}")
    joints = " or ".join(map(str, motion_set.used_joints))
    seen: dict[int, Key] = {}
    for key, motion in world.items():
        where = f"{path}: {'/'.join(key)}"
        shapes, expected = (
            [(count, 3) for count in motion_set.used_joints],
            f"float (frames, {joints}, 3), world metres",
        )
        _check_array(motion, shapes, key, seen, where, expected)
        _check_finite(motion, where)
        if np.abs(motion).max() > FARTHEST:
            raise InputError(f"{where} has joints {np.abs(motion).max():.0f} m from the origin; expected metres")


def check_keypoints(
    pixels: dict[Key, object],
    world: dict[Key, np.ndarray],
    layout: Skeleton,
    path: Path,
    motion_set: MotionSet,
    subjects: list[str],
) -> list[str]:
    """Drop keypoints of takes that have no 3D joints though their subject has; returns notes on them.

    Rejects keypoints that do not suit the 3D joints, the layout or the cameras. All of them may have a third column, scores.
    """
    notes = []
    for key in [key for key in pixels if key not in world and key[0] in subjects]:
        notes.append(f"{'/'.join(key)} is left out: it has 2D keypoints but no 3D joints.")
        del pixels[key]
    for key in world:
        if key not in pixels:
            raise InputError(f"{path}: has no keypoints of {'/'.join(key)}, whose 3D joints there are")
    taken: dict[int, Key] = {}
    columns: set[int] = set()
    shapes = [(layout.num_joints, 2), (layout.num_joints, 3)]
    expected = f"float (frames, {layout.num_joints}, 2), as the metadata say, or 3 with scores"
    for key, views in pixels.items():
        where = f"{path}: {'/'.join(key)}"
        if not motion_set.unplaced:
            check_name(key[0], motion_set.cameras, f"subject (no cameras are known for it) in {path}")
        cameras = len(motion_set.cameras_of(key[0]))
        several = isinstance(views, list | tuple) or (isinstance(views, np.ndarray) and views.ndim > 0)
        if not several or len(views) != cameras:
            raise InputError(f"{where} has {len(views) if several else _kind(views)} cameras; expected {cameras}")
        for eye, seen in enumerate(views):
            where = f"{path}: {'/'.join(key)}, camera {eye}"
            _check_array(seen, shapes, key, taken, where, expected)
            columns.add(seen.shape[2])
            if len(columns) > 1:
                raise InputError(f"{where} is {_kind(seen)}; expected scores in every array or in none")
            if key in world and len(seen) < len(world[key]):
                raise InputError(f"{where} has {len(seen)} frames of 2D, fewer than {len(world[key])} of 3D")
            known = seen
            if seen.shape[2] == 3:  # beside scores, a place that is NaN is a joint that was not detected
                known = np.where(np.isnan(seen[..., :2]).any(axis=-1, keepdims=True), 0, seen)
            _check_finite(known, where)
            if (farthest := np.abs(known[..., :2]).max()) > FARTHEST_PIXEL:
                raise InputError(f"{where} has keypoints {farthest:.3g} pixels away; expected pixels")
    return notes


def settle_scores(data: PoseDataset, keypoints: str, path: Path, *, wanted: bool) -> PoseDataset:
    """Bring the scores of a file's third column between 0 and 1, or drop them where they are not wanted.

    Keypoints that were not detected are interpolated within their clips, in place.
    """
    remedy = {} if wanted else {"remedy": "a third column is read as scores, and these are none"}
    missing = find_missing(data.keypoints[keypoints], data.scores[keypoints])
    sure, said = bounded(np.where(missing, np.nan, data.scores[keypoints]), path, path.name, **remedy)
    notes = list(data.notes)
    if missing.any():
        sure = np.where(missing, 0, sure)
        notes.append(_fill(data, data.keypoints[keypoints], missing, path))
    notes += said if wanted else [f"The scores in {path.name} are not used (`scores` would keep them)."]
    return replace(data, scores={keypoints: sure} if wanted else {}, notes=tuple(notes))


def _fill(data: PoseDataset, pixels: np.ndarray, missing: np.ndarray, path: Path) -> str:
    """Interpolate missing keypoints, in place; returns a note that counts them."""
    longest = 0
    for clip in data.clips.itertuples():
        gone = missing[clip.start : clip.stop]
        if gone.all(axis=0).any():
            take = f"{clip.subject}/{clip.action}/{clip.take}"
            raise InputError(
                f"{path}: {take}, camera {data.cameras[clip.camera].name!r}: joint {int(gone.all(axis=0).argmax())} is detected "
                f"in no frame; leave the take out: -p leave_out {shlex.quote(take)}"
            )
        interpolate(pixels[clip.start : clip.stop], gone)
        longest = max(longest, longest_gap(gone))
    counted = count_missing(missing.sum(), missing.size)
    return f"{path.name}: {counted} and are interpolated; the longest gap is {longest} frames."


def _check_array(
    values: object, shapes: list[tuple[int, int]], key: Key, seen: dict[int, Key], where: str, expected: str
) -> None:
    """Reject all but floats of one of the shapes, and one stretch of memory as two takes, which could grow beyond any memory."""
    floating = isinstance(values, np.ndarray) and values.dtype.kind == "f"
    if not (floating and values.ndim == 3 and values.shape[1:] in shapes and len(values)):
        raise InputError(f"{where} is {_kind(values)}; expected {expected}")
    first = seen.setdefault(values.__array_interface__["data"][0], key)
    if first != key:
        raise InputError(f"{where} is the very array of {'/'.join(first)}: one recording cannot be two takes")


def _check_finite(values: np.ndarray, where: str) -> None:
    finite = np.isfinite(values).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"{where} holds NaN or infinity, first in frame {int(np.argmin(finite))}")


def _kind(value: object) -> str:
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
