"""What the tests of sweeps on Dask share: schedulers and workers on loopback, and a user's configuration."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
import dask_jobqueue
import distributed
import yaml

from pose3d_lib.common import paths
from tests.helpers.sweep_processes import wait_until


@dataclass
class StartedCluster:
    """A scheduler and workers, each with its nanny, all processes of their own on loopback, with logs in a folder."""

    folder: Path
    address: str
    parts: list[subprocess.Popen]

    def start(self, part: str, *arguments: str) -> subprocess.Popen:
        with (self.folder / f"{part}-{time.monotonic_ns()}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{part}", "--no-dashboard", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=paths.project_root(),
            )  # fmt: skip
        self.parts.append(process)
        return process

    def add_worker(self) -> subprocess.Popen:
        return self.start("worker", self.address, "--nthreads", "1")

    def end(self) -> None:
        for part in reversed(self.parts):  # the scheduler last
            part.terminate()
            try:
                part.wait(20)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()


@contextmanager
def started_cluster(folder: Path, workers: int) -> Iterator[StartedCluster]:
    """A cluster as soon as all its workers are there; the ports are the system's choice."""
    file, cluster = folder / "scheduler.json", StartedCluster(folder, "", [])
    try:
        cluster.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        assert wait_until(file.exists, 90)
        cluster.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            cluster.add_worker()
        with distributed.Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)
        yield cluster
    finally:
        cluster.end()


@contextmanager
def configured(scheduler: str, **values: object) -> Iterator[None]:
    """As if the user's configuration of dask-jobqueue said this, and nothing else."""
    defaults = yaml.safe_load(Path(dask_jobqueue.__file__).with_name("jobqueue.yaml").read_text(encoding="utf-8"))
    own = {name.replace("_", "-"): value for name, value in values.items()}
    with dask.config.set({"jobqueue": {scheduler: {**defaults["jobqueue"][scheduler], **own}}}):
        yield
