"""From a prepared dataset of two million camera frames to the first training step, and the memory that a whole run needs.

`make bench` runs it. Every figure is that of a fresh process; the dataset is prepared once, under POSE3D_OUTPUTS.
"""

import json
import subprocess
import sys

from promises import promise, save_promises

SECONDS_TO_OPEN, SECONDS_TO_FIRST_STEP = 1.0, 3.0
GIGABYTES = {"Sitting": 1.0, "All": 2.5}
"""What the project promises; each of a run on one action, and on all."""

REPETITIONS = 3

PREPARE = """
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.spec import DataSpec
open_dataset(DataSpec(scale="full"))
"""

# `train` makes a single step here: half a batch of the windows that the action has.
FIRST_STEP = """
import json, sys, time
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.data.open import open_dataset
from pose3d_lib.training.loop import train
from pose3d_lib.training.plan import plan_run
given = {"scale": "full", "action": sys.argv[1], "evaluate_at": ""}
begun = time.perf_counter()
config = make_config(RunConfig, {**given, "unit_epochs": 1})
data = open_dataset(config.data)
opened = time.perf_counter()
clips = data.train_clips()
config = make_config(RunConfig, {**given, "unit_epochs": 64 / int((clips.stop - clips.start).sum())})
trained = train(plan_run(config, data))
assert trained.steps == 1
print(json.dumps({
    "opened": opened - begun,
    "first_step": time.perf_counter() - begun,
    "frames": int(data.clips.stop.max()),
    "train": int((clips.stop - clips.start).sum()),
}))
"""

RUN = """
import json, os, resource, sys, tempfile
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.data.open import open_dataset
from pose3d_lib.training.plan import plan_run
config = make_config(RunConfig, {"scale": "full", "action": sys.argv[1], "unit_epochs": 0.001, "evaluate_at": ""})
data = open_dataset(config.data)
with tempfile.TemporaryDirectory() as folder:
    os.environ["POSE3D_OUTPUTS"] = folder
    execute_run(plan_run(config, data))
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({"gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9}))
"""


def begin(program: str, *arguments: str) -> subprocess.Popen:
    """Starts a program in a process of its own, whose own peak of memory is then no other's."""
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen) -> dict:
    """What the program prints in its last line."""
    printed, _ = process.communicate()
    if process.returncode:
        sys.exit(f"a measurement failed with exit code {process.returncode}")
    return json.loads(printed.splitlines()[-1])


def main() -> None:
    subprocess.run([sys.executable, "-c", PREPARE], check=True)
    steps = {action: [end(begin(FIRST_STEP, action)) for _ in range(REPETITIONS)] for action in GIGABYTES}
    # nobody waits for these, so they may run side by side
    runs = {action: begin(RUN, action) for action in GIGABYTES}
    peaks = {action: end(process)["gigabytes"] for action, process in runs.items()}
    found = steps["All"][0]
    print(f"a prepared file of {found['frames']:,} camera frames, {found['train']:,} of them to train on")
    opened = [one["opened"] for measured in steps.values() for one in measured]
    rows = [promise("opening a prepared dataset of two million camera frames", "s", opened, SECONDS_TO_OPEN)]
    for action, measured in steps.items():
        seconds = [one["first_step"] for one in measured]
        rows.append(promise(f"to the first training step, {action}", "s", seconds, SECONDS_TO_FIRST_STEP))
    for action, peak in peaks.items():
        rows.append(promise(f"resident at most in a run, {action}", "GB", [peak], GIGABYTES[action]))
    save_promises("data", rows)


if __name__ == "__main__":
    main()
