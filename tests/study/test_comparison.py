"""Which run folders a comparison takes, which it leaves out and why, and how clips become takes."""

import dataclasses
import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, per_action
from pose3d_lib.runs.run import run_folder
from pose3d_lib.study.comparison import (
    Comparison,
    collect_runs,
    describe_runs,
    find_runs,
    name_machines,
    take_cell,
)
from pose3d_lib.study.config import plan_study, unique_runs
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from tests.helpers.run_folders import ACTIONS, FRAMES, TAKES, error_of, make_study, write_run, write_runs


@pytest.fixture(autouse=True)
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


def plan(data: PoseDataset, seeds: str = "0", **changes: object) -> list[RunConfig]:
    return unique_runs(plan_study(make_study(seeds=seeds, **changes), data))


def collect(plan: list[RunConfig], data: PoseDataset) -> Comparison:
    return collect_runs(plan, find_runs(plan, data)[0])


def elsewhere(data: PoseDataset) -> PoseDataset:
    """The same data but for a word, and so another dataset."""
    return dataclasses.replace(data, name="elsewhere", notes=("one word different",))


# Which runs


def test_all_planned_runs_are_found(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data, "0,1")
    write_runs(configs, tiny_data)
    comparison = collect(configs, tiny_data)
    assert [(run.config.action, run.config.seed) for run in comparison.original] == [("All", 0), ("All", 1)]
    assert list(comparison.action_based) == list(ACTIONS)
    for action, runs in comparison.action_based.items():
        assert [(run.config.action, run.config.seed) for run in runs] == [(action, 0), (action, 1)]
    assert len(comparison.runs) == 8
    assert (comparison.usable, comparison.missing) == (True, [])


def test_a_run_is_kept_whatever_other_models_lack(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data, "0,1")
    absent = {("Sitting", 0), ("Sitting", 1), ("Walking", 1)}
    write_runs([config for config in configs if (config.action, config.seed) not in absent], tiny_data)
    comparison = collect(configs, tiny_data)
    assert {(config.action, config.seed) for config in comparison.missing} == absent
    assert comparison.usable
    assert {action: len(runs) for action, runs in comparison.action_based.items()} == {"Eating": 2, "Walking": 1}
    assert len(comparison.original) == 2
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
        find_runs(configs, tiny_data)
    for part in (str(folder), "a run on elsewhere", "of a run on synthetic-tiny", "never mixes datasets"):
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
    _, table = find_runs(configs, data)
    assert list(table.columns) == ["Run", "Left out because"]
    return dict(table.itertuples(index=False))


def test_finished_runs_and_what_is_no_part_of_the_study_are_not_left_out(tiny_data: PoseDataset, outputs: Path) -> None:
    assert left_out(plan(tiny_data), tiny_data) == {}
    write_runs([*plan(tiny_data), *plan(tiny_data, seeds="7", channels=17)], tiny_data)
    write_runs(plan(elsewhere(tiny_data)), elsewhere(tiny_data))
    (outputs / "runs" / "an empty folder").mkdir()
    (outputs / "runs" / "a file").write_text("")
    assert left_out(plan(tiny_data), tiny_data) == {}


def test_unfinished_runs_say_how_far_they_are(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data)
    names = []
    for run, windows in zip(write_runs(configs, tiny_data), (None, 0, 120, 473), strict=True):
        names.append(run.folder.name)
        (run.folder / "finished.json").unlink()
        if windows is not None:
            progress = {"windows": windows, "total": 480, "seconds": 3.0, "at": 0.0}
            progress |= {"epoch": windows / 240, "epochs": 2.0, "train_mpjpe": None}
            (run.folder / "progress.json").write_text(json.dumps(progress), encoding="utf-8")
    reasons = ["unfinished", "unfinished, 0 % trained", "unfinished, 25 % trained", "unfinished, 99 % trained"]
    assert left_out(configs, tiny_data) == dict(zip(names, reasons, strict=True))


# From clips to takes


def test_a_take_s_error_is_that_of_all_its_cameras_frames(tiny_data: PoseDataset) -> None:
    configs = [config for config in plan(tiny_data, "0,2") if config.is_baseline]
    runs = write_runs(configs, tiny_data)
    for place, action in enumerate(ACTIONS):
        cell = take_cell(runs, action, "mpjpe", "Original")
        harder = np.array(list(TAKES.values()))[:, 1]
        expected = 50 + 10 * place + harder + np.array([[0], [8]])
        np.testing.assert_allclose(cell.errors, expected)
        np.testing.assert_allclose(cell.frames, np.array([30, 20, 20, 30]) / 100 * FRAMES[action])
        assert cell.subjects == ("S9", "S9", "S11", "S11")
        assert (cell.runs, cell.takes) == ("Original", action)
        np.testing.assert_allclose(cell.per_run, 50 + 10 * place + np.array([0, 8]))


def test_the_cells_of_every_metric_have_the_mean_that_the_run_reports(tiny_data: PoseDataset) -> None:
    for run in write_runs(plan(tiny_data)[:2], tiny_data):
        assert per_action(run.clips).loc[list(ACTIONS)].to_numpy() == pytest.approx(run.actions.to_numpy())
        for action, metric in product(ACTIONS, METRICS):
            (mean,) = take_cell([run], action, metric, "a model").per_run
            assert mean == pytest.approx(run.actions.loc[action, metric])
            assert mean == pytest.approx(error_of(run.config, action, metric))


def test_runs_whose_clips_stand_in_another_order_are_matched_take_by_take(tiny_data: PoseDataset) -> None:
    runs = write_runs([config for config in plan(tiny_data, "0,1") if config.is_baseline], tiny_data)
    clips = pd.read_csv(runs[1].folder / "clips.csv", dtype={"take": str})
    clips.iloc[::-1].to_csv(runs[1].folder / "clips.csv", index=False)
    errors = take_cell(runs, "Sitting", "mpjpe", "Original").errors
    np.testing.assert_allclose(errors[1], errors[0] + 4)


# What stands under a table


def test_the_caption_says_what_was_run(tiny_data: PoseDataset) -> None:
    write_runs(plan(tiny_data, "0,1"), tiny_data)
    caption = describe_runs(collect(plan(tiny_data), tiny_data).runs, tiny_data)
    assert caption == (
        "SYNTHETIC data, nobody was filmed: synthetic-tiny, 2D keypoints 'simulated', test subjects S9, S11. "
        "27 frames, 16 channels, 1 unit epoch, budget equal_frames, schedule epoch. 4 runs, seed 0."
    )
    assert "8 runs, seed 0, 1." in describe_runs(collect(plan(tiny_data, "0,1"), tiny_data).runs, tiny_data)
    real = dataclasses.replace(tiny_data, synthetic=False, name="h36m")
    assert describe_runs(write_runs(plan(real), real), real).startswith("Data: h36m, 2D keypoints")
    sure = {"simulated": np.ones(real.keypoints["simulated"].shape[:2], np.float32)}
    scored = dataclasses.replace(real, scores=sure)
    assert "2D keypoints 'simulated' with scores, test" in describe_runs(write_runs(plan(scored), scored), scored)


def test_the_caption_says_which_schedules_and_which_precision(tiny_data: PoseDataset) -> None:
    configs = plan(tiny_data, schedules="lr_unit_epoch", budgets="fifteen", precision="bfloat16")
    runs = [write_run(config, tiny_data, device="CPU" if number else "A GPU") for number, config in enumerate(configs)]
    caption = describe_runs(collect(configs, tiny_data).runs, tiny_data)
    assert "16 channels, bfloat16, 1 unit epoch, budget fifteen, schedule lr_unit_epoch." in caption
    assert name_machines(runs) == "An Abacus, A GPU; An Abacus, CPU"
    assert "Abacus" not in caption, "only times depend on it"


def test_a_caption_of_runs_that_differ_names_every_value_in_order(tiny_data: PoseDataset) -> None:
    settings = {"scale": "tiny", "preset": "tiny", "device": "cpu", "action": "Eating"}
    changes = (
        {"unit_epochs": 16},
        {"unit_epochs": 2, "seed": 10, "filter_widths": "3,3"},
        {"seed": 9, "unit_epochs": 0.5},
    )
    runs = [write_run(make_config(RunConfig, {**settings, **change}), tiny_data) for change in changes]
    caption = describe_runs(runs, tiny_data)
    assert "9, 27 frames, 16 channels, 0.5, 2, 16 unit epochs" in caption
    assert "3 runs, seed 0, 9, 10." in caption
    baseline = write_runs(plan(tiny_data, schedules="unit_epoch")[:1], tiny_data)
    assert "budget equal_frames, schedule epoch. 1 run," in describe_runs(baseline, tiny_data)
