"""Tables for reading: several numbers in a cell, where the files hold one in each."""

from collections.abc import Sequence

import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.model.evaluate import UNITS, named
from pose3d_lib.study.comparison import Comparison

ARMS = (ORIGINAL, ACTION_BASED)


def how_to_read(comparison: Comparison) -> str:
    """What the cells of a table of both arms are."""
    if max(map(len, (comparison.original, *comparison.action_based.values()))) == 1:
        return "One seed each, so no intervals."
    return "Mean ± standard deviation over the seeds [95 % interval over seeds and takes]."


def show_value(mean: float, sd: float = float("nan"), low: float = float("nan"), high: float = float("nan")) -> str:
    """ "66.6 ± 2.3 [53.2, 77.4]", or less where less is known."""
    digits = 1 if pd.notna(sd) and abs(mean) >= 10 else 2
    text = f"{mean:.{digits}f}"
    if pd.notna(sd):
        text += f" ± {sd:.{digits}f}"
    return text if pd.isna(low) else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def show_change(change: float, low: float = float("nan"), high: float = float("nan")) -> str:
    """ "+2.5 [-15.1, +23.4]", per cent."""
    return f"{change:+.1f}" if pd.isna(low) else f"{change:+.1f} [{low:+.1f}, {high:+.1f}]"


def show_p(p: float) -> str:
    """Three digits behind the point, and what lies below them as such."""
    return "" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def show_arms(table: pd.DataFrame) -> pd.DataFrame:
    """`tables.compare_arms` for reading."""
    metric = table.Metric.iloc[0]
    shown = pd.DataFrame({"Action": table.Action})
    for arm in ARMS:
        columns = [f"{arm}, {name}" for name in ("mean", "sd", "low", "high")]
        shown[f"{arm}, {metric}"] = [show_value(*row) for row in table[columns].to_numpy()]
    changes = table[["Change [%]", "Change, low [%]", "Change, high [%]"]].to_numpy()
    shown["Change [%]"] = [show_change(*row) for row in changes]
    if (table[[f"{arm}, runs" for arm in ARMS]] > 1).any(axis=None):
        seeds = table[[f"{arm}, runs" for arm in ARMS]].to_numpy()
        shown["Seeds"] = [f"{first}" if first == second else f"{first}, {second}" for first, second in seeds]
        shown["p (Holm)"] = table["p (Holm)"].map(show_p)
        shown["Smallest p, needed"] = [
            f"{show_p(smallest)}, {show_p(needed)}" for smallest, needed in table[["Smallest p", "Needed p"]].to_numpy()
        ]
    shown["Verdict"] = table.Verdict
    quoted = table[[f"{arm}, quoted" for arm in ARMS]]
    if quoted.notna().any(axis=None):
        shown["Quoted, Human3.6M"] = [show_quoted(*row) for row in quoted.to_numpy()]
    return shown


def show_quoted(original: float, action_based: float) -> str:
    """ "56.34, 52.07 (-7.6 %)": the paper's figures for both arms; empty where it has none."""
    if pd.isna(original) or pd.isna(action_based):
        return ""
    return f"{original:,.2f}, {action_based:,.2f} ({100 * (action_based / original - 1):+.1f} %)"


def show_table_3(table: pd.DataFrame) -> pd.DataFrame:
    """`tables.table_3` for reading."""
    shown = table[["Action", "Arm"]].copy()
    for column, digits in (
        ("training [s]", 0),
        ("evaluation [s]", 1),
        ("windows [M]", 2),
        ("steps", 0),
        ("training [processor s/M windows]", 1),
    ):
        shown[column] = table[column].map(f"{{:,.{digits}f}}".format)
    for metric in ("mpjpe", "mpjve"):
        columns = [f"{named(metric)}, {name}" for name in ("mean", "sd", "low", "high")]
        shown[named(metric)] = [show_value(*row) for row in table[columns].to_numpy()]
    quotes = ("time, quoted [s]", *(f"{named(metric)}, quoted" for metric in ("mpjpe", "mpjve")))
    if table[list(quotes)].notna().any(axis=None):
        shown["Quoted, Human3.6M: time, MPJPE, MPJVE"] = [_quotes(row) for row in table[list(quotes)].to_numpy()]
    return shown


def _quotes(row: Sequence[float]) -> str:
    if pd.isna(row).any():
        return ""
    units = ("s", UNITS["mpjpe"], UNITS["mpjve"])
    return ", ".join(f"{value:,.{2 * (unit != 's')}f} {unit}" for value, unit in zip(row, units, strict=True))
