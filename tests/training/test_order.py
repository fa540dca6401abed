"""The order of windows: every one once an epoch, found again in the middle of one, and the endless one of unlabelled windows."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pose3d_lib.training.budget import plan_budget
from pose3d_lib.training.order import EndlessOrder, batches

LENGTHS = torch.tensor([4, 4, 4, 1, 4, 4, 3, 4, 2] * 2)  # of 18 windows, 60 frames


def all_batches(*, unit_epochs: float = 2.5, seen: int = 0, lengths: torch.Tensor | None = LENGTHS, size: int = 3):
    frames = 60
    budget = plan_budget(frames, frames, unit_epochs=unit_epochs, budget="equal_frames")
    return list(batches(budget, batch_size=size, seed=3, device="cpu", seen=seen, lengths=lengths))


def test_with_several_output_frames_every_window_is_seen_once_an_epoch_in_a_new_order() -> None:
    made = all_batches(unit_epochs=3)
    order = torch.cat([numbers for numbers, _, _ in made]).tolist()
    epochs = [order[:18], order[18:36], order[36:]]
    assert all(sorted(epoch) == list(range(18)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3
    assert [ends for _, _, ends in made] == 3 * [False, False, False, False, False, True]


def test_an_epoch_that_is_not_whole_ends_with_the_window_that_completes_it() -> None:
    order = torch.cat([numbers for numbers, _, _ in all_batches(unit_epochs=2.5)])
    last = LENGTHS[order[36:]]
    assert last.sum() >= 30 > last[:-1].sum()


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["single frames", "chunks"])
def test_after_any_batch_the_rest_is_found_again(lengths) -> None:
    whole = all_batches(lengths=lengths)
    seen = 0
    for place, (numbers, frames, _) in enumerate(whole):
        assert frames == (len(numbers) if lengths is None else lengths[numbers].sum())
        rest = all_batches(lengths=lengths, seen=seen)
        assert len(rest) == len(whole) - place
        for (found, _, ends), (expected, _, really_ends) in zip(rest, whole[place:], strict=True):
            assert found.tolist() == expected.tolist()
            assert ends == really_ends
        seen += frames


def test_an_endless_order_shows_every_window_once_a_round_and_shuffles_anew() -> None:
    order = EndlessOrder(7, seed=0, device="cpu")
    rounds = [order.take(7 * number, 7).tolist() for number in range(20)]
    assert all(sorted(own) == list(range(7)) for own in rounds)
    assert len(set(map(tuple, rounds))) > 15
    assert EndlessOrder(7, seed=1, device="cpu").take(0, 70).tolist() != [own for one in rounds[:10] for own in one]


@pytest.mark.parametrize("size", [1, 3, 7, 20])
def test_an_endless_order_does_not_depend_on_how_much_is_taken_at_once(size) -> None:
    whole = EndlessOrder(7, seed=2, device="cpu").take(0, 60)
    parts = EndlessOrder(7, seed=2, device="cpu")
    taken = torch.cat([parts.take(place, size) for place in range(0, 60 - size + 1, size)])
    assert taken.tolist() == whole[: len(taken)].tolist()
    assert np.bincount(whole[:56]).tolist() == [8] * 7


def test_labelled_and_unlabelled_windows_do_not_have_the_same_order() -> None:
    budget = plan_budget(50, 50, unit_epochs=3, budget="equal_frames")
    labelled = [numbers for numbers, _, _ in batches(budget, batch_size=50, seed=0, device="cpu")]
    unlabelled = EndlessOrder(50, seed=0, device="cpu")
    rounds = [unlabelled.take(50 * number, 50) for number in range(3)]
    for one in labelled:
        assert all((one == other).float().mean() < 0.2 for other in rounds)
    assert all((one == other).float().mean() < 0.2 for one, other in pairwise(rounds))
