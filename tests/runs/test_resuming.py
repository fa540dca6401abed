"""A run that was stopped or killed, at whatever moment, ends with the numbers of a run that never was."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError, RunStopped
from pose3d_lib.common.paths import make_folder
from pose3d_lib.data.dataset import PoseDataset, save_dataset
from pose3d_lib.model.precision import PRECISIONS
from pose3d_lib.runs import execute, lease
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import LEASE, NEEDED
from pose3d_lib.runs.lease import CLAIM, RunLost, claim_run, hold_run
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.training import loop
from pose3d_lib.training.checkpoint import CHECKPOINT, PREVIOUS, Checkpoint, load_checkpoint
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow
from pose3d_lib.training.loop import train
from pose3d_lib.training.plan import plan_run
from tests.helpers.listed_runs import write_lease
from tests.helpers.short_runs import short_config, train_whole, weights_of

RESULTS = ("metrics.json", "clips.csv", "clips_published.csv", "config.json", "model.safetensors")


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step."""
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", -1)


def config(action: str = "Sitting", **changes) -> RunConfig:
    return short_config(action, **{"evaluate_at": (0.4,), "recompute_at": (0.4,), **changes})


# The training


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("action", ["All", "Sitting"])
def test_from_every_step_on_training_ends_the_same_bit_for_bit(action: str, precision: str, data: PoseDataset) -> None:
    chosen = config(action, precision=precision, unit_epochs=1.2)
    trained, rows, checkpoints = train_whole(chosen, data)
    assert [c.numbers["steps"] for c in checkpoints] == list(range(1, trained.steps + 1))
    for checkpoint in checkpoints:
        again, rows_again, _ = train_whole(chosen, data, resume=checkpoint)
        assert weights_of(again) == weights_of(trained), checkpoint.numbers["steps"]
        assert rows_again == rows
        assert (again.seen, again.steps) == (trained.seen, trained.steps)


def test_seconds_of_training_are_added_up_and_another_network_is_refused(data: PoseDataset, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    _, _, checkpoints = train_whole(config(), data)
    assert [checkpoint.numbers["seen"] for checkpoint in checkpoints] == [60, 120, 180, 200], "at every epoch's end"
    last = checkpoints[-1]
    last.numbers.update(train_seconds=1000.0, train_cpu_seconds=2000.0, test_seconds=3000.0)
    again, _, _ = train_whole(config(), data, resume=last)
    seconds = (again.train_seconds, again.train_cpu_seconds, again.test_seconds)
    assert seconds == pytest.approx((1000, 2000, 3000), abs=10)
    with pytest.raises(InputError, match="of another network"):
        train(plan_run(config(channels=7), data), resume=checkpoints[0])


def checkpoint_times(
    chosen: RunConfig, data: PoseDataset, monkeypatch, *, tick: float, cost: float = 0.0
) -> list[float]:
    """The seconds between checkpoints on a clock that moves by `tick` at every look and by `cost` at every checkpoint."""
    now, kept = [0.0], []

    def clock() -> float:
        now[0] += tick
        return now[0]

    def keep(_: Checkpoint) -> None:
        kept.append(now[0])
        now[0] += cost

    monkeypatch.setattr(loop.time, "perf_counter", clock)
    train(plan_run(chosen, data), on_checkpoint=keep)
    return np.diff(kept).tolist()


def test_checkpoints_take_a_small_share_of_the_time_and_are_a_minute_apart_at_most(data, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 0.1)
    apart = checkpoint_times(config(unit_epochs=30), data, monkeypatch, tick=0.001, cost=0.02)
    assert min(apart) > 0.2
    apart = checkpoint_times(config("All", batch_size=2), data, monkeypatch, tick=2.0)
    assert len(apart) > 4
    assert max(apart) < 60 + 20  # one step's ticks


# Stopped


def run_undisturbed(config: RunConfig, data: PoseDataset, folder: Path) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(folder))
        return results(execute_run(plan_run(config, data)))


@pytest.fixture(scope="module")
def expected(data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The results of an undisturbed run of `config()`."""
    return run_undisturbed(config(), data, tmp_path_factory.mktemp("undisturbed"))


def stop_after(rows: int, number: int):
    """An `on_row` that sends this process a signal once so many rows have come."""
    seen: list[HistoryRow] = []

    def on_row(row: HistoryRow) -> None:
        seen.append(row)
        if len(seen) == rows:
            os.kill(os.getpid(), number)

    return on_row


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_it_has_saved_and_the_next_call_goes_on(number, data, outputs, expected) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(RunStopped, match=rf"stopped by {number.name} after 60 of 200 windows") as stopped:
        execute_run(plan_run(config(), data), on_row=stop_after(1, number))
    assert stopped.value._render_traceback_() == ["Stopped at 30 %. Run this cell again to continue."], "in a notebook"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    folder = run_folder(config(), data)
    assert load_checkpoint(folder)[0].numbers["seen"] == 60
    assert not (folder / LEASE).exists()
    provenance = (folder / "provenance.json").rename(folder / "kept")
    with pytest.raises(InputError, match=rf"{folder}: provenance.json: cannot be read .*delete both checkpoints"):
        execute_run(plan_run(config(), data))
    provenance.rename(folder / "provenance.json")
    said, rows = [], []
    run = execute_run(plan_run(config(), data), say=said.append, on_row=rows.append)
    assert "resumes after 60 windows" in said
    assert [row.windows for row in rows] == [92, 120, 180, 200], "earlier rows are not given again"
    assert run.history.windows.tolist() == [60, 92, 120, 180, 200]
    assert results(run) == expected
    assert not {CHECKPOINT, PREVIOUS} & {path.name for path in folder.iterdir()}
    assert [entry["windows"] for entry in run.provenance["resumed"]] == [60]
    log = (folder / "run.log").read_text().splitlines()
    assert [line.split(" ", 1)[1].split(":")[0] for line in log if "after 60" in line] == [
        "RunStopped",
        "resumes after 60 windows",
    ]
    assert log[-1].endswith(" finished")


def results(run: Run) -> dict[str, object]:
    """All that has to be the same to the last digit."""
    history = [json.loads(line) for line in (run.folder / "history.jsonl").read_text().splitlines()]
    rows = [{name: value for name, value in row.items() if "seconds" not in name} for row in history]
    return {**{name: (run.folder / name).read_bytes() for name in RESULTS}, "history": rows}


def test_a_signal_within_an_epoch_saves_there(data: PoseDataset, outputs: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", -1)
    expected = run_undisturbed(config("All"), data, tmp_path)
    reports: list[str] = []
    write = execute.write_json

    def count(path: Path, *arguments, **keywords) -> None:
        reports.append(path.name)
        if reports[-1] == "progress.json" and reports.count("progress.json") == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        write(path, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(execute, "write_json", count)
        with pytest.raises(RunStopped, match=r"after (48|64) of 200"):
            execute_run(plan_run(config("All"), data))
    assert results(execute_run(plan_run(config("All"), data))) == expected


def test_a_signal_while_it_is_tested_ends_the_run_at_once(data, outputs, expected: dict, monkeypatch) -> None:
    evaluate = execute.evaluate_lifters

    def disturbed(*arguments: object, **keywords: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(execute, "evaluate_lifters", disturbed)
        with pytest.raises(RunStopped, match=r"stopped by SIGTERM while it was tested"):
            execute_run(plan_run(config(), data))
    folder = run_folder(config(), data)
    assert not (folder / LEASE).exists()
    assert "stopped by SIGTERM while" in (folder / "run.log").read_text().splitlines()[-1]
    assert results(execute_run(plan_run(config(), data))) == expected


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at open files in /proc")
def test_the_disk_has_every_file_and_its_name_before_the_run_is_called_finished(data, outputs, monkeypatch) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.strip("."))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    folder = execute_run(plan_run(config(), data)).folder
    at_the_end = [name for name in flushed if name.startswith("finished.json")]
    assert len(at_the_end) == 1
    before = flushed[: flushed.index(at_the_end[0])]
    assert {re.sub(r"\.\d+(\.\w+)?$", "", name) for name in before} >= {*NEEDED}
    assert before[-1] == folder.name
    assert flushed[-1] == folder.name


# Killed

KILLED = """
import os, signal, sys, traceback
from pathlib import Path
from pose3d_lib.training import loop
from pose3d_lib.training.config import RunConfig
from pose3d_lib.data.dataset import load_dataset
from pose3d_lib.training.plan import plan_run
from pose3d_lib.runs.execute import execute_run

loop.SECONDS_BETWEEN_CHECKPOINTS = -1
config, data = RunConfig.model_validate_json(sys.argv[2]), load_dataset(Path(sys.argv[1]))
moments = 0

def before(module, name):
    function = getattr(module, name)
    def killed(*arguments, **keywords):
        global moments
        moments += 1
        if moments == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)
    setattr(module, name, killed)

for module, name in ((os, "replace"), (os, "fsync"), (os, "unlink"), (os, "mkdir")):
    before(module, name)

def attempt(at):
    global kill_at, moments
    kill_at, moments = at, 0
    child = os.fork()  # before PyTorch has any thread
    if child == 0:
        status = 1
        try:
            execute_run(plan_run(config, data))
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

at = 1
while True:
    os.environ["POSE3D_OUTPUTS"] = f"{sys.argv[3]}/{at}"
    first = attempt(at)
    finished = int(any(Path(os.environ["POSE3D_OUTPUTS"]).glob("runs/*/finished.json")))
    print(at, first, finished, attempt(0), flush=True)
    if first == 0:
        break
    at += int(sys.argv[4])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_before_any_change_to_a_file_the_next_call_ends_with_the_same_numbers(
    step: int, data: PoseDataset, outputs: Path, tmp_path: Path
) -> None:
    """Every renaming, flushing, deleting and making of a folder is a moment to be killed at; or every eleventh of them."""
    save_dataset(data, tmp_path / "data.safetensors")
    chosen = config(batch_size=30, unit_epochs=0.5)
    expected = run_undisturbed(chosen, data, tmp_path)
    command = [sys.executable, "-c", KILLED, tmp_path / "data.safetensors", chosen.model_dump_json()]
    command += [tmp_path / "k", str(step)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    attempts = [tuple(map(int, line.split())) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert len(attempts) > 5
    assert {(first, second) for _, first, _, second in attempts[:-1]} == {(-signal.SIGKILL, 0)}, ended.stderr[-2000:]
    assert attempts[-1][1:] == (0, 1, 0)
    name = run_folder(chosen, data).name
    for at, _, finished, _ in attempts:
        folder = tmp_path / "k" / str(at) / "runs" / name
        assert results(Run(folder)) == expected, f"killed at moment {at}"
        left = {path.name for path in folder.iterdir()}
        if not finished:  # what is killed after that leaves nothing that another call would look at
            assert not {one for one in left if one.startswith(".") or "checkpoint" in one}, f"killed at moment {at}"


# Held


def test_a_dead_process_s_hold_on_this_machine_is_recognised_at_once(data: PoseDataset, outputs: Path) -> None:
    folder = make_folder(run_folder(config(), data))
    dead = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    dead.wait()
    write_lease(folder, host=socket.gethostname(), pid=dead.pid)
    begun = time.monotonic()
    said: list[str] = []
    execute_run(plan_run(config(), data), say=said.append)
    assert time.monotonic() - begun < 20
    assert not [line for line in said if "waiting" in line]


@pytest.mark.parametrize("exchanges", [True, False], ids=["local", "NFS"])
def test_another_machine_s_hold_lasts_as_long_as_it_shows_signs_of_life(exchanges, data, outputs, monkeypatch) -> None:
    """Also where two names cannot be exchanged, which is how filelock takes a lease over: NFS and SMB refuse it."""
    if not exchanges:
        monkeypatch.setattr("filelock._soft.exchange_names", lambda one, other: False)
    for name, seconds in (("LEASE_SECONDS", 0.5), ("SECONDS_TO_TAKE_OVER", 0.1), ("SECONDS_BETWEEN_TRIES", 0.1)):
        monkeypatch.setattr(lease, name, seconds)
    folder = make_folder(run_folder(config(), data))
    write_lease(folder, pid=12345, seconds=0.5)
    alive_until = time.monotonic() + 0.8

    def beat() -> None:
        while time.monotonic() < alive_until:
            os.utime(folder / LEASE)
            time.sleep(0.1)

    heart = threading.Thread(target=beat)
    heart.start()
    said: list[str] = []
    execute_run(plan_run(config(), data), say=said.append)
    heart.join()
    assert time.monotonic() > alive_until + 0.4
    assert said[0] == f"process 12345 on elsewhere is training this run ({folder}); waiting for it"
    assert Run(folder).metrics
    assert not list(folder.glob(".lease*"))


def test_a_lease_that_cannot_be_read_just_now_is_not_lost(tmp_path: Path, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(116, "Stale file handle")

    with hold_run(tmp_path, print) as check_held:
        with monkeypatch.context() as patch:
            patch.setattr("filelock._soft.read_lock_file", fails)
            patch.setattr(Path, "stat", fails)
            check_held()
        check_held()
        (tmp_path / LEASE).unlink()
        with pytest.raises(RunLost):
            check_held()


def test_a_lease_of_another_duration_is_refused_by_name(tmp_path: Path) -> None:
    write_lease(tmp_path, seconds=30.0)
    with pytest.raises(InputError, match=r"\.lease: another version wrote it .*30.0s.*delete it"), claim_run(tmp_path):
        pass


def take_over(folder: Path) -> None:
    """As another process does, which saw no sign of life."""
    held = (folder / LEASE).read_text()
    (folder / LEASE).unlink()
    (folder / LEASE).write_text(re.sub("token=.*", "token=another", held))


@pytest.mark.parametrize("between_reports", [-1, 1e9], ids=["at its next step", "at its next row"])
def test_who_lost_a_run_writes_nothing_more(between_reports: float, data: PoseDataset, outputs, monkeypatch) -> None:
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_REPORTS", between_reports)
    folder = run_folder(config(), data)
    before: dict[str, bytes] = {}

    def taken_over(_: HistoryRow) -> None:
        if not before:
            take_over(folder)
            before.update({path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".log"})

    with pytest.raises(RunLost, match="another process took this run over"):
        execute_run(plan_run(config(), data), on_row=taken_over)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".log"} == before


def test_a_kernel_trains_under_the_claim_of_the_process_that_started_it_and_no_other_does(
    data: PoseDataset, outputs: Path, monkeypatch
) -> None:
    folder = make_folder(run_folder(config(), data))
    said: list[str] = []
    with claim_run(folder) as token:
        with claim_run(folder) as second:
            assert second is None
        monkeypatch.setenv(CLAIM, token)
        run = execute_run(plan_run(config(), data), say=said.append)
        assert (folder / LEASE).is_file(), "the claim stays with the one who made it"
    assert run.metrics
    assert not [line for line in said if "waiting" in line]
    with hold_run(folder, print) as check_held:  # the token is of a claim that is gone
        check_held()
        take_over(folder)
        with pytest.raises(RunLost):
            check_held()


def test_memory_that_runs_out_is_told_with_what_to_do_and_the_run_resumes(data, outputs, monkeypatch) -> None:
    def run_out(*_: object, **__: object) -> None:
        np.empty(1 << 60, np.uint8)

    with monkeypatch.context() as patch:
        patch.setattr(execute, "evaluate_lifters", run_out)
        with pytest.raises(MemoryError, match=r"memory ran out \(Unable to allocate.*smaller batch_size"):
            execute_run(plan_run(config(), data))
    said: list[str] = []
    execute_run(plan_run(config(), data), say=said.append)
    assert any("resumes after" in line for line in said)


# Hindered


def test_a_damaged_checkpoint_is_told_and_the_one_before_gone_on_from(data, outputs, expected, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
        with pytest.raises(RunStopped):
            execute_run(plan_run(config(), data), on_row=stop_after(3, signal.SIGTERM))
    folder = run_folder(config(), data)
    content = bytearray((folder / CHECKPOINT).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / CHECKPOINT).write_bytes(content)
    said: list[str] = []
    run = execute_run(plan_run(config(), data), say=said.append)
    assert "damaged" in said[0]
    assert "resumes after 60 windows" in said
    assert results(run) == expected
    (folder / "finished.json").unlink()
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=r"delete both checkpoints there"):
        execute_run(plan_run(config(), data))


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(data: PoseDataset, outputs, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    steps = loop.TrainingSteps.__call__
    made: list[int] = []

    def spoil(self, *numbers) -> None:
        steps(self, *numbers)
        made.append(1)
        if len(made) == 6:
            next(self._lifters.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(loop.TrainingSteps, "__call__", spoil)
    with pytest.raises(FloatingPointError, match="no longer finite"):
        execute_run(plan_run(config(evaluate_at=(), recompute_at=()), data))
    found, _ = load_checkpoint(run_folder(config(evaluate_at=(), recompute_at=()), data))
    assert found.numbers["seen"] == 60
    assert all(tensor.isfinite().all() for name, tensor in found.tensors.items() if tensor.is_floating_point())
