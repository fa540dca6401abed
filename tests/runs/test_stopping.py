"""Whole sweeps that are disturbed: nothing goes on behind one, and the next ends with the numbers of an undisturbed one."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from pose3d_lib.training.checkpoint import CHECKPOINT
from tests.helpers.dask_cluster import started_cluster
from tests.helpers.sweep_processes import (
    RUNS,
    find_kernels,
    finish_sweep,
    logs_of,
    processes_of,
    results,
    start_and_wait,
    start_sweep,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")]


def interrupt(outputs: Path, sweep: subprocess.Popen) -> None:
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does; kernels have sessions of their own


def terminate(outputs: Path, sweep: subprocess.Popen) -> None:
    sweep.terminate()


def kill(outputs: Path, sweep: subprocess.Popen) -> None:
    sweep.kill()


def kill_a_kernel(outputs: Path, sweep: subprocess.Popen) -> None:
    find_kernels(outputs)[0].kill()


SWEEP, NOTEBOOK = ("sweep",), ("run", "03_action_based")
DISTURBANCES = [(SWEEP, terminate), (NOTEBOOK, interrupt), (NOTEBOOK, kill), (SWEEP, kill_a_kernel)]


def test_nothing_goes_on_behind_a_sweep_that_is_disturbed_again_and_again_and_the_last_one_completes_it(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    outputs = tmp_path / "outputs"
    try:
        for command, disturb in DISTURBANCES:
            sweep = start_and_wait(outputs, command)
            disturb(outputs, sweep)
            said, _ = sweep.communicate(timeout=300)
            assert sweep.returncode != 0
            assert "Traceback" not in said
            finished = len(list(outputs.glob("runs/*/finished.json")))
            assert finished == (disturb is kill_a_kernel), f"{disturb.__name__}: too late to mean anything"
            assert wait_until(lambda: not processes_of(outputs), 20), processes_of(outputs)
            assert list(outputs.glob(f"runs/*/{CHECKPOINT}"))
            if disturb in (terminate, interrupt):
                assert all("stopped by SIG" in log.splitlines()[-1] for log in logs_of(outputs)), "not saved"
    finally:
        for process in processes_of(outputs):
            process.kill()
    for part in ("1 of 2 runs failed", "its kernel was killed", "the same command again runs only those that failed"):
        assert part in said
    finish_sweep(start_sweep(outputs, *RUNS, command=NOTEBOOK))
    assert results(outputs) == undisturbed
    assert not processes_of(outputs)


def test_a_stopped_sweep_on_workers_leaves_nothing_behind_and_workers_that_end_and_die_cost_the_next_one_no_run(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    outputs = tmp_path / "outputs"
    with started_cluster(tmp_path, workers=2) as cluster:
        command = ("sweep", "--scheduler", cluster.address)
        sweep = start_and_wait(outputs, command)
        sweep.terminate()
        said, _ = sweep.communicate(timeout=90)
        assert sweep.returncode != 0
        assert not list(outputs.glob("runs/*/finished.json")), "stopped too late to mean anything"
        assert not list((outputs / "jobs").iterdir()), said
        assert wait_until(lambda: not find_kernels(outputs) and not list(outputs.glob("runs/*/.lease")), 60)
        assert all(log.count("stopped by SIGINT") == 1 for log in logs_of(outputs))

        sweep = start_and_wait(outputs, command)
        ending, dying = cluster.parts[1:]
        ending.terminate()  # as a batch system does at a time limit
        for process in (*psutil.Process(dying.pid).children(), dying):  # the worker, and its nanny
            process.kill()
        assert wait_until(lambda: not find_kernels(outputs), 60)
        cluster.add_worker()
        finish_sweep(sweep)
    assert results(outputs) == undisturbed
    logs = logs_of(outputs)
    assert all(log.count("resumes after") == 2 for log in logs), logs
    assert sum(log.count("stopped by SIGINT") for log in logs) == 3, logs
