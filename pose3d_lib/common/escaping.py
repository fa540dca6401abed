"""Escape plain text for Markdown, LaTeX and matplotlib."""

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
"""Characters that Markdown, HTML or MathJax may interpret."""

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
"""Character -> its escape in LaTeX."""


def escape_markdown(text: object) -> str:
    """Escape text for Markdown, table cells included; at the beginning of a line, "-" or "1." still makes a list."""
    return MARKDOWN.sub(_markdown_sign, str(text))


def _markdown_sign(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in "$\\":  # MathJax looks for formulas in the page that Markdown made, in one element at a time
        return f"<span>&#{ord(sign)};</span>"
    return f"&#{ord(sign)};" if sign in "<&:" else f"\\{sign}"


def unescape_markdown(text: str) -> str:
    """Undo `escape_markdown`, for a terminal."""
    return html.unescape(re.sub(r"</?span>|\\(?=[`*|~_\]])", "", text))


def escape_latex(text: object) -> str:
    """Escape text for LaTeX, table cells included: after the end of a row, "[" or "*" would begin an option."""
    escaped = "".join(LATEX.get(letter, letter) for letter in str(text))
    return re.sub(r"^[\[*]", r"{\g<0>}", re.sub(r"-(?=-)", "-{}", escaped))


def escape_mathtext(text: object) -> str:
    """Escape dollar signs, a pair of which makes a formula in matplotlib."""
    return str(text).replace("$", r"\$")
