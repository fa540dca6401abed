"""The one exception for input that cannot be used: a file, a key or a parameter somebody gave."""

import unicodedata


class InputError(ValueError):
    """Says what was given, what was found, and what to do; a terminal shows its text without a traceback."""


UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of characters that would break or hide the lines of a message or table."""


def printable(text: str) -> str:
    """The text, with line breaks, control characters and half characters escaped as in Python; letters stay letters."""
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in UNPRINTABLE else c for c in text)
