"""A network that is told the action: what a label does, whose label a clip has, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate
from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.predict import predict
from pose3d_lib.report.export import export_model
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.report.predict import plan_task
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.models import open_model, save_model
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import build_lifters, plan_run
from pose3d_lib.training.windows import TrainingWindows

LABELS = ("Eating", "Sitting", "Walking")
TINY = {"scale": "tiny", "preset": "tiny", "device": "cpu", "channels": 6, "evaluate_at": "end", "recompute_at": "end"}


def told(**settings) -> TemporalLifter:
    """A network in evaluation mode that learnt something about each label."""
    torch.manual_seed(0)
    model = TemporalLifter(5, 2, 4, (3, 3), channels=7, labels=LABELS, **settings).double().eval()
    model.shifts.data.normal_()
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
    return model


@pytest.mark.parametrize("settings", [{}, {"causal": True}, {"dense": True}], ids=str)
def test_a_label_moves_the_first_product_as_a_further_input_would(settings) -> None:
    model, clips, labels = told(**settings), torch.randn(3, 20, 5, 2, dtype=torch.float64), torch.tensor([2, 0, 2])
    found = model(clips, labels)  # with gradients: the form of the training
    with torch.no_grad():
        torch.testing.assert_close(model(clips, labels), found)
    windows = clips.unfold(1, 9, 1).movedim(-1, 2).flatten(0, 1)
    by_window = model.forward_windows(windows, labels.repeat_interleave(12))
    torch.testing.assert_close(by_window.view_as(found), found)
    plain = TemporalLifter(5, 2, 4, (3, 3), channels=7, **settings).double().eval()
    for clip, label, expected in zip(clips, labels, found, strict=True):
        state = {name: own.clone() for name, own in model.state_dict().items() if name != "shifts"}
        state["expand.norm.running_mean"] -= model.shifts[label].detach()  # what is added before a batch norm
        plain.load_state_dict(state)
        torch.testing.assert_close(plain(clip[None])[0], expected)


def test_labels_are_given_to_a_network_that_is_told_and_to_no_other() -> None:
    clips, plain = torch.randn(1, 9, 5, 2), TemporalLifter(5, 2, 4, (3, 3), channels=7)
    with pytest.raises(ValueError, match="labels"):
        plain(clips, torch.tensor([0]))
    with pytest.raises(ValueError, match="labels"):
        told().float().forward_windows(clips)


def run_config(**changes: object) -> RunConfig:
    return make_config(RunConfig, {**TINY, "unit_epochs": 0.1, "action_input": True, **changes})


@pytest.fixture(scope="module")
def run(tiny_data: PoseDataset, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("told")))
        yield execute_run(plan_run(run_config(), tiny_data))


def test_it_starts_as_the_network_that_is_not_told(tiny_data: PoseDataset) -> None:
    networks = []
    for config in (run_config(), run_config(action_input=False)):
        torch.manual_seed(0)
        networks.append(build_lifters(config, tiny_data).state_dict())
    shifts = networks[0].pop("shifts")
    assert shifts.shape == (len(tiny_data.train_actions), 6)
    assert not shifts.any()
    torch.testing.assert_close(*networks, rtol=0, atol=0)


@pytest.mark.parametrize("settings", [{}, {"mirrored": False}, {"chunk": 4}], ids=str)
def test_a_window_has_the_label_of_its_clip(tiny_data: PoseDataset, settings) -> None:
    clips = tiny_data.train_clips()
    clips = clips[clips.action.isin(LABELS)]
    windows = TrainingWindows(tiny_data, clips, "gt", (3, 3), labels=LABELS, **settings)
    numbers = torch.arange(len(windows))
    actions = clips.action.to_numpy()[windows.clip_rows[numbers]]
    assert [LABELS[label] for label in windows.gather(numbers).labels] == list(actions)
    assert set(actions) == set(LABELS)


def test_the_label_is_learnt_and_every_clip_is_tested_with_its_own(run, tiny_data: PoseDataset) -> None:
    model = run.load_lifters(tiny_data).pose
    assert model.labels == tiny_data.train_actions
    assert (model.shifts.abs().amax(1) > 0).all()
    clips = tiny_data.test_clips().sort_values("take")  # actions in turn
    together = [pose for group in predict(model, tiny_data, clips, run.config.keypoints) for pose in group]
    for (_, clip), found in zip(clips.iterrows(), together, strict=True):
        own = clips.loc[[clip.name]]
        alone = next(predict(model, tiny_data, own.assign(told=clip.action), run.config.keypoints))[0]
        torch.testing.assert_close(found, alone, rtol=0, atol=1e-6)
    errors = evaluate(model, tiny_data, clips, run.config.keypoints).mpjpe
    wrong = evaluate(model, tiny_data, clips.assign(told="Walking"), run.config.keypoints)
    assert list(wrong.action) == list(clips.action), "an error is on the action that was done"
    walking = (clips.action == "Walking").to_numpy()
    np.testing.assert_allclose(wrong.mpjpe[walking], errors[walking], rtol=1e-5)
    assert (np.abs(wrong.mpjpe[~walking] / errors[~walking] - 1) > 1e-6).all()
    assert run.actions.mpjpe["Walking"] == pytest.approx(np.average(errors[walking], weights=wrong.frames[walking]))


def test_an_action_that_it_does_not_know_has_to_be_told(run, tiny_data: PoseDataset) -> None:
    model = run.load_lifters(tiny_data).pose
    clips = tiny_data.clips.iloc[:2].assign(action="custom")
    with pytest.raises(InputError, match=r"'custom'.*Walking"):
        next(predict(model, tiny_data, clips, "gt"))
    assert len(next(predict(model, tiny_data, clips.assign(told="Eating"), "gt"))) == 2


def test_the_file_of_a_model_keeps_its_labels(run, tiny_data: PoseDataset, tmp_path) -> None:
    model = open_model(run.folder)
    assert model.card.network.labels == tiny_data.train_actions
    save_model(model, tmp_path / "told.safetensors")
    again = open_model(tmp_path / "told.safetensors")
    assert again.card == model.card
    torch.testing.assert_close(again.lifters.pose.shifts, model.lifters.pose.shifts, rtol=0, atol=0)
    for name in ("told.bin", "told.onnx"):
        with pytest.raises(InputError, match="told the action"):
            export_model(model, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["told.safetensors"]


def test_a_task_tells_the_action_of_every_clip(run, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(run.folder.parents[1]))
    config = make_config(PredictConfig, {"scale": "tiny", "model": run.folder.name, "device": "cpu", "clips": 1})
    assert len(plan_task(config).lifted.clips) == 1
    with pytest.raises(InputError, match="no finished run"):  # the newest would have to be told
        plan_task(config.model_copy(update={"model": "newest"}))


def test_of_some_actions_only_these_are_labels_and_of_one_there_is_nothing_to_tell(tiny_data: PoseDataset) -> None:
    config = run_config(action="Walking", with_actions="Eating")
    assert build_lifters(config, tiny_data).pose.labels == ("Eating", "Walking")
    assert not run_config(action="Walking").action_input


def test_what_has_no_train_clips_is_not_tested(tiny_data: PoseDataset) -> None:
    clips = tiny_data.clips
    untrained = (clips.action == "Eating") & clips.subject.isin(tiny_data.train_subjects)
    fewer = replace(tiny_data, clips=clips.assign(action=clips.action.mask(untrained, "Walking"),
                                                  take=clips["take"].mask(untrained, "other")))  # fmt: skip
    plain, telling = (plan_run(run_config(action_input=own), fewer) for own in (False, True))
    assert set(plain.test.action) - set(telling.test.action) == {"Eating"}


@pytest.mark.parametrize(
    "other", [{"start_from": "All-27f-1ue-seed0-06b751cf2e"}, {"unlabelled_actions": "Eating"}], ids=str
)
def test_it_is_trained_from_the_beginning_on_clips_with_poses(other) -> None:
    with pytest.raises(InputError, match="action_input"):
        run_config(**other)
