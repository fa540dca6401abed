"""Human3.6M from VideoPose3D's files: geometry against the formulas, names, lengths, and what the messages say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pose3d_lib.cameras import h36m_cameras, project
from pose3d_lib.dataset import PoseDataset, load_dataset, save_dataset
from pose3d_lib.errors import InputError
from pose3d_lib.skeleton import COCO_17, H36M_17, H36M_17_OF_32
from pose3d_lib.sources.videopose3d_files import find_files, read_human36m

H36M_SYMMETRY = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
COCO_SYMMETRY = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
Motions = dict[str, dict[str, np.ndarray]]
Views = dict[str, dict[str, list[np.ndarray]]]


def motion(frames: int, seed: int, joints: int = 32) -> np.ndarray:
    """World metres, about where the subjects of Human3.6M stand."""
    return np.random.default_rng(seed).uniform([-0.8, -0.8, 0], [0.8, 0.8, 1.8], (frames, joints, 3)).astype(np.float32)


def motions() -> Motions:
    return {
        "S1": {"Directions 1": motion(3, 1), "TakingPhoto": motion(5, 2)},
        "S11": {"Directions": motion(4, 3), "Directions 1": motion(2, 4), "WalkingDog 1": motion(3, 5)},
    }


def views(of: Motions, joints: int = 17, more: int = 0) -> Views:
    """Four cameras' keypoints, every number of them another one, each clip `more` frames longer than its motion."""
    rng = np.random.default_rng(9)
    return {
        subject: {
            name: [rng.uniform(0, 1000, (len(world) + more, joints, 2)).astype(np.float32) for _ in range(4)]
            for name, world in takes.items()
        }
        for subject, takes in of.items()
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
        read_human36m(folder, keypoints=keypoints)
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


def seen_by(camera: object, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera metres and pixels, worked out in float64 with a rotation matrix, one coordinate after the other."""
    w, x, y, z = camera.orientation
    camera_to_world = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    points = (world.astype(np.float64) - np.array(camera.position)) @ camera_to_world
    fx, fy, cx, cy, k1, k2, k3, q1, q2 = camera.intrinsics
    a, b = np.clip(points[..., 0] / points[..., 2], -1, 1), np.clip(points[..., 1] / points[..., 2], -1, 1)
    r2 = a * a + b * b
    d = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + q1 * a + q2 * b
    return points, np.stack([fx * (a * d + q1 * r2) + cx, fy * (b * d + q2 * r2) + cy], axis=-1)


@pytest.mark.parametrize("joints", [32, 17])
def test_geometry_follows_the_formulas(tmp_path: Path, joints: int) -> None:
    world = {"S1": {"Eating": motion(5, 1, joints)}, "S9": {"Eating 2": motion(3, 2, joints)}}
    data = read_human36m(write(tmp_path, world), keypoints="gt")
    used = list(H36M_17_OF_32) if joints == 32 else list(range(17))
    assert data.clips.start.tolist() == [0, 5, 10, 15, 20, 23, 26, 29]
    assert data.clips.camera.tolist() == list(range(8))
    for clip in data.clips.itertuples():
        camera = h36m_cameras()[clip.subject][clip.Index % 4]
        assert data.cameras[clip.camera] == camera
        take = {"0": "Eating", "2": "Eating 2"}[data.clips["take"][clip.Index]]
        points, pixels = seen_by(camera, world[clip.subject][take][:, used])
        at = slice(clip.start, clip.stop)
        np.testing.assert_allclose(data.trajectory[at], points[:, 0], atol=1e-6)
        np.testing.assert_allclose(data.positions[at], points - points[:, :1], atol=1e-6)
        np.testing.assert_allclose(data.keypoints["gt"][at], pixels, atol=1e-3)
        again = project(
            torch.from_numpy(data.positions[at] + data.trajectory[at, None]).double(),
            torch.tensor(camera.intrinsics, dtype=torch.float64),
        )
        np.testing.assert_allclose(data.keypoints["gt"][at], again, atol=1e-3)
    assert not data.positions[:, 0].any()
    assert data.layouts == {"gt": H36M_17}
    assert any("projections" in note for note in data.notes)


def test_names_order_and_what_is_declared(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    data = read_human36m(write(tmp_path, world, pixels), keypoints="cpn")
    assert (data.name, data.synthetic, data.skeleton, data.layouts) == ("h36m", False, H36M_17, {"cpn": H36M_17})
    assert clip_keys(data) == [
        ("S1", "Directions", "1"),
        ("S1", "Photo", "0"),
        ("S11", "Directions", "1"),
        ("S11", "WalkDog", "1"),
    ]
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


def test_nothing_is_said_to_be_left_out_when_it_is_not_there(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    del world["S11"]["Directions"]
    data = read_human36m(write(tmp_path, world, pixels), keypoints="cpn")
    assert not any("left out" in note for note in data.notes)
    assert ("S11", "Directions", "0") not in clip_keys(data)


def test_directions_of_others_stay(tmp_path: Path) -> None:
    world = {"S1": {"Directions": motion(2, 1)}, "S9": {"Directions": motion(2, 2)}}
    data = read_human36m(write(tmp_path, world), keypoints="gt")
    assert clip_keys(data) == [("S1", "Directions", "0"), ("S9", "Directions", "0")]


def test_longer_keypoints_are_cut(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world, more=3)
    data = read_human36m(write(tmp_path, world, pixels), keypoints="cpn")
    assert len(data.keypoints["cpn"]) == len(data.positions) == 4 * (3 + 5 + 2 + 3)
    for eye in range(4):
        at = rows(data, "S1", "Photo", "0", eye)
        np.testing.assert_array_equal(data.keypoints["cpn"][at], pixels["S1"]["TakingPhoto"][eye][:5])


def test_shorter_keypoints_are_refused(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    pixels["S1"]["TakingPhoto"][2] = pixels["S1"]["TakingPhoto"][2][:4]
    assert "S1/Photo/0, camera 2 has 4 frames of 2D, fewer than 5 of 3D" in refusal(write(tmp_path, world, pixels))


def test_subjects_without_3d_become_unlabelled_clips(tmp_path: Path) -> None:
    world = motions()
    pixels = {"S2": {"Eating": [np.full((n, 17, 2), n, np.float32) for n in (7, 7, 8, 7)]}, **views(world)}
    data = read_human36m(write(tmp_path, world, pixels), keypoints="cpn")
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
    ("metadata", "layout"),
    [
        ({"layout_name": "coco", "keypoints_symmetry": COCO_SYMMETRY}, COCO_17),
        ({"layout_name": "coco", "keypoints_symmetry": np.array(COCO_SYMMETRY), "num_joints": np.int64(17)}, COCO_17),
        ({}, H36M_17),
    ],
)
def test_known_layouts(tmp_path: Path, metadata: dict, layout: object) -> None:
    world = motions()
    data = read_human36m(write(tmp_path, world, views(world), **metadata), keypoints="cpn")
    assert data.layouts["cpn"] == layout


def test_an_unknown_layout_has_numbered_joints(tmp_path: Path) -> None:
    world = motions()
    symmetry = [[3, 4, 5, 13, 14, 15], [2, 1, 0, 12, 11, 10]]
    metadata = {"num_joints": 16, "keypoints_symmetry": symmetry, "layout_name": None}
    folder = write(tmp_path, world, views(world, joints=16), keypoints="sh_pt_mpii", **metadata)
    layout = read_human36m(folder, keypoints="sh_pt_mpii").layouts["sh_pt_mpii"]
    assert (layout.name, layout.num_joints, layout.parents) == ("sh_pt_mpii", 16, ())
    assert (layout.left, layout.right) == (tuple(symmetry[0]), tuple(symmetry[1]))


def test_a_file_of_ground_truth_keypoints_is_preferred_to_projecting(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    data = read_human36m(write(tmp_path, world, pixels, keypoints="gt", layout_name=None), keypoints="gt")
    assert data.layouts["gt"] == H36M_17
    np.testing.assert_array_equal(data.keypoints["gt"][:3], pixels["S1"]["Directions 1"][0])


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"keypoints_symmetry": COCO_SYMMETRY}, "layout 'h36m' has 17 joints"),
        ({"layout_name": "coco", "keypoints_symmetry": H36M_SYMMETRY}, "layout 'coco' has 17 joints"),
        ({"layout_name": "coco", "num_joints": 18, "keypoints_symmetry": COCO_SYMMETRY}, "found 18"),
        ({"layout_name": None, "num_joints": 16, "keypoints_symmetry": [[0], [16]]}, "does not suit 16 joints"),
        ({"layout_name": None, "keypoints_symmetry": [[1], [1]]}, "does not suit"),
        ({"layout_name": None, "keypoints_symmetry": [[1, 2], [3]]}, "not pairs"),
        ({"layout_name": None, "num_joints": 10**12}, "does not suit"),
        ({"layout_name": [1]}, "no name"),
        ({"num_joints": None}, "num_joints"),
        ({"keypoints_symmetry": 3}, "keypoints_symmetry"),
        ({"num_joints": 16, "layout_name": None, "keypoints_symmetry": [[3], [2]]}, "expected float (frames, 16, 2)"),
    ],
)
def test_metadata_that_cannot_be_right(tmp_path: Path, metadata: dict, said: str) -> None:
    world = motions()
    assert said in refusal(write(tmp_path, world, views(world), **metadata))


def test_cameras_are_four(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    pixels["S11"]["WalkingDog 1"].pop()
    assert "S11/WalkDog/1 has 3 cameras; expected 4" in refusal(write(tmp_path, world, pixels))


def test_keypoints_that_are_missing(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    del pixels["S1"]["TakingPhoto"]
    assert "no keypoints of S1/Photo/0" in refusal(write(tmp_path, world, pixels))
    del pixels["S1"]
    assert "no keypoints of S1, whose" in refusal(write(tmp_path, world, pixels))


def test_keypoints_of_a_take_without_3d_are_left_out_and_declared(tmp_path: Path) -> None:
    world = motions()
    pixels = views(world)
    del world["S1"]["TakingPhoto"]
    data = read_human36m(write(tmp_path, world, pixels), keypoints="cpn")
    assert ("S1", "Photo", "0") not in clip_keys(data)
    assert any("S1/Photo/0" in note for note in data.notes)


def test_the_same_take_under_two_names(tmp_path: Path) -> None:
    world = motions()
    world["S1"]["Photo"] = motion(2, 7)
    assert "S1 has Photo, take 0, twice; once as 'Photo'" in refusal(write(tmp_path, world), "gt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"S1": {"Eatng": motion(2, 1)}}, "did you mean Eating"),
        ({"S2": {"Eating": motion(2, 1)}}, "'S2'"),
        ({"S1": {"Eating": motion(2, 1, 20)}}, "S1/Eating/0 is float32(2, 20, 3)"),
        ({"S1": {"Eating": motion(0, 1)}}, "float32(0, 32, 3)"),
        ({"S1": {"Eating": 1000 * motion(2, 1)}}, "expected metres"),
        ({"S1": {"Eating": [1, 2]}}, "is a list"),
        ({"S1": [1, 2]}, "expected a dict"),
        ({"S1": {3: motion(2, 1)}}, "expected a dict"),
    ],
)
def test_3d_that_cannot_be_right(tmp_path: Path, change: dict, said: str) -> None:
    assert said in refusal(write(tmp_path, {**motions(), **change}), "gt")


@pytest.mark.parametrize(("subject", "missing"), [("S1", "test"), ("S9", "train")])
def test_both_splits_are_needed(tmp_path: Path, subject: str, missing: str) -> None:
    assert f"no {missing} subject" in refusal(write(tmp_path, {subject: {"Eating": motion(2, 1)}}), "gt")


def test_keypoints_that_do_not_exist(tmp_path: Path) -> None:
    folder = write(tmp_path, motions(), {}, keypoints="cpn_ft_h36m_dbb")
    assert find_files(folder, "h36m", "gt") == [folder / "data_3d_h36m.npz"]
    files = [folder / "data_3d_h36m.npz", folder / "data_2d_h36m_cpn_ft_h36m_dbb.npz"]
    assert find_files(folder, "h36m", "cpn_ft_h36m_dbb") == files
    for given in ("cpn_ft_h36m_dbbb", "cpn"):
        said = refusal(folder, given)
        assert f"{folder / f'data_2d_h36m_{given}.npz'}: there is no such file" in said
        assert "did you mean cpn_ft_h36m_dbb? Valid: cpn_ft_h36m_dbb, gt" in said
        assert "data_2d_h36m_cpn_ft_h36m_dbb.npz" in said
        assert "POSE3D_DATA" in said
        assert "DATASETS.md" in said


def test_files_that_do_not_exist(tmp_path: Path) -> None:
    said = refusal(tmp_path, "gt")
    assert f"{tmp_path / 'data_3d_h36m.npz'}: there is no such file" in said
    assert "Keypoints files there: none" in said
    said = refusal(tmp_path / "nowhere")
    assert f"{tmp_path / 'nowhere'}: there is no such folder" in said
    for part in ("POSE3D_DATA", "DATASETS.md", "http://vision.imar.ro/human3.6m"):
        assert part in said


def test_a_hostile_file_is_refused_by_name(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return (tmp_path / "marker").touch, ()

    write(tmp_path, {"S1": Hostile()})
    assert "which is code; refused" in refusal(tmp_path, "gt")
    assert not (tmp_path / "marker").exists()
