"""One call on a Dask worker: checked, given the sweep's folders, and interrupted once nobody wants its result any more."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir

SECONDS_BETWEEN_LOOKS = 0.5

SECONDS_BETWEEN_SIGNALS = 10.0
"""A kernel that is between two cells does not notice an interrupt; it gets another."""

LONGEST_WAIT_FOR_TOKEN = 5.0
"""Seconds after which a network file system shows a new file everywhere, or never will."""

STOPPED = ("RunStopped", "KeyboardInterrupt", "RunLost")
"""What a cell raises whose kernel was interrupted, such as by a batch system that signals every process of a job, or whose
run another process took over: called again, it waits for that one."""


@dataclass(frozen=True)
class Home:
    """The folders of a sweep, as the process sees them that submits it.

    Attributes:
        outputs, data: absolute paths: POSE3D_OUTPUTS and POSE3D_DATA of every run.
        token: a file under `outputs` that exists as long as the sweep, and under that name nowhere else.
    """

    outputs: Path
    data: Path
    token: Path


def describe_worker(home: Home) -> dict[str, object]:
    """What a sweep has to know of the process that this is executed in.

    Returns:
        `host`; `folder` of the library; `code`, the digest of it and of the notebooks; whether it `sees` the sweep's outputs,
        and `writes` there.
    """
    seen = sees_token(home)
    return {
        "host": socket.gethostname(),
        "folder": str(Path(__file__).parents[3]),
        "code": code_digest(),
        "sees": seen,
        "writes": seen and os.access(home.token.parent, os.W_OK),
    }


def sees_token(home: Home) -> bool:
    """Whether the folder of outputs is the same here as where the sweep was started."""
    give_up = time.monotonic() + LONGEST_WAIT_FOR_TOKEN
    while not home.token.is_file():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True


def code_digest() -> str:
    """Of the library's files and of the notebooks, as they are now: the same wherever the code is."""
    library, digest = Path(__file__).parents[3], hashlib.sha256()
    for folder, files in ((library, library.rglob("*.py")), (notebooks_dir(), notebooks_dir().glob("*.ipynb"))):
        for file in sorted(files):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def call_on_worker(home: Home, function: Callable, *args: object) -> object:
    """Calls the function, on a worker of the sweep.

    Where the worker is about to end, the notebook that it executes is interrupted, so that its run is saved, and Dask starts
    the call again on another.

    Raises:
        InputError: this worker does not see the sweep's folder of outputs.
    """
    from distributed import Reschedule, get_worker

    worker = get_worker()
    if not sees_token(home):
        raise InputError(other_outputs(socket.gethostname(), home))
    os.environ.update(POSE3D_OUTPUTS=str(home.outputs), POSE3D_DATA=str(home.data))
    if worker.nanny:
        _forget_nanny_settings()
    key = worker.get_current_task()
    with _interrupted_unless(lambda: _is_wanted(worker, key)) as interrupted:
        try:
            return function(*args)
        except Exception as error:
            if interrupted() or getattr(error.__cause__, "ename", "") in STOPPED:
                raise Reschedule from error
            raise


def other_outputs(host: str, home: Home) -> str:
    return (
        f"the worker on {host} does not see the folder {home.outputs} as it is here. Runs meet in that folder: it has to be on "
        "a file system that all machines share, under the same path; POSE3D_OUTPUTS names another folder"
    )


def _forget_nanny_settings() -> None:
    """Takes back the numbers of threads and the memory settings that Dask's nanny gives its worker.

    A run sets its own number of threads; a kernel that inherited others would not compute like one that was started by hand.
    """
    import dask

    given: Mapping[str, object] = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    for name, value in given.items():
        if os.environ.get(name) == str(value):
            del os.environ[name]


def _is_wanted(worker: object, key: object) -> bool:
    """Whether the worker goes on and somebody still waits for what it executes under this key."""
    task = worker.state.tasks.get(key)
    return worker.status.name in ("running", "paused") and task is not None and task.state != "cancelled"


@contextmanager
def _interrupted_unless(wanted: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Interrupts the kernels of this process once `wanted` is false, until the block ends; yields what says whether it has."""
    ended, interrupted = threading.Event(), threading.Event()

    def watch() -> None:
        last = -SECONDS_BETWEEN_SIGNALS
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            if time.monotonic() - last >= SECONDS_BETWEEN_SIGNALS and not wanted():
                interrupted.set()
                interrupt_kernels()
                last = time.monotonic()

    watcher = threading.Thread(target=watch, name="pose3d-watch", daemon=True)
    watcher.start()
    try:
        yield interrupted.is_set
    finally:
        ended.set()
        watcher.join()


def interrupt_kernels() -> None:
    """Sends SIGINT to the kernels that this process has started."""
    import psutil

    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # one that has just ended, or that is no longer ours
            if any("ipykernel" in word for word in child.cmdline()):
                child.send_signal(signal.SIGINT)
