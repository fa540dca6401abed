"""The run folder under `outputs/runs/`: names and formats of its files, read whatever state they are in. Imports no PyTorch.

config.json        every setting of the run
provenance.json    versions, hardware, the dataset's fingerprint; the commit and the run it started from, if any;
                   where and with what it was resumed, if it was
history.jsonl      a line per epoch and per test during training, written as it happens
run.log            what happened when: begun, resumed, stopped, failed, finished
progress.json      how far an unfinished run is
checkpoint.state   where an unfinished run resumes; checkpoint.previous.state is the one before
clips.csv          errors of every test clip, and of every joint in it, with recomputed statistics of the batch norms
metrics.json       errors per action, and their action-wise and frame-wise means; under PUBLISHED the same as published
timing.json        training and evaluation apart, windows and optimiser steps
model.safetensors  the weights, and the recomputed statistics
clips_published.csv  errors as published: with the statistics that the momentum left at the end of the training
statistics_published.safetensors  these statistics, running means and variances
card.json          what the model is, its training data and its errors, as in `ModelCard`
finished.json      checksums of the others, written last: without it the run is not finished
02_train.ipynb     the executed notebook, where `pose3d` or 03_action_based started the run
"""

import os
import stat
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, RootModel, ValidationError

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import CHECKPOINTS

RESULT_FORMAT = 5  # raised whenever the same config would give other numbers or other files: old runs are not reused

CONFIG, PROVENANCE, HISTORY, PROGRESS = "config.json", "provenance.json", "history.jsonl", "progress.json"
CLIPS, ERRORS, TIMING, WEIGHTS, CARD = "clips.csv", "metrics.json", "timing.json", "model.safetensors", "card.json"
CLIPS_PUBLISHED, STATISTICS_PUBLISHED = "clips_published.csv", "statistics_published.safetensors"
PUBLISHED = "published"  # key of ERRORS
FINISHED, NOTEBOOK, LOG, LEASE = "finished.json", "02_train.ipynb", "run.log", ".lease"

# what FINISHED has checksums of
NEEDED = (CONFIG, PROVENANCE, HISTORY, CLIPS, CLIPS_PUBLISHED, ERRORS, TIMING, WEIGHTS, STATISTICS_PUBLISHED, CARD)
MARKS = frozenset((CONFIG, PROVENANCE, HISTORY, PROGRESS, FINISHED, NOTEBOOK, LOG, LEASE, *CHECKPOINTS))  # of a run

LEASE_SECONDS = 60  # a process on another machine counts as dead if it did not touch its lease for so long

Files = Mapping[str, os.stat_result]  # what is in a folder: name -> status, links followed


class Part(BaseModel):
    """Base of what is read of a JSON file; further keys are ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)


class Whole(RootModel[dict[str, JsonValue]]):
    """Everything that a JSON file says, as its `root`."""

    model_config = ConfigDict(allow_inf_nan=False)


class Dataset(Part):
    name: str
    fingerprint: str


class Origin(Part):
    """What is read of PROVENANCE where a run is told apart from others."""

    format: int
    commit: str | None
    dataset: Dataset


class Progress(Part):
    """How far an unfinished run is; windows of total, seconds so far, time of the report, epochs, mm."""

    windows: int
    total: int
    seconds: float
    at: float
    epoch: float
    epochs: float
    train_mpjpe: float | None


Content = TypeVar("Content", bound=BaseModel)


def scan_folder(path: str | os.PathLike) -> tuple[Files, int]:
    """The files of a folder, and the bytes of all that is in it; an OSError where it cannot be opened."""
    files, size = {}, 0
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                status = entry.stat()
                if not stat.S_ISDIR(status.st_mode):
                    size += status.st_size
                elif not entry.is_symlink():
                    size += scan_folder(entry.path)[1]
            except OSError:  # vanished, or a link to nothing
                continue
            files[entry.name] = status
    return files, size


def read_json(path: str | os.PathLike, kind: type[Content]) -> Content:
    """What a JSON file says, as far as `kind` asks for it.

    An InputError if it cannot be read, is no JSON, or has another content; it names the file without its folder, the key and
    what was found.
    """
    name = os.path.basename(path)
    try:
        with open(path, "rb", buffering=0) as file:
            return kind.model_validate_json(file.readall())
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        where = f"{'.'.join(map(str, problem['loc']))}: " if problem["loc"] else ""
        found = str(problem["input"])[:80]
        raise InputError(f"{name}: not what a run writes ({where}{problem['msg']}, found {found!r})") from error


def is_finished(folder: str | os.PathLike) -> bool:
    """Whether a run was finished here; `inventory.look_at` says whether its files are still what they were."""
    return os.path.isfile(os.path.join(folder, FINISHED))


def read_progress(folder: str | os.PathLike) -> Progress | None:
    """How far an unfinished run is; None before its first report, and where it cannot be read just now."""
    try:
        progress = read_json(os.path.join(folder, PROGRESS), Progress)
    except InputError:  # never flushed: after a power cut it may be empty
        return None
    return progress if 0 <= progress.windows <= progress.total > 0 else None
