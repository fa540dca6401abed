"""Names read as they are in Markdown, on the page, in LaTeX, in a figure and in a terminal, whatever signs they hold."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pose3d_lib.common.escaping import escape_latex, escape_markdown, escape_mathtext, unescape_markdown
from pose3d_lib.common.tables import save_table, to_markdown, to_text
from pose3d_lib.report.page import to_page
from tests.helpers.figure_checks import texts_as_drawn

NAMES = (
    *("walk|fast", "| a |", "a`b`", "``c``", "*", "a*b*c", "**b**", "_a_", "__a__", "x_1_2", "a__b__c", "~a~", "50 %"),
    *(
        "<img src=x onerror=alert(1)>", "</td><b>x", "<!-- x", "<https://x.de>", "http://a_b.de/x_", "a < b", "&amp;",
        "a & b",
    ),
    *("[x](y)", "[x][y]", "![x](y)", "[x]: y", "[^1]", "[1, 2]", "$a$ and $b$", "$$x$$", "$(touch canary)", "{{x}}"),
    *("a\\|b", "\\(a\\)", "\\[a\\]", "\\", "a\\", "\\begin{x}a\\end{x}", "=cmd|' -C calc'!A0", "-2+3", "a--b"),
)  # fmt: skip


def page_of(text: str) -> BeautifulSoup:
    """The page of a notebook that shows this Markdown."""
    output = new_output("display_data", data={"text/markdown": text})
    cell = new_code_cell("show()", execution_count=1, outputs=[output])
    return BeautifulSoup(to_page(new_notebook(cells=[cell]), title="A title"), "html.parser")


def test_names_in_a_table_read_on_the_page_as_they_are() -> None:
    rows = page_of(to_markdown(pd.DataFrame({"Action": NAMES, "Error": 1.0}))).find_all("tr")[1:]
    cells = [[cell.get_text() for cell in row.find_all("td")] for row in rows]
    assert cells == [[name, "1.00"] for name in NAMES]


@pytest.mark.parametrize("sentence", ["On {}, it is lower.", "*On {}, it is lower.*", "**On {}**"])
def test_names_in_a_sentence_read_on_the_page_as_they_are(sentence: str) -> None:
    page = page_of("\n\n".join(sentence.format(escape_markdown(name)) for name in NAMES))
    assert [part.get_text() for part in page.main.find_all("p")] == [sentence.strip("*").format(name) for name in NAMES]


def test_each_formula_sign_is_alone_in_an_element_for_mathjax_looks_for_pairs_in_one() -> None:
    assert "$" not in escape_markdown("$a$")
    page = BeautifulSoup(escape_markdown(r"$a$ \(b\)"), "html.parser")
    assert [text for text in page.strings if "$" in text or "\\" in text] == ["$", "$", "\\", "\\"]


@pytest.mark.parametrize(
    "text",
    ["66.6 ± 2.3 [53.2, 77.4]", "+2.5 [-15.1, +23.4]", "< 0.001", "equal_frames, bn_unit_epoch", "O'Neil & Co.; 1,000"],
)
def test_what_means_nothing_in_markdown_stays_as_it_is(text: str) -> None:
    assert escape_markdown(text) == text


def test_a_terminal_shows_names_as_they_are() -> None:
    table = pd.DataFrame({"Action": NAMES})
    assert [line[2:-2].rstrip() for line in to_text(table).splitlines()[2:]] == list(NAMES)
    for name in NAMES:
        assert unescape_markdown(escape_markdown(name)) == name


def test_latex_takes_no_sign_of_a_name_for_a_command() -> None:
    assert escape_latex(r"a_b%&#{$}\~^") == (r"a\_b\%\&\#\{\$\}\textbackslash{}\textasciitilde{}\textasciicircum{}")
    assert escape_latex("<a|b>`") == r"\textless{}a\textbar{}b\textgreater{}\textasciigrave{}"
    assert escape_latex("a-b--c---d") == "a-b-{}-c-{}-{}-d"  # no dashes
    assert (escape_latex("[x](y)"), escape_latex("*a*")) == ("{[}x](y)", "{*}a*")  # no option of the line before
    assert escape_latex("+1.5 [0.1, 2.0]") == "+1.5 [0.1, 2.0]"


def test_a_saved_table_keeps_its_rows_and_names(tmp_path: Path) -> None:
    table = pd.DataFrame({"Action": NAMES, "Error": 1.0})
    save_table(table, tmp_path / "table", f"On {NAMES[0]}.")
    assert pd.read_csv(tmp_path / "table.csv").Action.tolist() == list(NAMES)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert len(page_of(text).find_all("tr")) == len(NAMES) + 1
    assert page_of(text).find_all("p")[-1].get_text() == "On walk|fast."
    rows = [line for line in (tmp_path / "table.tex").read_text(encoding="utf-8").splitlines() if line.endswith(r"\\")]
    assert [len(re.split(r"(?<!\\)&", row)) for row in rows] == [2] * (len(NAMES) + 1)


def test_a_figure_shows_names_as_they_are() -> None:
    figure = plt.figure()
    for name in NAMES:
        figure.text(0.5, 0.5, escape_mathtext(name))
    assert texts_as_drawn(figure) == list(NAMES)
    plt.close(figure)
