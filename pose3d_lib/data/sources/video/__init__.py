"""Videos: a detector finds 2D keypoints in them, which are read as those of any other detector.

Detection takes long, so what it finds is kept in a file, which all settings but `detector` and `fps` share.
"""

import hashlib
import json
from pathlib import Path

from pose3d_lib.common.paths import in_file_name, make_folder, outputs_dir
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import detections
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.unrecognised import VIDEO, describe
from pose3d_lib.data.sources.video.detect import detect
from pose3d_lib.data.spec import DataSpec, Found, Progress

PARAMETERS = ("detector", "fps", "person", "max_gap")
KEYPOINTS = detections.KEYPOINTS
DETECTED_FORMAT = 1  # raise it when detection finds other keypoints in the same video: all are looked through again
list_actions = detections.list_actions


def recognise(path: Path) -> bool:
    return describe(path) == VIDEO


def find(spec: DataSpec, path: Path) -> Found:
    check_name(spec.keypoints, LAYOUTS, "keypoints of a video")
    return Found(f"{path.resolve().stem}-{spec.keypoints}", (path,))


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """The people of a video as `detections.read` gives them."""
    file = keypoints_file(spec, path)
    if not file.is_file():
        make_folder(file.parent)
        detect(path, file, detector=spec.detector, fps=spec.fps, progress=progress)
    return detections.read(spec, file, progress)


def keypoints_file(spec: DataSpec, path: Path) -> Path:
    """Where the keypoints of a video are, or will be; a file that is changed or moved is another video."""
    state = path.stat()
    made_from = [DETECTED_FORMAT, str(path.resolve()), state.st_size, state.st_mtime_ns, spec.detector, spec.fps]
    digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:10]
    name = in_file_name(path.resolve().stem, 150)
    return outputs_dir() / "detections" / f"{name}-{digest}" / f"{name}.json"
