"""What the data doctor measures of 2D keypoints: where they lie, how they move, and whether they belong to their 3D."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from pose3d_lib.data.cameras import Camera, project
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.checks import CHECKS
from pose3d_lib.data.doctor.measures import (
    LYING,
    Measure,
    head_and_feet,
    length,
    longest_run,
    peak,
    side_exchanges,
    tilt,
)
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.filming import GT, one_thread

COMPARED = ("shoulder", "elbow", "wrist", "hip", "knee", "foot")  # at about the same place of the body in every layout
FRAMES_TO_RECOGNISE = 50  # that are compared with the other cameras' views
JUMP_TIME = 0.04  # seconds over which motion in the image is measured: a frame of a common video
EXCHANGE = 0.10  # of the person's size that keypoints must save by changing sides
UPSIDE_DOWN = 120.0  # degrees between upwards and the way from the feet to the head
HALFWAY = 1e-3  # pixels from the middle of the neighbours in time; float32 leaves a tenth of it


def shared_joints(skeleton: Skeleton, layout: Skeleton) -> list[tuple[int, int]]:
    """(joint of the skeleton, joint of the layout) for every joint that can be compared."""
    if skeleton.joints == layout.joints:
        return [(joint, joint) for joint in range(skeleton.num_joints)]
    there = {_plain(name): joint for joint, name in enumerate(layout.joints)}
    names = [(joint, _plain(name)) for joint, name in enumerate(skeleton.joints)]
    return [(joint, there[name]) for joint, name in names if name in there and name[1:] in COMPARED]


def _plain(name: str) -> str:
    """l or r, and the joint: 'lfoot' for LAnkle, 'left_ankle' and LFoot."""
    name = name.casefold().replace("left", "l").replace("right", "r").replace("_", "").replace(" ", "")
    return name.replace("ankle", "foot")


def _box_sizes(pixels: np.ndarray) -> np.ndarray:
    """Diagonals of the boxes around people: (frames, joints, 2) -> (frames,)."""
    return np.hypot(*(pixels.max(axis=1) - pixels.min(axis=1)).T)


@one_thread()
def measure_views(
    data: PoseDataset, numbers: Sequence[int], sources: Sequence[str], *, poses: bool = True
) -> list[Measure]:
    """Measure each clip by its row number: its keypoints of some 2D sources and, if asked for, its 3D poses."""
    clips = data.clips.itertuples(index=False)
    wanted = set(numbers)
    views = ((n, clip) for n, clip in enumerate(clips) if n in wanted)
    return [measure for n, clip in views for measure in _measure_view(data, n, clip, sources, poses=poses)]


def _measure_view(
    data: PoseDataset, number: int, clip: pd.Series, sources: Sequence[str], *, poses: bool
) -> Iterator[Measure]:
    rows, camera = slice(clip.start, clip.stop), data.cameras[clip.camera]
    yield Measure(number, "frame rate", float(clip.fps))
    projected = None
    if poses and clip.labelled:
        poses_3d, path = data.positions[rows].astype(np.float64), data.trajectory[rows].astype(np.float64)
        broken = [_count_broken(number, poses_3d, "positions"), _count_broken(number, path, "trajectory")]
        yield from broken
        if not any(measure.count for measure in broken):
            in_camera = poses_3d + path[:, None]
            behind = (in_camera[..., 2] <= 0).any(axis=1)
            count = int(behind.sum())
            yield Measure(number, "behind the camera", float(count), int(behind.argmax()), count)
            projected = _project(camera, in_camera) if camera.intrinsics is not None else None
    for source in sources:
        pixels = data.keypoints[source][rows].astype(np.float64)
        yield (broken := _count_broken(number, pixels, f"the {source} keypoints", source))
        if not broken.count:
            yield from _measure_keypoints(number, pixels, camera, data.layouts[source], clip.fps, source)
            if projected is not None:
                pairs = shared_joints(data.skeleton, data.layouts[source])
                yield from _measure_projection(number, pixels, projected, pairs, source)


def _count_broken(number: int, array: np.ndarray, name: str, source: str = "") -> Measure:
    """Frames with NaN or infinity: (frames, ...)."""
    broken = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    count = int(broken.sum())
    return Measure(number, "numbers", float(count), int(broken.argmax()) if count else -1, count, name, source)


def _measure_keypoints(
    number: int, pixels: np.ndarray, camera: Camera, layout: Skeleton, fps: float, source: str
) -> Iterator[Measure]:
    """Measure keypoints without 3D: (frames, joints, 2) pixels."""

    def found(check: str, value: float, frame: int = -1, count: int = 0) -> Measure:
        return Measure(number, check, float(value), int(frame), int(count), source=source)

    image = np.array([camera.width, camera.height])
    size = np.median(_box_sizes(pixels))
    outside = ((pixels < 0) | (pixels > image)).any(axis=-1).sum(axis=1)
    share = outside.sum() / pixels[..., 0].size
    yield found("outside the image", share, outside.argmax(), np.count_nonzero(outside))
    yield found("person size", size / np.hypot(*image))
    yield from (found(*row) for row in _turned(layout, pixels))
    if not 0 < fps < np.inf:
        return
    points = pixels / max(size, 1.0)
    step = max(1, round(JUMP_TIME * fps))  # a rate of 25 or less cannot tell shorter times
    if len(points) > step:
        moved = length(points[step:] - points[:-step])
        typical = np.median(moved, axis=1)
        alone = moved - typical[:, None]
        typical *= min(1.0, JUMP_TIME * fps / step)
        yield found("jumping person", typical.max(), step + typical.argmax(), 1)
        yield peak(number, "jumping keypoint", alone, layout.joints, step, source)
    if len(points) < 2:
        return
    if layout.left:
        saved = side_exchanges(points, layout.left, layout.right).max(axis=1)
        count = (saved > EXCHANGE).sum()
        yield found("exchanged keypoints", count / len(saved), 1 + saved.argmax(), count)
    same = (pixels[1:] == pixels[:-1]).all(axis=(1, 2))
    longest, start = longest_run(same)
    yield found("frozen keypoints", longest / fps, start, longest)
    bend = np.abs(pixels[2:] - 2 * pixels[1:-1] + pixels[:-2]).max(axis=(1, 2))
    halfway = np.flatnonzero((bend < HALFWAY) & ~same[:-1])
    first = halfway[0] + 1 if len(halfway) else 0
    yield found("interpolated keypoints", len(halfway) / len(pixels), first, len(halfway))


def _turned(layout: Skeleton, pixels: np.ndarray) -> Iterator[tuple[str, int, int, int]]:
    """Check, frames, the first turned frame and their number, for `whole.pool_cameras`."""
    if all(ends := head_and_feet(layout)):
        tilts = tilt(pixels, ends, np.array([0.0, -1.0]))
        over, beside = tilts > UPSIDE_DOWN, (tilts > LYING) & (tilts <= UPSIDE_DOWN)
        yield "upside down", len(pixels), over.argmax(), over.sum()
        yield "sideways", len(pixels), beside.argmax(), beside.sum()


def _project(camera: Camera, in_camera: np.ndarray) -> np.ndarray:
    """(frames, joints, 3) camera metres -> (frames, joints, 2) pixels."""
    # Coordinates before frames in memory: PyTorch is three times as fast along long axes.
    planes = torch.from_numpy(in_camera.transpose(2, 0, 1).copy()).permute(1, 2, 0)
    return project(planes, torch.tensor(camera.intrinsics, dtype=torch.float64)).numpy()


def _measure_projection(
    number: int, pixels: np.ndarray, projected: np.ndarray, pairs: list[tuple[int, int]], source: str
) -> Iterator[Measure]:
    """Measure the distance of keypoints from their projected joints: (frames, joints, 2) pixels each."""
    if not pairs:
        return
    ours, theirs = map(list, zip(*pairs, strict=True))
    errors = length(pixels[:, theirs] - projected[:, ours])
    if source == GT:
        yield peak(number, "projection", errors, [""] * len(pairs), 0, source)
    else:
        share = np.median(errors) / max(np.median(_box_sizes(projected)), 1.0)
        yield Measure(number, "detections", float(share), int(np.median(errors, axis=1).argmax()), source=source)


def find_other_camera(data: PoseDataset, clip: pd.Series, source: str) -> str | None:
    """The camera whose view of the same take a labelled clip's keypoints really are; None where there is none."""
    clips, pairs = data.clips, shared_joints(data.skeleton, data.layouts[source])
    same = (clips.subject == clip.subject) & (clips.action == clip.action) & (clips["take"] == clip["take"])
    same &= clips.labelled & (clips.camera != clip.camera) & (clips.stop - clips.start == clip.stop - clip.start)
    ours, theirs = map(list, zip(*pairs, strict=True))
    pixels = data.keypoints[source][clip.start : clip.stop][:FRAMES_TO_RECOGNISE].astype(np.float64)
    for other in clips[same].itertuples(index=False):
        camera, rows = data.cameras[other.camera], slice(other.start, other.start + len(pixels))
        if camera.intrinsics is not None:
            projected = _project(camera, data.positions[rows].astype(np.float64) + data.trajectory[rows, None])
            errors = length(pixels[:, theirs] - projected[:, ours])
            if np.median(errors) < CHECKS["detections"].good[1] / 2 * np.median(_box_sizes(projected)):
                return camera.name
    return None
