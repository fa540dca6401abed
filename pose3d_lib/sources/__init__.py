"""Where poses come from: each module ends in a `PoseDataset`, and `open_dataset` finds the right one and keeps its file.

A dataset is prepared once into one memory-mapped file under `outputs/data/`, whose name holds a hash of what it was
made from: of the settings, of the source files' sizes and dates, and of the code that made it.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pose3d_lib.actions import H36M_ACTIONS, check_name
from pose3d_lib.dataset import PoseDataset, load_dataset, save_dataset
from pose3d_lib.errors import InputError
from pose3d_lib.paths import make_folder, prepared_dir, source_data_dir
from pose3d_lib.sources import filming, plain_motion, synthetic, videopose3d_files

PACKAGE = Path(__file__).resolve().parent.parent
MODULES = ("actions", "cameras", "dataset", "noise", "skeleton")
"""Outside this package, the modules on which the numbers of a prepared dataset depend."""


def split_list(values: object) -> object:
    """A tuple from "3,3,3", "[3, 3, 3]" or a single number, as a command line gives lists; anything else as it is."""
    if isinstance(values, str):
        return tuple(part.strip(" '\"") for part in values.strip("()[] ").split(",") if part.strip())
    return (values,) if isinstance(values, int | float) else values


class DataSpec(BaseModel):
    """Which data to use; the part of every notebook's parameters that says so.

    Attributes:
        dataset: "synthetic"; "h36m" for VideoPose3D's files in the folder POSE3D_DATA; or the path of an `.npz` of plain
            motion, absolute or within POSE3D_DATA.
        keypoints: which 2D source the lifter sees: "gt", "simulated" (synthetic and plain motion), or the last part of
            the name of a `data_2d_h36m_*.npz`.
        scale: size of the synthetic dataset: tiny, small or full.
        data_seed: of the synthetic motion and of the detector-like error.
        fps: frame rate of plain motion.
        train_subjects, test_subjects: of plain motion; the other sources have their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str = "synthetic"
    keypoints: str = filming.SIMULATED
    scale: str = "small"
    data_seed: int = Field(0, ge=0)
    fps: float = Field(50.0, gt=0)
    train_subjects: tuple[str, ...] = ("train",)
    test_subjects: tuple[str, ...] = ("test",)

    @field_validator("scale")
    @classmethod
    def _known_scale(cls, scale: str) -> str:
        return check_name(scale, synthetic.MEAN_FRAMES, "scale")

    @field_validator("train_subjects", "test_subjects", mode="before")
    @classmethod
    def _split_names(cls, names: object) -> object:
        return split_list(names)


UNUSED = {
    "synthetic": ("fps", "train_subjects", "test_subjects"),
    "h36m": ("scale", "data_seed", "fps", "train_subjects", "test_subjects"),
    "motion": ("scale",),
}
"""Parameters that say nothing about a dataset; one that is given all the same was meant for another."""


def list_actions(spec: DataSpec) -> tuple[str, ...]:
    """The actions of a dataset, known at once, before anything is prepared."""
    if spec.dataset in ("synthetic", "h36m"):
        return H36M_ACTIONS
    keys = plain_motion.list_takes(_motion_file(spec))
    return tuple(dict.fromkeys(action for _, action, _ in keys))


def open_dataset(spec: DataSpec, *, progress: Callable[[str], None] = lambda line: None) -> PoseDataset:
    """The dataset, memory-mapped; prepared first if it was not before, by one process however many ask.

    Args:
        spec: which one.
        progress: called with a line of text when something slow begins.
    """
    path = prepared_path(spec)
    if not path.is_file():
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                progress(f"preparing {path.name}")
                save_dataset(_make(spec, progress), path)
    data = load_dataset(path)
    check_name(spec.keypoints, data.keypoints, f"keypoints of {data.name}")
    return data


def prepared_path(spec: DataSpec) -> Path:
    """The file that a dataset is prepared into; fails at once where the source files are missing."""
    for name in UNUSED.get(spec.dataset, UNUSED["motion"]):
        if getattr(spec, name) != DataSpec.model_fields[name].default:
            raise InputError(
                f"parameter {name}: found {getattr(spec, name)!r}, which dataset {spec.dataset!r} does not use"
            )
    if spec.dataset == "synthetic":
        check_name(spec.keypoints, (filming.GT, filming.SIMULATED), "keypoints of the synthetic dataset")
        name, made_from = f"synthetic-{spec.scale}", [spec.scale, spec.data_seed]
    elif spec.dataset == "h36m":
        files = videopose3d_files.find_files(source_data_dir(), "h36m", spec.keypoints)
        name, made_from = f"h36m-{spec.keypoints}", [_stat(file) for file in files]
    else:
        check_name(spec.keypoints, (filming.GT, filming.SIMULATED), "keypoints of plain motion")
        file = _motion_file(spec)
        plain_motion.list_takes(file)
        name = file.stem
        made_from = [_stat(file), spec.data_seed, spec.fps, spec.train_subjects, spec.test_subjects]
    digest = hashlib.sha256(json.dumps(made_from).encode())
    code = [*PACKAGE.glob("sources/*.py"), *PACKAGE.glob("data/*.json"), *(PACKAGE / f"{name}.py" for name in MODULES)]
    for module in sorted(code):
        digest.update(module.read_bytes())
    return prepared_dir() / f"{name}-{digest.hexdigest()[:10]}.safetensors"


def _make(spec: DataSpec, progress: Callable[[str], None]) -> PoseDataset:
    if spec.dataset == "synthetic":
        return synthetic.make_synthetic(spec.scale, seed=spec.data_seed, progress=progress)
    if spec.dataset == "h36m":
        return videopose3d_files.read_human36m(source_data_dir(), keypoints=spec.keypoints)
    return plain_motion.read_plain_motion(
        _motion_file(spec),
        fps=spec.fps,
        train_subjects=spec.train_subjects,
        test_subjects=spec.test_subjects,
        seed=spec.data_seed,
    )


def _motion_file(spec: DataSpec) -> Path:
    """The plain-motion file that `dataset` names, or what else it may have meant."""
    if not spec.dataset.endswith(".npz"):
        raise InputError(
            f"unknown dataset {spec.dataset!r}. Valid: synthetic; h36m (VideoPose3D's files in the folder that "
            "POSE3D_DATA names); or the path of an .npz of plain motion"
        )
    given = Path(spec.dataset).expanduser()
    if given.is_absolute() or given.is_file():
        return given
    file = source_data_dir() / given
    if not file.is_file():
        raise InputError(
            f"{spec.dataset}: there is no such file, neither in {Path.cwd()} nor in {source_data_dir()}, the folder of "
            "POSE3D_DATA. Plain motion is an .npz of float arrays (frames, 17, 3) in world metres under keys subject/Action/take"
        )
    return file


def _stat(file: Path) -> list:
    stat = file.stat()
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns]
