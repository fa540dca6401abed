"""How long a collection of BVH files of the size of Bandai-Namco-Research-Motiondataset-2 takes to become a dataset, and to
be checked.

`make bench` runs it, on files that it makes: a standing person with position and rotation channels at every joint.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pose3d_lib.data.dataset import load_dataset, save_dataset
from pose3d_lib.data.doctor import check_dataset
from pose3d_lib.data.sources import bvh
from pose3d_lib.data.spec import DataSpec
from tests.helpers.bvh_texts import PERSON, ROOT_CHANNELS, bvh_text, in_file_order, walk

FILES, FRAMES = 2_900, 133
"""Together 385,700 frames."""

SECONDS, CHECKING = 60.0, 30.0
"""What the project promises on two cores: to prepare, and to check what is prepared."""


def write_collection(folder: Path) -> int:
    """Writes the files, some of them copies of each other, and returns their bytes."""
    joints = [(name, parent, offset, ROOT_CHANNELS if channels else ()) for name, parent, offset, channels in PERSON]
    ordered = [joint for joint in in_file_order(PERSON) if joint[3]]
    different = 29
    for number in range(different):
        narrow = walk(FRAMES, seed=number)  # (frames, 6 of the root, then 3 rotations of each other joint)
        offsets = [np.broadcast_to(np.array(joint[2], float), (FRAMES, 3)) for joint in ordered[1:]]
        turns = np.split(narrow[:, 6:], len(offsets), axis=1)
        wide = [narrow[:, :6], *(part for pair in zip(offsets, turns, strict=True) for part in pair)]
        text = bvh_text(joints, np.hstack(wide).round(5))
        first = folder / f"walk_style{number}_0.bvh"
        first.write_text(text, encoding="ascii")
        for copy in range(1, FILES // different):
            shutil.copyfile(first, folder / f"walk_style{number}_{copy}.bvh")
    return sum(file.stat().st_size for file in folder.iterdir())


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "files"
        folder.mkdir()
        size = write_collection(folder)
        begun, worked = time.perf_counter(), time.process_time()
        data = bvh.read(DataSpec(pattern="{action}_{subject}_{take}.bvh"), folder, lambda line: print(" ", line))
        save_dataset(data, Path(temporary) / "prepared.safetensors")
        seconds, prepared = time.perf_counter() - begun, time.process_time()
        check_dataset(load_dataset(Path(temporary) / "prepared.safetensors"))
        checking = time.process_time() - prepared
    frames = int((data.clips.stop - data.clips.start).sum()) // 4
    print(
        f"{FILES:,} BVH files, {size / 1e6:.0f} MB, {frames:,} frames seen by four cameras: {seconds:.0f} s, "
        f"{seconds / SECONDS:.2f} of the minute promised"
    )
    print(
        f"checking them: {checking:.0f} s of the processor, {checking / CHECKING:.2f} of the {CHECKING:.0f} s promised and "
        f"{checking / (prepared - worked):.2f} of what preparing them took"
    )


if __name__ == "__main__":
    main()
