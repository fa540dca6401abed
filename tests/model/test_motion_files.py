"""Poses as BVH and TRC, read back by readers that know nothing of the writers: joints, times and axes are what they should be."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, h36m_cameras, view
from pose3d_lib.data.skeleton import COCO_17, H36M_17, HUMANEVA_15, HUMANEVA_20, Skeleton
from pose3d_lib.data.sources.bvh.file import read_bvh
from pose3d_lib.data.sources.bvh.joints import find_mapping
from pose3d_lib.data.sources.bvh.motion import joint_positions, read_motion
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.model.motion_files import fit_bones, world_axes
from pose3d_lib.model.poses import write_poses
from pose3d_lib.model.predict import Lifted, LiftedClip

CAMERA = h36m_cameras()["S1"][0]
FPS = 50.0


def clip_of(world: np.ndarray, camera: Camera = CAMERA, *, rooted: bool = True, **changes) -> LiftedClip:
    """What a perfect model would make of a motion, (frames, joints, 3) world metres, seen by a camera."""
    seen, pixels = view(world, camera)
    known = {"root": seen[:, 0].astype(np.float32)} if rooted else {}
    poses = (seen - seen[:, :1]).astype(np.float32)
    clip = LiftedClip(
        "S1", "Walking", "0", camera, FPS, np.arange(len(world)), pixels.astype(np.float32), poses, **known
    )
    return dataclasses.replace(clip, **changes)


def lifted_of(*clips: LiftedClip, skeleton: Skeleton = H36M_17) -> Lifted:
    return Lifted("made-up", "hand-made", True, "gt", H36M_17, skeleton, clips)


def motion(action: str, frames: int = 60) -> np.ndarray:
    """(frames, 17, 3), metres, z up, the floor at 0."""
    return make_motion(action, body=make_body("S1", 0), frames=frames, fps=FPS, seed=3)


def written(clip: LiftedClip, folder: Path, kind: str, **of_lifted) -> tuple[Path, list[str]]:
    said: list[str] = []
    (path,) = write_poses(lifted_of(clip, **of_lifted), folder, [kind], say=said.append)
    assert path == folder / f"poses.{kind}"
    return path, said


def read_back(path: Path, joints: tuple[str, ...] = H36M_17.joints) -> np.ndarray:
    """(frames, joints, 3), metres, by the project's own reader of BVH."""
    bvh = read_bvh(path)
    return joint_positions(bvh, [bvh.names.index(joint) for joint in joints]) / 100


def with_constant_bones(pose: np.ndarray) -> np.ndarray:
    """A pose (frames, joints, 3), metres, relative to the root, as the file is to hold it."""
    order = list(range(17))  # of H36M_17, parents come before children
    return fit_bones(pose, H36M_17, order)[2]


@pytest.mark.parametrize("action", ["Walking", "SittingDown", "Greeting"])
def test_bvh_is_read_back_within_a_millimetre_by_two_readers(action: str, tmp_path: Path) -> None:
    clip = clip_of(motion(action))
    path, (said,) = written(clip, tmp_path, "bvh")
    pose = clip.positions @ world_axes(clip.up).T
    expected = with_constant_bones(pose)
    own = read_back(path)
    np.testing.assert_allclose(own - own[:, :1], expected, atol=2e-5)
    apart = 1000 * np.linalg.norm(expected - pose, axis=-1)
    assert f"by {apart.mean():.1f} mm on average, {apart.max():.0f} mm at most" in said
    assert apart.mean() < 10, "synthetic bodies have constant bones, and nearly rigid hips and chests"

    bvhio = pytest.importorskip("bvhio", reason="the extra `test` installs it")
    root = bvhio.readAsHierarchy(str(path))
    for frame in (0, 31, 59):
        root.loadPose(frame)
        theirs = {joint.Name: np.array(joint.PositionWorld) / 100 for joint, _, _ in root.layout()}
        np.testing.assert_allclose([theirs[joint] for joint in H36M_17.joints], own[frame], atol=1e-4)


def test_bones_keep_the_median_length_and_point_where_they_pointed(tmp_path: Path) -> None:
    """A pose that breathes: every other frame is a tenth larger."""
    clip = clip_of(motion("Walking", 61))
    growing = clip.positions * np.where(np.arange(61) % 2, 1.1, 1.0)[:, None, None].astype(np.float32)
    path, _ = written(dataclasses.replace(clip, positions=growing), tmp_path, "bvh")
    made = read_back(path)
    turned = growing @ world_axes(clip.up).T
    for parent, joint in H36M_17.bones:
        bones = made[:, joint] - made[:, parent]
        lengths = np.linalg.norm(growing[:, joint] - growing[:, parent], axis=-1)
        np.testing.assert_allclose(np.linalg.norm(bones, axis=-1), np.median(lengths), atol=1e-4)
        if H36M_17.parents.count(parent) == 1:
            straight = (turned[:, joint] - turned[:, parent]) / lengths[:, None]
            np.testing.assert_allclose(bones / np.median(lengths), straight, atol=1e-4)


def test_the_rest_pose_is_a_t_and_needs_no_turns(tmp_path: Path) -> None:
    """A body that stands like a T and faces the camera, level: x to its left, y up, z to the camera."""
    body = np.zeros((17, 3))
    for names, offset in (
        ("RHip", (-10, 0, 0)), ("LHip", (10, 0, 0)), ("RKnee LKnee RFoot LFoot", (0, -40, 0)),
        ("Spine Thorax Neck Head", (0, 20, 0)), ("LShoulder LElbow LWrist", (20, 0, 0)), ("RShoulder RElbow RWrist", (-20, 0, 0)),
    ):  # fmt: skip
        for joint in map(H36M_17.index, names.split()):
            body[joint] = body[H36M_17.parents[joint]] + np.array(offset) / 100
    seen = np.repeat((body * (1, -1, -1))[None], 2, axis=0).astype(np.float32)
    clip = LiftedClip("S1", "T", "0", Camera("phone", 1080, 1920), 30.0, np.arange(2), seen[..., :2], seen)
    path, _ = written(clip, tmp_path, "bvh")
    bvh = read_bvh(path)
    np.testing.assert_allclose(bvh.motion, [[0, 80, 0, *[0] * 51]] * 2, atol=1e-3)
    assert (bvh.fps, len(bvh.motion)) == (30.0, 2)
    assert bvh.channels[0] == (
        "xposition", "yposition", "zposition", "zrotation", "xrotation", "yrotation",
    )  # fmt: skip


def test_a_bone_that_points_backwards_is_half_a_turn() -> None:
    chain = Skeleton("chain", ("a", "b", "c"), (-1, 0, 1), (), ())
    pose = np.array([[[0, 0, 0], [0, -1, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 2, 0]]], float)
    _, angles, fitted = fit_bones(pose, chain, [0, 1, 2])
    np.testing.assert_allclose(fitted, pose, atol=1e-6)
    assert np.isfinite(angles).all()


def test_angles_have_no_jumps_where_the_motion_has_none(tmp_path: Path) -> None:
    """Somebody turns round and round: the root's angle goes on beyond half a turn."""
    still = motion("Greeting", 1)[0]
    angles = np.linspace(0, 4 * np.pi, 200)
    turning = np.stack([still @ [[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]] for a in angles])
    path, _ = written(clip_of(turning), tmp_path, "bvh")
    turns = read_bvh(path).motion[:, 3:]
    assert np.abs(np.diff(turns, axis=0)).max() < 10
    assert np.ptp(turns[:, 2]) == pytest.approx(720, abs=5)


def test_people_stand_on_the_floor_with_and_without_a_trajectory(tmp_path: Path) -> None:
    world = motion("Walking", 200)
    path, _ = written(clip_of(world), tmp_path / "path", "bvh")
    made = read_back(path)
    assert abs(np.median(made[..., 1].min(axis=1))) < 0.002
    walked = np.linalg.norm(np.diff(made[:, 0], axis=0), axis=-1).sum()
    assert walked == pytest.approx(np.linalg.norm(np.diff(world[:, 0], axis=0), axis=-1).sum(), rel=0.02)
    path, _ = written(clip_of(world, rooted=False), tmp_path / "none", "bvh")
    made = read_back(path)
    np.testing.assert_array_equal(made[:, 0, [0, 2]], 0)
    assert np.abs(made[..., 1].min(axis=1)).max() < 0.03


def test_a_file_of_ours_is_data_again(tmp_path: Path) -> None:
    clip = clip_of(motion("Walking", 80))
    path, _ = written(clip, tmp_path, "bvh")
    mapping = find_mapping("", read_bvh(path).names, path)
    recording = read_motion(path, mapping, None)
    assert (mapping.name, recording.fps, len(recording.motion)) == ("h36m_17", FPS, 80)
    np.testing.assert_allclose(recording.motion / 100, read_back(path), atol=1e-5)


@pytest.mark.parametrize("skeleton", [HUMANEVA_15, HUMANEVA_20], ids=lambda skeleton: skeleton.name)
def test_other_skeletons_become_bvh_too(skeleton: Skeleton, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.3, (5, skeleton.num_joints, 3)).astype(np.float32)
    poses -= poses[:, :1]
    path, _ = written(clip_of(motion("Walking", 5), positions=poses), tmp_path, "bvh", skeleton=skeleton)
    assert read_back(path, skeleton.joints).shape == poses.shape


def test_joints_that_are_no_tree_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"poses\.bvh.*coco_17 form no tree.*choose csv"):
        written(clip_of(motion("Walking", 3)), tmp_path, "bvh", skeleton=COCO_17)
    assert list(tmp_path.iterdir()) == []


def test_trc_has_times_markers_and_the_axes_of_opensim(tmp_path: Path) -> None:
    world = motion("Walking", 50)
    clip = clip_of(world, frames=100 + 3 * np.arange(50), step=3, fps=10.0)
    path, said = written(clip, tmp_path, "trc")
    assert said == []
    lines = path.read_text().split("\n")
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\tS1_Walking_take_0_camera_54138969"
    facts = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert facts == {
        "DataRate": "10", "CameraRate": "10", "NumFrames": "50", "NumMarkers": "17", "Units": "m", "OrigDataRate": "10",
        "OrigDataStartFrame": "100", "OrigNumFrames": "50",
    }  # fmt: skip
    assert [name for name in lines[3].split("\t") if name] == ["Frame#", "Time", *H36M_17.joints]
    assert lines[4].split("\t")[:6] == ["", "", "X1", "Y1", "Z1", "X2"]
    table = pd.read_csv(path, sep="\t", skiprows=5, header=None)
    assert table[0].tolist() == list(range(1, 51))
    np.testing.assert_allclose(table[1], clip.times, atol=1e-6)
    made = table.to_numpy()[:, 2:].reshape(50, 17, 3)
    apart = [np.linalg.norm(pose[:, None] - pose[None], axis=-1) for pose in (made[7], world[7])]
    np.testing.assert_allclose(*apart, atol=1e-5)
    ahead, up, side = (made[:, H36M_17.index("RHip")] - made[:, H36M_17.index("LHip")])[0]
    assert side > 0.9 * np.linalg.norm([ahead, up, side])
    knees = np.stack([made[:, H36M_17.index(j)] for j in ("LKnee", "RKnee")]).mean(axis=0)
    ends = np.stack([made[:, H36M_17.index(j)] for j in ("LHip", "RHip", "LFoot", "RFoot")]).mean(axis=0)
    assert (knees - ends)[:, 0].mean() > 0.01, "knees bend forwards, along x"
    assert np.abs(made[:, H36M_17.index("Head"), 1] - 1.6).max() < 0.3
    assert np.median(made[..., 1].min(axis=1)) == pytest.approx(0, abs=1e-5)


def test_several_clips_are_files_of_their_own_with_safe_names(tmp_path: Path) -> None:
    clip = clip_of(motion("Walking", 4))
    odd = dataclasses.replace(clip, subject='../a "b"', action="é" * 200)
    files = write_poses(lifted_of(clip, odd), tmp_path / "in", ["bvh", "npz", "trc"])
    assert sorted(files) == sorted((tmp_path / "in").iterdir())
    names = [file.name for file in files]
    assert (names[0], names[2], names[3]) == ("poses-0-S1-Walking-0.bvh", "poses.npz", "poses-0-S1-Walking-0.trc")
    assert names[1].startswith("poses-1-.._a_b_-éé")
    assert read_back(files[1]).shape == (4, 17, 3)


def test_a_camera_that_looks_straight_down_has_axes() -> None:
    for up in ([0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [0.1, -0.8, 0.6]):
        axes = world_axes(np.array(up) / np.linalg.norm(up))
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(axes) == pytest.approx(1)
