"""One run from beginning to end: held, trained or resumed, tested, written. Killed at any moment, it resumes from there."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from pose3d_lib.common.errors import InputError, RunStopped
from pose3d_lib.common.files import remove_unfinished, sha256_of, write_atomically, write_json
from pose3d_lib.common.paths import make_folder
from pose3d_lib.model.card import PUBLISHED, RECOMPUTED
from pose3d_lib.model.evaluate import evaluate_lifters, summarise
from pose3d_lib.runs import layout
from pose3d_lib.runs.inventory import check_finished
from pose3d_lib.runs.layout import Progress, Whole, is_finished, read_json
from pose3d_lib.runs.lease import hold_run
from pose3d_lib.runs.models import write_card
from pose3d_lib.runs.run import DAMAGED_REMEDY, Run, run_folder
from pose3d_lib.runs.signals import catch_signals
from pose3d_lib.runs.start import describe_provenance, load_start
from pose3d_lib.training.checkpoint import NEW_START, Checkpoint, delete_checkpoints, load_checkpoint, save_checkpoint
from pose3d_lib.training.history import HistoryRow, Trained
from pose3d_lib.training.loop import in_turn, train
from pose3d_lib.training.plan import RunPlan, plan_baseline
from pose3d_lib.training.recompute import recompute_statistics


def execute_run(
    plan: RunPlan,
    *,
    say: Callable[[str], None] = lambda line: None,
    on_row: Callable[[HistoryRow], None] = lambda row: None,
) -> Run:
    """Train and evaluate a run and write its folder; resume from its checkpoint, or read it if it is already finished.

    Args:
        plan: of the run, as `plan_run` makes it.
        say: called with a line of text about what happens.
        on_row: called with every line of history once it is written; a resumed run does not give the earlier ones again.

    Waits for another process that holds the run, on this machine or on another that sees the same folder; a process that is
    dead, or shows no sign of life for LEASE_SECONDS, holds it no longer.

    Raises:
        InputError: the run to start from does not suit this one, or the folder cannot be read or written.
        RunStopped: SIGINT or SIGTERM came during training or testing; the state is saved.
        FloatingPointError: the loss is no longer finite.
        MemoryError: there is too little memory; the message says what to change. The run resumes from its checkpoint.
    """
    folder = run_folder(plan.config, plan.data)
    if is_finished(folder):
        check_finished(folder, DAMAGED_REMEDY)
        say(f"finished before; read from {folder}")
        return Run(folder)
    load_start(plan)  # what cannot be started from is refused before anything waits
    make_folder(folder)
    try:
        with hold_run(folder, say) as check_held:
            if is_finished(folder):
                say(f"finished meanwhile; read from {folder}")
            else:
                with _logged(folder, say) as tell:
                    _train_and_test(folder, plan, check_held, tell, on_row)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise MemoryError(
            f"{folder}: memory ran out ({str(error).splitlines()[0]}). With fewer jobs at a time, or "
            "other programs ended, the same call resumes the run; a smaller batch_size needs less, and is another run"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); finished runs are as they were. Once that is repaired, "
            "the same call resumes the run"
        ) from error
    return Run(folder)


@contextmanager
def _logged(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Yields a function that says a line and writes it to LOG, where the end is written too."""

    def log(line: str) -> None:
        with (folder / layout.LOG).open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")

    def tell(line: str) -> None:
        log(line)
        say(line)

    try:
        yield tell
    except BaseException as error:
        with suppress(OSError):  # the problem may be that nothing can be written
            log(f"{type(error).__name__}: {error}")
        raise
    log("finished")


def _train_and_test(
    folder: Path,
    plan: RunPlan,
    check_held: Callable[[], None],
    tell: Callable[[str], None],
    on_row: Callable[[HistoryRow], None],
) -> None:
    """Trains what is left to train, evaluates, and writes the files of a finished run."""
    config, data, budget = plan.config, plan.data, plan.budget
    remove_unfinished(folder)
    checkpoint, problem = load_checkpoint(folder)
    if problem:
        tell(f"{problem}; resuming from the checkpoint before it")
    tell(f"run folder: {folder}")
    initial, start = (None, None) if checkpoint else load_start(plan)
    if start:
        tell(f"starts with the weights of {config.start_from}")
    write_json(folder / layout.CONFIG, config.model_dump(mode="json"))
    _write_provenance(folder, describe_provenance(config, data, start), checkpoint)
    if checkpoint:
        tell(f"resumes after {checkpoint.numbers['seen']:,} windows")
    seen_before = checkpoint.numbers["seen"] if checkpoint else 0
    seconds_before = float(checkpoint.numbers["train_seconds"]) if checkpoint else 0.0
    losses, stops = [], []
    begun = time.perf_counter()

    def report(windows: int, total: int) -> None:
        check_held()
        progress = Progress(
            windows=windows,
            total=total,
            seconds=seconds_before + time.perf_counter() - begun,
            at=time.time(),
            epoch=windows / budget.per_epoch,
            epochs=budget.epochs,
            train_mpjpe=losses[-1] if losses else None,
        )
        write_json(folder / layout.PROGRESS, progress.model_dump(), durable=False)

    def keep(state: Checkpoint) -> None:
        check_held()
        save_checkpoint(folder, state)

    def record(row: HistoryRow) -> None:
        check_held()
        history.write(json.dumps(row.as_json()) + "\n")
        history.flush()
        losses.append(row.train_mpjpe)
        if row.windows > seen_before:
            on_row(row)

    with catch_signals(stops.append), (folder / layout.HISTORY).open("w", encoding="utf-8") as history:
        trained = train(
            plan,
            initial=initial,
            resume=checkpoint,
            baseline=in_turn(plan_baseline(plan)) if config.timed else None,
            on_row=record,
            on_progress=report,
            on_checkpoint=keep,
            stop=lambda: stops[0] if stops else "",
        )
        os.fsync(history.fileno())  # before FINISHED says that it is whole
    report(trained.seen, trained.seen)
    tell(f"trained in {trained.train_seconds:.1f} s; testing on {len(plan.test)} clip{'s' * (len(plan.test) != 1)}")

    def leave(name: str) -> None:  # at once: testing changes no file
        raise RunStopped(f"stopped by {name} while it was tested; the same call resumes from its last checkpoint")

    lifters = trained.lifters
    with catch_signals(leave):
        published = {name: tensor.cpu().clone() for name, tensor in lifters.statistics.items()}
        clips = {PUBLISHED: evaluate_lifters(lifters, data, plan.test, config.keypoints, mirror=config.mirror_testing)}
        times = [time.perf_counter()]
        lifters.load_statistics(recompute_statistics(trained.objective, config, trained))
        times.append(time.perf_counter())
        clips[RECOMPUTED] = evaluate_lifters(lifters, data, plan.test, config.keypoints, mirror=config.mirror_testing)
        times.append(time.perf_counter())
    weights = {name: tensor.contiguous() for name, tensor in lifters.state_dict().items()}
    check_held()
    write_atomically(folder / layout.WEIGHTS, lambda path: save_file(weights, path))
    write_atomically(folder / layout.STATISTICS_PUBLISHED, lambda path: save_file(published, path))
    _write_results(folder, plan, trained, clips, times)


def _write_provenance(folder: Path, now: dict, checkpoint: Checkpoint | None) -> None:
    """Keeps what a run was begun with; where and with what it was resumed is added."""
    path = folder / layout.PROVENANCE
    if checkpoint is None:
        write_json(path, now)
        return
    try:
        begun = read_json(path, Whole).root
    except InputError as error:
        raise InputError(f"{folder}: {error}, though there is a checkpoint; {NEW_START}") from error
    kept = ("started", "commit", "python", "packages", "system", "processor", "device")
    resumed = {"windows": checkpoint.numbers["seen"], **{name: now[name] for name in kept}}
    write_json(path, {**begun, "resumed": [*begun.get("resumed", []), resumed]})


def _write_results(
    folder: Path, plan: RunPlan, trained: Trained, clips: Mapping[str, pd.DataFrame], times: Sequence[float]
) -> None:
    """`clips` with either statistics; `times` before and after these were recomputed, and after the second test."""
    for name, statistics in ((layout.CLIPS, RECOMPUTED), (layout.CLIPS_PUBLISHED, PUBLISHED)):
        write_atomically(folder / name, lambda path, own=clips[statistics]: own.to_csv(path, index=False))
    errors = {**summarise(clips[RECOMPUTED]), layout.PUBLISHED: summarise(clips[PUBLISHED])}
    write_json(folder / layout.ERRORS, errors)
    timing = {
        "train_seconds": trained.train_seconds,
        "train_cpu_seconds": trained.train_cpu_seconds,
        "test_seconds_on_the_way": trained.test_seconds,
        "recomputing_seconds": times[1] - times[0],
        "evaluation_seconds": times[2] - times[1],
        "evaluated_frames": int(clips[RECOMPUTED].frames.sum()),
        "windows": trained.seen,
        "windows_per_epoch": plan.budget.per_epoch,
        "windows_per_unit_epoch": plan.budget.unit,
        "t": plan.budget.t,
        "epochs": plan.budget.epochs,
        "steps": trained.steps,
        "parameters": trained.lifters.num_parameters,
        **({"unlabelled_windows": trained.unlabelled} if trained.unlabelled else {}),
        **({"baseline": asdict(trained.baseline)} if trained.baseline else {}),
    }
    write_json(folder / layout.TIMING, timing)
    write_card(Run(folder), plan)
    finished = {
        "format": layout.RESULT_FORMAT,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {name: sha256_of(folder / name) for name in layout.NEEDED},
    }
    write_json(folder / layout.FINISHED, finished)
    (folder / layout.PROGRESS).unlink(missing_ok=True)
    delete_checkpoints(folder)
