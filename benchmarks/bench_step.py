"""How the time of one training step divides, ours and the baseline's, as PyTorch's profiler sees it; `make bench` runs it."""

import time
from collections.abc import Callable
from functools import wraps
from unittest import mock

import pandas as pd
from bench_training import FRAMES, both_trainings
from drawing import draw_parts
from measuring import machine, measured_with, save
from plain import PlainWindows
from random_clips import lengths_adding_up_to, random_clips
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from pose3d_lib.common.paths import outputs_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report.figures.style import save_figure
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.windows import TrainingWindows

GATHERING = "gathering"
REST = "the rest"
PARTS = {
    "matrix products": ("linear", "mm", "addmm", "mmbackward", "addmmbackward", "conv1d", "convolutionbackward"),
    "batch norm": ("batch_norm", "nativebatchnormbackward", "lerp_"),
    "ReLU and dropout": ("relu", "relubackward", "dropout", "mulbackward", "_reludropout", "_reludropoutbackward"),
    GATHERING: (GATHERING,),
    "optimiser": ("_fused_adam_", "optimizer.step#adam.step"),
}
"""Part of a step -> the operations that it is made of, as `plain_name` gives them. What one of them calls belongs to it; an
operation of none of them belongs to the rest: residuals, loss, conversions between precisions."""


def plain_name(operation: str) -> str:
    """The profiler's name of an operation without what surrounds it: `aten::mm` -> `mm`, `MmBackward0` -> `mmbackward`."""
    return operation.rpartition("evaluate_function: ")[2].rpartition("::")[2].rstrip("0123456789").lower()


def part_of(event: FunctionEvent | None) -> str:
    """The part that an operation belongs to: its own, or that of the nearest one that called it."""
    while event is not None:
        for part, operations in PARTS.items():
            if plain_name(event.name) in operations:
                return part
        event = event.cpu_parent
    return REST


def seconds_by_part(step: Callable[[], object], steps: int) -> dict[str, float]:
    """Seconds per step of each of PARTS and of the rest, which includes Python between two operations."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        begun = time.perf_counter()
        for _ in range(steps):
            step()
        total = time.perf_counter() - begun
    seconds = dict.fromkeys(PARTS, 0.0)
    for event in recorded.events():
        part = part_of(event)
        if part != REST:
            seconds[part] += event.self_cpu_time_total / 1e6 / steps
    return {**seconds, REST: total / steps - sum(seconds.values())}


def named_gathering(function: Callable) -> Callable:
    """The same, and the profiler sees it under this name, with what NumPy does in it."""

    @wraps(function)
    def gather(*arguments):
        with record_function(GATHERING):
            return function(*arguments)

    return gather


def measure(data: PoseDataset, channels: int, steps: int) -> list[dict[str, object]]:
    """Rows of the baseline and of ours at this number of channels, in milliseconds per step."""
    config = make_config(RunConfig, {"preset": "paper_27", "channels": channels, "keypoints": "gt", "device": "cpu"})
    with (
        mock.patch.object(TrainingWindows, "gather", named_gathering(TrainingWindows.gather)),
        mock.patch.object(PlainWindows, "batch", named_gathering(PlainWindows.batch)),
    ):
        ours, baseline = both_trainings(data, config)
        rows = []
        for name, step in {"baseline, float32": baseline, **{f"ours, {name}": ours[name] for name in ours}}.items():
            milliseconds = {part: 1000 * seconds for part, seconds in seconds_by_part(step, steps).items()}
            rows.append({"channels": channels, "training": name, **milliseconds, **machine(config.threads)})
    return rows


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds of each part, as a person reads them."""
    parts = [*PARTS, REST]
    names = [f"{row.channels} channels, {row.training}" for row in table.itertuples()]
    columns = {f"{part} [ms]": table[part].map("{:,.0f}".format) for part in parts}
    return pd.DataFrame(
        {"One step of 1,024 windows": names, **columns, "sum [ms]": table[parts].sum(axis=1).map("{:,.0f}".format)}
    )


def main() -> None:
    data = random_clips(lengths_adding_up_to(FRAMES), [2])
    table = pd.DataFrame([*measure(data, 1024, steps=2), *measure(data, 256, steps=3)])
    save("step", table, shown(table))
    save_figure(draw_parts(table, [*PARTS, REST], measured_with(table)), outputs_dir() / "bench" / "figure_step")


if __name__ == "__main__":
    main()
