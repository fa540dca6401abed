"""Parameters become one frozen config; what cannot be used is refused by name; a run's name tells runs apart."""

import os
import re
from itertools import product

import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.runs.run import run_name
from pose3d_lib.training import settings as settings_module
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from tests.helpers import parameter_tables

OTHER = {
    "keypoints": "gt", "filter_widths": (3, 3), "channels": 32, "dropout": 0.5, "causal": True, "batch_size": 128,
    "lr": 0.002, "lr_decay": 0.9, "unit_epochs": 2, "budget": "fifteen", "lr_decay_per": "unit_epoch",
    "bn_decay_per": "unit_epoch", "evaluate_at": (0.5,), "recompute_at": (2,), "threads": 2, "device": "cuda",
    "precision": "bfloat16", "cuda_graphs": True, "action": "SittingDown", "with_actions": ("Walking",),
    "train_share": 0.5, "start_from": "All-27f-1ue-seed0-0123456789",
    "seed": 1, "timed": 1, "dense": True, "chunk": 4, "mirror_training": False, "mirror_testing": False,
    "labelled_subjects": ("S1",), "share_at": "anywhere", "test_every": 5, "trajectory": True,
    "action_input": True,
    "unlabelled_subjects": ("S5", "S6"), "unlabelled_actions": ("Eating",), "warmup_epochs": 5.0,
    "without_terms": ("bones",), "projection": "linear",
}  # fmt: skip
LOCATED = {
    "dataset": "/elsewhere/motion.npz", "scale": "tiny", "data_seed": 1, "fps": 25.0, "recorded_fps": 100.0,
    "train_subjects": ("ann",), "test_subjects": ("bob",), "leave_out": ("ann/Walking/1",),
    "pattern": "{action}_{subject}_{take}.bvh", "joints": "cmu", "units": "cm", "up": "y", "image_size": "1920x1080",
    "person": "score", "max_gap": 5, "scores": True, "downsample": 2, "one_camera": True, "held_out": 1,
    "detector": "mine:Detector",
}  # fmt: skip
START = "All-27f-1ue-seed0-06b751cf2e"
SEMI = {"labelled_subjects": "S1", "unlabelled_subjects": "S5,S6"}
PER_FRAMES_SEEN = {"budget": "fifteen", "lr_decay_per": "unit_epoch", "bn_decay_per": "unit_epoch"}


# Presets


@pytest.mark.parametrize(("preset", "frames"), [("paper_27", 27), ("paper_243", 243)])
def test_the_paper_s_presets_are_videopose3d_s_settings(preset, frames) -> None:
    config = make_config(RunConfig, {"preset": preset})
    assert config.receptive_field == frames
    assert set(config.filter_widths) == {3}
    assert (config.channels, config.dropout, config.causal) == (1024, 0.25, False)
    assert (config.batch_size, config.lr, config.lr_decay) == (1024, 0.001, 0.95)
    assert (config.lr_decay_per, config.bn_decay_per, config.budget) == ("epoch", "epoch", "equal_frames")
    assert config.threads == os.cpu_count()


@pytest.mark.parametrize("nothing", [None, "None", "null"])
def test_none_leaves_a_setting_to_the_preset(nothing) -> None:
    config = make_config(RunConfig, {"preset": "paper_243", "channels": nothing, "filter_widths": nothing})
    assert (config.channels, config.receptive_field) == (1024, 243)
    assert make_config(RunConfig, {"preset": nothing}) == make_config(RunConfig, {})


# What is accepted


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        *(("filter_widths", given, (3, 3, 3)) for given in ("3,3,3", "[3, 3, 3]", "(3, 3, 3)", [3, 3, 3])),
        *(("filter_widths", given, (3,)) for given in (3, "3")),
        *(("threads", given, os.cpu_count()) for given in (0, "0")),
        ("lr", "1e-4", 0.0001), ("causal", "true", True), ("causal", "False", False), ("channels", "64", 64),
        ("evaluate_at", "0.5, 2", (0.5, 2.0)),
        ("evaluate_at", [2, 0.5, 2.0, 1], (0.5, 1, 2)),  # sorted, each once
        *(("evaluate_at", given, ()) for given in ("[]", "end", "End")),
    ],
)  # fmt: skip
def test_values_may_be_written_as_a_command_line_gives_them(name, given, value) -> None:
    assert getattr(make_config(RunConfig, {name: given}), name) == value


@pytest.mark.parametrize(
    ("given", "actions"),
    [
        ("", ()),
        ("('Photo', 'Walking')", ("Photo", "Walking")),
        (["Walking, fast", "(Photo)"], ("(Photo)", "Walking, fast")),
    ],
    ids=str,
)
def test_actions_to_add_are_a_set_however_they_are_written(given, actions) -> None:
    config = make_config(RunConfig, {"action": "Sitting", "with_actions": given})
    assert config.with_actions == actions
    assert config.trained_actions == config.named_actions == ("Sitting", *actions)


def test_an_automatic_device_is_one_that_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert make_config(RunConfig, {"device": "auto"}).device == expected
    assert make_config(RunConfig, {}).device == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_automatic_precision_is_the_fastest_of_the_device(device, monkeypatch) -> None:
    fastest = {device: "bfloat16"}
    monkeypatch.setattr(settings_module, "fastest_precision", lambda asked: fastest.get(asked, "float32"))
    assert make_config(RunConfig, {"device": device, "precision": "auto"}).precision == "bfloat16"
    assert make_config(RunConfig, {"device": device, "precision": "float32"}).precision == "float32"
    with pytest.raises(InputError) as refusal:
        make_config(RunConfig, {"device": "gpu", "precision": "auto"})
    assert "precision" not in str(refusal.value)


def test_the_part_that_says_which_data_keeps_every_setting_of_it() -> None:
    config = make_config(RunConfig, {**LOCATED, "keypoints": "gt", "channels": 8})
    assert config.data == DataSpec(**LOCATED, keypoints="gt")


# What is refused


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"chanels": 64}, "unknown parameter 'chanels': did you mean channels?"),
        ({"preset": "paper27"}, "unknown preset 'paper27': did you mean paper_27"),
        ({"filter_widths": "3,4,3"}, "parameter filter_widths: found '3,4,3': filter widths must be odd and positive"),
        ({"budget": "equal_frame"}, "did you mean 'equal_frames'"),
        ({"scale": "smal"}, "unknown scale 'smal': did you mean small?"),
        ({"evaluate_at": "0,1"}, "parameter evaluate_at: found '0'"),
        ({"lr": "inf"}, "parameter lr: found 'inf'"),
        (
            {"with_actions": "Photo"},
            "parameter with_actions: found 'Photo': expected actions other than 'All', and none",
        ),
        ({"action": "Photo", "with_actions": "Walking,Photo"}, "expected actions other than 'Photo', and none beside"),
        ({"action": "Photo", "with_actions": "Walking,All"}, "'All' stands for every action"),
        ({"start_from": "All"}, "parameter start_from: found 'All': expected a run folder's name without its path"),
        ({"start_from": f"../runs/{START}"}, "expected a run folder's name without its path"),
        ({"chunk": 3}, "parameter batch_size: found 64: a batch counts output frames, and a window has chunk = 3"),
        ({"warmup_epochs": 2}, "parameter warmup_epochs: found 2: this is a setting of semi-supervised training"),
        ({"without_terms": "bones"}, "no clip is unlabelled; give unlabelled_subjects or unlabelled_actions too"),
        ({**SEMI, "without_terms": "pose"}, "unknown term of the loss that can be left out 'pose'"),
        ({**SEMI, "without_terms": "trajectory,projection"}, "nothing would train the network of the trajectory"),
        ({"filter_widths": ",".join(["9"] * 100)}, "and see at most 10,000 frames"),
        ({"unlabelled_actions": "All,Eating"}, "'All' stands for every action; give it alone"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_refused_by_name(parameters, message) -> None:
    with pytest.raises(InputError) as refusal:
        make_config(RunConfig, parameters)
    assert message in str(refusal.value)


def test_what_depends_on_a_refused_setting_is_not_refused_as_well() -> None:
    with pytest.raises(InputError) as refusal:
        make_config(RunConfig, {"unlabelled_subjects": "S5,All", "warmup_epochs": 2, "projection": "linear"})
    assert str(refusal.value).splitlines() == [
        "parameter unlabelled_subjects: found 'S5,All': 'All' stands for every action; give it alone, or name some"
    ]


def test_several_refusals_are_all_listed() -> None:
    with pytest.raises(InputError) as refusal:
        make_config(RunConfig, {"channels": 0, "lr": "fast", "filter_widths": 4, "budget": "fiveteen"})
    lines = str(refusal.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        f"parameter {name}" for name in ("filter_widths", "channels", "lr", "budget")
    ]


def test_a_run_made_on_a_gpu_has_the_same_name_on_a_machine_without_one() -> None:
    names = {run_name(make_config(RunConfig, {"device": "cuda", "threads": threads}), "f") for threads in (1, 2, 0)}
    assert len(names) == 1
    assert run_name(make_config(RunConfig, {"device": "cpu"}), "f") not in names


def test_an_action_must_be_one_of_the_dataset_s_to_the_letter() -> None:
    check_data(make_config(RunConfig, {"action": "All"}))
    check_data(make_config(RunConfig, {"action": "Sitting", "with_actions": "Photo,Walking"}))
    for wrong in ({"action": "sitting"}, {"action": "Photo", "with_actions": "Walking,sitting"}):
        with pytest.raises(InputError, match="unknown action 'sitting': did you mean Sitting, SittingDown"):
            check_data(make_config(RunConfig, wrong))


def named(fingerprint: str = "abc", **changes) -> str:
    return run_name(RunConfig(action="Sitting").model_copy(update=changes), fingerprint)


def test_a_run_s_name_shows_how_it_differs_from_the_paper_s_runs() -> None:
    added = {"with_actions": ("Eating", "Photo", "Walking"), "train_share": 1 / 16, "start_from": START}
    assert re.fullmatch(r"Sitting\+3-27f-1ue-seed0-\w{10}", named(with_actions=added["with_actions"]))
    assert re.fullmatch(r"Sitting-27f-1ue-share0\.0625-seed0-\w{10}", named(train_share=1 / 16))
    assert re.fullmatch(r"Sitting-27f-0\.25ue-from06b751cf2e-seed0-\w{10}", named(start_from=START, unit_epochs=0.25))
    everything = named(**added)
    assert re.fullmatch(r"Sitting\+3-27f-1ue-share0\.0625-from06b751cf2e-seed0-\w{10}", everything)
    assert RunConfig(start_from=everything).start_from == everything


def test_a_run_s_name_shows_whose_labels_it_saw_and_whose_video_without() -> None:
    semi = {"labelled_subjects": ("S1",), "train_share": 0.1, "unlabelled_subjects": ("S5", "S6")}
    assert re.fullmatch(r"Sitting-27f-1ue-S1-share0\.1-semi-S5\+S6-seed0-\w{10}", named(**semi))
    assert re.fullmatch(r"Sitting-27f-1ue-semi-Eating-seed0-\w{10}", named(unlabelled_actions=("Eating",)))
    many = tuple(f"subject {number}" for number in range(20))
    name = named(labelled_subjects=("Train/S1",), unlabelled_subjects=many)
    assert re.fullmatch(r"Sitting-27f-1ue-Train_S1-semi-20-seed0-\w{10}", name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"unlabelled_subjects": "S5,S6"}, {"unlabelled_subjects": ["S6", "S5"]}),
        ({"unlabelled_subjects": "S5"}, {"unlabelled_subjects": "S5", "unlabelled_actions": "All"}),
        ({"unlabelled_subjects": "S5"}, {"unlabelled_subjects": "S5", "trajectory": True}),
        ({"unlabelled_actions": "Eating,Photo"}, {"unlabelled_actions": "Photo,Eating"}),
        ({"labelled_subjects": "1"}, {"labelled_subjects": 1}),
        ({}, {"share_at": "anywhere"}),
    ],
    ids=str,
)
def test_what_asks_for_the_same_is_the_same_run(one, other) -> None:
    first, second = (make_config(RunConfig, {"action": "Sitting", **given}) for given in (one, other))
    assert first == second
    assert run_name(first, "abc") == run_name(second, "abc")


@pytest.mark.parametrize("action", ["../../elsewhere", "one/other", "one\\other"])
def test_a_run_s_name_is_the_name_of_one_folder_whatever_its_action_is_called(action) -> None:
    name = run_name(RunConfig(action=action), "abc")
    assert not set(name) & set("/\\")
    assert RunConfig(start_from=name).start_from == name


NAMES = {
    "All-27f-1ue-seed0-dfd5885f55": {},
    "Sitting-27f-1ue-seed0-8ec7da162b": {"action": "Sitting"},
    "Eating-27f-16ue-seed3-6a2ecbd83f": {
        "action": "Eating", "seed": 3, "unit_epochs": 16.0, "channels": 64, "lr_decay_per": "unit_epoch",
        "bn_decay_per": "unit_epoch",
    },
    "Eating-243f-1ue-seed0-14931fddff": {
        "action": "Eating", "filter_widths": (3, 3, 3, 3, 3), "budget": "fifteen", "device": "cuda",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_runs_keep_their_names_when_settings_are_added(name) -> None:
    assert RESULT_FORMAT == 5, "new names are due: write them down here"
    assert run_name(RunConfig(**NAMES[name]), "abc") == name


def test_every_setting_is_either_part_of_the_name_or_says_where_the_data_lie() -> None:
    assert OTHER.keys() | LOCATED.keys() == RunConfig.model_fields.keys()
    for setting, value in {**OTHER, **LOCATED}.items():
        assert (named(**{setting: value}) != named()) == (setting in OTHER), setting


def test_the_same_settings_have_the_same_name_however_they_were_written() -> None:
    strings = {"action": "Sitting", "lr": "0.001", "unit_epochs": 1, "filter_widths": "3,3,3", "causal": "false"}
    assert run_name(make_config(RunConfig, {**strings, "device": "cpu"}), "abc") == named()


@pytest.mark.parametrize("setting", PER_FRAMES_SEEN)
def test_a_setting_that_cannot_change_the_baseline_gives_no_second_baseline(setting) -> None:
    changed = {setting: PER_FRAMES_SEEN[setting]}
    assert run_name(RunConfig(**changed), "abc") == run_name(RunConfig(), "abc")
    assert run_name(RunConfig(**changed, action="Sitting"), "abc") != run_name(RunConfig(action="Sitting"), "abc")


@pytest.mark.parametrize("fewer", [{"train_share": "0.5"}, {"labelled_subjects": "S1"}], ids=str)
def test_a_baseline_of_fewer_frames_has_epochs_and_so_schedules_of_its_own_but_one_budget(fewer) -> None:
    config = make_config(RunConfig, {**fewer, **PER_FRAMES_SEEN})
    assert (config.lr_decay_per, config.bn_decay_per, config.budget) == ("unit_epoch", "unit_epoch", "equal_frames")
    schedules = product(("epoch", "unit_epoch"), repeat=2)
    configs = [make_config(RunConfig, {**fewer, "lr_decay_per": lr, "bn_decay_per": bn}) for lr, bn in schedules]
    assert len({run_name(config, "a") for config in configs}) == 4
    whole = make_config(RunConfig, {"train_share": "1", **PER_FRAMES_SEEN})
    assert run_name(whole, "abc") == run_name(RunConfig(device=whole.device), "abc")


def test_the_document_of_parameters_is_what_the_configs_say() -> None:
    said = "outdated; python -m tests.helpers.parameter_tables writes it"
    assert parameter_tables.DOCUMENT.read_text(encoding="utf-8") == parameter_tables.write_tables(), said
