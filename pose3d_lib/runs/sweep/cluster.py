"""A sweep beyond one machine: on a Dask cluster at an address, or on one made of jobs of SLURM or LSF.

Its workers execute the runs, once it was found that they are fit for it.
"""

import hashlib
import logging
import os
import platform
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import make_folder, notebooks_dir, outputs_dir, source_data_dir
from pose3d_lib.runs.layout import LEASE
from pose3d_lib.runs.lease import LeaseWatch, claim_run, is_gone
from pose3d_lib.runs.signals import raised_once
from pose3d_lib.runs.sweep.jobs import BATCH_SYSTEMS, GPU, INSTALL, check_installed, jobs_dir, open_jobs
from pose3d_lib.runs.sweep.kernel import NotebookFailed, SweepFailed, execute_training

LONGEST_WAIT = 10.0  # seconds for a scheduler at an address, and for its workers; jobs may wait for days
LONGEST_WAIT_FOR_LEASE = 5.0  # seconds after which a network file system shows a new file everywhere
SECONDS_BETWEEN_LOOKS = 1.0
LOST = "the connection to the Dask scheduler was lost; the same command again resumes every run from its checkpoint"
STOPPED = ("RunStopped", "KeyboardInterrupt", "RunLost")  # by cells, when a batch system signals a job's processes


@dataclass(frozen=True)
class Home:
    """The folders of a sweep, as the process sees them that submits it."""

    outputs: Path  # POSE3D_OUTPUTS of every run
    data: Path  # POSE3D_DATA
    lease: Path  # under `outputs`; touched as long as the sweep lives


@contextmanager
def open_cluster(
    scheduler: str, *, jobs: int, threads: int, device: str, say: Callable[[str], None]
) -> Iterator[tuple[Callable, Callable[[int], int]]]:
    """Yield `start` and `room` of `run_on`, once the workers were found fit; at the end what still runs is saved.

    `scheduler` is the address of a Dask scheduler, "tcp://host:8786" or "tls://host:8786"; or "slurm" or "lsf", of which up to
    `jobs` jobs with `threads` cores start as there is work for them, and end when nothing is left. On the device "cuda" each
    run needs a worker with the Dask resource GPU, and takes one.

    Raises:
        InputError: Dask is not installed, no scheduler answers, or a worker would not execute a run as this process would.
        SweepFailed: by `room`, when the connection is lost.
    """
    check_installed(scheduler)
    from distributed import Client

    resources = {GPU: 1} if device == "cuda" else {}
    for name in ("distributed", "distributed.client", "tornado.application"):  # they would write into the sweep's table
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(raised_once())  # so that jobs are cancelled, and nothing is left behind
        home = stack.enter_context(_home())
        cluster = None
        if scheduler in BATCH_SYSTEMS:
            cluster = stack.enter_context(open_jobs(scheduler, jobs=jobs, threads=threads, device=device, say=say))
        try:
            client = stack.enter_context(Client(cluster or scheduler, timeout=LONGEST_WAIT, set_as_default=False))
        except (OSError, TimeoutError) as error:
            raise InputError(
                f"{scheduler}: no Dask scheduler answers within {LONGEST_WAIT:g} s ({error}); start one there "
                "(`dask scheduler`), or give another address"
            ) from error
        _check_workers(client, home, _wait_for_workers(client, scheduler, resources))
        executor = client.get_executor(pure=False, resources=resources)
        wanted = 0

        def start(folder: Path, parameters: Mapping[str, object]) -> Future:
            return executor.submit(run_on_worker, home, folder, parameters)

        def room(unfinished: int) -> int:
            """As many as there are workers: Dask counts a worker's death against all that it has been given."""
            nonlocal wanted
            if client.status in ("closing", "closed"):
                raise SweepFailed(LOST)
            if cluster and wanted != min(jobs, unfinished):
                wanted = min(jobs, unfinished)
                cluster.adapt(minimum=wanted, maximum=wanted, interval="5s", wait_count=2)
            return len(_suitable_workers(client, resources))

        yield start, room


@contextmanager
def _home() -> Iterator[Home]:
    """The sweep's folders, with a lease by which a worker recognises them and sees that the sweep lives."""
    folder = make_folder(jobs_dir() / f".sweep-{uuid.uuid4().hex}")
    try:
        with claim_run(folder):
            yield Home(outputs_dir(), source_data_dir(), folder / LEASE)
    finally:
        folder.rmdir()


def _suitable_workers(client: object, resources: Mapping[str, float]) -> list[str]:
    """The addresses of the workers that are well and have the resources."""
    workers = client.scheduler_info(n_workers=-1).get("workers", {})  # none while it connects again

    def is_fit(worker: Mapping) -> bool:
        has = all(worker["resources"].get(name, 0) >= amount for name, amount in resources.items())
        return worker["status"] == "running" and has

    return [address for address, worker in workers.items() if is_fit(worker)]


def _wait_for_workers(client: object, scheduler: str, resources: Mapping[str, float]) -> list[str]:
    """At an address for a few seconds; of a batch system however long the queue is."""
    give_up = time.monotonic() + LONGEST_WAIT
    while not (workers := _suitable_workers(client, resources)):
        if scheduler not in BATCH_SYSTEMS and time.monotonic() > give_up:
            options = "".join(f" --resources {name}={amount}" for name, amount in resources.items())
            raise InputError(
                f"{scheduler}: a Dask scheduler answers, but it has no worker{f' with the resource {GPU}' * bool(options)}. "
                "Start one on each machine, in the project's folder, with the project's Python: "
                f"dask worker {scheduler} --nthreads 1{options}"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return workers


def _check_workers(client: object, home: Home, workers: Sequence[str]) -> None:
    """Raise an InputError if a worker would not do what this process would do."""
    found = client.run(check_worker, home, describe_code(), workers=workers, on_error="return")
    for address, problem in found.items():
        if isinstance(problem, BaseException):
            raise InputError(f"worker {address} cannot load this project ({problem}); on that machine: {INSTALL}")
        if problem:
            raise InputError(f"worker {address}: {problem}")


def describe_code() -> dict[str, str]:
    """What has to be the same everywhere: the parts of Dask talk to each other, and last digits depend on PyTorch."""
    library, digest = Path(__file__).parents[2], hashlib.sha256()
    for folder, pattern in ((library, "**/*.py"), (notebooks_dir(), "*.ipynb")):
        for file in sorted(folder.glob(pattern)):
            digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode() + file.read_bytes())
    packages = {name: version(name).partition("+")[0] for name in ("dask", "distributed", "torch")}  # not 2.13.0+cpu
    python = platform.python_version().rpartition(".")[0]
    return {"python": python, **packages, "the code": digest.hexdigest()[:10]}


def check_worker(home: Home, expected: Mapping[str, str], dask_worker: object) -> str:
    """Why this process would not do what the sweep's would, whose code is described; "" if it would.

    Dask gives its `dask_worker` itself.
    """
    found = describe_code()
    for name, theirs in expected.items():
        if found.get(name) != theirs:
            return (
                f"has {name} {found.get(name)}, and where the sweep runs it is {theirs}; let all use one checkout, or the "
                "same code and versions"
            )
    if (threads := dask_worker.state.nthreads) != 1:
        return (
            f"executes {threads} calls at a time, and a run needs a worker for itself: start it with --nthreads 1, and for "
            "several runs on that machine with --nworkers as well"
        )
    return check_outputs(home)


def check_outputs(home: Home) -> str:
    """Say what is wrong with the folder of outputs as this process sees it, "" if nothing is."""
    give_up = time.monotonic() + LONGEST_WAIT_FOR_LEASE
    while is_gone(home.lease):
        if time.monotonic() > give_up:
            return (
                f"{socket.gethostname()} does not see the folder {home.outputs} as it is where the sweep runs. Runs meet in "
                "that folder: it has to be on a file system that all machines share, under the same path; POSE3D_OUTPUTS names "
                "another folder"
            )
        time.sleep(0.1)
    return ""


def run_on_worker(home: Home, folder: Path, parameters: Mapping[str, object]) -> bool:
    """Execute a run on this worker; interrupt it, so that it is saved, if the worker or the sweep is about to end.

    Returns whether it was executed to its end: not if it was interrupted, or if another process holds it. An InputError if
    this worker does not see the sweep's folder of outputs, NotebookFailed if the run failed.
    """
    from distributed import get_worker

    if problem := check_outputs(home):
        raise InputError(problem)
    _forget_nanny_settings()
    os.environ.update(POSE3D_OUTPUTS=str(home.outputs), POSE3D_DATA=str(home.data))
    worker = get_worker()
    watch = LeaseWatch(home.lease)
    over = False

    def ending() -> bool:
        nonlocal over  # once it is true it stays so, whatever a network's file system says later
        watch.look()  # removes the lease of a sweep that was killed
        over = over or worker.status.name not in ("running", "paused") or is_gone(home.lease)
        return over

    try:
        return execute_training(folder, parameters, stop=ending)
    except NotebookFailed as error:
        if ending() or getattr(error.__cause__, "ename", "") in STOPPED:
            return False
        raise


def _forget_nanny_settings() -> None:
    """Undo the thread and memory settings that Dask's nanny gives its worker: a kernel with them computes other digits."""
    import dask

    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ", {}).items():
        if os.environ.get(name) == str(value):
            del os.environ[name]
