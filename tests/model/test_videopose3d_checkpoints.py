"""A checkpoint of VideoPose3D is the same network here, and one from here is the same there, to the last joint."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.skeleton import COCO_17, H36M_17, HUMANEVA_15, HUMANEVA_20, MPII_16
from pose3d_lib.model.card import ModelCard, TrainedModel, network_of
from pose3d_lib.model.lifter import TemporalLifter
from pose3d_lib.model.videopose3d import Unsaid, import_checkpoint
from pose3d_lib.report.export import export_model, save_checkpoint, videopose3d_command
from pose3d_lib.runs.models import open_model
from tests.helpers.made_up_models import made_up_model
from tests.helpers.published_network import PublishedNetwork, load_state, published_network, state_of, write_checkpoint

CLOSE = 1e-5  # Metres
SHAPES = [
    pytest.param({"filter_widths": (3, 3, 3)}, id="27"),
    pytest.param({"filter_widths": (3,) * 5}, id="243"),
    pytest.param({"filter_widths": (3, 5, 3), "causal": True, "features": 3}, id="45 causal scores"),
    pytest.param({"filter_widths": (3, 3, 3), "dense": True}, id="27 dense"),
    pytest.param({"filter_widths": (5,)}, id="5"),
    pytest.param({"filter_widths": (3, 3), "joints_out": 15, "joints_in": 15}, id="humaneva"),
]
"""Of `published_network`."""


def unsaid(shape: dict) -> Unsaid:
    return Unsaid(causal=shape.get("causal", False), dense=shape.get("dense", False))


def clips(network: PublishedNetwork, features: int, *, more: int = 20) -> Tensor:
    """Two clips of normalised keypoints: (2, frames, joints, features)."""
    generator = torch.Generator().manual_seed(1)
    frames = math.prod(network.widths) + more
    return torch.rand(2, frames, network.convolutions[0].in_channels // features, features, generator=generator) * 2 - 1


@torch.no_grad()
def difference(found: TemporalLifter, expected: PublishedNetwork) -> float:
    """The largest one between the predictions of two networks, metres."""
    seen = clips(expected, found.in_features)
    poses = expected(seen)
    assert poses.std() > 0.1, "predictions that hardly differ would agree whatever was imported"
    return float((found(seen) - poses).abs().max())


@pytest.mark.parametrize("shape", SHAPES)
def test_an_imported_network_predicts_what_the_published_one_does_and_goes_back(shape: dict, tmp_path: Path) -> None:
    network = published_network(**shape)
    model = import_checkpoint(write_checkpoint(tmp_path / "theirs.bin", network), unsaid(shape))
    assert model.lifters.trajectory is None
    assert difference(model.lifters.pose, network) < CLOSE
    assert model.card.network == network_of(model.lifters.pose)
    assert model.card.network.filter_widths == shape["filter_widths"]
    assert model.card.network.in_features == shape.get("features", 2)
    save_checkpoint(model, tmp_path / "ours.bin")
    content = torch.load(tmp_path / "ours.bin", weights_only=True)
    back = published_network(**shape, seed=5)
    assert difference(model.lifters.pose, back) > 0.1
    load_state(back, content["model_pos"])
    assert difference(model.lifters.pose, back) < CLOSE
    for name, tensor in state_of(network).items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(content["model_pos"][name], tensor), name


def test_a_trajectory_comes_along_and_goes_back(tmp_path: Path) -> None:
    shape = {"filter_widths": (3, 3, 3), "causal": True}
    pose = published_network(**shape, channels=256)
    root = published_network(**shape, channels=256, joints_out=1, seed=2)
    with torch.no_grad():
        root.last.weight.mul_(5)
        root.last.bias.copy_(torch.tensor([0.0, 0.0, 5.0]))
    model = import_checkpoint(write_checkpoint(tmp_path / "theirs.bin", pose, root), unsaid(shape))
    assert model.card.trajectory
    assert difference(model.lifters.pose, pose) < CLOSE
    assert difference(model.lifters.trajectory, root) < 5 * CLOSE  # metres away: 1e-5 of the distance
    save_checkpoint(model, tmp_path / "ours.bin")
    content = torch.load(tmp_path / "ours.bin", weights_only=True)
    back = published_network(**shape, joints_out=1, seed=5, channels=256)
    load_state(back, content["model_traj"])
    assert difference(model.lifters.trajectory, back) < 5 * CLOSE


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("key", "prefix"), [("model_pos", "module."), (None, ""), (None, "module."), ("state_dict", "model."), ("net", "")]
)
def test_the_same_weights_in_another_wrapping_are_read(key: str | None, prefix: str, tmp_path) -> None:
    network, root = published_network((3, 3)), published_network((3, 3), joints_out=1, seed=2)
    pose = prefixed(state_of(network), prefix)
    trajectory = {"model_traj": prefixed(state_of(root), prefix)}
    torch.save({"epoch": 80, key: pose, **trajectory} if key else pose, tmp_path / "theirs.pth")
    model = open_model(tmp_path / "theirs.pth")
    assert difference(model.lifters.pose, network) < CLOSE
    if key:
        assert difference(model.lifters.trajectory, root) < CLOSE


# The card


NOTHING = Unsaid()


def imported(tmp_path: Path, given: Unsaid = NOTHING, name: str = "theirs.bin", **shape) -> ModelCard:
    network = published_network(**{"filter_widths": (3, 3, 3), **shape})
    return import_checkpoint(write_checkpoint(tmp_path / name, network), given).card


def test_the_card_says_what_is_known_and_what_was_assumed(tmp_path: Path) -> None:
    card = imported(tmp_path)
    assert (card.name, card.keypoints) == ("theirs", "cpn_ft_h36m_dbb")
    assert (card.fps, card.epochs, card.lr) == ((50.0,), 80, 1.6e-05)
    assert (card.layout, card.skeleton) == (H36M_17, H36M_17)
    assert (card.training, card.errors) == (None, None)
    assert re.search(r"Imported from theirs\.bin, .* SHA-256 is [0-9a-f]{64}\.", card.origin)
    assert "academic use" in card.licence
    assert "not in the file" in card.licence
    assumed = " ".join(card.assumed)
    for said in ("taken to be not causal", "--joints names others", "--keypoints", "--fps"):
        assert said in assumed
    assert "as their taps are those of no dense network" in assumed


def test_what_is_given_is_not_assumed(tmp_path: Path) -> None:
    given = Unsaid(causal=True, joints="coco", keypoints="mine", fps=25)
    card = imported(tmp_path, given)
    assert (card.layout, card.skeleton, card.keypoints, card.fps) == (COCO_17, H36M_17, "mine", (25.0,))
    assert card.network.causal
    assert not [sentence for sentence in card.assumed if "--" in sentence]
    assert sum("as given" in sentence for sentence in card.assumed) == 4


@pytest.mark.parametrize(
    ("shape", "name", "layout", "skeleton", "keypoints", "fps"),
    [
        ({}, "any.bin", H36M_17, H36M_17, "cpn_ft_h36m_dbb", 50),
        ({}, "pretrained_h36m_detectron_coco.bin", COCO_17, H36M_17, "detectron_pt_coco", 50),
        ({"features": 3}, "any.bin", COCO_17, H36M_17, "detectron_pt_coco", 50),
        ({"joints_out": 15}, "any.bin", COCO_17, HUMANEVA_15, "detectron_pt_coco", 60),
        ({"joints_in": 16, "features": 3}, "any.bin", MPII_16, H36M_17, "sh_ft_h36m", 50),
        ({"joints_in": 15, "joints_out": 15}, "any.bin", HUMANEVA_15, HUMANEVA_15, "humaneva15", 60),
    ],
)  # fmt: skip
def test_joints_follow_from_their_number(shape, name, layout, skeleton, keypoints, fps, tmp_path) -> None:
    card = imported(tmp_path, name=name, **shape)
    assert (card.layout, card.skeleton, card.keypoints, card.fps) == (layout, skeleton, keypoints, (fps,))
    assert card.network.in_features == shape.get("features", 2)


@pytest.mark.parametrize(
    ("shape", "given", "said"),
    [
        ({}, {"joints": "mpii"}, "34 numbers go in .*; mpii has 16 joints; --joints h36m or coco would suit"),
        ({}, {"joints": "cocoo"}, "unknown layout for --joints 'cocoo': did you mean coco"),
        ({"joints_in": 13}, {}, "26 numbers go in per frame, .*; no known layout has that number of joints; known are"),
        ({"joints_out": 14}, {}, r"14 joints come out; known are 17 \(h36m\)"),
    ],
)
def test_joints_that_are_not_as_many_are_refused(shape: dict, given: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        imported(tmp_path, Unsaid(**given), **shape)


def test_dense_convolutions_are_pointed_out_and_never_guessed(tmp_path: Path) -> None:
    dense = {"filter_widths": (3, 3, 3), "dense": True}
    card = imported(tmp_path, **dense)
    assert (card.network.filter_widths, card.network.dense) == ((3, 7, 19), False)
    assert any("They might be dense ones of widths 3,3,3; --dense says so" in sentence for sentence in card.assumed)
    assert imported(tmp_path, Unsaid(dense=True), **dense).network.filter_widths == (3, 3, 3)
    with pytest.raises(InputError, match=r"convolutions of 3,3,3 taps are none of .* that is dense; give no --dense"):
        imported(tmp_path, Unsaid(dense=True))


# The way back


def trained(**changes) -> TrainedModel:
    """A model of nobody's, whose card says of the rest what an imported one does."""
    return made_up_model(name="mine", keypoints="gt", errors=None, origin="Made up.", **changes)


def test_a_checkpoint_has_the_keys_that_are_looked_for(tmp_path: Path) -> None:
    save_checkpoint(trained(epochs=12.6, lr=0.0004), tmp_path / "ours.bin")
    content = torch.load(tmp_path / "ours.bin", weights_only=True)
    assert content.pop("model_pos").keys() == state_of(published_network((3, 3))).keys()
    assert content == {"epoch": 13, "lr": 0.0004, "random_state": None, "optimizer": None}


def test_the_card_stands_beside_what_is_exported(tmp_path: Path) -> None:
    for name in ("ours.bin", "other.safetensors"):
        files = export_model(trained(), tmp_path / "folder" / name)
        assert files == [tmp_path / "folder" / name, (tmp_path / "folder" / name).with_suffix(".md")]
        assert files[1].read_text().startswith("# mine\n\n## Origin\n\nMade up.\n")
        before = files[0].read_bytes()
        with pytest.raises(InputError, match="is already there; give another name or folder, or say overwrite"):
            export_model(trained(), files[0])
        assert files[0].read_bytes() == before
        export_model(trained(epochs=5), files[0], overwrite=True)
        assert files[0].read_bytes() != before
    with pytest.raises(InputError, match=r"mine\.pt: what is it to be\?"):
        export_model(trained(), tmp_path / "mine.pt")
    assert not (tmp_path / "mine.pt").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "run.py -k gt -arc 3,3 -ch 12 -c FOLDER --evaluate ours.bin"),
        ({"keypoints": "my own"}, "-k 'my own'"),
        ({"causal": True, "dense": True}, "-ch 12 --causal --dense -c"),
        # of a HumanEva model the set and whose clips, or VideoPose3D would open Human3.6M
        (
            {"skeleton": HUMANEVA_15, "keypoints": "detectron_pt_coco"},
            "python run.py -d humaneva15 -str Train/S1,Train/S2,Train/S3 -ste Validate/S1,Validate/S2,Validate/S3 -k ",
        ),
        ({"skeleton": HUMANEVA_20}, "run.py -d humaneva20 -str"),
    ],
    ids=str,
)
def test_videopose3d_s_command_names_what_its_checkpoint_does_not_hold(changes: dict, said: str, tmp_path) -> None:
    card = trained().card
    own = {name: changes[name] for name in ("causal", "dense") if name in changes}
    card = card.model_copy(update=changes | {"network": card.network.model_copy(update=own)})
    assert said.replace("FOLDER", str(tmp_path)) in videopose3d_command(card, tmp_path / "ours.bin")


def test_one_card_may_stand_beside_both_kinds_of_file(tmp_path: Path) -> None:
    export_model(trained(), tmp_path / "ours.bin")
    assert export_model(trained(), tmp_path / "ours.safetensors")[1] == tmp_path / "ours.md"
    (tmp_path / "ours.safetensors").unlink()
    with pytest.raises(InputError, match=r"ours\.md: is already there"):
        export_model(trained(epochs=5), tmp_path / "ours.safetensors")
    assert not (tmp_path / "ours.safetensors").exists()


# Files of something else


def changed(tmp_path: Path, change, *, key: str = "model_pos") -> str:
    """The refusal of a checkpoint of a network of 9 frames and 16 channels whose tensors were changed."""
    pose, root = published_network((3, 3)), published_network((3, 3), joints_out=1)
    states = {"model_pos": state_of(pose), "model_traj": state_of(root)}
    states[key] = change(states[key])
    file = write_checkpoint(tmp_path / "theirs.bin", pose, root, **states)
    with pytest.raises(InputError) as caught:
        import_checkpoint(file)
    assert str(caught.value).startswith(f"{file}, key '{key}': ")
    return str(caught.value).removeprefix(f"{file}, key '{key}': ")


def without(name: str):
    return lambda state: {key: value for key, value in state.items() if key != name}


def with_(name: str, value: object):
    return lambda state: {**state, name: value}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            without("expand_conv.weight"),
            "expand_conv.weight is missing, layers_conv.0.weight is [16, 16, 3], shrink.weight ",
        ),
        (without("layers_bn.1.running_var"), "layers_bn.1.running_var is missing, expected [16]; it is no network of "),
        (without("layers_conv.1.weight"), "layers_bn.0.bias is [16], expected no tensor of that name"),
        (with_("shrink.bias", torch.zeros(52)), "shrink.bias is [52], expected [51]; it is no network of VideoPose3D"),
        (
            with_("layers_conv.0.weight", torch.zeros(16, 16)),
            "expand_conv.weight is [16, 34, 3], layers_conv.0.weight is [16, 16], ",
        ),
        (with_("expand_conv.weight", torch.zeros(0, 34, 3)), "expand_conv.weight is [0, 34, 3], "),
        (with_("fc\x1b.weight", torch.zeros(3)), "fc\\x1b.weight is [3], expected no tensor of that name"),
        (with_("expand_bn.bias", torch.full((16,), math.nan)), "expand_bn.bias is no tensor of finite numbers"),
        (with_("expand_bn.bias", "text"), "expand_bn.bias is no tensor of finite numbers"),
        (lambda state: [], "expected tensors by name, found list"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_tensors_of_another_network_are_refused_by_name(change, said: str, tmp_path: Path) -> None:
    assert changed(tmp_path, change).startswith(said)


def test_a_trajectory_of_another_shape_is_refused(tmp_path: Path) -> None:
    for other in ({"joints_out": 17}, {"channels": 8}, {"filter_widths": (3, 5)}, {"joints_in": 16}):
        state = state_of(published_network(**{"filter_widths": (3, 3), "joints_out": 1, **other}))
        assert "it is no network of VideoPose3D" in changed(tmp_path, lambda _, state=state: state, key="model_traj")
    for change, said in (
        (without("shrink.bias"), "shrink.bias is missing"),
        (lambda state: [], "expected tensors by name"),
    ):
        assert changed(tmp_path, change, key="model_traj").startswith(said)


def test_outputs_that_are_no_joints_and_even_widths_are_refused(tmp_path: Path) -> None:
    change = {"shrink.weight": torch.zeros(50, 16, 1), "shrink.bias": torch.zeros(50)}
    assert "the last into x, y, z of joints" in changed(tmp_path, lambda state: {**state, **change})
    state = {**state_of(published_network((3, 3))), "layers_conv.0.weight": torch.zeros(16, 16, 4)}
    torch.save({"model_pos": state}, tmp_path / "theirs.bin")
    with pytest.raises(
        InputError, match=r"theirs\.bin: convolutions of 3,4 taps are none of a network that is not dense"
    ):
        import_checkpoint(tmp_path / "theirs.bin")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"state_dict": {}, "epoch": 3}, "found state_dict, epoch"),
        ({"model": {"conv1.weight": torch.zeros(3)}}, "found model"),
        ({}, "found dict"),
        ([1], "found list"),
        (torch.zeros(3), "found ndarray"),
    ],
    ids=["lightning", "another network", "empty", "list", "tensor"],
)
def test_a_file_of_something_else_is_refused_with_what_is_in_it(content: object, found: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.bin")
    with pytest.raises(InputError, match=re.escape("other.bin: key 'model_pos' is missing, ") + found):
        import_checkpoint(tmp_path / "other.bin")


def test_half_precision_and_files_without_counters_are_read(tmp_path: Path) -> None:
    network = published_network((3, 3))
    state = {name: value.half() for name, value in state_of(network).items() if not name.endswith("tracked")}
    torch.save({"model_pos": state}, tmp_path / "theirs.bin")
    model = import_checkpoint(tmp_path / "theirs.bin")
    assert (model.card.epochs, model.card.lr) == (None, None)
    assert 0 < difference(model.lifters.pose, network) < 0.05
