"""Lifting while it happens: frames of a camera or a video, keypoints, poses, one frame at a time."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import NamedTuple

import numpy as np
import torch

from pose3d_lib.common.errors import InputError, printable, some
from pose3d_lib.data.cameras import normalize_screen
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.detections.layouts import LAYOUTS, convert
from pose3d_lib.data.sources.detections.people import distances
from pose3d_lib.data.sources.missing import find_missing
from pose3d_lib.data.sources.video.detectors import Detector, open_detector
from pose3d_lib.data.sources.video.frames import Frame, VideoFile, webcam
from pose3d_lib.model.card import NEAR, TrainedModel
from pose3d_lib.model.poses import DIGITS, SPACE
from pose3d_lib.model.stream import StreamingLifter
from pose3d_lib.runs.models import open_model

FORMAT = "pose3d-live-1"
MAX_GAP = 10  # frames in a row without a person, after which the next one begins a clip of its own


@dataclass
class Counts:
    """How many frames something was done with."""

    looked_at: int = 0
    dropped: int = 0  # frames of a camera that came while another was looked at
    lifted: int = 0

    def line(self) -> str:
        """For the end."""
        return f"{self.looked_at:,} frames, {self.lifted:,} lifted, {self.dropped:,} dropped to keep up."


class Seen(NamedTuple):
    """What was found in one frame."""

    number: int
    time: float  # seconds
    size: tuple[int, int]  # of the image, pixels
    points: np.ndarray  # (joints_in, 3) float32: x and y in pixels, a score; NaN where a joint is missing


class LiveFrame(NamedTuple):
    """One frame, lifted."""

    seen: Seen
    points: np.ndarray  # as in `Seen`; a missing joint is where it was last, NaN if it never was seen, its score 0
    pose: np.ndarray | None  # (joints, 3), metres, relative to the root; None while a joint was never seen
    root: np.ndarray | None  # (3,), metres, camera space; None without a network for it

    def to_json(self) -> str:
        """One line."""
        arrays = {"keypoints": self.points, "positions": self.pose, "trajectory": self.root}
        numbers = {
            name: None if array is None or np.isnan(array).any() else array.astype(np.float64).round(DIGITS).tolist()
            for name, array in arrays.items()
        }
        about = {"frame": self.seen.number, "time": round(self.seen.time, DIGITS)}
        return json.dumps({**about, **numbers}, allow_nan=False)


class LiveLifter:
    """A causal model that is given frames as they come; it counts them."""

    def __init__(self, model: TrainedModel):
        card, network = model.card, model.card.network
        if not network.causal:
            raise InputError(
                f"model {card.name}: sees frames after the one that it lifts, which are not there yet; name a causal model, "
                "such as ready-causal, or train one with -p causal true"
            )
        self.card, self.counts = card, Counts()
        self._streams = [StreamingLifter(own) for own in model.lifters.networks]
        self._begin()

    def _begin(self) -> None:
        self._absent = 0
        self._held = np.full((self.card.layout.num_joints, 3), np.nan, np.float32)
        for stream in self._streams:
            stream.reset()

    def __call__(self, seen: Seen) -> LiveFrame:
        """Lift the next frame."""
        missing = np.isnan(seen.points).any(axis=1)
        self._absent = self._absent + 1 if missing.all() else 0
        if self._absent > MAX_GAP:
            self._begin()
        self._held[:, 2] = np.where(missing, 0, seen.points[:, 2])
        self._held[~missing, :2] = seen.points[~missing, :2]
        points = self._held.copy()
        if np.isnan(points).any():
            return LiveFrame(seen, points, None, None)
        frame = torch.tensor(points)
        frame[:, :2] = normalize_screen(frame[:, :2], *seen.size)
        pose, *root = (stream(frame[:, : self.card.network.in_features]).numpy() for stream in self._streams)
        self.counts.lifted += 1
        return LiveFrame(seen, points, pose, root[0][0] if root else None)

    def about(self, video: str) -> dict[str, object]:
        """The first line of JSON: what is the same for every frame of a video or camera."""
        card = self.card
        return {
            "format": FORMAT,
            "video": video,
            "model": card.name,
            "joints": card.skeleton.joints,
            "parents": card.skeleton.parents,
            "keypoint_joints": card.layout.joints,
            "units": {"positions": card.units, "trajectory": card.units, "keypoints": "pixels", "time": "seconds"},
            "space": SPACE,
        }

    def tell(self, frame: LiveFrame) -> str:
        """What a reader should know of a frame."""
        missing = np.isnan(frame.seen.points).any(axis=1)
        if missing.all():
            return "Nobody is seen."
        unseen = [self.card.layout.joints[joint] for joint in np.flatnonzero(missing)]
        lifted = "Nothing is lifted yet" if frame.pose is None else f"Model {self.card.name}"
        return lifted + f" · not seen: {some(unseen)}" * bool(unseen)


def seen_in_frames(frames: Iterable[Frame], detector: Detector, layout: Skeleton, counts: Counts) -> Iterator[Seen]:
    """What a detector finds in images: one person, who is followed; at first the one with the highest scores.

    In frames whose numbers are left out nobody is found. An InputError if the model's joints do not follow from the detector's.
    """
    unseen = np.full((1, LAYOUTS[detector.layout].num_joints, 3), np.nan, np.float32)
    sources = convert(unseen, detector.layout)
    fitting = [source for source in sources if LAYOUTS[source].joints == layout.joints]
    if not fitting:
        raise InputError(
            f"the model sees the {layout.num_joints} joints of {layout.name}, and the detector finds those of {detector.layout}, "
            f"from which {' and '.join(sources)} follow; name another model"
        )
    lost = sources[fitting[0]][0]
    last = None  # the person in the frame before
    expected = 0
    for frame in frames:
        people = np.array(detector(frame.image), np.float32)
        counts.looked_at += 1
        people[find_missing(people[..., :2], people[..., 2])] = np.nan
        people[..., 2] = people[..., 2].clip(0, 1)
        size = frame.image.shape[1::-1]
        points = lost
        if len(people):
            apart = -np.nansum(people[..., 2], axis=1) if last is None else distances(last[None], people)[0]
            last = people[np.argmin(apart)]
            points = convert(last[None], detector.layout)[fitting[0]][0]
        for number in range(expected, frame.number):
            yield Seen(number, frame.time, size, lost)
        expected = frame.number + 1
        yield Seen(frame.number, frame.time, size, points)


def newest(frames: Iterable[Frame], counts: Counts) -> Iterator[Frame]:
    """The frames of a camera, which another thread reads: of those that come meanwhile the last, numbered anew."""
    slot: Queue[Frame | Exception | None] = Queue(maxsize=1)

    def read() -> None:
        try:
            for frame in frames:
                with suppress(Empty):
                    slot.get_nowait()
                    counts.dropped += 1
                slot.put(frame)
            slot.put(None)
        except Exception as error:
            slot.put(error)

    Thread(target=read, daemon=True).start()
    for number in count():
        frame = slot.get()
        if isinstance(frame, Exception):
            raise frame
        if frame is None:
            return
        yield frame._replace(number=number)


def paced(seen: Iterable[Seen]) -> Iterator[Seen]:
    """Those of a video no earlier than they happened, for somebody who looks on."""
    begun = time.monotonic()
    for own in seen:
        time.sleep(max(0.0, begun + own.time - time.monotonic()))
        yield own


def open_live(
    path: Path | None,
    *,
    camera: int,
    model: str,
    detector: str,
    fps: float | None,
    say: Callable[[str], None],
) -> tuple[LiveLifter, str, Iterator[Seen]]:
    """The lifter, a name of what is seen, and its frames as they come.

    Args:
        path: a video; None for a camera.
        camera: which one, from 0.
        model, detector: as for `open_model` and `open_detector`.
        fps: frames per second of the video to use.
        say: called with lines of text.

    Raises:
        InputError: something is not there, the model is not causal, is told the action, or sees other joints.
    """
    lift, find = LiveLifter(open_model(model, say=say)), open_detector(detector)
    card = lift.card
    if path is None:
        name, frames = f"camera {camera}", newest(webcam(camera), lift.counts)
    else:
        name, frames = printable(path.name), VideoFile(path, fps)
        for note in frames.notes:
            say(note)
        if card.fps and not min(card.fps) * (1 - NEAR) <= frames.fps <= max(card.fps) * (1 + NEAR):
            rates = f"{min(card.fps):g} to {max(card.fps):g}"
            say(f"Warning: {frames.fps:.4g} frames per second; the model was trained on {rates}.")
    return lift, name, seen_in_frames(frames, find, card.layout, lift.counts)
