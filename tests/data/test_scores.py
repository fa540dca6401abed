"""A run on keypoints with scores: its network sees three numbers of each joint, is trained, tested and loaded with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.model.predict import predict
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import run_name
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import build_lifters, plan_run
from pose3d_lib.training.windows import TrainingWindows

TINY = {"scale": "tiny", "preset": "tiny", "unit_epochs": 0.1, "evaluate_at": "0.05", "device": "cpu"}


@pytest.fixture(scope="module")
def data(tiny_outputs) -> PoseDataset:
    """The built-in dataset with scores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tiny_outputs))
        return open_dataset(make_config(RunConfig, {**TINY, "scores": True}).data)


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))


def test_a_run_with_scores_is_trained_and_tested_on_three_numbers_of_each_joint(data) -> None:
    run = execute_run(plan_run(make_config(RunConfig, {**TINY, "scores": "true"}), data))
    model = run.load_lifters(data).pose
    assert model.in_features == 3
    assert model.state_dict()["expand.product.weight"].shape == (16, 3 * 3 * 17)
    assert np.isfinite(run.action_wise["mpjpe"])


def test_without_scores_the_network_is_narrower_and_the_run_another(data, tiny_data) -> None:
    with_scores, without = (make_config(RunConfig, {**TINY, "scores": scores}) for scores in (True, False))
    wide, narrow = build_lifters(with_scores, data).pose, build_lifters(without, tiny_data).pose
    assert narrow.state_dict()["expand.product.weight"].shape == (16, 3 * 2 * 17)
    assert wide.num_parameters - narrow.num_parameters == 16 * 17 * 3
    assert run_name(with_scores, data.fingerprint) != run_name(without, tiny_data.fingerprint)


def test_what_a_projection_is_compared_with_has_no_scores(data) -> None:
    windows = TrainingWindows(data, data.test_clips().iloc[:2], "simulated", (3, 3), chunk=2, labelled=False)
    batch = windows.gather(torch.arange(len(windows)))
    assert (batch.inputs.shape[-1], batch.seen.shape[-1]) == (3, 2)
    assert torch.equal(batch.seen, batch.inputs[:, 4:6, :, :2])


def test_a_prediction_depends_on_the_scores_and_averages_with_the_mirror_image_as_sure(data) -> None:
    config = make_config(RunConfig, {**TINY, "scores": True})
    torch.manual_seed(0)
    model, clips = build_lifters(config, data).pose, data.test_clips().iloc[:2]
    doubted = replace(data, scores={name: scores * 0.5 for name, scores in data.scores.items()})
    (first, _), (other, _) = (next(predict(model, seen, clips, "simulated")) for seen in (data, doubted))
    assert not torch.allclose(first, other, atol=1e-4)
    joints = list(data.layouts["simulated"].mirror)
    size = data.camera_of(clips.iloc[0]).width
    mirrored = replace(
        data,
        keypoints={"simulated": (data.keypoints["simulated"] * [-1, 1] + [size, 0]).astype(np.float32)[:, joints]},
        scores={"simulated": data.scores["simulated"][:, joints]},
    )
    image, _ = next(predict(model, mirrored, clips, "simulated"))
    torch.testing.assert_close(
        image[:, list(data.skeleton.mirror)] * torch.tensor([-1, 1, 1]), first, atol=1e-4, rtol=0
    )
