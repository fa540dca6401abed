"""A Dask cluster made of a batch system's jobs: as many as there is work for, and replaced when they end too early."""

import asyncio
import shlex
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import make_folder
from pose3d_lib.runs.sweep.cluster.scripts import (
    BATCH_SYSTEMS,
    job_options,
    jobs_dir,
    quoted_jobs,
    read_configuration,
    tls_of,
)

MOST_DEATHS = 10
"""Of workers that executed the same run, without having announced it; then the run counts as failed."""

MOST_LOST_JOBS = 20
"""Jobs that ended before their worker was there, as on a node that is out of order; more are not replaced."""

SECONDS_BETWEEN_LOOKS = 5.0

OVER = (
    "EXIT",
    "DONE",
    "ZOMBI",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "BOOT_FAIL",
)
"""States of jobs that will not start a worker any more."""


@contextmanager
def start_cluster(
    scheduler: str, *, jobs: int, threads: int, device: str, wanted: Callable[[], int], say: Callable[[str], None]
) -> Iterator[object]:
    """A Dask scheduler in this process, and workers as jobs: at most `jobs`, and from then on as many as `wanted` says.

    Yields:
        The cluster of dask-jobqueue, its first jobs submitted.
    """
    system = BATCH_SYSTEMS[scheduler]
    dask_jobqueue, settings = read_configuration(scheduler)
    if not shutil.which(system.submit):
        raise InputError(
            f"scheduler {scheduler!r}: there is no command {system.submit} on this machine; start the sweep where jobs of "
            f"{system.title} can be submitted, or give the address of a Dask scheduler, such as tcp://host:8786"
        )
    from distributed import Adaptive

    class AsWanted(Adaptive):
        async def target(self) -> int:
            await look_after()
            return wanted()

    options = job_options(scheduler, settings, threads=threads, device=device)
    cluster_class = getattr(dask_jobqueue, system.cluster)
    served = {"dashboard_address": ":0", "allowed_failures": MOST_DEATHS, **(settings.get("scheduler-options") or {})}
    with (
        _certificates() as security,
        cluster_class(
            job_cls=patient_jobs(quoted_jobs(cluster_class.job_cls)),
            scheduler_options=served,
            security=security,
            **options,
        ) as cluster,
    ):
        look_after = make_keeper(scheduler, cluster)
        cluster.scale(jobs=jobs)
        cluster.sync(_submitted, cluster)
        submitted = list(cluster.workers.values())
        numbers = sorted(job.job_id for job in submitted if job.job_id)
        complaint = next((job.complaint for job in submitted if not job.job_id), "")
        if not numbers:
            raise InputError(f"{system.title} took no job: {complaint}")
        taken = f"{len(numbers)} of {jobs} jobs" if complaint else "jobs" if jobs > 1 else "job"
        say(f"{system.title} took {taken}: {', '.join(numbers)}. What they print goes to {options['log_directory']}")
        if complaint:
            say(f"The others are submitted again as long as there is work for them; it said: {complaint}")
        cluster.adapt(Adaptive=AsWanted, minimum=0, maximum=jobs, interval=SECONDS_BETWEEN_LOOKS, wait_count=2)
        yield cluster


@contextmanager
def _certificates() -> Iterator[object]:
    """Keys of this cluster alone: without, whoever reaches the scheduler's port could execute code under this account."""
    from distributed.security import Security

    made = Security.temporary()
    with TemporaryDirectory(dir=make_folder(jobs_dir()), prefix=".tls-") as folder:  # readable for its owner only
        files = {"cert": Path(folder) / "cert.pem", "key": Path(folder) / "key.pem"}
        files["cert"].write_text(made.tls_ca_file, encoding="ascii")
        files["key"].write_text(made.tls_worker_key, encoding="ascii")
        yield tls_of(str(files["cert"]), str(files["key"]))


def patient_jobs(job_class: type) -> type:
    """The class of jobs, but one that the batch system does not take raises nothing; it can be started again.

    dask-jobqueue's own leave the exception to the event loop, which logs it, and are waited for for ever.
    """
    from distributed.core import Status

    class PatientJob(job_class):
        complaint = ""

        async def start(self) -> None:
            try:
                await super().start()
            except (RuntimeError, ValueError) as error:  # the command failed, or printed no number
                self.complaint = str(error).partition("stderr:")[2].strip() or str(error)
                self.status = Status.running

        async def close(self) -> None:
            await super().close()
            self.status = Status.closed

    return PatientJob


def make_keeper(scheduler: str, cluster: object) -> Callable:
    """A coroutine that submits again, each time it is called, what was not taken or ended before its worker was there."""
    seen: set[str] = set()
    lost: set[str] = set()

    async def look_after() -> None:
        for job in list(cluster.workers.values()):
            if job.job_id is None and job.status.name == "running":  # otherwise it is just being submitted
                await job.start()
        present = {worker["name"] for worker in cluster.scheduler_info["workers"].values()}
        seen.update(job.job_id for name, job in cluster.workers.items() if name in present)
        missing = {job.job_id: name for name, job in cluster.workers.items() if job.job_id and job.job_id not in seen}
        for number in await asyncio.to_thread(ended_jobs, scheduler, missing):
            if len(lost) < MOST_LOST_JOBS:
                lost.add(number)
                del cluster.workers[missing[number]]  # then there are fewer than planned, and another is submitted

    return look_after


async def _submitted(cluster: object) -> None:
    await cluster


def ended_jobs(scheduler: str, numbers: Collection[str]) -> set[str]:
    """Those of the jobs with these numbers that have ended, as far as the batch system knows."""
    system = BATCH_SYSTEMS[scheduler]
    command = shlex.split(system.look.format(jobs=system.separator.join(numbers)))
    if not numbers or not shutil.which(command[0]):
        return set()
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:  # the batch system is busy
        return set()
    forgotten = any(words in answer.stderr.lower() for words in ("invalid job id", "is not found"))
    if answer.returncode and not forgotten:
        return set()
    lines = [line.split() for line in answer.stdout.splitlines() if line.strip()]
    return set(numbers) - {number for number, state, *_ in lines if state not in OVER}


def last_lines(cluster: object, since: float, most: int = 8) -> str:
    """The end of what the youngest job wrote that wrote anything since that time (as of `time.time`)."""
    folder = Path(next(iter(cluster.workers.values())).log_directory)
    written = {
        file: file.stat().st_mtime
        for file in folder.iterdir()
        if file.suffix in (".out", ".err") and file.stat().st_size
    }
    files = sorted((file for file in written if written[file] >= since), key=written.get)
    if not files:
        return f"They wrote nothing to {folder}"
    lines = files[-1].read_text(encoding="utf-8", errors="replace").splitlines()[-most:]
    return "\n".join([f"{files[-1]} ends with:", *lines])
