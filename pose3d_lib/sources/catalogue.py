"""Data that has a name: what a description file says of it, so that one name stands for a path and its parameters.

A description is a table of a TOML file: `path` (absolute, or from the file's folder) and any parameter of `DataSpec`
but `dataset`. Those of open collections come with this package, and `pose3d data fetch` puts the collections where they
say; `dataset = "mine.toml"` reads one of your own.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from pose3d_lib.actions import check_name
from pose3d_lib.errors import InputError
from pose3d_lib.paths import source_data_dir
from pose3d_lib.sources.spec import DataSpec

DESCRIPTION = ".toml"


@dataclass(frozen=True)
class Entry:
    """What is known of some data.

    Attributes:
        name: what `dataset` says.
        path: where the data lies.
        parameters: of `DataSpec`, for whoever does not give others.
        missing: what to do when there is nothing at `path`.
    """

    name: str
    path: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    missing: str = ""


@cache
def collections() -> dict[str, dict]:
    """Name -> table of every open collection that this package can fetch, as `data/collections.toml` has them."""
    return tomllib.loads(resources.files("pose3d_lib").joinpath("data/collections.toml").read_text(encoding="utf-8"))


def find_entry(dataset: str) -> Entry | None:
    """The entry that a dataset's name or `.toml` path stands for; None if it is neither."""
    if dataset in collections():
        table = collections()[dataset]
        path = source_data_dir() / dataset / table.get("folder", "")
        return Entry(dataset, path, table["parameters"], f"`pose3d data fetch {dataset}` downloads it")
    if dataset.endswith(DESCRIPTION):
        return _read_description(find_path(dataset))
    return None


def find_path(dataset: str) -> Path:
    """The file or folder that `dataset` names, absolute or in the working directory or in POSE3D_DATA."""
    given = Path(dataset).expanduser()
    if given.is_absolute() or given.exists():
        return given
    found = source_data_dir() / given
    if found.exists():
        return found
    raise InputError(
        f"{dataset}: there is no such file or folder, neither in {Path.cwd()} nor in {source_data_dir()}, the folder of "
        "POSE3D_DATA"
    )


def _read_description(path: Path) -> Entry:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a description of data in TOML ({error})") from error
    if not isinstance(table.get("path"), str):
        raise InputError(
            f"{path}: key 'path' is missing: the file or folder of the data, absolute or from this file's folder"
        )
    parameters = {name: value for name, value in table.items() if name != "path"}
    for name in parameters:
        check_name(name, sorted(DataSpec.model_fields.keys() - {"dataset"}), f"parameter in {path}")
    return Entry(str(path), path.parent / Path(table["path"]).expanduser(), parameters)
