"""Another run's weights to start with: found by its folder's name, and refused where they do not belong to this run."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import runs_dir
from pose3d_lib.data.actions import nearest
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.file import check_weights, read_weights
from pose3d_lib.runs.layout import FINISHED, RESULT_FORMAT, WEIGHTS, is_finished
from pose3d_lib.runs.run import run_name
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import build_lifters

ANOTHER = "train that run anew, or start from another"
SAME_NETWORK = ("keypoints", "filter_widths", "channels", "causal", "dense", "has_trajectory")
"""Settings that must agree; joints and layouts follow from the keypoints and the dataset, which must agree too."""


@dataclass(frozen=True)
class Start:
    """What a run starts with.

    Attributes:
        weights: the other run's network, batch-norm statistics included.
        provenance: the other run's name, its commit, and a hash of the file of its weights.
    """

    weights: dict[str, Tensor]
    provenance: dict[str, str | None]


class _Dataset(BaseModel):
    name: str
    fingerprint: str


class _Origin(BaseModel):
    """What matters here of a provenance.json."""

    format: int
    commit: str | None
    dataset: _Dataset


Content = TypeVar("Content", bound=BaseModel)


def check_start(config: RunConfig, data: PoseDataset) -> Path | None:
    """The folder of the run that a run starts from, or None where it starts with random weights.

    Raises:
        InputError: there is no such folder, or what is in it is unfinished, damaged or renamed, or of another version,
            dataset or network. Of the weights only the header is read.
    """
    if not config.start_from:
        return None
    folder = _find_folder(config.start_from)
    origin = _read(folder / "provenance.json", _Origin)
    if origin.format != RESULT_FORMAT:
        raise InputError(
            f"{folder}: made by another version of this code, with format {origin.format} of results where "
            f"{RESULT_FORMAT} is expected; {ANOTHER}"
        )
    if origin.dataset.fingerprint != data.fingerprint:
        raise InputError(
            f"{folder}: trained on other data, {origin.dataset.name} with fingerprint {origin.dataset.fingerprint[:10]} "
            f"where {data.name} with {data.fingerprint[:10]} is expected; start from a run on the same data"
        )
    made = _read(folder / "config.json", RunConfig)
    other = [name for name in SAME_NETWORK if getattr(made, name) != getattr(config, name)]
    if other:
        found = "; ".join(
            f"{name.removeprefix('has_')} {getattr(made, name)!r}, expected {getattr(config, name)!r}" for name in other
        )
        raise InputError(f"{folder}: a network of another kind: {found}; start from a run with the same settings")
    if (name := run_name(made, data.fingerprint)) != config.start_from:
        raise InputError(
            f"{folder}: renamed or changed, as the run in it is called {name}; give it its name again, or {ANOTHER}"
        )
    check_weights(folder / WEIGHTS, lambda: build_lifters(config, data), told="its config.json", remedy=ANOTHER)
    return folder


def load_start(config: RunConfig, data: PoseDataset) -> Start | None:
    """What `check_start` found, read; an InputError as there, or where a weight is not finite."""
    folder = check_start(config, data)
    if folder is None:
        return None
    path = folder / WEIGHTS
    weights = read_weights(path, remedy=ANOTHER)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    commit = _read(folder / "provenance.json", _Origin).commit
    return Start(weights, {"run": folder.name, "commit": commit, "weights_sha256": digest})


def _find_folder(name: str) -> Path:
    """The folder of that name, letter for letter, also where a disk does not tell capital letters from small ones."""
    present = [path.name for path in runs_dir().iterdir()] if runs_dir().is_dir() else []
    if name not in present:
        meant = nearest(name, present)
        hint = f"did you mean {', '.join(meant)}? " if meant else ""
        raise InputError(
            f"parameter start_from: there is no run {name!r} in {runs_dir()}; {hint}Train that run first, or name another"
        )
    folder = runs_dir() / name
    if not is_finished(folder):
        raise InputError(
            f"{folder}: not finished, as there is no {FINISHED}; train that run to its end, or name another"
        )
    return folder


def _read(path: Path, kind: type[Content]) -> Content:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {ANOTHER}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise InputError(f"{path}: not what a run writes ({where}: {problem['msg']}); {ANOTHER}") from error
