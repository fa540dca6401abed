"""Real runs on Dask's workers and on SLURM's jobs: whatever ends in between, they end like undisturbed ones."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from pose3d_lib.training.checkpoint import CHECKPOINT
from tests.helpers import slurm_cluster
from tests.helpers.dask_cluster import started_cluster
from tests.helpers.sweep_processes import (
    RUNS,
    find_kernels,
    finish_sweep,
    logs_of,
    results,
    start_and_wait,
    start_sweep,
    wait_until,
)


def on(scheduler: str) -> tuple[str, ...]:
    return "sweep", "--scheduler", scheduler


@pytest.mark.slow
def test_workers_that_end_and_that_die_cost_no_run_and_leave_no_kernel(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    outputs = tmp_path / "outputs"
    with started_cluster(tmp_path, workers=2) as cluster:
        sweep = start_and_wait(outputs, on(cluster.address))
        ending, dying = cluster.parts[1:]
        ending.terminate()  # as a batch system does at a time limit
        for process in (*psutil.Process(dying.pid).children(), dying):  # the worker, and its nanny
            process.kill()
        assert wait_until(lambda: not find_kernels(outputs), 60)
        cluster.add_worker()
        finish_sweep(sweep)
    assert results(outputs) == undisturbed
    logs = logs_of(outputs)
    assert all("resumes after" in log for log in logs), logs
    assert sum("stopped by SIGINT" in log for log in logs) == 1, logs


@pytest.mark.slow
def test_a_stopped_sweep_leaves_nothing_behind_and_the_next_one_completes_it(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    outputs = tmp_path / "outputs"
    with started_cluster(tmp_path, workers=2) as cluster:
        sweep = start_and_wait(outputs, on(cluster.address))
        sweep.terminate()
        said, _ = sweep.communicate(timeout=90)
        assert sweep.returncode != 0
        assert not list(outputs.glob("runs/*/finished.json")), "stopped too late to mean anything"
        assert not list((outputs / "jobs").iterdir()), said
        assert wait_until(lambda: not find_kernels(outputs) and not list(outputs.glob("runs/*/.lease")), 60)
        finish_sweep(start_sweep(outputs, *RUNS, command=on(cluster.address)))
    assert results(outputs) == undisturbed
    logs = logs_of(outputs)
    assert all("stopped by SIGINT" in log and "resumes after" in log for log in logs), logs


@pytest.mark.slurm
@pytest.mark.skipif(bool(slurm_cluster.why_not()), reason=slurm_cluster.why_not() or "there is one")
def test_a_sweep_on_slurm_loses_nothing_when_a_job_is_cancelled(
    tmp_path: Path, undisturbed: dict[str, bytes], monkeypatch
) -> None:
    folder, outputs = Path(tempfile.mkdtemp(prefix="slurm-")), tmp_path / "outputs"  # sockets need a short path
    try:
        with slurm_cluster.slurm_cluster(folder) as environment:
            for name in ("SLURM_CONF", "PATH"):
                monkeypatch.setenv(name, environment[name])
            monkeypatch.setenv("DASK_JOBQUEUE__SLURM__MEMORY", "500MB")
            monkeypatch.setenv("DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS__HOST", "127.0.0.1")
            sweep = start_and_wait(outputs, on("slurm"))
            kernel = find_kernels(outputs)[0]
            subprocess.run(["scancel", kernel.environ()["SLURM_JOB_ID"]], check=True)
            assert wait_until(lambda: not kernel.is_running(), 60)
            finish_sweep(sweep)
            assert slurm_cluster.ask("squeue", "--noheader", "--states=PENDING,RUNNING") == ""
    finally:
        shutil.rmtree(folder)
    assert results(outputs) == undisturbed
    assert sum("resumes after" in log for log in logs_of(outputs)) == 1
    assert not list(outputs.glob(f"runs/*/{CHECKPOINT}"))
