"""Frames of a video file or of a camera: upright RGB images with their times, one after the other."""

import importlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pose3d_lib.common.errors import InputError

if TYPE_CHECKING:
    import av

CONVERT = "convert it: ffmpeg -i FILE -c:v libx264 new.mp4"
MOST_FPS = 60.0  # faster videos are thinned to at most this: lifters are trained on 25 to 60 frames per second
# Containers, as FFmpeg names its demuxers. Playlists and scripts that name other files or addresses are not among them.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,live_flv,asf,ogg"
UNSTEADY = 0.25  # share of the usual time between two frames by which the time between others may differ
UNEVEN = 0.01  # share of other times from which a video counts as one of variable rate


def import_extra(name: str) -> ModuleType:
    """Import a module of the extra, or raise an InputError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"videos need {name}, which cannot be imported ({error}); in the project's folder: pip install -e '.[video]', for "
            "MediaPipe with Python 3.11 or 3.12. Where OpenCV lacks libGL.so.1: apt-get install libgl1 (Debian, Ubuntu)"
        ) from error


class Frame(NamedTuple):
    """One image."""

    number: int  # place in a sequence of constant rate: of a file, at `number / fps` seconds; gaps are left out
    time: float  # seconds since the first frame
    image: np.ndarray  # (height, width, 3) uint8, RGB, upright


class VideoFile:
    """The frames of a video file. Iterating decodes it from its beginning, one frame at a time.

    Attributes:
        size: width and height of the upright image, pixels.
        fps: frames per second at which frames are given.
        count: number of frames that will be given, if all can be decoded.
        notes: sentences on what the frames are: resampled, thinned, cut off; after iterating also on what was damaged.

    Args:
        path: the file.
        fps: which rate to resample to; by default the file's own, divided by a whole number if it is above `MOST_FPS`.

    Raises:
        InputError: the file holds no video that can be read, or has a lower rate than `fps`.
    """

    def __init__(self, path: Path, fps: float | None = None):
        self._path, self._av, self._lost = path, import_extra("av"), 0
        first = next(self._decode(), None)
        if first is None:
            raise InputError(f"{path}: no frame of its video can be decoded; get the file again, or {CONVERT}")
        self.size = first[1]
        times, expected = self._scan()
        own, steady = _measure_rate(times)
        self._own = own or float(fps or 1)
        self.fps = _choose_rate(self._own, fps, path)
        self.count = len(np.unique(self._place(times - times[0])))
        self.notes = self._describe(len(times), expected, steady)

    def __iter__(self) -> Iterator[Frame]:
        begin, passed, last = None, 0.0, -1
        for frame, _ in self._decode():
            passed = passed + 1 / self._own if frame.time is None else frame.time
            begin = passed if begin is None else begin
            number = int(self._place(passed - begin))
            if number > last:  # of several that fall on one place, the first
                last = number
                yield Frame(number, passed - begin, _upright(frame, self.size))
        if self._lost:
            self.notes.append(f"{self._path.name}: {self._lost:,} of its frames are damaged, and are missing.")

    def _decode(self) -> Iterator[tuple["av.VideoFrame", tuple[int, int]]]:
        """All frames, each with its width and height upright; counts those that cannot be decoded."""
        self._lost = 0
        for packet in self._packets():
            try:
                yield from ((frame, _upright_size(frame, packet.stream)) for frame in packet.decode())
            except self._av.FFmpegError:
                self._lost += 1

    def _packets(self) -> Iterator["av.Packet"]:
        """The packets of the best stream of images, no cover picture, to its end or to where the file is damaged."""
        path = self._path
        try:
            container = self._av.open(str(path.resolve()), options={"format_whitelist": CONTAINERS})
        except (self._av.FFmpegError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read as a video ({getattr(error, 'strerror', None) or error}): it is none, cut off, or in a "
                f"container that is not read here; get the file again, or {CONVERT}"
            ) from error
        with container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise InputError(
                    f"{path}: there is no video in it that can be decoded here; give another, or {CONVERT}"
                )
            stream.thread_type = "AUTO"
            try:
                yield from container.demux(stream)
            except self._av.FFmpegError:
                self._lost += 1

    def _place(self, seconds: np.ndarray | float) -> np.ndarray:
        """Numbers of the frames at these times; a frame may come half of its own duration early."""
        return np.floor(np.asarray(seconds) * self.fps + 0.5 * self.fps / self._own).astype(np.int64)

    def _scan(self) -> tuple[np.ndarray, int]:
        """(frames,) the times of all frames, ascending, without decoding them; and the number that the file's header gives."""
        stamps, rate, base, expected = [], 25.0, 1.0, 0
        for packet in self._packets():
            if packet.size:
                stamps.append(packet.dts if packet.pts is None else packet.pts)
                stream = packet.stream
                rate, base = float(stream.guessed_rate or 25), float(stream.time_base)
                expected = stream.frames
        if None in stamps:
            return np.arange(len(stamps)) / rate, expected
        return np.sort(np.array(stamps, np.float64)) * base, expected

    def _describe(self, found: int, expected: int, steady: bool) -> list[str]:
        notes = []
        if found < expected:
            notes.append(f"the file is cut off: it has {found:,} of the {expected:,} frames that it should have.")
        if not steady:
            notes.append(
                f"its frames do not come at a steady rate; they are brought to {self.fps:.4g} per second, and gaps count as "
                "frames without a detection."
            )
        elif self.fps < 0.95 * self._own:
            notes.append(f"of its {self._own:.4g} frames per second, {self.fps:.4g} are used.")
        return [f"{self._path.name}: {note}" for note in notes]


def webcam(index: int) -> Iterator[Frame]:
    """The frames of a camera, as they come, until it gives none; `number` counts them.

    Args:
        index: which camera of the machine, from 0.

    Raises:
        InputError: there is no such camera, or another program has it.
    """
    cv2 = import_extra("cv2")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # of each way to open a camera that fails
    camera, number, begin = cv2.VideoCapture(index), 0, time.monotonic()
    try:
        while (read := camera.read())[0]:
            yield Frame(number, time.monotonic() - begin, np.ascontiguousarray(read[1][..., ::-1]))
            number += 1
    finally:
        camera.release()
    if not number:
        raise InputError(
            f"camera {index}: gives no image; give the number of another, from 0, or end what else uses it"
        )


def _measure_rate(times: np.ndarray) -> tuple[float, bool]:
    """Frames per second, 0 of a single frame, and whether they come at a steady rate."""
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps):
        return 0.0, True
    # Times may be rounded to milliseconds, so the rate is a mean, over the steps that are no gaps.
    usual = steps[np.abs(steps - np.median(steps)) <= UNSTEADY * np.median(steps) + 0.001]
    return round(1 / float(usual.mean()), 6), len(usual) > (1 - UNEVEN) * len(steps)


def _choose_rate(own: float, fps: float | None, path: Path) -> float:
    """The rate to give frames at: what is asked for, or the file's own divided by a whole number."""
    if fps is None:
        return own / math.ceil(own / (1.02 * MOST_FPS))
    if fps > 1.05 * own:
        raise InputError(
            f"parameter fps: found {fps:g}, but {path.name} has {own:.4g} frames per second; give at most those"
        )
    return min(fps, own)


def _upright_size(frame: "av.VideoFrame", stream: "av.VideoStream") -> tuple[int, int]:
    """Width and height of the image as it is shown: pixels square, turned as the file says."""
    width, height = max(1, round(frame.width * (stream.sample_aspect_ratio or 1))), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


def _upright(frame: "av.VideoFrame", size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) RGB."""
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    width, height = size[::-1] if turns % 2 else size
    image = frame.to_ndarray(format="rgb24", width=width, height=height)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
