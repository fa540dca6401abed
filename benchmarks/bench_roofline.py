"""The roofline of this processor, and where the products and the passes of a training step lie under it; `make bench` runs it.

A roofline says how fast a piece of work can be at best: its FLOP/s are bounded by the processor's arithmetic, and by what
memory delivers times the FLOP that are made of each byte. The work is that of a forward pass of the 27-frame lifter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from bench_functions import within
from drawing import draw_roofline
from measuring import limits, machine, measured_with, product_rates, save, seconds_of, spread
from torch import nn

from pose3d_lib.common.paths import outputs_dir
from pose3d_lib.model.layers import relu_dropout
from pose3d_lib.report.figures.style import save_figure
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config

FLOAT = 4
"""Bytes of a float32."""

NUMBERS_IN, NUMBERS_OUT = 2 * 17, 3 * 17
COPIED = 2**26
"""Numbers in the array that is copied to measure memory; 256 MB, more than caches hold."""


@dataclass(frozen=True)
class Work:
    """A piece of work, and what does it: ours and the baseline's.

    Attributes:
        flop: floating-point operations; a multiply-add is two.
        bytes: that have to pass between processor and memory at least.
    """

    what: str
    flop: float
    bytes: float
    ours: Callable[[], object]
    baseline: Callable[[], object]


def convolution(what: str, batch: int, frames: int, width: int, channels: int, out: int) -> Work:
    """A convolution of stride = width on (batch, frames, channels)."""
    rows, taps = batch * frames // width, width * channels
    x = torch.randn(batch, frames, channels)
    transposed = x.transpose(1, 2).contiguous()
    linear, plain = nn.Linear(taps, out, bias=False), nn.Conv1d(channels, out, width, stride=width, bias=False)
    return Work(
        what,
        2 * rows * taps * out,
        FLOAT * (rows * taps + taps * out + rows * out),
        within("float32", lambda: linear(x.view(batch, frames // width, taps))),
        lambda: plain(transposed),
    )


def passes(batch: int, frames: int, channels: int, p: float) -> list[Work]:
    """What follows a product: ours on (batch * frames, channels), the baseline's on (batch, channels, frames).

    Batch norm: a difference, a square and two sums, then a product and a sum, of each number, which is read twice and
    written once. ReLU and dropout: two choices; read once, written once.
    """
    x, norm = torch.randn(batch * frames, channels), nn.BatchNorm1d(channels).train()
    as_channels = x.view(batch, frames, channels).transpose(1, 2).contiguous()
    count = x.numel()
    return [
        Work("batch norm", 6 * count, 3 * FLOAT * count, lambda: norm(x), lambda: norm(as_channels)),
        Work(
            "ReLU and dropout",
            2 * count,
            2 * FLOAT * count,
            lambda: relu_dropout(x, p),
            lambda: F.dropout(F.relu(as_channels), p),
        ),
    ]


def forward_pass(config: RunConfig) -> list[Work]:
    """Every product of the strided form, and the passes after the first."""
    batch, channels, frames = config.batch_size, config.channels, config.receptive_field
    works = [convolution("first product", batch, frames, config.filter_widths[0], NUMBERS_IN, channels)]
    frames //= config.filter_widths[0]
    works += passes(batch, frames, channels, config.dropout)
    for number, width in enumerate(config.filter_widths[1:], start=1):
        works.append(convolution(f"block {number}, {width} taps", batch, frames, width, channels, channels))
        frames //= width
        works.append(convolution(f"block {number}, 1 tap", batch, frames, 1, channels, channels))
    return [*works, convolution("last product", batch, 1, 1, channels, NUMBERS_OUT)]


def bytes_per_second(source: torch.Tensor, target: torch.Tensor) -> float:
    """What memory delivers and takes while an array is copied."""
    return 2 * FLOAT * source.numel() / seconds_of(lambda: target.copy_(source))


def measure(works: list[Work], repetitions: int) -> pd.DataFrame:
    """FLOP/s of each piece of work either way, and both roofs, in turn."""
    source, target = torch.ones(2, COPIED)
    bytes_per_second(source, target)
    rates: dict[tuple[str, str], list[float]] = {(work.what, how): [] for work in works for how in ("ours", "baseline")}
    products, copies = [], []
    with torch.no_grad():
        for work in works:
            work.ours(), work.baseline()
        for _ in range(repetitions):
            products.append(product_rates())
            copies.append(bytes_per_second(source, target))
            for work in works:
                for how in ("ours", "baseline"):
                    rates[work.what, how].append(work.flop / seconds_of(getattr(work, how)))
    table = pd.DataFrame(
        [
            {
                "what": work.what,
                "how": how,
                "flop": work.flop,
                "bytes": work.bytes,
                **spread("flops", rates[work.what, how]),
            }
            for work in works
            for how in ("ours", "baseline")
        ]
    )
    roofs: Mapping[str, float] = {f"limit_{name}": rate for name, rate in limits(*products).items()}
    return table.assign(memory=float(np.max(copies)), **roofs, **machine(torch.get_num_threads()))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a person reads it: GFLOP/s and what the roof is over each."""
    ours, plain = (table[table.how == how].reset_index() for how in ("ours", "baseline"))
    intensity = ours.flop / ours.bytes
    return pd.DataFrame(
        {
            "Work": ours.what,
            "FLOP per byte": intensity.map("{:,.2f}".format),
            "Roof [GFLOP/s]": (np.minimum(ours.limit_float32, intensity * ours.memory) / 1e9).map("{:,.1f}".format),
            "Ours [GFLOP/s]": (ours.flops / 1e9).map("{:,.1f}".format),
            "Baseline [GFLOP/s]": (plain.flops / 1e9).map("{:,.1f}".format),
        }
    )


def main() -> None:
    config = make_config(RunConfig, {"preset": "paper_27", "keypoints": "gt", "device": "cpu"})
    torch.set_num_threads(config.threads)
    table = measure(forward_pass(config), repetitions=5)
    save("roofline", table, shown(table))
    save_figure(draw_roofline(table, measured_with(table)), outputs_dir() / "bench" / "figure_roofline")


if __name__ == "__main__":
    main()
