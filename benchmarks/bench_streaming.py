"""Milliseconds of a new frame in the streaming lifter, against its matrix-vector products alone; `make bench` runs it.

The limit is the time of the same products without anything between them, in the same process, in turn with ours: each weight has
to be read once a frame, and with 1024 channels there are more of them than a cache holds.
"""

import numpy as np
import torch
from measuring import seconds_of
from promises import promise, save_promises
from torch import nn

from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.stream import StreamingLifter

FRAMES = 100
"""Of one repetition."""

PROMISED = 1.5
"""Times the limit."""


def measure(widths: tuple[int, ...], repetitions: int) -> list[dict[str, object]]:
    """Ours, the limit and their ratio, for a causal network without mirror images."""
    torch.manual_seed(0)
    model = TemporalLifter(17, 2, 17, widths, causal=True, channels=1024).eval()
    lift, frames = StreamingLifter(model), torch.randn(FRAMES, 17, 2)
    weights = [own.weight.detach() for own in model.modules() if isinstance(own, nn.Linear)]
    pairs = [(weight, torch.randn(weight.shape[1])) for weight in weights]
    ways = (lambda: [lift(frame) for frame in frames], lambda: [torch.mv(*pair) for _ in frames for pair in pairs])
    ours, limit = 1000 / FRAMES * np.array([[seconds_of(way) for way in ways] for _ in range(repetitions + 1)][1:]).T
    what = f"streaming, {model.receptive_field} frames, 1024 channels"
    return [
        promise(f"{what}: a new frame", "ms", ours),
        promise(f"{what}: its products alone", "ms", limit),
        promise(f"{what}: in times of that", "times", ours / limit, PROMISED),
    ]


def main() -> None:
    torch.set_num_threads(1)
    save_promises("streaming", [*measure((3, 3, 3), 9), *measure((3, 3, 3, 3, 3), 9)])


if __name__ == "__main__":
    main()
