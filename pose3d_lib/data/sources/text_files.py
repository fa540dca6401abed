"""Text files: their encoding, UTF-8 or UTF-16; delimiters of tables, commas, semicolons or tabs; TOML."""

import codecs
import tomllib
from pathlib import Path

from pose3d_lib.common.errors import InputError

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


def read_toml(path: Path, what: str) -> dict[str, object]:
    """The content of a TOML file; `what` it should be, for the InputError where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding=file_encoding(path)))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not {what} in TOML ({error})") from error


def delimiter_of(line: str) -> str:
    """The delimiter of a table, guessed from its header."""
    return max(",;\t", key=line.count)


def column_names(text: str) -> list[str]:
    """The names of a table's columns in its first line."""
    header = text.partition("\n")[0]
    return [name.strip(' "\r') for name in header.split(delimiter_of(header))]
