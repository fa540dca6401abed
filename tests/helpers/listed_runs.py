"""Run folders with made-up content, in every state: what listing, showing and cleaning are tested on."""

import hashlib
import json
import os
import time
from pathlib import Path

import safetensors.numpy

from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs import layout

LONG_AGO = 3600.0  # seconds
ACTIONS = {"Eating": 50.0, "Sitting": 70.0}  # action -> MPJPE that every run has there; 60 mm on average
NO_WEIGHTS = safetensors.numpy.save({})


def progress(windows: object, total: object) -> dict[str, object]:
    """Content of PROGRESS."""
    return {"windows": windows, "total": total, "seconds": 1, "at": 0, "epoch": 1, "epochs": 3, "train_mpjpe": None}


def to_bytes(content: object) -> bytes:
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def name_of(number: int, action: str = "Eating") -> str:
    return f"{action}-27f-1ue-seed{number}-{number:010x}"


def set_age(folder: Path, seconds: float) -> None:
    """As if everything in a folder had last been written so long ago."""
    then = time.time() - seconds
    for path in folder.iterdir():
        os.utime(path, (then, then), follow_symlinks=False)


def write_folder(
    runs: Path,
    name: str = name_of(0),
    *,
    action: str = "Eating",
    finished: bool = True,
    result_format: object = layout.RESULT_FORMAT,
    mpjpe: object = None,
    at: str = "2026-11-22T16:58:22+00:00",
    age: float = LONG_AGO,
    without: tuple[str, ...] = (),
    **texts: str | bytes,
) -> Path:
    """A run's folder.

    Args:
        runs: where.
        name: of the folder.
        action, result_format, at: as the files of a run say them.
        finished: whether it is; a third of one that is not was trained.
        mpjpe: on its action, another than that of ACTIONS.
        age: of all files, seconds.
        without: files that are not there.
        texts: further files or other content, named with "__" for the dot.
    """
    errors = {own: {"frames": 10, **dict.fromkeys(METRICS, 1.0), "mpjpe": error} for own, error in ACTIONS.items()}
    if mpjpe is not None:
        errors[action]["mpjpe"] = mpjpe
    dataset = {"name": "made-up", "synthetic": True, "fingerprint": "f" * 64}
    files: dict[str, object] = {
        layout.CONFIG: {"action": action, "seed": 0},
        layout.PROVENANCE: {"format": result_format, "commit": None, "dataset": dataset},
        layout.HISTORY: {"epoch": 1.0},
    }
    if finished:
        files |= {
            layout.ERRORS: {"actions": errors, "action_wise": {"mpjpe": 60.0}, "published": {}},
            layout.TIMING: {"train_seconds": 12.5}, layout.CARD: {},
            **dict.fromkeys((layout.CLIPS, layout.CLIPS_PUBLISHED), "subject\n"),
            **dict.fromkeys((layout.WEIGHTS, layout.STATISTICS_PUBLISHED), NO_WEIGHTS),
        }  # fmt: skip
    else:
        files[layout.PROGRESS] = progress(100, 300)
    files |= {name.replace("__", "."): text for name, text in texts.items()}
    files = {name: content if isinstance(content, bytes) else to_bytes(content) for name, content in files.items()}
    if finished and layout.FINISHED not in files:
        sums = {name: hashlib.sha256(files[name]).hexdigest() for name in layout.NEEDED}
        files[layout.FINISHED] = to_bytes({"format": result_format, "at": at, "sha256": sums})
    folder = runs / name
    folder.mkdir(parents=True)
    for file, content in files.items():
        if file not in without:
            (folder / file).write_bytes(content)
    set_age(folder, age)
    return folder


def write_lease(
    folder: Path, *, pid: int = 1, host: str = "elsewhere", age: float = 0.0, seconds: float = 60.0
) -> None:
    """A lease as a process somewhere leaves it that last touched it so long ago."""
    marker = folder / ".lease"
    marker.write_text(f"filelock/2\npid={pid}\nhost={host}\nmode=lease\ntoken=0123\nduration={seconds}\n")
    then = time.time() - age
    os.utime(marker, (then, then))
