"""What each function takes that makes training fast, beside the plain code that it equals; `make bench` runs it.

At the sizes of the 27-frame lifter with 1024 channels on 1,024 windows.
"""

import copy
from collections.abc import Callable, Mapping

import pandas as pd
import torch
import torch.nn.functional as F
from bench_training import FRAMES
from measuring import LIMIT_SIZE, machine, precisions, save, seconds_of, spread
from plain import PlainWindows
from random_clips import lengths_adding_up_to, random_clips
from torch import Tensor, nn

from pose3d_lib.model.layers import drop_, relu_dropout, taps_and_residual
from pose3d_lib.model.precision import arithmetic
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import build_lifters
from pose3d_lib.training.steps import AmsGrad
from pose3d_lib.training.windows import TrainingWindows

SECONDS = 0.05
"""Of one measurement, at least."""

Pairs = Mapping[str, tuple[Callable[[], object], Callable[[], object]]]
"""What -> ours and its plain twin."""


def time_pairs(pairs: Pairs, repetitions: int = 5) -> pd.DataFrame:
    """Milliseconds of a call of either, in turn."""
    rows = []
    for what, functions in pairs.items():
        calls = [max(1, round(SECONDS / seconds_of(function))) for function in functions]
        taken = [
            [
                1000 * seconds_of(repeated(function, number)) / number
                for function, number in zip(functions, calls, strict=True)
            ]
            for _ in range(repetitions)
        ]
        ours, plain = zip(*taken, strict=True)
        ratio = spread("ratio", [slow / fast for fast, slow in taken])
        rows.append({"what": what, **spread("ours", ours), **spread("plain", plain), **ratio})
    return pd.DataFrame(rows).assign(**machine(torch.get_num_threads()))


def repeated(function: Callable[[], object], number: int) -> Callable[[], None]:
    """So many calls of it."""

    def run() -> None:
        for _ in range(number):
            function()

    return run


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a person reads it."""
    return pd.DataFrame(
        {
            "What": table.what,
            "Ours [ms]": table.ours.map("{:.2f}".format),
            "Compared with [ms]": table.plain.map("{:.2f}".format),
            "Ratio": [f"{row.ratio:.1f} ({row.ratio_low:.1f} to {row.ratio_high:.1f})" for row in table.itertuples()],
        }
    )


def within(precision: str, function: Callable[[], object]) -> Callable[[], object]:
    """The same in a precision."""

    def run() -> object:
        with arithmetic(precision, "cpu"):
            return function()

    return run


def forward_and_backward(function: Callable[[], Tensor | tuple[Tensor, ...]]) -> Callable[[], None]:
    """The same, then backward from gradients of ones."""
    results = function()
    grads = [torch.ones_like(one) for one in (results if isinstance(results, tuple) else (results,))]

    def run() -> None:
        torch.autograd.backward(function(), grads)

    return run


def products() -> Pairs:
    """oneDNN beside MKL, bfloat16 beside float32."""
    a, b = torch.ones(2, LIMIT_SIZE, LIMIT_SIZE)
    x, y = a.bfloat16(), b.bfloat16()
    size = f"{LIMIT_SIZE} x {LIMIT_SIZE}"
    pairs = {f"product of {size}, float32: oneDNN, MKL": (within("float32", lambda: a @ b), lambda: a @ b)}
    if "bfloat16" in precisions():
        bfloat16 = within("bfloat16", lambda: x @ y), within("float32", lambda: a @ b)
        pairs[f"product of {size}, oneDNN: bfloat16, float32"] = bfloat16
    return pairs


def layers(config: RunConfig) -> Pairs:
    """What a step does between its ends."""
    batch, frames, channels, p = config.batch_size, config.receptive_field // 3, config.channels, config.dropout
    rows = torch.randn(batch * frames, channels, requires_grad=True)
    kept = torch.randn(batch * frames, channels)
    taps = torch.randn(batch, frames, channels, requires_grad=True)
    as_channels = taps.detach().transpose(1, 2).contiguous().requires_grad_()
    linear = nn.Linear(3 * channels, channels, bias=False)
    convolution = nn.Conv1d(channels, channels, 3, stride=3, bias=False)

    def sliced() -> tuple[Tensor, Tensor]:
        return taps.view(batch, frames // 3, 3 * channels), taps[:, 1::3]

    return {
        "convolution of stride 3, forward and backward: Linear, Conv1d": (
            within("float32", forward_and_backward(lambda: linear(taps.view(batch, frames // 3, -1)))),
            forward_and_backward(lambda: convolution(as_channels)),
        ),
        "dropout in place: drop_, Bernoulli numbers": (
            lambda: drop_(kept, p),
            lambda: kept.mul_(torch.empty_like(kept).bernoulli_(1 - p)),
        ),
        "ReLU and dropout, forward and backward: relu_dropout, PyTorch's": (
            forward_and_backward(lambda: relu_dropout(rows, p)),
            forward_and_backward(lambda: F.dropout(F.relu(rows), p)),
        ),
        "taps and residual, forward and backward: taps_and_residual, slices": (
            forward_and_backward(lambda: taps_and_residual(taps, 3, 1)),
            forward_and_backward(sliced),
        ),
    }


def ends(config: RunConfig) -> Pairs:
    """What a step begins and ends with."""
    data = random_clips(lengths_adding_up_to(FRAMES), [2])
    windows = TrainingWindows(data, data.train_clips(config.action), config.keypoints, config.filter_widths)
    plain_windows = PlainWindows(data, config)
    numbers = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))[: config.batch_size]
    parameters = [parameter.detach() for parameter in build_lifters(config, data).pose.parameters()]
    plain_parameters = copy.deepcopy(parameters)
    grads = [torch.ones_like(parameter) for parameter in parameters]
    ours, plain = AmsGrad(parameters, config.lr), torch.optim.Adam(plain_parameters, lr=config.lr, amsgrad=True)

    def stepping(optimizer: AmsGrad | torch.optim.Adam, own: list[Tensor]) -> Callable[[], None]:
        def run() -> None:
            for parameter, grad in zip(own, grads, strict=True):
                parameter.grad = grad
            optimizer.step()

        return run

    return {
        f"gathering of {config.batch_size:,} windows: strided view, NumPy window by window": (
            lambda: windows.gather(numbers),
            lambda: plain_windows.batch(numbers.tolist()),
        ),
        "Adam with AMSGrad: fused, PyTorch's default": (stepping(ours, parameters), stepping(plain, plain_parameters)),
    }


def main() -> None:
    config = make_config(RunConfig, {"preset": "paper_27", "keypoints": "gt", "device": "cpu"})
    torch.set_num_threads(config.threads)
    table = time_pairs({**products(), **layers(config), **ends(config)})
    save("functions", table, shown(table))


if __name__ == "__main__":
    main()
