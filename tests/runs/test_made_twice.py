"""What is made twice is the same to the last byte: at another time, in another process, at other places in memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.model.lifter import TemporalLifter
from tests.helpers.published_network import PublishedNetwork, write_checkpoint
from tests.helpers.source_files import walker

MAKE = """
from pathlib import Path
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.sources.videopose3d.write import export_videopose3d
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.export import export_model
from pose3d_lib.runs.models import open_model, save_model
theirs, folder = map(Path, paths)
data = open_dataset(DataSpec(dataset=str(theirs.with_name("motion.npz"))))
export_videopose3d(data, folder / "videopose3d", name="mine")
model = open_model(theirs)
save_model(model, folder / "imported.safetensors")
export_model(model, folder / "exported.bin")
"""
LATER = """
import sys, time
taken, clock, local = [bytearray(size) for size in range(1, 100_000, 999)], time.time, time.localtime
time.time, time.localtime = (lambda: clock() + 4e7), (lambda *_: local(clock() + 4e7))
paths = sys.argv[1:]
"""


def files_in(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_data_models_and_checkpoints_are_the_same_to_the_last_byte(tmp_path: Path, monkeypatch) -> None:
    lifters = [TemporalLifter(17, 2, joints, (3, 3), channels=8) for joints in (17, 1)]
    theirs = write_checkpoint(tmp_path / "theirs.bin", *(PublishedNetwork(own, strided=False) for own in lifters))
    np.savez(tmp_path / "motion.npz", **{f"{name}/Walking/1": walker(3) for name in ("ann", "bob")})
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "now"))
    exec(MAKE, {"paths": (theirs, tmp_path / "now")})
    environment = {**os.environ, "PYTHONHASHSEED": "5", "POSE3D_OUTPUTS": str(tmp_path / "later")}
    subprocess.run([sys.executable, "-c", LATER + MAKE, theirs, tmp_path / "later"], env=environment, check=True)
    one, other = files_in(tmp_path / "now"), files_in(tmp_path / "later")
    assert len(one) == 7  # the prepared file, three of VideoPose3D's, a model, a checkpoint and its card
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
