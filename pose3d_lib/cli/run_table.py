"""Runs as a table for a terminal and as JSON for scripts: chosen, sorted, and counted."""

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from pose3d_lib.common.errors import printable
from pose3d_lib.common.escaping import format_size, format_time
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.runs.inventory import STATES, RunEntry

CHOICES = {
    "finished": ("finished",),
    "running": ("running",),
    "unfinished": ("unfinished",),
    "damaged": ("damaged",),
    "other": ("other version", "not a run"),
}
"""What can be asked for -> the states that it stands for."""

COLUMNS = ("name", "state", "progress", "MPJPE [mm]", "size", "when", "note")
TO_THE_RIGHT = ("progress", "MPJPE [mm]", "size")

ORDERS: dict[str, Callable[[RunEntry], object]] = {
    "name": lambda entry: entry.name,
    "error": lambda entry: math.inf if entry.mpjpe is None else entry.mpjpe,
    "size": lambda entry: -entry.size,
    "time": lambda entry: -(entry.at or 0.0),
}
"""By name, by error from the lowest, by size from the largest, by time from the latest; what is equal, by name."""


def choose_entries(
    entries: Sequence[RunEntry], *, states: Collection[str] = (), action: str | None = None, order: str = "name"
) -> list[RunEntry]:
    """The entries that are asked for, in order.

    Args:
        entries: all there are.
        states: keys of CHOICES; none stands for all.
        action: of the run's config, "All" for baselines; none stands for all.
        order: key of ORDERS.

    Raises:
        InputError: no run has such an action.
    """
    if action is not None and entries:
        action = check_name(
            tidy_name(action), sorted({entry.action for entry in entries if entry.action is not None}), "action"
        )
    wanted = {state for choice in states or CHOICES for state in CHOICES[choice]}
    chosen = [entry for entry in entries if entry.state in wanted and action in (None, entry.action)]
    return sorted(sorted(chosen, key=ORDERS["name"]), key=ORDERS[order])


def to_table(entries: Sequence[RunEntry]) -> str:
    """One line per run below a line of titles, in columns that stand below each other also in other alphabets."""
    rows = [COLUMNS, *(_cells(entry) for entry in entries)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _cells(entry: RunEntry) -> tuple[str, ...]:
    return (
        _shown(entry.name),
        entry.state,
        "" if entry.progress is None else f"{math.floor(100 * entry.progress)} %",
        "" if entry.mpjpe is None else f"{entry.mpjpe:.2f}",
        format_size(entry.size),
        "" if entry.at is None else format_time(entry.at),
        _shown(entry.note),
    )


def _shown(text: str) -> str:
    return text if text.isascii() and text.isprintable() else printable(text)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = []
    for cell, width, column in zip(row, widths, COLUMNS, strict=True):
        space = " " * (width - _width(cell))
        cells.append(space + cell if column in TO_THE_RIGHT else cell + space)
    return "  ".join(cells).rstrip()


def summary_line(entries: Sequence[RunEntry], shown: Sequence[RunEntry], folder: object) -> str:
    """How many there are, in which states, and how large they are together."""
    counts = Counter(entry.state for entry in shown)
    states = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])
    of_all = "" if len(shown) == len(entries) else f" of {len(entries):,}"
    size = format_size(sum(entry.size for entry in shown))
    return f"{len(shown):,}{of_all} in {folder}, {size}" + (f": {states}" if states else "")


def to_json(entries: Sequence[RunEntry]) -> str:
    """One array of objects with the attributes of `RunEntry`; `at` as ISO 8601, UTC. Nothing but ASCII."""
    return json.dumps([{**asdict(entry), "at": _iso(entry.at)} for entry in entries], indent=1, allow_nan=False)


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
