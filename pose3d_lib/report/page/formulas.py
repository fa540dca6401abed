"""Formulas of the notebooks as MathML, which browsers set without a script."""

import re

LONGEST_FORMULA = 1000
"""Characters; several times as many can overflow the stack of math-core."""

MOST_BRACKETS = 20
"""Opening brackets in a formula: each that is never closed doubles the work of math-core."""

OPENING = re.compile(r"[(\[]|\\\{|\\u?l[a-z]+|[^\w\x00-\x7f]", re.IGNORECASE)
"""Whatever may open a bracket: those of ASCII, commands such as \\lVert, signs outside ASCII."""


def to_mathml(tex: str, *, display: bool) -> str | None:
    """A formula of LaTeX as MathML Core, by math-core.

    Args:
        tex: without the dollars around it.
        display: on a line of its own; only such a formula can have a `\\tag`.

    Returns:
        `<math>...</math>`, or None for what is no formula, or has a command that math-core does not know.
    """
    from math_core import LatexError, LatexToMathML

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
