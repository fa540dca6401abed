"""Pictures of a video's frames, cut around the person who was lifted."""

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from pose3d_lib.model.predict import Lifted, LiftedClip

if TYPE_CHECKING:
    from pose3d_lib.data.sources.video.frames import Frame

SIDE = 320  # of a picture at most, pixels: some 15 kB as JPEG
QUALITY = 65
MARGIN = 1.15  # of a window, as a share of what the person reaches
USUAL = 0.98  # share of the frames in which the whole person is in the window
MOST_READ = 5000  # frames of a video, so that pictures of its end do not take as long as all of it


class Picture(NamedTuple):
    """A part of a frame."""

    box: tuple[int, int, int, int]  # left, top, right, bottom in the frame, pixels
    jpeg: bytes

    @property
    def image(self) -> np.ndarray:
        """(height, width, 3) uint8, at most SIDE in either direction."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg)))


def follow(clip: LiftedClip) -> tuple[np.ndarray, float]:
    """(frames, 2) the person's middle in the image, the median of half a second, and how far keypoints lie from it, pixels.

    A few frames in which they are further away, as where a detector takes somebody else for the person, do not count.
    """
    from scipy.ndimage import median_filter  # which only a video's notebook is to wait for

    raw = (clip.pixels.min(axis=1) + clip.pixels.max(axis=1)) / 2
    middles = median_filter(raw.astype(np.float64), (2 * round(clip.fps / 4) + 1, 1), mode="nearest")
    distances = np.abs(clip.pixels - middles[:, None]).max(axis=(1, 2))
    return middles, max(1.0, float(np.quantile(distances, USUAL, method="higher")))


def cut_pictures(
    lifted: Lifted, clips: Sequence[LiftedClip], wanted: Sequence[Iterable[int]]
) -> list[dict[int, Picture]]:
    """Pictures of some frames of each clip, by their places in the clip; none without a video or after MOST_READ frames.

    The video is read once, to the last frame that is `wanted`: places in each of the clips, some of those of `lifted`.
    """
    found: list[dict[int, Picture]] = [{} for _ in clips]
    windows = [follow(clip) for clip in clips]
    places = defaultdict(list)  # number in the video -> clip and place
    for number, (clip, own) in enumerate(zip(clips, wanted, strict=True)):
        for place in own:
            places[int(clip.frames[place])].append((number, place))
    last = min(max(places, default=-1), MOST_READ - 1)
    for frame in takewhile(lambda frame: frame.number <= last, lifted.video or ()):
        for number, place in places[frame.number]:
            middles, reach = windows[number]
            if picture := _cut(frame, middles[place], MARGIN * reach):
                found[number][place] = picture
    return found


def _cut(frame: "Frame", middle: np.ndarray, half: float) -> Picture | None:
    """The part of a frame in a square; None if it lies outside."""
    height, width = frame.image.shape[:2]
    low = np.floor(np.clip(middle - half, 0, (width, height))).astype(int)
    high = np.ceil(np.clip(middle + half, 0, (width, height))).astype(int)
    if (low >= high).any():
        return None
    image = Image.fromarray(frame.image[low[1] : high[1], low[0] : high[0]])
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return Picture((*low.tolist(), *high.tolist()), file.getvalue())
