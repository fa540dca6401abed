"""The process that reads files of others: how long it takes to start, and to read 300 MB beside numpy within this process.

`python benchmarks/bench_untrusted.py`; the files are made in the temporary folder and removed.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import seconds_of
from promises import promise, save_promises

from pose3d_lib.data.untrusted import client

SECONDS_TO_START, TIMES_NUMPY = 0.5, 1.3
FRAMES, REPETITIONS = 1_470_000, 5


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.npz"
        np.savez(small, motion=np.zeros(1))
        starts = []
        for _ in range(REPETITIONS):
            client.stop()
            starts.append(seconds_of(lambda: client.list_keys(small, "npz")))
        rows.append(promise("to start the process and read a small .npz", "s", starts, SECONDS_TO_START))
        motion = np.random.default_rng(0).normal(size=(FRAMES, 17, 3)).astype(np.float32).round(3)
        for name, save in (("stored", np.savez), ("compressed", np.savez_compressed)):
            path = Path(folder) / f"{name}.npz"
            save(path, motion=motion)
            ratios = []
            for _ in range(REPETITIONS):  # in turn, so that whatever else the machine does meets both
                own = _seconds_to_sum(lambda path=path: client.read_npz_key(path, "motion"))
                ratios.append(own / _seconds_to_sum(lambda path=path: np.load(path, allow_pickle=False)["motion"]))
            rows.append(promise(f"300 MB, {name}, beside numpy in this process", "times", ratios, TIMES_NUMPY))
    save_promises("untrusted", rows)


def _seconds_to_sum(read: Callable[[], np.ndarray]) -> float:
    """To read an array and every number of it."""
    begun = time.perf_counter()
    read().sum(dtype=np.float64)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
