"""Sweeps as a terminal starts them, and the processes that work for one: what tests kill, and what may not be left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from pose3d_lib.training.checkpoint import CHECKPOINT

TINY = ("-p", "scale", "tiny", "-p", "preset", "tiny", "-p", "device", "cpu", "-p", "jobs", "2", "-p", "timed", "0")
RUNS = ("-p", "actions", "Sitting", "-p", "seeds", "0", "-p", "lengths", "6", "-p", "evaluate_at", "1")
"""Of two runs of some seconds."""

RESULTS = ("metrics.json", "clips.csv", "clips_published.csv", "model.safetensors")


def start_sweep(outputs: Path, *arguments: str, command: Sequence[str] = ("sweep",)) -> subprocess.Popen:
    """`pose3d sweep`, or another command, at the tiny scale, two runs at a time, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pose3d_lib.cli.main", *command, *TINY, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "POSE3D_OUTPUTS": str(outputs)},
        start_new_session=True,
    )  # fmt: skip


def finish_sweep(sweep: subprocess.Popen) -> None:
    """Wait for a sweep, which must end well."""
    said, _ = sweep.communicate(timeout=900)
    assert sweep.returncode == 0, said


def start_and_wait(outputs: Path, command: Sequence[str]) -> subprocess.Popen:
    """A sweep of RUNS, both of which train: for the first time to a checkpoint, and then on from theirs."""
    resumed = [log.count("resumes after") for log in logs_of(outputs)]
    sweep = start_sweep(outputs, *RUNS, command=command)

    def both_train() -> bool:
        if resumed:
            return sum(log.count("resumes after") for log in logs_of(outputs)) == sum(resumed) + 2
        return len(list(outputs.glob(f"runs/*/{CHECKPOINT}"))) == 2

    assert wait_until(both_train, 300), sweep.communicate()[0]
    return sweep


def logs_of(outputs: Path) -> list[str]:
    return [path.read_text() for path in outputs.glob("runs/*/run.log")]


def processes_of(outputs: Path) -> list[psutil.Process]:
    """Every living process that works on these outputs, whoever its parent is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("POSE3D_OUTPUTS") == str(outputs) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # gone meanwhile
            continue
    return found


def find_kernels(outputs: Path) -> list[psutil.Process]:
    """The kernels among them, started or forked."""
    found = []
    for process in processes_of(outputs):
        try:
            if "ipykernel_launcher" in process.cmdline() or (is_of_forks(process) and is_of_forks(process.parent())):
                found.append(process)
        except psutil.Error:
            continue
    return found


def is_of_forks(process: psutil.Process) -> bool:
    """Whether a process forks kernels, or was forked."""
    return "pose3d_lib.runs.sweep.forks" in process.cmdline()


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
    return bool(condition())


def results(outputs: Path) -> dict[str, bytes]:
    """All that has to be the same to the last digit, of every run."""
    return {
        f"{folder.name}/{name}": (folder / name).read_bytes()
        for folder in sorted((outputs / "runs").iterdir())
        for name in RESULTS
    }
