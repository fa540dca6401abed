"""What a run of a sweep costs besides its training: the kernel, imports, opening the data, testing, drawing, writing.

`make bench` runs it. It sweeps over short runs, one at a time; their executed notebooks say how long each cell took.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from measuring import seconds_of
from promises import promise, save_promises

SECONDS_OF_A_RUN = 6.0
"""What the project promises, at most, on two cores."""

SWEEP = "sweep -p scale tiny -p preset tiny -p lengths 0.05 -p actions Sitting -p seeds 0,1 -p timed 0 -p jobs 1"
"""Four runs, each of a tenth of a second of training."""

PREPARE = """
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.spec import DataSpec
for seed in (0, 1):
    open_dataset(DataSpec(scale="tiny", data_seed=seed))
"""

CELLS = {"imports": "import ", "opening the data": "open_dataset(", "testing and writing": "execute_run("}
"""Part of a run -> what the source of its cell has in it; all other cells draw."""

DRAWING = "drawing and tables"
KERNEL = "the kernel's start and end, papermill"


def start(arguments: list[str], outputs: Path) -> None:
    environment = os.environ | {"POSE3D_OUTPUTS": str(outputs)}
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
    )


def began(notebook: dict) -> float:
    return datetime.fromisoformat(notebook["metadata"]["papermill"]["start_time"]).timestamp()


def parts_of(notebook: dict, seconds: float, training: float) -> dict[str, float]:
    """The parts of a run that took so many seconds, in which its training is left out."""
    parts = dict.fromkeys((KERNEL, *CELLS, DRAWING), 0.0)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            part = next((name for name, text in CELLS.items() if text in source), DRAWING)
            parts[part] += cell["metadata"]["papermill"]["duration"]
    parts[KERNEL] = seconds - sum(parts.values())
    parts["testing and writing"] -= training
    return parts


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start(["-c", PREPARE], Path(folder))
        pytorch = [seconds_of(lambda: start(["-c", "import torch"], Path(folder))) for _ in range(2)]
        begun = time.time()
        start(["-m", "pose3d_lib.cli.main", *SWEEP.split()], Path(folder))
        ended = time.time()
        pytorch.append(seconds_of(lambda: start(["-c", "import torch"], Path(folder))))
        runs = [
            [json.loads((run / name).read_text(encoding="utf-8")) for name in ("02_train.ipynb", "timing.json")]
            for run in Path(folder).glob("runs/*")
        ]
    runs.sort(key=lambda run: began(run[0]))
    beginnings = [began(notebook) for notebook, _ in runs]
    # the last run has none after it that would tell when it left
    parts = [
        parts_of(notebook, after - before, timing["train_seconds"])
        for (notebook, timing), (before, after) in zip(runs, pairwise(beginnings), strict=False)
    ]
    save_promises(
        "overhead",
        [
            promise("a run of a sweep, but its training", "s", [sum(run.values()) for run in parts], SECONDS_OF_A_RUN),
            *(promise(f"of these: {name}", "s", [run[name] for run in parts]) for name in parts[0]),
            promise("for comparison: a process that only imports PyTorch", "s", pytorch),
            promise("once a sweep, its processes and their imports", "s", [beginnings[0] - begun]),
            promise("the whole sweep of four runs", "s", [ended - begun]),
        ],
    )


if __name__ == "__main__":
    main()
