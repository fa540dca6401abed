"""What the benchmarks share: repetitions in turn, the processor's own limits, and a table with what is promised."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

import numpy as np
import pandas as pd
import torch

from pose3d_lib.common.paths import make_folder, outputs_dir
from pose3d_lib.model.precision import arithmetic, fastest_precision

LIMIT_SIZE = 2048
"""Rows and columns of the matrices whose product says what the processor can do: 17 GFLOP."""


def precisions() -> tuple[str, ...]:
    """What is measured here: bfloat16 only where there are instructions for it; elsewhere it is emulated, slowly."""
    return tuple(dict.fromkeys(("float32", fastest_precision("cpu"))))


def seconds_of(function: Callable[[], object]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def product_rates(size: int = LIMIT_SIZE) -> dict[str, float]:
    """FLOP/s of one product of square matrices: as PyTorch does it by itself ("default"), and in each of `precisions`."""
    a, b = torch.ones(2, size, size)
    flop = 2 * size**3
    rates = {"default": flop / seconds_of(lambda: torch.mm(a, b))}
    for precision in precisions():
        x, y = (a.bfloat16(), b.bfloat16()) if precision == "bfloat16" else (a, b)
        with arithmetic(precision, "cpu"):
            rates[precision] = flop / seconds_of(lambda x=x, y=y: torch.mm(x, y))
    return rates


def limits(*measured: Mapping[str, float]) -> dict[str, float]:
    """Precision -> FLOP/s: the best of all that `product_rates` gave. In float32, PyTorch's own way counts too."""
    best = {name: max(rates[name] for rates in measured) for name in measured[0]}
    best["float32"] = max(best["float32"], best.pop("default"))
    return best


@dataclass(frozen=True)
class Compared:
    """Units per second of one repetition each: ours, the baseline's, and what the processor's limit would allow."""

    what: str
    precision: str
    unit: str
    threads: int
    ours: Sequence[float]
    baseline: Sequence[float]
    limit: Sequence[float]
    promised_ratio: float | None = None
    promised_share: float | None = None

    def row(self) -> dict[str, object]:
        """Medians and quartiles; ratios and shares are formed within each repetition."""
        row: dict[str, object] = {"what": self.what, "precision": self.precision, "unit": self.unit}
        row |= spread("ours", self.ours) | spread("baseline", self.baseline)
        row |= spread("ratio", np.divide(self.ours, self.baseline)) | {"promised_ratio": self.promised_ratio}
        row |= spread("limit", self.limit) | spread("share", np.divide(self.ours, self.limit))
        return {**row, "promised_share": self.promised_share, "repetitions": len(self.ours), **machine(self.threads)}


def spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """The median under this name, the quartiles under `<name>_low` and `<name>_high`."""
    low, high = np.quantile(values, [0.25, 0.75])
    return {name: float(median(values)), f"{name}_low": float(low), f"{name}_high": float(high)}


def machine(threads: int) -> dict[str, object]:
    """With what a row was measured."""
    processor = torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    return {
        "threads": threads,
        "processor": processor,
        "torch": torch.__version__.partition("+")[0],
        "date": date.today().isoformat(),
    }


def compare(
    what: str,
    unit: str,
    *,
    ours: Mapping[str, Callable[[], object]],
    baseline: Callable[[], object],
    units: float,
    flop: float,
    repetitions: int,
    promised_ratio: float | None = None,
    promised_share: float | None = None,
) -> list[Compared]:
    """Measures ours, limit and baseline in turn, so that whatever else the machine does meets all alike.

    Args:
        ours: precision -> what is measured; "float32" is what the promises are about.
        baseline: the same work as it is commonly written.
        units: what one call of any of them works off.
        flop: of one unit, in matrix products.
    """
    for function in (product_rates, *ours.values(), baseline):  # kernels are chosen and memory is taken in a first call
        function()
    rates: dict[str, list[float]] = {name: [] for name in (*ours, "baseline")}
    limit: dict[str, list[float]] = {name: [] for name in ours}
    for _ in range(repetitions):
        before = product_rates()
        for name, function in ours.items():
            rates[name].append(units / seconds_of(function))
        best = limits(before, product_rates())
        for name in ours:
            limit[name].append(best[name] / flop)
        rates["baseline"].append(units / seconds_of(baseline))
    promised = {"float32": (promised_ratio, promised_share)}
    return [
        Compared(
            what,
            name,
            unit,
            torch.get_num_threads(),
            rates[name],
            rates["baseline"],
            limit[name],
            *promised.get(name, (None, None)),
        )
        for name in ours
    ]


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `Compared` as a person reads them; quartiles in brackets."""
    return pd.DataFrame(
        {
            "What": [f"{row.what}, {row.precision}" for row in table.itertuples()],
            "Ours": [f"{row.ours:,.0f} {row.unit}" for row in table.itertuples()],
            "Baseline": [f"{row.baseline:,.0f}" for row in table.itertuples()],
            "Turns": table.repetitions.astype(int).map(str),
            "Ratio": [f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f})" for row in table.itertuples()],
            "Promised ratio": ["" if pd.isna(value) else f"{value:.1f}" for value in table.promised_ratio],
            "Limit": [f"{row.limit:,.0f}" for row in table.itertuples()],
            "Share of limit": [f"{row.share:.0%}" for row in table.itertuples()],
            "Promised share": ["" if pd.isna(value) else f"{value:.0%}" for value in table.promised_share],
        }
    )


def measured_with(table: pd.DataFrame) -> str:
    """Processor, threads, PyTorch and dates of a table, as a sentence."""
    numbers = sorted({int(number) for number in table.threads}, reverse=True)
    threads = " or ".join(f"{number} thread{'s' * (number != 1)}" for number in numbers)
    first = table.iloc[0]
    return f"Measured on {first.processor}, {threads}, PyTorch {first.torch}, {', '.join(sorted(set(table.date)))}."


def save(name: str, table: pd.DataFrame, readable: pd.DataFrame) -> None:
    """Prints the readable table, and writes every digit to bench/<name>.csv under the outputs."""
    path = make_folder(outputs_dir() / "bench") / f"{name}.csv"
    table.to_csv(path, index=False)
    print(readable.to_string(index=False))
    print(f"{measured_with(table)} Written to {path}", flush=True)
