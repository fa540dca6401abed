"""A run holds its statistics as published and recomputed, and whoever opens it, lifts with it or exports it chooses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.card import PUBLISHED, RECOMPUTED, STATISTICS
from pose3d_lib.model.evaluate import METRICS, evaluate_lifters, summarise
from pose3d_lib.report.describe import card_markdown
from pose3d_lib.report.export import export_model
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.models import open_model, save_model
from pose3d_lib.runs.run import Run
from pose3d_lib.training.plan import plan_run
from pose3d_lib.training.recompute import recompute_statistics
from tests.helpers.short_runs import ROWS, short_config, train_short

EITHER = pytest.mark.parametrize("statistics", STATISTICS)


def run_with(statistics: str, run: Run) -> Run:
    return run.as_published if statistics == PUBLISHED else run


@pytest.fixture
def published_alone(baseline: Run, tmp_path: Path) -> str:
    """A model's file with statistics as published."""
    save_model(open_model(baseline.folder, statistics=PUBLISHED), tmp_path / "mine.safetensors")
    return str(tmp_path / "mine.safetensors")


def test_both_are_those_of_the_training_at_its_end(baseline: Run, data: PoseDataset) -> None:
    trained, _ = train_short(baseline.config, data)
    published = load_file(baseline.folder / "statistics_published.safetensors")
    weights = load_file(baseline.folder / "model.safetensors")
    recomputed = recompute_statistics(trained.objective, baseline.config, trained)
    state = trained.lifters.state_dict()
    assert published.keys() == recomputed.keys()
    assert weights.keys() == state.keys()
    for name, own in weights.items():
        assert torch.equal(own, recomputed.get(name, state[name])), name
        assert name not in published or torch.equal(published[name], state[name]), name
        assert name not in published or not torch.equal(published[name], own), name


@EITHER
def test_errors_and_networks_of_a_run_are_of_the_same_statistics(statistics: str, baseline: Run, data) -> None:
    run = run_with(statistics, baseline)
    assert run.statistics == statistics
    again = evaluate_lifters(run.load_lifters(data), data, data.test_clips(), run.config.keypoints)
    for name in (*METRICS, "scale"):
        np.testing.assert_allclose(again[name], run.clips[name], rtol=1e-12)
    assert run.metrics == summarise(run.clips)
    assert run.actions.mpjpe.to_dict() == {name: own["mpjpe"] for name, own in run.metrics["actions"].items()}
    assert run.as_published.as_published == run.as_published != baseline


def test_the_two_differ_and_recomputed_ones_come_first(baseline: Run) -> None:
    assert Run(baseline.folder) == baseline
    assert baseline.own_mpjpe != baseline.as_published.own_mpjpe
    assert baseline.history.equals(baseline.as_published.history)
    written = json.loads((baseline.folder / "metrics.json").read_text())
    assert {**baseline.metrics, "published": baseline.as_published.metrics} == written
    assert baseline.timing["recomputing_seconds"] > 0


def test_the_momentum_s_schedule_changes_a_run_only_as_published(data: PoseDataset, outputs: Path) -> None:
    runs = [
        execute_run(plan_run(short_config("Sitting", lr=0.01, bn_decay_per=per), data))
        for per in ("epoch", "unit_epoch")
    ]
    for name, same in (("clips.csv", True), ("model.safetensors", True), ("clips_published.csv", False)):
        contents = {(run.folder / name).read_bytes() for run in runs}
        assert (len(contents) == 1) is same, name


@EITHER
def test_a_model_is_opened_with_either_and_its_card_says_which(statistics: str, baseline: Run, data) -> None:
    model, run = open_model(baseline.folder, statistics=statistics), run_with(statistics, baseline)
    expected = run.load_lifters(data).state_dict()
    assert all(torch.equal(own, expected[name]) for name, own in model.lifters.state_dict().items())
    assert model.card.statistics == statistics
    assert model.card.errors.action_wise.model_dump() == run.action_wise
    assert {name: own.mpjpe for name, own in model.card.errors.actions.items()} == run.actions.mpjpe.to_dict()
    assert ("as published" in card_markdown(model.card)) is (statistics == PUBLISHED)
    assert open_model(baseline.folder).card.statistics == RECOMPUTED


@EITHER
@pytest.mark.parametrize("file", ["ours.safetensors", "ours.bin"])
def test_an_export_holds_those_that_were_chosen(file: str, statistics: str, baseline: Run, tmp_path: Path) -> None:
    model = open_model(baseline.folder, statistics=statistics)
    export_model(model, tmp_path / file)
    found = open_model(tmp_path / file, statistics=statistics)
    expected = model.lifters.statistics
    assert all(torch.equal(own, expected[name]) for name, own in found.lifters.statistics.items())
    assert found.card.statistics == (statistics if file.endswith("safetensors") else "")


def test_a_file_has_one_kind_and_the_other_is_refused_or_told(baseline: Run, published_alone: str, tmp_path) -> None:
    said: list[str] = []
    assert open_model(published_alone, statistics=PUBLISHED, say=said.append).card.statistics == PUBLISHED
    assert not said
    assert open_model(published_alone, say=said.append).card.statistics == PUBLISHED
    assert len(said) == 1
    save_model(open_model(baseline.folder), tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors: holds recomputed statistics .* only, .*name the run"):
        open_model(tmp_path / "other.safetensors", statistics=PUBLISHED)


def test_statistics_of_other_networks_are_refused(baseline: Run) -> None:
    path = baseline.folder / "statistics_published.safetensors"
    save_file({name: own[:-1] for name, own in load_file(path).items()}, path)
    with pytest.raises(InputError, match=r"(?s)as published \(.*size mismatch"):
        open_model(baseline.folder, statistics=PUBLISHED)


def test_with_a_trajectory_both_networks_have_both(data: PoseDataset, outputs: Path, hand_made) -> None:
    roots = np.random.default_rng(1).uniform(2, 6, data.trajectory.shape).astype(np.float32)
    run = execute_run(plan_run(short_config("All", trajectory=True, lr=0.01), hand_made(ROWS, trajectory=roots)))
    errors = [own.root_errors for own in (run, run.as_published)]
    assert errors[0] != errors[1]
    cards = [open_model(run.folder, statistics=statistics).card for statistics in STATISTICS]
    assert [card.errors.trajectory for card in cards] == errors
