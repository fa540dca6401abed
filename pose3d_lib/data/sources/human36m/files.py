"""Which files of Human3.6M lie in a folder, a zip or tars, and of which take each is: from names alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import H36M_ACTIONS, check_name, split_take
from pose3d_lib.data.sources.human36m.archives import TAR, is_archive, list_names
from pose3d_lib.data.sources.human36m_facts import CORRUPT, CORRUPT_NOTE, SUBJECTS
from pose3d_lib.data.sources.takes import Key

KINDS = {".cdf": "CDF", ".cdf.mat": "MATLAB", ".h5": "HDF5"}
"""Endings of the files, the one that is preferred first, and what each is called."""

PATTERNS = tuple(
    f"{above}S*/{folder}"
    for above in ("", "*/")
    for folder in (
        "MyPoseFeatures/D3_Positions/*",
        "MyPoses/3D_positions/*",
    )
)
"""Of a folder, the files that are looked at; the subjects' folders may lie one level down."""

_LAYOUT = re.compile(
    r"(?:.*/)?(S\d{1,3})/(?:MyPoseFeatures/D3_Positions/([^/]+)(?i:\.cdf(?:\.mat)?)|MyPoses/3D_positions/([^/]+)(?i:\.h5))",
    re.ASCII,
)

_ARCHIVE_NAME = re.compile(r"d3_?positions(?!_mono)|3d_?positions|h36m|human3", re.IGNORECASE)
"""By the names of which a tar is taken for one of Human3.6M's poses: to look into it is to unpack it."""

HOW_TO_GET = (
    "Expected S1/MyPoseFeatures/D3_Positions/Walking 1.cdf and so on (or .cdf.mat), S1/MyPoses/3D_positions/Walking 1.h5, "
    "a zip of these, or the downloads Poses_D3_Positions_S1.tgz and so on in one folder. They are given out after "
    "registration at http://vision.imar.ro/human3.6m: there, for each subject, Poses > D3 Positions"
)

_ORDER = [subject for split in SUBJECTS.values() for subject in split]


Takes = dict[Key, "TakeFile"]


@dataclass(frozen=True)
class TakeFile:
    """The file of a take: the folder or archive in which it lies, and its name there."""

    place: Path
    name: str

    @property
    def kind(self) -> str | None:
        """Which of `KINDS` it is, by its name."""
        return kind_of(self.name)

    def __str__(self) -> str:
        return str(self.place / self.name) if self.place.is_dir() else f"{self.place}: {self.name}"


def kind_of(name: str) -> str | None:
    """Which of `KINDS` a file name ends in; None for other files and for the hidden ones that macOS leaves behind."""
    base = name.rpartition("/")[2]
    for ending in (".cdf.mat", ".cdf", ".h5"):
        if base.lower().endswith(ending) and not base.startswith("."):
            return ending
    return None


def find_places(path: Path) -> list[Path]:
    """Where takes lie: the path itself if it is a folder with some, then archives, which may be it or lie in it."""
    if path.is_file():
        return [path] if _is_ours(path) else []
    if not path.is_dir():
        return []
    unpacked = any(kind_of(file.name) for pattern in PATTERNS for file in path.glob(pattern))
    return [*([path] if unpacked else []), *(file for file in sorted(path.iterdir()) if _is_ours(file))]


def require_places(path: Path) -> list[Path]:
    places = find_places(path)
    if not places:
        raise InputError(f"{path}: holds no poses of Human3.6M. {HOW_TO_GET}")
    return places


def _is_ours(file: Path) -> bool:
    if not is_archive(file):
        return False
    named = bool(_ARCHIVE_NAME.search(file.name))
    if file.name.lower().endswith(TAR):
        return named
    try:
        return any(_LAYOUT.fullmatch(name) and kind_of(name) for name in list_names(file, ()) or ())
    except InputError:
        return named  # so that it is opened again and refused with its reason


def survey_takes(places: Sequence[Path]) -> Takes | None:
    """The takes of folders and zips; None if a tar is among the places."""
    takes: Takes = {}
    for place in places:
        names = list_names(place, PATTERNS)
        if names is None:
            return None
        for name in names:
            register_take(TakeFile(place, name), takes, [])
    return takes


def key_of(file: TakeFile) -> Key | None:
    """Subject, action and take by a file's name; None if it is not where takes lie."""
    match = _LAYOUT.fullmatch(file.name)
    if match is None or file.kind is None:
        return None
    return (match[1], *split_take(match[2] or match[3]))


def register_take(file: TakeFile, takes: Takes, notes: list[str]) -> Key | None:
    """Enters a file under its take and returns the take, or None if another file, or none, is read for it."""
    key = key_of(file)
    if key is None:
        return None
    subject, action, take = key
    if (subject, file.name.rpartition("/")[2][: -len(file.kind)]) == CORRUPT:
        _add(notes, CORRUPT_NOTE)
        return None
    if subject not in _ORDER:
        _add(notes, f"{subject} is left out: no work on Human3.6M trains or tests on the poses of this subject.")
        return None
    check_name(action, H36M_ACTIONS, f"action, in {file}")
    if not re.fullmatch(r"\d{1,3}", take, re.ASCII):
        raise InputError(f"{file}: expected an action and the number of a take, such as {action!r} or '{action} 1'")
    other = takes.get(key)
    if other is not None:
        if other.place.is_dir() and not file.place.is_dir():
            return None  # the archive that was unpacked
        if other.kind == file.kind:
            raise InputError(f"{other} and {file} are both {'/'.join(key)}; remove one of them")
        _add(notes, f"Of takes in several formats one is read: {', then '.join(KINDS.values())}.")
        if list(KINDS).index(other.kind) < list(KINDS).index(file.kind):
            return None
    takes[key] = file
    return key


def _add(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def sort_takes(takes: Takes) -> list[Key]:
    return sorted(takes, key=lambda key: (_ORDER.index(key[0]), H36M_ACTIONS.index(key[1]), int(key[2])))
