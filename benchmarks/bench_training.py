"""Training windows per second against the same training as it is commonly written, and against the processor's limit.

`make bench` runs it. The baseline, in plain.py, trains the same network on the same windows.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import numpy as np
import pandas as pd
import torch
from measuring import Compared, compare, precisions, save, shown
from plain import PlainLifter, PlainWindows, plain_training
from random_clips import lengths_adding_up_to, random_clips
from torch import Tensor

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.losses import Objective
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import build_lifters
from pose3d_lib.training.settings import PRESETS
from pose3d_lib.training.steps import TrainingSteps
from pose3d_lib.training.windows import TrainingWindows

FRAMES = 250_000
"""With their mirror images 68 MB of keypoints: more than a processor keeps at hand, as with real data."""


def flop_per_window(widths: Sequence[int], channels: int, *, numbers_in: int, numbers_out: int) -> float:
    """FLOP of one window's training step in matrix products.

    Forward, and backward to inputs and to weights; the first product's inputs need no gradient. A multiply-add is two.
    """
    frames = int(np.prod(widths)) // widths[0]
    first, others = frames * widths[0] * numbers_in * channels, channels * numbers_out
    for width in widths[1:]:
        frames //= width
        others += frames * (width + 1) * channels**2
    return 2 * (2 * first + 3 * others)


def shuffled_batches(count: int, size: int) -> Iterator[Tensor]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return cycle(batch for batch in order.split(size) if len(batch) == size)


def both_trainings(data: PoseDataset, config: RunConfig) -> tuple[dict[str, Callable], Callable]:
    """What makes one step: ours by precision, and the baseline; each has a network of its own with the same weights."""
    torch.set_num_threads(config.threads)
    windows = TrainingWindows(data, data.train_clips(config.action), config.keypoints, config.filter_widths)
    plain_windows = PlainWindows(data, config)

    def model() -> TemporalLifter:
        torch.manual_seed(config.seed)
        return build_lifters(config, data).pose

    def next_of(batches: Iterator[Tensor], step: Callable[[Tensor], None]) -> Callable[[], None]:
        return lambda: step(next(batches))

    def batches() -> Iterator[Tensor]:
        return shuffled_batches(len(windows), config.batch_size)

    ours = {
        precision: next_of(
            batches(), TrainingSteps(Objective(Lifters(model()), windows), precision=precision, lr=config.lr)
        )
        for precision in precisions()
    }
    plain = PlainLifter(model(), strided=True)
    return ours, next_of(batches(), plain_training(plain, plain_windows, config.lr))


def compare_training(
    data: PoseDataset, parameters: dict[str, object], *, steps: int, repetitions: int, **promised: float
) -> list[Compared]:
    """Ours and the baseline, `steps` steps at a time in turn."""
    config = make_config(RunConfig, {**parameters, "keypoints": "gt", "device": "cpu"})
    ours, baseline = both_trainings(data, config)

    def several(step: Callable[[], None]) -> Callable[[], None]:
        return lambda: [step() for _ in range(steps)]

    flop = flop_per_window(
        config.filter_widths,
        config.channels,
        numbers_in=2 * data.layouts["gt"].num_joints,
        numbers_out=3 * data.skeleton.num_joints,
    )
    one = ", 1 thread" if config.threads == 1 else ""
    return compare(
        f"training, {config.receptive_field} frames, {config.channels} channels, batch {config.batch_size}{one}",
        "windows/s",
        ours={precision: several(step) for precision, step in ours.items()},
        baseline=several(baseline),
        units=steps * config.batch_size,
        flop=flop,
        repetitions=repetitions,
        **promised,
    )


def main() -> None:
    data = random_clips(lengths_adding_up_to(FRAMES), [2])
    paper_27 = PRESETS["paper_27"]
    paper_243 = {**PRESETS["paper_243"], "batch_size": 256}
    compared = [
        *compare_training(data, paper_27, steps=1, repetitions=5, promised_ratio=3.0, promised_share=0.65),
        *compare_training(data, {**paper_27, "channels": 256}, steps=2, repetitions=7, promised_ratio=3.3),
        *compare_training(data, paper_243, steps=1, repetitions=3, promised_ratio=2.0),
        *compare_training(data, PRESETS["default"], steps=15, repetitions=7),
    ]
    table = pd.DataFrame([one.row() for one in compared])
    save("training", table, shown(table))


if __name__ == "__main__":
    main()
