"""Sweeps on a Dask cluster: what is refused before anything starts, and what becomes of runs when something ends."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import distributed
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.sweep import cluster as clusters
from pose3d_lib.runs.sweep import jobs
from pose3d_lib.runs.sweep.kernel import NotebookFailed, SweepFailed
from pose3d_lib.runs.sweep.progress import RunStatus
from pose3d_lib.runs.sweep.sweep import run_sweep
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.run_folders import Only
from tests.helpers.short_runs import short_config
from tests.helpers.sweep_processes import wait_until


@pytest.fixture(autouse=True)
def outputs(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_DATA", str(outputs / "data"))
    monkeypatch.setattr(clusters, "LONGEST_WAIT", 1.0)
    monkeypatch.setattr(clusters, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(clusters, "LONGEST_WAIT_FOR_LEASE", 0.3)
    return outputs


def local_cluster(**settings: object) -> distributed.LocalCluster:
    """A scheduler with an address, and workers in threads of this process, where tests can put something in place."""
    fixed = {"processes": False, "protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": ":0"}
    return distributed.LocalCluster(**{"n_workers": 2, "threads_per_worker": 1, **fixed, **settings})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_cluster() as cluster:
        yield cluster.scheduler_address


def open_at(address: str, device: str = "cpu"):
    return clusters.open_cluster(address, jobs=1, threads=1, device=device, say=print)


def check_refused(address: str, said: str, **settings: object) -> None:
    with pytest.raises(InputError, match=said), open_at(address, **settings):
        pass


@pytest.fixture
def small_runs(data: PoseDataset) -> tuple[PoseDataset, list[RunConfig]]:
    return data, [short_config(action, seed=seed) for seed in (0, 1) for action in ("All", "Walking")]


def sweep(data: PoseDataset, configs: list[RunConfig], address: str, **settings: object) -> list[RunStatus]:
    return run_sweep(configs, Only(data), jobs=1, begun=time.time(), scheduler=address, **settings)


def test_workers_execute_the_runs_and_one_that_fails_does_not_end_the_others(
    address: str, outputs: Path, small_runs: tuple[PoseDataset, list[RunConfig]], monkeypatch
) -> None:
    data, configs = small_runs
    workers: set[str] = set()

    def execute(folder: Path, parameters: dict, *, stop: Callable) -> bool:
        config = make_config(RunConfig, parameters)
        if config == configs[1]:
            raise NotebookFailed(folder / "02_train.ipynb", "FloatingPointError: the loss is nan", refused=False)
        workers.add(distributed.get_worker().address)
        execute_run(plan_run(config, data))
        return True

    monkeypatch.setattr(clusters, "execute_training", execute)
    statuses = sweep(data, configs, address)
    assert [status.state for status in statuses] == ["finished", "failed", "finished", "finished"]
    assert statuses[1].error.startswith("FloatingPointError: the loss is nan\nThe executed notebook")
    assert len(workers) == 2
    assert list((outputs / "jobs").iterdir()) == [], "the sweep's lease is gone"


def test_a_stopped_sweep_interrupts_what_its_workers_execute(address, small_runs, monkeypatch) -> None:
    begun, stopped = threading.Semaphore(0), threading.Semaphore(0)

    def execute(folder: Path, parameters: dict, *, stop: Callable) -> bool:
        begun.release()
        assert wait_until(stop, 20)
        stopped.release()
        raise NotebookFailed(folder, "stopped by SIGINT", refused=False)

    def on_look(statuses: list[RunStatus]) -> None:
        if begun.acquire(blocking=False):
            raise KeyboardInterrupt

    monkeypatch.setattr(clusters, "execute_training", execute)
    with pytest.raises(KeyboardInterrupt):
        sweep(*small_runs, address, on_look=on_look)
    assert stopped.acquire(timeout=20)


def test_a_lost_scheduler_ends_the_sweep_and_says_what_to_do(small_runs, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "execute_training", lambda folder, parameters, *, stop: wait_until(stop, 20))
    looks: list[object] = []

    def on_look(statuses: list[RunStatus]) -> None:
        looks.append(statuses)
        if len(looks) == 3:
            cluster.close()

    with local_cluster() as cluster, pytest.raises(SweepFailed, match="the same command again resumes"):
        sweep(*small_runs, cluster.scheduler_address, on_look=on_look)


def test_without_dask_or_a_scheduler_an_error_says_what_to_do(monkeypatch) -> None:
    check_refused("tcp://127.0.0.1:9", "no Dask scheduler answers")
    monkeypatch.setattr(jobs, "find_spec", lambda name: None)
    check_refused("slurm", r"needs distributed.*pip install -e '\.\[cluster\]'")


def test_a_cluster_without_a_fit_worker_is_refused_with_the_command_that_starts_one(address: str) -> None:
    check_refused(address, "no worker with the resource GPU.*--resources GPU=1", device="cuda")
    with local_cluster(n_workers=0) as empty:
        check_refused(empty.scheduler_address, "it has no worker. Start.*dask worker tcp://.* --nthreads 1$")
    with local_cluster(n_workers=1, threads_per_worker=3) as wide:
        check_refused(wide.scheduler_address, "executes 3 calls at a time.*--nthreads 1")


@pytest.mark.parametrize("name", ["torch", "the code"])
def test_a_worker_with_other_versions_or_other_code_is_refused(name: str, address: str, monkeypatch) -> None:
    own = clusters.describe_code()
    answers = itertools.chain([own | {name: "1.2"}], itertools.repeat(own))  # of the sweep, and of its workers
    monkeypatch.setattr(clusters, "describe_code", lambda: next(answers))
    check_refused(address, rf"worker tcp://\S+: has {name} \S+, and where the sweep runs it is 1\.2")


def test_a_worker_that_does_not_see_the_folder_is_refused_and_executes_nothing(address, outputs, monkeypatch) -> None:
    with open_at(address) as (start, _):
        for lease in (outputs / "jobs").glob(".sweep-*/.lease"):
            lease.unlink()
        with pytest.raises(InputError, match=f"does not see the folder {outputs}.*POSE3D_OUTPUTS"):
            start(outputs, {}).result(20)
    elsewhere = clusters.Home(outputs, outputs, outputs / "elsewhere")
    assert "does not see" in clusters.check_outputs(elsewhere)


def test_any_change_of_the_code_shows(tmp_path: Path, monkeypatch) -> None:
    library = tmp_path / "pose3d_lib"
    for name in ("runs/sweep/cluster.py", "../notebooks/02_train.ipynb"):
        (library / name).parent.mkdir(parents=True)
        (library / name).write_text("as it was")
    monkeypatch.setattr(clusters, "__file__", str(library / "runs/sweep/cluster.py"))
    monkeypatch.setattr(clusters, "notebooks_dir", lambda: tmp_path / "notebooks")
    seen = [clusters.describe_code()["the code"]]
    (tmp_path / "notebooks/02_train.ipynb").write_text("edited")
    seen.append(clusters.describe_code()["the code"])
    (library / "runs/sweep/cluster.py").rename(library / "data.py")
    seen.append(clusters.describe_code()["the code"])
    assert len(set(seen)) == 3


class Stopped(Exception):
    """What papermill raises for a cell."""

    def __init__(self, name: str):
        self.ename = name


@pytest.mark.parametrize(
    ("ended_by", "status", "lease", "handed_on"),
    [
        ("RunStopped", "running", "kept", True),
        ("InputError", "running", "kept", False),
        ("InputError", "running", "released", True),
        ("InputError", "closing_gracefully", "kept", True),
    ],
)
def test_a_run_that_was_interrupted_is_handed_on_and_one_that_failed_is_not(
    ended_by: str, status: str, lease: str, handed_on: bool, tmp_path: Path, monkeypatch
) -> None:
    home = clusters.Home(tmp_path, tmp_path, tmp_path / ".lease")
    home.lease.touch()
    at_work = SimpleNamespace(status=SimpleNamespace(name="running"))

    def execute(folder: Path, parameters: dict, *, stop: Callable) -> bool:
        at_work.status.name = status
        if lease == "released":
            home.lease.unlink()
        raise NotebookFailed(tmp_path, "", False) from Stopped(ended_by)

    monkeypatch.setattr(distributed, "get_worker", lambda: at_work)
    monkeypatch.setattr(clusters, "execute_training", execute)

    def call() -> bool:
        return clusters.run_on_worker(home, tmp_path, {})

    if handed_on:
        assert call() is False
    else:
        with pytest.raises(NotebookFailed):
            call()


def test_a_kernel_does_not_inherit_the_settings_of_a_nanny(address: str, outputs: Path, monkeypatch) -> None:
    seen: list[dict] = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as a nanny sets it
    execute: Callable = lambda folder, parameters, *, stop: seen.append(dict(clusters.os.environ)) or True  # noqa: E731
    monkeypatch.setattr(clusters, "execute_training", execute)
    with open_at(address) as (start, _):
        assert start(outputs, {}).result(20)
    assert "OMP_NUM_THREADS" not in seen[0]
    assert seen[0]["POSE3D_OUTPUTS"] == str(outputs)
