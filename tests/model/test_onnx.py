"""Graphs of ONNX under ONNX Runtime: the same poses as PyTorch's, of clips of any length and of frames as they come."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pose3d_lib.common.errors import InputError
from pose3d_lib.model.card import ModelCard, TrainedModel
from pose3d_lib.model.lifter import padding
from pose3d_lib.model.onnx import to_onnx
from pose3d_lib.report.export import export_model
from tests.helpers.console import Called
from tests.helpers.made_up_models import made_up_model

METRES = 1e-5
MODELS = pytest.mark.parametrize(
    "settings",
    [{}, {"causal": True}, {"dense": True, "causal": True}, {"in_features": 3}],
    ids=["centred", "causal", "dense", "scores"],
)


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    return pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def make_model(**settings) -> TrainedModel:
    """Pose and trajectory."""
    return made_up_model(3, 3, 5, trajectory=True, **settings)


def expected(model: TrainedModel, clips: torch.Tensor) -> list[np.ndarray]:
    """(B, T, joints, 3) and (B, T, 3) of clips with their ends repeated."""
    pose = model.lifters.pose
    ends = (0, 0, *padding(pose.filter_widths, causal=pose.causal))
    padded = F.pad(clips.flatten(2), ends, mode="replicate").unflatten(2, clips.shape[2:])
    with torch.no_grad():
        positions, trajectory = (network(padded).numpy() for network in model.lifters.networks)
    return [positions, trajectory.squeeze(2)]


def two_clips(model: TrainedModel, frames: int) -> torch.Tensor:
    return torch.randn(2, frames, 17, model.card.network.in_features, generator=torch.Generator().manual_seed(frames))


@MODELS
def test_clips_of_any_length_are_lifted_as_by_pytorch(settings: dict, runtime) -> None:
    model = make_model(**settings)
    session = runtime.InferenceSession(to_onnx(model).SerializeToString())
    for frames in (1, 2, 60):
        clips = two_clips(model, frames)
        found = session.run(None, {"keypoints": clips.numpy()})
        for own, theirs in zip(found, expected(model, clips), strict=True):
            assert own.shape == theirs.shape
            assert np.abs(own - theirs).max() < METRES


@MODELS
def test_frames_as_they_come_are_lifted_as_the_clip_at_once(settings: dict, runtime) -> None:
    model = make_model(**settings)
    session = runtime.InferenceSession(to_onnx(model, streaming=True).SerializeToString())
    field = json.loads(session.get_modelmeta().custom_metadata_map["receptive_field"])
    delay = 0 if model.card.network.causal else field // 2
    clips = two_clips(model, 60)
    states = {
        own.name: np.zeros((2, *own.shape[1:]), np.float32) for own in session.get_inputs() if "state" in own.name
    }
    given = torch.cat([clips[:, :1].expand(-1, field - 1, -1, -1), clips, clips[:, -1:].expand(-1, delay, -1, -1)], 1)
    chunks = []
    for chunk in given.split([field, *[1] * 20, 17, given.shape[1] - field - 37], dim=1):
        positions, trajectory, *after = session.run(None, {"keypoints": chunk.numpy(), **states})
        states = dict(zip(states, after, strict=True))
        chunks.append((positions, trajectory))
    for own, theirs in zip(zip(*chunks, strict=True), expected(model, clips), strict=True):
        assert np.abs(np.concatenate(own, axis=1)[:, field - 1 + delay :] - theirs).max() < METRES


def test_what_has_to_be_known_of_a_model_goes_with_it(runtime) -> None:
    model = make_model()
    found = runtime.InferenceSession(to_onnx(model).SerializeToString()).get_modelmeta().custom_metadata_map
    assert ModelCard.model_validate_json(found["card"]) == model.card
    assert (json.loads(found["receptive_field"]), json.loads(found["causal"])) == (45, False)
    assert json.loads(found["joints"]) == list(model.card.skeleton.joints)
    assert found["normalisation"] == model.card.normalisation


def test_export_writes_the_graph_and_its_card(runtime, console: Called, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    export_model(make_model(), tmp_path / "ours.safetensors")
    for options in ([], ["--streaming"]):
        code, out, _ = console("checkpoint", "export", "ours.safetensors", f"graph{len(options)}.onnx", *options)
        assert (code, "Anybody may have it." in out) == (0, True)
        session = runtime.InferenceSession(f"graph{len(options)}.onnx")
        assert len(session.get_inputs()) == (7 if options else 1)
    assert (tmp_path / "graph0.md").is_file()
    code, _, error = console("checkpoint", "export", "ours.safetensors", "ours.bin", "--streaming")
    assert (code, "ours.bin: --streaming" in error) == (2, True)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install .*\[onnx\]"):
        to_onnx(make_model())
