"""Tables as files and as text: CSV with twelve digits; Markdown, LaTeX and plain text rounded for reading."""

import html
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pose3d_lib.common.escaping import escape_latex, escape_markdown


def save_table(table: pd.DataFrame, path: Path, caption: str, shown: pd.DataFrame | None = None) -> None:
    """Writes `<path>.csv`, and `<path>.md` and `<path>.tex`, which are rounded for reading and have the caption in plain text.

    `shown` is the table for reading, several numbers in a cell; by default the table itself. The CSV is for programs: names
    stay as they are, even those that a spreadsheet would compute, such as "=1+1".
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = table if shown is None else shown
    table.to_csv(path.with_suffix(".csv"), index=False, float_format="%.12g")
    path.with_suffix(".md").write_text(f"{to_markdown(shown)}\n\n{escape_markdown(caption)}\n", encoding="utf-8")
    path.with_suffix(".tex").write_text(to_latex(shown, caption), encoding="utf-8")


def to_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown; rounded as `_rounded` does it. Cells are plain text."""
    return _piped(_rounded(table).map(escape_markdown), _alignment(table))


def to_text(table: pd.DataFrame) -> str:
    """The same for a terminal."""
    return _piped(_rounded(table), _alignment(table))


def to_card(rows: Mapping[str, object], picture: str = "") -> str:
    """What a notebook shows of an object: titles and plain texts as a small HTML table, beside a picture if there is one."""
    cells = "".join(
        f'<tr><th style="text-align:left;white-space:nowrap">{html.escape(title)}</th>'
        f'<td style="text-align:left">{html.escape(str(text))}</td></tr>'
        for title, text in rows.items()
    )
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:center"><table>{cells}</table>{picture}</div>'
    )


def _piped(shown: pd.DataFrame, alignment: list[str]) -> str:
    return shown.to_markdown(index=False, disable_numparse=True, colalign=alignment)


def to_latex(table: pd.DataFrame, caption: str) -> str:
    """The same as a table of LaTeX, which needs the packages booktabs and textcomp."""
    cells = (table.columns, *_rounded(table).to_numpy().tolist())
    head, *rows = (" & ".join(map(escape_latex, row)) + r" \\" for row in cells)
    columns = "".join(side[0] for side in _alignment(table))
    body = "\n".join([r"\toprule", head, r"\midrule", *rows, r"\bottomrule"])
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{escape_latex(caption)}}}\n"
        f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Two digits behind the point, a sign where the column is a change, nothing where there is no number."""
    shown = table.copy()
    for column in shown.select_dtypes("integer"):
        shown[column] = shown[column].map("{:,}".format)
    for column in shown.select_dtypes("float"):
        digits = "{:+.1f}" if column.startswith("Change") else "{:.2f}"
        shown[column] = ["" if pd.isna(value) else digits.format(value) for value in shown[column]]
    return shown.astype(object).where(shown.notna(), "")


def _alignment(table: pd.DataFrame) -> list[str]:
    return ["right" if pd.api.types.is_numeric_dtype(kind) else "left" for kind in table.dtypes]
