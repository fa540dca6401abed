"""Which files and folders hold 2D detections, told by their content, and reading the videos in them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pose3d_lib.errors import InputError
from pose3d_lib.sources.detections.arrays import read_custom, read_detectron, read_npy, recognise_npz
from pose3d_lib.sources.detections.json_files import OPENPOSE_NAME, read_json, read_openpose, recognise_json
from pose3d_lib.sources.detections.records import Video
from pose3d_lib.sources.detections.tables import read_csv, recognise_csv

SUFFIXES = (".json", ".npz", ".npy", ".csv")

OTHER_DATA = (".bvh", ".cdf", ".mat", ".h5", ".tgz")
"""Suffixes of motion capture; a folder with one of these files holds no detections."""


@dataclass(frozen=True)
class Source:
    """One file, or OpenPose's files of one video.

    Attributes:
        name: of the video; a file with several videos names them itself.
        kind: openpose, json, detectron, custom, npy or csv.
        files: what is read.
    """

    name: str
    kind: str
    files: tuple[Path, ...]


def recognise_detections(path: Path) -> bool:
    """Whether there are detections in the file or folder."""
    if not path.is_dir():
        return _kind(path) != ""
    if any(map(_is_other_data, _names(path))):
        return False
    return _has_openpose(path) or any(_has_openpose(e) if e.is_dir() else _kind(e) != "" for e in _others(path))


def list_sources(path: Path) -> tuple[list[Source], list[str]]:
    """Everything to read in a file or folder, in order of names; and the names of files in it that are nothing known.

    A folder may hold files, folders of OpenPose's files, or OpenPose's files of one or several videos.

    Raises:
        InputError: two of them have the same name.
    """
    if not path.is_dir():
        if not (kind := _kind(path)):
            raise InputError(f"{path}: detections in none of the known formats; docs/data.md lists them")
        return [Source(path.stem, kind, (path,))], []
    sources, unknown = _openpose_sources(path, outermost=True), []
    for entry in _others(path):
        if entry.is_dir():
            sources += _openpose_sources(entry, outermost=False)
        elif kind := _kind(entry):
            sources.append(Source(entry.stem, kind, (entry,)))
        elif entry.suffix in SUFFIXES:
            unknown.append(entry.name)
    first: dict[str, Source] = {}
    for source in sources:
        other = first.setdefault(source.name, source)
        if other is not source:
            both = f"{other.files[0]} and {source.files[0]}"
            raise InputError(f"{path}: two videos are called {source.name!r}: {both}; give one of them another name")
    return sorted(sources, key=lambda source: source.name), unknown


def read_videos(source: Source, joints: str) -> list[Video]:
    """The videos of a source; several only of a `data_2d_custom_*.npz`.

    Args:
        joints: the name of the layout, or "" for what the file tells.
    """
    if source.kind == "openpose":
        return [read_openpose(source.name, source.files, joints)]
    if source.kind == "custom":
        return read_custom(source.files[0], joints)
    readers: dict[str, Callable[[Path, str], Video]] = {
        "json": read_json, "detectron": read_detectron, "npy": read_npy, "csv": read_csv,
    }  # fmt: skip
    return [readers[source.kind](source.files[0], joints)]


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing if it may not be looked into."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_other_data(name: str) -> bool:
    return name.startswith("data_3d_") or name.casefold().endswith(OTHER_DATA)


def _kind(file: Path) -> str:
    """The kind of a single file, "" if it holds no detections."""
    try:
        if not file.is_file():
            return ""
        if file.suffix == ".json":
            return "json" if recognise_json(file) else ""
        if file.suffix == ".csv":
            return "csv" if recognise_csv(file) else ""
        if file.suffix == ".npy":
            with file.open("rb") as opened:
                return "npy" if opened.read(6) == b"\x93NUMPY" else ""
        return recognise_npz(file) if file.suffix == ".npz" else ""
    except OSError:
        return ""  # unreadable: of no kind


def _others(folder: Path) -> list[Path]:
    """What is in a folder besides OpenPose's files, of which there may be very many."""
    return [folder / name for name in sorted(_names(folder)) if not OPENPOSE_NAME.fullmatch(name)]


def _has_openpose(folder: Path) -> bool:
    return any(map(OPENPOSE_NAME.fullmatch, _names(folder)))


def _openpose_sources(folder: Path, *, outermost: bool) -> list[Source]:
    """OpenPose's files in a folder, by video; the only video of a folder that is not the outermost has its name."""
    videos: dict[str, list[str]] = {}
    for name in _names(folder):
        if matched := OPENPOSE_NAME.fullmatch(name):
            videos.setdefault(matched["video"] or folder.name, []).append(name)
    if len(videos) == 1 and not outermost:
        videos = {folder.name: next(iter(videos.values()))}
    return [
        Source(name, "openpose", tuple(folder / file for file in sorted(files, key=lambda file: (len(file), file))))
        for name, files in videos.items()
    ]
