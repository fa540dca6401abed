"""What a model makes of clips: the same as window by window, however short a clip is, and with the right names and numbers."""

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.transform import Rotation

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera, h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import HUMANEVA_15
from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.predict import LiftedClip, lift, spread
from tests.helpers.made_up_models import made_up_model
from tests.helpers.slow_reference import lift_slowly, normalised

ROWS = [("S1", "Walking", "0", 0, 6), ("S9", "Walking", "0", 0, 12), ("S9", "Sitting", "a", 1, 31)]


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def alone(lifter: TemporalLifter, data: PoseDataset, clip: pd.Series) -> np.ndarray:
    """(frames, joints, 3): every frame's window by itself, without the mirror image."""
    return lift_slowly(lifter, normalised(data)[clip.start : clip.stop])


def test_each_clip_has_its_names_its_numbers_and_what_the_model_saw(data: PoseDataset) -> None:
    data = dataclasses.replace(data, first_frames=(0, 40, 7))
    lifted = lift(made_up_model(), data, data.clips.iloc[1:], "simulated")
    said = lifted.model, lifted.dataset, lifted.synthetic, lifted.keypoints
    assert said == ("made-up", "hand-made", True, "simulated")
    assert (lifted.has_root, lifted.root_joint) == (False, "Hip")
    walking, sitting = lifted.clips
    assert walking.name == "S9, Walking, take 0, camera wide"
    assert sitting.name == "S9, Sitting, take a, camera tall"
    assert (walking.frames[[0, -1]].tolist(), sitting.frames[[0, -1]].tolist()) == ([40, 51], [7, 37])
    np.testing.assert_array_equal(sitting.pixels, data.keypoints["simulated"][18:])
    np.testing.assert_array_equal(sitting.truth, data.positions[18:])
    assert (sitting.fps, sitting.camera, sitting.root) == (50.0, data.cameras[1], None)


@pytest.mark.parametrize(("widths", "frames"), [((3, 3), 1), ((3, 3, 3, 3, 3), 5)], ids=["9", "243"])
def test_a_clip_shorter_than_the_receptive_field_is_lifted_as_its_windows_are(hand_made, widths, frames: int) -> None:
    data = hand_made([("S9", "Walking", "0", 0, frames), ("S9", "Sitting", "0", 1, 3)])
    model = made_up_model(*widths, mirrored=False)
    short = lift(model, data, data.clips, "simulated").clips[0]
    assert short.positions.shape == (frames, 17, 3)
    np.testing.assert_allclose(short.positions, alone(model.lifters.pose, data, data.clips.iloc[0]), atol=1e-5)


def test_mirror_images_are_lifted_too_where_the_model_was_tested_with_them(data: PoseDataset) -> None:
    slow = alone(made_up_model().lifters.pose, data, data.clips.iloc[2])
    plain = lift(made_up_model(mirrored=False), data, data.clips, "simulated").clips[2]
    mirrored = lift(made_up_model(), data, data.clips, "simulated").clips[2]
    np.testing.assert_allclose(plain.positions, slow, atol=1e-5)
    assert np.abs(mirrored.positions - slow).max() > 0.01


def test_the_trajectory_is_where_the_second_network_says(data: PoseDataset) -> None:
    model = made_up_model(trajectory=True, mirrored=False)
    lifted = lift(model, data, data.clips, "simulated")
    assert lifted.has_root
    for clip, (_, row) in zip(lifted.clips, data.clips.iterrows(), strict=True):
        np.testing.assert_allclose(clip.root, alone(model.lifters.trajectory, data, row)[:, 0], atol=1e-5)


def test_errors_are_those_of_every_frame_in_millimetres(data: PoseDataset) -> None:
    clip = lift(made_up_model(), data, data.clips, "simulated").clips[0]
    moved = dataclasses.replace(clip, positions=clip.truth + np.float32([0.003, 0, 0.004]))
    np.testing.assert_allclose(moved.errors, [5] * 6, atol=1e-3)


def test_other_joints_have_no_truth_to_be_compared_with(data: PoseDataset) -> None:
    lifted = lift(made_up_model(skeleton=HUMANEVA_15), data, data.clips, "simulated")
    assert lifted.clips[0].positions.shape == (6, 15, 3)
    assert lifted.clips[0].truth is None
    assert lifted.clips[0].errors is None
    assert lifted.root_joint == "Pelvis"


def test_weights_that_lead_to_no_number_and_no_clip_are_refused(data: PoseDataset) -> None:
    model = made_up_model()
    with torch.no_grad():
        model.lifters.pose.shrink.bias[0] = torch.inf
    with pytest.raises(InputError, match=r"model made-up: .* clip S1/Walking/0, camera wide is not finite"):
        lift(model, data, data.clips, "simulated")
    with pytest.raises(InputError, match="hand-made: no clip was chosen"):
        lift(made_up_model(), data, data.clips.iloc[:0], "simulated")


def clip_of(camera: Camera, frames: int = 5) -> LiftedClip:
    numbers = np.arange(frames)
    positions = np.zeros((frames, 17, 3), np.float32)
    return LiftedClip("S1", "Walking", "0", camera, 50.0, numbers, positions[..., :2], positions, truth=positions)


def test_up_is_the_world_s_up_where_the_camera_s_place_is_known_and_its_own_otherwise() -> None:
    for camera in h36m_cameras()["S1"]:
        w, x, y, z = camera.orientation
        expected = Rotation.from_quat([x, y, z, w]).inv().apply([0, 0, 1])
        np.testing.assert_allclose(clip_of(camera).up, expected, atol=1e-6)
        assert expected[1] < -0.9, "Human3.6M's cameras are held upright"
    np.testing.assert_array_equal(clip_of(Camera("phone", 1080, 1920)).up, [0, -1, 0])


def test_a_video_s_camera_is_called_as_the_video_and_not_named_twice() -> None:
    clip = dataclasses.replace(clip_of(Camera("phone", 1080, 1920)), subject="phone")
    assert clip.name == "phone, Walking, take 0"


@pytest.mark.parametrize("number", [1, 7, 240])
@pytest.mark.parametrize("most", [1, 12])
def test_some_of_many_are_spread_evenly(number: int, most: int) -> None:
    places = spread(number, most)
    assert len(places) == min(number, most)
    assert places == sorted(set(places))
    assert places[0] >= 0
    assert places[-1] < number
    gaps = [b - a for a, b in pairwise([-1 - places[0], *places, 2 * number - 1 - places[-1]])]
    assert max(gaps) - min(gaps) <= 2


def test_some_clips_are_of_different_actions_if_there_are_so_many(data: PoseDataset) -> None:
    lifted = lift(made_up_model(), data, data.clips, "simulated")
    assert [clip.action for clip in lifted.of_actions(2)] == ["Walking", "Sitting"]
    assert len(lifted.of_actions(3)) == 3
    assert len(lifted.of_actions(1)) == 1
