"""2D keypoints that a detector found in videos: input for a trained model, without any 3D.

Every video becomes a subject with the one action `custom`, as in VideoPose3D's files of custom videos. The 2D sources
are "h36m" (the 17 joints of Human3.6M, derived as `to_h36m` says; for models trained on the ground truth or on CPN's
keypoints), "coco" (for models trained on `detectron_pt_coco`) and the detector's own layout.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.data.sources.detections.arrays import read_arrays, read_custom, read_detectron, read_npy, recognise_npz
from pose3d_lib.data.sources.detections.json_files import FRAME_NAME, UNKNOWN, read_frames, read_json, recognise_json
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.detections.people import HOW_TO_SIZE, follow_people
from pose3d_lib.data.sources.detections.records import Video, read_size
from pose3d_lib.data.sources.detections.tables import read_csv, recognise_csv
from pose3d_lib.data.sources.filming import Seen, collect
from pose3d_lib.data.sources.text_files import decode_head
from pose3d_lib.data.spec import DataSpec, Progress

PARAMETERS = ("fps", "joints", "image_size", "person", "max_gap")
KEYPOINTS = "h36m"
ACTION = "custom"
FPS = 50.0  # of videos without `fps`
SCORES = (
    "The scores are the detector's. Joints of h36m that it does not have get the mean of those that they follow from, "
    "interpolated ones 0."
)

# Suffixes of motion capture; a folder with one of these files holds no detections.
OTHER_DATA = (".bvh", ".cdf", ".mat", ".h5", ".tgz")

FRAME = "frame"  # the kind of a file of one image
READERS: dict[str, Callable[[Path, str], Video | list[Video]]] = {
    "json": read_json, "detectron": read_detectron, "custom": read_custom, "arrays": read_arrays, "npy": read_npy,
    "csv": read_csv,
}  # fmt: skip


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    check_name(spec.keypoints, LAYOUTS, "keypoints of detections")
    if spec.joints:
        check_name(spec.joints, LAYOUTS, "joints of detections")
    parse_size(spec.image_size)
    sources, _ = list_sources(path)
    return f"{path.resolve().stem}-{spec.keypoints}", [file for source in sources for file in source.files]


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    return (ACTION,)


def parse_size(text: str) -> tuple[int, int] | None:
    """(1920, 1080) from "1920x1080"; None from ""."""
    if not text:
        return None
    sides = re.fullmatch(r"\s*([0-9]{1,6})\s*[x×*,]\s*([0-9]{1,6})\s*", text.casefold())
    if not sides:
        raise InputError(f'parameter image_size: found {text!r}, expected width and height in pixels: "1920x1080"')
    return read_size(int(sides[1]), int(sides[2]), "parameter image_size")


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """One person of every video of a file or folder, or all, without gaps.

    The 2D source `keypoints` must be whole in every frame; others are kept if they are whole as well.
    """
    sources, passed = list_sources(path)
    notes = []
    if passed:
        notes.append(f"Passed over, as no detections are in them: {some([entry.name for entry in passed])}.")
    notes += [SCORES] if spec.scores else []
    image_size = parse_size(spec.image_size)
    clips: list[Seen] = []
    first_frames: list[int] = []
    names: set[str] = set()  # of the videos
    for source in sources:
        progress(f"reading {source.name}")
        for video in read_videos(source, spec.joints):
            video = replace(video, name=tidy_name(video.name))
            if video.name in names:
                raise InputError(f"{path}: two videos are called {video.name!r}; give one of them another name")
            names.add(video.name)
            size, fps = _image_size(video, image_size), float(spec.fps or video.fps or FPS)
            notes += video.notes
            if not (spec.fps or video.fps):
                notes.append(f"{video.name} is taken for {FPS:g} frames per second (`fps` says otherwise).")
            for subject, runs in follow_people(video, size, spec, notes).items():
                for number, (first, keypoints) in enumerate(runs):
                    key = (subject, ACTION, str(number))
                    clips.append(Seen(key, Camera(video.name, *size), None, keypoints, fps))
                    first_frames.append(first)
    kept = [name for name in clips[0].keypoints if all(name in clip.keypoints for clip in clips)]
    return collect(
        (replace(clip, keypoints={name: clip.keypoints[name] for name in kept}) for clip in clips),
        {},
        skeleton=H36M_17,
        name=path.resolve().stem,
        synthetic=False,
        layouts={name: LAYOUTS[name] for name in kept},
        train_subjects=(),
        test_subjects=(),
        notes=tuple(notes),
        first_frames=tuple(first_frames),
    )


def _image_size(video: Video, given: tuple[int, int] | None) -> tuple[int, int]:
    if given is None and video.size is None:
        raise InputError(f"{video.where}: does not hold the size of the images; {HOW_TO_SIZE}")
    if given and video.size and given != video.size:
        found, said = ("x".join(map(str, size)) for size in (video.size, given))
        raise InputError(
            f"{video.where}: its images are {found}, but the parameter image_size says {said}; leave it out"
        )
    return given or video.size


@dataclass(frozen=True)
class Source:
    """One file, or the files of one video's images."""

    name: str  # of the video; a file with several videos names them itself
    kind: str  # FRAME or a key of `READERS`
    files: tuple[Path, ...]


def recognise(path: Path) -> bool:
    """Whether there are detections in the file or folder."""
    if not path.is_dir():
        return _kind(path) != ""
    others = any(name.startswith("data_3d_") or name.casefold().endswith(OTHER_DATA) for name in os.listdir(path))
    return not others and bool(list_sources(path)[0])


def list_sources(path: Path) -> tuple[list[Source], list[Path]]:
    """Everything to read in a file or folder, in order of names; and what is passed over.

    A folder may hold files, files of the single images of one or several videos, or folders of these.
    """
    if not path.is_dir():
        kind = _kind(path)
        if kind == FRAME:
            raise InputError(f"{path}: the people in a single image; give the folder with the files of all images")
        if not kind:
            raise InputError(f"{path}: {UNKNOWN}")
        return [Source(path.stem, kind, (path,))], []
    sources, others = _split(path)
    passed = []
    for entry in others:
        if entry.is_dir():
            inside = _split(entry)[0]
            if len(inside) == 1:  # the only video of an inner folder has its name
                inside = [Source(entry.name, FRAME, inside[0].files)]
        else:
            kind = _kind(entry)
            inside = [Source(entry.stem, kind, (entry,))] if kind in READERS else []
        sources += inside
        passed += [] if inside else [entry]
    return sorted(sources, key=lambda source: source.name), passed


def read_videos(source: Source, joints: str) -> list[Video]:
    """The videos of a source; `joints` names the layout, "" stands for what the file tells."""
    if source.kind == FRAME:
        return [read_frames(source.name, source.files, joints)]
    found = READERS[source.kind](source.files[0], joints)
    return found if isinstance(found, list) else [found]


def _kind(file: Path) -> str:
    """FRAME for a file of one image, a key of `READERS`, or "" if it holds no detections."""
    suffix = file.suffix.casefold()
    try:
        if suffix not in (".json", ".csv", ".npy", ".npz") or not file.is_file():
            return ""
        if suffix == ".npz":
            return recognise_npz(file)
        with file.open("rb") as opened:
            head = opened.read(65_536)
    except OSError:
        return ""  # unreadable: of no kind
    if suffix == ".npy":
        return "npy" if head.startswith(b"\x93NUMPY") else ""
    return recognise_json(decode_head(head)) if suffix == ".json" else recognise_csv(decode_head(head))


def _split(folder: Path) -> tuple[list[Source], list[Path]]:
    """The videos with a file for each image, and the other entries without hidden ones; nothing if it cannot be listed."""
    videos: dict[str, list[Path]] = {}
    others = []
    try:
        entries = sorted(folder / name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        entries = []
    for entry in entries:
        matched = FRAME_NAME.fullmatch(entry.name)
        # OpenPose's by their name alone, as there may be too many to look into each.
        if matched and (matched["openpose"] or _kind(entry) == FRAME):
            videos.setdefault(matched["video"] or folder.name, []).append(entry)
        else:
            others.append(entry)
    return [
        Source(name, FRAME, tuple(sorted(files, key=lambda file: (len(file.name), file.name))))
        for name, files in videos.items()
    ], others
