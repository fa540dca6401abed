"""The questions beyond the paper's tables: each is runs that differ from those of the tables in a parameter or two."""

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.run import run_name
from pose3d_lib.study.beyond import (
    FEWER_FRAMES,
    MIXING,
    SHARES,
    SPECIALISED,
    SPECIALISING,
    mixed_actions,
    plan_beyond,
    share_of,
    study_runs,
)
from pose3d_lib.study.config import StudyConfig, plan_study, unique_runs
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
    """What a run has that differs from the baseline of the study's short length under the published schedule."""
    plain = RunConfig(**config.settings(config.short), unit_epochs=config.short)
    return {name: value for name, value in run if value != getattr(plain, name) and name != "data_seed"}


SAME = {"lr_decay_per": "unit_epoch"}  # the schedule that is the same for both arms


def test_nothing_is_asked_beyond_the_tables_unless_the_study_says_so(data) -> None:
    assert plan_beyond(study(), Only(data)) == {}
    questions = plan_beyond(study(beyond=True, lengths="8,2", architectures="5x3,3x3"), Only(data))
    lengths = {question: {run.unit_epochs for run in runs} for question, runs in questions.items()}
    assert lengths == {SPECIALISED: {0.5}, MIXING: {2}, FEWER_FRAMES: {2}}, "the short length"
    assert {run.filter_widths for runs in questions.values() for run in runs} == {(5, 3)}, "the first architecture"


def test_the_number_of_runs_of_the_whole_study(tiny_data) -> None:
    paper, more = (make_config(StudyConfig, {"study": name, "device": "cpu"}) for name in ("paper", "more"))
    assert {question: len(runs) for question, runs in plan_beyond(more, Only(tiny_data)).items()} == {
        SPECIALISED: 4 * 15,
        MIXING: 4 * 2 * 3,  # with 1, 3 and 7 others
        FEWER_FRAMES: 4 * (4 + 2 + 2 * 2),
    }
    plan = plan_study(paper, tiny_data)
    assert [len(runs) for runs in plan.values()] == [4 * 16] * 4
    assert len(unique_runs(plan)) == 2 * (4 + 2 * 4 * 15)
    assert len(study_runs(paper, Only(tiny_data))) == 248 + 12  # four further training seeds of three models
    assert len(study_runs(more, Only(tiny_data))) == 260 + 60 + 24 + 40


def test_the_original_is_specialised_on_every_action_for_a_quarter_of_its_length(data) -> None:
    config = study(beyond=True, seeds="0,3", lengths="2,8")
    runs = plan_beyond(config, Only(data))[SPECIALISED]
    starts = {
        run.seed: run_name(run, data.fingerprint)
        for run in unique_runs(plan_study(config, data))
        if run.is_baseline and run.unit_epochs == 2
    }
    assert SPECIALISING == 0.25
    assert [changes(run, config) for run in runs] == [
        {**SAME, "action": action, "unit_epochs": 0.5, "start_from": starts[seed], **({"seed": 3} if seed else {})}
        for seed in (0, 3)
        for action in ACTIONS
    ]


def test_a_run_comes_after_the_one_that_it_starts_from(data) -> None:
    for parameters in ({}, {"architectures": "5x3,3x3"}, {"schedules": "unit_epoch", "budgets": "fifteen"}):
        runs = study_runs(study(beyond=True, training_seeds=2, seeds="0,1", **parameters), Only(data))
        assert len(set(runs)) == len(runs)
        place = {run_name(run, data.fingerprint): number for number, run in enumerate(runs)}
        starts = [(number, run.start_from) for number, run in enumerate(runs) if run.start_from]
        assert len(starts) == 10
        assert all(place[start] < number for number, start in starts)


def test_what_depends_on_frames_and_folders_is_of_each_seed_s_own_data(data, hand_made) -> None:
    other = hand_made([*ROWS, ("S1", "Eating", "1", 0, 40)])
    config = study(beyond=True, seeds="0,3", focus="Eating")
    questions = plan_beyond(config, {config.data_of(0): data, config.data_of(3): other})
    of_all = [(run.seed, run.train_share) for run in questions[FEWER_FRAMES] if run.is_baseline]
    assert {own for own in of_all if own[1] not in SHARES} == {(0, 0.1)}
    assert share_of("Eating", other) == 0.25  # which is one of SHARES
    starts = {(run.seed, run.start_from[-10:]) for run in questions[SPECIALISED]}
    baselines = [run for run in unique_runs(plan_study(config, data)) if run.is_baseline]
    assert starts == {(run.seed, run_name(run, {0: data, 3: other}[run.seed].fingerprint)[-10:]) for run in baselines}


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


def test_fewer_frames_of_all_actions_as_many_as_of_those_in_focus_and_of_these(data) -> None:
    assert [share_of(action, data) for action in ("Walking", "Sitting", "Greeting")] == [0.3, 0.15, 0.05]
    assert SHARES == (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    config = study(beyond=True, seeds="3")
    runs = plan_beyond(config, Only(data))[FEWER_FRAMES]
    of_all = (1 / 16, 0.1, 1 / 8, 0.15, 1 / 4, 1 / 2)  # with those of Eating and of Sitting
    assert [changes(run, config) for run in runs] == [
        {**SAME, "seed": 3, "train_share": share, **({"action": action} if action else {})}
        for action, shares in (("", of_all), ("Eating", (1 / 4, 1 / 2)), ("Sitting", (1 / 4, 1 / 2)))
        for share in shares
    ]
    windows = [plan_run(run, data).budget.per_epoch for run in (runs[1], runs[3])]
    assert windows == [2 * (4 + 2 + 3 + 2 + 5 + 3 + 1), 2 * (6 + 3 + 4 + 3 + 8 + 4 + 2)]  # rounded clip by clip
    assert all(plan_run(run, data).budget.total == 400 for run in runs), "the same number of windows as any other run"
