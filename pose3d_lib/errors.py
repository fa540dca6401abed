"""The one exception for input that cannot be used: a file, a key or a parameter somebody gave."""


class InputError(ValueError):
    """Says what was given, what was found, and what to do; a terminal shows its text without a traceback."""
