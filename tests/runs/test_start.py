"""How notebooks start and end: nobody waits for what is not needed yet, and a kernel at work is given time to save."""

import asyncio
import functools
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import papermill
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from zmq import ZMQError

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.report.parameters import NOTEBOOKS
from pose3d_lib.runs.sweep import kernel as kernels
from pose3d_lib.runs.sweep import sweep
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config, parameters_of

NUMBERS = {"torch", "numpy", "pandas", "scipy", "pydantic", "safetensors", "h5py", "cdflib"}
NOTEBOOK_TOOLS = {"papermill", "nbformat", "nbclient", "jsonschema"}
DRAWING = {"matplotlib", "seaborn"}
"""What takes from a twentieth of a second to two seconds."""


def modules_after(program: str) -> set[str]:
    """Every module that a fresh process has loaded after a program."""
    program = f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("program", "not_yet"),
    [
        ("import pose3d_lib", {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING, "rich", "click"}),
        ("import pose3d_lib.cli.main", {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING, "jupyter_client", "IPython"}),
        ("import pose3d_lib.runs.sweep.kernel", {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING, "IPython", "rich"}),
        ("import pose3d_lib.runs.sweep.sweep", {*NOTEBOOK_TOOLS, *DRAWING, "scipy", "h5py", "cdflib", "IPython"}),
    ],
)
def test_importing_a_module_leaves_for_later_what_takes_long(program: str, not_yet: set[str]) -> None:
    assert not modules_after(program) & not_yet


def test_help_is_shown_without_pytorch() -> None:
    program = "import sys\nsys.argv = ['pose3d', 'sweep', '--help']\nfrom pose3d_lib.cli.main import main\nmain()"
    loaded = modules_after(program)
    assert not loaded & {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING}
    assert "pose3d_lib.cli.main" in loaded


def first_cell(notebook: str) -> str:
    cells = json.loads((notebooks_dir() / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])


def test_a_kernel_imports_neither_papermill_nor_what_only_makes_data() -> None:
    source_readers = {"h5py", "cdflib", "requests", "papermill", "nbformat", "nbconvert"}
    every = modules_after("\n".join(first_cell(notebook) for notebook in NOTEBOOKS))
    assert not every & {*source_readers, "seaborn"}
    training = modules_after(first_cell("02_train"))
    assert not training & {*source_readers, "seaborn", "scipy", "statsmodels"}, "statistics are for 03 and 04"
    assert "torch" in training


def test_a_process_of_a_sweep_gets_its_work_without_loading_pytorch() -> None:
    config = make_config(RunConfig, {"action": "Sitting", "filter_widths": "3,3", "evaluate_at": "1,2"})
    work = pickle.dumps((sweep.execute_training, Path("run"), parameters_of(config)))
    loaded = modules_after(f"import pickle\npickle.loads({work!r})")
    assert "pose3d_lib.runs.sweep.kernel" in loaded
    assert not loaded & {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING}


def test_papermill_is_imported_without_the_grammar_that_takes_a_second() -> None:
    loaded = modules_after("from pose3d_lib.runs.sweep.kernel import _import_papermill\n_import_papermill()")
    assert {"papermill", "jsonschema"} <= loaded
    assert kernels.GRAMMAR not in loaded
    assert not loaded & NUMBERS - {"pydantic"}


def test_the_grammar_stays_where_it_was_and_can_be_imported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = ModuleType(kernels.GRAMMAR)
    monkeypatch.setitem(sys.modules, kernels.GRAMMAR, grammar)
    kernels._import_papermill()
    assert sys.modules[kernels.GRAMMAR] is grammar
    del sys.modules[kernels.GRAMMAR]
    kernels._import_papermill()
    assert kernels.GRAMMAR not in sys.modules  # None there would refuse it for good


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What papermill was called with, each time."""
    calls: list[dict] = []
    monkeypatch.setattr("papermill.execute_notebook", lambda *paths, **given: calls.append(given))
    return calls


def test_lists_reach_papermill_as_lists(tmp_path: Path, passed: list[dict]) -> None:
    kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {"evaluate_at": (1, 2)})
    assert passed[0]["parameters"] == {"evaluate_at": [1, 2]}


def test_papermill_takes_paths_with_braces_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = tmp_path / "{checkout}", tmp_path / "{0} {action} {" / "out.ipynb"
    shutil.copytree(notebooks_dir(), source)
    monkeypatch.setattr(kernels, "notebooks_dir", lambda: source)
    without_kernel = functools.partial(papermill.execute_notebook, prepare_only=True)
    monkeypatch.setattr("papermill.execute_notebook", without_kernel)
    kernels.execute_notebook("02_train", output, {"action": "Eating"})
    assert 'action = \\"Eating\\"' in output.read_text()


def test_a_kernel_is_killed_between_two_cells_and_given_time_in_the_middle_of_one(
    tmp_path: Path, passed: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[bool] = []

    async def shutdown(self: object, now: bool = False, restart: bool = False) -> None:
        at_once.append(now)

    monkeypatch.setattr(AsyncKernelManager, "_async_shutdown_kernel", shutdown)
    for _ in range(2):
        kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})
    one, other = passed
    assert (one["shutdown_kernel"], other["shutdown_kernel"]) == ("immediate", "immediate")
    managers = [call["kernel_manager_class"]() for call in passed]
    one["on_cell_execute"](cell={}, cell_index=0)
    for manager in managers:
        asyncio.run(manager.shutdown_kernel(now=True))
    one["on_cell_executed"](cell={}, cell_index=0)
    asyncio.run(managers[0].shutdown_kernel(now=True))
    assert at_once == [False, True, True]


def test_the_sockets_of_a_process_that_was_killed_are_removed_and_no_other_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels.tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    dead.wait()
    parts = f"pose3d-kernel-{dead.pid}-x", f"pose3d-kernel-{os.getppid()}-x", "pose3d-kernel-other", "another-1-x"
    for name in parts:
        (tmp_path / name).mkdir()
        (tmp_path / name / "socket-1").touch()
    manager = kernels.SocketKernelManager()
    own = Path(manager._folder)
    assert {path.name for path in tmp_path.iterdir()} == {own.name, *parts[1:]}
    asyncio.run(manager.cleanup_resources())
    assert {path.name for path in tmp_path.iterdir()} == set(parts[1:])


@pytest.mark.parametrize("error", [RuntimeError("Kernel died"), ZMQError(98, "Address already in use")])
def test_a_kernel_that_does_not_start_is_started_again(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[dict] = []
    monkeypatch.setattr(kernels.time, "sleep", lambda seconds: None)

    def execute(*_: object, **given: object) -> None:
        attempts.append(given)
        if len(attempts) < fails:
            raise error

    monkeypatch.setattr("papermill.execute_notebook", execute)
    fails = kernels.START_ATTEMPTS
    kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})
    assert len(attempts) == kernels.START_ATTEMPTS
    attempts.clear()
    fails = kernels.START_ATTEMPTS + 1
    with pytest.raises(kernels.NotebookFailed, match=f"its kernel did not start: .*{str(error)[-8:]}"):
        kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})
    assert len(attempts) == kernels.START_ATTEMPTS


def test_a_port_that_is_taken_is_no_fault_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[dict] = []
    monkeypatch.setattr(kernels.time, "sleep", lambda seconds: None)

    def execute(*_: object, **given: object) -> None:
        attempts.append(given)
        if len(attempts) == 1:
            raise OSError(98, "Address already in use")

    monkeypatch.setattr("papermill.execute_notebook", execute)
    kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})
    assert len(attempts) == 2


@pytest.mark.parametrize("begun", [False, True])
def test_a_full_disk_is_told_at_once_and_as_what_it_is(
    begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[dict] = []

    def execute(*_: object, **given: Callable) -> None:
        attempts.append(given)
        if begun:
            given["on_cell_execute"](cell={}, cell_index=0)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("papermill.execute_notebook", execute)
    with pytest.raises(InputError, match=r"out\.ipynb: .*cannot be .*No space left on device.*the same call goes on"):
        kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})
    assert len(attempts) == 1


def test_a_notebook_that_cannot_be_saved_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "out.ipynb").mkdir()
    with pytest.raises(InputError, match=r"out\.ipynb: .*cannot be .*Is a directory"):
        kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})


def test_a_kernel_that_dies_in_a_cell_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[dict] = []

    def execute(*_: object, **given: Callable) -> None:
        attempts.append(given)
        given["on_cell_execute"](cell={}, cell_index=0)
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr("papermill.execute_notebook", execute)
    with pytest.raises(kernels.NotebookFailed, match="its kernel was killed"):
        kernels.execute_notebook("02_train", tmp_path / "out.ipynb", {})
    assert len(attempts) == 1
