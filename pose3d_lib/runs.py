"""The run folder: what one run leaves under `outputs/runs/`, written so that a reader never sees half a file.

config.json        every setting of the run
provenance.json    versions, hardware, the dataset's fingerprint; the commit and the run started from, where there are such
history.jsonl      a line per epoch and per test on the way, written as it happens
progress.json      how far an unfinished run is
clips.csv          errors of every test clip, and of every joint in it
metrics.json       errors per action, and their action-wise and frame-wise means
timing.json        training and evaluation apart, windows and optimiser steps
model.safetensors  the weights
finished.json      written last: without it the run is not finished, whatever else is there
02_train.ipynb     the executed notebook, where `pose3d` or 03_action_based started the run
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pose3d_lib.config import RESULT_FORMAT, RunConfig, run_name
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.evaluation import action_wise, evaluate, frame_wise, per_action
from pose3d_lib.model import TemporalLifter
from pose3d_lib.paths import make_folder, make_readable, runs_dir
from pose3d_lib.provenance import describe_provenance
from pose3d_lib.starting import FINISHED, WEIGHTS, check_start, load_start
from pose3d_lib.training import HistoryRow, Trained, build_model, check_run, train


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder."""

    folder: Path

    @cached_property
    def config(self) -> RunConfig:
        # not validated again: a run made on a GPU is read on a machine without one
        return RunConfig.model_construct(**_tuples(self._read("config.json")))

    @cached_property
    def provenance(self) -> dict:
        return self._read("provenance.json")

    @cached_property
    def timing(self) -> dict:
        """Seconds of training and of evaluation, windows, optimiser steps, t of formula (1)."""
        return self._read("timing.json")

    @cached_property
    def actions(self) -> pd.DataFrame:
        """Errors per action: one row per action, `frames` and the four metrics, mm and mm per frame."""
        return pd.DataFrame.from_dict(self._read("metrics.json")["actions"], orient="index")

    @cached_property
    def action_wise(self) -> dict[str, float]:
        """The plain mean of each metric over the actions."""
        return self._read("metrics.json")["action_wise"]

    @cached_property
    def frame_wise(self) -> dict[str, float]:
        """The mean of each metric over all test frames."""
        return self._read("metrics.json")["frame_wise"]

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per line of history.jsonl, columns as in `HistoryRow`."""
        lines = (self.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])  # pandas' own reader drops the last digits

    @cached_property
    def clips(self) -> pd.DataFrame:
        """Errors of every test clip."""
        return pd.read_csv(
            self.folder / "clips.csv",
            dtype={"subject": str, "action": str, "take": str, "camera": str},
            keep_default_na=False,
        )

    def load_model(self, data: PoseDataset) -> TemporalLifter:
        """The trained network, on the CPU, in evaluation mode."""
        model = build_model(self.config, data)
        model.load_state_dict(load_file(self.folder / WEIGHTS))
        return model.eval()

    def _read(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def _tuples(fields: dict) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def run_folder(config: RunConfig, data: PoseDataset) -> Path:
    """Where a run's files are or will be."""
    return runs_dir() / run_name(config, data.fingerprint)


def find_run(config: RunConfig, data: PoseDataset) -> Run | None:
    """The finished run of this config on this dataset, if there is one."""
    folder = run_folder(config, data)
    return Run(folder) if (folder / FINISHED).is_file() else None


def read_progress(folder: Path) -> dict | None:
    """How far an unfinished run is: `windows` of `total`, `seconds` so far, `at` what time; None before its first report."""
    try:
        return json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def execute_run(
    config: RunConfig,
    data: PoseDataset,
    *,
    say: Callable[[str], None] = lambda line: None,
    on_row: Callable[[HistoryRow], None] = lambda row: None,
) -> Run:
    """Trains and evaluates a run and writes its folder, or reads the folder if the run is finished already.

    Where another process is training the same run, waits for it and then reads what it left.

    Args:
        config, data: what to run.
        say: called with a line of text about what happens.
        on_row: called with every line of history as it is written.
    """
    check_run(config, data)
    folder = run_folder(config, data)
    if not (folder / FINISHED).is_file():
        check_start(config, data)
    make_folder(folder)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process is training this run ({folder}); waiting for it")
        lock.acquire()
    try:
        if not (folder / FINISHED).is_file():
            _train_into(folder, config, data, say, on_row)
        else:
            say(f"finished before; read from {folder}")
    except PermissionError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); finished runs are as they were") from error
    finally:
        lock.release()
    return Run(folder)


def _train_into(
    folder: Path,
    config: RunConfig,
    data: PoseDataset,
    say: Callable[[str], None],
    on_row: Callable[[HistoryRow], None],
) -> None:
    start = load_start(config, data)
    say(f"run folder: {folder}")
    if start:
        say(f"starts with the weights of {config.start_from}")
    _write_json(folder / "config.json", config.model_dump(mode="json"))
    _write_json(folder / "provenance.json", describe_provenance(config, data, start and start.provenance))
    begun = time.perf_counter()

    def report(windows: int, total: int) -> None:
        seconds = time.perf_counter() - begun
        progress = {"windows": windows, "total": total, "seconds": seconds, "at": time.time()}
        _write_json(folder / "progress.json", progress, durable=False)

    with (folder / "history.jsonl").open("w", encoding="utf-8") as history:

        def record(row: HistoryRow) -> None:
            history.write(json.dumps(asdict(row)) + "\n")
            history.flush()
            on_row(row)

        trained = train(config, data, initial=start and start.weights, on_row=record, on_progress=report)
    report(trained.windows, trained.windows)
    weights = {name: tensor.contiguous() for name, tensor in trained.model.state_dict().items()}
    _write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path))
    say(f"trained in {trained.train_seconds:.1f} s; testing on {len(data.test_clips())} clips")
    started = time.perf_counter()
    clips = evaluate(trained.model, data, data.test_clips(), config.keypoints)
    _write_results(folder, trained, clips, time.perf_counter() - started)


def _write_results(folder: Path, trained: Trained, clips: pd.DataFrame, evaluation_seconds: float) -> None:
    actions = per_action(clips)
    rows = actions.to_dict(orient="index")
    _write_atomically(folder / "clips.csv", lambda path: clips.to_csv(path, index=False))
    _write_json(
        folder / "metrics.json",
        {
            "actions": {action: {**row, "frames": int(row["frames"])} for action, row in rows.items()},
            "action_wise": action_wise(actions).to_dict(),
            "frame_wise": frame_wise(actions).to_dict(),
        },
    )
    timing = {
        "train_seconds": trained.train_seconds,
        "train_cpu_seconds": trained.train_cpu_seconds,
        "test_seconds_on_the_way": trained.test_seconds,
        "evaluation_seconds": evaluation_seconds,
        "evaluated_frames": int(clips.frames.sum()),
        "windows": trained.windows,
        "windows_per_epoch": trained.budget.per_epoch,
        "windows_per_unit_epoch": trained.budget.unit,
        "t": trained.budget.t,
        "epochs": trained.budget.epochs,
        "steps": trained.steps,
        "parameters": trained.model.num_parameters,
    }
    _write_json(folder / "timing.json", timing)
    _write_json(folder / FINISHED, {"format": RESULT_FORMAT, "at": datetime.now(UTC).isoformat(timespec="seconds")})
    (folder / "progress.json").unlink(missing_ok=True)


def _write_json(path: Path, value: dict, *, durable: bool = True) -> None:
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    _write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"), durable=durable)


def _write_atomically(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Writes beside `path` and renames; `durable` also waits until the disk has it, so that the order of files holds."""
    unfinished = path.parent / f".{path.name}.{os.getpid()}{path.suffix}"
    try:
        write(unfinished)
        make_readable(unfinished)
        if durable:
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be written ({error}); nothing finished was changed") from error
    finally:
        unfinished.unlink(missing_ok=True)
