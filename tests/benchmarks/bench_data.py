"""How long a prepared dataset of two million camera frames takes to open, and the memory that a run on one action needs.

`make bench` runs it. Every figure is that of a fresh process; the dataset is prepared once, under POSE3D_OUTPUTS.
"""

import json
import subprocess
import sys

SECONDS_TO_OPEN, BYTES_OF_A_RUN = 1.0, 1e9
"""What the project promises."""

OPEN = """
import json, time
from pose3d_lib.sources import open_dataset
from pose3d_lib.sources.spec import DataSpec
begun = time.perf_counter()
data = open_dataset(DataSpec(scale="full"))
print(json.dumps({"seconds": time.perf_counter() - begun, "frames": int(data.clips.stop.max())}))
"""

RUN = """
import json, os, resource, sys, tempfile
from pose3d_lib.config import RunConfig, make_config
from pose3d_lib.runs import execute_run
from pose3d_lib.sources import open_dataset
config = make_config(RunConfig, {"scale": "full", "action": "Sitting", "unit_epochs": 0.05})
data = open_dataset(config.data)
clips = data.train_clips(config.action)
os.environ["POSE3D_OUTPUTS"] = tempfile.mkdtemp()
execute_run(config, data)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps({
    "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    "train": int((clips.stop - clips.start).sum()),
    "test": int((data.test_clips().stop - data.test_clips().start).sum()),
}))
"""


def measure(program: str) -> dict:
    """What a program that runs in a process of its own prints in its last line."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    measure(OPEN)  # prepares it; not in this process, whose own peak its children would count as theirs
    opened, run = measure(OPEN), measure(RUN)
    print(
        f"opening a prepared file of {opened['frames']:,} camera frames: {opened['seconds']:.3f} s, "
        f"{opened['seconds'] / SECONDS_TO_OPEN:.3f} of the second promised"
    )
    print(
        f"a run on one action ({run['train']:,} train frames, {run['test']:,} test frames): {run['bytes'] / 1e6:,.0f} MB "
        f"resident at most, {run['bytes'] / BYTES_OF_A_RUN:.2f} of the gigabyte promised"
    )


if __name__ == "__main__":
    main()
