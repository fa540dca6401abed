"""Small videos, made with PyAV, and a detector that needs no model: bright squares on black are joints."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags

SIZE = (96, 64)  # width, height


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    fps: int = 30,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    codec: str = "mpeg4",
) -> Path:
    """Write RGB images as a video, at `times` in seconds if given; players turn it counterclockwise by `rotation` degrees."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        stream.codec_context.flags |= Flags.qscale
        stream.codec_context.global_quality = 118  # of the best
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
