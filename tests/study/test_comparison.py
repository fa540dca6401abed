"""Which run folders a comparison takes, which it leaves out and why, and how clips become takes."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.run import run_folder
from pose3d_lib.study.comparison import Comparison, collect_runs, find_runs
from pose3d_lib.study.config import plan_study, unique_runs
from pose3d_lib.training.config import RunConfig
from tests.helpers.listed_runs import progress
from tests.helpers.run_folders import Only, make_study, write_run, write_runs


def plan(data: PoseDataset, seeds: str = "0", **changes: object) -> list[RunConfig]:
    return unique_runs(plan_study(make_study(seeds=seeds, **changes), data))


def collect(plan: list[RunConfig], data: PoseDataset) -> Comparison:
    return collect_runs(plan, find_runs(plan, Only(data))[0])


def elsewhere(data: PoseDataset) -> PoseDataset:
    """The same data but for a word, and so another dataset."""
    return dataclasses.replace(data, name="elsewhere", notes=("one word different",))


# Which runs


def test_a_run_is_kept_whatever_other_models_lack(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data, "0,1")
    absent = {("Sitting", 0), ("Sitting", 1), ("Walking", 1)}
    write_runs([config for config in configs if (config.action, config.seed) not in absent], tiny_data)
    comparison = collect(configs, tiny_data)
    assert comparison.usable
    assert [(run.config.action, run.config.seed) for run in comparison.original] == [("All", 0), ("All", 1)]
    own = {action: [run.config.seed for run in runs] for action, runs in comparison.action_based.items()}
    assert own == {"Eating": [0, 1], "Walking": [0]}
    assert {run.config.action for run in comparison.action_based["Eating"]} == {"Eating"}
    assert len(comparison.runs) == 5
    assert not collect([config for config in configs if config.is_baseline], tiny_data).usable
    other = elsewhere(tiny_data)
    assert collect(plan(other), other).runs == []


def test_a_folder_that_holds_another_dataset_s_run_is_refused(tiny_data: PoseDataset) -> None:
    configs, other = plan(tiny_data), elsewhere(tiny_data)
    write_runs(configs, tiny_data)
    foreign, folder = write_run(configs[2], other).folder, run_folder(configs[2], tiny_data)
    shutil.rmtree(folder)
    foreign.rename(folder)
    with pytest.raises(InputError, match=f"{other.fingerprint[:12]}.*{tiny_data.fingerprint[:12]}") as refusal:
        find_runs(configs, Only(tiny_data))
    for part in (str(folder), "a run on elsewhere", "of a run on synthetic-tiny"):
        assert part in str(refusal.value)


def test_runs_of_another_config_are_not_found_but_for_what_cannot_change_the_baseline(tiny_data: PoseDataset) -> None:
    write_runs(plan(tiny_data), tiny_data)
    for other in ({"lengths": 2}, {"channels": 17}, {"keypoints": "gt"}, {"seeds": "1"}, {"causal": True}):
        assert collect(plan(tiny_data, **other), tiny_data).runs == []
    for other in ({"budgets": "fifteen"}, {"schedules": "unit_epoch"}):
        comparison = collect(plan(tiny_data, **other), tiny_data)
        assert (len(comparison.original), comparison.action_based) == (1, {})


# What is left out


def left_out(configs: list[RunConfig], data: PoseDataset) -> dict[str, str]:
    _, table = find_runs(configs, Only(data))
    assert list(table.columns) == ["Run", "Left out because"]
    return dict(table.itertuples(index=False))


def test_what_is_no_part_of_the_study_is_not_left_out_and_unfinished_runs_say_how_far_they_are(
    tiny_data: PoseDataset, outputs: Path
) -> None:
    configs = plan(tiny_data)
    assert left_out(configs, tiny_data) == {}
    write_runs(plan(tiny_data, seeds="7", channels=17)[:1], tiny_data)
    write_runs(plan(elsewhere(tiny_data))[:1], elsewhere(tiny_data))
    (outputs / "runs" / "an empty folder").mkdir()
    (outputs / "runs" / "a file").write_text("")
    finished, *begun = [run.folder for run in write_runs(configs, tiny_data)]
    for folder, windows in zip(begun, (None, 0, 473), strict=True):
        (folder / "finished.json").unlink()
        if windows is not None:
            (folder / "progress.json").write_text(json.dumps(progress(windows, 480)), encoding="utf-8")
    reasons = ["unfinished", "unfinished, 0 % trained", "unfinished, 99 % trained"]
    assert left_out(configs, tiny_data) == {folder.name: why for folder, why in zip(begun, reasons, strict=True)}
    (finished / "clips.csv").write_text("")
    assert left_out(configs, tiny_data)[finished.name].startswith("damaged: ")
