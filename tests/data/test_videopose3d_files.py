"""Human3.6M from VideoPose3D's files: what the cameras see, names, lengths, and what the messages say."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import h36m_cameras, view
from pose3d_lib.data.dataset import PoseDataset, load_dataset, save_dataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17, H36M_17_OF_32, MPII_16, Skeleton
from pose3d_lib.data.sources.videopose3d import choose_set, find, find_files, list_actions, read, recognise
from pose3d_lib.data.sources.videopose3d.sets import DESCRIPTION
from pose3d_lib.data.spec import DataSpec
from tests.helpers.source_files import Motions, Views, motion, read_set, views

NUMBERED = Skeleton("own", tuple(f"joint_{joint}" for joint in range(16)), (), MPII_16.left, MPII_16.right)
H36M_SYMMETRY = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
MPII_SYMMETRY = [[3, 4, 5, 13, 14, 15], [2, 1, 0, 12, 11, 10]]
COCO_SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]


def motions() -> Motions:
    return {
        "S1": {"Directions 1": motion(3, 1), "TakingPhoto": motion(5, 2)},
        "S11": {"Directions": motion(4, 3), "Directions 1": motion(2, 4), "WalkingDog 1": motion(3, 5)},
    }


def write(
    folder: Path, world: Motions, pixels: Views | None = None, *, keypoints: str = "cpn", **metadata: object
) -> Path:
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=world)
    if pixels is not None:
        metadata = {"num_joints": 17, "keypoints_symmetry": H36M_SYMMETRY, "layout_name": "h36m"} | metadata
        metadata = {key: value for key, value in metadata.items() if value is not None}
        np.savez_compressed(folder / f"data_2d_h36m_{keypoints}.npz", positions_2d=pixels, metadata=metadata)
    return folder


def refusal(folder: Path, keypoints: str = "cpn") -> str:
    with pytest.raises(InputError) as caught:
        read_set(folder, "h36m", keypoints=keypoints)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def clip_keys(data: PoseDataset) -> list[tuple]:
    """Every take once, in order."""
    keys = data.clips[["subject", "action", "take"]].itertuples(index=False, name=None)
    return list(dict.fromkeys(keys))


def rows(data: PoseDataset, subject: str, action: str, take: str, camera: int) -> slice:
    clips = data.clips
    chosen = clips[(clips.subject == subject) & (clips.action == action) & (clips["take"] == take)].iloc[camera]
    return slice(chosen.start, chosen.stop)


@pytest.mark.parametrize("joints", [32, 17])
def test_every_camera_of_a_subject_sees_its_takes(tmp_path: Path, joints: int) -> None:
    world = {"S1": {"Eating": motion(5, 1, joints)}, "S9": {"Eating 2": motion(3, 2, joints)}}
    data = read_set(write(tmp_path, world), "h36m", keypoints="gt")
    used = list(H36M_17_OF_32) if joints == 32 else list(range(17))
    assert data.clips.start.tolist() == [0, 5, 10, 15, 20, 23, 26, 29]
    assert data.clips.camera.tolist() == list(range(8))
    for clip in data.clips.itertuples():
        camera = h36m_cameras()[clip.subject][clip.Index % 4]
        assert data.cameras[clip.camera] == camera
        take = {"0": "Eating", "2": "Eating 2"}[data.clips["take"][clip.Index]]
        points, pixels = view(world[clip.subject][take][:, used], camera)
        at = slice(clip.start, clip.stop)
        np.testing.assert_allclose(data.trajectory[at], points[:, 0], atol=1e-6)
        np.testing.assert_allclose(data.positions[at], points - points[:, :1], atol=1e-6)
        np.testing.assert_allclose(data.keypoints["gt"][at], pixels, atol=1e-3)
    assert not data.positions[:, 0].any()
    assert data.layouts == {"gt": H36M_17}
    assert any("projections" in note for note in data.notes)


def test_names_order_and_what_is_declared(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn")
    assert (data.name, data.synthetic, data.skeleton, data.layouts) == ("h36m", False, H36M_17, {"cpn": H36M_17})
    assert clip_keys(data) == [
        ("S1", "Directions", "1"), ("S1", "Photo", "0"), ("S11", "Directions", "1"), ("S11", "WalkDog", "1"),
    ]  # fmt: skip
    assert data.clips.camera.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]
    assert (data.clips.fps == 50).all()
    assert data.clips.labelled.all()
    assert (data.train_subjects, data.test_subjects) == (("S1",), ("S11",))
    for eye in range(4):
        at = rows(data, "S11", "Directions", "1", eye)
        np.testing.assert_array_equal(data.keypoints["cpn"][at], pixels["S11"]["Directions 1"][eye])
    notes = " ".join(data.notes)
    assert "S11's take `Directions` is left out" in notes
    assert "Missing train subjects: S5, S6, S7, S8." in notes
    assert "Missing test subjects: S9." in notes
    assert "Found 32 train frames over four cameras; the whole dataset has 1,559,752." in notes
    assert "Found 20 test frames over four cameras; the whole dataset has 543,344." in notes
    assert "projections" not in notes
    save_dataset(data, tmp_path / "prepared.safetensors")
    assert load_dataset(tmp_path / "prepared.safetensors").fingerprint == data.fingerprint


def test_longer_keypoints_are_cut(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world, more=3)
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn")
    assert len(data.keypoints["cpn"]) == len(data.positions) == 4 * (3 + 5 + 2 + 3)
    for eye in range(4):
        at = rows(data, "S1", "Photo", "0", eye)
        np.testing.assert_array_equal(data.keypoints["cpn"][at], pixels["S1"]["TakingPhoto"][eye][:5])


def test_subjects_without_3d_become_unlabelled_clips(tmp_path: Path) -> None:
    world = motions()
    pixels = {"S2": {"Eating": [np.full((n, 17, 2), n, np.float32) for n in (7, 7, 8, 7)]}, **views(world)}
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn")
    unlabelled = data.clips[~data.clips.labelled]
    assert unlabelled.index.tolist() == [16, 17, 18, 19]
    assert (unlabelled.stop - unlabelled.start).tolist() == [7, 7, 8, 7]
    for clip, known in zip(unlabelled.itertuples(), h36m_cameras()["S1"], strict=True):
        camera = data.cameras[clip.camera]
        assert (camera.name, camera.intrinsics, camera.width) == (known.name, known.intrinsics, known.width)
        assert camera.orientation is camera.position is None
        assert (data.keypoints["cpn"][clip.start : clip.stop] == clip.stop - clip.start).all()
    assert len(data.positions) == unlabelled.start.iloc[0] == 52
    assert "S2" not in {*data.train_subjects, *data.test_subjects}
    assert data.frames_per_action().loc["Eating"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("keypoints", "metadata", "layout"),
    [
        ("gt", {"layout_name": None}, H36M_17),
        ("cpn_ft_h36m_dbb", {"layout_name": "h36m"}, H36M_17),
        ("detectron_ft_h36m", {"layout_name": "h36m"}, H36M_17),
        ("detectron_pt_coco", {"layout_name": "coco", "keypoints_symmetry": np.array(COCO_SYMMETRY)}, COCO_17),
        ("sh_pt_mpii", {"layout_name": None, "num_joints": 16, "keypoints_symmetry": MPII_SYMMETRY}, MPII_16),
        ("sh_ft_h36m", {"layout_name": None, "num_joints": 16, "keypoints_symmetry": MPII_SYMMETRY}, MPII_16),
        ("mine", {"layout_name": "mpii", "num_joints": 16, "keypoints_symmetry": MPII_SYMMETRY}, MPII_16),
        ("own", {"layout_name": None, "num_joints": 16, "keypoints_symmetry": MPII_SYMMETRY}, NUMBERED),
    ],
)
def test_every_published_2d_source_has_its_own_joints(tmp_path, keypoints: str, metadata: dict, layout: object) -> None:
    world = motions()
    pixels = views(world, joints=layout.num_joints)
    data = read_set(write(tmp_path, world, pixels, keypoints=keypoints, **metadata), "h36m", keypoints=keypoints)
    assert data.layouts == {keypoints: layout}
    assert data.keypoints[keypoints].shape == (52, layout.num_joints, 2)
    np.testing.assert_array_equal(data.keypoints[keypoints][3:6], pixels["S1"]["Directions 1"][1])
    assert not any("pairs left" in note for note in data.notes)


def test_a_hip_is_not_the_mirror_of_an_ankle_whatever_the_published_hourglass_files_say(tmp_path: Path) -> None:
    world = motions()
    published = [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]
    metadata = {"num_joints": 16, "keypoints_symmetry": published, "layout_name": None}
    folder = write(tmp_path, world, views(world, joints=16), keypoints="sh_pt_mpii", **metadata)
    data = read_set(folder, "h36m", keypoints="sh_pt_mpii")
    assert data.layouts["sh_pt_mpii"] == MPII_16
    assert any("each joint with its own opposite" in note for note in data.notes)
    write(tmp_path, world, views(world), keypoints="sh_pt_mpii", layout_name=None, keypoints_symmetry=MPII_SYMMETRY)
    assert "layout 'mpii' has 16 joints" in refusal(tmp_path, "sh_pt_mpii")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"keypoints_symmetry": COCO_SYMMETRY}, "layout 'h36m' has 17 joints"),
        ({"layout_name": "coco", "keypoints_symmetry": H36M_SYMMETRY}, "layout 'coco' has 17 joints"),
        ({"layout_name": "coco", "num_joints": 18, "keypoints_symmetry": COCO_SYMMETRY}, "found 18"),
        ({"layout_name": None, "num_joints": 16, "keypoints_symmetry": [[0], [16]]}, "must be pairs of its 16 joints"),
        ({"layout_name": None, "keypoints_symmetry": [[1], [1]]}, "must be pairs"),
        ({"layout_name": None, "num_joints": 10**12}, "expected 1 to 1000"),
        ({"layout_name": [1]}, "a text as layout_name"),
        ({"num_joints": None}, "num_joints"),
        ({"keypoints_symmetry": 3}, "keypoints_symmetry"),
        ({"num_joints": 16, "layout_name": None, "keypoints_symmetry": [[3], [2]]}, "expected float (frames, 16, 2)"),
    ],
)
def test_metadata_that_cannot_be_right(tmp_path: Path, metadata: dict, said: str) -> None:
    world = motions()
    assert said in refusal(write(tmp_path, world, views(world), **metadata))


TAKE = "S1/Photo/0"  # TakingPhoto of S1, of 5 frames
NO_SCORES = np.zeros((5, 17, 3), np.float32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda own: None, f"{TAKE} has a NoneType cameras; expected 4"),
        (lambda own: own[:3], f"{TAKE} has 3 cameras; expected 4"),
        (lambda own: [*own[:2], own[2][:4], own[3]], f"{TAKE}, camera 2 has 4 frames of 2D, fewer than 5 of 3D"),
        (lambda own: [*own[:3], own[3] * np.nan], f"{TAKE}, camera 3 holds NaN, or"),
        (lambda own: [*own[:3], own[3] * 1e30], f"{TAKE}, camera 3 holds NaN, or numbers beyond 1,000,000"),
        (lambda own: [NO_SCORES, *own[1:]], "camera 0 is float32(5, 17, 3); expected scores in every array or in none"),
    ],
)
def test_2d_that_cannot_be_right(tmp_path: Path, change: object, said: str) -> None:
    world = motions()
    pixels = views(world)
    pixels["S1"]["TakingPhoto"] = change(pixels["S1"]["TakingPhoto"])
    assert said in refusal(write(tmp_path, world, pixels))


def test_keypoints_that_are_missing(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    del pixels["S1"]["TakingPhoto"]
    assert "no keypoints of S1/Photo/0" in refusal(write(tmp_path, world, pixels))
    del world["S1"]["TakingPhoto"], world["S1"]["Directions 1"]
    world["S1"]["Eating"] = motion(2, 8)
    pixels["S1"]["Eating"] = views(world)["S1"]["Eating"]
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn")
    assert any("S1/Directions/1 is left out: it has 2D keypoints but no 3D joints." in note for note in data.notes)


def test_the_same_take_under_two_names(tmp_path: Path) -> None:
    world = motions()
    world["S1"]["Photo"] = motion(2, 7)
    assert "S1 has Photo, take 0, twice; once as 'Photo'" in refusal(write(tmp_path, world), "gt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"S2": {"Eating": motion(2, 1)}}, "'S2'"),
        ({"S1": {"Eating": motion(2, 1, 20)}}, "S1/Eating/0 is float32(2, 20, 3)"),
        ({"S1": {"Eating": motion(0, 1)}}, "float32(0, 32, 3)"),
        ({"S1": {"Eating": 1000 * motion(2, 1)}}, "expected metres"),
        ({"S1": {"Eating": [1, 2]}}, "is a list"),
        (
            {"S1": {"Eating": np.full((3, 32, 3), np.nan, "f4")}},
            "S1/Eating/0 holds NaN, or numbers beyond 100, first in frame 0",
        ),
        ({"S1": {"Eating": np.ones((3, 17, 3), np.int32)}}, "is int32(3, 17, 3)"),
        ({"S11": {"Directions": motion(2, 1)}}, "no test subject"),
        ({"S1": {}}, "no train subject"),
    ],
)
def test_3d_that_cannot_be_right(tmp_path: Path, change: dict, said: str) -> None:
    assert said in refusal(write(tmp_path, {**motions(), **change}), "gt")


def test_keypoints_that_do_not_exist(tmp_path: Path) -> None:
    folder = write(tmp_path, motions(), {}, keypoints="cpn_ft_h36m_dbb")
    assert find_files(folder, "h36m", "gt") == [folder / "data_3d_h36m.npz"]
    files = [folder / "data_3d_h36m.npz", folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz"]
    assert find_files(folder, "h36m", "cpn_ft_h36m_dbb") == files
    for given in ("cpn_ft_h36m_dbbb", "cpn"):
        said = refusal(folder, given)
        assert f"{folder / f'data_2d_h36m_{given}.npz'}: there is no such file" in said
        assert "did you mean cpn_ft_h36m_dbb? Valid: cpn_ft_h36m_dbb, gt" in said


def test_files_that_do_not_exist(tmp_path: Path) -> None:
    said = refusal(tmp_path, "gt")
    assert f"{tmp_path / 'data_3d_h36m.npz'}: there is no such file" in said
    assert "Keypoints files there: none" in said
    said = refusal(tmp_path / "nowhere")
    assert f"{tmp_path / 'nowhere' / 'data_3d_h36m.npz'}: there is no such file" in said
    for part in ("POSE3D_DATA", "DATASETS.md", "http://vision.imar.ro/human3.6m"):
        assert part in said


def test_views_may_stand_in_one_array(tmp_path: Path) -> None:
    world = motions()
    pixels = {subject: {name: np.stack(seen) for name, seen in own.items()} for subject, own in views(world).items()}
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn")
    np.testing.assert_array_equal(data.keypoints["cpn"][9:12], pixels["S1"]["Directions 1"][3])


def test_takes_are_left_out_by_name(tmp_path: Path) -> None:
    world = motions()
    pixels = {"S2": {"Eating": views({"S2": {"Eating": motion(2, 8)}})["S2"]["Eating"]}, **views(world)}
    without = ("S1/Photo/0", "S2/Eating/0", "S11/Directions/0")
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn", without=without)
    assert clip_keys(data) == [("S1", "Directions", "1"), ("S11", "Directions", "1"), ("S11", "WalkDog", "1")]
    np.testing.assert_array_equal(data.keypoints["cpn"][:3], pixels["S1"]["Directions 1"][0])
    assert [note for note in data.notes if "`leave_out`" in note] == [
        "S1/Photo/0 is left out, as `leave_out` says.",
        "S2/Eating/0 is left out, as `leave_out` says.",
    ]
    with pytest.raises(InputError, match=r"unknown take to leave out of .*S1/Photos/0"):
        read_set(tmp_path, "h36m", keypoints="cpn", without=("S1/Photos/0",))
    with pytest.raises(InputError, match="has no train subject"):
        read_set(tmp_path, "h36m", keypoints="cpn", without=("S1/Photo/0", "S1/Directions/1"))


@pytest.mark.parametrize("keypoints", ["gt", "cpn"])
def test_other_motion_in_videopose3d_s_own_files_keeps_its_own_actions(tmp_path, keypoints: str) -> None:
    world = {subject: {"Walking 1": motion(3, 1), "Jump": motion(4, 2)} for subject in ("S1", "S9")}
    world["S11"] = {"Directions": motion(2, 5)}
    write(tmp_path, world, views(world), keypoints="cpn")
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("h36m", "mine", 1))
    spec = DataSpec(dataset=str(tmp_path), keypoints=keypoints)
    assert list_actions(spec, tmp_path) == ("Walking", "Jump", "Directions")
    data = read(spec, tmp_path, print)
    assert clip_keys(data)[:2] == [("S1", "Walking", "1"), ("S1", "Jump", "0")]
    assert data.cameras[:4] == h36m_cameras()["S1"]
    assert (data.train_subjects, data.test_subjects) == (("S1",), ("S9", "S11"))
    assert ("S11", "Directions", "0") in clip_keys(data)
    assert data.terms == ""
    assert not any("whole dataset" in note or "Human3.6M has" in note for note in data.notes)
    assert any("'mine'" in note for note in data.notes)


def test_actions_that_are_none_of_the_fifteen_stay_and_are_asked_about(tmp_path: Path) -> None:
    world = motions()
    world["S1"] |= {"SitingDown": motion(2, 8), "Cartwheel": motion(2, 9)}
    data = read_set(write(tmp_path, world), "h36m", keypoints="gt")
    assert ("S1", "SitingDown", "0") in clip_keys(data)
    assert any("SitingDown (did you mean SittingDown?), Cartwheel." in note for note in data.notes)
    assert ("S11", "Directions", "0") not in clip_keys(data)
    assert "Human3.6M" in data.terms


def test_a_take_behind_a_camera_is_refused_by_name_where_it_would_be_projected(tmp_path: Path) -> None:
    world = motions()
    world["S1"]["TakingPhoto"] = world["S1"]["TakingPhoto"] + np.float32([20, 0, 0])
    folder = write(tmp_path, world, views(world))
    refused = refusal(folder, "gt")
    assert f"{folder / 'data_3d_h36m.npz'}: S1/Photo/0 goes behind camera" in refused
    assert "leave_out" in refused
    read_set(folder, "h36m", keypoints="cpn")


def test_the_set_is_the_one_that_is_named_or_the_only_one_of_the_folder(tmp_path: Path) -> None:
    assert not recognise(tmp_path)
    write(tmp_path, motions())
    assert recognise(tmp_path)
    assert choose_set(str(tmp_path), tmp_path) == choose_set("h36m", tmp_path) == "h36m"
    spec = DataSpec(dataset=str(tmp_path), keypoints="gt")
    assert find(spec, tmp_path) == ("h36m-gt", [tmp_path / "data_3d_h36m.npz"])
    assert read(spec, tmp_path, print).fingerprint == read_set(tmp_path, "h36m", keypoints="gt").fingerprint
    assert "Photo" in list_actions(spec, tmp_path)
    (tmp_path / "data_3d_humaneva15.npz").touch()
    assert choose_set("humaneva15", tmp_path) == "humaneva15"
    assert find(DataSpec(dataset="h36m", keypoints="gt"), tmp_path)[0] == "h36m-gt"
    with pytest.raises(InputError, match=r"found data_3d_h36m.npz, data_3d_humaneva15.npz.* POSE3D_DATA"):
        choose_set(str(tmp_path), tmp_path)


def test_names_of_files_are_no_patterns(tmp_path: Path) -> None:
    folder = write(tmp_path, motions(), {}, keypoints="gt")
    (tmp_path / "data_3d_h[3]6m.npz").touch()
    assert find_files(folder, "h36m", "gt")[1].name == "data_2d_h36m_gt.npz"
    with pytest.raises(InputError, match="Keypoints files there: none"):
        find_files(folder, "h?6m", "gt")


CAMERA = {"name": "left", "width": 640, "height": 480, "orientation": [1, 0, 0, 0], "position": [0, 0, 0]}
DESCRIBED = {
    "name": "dance", "synthetic": False, "fps": 25,
    "skeleton": {"name": "stick", "joints": ["hip", "head"], "parents": [-1, 0], "left": [], "right": []},
    "actions": ["Tango"],
    "cameras": {"Ann": [CAMERA], "Bob": [CAMERA]},
    "layouts": {}, "train_subjects": ["Ann"], "test_subjects": ["Bob"], "notes": ["Danced."],
}  # fmt: skip


def write_described(folder: Path, description: object) -> Path:
    world = {name: {"Tango": np.ones((2, 2, 3), np.float32) + i} for i, name in enumerate(("Ann", "Bob"))}
    np.savez(folder / "data_3d_dance.npz", positions_3d=world, **{DESCRIPTION: np.array(json.dumps(description))})
    pixels = {name: {"Tango": [np.ones((2, 2, 2), np.float32) + i]} for i, name in enumerate(world)}
    metadata = {"num_joints": 2, "keypoints_symmetry": [[], []]}
    np.savez(folder / "data_2d_dance_seen.npz", positions_2d=pixels, metadata=metadata)
    return folder


def test_a_set_with_a_description_is_read_by_it(tmp_path: Path) -> None:
    spec = DataSpec(dataset=str(write_described(tmp_path, DESCRIBED)), keypoints="seen")
    data = read(spec, tmp_path, print)
    assert (data.name, data.train_subjects, data.test_subjects, data.notes) == (
        "dance", ("Ann",), ("Bob",), ("Danced.",),
    )  # fmt: skip
    assert (data.skeleton.joints, data.clips.fps.tolist(), len(data.cameras)) == (("hip", "head"), [25.0, 25.0], 1)
    assert list_actions(spec, tmp_path) == ("Tango",)
    np.testing.assert_array_equal(data.trajectory, [[1, 1, 1]] * 2 + [[2, 2, 2]] * 2)
    with pytest.raises(InputError, match="unknown keypoints 'gt': Valid: seen"):
        read_set(tmp_path, "dance", keypoints="gt")


@pytest.mark.parametrize(
    "change",
    [
        {"fps": 0}, {"fps": float("nan")}, {"name": "../dance"}, {"notes": "Danced."}, {"more": 1},
        {"skeleton": {**DESCRIBED["skeleton"], "parents": [-1, 5]}},
        {"cameras": {"Ann": [{**CAMERA, "width": "wide"}]}},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_that_is_not_one(tmp_path: Path, change: dict) -> None:
    write_described(tmp_path, {**DESCRIBED, **change})
    with pytest.raises(InputError, match=f"data_3d_dance.npz, key '{DESCRIPTION}': not the description"):
        read_set(tmp_path, "dance", keypoints="seen")


@pytest.mark.parametrize(
    "value",
    ["", "[]", '{"a":' * 900_000, "nul\x00", np.arange(3), np.zeros(6_000_000, "<U1"), {"name": "dance"}],
    ids=range(7),
)
def test_a_description_that_is_no_json_of_one(tmp_path: Path, value: object) -> None:
    np.savez_compressed(tmp_path / "data_3d_dance.npz", positions_3d={}, **{DESCRIPTION: value})
    begun = time.process_time()
    with pytest.raises(InputError, match=r"data_3d_dance\.npz, key .*not the description that export writes"):
        read_set(tmp_path, "dance", keypoints="seen")
    assert time.process_time() - begun < 10, "a parser that backtracks takes minutes"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cameras": {"Ann": [CAMERA]}}, "unknown subject .*'Bob'"),
        (
            {"cameras": {"Ann": [CAMERA], "Bob": [{**CAMERA, "position": None}]}},
            "where camera 'left' stood is not known",
        ),
        ({"cameras": {"Ann": [CAMERA] * 2, "Bob": [CAMERA]}}, "Ann/Tango/0 has 1 cameras; expected 2"),
        ({"actions": ["Waltz"]}, "unknown action of Ann .*'Tango'"),
        ({"test_subjects": ["Cid"]}, "has no test subject; found Ann, Bob"),
        ({"skeleton": {**DESCRIBED["skeleton"], "joints": ["hip"], "parents": [-1]}}, r"float \(frames, 1, 3\)"),
        ({"layouts": {"seen": {**DESCRIBED["skeleton"], "joints": ["hip"], "parents": []}}}, "'stick' has 1 joints"),
    ],
)
def test_a_description_that_does_not_suit_its_arrays(tmp_path: Path, change: dict, said: str) -> None:
    write_described(tmp_path, {**DESCRIBED, **change})
    with pytest.raises(InputError, match=said):
        read_set(tmp_path, "dance", keypoints="seen")


def test_suffixes_are_read_in_any_case_and_other_files_of_the_folder_are_named(tmp_path: Path) -> None:
    spec = DataSpec(dataset=str(write_described(tmp_path, DESCRIBED)), keypoints="seen")
    expected = read(spec, tmp_path, print)
    for file in list(tmp_path.iterdir()):
        file.rename(file.with_suffix(".NPZ"))
    (tmp_path / "data_2d_dance_other.npz").write_bytes(b"")
    data = read(spec, tmp_path, print)
    assert recognise(tmp_path)
    assert list_actions(spec, tmp_path) == expected.actions
    np.testing.assert_array_equal(data.positions, expected.positions)
    (note,) = set(data.notes) - set(expected.notes)
    assert "data_2d_dance_other.npz" in note


# Scores


def scored(pixels: Views, seed: int = 4) -> Views:
    """The same views with a third column from 0 to 1."""
    rng = np.random.default_rng(seed)
    return {
        subject: {
            name: [np.concatenate([v, rng.uniform(size=(*v.shape[:2], 1))], axis=2).astype(np.float32) for v in views]
            for name, views in takes.items()
        }
        for subject, takes in pixels.items()
    }


def test_the_third_column_is_the_scores_where_they_are_wanted(tmp_path: Path) -> None:
    world = motions()
    plain = read_set(write(tmp_path, world, views(world, more=2)), "h36m", keypoints="cpn")
    pixels = scored(views(world, more=2) | {"S2": views({"S2": {"Posing": motion(4, 8)}})["S2"]})
    folder = write(tmp_path, world, pixels)
    data = read_set(folder, "h36m", keypoints="cpn", scores=True)
    clip = rows(data, "S1", "Photo", "0", 2)
    np.testing.assert_array_equal(data.scores["cpn"][clip], pixels["S1"]["TakingPhoto"][2][:5, :, 2])
    clip = rows(data, "S2", "Posing", "0", 3)
    np.testing.assert_array_equal(data.scores["cpn"][clip], pixels["S2"]["Posing"][3][..., 2])
    np.testing.assert_array_equal(data.keypoints["cpn"][: len(plain.keypoints["cpn"])], plain.keypoints["cpn"])
    assert data.keypoints["cpn"].shape[2] == 2


def test_scores_that_nobody_wants_are_left_in_the_file_and_that_is_said(tmp_path: Path) -> None:
    world = motions()
    plain = read_set(write(tmp_path, world, views(world)), "h36m", keypoints="cpn")
    data = read_set(write(tmp_path, world, scored(views(world))), "h36m", keypoints="cpn")
    assert data.scores == {}
    np.testing.assert_array_equal(data.keypoints["cpn"], plain.keypoints["cpn"])
    assert set(data.notes) - set(plain.notes) == {
        "The scores in data_2d_h36m_cpn.npz are not used (`scores` would keep them)."
    }


def test_keypoints_without_a_third_column_have_no_scores_unless_they_are_exact(tmp_path: Path) -> None:
    world = motions()
    folder = write(tmp_path, world, views(world))
    with pytest.raises(InputError, match=r"data_2d_h36m_cpn\.npz: its keypoints have no third column"):
        read_set(folder, "h36m", keypoints="cpn", scores=True)
    projected = read_set(folder, "h36m", keypoints="gt", scores=True)
    written = read_set(write(tmp_path, world, views(world), keypoints="gt"), "h36m", keypoints="gt", scores=True)
    for data in (projected, written):
        assert (data.scores["gt"] == 1).all()
        assert "The scores of gt keypoints, which are exact, are 1." in data.notes
    assert np.abs(projected.keypoints["gt"] - written.keypoints["gt"]).max() > 1  # the file's were read


@pytest.mark.parametrize("lost", [(np.nan, np.nan, 0.9), (0, 0, 0.9), (-1, -1, 0.9), (7, 7, 0)])
@pytest.mark.parametrize("wanted", [False, True])
def test_keypoints_that_were_not_detected_are_interpolated_and_counted(lost, wanted: bool, tmp_path: Path) -> None:
    world = {"S1": {"Photo": motion(5, 1)}, "S9": {"Photo": motion(5, 2)}}
    pixels = scored(views(world))
    expected = pixels["S1"]["Photo"][2][..., :2].copy()
    expected[1:3, 13] = expected[0, 13] + np.array([[1], [2]]) / 3 * (expected[3, 13] - expected[0, 13])
    pixels["S1"]["Photo"][2][1:3, 13] = lost
    data = read_set(write(tmp_path, world, pixels), "h36m", keypoints="cpn", scores=wanted)
    clip = rows(data, "S1", "Photo", "0", 2)
    np.testing.assert_allclose(data.keypoints["cpn"][clip], expected, rtol=1e-5)
    assert [note for note in data.notes if "2 of 680 keypoints were not detected" in note]
    if wanted:
        assert (data.scores["cpn"][clip][1:3, 13] == 0).all()
    pixels["S1"]["Photo"][2][:, 13] = lost
    assert "S1/Photo/0, camera 58860488: joint 13" in refusal(write(tmp_path, world, pixels))


@pytest.mark.parametrize("wanted", [False, True])
def test_a_third_column_that_is_no_score_is_refused(wanted: bool, tmp_path: Path) -> None:
    world = motions()
    same = {
        subject: {name: [m[:, :17].copy() for _ in range(4)] for name, m in takes.items()}
        for subject, takes in world.items()
    }
    with pytest.raises(InputError, match=r"data_2d_h36m_cpn\.npz, third column: scores go from .* lie beyond 0 to 1"):
        read_set(write(tmp_path, world, same), "h36m", keypoints="cpn", scores=wanted)
    pixels = scored(views(world))
    pixels["S1"]["TakingPhoto"][3][1, 5, 2] = np.nan
    assert "first in frame 1" in refusal(write(tmp_path, world, pixels))
