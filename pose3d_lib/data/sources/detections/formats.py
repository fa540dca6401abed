"""Files and folders of 2D detections, recognised by their content, and the videos in them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.sources.detections.arrays import read_arrays, read_custom, read_detectron, read_npy, recognise_npz
from pose3d_lib.data.sources.detections.json_files import FRAME_NAME, UNKNOWN, read_frames, read_json, recognise_json
from pose3d_lib.data.sources.detections.records import Video
from pose3d_lib.data.sources.detections.tables import read_csv, recognise_csv
from pose3d_lib.data.sources.text_files import decode_head

# Suffixes of motion capture; a folder with one of these files holds no detections.
OTHER_DATA = (".bvh", ".cdf", ".mat", ".h5", ".tgz")

FRAME = "frame"  # the kind of a file of one image
READERS: dict[str, Callable[[Path, str], Video | list[Video]]] = {
    "json": read_json, "detectron": read_detectron, "custom": read_custom, "arrays": read_arrays, "npy": read_npy,
    "csv": read_csv,
}  # fmt: skip


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
