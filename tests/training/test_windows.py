"""Windows hold the frames around their own frame, of their own clip, against slow assembly one number at a time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from pose3d_lib.data.cameras import project
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.model.predict import mirror_image
from pose3d_lib.training.windows import TrainingWindows
from tests.helpers.slow_reference import exchanged, normalised

# Clips of one frame, of fewer than a window, of more; others that are not chosen stand between them.
ROWS = [
    ("S1", "Walking", "0", 0, 3), ("S9", "Walking", "0", 0, 4), ("S1", "Walking", "1", 1, 1),
    ("S1", "Sitting", "0", 0, 40), ("S9", "Sitting", "0", 1, 2), ("S1", "Sitting", "1", 1, 27),
    ("S1", "Eating", "0", 0, 2),
]  # fmt: skip
WIDTHS = pytest.mark.parametrize("widths", [(3, 5), (1,)], ids=str)
CAUSAL = pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def frames_of_windows(clips: pd.DataFrame, length: int, *, causal: bool) -> np.ndarray:
    """(windows, length): which frame of the dataset each place of each window holds."""
    before = length - 1 if causal else (length - 1) // 2
    return np.array([
        [min(max(frame + place - before, clip.start), clip.stop - 1) for place in range(length)]
        for clip in clips.itertuples()
        for frame in range(clip.start, clip.stop)
    ])  # fmt: skip


def all_windows(data: PoseDataset, widths, *, causal: bool, keypoints: str = "simulated"):
    windows = TrainingWindows(data, data.train_clips(), keypoints, widths, causal=causal)
    batch = windows.gather(torch.arange(len(windows)))
    return batch.inputs.numpy(), batch.targets.squeeze(1).numpy()


@WIDTHS
@CAUSAL
def test_a_window_holds_the_frames_around_its_own_and_repeats_the_clip_s_ends(data, widths, causal) -> None:
    inputs, _ = all_windows(data, widths, causal=causal)
    which = frames_of_windows(data.train_clips(), int(np.prod(widths)), causal=causal)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs[: len(which)], normalised(data)[which].astype(np.float32))


@CAUSAL
def test_mirrored_windows_follow_with_x_negated_and_joints_exchanged(data, causal) -> None:
    inputs, targets = all_windows(data, (3, 3, 3), causal=causal, keypoints="detected")
    half = len(inputs) // 2
    np.testing.assert_array_equal(inputs[half:], inputs[:half, :, exchanged(COCO_17)] * [-1, 1])
    np.testing.assert_array_equal(targets[half:], targets[:half, exchanged(H36M_17)] * [-1, 1, 1])


@CAUSAL
def test_scores_stand_beside_x_and_y_and_are_as_high_in_the_mirror(data, causal) -> None:
    widths = (3, 3)
    scores = np.random.default_rng(2).uniform(size=(len(data.positions), 17)).astype(np.float32)
    scored = replace(data, scores={"detected": scores})
    inputs, targets = all_windows(scored, widths, causal=causal, keypoints="detected")
    plain, same_targets = all_windows(data, widths, causal=causal, keypoints="detected")
    which = frames_of_windows(data.train_clips(), int(np.prod(widths)), causal=causal)
    np.testing.assert_array_equal(inputs[..., :2], plain)
    np.testing.assert_array_equal(targets, same_targets)
    np.testing.assert_array_equal(inputs[: len(which), ..., 2], scores[which])
    np.testing.assert_array_equal(inputs[len(which) :, ..., 2], scores[which][..., exchanged(COCO_17)])
    others, _ = all_windows(scored, widths, causal=causal, keypoints="simulated")  # which has none
    assert others.shape[-1] == 2


def test_targets_are_the_poses_of_the_windows_own_frames(data) -> None:
    _, targets = all_windows(data, (3, 3, 3), causal=False)
    frames = [frame for clip in data.train_clips().itertuples() for frame in range(clip.start, clip.stop)]
    assert len(targets) == 2 * len(frames) == 2 * (3 + 1 + 40 + 27 + 2)
    np.testing.assert_array_equal(targets[: len(frames)], data.positions[frames])


def test_a_mirrored_pose_is_seen_as_the_mirrored_keypoints() -> None:
    poses = torch.randn(5, 17, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.0, 0.0, 9.0])
    seen, in_the_mirror = (p[..., :2] / p[..., 2:] for p in (poses, mirror_image(poses, H36M_17)))
    assert torch.equal(mirror_image(seen, H36M_17), in_the_mirror)
    assert not torch.equal(seen, in_the_mirror)


# Several output frames


CHUNK = pytest.mark.parametrize("chunk", [2, 5])
MIRRORED = pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])


@CHUNK
@CAUSAL
@MIRRORED
def test_each_frame_is_an_output_frame_of_one_window(data, chunk, causal, mirrored) -> None:
    settings = {"causal": causal, "mirrored": mirrored}
    single = TrainingWindows(data, data.train_clips(), "simulated", (3, 3), **settings)
    windows = TrainingWindows(data, data.train_clips(), "simulated", (3, 3), chunk=chunk, **settings)
    batch = windows.gather(torch.arange(len(windows)))
    everything = single.gather(torch.arange(len(single)))
    assert len(windows) == (1 + mirrored) * sum(-(-frames // chunk) for frames in (3, 1, 40, 27, 2))
    assert batch.real.sum(dim=1).tolist() == windows.lengths.tolist()
    assert torch.equal(batch.targets[batch.real], everything.targets[:, 0])
    own = batch.inputs.unfold(1, 9, 1).permute(0, 1, 4, 2, 3)  # (B, chunk, 9, joints, 2)
    assert torch.equal(own[batch.real], everything.inputs)


@CAUSAL
def test_beyond_a_clip_s_end_its_last_frame_is_repeated(data, causal) -> None:
    windows = TrainingWindows(data, data.train_clips(), "simulated", (3, 3), chunk=5, causal=causal)
    last = windows.gather(torch.tensor([0]))  # of the first clip, which has three frames
    assert last.real.tolist() == [[True, True, True, False, False]]
    seen = torch.from_numpy(normalised(data)[[0, 1, 2]].astype(np.float32))
    before = 8 if causal else 4
    for place, frame in enumerate([0] * before + [0, 1, 2] + [2] * (2 + 8 - before)):
        assert torch.equal(last.inputs[0, place], seen[frame]), place
    assert torch.equal(last.targets[0, 3], last.targets[0, 2])


@MIRRORED
@pytest.mark.parametrize("chunk", [1, 3])
def test_the_root_s_place_comes_with_a_pose_where_it_is_asked_for(data, chunk, mirrored) -> None:
    data.trajectory[:, 2] += 9  # in front of every camera
    settings = {"chunk": chunk, "mirrored": mirrored}
    windows = TrainingWindows(data, data.train_clips(), "simulated", (3, 3), trajectory=True, **settings)
    batch = windows.gather(torch.arange(len(windows)))
    frames = [frame for clip in data.train_clips().itertuples() for frame in range(clip.start, clip.stop)]
    plain = data.trajectory[frames]
    expected = np.concatenate([plain, plain * [-1, 1, 1]]) if mirrored else plain
    found = batch.trajectory.flatten(0, 1) if batch.real is None else batch.trajectory[batch.real]
    np.testing.assert_array_equal(found[:, 0].numpy(), expected.astype(np.float32))
    assert TrainingWindows(data, data.train_clips(), "simulated", (3, 3)).gather(torch.tensor([0])).trajectory is None


# Windows without 3D poses


@MIRRORED
@CAUSAL
@pytest.mark.parametrize("chunk", [1, 4])
def test_an_unlabelled_window_s_true_pose_is_seen_by_its_camera_where_its_keypoints_are(
    tiny_data, chunk, causal, mirrored
) -> None:
    clips = tiny_data.select(["S5", "S11"], ["Sitting", "Walking"])
    settings = {"causal": causal, "chunk": chunk, "mirrored": mirrored}
    unlabelled = TrainingWindows(tiny_data, clips, "gt", (3, 3), labelled=False, intrinsics=True, **settings)
    labelled = TrainingWindows(tiny_data, clips, "gt", (3, 3), trajectory=True, **settings)
    numbers = torch.arange(len(unlabelled))
    batch, truth = unlabelled.gather(numbers), labelled.gather(numbers)
    assert torch.equal(batch.inputs, truth.inputs)
    drawn = project(truth.targets + truth.trajectory, batch.intrinsics)
    real = torch.ones(len(numbers), chunk, dtype=torch.bool) if batch.real is None else batch.real
    assert (drawn - batch.seen)[real].abs().max() < 1e-5
    lenses = {tuple(own.tolist()) for own in batch.intrinsics.flatten(1)}
    assert len(lenses) == 4 * (1 + mirrored)  # which the subjects share
