"""A model's file is the model: every number and every word of it comes back, and any other file is refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.runs.models import FORMAT, TrainedModel, open_model, read_card, save_model
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run

SETTINGS = {"scale": "tiny", "preset": "tiny", "channels": 8, "unit_epochs": 0.1, "evaluate_at": "", "device": "cpu"}


@pytest.fixture(scope="module")
def trained(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with a trajectory, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        config = make_config(RunConfig, {**SETTINGS, "action": "Sitting", "trajectory": True, "causal": True})
        return execute_run(plan_run(config, tiny_data)).folder


@pytest.fixture
def outputs(tmp_path: Path, tiny_outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of outputs with the prepared tiny dataset."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    (tmp_path / "outputs" / "runs").mkdir(parents=True)
    (tmp_path / "outputs" / "data").symlink_to(tiny_outputs / "data")
    return tmp_path / "outputs"


@pytest.fixture
def folder(trained: Path, outputs: Path) -> Path:
    return Path(shutil.copytree(trained, outputs / "runs" / trained.name))


@pytest.fixture
def model(folder: Path) -> TrainedModel:
    return open_model(folder)


@pytest.fixture
def file(model: TrainedModel, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def assert_same(found: TrainedModel, expected: TrainedModel) -> None:
    assert found.card == expected.card
    states = [model.lifters.state_dict() for model in (found, expected)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not any(network.training for network in found.lifters.networks)


def test_what_is_saved_is_loaded(model: TrainedModel, file: Path) -> None:
    assert_same(open_model(str(file)), model)
    assert read_card(file) == model.card
    with safe_open(file, framework="pt") as opened:
        assert opened.metadata()["format"] == FORMAT


def test_a_run_is_opened_by_any_of_its_names(folder: Path, model: TrainedModel, monkeypatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    for name in (folder.name, folder.name[-10:], str(folder), f"runs/{folder.name}"):
        assert_same(open_model(name), model)


def test_a_run_s_card_says_what_its_files_say(folder: Path, tiny_data: PoseDataset) -> None:
    card = open_model(folder).card
    read = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("config", "metrics", "timing")}
    assert card.training.config == read["config"]
    assert card.training.windows == read["timing"]["windows"]
    errors = card.errors.model_dump(include={"actions", "action_wise", "frame_wise"})
    assert errors == {name: read["metrics"][name] for name in errors}
    assert card.errors.trajectory == read["metrics"]["trajectory"]["mrpe"]
    assert card.errors.subjects == ("S9", "S11")
    own = tiny_data.train_clips("Sitting")
    assert (card.training.clips, card.training.frames) == (len(own), (own.stop - own.start).sum())
    assert (card.training.actions, card.training.subjects) == (("Sitting",), tuple(dict.fromkeys(own.subject)))
    assert (card.training.fingerprint, card.training.synthetic) == (tiny_data.fingerprint, True)
    assert (card.fps, card.keypoints, card.trajectory) == ((50.0,), "simulated", True)
    assert (card.network.causal, card.network.filter_widths, card.network.channels) == (True, (3, 3, 3), 8)
    assert (card.layout, card.skeleton) == (tiny_data.layouts["simulated"], tiny_data.skeleton)
    assert card.licence.startswith("Trained on synthetic data")


def test_an_imported_model_is_found_by_the_name_of_its_file(model: TrainedModel, outputs: Path) -> None:
    save_model(model, outputs / "models" / "theirs.safetensors")
    assert_same(open_model("theirs.safetensors"), model)
    with pytest.raises(InputError, match=r"their\.safetensors: .*no such file, .*did you mean theirs\.safetensors"):
        open_model("their.safetensors")


def test_a_run_of_another_version_and_an_unfinished_one_are_refused(folder: Path) -> None:
    (folder / "finished.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match=f"format 2, older than {RESULT_FORMAT}: train that run again"):
        open_model(folder)
    (folder / "finished.json").unlink()
    with pytest.raises(InputError, match=r"not a finished run \(finished\.json: cannot be read"):
        open_model(folder)


AS_PUBLISHED = ("statistics_published.safetensors", "metrics.json")


@pytest.mark.parametrize("name", ["card.json", "finished.json", "model.safetensors", *AS_PUBLISHED])
@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff" * 8 + b"{}"], ids=lambda c: str(c[:9]))
def test_a_damaged_run_is_refused_by_name(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_model(folder, statistics="published" if name in AS_PUBLISHED else "recomputed")
    assert str(caught.value).startswith(str(folder))


def test_the_weights_of_a_run_are_no_model_s_file(folder: Path) -> None:
    with pytest.raises(InputError, match="weights without a card; name the run's folder instead"):
        open_model(folder / "model.safetensors")


def rewrite(file: Path, change: Callable[[dict], object] = lambda card: None, **metadata: str) -> None:
    """The same weights with a changed card or other metadata."""
    card = json.loads(read_card(file).model_dump_json())
    change(card)
    save_file(load_file(file), file, metadata={"format": FORMAT, "card": json.dumps(card), **metadata})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card["network"].update(channels=9), "other weights than its card says: blocks.0.pointwise.norm"),
        (lambda card: card["network"].update(filter_widths=[999] * 12), "and see at most 10,000 frames, found (999, "),
        (lambda card: card["network"].update(filter_widths=[2]), "at most 10,000 frames, found (2,)"),
        (lambda card: card.update(trajectory=False), "blocks.0.pointwise.norm.bias is [8], expected no tensor of that"),
        (lambda card: card["skeleton"].update(left=[99]), "skeleton: "),
        (lambda card: card["errors"]["action_wise"].update(mpjpe="NaN"), "errors.action_wise.mpjpe: "),
        (
            lambda card: card.update(normalisation="height to [0, 1]"),
            "normalisation: Input should be ",
        ),
        (lambda card: card["errors"]["actions"].update({"\x1b": 1}), "errors.actions.\\x1b: "),
        (lambda card: card.update(more=1), "more: Extra inputs"),
        (lambda card: card.pop("licence"), "licence: Field required"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_card_that_is_not_of_the_weights_is_refused(change: Callable, said: str, file: Path) -> None:
    rewrite(file, change)
    with pytest.raises(InputError) as caught:
        open_model(file)
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_a_file_of_another_format_and_a_cut_one_are_refused(file: Path) -> None:
    rewrite(file, format="pose3d-model-99")
    with pytest.raises(InputError, match=r"mine\.safetensors, key 'format': found 'pose3d-model-99'"):
        open_model(file)
    content = file.read_bytes()
    for kept in (0, 100, len(content) - 1):
        file.write_bytes(content[:kept])
        with pytest.raises(InputError, match=r"mine\.safetensors: cannot be read"):
            open_model(file)


def test_weights_that_are_not_finite_are_refused(file: Path) -> None:
    weights = {name: tensor.clone() for name, tensor in load_file(file).items()}
    weights["expand.norm.running_var"][2] = float("inf")
    save_file(weights, file, metadata={"format": FORMAT, "card": read_card(file).model_dump_json()})
    with pytest.raises(InputError, match=r"expand\.norm\.running_var has numbers that are not finite"):
        open_model(file)
