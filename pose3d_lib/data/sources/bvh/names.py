"""Which subject, action and take a BVH file holds: by a pattern of its path, by `takes.csv`, or by a known naming.

The files are in a folder, in a zip, where they are read as they are, or are a single one.
"""

import csv
import io
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import ALL, check_name, tidy_name
from pose3d_lib.data.catalogue import RECORD
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.sources.text_files import delimiter_of, encoding_of
from pose3d_lib.data.untrusted.client import list_members, read_member

SUFFIX = ".bvh"
TAKES = "takes.csv"
COLUMNS = ("file", "subject", "action", "take")
CSV_LIMIT = 50 * 2**20

SUBJECT, ACTION, TAKE, ANY = "subject", "action", "take", ("_", "any")
ANYWHERE = "**/"
MOST_FIELDS = 8  # more could take very long to match

# Patterns that are tried where none is given, and the actions that each may find; any if none are listed.
KNOWN: dict[str, tuple[str, ...]] = {
    "**/dataset-{_}_{action}_{subject}_{take}.bvh": (),  # Bandai-Namco-Research-Motiondataset
    "**/{action}{take}_{subject}.bvh": (),  # LAFAN1: walk1_subject5.bvh
    "**/{subject}_{action}.bvh": ("BR", "BW", "FR", "FW", "ID", "SR", "SW", "TR1", "TR2", "TR3"),  # 100STYLE
    "{subject}/{action}/{take}.bvh": (),
}


@dataclass(frozen=True)
class ZippedFile:
    """A file in a zip, with the parts of a `Path` that the readers use."""

    parent: Path
    name: str
    size: int  # bytes, unpacked

    def __str__(self) -> str:
        return f"{self.parent}: {self.name}"

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_size=self.size)

    def open(self, mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(read_member(self.parent, self.name))


File = Path | ZippedFile


@dataclass(frozen=True)
class NamedFiles:
    """The files of a collection."""

    files: Mapping[Key, File]  # subject, action and take -> file, in the order of the paths
    listing: Path | None  # the `takes.csv` of a folder that names them, if one does
    notes: tuple[str, ...]  # how they were named, and which files were not


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def holds_bvh(path: Path) -> bool:
    """Whether a BVH file is in a folder or zip, or is this file; not if a zip cannot be opened."""
    try:
        names = _list_zip(path) if is_zip(path) else [path.name] if path.is_file() else _walk(path)
    except InputError:
        return False
    return any(str(name).lower().endswith(SUFFIX) for name in names)


def _list_zip(path: Path) -> dict[str, ZippedFile]:
    """Every file of a zip by its path in it, without the one folder that holds all of them, where there is such."""
    hidden = re.compile(r"(^|/)(\.|__MACOSX/)")
    sizes = {name: size for name, size in list_members(path).items() if not hidden.search(name)}
    tops = {name.partition("/")[0] if "/" in name else "" for name in sizes}
    top = f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""
    return {name.removeprefix(top): ZippedFile(path, name, size) for name, size in sizes.items()}


def _walk(path: Path) -> Iterator[Path]:
    return (Path(folder, name) for folder, _, names in os.walk(path) for name in names if name[0] != ".")


def _list_files(path: Path) -> dict[str, File]:
    """Every file of a folder and those below, or of a zip, by its path there, in order; or the one file."""
    if is_zip(path):
        found = _list_zip(path)
    elif path.is_file():
        found = {path.name: path}
    else:
        found = {file.relative_to(path).as_posix(): file for file in _walk(path)}
    return dict(sorted(found.items()))


def name_files(path: Path, pattern: str = "") -> NamedFiles:
    """Subject, action and take of every BVH file of a folder or zip, or of the one file.

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
    listing, used = every.get(TAKES), None
    count = f"the {len(files)} files ({some(list(files), 4)})"
    if pattern:
        keys = _match_all(pattern, files)
        if not keys:
            raise InputError(f"{path}: pattern {pattern!r} matches none of {count}. {_advice(files)}")
        note = f"Subjects, actions and takes are named by the pattern {pattern!r}."
    elif listing:
        keys, used = _read_listing(listing, files), None if is_zip(path) else listing
        note = f"Subjects, actions and takes are named by {TAKES}."
    elif found := _match_known(files):
        known, keys = found
        note = f"Subjects, actions and takes are named by the pattern {known!r} (`pattern` gives another)."
    elif path.is_file() and not is_zip(path):
        keys = {path.name: (SUBJECT, path.stem, "1")}
        note = f"The file's name is its action, {path.stem} (`pattern` says otherwise)."
    else:
        raise InputError(
            f"{path}: no known naming fits all of {count}, and there is no {TAKES}, a table with the columns "
            f"{', '.join(COLUMNS)}. {_advice(files)}"
        )
    named: dict[Key, File] = {}
    for name, own in keys.items():
        key = tuple(map(tidy_name, own))
        if key[1] == ALL:
            raise InputError(f"{files[name]}: no action may be called {ALL!r}, which stands for every action")
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
    return NamedFiles(named, used, tuple(notes))


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
        one, other = (", ".join(f"{k} {v!r}" for k, v in found.groupdict().items()) for found in (shortest, longest))
        raise InputError(
            f"{name}: pattern {pattern!r} can be read in two ways: {one}; or {other}. Write more of the name into the "
            f"pattern, or put a {TAKES} with the columns {', '.join(COLUMNS)} into the folder"
        )
    return fields.get(SUBJECT, SUBJECT), fields[ACTION], fields.get(TAKE, PurePosixPath(stem).name)


def _expression(pattern: str, lazy: str) -> str:
    """The regular expression of a pattern without its suffix, each field as short (`?`) or as long as can be."""
    text = pattern.removeprefix(ANYWHERE)
    expression = "(?:[^/]+/)*" if text != pattern else ""
    text = text[: -len(SUFFIX)] if text.lower().endswith(SUFFIX) else text
    *parts, end = re.split(r"\{([^{}]*)\}", text)  # literal, field, literal, ...
    literals, fields = parts[::2], parts[1::2]
    where = f"pattern {pattern!r}"
    for field in fields:
        check_name(field, (SUBJECT, ACTION, TAKE, *ANY), f"field of {where}")
    if ACTION not in fields or any(fields.count(field) > 1 for field in (SUBJECT, ACTION, TAKE)):
        raise InputError(f"{where}: expected {{action}} once, {{subject}} and {{take}} at most once each")
    if len(fields) > MOST_FIELDS or any("{" in literal or "}" in literal for literal in (*literals, end)):
        raise InputError(f"{where}: expected at most {MOST_FIELDS} fields, each in braces: {{action}}")
    following = [*zip(literals[1:], fields[1:], strict=True), (end, "")]
    for number, (literal, field, (behind, after)) in enumerate(zip(literals, fields, following, strict=True)):
        joined = after and not behind
        if joined and after != TAKE:
            raise InputError(f"{where}: nothing tells where {{{field}}} ends and {{{after}}} begins")
        digits = field == TAKE and number and not literal
        text = f"[0-9]+{lazy}" if digits else f"[^/]*{lazy}[^/0-9]" if joined else f"[^/]+{lazy}"
        expression += re.escape(literal) + (f"(?:{text})" if field in ANY else f"(?P<{field}>{text})")
    return expression + re.escape(end)


def _match_all(pattern: str, names: Collection[str]) -> dict[str, Key]:
    return {name: key for name in names if (key := match(pattern, name)) is not None}


def _match_known(names: Collection[str]) -> tuple[str, dict[str, Key]] | None:
    """The first known pattern that reads every name, in one way only and with actions that it knows; and what it reads."""
    for pattern, allowed in KNOWN.items():
        with suppress(InputError):
            keys = _match_all(pattern, names)
            if len(keys) == len(names) and all(key[1] in allowed or not allowed for key in keys.values()):
                return pattern, keys
    return None


def _read_listing(listing: File, names: Collection[str]) -> dict[str, Key]:
    """Path from the folder -> subject, action and take, of the rows of a `takes.csv`."""
    if listing.stat().st_size > CSV_LIMIT:
        raise InputError(f"{listing}: more than {CSV_LIMIT >> 20} MB; expected one row per file")
    found: dict[str, Key] = {}
    try:
        with listing.open("rb") as file:
            content = file.read()
        text = content.decode(encoding_of(content))
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text.partition("\n")[0]))
        if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
            raise InputError(f"{listing}: column {', '.join(missing)} is missing; expected {', '.join(COLUMNS)}")
        for row in rows:
            name, *key = ((row[column] or "").strip() for column in COLUMNS)
            name, where = PurePosixPath(name.replace("\\", "/")).as_posix(), f"{listing}, line {rows.line_num}"
            if not all(key) or any("/" in part for part in key):
                raise InputError(f"{where}: subject, action or take is empty or has a slash: {key}")
            if name in found:
                raise InputError(f"{where}: {name!r} is there twice")
            found[name] = tuple(key)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{listing}: not a table of comma-separated values ({error})") from error
    if absent := [name for name in found if name not in names]:
        raise InputError(f"{listing}: {len(absent)} of its files are not in the folder: {some(absent, 4)}")
    if not found:
        raise InputError(f"{listing}: there is not a single row in it")
    return {name: found[name] for name in names if name in found}


def _advice(names: Collection[str]) -> str:
    """A pattern that would read the first of the names."""
    first = next(iter(names))
    if known := _match_known([first]):
        return f"{known[0]!r} would match {first!r}"
    *folders, last = first.split("/")
    parts = last[: -len(SUFFIX)].split("_")
    if len(parts) == 1 and len(folders) > 1:
        tail = "{subject}/{action}/{take}"
    else:
        fields = {1: ["{action}"], 2: ["{subject}", "{action}"]}.get(len(parts), ["{subject}", "{action}", "{take}"])
        fields += ["{_}"] * min(len(parts) - len(fields), MOST_FIELDS - len(fields))
        tail = "_".join([*fields, *parts[len(fields) :]])
    example = (ANYWHERE if folders else "") + tail + SUFFIX
    return f"For instance, `pattern` {example!r} would match {first!r}, if that is the order of its parts"
