"""Videos: a detector finds 2D keypoints in them, which are read as those of any other detector.

Detection takes long, so what it finds is kept in a file, which all settings but `detector` and `fps` share.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import in_file_name, make_folder, outputs_dir
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import detections
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.detections.records import MAX_VALUES
from pose3d_lib.data.sources.takes import paced
from pose3d_lib.data.sources.unrecognised import VIDEO, describe
from pose3d_lib.data.sources.video.detectors import open_detector
from pose3d_lib.data.sources.video.frames import VideoFile
from pose3d_lib.data.spec import DataSpec, Progress

PARAMETERS = ("detector", "fps", "person", "max_gap")
KEYPOINTS = detections.KEYPOINTS
DETECTED_FORMAT = 1  # raise it when detection finds other keypoints in the same video: all are looked through again
VALUES = 4  # of a joint in the file: it and its x, y and score, as their reader counts them
list_actions = detections.list_actions


def recognise(path: Path) -> bool:
    return describe(path) == VIDEO


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    check_name(spec.keypoints, LAYOUTS, "keypoints of a video")
    return f"{path.resolve().stem}-{spec.keypoints}", [path]


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


def detect(path: Path, output: Path, *, detector: str, fps: float | None = None, progress: Progress = print) -> None:
    """Write everybody that a detector finds in a video to a JSON file of MMPose's format.

    Besides what MMPose writes, `meta_info` has the images' width and height and the frame rate, and `notes` says what became
    of the frames. A joint that the detector does not find is null.

    Args:
        path: the video.
        output: the file to write, replaced as a whole.
        detector: as for `open_detector`.
        fps: as for `VideoFile`.
        progress: called with a line of text now and then.

    Raises:
        InputError: the video or the detector cannot be used, the video is too long, or nobody is in it.
    """
    video, find = VideoFile(path, fps), open_detector(detector)
    longest = MAX_VALUES // (VALUES * LAYOUTS[find.layout].num_joints)
    if video.count > longest:
        raise InputError(
            f"{path}: {video.count:,} frames; keypoints of at most {longest:,} are read from one file. Cut it, for instance to "
            f"its first {longest / video.fps:.0f} seconds: ffmpeg -t {longest / video.fps:.0f} -i FILE -c copy part.mp4"
        )
    name, (width, height) = printable(path.name), video.size
    size = f"{video.count:,} frames of {width}x{height} pixels, {video.fps:.4g} per second"
    progress(f"{name}: {size}; detector {detector}")

    say, frames = paced(progress), []
    for frame in video:
        people = [_instance(person) for person in find(frame.image)]
        frames.append({"frame_id": frame.number, "instances": people})
        say(f"{name}: {len(frames):,} of {video.count:,} frames")
    if not any(frame["instances"] for frame in frames):
        raise InputError(
            f"{path}: the detector {detector} finds nobody in any of its {video.count:,} frames; it needs a person who is seen "
            "whole or nearly, upright, and not too small"
        )
    meta = {"dataset_name": find.layout, "detector": detector, "width": width, "height": height, "fps": video.fps}
    content = json.dumps({"meta_info": meta, "instance_info": frames, "notes": video.notes}) + "\n"
    write_atomically(output, lambda unfinished: unfinished.write_text(content, encoding="utf-8"))


def _instance(person: np.ndarray) -> dict[str, object]:
    """A person, (joints, 3), as MMPose writes one."""
    rounded = person.astype(np.float64).round(2).tolist()
    points = [[x, y] if np.isfinite([x, y]).all() else [None, None] for x, y, _ in rounded]
    # Digits, not decimals: a small score rounded to 0 would be that of a missing joint.
    return {"keypoints": points, "keypoint_scores": [float(f"{score:.3g}") for score in np.nan_to_num(person[:, 2])]}
