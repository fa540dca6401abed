"""One small dataset of every kind that the project reads, written in its true format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cdflib
import numpy as np

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17_OF_32
from pose3d_lib.data.sources.videopose3d.write import export_videopose3d
from tests.data.test_humaneva import written
from tests.helpers.bvh_texts import write_person
from tests.helpers.detection_files import walk, write_openpose

Parameters = dict[str, object]

TAKES = (("S1", "Walking"), ("S1", "Sitting 1"), ("S9", "Walking"), ("S9", "Sitting"))


def few_clips(data: PoseDataset) -> PoseDataset:
    """The clips of `TAKES` alone."""
    clips = data.clips
    named = clips.subject + "/" + clips.action + clips["take"].map(lambda take: "" if take == "0" else f" {take}")
    chosen = clips[named.isin([f"{subject}/{name}" for subject, name in TAKES])]
    rows = np.concatenate([np.arange(start, stop) for start, stop in zip(chosen.start, chosen.stop, strict=True)])
    stops = (chosen.stop - chosen.start).cumsum()
    return replace(
        data,
        clips=chosen.assign(start=stops.shift(fill_value=0), stop=stops).reset_index(drop=True),
        keypoints={name: pixels[rows] for name, pixels in data.keypoints.items()},
        positions=data.positions[rows],
        trajectory=data.trajectory[rows],
        train_subjects=("S1",),
        test_subjects=("S9",),
    )


def _world(data: PoseDataset, subject: str, name: str) -> np.ndarray:
    """(frames, 17, 3) metres of a take of the tiny synthetic dataset."""
    action, _, take = name.partition(" ")
    clips = data.clips
    (clip, *_) = [
        clip
        for _, clip in clips[(clips.subject == subject) & (clips.action == action)].iterrows()
        if clip["take"] == (take or "0")
    ]
    return data.world(clip)


def write_plain_motion(folder: Path, data: PoseDataset) -> Parameters:
    arrays = {f"{subject}/{name.partition(' ')[0]}/0": _world(data, subject, name) for subject, name in TAKES}
    np.savez(folder / "mine.npz", **arrays)
    return {"dataset": str(folder / "mine.npz"), "train_subjects": "S1", "test_subjects": "S9"}


def write_originals(folder: Path, data: PoseDataset) -> Parameters:
    for subject, name in TAKES:
        world = _world(data, subject, name)
        points = np.zeros((1, len(world), 32, 3))
        points[0, :, H36M_17_OF_32] = 1000 * world.swapaxes(0, 1)
        path = folder / subject / "MyPoseFeatures" / "D3_Positions" / f"{name}.cdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = cdflib.cdfwrite.CDF(path, delete=True)
        spec = {"Variable": "Pose", "Data_Type": 45, "Num_Elements": 1, "Rec_Vary": True, "Compress": 0}
        values = points.reshape(1, len(world), 96)
        file.write_var({**spec, "Dim_Sizes": list(values.shape[1:])}, var_data=values)
        file.close()
    return {"dataset": str(folder)}


def write_videopose3d(folder: Path, data: PoseDataset) -> Parameters:
    export_videopose3d(few_clips(data), folder, name="h36m")
    return {"dataset": str(folder), "keypoints": "simulated"}


def write_humaneva(folder: Path, data: PoseDataset) -> Parameters:
    written(folder, "humaneva15")
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


WRITERS: Mapping[str, Callable[[Path, PoseDataset], Parameters]] = {
    "synthetic": use_synthetic,
    "plain motion": write_plain_motion,
    "Human3.6M originals": write_originals,
    "VideoPose3D's files": write_videopose3d,
    "HumanEva": write_humaneva,
    "BVH": write_bvh,
    "a description": write_description,
    "detections": write_detections,
}
"""Kind of data -> writes a small dataset into a folder and returns the parameters that open it."""
