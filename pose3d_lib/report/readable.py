"""Tables for people, made of tidy ones: headings, and several numbers in a cell."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from pose3d_lib.model.evaluate import named
from pose3d_lib.study.observations import ARMS

CHANGE = ["change", "low", "high"]
NAN = float("nan")

# Heading -> the column, or what makes a cell's text, and of which columns.
Columns = Mapping[str, str | tuple[Callable[..., str], Sequence[str]]]


def fill(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """A table for reading, from a tidy one."""
    filled = {}
    for heading, column in columns.items():
        if isinstance(column, str):
            filled[heading] = table[column].to_numpy()
        else:
            show, names = column
            filled[heading] = [show(*cells) for cells in zip(*(table[name] for name in names), strict=True)]
    return pd.DataFrame(filled)


def widen_arms(arms: pd.DataFrame) -> pd.DataFrame:
    """A row per action of `tables.arms_table`, with columns "<arm>, <number>"; NaN where an arm lacks an action."""
    wide = arms.set_index(["action", "arm"]).unstack("arm")
    wide.columns = [f"{arm}, {number}" for number, arm in wide.columns]
    return wide.loc[arms.action.unique()].reset_index()


def show_arms(names: Sequence[str], error: str) -> Columns:
    """The columns for reading of a table with columns "<arm>, <number>"."""
    return {f"{arm}, {error}": (show_value, [f"{arm}, mean", f"{arm}, sd"]) for arm in names}


def show_comparison(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Table 1 or 2 for reading, from `widen_arms` with the columns of `tables.changes_table`."""
    columns = {"Action": "action", "Verdict": "verdict", "Change [%]": (show_change, CHANGE)}
    columns |= show_arms(ARMS, named(metric))
    if table.p.notna().any():
        columns["p (Holm)"] = show_p, ["p_holm"]
    quoted = [f"{arm}, quoted" for arm in ARMS]
    if table[quoted].notna().any(axis=None):
        columns["Quoted, Human3.6M"] = _quote, quoted
    return fill(table, columns)


def _quote(original: float, action_based: float) -> str:
    """ "56.34, 52.07 (-7.6 %)": the paper's figures for both arms; empty where it has none."""
    if pd.isna(original) or pd.isna(action_based):
        return ""
    return f"{original:,.2f}, {action_based:,.2f} ({100 * (action_based / original - 1):+z.1f} %)"


def show_table_3(table: pd.DataFrame) -> pd.DataFrame:
    """`tables.table_3` for reading."""

    def number(digits: int) -> Callable[[float], str]:
        return lambda value: "" if pd.isna(value) else f"{value:,.{digits}f}"

    columns = {"Action": "action", "Arm": "arm"}
    columns |= {named(own): (show_value, [f"{own}_mean", f"{own}_sd"]) for own in ("mpjpe", "mpjve")}
    columns |= {"windows [M]": (number(2), ["windows_m"]), "steps": (number(0), ["steps"])}
    if table.seconds.notna().any():
        columns |= {"training [s]": (number(1), ["seconds"]), "[s/M windows]": (number(1), ["seconds_per_m"])}
    quoted = ["mpjpe_quoted", "mpjve_quoted", "quoted_s"]
    if table[quoted].notna().any(axis=None):
        columns["Quoted, Human3.6M"] = _quote_3, quoted
    return fill(table, columns)


def _quote_3(mpjpe: float, mpjve: float, seconds: float) -> str:
    if pd.isna([mpjpe, mpjve, seconds]).any():
        return ""
    return f"{mpjpe:.2f} mm, {mpjve:.2f} mm/frame, {seconds:,.0f} s"


def show_value(mean: float, sd: float = NAN) -> str:
    """ "66.6 ± 2.3", or less where less is known."""
    if pd.isna(mean):
        return ""
    digits = 1 if pd.notna(sd) and abs(mean) >= 10 else 2
    return f"{mean:.{digits}f}" if pd.isna(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}"


def show_change(change: float, low: float = NAN, high: float = NAN) -> str:
    """ "+2.5 [-15.1, +23.4]", per cent; empty where nothing is known."""
    if pd.isna(change):
        return ""
    return f"{change:+z.1f}" if pd.isna(low) else f"{change:+z.1f} [{low:+z.1f}, {high:+z.1f}]"


def show_p(p: float) -> str:
    """Three digits behind the point, and what lies below them as such."""
    return "" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def tell_interval(low: float, high: float) -> str:
    """ "95 % interval -15.1 to +23.4 %"."""
    return f"95 % interval {low:+z.1f} to {high:+z.1f} %" if pd.notna(low) else "one replicate, so no interval"


def tell_change(change: float) -> str:
    """ "11.2 % better", of an error."""
    return f"{abs(change):.1f} % {'better' if change < 0 else 'worse'}"
