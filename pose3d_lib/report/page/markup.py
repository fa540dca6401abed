"""Text and outputs of an executed notebook as HTML of few, harmless elements, with MathML for formulas."""

import html
import re
from collections.abc import Mapping
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from pose3d_lib.report.page.formulas import to_mathml

if TYPE_CHECKING:  # importing what exports notebooks takes a second
    from bs4 import BeautifulSoup, Tag
    from nbformat import NotebookNode

HIDDEN = "remove-cell"
"""The tag of a cell that is no part of the page."""

SHOWN = ("text/html", "text/markdown", "image/png", "image/jpeg", "image/svg+xml", "text/plain")
"""Kinds of output, the one preferred first."""

PRINTED = {"output_stdout": "printed", "output_stderr": "printed warned", "output_error": "failed"}
"""nbconvert's class of a box -> this page's class of the text in it."""

PLAIN = "h1 h2 h3 h4 h5 h6 p br hr ul li dl dt dd blockquote em strong b i u s del ins mark small sub sup kbd samp var"
TABLES = "table caption thead tbody tfoot tr details summary"
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(f"{PLAIN} {TABLES}".split(), ()),
    "th": ("colspan", "rowspan"),
    "td": ("colspan", "rowspan"),
    "code": ("class",),
    "pre": ("class",),
    "ol": ("start",),
    "a": ("href",),
    "img": ("src", "alt", "width", "height"),
}
"""The elements that a notebook may put on the page -> the attributes that they keep."""

DROPPED = (
    *("script", "style", "head", "title", "template", "noscript", "textarea"),
    *("iframe", "object", "embed", "svg", "math", "video", "audio", "canvas"),
)
"""Elements that go with all that is in them; what is in others that ATTRIBUTES lacks stays."""

NO_PICTURE = "No description has been provided for this image"
"""nbconvert's text for a picture that has none."""

NUMBER = re.compile(r"[-+−±]?\d[\d,.]*( ?%)?")

LONG = 32
"""Characters; a table's cell of more may break into lines, and gets room for them."""


def to_markup(notebook: "NotebookNode", title: str) -> str:
    """The HTML of a notebook's text and outputs, in their order and without the code.

    Whatever cells show is reduced to ATTRIBUTES: names in somebody's data bring neither scripts nor addresses along.

    Args:
        notebook: executed, of format 4.
        title: stands above what is returned, as the only heading of its level; a first heading that repeats it goes.
    """
    page = _export(notebook)
    _set_formulas(page)
    _frame_pictures(page)
    _box_tables(page)
    _name_headings(page, title)
    return page.decode(formatter="minimal").strip()


def _export(notebook: "NotebookNode") -> "BeautifulSoup":
    """The notebook by nbconvert; formulas are TeX in `<code class="tex">`."""
    from bs4 import BeautifulSoup
    from jinja2 import pass_context
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath, MathInlineParser
    from traitlets.config import Config

    class Renderer(IPythonRenderer):
        def block_math(self, body: str) -> str:
            return f'<code class="tex block">{html.escape(body)}</code>'

        def inline_math(self, body: str) -> str:
            return f'<code class="tex">{html.escape(body)}</code>'

        def latex_environment(self, name: str, body: str) -> str:
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

        def image(self, text: str, url: str, title: str | None = None) -> str:
            attached = url.startswith("attachment:") and url.removeprefix("attachment:") in self.attachments
            return super().image(text, url if attached else "", title)

    class InlineParser(MathInlineParser):
        # No space inside the dollars and no digit behind them, as in pandoc: "$5 and $6" are prices.
        SPECIFICATION = MathInlineParser.SPECIFICATION | {
            "inline_math_tex": r"(?<![$\\])\$(?![\s$])(?P<math_inline_tex>[^$`]*?[^$`\s\\])\$(?![\d$])"
        }

    class Exporter(HTMLExporter):
        @pass_context
        def markdown2html(self, context: Any, source: str) -> str:
            attachments = context.get("cell", {}).get("attachments", {})
            renderer = Renderer(escape=False, exclude_anchor_links=True, attachments=attachments)
            return _reduced(MarkdownWithMath(renderer, inline=InlineParser()).render(source))

    exporter = Exporter(
        Config({"NbConvertBase": {"display_data_priority": list(SHOWN)}}),
        template_name="basic",
        exclude_input=True,
        exclude_output_prompt=True,
        exclude_raw=True,
    )
    exported, _ = exporter.from_notebook_node(_shown(notebook))
    page = BeautifulSoup(exported, "html.parser")
    for name, kind in PRINTED.items():
        for text in page.select(f"div.{name} > pre"):
            text["class"] = kind
    _reduce(page)
    page.smooth()
    for gap in [text for text in page.find_all(string=True, recursive=False) if not text.strip()]:
        gap.replace_with("\n")  # where nbconvert had boxes within boxes
    return page


def _shown(notebook: "NotebookNode") -> "NotebookNode":
    """A copy without the cells that are no part of the page, its HTML outputs reduced."""
    shown = deepcopy(notebook)
    shown.cells = [cell for cell in shown.cells if HIDDEN not in cell.metadata.get("tags", [])]
    for output in outputs(shown):
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = _reduced(output.data["text/html"])
    return shown


def outputs(notebook: "NotebookNode") -> list["NotebookNode"]:
    """The outputs of all cells, in their order."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def _reduced(fragment: str) -> str:
    """The HTML of one cell or output, reduced by itself, so that what it leaves open ends with it."""
    from bs4 import BeautifulSoup

    page = BeautifulSoup(fragment, "html.parser")
    _reduce(page)
    return page.decode(formatter="minimal")


def _reduce(page: "BeautifulSoup") -> None:
    """Leaves what ATTRIBUTES names, links that say where they lead, and pictures that are inside the page."""
    from bs4.element import PreformattedString

    for comment in page.find_all(string=lambda text: isinstance(text, PreformattedString)):
        comment.replace_with("")
    for element in page.find_all(DROPPED):
        element.decompose()
    for element in reversed(page.find_all(True)):  # from the innermost out, or a deep nesting would take long
        if element.name not in ATTRIBUTES:
            element.unwrap()
            continue
        align = re.search(r"text-align:\s*(left|right|center)", element.get("style", ""))
        element.attrs = {key: element[key] for key in ATTRIBUTES[element.name] if key in element.attrs}
        if align and element.name in ("th", "td"):
            element["style"] = align[0]
        if element.name == "a" and not element.get("href", "").startswith(("#", "http://", "https://", "mailto:")):
            element.unwrap()
        if element.name == "img" and not element.get("src", "").startswith("data:image/"):
            element.replace_with(f"[{element.get('alt') or 'picture'}]")


def _set_formulas(page: "BeautifulSoup") -> None:
    """TeX becomes MathML, displayed formulas in a box that scrolls; what cannot be converted stays as it is."""
    from bs4 import BeautifulSoup

    for code in page.select("code.tex"):
        display = "block" in code["class"]
        mathml = to_mathml(code.get_text(), display=display)
        if mathml is None:
            continue
        math = BeautifulSoup(mathml, "html.parser").math
        code.replace_with(math)
        if display:
            math.wrap(page.new_tag("span", attrs={"class": "formula", "tabindex": "0"}))


def _frame_pictures(page: "BeautifulSoup") -> None:
    """Pictures become figures; what stands under one in italics is its caption, and describes it to who cannot see it."""
    for picture in page.find_all("img"):
        heading = picture.find_previous(re.compile("^h[1-6]$"))
        alone = (
            picture.parent.name == "p" and len(picture.parent.find_all(True)) == 1 and not picture.parent.text.strip()
        )
        if alone:
            picture.parent.unwrap()
        following = picture.find_next_sibling()
        if picture.get("alt", NO_PICTURE) in ("", NO_PICTURE):
            picture["alt"] = heading.get_text(" ", strip=True) if heading else "picture"
        if alone or picture.parent is page:
            figure = picture.wrap(page.new_tag("figure"))
            if _is_caption(following):
                following.em.unwrap()
                following.name = "figcaption"
                picture["alt"] = following.get_text().strip()
                figure.append(following)


def _is_caption(element: "Tag | None") -> bool:
    """Whether an element is a paragraph all in italics."""
    if element is None or element.name != "p" or element.em is None:
        return False
    return element.em.get_text().strip() == element.get_text().strip()


def _box_tables(page: "BeautifulSoup") -> None:
    """Tables scroll within boxes of their own; numbers stand on the right, sentences get room, captions are set as such."""
    for table in page.find_all("table"):
        for cell in table.find_all("td"):
            text = cell.get_text().strip()
            if "right" in cell.get("style", "") or NUMBER.fullmatch(text):
                cell["class"] = "number"
            elif len(text) > LONG:
                cell["class"] = "long"
        table.wrap(page.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    for paragraph in filter(_is_caption, page.find_all("p", recursive=False)):
        paragraph["class"] = "caption"
        paragraph.em.unwrap()


def _name_headings(page: "BeautifulSoup", title: str) -> None:
    """Headings go one level down, get names that links lead to, and those of sections a table of contents."""
    headings = page.find_all(re.compile("^h[1-6]$"))
    if headings and headings[0].get_text().strip() == title.strip():
        headings.pop(0).decompose()
    listed = [heading for heading in headings if heading.name in ("h1", "h2")]
    if listed and listed[0].name == "h1":
        listed.pop(0)  # the notebook's own title, on top of the page
    names: dict[str, int] = {}
    for heading in headings:
        text = heading.get_text().strip()
        name = (
            re.sub(r"\s+", "-", text) or "section"
        )  # as in JupyterLab, so that links from cell to cell lead there here too
        names[name] = names.get(name, 0) + 1
        heading["id"] = name if names[name] == 1 else f"{name}-{names[name]}"
        heading.name = f"h{min(6, int(heading.name[1]) + 1)}"
    if len(listed) > 1:
        listed[1].insert_before(_contents(page, listed))  # below the first section, which is the answer
    for heading in headings:
        label = {"class": "anchor", "href": f"#{quote(heading['id'])}", "aria-label": "Link to this section"}
        heading.append(page.new_tag("a", attrs=label, string="#"))
    known = {heading["id"] for heading in headings}
    for link in page.select('a[href^="#"]'):
        if unquote(link["href"][1:]) not in known:
            link.unwrap()


def _contents(page: "BeautifulSoup", headings: list["Tag"]) -> "Tag":
    contents = page.new_tag("nav", attrs={"class": "contents", "aria-label": "Contents"})
    contents.append(page.new_tag("p", string="Contents"))
    entries = page.new_tag("ul")
    contents.append(entries)
    for heading in headings:
        link = page.new_tag("a", attrs={"href": f"#{quote(heading['id'])}"})
        for part in heading.contents:
            link.append(copy(part))
        entry = page.new_tag("li")
        entry.append(link)
        entries.append(entry)
    return contents
