"""Formula (1), its schedules and the order of windows, against numbers worked out by hand."""

import math
from itertools import pairwise

import pytest
import torch

from pose3d_lib.training.budget import (
    Budget,
    EndlessOrder,
    batch_sizes,
    batches,
    bn_momentum,
    learning_rate,
    plan_budget,
)

FRAMES = {"Walking": 600, "Sitting": 300, "Eating": 100}
UNIT = 2 * sum(FRAMES.values())  # every frame is two windows: itself and its mirror image

FIFTEENTH = plan_budget(15_000, 1_000, unit_epochs=80, budget="equal_frames")
BASELINE = plan_budget(15_000, 15_000, unit_epochs=80, budget="equal_frames")


def plan(action: str, *, unit_epochs: float = 1.0, budget: str = "equal_frames") -> Budget:
    return plan_budget(UNIT, 2 * FRAMES[action], unit_epochs=unit_epochs, budget=budget)


def windows_seen(budget: Budget, batch_size: int = 64) -> int:
    return sum(sum(batch_sizes(size, batch_size)) for size in budget.epoch_sizes)


# Formula (1)


@pytest.mark.parametrize("unit_epochs", [0.5, 1, 2.5])
def test_equal_frames_holds_for_every_share_of_the_frames(unit_epochs) -> None:
    for per_epoch in range(64, 3_000, 34):
        budget = plan_budget(3_000, per_epoch, unit_epochs=unit_epochs, budget="equal_frames")
        assert unit_epochs * 3_000 - 1 <= windows_seen(budget) <= unit_epochs * 3_000


@pytest.mark.parametrize(("unit_epochs", "total"), [(0.5, 1_500), (80, 240_000)])
def test_fifteen_is_fifteen_own_epochs_per_unit_epoch_whatever_the_share(unit_epochs, total) -> None:
    budget = plan("Eating", unit_epochs=unit_epochs, budget="fifteen")
    assert windows_seen(budget) == total  # 15 * 200 windows for each unit epoch, although t = 10
    assert budget.epochs == 15 * unit_epochs
    assert budget.t == 10
    baseline = plan_budget(UNIT, UNIT, unit_epochs=unit_epochs, budget="fifteen")  # which is not lengthened
    assert baseline == plan_budget(UNIT, UNIT, unit_epochs=unit_epochs, budget="equal_frames")


@pytest.mark.parametrize(("trained", "t"), [(1_000, 2), (2, 1_000), (900, 20 / 9)])
def test_t_of_a_share_of_the_frames_is_by_how_many_fewer_they_are(trained, t) -> None:
    fewer = plan_budget(UNIT, trained, unit_epochs=1.5, budget="equal_frames")
    assert (fewer.t, fewer.total) == (pytest.approx(t, rel=1e-15), 3_000)
    assert (fewer.period("epoch"), fewer.period("unit_epoch")) == (trained, UNIT)
    assert plan_budget(UNIT, trained, unit_epochs=1.5, budget="fifteen").epochs == 22.5


# Epochs and batches


@pytest.mark.parametrize(
    ("action", "unit_epochs", "sizes"),
    [
        ("Walking", 1, [1_200, 800]),
        ("Sitting", 1, [600, 600, 600, 200]),
        ("Eating", 0.5, [200] * 5), ("Eating", 1.2, [200] * 12), ("Walking", 0.25, [500]),
    ],
)  # fmt: skip
def test_all_epochs_are_whole_but_perhaps_the_last(action, unit_epochs, sizes) -> None:
    assert plan(action, unit_epochs=unit_epochs).epoch_sizes == sizes


def test_a_last_epoch_of_a_single_window_is_left_out() -> None:
    assert Budget(unit=101, per_epoch=50, total=101).epoch_sizes == [50, 50]
    assert Budget(unit=102, per_epoch=50, total=102).epoch_sizes == [50, 50, 2]


@pytest.mark.parametrize("batch_size", [2, 3, 64])
def test_every_window_is_in_one_batch_and_no_batch_holds_a_single_one(batch_size) -> None:
    for windows in range(2, 300):
        sizes = batch_sizes(windows, batch_size)
        assert sum(sizes) == windows
        assert min(sizes) >= 2
        assert max(sizes) <= batch_size + 1


# Schedules


@pytest.mark.parametrize(("epoch", "rate"), [(0, 1e-3), (1, 0.95e-3), (15, 0.463e-3), (60, 0.0461e-3)])
def test_per_epoch_an_action_s_rate_falls_after_each_of_its_own_epochs(epoch, rate) -> None:
    found = learning_rate(1e-3, 0.95, seen=epoch * 1_000, budget=FIFTEENTH, decay_per="epoch")
    assert found == pytest.approx(rate, rel=2e-3)


@pytest.mark.parametrize("seen", [0, 14_999, 15_000, 37_500, 80 * 15_000 - 1])
def test_per_unit_epoch_both_arms_have_the_rate_that_the_baseline_has_per_epoch(seen) -> None:
    cases = ((FIFTEENTH, "unit_epoch"), (BASELINE, "unit_epoch"), (BASELINE, "epoch"))
    rates = {learning_rate(1e-3, 0.95, seen=seen, budget=budget, decay_per=per) for budget, per in cases}
    assert len(rates) == 1
    assert rates.pop() == pytest.approx(1e-3 * 0.95 ** math.floor(seen / 15_000), rel=1e-12)


def momentum(budget: Budget, epoch: float, decay_per: str = "epoch") -> float:
    return bn_momentum(seen=round(epoch * budget.per_epoch), budget=budget, decay_per=decay_per)


def test_in_a_single_unit_epoch_only_an_action_s_momentum_falls_and_only_per_epoch() -> None:
    action, baseline = (plan_budget(15_000, own, unit_epochs=1, budget="equal_frames") for own in (1_000, 15_000))
    assert momentum(action, 14) == pytest.approx(0.1 * 0.01 ** (14 / 15), rel=1e-12)
    assert momentum(action, 14.9) == pytest.approx(0.0014, abs=5e-5)
    assert momentum(action, 14.9, "unit_epoch") == momentum(baseline, 14_999 / 15_000) == 0.1


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.1), (20, 0.0316), (40, 0.01), (79, 0.00106)])
def test_over_a_long_run_the_momentum_falls_exponentially(epoch, expected) -> None:
    assert momentum(BASELINE, epoch) == pytest.approx(expected, rel=2e-3)
    assert momentum(FIFTEENTH, 15 * epoch, "unit_epoch") == momentum(BASELINE, epoch)
    assert momentum(FIFTEENTH, 15 * epoch) == pytest.approx(expected, rel=2e-3)


# The order of windows


SINGLE = torch.ones(60, dtype=torch.int64)
CHUNKS = torch.tensor([4, 4, 4, 1, 4, 4, 3, 4, 2] * 2)  # of 18 windows, 60 frames
BOTH = pytest.mark.parametrize("lengths", [SINGLE, CHUNKS], ids=["single frames", "chunks"])


def all_batches(*, unit_epochs: float = 2.5, seen: int = 0, lengths: torch.Tensor = CHUNKS):
    budget = plan_budget(60, 60, unit_epochs=unit_epochs, budget="equal_frames")
    return list(batches(budget, lengths, batch_size=3, seed=3, device="cpu", seen=seen))


@BOTH
def test_every_epoch_shows_every_window_once_in_a_new_order(lengths) -> None:
    made, count = all_batches(unit_epochs=3, lengths=lengths), len(lengths)
    order = torch.cat([numbers for numbers, _, _ in made])
    assert all(sorted(epoch.tolist()) == list(range(count)) for epoch in order.split(count))
    assert len({tuple(epoch.tolist()) for epoch in order.split(count)}) == 3
    ends = [place for place, (_, _, ends_epoch) in enumerate(made, start=1) if ends_epoch]
    assert ends == [count // 3, 2 * count // 3, count]


def test_an_epoch_that_is_not_whole_ends_with_the_window_that_completes_it() -> None:
    order = torch.cat([numbers for numbers, _, _ in all_batches(unit_epochs=2.5)])
    last = CHUNKS[order[36:]]
    assert last.sum() >= 30 > last[:-1].sum()


@BOTH
def test_after_any_batch_the_rest_is_found_again(lengths) -> None:
    whole, seen = all_batches(lengths=lengths), 0
    for place, (numbers, frames, _) in enumerate(whole):
        assert frames == lengths[numbers].sum()
        rest = all_batches(lengths=lengths, seen=seen)
        assert [(own.tolist(), *others) for own, *others in rest] == [
            (own.tolist(), *others) for own, *others in whole[place:]
        ]
        seen += frames


@pytest.mark.parametrize("size", [1, 3, 20])
def test_an_endless_order_shows_every_window_once_a_round_however_many_are_taken_at_once(size) -> None:
    whole = EndlessOrder(7, seed=2, device="cpu").take(0, 63)
    parts = EndlessOrder(7, seed=2, device="cpu")
    taken = torch.cat([parts.take(place, size) for place in range(0, 63 - size + 1, size)])
    assert taken.tolist() == whole[: len(taken)].tolist()
    assert all(sorted(own.tolist()) == list(range(7)) for own in whole.split(7))
    assert len({tuple(own.tolist()) for own in whole.split(7)}) > 6
    assert EndlessOrder(7, seed=1, device="cpu").take(0, 63).tolist() != whole.tolist()


def test_labelled_and_unlabelled_windows_do_not_have_the_same_order() -> None:
    budget = plan_budget(50, 50, unit_epochs=3, budget="equal_frames")
    labelled = [numbers for numbers, _, _ in batches(budget, SINGLE[:50], batch_size=50, seed=0, device="cpu")]
    unlabelled = EndlessOrder(50, seed=0, device="cpu")
    rounds = [unlabelled.take(50 * number, 50) for number in range(3)]
    assert all((one == other).float().mean() < 0.2 for one in labelled for other in rounds)
    assert all((one == other).float().mean() < 0.2 for one, other in pairwise(rounds))
