"""`PoseDataset`: 2D keypoints and 3D joints of all clips in flat arrays, a table of clips, and the file of both."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from pose3d_lib.common.errors import InputError, printable, some
from pose3d_lib.common.files import sort_metadata, write_atomically
from pose3d_lib.common.paths import make_folder
from pose3d_lib.common.tables import to_card
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.cameras import Camera, camera_to_world
from pose3d_lib.data.skeleton import Skeleton

CLIP_COLUMNS = ("subject", "action", "take", "camera", "fps", "start", "stop", "labelled")
FORMAT = "pose3d-dataset-1"  # of the file: arrays behind a JSON header, to be mapped into memory; no code


@dataclass(frozen=True, repr=False)
class PoseDataset:
    """Clips of 2D keypoints and, where they are known, the 3D joints behind them.

    Attributes:
        name: for people, for instance "synthetic-small".
        synthetic: whether nobody was filmed, so that every table can say so.
        skeleton: the joints of the 3D poses.
        cameras: those that filmed.
        clips: one row per clip, columns CLIP_COLUMNS; `camera` is an index into `cameras`.
        keypoints: name of a 2D source -> (frames, joints_in, 2) float32, pixels.
        layouts: name of a 2D source -> its joints.
        positions: (labelled frames, joints, 3) float32, metres, camera space, relative to the root joint.
        trajectory: (labelled frames, 3) float32, metres: the root joint in camera space.
        train_subjects, test_subjects: who is trained on and tested on.
        notes: what a reader of any table has to know: what was left out, and why.
        scores: name of a 2D source -> (frames, joints_in) float32: its confidence in each keypoint, 0 to 1, if asked for.
        terms: under which the data, and so weights trained on them, may be used; not part of the fingerprint.
        first_frames: of every clip, its first frame's number in its video; none stands for all 0.
        frame_step: difference between the numbers of consecutive frames.

    A clip is one take of one action by one subject, seen by one camera: rows `start` to `stop` of the arrays. Labelled
    clips come first, so the 3D arrays have one row for each frame of a labelled clip.
    """

    name: str
    synthetic: bool
    skeleton: Skeleton
    cameras: tuple[Camera, ...]
    clips: pd.DataFrame
    keypoints: dict[str, np.ndarray]
    layouts: dict[str, Skeleton]
    positions: np.ndarray
    trajectory: np.ndarray
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    notes: tuple[str, ...] = ()
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    terms: str = ""
    first_frames: tuple[int, ...] = ()
    frame_step: int = 1

    def __post_init__(self) -> None:
        _check(self)

    def __repr__(self) -> str:
        return f"PoseDataset({self.name!r}: {len(self.clips):,} clips, {self.clips.stop.iloc[-1]:,} frames)"

    def _repr_html_(self) -> str:
        clips, (source, layout) = self.clips, next(iter(self.layouts.items()))
        rates = ", ".join(f"{fps:g}" for fps in sorted(set(clips.fps)))
        rows = {
            "Dataset": self.name + ", synthetic: nobody was filmed" * self.synthetic,
            "Train subjects": some(self.train_subjects) or "none",
            "Test subjects": some(self.test_subjects) or "none",
            "Actions": f"{len(self.actions)}: {some(self.actions)}",
            "Clips": f"{len(clips):,}, {clips.labelled.sum():,} with 3D poses",
            "Cameras": some(list(dict.fromkeys(camera.name for camera in self.cameras))),
            "Frames": f"{clips.stop.iloc[-1]:,}, {rates} per second",
            "2D keypoints": ", ".join(f"{name} ({own.num_joints} joints)" for name, own in self.layouts.items()),
        }
        place = clips.stop.iloc[0] // 2
        known = len(self.positions) > 0
        pose = self.positions[place, :, :2] if known else self.keypoints[source][place]
        return to_card(rows, (self.skeleton if known else layout).sketch(pose.tolist()))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all numbers and the table of clips."""
        digest = hashlib.sha256(json.dumps(header_of(self), sort_keys=True).encode())
        for key, array in arrays_of(self).items():
            digest.update(f"{key}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """Every action, in the order of the table's first clips."""
        return tuple(self.clips.action.unique())

    @cached_property
    def train_actions(self) -> tuple[str, ...]:
        """Actions that can be trained on, in order."""
        return self._actions_of(self.train_subjects)

    @cached_property
    def test_actions(self) -> tuple[str, ...]:
        """Actions that can be tested on, in order."""
        return self._actions_of(self.test_subjects)

    def _actions_of(self, subjects: Sequence[str]) -> tuple[str, ...]:
        present = set(self.select(subjects).action)
        return tuple(action for action in self.actions if action in present)

    def declarations(self) -> list[str]:
        """Sentences on what no table can show: the source's notes, and the actions without train or test clips."""
        said = list(self.notes)
        for action in self.clips.action[self.clips.labelled].unique():
            if action not in self.train_actions:
                said.append(f"{action} has no train clips: it is tested on, but no model is trained on it.")
            if action not in self.test_actions:
                said.append(f"{action} has no test clips: the baseline trains on it, but no error can be given for it.")
        return said

    def select(self, subjects: Sequence[str], actions: Sequence[str] | None = None) -> pd.DataFrame:
        """The labelled clips of these subjects and, if given, these actions (exact names), in order."""
        chosen = self.clips.labelled & self.clips.subject.isin(subjects)
        if actions is not None:
            chosen &= self.clips.action.isin([check_name(action, self.actions, "action") for action in actions])
        return self.clips[chosen]

    def train_clips(self, action: str = ALL) -> pd.DataFrame:
        """The clips a run trains on: of one action, or of every action for `All`."""
        if not self.clips.labelled.any():
            raise InputError(f"{self.name} holds no 3D poses, only keypoints: nothing can be trained or tested on it")
        if action == ALL:
            return self.select(self.train_subjects)
        if action in self.actions and action not in self.train_actions:
            raise InputError(
                f"action {action!r} of {self.name} has no train clips (train subjects: {', '.join(self.train_subjects)}). "
                f"Actions that can be trained on: {ALL}, {', '.join(self.train_actions)}"
            )
        return self.select(self.train_subjects, [check_name(action, (ALL, *self.train_actions), "action")])

    def test_clips(self) -> pd.DataFrame:
        """Every clip that is tested on, of all actions."""
        return self.select(self.test_subjects)

    def frames_per_action(self) -> pd.DataFrame:
        """f(i) of formula (1): camera frames of every action, one row per action, columns `train` and `test`."""
        frames = {
            split: (clips.stop - clips.start).groupby(clips.action).sum()
            for split, clips in (("train", self.train_clips()), ("test", self.test_clips()))
        }
        return pd.DataFrame(frames, index=list(self.actions)).fillna(0).astype(int).rename_axis("action")

    def camera_of(self, clip: pd.Series) -> Camera:
        return self.cameras[clip.camera]

    def name_of(self, clip: pd.Series) -> str:
        """A row of `clips` in words: "clip S9/Eating/1, camera 54138969"."""
        return f"clip {clip.subject}/{clip.action}/{clip['take']}, camera {self.camera_of(clip).name}"

    def frame_numbers(self, clip: pd.Series) -> np.ndarray:
        """The numbers that a clip's frames have in its video: (frames,) int64, ascending by `frame_step`."""
        first = self.first_frames[self.clips.index.get_loc(clip.name)] if self.first_frames else 0
        return first + self.frame_step * np.arange(clip.stop - clip.start)

    def world(self, clip: pd.Series) -> np.ndarray:
        """The joints of a labelled clip in the world: (frames, joints, 3) float64, metres."""
        rows = slice(clip.start, clip.stop)
        in_camera = self.positions[rows].astype(np.float64) + self.trajectory[rows, None]
        return camera_to_world(torch.from_numpy(in_camera), self.camera_of(clip)).numpy()


def _check(data: PoseDataset) -> None:
    """Refuse tables and arrays that do not fit together, and names that are not shown as they are or mean two things."""
    clips = data.clips
    start, stop, labelled = clips.start.to_numpy(), clips.stop.to_numpy(), clips.labelled.to_numpy(bool)
    both = sorted(set(data.train_subjects) & set(data.test_subjects))
    keys = clips[["subject", "action", "take", "camera"]]
    twice = ["/".join(map(str, key)) for key in keys[keys.duplicated()].itertuples(index=False)]
    cameras = [camera.name for camera in data.cameras]
    shown = {data.name, *data.keypoints, *cameras, *clips[["subject", "action", "take"]].to_numpy().ravel()}
    hidden = sorted(name for name in shown if printable(name) != name)
    faults = {
        "there is not a single clip in it": not len(clips),
        f"{', '.join(both)} cannot be both a train and a test subject": both,
        f"no action may be called {ALL!r}, which stands for every action": ALL in set(clips.action),
        f"the clips {', '.join(twice)} (subject/action/take/number of the camera) are there twice": twice,
        f"the names {hidden!a} have characters that are invisible or break a line; rename them in the source files": hidden,
        "clips must follow each other without gaps and have at least one frame": (
            not np.array_equal(start, [0, *stop[:-1]]) or (stop <= start).any()
        ),
        "labelled clips must come before unlabelled ones": (labelled[1:] > labelled[:-1]).any(),
        f"a clip's camera is not one of the {len(cameras)}": not clips.camera.between(0, len(cameras) - 1).all(),
        "first frames are not given for every clip": len(data.first_frames) not in (0, len(clips)),
    }
    if said := [said for said, fault in faults.items() if fault]:
        raise InputError(f"{data.name}: {said[0]}")
    frames, labelled_frames = int(stop[-1]), int((stop - start)[labelled].sum())
    expected = {
        "positions": (labelled_frames, data.skeleton.num_joints, 3),
        "trajectory": (labelled_frames, 3),
        **{f"keypoints/{name}": (frames, data.layouts[name].num_joints, 2) for name in data.keypoints},
        **{f"scores/{name}": (frames, data.layouts[name].num_joints) for name in data.scores},
    }
    for key, array in arrays_of(data).items():
        if array.shape != expected[key] or array.dtype != np.float32:
            raise ValueError(f"{data.name}: {key} is {array.dtype}{array.shape}, expected float32{expected[key]}")


def arrays_of(data: PoseDataset) -> dict[str, np.ndarray]:
    """Every array by the name that it has in the dataset's file."""
    keypoints = {f"keypoints/{name}": array for name, array in sorted(data.keypoints.items())}
    scores = {f"scores/{name}": array for name, array in sorted(data.scores.items())}
    return {"positions": data.positions, "trajectory": data.trajectory, **keypoints, **scores}


def header_of(data: PoseDataset) -> dict:
    """Everything but the arrays and the terms, as plain JSON values; frames' numbers only if they are not from 0 by one."""
    numbered = {"first_frames": (data.first_frames, ()), "frame_step": (data.frame_step, 1)}
    return {
        "name": data.name,
        "synthetic": data.synthetic,
        "skeleton": asdict(data.skeleton),
        "cameras": [asdict(camera) for camera in data.cameras],
        "clips": {column: data.clips[column].tolist() for column in CLIP_COLUMNS},
        "layouts": {name: asdict(layout) for name, layout in sorted(data.layouts.items())},
        "train_subjects": data.train_subjects,
        "test_subjects": data.test_subjects,
        "notes": data.notes,
        **{key: value for key, (value, usual) in numbered.items() if value != usual},
    }


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
    header = json.dumps({**header_of(data), "terms": data.terms})
    metadata = {"format": FORMAT, "fingerprint": data.fingerprint, "header": header}
    arrays = {key: np.ascontiguousarray(array) for key, array in arrays_of(data).items()}
    make_folder(path.parent)
    write_atomically(path, lambda unfinished: save_file(arrays, unfinished, metadata=metadata), sort_metadata)


def load_dataset(path: Path) -> PoseDataset:
    """Open a dataset's file memory-mapped: arrays are read from the disk when they are used."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if (found := metadata.get("format")) != FORMAT:
                raise ValueError(f"its format is {found!r}")
            arrays = {key: file.get_tensor(key).numpy() for key in file.keys()}  # noqa: SIM118 (not a dict)
        data = _assemble(json.loads(metadata["header"]), arrays)
        data.__dict__["fingerprint"] = metadata["fingerprint"]  # hashing would read the whole file
        return data
    except Exception as error:  # whatever a damaged header leads to
        raise InputError(
            f"{path}: not a whole dataset file of format {FORMAT!r} ({type(error).__name__}: {str(error)[:200]}); delete it, and "
            "01_data_prep prepares it again"
        ) from error


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


def _make(kind: type, fields: dict) -> object:
    """An object of fields that went through JSON, which makes lists of tuples."""
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
