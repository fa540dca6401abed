"""Names and sentences that read as they are where Markdown, LaTeX or matplotlib would take a sign for a command."""

import html
import re

MARKDOWN = re.compile(
    r"[$\\`*|~]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between letters it is only itself
    r"|\](?=[(\[:])"  # a link; other brackets are only brackets
    r"|<(?=[A-Za-z/!?])"
    r"|&(?=[#\w])"
    r"|:(?=//)"  # an address, which would become a link with the signs behind it
)
"""What Markdown with HTML and formulas may take for a command."""

LATEX = {
    **{sign: f"\\{sign}" for sign in "%&#_${}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
"""Sign -> how LaTeX is told that it means just that."""


def escape_markdown(text: object) -> str:
    """A text in Markdown, in a table's cell too; not for the beginning of a line, where "-" or "1." makes a list."""
    return MARKDOWN.sub(_markdown_sign, str(text))


def _markdown_sign(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in "$\\":  # MathJax looks for formulas in the page that Markdown made, in one element at a time
        return f"<span>&#{ord(sign)};</span>"
    return f"&#{ord(sign)};" if sign in "<&:" else f"\\{sign}"


def unescape_markdown(text: str) -> str:
    """For a terminal, the text of which `escape_markdown` made some Markdown."""
    return html.unescape(re.sub(r"</?span>|\\(?=[`*|~_\]])", "", text))


def escape_latex(text: object) -> str:
    """A text in LaTeX, in a table's cell too, where what follows the line before may be an option of its end."""
    escaped = "".join(LATEX.get(letter, letter) for letter in str(text))
    return re.sub(r"^[\[*]", r"{\g<0>}", re.sub(r"-(?=-)", "-{}", escaped))


def escape_mathtext(text: object) -> str:
    """A text in a matplotlib figure, where a pair of dollar signs makes a formula."""
    return str(text).replace("$", r"\$")
