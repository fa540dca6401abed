"""Where runs are executed, as settings say it; and Dask workers as jobs of a batch system, SLURM or LSF."""

import asyncio
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, field_validator

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import make_folder, outputs_dir, project_root
from pose3d_lib.training.settings import Settings

SECONDS_TO_SAVE = 120  # before its time limit a worker interrupts its run, waits for the checkpoint, and leaves
MOST_DEATHS = 10  # of workers that execute the same run, before it counts as failed
GPU = "GPU"  # Dask's resource: a worker has one if it may use a GPU, and a run on a GPU takes one
MEMORY = "8GB"  # of a job, unless the user's configuration has another
INSTALL = "pip install -e '.[cluster]' -c constraints.txt"


class BatchSystem(NamedTuple):
    submit: str  # command that takes a job
    cores: str  # keyword of dask-jobqueue's class
    gpu: str  # directive for one GPU
    walltime: str  # pattern of a time limit


BATCH_SYSTEMS = {
    "slurm": BatchSystem(
        "sbatch",
        "job_cpu",
        "--gres=gpu:1",
        r"((?P<days>\d+)-)?(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+)",
    ),
    "lsf": BatchSystem("bsub", "ncpus", '-gpu "num=1"', r"(?P<hours>\d+):(?P<minutes>\d+)(/.*)?"),
}
SCHEDULERS = ("local", *BATCH_SYSTEMS)  # where runs are executed, besides a Dask cluster by its address


class SweepSettings(Settings):
    """Settings of runs that are executed together, and how they are.

    Attributes:
        jobs: runs at a time; 0 stands for as many as the cores allow with `threads` each, or one on a GPU.
        scheduler: where runs are executed: "local", "slurm", "lsf", or the address of a Dask scheduler, tcp://host:8786.
    """

    jobs: int = Field(0, ge=0, le=1024)
    scheduler: str = "local"

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, scheduler: str) -> str:
        if scheduler not in SCHEDULERS and not re.fullmatch(r"(tcp|tls)://.+:\d+", scheduler):
            raise ValueError(
                f"expected {', '.join(SCHEDULERS)}, or the address of a Dask scheduler, such as tcp://host:8786"
            )
        return scheduler


def check_installed(scheduler: str) -> None:
    """Raise an InputError if a package is missing for a scheduler."""
    needed = ["distributed", *(["dask_jobqueue", "cryptography"] if scheduler in BATCH_SYSTEMS else [])]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise InputError(f"scheduler {scheduler!r} needs {missing[0]}, which is not installed here: {INSTALL}")


def make_cluster(scheduler: str, *, threads: int, device: str, asynchronous: bool = False) -> object:
    """A cluster of dask-jobqueue without jobs; each will be one worker, which executes one run at a time.

    The user's own settings, the section `jobqueue.slurm` or `jobqueue.lsf` of Dask's configuration, come first. With
    `asynchronous`, Dask's scheduler is not started yet.
    """
    import dask
    import dask_jobqueue

    system, settings = BATCH_SYSTEMS[scheduler], dask.config.get(f"jobqueue.{scheduler}", {})
    directives, arguments, prologue = (
        [str(line) for line in settings.get(name) or []]
        for name in ("job-extra-directives", "worker-extra-args", "job-script-prologue")
    )
    limit = seconds_of_walltime(scheduler, settings.get("walltime"))
    if limit and not any("--lifetime" in word for word in arguments):
        arguments += ["--lifetime", f"{max(limit - SECONDS_TO_SAVE, round(0.9 * limit))}s"]
    if device == "cuda":
        arguments += ["--resources", f"{GPU}=1"]
        if not any("gpu" in line.lower() for line in directives):
            directives.append(system.gpu)
    return getattr(dask_jobqueue, f"{scheduler.upper()}Cluster")(
        cores=1,  # threads of the worker: runs at a time
        processes=1,
        memory=settings.get("memory") or MEMORY,
        log_directory=_plain_folder(settings.get("log-directory")),
        python=settings.get("python") or shlex.quote(sys.executable),
        job_extra_directives=directives,
        worker_extra_args=arguments,
        job_script_prologue=[*prologue, f"cd {shlex.quote(str(project_root()))}"],
        security=True,  # keys of this cluster alone: otherwise anyone who reaches the port could execute code
        shared_temp_directory=_plain_folder(settings.get("shared-temp-directory")),
        scheduler_options={
            "dashboard_address": ":0",
            "allowed_failures": MOST_DEATHS,
            **(settings.get("scheduler-options") or {}),
        },
        asynchronous=asynchronous,
        **{system.cores: settings.get(system.cores.replace("_", "-")) or threads},
    )


def jobs_dir() -> Path:
    """Where the batch system writes what jobs print."""
    return outputs_dir() / "jobs"


def _plain_folder(configured: object) -> str:
    """A folder for files of jobs, whose path stands in directives that no shell reads, and in a command that one does."""
    folder = str(configured or make_folder(jobs_dir()))
    if "%" in folder or shlex.quote(folder) != folder:
        raise InputError(
            f"{folder}: files of jobs cannot be in a folder with a blank, a quote, % or another special character in its "
            "path; POSE3D_OUTPUTS, or log-directory and shared-temp-directory in dask-jobqueue's configuration, name another"
        )
    return folder


def seconds_of_walltime(scheduler: str, walltime: object) -> int | None:
    """The time limit of a job, "[days-]hours:minutes:seconds" (SLURM) or "hours:minutes" (LSF); None of any other text."""
    match = re.fullmatch(BATCH_SYSTEMS[scheduler].walltime, str(walltime).strip())
    if not match:
        return None
    return round(timedelta(**{unit: int(number or 0) for unit, number in match.groupdict().items()}).total_seconds())


def job_script(scheduler: str, *, threads: int, device: str) -> str:
    """The script that would be submitted for every worker; nothing is started, and no batch system has to be here."""
    if scheduler not in BATCH_SYSTEMS:
        raise InputError(f"scheduler {scheduler!r}: only {' and '.join(BATCH_SYSTEMS)} have job scripts")
    check_installed(scheduler)

    async def print_script() -> str:
        cluster = make_cluster(scheduler, threads=threads, device=device, asynchronous=True)
        try:
            return cluster.job_script()
        finally:
            await cluster.close()

    return asyncio.run(print_script())


@contextmanager
def open_jobs(scheduler: str, *, jobs: int, threads: int, device: str, say: Callable[[str], None]) -> Iterator[object]:
    """A cluster whose first jobs are submitted; an InputError if the batch system takes none of them."""
    submit, title = BATCH_SYSTEMS[scheduler].submit, scheduler.upper()
    if not shutil.which(submit):
        raise InputError(
            f"scheduler {scheduler!r}: there is no command {submit} on this machine; start the sweep where jobs of {title} "
            "can be submitted, or give the address of a Dask scheduler, such as tcp://host:8786"
        )
    from distributed import Status

    cluster = make_cluster(scheduler, threads=threads, device=device)
    try:
        cluster.scale(jobs=jobs)
        while not cluster.workers:  # they are listed once all were submitted
            time.sleep(0.1)
        if not (taken := sorted(job.job_id for job in cluster.workers.values() if job.job_id)):
            try:
                cluster.sync(next(iter(cluster.workers.values())).start)  # once more, for what it complains of
            except RuntimeError as error:
                complaint = str(error).partition("stderr:")[2].strip() or str(error)
                raise InputError(f"{title} took no job: {complaint}") from error
        say(
            f"{title} took {len(taken)} of {jobs} jobs: {', '.join(taken)}; the sweep waits for the first to start, and Ctrl-C "
            f"cancels them. What they print goes to {jobs_dir()}"
        )
        yield cluster
    finally:
        for job in cluster.workers.values():
            job.status = Status.closing  # Dask expects it, and dask-jobqueue does not set it
        cluster.close()
