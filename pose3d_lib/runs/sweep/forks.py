"""Kernels forked from a process that has imported what their notebook imports, so that each run is spared the imports.

Apart from that a forked kernel is like any other: a process and a session of its own, with the environment that it is given.
It ends when the process that it was forked from ends, and that one when the sweep does, however that ends.
"""

import ast
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]  # how the command of a kernel of this Python begins
SUPPORTED = sys.platform == "linux"  # elsewhere there is no fork, or libraries of the system do not survive it


class KernelForks:
    """A process from which the kernels of a notebook are forked."""

    def __init__(self, notebook: Path):
        self._lock = threading.Lock()
        command = [sys.executable, "-P", "-m", __name__, str(notebook)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)

    def fork(self, command: Sequence[str], environment: Mapping[str, str]) -> "ForkedKernel | None":
        """The kernel that a command would start; None where it cannot be forked and has to be started."""
        if [*command[:3]] != LAUNCHER:
            return None
        with self._lock, suppress(OSError, ValueError, psutil.NoSuchProcess):  # the process that forks was killed
            print(json.dumps([command[2:], dict(environment)]), file=self._process.stdin, flush=True)
            return ForkedKernel(int(self._process.stdout.readline()))
        return None

    def close(self) -> None:
        """End the process, once its kernels have ended."""
        self._process.communicate()


class ForkedKernel(psutil.Process):
    """What jupyter_client needs of a `subprocess.Popen`, for a process that is no child of this one."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        with suppress(psutil.NoSuchProcess):  # it may end between the two questions
            if self.is_running() and self.status() != psutil.STATUS_ZOMBIE:
                return None
        return 0

    def send_signal(self, number: int) -> None:
        with suppress(psutil.NoSuchProcess):
            super().send_signal(number)


def main(notebook: str) -> None:
    """Import what the first code cell of a notebook imports, then fork a kernel for every line of stdin, and print its number."""
    import gc

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # a kernel ends with the process of this number
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as every kernel does
    from ipykernel import kernelapp

    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    import_what(next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    gc.freeze()  # no collection in a kernel touches, and so copies, what was imported
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no kernel stays as a zombie
    # of a fork while there are threads: OpenBLAS stops its own
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    for line in sys.stdin:
        arguments, environment = json.loads(line)
        if kernel := os.fork():
            print(kernel, file=answers, flush=True)
            continue
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        warnings.resetwarnings()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        answers.close()
        os.environ.clear()
        os.environ.update(environment | {"JPY_PARENT_PID": str(os.getppid())})
        sys.argv = arguments
        kernelapp.launch_new_instance()
        os._exit(0)


def import_what(source: str) -> None:
    """Import the modules that some code imports at its top."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if isinstance(node, ast.Import):
                    importlib.import_module(alias.name)
                elif not hasattr(importlib.import_module(node.module), alias.name):  # it may be imported on first use
                    importlib.import_module(f"{node.module}.{alias.name}")


if __name__ == "__main__":
    main(sys.argv[1])
