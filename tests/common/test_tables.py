"""Tables as files: CSV, Markdown and LaTeX."""

import csv
from pathlib import Path

import pandas as pd

from pose3d_lib.common.tables import save_table, to_latex, to_markdown

TABLE = pd.DataFrame(
    {
        "Action": ["Eating", "a_b & 50 %"],
        "Frames": [1559752, 12],
        "Error [mm]": [43.305, float("nan")],
        "Change [%]": [12.34, -0.96],
    }
)


def cells_of(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_table_is_saved_for_programs_and_rounded_for_reading(tmp_path: Path) -> None:
    save_table(TABLE, tmp_path / "folder" / "table", "5 % of synthetic_data & more.")
    with (tmp_path / "folder" / "table.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            [*TABLE.columns],
            ["Eating", "1559752", "43.305", "12.34"],
            ["a_b & 50 %", "12", "", "-0.96"],
        ]
    text = (tmp_path / "folder" / "table.md").read_text(encoding="utf-8")
    assert text == f"{to_markdown(TABLE)}\n\n5 % of synthetic_data & more.\n"
    head, line, *rows = to_markdown(TABLE).splitlines()
    assert cells_of([head, *rows]) == [
        [*TABLE.columns],
        ["Eating", "1,559,752", f"{43.305:.2f}", "+12.3"],
        ["a_b & 50 %", "12", "", "-1.0"],
    ]
    assert line.startswith("|:-")
    assert line.count("-:|") == 3
    lines = (tmp_path / "folder" / "table.tex").read_text(encoding="utf-8").splitlines()
    assert r"\caption{5 \% of synthetic\_data \& more.}" in lines
    assert r"Action & Frames & Error [mm] & Change [\%] \\" in lines
    assert r"a\_b \& 50 \% & 12 &  & -1.0 \\" in lines


def test_where_there_is_no_text_nothing_is_shown() -> None:
    table = pd.concat([pd.DataFrame({"Run": ["one"], "Why": ["failed"]}), pd.DataFrame({"Run": ["two"]})])
    assert cells_of(to_markdown(table).splitlines()[2:]) == [["one", "failed"], ["two", ""]]
    assert "nan" not in to_latex(table, "")
