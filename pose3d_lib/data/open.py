"""Datasets of every origin: `open_dataset` finds the reader that fits and keeps what it read in one file.

A dataset is prepared once into one memory-mapped file under `outputs/data/`, whose name holds a hash of what it was
made from: the settings, the source files' sizes and dates, and `PREPARED_FORMAT`.
"""

import glob
import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pandas as pd
from filelock import FileLock

from pose3d_lib.common.errors import BREAKING, InputError, printable
from pose3d_lib.common.paths import in_file_name, make_folder, prepared_dir, source_data_dir
from pose3d_lib.data import catalogue
from pose3d_lib.data.actions import check_name, tidy_name
from pose3d_lib.data.dataset import PoseDataset, load_dataset, save_dataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.spec import DataSpec, Progress

if TYPE_CHECKING:
    from pose3d_lib.data.sources.video.frames import VideoFile

PREPARED_FORMAT = 3  # raise it when a reader makes other content of the same files: all datasets are prepared again

GENERATED = {  # name -> what it is: datasets that a program makes, other people and takes for every `data_seed`
    "synthetic": "motion of a built-in generator, seen with a detector-like error",
    "synthetic_h36m": "the same, with the subjects, takes and cameras of Human3.6M",
}

# The first that recognises a path reads it.
BY_CONTENT = ("videopose3d", "human36m", "bvh", "detections", "plain_motion", "video")
COMMON = ("scores", "downsample", "one_camera")  # parameters that every reader takes
LISTED = ("Dataset", "What it is", "There", "Licence", "Where", "How to get it")


def complete_parameters(given: Mapping[str, object], *, keypoints: bool = True) -> dict[str, object]:
    """Parameters of a `DataSpec` with what follows from `dataset` added: its description's and its default keypoints.

    Empty texts and lists, which notebooks pass, count as not given. What is wrong stays, to be refused with all the rest.
    Without `keypoints`, no default is added for those.
    """
    optional = DataSpec.model_fields.keys() - {"dataset"}
    given = {name: value for name, value in given.items() if name not in optional or value not in ("", (), [])}
    dataset = given.get("dataset", DataSpec.model_fields["dataset"].default)
    if not isinstance(dataset, str):
        return given
    entry = catalogue.find_entry(dataset)
    completed = {**(entry.parameters if entry else {}), **given}
    if keypoints and "keypoints" not in completed:
        completed["keypoints"] = _origin(dataset)[0].KEYPOINTS
    return completed


def list_actions(spec: DataSpec) -> tuple[str, ...]:
    """The actions of a dataset: those of the prepared file or, without one, those that the source tells at once."""
    if spec.keypoints and (prepared := prepared_path(spec)).is_file():  # no keypoints: a model chooses them
        return load_dataset(prepared).actions
    reader, path = _origin(spec.dataset)
    return reader.list_actions(spec, path)


def used_parameters(dataset: str) -> tuple[str, ...]:
    """The parameters of `DataSpec` that a dataset's reader uses, besides `dataset` and `keypoints`."""
    return (*_origin(dataset)[0].PARAMETERS, *COMMON)


def detected_layouts(dataset: str) -> Mapping[str, Skeleton]:
    """The 2D sources that detections and videos are opened with, name -> joints; none for a dataset of another kind."""
    return getattr(_origin(dataset)[0], "LAYOUTS", {})


def detected_keypoints(spec: DataSpec) -> Path | None:
    """The file of keypoints that were found in a video; None for a dataset that is no video, or is not prepared."""
    reader, path = _origin(spec.dataset)
    file = reader.keypoints_file(spec, path) if hasattr(reader, "keypoints_file") else None
    return file if file and file.is_file() else None


def open_video(spec: DataSpec) -> "VideoFile | None":
    """The video that a dataset's keypoints were found in, to look at its frames; None if it is none, or cannot be read here."""
    if detected_keypoints(spec) is None:
        return None
    from pose3d_lib.data.sources.video.frames import VideoFile

    try:
        return VideoFile(_origin(spec.dataset)[1], spec.fps)
    except InputError:  # its keypoints are kept, and PyAV is not there any more
        return None


def open_dataset(spec: DataSpec, *, progress: Progress = lambda line: None) -> PoseDataset:
    """The dataset, memory-mapped; prepared first if it is not yet, by one process while others wait.

    Args:
        spec: which dataset.
        progress: called with a line of text when something slow begins.
    """
    path = prepared_path(spec)
    if not path.is_file():
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                for left_by_killed in path.parent.glob(f".{glob.escape(path.name)}.*"):
                    left_by_killed.unlink()
                progress(f"preparing {path.name}")
                save_dataset(_read(spec, progress), path)
    data = load_dataset(path)
    check_name(spec.keypoints, data.keypoints, f"keypoints of {data.name}")
    return data if spec.held_out is None else _hold_out(data, spec.held_out)


def _hold_out(data: PoseDataset, number: int) -> PoseDataset:
    """A dataset that is tested on one of its subjects, the train subjects counted before the test ones."""
    subjects = (*data.train_subjects, *data.test_subjects)
    if len(subjects) < 2 or number >= len(subjects):
        raise InputError(
            f"held_out {number}: {data.name} has {len(subjects)} subjects, {', '.join(subjects)}, numbered from 0; holding one "
            "out takes two, and as many seeds as subjects at most"
        )
    own, others = subjects[number], (*subjects[:number], *subjects[number + 1 :])
    note = f"{own} is held out to be tested on, whoever else the notes say is; trained on {', '.join(others)}."
    return replace(data, train_subjects=others, test_subjects=(own,), notes=(*data.notes, note))


class Datasets(dict[DataSpec, PoseDataset]):
    """Datasets by what was asked for, each opened when it is first looked up.

    Args:
        progress: called with a line of text when something slow begins.
    """

    def __init__(self, progress: Progress = lambda line: None):
        super().__init__()
        self._progress = progress

    def __missing__(self, spec: DataSpec) -> PoseDataset:
        self[spec] = data = open_dataset(spec, progress=self._progress)
        return data


def list_named() -> pd.DataFrame:
    """Every dataset that has a name, in `LISTED`; "There" is yes or no, "Where" an absolute path."""
    root = source_data_dir()
    rows = [(name, what, True, "", "", "built in") for name, what in GENERATED.items()]
    for name, (title, how) in catalogue.ON_REQUEST.items():
        place = root / f"data_3d_{name}.npz"
        if name == "h36m" and _h36m_reader(root) == "human36m":
            place = root  # its own files, of which there are many
        how = f"{how}, into POSE3D_DATA; VideoPose3D's DATASETS.md says how the data_* files are made"
        rows.append((name, title, place.exists(), "by agreement, for research", place, how))
    for name, known in catalogue.collections().items():
        what = f"{known.title}: {known.content}"
        rows.append((name, what, known.fetched, known.licence.name, known.home, f"`pose3d data fetch {name}`"))
    table = pd.DataFrame(rows, columns=list(LISTED))
    return table.assign(There=table["There"].map({True: "yes", False: "no"}), Where=table["Where"].map(str))


def _read(spec: DataSpec, progress: Progress) -> PoseDataset:
    from pose3d_lib.data.sources.takes import downsample, one_camera_each

    reader, path = _origin(spec.dataset)
    data = reader.read(spec, path, progress)
    entry = catalogue.find_entry(spec.dataset)
    terms = data.terms or ("" if data.synthetic else catalogue.terms_of(path))
    data = replace(data, name=tidy_name(data.name), notes=(*data.notes, *(entry.notes if entry else ())), terms=terms)
    return downsample(one_camera_each(data) if spec.one_camera else data, spec.downsample)


def prepared_path(spec: DataSpec) -> Path:
    """The file that a dataset is prepared into; fails at once if the source files are missing."""
    reader, path = _origin(spec.dataset)
    used = (*reader.PARAMETERS, *COMMON)
    for name in DataSpec.model_fields.keys() - {"dataset", "keypoints", "held_out", *used}:
        if getattr(spec, name) != DataSpec.model_fields[name].default:
            raise InputError(
                f"parameter {name}: found {getattr(spec, name)!r}, which dataset {spec.dataset!r} does not use. "
                f"It uses: {', '.join(('keypoints', *used))}"
            )
    dataset, sources = reader.find(spec, path)
    values = [getattr(spec, name) for name in used]
    files = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in sources]
    digest = hashlib.sha256(json.dumps([PREPARED_FORMAT, reader.__name__, values, files]).encode())
    parts = {"scores": spec.scores, "one-camera": spec.one_camera, f"every{spec.downsample}": spec.downsample > 1}
    name = "-".join([in_file_name(dataset, 150), *(part for part, holds in parts.items() if holds)])
    return prepared_dir() / f"{name}-{digest.hexdigest()[:10]}.safetensors"


def _origin(dataset: str) -> tuple[ModuleType, Path]:
    """The module that reads a dataset (see `pose3d_lib.data.sources`), and the file or folder that it reads."""
    if printable(dataset, BREAKING) != dataset:
        raise InputError(
            f"dataset {dataset[:300]!a}: a line break, a control character or half a character is in this path; rename it"
        )
    try:
        return _find_origin(dataset)
    except OSError as error:
        raise InputError(f"dataset {dataset[:300]!r} cannot be looked at: {error.strerror}") from error


def _find_origin(dataset: str) -> tuple[ModuleType, Path]:
    folder = source_data_dir()
    if dataset in GENERATED:
        return _reader("synthetic"), Path()
    if dataset in catalogue.ON_REQUEST:
        return _reader(_h36m_reader(folder) if dataset == "h36m" else "videopose3d"), folder
    entry = catalogue.find_entry(dataset)
    if entry is None and not any(sign in dataset for sign in "./") and not catalogue.exists(dataset):
        names = (*GENERATED, *catalogue.ON_REQUEST, *catalogue.collections())
        check_name(
            dataset, (*names, f"the path of a file or folder, absolute or within POSE3D_DATA, {folder}"), "dataset"
        )
    path = entry.path if entry else catalogue.find_path(dataset)
    if not path.exists():
        hint = f"; {entry.missing}" if entry and entry.missing else ""
        raise InputError(f"{path}: there is no such file or folder{hint}")
    for name in BY_CONTENT:
        if _reader(name).recognise(path):
            return _reader(name), path
    from pose3d_lib.data.sources.unrecognised import describe

    looks_like = describe(path)
    raise InputError(f"{path}: looks like {looks_like.name}, which is no data that is read here; {looks_like.advice}")


def _h36m_reader(folder: Path) -> str:
    """The reader of Human3.6M in a folder: of its own files, if those of VideoPose3D are not there."""
    own = not (folder / "data_3d_h36m.npz").is_file() and _reader("human36m").recognise(folder)
    return "human36m" if own else "videopose3d"


def _reader(name: str) -> ModuleType:
    """A reader, imported when it is needed."""
    return importlib.import_module(f"pose3d_lib.data.sources.{name}")
