"""What the data doctor measures of 2D keypoints: where they lie, how they move, and whether they belong to their 3D."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from pose3d_lib.data.cameras import project
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor.limits import (
    DETECTION,
    EXCHANGE_2D,
    HALFWAY,
    KEYPOINT_JUMP,
    LYING,
    PROJECTION,
    UPSIDE_DOWN,
    WIDE_LINE,
)
from pose3d_lib.data.doctor.measures import (
    Block,
    Measure,
    blocks,
    find_joints,
    head_and_feet,
    length,
    longest_run,
    side_exchanges,
    tilt,
)
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.filming import GT

SAME_JOINT = {"ankle": "foot"}
"""Names that layouts use for the same joint, as far as they are compared."""

COMPARED = ("shoulder", "elbow", "wrist", "hip", "knee", "foot")
"""Joints that every layout has at about the same place of the body."""

FRAMES_TO_RECOGNISE = 50
"""Frames that are compared with the other cameras' views."""

JUMP_TIME = 0.04
"""Seconds over which a person's motion in the image is measured: as long as a frame of a common video."""


def shared_joints(skeleton: Skeleton, layout: Skeleton) -> list[tuple[int, int]]:
    """(joint of the skeleton, joint of the layout) for every joint that can be compared."""
    if skeleton.joints == layout.joints:
        return [(joint, joint) for joint in range(skeleton.num_joints)]
    there = {_plain(name): joint for joint, name in enumerate(layout.joints)}
    pairs = ((joint, there.get(_plain(name))) for joint, name in enumerate(skeleton.joints))
    return [
        (joint, other) for joint, other in pairs if other is not None and _plain(skeleton.joints[joint])[1:] in COMPARED
    ]


def _plain(name: str) -> str:
    """l or r, and the joint: 'lfoot' for LAnkle, 'left_ankle' and LFoot."""
    name = name.casefold().replace("left", "l").replace("right", "r").replace("_", "").replace(" ", "")
    for one, other in SAME_JOINT.items():
        name = name.replace(one, other)
    return name


def _box_sizes(pixels: np.ndarray) -> np.ndarray:
    """Diagonals of the boxes around people: (frames, joints, 2) -> (frames,)."""
    across = pixels.transpose(2, 1, 0).copy()  # numpy is several times as fast along the last axis
    return np.hypot(*(across.max(axis=1) - across.min(axis=1)))


def measure_views(
    data: PoseDataset, numbers: Sequence[int], sources: Sequence[str], *, poses: bool = True
) -> tuple[list[Measure], list[tuple]]:
    """Measure every camera's view of a take; also returns the rows of `find_turned`.

    Args:
        data: the dataset.
        numbers: row numbers of clips.
        sources: 2D sources that are looked at.
        poses: whether the 3D poses of labelled clips are looked at too.
    """
    found: list[Measure] = []
    turned: list[tuple] = []
    for block in blocks(data, numbers):
        found += block.measures("frame rate", np.full(len(block.numbers), block.fps))
        whole, projected = np.ones(len(block.numbers), bool), None
        if poses and block.labelled:
            positions, path = block.read(data.positions), block.read(data.trajectory)
            for name, array in (("positions", positions), ("trajectory", path)):
                broken = _count_broken(block, array, name)
                found += broken
                whole &= [measure.value == 0 for measure in broken]
            in_camera = positions + path[:, None]
            behind = (in_camera[..., 2] <= 0).any(axis=1)
            count = block.count(behind)
            found += block.measures("behind the camera", count, block.where_most(behind), count, among=whole)
            projected = _project(data, block, in_camera) if can_project(data, block.cameras[0]) else None
        for source in sources:
            pixels = block.read(data.keypoints[source])
            broken = _count_broken(block, pixels, f"the {source} keypoints", source)
            found += broken
            finite = np.array([measure.value == 0 for measure in broken])
            pixels[~finite[block.owner]] = 0
            found += _measure_keypoints(data, block, source, pixels, finite)
            turned += _count_turned(data.layouts[source], block, source, pixels, finite)
            if projected is not None:
                found += _measure_projection(data, block, source, pixels, projected, finite & whole)
    return found, turned


def _count_broken(block: Block, array: np.ndarray, name: str, source: str = "") -> list[Measure]:
    """Of each clip, the frames with NaN or infinity: (frames, ...)."""
    broken = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    count = block.count(broken)
    frames = np.where(count, block.where_most(broken), -1)
    return list(block.measures("numbers", count, frames, count, details=[name] * len(count), source=source))


def _measure_keypoints(
    data: PoseDataset, block: Block, source: str, pixels: np.ndarray, whole: np.ndarray
) -> Iterator[Measure]:
    """Measure keypoints without 3D: (frames, joints, 2) pixels, of the clips that are whole, (clips,)."""
    image = np.array([(camera.width, camera.height) for camera in data.cameras], float)[block.cameras]  # (clips, 2)
    size = block.median(_box_sizes(pixels))  # (clips,)
    beyond = (pixels < 0) | (pixels > image[block.owner, None])
    outside = (beyond[..., 0] | beyond[..., 1]).sum(axis=1)
    found = {"among": whole, "source": source}
    share = block.count(outside) / (block.lengths * pixels.shape[1])
    yield from block.measures("outside the image", share, block.where_most(outside), block.count(outside > 0), **found)
    yield from block.measures("person size", size / np.hypot(*image.T), **found)
    in_sizes = pixels / np.maximum(size, 1.0)[block.owner, None, None]
    if 0 < block.fps < np.inf:
        yield from _measure_steps(data.layouts[source], block, source, in_sizes, whole)
        yield from _measure_repetition(block, source, pixels, whole & (block.lengths > 1))


def _measure_steps(
    layout: Skeleton, block: Block, source: str, points: np.ndarray, whole: np.ndarray
) -> Iterator[Measure]:
    """Measure jumps, and exchanges of left and right; points in sizes of the person."""
    step = max(1, round(JUMP_TIME * block.fps))  # a rate of 25 or less cannot tell shorter times
    moved = np.zeros(points.shape[:2])
    moved[step:] = length(points[step:] - points[:-step])
    moved[block.frame < step] = 0
    typical = np.median(moved, axis=1)
    alone = moved - typical[:, None]
    typical *= min(1.0, JUMP_TIME * block.fps / step)
    most = alone.max(axis=1)
    frames, count = block.where_most(most), block.count(most > KEYPOINT_JUMP)
    joints = [layout.joints[joint] for joint in alone[block.starts + frames].argmax(axis=1)]
    found = {"among": whole & (block.lengths > step), "source": source}
    once = np.ones(len(whole), int)
    yield from block.measures("jumping person", block.most(typical), block.where_most(typical), once, **found)
    yield from block.measures("jumping keypoint", block.most(most), frames, count, details=joints, **found)
    if layout.left:
        saved = np.zeros(len(points))
        saved[1:] = side_exchanges(points, layout.left, layout.right, block.starts).max(axis=1)
        count = block.count(saved > EXCHANGE_2D)
        share = count / np.maximum(block.lengths - 1, 1)
        found["among"] = whole & (block.lengths > 1)
        yield from block.measures("exchanged keypoints", share, block.where_most(saved), count, **found)


def _measure_repetition(block: Block, source: str, pixels: np.ndarray, among: np.ndarray) -> Iterator[Measure]:
    """Measure frames that repeat the one before, or are half-way between those around them."""
    inner = block.frame[1:] > 0  # not the first of a clip
    same = np.append(False, (pixels[1:] == pixels[:-1]).all(axis=(1, 2)) & inner)
    halfway = np.zeros(len(pixels), bool)
    bend = np.abs(pixels[2:] - 2 * pixels[1:-1] + pixels[:-2]).max(axis=(1, 2), initial=0)
    halfway[1:-1] = (bend < HALFWAY) & inner[:-1] & inner[1:] & ~same[1:-1]
    runs = np.array([longest_run(same[span]) if same[span].any() else (0, 1) for span in block.spans])
    found = {"among": among, "source": source}
    yield from block.measures("frozen keypoints", runs[:, 0] / block.fps, runs[:, 1] - 1, runs[:, 0], **found)
    count = block.count(halfway)
    yield from block.measures(
        "interpolated keypoints", count / block.lengths, block.where_most(halfway), count, **found
    )


def _count_turned(
    layout: Skeleton, block: Block, source: str, pixels: np.ndarray, whole: np.ndarray
) -> Iterator[tuple]:
    """Rows of clip, check, 2D source, frames, those that show it, turned frames and the first of them, for `find_turned`."""
    every = np.ones(len(pixels), bool)
    found = []
    if all(ends := head_and_feet(layout)):
        tilts = tilt(pixels, ends, np.array([0.0, -1.0]))
        found.append(("upside down", every, tilts > UPSIDE_DOWN))
        found.append(("sideways", every, (tilts > LYING) & (tilts <= UPSIDE_DOWN)))
    sides = [[find_joints(layout, name, side) for side in (layout.left, layout.right)] for name in ("shoulder", "hip")]
    if all(len(joints) == 1 for pair in sides for joints in pair):
        shoulders, hips = (pixels[:, left[0], 0] - pixels[:, right[0], 0] for left, right in sides)
        wide = np.minimum(abs(shoulders), abs(hips)) > WIDE_LINE * _box_sizes(pixels)
        found.append(("opposed keypoints", wide, wide & (shoulders * hips < 0)))
    for check, seen, turned in found:
        columns = block.numbers, block.lengths, block.count(seen), block.count(turned), block.where_most(turned)
        for clip, *row in zip(*(column[whole].tolist() for column in columns), strict=True):
            yield clip, check, source, *row


def can_project(data: PoseDataset, camera: int) -> bool:
    return data.cameras[camera].intrinsics is not None


def _project(data: PoseDataset, block: Block, in_camera: np.ndarray) -> np.ndarray:
    """Project joints into their clips' cameras: (frames, joints, 3) metres -> (frames, joints, 2) pixels."""
    lenses = np.array([data.cameras[number].intrinsics for number in block.cameras])[block.owner]  # (frames, 9)
    lenses = np.broadcast_to(lenses[:, None], (*in_camera.shape[:2], lenses.shape[1]))
    # Coordinates before frames in memory: PyTorch is three times as fast along long axes.
    planes = (torch.from_numpy(array.transpose(2, 0, 1).copy()).permute(1, 2, 0) for array in (in_camera, lenses))
    return project(*planes).numpy()


def _measure_projection(
    data: PoseDataset, block: Block, source: str, pixels: np.ndarray, projected: np.ndarray, whole: np.ndarray
) -> Iterator[Measure]:
    """Measure the distance of labelled clips' keypoints from their projected joints: (frames, joints, 2) pixels each."""
    pairs = shared_joints(data.skeleton, data.layouts[source])
    if not pairs:
        return
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    errors = length(pixels[:, theirs] - projected[:, ours])
    if source == GT:
        worst = errors.max(axis=1)
        frames, count = block.where_most(worst), block.count(worst > PROJECTION)
        yield from block.measures("projection", block.most(worst), frames, count, among=whole, source=source)
    else:
        typical = np.array([np.median(errors[span]) for span in block.spans])
        share = typical / np.maximum(block.median(_box_sizes(projected)), 1.0)
        frames = block.where_most(np.median(errors, axis=1))
        yield from block.measures("detections", share, frames, among=whole, source=source)


def find_other_camera(data: PoseDataset, clip: pd.Series, source: str) -> str | None:
    """Name of the camera whose view of the same take a labelled clip's keypoints really are, None where there is none."""
    clips, pairs = data.clips, shared_joints(data.skeleton, data.layouts[source])
    same = (clips.subject == clip.subject) & (clips.action == clip.action) & (clips["take"] == clip["take"])
    ours, theirs = (list(side) for side in zip(*pairs, strict=True))
    pixels = data.keypoints[source][clip.start : clip.stop][:FRAMES_TO_RECOGNISE].astype(np.float64)
    for number in np.flatnonzero(same & clips.labelled & (clips.camera != clip.camera)):
        block = Block(clips, [number])
        if block.lengths[0] != clip.stop - clip.start or not can_project(data, block.cameras[0]):
            continue
        in_camera = block.read(data.positions) + block.read(data.trajectory)[:, None]
        projected = _project(data, block, in_camera)[: len(pixels)]
        errors = length(pixels[:, theirs] - projected[:, ours])
        if np.median(errors) < DETECTION / 2 * np.median(_box_sizes(projected)):
            return data.cameras[block.cameras[0]].name
    return None
