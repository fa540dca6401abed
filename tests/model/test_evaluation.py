"""The test protocol against slow loops over windows, and against errors known beforehand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17, ROOT
from pose3d_lib.model import predict as prediction
from pose3d_lib.model.evaluate import (
    METRICS,
    ROOT_ERROR,
    action_wise,
    evaluate,
    evaluate_lifters,
    per_action,
    summarise,
)
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.model.predict import predict
from tests.helpers.slow_reference import lift_slowly, normalised, predict_slowly

ROWS = [
    ("S1", "Walking", "0", 0, 6), ("S9", "Walking", "0", 0, 12), ("S9", "Walking", "0", 1, 12),
    ("S9", "Sitting", "0", 1, 2), ("S1", "Sitting", "0", 0, 4), ("S9", "Sitting", "1", 0, 31),
    ("S9", "Eating", "0", 0, 5),
]  # fmt: skip
CAUSAL = pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])
LEFT_WRIST, RIGHT_WRIST = H36M_17.index("LWrist"), H36M_17.index("RWrist")


class Stub(nn.Module):
    """Stands in for a lifter of nine frames: any function of a window's middle frames, (..., 17, 2) -> (..., 17, 3)."""

    filter_widths, causal, labels = (3, 3), False, ()

    def __init__(self, pose_of: Callable[[Tensor], Tensor]):
        super().__init__()
        self.pose_of = pose_of
        self.somewhere = nn.Parameter(torch.zeros(1))

    def forward(self, clips: Tensor) -> Tensor:
        return self.pose_of(clips[:, 4:-4])


def flat(screen: Tensor) -> Tensor:
    """The keypoints themselves as x and y in metres, without depth."""
    return torch.cat([screen, torch.zeros_like(screen[..., :1])], dim=-1)


def lifter(*, causal: bool = False, dropout: float = 0.25) -> TemporalLifter:
    """A narrow lifter of nine frames whose batch norms have seen something."""
    torch.manual_seed(0)
    model = TemporalLifter(17, 2, 17, (3, 3), causal=causal, dropout=dropout, channels=12)
    for _ in range(20):
        model.forward_windows(torch.randn(64, 9, 17, 2))
    return model.eval()


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


@pytest.fixture
def flat_data(data) -> PoseDataset:
    """Targets that the stub `flat` predicts exactly."""
    positions = np.zeros_like(data.positions)
    positions[..., :2] = normalised(data)
    return replace(data, positions=positions)


def errors_slowly(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """The four errors of a clip, mm, frame by frame."""
    p1, p2, p3 = [], [], []
    for p, t in zip(1000 * predicted, 1000 * target, strict=True):
        p1.append(np.sqrt(((p - t) ** 2).sum(-1)).mean())
        scaled = p * (p * t).sum() / (p * p).sum()
        p3.append(np.sqrt(((scaled - t) ** 2).sum(-1)).mean())
        p0, t0 = p - p.mean(0), t - t.mean(0)
        turned = Rotation.align_vectors(t0, p0)[0].apply(p0)
        turned *= (turned * t0).sum() / (turned * turned).sum()
        p2.append(np.sqrt(((turned - t0) ** 2).sum(-1)).mean())
    steps = 1000 * (predicted[1:] - predicted[:-1] - target[1:] + target[:-1])
    velocity = np.sqrt((steps**2).sum(-1)).mean()
    return {"mpjpe": np.mean(p1), "p_mpjpe": np.mean(p2), "n_mpjpe": np.mean(p3), "mpjve": velocity}


def test_one_row_per_clip_says_which_it_is(data) -> None:
    found = evaluate(lifter(), data, data.test_clips(), "simulated")
    joints = [f"mpjpe of {joint}" for joint in data.skeleton.joints]
    assert list(found.columns) == ["subject", "action", "take", "camera", "frames", *METRICS, "scale", *joints]
    assert found[["subject", "action", "take", "camera", "frames"]].to_numpy().tolist() == [
        ["S9", "Walking", "0", "wide", 12], ["S9", "Walking", "0", "tall", 12], ["S9", "Sitting", "0", "tall", 2],
        ["S9", "Sitting", "1", "wide", 31], ["S9", "Eating", "0", "wide", 5],
    ]  # fmt: skip
    quick = evaluate(lifter(), data, data.test_clips(), "simulated", only_mpjpe=True)
    pd.testing.assert_frame_equal(quick, found[["subject", "action", "take", "camera", "frames", "mpjpe"]])
    pd.testing.assert_frame_equal(per_action(quick), per_action(found)[["frames", "mpjpe"]])


@CAUSAL
def test_every_clip_s_and_joint_s_errors_are_those_of_a_slow_loop_over_its_windows(data, causal) -> None:
    model, screen = lifter(causal=causal), normalised(data)
    found = evaluate(model, data, data.test_clips(), "simulated")
    columns = [f"mpjpe of {joint}" for joint in data.skeleton.joints]
    for clip, (_, row) in zip(data.test_clips().itertuples(), found.iterrows(), strict=True):
        own = slice(clip.start, clip.stop)
        predicted = predict_slowly(model, screen[own], H36M_17, H36M_17)
        target = data.positions[own].astype(np.float64)
        assert row[list(METRICS)].to_dict() == pytest.approx(errors_slowly(predicted, target), rel=1e-5)
        scales = [(p * t).sum() / (p * p).sum() for p, t in zip(predicted, target, strict=True)]
        assert row["scale"] == pytest.approx(np.median(scales), rel=1e-5)
        distances = np.sqrt(((predicted - target) ** 2).sum(-1))
        assert row[columns].tolist() == pytest.approx((1000 * distances.mean(0)).tolist(), rel=1e-4)


def test_other_keypoints_are_mirrored_by_their_own_layout(data) -> None:
    seen = []

    def remember(screen: Tensor) -> Tensor:
        seen.append(screen)
        return flat(screen)

    list(predict(Stub(remember), data, data.test_clips().iloc[:1], "detected"))
    plain, mirrored = seen[0]
    nose, left_eye, right_eye = 0, 1, 2  # of the COCO layout
    assert torch.equal(mirrored[:, nose], plain[:, nose] * torch.tensor([-1, 1]))
    assert torch.equal(mirrored[:, left_eye], plain[:, right_eye] * torch.tensor([-1, 1]))


@pytest.mark.parametrize("rows", [1, 20])
def test_how_many_clips_pass_together_does_not_matter(data, rows, monkeypatch) -> None:
    model = lifter()
    together = evaluate(model, data, data.test_clips(), "simulated")
    monkeypatch.setattr(prediction, "ROWS_AT_ONCE", rows)
    groups = [len(group) for group in predict(model, data, data.test_clips(), "simulated")]
    assert sum(groups) == 5
    assert len(groups) == {1: 5}.get(rows, len(groups)) > 1
    pd.testing.assert_frame_equal(evaluate(model, data, data.test_clips(), "simulated"), together, rtol=1e-5)


def test_a_jump_from_one_clip_to_the_next_is_no_velocity(flat_data) -> None:
    before = evaluate(lifter(), flat_data, flat_data.test_clips(), "simulated")
    positions = flat_data.positions.copy()
    for number, clip in enumerate(flat_data.clips.itertuples()):
        positions[clip.start : clip.stop] += 2.0 * number
    jumping = replace(flat_data, positions=positions)
    after = evaluate(lifter(), jumping, jumping.test_clips(), "simulated")
    np.testing.assert_allclose(after.mpjve, before.mpjve, rtol=1e-5)
    assert (after.mpjpe > before.mpjpe + 500).all()


def test_testing_neither_trains_nor_drops_anything_and_leaves_the_mode_as_it_was(data) -> None:
    model = lifter(dropout=0.5)
    expected = evaluate(model, data, data.test_clips(), "simulated")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    found = evaluate(model, data, data.test_clips(), "simulated")
    assert model.training
    assert all(part.training for part in model.modules())
    pd.testing.assert_frame_equal(found, expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# From clips to actions, on numbers made by hand

CLIP_ERRORS = pd.DataFrame(
    {
        "subject": "S9",
        "action": ["Walking", "Walking", "Sitting"],
        "take": ["0", "1", "0"], "camera": "wide", "frames": [2, 4, 18], "mpjpe": [60.0, 30.0, 80.0],
        "p_mpjpe": [30.0, 60.0, 10.0], "n_mpjpe": [6.0, 9.0, 20.0], "mpjve": [10.0, 40.0, 2.0],
    }
)  # fmt: skip


def test_an_action_s_error_is_the_mean_over_its_clips_weighted_by_their_frames() -> None:
    actions = per_action(CLIP_ERRORS)
    assert list(actions.index) == ["Walking", "Sitting"]  # in the order of the clips
    assert actions.frames.tolist() == [6, 18]
    # the velocity error too: (2 * 10 + 4 * 40) / 6, not weighted by its differences, (1 * 10 + 3 * 40) / 4 = 32.5
    assert actions.loc["Walking", list(METRICS)].tolist() == [40, 50, 8, 30]
    assert actions.loc["Sitting", list(METRICS)].tolist() == [80, 10, 20, 2]
    assert action_wise(actions).to_dict() == {"mpjpe": 60, "p_mpjpe": 30, "n_mpjpe": 14, "mpjve": 16}


@pytest.mark.parametrize(("causal", "mirror"), [(False, True), (True, False)], ids=["averaged", "causal"])
def test_a_trajectory_is_lifted_as_a_pose_of_one_joint(data, causal, mirror) -> None:
    torch.manual_seed(5)
    model = TemporalLifter(17, 2, 1, (3, 3), causal=causal, channels=12).eval()
    clips = data.test_clips()
    groups = predict(model, data, clips, "simulated", mirror=mirror, joints=ROOT)
    predicted = [clip[:, 0] for group in groups for clip in group]
    for clip, found in zip(clips.itertuples(), predicted, strict=True):
        screen = normalised(data)[clip.start : clip.stop]
        expected = predict_slowly(model, screen, H36M_17, ROOT) if mirror else lift_slowly(model, screen)
        np.testing.assert_allclose(found.numpy(), expected[:, 0], rtol=0, atol=1e-5)
    errors = evaluate_lifters(Lifters(lifter(causal=causal), model), data, clips, "simulated", mirror=mirror)
    for place, clip in enumerate(clips.itertuples()):
        apart = predicted[place].numpy() - data.trajectory[clip.start : clip.stop]
        assert errors[ROOT_ERROR].iloc[place] == pytest.approx(1000 * np.sqrt((apart**2).sum(-1)).mean(), rel=1e-5)


def test_a_summary_weights_the_trajectory_s_errors_by_frames(data) -> None:
    clips = evaluate(lifter(), data, data.test_clips(), "simulated")
    assert "trajectory" not in summarise(clips)
    clips[ROOT_ERROR] = np.arange(len(clips), dtype=float)
    found = summarise(clips)["trajectory"][ROOT_ERROR]
    for action, own in clips.groupby("action"):
        assert found[action] == pytest.approx(np.average(own[ROOT_ERROR], weights=own.frames))
