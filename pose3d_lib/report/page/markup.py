"""The page's one filter: foreign HTML reduced to harmless elements, formulas of LaTeX as MathML."""

import html
import re

from bleach import clean
from bleach.css_sanitizer import CSSSanitizer
from bs4 import BeautifulSoup
from math_core import LatexError, LatexToMathML

TEXT = (
    "h1 h2 h3 h4 h5 h6 p br hr ul ol li dl dt dd blockquote em strong b i u s del ins mark small sub sup kbd samp var"
)
TABLES = "table caption thead tbody tfoot tr th td details summary"
ELEMENTS = frozenset(f"{TEXT} {TABLES} code pre a img div span".split())
ATTRIBUTES = {"align", "alt", "class", "colspan", "id", "rowspan", "start", "style"}
STYLES = CSSSanitizer(allowed_css_properties=["text-align"])
PROTOCOLS = frozenset({"http", "https", "mailto", "data"})

FORMULA = re.compile(
    r"\$\$(?P<block>.+?)\$\$"
    r"|(?<![$\\])\$(?=[^\s$])(?P<inline>[^$]*?[^$\s\\])\$(?![\d$])"  # "$5 and $6" are prices
    r"|(?P<environment>\\begin\{(?P<name>[a-z]+\*?)\}.+?\\end\{(?P=name)\})",
    re.DOTALL,
)
LONGEST_FORMULA = 1000  # characters; several times more can overflow the stack of math-core
MOST_BRACKETS = 20  # each that is never closed doubles the work of math-core
OPENING = re.compile(r"[(\[]|\\\{|\\u?l[a-z]+|[^\w\x00-\x7f]", re.IGNORECASE)  # what may open a bracket


def clean_html(fragment: str) -> str:
    """The HTML of one cell or output with ELEMENTS only, closed within itself, and its formulas as MathML."""
    page = BeautifulSoup(fragment, "html.parser")
    for element in page(["script", "style"]):  # with what is in them
        element.decompose()
    safe = clean(str(page), ELEMENTS, _may_stay, PROTOCOLS, strip=True, css_sanitizer=STYLES)
    page = BeautifulSoup(safe, "html.parser")
    for text in page(string=FORMULA):
        if not text.find_parent(["code", "pre"]):
            text.replace_with(BeautifulSoup(_set_formulas(text), "html.parser"))
    return str(page)


def _may_stay(element: str, name: str, value: str) -> bool:
    """Links that say where they lead, and pictures that are inside the page."""
    if name == "href":
        return element == "a" and value.startswith(("#", "http://", "https://", "mailto:"))
    if name == "src":
        return element == "img" and value.startswith("data:image/")
    return name in ATTRIBUTES


def _set_formulas(text: str) -> str:
    """Plain text as HTML with its formulas as MathML."""
    parts, end = [], 0
    for found in FORMULA.finditer(text):
        tex = found["block"] or found["inline"] or found["environment"]
        mathml = to_mathml(tex, display=not found["inline"])
        if mathml and not found["inline"]:
            mathml = f'<span class="formula" tabindex="0">{mathml}</span>'
        parts += [html.escape(text[end : found.start()]), mathml or f"<code>{html.escape(tex)}</code>"]
        end = found.end()
    return "".join([*parts, html.escape(text[end:])])


def to_mathml(tex: str, *, display: bool) -> str | None:
    """A formula of LaTeX as MathML Core, which browsers set without a script.

    Args:
        tex: without the dollars around it.
        display: on a line of its own; only such a formula can have a `\\tag`.

    Returns:
        `<math>...</math>`, or None if math-core cannot convert it.
    """
    if len(tex) > LONGEST_FORMULA or len(OPENING.findall(tex)) > MOST_BRACKETS:
        return None
    # Only tags number formulas in JupyterLab; math-core sets tags in environments, and numbers the unstarred ones.
    tex = re.sub(r"\\(begin|end)\{(equation|align|gather)\}", r"\\\1{\2*}", tex)
    if r"\tag" in tex and not re.match(r"\s*\\begin\{(equation|align|gather)\*\}", tex):
        tex = rf"\begin{{equation*}}{tex}\end{{equation*}}"
    try:
        return LatexToMathML(fancy_error=False, max_expansions=0).convert_with_local_state(tex, displaystyle=display)
    except LatexError:
        return None
