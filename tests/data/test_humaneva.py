"""HumanEva-I from VideoPose3D's files: names, cameras without intrinsics, and a lifter with fewer joints than seventeen."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import humaneva_cameras, world_to_camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.skeleton import HUMANEVA_15, HUMANEVA_20
from pose3d_lib.data.sources.videopose3d import find_files, list_actions
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.evaluate import evaluate
from pose3d_lib.model.predict import predict
from pose3d_lib.report.figures.skeletons import draw_3d, draw_cameras
from pose3d_lib.report.figures.style import LIMBS
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.loop import train
from pose3d_lib.training.plan import plan_run
from tests.helpers.source_files import humaneva_motions as motions
from tests.helpers.source_files import motion, read_set
from tests.helpers.source_files import views as views_of
from tests.helpers.source_files import write_humaneva_set as write

SKELETONS = {"humaneva15": HUMANEVA_15, "humaneva20": HUMANEVA_20}


def views(of: dict, joints: int) -> dict:
    return views_of(of, joints, cameras=3)


def written(folder: Path, name: str) -> tuple[Path, dict, dict]:
    world = motions(SKELETONS[name].num_joints)
    pixels = views(world, SKELETONS[name].num_joints)
    return write(folder, name, world, pixels), world, pixels


def clip_of(data: PoseDataset, subject: str, action: str, take: str, camera: str) -> object:
    clips = data.clips
    same = (clips.subject == subject) & (clips.action == action) & (clips["take"] == take)
    (clip,) = [clip for _, clip in clips[same].iterrows() if data.camera_of(clip).name == camera]
    return clip


@pytest.mark.parametrize("name", SKELETONS)
def test_every_take_is_seen_by_three_cameras_at_60_frames_per_second(tmp_path: Path, name: str) -> None:
    folder, world, pixels = written(tmp_path, name)
    data = read_set(folder, name, keypoints="gt")
    assert (data.name, data.synthetic, data.skeleton, data.layouts) == (
        name, False, SKELETONS[name], {"gt": SKELETONS[name]},
    )  # fmt: skip
    assert (data.train_subjects, data.test_subjects) == (("Train/S1", "Train/S2"), ("Validate/S1",))
    assert set(data.clips.fps) == {60.0}
    assert data.actions == ("Walking", "Jog")
    assert data.train_actions == data.test_actions == ("Walking", "Jog")
    assert len(data.clips) == 15
    # The subject that is trained on and the one that is tested on are one person before the same cameras.
    assert data.cameras == (*humaneva_cameras()["S1"], *humaneva_cameras()["S2"])
    for subject, takes in world.items():
        for file_name, joints in takes.items():
            action, _, take = file_name.partition(" ")
            for eye, camera in enumerate(humaneva_cameras()[subject[-2:]]):
                clip = clip_of(data, subject, action, take, camera.name)
                assert data.camera_of(clip) == camera
                rows = slice(clip.start, clip.stop)
                np.testing.assert_array_equal(data.keypoints["gt"][rows], pixels[subject][file_name][eye])
                points = world_to_camera(torch.from_numpy(joints).double(), camera).numpy()
                np.testing.assert_allclose(data.trajectory[rows], points[:, 0], atol=1e-6)
                np.testing.assert_allclose(data.positions[rows], points - points[:, :1], atol=1e-6)
                np.testing.assert_allclose(data.world(clip), joints, atol=2e-6)
    assert "Missing train subjects: Train/S3." in data.notes
    assert "Missing test subjects: Validate/S2, Validate/S3." in data.notes


def test_without_intrinsics_even_ground_truth_keypoints_need_a_file(tmp_path: Path) -> None:
    folder = write(tmp_path, "humaneva15", motions(15), views(motions(15), 15), "detectron_pt_coco")
    with pytest.raises(InputError) as refused:
        read_set(folder, "humaneva15", keypoints="gt")
    assert f"{folder / 'data_2d_humaneva15_gt.npz'}: there is no such file" in str(refused.value)
    assert "Valid: detectron_pt_coco." in str(refused.value)
    assert "http://humaneva.is.tue.mpg.de" in str(refused.value)


def test_ground_truth_that_names_no_layout_has_the_joints_of_the_3d(tmp_path: Path) -> None:
    folder = write(tmp_path, "humaneva20", motions(20), views(motions(20), 20), layout_name=None)
    assert read_set(folder, "humaneva20", keypoints="gt").layouts["gt"] == HUMANEVA_20


def test_subjects_without_3d_are_unlabelled(tmp_path: Path) -> None:
    world = motions(15)
    others = {"Unlabeled/S4": {"Box 1": np.empty(4)}, "Unlabeled/Train/S1": {"Box 1 chunk0": np.empty(3)}}
    pixels = views({**others, **world}, 15)
    data = read_set(write(tmp_path, "humaneva15", world, pixels), "humaneva15", keypoints="gt")
    unlabelled = data.clips[~data.clips.labelled]
    assert unlabelled.subject.tolist() == ["Unlabeled/S4"] * 3 + ["Unlabeled/Train/S1"] * 3
    cameras = [data.cameras[number] for number in unlabelled.camera]
    assert [camera.name for camera in cameras] == ["C1", "C2", "C3"] * 2
    assert [camera.position for camera in cameras[:3]] == [None] * 3
    assert tuple(cameras[3:]) == humaneva_cameras()["S1"]
    for clip in unlabelled.itertuples():
        name = f"Box {data.clips['take'][clip.Index]}"
        expected = pixels[clip.subject][name][int(data.cameras[clip.camera].name[1]) - 1]
        np.testing.assert_array_equal(data.keypoints["gt"][clip.start : clip.stop], expected)


@pytest.mark.parametrize(
    ("subject", "take", "message"),
    [
        ("S1", "Box 1", r"subject \(no cameras are known for it\) in .*'S1'"),
        ("Unlabeled/S4", "Box 1", r"subject \(no cameras are known for it\) in .*'Unlabeled/S4'"),
        ("Train/S1", " 1", r"data_3d_humaneva15.npz, .*: Train/S1 has a take ' 1', which names no action"),
    ],
)
def test_3d_of_a_subject_without_cameras_or_of_no_action_is_refused(tmp_path: Path, subject, take, message) -> None:
    world = motions(15)
    world.setdefault(subject, {})[take] = motion(3, 1, 15)
    with pytest.raises(InputError, match=message):
        read_set(write(tmp_path, "humaneva15", world, views(world, 15)), "humaneva15", keypoints="gt")


def test_both_sets_may_lie_in_one_folder(tmp_path: Path) -> None:
    for name in SKELETONS:
        written(tmp_path, name)
    assert find_files(tmp_path, "humaneva20", "gt") == [
        tmp_path / "data_3d_humaneva20.npz",
        tmp_path / "data_2d_humaneva20_gt.npz",
    ]
    spec = DataSpec(dataset="humaneva15", keypoints="gt")
    assert list_actions(spec, tmp_path) == ("Walking", "Jog")
    assert read_set(tmp_path, "humaneva20", keypoints="gt").skeleton == HUMANEVA_20
    with pytest.raises(InputError, match=r"data_3d_humaneva15.npz: .*no such file.* POSE3D_DATA.*humaneva\.is\.tue"):
        list_actions(spec, tmp_path.parent)


def test_a_chunk_is_left_out_by_its_name(tmp_path: Path) -> None:
    folder, _, _ = written(tmp_path, "humaneva15")
    data = read_set(folder, "humaneva15", keypoints="gt", without=("Train/S1/Walking/1 chunk1",))
    assert len(data.clips) == 12
    with pytest.raises(InputError, match=r"unknown take to leave out of .* 'drifting'"):
        read_set(folder, "humaneva15", keypoints="gt", without=("drifting",))


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PoseDataset:
    """A set of 15 joints, as a notebook opens it: from the memory-mapped file."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    folder, _, _ = written(tmp_path, "humaneva15")
    return open_dataset(DataSpec(dataset=str(folder), keypoints="gt"))


def test_a_lifter_is_trained_and_tested_on_fifteen_joints(prepared: PoseDataset) -> None:
    config = RunConfig(
        dataset="humaneva15", keypoints="gt", action="Walking", channels=8, filter_widths=(3,), batch_size=16,
        unit_epochs=2, device="cpu", threads=1,
    )  # fmt: skip
    trained = train(plan_run(config, prepared))
    lifted = [clip for group in predict(trained.lifters.pose, prepared, prepared.test_clips(), "gt") for clip in group]
    assert [tuple(clip.shape) for clip in lifted] == [(7, 15, 3)] * 3 + [(6, 15, 3)] * 3
    errors = evaluate(trained.lifters.pose, prepared, prepared.test_clips(), "gt")
    assert len(errors) == 6
    assert (errors.mpjpe > 0).all()


def test_fifteen_joints_are_drawn(prepared: PoseDataset) -> None:
    figure = draw_cameras(prepared, prepared.clips.iloc[0], 3, "gt")
    lines = [sum(line.get_color() in LIMBS.values() for line in axes.lines) for axes in figure.axes]
    assert lines == [15, 15, 15, 14]  # bones, and in 2D the joints; without the floor
    draw_3d(figure.axes[-1], prepared.positions[0], HUMANEVA_15)
