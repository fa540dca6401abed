"""The third column of VideoPose3D's 2D keypoints: scores, and what was not detected."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources.missing import bounded, count_missing, find_missing, interpolate, longest_gap


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
    """Interpolates missing keypoints, in place, and returns a note that counts them."""
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
    counted = count_missing(path.name, missing.sum(), missing.size)
    return f"{counted} and are interpolated; the longest gap is {longest} frames."
