"""The file of a `PoseDataset`: safetensors, raw arrays behind a JSON header, so it opens memory-mapped and holds no code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import make_folder
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset, arrays_of, header_of
from pose3d_lib.data.skeleton import Skeleton

FORMAT = "pose3d-dataset-1"
T = TypeVar("T")


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
    make_folder(path.parent)
    write_atomically(path, lambda unfinished: save_file(arrays, unfinished, metadata=metadata))


def load_dataset(path: Path) -> PoseDataset:
    """Open a dataset's file memory-mapped: arrays are read from the disk when they are used."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such dataset file; 01_data_prep makes it")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if (found := metadata.get("format")) != FORMAT:
                raise ValueError(f"its format is {found!r}")
            arrays = {key: file.get_tensor(key).numpy() for key in file.keys()}  # noqa: SIM118 (not a dict)
        data = _assemble(json.loads(metadata["header"]), arrays)
        data.__dict__["fingerprint"] = metadata["fingerprint"]  # hashing would read the whole file
    except Exception as error:  # whatever a damaged header leads to
        said = f"{type(error).__name__}: {str(error)[:200]}"
        raise InputError(
            f"{path}: not a whole dataset file of format {FORMAT!r} ({said}); delete it and prepare it again"
        ) from error
    return data


def _assemble(header: dict, arrays: dict[str, np.ndarray]) -> PoseDataset:
    def named(kind: str) -> dict[str, np.ndarray]:
        return {key.removeprefix(kind): array for key, array in arrays.items() if key.startswith(kind)}

    made = {
        "skeleton": _make(Skeleton, header["skeleton"]),
        "cameras": [_make(Camera, camera) for camera in header["cameras"]],
        "clips": pd.DataFrame(header["clips"], columns=list(CLIP_COLUMNS)),
        "layouts": {name: _make(Skeleton, layout) for name, layout in header["layouts"].items()},
        "positions": arrays["positions"],
        "trajectory": arrays["trajectory"],
        "keypoints": named("keypoints/"),
        "scores": named("scores/"),
    }
    return _make(PoseDataset, header | made)


def _make(kind: Callable[..., T], fields: dict) -> T:
    """An object of fields that went through JSON, which makes lists of tuples."""
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
