"""Small videos, made with PyAV, and a detector that needs no model: bright squares on black are joints."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (96, 64)  # width, height


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    fps: int = 30,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    codec: str = "png",
) -> Path:
    """Write RGB images as a video, by default without loss, at `times` in seconds if given.

    Players turn it counterclockwise by `rotation` degrees.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = stream.time_base = Fraction(1, fps if times is None else 1000)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number if times is None else round(1000 * times[number])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def grey(values: Sequence[float], size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """One grey image for each brightness."""
    return [np.full((*size[::-1], 3), value, np.uint8) for value in values]


class Blobs:
    """Made-up detector: a person for the red blob and one for the green, whose joints lie around its middle.

    The wrists are found only where the blob is bright; the score of every joint is 0.9.
    """

    layout = "coco"
    offsets = np.stack([np.tile(np.arange(-4, 5, 2), 4)[:17], np.repeat(np.arange(-8, 9, 4), 4)[:17]], axis=1)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        people = []
        for channel in (0, 1):
            rows, columns = np.nonzero(image[..., channel] > 80)
            if len(rows) > 20:
                joints = self.offsets + np.array([columns.mean(), rows.mean()])
                if image[..., channel].max() < 180:
                    joints[[9, 10]] = np.nan
                people.append(np.column_stack([joints, np.full(17, 0.9)]))
        return np.array(people).reshape(-1, 17, 3)


BLOBS = "tests.helpers.videos:Blobs"


def blobs(
    *people: Sequence[tuple[float, float] | None], size: tuple[int, int] = SIZE, bright: int = 250
) -> list[np.ndarray]:
    """Images in which people, the first red and the second green, are where each image's (x, y) says; None is absent."""
    images = []
    for places in zip(*people, strict=True):
        image = np.zeros((*size[::-1], 3), np.uint8)
        for channel, place in enumerate(places):
            if place is not None:
                x, y = map(round, place)
                image[max(0, y - 6) : y + 7, max(0, x - 6) : x + 7, channel] = bright
        images.append(image)
    return images
