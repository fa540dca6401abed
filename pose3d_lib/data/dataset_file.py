"""The file of a `PoseDataset`: safetensors, raw arrays behind a JSON header, so it opens memory-mapped and holds no code."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import sort_metadata, write_atomically
from pose3d_lib.common.paths import make_folder
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset, arrays_of, header_of
from pose3d_lib.data.skeleton import Skeleton

FORMAT = "pose3d-dataset-1"


def save_dataset(data: PoseDataset, path: Path) -> None:
    """Write the dataset's file, which appears whole or not at all. Refuses numbers that are not finite."""
    for key, array in arrays_of(data).items():
        finite = np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        if not finite.all():
            frame = int(np.argmin(finite))
            clip = data.clips[data.clips.stop > frame].iloc[0]
            raise InputError(
                f"{data.name}: {key} of {data.name_of(clip)} is not finite at frame {frame - clip.start} of the clip"
            )
    header = {**header_of(data), "terms": data.terms}
    metadata = {"format": FORMAT, "fingerprint": data.fingerprint, "header": json.dumps(header)}
    arrays = {key: np.ascontiguousarray(array) for key, array in arrays_of(data).items()}

    def write(unfinished: Path) -> None:
        save_file(arrays, unfinished, metadata=metadata)
        sort_metadata(unfinished)

    make_folder(path.parent)
    try:
        write_atomically(path, write)
    except InputError as error:
        raise InputError(
            f"{error}. Make room on the disk or, with the environment variable POSE3D_OUTPUTS, name a folder that has room "
            "and may be written to"
        ) from error


def load_dataset(path: Path) -> PoseDataset:
    """Open a dataset's file memory-mapped: arrays are read from the disk when they are used."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such dataset file; 01_data_prep makes it")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key).numpy() for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, TypeError, ValueError) as error:  # the latter of numbers that numpy does not have
        raise InputError(f"{path}: not a whole dataset file ({error}); delete it and prepare it again") from error
    if (found := metadata.get("format")) != FORMAT or "header" not in metadata:
        raise InputError(
            f"{path}: expected a dataset of format {FORMAT!r}, found {found!r}; delete it, prepare it again"
        )
    try:
        return _assemble(json.loads(metadata["header"]), arrays, metadata["fingerprint"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path}: a damaged dataset file ({type(error).__name__}: {str(error)[:200]}); delete it and prepare it again"
        ) from error


def _assemble(header: dict, arrays: dict[str, np.ndarray], fingerprint: str) -> PoseDataset:
    data = PoseDataset(
        name=header["name"],
        synthetic=header["synthetic"],
        skeleton=_make(Skeleton, header["skeleton"]),
        cameras=tuple(_make(Camera, camera) for camera in header["cameras"]),
        clips=pd.DataFrame(header["clips"], columns=list(CLIP_COLUMNS)),
        keypoints={key.removeprefix("keypoints/"): a for key, a in arrays.items() if key.startswith("keypoints/")},
        scores={key.removeprefix("scores/"): a for key, a in arrays.items() if key.startswith("scores/")},
        layouts={name: _make(Skeleton, layout) for name, layout in header["layouts"].items()},
        positions=arrays["positions"],
        trajectory=arrays["trajectory"],
        train_subjects=tuple(header["train_subjects"]),
        test_subjects=tuple(header["test_subjects"]),
        notes=tuple(header["notes"]),
        terms=header["terms"],
        first_frames=tuple(header.get("first_frames", ())),
        frame_step=header.get("frame_step", 1),
    )
    data.__dict__["fingerprint"] = fingerprint  # known: hashing would read the whole file
    return data


def _make(kind: type, fields: dict) -> Skeleton | Camera:
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
