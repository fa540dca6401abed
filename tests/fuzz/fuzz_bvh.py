"""Fuzzes the BVH reader: python tests/fuzz/fuzz_bvh.py -max_total_time=120 -rss_limit_mb=1500 -timeout=5

Whatever the bytes are, it gives a motion that is whole or an InputError.
"""

import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["pose3d_lib.data.sources.bvh.file"]):
    from pose3d_lib.common.errors import InputError
    from pose3d_lib.data.sources.bvh.file import parse_bvh

TURNS = "Zrotation Xrotation Yrotation"
HIPS = f"HIERARCHY\nROOT Hips\n{{\n OFFSET 0 0 0\n CHANNELS 6 Xposition Yposition Zposition {TURNS}\n"
LEG = (
    f" JOINT Left Leg\n {{\n  OFFSET 0 -4.5 1e1\n  CHANNELS 3 {TURNS}\n  End Site\n  {{\n   OFFSET 0 -4 0\n  }}\n }}\n"
)
SEEDS = (
    f"{HIPS}}}\nMOTION\nFrames: 2\nFrame Time: 0.0333333\n0 1 2 3 4 5\n6 7 8 9 -1.5 2e-3\n",
    f"{HIPS}{LEG}}}\nMOTION\nFrames: 1\nFrame Time: .0083333\n0 1 2 3 4 5 6 7 8\n",
    f"{HIPS}{LEG}}}\nMOTION\nFrames: 1000000000000\nFrame Time: 0.01\n",
    f"\ufeff{HIPS.lower()}}}\r\nMotion\r\nframes:\t1\r\nframe time: 1\r\n0 1 2 3 4 nan\r\n",
)
WORDS = (
    "HIERARCHY", "ROOT", "JOINT", "End Site", "OFFSET", "CHANNELS", "MOTION", "Frames:", "Frame Time:", "Xposition", TURNS,
)  # fmt: skip


def test_one(data: bytes) -> None:
    try:
        read = parse_bvh(data, "fuzz.bvh")
    except InputError as refused:
        if not str(refused).startswith("fuzz.bvh"):
            raise AssertionError("the refusal does not name the file") from refused
        return
    joints = read.hierarchy
    width = sum(map(len, joints.channels))
    if read.motion.shape[1] != width or not len(read.motion) or not np.isfinite(read.motion).all():
        raise AssertionError(f"motion {read.motion.shape} of {width} channels")
    if not (len(joints.names) == len(joints.parents) == len(joints.offsets) == len(joints.channels)):
        raise AssertionError("a joint without parent, offset or channels")
    if not np.isfinite(joints.offsets).all() or not read.fps > 0:
        raise AssertionError("an offset or the frame rate is no number")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fuzz-bvh-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(SEEDS):
            (corpus / f"seed-{number}").write_bytes(seed.encode())
        words = Path(folder, "words")
        words.write_text("".join(f'"{word}"\n' for word in WORDS))
        atheris.Setup([*sys.argv, f"-dict={words}", str(corpus)], test_one)
        atheris.Fuzz()
