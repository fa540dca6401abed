"""Fuzzes the reading of pickles: python tests/fuzz/fuzz_pickle.py -max_total_time=120 -rss_limit_mb=1500 -timeout=5

Whatever the bytes are, it gives a value or an exception, and nothing is imported, opened or started meanwhile.
"""

import io
import pickle
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["pose3d_lib.data.untrusted"]):
    from pose3d_lib.data.untrusted.answers import pack
    from pose3d_lib.data.untrusted.pickles import read_objects

HARMFUL = ("os.", "subprocess.", "import", "open", "exec", "compile", "socket.", "shutil.", "ctypes.")
watching = False


class HarmError(BaseException):
    """The pickle had something done."""


def watch(event: str, arguments: tuple) -> None:
    if watching and event.startswith(HARMFUL):
        raise HarmError(event, arguments)


def test_one(data: bytes) -> None:
    global watching
    watching = True
    try:
        pack(read_objects(io.BytesIO(data), (2,)), io.BytesIO(), {})
    except Exception:  # the process that reads answers any with a refusal
        pass
    finally:
        watching = False


def seeds() -> list[bytes]:
    grid = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    values = [
        {"S1": {"Walking 1": grid, "views": [grid[..., :2].copy()]}},
        [np.asfortranarray(grid[0]), grid.transpose(1, 0, 2), np.array(3.5), grid[:0], grid > 3, grid.astype(">f8")],
        (np.float32(2.5), np.int64(-7), np.bool_(True), np.str_("ab"), np.bytes_(b"xy"), np.array(["ab"])),
        [None, True, 255, 65535, -1, 2**31, 10**30, 2.5, "é", b"\x00\xff", b"", "", (), {7: {None: 1, b"k": 2}}],
        [grid, grid, np.array([[1, "a"], [None, grid]], dtype=object)],
    ]
    arrays = [np.array([value, None], dtype=object) for value in values]
    return [pickle.dumps(array, protocol=protocol) for array in arrays for protocol in (2, 3, 4, 5)]


if __name__ == "__main__":
    sys.addaudithook(watch)
    with tempfile.TemporaryDirectory(prefix="fuzz-pickle-") as corpus:
        for number, seed in enumerate(seeds()):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], test_one)
        atheris.Fuzz()
