"""A run on a worker of a Dask cluster, and whether that worker is fit for it."""

import hashlib
import os
import platform
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.runs.lease import LeaseWatch, is_gone
from pose3d_lib.runs.sweep.kernel import NotebookFailed, execute_training

LONGEST_WAIT_FOR_LEASE = 5.0  # seconds after which a network file system shows a new file everywhere
STOPPED = ("RunStopped", "KeyboardInterrupt", "RunLost")  # by cells, when a batch system signals a job's processes


@dataclass(frozen=True)
class Home:
    """The folders of a sweep, as the process sees them that submits it."""

    outputs: Path  # POSE3D_OUTPUTS of every run
    data: Path  # POSE3D_DATA
    lease: Path  # under `outputs`; touched as long as the sweep lives


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
