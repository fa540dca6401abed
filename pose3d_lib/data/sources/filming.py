"""From motion in the world to a `PoseDataset`: every take seen by its subject's cameras, or by one of them.

Motion without cameras is filmed in Human3.6M's room: each clip cut until it fits, and moved to its middle.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, h36m_cameras, view, world_to_camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.skeleton import H36M_17, Skeleton
from pose3d_lib.data.sources.noise import simulate_detections, simulate_scores
from pose3d_lib.data.sources.takes import Key, paced
from pose3d_lib.data.spec import Progress

GT, SIMULATED = "gt", "simulated"  # the two 2D sources: exact projections, and these with a detector-like error
PROJECTED = "The 2D keypoints are projections of the 3D joints through the calibrated cameras."

SCORES = {  # what is to be said of the scores of each
    GT: "The scores of gt keypoints, which are exact, are 1.",
    SIMULATED: "The scores of simulated keypoints follow from their errors by a model with noise of its own; they are "
    "no detector's.",
}

CAMERAS_OF = "S1"  # whose cameras see motion without cameras
ROOM_NOTE = f"The 2D keypoints are projections through the Human3.6M cameras of {CAMERAS_OF}."
NEAREST = 0.5  # metres in front of a camera that everything must keep: nearer, no projection is meaningful
OUTSIDE = 0.1  # share of a clip's joints that may lie outside a camera's picture, where cutting can help
LOOKS = 5  # frames of the shortest piece that are looked at for who is in the picture


@dataclass(frozen=True)
class Take:
    """One subject doing one action once."""

    key: Key
    motion: np.ndarray  # (frames, 17, 3), metres in the world, z up
    place: int | None = None  # number among all takes of its source; None for its place among those that are filmed
    eye: int | None = None  # number of the only camera of its subject that sees it; None for all of them


@dataclass(frozen=True)
class Seen:
    """What one camera sees of a take."""

    key: Key
    camera: Camera
    in_camera: np.ndarray | None  # (frames, joints, 3), metres in camera space; None where only keypoints are known
    keypoints: Mapping[str, np.ndarray]  # 2D source -> (frames, joints, 2 or 3): pixels, and the scores if it has such
    fps: float


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: a clip's arrays are so small that several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def collect(
    seen: Iterable[Seen], cameras: Mapping[str, Sequence[Camera]], *, skeleton: Skeleton, **known: object
) -> PoseDataset:
    """A dataset of clips in their order, those with 3D joints first.

    Args:
        seen: the clips.
        cameras: subject -> its cameras, which the dataset has even if one of them sees no clip.
        skeleton, known: as in `PoseDataset`.
    """
    numbers: dict[Camera, int] = {}
    rows, stop = [], 0
    positions, trajectory = [np.empty((0, skeleton.num_joints, 3), np.float32)], [np.empty((0, 3), np.float32)]
    found = defaultdict(list)
    for clip in seen:
        for source, values in clip.keypoints.items():
            found[source].append(np.asarray(values, np.float32))
        if clip.in_camera is not None:
            positions.append((clip.in_camera - clip.in_camera[:, :1]).astype(np.float32))
            trajectory.append(clip.in_camera[:, 0].astype(np.float32))
        start, stop = stop, stop + len(next(iter(clip.keypoints.values())))
        for camera in (*cameras.get(clip.key[0], ()), clip.camera):
            numbers.setdefault(camera, len(numbers))
        rows.append((*clip.key, numbers[clip.camera], float(clip.fps), start, stop, clip.in_camera is not None))
    arrays = {source: np.concatenate(found.pop(source)) for source in list(found)}
    return PoseDataset(
        skeleton=skeleton,
        cameras=tuple(numbers),
        clips=pd.DataFrame(rows, columns=list(CLIP_COLUMNS)),
        keypoints={source: values[..., :2] for source, values in arrays.items()},
        scores={source: values[..., 2] for source, values in arrays.items() if values.shape[2] == 3},
        positions=np.concatenate(positions),
        trajectory=np.concatenate(trajectory),
        **known,
    )


def film(
    takes: Iterable[Take],
    cameras: Mapping[str, Sequence[Camera]] | None = None,
    *,
    name: str,
    fps: float,
    seed: int = 0,
    sources: Sequence[str] = (GT, SIMULATED),
    scores: bool = False,
    notes: Sequence[str] = (),
    where: object = "",
    progress: Progress = lambda line: None,
    **known: object,
) -> PoseDataset:
    """Every take seen by each camera of its subject, or by one.

    Args:
        takes: what is filmed, in the order of the clips; a take's cameras follow each other.
        cameras: subject -> its cameras. If not given, each take is moved to the middle of the room and seen by its cameras,
            and a note says so.
        name, notes, known: as in `PoseDataset`.
        fps: frames per second of all takes.
        seed: of the detector-like error; a take's error depends on the seed and the take's place only.
        sources: which of the two 2D sources the dataset gets, and `scores` whether their scores too.
        where: the file or folder, for messages.
        progress: called with a line every few seconds.

    Raises:
        InputError: a joint is behind a camera, where nothing can be projected; names take and camera.
    """
    if cameras is None:
        notes = (*notes, ROOM_NOTE)
    say = paced(progress)

    def clips() -> Iterator[Seen]:
        for number, take in enumerate(takes):
            world = take.motion if cameras else centred(take.motion)
            for eye, camera in enumerate(cameras[take.key[0]] if cameras else room_cameras()):
                if take.eye not in (None, eye):
                    continue
                in_camera, pixels = view(world, camera)
                check_in_front(in_camera, camera, f"{where or name}: {'/'.join(take.key)}")
                keypoints = {GT: with_scores(pixels) if scores else pixels}
                if SIMULATED in sources:
                    rng = np.random.default_rng([seed, number if take.place is None else take.place, eye])
                    keypoints[SIMULATED] = found = simulate_detections(pixels, fps=fps, rng=rng)
                    if scores:
                        sure = simulate_scores(found, pixels, fps=fps, rng=rng.spawn(1)[0])
                        keypoints[SIMULATED] = with_scores(found, sure)
                yield Seen(take.key, camera, in_camera, {source: keypoints[source] for source in sources}, fps)
            say(f"filmed {number + 1:,} takes")

    return collect(
        clips(),
        cameras or {},
        skeleton=H36M_17,
        name=name,
        layouts=dict.fromkeys(sources, H36M_17),
        notes=(*notes, *(SCORES[source] for source in sources if scores)),
        **known,
    )


def with_scores(pixels: np.ndarray, scores: np.ndarray | float = 1.0) -> np.ndarray:
    """(frames, joints, 2) and (frames, joints) -> (frames, joints, 3)."""
    return np.concatenate([pixels, np.broadcast_to(scores, pixels.shape[:2])[..., None]], axis=-1)


def check_in_front(in_camera: np.ndarray, camera: Camera, where: str) -> None:
    """Refuse camera metres, (frames, joints, 3), of which a joint lies behind the camera or beside its lens."""
    if in_camera[..., 2].min() <= 0:
        raise InputError(
            f"{where} goes behind camera {camera.name}, where nothing can be projected; is it in world coordinates, in "
            "metres? If it is, `leave_out` leaves the take out"
        )


def room_cameras() -> tuple[Camera, ...]:
    """The four Human3.6M cameras that all motion without cameras is seen through."""
    return h36m_cameras()[CAMERAS_OF]


def centred(motion: np.ndarray) -> np.ndarray:
    """The clip, (frames, 17, 3) world metres, as float64, the middle of its root's path moved to the room's centre."""
    moved = motion.astype(np.float64)
    root = moved[:, 0, :2]
    moved[..., :2] -= (root.min(axis=0) + root.max(axis=0)) / 2
    return moved


@one_thread()
def nearest_depth(motion: np.ndarray) -> float:
    """The least distance of any joint of the centred clip along a camera's axis, metres; negative behind a camera."""
    placed = torch.from_numpy(centred(motion))
    return min(float(world_to_camera(placed, camera)[..., 2].min()) for camera in room_cameras())


def uprightness(motion: np.ndarray) -> float:
    """How much of the way from the hip to the head is upwards, 1 for a trunk that stands, 0 for one that lies."""
    trunk = (motion[:, H36M_17.index("Head")] - motion[:, 0]).astype(np.float64)
    return float((trunk[:, 2] / np.linalg.norm(trunk, axis=-1).clip(1e-9)).mean())


@one_thread()
def share_outside(motion: np.ndarray) -> float:
    """The share of the centred clip's joints that lie outside the picture, in the camera where most do."""
    placed = centred(motion)
    pixels = {camera: view(placed, camera)[1] for camera in room_cameras()}
    return max(float(((p < 0) | (p > [c.width, c.height])).any(axis=-1).mean()) for c, p in pixels.items())


def cut_to_fit(motion: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """Pieces of a clip, (start, stop) in order, each of which keeps `NEAREST` from every camera when it is centred.

    What does not fit is halved; so is what fits but has more than `OUTSIDE` of its joints outside a picture. Pieces of
    fewer than `shortest` frames are not made: what comes too near and cannot be halved into longer ones is left out,
    what only leaves the picture stays. So a clip that fits comes back whole, however short, and none may come back.
    """
    some = max(1, shortest // LOOKS)
    pieces, left = [], [(0, len(motion))]
    while left:
        start, stop = left.pop()
        fits = nearest_depth(motion[start:stop]) >= NEAREST
        half = (start + stop) // 2
        if half - start < shortest:
            pieces += [(start, stop)] if fits else []
        elif fits and share_outside(motion[start:stop:some]) <= OUTSIDE:
            pieces.append((start, stop))
        else:
            left += [(half, stop), (start, half)]
    return pieces
