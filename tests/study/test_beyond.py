"""The questions beyond the paper's tables: each is runs that differ from those of the tables in a parameter or two."""

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.run import run_name
from pose3d_lib.study.beyond import (
    FEWER_FRAMES,
    FINE_TUNING,
    LAST_PART,
    MIXING,
    SHARES_OF_ALL,
    SHARES_OF_ONE,
    TOLD,
    mixed_actions,
    plan_beyond,
    study_runs,
)
from pose3d_lib.study.config import StudyConfig, plan_study
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.run_folders import Only

ACTIONS = ("Walking", "Sitting", "Eating", "Posing", "Photo")
ROWS = [
    ("S1", "Walking", "0", 0, 40), ("S1", "Walking", "1", 1, 20), ("S1", "Sitting", "0", 0, 30),
    ("S1", "Eating", "0", 0, 20), ("S1", "Posing", "0", 0, 50), ("S1", "Photo", "0", 0, 30),
    ("S1", "Greeting", "0", 0, 10),
    *(("S9", action, "0", 0, 5) for action in ACTIONS),
]  # fmt: skip
"""200 frames to train on; Greeting is not tested."""


@pytest.fixture(scope="module")
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def study(**parameters: object) -> StudyConfig:
    settings = {"device": "cpu", "channels": 6, "filter_widths": "3", "batch_size": 4}
    if parameters.get("beyond"):
        settings["schedules"] = "epoch,unit_epoch"
    return make_config(StudyConfig, {**settings, **parameters})


def changes(run: RunConfig, config: StudyConfig) -> dict[str, object]:
    """What a run has that differs from the baseline of the study's longest length, tested at its end alone."""
    length = config.lengths[-1]
    plain = RunConfig(**{**config.settings(length), "unit_epochs": length, "evaluate_at": (), "recompute_at": ()})
    return {name: value for name, value in run if value != getattr(plain, name) and name != "data_seed"}


SAME = {"lr_decay_per": "unit_epoch"}  # the schedule that is the same for both arms


def test_nothing_is_asked_beyond_the_tables_unless_the_study_says_so(data) -> None:
    assert plan_beyond(study(), Only(data)) == {}
    for given, long in (("8,2", 8), ("2", 2)):
        questions = plan_beyond(study(beyond=True, lengths=given, architectures="5x3,3x3"), Only(data))
        lengths = {question: {run.unit_epochs for run in runs} for question, runs in questions.items()}
        assert lengths == {FINE_TUNING: {0.75 * long, 0.25 * long}, TOLD: {long}, MIXING: {long}, FEWER_FRAMES: {long}}
        assert {run.filter_widths for runs in questions.values() for run in runs} == {(5, 3)}, "the first architecture"
        assert {run.evaluate_at for runs in questions.values() for run in runs} == {()}, "tested at the end alone"


def test_the_number_of_runs_of_the_whole_study(tiny_data) -> None:
    paper, more = (study(study=name, batch_size=8) for name in ("paper", "more"))
    questions = plan_beyond(more, Only(tiny_data))
    assert {question: len(runs) for question, runs in questions.items()} == {
        FINE_TUNING: 4 * (1 + 15),
        TOLD: 4,
        MIXING: 4 * 2 * 3,  # with 1, 3 and 7 others
        FEWER_FRAMES: 4 * 3 * 3,
    }
    assert sum(run.unit_epochs for runs in questions.values() for run in runs) == 1312
    plan = plan_study(paper, tiny_data)
    assert [len(runs) for runs in plan.values()] == [4 * 16] * 4
    assert len({run for runs in plan.values() for run in runs}) == 2 * (4 + 2 * 4 * 15)
    assert len(study_runs(paper, Only(tiny_data))) == 248 + 12  # four further training seeds of three models
    assert len(study_runs(more, Only(tiny_data))) == 260 + 64 + 4 + 24 + 36


def test_a_fine_tuned_model_sees_as_much_as_others_and_one_that_is_told_the_action_too(data) -> None:
    config = study(beyond=True, seeds="0,3", lengths="2,8")
    runs = plan_beyond(config, Only(data))[FINE_TUNING]
    assert LAST_PART == 0.25
    for seed, own in ((0, runs[:6]), (3, runs[6:])):
        other = {"seed": seed} if seed else {}
        assert changes(own[0], config) == {"unit_epochs": 6, **other}
        start = {"start_from": run_name(own[0], data.fingerprint), "lr": pytest.approx(config.lr * config.lr_decay**6)}
        expected = [{**SAME, **other, **start, "unit_epochs": 2, "action": action} for action in ACTIONS]
        assert [changes(run, config) for run in own[1:]] == expected
    total = sum(plan_run(run, data).budget.total for run in runs[:2])
    assert total == 8 * 400, "of both parts together"
    told = plan_beyond(config, Only(data))[TOLD]
    assert [changes(run, config) for run in told] == [{"action_input": True}, {"action_input": True, "seed": 3}]


def test_a_run_comes_after_the_one_that_it_starts_from(data) -> None:
    for parameters in ({}, {"architectures": "5x3,3x3"}, {"schedules": "unit_epoch", "budgets": "fifteen"}):
        runs = study_runs(study(beyond=True, training_seeds=2, seeds="0,1", **parameters), Only(data))
        assert len(set(runs)) == len(runs)
        place = {run_name(run, data.fingerprint): number for number, run in enumerate(runs)}
        starts = [(number, run.start_from) for number, run in enumerate(runs) if run.start_from]
        assert len(starts) == 10
        assert all(place[start] < number for number, start in starts)


def test_what_a_run_starts_from_is_of_its_seed_s_own_data(data, hand_made) -> None:
    config, own = study(beyond=True, seeds="0,3", focus="Eating"), {0: data, 3: hand_made(ROWS[1:])}
    runs = plan_beyond(config, {config.data_of(seed): own[seed] for seed in own})[FINE_TUNING]
    firsts = {run.seed: run_name(run, own[run.seed].fingerprint) for run in runs if run.is_baseline}
    assert {(run.seed, run.start_from) for run in runs if run.start_from} == set(firsts.items())


def test_mixing_adds_actions_step_by_step_to_those_in_focus(data) -> None:
    config = study(beyond=True, seeds="0,3", focus="Photo")
    runs = plan_beyond(config, Only(data))[MIXING]
    assert [(run.seed, len(run.with_actions)) for run in runs] == [(0, 1), (0, 3), (3, 1), (3, 3)]
    for run in runs:
        assert changes(run, config).keys() - {"seed"} == {"action", "with_actions", *SAME}
        assert (run.action, run.lr_decay_per) == ("Photo", "unit_epoch")
        assert set(run.with_actions) < set(ACTIONS) - {"Photo"}
    for actions, counts in ((1, []), (2, []), (3, [1]), (4, [1]), (5, [1, 3]), (9, [1, 3, 7]), (17, [1, 3, 7, 15])):
        names = [f"action {number}" for number in range(actions)]
        sets = mixed_actions(names, names[0], seed=1)
        assert sets == mixed_actions(names, names[0], seed=1), "the same every time"
        assert [len(set(others)) for others in sets] == counts, "to two, four, eight, but never to all"
        for smaller, larger in zip([(), *sets], sets, strict=False):
            assert larger[: len(smaller)] == smaller, "each with the one before"
            assert set(larger) < set(names[1:])


def test_fewer_frames_of_all_actions_and_of_those_in_focus(data) -> None:
    config = study(beyond=True, seeds="3", batch_size=2)
    runs = plan_beyond(config, Only(data))[FEWER_FRAMES]
    shares = {"": SHARES_OF_ALL, "Eating": SHARES_OF_ONE[1:], "Sitting": SHARES_OF_ONE[1:]}  # of 20 and 30 frames
    assert [changes(run, config) for run in runs] == [
        {**SAME, "seed": 3, "train_share": share, **({"action": action} if action else {})}
        for action, own in shares.items()
        for share in own
    ]
    assert [plan_run(run, data).budget.per_epoch for run in runs[3:]] == [2 * 3, 2 * 8, 2 * 5, 2 * 12]
    assert all(plan_run(run, data).budget.total == 400 for run in runs), "the same number of windows as any other run"
    larger = plan_beyond(study(beyond=True, seeds="3", batch_size=16), Only(data))[FEWER_FRAMES]
    assert {(run.action, run.train_share) for run in larger} == {("All", 1 / 4)}, (
        "what is less than a batch is left out"
    )
