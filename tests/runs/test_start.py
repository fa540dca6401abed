"""What importing loads: seconds are not spent on what is not needed yet."""

import json
import subprocess
import sys

from pose3d_lib.common.paths import notebooks_dir
from pose3d_lib.report.parameters import NOTEBOOKS

NUMBERS = {"torch", "numpy", "pandas", "scipy", "pydantic", "safetensors", "h5py", "cdflib"}
NOTEBOOK_TOOLS = {"papermill", "nbformat", "nbclient", "jsonschema"}
DRAWING = {"matplotlib", "seaborn"}  # what takes from a twentieth of a second to two seconds


def first_cell(notebook: str) -> str:
    cells = json.loads((notebooks_dir() / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])


HELP = """
import contextlib, sys
from pose3d_lib.cli.main import main
sys.argv = ["pose3d", "sweep", "--help"]
with contextlib.suppress(SystemExit):
    main()
"""
LIST = """
from click.testing import CliRunner
from pose3d_lib.cli.runs import runs
assert CliRunner().invoke(runs, ["list"]).exit_code == 0
"""
SOURCE_READERS = {"h5py", "cdflib", "requests", "papermill", "nbformat", "nbconvert"}
LATER = {*NOTEBOOK_TOOLS, *DRAWING}
STEPS = (  # programs, executed one after the other in one process, and what none of them has loaded by then
    ("import pose3d_lib", {*NUMBERS, *LATER, "rich", "click"}),
    ("import pose3d_lib.cli.main", {*NUMBERS, *LATER, "jupyter_client", "IPython"}),
    (HELP, {*NUMBERS, *LATER} - {"pydantic"}),
    (LIST, {*LATER, "torch", "pandas", "numpy"}),
    ("import pose3d_lib.runs.sweep.sweep", {*LATER, "scipy", "h5py", "cdflib", "IPython"}),
    # statistics are for 03 and 04
    (first_cell("02_train"), {*SOURCE_READERS, "seaborn", "scipy", "statsmodels"}),
    ("\n".join(map(first_cell, NOTEBOOKS)), SOURCE_READERS),
)


def test_every_part_leaves_for_later_what_takes_long_to_import() -> None:
    record = "\nimport json, sys\nprint('\\nloaded: ' + json.dumps(sorted(sys.modules)))\n"
    program = "".join(step + record for step, _ in STEPS)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = [set(json.loads(line[8:])) for line in done.stdout.splitlines() if line.startswith("loaded: ")]
    assert len(loaded) == len(STEPS)
    for (step, not_yet), modules in zip(STEPS, loaded, strict=True):
        assert not modules & not_yet, step
    assert "torch" in loaded[-1]
