"""The lease of a run: one live process at a time, on any machine, trains it.

A sweep claims a run before it starts a kernel, and hands the claim over: the kernel finds its token in the environment.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.runs.layout import LEASE, LEASE_SECONDS

CLAIM = "POSE3D_CLAIM"  # environment variable with the token of the claim under which a kernel was started
SECONDS_BETWEEN_TRIES = 1.0
SECONDS_TO_TAKE_OVER = 5.0  # for filelock to take over a dead process's lease, before it is broken here


class RunLost(Exception):
    """Another process took the run over; this one must not write anything more."""


@contextmanager
def hold_run(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Wait for a run's folder and hold it; yields a function that raises RunLost once another process took it over.

    What the process that started this kernel has claimed for it is used at once, and not released here.
    """
    with ExitStack() as stack:
        token = os.environ.get(CLAIM)
        owner = _lease(folder).owner
        if token is None or owner is None or owner.token != token:
            token = stack.enter_context(claim_run(folder, say))

        def check_held() -> None:
            if _is_lost(folder, token):
                raise RunLost(
                    f"{folder}: another process took this run over, as this one gave no sign of life for {LEASE_SECONDS:g} s "
                    "(was the machine asleep?); nothing more was written, and the other resumes from the checkpoint"
                )

        yield check_held


def _is_lost(folder: Path, token: str) -> bool:
    owner = _lease(folder).owner
    return owner.token != token if owner else is_gone(folder / LEASE)


def is_gone(path: Path) -> bool:
    """Whether a file is not there; not if it cannot be looked at just now, as those of a network's file system."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:  # if that lasts, another process takes the run over
        pass
    return False


@contextmanager
def claim_run(folder: Path, say: Callable[[str], None] | None = None) -> Iterator[str | None]:
    """Hold a run's folder; yields the token of the claim.

    If a live process holds it, waits for that process and says so; without `say`, yields None at once.
    """
    lease = _lease(folder)
    try:
        lease.acquire(timeout=0.2, poll_interval=0.05)
    except LeaseSettingsMismatch as error:
        raise InputError(
            f"{folder / LEASE}: another version wrote it ({error}); once its process ended, delete it"
        ) from error
    except Timeout:
        holder = read_holder(folder)
        if holder and not say:
            yield None
            return
        if holder:
            say(f"{holder} is training this run ({folder}); waiting for it")
        _wait_for(lease, folder / LEASE)
    try:
        yield lease.token
    finally:
        lease.release()


def read_holder(folder: str | os.PathLike) -> str:
    """The process that holds a run, as "process 4711 on somewhere"; "" where there is none, or it died on this machine."""
    if not os.path.exists(os.path.join(folder, LEASE)):
        return ""
    owner = _lease(folder).owner
    if owner is None:
        return "a process that has just begun"
    # in a container, which has process numbers of its own, filelock adds their namespace to the name
    host, _, namespace = owner.hostname.partition("?pidns-")
    is_here = host == socket.gethostname() and namespace in ("", _own_namespace())
    if is_here and not psutil.pid_exists(owner.pid):
        return ""
    return f"process {owner.pid} on {printable(host)}"


def _own_namespace() -> str:
    """The namespace of this process's number, as filelock writes it; "" where there are none."""
    path = Path("/proc/self/ns/pid")
    return f"{path.stat().st_ino:x}" if path.exists() else ""


class LeaseWatch:
    """Watches the signs of life of a lease's holder, and breaks the lease where there are none.

    filelock takes the lease of a dead process over by exchanging two names, which NFS, SMB and some other file systems refuse;
    there it would wait forever.
    """

    def __init__(self, path: Path):
        self._path, self._seen, self._since = path, _identity(path), time.monotonic()

    def look(self) -> None:
        """Call it repeatedly; it acts only after filelock has had its time."""
        found = _identity(self._path)
        if found != self._seen:
            self._seen, self._since = found, time.monotonic()
        elif found and time.monotonic() - self._since > LEASE_SECONDS + SECONDS_TO_TAKE_OVER:
            _lease(self._path.parent).force_break()


def _lease(folder: str | os.PathLike) -> SoftFileLease:
    return SoftFileLease(os.path.join(folder, LEASE), lease_duration=LEASE_SECONDS)


def _wait_for(lease: SoftFileLease, path: Path) -> None:
    """Acquires another process's lease once it is released or shows no sign of life."""
    watch = LeaseWatch(path)
    while not lease.is_locked:
        with suppress(Timeout):
            lease.acquire(timeout=SECONDS_BETWEEN_TRIES, poll_interval=SECONDS_BETWEEN_TRIES / 2)
        watch.look()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Changes with every sign of life; None where there is no lease. Opened, as NFS asks the server only then."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns
