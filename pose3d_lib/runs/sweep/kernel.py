"""Executes one notebook through papermill, in a kernel of its own; imports neither PyTorch nor what reads data.

A sweep's processes import no more than this module: what a run needs, its own kernel imports.
"""

import errno
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import psutil
from jupyter_client.manager import AsyncKernelManager
from zmq import ZMQError

from pose3d_lib.common.errors import InputError, RunStopped
from pose3d_lib.common.paths import make_folder, notebooks_dir
from pose3d_lib.runs.layout import NOTEBOOK, is_finished
from pose3d_lib.runs.lease import CLAIM, claim_run

FOLDER = "pose3d-kernel-"
"""How the names of folders of sockets begin; the number of the process follows that made them."""

LONGEST_SOCKET = 95
"""Characters; the path of a socket file, with a dash and a number behind it, may have little more than a hundred."""

GRAMMAR = "rfc3987_syntax"
"""A package that builds a grammar of web addresses when it is imported, which takes more than a second."""

START_ATTEMPTS = 3
"""A kernel that dies before its first cell is started so often: a port or a socket may have been taken meanwhile."""

PASSING = (errno.EADDRINUSE, errno.EAGAIN, errno.ENOMEM)
"""Of the system's errors, those that may be gone when a kernel is started again; a full disk is not."""

SECONDS_TO_STOP = 60.0
"""That a kernel which is interrupted in the middle of a cell has to save what it does and to end what it started."""


class SocketKernelManager(AsyncKernelManager):
    """Talks to the kernel through socket files in a folder of its own: no ports to collide, no warning about open ones.

    Attributes:
        at_work: whether a cell is being executed. Such a kernel is interrupted and waited for; any other may be killed, as
            what counts is on disk by then, and PyTorch takes one to three seconds to leave by itself.
    """

    at_work = False

    def __init__(self, **settings: object):
        super().__init__(**settings)
        self.shutdown_wait_time = SECONDS_TO_STOP
        _remove_left_over()
        self._folder = tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-")
        self.connection_file = str(Path(self._folder) / "connection.json")
        socket = str(Path(self._folder) / "socket")
        if os.name == "posix" and len(socket) < LONGEST_SOCKET:
            self.transport, self.ip = "ipc", socket

    async def _async_shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        await super()._async_shutdown_kernel(now=now and not self.at_work, restart=restart)

    shutdown_kernel = _async_shutdown_kernel

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self._folder, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


def _remove_left_over() -> None:
    """Removes the folders of sockets that processes left which were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{FOLDER}*-*"):
        number = path.name.removeprefix(FOLDER).split("-")[0]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(path, ignore_errors=True)


class NotebookFailed(Exception):
    """A cell of a notebook raised.

    Attributes:
        output: the executed notebook, with the traceback in it.
        reason: name and message of the exception.
        refused: whether it was an `InputError`, whose message says all there is to say.
    """

    def __init__(self, output: Path, reason: str, refused: bool):
        super().__init__(output, reason, refused)  # all of them: exceptions cross processes as class and arguments
        self.output, self.reason, self.refused = output, reason, refused

    def __str__(self) -> str:
        return f"{self.reason}\nThe executed notebook, with the traceback: {self.output}"


class SweepFailed(Exception):
    """Some runs of a sweep failed; the message names them, why, and what to do."""


def execute_training(folder: Path, parameters: Mapping[str, object]) -> bool:
    """Execute 02_train for the run in a folder, which is claimed before its kernel starts.

    Returns:
        Whether it was executed: not where another process holds the run or has finished it meanwhile.

    Raises:
        NotebookFailed, InputError: as `execute_notebook`.
    """
    with claim_run(make_folder(folder)) as token:
        if token is None or is_finished(folder):
            return False
        execute_notebook("02_train", folder / NOTEBOOK, parameters, environment={CLAIM: token})
    return True


def execute_notebook(
    notebook: str, output: Path, parameters: Mapping[str, object], *, environment: Mapping[str, str] | None = None
) -> None:
    """Executes `notebooks/<notebook>.ipynb`; the executed copy is saved as it grows, and also when a cell fails.

    Args:
        notebook: its name, such as "02_train".
        output: where the executed notebook goes; its folder is made.
        parameters: what papermill injects.
        environment: variables that the kernel gets besides those of this process.

    Raises:
        NotebookFailed: a cell raised, or there was no kernel to execute it.
        InputError: there is no such notebook, or `output` cannot be written.
    """
    papermill = _import_papermill()
    from nbclient.exceptions import DeadKernelError

    # it warns of settings that the parameters cell does not list, and raises what it logs as an error
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    # when a notebook is interrupted, it reports with a traceback what is raised here as well
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    source = notebooks_dir() / f"{notebook}.ipynb"
    if not source.is_file():
        raise InputError(f"{source}: the notebook is not there; run from a checkout of the project")
    make_folder(output.parent)
    for attempt in range(1, START_ATTEMPTS + 1):
        begun: list[bool] = []
        try:
            _execute(papermill, source, output, parameters, environment or {}, begun)
            return
        except papermill.PapermillExecutionError as error:
            told = error.ename in (InputError.__name__, RunStopped.__name__)  # their messages say all there is to say
            reason = error.evalue if told else f"{error.ename}: {error.evalue}"
            raise NotebookFailed(output, reason, error.ename == InputError.__name__) from error
        except DeadKernelError as error:
            if begun or attempt == START_ATTEMPTS:
                raise NotebookFailed(output, "its kernel was killed (out of memory?)", refused=False) from error
        except OSError as error:
            if error.errno not in PASSING or begun or attempt == START_ATTEMPTS:
                raise InputError(
                    f"{output}: the notebook cannot be executed and saved there ({error}); finished runs are as they were. Once "
                    "that is mended, the same call goes on"
                ) from error
        except (RuntimeError, ZMQError) as error:
            if begun or attempt == START_ATTEMPTS:
                raise NotebookFailed(output, f"its kernel did not start: {error}", refused=False) from error
        time.sleep(attempt)


def _execute(
    papermill: ModuleType,
    source: Path,
    output: Path,
    parameters: Mapping[str, object],
    environment: Mapping[str, str],
    begun: list[bool],
) -> None:
    """Executes a notebook once; `begun` is filled as soon as its first cell is."""

    class Manager(SocketKernelManager):
        async def _async_start_kernel(self, **settings: object) -> None:
            await super()._async_start_kernel(**settings, env={**os.environ, **environment})

        start_kernel = _async_start_kernel

    def on_cell_execute(**_: object) -> None:
        begun.append(True)
        Manager.at_work = True

    def on_cell_executed(**_: object) -> None:
        Manager.at_work = False

    papermill.execute_notebook(
        *(str(path).replace("{", "{{").replace("}", "}}") for path in (source, output)),  # papermill formats them
        parameters={name: list(v) if isinstance(v, tuple) else v for name, v in parameters.items()},
        progress_bar=False,
        kernel_manager_class=Manager,
        on_cell_execute=on_cell_execute,
        on_cell_executed=on_cell_executed,
        extra_arguments=["--IPKernelApp.log_level=50"],  # else a kernel logs that it was interrupted to end it
        shutdown_kernel="immediate",
    )


def _import_papermill() -> ModuleType:
    """papermill, which takes more than half a second, and three times as long with the grammar of web addresses.

    jsonschema checks addresses with it where it is installed, and goes without where it is not; no notebook needs it.
    """
    sys.modules.setdefault(GRAMMAR, None)  # an import of it fails as if it were not installed
    try:
        import papermill
    finally:
        if sys.modules.get(GRAMMAR, sys) is None:  # another thread may have been here
            sys.modules.pop(GRAMMAR, None)
    return papermill
