"""Text as programs write it: with a byte-order mark or without, in UTF-8 or UTF-16, with commas, semicolons or tabs."""

import codecs
from pathlib import Path

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(head: bytes) -> str:
    """The encoding that a file's first bytes tell; UTF-8 where there is no mark."""
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")


def decode_head(head: bytes) -> str:
    """The beginning of a text, without its mark; what is no text is replaced."""
    return head.decode(encoding_of(head), "replace")


def file_encoding(path: Path) -> str:
    """As `encoding_of`, of a file."""
    with path.open("rb") as file:
        return encoding_of(file.read(4))


def delimiter_of(line: str) -> str:
    """What separates the columns of a table, by the line of their names."""
    return max(",;\t", key=line.count)
