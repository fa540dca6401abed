"""Parameters become one frozen config; what cannot be used is refused by name; a run's name tells runs apart."""

import os

import pydantic
import pytest
import torch

from pose3d_lib import config as config_module
from pose3d_lib.config import PRESETS, ResultsConfig, RunConfig, SweepConfig, check_data, make_config, run_name
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.model import TemporalLifter
from pose3d_lib.precision import PRECISIONS
from pose3d_lib.sources.spec import DataSpec

ROWS = [
    ("S1", "Walking", "0", 0, 30),
    ("S1", "Sitting", "0", 0, 20),
    ("S1", "SittingDown", "0", 0, 10),
    ("S1", "Posing", "0", 0, 10),
    ("S9", "Walking", "0", 0, 5),
    ("S9", "Sitting", "0", 0, 5),
    ("S9", "SittingDown", "0", 0, 5),
    ("S9", "Eating", "0", 0, 5),
]

OTHER = {
    "keypoints": "gt",
    "filter_widths": (3, 3),
    "channels": 64,
    "dropout": 0.5,
    "causal": True,
    "batch_size": 128,
    "lr": 0.002,
    "lr_decay": 0.9,
    "unit_epochs": 2,
    "budget": "fifteen",
    "lr_decay_per": "unit_epoch",
    "bn_decay_per": "unit_epoch",
    "evaluate_at": (0.5,),
    "threads": 2,
    "device": "cuda",
    "precision": "bfloat16",
    "cuda_graphs": True,
    "action": "SittingDown",
    "seed": 1,
}
LOCATED = {
    "dataset": "/elsewhere/motion.npz",
    "scale": "tiny",
    "data_seed": 1,
    "fps": 25.0,
    "train_subjects": ("ann",),
    "test_subjects": ("bob",),
    "leave_out": ("ann/Walking/1",),
    "pattern": "{action}_{subject}_{take}.bvh",
    "joints": "cmu",
    "units": "cm",
    "up": "y",
    "image_size": "1920x1080",
    "person": "score",
    "max_gap": 5,
}
PER_FRAMES_SEEN = {"budget": "fifteen", "lr_decay_per": "unit_epoch", "bn_decay_per": "unit_epoch"}


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def arms(configs: list[RunConfig]) -> list[tuple[str, int]]:
    return [(config.action, config.seed) for config in configs]


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


def test_the_27_frame_preset_has_the_published_number_of_parameters() -> None:
    config = make_config(RunConfig, {"preset": "paper_27"})
    lifter = TemporalLifter(17, 2, 17, config.filter_widths, channels=config.channels)
    assert lifter.num_parameters == 8_555_571


@pytest.mark.parametrize("nothing", [None, "None", "null"])
def test_none_leaves_a_setting_to_the_preset(nothing) -> None:
    config = make_config(RunConfig, {"preset": "paper_243", "channels": nothing, "filter_widths": nothing})
    assert (config.channels, config.receptive_field) == (1024, 243)
    assert make_config(RunConfig, {"preset": nothing}) == make_config(RunConfig, {})


def test_a_value_given_overrides_the_preset() -> None:
    config = make_config(RunConfig, {"preset": "paper_243", "channels": 64})
    assert (config.channels, config.batch_size, config.receptive_field) == (64, 1024, 243)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", [RunConfig, SweepConfig, ResultsConfig])
def test_every_preset_makes_every_kind_of_config(kind, preset) -> None:
    config = make_config(kind, {"preset": preset})
    assert {name: getattr(config, name) for name in PRESETS[preset] if name != "threads"} == {
        name: value for name, value in PRESETS[preset].items() if name != "threads"
    }


# What is accepted


@pytest.mark.parametrize(
    ("given", "widths"), [("3,3,3", (3, 3, 3)), ("[3, 3, 3]", (3, 3, 3)), ("(5, 3)", (5, 3)), (3, (3,)), ("7", (7,))]
)
def test_widths_may_be_written_as_a_command_line_gives_them(given, widths) -> None:
    assert make_config(RunConfig, {"filter_widths": given}).filter_widths == widths
    assert make_config(RunConfig, {"filter_widths": list(widths)}).filter_widths == widths


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("lr", "1e-4", 0.0001),
        ("causal", "true", True),
        ("causal", "False", False),
        ("channels", "64", 64),
        ("unit_epochs", "2.5", 2.5),
        ("seed", "7", 7),
        ("evaluate_at", "0.5, 2", (0.5, 2.0)),
        ("evaluate_at", "[]", ()),
    ],
)
def test_numbers_and_booleans_may_be_strings(name, given, value) -> None:
    assert getattr(make_config(RunConfig, {name: given}), name) == value


def test_seeds_and_actions_may_be_a_list_in_a_string() -> None:
    config = make_config(SweepConfig, {"seeds": "0, 1,2", "actions": "['Sitting', 'Walking']"})
    assert config.seeds == (0, 1, 2)
    assert config.actions == ("Sitting", "Walking")


@pytest.mark.parametrize(("given", "actions"), [("", ()), ("Sitting", ("Sitting",)), ([], ())])
def test_one_action_or_none_are_lists_too(given, actions) -> None:
    assert make_config(SweepConfig, {"actions": given}).actions == actions


def test_the_points_of_tests_on_the_way_are_sorted_and_each_there_once() -> None:
    assert make_config(RunConfig, {"evaluate_at": [2, 0.5, 2.0, 1]}).evaluate_at == (0.5, 1, 2)


@pytest.mark.parametrize("none", [0, "0"], ids=repr)
def test_no_threads_are_all_cores(none) -> None:
    assert make_config(RunConfig, {"threads": none}).threads == os.cpu_count()


def test_an_automatic_device_is_one_that_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert make_config(RunConfig, {"device": "auto"}).device == expected
    assert make_config(RunConfig, {}).device == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("kind", [RunConfig, SweepConfig, ResultsConfig])
@pytest.mark.parametrize("fastest", PRECISIONS)
def test_an_automatic_precision_is_the_fastest_of_the_device(kind, device, fastest, monkeypatch) -> None:
    other = next(name for name in PRECISIONS if name != fastest)
    monkeypatch.setattr(config_module, "fastest_precision", lambda asked: fastest if asked == device else other)
    assert make_config(kind, {"device": device, "precision": "auto"}).precision == fastest
    assert make_config(kind, {"device": device, "precision": other}).precision == other


def test_an_automatic_precision_is_of_the_device_that_an_automatic_device_is(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(config_module, "fastest_precision", lambda device: asked.append(device) or "bfloat16")
    assert make_config(RunConfig, {"device": "auto", "precision": "auto"}).precision == "bfloat16"
    assert asked == ["cuda" if torch.cuda.is_available() else "cpu"]


def test_an_automatic_precision_is_there_on_this_machine_and_a_run_has_it_in_its_name() -> None:
    automatic = make_config(RunConfig, {"device": "cpu", "precision": "auto"})
    assert automatic.precision in PRECISIONS
    given = [make_config(RunConfig, {"device": "cpu", "precision": name}) for name in PRECISIONS]
    assert automatic in given
    assert len({run_name(one, "abc") for one in (*given, automatic)}) == 2


def test_the_part_that_says_which_data_keeps_every_setting_of_it() -> None:
    config = make_config(RunConfig, {**LOCATED, "keypoints": "gt", "channels": 8})
    assert config.data == DataSpec(**LOCATED, keypoints="gt")


def test_a_config_is_frozen() -> None:
    config = make_config(RunConfig, {})
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        config.seed = 3


# What is refused


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"chanels": 64}, "unknown parameter 'chanels': did you mean channels?"),
        ({"Seed": 1}, "unknown parameter 'Seed': did you mean seed"),
        ({"learning_rate": None}, "unknown parameter 'learning_rate'"),
        ({"preset": "paper27"}, "unknown preset 'paper27': did you mean paper_27"),
        ({"filter_widths": "3,4,3"}, "parameter filter_widths: found '3,4,3': widths must be odd and positive"),
        ({"filter_widths": "[3,-3]"}, "widths must be odd and positive"),
        ({"filter_widths": "[]"}, "widths must be odd and positive"),
        ({"budget": "equal_frame"}, "did you mean 'equal_frames'"),
        ({"bn_decay_per": "unit"}, "parameter bn_decay_per: found 'unit'"),
        ({"scale": "smal"}, "unknown scale 'smal': did you mean small?"),
        ({"channels": 1.5}, "parameter channels: found 1.5"),
        ({"batch_size": 1}, "parameter batch_size: found 1"),
        ({"dropout": 1}, "parameter dropout: found 1"),
        ({"lr": 0}, "parameter lr: found 0"),
        ({"lr_decay": 1.01}, "parameter lr_decay: found 1.01"),
        ({"unit_epochs": 0}, "parameter unit_epochs: found 0"),
        ({"evaluate_at": "0,1"}, "unit epochs must be positive"),
        ({"seed": -1}, "parameter seed: found -1"),
        ({"seed": 2**70}, "parameter seed: found "),
        ({"unit_epochs": "inf"}, "parameter unit_epochs: found 'inf'"),
        ({"lr": "inf"}, "parameter lr: found 'inf'"),
        ({"evaluate_at": "1,nan"}, "parameter evaluate_at.1: found 'nan'"),
        ({"device": "gpu"}, "parameter device: found 'gpu'"),
        ({"precision": "bfloat"}, "parameter precision: found 'bfloat': Input should be 'float32' or 'bfloat16'"),
        ({"precision": "float23"}, "did you mean 'float32'?"),
        ({"precision": "fp16"}, "parameter precision: found 'fp16'"),
        ({"causal": "perhaps"}, "parameter causal: found 'perhaps'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_refused_by_name(parameters, message) -> None:
    with pytest.raises(InputError) as refusal:
        make_config(RunConfig, parameters)
    assert message in str(refusal.value)


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


@pytest.mark.parametrize("seeds", ["", "0,-1", [2**70]], ids=str)
def test_no_seeds_of_a_sweep_and_seeds_that_no_run_can_have_are_refused(seeds) -> None:
    with pytest.raises(InputError, match="parameter seeds"):
        make_config(SweepConfig, {"seeds": seeds})


def test_a_setting_of_a_sweep_is_no_setting_of_a_run() -> None:
    with pytest.raises(InputError, match="unknown parameter 'seeds': did you mean seed"):
        make_config(RunConfig, {"seeds": "0,1"})


def test_the_data_alone_have_no_preset() -> None:
    assert make_config(DataSpec, {"scale": "tiny"}).scale == "tiny"
    with pytest.raises(InputError, match="unknown parameter 'preset'"):
        make_config(DataSpec, {"preset": "tiny"})


def test_an_action_must_be_one_of_the_dataset_s_to_the_letter() -> None:
    check_data(make_config(RunConfig, {"action": "All"}))
    check_data(make_config(RunConfig, {"action": "Sitting"}))
    with pytest.raises(InputError, match="unknown action 'sitting': did you mean Sitting, SittingDown"):
        check_data(make_config(RunConfig, {"action": "sitting"}))


@pytest.mark.parametrize("kind", [SweepConfig, ResultsConfig])
def test_the_actions_of_a_sweep_are_checked_beforehand_and_all_is_none_of_them(kind: type) -> None:
    check_data(make_config(kind, {"actions": "Sitting,Walking"}))
    for action in ("Sit", "All"):
        with pytest.raises(InputError, match=f"unknown action {action!r}"):
            check_data(make_config(kind, {"actions": action}))


def named(fingerprint: str = "abc", **changes) -> str:
    return run_name(RunConfig(action="Sitting").model_copy(update=changes), fingerprint)


def test_a_run_s_name_can_be_read() -> None:
    assert named().startswith("Sitting-27f-1ue-seed0-")
    assert named(unit_epochs=2.5, seed=3, filter_widths=(3, 3)).startswith("Sitting-9f-2.5ue-seed3-")


def test_every_setting_is_either_part_of_the_name_or_says_where_the_data_lie() -> None:
    assert OTHER.keys() | LOCATED.keys() == RunConfig.model_fields.keys()
    assert not OTHER.keys() & LOCATED.keys()


@pytest.mark.parametrize("setting", OTHER)
def test_the_name_changes_with_every_setting_that_the_result_depends_on(setting) -> None:
    assert named(**{setting: OTHER[setting]}) != named()


@pytest.mark.parametrize("setting", LOCATED)
def test_the_name_does_not_depend_on_where_the_data_lie(setting) -> None:
    assert named(**{setting: LOCATED[setting]}) == named()


def test_the_name_changes_with_the_data_themselves() -> None:
    assert named("abd") != named("abc")


def test_the_same_settings_have_the_same_name_however_they_were_written() -> None:
    strings = {"action": "Sitting", "lr": "0.001", "unit_epochs": 1, "filter_widths": "3,3,3", "causal": "false"}
    assert run_name(make_config(RunConfig, {**strings, "device": "cpu"}), "abc") == named()


@pytest.mark.parametrize("setting", PER_FRAMES_SEEN)
def test_a_setting_that_cannot_change_the_baseline_gives_no_second_baseline(setting) -> None:
    changed = {setting: PER_FRAMES_SEEN[setting]}
    assert run_name(RunConfig(**changed), "abc") == run_name(RunConfig(), "abc")
    assert run_name(RunConfig(**changed, action="Sitting"), "abc") != run_name(RunConfig(action="Sitting"), "abc")


def test_a_wrong_setting_of_the_baseline_is_refused_even_where_it_changes_nothing() -> None:
    with pytest.raises(InputError, match="parameter budget: found 'sixteen'"):
        make_config(RunConfig, {"budget": "sixteen"})


# Plans


def test_a_plan_holds_for_every_seed_the_baseline_and_then_each_action(data) -> None:
    plan = make_config(SweepConfig, {"seeds": [3, 1]}).plan(data)
    actions = ["All", "Walking", "Sitting", "SittingDown"]  # Posing is not tested, Eating not trained on
    assert arms(plan) == [(action, 3) for action in actions] + [(action, 1) for action in actions]


def test_a_plan_of_some_actions_has_those_in_the_order_given(data) -> None:
    plan = make_config(SweepConfig, {"actions": "SittingDown, Walking"}).plan(data)
    assert arms(plan) == [("All", 0), ("SittingDown", 0), ("Walking", 0)]


def test_a_seed_or_an_action_given_twice_is_run_once(data) -> None:
    plan = make_config(SweepConfig, {"seeds": "3,3", "actions": "Sitting,Sitting"}).plan(data)
    assert arms(plan) == [("All", 3), ("Sitting", 3)]


def test_sitting_does_not_take_sitting_down_along(data) -> None:
    assert arms(make_config(SweepConfig, {"actions": "Sitting"}).plan(data)) == [("All", 0), ("Sitting", 0)]


@pytest.mark.parametrize("action", ["Posing", "Eating", "sitting", "Sit", "All"])
def test_a_plan_refuses_an_action_that_cannot_be_trained_or_tested_and_lists_those_that_can(action, data) -> None:
    config = make_config(SweepConfig, {"actions": ["Walking", action]})
    with pytest.raises(InputError, match="Valid: Walking, Sitting, SittingDown") as refusal:
        config.plan(data)
    assert repr(action) in str(refusal.value)


def test_a_plan_s_runs_have_the_sweep_s_settings(data) -> None:
    settings = {name: value for name, value in (OTHER | LOCATED).items() if name not in ("action", "seed", "device")}
    for config in make_config(SweepConfig, {**settings, "device": "cpu", "jobs": 2}).plan(data):
        kept = settings if config.action != "All" else {n: settings[n] for n in settings.keys() - PER_FRAMES_SEEN}
        assert {name: getattr(config, name) for name in kept} == kept


def test_a_run_by_hand_has_the_name_of_the_same_run_in_a_sweep(data) -> None:
    for config in make_config(SweepConfig, {"preset": "tiny", "evaluate_at": "0.5,1"}).plan(data):
        by_hand = make_config(RunConfig, {"preset": "tiny", "evaluate_at": "0.5,1", "action": config.action})
        assert run_name(by_hand, "abc") == run_name(config, "abc")


def test_long_runs_are_the_short_ones_but_for_their_length(data) -> None:
    config = make_config(ResultsConfig, {"preset": "tiny", "seeds": "0,1", "actions": "Sitting", "lr": 0.002})
    assert [run.unit_epochs for run in config.plan(data)] == [1.0] * 4
    longer = config.long_plan(data)
    assert [run.unit_epochs for run in longer] == [80.0] * 4
    assert [run.model_copy(update={"unit_epochs": 1.0}) for run in longer] == config.plan(data)


def test_long_runs_may_have_a_preset_of_their_own(data) -> None:
    given = {"preset": "tiny", "long_preset": "paper_243", "long_unit_epochs": 60, "seeds": 5, "lr": 0.002}
    config = make_config(ResultsConfig, given)
    assert {run.channels for run in config.plan(data)} == {16}
    longer = config.long_plan(data)
    assert arms(longer) == arms(config.plan(data))
    for run in longer:
        assert (run.receptive_field, run.channels, run.batch_size) == (243, 1024, 1024)
        assert (run.unit_epochs, run.lr, run.threads) == (60.0, 0.002, os.cpu_count())


def test_the_default_preset_of_long_runs_undoes_the_short_runs_preset(data) -> None:
    config = make_config(ResultsConfig, {"preset": "paper_27", "long_preset": "default", "dropout": 0.1})
    expected = make_config(RunConfig, {"dropout": 0.1, "unit_epochs": 80})
    settings = RunConfig.model_fields.keys() - {"action"}
    for run in config.long_plan(data):
        assert {name: getattr(run, name) for name in settings} == {n: getattr(expected, n) for n in settings}


def test_an_unknown_preset_of_long_runs_is_refused() -> None:
    with pytest.raises(InputError, match="unknown preset 'paper_244': did you mean paper_243"):
        make_config(ResultsConfig, {"long_preset": "paper_244"})


def test_an_automatic_precision_is_not_blamed_for_a_wrong_device() -> None:
    with pytest.raises(InputError) as refusal:
        make_config(RunConfig, {"device": "gpu", "precision": "auto"})
    assert "precision" not in str(refusal.value)
