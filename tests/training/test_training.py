"""The training loop: what it sees, in which order, by which schedule, and what it says about it."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate, frame_wise, per_action
from pose3d_lib.model.precision import PRECISIONS
from pose3d_lib.training import loop as training
from pose3d_lib.training import losses
from pose3d_lib.training.history import HistoryRow, Trained
from pose3d_lib.training.loop import in_turn, train
from pose3d_lib.training.plan import build_lifters, plan_baseline, plan_run
from pose3d_lib.training.windows import TrainingWindows
from tests.helpers.short_runs import ROWS, without_seconds
from tests.helpers.short_runs import short_config as config
from tests.helpers.short_runs import train_short as run
from tests.helpers.short_runs import weights_of as weights

ACTIONS = {"Walking": 120, "Sitting": 60, "SittingDown": 20}
PRECISION = pytest.mark.parametrize("precision", PRECISIONS)


@pytest.fixture
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def poisoned(data: PoseDataset, *, where) -> PoseDataset:
    """A copy with NaN as 2D and 3D of the clips for which `where` is true."""
    positions = data.positions.copy()
    keypoints = {name: array.copy() for name, array in data.keypoints.items()}
    for clip in filter(where, data.clips.itertuples()):
        for array in (positions, *keypoints.values()):
            array[clip.start : clip.stop] = np.nan
    return replace(data, positions=positions, keypoints=keypoints)


def parameters(trained: Trained) -> dict[str, bytes]:
    return {name: value.detach().numpy().tobytes() for name, value in trained.lifters.pose.named_parameters()}


@pytest.fixture
def batches(monkeypatch) -> list[list[int]]:
    """Fills with the numbers of the windows of every batch."""
    seen: list[list[int]] = []
    gather = TrainingWindows.gather

    def remember(self, numbers):
        seen.append(numbers.tolist())
        return gather(self, numbers)

    monkeypatch.setattr(TrainingWindows, "gather", remember)
    return seen


def test_a_run_that_is_timed_is_the_same_run_and_the_baseline_is_trained_whole_beside_it(data, monkeypatch) -> None:
    monkeypatch.setattr(training, "TURN", 2)
    plan = plan_run(config("Sitting", unit_epochs=2.5), data)
    alone, timed = train(plan), train(plan, baseline=in_turn(plan_baseline(plan)))
    assert parameters(timed) == parameters(alone)
    assert (alone.baseline, timed.seen, timed.baseline.seen) == (None, 500, 500)
    assert timed.baseline.train_seconds > 0 < timed.baseline.train_cpu_seconds


# What a run may see


@pytest.mark.parametrize(("action", "t", "length"), [("Walking", 5 / 3, 1), ("SittingDown", 10, 0.5), ("All", 1, 2.5)])
def test_every_run_sees_as_many_windows_as_the_baseline(action, t, length, data, batches) -> None:
    chosen = config(action, unit_epochs=length)
    budget = plan_run(chosen, data).budget
    assert (budget.unit, budget.per_epoch) == (200, ACTIONS.get(action, 200))
    assert budget.t == pytest.approx(t, rel=1e-15)
    _, rows = run(chosen, data)
    assert sum(map(len, batches)) == rows[-1].windows == 200 * length


def test_a_run_uses_as_many_threads_as_its_config_says(data: PoseDataset) -> None:
    before, used = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            train(plan_run(config(threads=threads), data), on_row=lambda row: used.append(torch.get_num_threads()))
    finally:
        torch.set_num_threads(before)
    assert sorted(set(used)) == [1, 2]


@pytest.mark.parametrize("action", ["Walking", "SittingDown"])
def test_an_action_s_run_sees_nothing_of_other_actions_or_of_test_subjects(action, data) -> None:
    spoilt = poisoned(data, where=lambda clip: clip.action != action or clip.subject != "S1")
    assert weights(run(config(action), spoilt)[0]) == weights(run(config(action), data)[0])


def test_a_run_is_tested_on_its_own_actions(data) -> None:
    assert plan_run(config("Sitting"), data).own_test.action.tolist() == ["Sitting"]
    assert plan_run(config("All"), data).own_test.action.tolist() == list(ACTIONS)
    spoilt = poisoned(data, where=lambda clip: clip.action != "Sitting")
    _, rows = run(config("Sitting", evaluate_at=(0.5,)), spoilt)
    assert [list(row.test_actions) for row in rows if row.test_actions] == [["Sitting"]]


# What is refused, before anything slow


@pytest.fixture
def nothing_slow(monkeypatch) -> None:
    def fail(*_, **__):
        raise AssertionError("the refusal came too late")

    monkeypatch.setattr(training, "TrainingWindows", fail)
    monkeypatch.setattr(training, "build_lifters", fail)


@pytest.mark.usefixtures("nothing_slow")
@pytest.mark.parametrize(
    ("action", "changes", "said"),
    [
        ("SittingDown", {"batch_size": 21}, r"batch_size: found 21, .* only 20 .* of SittingDown .* give at most 20"),
        ("Sitting", {"unit_epochs": 0.001}, r"unit_epochs: found 0\.001, which leaves 0 windows"),
        ("Walking", {"device": "cuda"}, "no CUDA device"),
        ("Eating", {}, "action 'Eating' .* has no train clips.*Walking, Sitting, SittingDown"),
        ("Posing", {}, "action 'Posing' .* has no test clips.*Walking, Sitting, SittingDown"),
    ],
)
def test_what_the_data_cannot_carry_is_refused_before_anything_slow(action, changes, said, hand_made) -> None:
    if "device" in changes and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    others = {"Eating": [("S9", "Eating", "0", 0, 9)], "Posing": [("S1", "Posing", "0", 0, 9)]}
    with pytest.raises(InputError, match=said):
        train(plan_run(config(action, **changes), hand_made([*ROWS, *others.get(action, [])])))


@pytest.mark.usefixtures("nothing_slow")
def test_a_test_clip_without_velocity_is_refused(hand_made) -> None:
    with pytest.raises(InputError, match="S9/Sitting/2, camera wide has one frame"):
        plan_run(config(), hand_made([*ROWS, ("S9", "Sitting", "2", 0, 1)]))


def test_a_loss_that_is_no_longer_finite_is_an_error(data) -> None:
    said = r"lr: found 1e\+30, and the training loss is no longer finite after 60 windows \(4 steps\); give a lower one"
    with pytest.raises(FloatingPointError, match=said):
        run(config(lr=1e30), data)


# Repetition


@PRECISION
def test_the_same_config_gives_the_same_run_bit_for_bit(precision, data) -> None:
    chosen = config(evaluate_at=(0.5,), filter_widths=(3, 3), precision=precision)
    first, first_rows = run(chosen, data)
    torch.rand(7)  # what was drawn before does not matter
    second, second_rows = run(chosen, data)
    assert weights(first) == weights(second)
    assert without_seconds(first_rows) == without_seconds(second_rows)


def test_another_seed_gives_other_weights_another_order_and_another_history(data, batches) -> None:
    first, first_rows = run(config(seed=0), data)
    first_batches = batches.copy()
    batches.clear()
    second, second_rows = run(config(seed=1), data)
    assert all(value != parameters(second)[name] for name, value in parameters(first).items())
    assert first_batches != batches
    assert first_rows[0].train_mpjpe != second_rows[0].train_mpjpe


def test_tests_on_the_way_do_not_change_the_training(data) -> None:
    untested, _ = run(config(), data)
    tested, rows = run(config(evaluate_at=(0.1, 0.3, 0.7)), data)
    assert sum(row.test_mpjpe is not None for row in rows) == 3
    assert weights(tested) == weights(untested)


# Optimisation


def test_a_step_is_adam_with_amsgrad_on_the_mean_distance_of_the_joints(data, batches) -> None:
    chosen = config(dropout=0, lr=0.01, unit_epochs=3, causal=True)
    trained, _ = run(chosen, data)
    torch.manual_seed(chosen.seed)
    model = build_lifters(chosen, data).pose
    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    windows = TrainingWindows(data, data.train_clips("Sitting"), "simulated", (3,), causal=True)
    seen = 0
    for batch in batches.copy():
        gathered = windows.gather(torch.tensor(batch))
        optimizer.param_groups[0]["lr"] = 0.01 * 0.95 ** (seen // 60)
        optimizer.zero_grad()
        (model.forward_windows(gathered.inputs) - gathered.targets[:, 0]).square().sum(-1).sqrt().mean().backward()
        optimizer.step()
        seen += len(batch)
    for found, expected in zip(trained.lifters.pose.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_in_either_precision_training_brings_the_error_well_below_that_of_the_mean_pose(tiny_data) -> None:
    def poses(clips) -> np.ndarray:
        return np.concatenate([tiny_data.positions[clip.start : clip.stop] for clip in clips.itertuples()])

    mean_pose = poses(tiny_data.train_clips()).mean(axis=0)
    guessed = 1000 * np.linalg.norm(poses(tiny_data.test_clips()) - mean_pose, axis=-1).mean()
    chosen = {"channels": 16, "batch_size": 64, "lr": 0.01, "keypoints": "gt", "evaluate_at": (0.04,)}
    chosen["unit_epochs"] = 1.0
    reached = {}
    for precision in PRECISIONS:
        trained, rows = run(config("All", **chosen, filter_widths=(3, 3), precision=precision), tiny_data)
        errors = per_action(evaluate(trained.lifters.pose, tiny_data, tiny_data.test_clips(), "gt"))
        reached[precision] = frame_wise(errors).mpjpe
        assert reached[precision] < 0.7 * guessed
        assert reached[precision] < 0.7 * rows[0].test_mpjpe
    assert reached["bfloat16"] == pytest.approx(reached["float32"], rel=0.1)


# History


def test_there_is_a_row_at_every_epoch_s_end_and_at_every_test_on_the_way(data) -> None:
    # Epochs of 60, 60, 60 and 20 windows in batches of 16; the tests at 50 and 100 windows wait for their batches.
    trained, rows = run(config(evaluate_at=(0.25, 0.5)), data)
    assert [row.windows for row in rows] == [60, 108, 120, 180, 200]
    assert [row.steps for row in rows] == [4, 7, 8, 12, 14]
    assert trained.steps == 14
    assert [row.epoch for row in rows] == pytest.approx([1, 1.8, 2, 3, 10 / 3], rel=1e-12)
    assert [row.unit_epochs for row in rows] == pytest.approx([0.3, 0.54, 0.6, 0.9, 1], rel=1e-12)
    assert [row.test_mpjpe is not None for row in rows] == [True, True, False, False, False]
    assert [row.test_actions is not None for row in rows] == [True, True, False, False, False]


def test_per_epoch_the_rows_tell_the_published_schedules(data) -> None:
    _, rows = run(config(evaluate_at=(0.5,), lr=0.002), data)
    assert [row.lr for row in rows] == pytest.approx([0.002 * 0.95**e for e in (0, 1, 1, 2, 3)], rel=1e-12)
    shares = [0, 0.3, 0.3, 0.6, 0.9]  # of the run's 200 windows, at the beginning of the row's epoch
    assert [row.bn_momentum for row in rows] == pytest.approx([0.1 * 0.01**share for share in shares], rel=1e-12)


def test_per_unit_epoch_the_rows_tell_the_baseline_s_schedules(data) -> None:
    per_unit_epoch = {"lr_decay_per": "unit_epoch", "bn_decay_per": "unit_epoch", "unit_epochs": 2}
    _, rows = run(config("Sitting", **per_unit_epoch), data)
    _, baseline = run(config("All", unit_epochs=2), data)
    assert [row.lr for row in baseline] == [0.001, 0.00095]
    assert [row.bn_momentum for row in baseline] == pytest.approx([0.1, 0.01], rel=1e-12)
    assert [row.windows for row in rows] == [60, 120, 180, 240, 300, 360, 400]
    assert [row.lr for row in rows] == [0.001] * 3 + [0.00095] * 4
    assert [row.bn_momentum for row in rows] == pytest.approx([0.1] * 3 + [0.01] * 4, rel=1e-12)


def test_a_row_s_loss_is_the_mean_over_the_windows_since_the_row_before(data, monkeypatch) -> None:
    made = []

    def remember(predicted, targets):
        errors = (predicted - targets).norm(dim=-1).mean(dim=-1)
        made.append(errors.detach().double())
        return errors

    monkeypatch.setattr(losses, "mpjpe", remember)
    _, rows = run(config(evaluate_at=(0.5,)), data)
    all_losses, seen = torch.cat(made), [0, *(row.windows for row in rows)]
    expected = [1000 * float(all_losses[a:b].mean()) for a, b in pairwise(seen)]
    assert [row.train_mpjpe for row in rows] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "tested"),  # 60 windows in an epoch, 200 in a unit epoch; batches of 16
    [
        ({"test_every": 2, "unit_epochs": 2}, [120, 240, 360]),
        ({"test_every": 1, "evaluate_at": (0.5,)}, [60, 108, 120, 180]),
        (
            {"evaluate_at": (0.05, 0.06, 0.08, 0.12, 1, 4)},
            [16, 32],
        ),  # points in one batch are one test, at the end none
        ({}, []),
    ],
    ids=str,
)
def test_a_run_is_tested_where_its_config_says(changes, tested, data) -> None:
    _, rows = run(config(**changes), data)
    assert [row.windows for row in rows if row.test_mpjpe is not None] == tested


def test_without_mirroring_in_training_a_run_sees_half_as_many_windows(data, batches) -> None:
    budget = plan_run(config(mirror_training=False), data).budget
    assert (budget.unit, budget.per_epoch, budget.total) == (100, 30, 100)
    run(config(mirror_training=False), data)
    order = [number for batch in batches for number in batch]
    assert sorted(order[:30]) == list(range(30))
    assert len(order) == 100


def test_with_several_output_frames_a_run_sees_as_many_frames(data, batches) -> None:
    trained, rows = run(config(chunk=4, unit_epochs=2), data)
    windows = TrainingWindows(data, data.train_clips("Sitting"), "simulated", (3,), chunk=4)
    assert {len(batch) for batch in batches} <= {4, 2, 1, 3}  # batches of 16 output frames
    assert sum(int(windows.lengths[batch].sum()) for batch in batches) == trained.seen == rows[-1].windows
    assert 400 <= trained.seen < 404
    assert [row.windows for row in rows[:-1]] == [60, 120, 180, 240, 300, 360]


@pytest.mark.parametrize("mirror", [False, True], ids=["plain", "averaged"])
@PRECISION
def test_a_test_during_training_is_the_test_protocol_s_with_all_frames_weighted_alike(precision, mirror, data) -> None:
    chosen = config("All", evaluate_at=(0.99,), precision=precision, mirror_testing=mirror)
    trained, rows = run(chosen, data)  # 198 of 200 windows: after the last batch
    actions = per_action(evaluate(trained.lifters.pose, data, data.test_clips(), "simulated", mirror=mirror))
    assert rows[-1].test_actions == actions.mpjpe.to_dict()
    walking, sitting, sitting_down = actions.mpjpe
    assert rows[-1].test_mpjpe == pytest.approx((12 * walking + 8 * sitting + 4 * sitting_down) / 24, rel=1e-12)


# Time


class Clock:
    """Stands still unless told otherwise, so that the seconds of a run can be foretold."""

    def __init__(self):
        self.now = 0.0

    def costs(self, seconds: float, function=lambda *_, **__: None):
        """`function`, with that many seconds passing in each call."""

        def slow(*arguments, **named):
            self.now += seconds
            return function(*arguments, **named)

        return slow


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """A step takes 1 s and a test on the way 100 s."""
    clock = Clock()
    time = SimpleNamespace(perf_counter=lambda: clock.now, process_time=lambda: 2 * clock.now)
    monkeypatch.setattr(training, "time", time)
    monkeypatch.setattr(losses, "mpjpe", clock.costs(1, losses.mpjpe))
    monkeypatch.setattr(training, "evaluate", clock.costs(100, training.evaluate))
    return clock


def test_seconds_of_training_of_testing_and_of_what_is_done_with_a_row_are_told_apart(data, clock) -> None:
    rows: list[HistoryRow] = []
    trained = train(plan_run(config(evaluate_at=(0.25, 0.5)), data), on_row=clock.costs(1_000, rows.append))
    assert [row.train_seconds for row in rows] == [4, 7, 8, 12, 14]
    assert [row.test_seconds for row in rows] == [100, 200, 200, 200, 200]
    assert (trained.train_seconds, trained.train_cpu_seconds, trained.test_seconds) == (14, 28, 200)
