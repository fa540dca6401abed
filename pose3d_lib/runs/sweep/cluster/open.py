"""A sweep beyond one machine: an executor on a Dask cluster that is there, or on one made of a batch system's jobs."""

import logging
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import make_folder, outputs_dir, source_data_dir
from pose3d_lib.data.actions import nearest
from pose3d_lib.runs.sweep.cluster.executor import ClusterExecutor, suitable_workers
from pose3d_lib.runs.sweep.cluster.jobs import ended_jobs, last_lines, start_cluster
from pose3d_lib.runs.sweep.cluster.scripts import BATCH_SYSTEMS, GPU, jobs_dir, make_script
from pose3d_lib.runs.sweep.cluster.worker import Home, code_digest, describe_worker, other_outputs
from pose3d_lib.runs.sweep.processes import sigterm_raises

LONGEST_WAIT = 10.0
"""Seconds for a scheduler at an address to answer, and as many for its workers; those of a batch system may take days."""

SECONDS_BETWEEN_LOOKS = 1.0

INSTALL = "pip install -e '.[cluster]' -c constraints.txt"

SAME = ("python", "dask", "distributed", "torch", "pose3d-lib")
"""What has one version everywhere: the parts of Dask talk to each other, and the last digits of a run depend on PyTorch."""


@contextmanager
def open_executor(
    scheduler: str,
    *,
    jobs: int = 1,
    threads: int = 1,
    device: str = "cpu",
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[ClusterExecutor]:
    """An executor on a Dask cluster, once its workers were found fit; at the end what still runs is interrupted and saved.

    Args:
        scheduler: the address of a Dask scheduler, "tcp://host:8786" or "tls://host:8786"; or "slurm" or "lsf", where workers
            are jobs of that batch system, which start as they are needed and end when nothing is left for them.
        jobs: at most so many workers at a time; of a batch system only.
        threads: cores of a worker; of a batch system only.
        device: of the runs; on "cuda" each needs a worker with the Dask resource GPU, and takes one.
        say: called with a line of text about what is being waited for.

    Raises:
        InputError: Dask is not installed, nobody answers, there is no worker, or one that would not execute a run as it would
            be executed here.
    """
    check_scheduler(scheduler)
    resources = {GPU: 1} if device == "cuda" else {}
    opened: list[ClusterExecutor] = []

    def wanted() -> int:
        unfinished = opened[0].unfinished if opened else None
        return jobs if unfinished is None else min(jobs, unfinished)

    from distributed.utils import silence_logging_cmgr

    begun = time.time()
    with ExitStack() as stack:
        stack.enter_context(sigterm_raises())  # so that jobs are cancelled, and nothing is left behind
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))  # it would write into the sweep's table
        home = stack.enter_context(_home())
        if scheduler in BATCH_SYSTEMS:
            cluster = stack.enter_context(
                start_cluster(scheduler, jobs=jobs, threads=threads, device=device, wanted=wanted, say=say)
            )
            client = stack.enter_context(_connect(cluster))
            _wait_for_job(client, scheduler, cluster, begun, say)
        else:
            client = stack.enter_context(_connect(scheduler))
            _wait_for_worker(client, scheduler, resources)
        check_workers(client, home, resources)
        opened.append(ClusterExecutor(client, home, resources))
        stack.callback(opened[0].shutdown, cancel_futures=True)
        yield opened[0]


def job_script(scheduler: str, *, threads: int = 1, device: str = "cpu") -> str:
    """The script that `open_executor` would submit for every worker; no batch system has to be here."""
    check_scheduler(scheduler)
    if scheduler not in BATCH_SYSTEMS:
        raise InputError(f"scheduler {scheduler!r}: only {' and '.join(BATCH_SYSTEMS)} have job scripts")
    return make_script(scheduler, threads=threads, device=device)


def check_scheduler(scheduler: str) -> None:
    """An InputError where `open_executor` knows no such scheduler, or where a package is missing for it."""
    host, _, port = scheduler.removeprefix("tcp://").removeprefix("tls://").rpartition(":")
    is_address = scheduler.startswith(("tcp://", "tls://")) and bool(host) and port.isdigit()
    if not is_address and scheduler not in BATCH_SYSTEMS:
        close = nearest(scheduler, BATCH_SYSTEMS)
        raise InputError(
            f"unknown scheduler {scheduler!r}{f'; did you mean {close[0]!r}?' if close else ''}. Expected local, slurm, lsf, "
            "or the address of a Dask scheduler, such as tcp://host:8786"
        )
    needed = ["distributed"] if is_address else ["distributed", "dask_jobqueue", "cryptography"]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise InputError(f"scheduler {scheduler!r} needs {missing[0]}, which is not installed here: {INSTALL}")


@contextmanager
def _home() -> Iterator[Home]:
    """The sweep's folders, with a token by which a worker recognises them."""
    token = make_folder(jobs_dir()) / f".token-{uuid.uuid4().hex}"
    token.touch()
    try:
        yield Home(outputs_dir(), source_data_dir(), token)
    finally:
        token.unlink(missing_ok=True)


@contextmanager
def _connect(where: object) -> Iterator[object]:
    """A client of a cluster, or of the scheduler at an address."""
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # `check_workers` says it as an error
            client = Client(where, timeout=LONGEST_WAIT, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise InputError(f"{where}: no Dask scheduler answers there within {LONGEST_WAIT:g} s ({error})") from error
    with client:
        yield client


def _wait_for_worker(client: object, address: str, resources: Mapping[str, float]) -> None:
    give_up = time.monotonic() + LONGEST_WAIT
    while not suitable_workers(client, resources):
        if time.monotonic() > give_up:
            options = "".join(f" --resources {name}={amount:g}" for name, amount in resources.items())
            others = len(suitable_workers(client, {}))
            found = f"none of its {others} workers has the resource {GPU}" if others else "it has no workers"
            raise InputError(
                f"{address}: a Dask scheduler answers, but {found}. Start one on each machine, in the project's folder, with "
                f"the project's Python: dask worker {address} --nthreads 1{options}"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _wait_for_job(client: object, scheduler: str, cluster: object, begun: float, say: Callable[[str], None]) -> None:
    """Until the first worker is there: however long the queue is, but not when every job has ended without."""
    next_look, told = time.time() + LONGEST_WAIT, False
    while not suitable_workers(client, {}):
        time.sleep(SECONDS_BETWEEN_LOOKS)
        if time.time() < next_look:
            continue
        next_look = time.time() + LONGEST_WAIT
        numbers = {job.job_id for job in cluster.workers.values() if job.job_id}
        if numbers and ended_jobs(scheduler, numbers) == numbers:
            raise InputError(
                f"{BATCH_SYSTEMS[scheduler].title}: the jobs ended before a worker was there. {last_lines(cluster, begun)}\n"
                f"To see what is submitted: pose3d sweep --scheduler {scheduler} --print-job"
            )
        if not told:
            say("waiting for the first job to start; Ctrl-C cancels the jobs")
            told = True


def check_workers(client: object, home: Home, resources: Mapping[str, float]) -> None:
    """Refuses workers that would not do what this process would do; those that come later are asked for the folder only."""
    here, everywhere = code_digest(), client.get_versions(packages=list(SAME))
    expected = everywhere["client"]["packages"]
    for name, found in {"the scheduler": everywhere["scheduler"], **everywhere["workers"]}.items():
        _check_versions(name, found["packages"], expected)
    workers = suitable_workers(client, resources)
    for address, worker in workers.items():
        if worker["nthreads"] != 1:
            raise InputError(
                f"worker {address} executes {worker['nthreads']} calls at a time, and a run needs a worker for itself: "
                "start it with --nthreads 1, and for several runs on that machine with --nworkers as well"
            )
    for address, found in client.run(describe_worker, home, workers=list(workers)).items():
        if found["code"] != here:
            raise InputError(
                f"worker {address} on {found['host']} has other code ({found['folder']}) than {home.outputs}'s sweep; "
                "let all use one checkout, or bring them to the same state"
            )
        if not found["sees"]:
            raise InputError(other_outputs(found["host"], home))
        if not found["writes"]:
            raise InputError(
                f"the worker on {found['host']} may not write to {home.outputs}; start it as the same user"
            )


def _check_versions(name: str, found: Mapping[str, str | None], expected: Mapping[str, str | None]) -> None:
    for package in SAME:
        if package in ("torch", "pose3d-lib") and name == "the scheduler":
            continue  # it passes runs on and executes none
        theirs, ours = (_version(package, versions.get(package)) for versions in (found, expected))
        if theirs != ours:
            raise InputError(
                f"{name} of the cluster has {package} {theirs or '(none)'}, and here it is {ours or '(none)'}; install the same "
                f"versions everywhere: {INSTALL}"
            )


def _version(package: str, text: str | None) -> str | None:
    """As far as it matters: Python to the second number, and PyTorch without what it was built for, as 2.13.0+cpu."""
    if text is None:
        return None
    return ".".join(text.split(".")[:2]) if package == "python" else text.partition("+")[0]
