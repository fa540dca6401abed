"""Data that has a name: what a description file says of it, so that one name stands for a path and its parameters.

A description is a table of a TOML file: `path` (absolute, or from the file's folder, as a file that `joints` names is)
and any parameter of `DataSpec` but `dataset`; `dataset = "mine.toml"` reads one. Those of open collections come with this
package, and `pose3d data fetch` puts the collections where they say.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import source_data_dir
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.sources.text_files import file_encoding
from pose3d_lib.data.spec import DataSpec

DESCRIPTION = ".toml"
RECORD = "fetched.json"
"""In a fetched collection's folder: where it came from, and what it was when it came."""

DOWNLOADS = "downloads"
"""The folder in POSE3D_DATA of the archives that collections came in."""


@dataclass(frozen=True)
class Licence:
    """Under which terms somebody offers data: the licence's name, where its text is, and what it asks in a sentence."""

    name: str
    url: str
    terms: str


@dataclass(frozen=True)
class Collection:
    """An open collection that can be fetched.

    Attributes:
        name: what `dataset` says, and the folder of POSE3D_DATA.
        title: of the collection, for people.
        url: of a zip archive.
        archive: the file name under which that is kept.
        commit: of the repository that the archive is of.
        licence: its terms.
        citation: what its authors ask to be cited or thanked with.
        content: what there is in it, for people.
        inside: the folder of the archive, below its one top folder, from which the BVH files are taken; all if empty.
        nested: the name of a zip archive inside, which is opened if there is no BVH file beside it.
        documents: names of files that are kept beside the data.
        index: the one of `documents` whose descriptions name the actions, in the format of CMU's; none if empty.
        sha256: of the archive, where it is known beforehand.
        parameters: of `DataSpec`.
        notes: what the user of the data should know; they go into the dataset's.
    """

    name: str
    title: str
    url: str
    archive: str
    commit: str
    licence: Licence
    citation: str
    content: str
    inside: str = ""
    nested: str = ""
    documents: tuple[str, ...] = ()
    index: str = ""
    sha256: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """The collection's folder in POSE3D_DATA: the BVH files, the documents, and the record."""
        return source_data_dir() / self.name

    @property
    def archive_path(self) -> Path:
        """Where the archive is kept, and looked for before it is downloaded."""
        return source_data_dir() / DOWNLOADS / self.archive

    @property
    def fetched(self) -> bool:
        return (self.home / RECORD).is_file()

    def licence_lines(self) -> tuple[str, ...]:
        """What somebody should read before downloading."""
        return (
            self.title,
            f"Licence: {self.licence.name}, {self.licence.url}",
            self.licence.terms,
            f"To cite or thank: {self.citation}",
        )


@dataclass(frozen=True)
class Entry:
    """What is known of some data.

    Attributes:
        name: what `dataset` says.
        path: where the data lies.
        parameters: of `DataSpec`, for whoever does not give others.
        missing: what to do when there is nothing at `path`.
        notes: for the dataset's: its licence, and what its user should know.
    """

    name: str
    path: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    missing: str = ""
    notes: tuple[str, ...] = ()


@cache
def collections() -> dict[str, Collection]:
    """Every open collection that this package can fetch, by name, as `sources/fetch/collections.toml` has them."""
    text = resources.files(__package__).joinpath("sources/fetch/collections.toml").read_text(encoding="utf-8")
    return {name: read_collection(name, table) for name, table in tomllib.loads(text).items()}


def read_collection(name: str, table: Mapping) -> Collection:
    """A collection from its table of a TOML file."""
    lists = {key: tuple(table[key]) for key in ("documents", "notes") if key in table}
    return Collection(name=name, **{**table, **lists, "licence": Licence(**table["licence"])})


def find_entry(dataset: str) -> Entry | None:
    """The entry that a dataset's name or `.toml` path stands for; None if it is neither."""
    if dataset in collections():
        known = collections()[dataset]
        licence = f"{known.title}: {known.licence.name}. {known.licence.terms} To cite or thank: {known.citation}"
        missing = f"`pose3d data fetch {dataset}` downloads it"
        return Entry(dataset, known.home, known.parameters, missing, (licence, *known.notes))
    if dataset.lower().endswith(DESCRIPTION):
        return _read_description(find_path(dataset))
    return None


def terms_of(path: Path) -> str:
    """The terms of the fetched collection in whose folder a path lies; "" if it lies in none."""
    for known in collections().values():
        if path.resolve().is_relative_to(known.home.resolve()):
            return f"{known.title} is under {known.licence.name} ({known.licence.url}). {known.licence.terms}"
    return ""


def find_path(dataset: str) -> Path:
    """The file or folder that `dataset` names, absolute or in the working directory or in POSE3D_DATA."""
    given = Path(dataset).expanduser()
    if given.is_absolute() or os.path.exists(given):  # False of a name that is too long
        return given
    found = source_data_dir() / given
    if os.path.exists(found):
        return found
    raise InputError(
        f"{dataset[:300]}: there is no such file or folder, neither in {Path.cwd()} nor in {source_data_dir()}, the folder of "
        "POSE3D_DATA"
    )


def _read_description(path: Path) -> Entry:
    try:
        table = tomllib.loads(path.read_text(encoding=file_encoding(path)))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a description of data in TOML ({error})") from error
    if not isinstance(table.get("path"), str):
        raise InputError(
            f"{path}: key 'path' is missing: the file or folder of the data, absolute or from this file's folder"
        )
    parameters = {name: value for name, value in table.items() if name != "path"}
    for name in parameters:
        check_name(name, sorted(DataSpec.model_fields.keys() - {"dataset"}), f"parameter in {path}")
    mapping = path.parent / str(parameters.get("joints", ""))
    if mapping.is_file():
        parameters["joints"] = str(mapping)
    return Entry(str(path), path.parent / Path(table["path"]).expanduser(), parameters)
