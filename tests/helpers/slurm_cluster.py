"""A SLURM cluster of one node, this machine, made by hand of Debian's packages: no service, everything in one folder."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")

CONFIGURATION = """
ClusterName=pose3d
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1
KillWait={kill_wait}
OverTimeLimit=0
InactiveLimit=0
MinJobAge=10
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} Gres=gpu:{cores} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """What is missing for such a cluster on this machine, "" if nothing is."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if missing := [program for program in PROGRAMS if not shutil.which(program, path=path)]:
        return f"no {', '.join(missing)} on this machine (apt-get install slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "slurmd starts jobs as root only"


@contextmanager
def slurm_cluster(folder: Path, *, kill_wait: int = 5) -> Iterator[dict[str, str]]:
    """Yields the environment in which sbatch and the others talk to the cluster.

    Args:
        folder: where everything is kept; a short path, as there are sockets in it.
        kill_wait: seconds between SIGTERM and SIGKILL at a job's time limit.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    settings = {"host": host, "user": "root", "folder": folder, "cores": cores, "memory": memory - 64}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(ports=_free_ports(2), kill_wait=kill_wait, **settings))
    gpus = [folder / f"gpu{number}" for number in range(cores)]  # none: files that SLURM counts
    for file in gpus:
        file.touch()
    (folder / "gres.conf").write_text("".join(f"NodeName={host} Name=gpu File={file}\n" for file in gpus))
    environment = os.environ | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
    }
    munge = {name: folder / f"munge.{name}" for name in ("socket", "pid", "log", "seed")}
    options = [f"--{name}{'' if name == 'socket' else '-file'}={path}" for name, path in munge.items()]
    with ExitStack() as stack:

        def start(*command: object) -> None:
            log = stack.enter_context((folder / f"{command[0]}.out").open("wb"))
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
            stack.callback(_end, process)

        start("munged", "--force", "--foreground", f"--key-file={key}", *options)
        _wait(munge["socket"].exists, folder, "munged")
        start("slurmctld", "-D", "-i", "-f", folder / "slurm.conf")
        start("slurmd", "-D", "-f", folder / "slurm.conf")
        _wait(
            lambda: "idle" in ask("sinfo", "--noheader", "--format=%T", environment=environment),
            folder,
            "slurmctld or slurmd",
        )
        stack.callback(ask, "scancel", "--user=root", environment=environment)
        yield environment


def ask(*command: str, environment: dict[str, str] | None = None) -> str:
    """What a command prints."""
    asked = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, env=environment
    )
    return asked.stdout


def _wait(ready, folder: Path, what: str, longest: float = 30.0) -> None:
    give_up = time.monotonic() + longest
    while not ready():
        if time.monotonic() > give_up:
            logs = "\n".join(f"{log}:\n{log.read_text()[-1500:]}" for log in sorted(folder.glob("*.[lo][ou][gt]")))
            raise RuntimeError(f"{what} did not start within {longest:g} s\n{logs}")
        time.sleep(0.2)


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
