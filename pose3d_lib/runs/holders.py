"""Who holds a run just now, as far as its lease tells; nothing is changed by looking, and nobody waits."""

import os
import socket
import sys

from pose3d_lib.common.errors import printable
from pose3d_lib.runs.layout import LEASE, LEASE_SECONDS, Files


def find_holder(path: str, files: Files, now: float) -> str:
    """Who holds the lease of a run, as "process 4711 on somewhere"; "" where nobody does who is alive.

    A holder on this machine is alive while its process is and it touches the lease, one elsewhere while it touches the lease.
    """
    if LEASE not in files or now - files[LEASE].st_mtime >= LEASE_SECONDS:
        return ""
    return read_holder(path)


def read_holder(path: str) -> str:
    """Name who holds the lease of a run, as `find_holder` does, however long ago it was touched by whatever clock."""
    if not os.path.exists(f"{path}/{LEASE}"):
        return ""
    from filelock import SoftFileLease  # a tenth of a second, which only runs that are held have to wait

    owner = SoftFileLease(f"{path}/{LEASE}", lease_duration=LEASE_SECONDS).owner
    if owner is None:
        return "somebody who has just begun"
    host, _, _ = owner.hostname.partition("?")
    if owner.hostname in _own_hostnames() and not is_alive(owner.pid):
        return ""
    return f"process {owner.pid} on {printable(host)}"


def _own_hostnames() -> tuple[str, ...]:
    """What filelock may call this machine: a container's processes have numbers of their own, so it adds whose they are."""
    name = socket.gethostname()
    try:
        return name, f"{name}?pidns-{os.stat('/proc/self/ns/pid').st_ino:x}"
    except OSError:
        return (name,)


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number on this machine; where that cannot be told, it is."""
    if sys.platform == "win32":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
