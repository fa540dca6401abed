"""A worker as a job of a batch system, SLURM or LSF: what its script asks for."""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import outputs_dir, project_root

SECONDS_TO_SAVE = 120
"""Before its time is over a worker hands its run back: it interrupts it, waits for the checkpoint, and leaves."""

GPU = "GPU"
"""Name of the Dask resource of which a worker has one if it may use a GPU, and a run on a GPU needs one."""

MEMORY = "8GB"
"""Of a job, where the user's configuration says nothing."""


@dataclass(frozen=True)
class BatchSystem:
    """What differs between the two.

    Attributes:
        title: its name in sentences.
        cluster: the class of dask-jobqueue.
        submit: the command that takes a job.
        look: the command that prints number and state of jobs, whose numbers stand in place of {jobs}.
        separator: of these numbers.
        cores: the keyword for cores of a job.
        gpu: the directive that asks for one GPU.
    """

    title: str
    cluster: str
    submit: str
    look: str
    separator: str
    cores: str
    gpu: str


BATCH_SYSTEMS = {
    "slurm": BatchSystem(
        "SLURM",
        "SLURMCluster",
        "sbatch",
        "squeue --noheader --format='%i %T' --jobs={jobs}",
        ",",
        "job_cpu",
        "--gres=gpu:1",
    ),
    "lsf": BatchSystem(
        "LSF", "LSFCluster", "bsub", "bjobs -noheader -o 'jobid stat' {jobs}", " ", "ncpus", '-gpu "num=1"'
    ),
}
"""What `scheduler` may be, besides an address."""


def jobs_dir() -> Path:
    """Where the batch system writes what jobs print."""
    return outputs_dir() / "jobs"


def job_options(scheduler: str, settings: Mapping[str, object], *, threads: int, device: str) -> dict[str, object]:
    """What dask-jobqueue is told beyond the user's own configuration.

    One job is one worker, which executes one run at a time.

    Args:
        scheduler: "slurm" or "lsf".
        settings: that configuration, the section `jobqueue.slurm` or `jobqueue.lsf`.
        threads: cores of a job, unless the configuration says how many.
        device: "cuda" gives every job a GPU, and its worker the Dask resource.
    """
    logs = str(settings.get("log-directory") or jobs_dir())
    if re.search(r"[\s%\\'\"]", logs):  # a directive of a batch system, which no shell reads
        raise InputError(
            f"{logs}: what jobs print cannot go to a folder with a blank, a quote, % or \\ in its path; POSE3D_OUTPUTS or "
            "log-directory in dask-jobqueue's configuration names another"
        )
    system = BATCH_SYSTEMS[scheduler]
    directives = _lines(settings, "job-extra-directives", "job-extra")
    arguments = _lines(settings, "worker-extra-args", "extra")
    limit = seconds_of_walltime(scheduler, settings.get("walltime"))
    if limit and not any("--lifetime" in word for word in arguments):
        arguments += ["--lifetime", f"{max(limit - SECONDS_TO_SAVE, round(0.9 * limit))}s"]
    if device == "cuda":
        if not any("gpu" in line.lower() for line in directives):
            directives.append(system.gpu)
        arguments += ["--resources", f"{GPU}=1"]
    named = settings.get("name") not in (None, "dask-worker")  # as dask-jobqueue calls them
    return {
        "cores": 1,  # threads of the worker: runs at a time
        "processes": 1,
        "memory": settings.get("memory") or MEMORY,
        system.cores: settings.get(system.cores.replace("_", "-")) or threads,
        "job_name": settings["name"] if named else "pose3d",
        "log_directory": logs,
        "python": settings.get("python") or shlex.quote(sys.executable),
        "job_extra_directives": directives,
        "worker_extra_args": arguments,
        "job_script_prologue": [
            *_lines(settings, "job-script-prologue", "env-extra"),
            f"cd {shlex.quote(str(project_root()))}",
        ],
    }


def _lines(settings: Mapping[str, object], name: str, older_name: str) -> list[str]:
    """A list of the user's configuration, which may have it under the name that it had in older versions of dask-jobqueue."""
    return [str(line) for line in settings.get(name) or settings.get(older_name) or []]


def seconds_of_walltime(scheduler: str, walltime: object) -> int | None:
    """The time limit of a job: 5400 of "01:30:00" (SLURM) or "1:30" (LSF); None if there is none or it cannot be read."""
    text = str(walltime or "").strip()
    if scheduler == "lsf":  # [hours:]minutes, perhaps with /host behind
        match = re.fullmatch(r"(?:(\d+):)?(\d+)(?:/.*)?", text)
        return match and 60 * (60 * int(match[1] or 0) + int(match[2]))
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not match:
        return None
    days, *rest = match.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is None and len(parts) < 3:  # minutes[:seconds]
        parts = [0, *parts]
    hours, minutes, seconds = (*parts, 0, 0)[:3]
    return 86400 * int(days or 0) + 3600 * hours + 60 * minutes + seconds


def make_script(scheduler: str, *, threads: int, device: str) -> str:
    """The script that would be submitted for every worker; nothing is started, and no batch system has to be here."""
    dask_jobqueue, settings = read_configuration(scheduler)
    security = tls_of(str(jobs_dir() / "<certificate>"), str(jobs_dir() / "<key>"))
    job = quoted_jobs(getattr(dask_jobqueue, BATCH_SYSTEMS[scheduler].cluster).job_cls)
    options = job_options(scheduler, settings, threads=threads, device=device)
    where, name = map(shlex.quote, ("tls://<scheduler>", "<worker>"))
    return job(where, name=name, protocol="tls://", security=security, **options).job_script()


def quoted_jobs(job_class: type) -> type:
    """The class of jobs, whose script names the files of certificates as a shell reads them; dask-jobqueue joins words only."""

    class Quoted:
        def __init__(self, security: object):
            self.security = security

        def get_tls_config_for_role(self, role: str) -> dict[str, str]:
            config = self.security.get_tls_config_for_role(role)
            return {name: value and shlex.quote(value) for name, value in config.items()}

    class QuotedJob(job_class):
        def __init__(self, *args: object, security: object, **settings: object):
            super().__init__(*args, security=Quoted(security), **settings)

    return QuotedJob


def tls_of(certificate: str, key: str) -> object:
    """What makes all parts of a Dask cluster talk to those only that have these two files."""
    from distributed.security import Security

    parts = {
        f"tls_{part}_{what}": file
        for part in ("client", "scheduler", "worker")
        for what, file in (("cert", certificate), ("key", key))
    }
    return Security(require_encryption=True, tls_ca_file=certificate, **parts)


def read_configuration(scheduler: str) -> tuple[object, Mapping[str, object]]:
    """dask-jobqueue, and the user's section of its configuration, which is read from ~/.config/dask/*.yaml and DASK_...."""
    import dask
    import dask_jobqueue

    return dask_jobqueue, dask.config.get(f"jobqueue.{scheduler}", {})
