"""Which subject, action and take a BVH file holds: by a pattern of its path, by `takes.csv`, or by a known naming.

The files are in a folder, in a zip, where they are read as they are, or are a single one.
"""

import csv
import io
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.catalogue import RECORD
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.sources.text_files import delimiter_of, encoding_of
from pose3d_lib.data.untrusted.client import list_keys, read_key

SUFFIX = ".bvh"
TAKES = "takes.csv"
COLUMNS = ("file", "subject", "action", "take")

SUBJECT, ACTION, TAKE, ANY = "subject", "action", "take", "_"
ANYWHERE = "**/"

# Patterns that are tried where none is given, and the actions that each may find; any if none are listed.
KNOWN: dict[str, tuple[str, ...]] = {
    "**/dataset-{_}_{action}_{subject}_{take}.bvh": (),  # Bandai-Namco-Research-Motiondataset
    "**/{action}{take}_{subject}.bvh": (),  # LAFAN1: walk1_subject5.bvh
    "**/{subject}_{action}.bvh": ("BR", "BW", "FR", "FW", "ID", "SR", "SW", "TR1", "TR2", "TR3"),  # 100STYLE
    "{subject}/{action}/{take}.bvh": (),
}
ADVICE = (
    "`pattern` says what the parts of a path are, such as '{action}_{subject}_{take}.bvh' or "
    f"'**/{{subject}}/{{action}}/{{take}}.bvh'; or put a {TAKES} with the columns {', '.join(COLUMNS)} into the folder"
)


@dataclass(frozen=True)
class ZippedFile:
    """A file in a zip, with the parts of a `Path` that the readers use."""

    parent: Path
    name: str

    def __str__(self) -> str:
        return f"{self.parent}: {self.name}"

    def open(self, mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(read_key(self.parent, "archive", self.name))


File = Path | ZippedFile


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def holds_bvh(path: Path) -> bool:
    """Whether a BVH file is in a folder or zip, or is this file; not if a zip cannot be opened."""
    try:
        names = list_keys(path, "archive") if is_zip(path) else [path] if path.is_file() else path.rglob("*")
    except InputError:
        return False
    return any(str(name).lower().endswith(SUFFIX) for name in names)


def _list_files(path: Path) -> dict[str, File]:
    """Every file of a folder and those below, or of a zip, by its path there, in order; or the one file.

    The path in a zip is without the one folder that holds all of its files, where there is such.
    """
    if is_zip(path):
        found = {name: ZippedFile(path, name) for name in list_keys(path, "archive")}
    elif path.is_file():
        found = {path.name: path}
    else:
        found = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    shown = sorted(name for name in found if not re.search(r"(^|/)(\.|__MACOSX/)", name))
    tops = {name.partition("/")[0] if "/" in name else "" for name in shown}
    top = f"{tops.pop()}/" if is_zip(path) and len(tops) == 1 and "" not in tops else ""
    return {name.removeprefix(top): found[name] for name in shown}


def name_files(path: Path, pattern: str = "") -> tuple[dict[Key, File], list[str]]:
    """The BVH files of a folder or zip, or the one file, by subject, action and take, and notes on names and other files.

    Args:
        path: the folder, zip or file.
        pattern: of a file's path from the folder, such as "{action}_{subject}_{take}.bvh". A field stands for any text
            without a slash, {_} for text that means nothing, `**/` at the beginning for any folders; a {take} right
            behind another field is a number. If empty, `takes.csv` in the folder names the files, or a known pattern.
    """
    every = _list_files(path)
    files = {name: file for name, file in every.items() if name.lower().endswith(SUFFIX)}
    if not files:
        raise InputError(f"{path}: there is no {SUFFIX} file in this folder or below")
    if pattern:
        keys = _match_all(pattern, files)
        note = f"Subjects, actions and takes are named by the pattern {pattern!r}."
    elif TAKES in every:
        keys = _read_listing(every[TAKES], files)
        note = f"Subjects, actions and takes are named by {TAKES}."
    else:
        known, keys = _match_known(files)
        note = f"Subjects, actions and takes are named by the pattern {known!r} (`pattern` gives another)."
        if not keys and list(files.values()) == [path]:
            keys = {path.name: (SUBJECT, path.stem, "1")}
            note = f"The file's name is its action, {path.stem} (`pattern` says otherwise)."
    if not keys:
        what = f"pattern {pattern!r} matches none" if pattern else "no known naming fits all"
        raise InputError(f"{path}: {what} of the {len(files)} files ({some(list(files), 4)}). {ADVICE}")
    named: dict[Key, File] = {}
    for name, own in keys.items():
        key = tuple(map(tidy_name, own))
        if key in named:
            raise InputError(
                f"{named[key]} and {files[name]} are both {'/'.join(key)}; takes must differ in their names"
            )
        named[key] = files[name]
    notes = [note]
    if unnamed := [name for name in files if name not in keys]:
        notes.append(f"{len(unnamed)} files are not used, as nothing names them: {some(unnamed, 4)}.")
    if others := [name for name in every if name not in (*files, TAKES, RECORD)]:
        notes.append(f"Passed over, as they are no BVH files: {some(others, 4)}.")
    return named, notes


def match(pattern: str, name: str) -> Key | None:
    """Subject, action and take of a path by a pattern; None if it does not match.

    Raises:
        InputError: the pattern is none, or the path can be read in two ways.
    """
    stem = str(PurePosixPath(name).with_suffix(""))
    shortest, longest = (re.fullmatch(_expression(pattern, lazy), stem) for lazy in ("?", ""))
    if shortest is None or longest is None:
        return None
    fields = shortest.groupdict()
    if fields != longest.groupdict():
        raise InputError(
            f"{name}: pattern {pattern!r} can be read in two ways: {fields}; or {longest.groupdict()}. Write more of the "
            f"name into it. {ADVICE}"
        )
    return fields.get(SUBJECT, SUBJECT), fields[ACTION], fields.get(TAKE, PurePosixPath(stem).name)


def _expression(pattern: str, lazy: str) -> str:
    """The regular expression of a pattern without its suffix, each field as short (`?`) or as long as can be."""
    text = pattern.removeprefix(ANYWHERE)
    folders = "(?:[^/]+/)*" if text != pattern else ""
    text = text[: -len(SUFFIX)] if text.lower().endswith(SUFFIX) else text
    fields = re.findall(r"\{([^{}]*)\}", text)
    for field in fields:
        check_name(field, (SUBJECT, ACTION, TAKE, ANY), f"field of pattern {pattern!r}")
    if ACTION not in fields or any(fields.count(field) > 1 for field in (SUBJECT, ACTION, TAKE)):
        raise InputError(f"pattern {pattern!r}: expected {{action}} once, {{subject}} and {{take}} at most once each")

    def field_expression(found: re.Match) -> str:
        field, number = found.groups()
        text = f"[^/]*{lazy}[^/0-9]" if number else f"[^/]+{lazy}"
        own = f"(?:{text})" if field == ANY else f"(?P<{field}>{text})"
        return f"{own}(?P<{TAKE}>[0-9]+{lazy})" if number else own

    # a field, perhaps with a {take} right behind it, which is a number
    return folders + re.sub(r"\\\{(\w+)\\\}(\\\{take\\\})?", field_expression, re.escape(text))


def _match_all(pattern: str, names: Collection[str]) -> dict[str, Key]:
    return {name: key for name in names if (key := match(pattern, name)) is not None}


def _match_known(names: Collection[str]) -> tuple[str, dict[str, Key]]:
    """The first known pattern that reads every name, in one way only and with actions that it knows; and what it reads."""
    for pattern, allowed in KNOWN.items():
        with suppress(InputError):
            keys = _match_all(pattern, names)
            if len(keys) == len(names) and all(key[1] in allowed or not allowed for key in keys.values()):
                return pattern, keys
    return "", {}


def _read_listing(listing: File, names: Collection[str]) -> dict[str, Key]:
    """Path from the folder -> subject, action and take, of the rows of a `takes.csv`."""
    found: dict[str, Key] = {}
    try:
        with listing.open("rb") as file:
            content = file.read()
        text = content.decode(encoding_of(content))
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text.partition("\n")[0]))
        for row in rows:
            name, *key = ((row.get(column) or "").strip() for column in COLUMNS)
            name = PurePosixPath(name.replace("\\", "/")).as_posix()
            if name not in names or name in found or not all(key) or "/" in "".join(key):
                raise InputError(
                    f"{listing}, line {rows.line_num}: found {row!r:.300}, expected the columns {', '.join(COLUMNS)}, a file of "
                    "this folder, which is not there twice, and names without slashes"
                )
            found[name] = tuple(key)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{listing}: not a table of comma-separated values ({error})") from error
    if not found:
        raise InputError(f"{listing}: there is not a single row in it, expected the columns {', '.join(COLUMNS)}")
    return {name: found[name] for name in names if name in found}
