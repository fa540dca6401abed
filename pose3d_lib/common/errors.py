"""The one exception for input that cannot be used: a file, a key or a parameter that a user gave."""

import unicodedata
from collections.abc import Sequence


class InputError(ValueError):
    """Says what was given, what was found, and what to do; a terminal shows its text without a traceback."""

    def __init__(self, message: str):
        super().__init__("\n".join(map(printable, message.split("\n"))))

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: no traceback."""
        return f"{type(self).__name__}: {self}".split("\n")


BREAKING = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of control characters, half characters and line breaks
INVISIBLE = (*BREAKING, "Cf", "Zs")  # and of no width, that turn the direction of a line, or look like the plain space


def printable(text: str, escaped: tuple[str, ...] = INVISIBLE) -> str:
    """The text, with characters of these categories escaped as in Python, except for the plain space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(ascii(c)[1:-1] if c != " " and unicodedata.category(c) in escaped else c for c in text)


def some(names: Sequence[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class RunStopped(KeyboardInterrupt):
    """A run was asked to stop, and did after it had saved its state; no `Exception`, as nothing failed.

    `share` is the part of its training that is done, if it is known.
    """

    def __init__(self, message: str, share: float | None = None):
        super().__init__(message)
        self.share = share

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: no traceback."""
        at = "" if self.share is None else f" at {100 * self.share:.0f} %"
        return [f"Stopped{at}. Run this cell again to continue."]
