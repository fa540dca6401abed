"""Kernels: how they start and end, several at a time; one that is killed fails alone, and none outlives its sweep."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import nbformat
import papermill
import pytest
from zmq import ZMQError

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.runs.sweep import kernel as kernels
from pose3d_lib.runs.sweep.forks import SUPPORTED
from pose3d_lib.runs.sweep.kernel import NotebookFailed, execute_notebook, open_kernels, relink
from tests.helpers.sweep_processes import find_kernels, is_of_forks, processes_of, wait_until

WORK = """
import time
from pathlib import Path
Path(mark).touch()
try:
    time.sleep(seconds)
except KeyboardInterrupt:
    Path(mark).with_suffix(".saved").touch()
    raise
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of notebooks with one, which works for some seconds and saves when it is interrupted; and the outputs'."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    cells = [nbformat.v4.new_code_cell("seconds, mark = 0, ''", metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(WORK), nbformat.v4.new_code_cell("print('ended')")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "work.ipynb")
    monkeypatch.setattr(kernels, "notebooks_dir", lambda: tmp_path)
    return tmp_path


def ask(folder: Path, number: int, seconds: float) -> tuple:
    """Arguments of a call that executes the notebook."""
    parameters = {"seconds": seconds, "mark": str(folder / f"{number}.at")}
    return execute_notebook, "work", folder / f"{number}.ipynb", parameters


@pytest.mark.parametrize("forked", ["", "work"])
def test_of_three_kernels_one_that_is_killed_fails_its_own_call_only(work: Path, forked: str) -> None:
    with open_kernels(3, forked) as submit:
        calls = [submit(*ask(work, number, 1.5)) for number in range(3)]
        assert wait_until(lambda: len(list(work.glob("*.at"))) == 3, 60)
        find_kernels(work)[0].kill()
        errors = [call.exception(60) for call in calls]
    (error,) = filter(None, errors)
    assert isinstance(error, NotebookFailed)
    assert "its kernel was killed, or did not start (out of memory?)" in str(error)
    assert not find_kernels(work)


def test_left_early_kernels_are_interrupted_and_waited_for(work: Path) -> None:
    with suppress(KeyboardInterrupt), open_kernels(1, "work") as submit:
        calls = [submit(*ask(work, number, 60)) for number in range(2)]
        assert wait_until((work / "0.at").exists, 60)
        raise KeyboardInterrupt
    assert (work / "0.saved").exists()
    assert str(calls[0].exception(0)).startswith("KeyboardInterrupt")
    assert calls[1].cancelled()
    assert not find_kernels(work)


@pytest.mark.skipif(not SUPPORTED, reason="kernels are forked on Linux only")
def test_where_kernels_can_no_longer_be_forked_they_are_started(work: Path) -> None:
    with open_kernels(1, "work") as submit:
        submit(*ask(work, 0, 0)).result(60)
        (forks,) = filter(is_of_forks, processes_of(work))
        forks.kill()
        submit(*ask(work, 1, 0)).result(60)
    assert not processes_of(work)


@pytest.mark.skipif(not SUPPORTED, reason="kernels are forked on Linux only")
def test_what_imports_print_is_not_taken_for_a_kernel(work: Path) -> None:
    notebook = nbformat.read(work / "work.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import this"))  # a module that prints
    nbformat.write(notebook, work / "work.ipynb")
    with open_kernels(1, "work") as submit:
        call = submit(*ask(work, 0, 60))
        assert wait_until((work / "0.at").exists, 60)
        (kernel,) = find_kernels(work)
        assert kernel.ppid() != os.getpid(), "it was forked"
        kernel.kill()
        assert call.exception(60)


SWEEP = """
import sys
from pathlib import Path
from concurrent.futures import wait
from pose3d_lib.runs.sweep import kernel
from tests.runs.test_kernel import ask
folder = Path(sys.argv[1])
kernel.notebooks_dir = lambda: folder
with kernel.open_kernels(2, "work") as submit:
    wait([submit(*ask(folder, number, 60)) for number in range(3)])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_kernel_outlives_the_process_that_started_it(number: signal.Signals, work: Path) -> None:
    command = [sys.executable, "-c", SWEEP, str(work)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        assert wait_until(lambda: len(list(work.glob("*.at"))) == 2, 90)
        os.killpg(process.pid, number)  # as a terminal does it; kernels have sessions of their own
        if number != signal.SIGKILL:
            time.sleep(0.2)
            os.killpg(process.pid, number)  # twice does not disturb the saving
        assert process.wait(60) != 0
        assert wait_until(lambda: not processes_of(work), 20)
        assert len(list(work.glob("*.saved"))) == (0 if number == signal.SIGKILL else 2)
    finally:
        for left in (*processes_of(work), process):
            left.kill()


def test_what_cells_print_and_raise_is_in_the_executed_notebook(work: Path) -> None:
    execute_notebook("work", work / "fine.ipynb", {"mark": str(work / "fine")})
    assert "ended" in (work / "fine.ipynb").read_text()
    with pytest.raises(NotebookFailed, match=r"^FileNotFoundError: .*\nThe executed notebook, .*bad.ipynb$"):
        execute_notebook("work", work / "bad.ipynb", {"mark": str(work / "missing" / "mark")})
    assert "FileNotFoundError" in (work / "bad.ipynb").read_text()


def test_papermill_takes_paths_with_braces_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = tmp_path / "{checkout}", tmp_path / "{0} {action} {" / "out.ipynb"
    shutil.copytree(notebooks_dir(), source)
    monkeypatch.setattr(kernels, "notebooks_dir", lambda: source)
    without_kernel = functools.partial(papermill.execute_notebook, prepare_only=True)
    monkeypatch.setattr("papermill.execute_notebook", without_kernel)
    kernels.execute_notebook("02_train", output, {"action": "Eating"})
    assert 'action = \\"Eating\\"' in output.read_text()


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("[docs](../docs/data.md#bvh)", "[docs](../../../docs/data.md#bvh)"),
        (
            "[next](02_train.ipynb), ![a](https://b.org/c)",
            "[next](../../../notebooks/02_train.ipynb), ![a](https://b.org/c)",
        ),
        ("`f(x)`, [here](#here) and (in brackets)", "`f(x)`, [here](#here) and (in brackets)"),
    ],
)
def test_links_of_an_executed_notebook_lead_to_where_they_did(text: str, moved: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(text)])
    relink(notebook, Path("/project/notebooks"), Path("/project/outputs/runs/a"))
    assert [cell.source for cell in notebook.cells] == [moved, text]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("Kernel died"), "its kernel was killed, or did not start.*: Kernel died"),
        (ZMQError(98, "Address already in use"), "its kernel was killed, or did not start.*in use"),
        (OSError(28, "No space left on device"), r"out\.ipynb: .*cannot be .*No space.*the same call resumes"),
    ],
)
def test_a_kernel_that_does_not_start_is_one_error(error: Exception, raised: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("papermill.execute_notebook", Mock(side_effect=error))
    with pytest.raises((NotebookFailed, InputError), match=raised):
        execute_notebook("02_train", tmp_path / "out.ipynb", {})
