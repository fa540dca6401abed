"""What is promised in seconds or bytes: as measured, and as a share of the promise."""

from collections.abc import Sequence

import pandas as pd
from measuring import machine, save, spread


def promise(what: str, unit: str, measured: Sequence[float], promised: float | None = None) -> dict[str, object]:
    """A row of the table: the median and the quartiles of some repetitions; a part of something promised has no promise."""
    row = {"what": what, "unit": unit, **spread("measured", measured), "promised": promised}
    ratio = None if promised is None else row["measured"] / promised
    return {**row, "ratio": ratio, "repetitions": len(measured), **machine(threads=1)}


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows as a person reads them; quartiles in brackets."""
    return pd.DataFrame(
        {
            "What": table.what,
            "Measured": [
                f"{row.measured:,.2f} {row.unit}"
                + (f" ({row.measured_low:,.2f} to {row.measured_high:,.2f})" if row.repetitions > 1 else "")
                for row in table.itertuples()
            ],
            "Promised": ["" if pd.isna(row.promised) else f"{row.promised:g} {row.unit}" for row in table.itertuples()],
            "Share of promise": ["" if pd.isna(value) else f"{value:.2f}" for value in table.ratio],
        }
    )


def save_promises(name: str, rows: Sequence[dict[str, object]]) -> None:
    """Prints the table, and writes it to bench/<name>.csv under the outputs."""
    table = pd.DataFrame(rows)
    save(name, table, shown(table))
