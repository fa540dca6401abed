"""Random bytes for some minutes: the restricted unpickler and the BVH reader refuse what they cannot read, and nothing else.

POSE3D_FUZZ_SECONDS says for how long each is tried; without it, 120 seconds.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "fuzz"

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="needs atheris, a fuzzer for Linux: pip install atheris",
    ),
]


@pytest.mark.parametrize("script", ["fuzz_pickle.py", "fuzz_bvh.py"])
def test_no_bytes_raise_anything_but_an_input_error(script: str, tmp_path: Path) -> None:
    seconds = int(os.environ.get("POSE3D_FUZZ_SECONDS", "120"))
    command = [
        sys.executable, str(FUZZ / script), f"-max_total_time={seconds}", "-rss_limit_mb=1500", "-timeout=5",
        f"-artifact_prefix={tmp_path}/", "-print_final_stats=1",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + 120, check=False)
    tried = [line for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}\nthe bytes are in {tmp_path}"
    assert tried, done.stderr[-2000:]
    assert int(tried[0].split()[-1]) > 10 * seconds
