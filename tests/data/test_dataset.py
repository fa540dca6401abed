"""A dataset comes back from its file bit for bit, and what is wrong with it is said by name."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from safetensors.numpy import save_file
from scipy.spatial.transform import Rotation

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, h36m_cameras
from pose3d_lib.data.dataset import PoseDataset, arrays_of, load_dataset, save_dataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from tests.helpers.hand_made import hand_made

CLIPS = [
    ("S1", "Walking", "0", 0, 4), ("S1", "Walking", "0", 1, 4), ("S1", "Sitting", "0", 0, 6), ("S1", "SittingDown", "0", 0, 3),
    ("S9", "Walking", "1", 0, 5), ("S9", "Eating", "0", 1, 7), ("S1", "Posing", "0", 2, 2, False),
]  # fmt: skip
CAMERAS = (*h36m_cameras()["S1"][:2], Camera(name="C3", width=640, height=480))


def make_dataset(rows=CLIPS, **changes) -> PoseDataset:
    return hand_made(rows, **{"cameras": CAMERAS, "notes": ("Made by hand.",), **changes})


def saved(data: PoseDataset, folder: Path) -> Path:
    save_dataset(data, folder / "data.safetensors")
    return folder / "data.safetensors"


def with_cell(column: str, row: int, value) -> pd.DataFrame:
    clips = make_dataset().clips
    clips.loc[row, column] = value
    return clips


def with_number(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed.reshape(-1)[-1] = value
    return changed


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    data = make_dataset(positions=np.asfortranarray(make_dataset().positions), terms="For research.")
    loaded = load_dataset(saved(data, tmp_path))
    assert arrays_of(loaded).keys() == arrays_of(data).keys()
    for key, array in arrays_of(data).items():
        assert arrays_of(loaded)[key].dtype == np.float32
        assert arrays_of(loaded)[key].tobytes() == array.tobytes(), key
    pd.testing.assert_frame_equal(loaded.clips, data.clips)
    for field in (
        "name", "synthetic", "skeleton", "cameras", "layouts", "train_subjects", "test_subjects", "notes", "terms", "fingerprint"
    ):  # fmt: skip
        assert getattr(loaded, field) == getattr(data, field), field
    assert data.fingerprint == make_dataset().fingerprint  # of which terms are no part
    assert dataclasses.replace(loaded, notes=("changed",)).fingerprint != loaded.fingerprint


def test_first_frames_come_back_and_belong_to_the_fingerprint(tmp_path: Path) -> None:
    data = make_dataset(first_frames=(0, 0, 7, 0, 0, 0, 12), frame_step=2)
    loaded = load_dataset(saved(data, tmp_path))
    assert (loaded.first_frames, loaded.frame_step) == (data.first_frames, 2)
    assert loaded.frame_numbers(loaded.clips.iloc[2]).tolist() == [7, 9, 11, 13, 15, 17]
    assert make_dataset().frame_numbers(data.clips.iloc[2]).tolist() == [0, 1, 2, 3, 4, 5]
    assert len({data.fingerprint, make_dataset().fingerprint, make_dataset(frame_step=2).fingerprint}) == 3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_loading_a_large_file_takes_no_memory_for_its_arrays(tmp_path: Path) -> None:
    path = saved(make_dataset([("S1", "Walking", "0", 0, 60_000)]), tmp_path)
    load_dataset(saved(make_dataset(), tmp_path / "small"))
    before = psutil.Process().memory_info().rss
    loaded = load_dataset(path)
    assert psutil.Process().memory_info().rss - before < path.stat().st_size / 4
    assert len(loaded.positions) == 60_000
    assert str(path) in {mapped.path for mapped in psutil.Process().memory_maps()}


ORIGINAL = make_dataset()
CHANGES = {
    "synthetic": {"synthetic": False},
    "action": {"clips": with_cell("action", 0, "Smoking")},
    "fps": {"clips": with_cell("fps", 3, 25.0)},
    "clip's camera": {"clips": with_cell("camera", 2, 1)},
    "a bit of the positions": {"positions": with_number(ORIGINAL.positions, 1e-30)},
    "a bit of the trajectory": {"trajectory": with_number(ORIGINAL.trajectory, 1e-30)},
    "keypoints exchanged": {
        "keypoints": dict(zip(("detected", "simulated"), ORIGINAL.keypoints.values(), strict=True))
    },
    "keypoints left out": {"keypoints": {"detected": ORIGINAL.keypoints["detected"]}},
    "layout": {"layouts": {"simulated": H36M_17, "detected": H36M_17}},
    "lens": {"cameras": (dataclasses.replace(ORIGINAL.cameras[0], intrinsics=(1.0,) * 9), *ORIGINAL.cameras[1:])},
    "joint's name": {"skeleton": dataclasses.replace(H36M_17, joints=("Pelvis", *H36M_17.joints[1:]))},
    "train subjects": {"train_subjects": ("S1", "S5")},
    "notes": {"notes": ()},
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_changes_the_fingerprint(change) -> None:
    assert make_dataset(**CHANGES[change]).fingerprint != ORIGINAL.fingerprint


def test_a_save_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = saved(make_dataset(), tmp_path)
    before = path.read_bytes()
    broken = make_dataset()
    broken.positions[0, 0, 0] = np.nan
    with pytest.raises(InputError):
        save_dataset(broken, path)
    assert path.read_bytes() == before


def test_what_is_no_whole_dataset_file_is_refused_with_its_path(tmp_path: Path) -> None:
    path = saved(make_dataset(), tmp_path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    contents = [whole[:kept] for kept in (0, 7, 8, header // 2, header, header + 1, len(whole) // 2, len(whole) - 1)]
    for content in (*contents, b"These are my notes. " * 50):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a whole dataset file") as refusal:
            load_dataset(path)
        assert str(path) in str(refusal.value)
    with pytest.raises(InputError, match=r"none\.safetensors: not a whole dataset file .*No such file"):
        load_dataset(tmp_path / "none.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "pose3d-dataset-0"}], ids=["none", "another"])
def test_another_format_is_refused_with_what_was_expected(metadata, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"positions": np.zeros((1, 17, 3), np.float32)}, path, metadata=metadata)
    with pytest.raises(InputError, match=f"weights.* of format 'pose3d-dataset-1' .*{metadata and metadata['format']}"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("key", "frame", "bad", "said"),
    [
        ("positions", 10, np.inf, "positions of clip S1/Sitting/0, camera 54138969 is not finite at frame 2 "),
        ("trajectory", 4, np.nan, "trajectory of clip S1/Walking/0, camera 55011271 is not finite at frame 0 "),
        (
            "keypoints/detected",
            -1,
            -np.inf,
            "keypoints/detected of clip S1/Posing/0, camera C3 is not finite at frame 1 ",
        ),
    ],
)
def test_a_number_that_is_not_finite_is_refused_by_clip_and_frame(key, frame, bad, said, tmp_path: Path) -> None:
    data = make_dataset()
    arrays_of(data)[key][frame, ..., 0] = bad
    with pytest.raises(InputError, match=said):
        saved(data, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("said", "change"),
    [
        *(("must follow each other without gaps", {"clips": with_cell(*cell)})
          for cell in (("start", 1, 5), ("start", 1, 3), ("start", 0, 1), ("stop", 0, 5))),
        ("at least one frame", {"rows": [*CLIPS[:2], ("S1", "Sitting", "0", 0, 0), *CLIPS[3:]]}),
        ("the clips S1/Walking/0/0 .* are there twice", {"clips": with_cell("camera", 1, 0)}),
        ("labelled clips must come before unlabelled ones", {"rows": [CLIPS[-1], *CLIPS[:-1]]}),
        ("not a single clip", {"clips": ORIGINAL.clips.iloc[:0]}),
        ("not one of the 3", {"clips": with_cell("camera", 5, 3)}),
        ("S1 cannot be both", {"train_subjects": ("S1",), "test_subjects": ("S1",)}),
        ("no action may be called 'All'", {"clips": with_cell("action", 0, "All")}),
        (r"names \['a.u200bb'\] have characters that are invisible", {"clips": with_cell("take", 0, "a\u200bb")}),
        ("first frames are not given for every clip", {"first_frames": (0, 1)}),
        ("trajectory is float64", {"trajectory": np.zeros((29, 3))}),
        (r"positions is float32\(29, 16, 3\), expected float32\(29, 17, 3\)", {"positions": ORIGINAL.positions[:, 1:]}),
        (r"keypoints/detected is float32\(9, 17, 2\), expected float32\(31, 17, 2\)", {
            "keypoints": {"detected": ORIGINAL.keypoints["detected"][:9]}
        }),
    ],
)  # fmt: skip
def test_what_is_no_dataset_is_refused(said: str, change: dict) -> None:
    with pytest.raises(ValueError, match=f"hand-made: .*{said}"):
        make_dataset(**change)


def test_actions_stand_in_the_order_of_their_first_clips_and_are_trained_and_tested_on_if_those_are_labelled() -> None:
    data = make_dataset()
    assert data.actions == ("Walking", "Sitting", "SittingDown", "Eating", "Posing")
    assert data.train_actions == ("Walking", "Sitting", "SittingDown")
    assert data.test_actions == ("Walking", "Eating")


def test_what_no_table_can_show_is_declared() -> None:
    said = make_dataset().declarations()
    assert said[0] == "Made by hand."
    without_train = [line.split()[0] for line in said if "no train clips" in line]
    without_test = [line.split()[0] for line in said if "no test clips" in line]
    assert without_train == ["Eating"]
    assert without_test == ["Sitting", "SittingDown"]


def test_frames_per_action_counts_every_camera_of_labelled_clips() -> None:
    frames = make_dataset().frames_per_action()
    assert frames.to_dict("index") == {
        "Walking": {"train": 8, "test": 5}, "Sitting": {"train": 6, "test": 0},
        "SittingDown": {"train": 3, "test": 0}, "Eating": {"train": 0, "test": 7}, "Posing": {"train": 0, "test": 0},
    }  # fmt: skip
    assert list(frames.index) == ["Walking", "Sitting", "SittingDown", "Eating", "Posing"]
    assert set(frames.dtypes) == {np.dtype(np.int64)}


def test_the_baseline_trains_on_every_labelled_clip_of_the_train_subjects_and_an_action_on_its_own() -> None:
    data = make_dataset()
    chosen = data.train_clips("All")
    assert chosen.action.tolist() == ["Walking", "Walking", "Sitting", "SittingDown"]
    assert set(chosen.subject) == {"S1"}
    assert data.train_clips("Sitting")[["action", "start", "stop"]].to_numpy().tolist() == [["Sitting", 8, 14]]
    assert data.test_clips()[["subject", "action"]].to_numpy().tolist() == [["S9", "Walking"], ["S9", "Eating"]]


@pytest.mark.parametrize("name", ["Sit", "sitting", "Sitting ", "all"])
def test_a_name_that_is_not_exact_trains_on_nothing(name) -> None:
    with pytest.raises(InputError, match="did you mean"):
        make_dataset().train_clips(name)


def test_an_action_that_can_only_be_tested_on_is_refused_for_training_with_the_reason() -> None:
    with pytest.raises(InputError, match=r"'Eating' of hand-made has no train clips \(train subjects: S1\)") as refusal:
        make_dataset().train_clips("Eating")
    assert "Actions that can be trained on: All, Walking, Sitting, SittingDown" in str(refusal.value)


def test_the_world_of_a_clip_is_pose_plus_trajectory_turned_by_the_camera_and_moved_to_its_place() -> None:
    data = make_dataset()
    w, x, y, z = data.cameras[1].orientation
    in_camera = data.positions[4:8].astype(float) + data.trajectory[4:8].astype(float)[:, None]
    expected = Rotation.from_quat([x, y, z, w]).apply(in_camera.reshape(-1, 3)) + data.cameras[1].position
    np.testing.assert_allclose(data.world(data.clips.iloc[1]).reshape(-1, 3), expected, atol=1e-5)


def test_a_dataset_of_only_unlabelled_clips_can_be_saved(tmp_path: Path) -> None:
    data = make_dataset([("S2", "Posing", "0", 0, 5, False)])
    assert load_dataset(saved(data, tmp_path)).positions.shape == (0, 17, 3)


# What a notebook shows of it


def test_a_dataset_shows_what_is_in_it_and_a_pose_instead_of_its_numbers() -> None:
    data = make_dataset(name="a<b")
    assert repr(data) == "PoseDataset('a<b': 7 clips, 31 frames)"
    shown = data._repr_html_()
    for text in ("a&lt;b, synthetic: nobody was filmed", "5: Walking, Sitting, SittingDown, Eating, Posing",
                 "7, 6 with 3D poses", "31, 50 per second", "detected (17 joints)"):  # fmt: skip
        assert f">{text}<" in shown or f", {text}<" in shown
    assert shown.count("<path") == len(H36M_17.bones)


def test_of_keypoints_alone_the_sketch_is_theirs() -> None:
    rows = [("S1", "Posing", "0", 2, 2, False)]
    data = make_dataset(rows, keypoints={"detected": np.zeros((2, 17, 2), np.float32)}, layouts={"detected": COCO_17})
    assert data._repr_html_().count("<path") == len(COCO_17.bones)


def test_a_sketch_keeps_proportions_and_sides() -> None:
    points = np.zeros((17, 2))
    points[H36M_17.index("LWrist")] = 4, 2
    sketch = H36M_17.sketch(points.tolist())
    assert 'viewBox="0 0 160 85"' in sketch
    assert 'd="M5.0 5.0L155.0 80.0" stroke="#6a3d9a"' in sketch
