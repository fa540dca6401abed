"""Files of Human3.6M in a folder, a zip or tars: the take of each, from its name alone, and the recording in it.

CDF, MATLAB's `.cdf.mat` and the old HDF5 hold 32 joints times 3 coordinates for each frame, millimetres in the world.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import H36M_ACTIONS, check_name, split_take
from pose3d_lib.data.skeleton import H36M_17_OF_32
from pose3d_lib.data.sources.human36m_facts import CORRUPT, CORRUPT_NOTE, SUBJECTS
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.untrusted.client import list_members, read_key, read_member

KINDS = {".cdf": "CDF", ".cdf.mat": "MATLAB", ".h5": "HDF5"}  # endings of files, the preferred one first
READERS = {".cdf": ("cdf", "Pose"), ".cdf.mat": ("mat", "data"), ".h5": ("h5", "3D_positions")}  # how, which variable
JOINTS = 32
FILE_LIMIT = 50_000_000  # bytes: ten times what the longest recording of poses in Human3.6M takes
EXTENT = (0.5, 3.0)  # metres, the diagonal of the box around a body, halfway: crouched, and with arms stretched out
FURTHEST = 100.0  # metres from the origin of the room

PATTERNS = tuple(
    f"{above}S*/{folder}/*"  # the subjects' folders may lie one level down
    for above in ("", "*/")
    for folder in ("MyPoseFeatures/D3_Positions", "MyPoses/3D_positions")
)

_LAYOUT = re.compile(
    r"(?:.*/)?(S\d{1,3})/(?:MyPoseFeatures/D3_Positions/([^/]+)(?i:\.cdf(?:\.mat)?)|MyPoses/3D_positions/([^/]+)(?i:\.h5))",
    re.ASCII,
)
_ARCHIVE_NAME = re.compile(r"d3_?positions(?!_mono)|3d_?positions|h36m|human3", re.IGNORECASE)  # of tars, listed slowly

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
        """Its ending in `KINDS`; None for other files and for the hidden ones that macOS leaves behind."""
        base = self.name.rpartition("/")[2]
        return next((end for end in (".cdf.mat", *KINDS) if base.lower().endswith(end) and base[0] != "."), None)

    @property
    def key(self) -> Key | None:
        """Subject, action and take by the name; None if it is not where takes lie."""
        match = _LAYOUT.fullmatch(self.name)
        return (match[1], *split_take(match[2] or match[3])) if match and self.kind else None

    def __str__(self) -> str:
        return str(self.place / self.name) if self.place.is_dir() else f"{self.place}: {self.name}"


def find_places(path: Path) -> list[Path]:
    """Where takes lie: the path itself if it is a folder with some, then archives, which may be it or lie in it."""
    if path.is_file():
        return [path] if _is_ours(path) else []
    if not path.is_dir():
        return []
    unpacked = any(file.kind for file in list_files(path))
    return [*([path] if unpacked else []), *(file for file in sorted(path.iterdir()) if _is_ours(file))]


def require_places(path: Path) -> list[Path]:
    places = find_places(path)
    if not places:
        raise InputError(f"{path}: holds no poses of Human3.6M. {HOW_TO_GET}")
    return places


def is_tar(place: Path) -> bool:
    return place.name.lower().endswith((".tgz", ".tar.gz", ".tar"))


def _is_ours(file: Path) -> bool:
    named = bool(_ARCHIVE_NAME.search(file.name))
    if is_tar(file):
        return named and file.is_file()
    if not file.name.lower().endswith(".zip") or not file.is_file():
        return False
    try:
        return any(found.key for found in list_files(file))
    except InputError:
        return named  # so that it is opened again and refused with its reason


def list_files(place: Path) -> list[TakeFile]:
    """Every file of an archive, and those of a folder that lie where takes do, in the order of their names."""
    if place.is_dir():
        found = {file for pattern in PATTERNS for file in place.glob(pattern) if file.is_file()}
        return [TakeFile(place, name) for name in sorted(file.relative_to(place).as_posix() for file in found)]
    return [TakeFile(place, name) for name in sorted(list_members(place))]


def survey(places: Sequence[Path]) -> tuple[Takes, list[str]]:
    """The file of every take that is used, by subjects, actions and numbers of takes; and notes on the others."""
    takes: Takes = {}
    notes: dict[str, None] = {}  # each once, in order
    others = []
    for file in (file for place in places for file in list_files(place)):
        name = file.name.rpartition("/")[2]
        if file.kind is None and not name.startswith("."):
            others.append(file.name)
        if file.key is None:
            continue
        subject, action, take = file.key
        if (subject, name[: -len(file.kind)]) == CORRUPT:
            notes[CORRUPT_NOTE] = None
            continue
        if subject not in _ORDER:
            notes[f"{subject} is left out: no work on Human3.6M trains or tests on the poses of this subject."] = None
            continue
        check_name(action, H36M_ACTIONS, f"action, in {file}")
        if not re.fullmatch(r"\d{1,3}", take, re.ASCII):
            raise InputError(f"{file}: expected an action and the number of a take, such as {action!r} or '{action} 1'")
        other = takes.get(file.key)
        if other and other.place.is_dir() and not file.place.is_dir():
            continue  # of the archive that was unpacked
        if other and other.kind == file.kind:
            raise InputError(f"{other} and {file} are both {'/'.join(file.key)}; remove one of them")
        if other:
            notes[f"Of takes in several formats one is read: {', then '.join(KINDS.values())}."] = None
        if not other or list(KINDS).index(file.kind) < list(KINDS).index(other.kind):
            takes[file.key] = file
    if others:
        notes[f"Passed over, as they are no poses of Human3.6M: {some(others)}."] = None
    order = sorted(takes, key=lambda key: (_ORDER.index(key[0]), H36M_ACTIONS.index(key[1]), int(key[2])))
    return {key: takes[key] for key in order}, list(notes)


def read_take(file: TakeFile) -> np.ndarray:
    """The 17 joints of a recording: (frames, 17, 3) float32, metres in the world.

    Raises:
        InputError: the file is damaged or holds something else; names it and says what was expected.
    """
    expected = f"expected {KINDS[file.kind]} with {JOINTS} joints x 3 coordinates for each frame, millimetres"
    with tempfile.TemporaryDirectory(prefix="pose3d-") as folder:
        path = file.place / file.name
        if not file.place.is_dir():
            path = Path(folder) / "file"
            read_member(file.place, file.name).tofile(path)
        if (size := path.stat().st_size) > FILE_LIMIT:
            raise InputError(f"{file}: has {size:,} bytes; expected a recording of at most {FILE_LIMIT:,}")
        try:
            found = read_key(path, *READERS[file.kind])
        except InputError as error:
            said = str(error).removeprefix(str(path)).lstrip(",: ")[:300]
            raise InputError(f"{file}: cannot be read: {said}; {expected}. Download or copy it again") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{file}: holds a {type(found).__name__}; {expected}")
    if file.kind == ".h5":
        found = found.T
    elif found.ndim == 3 and len(found) == 1:  # Human3.6M stores a recording in one record of a CDF file
        found = found[0]
    if found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != 3 * JOINTS or not len(found):
        raise InputError(f"{file}: holds {found.dtype}{found.shape}; {expected}")
    joints = found.reshape(-1, JOINTS, 3)[:, list(H36M_17_OF_32)].astype(np.float64) / 1000
    finite = np.isfinite(joints).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"{file}: holds NaN or infinity, first in frame {int(np.argmin(finite))}")
    if np.abs(joints).max() > FURTHEST:
        raise InputError(f"{file}: has joints {np.abs(joints).max():.0f} m from the room's origin; {expected}")
    extent = float(np.median(np.linalg.norm(np.ptp(joints, axis=1), axis=1)))
    if not EXTENT[0] < extent < EXTENT[1]:
        raise InputError(f"{file}: in millimetres the body would span {extent:.4g} m; {expected}")
    return joints.astype(np.float32)
