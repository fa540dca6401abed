"""Real runs on Dask's workers and on SLURM's jobs: whatever ends in between, they end like undisturbed ones."""

import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import CancelledError
from pathlib import Path

import distributed
import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import run_folder
from pose3d_lib.runs.sweep.cluster import open as clusters
from pose3d_lib.training.plan import plan_run
from tests.helpers import slurm_cluster
from tests.helpers.dask_cluster import (
    RUNS,
    check_same,
    configured,
    outputs_of,
    resumed,
    started_cluster,
    submit_runs,
    until,
    until_it_trains,
)
from tests.helpers.sweep_processes import start_sweep


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture(scope="module")
def undisturbed(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of three runs, the first of them longer, that were executed here and never stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with outputs_of(folder):
        for config in RUNS:
            execute_run(plan_run(config, tiny_data))
    return folder


@pytest.mark.slow
def test_the_command_sweeps_on_a_cluster_and_leaves_nothing_behind_when_it_is_stopped(
    tmp_path: Path, outputs: Path
) -> None:
    with started_cluster(tmp_path, workers=2) as started:
        command = ("sweep", "--scheduler", started.address)
        runs = ("-p", "actions", "Sitting", "-p", "lengths", "2", "-p", "evaluate_at", "1")
        sweep = start_sweep(outputs, *runs, command=command)
        until(lambda: len(list(outputs.glob("runs/*/checkpoint.state"))) == 2)
        sweep.terminate()
        said, _ = sweep.communicate(timeout=90)
        assert sweep.returncode != 0
        assert not list(outputs.glob("runs/*/finished.json")), "stopped too late to mean anything"
        assert not list((outputs / "jobs").iterdir()), said
        until(lambda: not list(outputs.glob("runs/*/.lease")))
        again = start_sweep(outputs, *runs, command=command)
        said, _ = again.communicate(timeout=300)
        assert again.returncode == 0, said
    logs = [path.read_text() for path in outputs.glob("runs/*/run.log")]
    assert len(logs) == 2
    assert all("stopped by SIGINT" in log and "resumes after" in log and "finished" in log for log in logs)


@pytest.mark.slow
def test_a_machine_that_dies_costs_no_run_and_leaves_no_kernel(
    tmp_path: Path, outputs: Path, tiny_data: PoseDataset, undisturbed: Path
) -> None:
    with started_cluster(tmp_path, workers=2) as started, clusters.open_executor(started.address) as executor:
        runs = submit_runs(executor, tiny_data)
        kernel = until_it_trains(RUNS[0], tiny_data)
        worker = kernel.parent()
        worker.parent().kill()  # the nanny, which would start another
        worker.kill()
        until(lambda: not kernel.is_running(), 20)
        assert [run.exception(600) for run in runs] == [None, None, None]
    assert len(resumed(RUNS[0], tiny_data)) == 1
    check_same(outputs, undisturbed, tiny_data)


@pytest.mark.slow
def test_a_worker_whose_time_is_over_hands_its_run_on_and_loses_nothing(
    tmp_path: Path, outputs: Path, tiny_data: PoseDataset, undisturbed: Path
) -> None:
    with started_cluster(tmp_path, workers=1) as started, clusters.open_executor(started.address) as executor:
        (run,) = submit_runs(executor, tiny_data, RUNS[:1])
        kernel = until_it_trains(RUNS[0], tiny_data)
        with distributed.Client(started.address, set_as_default=False) as client:
            client.retire_workers(list(client.scheduler_info()["workers"]))  # as a worker asks whose time is over
        started.workers[0].wait(60)
        assert not kernel.is_running()
        assert not run.done()
        started.add_worker()
        assert run.exception(600) is None
    log = (run_folder(RUNS[0], tiny_data) / "run.log").read_text()
    stopped = re.search(r"stopped by SIGINT after ([0-9,]+) of", log)
    assert stopped, log
    assert f"resumes after {stopped[1]} windows" in log
    check_same(outputs, undisturbed, tiny_data, RUNS[:1])


SWEEP = """
import sys
from tests.helpers.dask_cluster import RUNS, submit_runs
from pose3d_lib.runs.sweep.cluster import open as clusters
from pose3d_lib.data.open import open_dataset
with clusters.open_executor(sys.argv[1]) as executor:
    for run in submit_runs(executor, open_dataset(RUNS[0].data), RUNS[:1]):
        run.result()
"""


@pytest.mark.slow
def test_a_sweep_that_is_stopped_or_killed_leaves_no_kernel_at_work(tmp_path: Path, tiny_data: PoseDataset) -> None:
    log = run_folder(RUNS[0], tiny_data) / "run.log"
    with started_cluster(tmp_path, workers=1) as started:
        with clusters.open_executor(started.address) as executor:
            (run,) = submit_runs(executor, tiny_data, RUNS[:1])
            kernel = until_it_trains(RUNS[0], tiny_data)
        assert isinstance(run.exception(0), CancelledError)
        until(lambda: not kernel.is_running(), 30)
        assert log.read_text().count("stopped by SIGINT") == 1

        sweep = subprocess.Popen(
            [sys.executable, "-c", SWEEP, started.address], stdin=subprocess.DEVNULL, cwd=Path(__file__).parents[2]
        )
        until(lambda: "resumes after" in log.read_text() or sweep.poll(), 300)
        kernel = until_it_trains(RUNS[0], tiny_data)
        sweep.kill()
        sweep.wait()
        until(lambda: not kernel.is_running(), 30)
        assert log.read_text().count("stopped by SIGINT") == 2


@pytest.mark.slurm
@pytest.mark.skipif(bool(slurm_cluster.why_not()), reason=slurm_cluster.why_not() or "there is one")
def test_a_sweep_on_slurm_loses_nothing_when_a_job_is_cancelled(
    outputs: Path, tiny_data: PoseDataset, undisturbed: Path, monkeypatch
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short path: there are sockets in it
    try:
        with slurm_cluster.slurm_cluster(folder) as environment:
            for name in ("SLURM_CONF", "PATH"):
                monkeypatch.setenv(name, environment[name])
            with (
                configured("slurm", memory="500MB", scheduler_options={"host": "127.0.0.1"}),
                clusters.open_executor("slurm", jobs=2, device="cuda") as executor,
            ):
                runs = submit_runs(executor, tiny_data)
                kernel = until_it_trains(RUNS[0], tiny_data)
                subprocess.run(["scancel", kernel.parent().environ()["SLURM_JOB_ID"]], check=True)
                until(lambda: not kernel.is_running(), 30)
                assert [run.exception(400) for run in runs] == [None, None, None]
                until(lambda: "RUNNING" not in slurm_cluster.ask("squeue", "--noheader", "--format=%T"), 60)
            assert slurm_cluster.ask("squeue", "--noheader", "--states=PENDING,RUNNING") == ""
    finally:
        shutil.rmtree(folder)
    assert len(resumed(RUNS[0], tiny_data)) == 1
    check_same(outputs, undisturbed, tiny_data)
