"""Encoding and delimiter of text files: UTF-8 or UTF-16, with commas, semicolons or tabs."""

import codecs
from pathlib import Path

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(head: bytes) -> str:
    """The encoding by the byte-order mark in a file's first bytes; UTF-8 without one."""
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")


def decode_head(head: bytes) -> str:
    """The beginning of a text without its mark; invalid bytes are replaced."""
    return head.decode(encoding_of(head), "replace")


def file_encoding(path: Path) -> str:
    """The encoding of a file, as of `encoding_of`."""
    with path.open("rb") as file:
        return encoding_of(file.read(4))


def delimiter_of(line: str) -> str:
    """The delimiter of a table, guessed from its header."""
    return max(",;\t", key=line.count)


def column_names(text: str) -> list[str]:
    """The names of a table's columns in its first line."""
    header = text.partition("\n")[0]
    return [name.strip(' "\r') for name in header.split(delimiter_of(header))]
