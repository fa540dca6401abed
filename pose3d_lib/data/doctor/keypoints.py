"""What the data doctor measures of 2D keypoints: where they lie, how they move, and whether they belong to their 3D."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from pose3d_lib.data.cameras import Camera, project
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import BEHIND, CAMERA, CHECKS, Measure
from pose3d_lib.data.doctor.motion import (
    LYING,
    count_frames,
    head_and_feet,
    length,
    longest_still,
    peak,
    poses_of,
    share_of_frames,
    side_exchanges,
    tilt,
)
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.detections.layouts import fold
from pose3d_lib.data.sources.filming import GT, one_thread

COMPARED = ("shoulder", "elbow", "wrist", "hip", "knee", "foot")  # at about the same place of the body in every layout
JUMP_TIME = 0.04  # seconds over which motion in the image is measured: a frame of a common video
EXCHANGE = 0.10  # of the person's size that keypoints must save by changing sides
UPSIDE_DOWN = 120.0  # degrees between upwards and the way from the feet to the head
FEWEST_FRAMES = 10  # of a camera, from which on it can be said to be turned
HALFWAY = 1e-3  # pixels from the middle of the neighbours in time; float32 leaves a tenth of it


def shared_joints(skeleton: Skeleton, layout: Skeleton) -> list[tuple[int, int]]:
    """(joint of the skeleton, joint of the layout) for every joint that can be compared."""
    if skeleton.joints == layout.joints:
        return [(joint, joint) for joint in range(skeleton.num_joints)]
    ours, theirs = ([fold(name).replace("ankle", "foot") for name in own.joints] for own in (skeleton, layout))
    return [(joint, theirs.index(name)) for joint, name in enumerate(ours) if name in theirs and name[1:] in COMPARED]


def _person_size(pixels: np.ndarray) -> float:
    """The median diagonal of the box around a person: (frames, joints, 2)."""
    return float(np.median(np.hypot(*np.ptp(pixels, axis=1).T)))


@one_thread()
def measure_views(
    data: PoseDataset, numbers: Collection[int], sources: Sequence[str], *, poses: bool = True
) -> list[Measure]:
    """Measure each clip by its row number: its keypoints of some 2D sources and, if asked for, its 3D poses."""
    found = []
    for number, clip in enumerate(data.clips.itertuples(index=False)):
        if number in numbers:
            found += [measure._replace(clip=number) for measure in _measure_view(data, clip, sources, poses=poses)]
    return _pool_cameras(data, found)


def _measure_view(data: PoseDataset, clip: pd.Series, sources: Sequence[str], *, poses: bool) -> Iterator[Measure]:
    camera, projected = data.camera_of(clip), None
    yield Measure("frame rate", float(clip.fps))
    if poses and clip.labelled:
        relative, path = poses_of(data, clip)
        finite = _finite(relative) & np.isfinite(path).all(axis=1)
        yield count_frames("numbers", ~finite, "positions or trajectory")
        if finite.all():
            in_camera = relative + path[:, None]
            yield count_frames(BEHIND, (in_camera[..., 2] <= 0).any(axis=1))
            if camera.intrinsics is not None:
                lens = torch.tensor(camera.intrinsics, dtype=torch.float64)
                projected = project(torch.from_numpy(in_camera), lens).numpy()
    for source in sources:
        pixels, layout = data.keypoints[source][clip.start : clip.stop].astype(np.float64), data.layouts[source]
        finite = _finite(pixels)
        found = [count_frames("numbers", ~finite, f"the {source} keypoints")]
        if finite.all():
            found += _measure_keypoints(pixels, camera, layout, clip.fps)
            if projected is not None:
                found += _measure_projection(
                    pixels, projected, shared_joints(data.skeleton, layout), exact=source == GT
                )
        yield from (measure._replace(source=source) for measure in found)


def _finite(array: np.ndarray) -> np.ndarray:
    """Frames without NaN and infinity: (frames, joints, n) -> (frames,)."""
    return np.isfinite(array).all(axis=(1, 2))


def _measure_keypoints(pixels: np.ndarray, camera: Camera, layout: Skeleton, fps: float) -> Iterator[Measure]:
    """Measure keypoints without 3D: (frames, joints, 2) pixels."""
    image, size = np.array([camera.width, camera.height]), _person_size(pixels)
    outside = ((pixels < 0) | (pixels > image)).any(axis=-1)
    yield share_of_frames("outside the image", outside.any(axis=1))._replace(value=float(outside.mean()))
    yield Measure("person size", float(size / np.hypot(*image)))
    if all(ends := head_and_feet(layout)):
        tilts = tilt(pixels, ends, np.array([0.0, -1.0]))
        yield share_of_frames("upside down", tilts > UPSIDE_DOWN)
        yield share_of_frames("sideways", (tilts > LYING) & (tilts <= UPSIDE_DOWN))
    if not 0 < fps < np.inf:
        return
    points = pixels / max(size, 1.0)
    step = max(1, round(JUMP_TIME * fps))  # a rate of 25 or less cannot tell shorter times
    if len(points) > step:
        moved = length(points[step:] - points[:-step])
        typical = np.median(moved, axis=1, keepdims=True)
        yield peak("jumping person", typical * min(1.0, JUMP_TIME * fps / step), ("",), step)
        yield peak("jumping keypoint", moved - typical, layout.joints, step)
    if len(points) < 2:
        return
    if layout.left:
        saved = side_exchanges(points, layout.left, layout.right)
        yield share_of_frames("exchanged keypoints", (saved > EXCHANGE).any(axis=1), 1)
    same = (pixels[1:] == pixels[:-1]).all(axis=(1, 2))
    yield longest_still("frozen keypoints", same, fps)
    bend = np.abs(pixels[2:] - 2 * pixels[1:-1] + pixels[:-2]).max(axis=(1, 2))
    yield share_of_frames("interpolated keypoints", np.pad((bend < HALFWAY) & ~same[:-1], 1))


def _pool_cameras(data: PoseDataset, found: Sequence[Measure]) -> list[Measure]:
    """The measures, with the frames that show turned people put together for each camera and 2D source.

    People lie in some clips and stand on their heads in others, and in few frames keypoints that are a little off can
    look like anything. What is found of a camera is reported of the clip that has most such frames.
    """
    pooled = [measure for measure in found if CHECKS[measure.check].scope != CAMERA]
    of_cameras = pd.DataFrame([m for m in found if CHECKS[m.check].scope == CAMERA], columns=Measure._fields)
    clips = data.clips.iloc[list(of_cameras["clip"])]
    of_cameras["frames"] = (clips.stop - clips.start).to_numpy()
    for (camera, *_), own in of_cameras.groupby([clips.camera.to_numpy(), "check", "source"], sort=False):
        if (frames := own["frames"].sum()) >= FEWEST_FRAMES:
            worst = Measure(*own.loc[own["count"].idxmax(), list(Measure._fields)])
            pooled.append(worst._replace(value=own["count"].sum() / frames, detail=data.cameras[camera].name))
    return pooled


def _measure_projection(
    pixels: np.ndarray, projected: np.ndarray, pairs: list[tuple[int, int]], *, exact: bool
) -> Iterator[Measure]:
    """Measure the distance of keypoints from their projected joints: (frames, joints, 2) pixels each."""
    if not pairs:
        return
    ours, theirs = map(list, zip(*pairs, strict=True))
    errors = length(pixels[:, theirs] - projected[:, ours])
    if exact:
        yield peak("projection", errors, [""] * len(pairs), 0)
    else:
        off, frame = np.median(errors) / max(_person_size(projected), 1.0), np.median(errors, axis=1).argmax()
        yield Measure("detections", float(off), int(frame))
