"""A run from beginning to end: held, trained or resumed, tested, written; whenever it is killed, it goes on from there."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import remove_unfinished, write_atomically, write_json
from pose3d_lib.common.paths import make_folder
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate_lifters, summarise
from pose3d_lib.runs.card import write_card
from pose3d_lib.runs.interrupts import noted_signals, raised_signals
from pose3d_lib.runs.layout import (
    CARD,
    FINISHED,
    HISTORY,
    LOG,
    PROGRESS,
    PROVENANCE,
    RESULT_FORMAT,
    WEIGHTS,
    find_damage,
    is_finished,
)
from pose3d_lib.runs.lease import hold_run
from pose3d_lib.runs.provenance import describe_provenance
from pose3d_lib.runs.run import DAMAGED_REMEDY, Run, run_folder
from pose3d_lib.runs.start import check_start, load_start
from pose3d_lib.training.checkpoint import NEW_START, Checkpoint, delete_checkpoints, load_checkpoint, save_checkpoint
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow, Trained
from pose3d_lib.training.loop import train
from pose3d_lib.training.plan import check_run

CHECKED = ("config.json", PROVENANCE, HISTORY, "clips.csv", "metrics.json", "timing.json", WEIGHTS, CARD)
"""Files of a finished run that never change again, in the order of `runs`."""


def execute_run(
    config: RunConfig,
    data: PoseDataset,
    *,
    say: Callable[[str], None] = lambda line: None,
    on_row: Callable[[HistoryRow], None] = lambda row: None,
) -> Run:
    """Trains and evaluates a run and writes its folder; goes on from its checkpoint, or reads it if it is finished already.

    Where another process holds the run, on this machine or on another that sees the same folder, waits for it. One that is
    dead, or shows no sign of life for LEASE_SECONDS, holds it no longer.

    Args:
        config, data: what to run.
        say: called with a line of text about what happens.
        on_row: called with every line of history as it is written.

    Raises:
        InputError: the data cannot carry the run, or the folder cannot be read or written.
        RunStopped: SIGINT or SIGTERM came while it trained or was tested; where it was is saved.
        FloatingPointError: the loss is no longer finite.
        MemoryError: there is too little memory; the message says what to change. The run resumes from its checkpoint.
    """
    check_run(config, data)
    folder = run_folder(config, data)
    if is_finished(folder):
        if damage := find_damage(folder):
            raise InputError(f"{folder}: a finished run that is damaged ({damage}); {DAMAGED_REMEDY}")
        say(f"finished before; read from {folder}")
        return Run(folder)
    check_start(config, data)
    make_folder(folder)
    try:
        with hold_run(folder, say) as check_held:
            if is_finished(folder):
                say(f"finished meanwhile; read from {folder}")
            else:
                _finish_into(folder, config, data, check_held, say, on_row)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise MemoryError(
            f"{folder}: memory ran out ({str(error).splitlines()[0]}). With fewer jobs at a time, or "
            "other programs ended, the same call resumes the run; a smaller batch_size needs less, and is another run"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); finished runs are as they were. Once that is mended, "
            "the same call goes on"
        ) from error
    return Run(folder)


def _finish_into(
    folder: Path,
    config: RunConfig,
    data: PoseDataset,
    check_held: Callable[[], None],
    say: Callable[[str], None],
    on_row: Callable[[HistoryRow], None],
) -> None:
    """Trains what is left to train, evaluates, and writes what a run leaves."""

    def tell(line: str) -> None:
        _log(folder, line)
        say(line)

    try:
        _train_and_test(folder, config, data, check_held, tell, on_row)
    except BaseException as error:
        with suppress(OSError):  # what is wrong may be that nothing can be written
            _log(folder, f"{type(error).__name__}: {error}")
        raise
    _log(folder, "finished")


def _log(folder: Path, line: str) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")


def _train_and_test(
    folder: Path,
    config: RunConfig,
    data: PoseDataset,
    check_held: Callable[[], None],
    tell: Callable[[str], None],
    on_row: Callable[[HistoryRow], None],
) -> None:
    remove_unfinished(folder)
    checkpoint, problem = load_checkpoint(folder)
    if problem:
        tell(f"{problem}; going on from the checkpoint before it")
    tell(f"run folder: {folder}")
    start = None if checkpoint else load_start(config, data)
    if start:
        tell(f"starts with the weights of {config.start_from}")
    write_json(folder / "config.json", config.model_dump(mode="json"))
    _write_provenance(folder, describe_provenance(config, data, start and start.provenance), checkpoint)
    if checkpoint:
        tell(f"goes on after {checkpoint.numbers['seen']:,} windows")

    def report(windows: int, total: int) -> None:
        check_held()
        spent = seconds_before + time.perf_counter() - begun
        progress = {
            "windows": windows,
            "total": total,
            "seconds": spent,
            "at": time.time(),
            "epoch": windows / budget.per_epoch,
            "epochs": budget.epochs,
            "train_mpjpe": losses[-1] if losses else None,
        }
        write_json(folder / PROGRESS, progress, durable=False)

    def keep(state: Checkpoint) -> None:
        check_held()
        save_checkpoint(folder, state)

    budget, losses = check_run(config, data), []
    begun, seconds_before = time.perf_counter(), float(checkpoint.numbers["train_seconds"]) if checkpoint else 0.0
    with noted_signals() as signal, (folder / HISTORY).open("w", encoding="utf-8") as history:

        def record(row: HistoryRow) -> None:
            check_held()
            history.write(json.dumps(row.as_json()) + "\n")
            history.flush()
            losses.append(row.train_mpjpe)
            on_row(row)

        trained = train(
            config,
            data,
            initial=start and start.weights,
            resume=checkpoint,
            on_row=record,
            on_progress=report,
            on_checkpoint=keep,
            stop=signal,
        )
        os.fsync(history.fileno())  # before FINISHED says that it is whole
    report(trained.windows, trained.windows)
    weights = {name: tensor.contiguous() for name, tensor in trained.lifters.state_dict().items()}
    check_held()
    write_atomically(folder / WEIGHTS, lambda path: save_file(weights, path))
    tell(f"trained in {trained.train_seconds:.1f} s; testing on {len(data.test_clips())} clips")
    with raised_signals("while it was tested; the same call goes on from its last checkpoint"):
        started = time.perf_counter()
        clips = evaluate_lifters(
            trained.lifters, data, data.test_clips(), config.keypoints, mirror=config.mirror_testing
        )
        seconds = time.perf_counter() - started
    check_held()
    _write_results(folder, data, trained, clips, seconds)


def _write_provenance(folder: Path, now: dict, checkpoint: Checkpoint | None) -> None:
    """What a run was begun with stays; that it was resumed, where and with what, is added to it."""
    path = folder / PROVENANCE
    if checkpoint is None:
        write_json(path, now)
        return
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}) though there is a checkpoint; {NEW_START}") from error
    kept = ("started", "commit", "python", "packages", "system", "processor", "device")
    resumed = {"windows": checkpoint.numbers["seen"], **{name: now[name] for name in kept}}
    write_json(path, {**begun, "resumed": [*begun.get("resumed", []), resumed]})


def _write_results(
    folder: Path, data: PoseDataset, trained: Trained, clips: pd.DataFrame, evaluation_seconds: float
) -> None:
    write_atomically(folder / "clips.csv", lambda path: clips.to_csv(path, index=False))
    write_json(folder / "metrics.json", summarise(clips))
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
        "parameters": trained.lifters.num_parameters,
        **({"unlabelled_windows": trained.unlabelled} if trained.unlabelled else {}),
    }
    write_json(folder / "timing.json", timing)
    write_card(Run(folder), data)
    finished = {
        "format": RESULT_FORMAT,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {name: _sha256(folder / name) for name in CHECKED},
    }
    write_json(folder / FINISHED, finished)
    (folder / PROGRESS).unlink(missing_ok=True)
    delete_checkpoints(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
