"""What importing loads: seconds are not spent on what is not needed yet."""

import json
import subprocess
import sys

import pytest

from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.report.parameters import NOTEBOOKS

NUMBERS = {"torch", "numpy", "pandas", "scipy", "pydantic", "safetensors", "h5py", "cdflib"}
NOTEBOOK_TOOLS = {"papermill", "nbformat", "nbclient", "jsonschema"}
DRAWING = {"matplotlib", "seaborn"}  # what takes from a twentieth of a second to two seconds


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
        ("import pose3d_lib.runs.sweep.sweep", {*NOTEBOOK_TOOLS, *DRAWING, "scipy", "h5py", "cdflib", "IPython"}),
    ],
)
def test_importing_a_module_leaves_for_later_what_takes_long(program: str, not_yet: set[str]) -> None:
    assert not modules_after(program) & not_yet


def test_help_is_shown_without_pytorch() -> None:
    called = "sys.argv = ['pose3d', 'sweep', '--help']\nwith contextlib.suppress(SystemExit):\n    main()"
    loaded = modules_after(f"import contextlib, sys\nfrom pose3d_lib.cli.main import main\n{called}")
    assert not loaded & {*NUMBERS, *NOTEBOOK_TOOLS, *DRAWING} - {"pydantic"}


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
