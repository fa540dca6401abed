"""How long runs will take, from a few seconds' trial of each network."""

from types import SimpleNamespace

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.sweep import estimate
from pose3d_lib.runs.sweep.estimate import SECONDS_PER_RUN, Estimate, estimate_runs, measure_speed
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.run_folders import Only, make_study, write_runs

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """Measuring takes no time and finds 1,000 windows a second; which runs were tried."""
    tried: list[RunConfig] = []
    monkeypatch.setattr(estimate, "measure_speed", lambda config, data: tried.append(config) or 1000.0)
    return tried


def plan(data: PoseDataset, **changes: object) -> list[RunConfig]:
    return study_runs(make_study(**changes), Only(data))


def windows(configs: list[RunConfig], data: PoseDataset) -> int:
    return sum(plan_run(config, data).budget.total for config in configs)


def test_with_no_finished_run_the_first_is_tried(tiny_data: PoseDataset, measured: list[RunConfig]) -> None:
    configs = plan(tiny_data)
    found = estimate_runs(configs, Only(tiny_data), jobs=1)
    assert measured == configs[:1]
    assert (found.runs, found.finished, found.jobs) == (4, 0, 1)
    assert found.seconds == pytest.approx(windows(configs, tiny_data) / 1000 + 4 * SECONDS_PER_RUN)
    assert found.windows_per_second == {"27 frames, 16 channels, float32, cpu": 1000.0}
    for jobs, at_a_time in ((2, 2), (64, 4)):
        assert estimate_runs(configs, Only(tiny_data), jobs=jobs).seconds == pytest.approx(found.seconds / at_a_time)


def test_finished_runs_are_counted_and_not_tried(tiny_data: PoseDataset, measured: list[RunConfig]) -> None:
    configs = plan(tiny_data, seeds="0,1")
    write_runs(configs[:2], tiny_data)
    found = estimate_runs(configs, Only(tiny_data), jobs=1)
    assert (found.runs, found.finished) == (8, 2)
    assert found.seconds == pytest.approx(windows(configs[2:], tiny_data) / 1000 + 6 * SECONDS_PER_RUN)
    assert measured == configs[2:3]
    write_runs(configs[2:], tiny_data)
    found = estimate_runs(configs, Only(tiny_data), jobs=2)
    assert (found.seconds, found.finished, len(measured)) == (0, 8, 1)
    assert str(found) == "8 runs, all finished."


def test_every_network_has_a_speed_of_its_own(tiny_data: PoseDataset, measured: list[RunConfig]) -> None:
    configs = plan(tiny_data, architectures="3x3x3,3x3")
    found = estimate_runs(configs, Only(tiny_data), jobs=1)
    wide, narrow = ([config for config in configs if config.receptive_field == frames] for frames in (27, 9))
    assert measured == [wide[0], narrow[0]]
    name = next(iter(found.windows_per_second))
    again = estimate_runs(configs, Only(tiny_data), 1, {name: 500.0})
    assert list(again.windows_per_second.values()) == [500.0, 1000.0]
    expected = windows(wide, tiny_data) / 500 + windows(narrow, tiny_data) / 1000 + len(configs) * SECONDS_PER_RUN
    assert again.seconds == pytest.approx(expected)


def test_what_the_data_cannot_carry_is_refused_before_anything_is_tried(tiny_data, measured: list[RunConfig]) -> None:
    configs = plan(tiny_data, batch_size=1500)
    with pytest.raises(InputError, match="only 628 training windows of Eating"):
        estimate_runs(configs, Only(tiny_data), jobs=1)
    assert measured == []


def test_the_estimate_in_a_sentence() -> None:
    speeds = {"27 frames, 64 channels, float32, cpu": 23456.7, "243 frames, 64 channels, float32, cpu": 8000.0}
    assert str(Estimate(278, 12, 2, 9000.0, speeds)) == (
        "278 runs, 12 of them finished; the other 266 take about 2 h 30 min, 2 at a time (measured, for one run: 27 frames, "
        "64 channels, float32, cpu: 23,457 windows/s, 243 frames, 64 channels, float32, cpu: 8,000 windows/s)."
    )


# Measuring


def small_run(**changes: object) -> RunConfig:
    return make_config(RunConfig, {"scale": "tiny", "preset": "tiny", "device": "cpu", "unit_epochs": 0.02, **changes})


def test_a_trial_ends_after_some_seconds_and_the_time_before_its_first_report_does_not_count(
    tiny_data: PoseDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, reports = [100.0], []

    def train(plan, *, on_progress) -> None:
        for second in range(1, 1000):
            now[0] += 10 if second == 1 else 1  # the first report comes late, with few windows seen
            reports.append(second)
            on_progress(50 + 700 * (second - 1), 10**9)

    monkeypatch.setattr(estimate, "train", train)
    monkeypatch.setattr(estimate, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert measure_speed(small_run(), tiny_data) == pytest.approx(700)
    assert len(reports) == 5  # the first, and more than three seconds after it


def test_a_run_that_is_over_sooner_is_measured_whole(tiny_data: PoseDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = SimpleNamespace(seen=900, train_seconds=3.0)
    monkeypatch.setattr(estimate, "train", lambda plan, *, on_progress: on_progress(450, 900) or trained)
    assert measure_speed(small_run(), tiny_data) == 300


def test_a_trial_is_a_training_without_tests_that_leaves_nothing_behind(tiny_data, outputs, monkeypatch) -> None:
    kept: list = []

    def train(plan, **settings):
        kept.append((plan.config, real(plan, **settings)))
        return kept[-1][1]

    real = estimate.train
    monkeypatch.setattr(estimate, "train", train)
    config = small_run(evaluate_at="0.01", action="Eating", start_from="All-27f-1ue-seed0-0123456789")
    speed = measure_speed(config, tiny_data)
    ((tried, trained),) = kept
    without = {"evaluate_at": (), "recompute_at": (), "start_from": "", "warmup_epochs": 0.0}
    assert tried == config.model_copy(update=without)
    assert trained.test_seconds == 0
    assert speed == trained.seen / trained.train_seconds > 0
    assert not outputs.exists()


def test_runs_of_other_modes_have_speeds_of_their_own(tiny_data: PoseDataset, measured: list[RunConfig]) -> None:
    semi = {"labelled_subjects": ("S1",), "unlabelled_subjects": ("S5",), "warmup_epochs": 0.05}
    modes = ({}, semi, {"dense": True}, {"chunk": 2}, {"trajectory": True})
    configs = [small_run(seed=seed, **own) for seed in (0, 1) for own in modes]
    assert len(estimate_runs(configs, Only(tiny_data), jobs=1).windows_per_second) == 5
    assert measured == configs[:5]
