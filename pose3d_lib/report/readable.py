"""Tables for people: the headings of the files, which hold a number in each cell, and several numbers in a cell to read."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from pose3d_lib.model.evaluate import METRICS, UNITS, named
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.tables import ARMS

NUMBERS = ["mean", "sd", "low", "high"]
CHANGE = {"change": "Change [%]", "low": "Change, low [%]", "high": "Change, high [%]"}
TESTED = {"p": "p", "p_holm": "p (Holm)", "smallest_p": "Smallest p", "needed_p": "Needed p"}
CONSUMED = {
    "train_s": "training [s]",
    "evaluation_s": "evaluation [s]",
    "windows_m": "windows [M]",
    "steps": "steps",
    "train_s_per_m": "training [s/M windows]",
    "processor_s_per_m": "training [processor s/M windows]",
    "quoted_s": "time, quoted [s]",
}
CONSUMED_DIGITS = {"train_s": 0, "evaluation_s": 1, "windows_m": 2, "steps": 0, "processor_s_per_m": 1}
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


def head_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the metrics' names and units in place of "mpjpe", "mpjpe_mean", "mpjpe_sd", ..."""
    names = {metric: named(metric) for metric in METRICS}
    names |= {f"{own}_{what}": f"{name}, {what}" for own, name in names.items() for what in (*NUMBERS, "quoted")}
    return table.rename(columns=names)


def head_arms(
    arms: pd.DataFrame, names: Sequence[str] = ARMS, numbers: Sequence[str] = (*NUMBERS, "runs")
) -> pd.DataFrame:
    """A row per action of `tables.arms_table`, with columns "<arm>, <number>"; NaN where an arm lacks an action."""
    headed = {"Action": arms.action.drop_duplicates().reset_index(drop=True)}
    for arm in names:
        own = arms[arms.arm == arm].set_index("action").reindex(headed["Action"])
        headed |= {f"{arm}, {number}": own[number].to_numpy() for number in numbers}
    return pd.DataFrame(headed)


def show_arms(names: Sequence[str], error: str, numbers: Sequence[str] = NUMBERS) -> Columns:
    """The columns for reading of a table with columns "<arm>, <number>"."""
    return {f"{arm}, {error}": (show_value, [f"{arm}, {number}" for number in numbers]) for arm in names}


def head_comparison(arms: pd.DataFrame, changes: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Table 1 or 2 as it is saved, from `tables.arms_table` and `tables.changes_table`."""
    headed = head_arms(arms, numbers=(*NUMBERS, "runs", "quoted"))
    headed.insert(1, "Metric", named(metric))
    names = {**CHANGE, **TESTED, "verdict": "Verdict", "reason": "Reason"}
    return headed.assign(**{heading: changes[name] for name, heading in names.items()})


def show_comparison(headed: pd.DataFrame) -> pd.DataFrame:
    """Table 1 or 2 for reading, from `head_comparison`."""
    runs, quoted = ([f"{arm}, {number}" for arm in ARMS] for number in ("runs", "quoted"))
    columns = {"Action": "Action", **show_arms(ARMS, headed.Metric.iloc[0])}
    columns["Change [%]"] = show_change, [*CHANGE.values()]
    if (headed[runs] > 1).any(axis=None):
        columns["Seeds"] = _count_seeds, runs
        columns["p (Holm)"] = show_p, ["p (Holm)"]
        columns["Smallest p, needed"] = show_p, ["Smallest p", "Needed p"]
    columns["Verdict"] = "Verdict"
    if headed[quoted].notna().any(axis=None):
        columns["Quoted, Human3.6M"] = _quote, quoted
    return fill(headed, columns)


def _count_seeds(*runs: int) -> str:
    """The number of runs of each arm, once if it is the same."""
    return ", ".join(map(str, dict.fromkeys(runs)))


def _quote(original: float, action_based: float) -> str:
    """ "56.34, 52.07 (-7.6 %)": the paper's figures for both arms; empty where it has none."""
    if pd.isna(original) or pd.isna(action_based):
        return ""
    return f"{original:,.2f}, {action_based:,.2f} ({100 * (action_based / original - 1):+.1f} %)"


def head_table_3(table: pd.DataFrame) -> pd.DataFrame:
    """`tables.table_3` as it is saved."""
    return head_metrics(table.rename(columns={"action": "Action", "arm": "Arm", **CONSUMED}))


def show_table_3(table: pd.DataFrame) -> pd.DataFrame:
    """`tables.table_3` for reading."""
    columns = {"Action": "action", "Arm": "arm"}
    columns |= {CONSUMED[name]: (f"{{:,.{digits}f}}".format, [name]) for name, digits in CONSUMED_DIGITS.items()}
    columns |= {named(own): (show_value, [f"{own}_{name}" for name in NUMBERS]) for own in ("mpjpe", "mpjve")}
    quoted = ["quoted_s", "mpjpe_quoted", "mpjve_quoted"]
    if table[quoted].notna().any(axis=None):
        columns["Quoted, Human3.6M: time, MPJPE, MPJVE"] = _quotes, quoted
    return fill(table, columns)


def _quotes(seconds: float, mpjpe: float, mpjve: float) -> str:
    if pd.isna([seconds, mpjpe, mpjve]).any():
        return ""
    return f"{seconds:,.0f} s, {mpjpe:,.2f} {UNITS['mpjpe']}, {mpjve:,.2f} {UNITS['mpjve']}"


def head_errors_during_training(table: pd.DataFrame) -> pd.DataFrame:
    """`tables.errors_during_training` as it is saved: a row per point."""
    first, second = (table[table.arm == arm].reset_index(drop=True) for arm in ARMS)
    headed = {"Unit epochs": first.unit_epochs, "Windows seen [M]": first.windows_m}
    for arm, own in zip(ARMS, (first, second), strict=True):
        headed |= {f"{arm}, steps": own.steps, f"{arm}, {named('mpjpe')}": own.mpjpe}
    return pd.DataFrame({**headed, "Change [%]": 100 * (second.mpjpe / first.mpjpe - 1)})


def how_to_read(comparison: Comparison) -> str:
    """What the cells of a table of both arms are."""
    if max(map(len, (comparison.original, *comparison.action_based.values()))) == 1:
        return "One seed each, so no intervals."
    return "Mean ± standard deviation over the seeds [95 % interval over seeds and takes]."


def show_value(mean: float, sd: float = NAN, low: float = NAN, high: float = NAN) -> str:
    """ "66.6 ± 2.3 [53.2, 77.4]", or less where less is known."""
    if pd.isna(mean):
        return ""
    digits = 1 if pd.notna(sd) and abs(mean) >= 10 else 2
    text = f"{mean:.{digits}f}"
    if pd.notna(sd):
        text += f" ± {sd:.{digits}f}"
    return text if pd.isna(low) else f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def show_change(change: float, low: float = NAN, high: float = NAN) -> str:
    """ "+2.5 [-15.1, +23.4]", per cent; empty where nothing is known."""
    if pd.isna(change):
        return ""
    return f"{change:+.1f}" if pd.isna(low) else f"{change:+.1f} [{low:+.1f}, {high:+.1f}]"


def show_p(*several: float) -> str:
    """Three digits behind the point, and what lies below them as such."""
    return ", ".join("" if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}" for p in several)
