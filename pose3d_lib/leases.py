"""Who works on a run: one process at a time, on whatever machine, and nobody who is dead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from pose3d_lib.errors import InputError

LEASE = ".lease"

LEASE_SECONDS = 60.0
"""Without a sign of life for so long, a process on another machine counts as dead; on the same machine it is looked up."""


class RunLost(Exception):
    """Another process took the run over; this one may write nothing more."""


@contextmanager
def hold_run(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Holds a run's folder, waiting for whoever holds it; yields what raises RunLost once it is another's.

    Args:
        folder: the run's.
        say: called with a line of text if there is somebody to wait for.
    """
    lease = SoftFileLease(folder / LEASE, lease_duration=LEASE_SECONDS)
    try:
        try:
            lease.acquire(timeout=0.2, poll_interval=0.05)
        except Timeout:
            owner = lease.owner
            who = f"process {owner.pid} on {owner.hostname}" if owner else "another process"
            say(f"{who} is training this run ({folder}); waiting for it")
            lease.acquire(poll_interval=0.5)
    except LeaseSettingsMismatch as error:
        raise InputError(
            f"{folder / LEASE}: held by another version of this code ({error}); wait for it, or stop it"
        ) from error

    def check_held() -> None:
        if lease.compromise or not lease.is_lock_held_by_us:
            raise RunLost(
                f"{folder}: another process took this run over, as this one gave no sign of life for {LEASE_SECONDS:g} s "
                "(was the machine asleep?); nothing more was written, and the other goes on from the checkpoint"
            )

    try:
        yield check_held
    finally:
        lease.release()
