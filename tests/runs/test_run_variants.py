"""Runs of several actions, and runs of a share of the frames: what they see, how often, and nothing else."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from papermill.translators import PythonTranslator

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate, per_action
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow, Trained
from pose3d_lib.training.loop import train
from pose3d_lib.training.parameters import make_config, parameters_of
from pose3d_lib.training.plan import plan_run
from pose3d_lib.training.windows import TrainingWindows

# 100 frames to train on, so 200 windows in a unit epoch: 120 of Walking, 60 of Sitting, 20 of SittingDown.
ROWS = [
    ("S1", "Walking", "0", 0, 40),
    ("S1", "Walking", "1", 1, 20),
    ("S1", "Sitting", "0", 0, 30),
    ("S1", "SittingDown", "0", 0, 10),
    ("S9", "Walking", "0", 0, 12),
    ("S9", "Sitting", "0", 0, 8),
    ("S9", "SittingDown", "0", 1, 4),
]
ACTIONS = ("Walking", "Sitting", "SittingDown")


@pytest.fixture(scope="module")
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


def config(action: str = "Sitting", **changes) -> RunConfig:
    settings = {"filter_widths": (3,), "channels": 6, "batch_size": 8, "evaluate_at": (), "threads": 1}
    return RunConfig(**{**settings, "action": action, **changes})


def run(config: RunConfig, data: PoseDataset) -> tuple[Trained, list[HistoryRow]]:
    rows: list[HistoryRow] = []
    return train(plan_run(config, data), on_row=rows.append), rows


def weights(trained: Trained) -> dict[str, bytes]:
    """Every number of the network, running statistics included."""
    return {name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()}


def without_seconds(rows: list[HistoryRow]) -> list[dict]:
    return [{key: value for key, value in asdict(row).items() if "seconds" not in key} for row in rows]


def changed(data: PoseDataset, **fields) -> PoseDataset:
    return PoseDataset(**{**{name: getattr(data, name) for name in data.__dataclass_fields__}, **fields})


def spoilt(data: PoseDataset, frames: Callable[[pd.Series], range], value: float = np.nan) -> PoseDataset:
    """A copy with `value` as 2D and 3D of the given frames of each clip, counted from its first."""
    positions = data.positions.copy()
    keypoints = {name: array.copy() for name, array in data.keypoints.items()}
    for clip in data.clips.itertuples():
        for frame in frames(clip):
            for array in (positions, *keypoints.values()):
                array[clip.start + frame] = value
    return changed(data, positions=positions, keypoints=keypoints)


def is_training(clip: pd.Series) -> bool:
    return clip.subject == "S1"


@pytest.fixture
def batches(monkeypatch) -> list[list[int]]:
    """Fills with the numbers of the windows of every batch."""
    seen: list[list[int]] = []
    gather = TrainingWindows.gather
    monkeypatch.setattr(
        TrainingWindows, "gather", lambda own, numbers: seen.append(numbers.tolist()) or gather(own, numbers)
    )
    return seen


def times_seen(batches: list[list[int]]) -> list[int]:
    return np.bincount([number for batch in batches for number in batch]).tolist()


# Several actions


@pytest.mark.parametrize(
    ("action", "others", "windows"),
    [
        ("Sitting", ("SittingDown",), 80),
        ("SittingDown", ("Sitting",), 80),
        ("Walking", ("SittingDown",), 140),
        ("Sitting", ("Walking", "SittingDown"), 200),
    ],
)
def test_t_follows_from_the_frames_of_all_the_run_s_actions_together(action, others, windows, data, batches) -> None:
    chosen = config(action, with_actions=others)
    budget = plan_run(chosen, data).budget
    assert (budget.unit, budget.per_epoch, budget.total) == (200, windows, 200)
    assert budget.t == budget.epochs == 200 / windows
    _, rows = run(chosen, data)
    assert rows[-1].windows == sum(map(len, batches)) == 200
    often = times_seen(batches)
    assert len(often) == windows
    assert set(often) <= {200 // windows, -(-200 // windows)}


def test_fifteen_is_fifteen_epochs_of_all_the_run_s_windows(data, batches) -> None:
    run(config("SittingDown", with_actions=("Sitting",), budget="fifteen", batch_size=80), data)
    assert times_seen(batches) == [15] * 80


def test_a_run_is_trained_on_all_its_actions_and_on_nothing_else(data) -> None:
    chosen = config("Sitting", with_actions=("SittingDown",))
    of_others = spoilt(data, lambda clip: range(4 if clip.action == "Walking" or not is_training(clip) else 0))
    assert weights(run(chosen, of_others)[0]) == weights(run(chosen, data)[0])
    for action in chosen.trained_actions:
        of_its_own = spoilt(data, lambda clip, own=action: range(int(clip.action == own and is_training(clip))))
        with pytest.raises(FloatingPointError):
            run(chosen, of_its_own)


def test_a_run_of_all_actions_by_name_is_the_baseline_to_the_last_bit(data) -> None:
    baseline, rows = run(config("All", unit_epochs=2), data)
    for action in ACTIONS:
        others = tuple(other for other in ACTIONS if other != action)
        for decay_per in ("epoch", "unit_epoch"):
            schedule = {"lr_decay_per": decay_per, "bn_decay_per": decay_per}
            named, named_rows = run(config(action, with_actions=others, unit_epochs=2, **schedule), data)
            assert weights(named) == weights(baseline)
            assert without_seconds(named_rows) == without_seconds(rows)


def test_a_run_of_several_actions_is_tested_on_the_way_on_its_own_alone(data) -> None:
    chosen = config("Sitting", with_actions=("Walking",), evaluate_at=(0.5,))
    assert plan_run(chosen, data).own_test.action.tolist() == ["Sitting"]
    _, rows = run(chosen, data)
    assert [list(row.test_actions) for row in rows if row.test_actions] == [["Sitting"]]


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
        ("All", 1, [40, 20, 30, 10]),
        ("All", 0.5, [20, 10, 15, 5]),
        ("All", 0.29, [12, 6, 9, 3]),
        ("All", 0.01, [1, 1, 1, 1]),
        ("Walking", 0.1, [4, 2]),
        ("Sitting", 1e-9, [1]),
    ],
)
def test_a_share_is_of_every_clip_and_leaves_one_frame_at_least(action, share, frames, data, batches) -> None:
    chosen = config(action, train_share=share, batch_size=2)
    clips = plan_run(chosen, data).train
    assert (clips.stop - clips.start).tolist() == frames
    assert clips.start.tolist() == data.train_clips(action).start.tolist()
    budget = plan_run(chosen, data).budget
    assert (budget.unit, budget.per_epoch, budget.total) == (200, 2 * sum(frames), 200)
    assert budget.t == 100 / sum(frames)
    run(chosen, data)
    often = times_seen(batches)
    assert sum(often) == 200
    assert len(often) == 2 * sum(frames)
    assert max(often) - min(often) <= 1


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.99])
def test_a_share_is_rounded_to_the_nearest_frame(hand_made, share) -> None:
    lengths = [1, 2, 3, 50, 499]
    rows = [("S1", "Walking", str(take), 0, frames) for take, frames in enumerate(lengths)]
    data = hand_made([*rows, ("S9", "Walking", "0", 0, 2)])
    clips = plan_run(config("Walking", train_share=share), data).train
    for frames, kept in zip(lengths, clips.stop - clips.start, strict=True):
        assert 1 <= kept <= frames
        assert kept == 1 or abs(kept - share * frames) <= 0.5


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
@pytest.mark.parametrize("action", ["All", "Walking"])
def test_what_is_cut_off_is_never_seen(action, value, data) -> None:
    chosen = config(action, train_share=0.3, filter_widths=(3, 3))

    def rest(clip) -> range:
        return range(round(0.3 * (clip.stop - clip.start)), clip.stop - clip.start) if is_training(clip) else range(0)

    assert weights(run(chosen, spoilt(data, rest, value))[0]) == weights(run(chosen, data)[0])


@pytest.mark.parametrize("causal", [False, True], ids=["centred", "causal"])
def test_a_clip_is_padded_at_the_cut_as_if_it_ended_there(causal, data, hand_made) -> None:
    short = hand_made([(*row[:4], row[4] // 2) if row[0] == "S1" else row for row in ROWS])
    for own, (_, clip) in zip(short.train_clips().itertuples(), data.train_clips().iterrows(), strict=True):
        for array, whole in (
            (short.positions, data.positions),
            (short.keypoints["simulated"], data.keypoints["simulated"]),
        ):
            array[own.start : own.stop] = whole[clip.start : clip.start + own.stop - own.start]
    settings = {"keypoints": "simulated", "filter_widths": (3, 3), "causal": causal}
    cut = TrainingWindows(data, plan_run(config("All", train_share=0.5), data).train, **settings)
    ended = TrainingWindows(short, short.train_clips(), **settings)
    found, expected = (windows.gather(torch.arange(100)) for windows in (cut, ended))
    assert torch.equal(found.inputs, expected.inputs)
    assert torch.equal(found.targets, expected.targets)
    assert len(cut) == len(ended) == 100


def test_test_clips_stay_whole(data) -> None:
    trained, rows = run(config("All", train_share=0.5, evaluate_at=(0.99,)), data)
    actions = per_action(evaluate(trained.model, data, data.test_clips(), "simulated"))
    assert actions.frames.tolist() == [12, 8, 4]
    assert rows[-1].test_actions == actions.mpjpe.to_dict()


def test_a_baseline_of_half_the_frames_has_two_epochs_in_a_unit_epoch_and_so_two_schedules(data) -> None:
    _, published = run(config("All", train_share=0.5), data)
    assert [row.windows for row in published] == [100, 200]
    assert [row.lr for row in published] == [0.001, 0.00095]
    assert [row.bn_momentum for row in published] == pytest.approx([0.1, 0.01], rel=1e-12)
    assert [row.unit_epochs for row in published] == [0.5, 1]
    _, equal = run(config("All", train_share=0.5, lr_decay_per="unit_epoch", bn_decay_per="unit_epoch"), data)
    assert [(row.windows, row.lr, row.bn_momentum) for row in equal] == [(100, 0.001, 0.1), (200, 0.001, 0.1)]


def test_actions_and_share_go_together(data) -> None:
    budget = plan_run(config("Sitting", with_actions=("SittingDown",), train_share=0.5), data).budget
    assert (budget.unit, budget.per_epoch, budget.t) == (200, 40, 5)


def test_a_batch_larger_than_what_is_left_is_refused_with_what_it_was_left_by(data) -> None:
    chosen = config("Sitting", with_actions=("SittingDown",), train_share=0.25, batch_size=64)
    with pytest.raises(InputError) as refusal:
        plan_run(chosen, data)
    assert str(refusal.value) == (
        "parameter batch_size: found 64, but there are only 20 training windows of Sitting, SittingDown in hand-made at "
        "train_share 0.25 (10 frames, and their mirror images); give at most 20"
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
