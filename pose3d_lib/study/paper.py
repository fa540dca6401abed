"""The figures of Bai and Wang, tables 1 to 3, on Human3.6M: quoted, not measured here."""

import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL

# Figures as printed.
QUOTED = pd.DataFrame(
    [
        ("1", "short", "Eating", "mpjpe", "56.34", "52.07"),
        ("1", "short", "Sitting", "mpjpe", "70.49", "70.86"),
        ("2", "short", "Eating", "mpjve", "3.14", "3.01"),
        ("2", "short", "Sitting", "mpjve", "3.14", "2.86"),
        ("3", "long", "Eating", "seconds", "81173", "56921"),
        ("3", "long", "Eating", "mpjpe", "43.30", "49.27"),
        ("3", "long", "Eating", "mpjve", "2.24", "2.56"),
    ],
    columns=["table", "length", "action", "metric", ORIGINAL, ACTION_BASED],
)
QUOTED["change"] = 100 * (QUOTED[ACTION_BASED].astype(float) / QUOTED[ORIGINAL].astype(float) - 1)  # per cent
REPORTED = QUOTED[QUOTED.metric != "seconds"]  # changes of errors

NOTES = (
    "The paper's \"3*3\" can mean the widths 3,3,3 (27 frames) or 3,3,3,3,3 (243 frames): the authors' scripts have both.",
    "The original's errors in Table 3, 43.30 and 2.24, are VideoPose3D's published figures for 243 frames.",
    "Table 2 gives 3.14 for the original twice, on Eating and on Sitting.",
)


def quote(table: str, action: str, metric: str, arm: str) -> float:
    """A figure of the paper's table "1", "2" or "3"; NaN where it has none."""
    found = QUOTED[(QUOTED.table == table) & (QUOTED.action == action) & (QUOTED.metric == metric)]
    return float(found[arm].iloc[0]) if len(found) else float("nan")
