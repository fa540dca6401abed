"""The study: which runs it plans, in which order, once each; and what it refuses before anything is run."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report.parameters import check_parameters
from pose3d_lib.runs.run import run_name
from pose3d_lib.study.config import (
    Condition,
    StudyConfig,
    choose_actions,
    plan_study,
    timed_runs,
    training_seed_runs,
)
from pose3d_lib.training.budget import BUDGETS
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from pose3d_lib.training.settings import Settings

ROWS = [
    ("S1", "Walking", "0", 0, 30), ("S1", "Sitting", "0", 0, 20), ("S1", "SittingDown", "0", 0, 10),
    ("S1", "Posing", "0", 0, 10), ("S9", "Walking", "0", 0, 5), ("S9", "Sitting", "0", 0, 5),
    ("S9", "SittingDown", "0", 0, 5), ("S9", "Eating", "0", 0, 5),
]  # fmt: skip
WITH_EATING = [*ROWS, ("S1", "Eating", "0", 0, 40)]
WIDE = (3, 3, 3)


@pytest.fixture(scope="module")
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


@pytest.fixture(scope="module")
def paper_data(hand_made) -> PoseDataset:
    return hand_made(WITH_EATING)


def study(**parameters: object) -> StudyConfig:
    return make_config(StudyConfig, {"device": "cpu", **parameters})


def arms(runs: list[RunConfig]) -> list[tuple[str, int]]:
    return [(run.action, run.seed) for run in runs]


def unique_runs(plan: dict[Condition, list[RunConfig]]) -> list[RunConfig]:
    return list(dict.fromkeys(run for runs in plan.values() for run in runs))


def only_runs(config: StudyConfig, data: PoseDataset) -> list[RunConfig]:
    """The runs of a study with a single condition."""
    (runs,) = plan_study(config, data).values()
    return runs


# What is accepted


def test_a_study_has_its_settings_and_a_value_given_overrides_them_and_its_preset() -> None:
    quick = study()
    assert (quick.seeds, quick.lengths, quick.short, quick.long) == ((0, 1, 2, 3), (1.0,), 1.0, None)
    assert quick.conditions(1.0) == [Condition(1.0, "epoch", "equal_frames", WIDE)]
    assert (quick.training_seeds, quick.timed, quick.beyond, quick.channels) == (0, 4, False, 64)
    for name in ("paper", "more"):
        config = study(study=name)
        assert (config.seeds, config.training_seeds, config.timed) == ((0, 1, 2, 3), 5, 3)
        assert (config.short, config.long, config.schedules) == (1.0, 16.0, ("epoch", "unit_epoch"))
        assert (config.channels, config.receptive_field, config.beyond) == (64, 27, name == "more")
    config = study(study="paper", preset="paper_243", lengths="1,80", channels=32, training_seeds=0, seeds=7)
    assert (config.lengths, config.channels, config.training_seeds, config.seeds) == ((1.0, 80.0), 32, 0, (7,))
    assert (config.batch_size, config.receptive_field) == (1024, 243)
    names = ("seeds", "lengths", "schedules", "preset", "channels", "training_seeds")
    for nothing in (None, "None", "null"):
        assert study(study="paper", **dict.fromkeys(names, nothing)) == study(study="paper")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("seeds", "0, 1,2", (0, 1, 2)),
        ("seeds", 3, (3,)),
        ("actions", "['Sitting', 'Walking']", ("Sitting", "Walking")),
        ("actions", "Sitting,Walking,Sitting", ("Sitting", "Walking")),
        ("lengths", "16, 1,1.0", (1.0, 16.0)),
        ("schedules", ["epoch", "epoch"], ("epoch",)),
        ("architectures", "3x3x3,3x3x3x3x3", (WIDE, (3,) * 5)),
        ("architectures", [[3, 3], "5x3"], ((3, 3), (5, 3))),
        ("architectures", 7, ((7,),)),
    ],
)
def test_lists_and_switches_may_be_written_as_papermill_and_a_command_line_give_them(name, given, value) -> None:
    assert getattr(study(**{name: given}), name) == value


# What is refused


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"study": "papers"}, "unknown study 'papers': did you mean paper?"),
        ({"action": "Sitting"}, "unknown parameter 'action': did you mean actions"),
        ({"schedule": "epoch"}, "unknown parameter 'schedule': did you mean scheduler, schedules"),
        ({"seeds": ""}, "parameter seeds: found '': Value should have at least 1 item"),
        ({"seeds": "0,-1"}, "parameter seeds: found '-1'"),
        ({"actions": "Sitting,All"}, "parameter actions: found 'Sitting,All': 'All' is the baseline"),
        ({"lengths": "1,2,4"}, "parameter lengths: found '1,2,4': give two at most"),
        ({"long_preset": "paper_244"}, "unknown preset 'paper_244': did you mean paper_243"),
        ({"schedules": "unit_epock"}, "did you mean 'unit_epoch'?"),
        ({"schedules": "lr_unit_epoch"}, "parameter schedules: found 'lr_unit_epoch'"),
        ({"timed": -1}, "parameter timed: found -1"),
        ({"architectures": "3x4"}, "parameter architectures: found '3x4': filter widths must be odd and positive"),
        ({"architectures": "3xa"}, "parameter architectures: found 'a'"),
        ({"architectures": "3,3,3"}, "parameter architectures: found '3,3,3': one is there twice; join the widths"),
        (
            {"study": "more", "schedules": "epoch"},
            "beyond compares its runs with those under the schedule 'unit_epoch'",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused_by_name(parameters, message) -> None:
    with pytest.raises(InputError) as refusal:
        study(**parameters)
    assert message in str(refusal.value)


def test_named_actions_are_checked_before_the_data_are_opened() -> None:
    for name in ("actions", "focus"):
        check_data(study(**{name: "Sitting,Walking"}))
        with pytest.raises(InputError, match="unknown action 'Sit': did you mean Sitting, SittingDown"):
            check_data(study(**{name: "Walking,Sit"}))


def test_both_notebooks_take_the_same_parameters() -> None:
    parameters = {"study": "more", "seeds": "0,1", "scale": "tiny", "architectures": "3x3"}
    for notebook in ("03_action_based", "04_results"):
        assert check_parameters(notebook, parameters) == make_config(StudyConfig, parameters)


# Which actions


def test_actions_have_train_and_test_clips_and_in_focus_are_the_two_of_the_paper_or_else_the_first_two(
    data, paper_data
) -> None:
    assert choose_actions(study(), data) == (["Walking", "Sitting", "SittingDown"], ["Walking", "Sitting"])
    assert choose_actions(study(), paper_data)[1] == ["Eating", "Sitting"]
    for actions, focus in (
        ("SittingDown,Eating,Sitting", ["Eating", "Sitting"]),
        ("SittingDown, Eating,Walking", ["SittingDown", "Eating"]),
        ("Sitting", ["Sitting"]),
    ):
        assert choose_actions(study(actions=actions), paper_data) == (actions.replace(" ", "").split(","), focus)
    assert choose_actions(study(focus="Walking,SittingDown,Eating"), paper_data)[1][2] == "Eating"


def test_an_action_that_cannot_be_trained_or_tested_is_refused_and_those_that_can_are_listed(data, hand_made) -> None:
    for action in ("Posing", "Eating", "sitting", "Sit"):
        for parameters in ({"actions": ["Walking", action]}, {"focus": [action]}):
            with pytest.raises(InputError, match=f"{action!r}.*Valid: Walking, Sitting, SittingDown"):
                plan_study(study(**parameters), data)
    with pytest.raises(InputError, match="action of this study, to focus on 'Sitting': did you mean SittingDown"):
        plan_study(study(actions="Walking,SittingDown", focus="Sitting"), data)
    apart = hand_made([("S1", "Walking", "0", 0, 9), ("S9", "Sitting", "0", 0, 9)])
    with pytest.raises(InputError, match=r"no action has both train clips \(Walking\) and test clips \(Sitting\)"):
        plan_study(study(), apart)


# Which runs


def test_training_seeds_are_short_runs_that_differ_in_nothing_else(paper_data) -> None:
    config = study(seeds="1,0", lengths="1,16", training_seeds=2)
    runs = training_seed_runs(config, paper_data)
    assert arms(runs) == [(action, seed) for action in ("All", "Eating", "Sitting") for seed in (0, 1)]
    first = [run for run in unique_runs(plan_study(config, paper_data)) if run.seed == 1 and run.unit_epochs == 1]
    assert [run.model_copy(update={"seed": 1}) in first for run in runs] == [True] * 6
    assert training_seed_runs(study(), paper_data) == []


def test_timed_runs_are_the_longest_of_an_action_with_folders_of_their_own(paper_data) -> None:
    config = study(seeds="1,0", lengths="1,16", timed=2)
    runs = timed_runs(config, paper_data)
    assert [(run.action, run.timed) for run in runs] == [("Eating", 1), ("Eating", 2)]
    assert {(run.unit_epochs, run.seed, run.evaluate_at, run.recompute_at) for run in runs} == {(16.0, 1, (), ())}
    names = {run_name(run, "abc") for run in (*runs, *unique_runs(plan_study(config, paper_data)))}
    assert len(names) == 2 + 2 * 2 * 5
    assert sum("-seed1-timed" in name for name in names) == 2


def test_a_plan_s_runs_have_the_study_s_settings(data) -> None:
    common = {"keypoints": "gt", "max_gap": 5, "filter_widths": (3, 5), "causal": True, "mirror_testing": False}
    config = study(**common, dataset="/elsewhere/motion.npz", threads=2, jobs=2)
    assert all(common[name] == getattr(config, name) != Settings.model_fields[name].default for name in common)
    for run in only_runs(config, data):
        assert all(getattr(run, name) == getattr(config, name) for name in Settings.model_fields)
    assert list(plan_study(study(filter_widths="5,3"), data)) == [Condition(1.0, "epoch", "equal_frames", (5, 3))]


def test_a_run_by_hand_has_the_name_of_the_same_run_in_a_study(data) -> None:
    settings = {"preset": "tiny", "evaluate_at": "0.5,1", "device": "cpu"}
    for run in only_runs(study(**settings, schedules="unit_epoch"), data):
        own = {"lr_decay_per": "unit_epoch", "action": run.action, "seed": run.seed, "data_seed": run.seed}
        by_hand = make_config(RunConfig, {**settings, **own})
        assert run_name(by_hand, "abc") == run_name(run, "abc")


def test_every_seed_of_generated_data_has_a_dataset_and_files_are_the_same_for_all(data) -> None:
    for dataset, own in (("synthetic", (7, 5)), ("synthetic_h36m", (7, 5)), ("/elsewhere/motion.npz", (4, 4))):
        config = study(dataset=dataset, keypoints="gt", seeds="3,1", data_seed=4, training_seeds=2)
        for run in only_runs(config, data):
            assert run.data_seed == own[(3, 1).index(run.seed)]
            assert run.data == config.data_of(run.seed)
        assert config.data == config.data_of(3)
        assert len({config.data_of(seed) for seed in config.seeds}) == len(set(own))
        alone = [*training_seed_runs(config, data), *timed_runs(config, data)]
        assert {run.data for run in alone} == {config.data}, "that of the first seed"


def test_each_seed_may_hold_out_another_subject_of_files(data) -> None:
    config = study(dataset="/elsewhere/motion.npz", keypoints="gt", seeds="3,1", leave_one_out=True, training_seeds=2)
    assert {run.seed: run.held_out for run in only_runs(config, data)} == {3: 0, 1: 1}
    assert len({config.data_of(seed) for seed in config.seeds}) == 2
    assert {run.held_out for run in training_seed_runs(config, data)} == {0}
    with pytest.raises(InputError, match="leave_one_out is for files: each seed of 'synthetic' has people of its own"):
        study(leave_one_out=True)


# Long runs


def test_long_runs_are_the_short_ones_but_for_their_length_or_have_a_preset_of_their_own(data) -> None:
    given = {"preset": "tiny", "seeds": "5,0", "actions": "Sitting", "lr": 0.002, "lengths": "60,1"}
    short, long = plan_study(study(**given), data).values()
    assert {run.unit_epochs for run in short} == {1}
    assert [run.model_copy(update={"unit_epochs": 60.0}) for run in short] == long
    (_, same), (condition, long) = plan_study(study(**given, long_preset="paper_243"), data).items()
    assert (same, condition.widths, arms(long)) == (short, (3,) * 5, arms(short))
    for run in long:
        assert (run.receptive_field, run.channels, run.batch_size) == (243, 1024, 1024)
        assert (run.unit_epochs, run.lr, run.threads) == (60.0, 0.002, os.cpu_count())


def test_the_default_preset_of_long_runs_undoes_the_short_runs_preset(data) -> None:
    config = study(preset="paper_243", long_preset="default", dropout=0.1, lengths="1,80", seeds=0)
    long = list(plan_study(config, data).values())[1]
    expected = make_config(RunConfig, {"dropout": 0.1, "unit_epochs": 80, "device": "cpu"})
    for run in long:
        assert run.model_copy(update={"action": "All"}) == expected


# Any plan


@settings(max_examples=15, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    lengths=st.lists(st.sampled_from([0.5, 1, 4]), min_size=1, max_size=2),
    schedules=st.lists(st.sampled_from(["epoch", "unit_epoch"]), min_size=1, max_size=2),
    budgets=st.lists(st.sampled_from(BUDGETS), min_size=1, max_size=2),
    architectures=st.lists(st.sampled_from(["3x3x3", "5x3"]), min_size=1, max_size=2, unique=True),
    actions=st.lists(st.sampled_from(["Walking", "Sitting", "SittingDown", "Eating"]), max_size=4),
)
def test_in_any_plan_every_seed_has_the_baseline_and_then_each_action_once(paper_data, **lists) -> None:
    config = study(**lists, channels=8)
    actions, _ = choose_actions(config, paper_data)
    plan = plan_study(config, paper_data)
    for condition, runs in plan.items():
        for run in runs:
            assert (run.unit_epochs, run.filter_widths) == (condition.unit_epochs, condition.widths)
            assert run.is_baseline or (run.lr_decay_per, run.budget) == (condition.schedule, condition.budget)
        assert arms(runs) == [(action, seed) for seed in config.seeds for action in ("All", *actions)]
    unique = unique_runs(plan)
    assert len({run_name(run, "abc") for run in unique}) == len(unique)
    baselines = {run for run in unique if run.is_baseline}
    assert len(baselines) == len(config.lengths) * len(config.seeds) * len(config.architectures)
