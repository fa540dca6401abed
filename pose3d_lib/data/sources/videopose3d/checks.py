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
        for camera in motion_set.cameras[subject]:
            if not camera.is_placed:
                raise InputError(
                    f"{path}: {subject} has 3D joints, but where camera {camera.name!r} stood is not known"
                )
    left = list(dict.fromkeys(subject for subject, _, _ in world))
    for split, wanted in motion_set.subjects.items():
        if wanted and not set(wanted) & set(left):
            raise InputError(f"{path}: has no {split} subject; found {', '.join(left) or 'none'}, expected {wanted}")
    joints = " or ".join(map(str, motion_set.used_joints))
    seen: dict[int, Key] = {}
    for key, motion in world.items():
        where = f"{path}: {'/'.join(key)}"
        if not _has_shape(motion, [(count, 3) for count in motion_set.used_joints]):
            raise InputError(f"{where} is {_kind(motion)}; expected float (frames, {joints}, 3), world metres")
        _check_finite(motion, where)
        if np.abs(motion).max() > FARTHEST:
            raise InputError(f"{where} has joints {np.abs(motion).max():.0f} m from the origin; expected metres")
        _check_new(motion, key, seen, where)


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
    without = [subject for subject in subjects if subject not in {key[0] for key in pixels}]
    if any(key[0] in without for key in world):
        raise InputError(f"{path}: has no keypoints of {', '.join(without)}, whose 3D joints there are")
    notes = []
    for key in [key for key in pixels if key not in world and key[0] in subjects]:
        notes.append(f"{'/'.join(key)} is left out: it has 2D keypoints but no 3D joints.")
        del pixels[key]
    for key in world:
        if key not in pixels:
            raise InputError(f"{path}: has no keypoints of {'/'.join(key)}, whose 3D joints there are")
    taken: dict[int, Key] = {}
    columns: set[int] = set()
    for key, views in pixels.items():
        where = f"{path}: {'/'.join(key)}"
        if not motion_set.unplaced:
            check_name(key[0], motion_set.cameras, f"subject (no cameras are known for it) in {path}")
        cameras = len(motion_set.cameras_of(key[0]))
        several = isinstance(views, list | tuple) or (isinstance(views, np.ndarray) and views.ndim > 0)
        if not several or len(views) != cameras:
            found = len(views) if several else _kind(views)
            raise InputError(f"{where} has {found} cameras; expected {cameras}")
        for eye, seen in enumerate(views):
            if not _has_shape(seen, [(layout.num_joints, 2), (layout.num_joints, 3)]):
                expected = f"expected float (frames, {layout.num_joints}, 2), as the metadata say, or 3 with scores"
                raise InputError(f"{where}, camera {eye} is {_kind(seen)}; {expected}")
            columns.add(seen.shape[2])
            if len(columns) > 1:
                raise InputError(f"{where}, camera {eye} is {_kind(seen)}; expected scores in every array or in none")
            if key in world and len(seen) < len(world[key]):
                raise InputError(
                    f"{where}, camera {eye} has {len(seen)} frames of 2D, fewer than {len(world[key])} of 3D"
                )
            known = seen
            if seen.shape[2] == 3:  # beside scores, a place that is NaN is a joint that was not detected
                known = np.where(np.isnan(seen[..., :2]).any(axis=-1, keepdims=True), 0, seen)
            _check_finite(known, f"{where}, camera {eye}")
            if (farthest := np.abs(known[..., :2]).max()) > FARTHEST_PIXEL:
                raise InputError(f"{where}, camera {eye} has keypoints {farthest:.3g} pixels away; expected pixels")
            _check_new(seen, key, taken, f"{where}, camera {eye}")
    return notes


def settle_scores(data: PoseDataset, keypoints: str, path: Path, *, wanted: bool) -> PoseDataset:
    """Bring the scores of a file's third column between 0 and 1, or drop them where they are not wanted.

    Keypoints that were not detected are interpolated within their clips, in place.
    """
    remedy = {} if wanted else {"remedy": "a third column is read as scores, and these are none"}
    missing = find_missing(data.keypoints[keypoints], data.scores[keypoints])
    sure, said = bounded(np.where(missing, np.nan, data.scores[keypoints]), path, path.name, **remedy)
    if missing.any():
        sure = np.where(missing, 0, sure)
        data = replace(data, notes=(*data.notes, _fill(data, data.keypoints[keypoints], missing, path)))
    if not wanted:
        return replace(
            data, scores={}, notes=(*data.notes, f"The scores in {path.name} are not used (`scores` would keep them).")
        )
    return replace(data, scores={keypoints: sure}, notes=(*data.notes, *said))


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


def is_named(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _has_shape(value: object, of_frames: list[tuple[int, int]]) -> bool:
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return floating and value.ndim == 3 and value.shape[1:] in of_frames and len(value) > 0


def _check_finite(values: np.ndarray, where: str) -> None:
    finite = np.isfinite(values).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"{where} holds NaN or infinity, first in frame {int(np.argmin(finite))}")


def _check_new(values: np.ndarray, key: Key, seen: dict[int, Key], where: str) -> None:
    """Reject one stretch of memory as two takes: a small file could grow beyond any memory."""
    first = seen.setdefault(values.__array_interface__["data"][0], key)
    if first != key:
        raise InputError(f"{where} is the very array of {'/'.join(first)}: one recording cannot be two takes")


def _kind(value: object) -> str:
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
