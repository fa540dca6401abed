"""What a study has: its finished runs by condition and question, what it lacks, and where its tables go."""

from dataclasses import replace
from itertools import combinations

import pytest

from pose3d_lib.common.paths import outputs_dir
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.study.beyond import FINE_TUNING, MIXING, study_parts, study_runs
from pose3d_lib.study.config import StudyConfig, plan_study, timed_runs
from pose3d_lib.study.results import StudyResults, collect_study, find_runs, results_dir
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from tests.helpers.run_folders import TINY, Only, make_study, write_run, write_runs

WIDE = (3, 3, 3)


# Its runs


def test_every_planned_run_is_found_once_and_under_its_condition_or_question(whole: StudyResults) -> None:
    planned = study_parts(whole.config, whole.datasets)
    assert {part: [run.config for run in runs] for part, runs in whole.parts.items()} == planned
    for condition in plan_study(whole.config, whole.data):
        runs = [run.config for run in whole.parts[condition]]
        assert {run.unit_epochs for run in runs} == {condition.unit_epochs}
        of_actions = {(run.lr_decay_per, run.budget) for run in runs if not run.is_baseline}
        assert of_actions == {(condition.schedule, condition.budget)}
    timed = timed_runs(whole.config, whole.data)
    assert [*whole.found] == whole.planned == [*study_runs(whole.config, whole.datasets), *timed]
    assert whole.missing == []


def test_what_is_not_finished_is_missing(tiny_data: PoseDataset) -> None:
    config = make_study(study="more", preset="tiny", seeds="0", training_seeds=0, timed=0, lengths=1)
    planned = study_runs(config, Only(tiny_data))
    begun, *done = [run for run in planned if run.action == "Eating" and not run.start_from]
    (write_run(begun, tiny_data).folder / "finished.json").unlink()
    write_runs(done, tiny_data)
    found = collect_study(config, Only(tiny_data))
    assert [*found.found] == done
    assert found.missing == [run for run in planned if run not in done]
    assert found.parts[FINE_TUNING] == []
    assert {run.config.action for run in found.parts[MIXING]} == {"Eating"}


def found_of(plan: list[RunConfig], data: PoseDataset) -> list[tuple[str, int]]:
    return [(run.action, run.seed) for run in find_runs(plan, Only(data))]


def test_runs_of_another_config_or_dataset_are_not_found_but_for_what_cannot_change_the_baseline(tiny_data) -> None:
    def plan(**changes: object) -> list[RunConfig]:
        return study_runs(make_study(**changes), Only(tiny_data))

    write_runs([run for run in plan() if run.action != "Sitting"], tiny_data)
    assert found_of(plan(seeds="0,1"), tiny_data) == [("All", 0), ("Eating", 0), ("Walking", 0)]
    for other in ({"lengths": 2}, {"channels": 17}, {"keypoints": "gt"}, {"seeds": "1"}, {"causal": True}):
        assert found_of(plan(**other), tiny_data) == []
    for other in ({"budgets": "fifteen"}, {"schedules": "unit_epoch"}):
        assert found_of(plan(**other), tiny_data) == [("All", 0)]
    assert found_of(plan(), replace(tiny_data, notes=("one word different",))) == []


# Where its tables go


def name_of(data: PoseDataset, **changes: object) -> str:
    folder = results_dir(data, make_config(StudyConfig, {**TINY, **changes}))
    assert folder.parent == outputs_dir() / "results"
    return folder.name


def test_named_studies_have_short_names(tiny_data: PoseDataset) -> None:
    what = f"synthetic-tiny-{tiny_data.fingerprint[:6]}-simulated-3x3x3"
    four = what.replace("tiny-", "tiny-4-datasets-")
    assert name_of(tiny_data) == f"{four}-16c-64b-quick"
    assert name_of(tiny_data, study="paper") == f"{four}-16c-64b-paper"
    assert name_of(tiny_data, study="more") == f"{four}-16c-64b-more"
    assert name_of(tiny_data, study="paper", preset=None) == f"{four}-64c-64b-paper"
    assert name_of(tiny_data, seeds=2) == f"{what}-16c-64b-quick-seeds-2"
    assert name_of(tiny_data, seeds="0,1", lr=0.002).endswith("-quick-lr-0.002-seeds-0,1")
    assert name_of(tiny_data, study="more", beyond=False) == name_of(tiny_data, study="paper")
    assert name_of(tiny_data, architectures="3x3,5x3x3").endswith("-quick-architectures-3x3,5x3x3")


CHANGES = [
    *({"channels": 17}, {"filter_widths": "3,3"}, {"keypoints": "gt"}, {"batch_size": 32}, {"causal": True}),
    *({"lr": 0.002}, {"lr": 0.0020000001}, {"evaluate_at": ""}, {"evaluate_at": "1"}, {"seeds": "0,1"}, {"seeds": "1"}),
    *({"timed": 1}, {"actions": "Eating"}, {"focus": "Eating"}, {"lengths": 2}, {"lengths": "1,2"}, {"study": "paper"}),
    *({"long_preset": "paper_243"}, {"budgets": "fifteen"}, {"schedules": "epoch,unit_epoch"}, {"training_seeds": 2}),
    *({"architectures": "3x3x3,3x3x3x3x3"}, {"architectures": "3x3,3x3x3x3x3x3"}),
]


def test_results_of_other_settings_have_a_folder_of_their_own(tiny_data: PoseDataset) -> None:
    pairs = [{**one, **other} for one, other in combinations(CHANGES, 2) if one.keys() != other.keys()]
    configs = {make_config(StudyConfig, {**TINY, **change}) for change in [{}, *CHANGES, *pairs]}
    names = {results_dir(tiny_data, config).name for config in configs}
    assert len(names) == len(configs) > 200
    assert max(len(name.encode()) for name in names) <= 255


def test_the_name_tells_the_data_and_not_how_runs_are_made(tiny_data: PoseDataset, hand_made) -> None:
    assert name_of(tiny_data, jobs=3, threads=2) == name_of(tiny_data)
    assert name_of(hand_made([("S1", "Eating", "0", 0, 9), ("S9", "Eating", "0", 0, 9)])) != name_of(tiny_data)


@pytest.mark.parametrize(
    "actions",
    [[f"an action with a long name {number}" for number in range(40)], ["../../elsewhere"], ["a\\b"], ["跳" * 90]],
)
def test_whatever_actions_are_called_the_folder_is_one_name_below_results(tiny_data: PoseDataset, actions) -> None:
    name = name_of(tiny_data, actions=actions)
    assert len(name.encode()) <= 255
    assert not set(name) & set("/\\")
    assert name.startswith(name_of(tiny_data))
    assert name != name_of(tiny_data, actions=[*actions[:-1], "another action with a long name"])
