"""Notebooks executed through papermill, each in a kernel of its own, several at a time in threads of this process."""

import asyncio
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from zmq import ZMQError

from pose3d_lib.common.errors import InputError, RunStopped
from pose3d_lib.common.paths import make_folder, notebooks_dir
from pose3d_lib.runs.layout import NOTEBOOK, is_finished
from pose3d_lib.runs.lease import CLAIM, claim_run
from pose3d_lib.runs.signals import raised_once
from pose3d_lib.runs.sweep.forks import SUPPORTED, KernelForks

LONGEST_SOCKET = 95  # characters; the path of a socket, with a dash and a number behind it, may have about a hundred
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_SIGNALS = 10.0  # a kernel that was just between two cells ignores an interrupt, and gets another
LINK = re.compile(r"(?<=\]\()(?!\w+:|[#/])[^()\s#]+")  # where a relative link in Markdown leads, without its anchor

Stop = Callable[[], bool]  # whether kernels shall be interrupted; asked several times a second


class NotebookFailed(Exception):
    """A cell of a notebook raised; `output` is the executed notebook, with the traceback in it.

    `reason` is name and message of the exception; `refused`, whether it was an `InputError`, whose message is complete.
    """

    def __init__(self, output: Path, reason: str, refused: bool):
        super().__init__(output, reason, refused)  # all of them: exceptions are pickled as class and arguments
        self.output, self.reason, self.refused = output, reason, refused

    def __str__(self) -> str:
        return f"{self.reason}\nThe executed notebook, with the traceback: {self.output}"


class SweepFailed(Exception):
    """Some runs of a sweep failed; the message names them, why, and what to do."""


@contextmanager
def open_kernels(number: int, notebook: str = "") -> Iterator[Callable[..., Future]]:
    """Yield a function that calls one of the two below in a thread, at most `number` at a time, and returns a future.

    If the `notebook` is named that they will execute, kernels are forked where that is possible.
    Left early, as by Ctrl-C or SIGTERM, it interrupts the kernels at work, and waits until they have saved and ended.
    """
    stop = threading.Event()
    with ExitStack() as stack:
        given = {"stop": stop.is_set}
        if notebook and SUPPORTED:
            given["forks"] = stack.enter_context(closing(KernelForks(find_notebook(notebook))))
        stack.enter_context(raised_once())
        threads = stack.enter_context(ThreadPoolExecutor(number, thread_name_prefix="pose3d-kernel"))

        def call(function: Callable, *arguments: object) -> object:
            try:
                return function(*arguments, **given)
            finally:
                ensure_event_loop().close()  # papermill's, of this thread

        try:
            yield lambda function, *arguments: threads.submit(call, function, *arguments)
        except BaseException:
            stop.set()
            threads.shutdown(cancel_futures=True)
            raise


def execute_training(
    folder: Path,
    parameters: Mapping[str, object],
    *,
    stop: Stop = lambda: False,
    forks: KernelForks | None = None,
) -> bool:
    """Execute 02_train for the run in a folder, which is claimed before its kernel starts; errors as `execute_notebook`.

    Returns:
        Whether it was executed: not if another process holds the run or has finished it meanwhile.
    """
    with claim_run(make_folder(folder)) as token:
        if token is None or is_finished(folder):
            return False
        output = folder / NOTEBOOK
        execute_notebook("02_train", output, parameters, environment={CLAIM: token}, stop=stop, forks=forks)
    return True


def execute_notebook(
    notebook: str,
    output: Path,
    parameters: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    stop: Stop = lambda: False,
    forks: KernelForks | None = None,
) -> None:
    """Execute `notebooks/<notebook>.ipynb`; the executed copy `output` is saved as it grows, and also when a cell fails.

    papermill injects the parameters; the kernel gets the variables of `environment` besides those of this process, and is
    interrupted once `stop` is true. It is forked if there are `forks`.

    Raises:
        NotebookFailed: a cell raised, or there was no kernel to execute it.
        InputError: there is no such notebook, or `output` cannot be written.
    """
    import nbformat  # a tenth of a second
    import papermill  # half a second
    from nbclient.exceptions import DeadKernelError

    # it warns of settings that the parameters cell does not list, and raises what it logs as an error
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    # it reports once more, with a traceback, what is raised here when a notebook is interrupted
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    source = find_notebook(notebook)
    make_folder(output.parent)
    try:
        _execute(source, output, parameters, environment or {}, stop, forks)
        notebook = nbformat.read(output, as_version=4)
        relink(notebook, source.parent, output.parent)
        nbformat.write(notebook, output)
    except papermill.PapermillExecutionError as error:
        complete = error.ename in (InputError.__name__, RunStopped.__name__)  # their messages need no name
        reason = error.evalue if complete else f"{error.ename}: {error.evalue}"
        raise NotebookFailed(output, reason, error.ename == InputError.__name__) from error
    except OSError as error:
        raise InputError(
            f"{output}: the notebook cannot be executed and saved there ({error}); finished runs are as they were. "
            "Once that is repaired, the same call resumes"
        ) from error
    except (DeadKernelError, RuntimeError, ZMQError) as error:
        reason = f"its kernel was killed, or did not start (out of memory?): {error}"
        raise NotebookFailed(output, reason, refused=False) from error


def find_notebook(name: str) -> Path:
    source = notebooks_dir() / f"{name}.ipynb"
    if not source.is_file():
        raise InputError(f"{source}: the notebook is not there; run from a checkout of the project")
    return source


def _execute(
    source: Path,
    output: Path,
    parameters: Mapping[str, object],
    environment: Mapping[str, str],
    stop: Stop,
    forks: KernelForks | None,
) -> None:
    import papermill

    started: list[AsyncKernelManager] = []
    own = tempfile.TemporaryDirectory(prefix="pose3d-kernel-", ignore_cleanup_errors=True)  # the kernel may still write
    with own as folder, _interrupted_by(stop, started):
        # socket files: no ports to collide, no warning about open ones
        sockets = os.name == "posix" and len(folder) < LONGEST_SOCKET
        connection = {"transport": "ipc", "ip": f"{folder}/socket"} if sockets else {}

        class Manager(AsyncKernelManager):
            def __init__(self, **settings: object):
                super().__init__(**settings, connection_file=f"{folder}/connection.json", **connection)

            async def _async_launch_kernel(self, command: list[str], **settings: Any) -> None:
                settings["env"] = {**settings["env"], **environment}
                kernel = forks and forks.fork(command, settings["env"])
                if kernel:
                    self.provisioner.process = kernel
                    self.provisioner.pid = self.provisioner.pgid = kernel.pid
                else:
                    await super()._async_launch_kernel(command, **settings)
                started.append(self)

        papermill.execute_notebook(
            *(str(path).replace("{", "{{").replace("}", "}}") for path in (source, output)),  # papermill formats them
            parameters={name: list(v) if isinstance(v, tuple) else v for name, v in parameters.items()},
            progress_bar=False,
            kernel_manager_class=Manager,
            extra_arguments=["--IPKernelApp.log_level=50"],  # else a kernel logs that it was interrupted to end it
            start_timeout=300,  # seconds; imports from a shared file system, or many kernels at once, are slow
            shutdown_kernel="immediate",  # results are on disk by then, and PyTorch takes seconds to leave by itself
        )


@contextmanager
def _interrupted_by(stop: Stop, started: Sequence[AsyncKernelManager]) -> Iterator[None]:
    """Within it the kernels that were started are interrupted once `stop` is true."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            if stop():
                for manager in started:
                    with suppress(RuntimeError):  # it has just ended
                        asyncio.run(manager.interrupt_kernel())
                ended.wait(SECONDS_BETWEEN_SIGNALS)

    watcher = threading.Thread(target=watch, name="pose3d-interrupt", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def relink(notebook: Any, source: Path, folder: Path, beside: Collection[str] = ()) -> None:
    """Make the links in the text of a notebook from `source` lead to the same files from `folder`.

    Those to files that lie in both folders, `beside` by name, stay as they are.
    """

    def move(found: re.Match[str]) -> str:
        return found[0] if found[0] in beside else Path(os.path.relpath(source / found[0], folder)).as_posix()

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(move, cell.source)
