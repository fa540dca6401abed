"""Human3.6M as its authors give it out: CDF files, their `.cdf.mat` from MATLAB, or the old archive of HDF5 files.

They may lie in folders, in a zip, or in the subjects' `.tgz` as downloaded, which are read without unpacking them. Each holds
32 joints times 3 coordinates for each frame, millimetres in the world. The 2D keypoints are projections of the joints
through the calibrated cameras, with the distortion of their lenses.
"""

import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import H36M_ACTIONS, check_name, split_take
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17_OF_32
from pose3d_lib.data.sources import human36m_facts as facts
from pose3d_lib.data.sources.filming import GT, PROJECTED, Take, film, uprightness
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.spec import DataSpec, Progress
from pose3d_lib.data.untrusted.client import list_keys, read_key

PARAMETERS = ("leave_out",)
KEYPOINTS = GT
NAME = "h36m-originals"

# Ending of a file -> its format, how it is read, and the variable with the recording.
KINDS = {".cdf": ("CDF", "cdf", "Pose"), ".cdf.mat": ("MATLAB", "mat", "data"), ".h5": ("HDF5", "h5", "3D_positions")}
JOINTS = 32
FARTHEST = 100  # metres from the origin of the room
EXTENT = (0.5, 3.0)  # metres, the diagonal of the box around a body, halfway: crouched, and with arms stretched out
_LAYOUT = re.compile(  # names that begin with a dot are what macOS leaves behind
    r"(?:.*/)?(S\d{1,3})/(?:MyPoseFeatures/D3_Positions/([^/.][^/]*)(?i:\.cdf(?:\.mat)?)|MyPoses/3D_positions/([^/.][^/]*)(?i:\.h5))",
    re.ASCII,
)
_ARCHIVE_NAME = re.compile(r"d3_?positions(?!_mono)|3d_?positions|h36m|human3", re.IGNORECASE)
_ORDER = [subject for split in facts.SUBJECTS.values() for subject in split]


@dataclass(frozen=True)
class TakeFile:
    """The file of a take: the folder or archive in which it lies, and its name there."""

    place: Path
    name: str

    def __str__(self) -> str:
        return str(self.place / self.name) if self.place.is_dir() else f"{self.place}: {self.name}"


def recognise(path: Path) -> bool:
    return bool(find_places(path))


def find(spec: DataSpec, path: Path) -> tuple[str, list[Path]]:
    """The source's files; names and `leave_out` are checked where no tar has to be unpacked for it."""
    check_name(spec.keypoints, (GT,), "keypoints of Human3.6M's original files")
    places = _require_places(path)
    if not any(map(is_tar, places)):
        facts.leave_out(survey(places)[0], spec.leave_out, path)
    unpacked = [place / file.name for place in places if place.is_dir() for _, file in list_takes(place)]
    return NAME, sorted([*unpacked, *(place for place in places if not place.is_dir())])


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    """The actions in the files' names, in Human3.6M's order; all fifteen where a tar would have to be unpacked."""
    places = _require_places(path)
    if any(map(is_tar, places)):
        return H36M_ACTIONS
    present = {action for _, action, _ in facts.leave_out(survey(places)[0], spec.leave_out, path)[0]}
    return tuple(action for action in H36M_ACTIONS if action in present)


def find_places(path: Path) -> list[Path]:
    """Where takes lie: the path itself if it is a folder with some, then archives, which may be it or lie in it."""
    if not path.is_dir():
        return [path] if _is_ours(path) else []
    archives = [file for file in sorted(path.iterdir()) if _is_ours(file)]
    return [path, *archives] if list_takes(path) else archives


def _require_places(path: Path) -> list[Path]:
    if places := find_places(path):
        return places
    raise InputError(
        f"{path}: holds no poses of Human3.6M. Expected S1/MyPoseFeatures/D3_Positions/Walking 1.cdf and so on (or .cdf.mat), "
        "S1/MyPoses/3D_positions/Walking 1.h5, a zip of these, or the downloads Poses_D3_Positions_S1.tgz and so on in one "
        "folder. They are given out after registration at http://vision.imar.ro/human3.6m: there, for each subject, Poses > "
        "D3 Positions"
    )


def is_tar(place: Path) -> bool:
    return place.name.lower().endswith((".tgz", ".tar.gz", ".tar"))


def _is_ours(file: Path) -> bool:
    """Whether a file is an archive with takes: a zip by what is in it, a tar, or a damaged zip, by its name."""
    if not file.is_file() or not (is_tar(file) or file.name.lower().endswith(".zip")):
        return False
    with suppress(InputError):
        if not is_tar(file):
            return bool(list_takes(file))
    return bool(_ARCHIVE_NAME.search(file.name))


def list_takes(place: Path) -> list[tuple[Key, TakeFile]]:
    """Every take in a folder or archive, in the order of the names of their files, which say what they are."""
    if place.is_dir():  # the subjects' folders may lie one level down
        files = [file for above in ("", "*/") for file in place.glob(f"{above}S*/My*/*/*") if file.is_file()]
        names = {file.relative_to(place).as_posix() for file in files}
    else:
        names = list_keys(place, "archive")
    matches = [match for name in sorted(names) if (match := _LAYOUT.fullmatch(name))]
    return [((match[1], *split_take(match[2] or match[3])), TakeFile(place, match[0])) for match in matches]


def survey(places: Sequence[Path]) -> tuple[dict[Key, TakeFile], list[str]]:
    """The file of every take, by subjects, actions and numbers of takes; and notes on subjects that are not used."""
    takes: dict[Key, TakeFile] = {}
    notes: dict[str, None] = {}  # each once, in order
    for key, file in (found for place in places for found in list_takes(place)):
        subject, action, take = key
        if subject not in _ORDER:
            notes[f"{subject} is left out: no work on Human3.6M trains or tests on the poses of this subject."] = None
            continue
        check_name(action, H36M_ACTIONS, f"action, in {file}")
        if not re.fullmatch(r"\d{1,3}", take, re.ASCII):
            raise InputError(f"{file}: expected an action and the number of a take, such as {action!r} or '{action} 1'")
        other = takes.setdefault(key, file)
        if other is not file and other.place.is_dir() == file.place.is_dir():  # otherwise, the archive was unpacked
            raise InputError(f"{other} and {file} are both {'/'.join(key)}; remove one of them")
    order = sorted(takes, key=lambda key: (_ORDER.index(key[0]), H36M_ACTIONS.index(key[1]), int(key[2])))
    return {key: takes[key] for key in order}, list(notes)


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """Every take in a folder, zip or tar, through its subject's four cameras; in the order of subjects, actions, numbers.

    An unpacked file is preferred to one in an archive; otherwise, two files of one take are refused.

    Raises:
        InputError: there are no takes, a file is damaged or holds something else, or its name has no action and take.
    """
    places = _require_places(path)
    takes, notes = survey(places)
    kept, said = facts.leave_out(takes, spec.leave_out, path)
    subjects = facts.present_subjects(kept, facts.SUBJECTS, path)
    world: dict[Key, np.ndarray] = {}
    for key in sorted(kept, key=lambda key: places.index(takes[key].place)):
        if all(key[0] != subject for subject, _, _ in world):
            progress(f"reading {key[0]} from {takes[key].place}")
        world[key] = read_take(takes[key])
    if np.median([uprightness(world[key]) for key in kept]) < 0.5:
        raise InputError(
            f"{path}: in most takes the bodies do not stand along z; expected world coordinates, as in D3_Positions, "
            "not those of a camera, as in D3_Positions_mono"
        )
    data = film(
        (Take(key, world[key]) for key in kept),
        h36m_cameras(),
        name="h36m",
        synthetic=False,
        fps=facts.FPS,
        sources=(GT,),
        scores=spec.scores,
        terms=facts.TERMS,
        where=path,
        progress=progress,
        **subjects,
    )
    missing = [*facts.describe_missing_takes(takes), *facts.describe_totals(data, facts.SUBJECTS, facts.KNOWN_FRAMES)]
    return replace(data, notes=(PROJECTED, *notes, *said, *missing, *data.notes))


def read_take(file: TakeFile) -> np.ndarray:
    """The 17 joints of a recording: (frames, 17, 3) float32, metres in the world.

    Raises:
        InputError: the file is damaged or holds something else; names it and says what was expected.
    """
    called, reader, variable = next(kind for end, kind in KINDS.items() if file.name.lower().endswith(end))
    expected = f"expected {called} with {JOINTS} joints x 3 coordinates for each frame, millimetres"
    with tempfile.TemporaryDirectory(prefix="pose3d-") as folder:
        path = file.place / file.name
        if not file.place.is_dir():
            path = Path(folder) / "file"
            read_key(file.place, "archive", file.name).tofile(path)
        try:
            found = read_key(path, reader, variable)
        except InputError as error:
            said = str(error).removeprefix(str(path)).lstrip(",: ")[:300]
            raise InputError(f"{file}: cannot be read: {said}; {expected}. Download or copy it again") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{file}: holds a {type(found).__name__}; {expected}")
    if reader == "h5":
        found = found.T
    elif found.ndim == 3 and len(found) == 1:  # Human3.6M stores a recording in one record of a CDF file
        found = found[0]
    if found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != 3 * JOINTS or not len(found):
        raise InputError(f"{file}: holds {found.dtype}{found.shape}; {expected}")
    joints = found.reshape(-1, JOINTS, 3)[:, list(H36M_17_OF_32)].astype(np.float64) / 1000
    possible = (np.abs(joints) < FARTHEST).all(axis=(1, 2))
    if not possible.all():
        raise InputError(
            f"{file}: holds NaN, or places {FARTHEST} m away, first in frame {int(np.argmin(possible))}; {expected}"
        )
    extent = float(np.median(np.linalg.norm(np.ptp(joints, axis=1), axis=1)))
    if not EXTENT[0] < extent < EXTENT[1]:
        raise InputError(f"{file}: in millimetres the body would span {extent:.4g} m; {expected}")
    return joints.astype(np.float32)
