"""One small dataset of every kind that the project reads, written in its true format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17_OF_32, HUMANEVA_15, HUMANEVA_20
from pose3d_lib.data.sources import videopose3d
from pose3d_lib.data.sources.takes import thin
from pose3d_lib.data.sources.videopose3d.sets import known_sets
from pose3d_lib.data.sources.videopose3d.write import export_videopose3d
from pose3d_lib.data.spec import DataSpec
from tests.helpers.bvh_texts import write_person
from tests.helpers.detection_files import walk, write_openpose
from tests.helpers.human36m_files import file_of, make_cdf

Parameters = dict[str, object]

TAKES = (("S1", "Walking"), ("S1", "Sitting 1"), ("S9", "Walking"), ("S9", "Sitting"))


Motions = dict[str, dict[str, np.ndarray]]
Views = dict[str, dict[str, list[np.ndarray]]]


def motion(frames: int, seed: int, joints: int = 32) -> np.ndarray:
    """World metres, about where the subjects of Human3.6M and HumanEva stand."""
    return np.random.default_rng(seed).uniform([-0.8, -0.8, 0], [0.8, 0.8, 1.8], (frames, joints, 3)).astype(np.float32)


def walker(frames: int = 5, *, seed: int = 0) -> np.ndarray:
    """(frames, 17, 3) metres: a cloud the size of a person, 1.7 m along z, that walks away from where it began."""
    rng = np.random.default_rng(seed)
    body = np.column_stack([rng.uniform(-0.3, 0.3, (17, 2)), np.linspace(0, 1.7, 17)])
    path = np.linspace(0, 1, frames)[:, None] * [0.8, -0.4, 0.1] + [20.0, -7.0, 0.0]
    return body + path[:, None]


def views(of: Motions, joints: int = 17, more: int = 0, *, cameras: int = 4) -> Views:
    """Every camera's keypoints, every number of them another one, each clip `more` frames longer than its motion."""
    rng = np.random.default_rng(9)
    return {
        subject: {
            name: [rng.uniform(0, 480, (len(world) + more, joints, 2)).astype(np.float32) for _ in range(cameras)]
            for name, world in takes.items()
        }
        for subject, takes in of.items()
    }


def read_set(
    folder: Path, name: str, *, keypoints: str, without: tuple[str, ...] = (), scores: bool = False
) -> PoseDataset:
    """VideoPose3D's files of a set, the only one of the folder or a known one; without the note on other files of it."""
    dataset = name if name in known_sets() else str(folder)
    spec = DataSpec(dataset=dataset, keypoints=keypoints, leave_out=without, scores=scores)
    data = videopose3d.read(spec, folder, lambda line: None)
    return replace(data, notes=tuple(note for note in data.notes if not note.startswith("Passed over")))


def humaneva_motions(joints: int) -> Motions:
    return {
        "Train/S1": {"Walking 1 chunk0": motion(12, 1, joints), "Walking 1 chunk1": motion(5, 2, joints)},
        "Validate/S1": {"Walking 1 chunk0": motion(7, 3, joints), "Jog 1 chunk0": motion(6, 4, joints)},
        "Train/S2": {"Jog 1 chunk0": motion(8, 5, joints)},
    }


def write_humaneva_set(
    folder: Path, name: str, world: Motions, pixels: Views, keypoints: str = "gt", **metadata: object
) -> Path:
    skeleton = {"humaneva15": HUMANEVA_15, "humaneva20": HUMANEVA_20}[name]
    own = {"num_joints": skeleton.num_joints, "keypoints_symmetry": [list(skeleton.left), list(skeleton.right)]}
    metadata = {"layout_name": name, **own, **metadata}
    metadata = {key: value for key, value in metadata.items() if value is not None}
    np.savez(folder / f"data_3d_{name}.npz", positions_3d=world)
    np.savez(folder / f"data_2d_{name}_{keypoints}.npz", positions_2d=pixels, metadata=metadata)
    return folder


def few_clips(data: PoseDataset) -> PoseDataset:
    """The clips of `TAKES` alone."""
    clips = data.clips
    named = clips.subject + "/" + clips.action + clips["take"].map(lambda take: "" if take == "0" else f" {take}")
    chosen = clips[named.isin([f"{subject}/{name}" for subject, name in TAKES])]
    return replace(thin(data, chosen, 1), train_subjects=("S1",), test_subjects=("S9",))


def without_3d(data: PoseDataset) -> PoseDataset:
    clips = data.clips.assign(labelled=False)
    return replace(data, clips=clips, positions=data.positions[:0], trajectory=data.trajectory[:0])


def _world(data: PoseDataset, subject: str, name: str) -> np.ndarray:
    """(frames, 17, 3) metres of a take of the tiny synthetic dataset."""
    clips = few_clips(data).clips
    action, _, take = name.partition(" ")
    same = (clips.subject == subject) & (clips.action == action) & (clips["take"] == (take or "0"))
    return few_clips(data).world(clips[same].iloc[0])


def write_plain_motion(folder: Path, data: PoseDataset) -> Parameters:
    arrays = {f"{subject}/{name.partition(' ')[0]}/0": _world(data, subject, name) for subject, name in TAKES}
    np.savez(folder / "mine.npz", **arrays)
    return {"dataset": str(folder / "mine.npz"), "train_subjects": "S1", "test_subjects": "S9"}


def write_originals(folder: Path, data: PoseDataset) -> Parameters:
    for subject, name in TAKES:
        world = _world(data, subject, name)
        points = np.zeros((1, len(world), 32, 3))
        points[0, :, H36M_17_OF_32] = 1000 * world.swapaxes(0, 1)
        make_cdf(file_of(folder, f"{subject}/{name}", ".cdf"), points.reshape(1, len(world), 96))
    return {"dataset": str(folder)}


def write_videopose3d(folder: Path, data: PoseDataset) -> Parameters:
    export_videopose3d(few_clips(data), folder, name="h36m")
    return {"dataset": str(folder), "keypoints": "simulated"}


def write_humaneva(folder: Path, data: PoseDataset) -> Parameters:
    world = humaneva_motions(15)
    write_humaneva_set(folder, "humaneva15", world, views(world, 15, cameras=3))
    return {"dataset": str(folder)}


def write_bvh(folder: Path, data: PoseDataset) -> Parameters:
    for number, (style, action) in enumerate((s, a) for s in ("calm", "proud") for a in ("walk", "wave")):
        write_person(folder / f"{action}_{style}_1.bvh", 40, seed=number)
    return {"dataset": str(folder), "pattern": "{action}_{subject}_{take}.bvh"}


def write_description(folder: Path, data: PoseDataset) -> Parameters:
    write_bvh(folder / "files", data)
    text = 'path = "files"\npattern = "{action}_{subject}_{take}.bvh"\ntest_subjects = ["calm"]\n'
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return {"dataset": str(folder / "mine.toml")}


def write_detections(folder: Path, data: PoseDataset) -> Parameters:
    write_openpose(folder / "video", walk(30))
    return {"dataset": str(folder / "video"), "image_size": "1280x720"}


def use_synthetic(folder: Path, data: PoseDataset) -> Parameters:
    return {"scale": "tiny"}


def use_synthetic_h36m(folder: Path, data: PoseDataset) -> Parameters:
    return {"dataset": "synthetic_h36m", "scale": "tiny"}


WRITERS: Mapping[str, Callable[[Path, PoseDataset], Parameters]] = {
    "synthetic": use_synthetic,
    "synthetic_h36m": use_synthetic_h36m,
    "plain motion": write_plain_motion,
    "Human3.6M originals": write_originals,
    "VideoPose3D's files": write_videopose3d,
    "HumanEva": write_humaneva,
    "BVH": write_bvh,
    "a description": write_description,
    "detections": write_detections,
}
"""Kind of data -> writes a small dataset into a folder and returns the parameters that open it."""
