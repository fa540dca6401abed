"""Sweeps on Dask: what is refused before anything starts, and calls on real workers."""

import asyncio
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import distributed
import pytest

from pose3d_lib.common import paths
from pose3d_lib.common.errors import InputError
from pose3d_lib.runs.sweep.cluster import open as clusters
from pose3d_lib.runs.sweep.cluster import worker as workers
from pose3d_lib.runs.sweep.cluster.executor import suitable_workers
from pose3d_lib.runs.sweep.cluster.worker import Home
from pose3d_lib.runs.sweep.kernel import NotebookFailed
from tests.helpers.dask_cluster import end_parts, start_part, started_cluster, until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers."""
    with started_cluster(tmp_path_factory.mktemp("cluster"), workers=2) as started:
        yield started.address


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ("slrum", r"unknown scheduler 'slrum'; did you mean 'slurm'\?.*tcp://host:8786"),
        ("host:8786", "unknown scheduler 'host:8786'"),
        ("tcp://host", "unknown scheduler"),
        ("tcp://:8786", "unknown scheduler"),
        ("http://host:8786", "unknown scheduler"),
        ("", "unknown scheduler ''"),
    ],
)
def test_an_unknown_scheduler_is_refused(scheduler: str, said: str) -> None:
    with pytest.raises(InputError, match=said), clusters.open_executor(scheduler):
        pass


@pytest.mark.parametrize("scheduler", ["slurm", "tcp://host:8786"])
def test_without_dask_one_is_told_what_to_install(scheduler: str, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs distributed.*pip install -e '\.\[cluster\]'"):
        clusters.check_scheduler(scheduler)


def test_the_library_can_be_imported_without_dask() -> None:
    without = "import sys; sys.modules.update(dask=None, distributed=None, dask_jobqueue=None)"
    code = f"{without}; import pose3d_lib.runs.sweep.cluster.open"
    subprocess.run([sys.executable, "-c", code], check=True, stdin=subprocess.DEVNULL, timeout=60)


def test_an_address_where_nobody_answers_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(clusters, "LONGEST_WAIT", 0.5)
    with (
        pytest.raises(InputError, match="no Dask scheduler answers there"),
        clusters.open_executor("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused_with_the_command_that_starts_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "LONGEST_WAIT", 0.5)
    with started_cluster(tmp_path, workers=0) as started:
        said = f"it has no workers.*dask worker {started.address} --nthreads 1$"
        with pytest.raises(InputError, match=said), clusters.open_executor(started.address):
            pass


def test_runs_on_a_gpu_need_a_worker_with_one(cluster: str, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "LONGEST_WAIT", 0.5)
    said = "none of its 2 workers has the resource GPU.*--resources GPU=1"
    with pytest.raises(InputError, match=said), clusters.open_executor(cluster, device="cuda"):
        pass


def test_on_a_cluster_with_and_without_gpus_runs_on_a_gpu_go_where_one_is(cluster: str, tmp_path: Path) -> None:
    with_one = start_part(tmp_path, "worker", cluster, "--nthreads", "1", "--resources", "GPU=1")
    try:
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
            (address,) = suitable_workers(client, {"GPU": 1})
            number = client.run(os.getpid, workers=[address])[address]
        with clusters.open_executor(cluster, device="cuda") as executor:
            calls = [executor.submit(os.getpid) for _ in range(9)]
            assert {call.result(60) for call in calls} == {number}
    finally:
        end_parts(with_one)
        with distributed.Client(cluster, set_as_default=False) as client:
            until(lambda: len(suitable_workers(client, {})) == 2)


class MadeUpClient:
    """What a client says of a cluster whose worker is like this process, but for the differences."""

    def __init__(self, part: str = "", **differences: object):
        def packages(name: str) -> dict:
            own = dict.fromkeys(clusters.SAME, "1.2.3") | {"python": "3.11.2.final.0"}
            return {"packages": own | (differences if part == name else {})}

        self._versions = {name: packages(name) for name in ("client", "scheduler")} | {
            "workers": {"w": packages("worker")}
        }
        found = {"host": "node7", "folder": "/code", "code": clusters.code_digest(), "sees": True, "writes": True}
        self._found = {"w": found | (differences if part == "found" else {})}
        worker = {"status": "running", "nthreads": 1, "resources": {}}
        self._info = {"workers": {"w": worker | (differences if part == "info" else {})}}

    def get_versions(self, packages: list[str]) -> dict:
        return self._versions

    def scheduler_info(self, n_workers: int) -> dict:
        assert n_workers == -1, "all of them, however many"
        return self._info

    def run(self, function: Callable, home: Home, workers: list[str]) -> dict:
        return self._found


@pytest.mark.parametrize(
    ("part", "differences", "said"),
    [
        ("worker", {"python": "3.12.0.final.0"}, "^w of the cluster has python 3.12, and here it is 3.11"),
        ("scheduler", {"distributed": "1.2.4"}, "^the scheduler of the cluster has distributed 1.2.4, and here"),
        ("worker", {"torch": "2.0.0"}, "torch 2.0.0"),
        ("worker", {"pose3d-lib": None}, r"pose3d-lib \(none\)"),
        ("info", {"nthreads": 8}, "executes 8 calls at a time.*--nthreads 1"),
        ("found", {"code": "0"}, r"worker w on node7 has other code \(/code\)"),
        ("found", {"sees": False, "writes": False}, "on node7 does not see the folder .*outputs"),
        ("found", {"writes": False}, "on node7 may not write to .*outputs"),
    ],
)
def test_a_worker_that_would_not_do_the_same_is_refused(
    part: str, differences: dict, said: str, tmp_path: Path
) -> None:
    home = Home(tmp_path / "outputs", tmp_path / "data", tmp_path / "token")
    with pytest.raises(InputError, match=said):
        clusters.check_workers(MadeUpClient(part, **differences), home, {})


@pytest.mark.parametrize("difference", [{"torch": "1.2.3+cu130"}, {"python": "3.11.9.final.0"}])
def test_a_worker_may_differ_in_what_does_not_matter(difference: dict, tmp_path: Path) -> None:
    home = Home(tmp_path / "outputs", tmp_path / "data", tmp_path / "token")
    clusters.check_workers(MadeUpClient("worker", **difference), home, {})
    clusters.check_workers(MadeUpClient("scheduler", torch=None, **{"pose3d-lib": None}), home, {})


def test_a_folder_that_is_not_shared_is_recognised(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(workers, "LONGEST_WAIT_FOR_TOKEN", 0.2)
    home = Home(tmp_path, tmp_path, tmp_path / "token")
    found = workers.describe_worker(home)
    assert (found["sees"], found["writes"]) == (False, False)
    home.token.touch()
    found = workers.describe_worker(home)
    assert (found["sees"], found["writes"], found["code"]) == (True, True, workers.code_digest())


def test_any_change_of_the_code_changes_its_digest(tmp_path: Path, monkeypatch) -> None:
    for name in (
        "pose3d_lib/runs/sweep/cluster/worker.py",
        "pose3d_lib/data/sources/bvh/__init__.py",
        "notebooks/02_train.ipynb",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    monkeypatch.setattr(workers, "__file__", str(tmp_path / "pose3d_lib/runs/sweep/cluster/worker.py"))
    monkeypatch.setattr(workers, "notebooks_dir", lambda: tmp_path / "notebooks")
    seen = {workers.code_digest()}
    (tmp_path / "pose3d_lib/__pycache__").mkdir()
    (tmp_path / "pose3d_lib/__pycache__/workers.pyc").write_text("compiled")
    assert workers.code_digest() in seen
    (tmp_path / "notebooks/02_train.ipynb").write_text("edited")
    seen.add(workers.code_digest())
    (tmp_path / "pose3d_lib/data/sources/bvh/__init__.py").rename(tmp_path / "pose3d_lib/sources/csv.py")
    seen.add(workers.code_digest())
    assert len(seen) == 3


def test_calls_are_executed_elsewhere_with_the_sweep_s_folders(cluster: str, outputs: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_DATA", "downloads")
    with clusters.open_executor(cluster) as executor:
        process, where, data = (executor.submit(f) for f in (os.getpid, paths.outputs_dir, paths.source_data_dir))
        assert process.result(60) != os.getpid()
        assert where.result(60) == outputs
        assert data.result(60) == paths.project_root() / "downloads"
        quotients = [executor.submit(operator.truediv, 12, number) for number in (1, 2, 3, 0)]
        assert [quotient.result(60) for quotient in quotients[:3]] == [12, 6, 4]
        assert isinstance(quotients[3].exception(60), ZeroDivisionError)
        assert executor.unfinished == 0
        assert list((outputs / "jobs").iterdir()) != []
    assert list((outputs / "jobs").iterdir()) == [], "the token is gone"
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(os.getpid)


def test_a_run_gets_the_environment_it_would_get_by_hand(cluster: str) -> None:
    with clusters.open_executor(cluster) as executor:
        given = {name: executor.submit(os.getenv, name) for name in ("OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_")}
        assert {name: future.result(60) for name, future in given.items()} == {name: os.getenv(name) for name in given}


def test_a_worker_gets_one_call_at_a_time_and_those_that_wait_can_be_cancelled(cluster: str) -> None:
    with clusters.open_executor(cluster) as executor:
        calls = [executor.submit(time.sleep, 1.5) for _ in range(5)]
        until(lambda: sum(call.running() for call in calls) == 2)
        time.sleep(0.5)
        assert [call.running() for call in calls] == [True, True, False, False, False], "in order, as many as workers"
        assert executor.unfinished == 5
        assert calls[4].cancel()
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert [call.cancelled() for call in calls] == [False, False, True, True, True]
    assert all(isinstance(call.exception(0), CancelledError) for call in calls[:2])


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_folder_says_so(cluster: str, outputs: Path) -> None:
    with clusters.open_executor(cluster) as executor:
        for token in (outputs / "jobs").iterdir():
            token.unlink()
        with pytest.raises(InputError, match="does not see the folder"):
            executor.submit(os.getpid).result(60)


def test_an_interrupted_kernel_is_no_failure_and_others_are_left_alone() -> None:
    sleeping = [
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", name], stderr=subprocess.DEVNULL)
        for name in ("ipykernel_launcher", "other")
    ]
    wanted = [True]
    try:
        with workers._interrupted_unless(lambda: wanted[0]) as interrupted:
            time.sleep(1.5)
            assert not interrupted()
            wanted[0] = False
            sleeping[0].wait(10)
            assert interrupted()
        assert sleeping[1].poll() is None
    finally:
        for process in sleeping:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_wait_with_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "LONGEST_WAIT", 5.0)
    with started_cluster(tmp_path, workers=1) as started, clusters.open_executor(started.address) as executor:
        calls = [executor.submit(time.sleep, 5) for _ in range(2)]
        until(calls[0].running)
        started.scheduler.kill()
        for call in calls:
            with pytest.raises(ConnectionError, match="the same command again goes on"):
                call.result(60)


@pytest.mark.slow
def test_a_call_that_kills_every_worker_fails_and_says_so(tmp_path: Path) -> None:
    with started_cluster(tmp_path, workers=1) as started, clusters.open_executor(started.address) as executor:
        killer, after = executor.submit(signal.raise_signal, signal.SIGKILL), executor.submit(operator.add, 1, 1)
        with pytest.raises(RuntimeError, match=r"^4 workers died while they executed this, .* too little memory"):
            killer.result(120)  # the nanny starts a worker again
        assert after.result(60) == 2


def test_a_notebook_s_cell_can_open_a_cluster(cluster: str) -> None:
    async def cell() -> int:  # cells are executed within a running event loop
        with clusters.open_executor(cluster) as executor:
            return executor.submit(operator.add, 1, 1).result(60)

    assert asyncio.run(cell()) == 2


class Stopped(Exception):
    """What papermill raises for a cell."""

    def __init__(self, name: str):
        self.ename = name


@pytest.mark.parametrize(
    ("ended_by", "state", "status", "raised"),
    [
        ("RunStopped", "executing", "running", distributed.Reschedule),
        ("KeyboardInterrupt", "executing", "running", distributed.Reschedule),
        ("InputError", "executing", "running", NotebookFailed),
        ("InputError", "cancelled", "running", distributed.Reschedule),
        ("InputError", "executing", "closing_gracefully", distributed.Reschedule),
    ],
)
def test_a_run_that_was_stopped_is_handed_on_and_one_that_failed_is_not(
    ended_by: str, state: str, status: str, raised: type[Exception], tmp_path: Path, monkeypatch
) -> None:
    def call() -> None:
        time.sleep(0.1)
        raise NotebookFailed(tmp_path, "", False) from Stopped(ended_by)

    tasks = {"key": SimpleNamespace(state=state)}
    worker = SimpleNamespace(status=SimpleNamespace(name=status), state=SimpleNamespace(tasks=tasks), nanny=None)
    worker.get_current_task = lambda: "key"
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(workers, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path))
    with pytest.raises(raised):
        workers.call_on_worker(Home(tmp_path, tmp_path, Path(__file__)), call)
