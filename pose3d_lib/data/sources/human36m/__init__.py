"""Human3.6M as its authors give it out: CDF files, their `.cdf.mat` from MATLAB, or the old archive of HDF5 files.

They may lie in folders, in a zip, or in the subjects' `.tgz` as downloaded, which are read without unpacking them. The
2D keypoints are projections of the joints through the calibrated cameras, with the distortion of their lenses.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import H36M_ACTIONS, check_name
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import human36m_facts as facts
from pose3d_lib.data.sources.filming import GT, Take, film, uprightness
from pose3d_lib.data.sources.human36m.files import (
    HOW_TO_GET,
    Takes,
    find_places,
    list_files,
    read_take,
    register_take,
    require_places,
    sort_takes,
    survey_takes,
)
from pose3d_lib.data.sources.human36m_facts import SUBJECTS, leave_out
from pose3d_lib.data.sources.takes import Key
from pose3d_lib.data.spec import DataSpec, Found, Progress

PARAMETERS = ("leave_out",)
KEYPOINTS = GT
NAME = "h36m-originals"


def recognise(path: Path) -> bool:
    return bool(find_places(path))


def find(spec: DataSpec, path: Path) -> Found:
    """The source's files; names and `leave_out` are checked where no tar has to be unpacked for it."""
    check_name(spec.keypoints, (GT,), "keypoints of Human3.6M's original files")
    places = require_places(path)
    takes = survey_takes(places)
    if takes is not None:
        leave_out(sort_takes(takes), spec.leave_out, path)
    files = [place for place in places if not place.is_dir()]
    for place in places:
        if place.is_dir():
            files += [place / file.name for file in list_files(place) if file.kind]
    return Found(NAME, tuple(sorted(files)))


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    """The actions in the files' names, in Human3.6M's order; all fifteen where a tar would have to be unpacked."""
    takes = survey_takes(require_places(path))
    if takes is None:
        return H36M_ACTIONS
    present = {action for _, action, _ in leave_out(sort_takes(takes), spec.leave_out, path)[0]}
    return tuple(action for action in H36M_ACTIONS if action in present)


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    return read_originals(path, without=spec.leave_out, scores=spec.scores, progress=progress)


def read_originals(
    path: Path, *, without: Sequence[str] = (), scores: bool = False, progress: Progress = lambda line: None
) -> PoseDataset:
    """Every take in a folder, zip or tar, through its subject's four cameras; in the order of subjects, actions, numbers.

    Of a take in several formats, CDF is preferred to MATLAB to HDF5, and an unpacked file to one in an archive; two files
    of one format for one take are refused.

    Args:
        path: a folder, a zip or a tar.
        without: takes to leave out, as in `human36m_facts.leave_out`.
        scores: whether the dataset gets scores of its keypoints.
        progress: called once for each subject.

    Raises:
        InputError: there are no takes, a file is damaged or holds something else, or its name has no action and take.
    """
    unread = set(facts.name_drifting(without, facts.DRIFTING))
    takes: Takes = {}
    notes: list[str] = []
    world: dict[Key, np.ndarray] = {}
    others: list[str] = []
    places = require_places(path)
    for place in places:
        for file in list_files(place):
            if file.kind is None and not file.name.rpartition("/")[2].startswith("."):
                others.append(file.name)
            register_take(file, takes, notes)
    for key, file in sorted(takes.items(), key=lambda item: places.index(item[1].place)):
        if "/".join(key) not in unread:
            if all(key[0] != subject for subject, _, _ in world):
                progress(f"reading {key[0]} from {file.place}")
            world[key] = read_take(file)
    if others:
        notes.append(f"Passed over, as they are no poses of Human3.6M: {some(others)}.")
    kept, said = leave_out(sort_takes(takes), without, path)
    subjects = list(dict.fromkeys(subject for subject, _, _ in kept))
    for split, expected in SUBJECTS.items():
        if not set(subjects) & set(expected):
            raise InputError(
                f"{path}: has no {split} subject; found {', '.join(subjects) or 'none'}, expected some of "
                f"{', '.join(expected)}. {HOW_TO_GET}"
            )
    if np.median([uprightness(world[key]) for key in kept]) < 0.5:
        raise InputError(
            f"{path}: in most takes the bodies do not stand along z; expected world coordinates, as in D3_Positions, "
            "not those of a camera, as in D3_Positions_mono"
        )
    present = {split: tuple(s for s in expected if s in subjects) for split, expected in SUBJECTS.items()}
    data = film(
        [Take(*key, len(world[key]), lambda key=key: world.pop(key)) for key in kept],
        h36m_cameras(),
        name="h36m",
        synthetic=False,
        fps=facts.FPS,
        sources=(GT,),
        scores=scores,
        train_subjects=present["train"],
        test_subjects=present["test"],
        where=path,
        progress=progress,
    )
    return replace(
        data,
        notes=(
            "The 2D keypoints are projections of the 3D joints through the calibrated cameras.",
            *notes,
            *said,
            *facts.describe_missing_takes(sort_takes(takes)),
            *facts.describe_totals(data.clips, present),
            *data.notes,
        ),
        terms=facts.TERMS,
    )
