"""What the tests of sweeps on Dask share: schedulers and workers on loopback, tiny runs, a user's configuration."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
import dask_jobqueue
import distributed
import psutil
import pytest
import yaml
from filelock import SoftFileLease

from pose3d_lib.common import paths
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.lease import LEASE, LEASE_SECONDS
from pose3d_lib.runs.run import run_folder
from pose3d_lib.runs.sweep.cluster.executor import ClusterExecutor
from pose3d_lib.runs.sweep.kernel import execute_notebook
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config, parameters_of


def start_part(folder: Path, part: str, *arguments: str) -> subprocess.Popen:
    """A process of a Dask cluster, `part` scheduler or worker, which writes its log into the folder."""
    with (folder / f"{part}-{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{part}", "--no-dashboard", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=paths.project_root(),
        )


def end_parts(*parts: subprocess.Popen) -> None:
    for part in parts:
        part.terminate()
    for part in parts:
        try:
            part.wait(20)
        except subprocess.TimeoutExpired:
            part.kill()
            part.wait()


@dataclass
class StartedCluster:
    """A scheduler and workers, each with its nanny, all on loopback."""

    folder: Path
    address: str
    scheduler: subprocess.Popen
    workers: list[subprocess.Popen]

    def add_worker(self) -> None:
        self.workers.append(start_part(self.folder, "worker", self.address, "--nthreads", "1"))


@contextmanager
def started_cluster(folder: Path, workers: int) -> Iterator[StartedCluster]:
    """A cluster as soon as all its workers are there; the ports are the system's choice."""
    file = folder / "scheduler.json"
    scheduler = start_part(folder, "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    cluster = StartedCluster(folder, "", scheduler, [])
    try:
        until(file.exists)
        cluster.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            cluster.add_worker()
        if workers:
            with distributed.Client(cluster.address, set_as_default=False) as client:
                client.wait_for_workers(workers, timeout=120)
        yield cluster
    finally:
        end_parts(*cluster.workers)
        end_parts(scheduler)


def until(condition: Callable[[], object], longest: float = 90.0) -> None:
    give_up = time.monotonic() + longest
    while not condition():
        assert time.monotonic() < give_up, "waited for too long"
        time.sleep(0.05)


def tiny_run(action: str, unit_epochs: float) -> RunConfig:
    settings = {"scale": "tiny", "preset": "tiny", "evaluate_at": "", "device": "cpu", "unit_epochs": unit_epochs}
    return make_config(RunConfig, {"action": action, **settings})


@contextmanager
def outputs_of(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(folder))
        yield


RUNS = (tiny_run("Eating", 3), tiny_run("All", 0.5), tiny_run("Walking", 0.5))


def submit_runs(executor: ClusterExecutor, data: PoseDataset, configs: tuple[RunConfig, ...] = RUNS) -> list[Future]:
    folders = [run_folder(config, data) for config in configs]
    return [
        executor.submit(execute_notebook, "02_train", folder / "02_train.ipynb", parameters_of(config))
        for folder, config in zip(folders, configs, strict=True)
    ]


def until_it_trains(config: RunConfig, data: PoseDataset) -> "psutil.Process":
    """The kernel of a run, as soon as there is a checkpoint to go on from."""
    folder = run_folder(config, data)
    until((folder / "checkpoint.state").exists, 240)
    return psutil.Process(SoftFileLease(folder / LEASE, lease_duration=LEASE_SECONDS).owner.pid)


def check_same(one: Path, other: Path, data: PoseDataset, configs: tuple[RunConfig, ...] = RUNS) -> None:
    for config in configs:
        name = run_folder(config, data).name
        for file in ("metrics.json", "clips.csv"):
            assert (one / "runs" / name / file).read_bytes() == (other / "runs" / name / file).read_bytes(), (
                name,
                file,
            )


def resumed(config: RunConfig, data: PoseDataset) -> list[dict]:
    return json.loads((run_folder(config, data) / "provenance.json").read_text()).get("resumed", [])


@contextmanager
def configured(scheduler: str, **values: object) -> Iterator[None]:
    """As if the user's configuration of dask-jobqueue said this, and nothing else."""
    defaults = yaml.safe_load(Path(dask_jobqueue.__file__).with_name("jobqueue.yaml").read_text(encoding="utf-8"))
    own = {name.replace("_", "-"): value for name, value in values.items()}
    with dask.config.set({"jobqueue": {scheduler: {**defaults["jobqueue"][scheduler], **own}}}):
        yield
