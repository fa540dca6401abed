"""Real runs as jobs of SLURM: whatever ends in between, they end like undisturbed ones."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from pose3d_lib.training.checkpoint import CHECKPOINT
from tests.helpers import slurm_cluster
from tests.helpers.sweep_processes import find_kernels, finish_sweep, logs_of, results, start_and_wait, wait_until


@pytest.mark.slurm
@pytest.mark.skipif(bool(slurm_cluster.why_not()), reason=slurm_cluster.why_not() or "there is one")
def test_a_sweep_on_slurm_loses_nothing_when_a_job_is_cancelled(tmp_path, undisturbed, monkeypatch) -> None:
    folder, outputs = Path(tempfile.mkdtemp(prefix="slurm-")), tmp_path / "outputs"  # sockets need a short path
    try:
        with slurm_cluster.slurm_cluster(folder) as environment:
            for name in ("SLURM_CONF", "PATH"):
                monkeypatch.setenv(name, environment[name])
            monkeypatch.setenv("DASK_JOBQUEUE__SLURM__MEMORY", "500MB")
            monkeypatch.setenv("DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS__HOST", "127.0.0.1")
            sweep = start_and_wait(outputs, ("sweep", "--scheduler", "slurm"))
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
