"""Which subject, action and take a BVH file holds: by a pattern of its path, by `takes.csv`, or by a known naming."""

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import ALL, check_name, tidy_name
from pose3d_lib.data.catalogue import RECORD
from pose3d_lib.data.sources.bvh.zipped import ZippedFile, is_zip, list_zipped
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.sources.text_files import delimiter_of, file_encoding

SUFFIX = ".bvh"
TAKES = "takes.csv"
COLUMNS = ("file", "subject", "action", "take")
CSV_LIMIT = 50 * 2**20

SUBJECT, ACTION, TAKE, ANY = "subject", "action", "take", ("_", "any")
ANYWHERE = "**/"
MOST_FIELDS = 8
"""More could take very long to match."""

KNOWN: dict[str, tuple[str, ...]] = {
    "**/dataset-{_}_{action}_{subject}_{take}.bvh": (),  # Bandai-Namco-Research-Motiondataset
    "**/{action}{take}_{subject}.bvh": (),  # LAFAN1: walk1_subject5.bvh
    "**/{subject}_{action}.bvh": ("BR", "BW", "FR", "FW", "ID", "SR", "SW", "TR1", "TR2", "TR3"),  # 100STYLE
    "{subject}/{action}/{take}.bvh": (),
}
"""Patterns that are tried where none is given, and the actions that each may find; any if none are listed."""


@dataclass(frozen=True)
class NamedFiles:
    """The files of a collection.

    Attributes:
        files: subject, action and take -> file, in the order of the paths.
        listing: the `takes.csv` of a folder that names them, if one does.
        notes: how they were named, and which files were not.
    """

    files: Mapping[Key, Path | ZippedFile]
    listing: Path | None
    notes: tuple[str, ...]


def list_files(path: Path) -> tuple[dict[str, Path | ZippedFile], dict[str, Path | ZippedFile]]:
    """Every BVH file of a folder and those below, or of a zip, by its path there, in order; or the one file.

    Returns:
        These, and all other files that are not hidden.
    """
    if is_zip(path):
        found = list_zipped(path)
    elif path.is_file():
        found = {path.name: path}
    else:
        found = {
            file.relative_to(path).as_posix(): file
            for folder, _, names in os.walk(path)
            for file in (Path(folder, name) for name in names if not name.startswith("."))
        }
    found = {name: found[name] for name in sorted(found)}
    ours = {name: file for name, file in found.items() if name.lower().endswith(SUFFIX)}
    return ours, {name: file for name, file in found.items() if name not in ours}


def name_files(path: Path, pattern: str = "") -> NamedFiles:
    """Subject, action and take of every BVH file of a folder or zip, or of the one file.

    Args:
        path: the folder, zip or file.
        pattern: of a file's path from the folder, such as "{action}_{subject}_{take}.bvh". A field stands for any text
            without a slash, {_} for text that means nothing, `**/` at the beginning for any folders; a {take} right
            behind another field is a number. If empty, `takes.csv` in the folder names the files, or a known pattern.
    """
    relative, others = list_files(path)
    if not relative:
        raise InputError(f"{path}: there is no {SUFFIX} file in this folder or below")
    listing, used = others.get(TAKES), None
    if pattern:
        keys = _match_all(pattern, relative)
        if not keys:
            raise InputError(f"{path}: pattern {pattern!r} matches none of {_count(relative)}. {_advice(relative)}")
        note = f"Subjects, actions and takes are named by the pattern {pattern!r}."
    elif listing:
        keys, used = _read_listing(listing, relative), None if is_zip(path) else listing
        note = f"Subjects, actions and takes are named by {TAKES}."
    elif known := next((known for known in KNOWN if _fits(known, relative)), None):
        keys = _match_all(known, relative)
        note = f"Subjects, actions and takes are named by the pattern {known!r} (`pattern` gives another)."
    elif path.is_file() and not is_zip(path):
        keys = {path.name: (SUBJECT, path.stem, "1")}
        note = f"The file's name is its action, {path.stem} (`pattern` says otherwise)."
    else:
        raise InputError(
            f"{path}: no known naming fits all of {_count(relative)}, and there is no {TAKES}, a table with the columns "
            f"{', '.join(COLUMNS)}. {_advice(relative)}"
        )
    named: dict[Key, Path | ZippedFile] = {}
    for name, key in ((name, tuple(map(tidy_name, key))) for name, key in keys.items()):
        if key[1] == ALL:
            raise InputError(f"{relative[name]}: no action may be called {ALL!r}, which stands for every action")
        if key in named:
            raise InputError(
                f"{named[key]} and {relative[name]} are both {'/'.join(key)}; takes must differ in their names"
            )
        named[key] = relative[name]
    unnamed = [name for name in relative if name not in keys]
    left = [f"{len(unnamed)} files are not used, as nothing names them: {some(unnamed, 4)}."] if unnamed else []
    if others := [name for name in others if name not in (TAKES, RECORD)]:
        left.append(f"Passed over, as they are no BVH files: {some(others, 4)}.")
    return NamedFiles(named, used, (note, *left))


def match(pattern: str, name: str) -> Key | None:
    """Subject, action and take of a path by a pattern; None if it does not match.

    Raises an InputError if the pattern is none, or if the path can be read in two ways.
    """
    stem = str(PurePosixPath(name).with_suffix(""))
    shortest, longest = (re.fullmatch(_expression(pattern, lazy), stem) for lazy in ("?", ""))
    if shortest is None or longest is None:
        return None
    if shortest.groupdict() != longest.groupdict():
        one, other = (", ".join(f"{k} {v!r}" for k, v in found.groupdict().items()) for found in (shortest, longest))
        raise InputError(
            f"{name}: pattern {pattern!r} can be read in two ways: {one}; or {other}. Write more of the name into the pattern, "
            f"or put a {TAKES} with the columns {', '.join(COLUMNS)} into the folder"
        )
    fields = shortest.groupdict()
    return fields.get(SUBJECT, SUBJECT), fields[ACTION], fields.get(TAKE, PurePosixPath(stem).name)


def _expression(pattern: str, lazy: str) -> str:
    """The regular expression of a pattern without its suffix, each field as short (`?`) or as long as can be."""
    text = pattern.removeprefix(ANYWHERE)
    expression = "(?:[^/]+/)*" if text != pattern else ""
    text = text[: -len(SUFFIX)] if text.lower().endswith(SUFFIX) else text
    parts = re.split(r"\{([^{}]*)\}", text)  # literal, field, literal, ...
    fields = parts[1::2]
    for field in fields:
        check_name(field, (SUBJECT, ACTION, TAKE, *ANY), f"field of pattern {pattern!r}")
    if ACTION not in fields or any(fields.count(field) > 1 for field in (SUBJECT, ACTION, TAKE)):
        raise InputError(f"pattern {pattern!r}: expected {{action}} once, {{subject}} and {{take}} at most once each")
    if len(fields) > MOST_FIELDS or any("{" in literal or "}" in literal for literal in parts[::2]):
        raise InputError(f"pattern {pattern!r}: expected at most {MOST_FIELDS} fields, each in braces: {{action}}")
    for number, field in enumerate(fields):
        joined = number + 1 < len(fields) and not parts[2 * number + 2]
        if joined and fields[number + 1] != TAKE:
            raise InputError(
                f"pattern {pattern!r}: nothing tells where {{{field}}} ends and {{{fields[number + 1]}}} begins"
            )
        digits = field == TAKE and number and not parts[2 * number]
        text = f"[0-9]+{lazy}" if digits else f"[^/]*{lazy}[^/0-9]" if joined else f"[^/]+{lazy}"
        expression += re.escape(parts[2 * number]) + (f"(?:{text})" if field in ANY else f"(?P<{field}>{text})")
    return expression + re.escape(parts[-1])


def _match_all(pattern: str, names: Mapping[str, Path]) -> dict[str, Key]:
    return {name: key for name in names if (key := match(pattern, name)) is not None}


def _fits(pattern: str, names: Mapping[str, Path]) -> bool:
    """Whether a known pattern reads every name, in one way only and with actions that it knows."""
    try:
        keys = _match_all(pattern, names)
    except InputError:
        return False
    allowed = KNOWN[pattern]
    return len(keys) == len(names) and all(key[1] in allowed or not allowed for key in keys.values())


def _read_listing(listing: Path | ZippedFile, names: Mapping[str, Path | ZippedFile]) -> dict[str, Key]:
    """Path from the folder -> subject, action and take, of the rows of a `takes.csv`."""
    if listing.stat().st_size > CSV_LIMIT:
        raise InputError(f"{listing}: more than {CSV_LIMIT >> 20} MB; expected one row per file")
    try:
        with io.TextIOWrapper(listing.open("rb"), file_encoding(listing), newline="") as file:
            delimiter = delimiter_of(file.readline(CSV_LIMIT))
            file.seek(0)
            rows = csv.DictReader(file, delimiter=delimiter)
            if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                raise InputError(f"{listing}: column {', '.join(missing)} is missing; expected {', '.join(COLUMNS)}")
            found: dict[str, Key] = {}
            absent: list[str] = []
            for row in rows:
                name, *key = ((row[column] or "").strip() for column in COLUMNS)
                name = PurePosixPath(name.replace("\\", "/")).as_posix()
                if not all(key) or any("/" in part for part in key):
                    raise InputError(
                        f"{listing}, line {rows.line_num}: subject, action or take is empty or has a slash: {key}"
                    )
                if name in found:
                    raise InputError(f"{listing}, line {rows.line_num}: {name!r} is there twice")
                if name not in names:
                    absent.append(name)
                found[name] = tuple(key)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{listing}: not a table of comma-separated values ({error})") from error
    if absent:
        raise InputError(f"{listing}: {len(absent)} of its files are not in the folder: {some(absent, 4)}")
    if not found:
        raise InputError(f"{listing}: there is not a single row in it")
    return {name: found[name] for name in names if name in found}


def _advice(names: Mapping[str, Path]) -> str:
    """A pattern that would read the first of the names."""
    first = next(iter(names))
    for known in KNOWN:
        if _fits(known, {first: names[first]}):
            return f"{known!r} would match {first!r}"
    *folders, last = first.split("/")
    parts = last[: -len(SUFFIX)].split("_")
    fields = {1: ["{action}"], 2: ["{subject}", "{action}"]}.get(len(parts), ["{subject}", "{action}", "{take}"])
    fields += ["{_}"] * min(len(parts) - len(fields), MOST_FIELDS - len(fields))
    tail = "_".join([*fields, *parts[len(fields) :]])
    if len(parts) == 1 and len(folders) > 1:
        tail = "{subject}/{action}/{take}"
    example = (ANYWHERE if folders else "") + tail + SUFFIX
    return f"For instance, `pattern` {example!r} would match {first!r}, if that is the order of its parts"


def _count(names: Sequence[str] | Mapping[str, Path]) -> str:
    return f"the {len(names)} files ({some(list(names), 4)})"
