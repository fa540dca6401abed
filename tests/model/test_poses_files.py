"""Files of poses, read back with numpy, pandas and json alone: every number, name and frame is where it is said to be."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import H36M_17
from pose3d_lib.model import poses as poses_files
from pose3d_lib.model.poses import FORMATS, WRITERS, write_poses
from pose3d_lib.model.predict import Lifted, lift
from tests.helpers.made_up_models import made_up_model

ROWS = [("S9", "Walking", "0", 0, 6), ("S9", "Sitting", "1", 1, 1), ("S1", "Eating", "0", 1, 12)]
ODD = 'Müller, "Anna"\u3042 <b>'


@pytest.fixture
def lifted(hand_made) -> Lifted:
    """Three clips, the last of frames 100 to 111, with a trajectory."""
    data = hand_made(ROWS, first_frames=(0, 0, 100), notes=("Cut at a gap.",))
    return lift(made_up_model(trajectory=True), data, data.clips, "simulated")


@pytest.fixture
def rootless(lifted: Lifted) -> Lifted:
    return dataclasses.replace(lifted, clips=tuple(dataclasses.replace(clip, root=None) for clip in lifted.clips))


def written(lifted: Lifted, folder: Path, kind: str) -> Path:
    (path,) = write_poses(lifted, folder / "made", [kind])
    assert path == folder / "made" / f"poses.{kind}"
    return path


def test_npz_holds_plain_arrays_of_all_clips_end_to_end(lifted: Lifted, tmp_path: Path) -> None:
    with np.load(written(lifted, tmp_path, "npz"), allow_pickle=False) as file:
        arrays = dict(file)
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert arrays["clip"].tolist() == [0] * 6 + [1] + [2] * 12
    for number, clip in enumerate(lifted.clips):
        own = arrays["clip"] == number
        np.testing.assert_array_equal(arrays["positions"][own], clip.positions)
        np.testing.assert_array_equal(arrays["trajectory"][own], clip.root)
        np.testing.assert_array_equal(arrays["keypoints"][own], clip.pixels)
        np.testing.assert_array_equal(arrays["frame"][own], clip.frames)
    assert arrays["positions"].dtype == arrays["trajectory"].dtype == arrays["keypoints"].dtype == np.float32
    assert arrays["frame"][arrays["clip"] == 2].tolist() == list(range(100, 112))
    columns = [arrays[name].tolist() for name in ("subject", "action", "take", "camera", "fps", "image_size")]
    assert list(zip(*columns, strict=True)) == [
        ("S9", "Walking", "0", "wide", 50.0, [1024, 512]),
        ("S9", "Sitting", "1", "tall", 50.0, [512, 2048]),
        ("S1", "Eating", "0", "tall", 50.0, [512, 2048]),
    ]
    assert tuple(arrays["joints"]) == tuple(arrays["keypoint_joints"]) == H36M_17.joints
    assert tuple(arrays["parents"]) == H36M_17.parents
    assert (tuple(arrays["left"]), tuple(arrays["right"])) == (H36M_17.left, H36M_17.right)


def test_npz_and_json_say_what_the_numbers_are(lifted: Lifted, tmp_path: Path) -> None:
    with np.load(written(lifted, tmp_path, "npz"), allow_pickle=False) as file:
        about = json.loads(str(file["metadata"]))
    assert about == {
        "format": "pose3d-poses-2", "model": "made-up", "dataset": "hand-made", "synthetic": True, "keypoints": "simulated",
        "units": {"positions": "metres", "trajectory": "metres", "keypoints": "pixels"},
        "space": poses_files.SPACE + poses_files.UPRIGHT, "relative_to": "Hip", "notes": ["Cut at a gap."],
    }  # fmt: skip
    content = json.loads(written(lifted, tmp_path, "json").read_text(encoding="utf-8"))
    assert {name: content[name] for name in about} == about


def test_csv_is_a_table_with_a_row_per_frame(lifted: Lifted, tmp_path: Path) -> None:
    table = pd.read_csv(written(lifted, tmp_path, "csv"))
    assert len(table) == 19
    assert list(table.columns[:9]) == ["model", "subject", "action", "take", "camera", "fps", "space", "frame", "time"]
    assert set(table.space) == {"camera"}
    assert set(table.model) == {"made-up"}
    for (action, rows), clip in zip(table.groupby("action", sort=False), lifted.clips, strict=True):
        assert (action, set(rows.subject)) == (clip.action, {clip.subject})
        assert rows.frame.tolist() == clip.frames.tolist()
        np.testing.assert_allclose(rows.time, clip.frames / 50, atol=1e-9)
        for number, joint in enumerate(H36M_17.joints):
            own = rows[[f"{joint}_x", f"{joint}_y", f"{joint}_z"]]
            np.testing.assert_allclose(own, clip.positions[:, number], atol=0.6e-5)
        np.testing.assert_allclose(rows[["trajectory_x", "trajectory_y", "trajectory_z"]], clip.root, atol=0.6e-5)
    assert len(table.columns) == 9 + 3 * 17 + 3


def test_json_has_every_joint_by_its_name(lifted: Lifted, tmp_path: Path) -> None:
    content = json.loads(written(lifted, tmp_path, "json").read_text(encoding="utf-8"))
    assert tuple(content["joints"]) == H36M_17.joints
    assert tuple(content["parents"]) == H36M_17.parents
    for found, clip in zip(content["clips"], lifted.clips, strict=True):
        assert list(found["joints"]) == list(H36M_17.joints)
        for number, joint in enumerate(H36M_17.joints):
            np.testing.assert_allclose(found["joints"][joint], clip.positions[:, number], atol=0.6e-5)
        np.testing.assert_allclose(found["trajectory"], clip.root, atol=0.6e-5)
        assert found["frames"] == clip.frames.tolist()
        assert (found["subject"], found["action"], found["fps"]) == (clip.subject, clip.action, 50.0)
        assert found["image_size"] == [clip.camera.width, clip.camera.height]


def test_without_a_network_of_the_trajectory_no_file_has_one(rootless: Lifted, tmp_path: Path) -> None:
    with np.load(written(rootless, tmp_path, "npz"), allow_pickle=False) as file:
        assert "trajectory" not in file
        assert "trajectory" not in str(file["metadata"])
    assert not [name for name in pd.read_csv(written(rootless, tmp_path, "csv")) if "trajectory" in name]
    assert "trajectory" not in written(rootless, tmp_path, "json").read_text(encoding="utf-8")


def test_files_say_which_clips_are_upright(lifted: Lifted, tmp_path: Path) -> None:
    clips = tuple(dataclasses.replace(clip, upright=number == 1) for number, clip in enumerate(lifted.clips))
    lifted = dataclasses.replace(lifted, clips=clips)
    with np.load(written(lifted, tmp_path, "npz"), allow_pickle=False) as file:
        assert file["space"].tolist() == ["camera", "upright", "camera"]
    table = pd.read_csv(written(lifted, tmp_path, "csv"))
    assert set(table.action[table.space == "upright"]) == {"Sitting"}
    found = json.loads(written(lifted, tmp_path, "json").read_text(encoding="utf-8"))["clips"]
    assert [clip["space"] for clip in found] == ["camera", "upright", "camera"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_disk_that_is_full_leaves_the_old_file_and_no_half_one(kind, lifted, tmp_path, monkeypatch) -> None:
    lifted = dataclasses.replace(lifted, clips=lifted.clips[:1])
    before = written(lifted, tmp_path, kind).read_bytes()
    whole = WRITERS[kind]

    def half(lifted: Lifted, path: Path) -> None:
        whole(lifted, path)
        path.write_bytes(path.read_bytes()[: len(before) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(poses_files, "WRITERS", {kind: half})
    with pytest.raises(InputError, match="No space left on device"):
        write_poses(lifted, tmp_path / "made", [kind])
    assert [path.read_bytes() for path in (tmp_path / "made").iterdir()] == [before]
