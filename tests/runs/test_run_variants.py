"""Runs of several actions, and runs of a share of the frames: what they see, how often, and nothing else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from papermill.translators import PythonTranslator

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate, per_action
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config, parameters_of
from pose3d_lib.training.plan import plan_run
from tests.helpers.short_runs import ROWS, short_config, train_short, weights_of, without_seconds

ACTIONS = ("Walking", "Sitting", "SittingDown")


def config(action: str = "Sitting", **changes) -> RunConfig:
    return short_config(action, **{"batch_size": 8, **changes})


def spoilt(data: PoseDataset, frames: Callable[[pd.Series], range], value: float = np.nan) -> PoseDataset:
    """A copy with `value` as 2D and 3D of the given frames of each clip, counted from its first."""
    positions = data.positions.copy()
    keypoints = {name: array.copy() for name, array in data.keypoints.items()}
    for clip in data.clips.itertuples():
        for frame in frames(clip):
            for array in (positions, *keypoints.values()):
                array[clip.start + frame] = value
    return replace(data, positions=positions, keypoints=keypoints)


def is_training(clip: pd.Series) -> bool:
    return clip.subject == "S1"


def times_seen(gathered: list[tuple[str, list[int]]]) -> list[int]:
    return np.bincount([number for _, numbers in gathered for number in numbers]).tolist()


# Several actions


@pytest.mark.parametrize(
    ("action", "others", "windows"),
    [
        ("Sitting", ("SittingDown",), 80),
        ("SittingDown", ("Sitting",), 80),
        ("Sitting", ("Walking", "SittingDown"), 200),
    ],
)
def test_t_follows_from_the_frames_of_all_the_run_s_actions_together(action, others, windows, data, gathered) -> None:
    chosen = config(action, with_actions=others)
    budget = plan_run(chosen, data).budget
    assert (budget.unit, budget.per_epoch, budget.total) == (200, windows, 200)
    assert budget.t == budget.epochs == 200 / windows
    _, rows = train_short(chosen, data)
    often = times_seen(gathered)
    assert rows[-1].windows == sum(often) == 200
    assert len(often) == windows
    assert set(often) <= {200 // windows, -(-200 // windows)}


def test_a_run_is_trained_on_all_its_actions_and_on_nothing_else(data) -> None:
    chosen = config("Sitting", with_actions=("SittingDown",))
    of_others = spoilt(data, lambda clip: range(4 if clip.action == "Walking" or not is_training(clip) else 0))
    assert weights_of(train_short(chosen, of_others)[0]) == weights_of(train_short(chosen, data)[0])
    for action in chosen.trained_actions:
        of_its_own = spoilt(data, lambda clip, own=action: range(int(clip.action == own and is_training(clip))))
        with pytest.raises(FloatingPointError):
            train_short(chosen, of_its_own)


def test_a_run_of_all_actions_by_name_is_the_baseline_to_the_last_bit(data) -> None:
    baseline, rows = train_short(config("All", unit_epochs=2), data)
    for action in ACTIONS:
        others = tuple(other for other in ACTIONS if other != action)
        for decay_per in ("epoch", "unit_epoch"):
            schedule = {"lr_decay_per": decay_per, "bn_decay_per": decay_per}
            named, named_rows = train_short(config(action, with_actions=others, unit_epochs=2, **schedule), data)
            assert weights_of(named) == weights_of(baseline)
            assert without_seconds(named_rows) == without_seconds(rows)


def test_an_action_to_add_needs_train_clips_and_no_test_clips(hand_made) -> None:
    data = hand_made([*ROWS, ("S1", "Posing", "0", 0, 9), ("S9", "Eating", "0", 0, 9)])
    assert plan_run(config("Sitting", with_actions=("Posing",)), data).budget.per_epoch == 60 + 18
    with pytest.raises(InputError, match=r"action 'Eating' .* has no train clips"):
        plan_run(config("Sitting", with_actions=("Eating",)), data)
    with pytest.raises(InputError, match="unknown action 'Walk': did you mean Walking"):
        plan_run(config("Sitting", with_actions=("Walk",)), data)
    with pytest.raises(InputError, match=r"action 'Posing' .* has no test clips"):
        plan_run(config("Posing", with_actions=("Sitting",)), data)


# A share of the frames


@pytest.mark.parametrize(
    ("action", "share", "frames"),
    [
        ("All", 1, [40, 20, 30, 10]), ("All", 0.5, [20, 10, 15, 5]), ("All", 0.01, [1, 1, 1, 1]),
        ("Walking", 0.1, [4, 2]), ("Sitting", 1e-9, [1]),
    ],
)  # fmt: skip
def test_a_share_is_of_every_clip_and_leaves_one_frame_at_least(action, share, frames, data, gathered) -> None:
    chosen = config(action, train_share=share, batch_size=2)
    clips = plan_run(chosen, data).train
    assert (clips.stop - clips.start).tolist() == frames
    assert clips.start.tolist() == data.train_clips(action).start.tolist()
    budget = plan_run(chosen, data).budget
    assert (budget.unit, budget.per_epoch, budget.total) == (200, 2 * sum(frames), 200)
    assert budget.t == 100 / sum(frames)
    train_short(chosen, data)
    often = times_seen(gathered)
    assert sum(often) == 200
    assert len(often) == 2 * sum(frames)
    assert max(often) - min(often) <= 1


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_what_is_cut_off_is_never_seen(value, data) -> None:
    chosen = config("All", train_share=0.3, filter_widths=(3, 3))

    def rest(clip) -> range:
        return range(round(0.3 * (clip.stop - clip.start)), clip.stop - clip.start) if is_training(clip) else range(0)

    assert weights_of(train_short(chosen, spoilt(data, rest, value))[0]) == weights_of(train_short(chosen, data)[0])


def test_test_clips_stay_whole(data) -> None:
    trained, rows = train_short(config("All", train_share=0.5, evaluate_at=(0.99,)), data)
    actions = per_action(evaluate(trained.lifters.pose, data, data.test_clips(), "simulated"))
    assert actions.frames.tolist() == [12, 8, 4]
    assert rows[-1].test_actions == actions.mpjpe.to_dict()


def test_a_batch_larger_than_what_is_left_is_refused_with_what_it_was_left_by(data) -> None:
    chosen = config("Sitting", with_actions=("SittingDown",), train_share=0.25, batch_size=64)
    with pytest.raises(InputError) as refusal:
        plan_run(chosen, data)
    assert str(refusal.value) == (
        "parameter batch_size: found 64, but there are only 20 training windows of Sitting, SittingDown in hand-made at "
        "train_share 0.25; give at most 20"
    )


# As papermill hands them over


@pytest.mark.parametrize(
    "settings",
    [
        {"action": "Sitting", "with_actions": ("Photo",)},
        {"action": "Sitting", "with_actions": ("Photo", "Walking"), "train_share": 0.1, "unit_epochs": 0.25},
        {"action": "Sitting", "start_from": "All-27f-1ue-seed0-06b751cf2e", "train_share": 1 / 3},
        {"train_share": 1 / 16, "lr_decay_per": "unit_epoch", "seed": 2},
        {"action": "Sitting"},
    ],
    ids=str,
)
def test_the_parameters_of_a_run_make_that_run_in_the_notebook(settings) -> None:
    chosen = make_config(RunConfig, settings)
    injected: dict[str, object] = {}
    exec(PythonTranslator.codify(parameters_of(chosen)), injected)
    del injected["__builtins__"]
    assert make_config(RunConfig, injected) == chosen
    assert {"action", "seed"} <= injected.keys() <= {"action", "seed"} | settings.keys()
