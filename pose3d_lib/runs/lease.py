"""The lease of a run: one live process at a time, on any machine, trains it.

A sweep claims a run before it starts a kernel, and hands the claim on: the kernel finds its token in the environment.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from pose3d_lib.common.errors import InputError
from pose3d_lib.runs.holders import read_holder
from pose3d_lib.runs.layout import LEASE, LEASE_SECONDS

CLAIM = "POSE3D_CLAIM"
"""The environment variable by which a kernel gets the token of the claim under which it was started."""

SECONDS_TO_TAKE_OVER = 5.0
"""That filelock has for taking a dead process's lease over, before it is taken away here."""


class RunLost(Exception):
    """Another process took the run over; this one may write nothing more."""


@contextmanager
def hold_run(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Wait for a run's folder and hold it; yields a function that raises RunLost once another process took it over.

    A run that the process which started this kernel has claimed for it is used at once, and not released here.

    Args:
        folder: the run's.
        say: called with a line of text if another process holds it.
    """
    with ExitStack() as stack:
        token = os.environ.get(CLAIM)
        if token is None or _token(folder) != token:
            token = stack.enter_context(claim_run(folder, say))

        def check_held() -> None:
            if _token(folder) != token and not _is_unreadable(folder / LEASE):
                raise RunLost(
                    f"{folder}: another process took this run over, as this one gave no sign of life for {LEASE_SECONDS:g} s "
                    "(was the machine asleep?); nothing more was written, and the other resumes from the checkpoint"
                )

        yield check_held


@contextmanager
def claim_run(folder: Path, say: Callable[[str], None] | None = None) -> Iterator[str | None]:
    """Hold a run's folder; yields the token of the claim.

    If a live process holds it, waits for that process and says so; without `say`, yields None at once.
    """
    lease = SoftFileLease(folder / LEASE, lease_duration=LEASE_SECONDS)
    try:
        try:
            lease.acquire(timeout=0.2, poll_interval=0.05)
        except Timeout:
            holder = read_holder(str(folder))
            if holder and say is None:
                yield None
                return
            if holder:
                say(f"{holder} is training this run ({folder}); waiting for it")
            _wait_for(lease, folder / LEASE)
    except LeaseSettingsMismatch as error:
        raise InputError(
            f"{folder / LEASE}: held by another version of this code ({error}); wait for it, or stop it"
        ) from error
    try:
        yield lease.token
    finally:
        lease.release()


def _token(folder: Path) -> str | None:
    """The token of the claim that stands on a run now."""
    owner = SoftFileLease(folder / LEASE, lease_duration=LEASE_SECONDS).owner
    return owner and owner.token


def _wait_for(lease: SoftFileLease, path: Path) -> None:
    """Acquires a lease that somebody else holds, once they release it or give no sign of life."""
    watch = LeaseWatch(path)
    while True:
        with suppress(Timeout):
            lease.acquire(timeout=1.0, poll_interval=0.5)
            return
        watch.look()


class LeaseWatch:
    """Watches for signs of life of whoever holds a lease, and takes it away where there have been none.

    filelock takes the lease of a dead process over by exchanging two names, which NFS, SMB and some other file systems refuse;
    there it would wait for ever.
    """

    def __init__(self, path: Path):
        self._path, self._seen, self._since = path, _identity(path), time.monotonic()

    def look(self) -> None:
        """To be called again and again; acts only after filelock has had its time."""
        found = _identity(self._path)
        if found != self._seen:
            self._seen, self._since = found, time.monotonic()
        elif found and time.monotonic() - self._since > LEASE_SECONDS + SECONDS_TO_TAKE_OVER:
            _take_away(self._path, found)


def _identity(path: Path) -> tuple[int, int, int] | None:
    """What changes with every sign of life; None where there is no lease. Opened, as NFS looks at the server's file only then."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _take_away(path: Path, judged: tuple[int, int, int]) -> None:
    """Removes a lease if it is still the one that was judged; of several processes that try, one succeeds.

    Where another had put its own in that place just now, it is put back; if there is yet another by then, its holder notices.
    """
    aside = path.with_name(f"{path.name}.dead.{os.getpid()}.{secrets.token_hex(8)}")
    with suppress(OSError):
        path.rename(aside)
        moved = _identity(aside)
        if moved and moved[:2] != judged[:2]:  # renaming changes the third
            os.link(aside, path)
        aside.unlink()


def _is_unreadable(path: Path) -> bool:
    """Whether nobody can tell whose lease it is, as of a network's file now and then; if that lasts, the lease is lost."""
    try:
        path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
