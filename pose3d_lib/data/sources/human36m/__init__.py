"""Human3.6M as its authors give it out: CDF files, their `.cdf.mat` from MATLAB, or the old archive of HDF5 files.

They may lie in folders, in a zip, or in the subjects' `.tgz` as downloaded, which are read without unpacking them. The
2D keypoints are projections of the joints through the calibrated cameras, with the distortion of their lenses.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import H36M_ACTIONS, check_name
from pose3d_lib.data.cameras import h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import human36m_facts as facts
from pose3d_lib.data.sources.filming import GT, Take, film, uprightness
from pose3d_lib.data.sources.human36m.files import (
    HOW_TO_GET,
    find_places,
    is_tar,
    list_files,
    read_take,
    require_places,
    survey,
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
    if not any(map(is_tar, places)):
        leave_out(survey(places)[0], spec.leave_out, path)
    files = [place for place in places if not place.is_dir()]
    for place in places:
        if place.is_dir():
            files += [place / file.name for file in list_files(place) if file.kind]
    return Found(NAME, tuple(sorted(files)))


def list_actions(spec: DataSpec, path: Path) -> tuple[str, ...]:
    """The actions in the files' names, in Human3.6M's order; all fifteen where a tar would have to be unpacked."""
    places = require_places(path)
    if any(map(is_tar, places)):
        return H36M_ACTIONS
    present = {action for _, action, _ in leave_out(survey(places)[0], spec.leave_out, path)[0]}
    return tuple(action for action in H36M_ACTIONS if action in present)


def read(spec: DataSpec, path: Path, progress: Progress) -> PoseDataset:
    """Every take in a folder, zip or tar, through its subject's four cameras; in the order of subjects, actions, numbers.

    Of a take in several formats, CDF is preferred to MATLAB to HDF5, and an unpacked file to one in an archive; two files
    of one format for one take are refused.

    Raises:
        InputError: there are no takes, a file is damaged or holds something else, or its name has no action and take.
    """
    places = require_places(path)
    takes, notes = survey(places)
    kept, said = leave_out(takes, spec.leave_out, path)
    world: dict[Key, np.ndarray] = {}
    for key in sorted(kept, key=lambda key: places.index(takes[key].place)):
        if all(key[0] != subject for subject, _, _ in world):
            progress(f"reading {key[0]} from {takes[key].place}")
        world[key] = read_take(takes[key])
    subjects = list(dict.fromkeys(subject for subject, _, _ in kept))
    present = {split: tuple(s for s in expected if s in subjects) for split, expected in SUBJECTS.items()}
    for split, there in present.items():
        if not there:
            raise InputError(
                f"{path}: has no {split} subject; found {', '.join(subjects) or 'none'}, expected some of "
                f"{', '.join(SUBJECTS[split])}. {HOW_TO_GET}"
            )
    if np.median([uprightness(world[key]) for key in kept]) < 0.5:
        raise InputError(
            f"{path}: in most takes the bodies do not stand along z; expected world coordinates, as in D3_Positions, "
            "not those of a camera, as in D3_Positions_mono"
        )
    data = film(
        [Take(*key, len(world[key]), lambda key=key: world.pop(key)) for key in kept],
        h36m_cameras(),
        name="h36m",
        synthetic=False,
        fps=facts.FPS,
        sources=(GT,),
        scores=spec.scores,
        train_subjects=present["train"],
        test_subjects=present["test"],
        where=path,
        progress=progress,
    )
    first = "The 2D keypoints are projections of the 3D joints through the calibrated cameras."
    missing = [*facts.describe_missing_takes(takes), *facts.describe_totals(data.clips, present)]
    return replace(data, notes=(first, *notes, *said, *missing, *data.notes), terms=facts.TERMS)
