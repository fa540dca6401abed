"""Executes the project's notebooks through papermill, their parameters checked beforehand."""

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager

from pose3d_lib.config import ResultsConfig, RunConfig, SweepConfig, check_data, make_config
from pose3d_lib.errors import InputError
from pose3d_lib.paths import make_folder, notebooks_dir, outputs_dir
from pose3d_lib.sources.spec import DataSpec

NOTEBOOKS = {
    "01_data_prep": DataSpec,
    "02_train": RunConfig,
    "03_action_based": SweepConfig,
    "04_results": ResultsConfig,
}
"""Name -> what its parameters are."""


LONGEST_SOCKET = 95
"""Characters; the path of a socket file, with a dash and a number behind it, may have little more than a hundred."""


class SocketKernelManager(AsyncKernelManager):
    """Talks to the kernel through socket files in a folder of its own: no ports to collide, no warning about open ones."""

    def __init__(self, **settings: object):
        super().__init__(**settings)
        self._folder = tempfile.mkdtemp(prefix="pose3d-kernel-")
        socket = str(Path(self._folder) / "socket")
        if os.name == "posix" and len(socket) < LONGEST_SOCKET:
            self.transport, self.ip = "ipc", socket

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self._folder, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


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


def check_parameters(notebook: str, parameters: Mapping[str, object]) -> object:
    """The config that a notebook's parameters make; an InputError for a wrong one, within a second, nothing started."""
    config = make_config(NOTEBOOKS[notebook], parameters)
    check_data(config)
    return config


def execute_notebook(notebook: str, output: Path, parameters: Mapping[str, object]) -> None:
    """Executes `notebooks/<notebook>.ipynb`; the executed copy is saved as it grows, and also when a cell fails.

    Args:
        notebook: a name of NOTEBOOKS.
        output: where the executed notebook goes; its folder is made.
        parameters: what papermill injects.
    """
    import papermill  # takes a second and a half, which importing this package should not
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(
        logging.ERROR
    )  # it warns of settings that the parameters cell does not list
    source = notebooks_dir() / f"{notebook}.ipynb"
    if not source.is_file():
        raise InputError(f"{source}: the notebook is not there; run from a checkout of the project")
    make_folder(output.parent)
    try:
        papermill.execute_notebook(
            str(source),
            str(output),
            parameters={name: list(v) if isinstance(v, tuple) else v for name, v in parameters.items()},
            progress_bar=False,
            kernel_manager_class=SocketKernelManager,
            extra_arguments=["--IPKernelApp.log_level=50"],  # else a kernel logs that it was interrupted to end it
        )
    except papermill.PapermillExecutionError as error:
        reason = error.evalue if error.ename == InputError.__name__ else f"{error.ename}: {error.evalue}"
        raise NotebookFailed(output, reason, error.ename == InputError.__name__) from error
    except DeadKernelError as error:
        raise NotebookFailed(output, "its kernel was killed (out of memory?)", refused=False) from error


def notebook_output(notebook: str) -> Path:
    """Where the executed copy of a notebook goes that belongs to no single run."""
    return outputs_dir() / "notebooks" / f"{notebook}.ipynb"


def parameters_of(config: RunConfig) -> dict[str, object]:
    """The parameters that make 02_train this run: its action and seed, and the settings that differ from the defaults."""
    default = make_config(RunConfig, {})
    values = config.model_dump()
    return {
        name: values[name] for name in values if name in ("action", "seed") or values[name] != getattr(default, name)
    }
