"""An executed notebook as one web page that needs nothing but itself: no script, no network, pictures inside."""

import html
import re
from datetime import datetime
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from math_core import LatexError, LatexToMathML

from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import make_folder

TEMPLATE = Path(__file__).with_name("page.html.j2")
HIDDEN = "remove-cell"  # tag of a cell that the page leaves out
SHOWN = ("text/html", "text/markdown", "image/png", "image/jpeg", "image/svg+xml", "text/plain")  # preferred first
LONG = 26  # characters; a table's cell of more may break into lines

LEADING = ("#", "http://", "https://", "mailto:")  # addresses of links that work anywhere

FORMULA = re.compile(
    r"\$\$(?P<block>.+?)\$\$"
    r"|(?<![$\\])\$(?=[^\s$])(?P<inline>[^$]*?[^$\s\\])\$(?![\d$])"  # "$5 and $6" are prices
    r"|(?P<environment>\\begin\{(?P<name>[a-z]+\*?)\}.+?\\end\{(?P=name)\})",
    re.DOTALL,
)


def write_report(notebook: Path, target: Path, *, title: str, synthetic: bool) -> Path:
    """Write a notebook that was executed as one HTML file, which is returned; the same notebook gives the same bytes.

    The title is plain text; `synthetic` is whether the page says so of the data. An InputError if the file cannot be written.
    """
    page = to_page(nbformat.read(notebook, as_version=4), title=title, synthetic=synthetic)
    make_folder(target.parent)
    write_atomically(target, lambda path: path.write_text(page, encoding="utf-8", errors="replace", newline="\n"))
    return target


def to_page(notebook: nbformat.NotebookNode, *, title: str, synthetic: bool = False) -> str:
    """The HTML of a notebook's text and outputs, in order and without the code.

    The page's content security policy keeps a browser from running scripts in it and from asking a network for anything.
    """
    from nbconvert.exporters.html import HTMLExporter  # takes a second
    from traitlets.config import Config

    exporter = HTMLExporter(
        Config(
            NbConvertBase={"display_data_priority": list(SHOWN)},
            TagRemovePreprocessor={"enabled": True, "remove_cell_tags": {HIDDEN}},
        ),
        template_name="basic",
        template_file=str(TEMPLATE),
        sanitize_html=True,  # by the filter that is registered below
        anchor_link_text="",
        exclude_input=True,
        exclude_output_prompt=True,
        exclude_raw=True,
    )
    exporter.register_filter("clean_html", set_formulas)
    end = notebook.metadata.get("papermill", {}).get("end_time")  # None if papermill did not execute it
    executed = f"{datetime.fromisoformat(end):%Y-%m-%d at %H:%M %Z}" if end else ""
    exported, _ = exporter.from_notebook_node(notebook, {"title": title, "synthetic": synthetic, "executed": executed})
    page = BeautifulSoup(exported, "html.parser")
    _set_captions(page)
    _list_sections(page)
    for link in page.main("a"):
        if not link.get("href", "").startswith(LEADING):  # to other files, which a page does not have beside it
            link.unwrap()
    for cell in page.main("td"):
        if len(cell.get_text()) > LONG:
            cell["class"] = "long"
    for table in page.main("table"):
        table.wrap(page.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    return str(page)


def _set_captions(page: BeautifulSoup) -> None:
    """Pictures are figures, and a paragraph all in italics is a caption."""
    for picture in page.select(".output_subarea > img"):
        picture.wrap(page.new_tag("figure"))
    for paragraph in page.main("p"):
        if paragraph.em and paragraph.em.get_text() == paragraph.get_text().strip():
            paragraph["class"] = "caption"


def _list_sections(page: BeautifulSoup) -> None:
    """Headings go one level down, below the page's title; a table of contents follows the first section."""
    for heading in page.main(re.compile("^h[1-5]$")):
        heading.name = f"h{int(heading.name[1]) + 1}"
    sections = page.main("h3")
    if len(sections) < 2:
        return
    links = [f'<li><a href="#{html.escape(h.get("id", ""))}">{html.escape(h.get_text())}</a></li>' for h in sections]
    contents = f'<nav class="contents" aria-label="Contents"><p>Contents</p><ul>{"".join(links)}</ul></nav>'
    sections[1].find_parent(class_="cell").insert_before(BeautifulSoup(contents, "html.parser"))


def set_formulas(fragment: str) -> str:
    """The HTML of one cell or output, closed within itself, and its formulas as MathML."""
    page = BeautifulSoup(fragment, "html.parser")
    for text in page(string=FORMULA):
        if not text.find_parent(["code", "pre"]):
            text.replace_with(BeautifulSoup(FORMULA.sub(_set_formula, html.escape(text)), "html.parser"))
    return str(page)


def _set_formula(found: re.Match[str]) -> str:
    """A formula found in escaped text, as HTML."""
    tex = html.unescape(found["block"] or found["inline"] or found["environment"])
    shown = to_mathml(tex, display=not found["inline"]) or f"<code>{html.escape(tex)}</code>"
    return shown if found["inline"] else f'<span class="formula" tabindex="0">{shown}</span>'


def to_mathml(tex: str, *, display: bool) -> str | None:
    """A formula of LaTeX, without its dollars, as MathML Core, which browsers set without a script; None if it fails.

    Only a formula on a line of its own (`display`) can have a `\\tag`.
    """
    # Only tags number formulas in JupyterLab; math-core sets tags in environments, and numbers the unstarred ones.
    tex = re.sub(r"\\(begin|end)\{(equation|align|gather)\}", r"\\\1{\2*}", tex)
    if r"\tag" in tex and not re.match(r"\s*\\begin\{(equation|align|gather)\*\}", tex):
        tex = rf"\begin{{equation*}}{tex}\end{{equation*}}"
    try:
        return LatexToMathML(fancy_error=False, max_expansions=0).convert_with_local_state(tex, displaystyle=display)
    except LatexError:
        return None
