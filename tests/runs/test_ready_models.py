"""The models that come along: small, complete, and better than a mean pose on people who walk past a camera."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from ready_data import RATES, Clip, see
from safetensors import safe_open

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.sources.synthetic.motion import make_motion
from pose3d_lib.metrics import mpjpe
from pose3d_lib.model.predict import predict
from pose3d_lib.runs.models import READY, open_model, save_model
from tests.helpers import detection_files
from tests.helpers.console import Called

EACH = pytest.mark.parametrize("name", READY)


@pytest.fixture(scope="module")
def walkers() -> PoseDataset:
    """Five bodies that no training saw, each walking past a camera of its own, as a detector sees them."""
    body = partial(make_body, seed=99)
    clips = [
        Clip("x", "Walking", fps, make_motion("Walking", body=body(str(fps)), frames=90, fps=fps, seed=[7, place]), rng)
        for place, fps in enumerate((25.0, 30.0, 30.0, 50.0, 60.0))
        for rng in [np.random.default_rng([99, place])]
    ]
    return see(clips, name="walkers", like=1.0)


@EACH
def test_a_model_that_comes_along_is_small_and_its_card_complete(name: str) -> None:
    path, card = READY[name], open_model(name).card
    assert path.stat().st_size <= 5e6
    assert path.with_suffix(".md").is_file()
    assert card.name == name
    assert card.network.causal == (name == "ready-causal")
    assert card.network.in_features == 3
    assert (card.statistics, card.fps) == ("recomputed", RATES)
    assert "not to resell" in card.licence
    assert "mocap.cs.cmu.edu" in card.licence
    assert card.training.dataset == "ready-full"
    assert card.errors.subjects == ("made-up-test", "cmu-test")
    assert not card.training.commit.endswith("+"), "trained from changes that nobody has"


@EACH
def test_matrices_are_stored_in_half_precision_and_nothing_is_lost_by_storing_them_again(
    name: str, tmp_path: Path
) -> None:
    model = open_model(name)
    save_model(model, tmp_path / "again.safetensors", half=True)
    again = open_model(tmp_path / "again.safetensors").lifters.state_dict()
    assert all(torch.equal(own, again[key]) for key, own in model.lifters.state_dict().items())
    with safe_open(READY[name], framework="pt") as file:
        kinds = {len(file.get_slice(key).get_shape()): file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    assert (kinds[1], kinds[2]) == ("F32", "F16")


@EACH
def test_walkers_are_lifted_far_better_than_by_a_mean_pose(name: str, walkers: PoseDataset) -> None:
    groups = predict(open_model(name).lifters.pose, walkers, walkers.clips, "simulated")
    truth = torch.from_numpy(walkers.positions).double()
    error = mpjpe(torch.cat([pose for group in groups for pose in group]), truth).mean()
    mean = mpjpe(truth.mean(dim=0).expand_as(truth), truth).mean()
    assert error < 0.08
    assert mean > 0.12


@EACH
def test_detections_without_scores_are_lifted_too(name: str, console: Called, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    video = detection_files.write_json(
        tmp_path / "phone.json", detection_files.coco_annotations(detection_files.walk(12))
    )
    code, out, err = console("predict", name, str(video), "-p", "fps", "29.97", "--output", str(tmp_path / "poses"))
    assert (code, err) == (0, "")
    assert "has no scores of its joints" in out
    assert "and the model was trained on" not in out, "it knows keypoints of detectors, at this rate"
    with np.load(tmp_path / "poses" / "poses.npz") as poses:
        hip, head, foot = (poses["positions"][:, joint] for joint in (0, 10, 3))
        assert (head[:, 1] < -0.3).all(), "y is down, and the person stands"
        assert (foot[:, 1] > 0.5).all()
        assert not hip.any() or np.abs(hip).max() < 0.1
