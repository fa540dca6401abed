"""What is imported when: nobody waits for what is not needed yet."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pose3d_lib import kernels, sweep
from pose3d_lib.config import RunConfig, make_config
from pose3d_lib.execution import NOTEBOOKS, parameters_of
from pose3d_lib.paths import notebooks_dir

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
        ("import pose3d_lib.cli", {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING, "jupyter_client", "IPython"}),
        ("import pose3d_lib.kernels", {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING, "IPython", "rich"}),
        ("import pose3d_lib.sweep", {*NOTEBOOK_TOOLS, *DRAWING, "scipy", "h5py", "cdflib", "IPython"}),
    ],
)
def test_importing_a_module_leaves_for_later_what_takes_long(program: str, not_yet: set[str]) -> None:
    assert not modules_after(program) & not_yet


def test_help_is_shown_without_pytorch() -> None:
    program = "import sys\nsys.argv = ['pose3d', 'sweep', '--help']\nfrom pose3d_lib.cli import main\nmain()"
    loaded = modules_after(program)
    assert not loaded & {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING}
    assert "pose3d_lib.cli" in loaded


def first_cell(notebook: str) -> str:
    cells = json.loads((notebooks_dir() / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])


def test_a_kernel_imports_neither_papermill_nor_what_only_makes_data() -> None:
    source_readers = {"h5py", "cdflib", "pooch", "requests", "papermill", "nbformat", "nbconvert"}
    every = modules_after("\n".join(first_cell(notebook) for notebook in NOTEBOOKS))
    assert not every & {*source_readers, "seaborn"}
    training = modules_after(first_cell("02_train"))
    assert not training & {*source_readers, "seaborn", "scipy", "statsmodels"}, "statistics are for 03 and 04"
    assert "torch" in training


def test_a_process_of_a_sweep_gets_its_work_without_loading_pytorch() -> None:
    config = make_config(RunConfig, {"action": "Sitting", "filter_widths": "3,3", "evaluate_at": "1,2"})
    work = pickle.dumps((sweep.execute_notebook, "02_train", Path("02_train.ipynb"), parameters_of(config)))
    loaded = modules_after(f"import pickle\npickle.loads({work!r})")
    assert "pose3d_lib.kernels" in loaded
    assert not loaded & {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING}


def test_papermill_is_imported_without_the_grammar_that_takes_a_second() -> None:
    loaded = modules_after("from pose3d_lib.kernels import _import_papermill\n_import_papermill()")
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


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_only_a_kernel_with_processes_of_its_own_is_given_time_to_leave(
    notebook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: dict[str, object] = {}
    monkeypatch.setattr("papermill.execute_notebook", lambda *paths, **given: passed.update(given))
    kernels.execute_notebook(notebook, tmp_path / "out.ipynb", {"evaluate_at": (1, 2)})
    assert passed["shutdown_kernel"] == ("graceful" if notebook in ("01_data_prep", "03_action_based") else "immediate")
    assert passed["parameters"] == {"evaluate_at": [1, 2]}
