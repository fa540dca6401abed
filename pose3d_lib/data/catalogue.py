"""Datasets with a name: open collections, datasets given out on request, and description files.

A description is a TOML file: `path` (absolute or relative to the file's folder, as the file that `joints` names) and any
parameter of `DataSpec` except `dataset`; `dataset = "mine.toml"` reads one.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic.dataclasses import dataclass

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import source_data_dir
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.sources.text_files import read_toml
from pose3d_lib.data.spec import DataSpec

DESCRIPTION = ".toml"
RECORD = "fetched.json"  # in a fetched collection's folder: source, checksums, licence
DOWNLOADS = "downloads"  # the folder of POSE3D_DATA with the archives of collections

# Name -> title, and who gives out which files. Files called data_* are made as VideoPose3D's DATASETS.md says.
_HUMANEVA = "registered at http://humaneva.is.tue.mpg.de; data_3d_{0}.npz and data_2d_{0}_*.npz"
ON_REQUEST = {
    "h36m": (
        "Human3.6M",
        "with an account of http://vision.imar.ro/human3.6m; its own files as downloaded, or data_3d_h36m.npz and "
        "data_2d_h36m_*.npz",
    ),
    "humaneva15": ("HumanEva-I, 15 joints", _HUMANEVA.format("humaneva15")),
    "humaneva20": ("HumanEva-I, 20 joints", _HUMANEVA.format("humaneva20")),
}


@dataclass(frozen=True)
class Licence:
    """The terms of data: the licence's name, the address of its text, and its demands in a sentence."""

    name: str
    url: str
    terms: str


@dataclass(frozen=True)
class Collection:
    """An open collection that can be fetched."""

    name: str  # the value of `dataset`, and the collection's folder in POSE3D_DATA
    title: str
    url: str  # of a zip archive
    archive: str  # file name under which the archive is kept
    commit: str  # of the repository that the archive is of
    licence: Licence
    citation: str  # what its authors ask to be cited or thanked with
    content: str  # for people
    inside: str = ""  # folder of the archive, below its one top folder, that has the BVH files; "" for all
    documents: tuple[str, ...] = ()  # files that are kept beside the data
    index: str = ""  # the one of `documents` whose descriptions name the actions, in CMU's format
    parameters: Mapping[str, object] = field(default_factory=dict)  # of `DataSpec`
    notes: tuple[str, ...] = ()  # for the dataset's

    @property
    def home(self) -> Path:
        """The collection's folder in POSE3D_DATA: BVH files, documents and the record."""
        return source_data_dir() / self.name

    @property
    def archive_path(self) -> Path:
        """The archive's place; one put there by hand is used."""
        return source_data_dir() / DOWNLOADS / self.archive

    @property
    def fetched(self) -> bool:
        return (self.home / RECORD).is_file()


@dataclass(frozen=True)
class Entry:
    """A path with parameters of `DataSpec`, and notes for the dataset's; `missing` says what to do without such a path."""

    path: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    missing: str = ""
    notes: tuple[str, ...] = ()


@cache
def collections() -> dict[str, Collection]:
    """Name -> every open collection that this package can fetch: those of `sources/fetch/collections.toml`."""
    text = resources.files(__package__).joinpath("sources/fetch/collections.toml").read_text(encoding="utf-8")
    return {name: Collection(name=name, **table) for name, table in tomllib.loads(text).items()}


def find_entry(dataset: str) -> Entry | None:
    """The entry that a dataset's name or `.toml` path stands for; None if it is neither."""
    if dataset in collections():
        known = collections()[dataset]
        licence = f"{known.title}: {known.licence.name}. {known.licence.terms} To cite or thank: {known.citation}"
        missing = f"`pose3d data fetch {dataset}` downloads it"
        return Entry(known.home, known.parameters, missing, (licence, *known.notes))
    if dataset.lower().endswith(DESCRIPTION):
        return _read_description(find_path(dataset))
    return None


def terms_of(path: Path) -> str:
    """The terms of the fetched collection in whose folder a path lies; "" if it lies in none."""
    for known in collections().values():
        if path.resolve().is_relative_to(known.home.resolve()):
            return f"{known.title} is under {known.licence.name} ({known.licence.url}). {known.licence.terms}"
    return ""


def exists(dataset: str) -> bool:
    """Whether a file or folder of this name is in the working directory or in POSE3D_DATA."""
    return os.path.exists(dataset) or os.path.exists(source_data_dir() / dataset)  # False for a name that is too long


def find_path(dataset: str) -> Path:
    """The file or folder that `dataset` names, absolute or in the working directory or in POSE3D_DATA."""
    given = Path(dataset).expanduser()
    if given.is_absolute() or os.path.exists(given):
        return given
    if os.path.exists(found := source_data_dir() / given):
        return found
    raise InputError(
        f"{dataset[:300]}: there is no such file or folder, neither in {Path.cwd()} nor in {source_data_dir()}, the folder of "
        "POSE3D_DATA"
    )


def _read_description(path: Path) -> Entry:
    table = read_toml(path, "a description of data")
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
    return Entry(path.parent / Path(table["path"]).expanduser(), parameters, f"'path' in {path} names it")
