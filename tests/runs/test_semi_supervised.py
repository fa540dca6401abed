"""Training with unlabelled clips: what enters when, what never does, and that it ends the same however often it is stopped."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import ROOT_ERROR
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import check_run
from pose3d_lib.runs.start import load_start
from pose3d_lib.training import loop as training
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import plan_run
from tests.helpers.short_runs import short_config, train_short, train_whole, weights_of, without_seconds

LENS = (1145.0, 1143.8, 512.5, 515.5, -0.2, 0.24, -0.002, -0.0009, -0.0016)
CAMERAS = (Camera("left", 1000, 1002, LENS), Camera("right", 1000, 1000, LENS))
NOBODY_S_LENS = (CAMERAS[0], Camera("blind", 1000, 1000))

# 100 frames of S1 and 60 of S5 to train on, so 320 windows in a unit epoch.
ROWS = [
    ("S1", "Walking", "0", 0, 60), ("S1", "Sitting", "0", 1, 40), ("S5", "Walking", "0", 0, 40),
    ("S5", "Eating", "0", 1, 20), ("S9", "Walking", "0", 0, 12), ("S9", "Sitting", "0", 0, 8),
]  # fmt: skip


@pytest.fixture
def data(hand_made) -> PoseDataset:
    """Clips of random bodies some metres in front of cameras with a lens."""
    made = hand_made(ROWS, cameras=CAMERAS, train_subjects=("S1", "S5"))
    return replace(made, trajectory=made.trajectory * np.float32(0.1) + np.array([0, 0, 5], np.float32))


def config(action: str = "All", **changes) -> RunConfig:
    """S1 is labelled and S5 is not; two warm epochs of three and a bit."""
    semi = {"labelled_subjects": ("S1",), "unlabelled_subjects": ("S5",), "warmup_epochs": 2.0, "unit_epochs": 2.0}
    return short_config(action, **{**semi, **changes})


def spoilt(data: PoseDataset, **where: object) -> PoseDataset:
    """A copy whose clips with these values have NaN for 3D."""
    positions, trajectory = data.positions.copy(), data.trajectory.copy()
    chosen = np.logical_and.reduce([data.clips[column] == value for column, value in where.items()])
    for clip in data.clips[chosen].itertuples():
        positions[clip.start : clip.stop] = trajectory[clip.start : clip.stop] = np.nan
    return replace(data, positions=positions, trajectory=trajectory)


def names(clips: pd.DataFrame) -> list[tuple]:
    return [(clip.subject, clip.action, clip.stop - clip.start) for clip in clips.itertuples()]


# Which clips are unlabelled


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [("S5", "Walking", 40), ("S5", "Eating", 20)]),
        ({"unlabelled_actions": ("Walking",)}, [("S5", "Walking", 40)]),
        ({"action": "Sitting", "unlabelled_subjects": (), "unlabelled_actions": ("Walking",)}, [("S1", "Walking", 60)]),
        (  # of S5 too, who never does the action that is trained on
            {
                "action": "Sitting", "labelled_subjects": (), "unlabelled_subjects": (),
                "unlabelled_actions": ("Eating",),
            },
            [("S5", "Eating", 20)],
        ),
        (
            {"action": "Sitting", "unlabelled_subjects": ("S1", "S5"), "train_share": 0.25},
            [("S1", "Walking", 60), ("S1", "Sitting", 30), ("S5", "Walking", 40), ("S5", "Eating", 20)],
        ),
        ({"unlabelled_subjects": ("S1",), "train_share": 0.1}, [("S1", "Walking", 54), ("S1", "Sitting", 36)]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_the_unlabelled_clips_are_those_asked_for_less_what_is_labelled(changes, expected, data) -> None:
    assert names(plan_run(config(**changes), data).unlabelled) == expected


@pytest.mark.parametrize(("place", "share"), [("beginning", 0.3), ("anywhere", 0.02)])
def test_labelled_and_unlabelled_parts_of_a_clip_are_all_of_it(place, share, data) -> None:
    chosen = config(unlabelled_subjects=("S1",), train_share=share, share_at=place, batch_size=2)
    plan = plan_run(chosen, data)
    parts = pd.concat([plan.train, plan.unlabelled])
    frames = sorted(frame for clip in parts.itertuples() for frame in range(clip.start, clip.stop))
    assert frames == list(range(100))


def test_a_labelled_stretch_lies_anywhere_and_at_the_same_place_for_every_camera_of_a_take(tiny_data) -> None:
    chosen = RunConfig(train_share=0.25, share_at="anywhere", scale="tiny")
    clips, whole = plan_run(chosen, tiny_data).train, tiny_data.train_clips()
    offsets = (clips.start - whole.start).groupby([clips.subject, clips.action, clips["take"]])
    assert (offsets.nunique() == 1).all()
    shares = (clips.start - whole.start) / (whole.stop - whole.start - (clips.stop - clips.start))
    assert np.histogram(shares, bins=4, range=(0, 1))[0].min() > 15
    assert (clips.stop <= whole.stop).all()
    assert ((clips.stop - clips.start) == np.rint(0.25 * (whole.stop - whole.start))).all()


def test_clips_without_3d_may_be_the_unlabelled_ones(data) -> None:
    """As subjects are of whom only detections exist."""
    clips = data.clips.copy()
    order = [0, 1, 4, 5, 2, 3]  # labelled clips come first
    frames = np.concatenate([np.arange(clips.start[row], clips.stop[row]) for row in order])
    clips = clips.iloc[order].reset_index(drop=True)
    lengths = clips.stop - clips.start
    clips = clips.assign(stop=lengths.cumsum(), start=lengths.cumsum() - lengths, labelled=clips.subject != "S5")
    labelled = int(lengths[clips.labelled].sum())
    bare = replace(
        data,
        clips=clips,
        keypoints={name: array[frames] for name, array in data.keypoints.items()},
        positions=data.positions[frames][:labelled],
        trajectory=data.trajectory[frames][:labelled],
    )
    chosen = config(labelled_subjects=(), unit_epochs=3.2)
    trained, _ = train_short(chosen, bare)
    expected, _ = train_short(config(unit_epochs=2.0), data)
    assert weights_of(trained) == weights_of(expected)


# What enters when


def test_unlabelled_windows_enter_after_the_warm_up_as_many_as_labelled_ones(data, gathered) -> None:
    trained, rows = train_short(config(), data)
    kinds = [kind for kind, _ in gathered]
    warm = 2 * 13  # 200 windows of S1, in batches of 16 and one of 8
    assert kinds[:warm] == ["labelled"] * warm
    assert kinds[warm:] == ["labelled", "unlabelled"] * (len(kinds[warm:]) // 2)
    pairs = zip(gathered[warm::2], gathered[warm + 1 :: 2], strict=True)
    assert all(len(labelled) == len(unlabelled) for (_, labelled), (_, unlabelled) in pairs)
    assert (trained.seen, trained.unlabelled) == (640, 240)
    assert rows[-1].windows == 640
    numbers = {kind: [number for own, numbers in gathered if own == kind for number in numbers] for kind in kinds}
    assert sorted(numbers["labelled"][:200]) == sorted(numbers["labelled"][200:400]) == list(range(200))
    first, second = numbers["unlabelled"][:120], numbers["unlabelled"][120:]  # 60 frames, and their mirror images
    assert sorted(first) == sorted(second) == list(range(120))
    assert first != second


def test_the_3d_of_unlabelled_clips_is_never_looked_at(data) -> None:
    plain, blind = (train_short(config(), own)[0] for own in (data, spoilt(data, subject="S5")))
    assert weights_of(plain) == weights_of(blind)


def test_the_2d_of_unlabelled_clips_matters_once_they_enter(data) -> None:
    moved = {name: array.copy() for name, array in data.keypoints.items()}
    moved["simulated"][100:160] += 7
    (_, rows), (_, others) = (train_short(config(), own) for own in (data, replace(data, keypoints=moved)))
    same = [one == other for one, other in zip(without_seconds(rows), without_seconds(others), strict=True)]
    assert same == [True, True, False, False]  # two warm epochs of three and a bit


def test_history_tells_every_term_that_entered(data) -> None:
    _, rows = train_short(config(), data)
    assert [set(row.terms) for row in rows] == [{"trajectory"}] * 2 + [{"trajectory", "projection", "bones"}] * 2
    assert all(0 < value < 10 for row in rows for value in row.terms.values())
    supervised = {"labelled_subjects": (), "unlabelled_subjects": (), "warmup_epochs": 1.0}
    _, rows = train_short(config(**supervised, trajectory=True), data)
    assert {tuple(row.terms) for row in rows} == {("trajectory",)}
    _, rows = train_short(config(**supervised), data)
    assert {row.terms for row in rows} == {None}
    assert "terms" not in rows[0].as_json()


def test_from_every_step_on_training_ends_the_same_bit_for_bit(data, monkeypatch) -> None:
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", -1)
    chosen = config(unit_epochs=1.7, chunk=4)
    trained, rows, kept = train_whole(chosen, data)
    assert len(kept) == trained.steps
    for checkpoint in kept[::7]:
        again, rows_again, _ = train_whole(chosen, data, resume=checkpoint)
        assert weights_of(again) == weights_of(trained), checkpoint.numbers["steps"]
        assert rows_again == rows
        assert again.unlabelled == trained.unlabelled


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unlabelled_subjects": ("S55",)}, "unknown subject of hand-made 'S55': did you mean S5"),
        ({"action": "Eating", "labelled_subjects": ("S1",)}, "S1 of hand-made never does Eating"),
        ({"unlabelled_actions": ("Eatin",)}, "unknown action of hand-made 'Eatin': did you mean Eating"),
        ({"unlabelled_actions": ("Sitting",)}, "hand-made has no frame of S5 doing Sitting that is not labelled"),
        ({"unlabelled_subjects": ("S1",)}, "name others, labelled_subjects without them, or a smaller train_share"),
        ({"warmup_epochs": 4.0}, "parameter warmup_epochs: found 4, and the run has 3.2 epochs"),
        ({"warmup_epochs": 3.19}, "no unlabelled window would ever enter"),  # the last batch begins before its end
        ({"keypoints": "detected"}, "'detected' has the joints of coco_17, and the back-projection compares them with"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_the_data_cannot_carry_is_refused(changes, message, data) -> None:
    with pytest.raises(InputError) as refusal:
        plan_run(config(**changes), data)
    assert message in str(refusal.value)


def test_a_root_that_is_not_in_front_of_its_camera_is_refused_where_its_depth_counts(data) -> None:
    behind = data.trajectory.copy()
    behind[65, 2] = -4
    other = replace(data, trajectory=behind)
    with pytest.raises(InputError, match=r"S1/Sitting/0, camera right the root is -4 m in front .* at frame 5"):
        train_short(config(), other)
    train_short(config(labelled_subjects=(), unlabelled_subjects=(), warmup_epochs=1.0), other)


def test_cameras_without_intrinsics_are_refused_where_something_is_projected(data) -> None:
    blind = replace(data, cameras=NOBODY_S_LENS)
    with pytest.raises(InputError, match=r"intrinsics of camera blind are unknown.*without_terms"):
        plan_run(config(), blind)
    plan_run(config(unlabelled_actions=("Walking",)), blind)  # which the other camera saw
    trained, _ = train_short(config(without_terms=("projection",)), blind)
    assert trained.unlabelled > 0


def test_a_run_starts_from_one_with_as_many_networks_only(data, outputs) -> None:
    plain = {"labelled_subjects": (), "unlabelled_subjects": (), "warmup_epochs": 1.0, "unit_epochs": 0.2}
    first = execute_run(plan_run(config(**plain), data))
    with pytest.raises(InputError, match="trajectory False, expected True"):
        load_start(plan_run(config(start_from=first.folder.name), data))
    both = execute_run(plan_run(config(**plain, trajectory=True), data))
    assert load_start(plan_run(config(start_from=both.folder.name), data))[1]["run"] == both.folder.name
    weights = {name: tensor.clone() for name, tensor in both.load_lifters(data).state_dict().items()}
    begun, _ = train_short(config(start_from=both.folder.name, lr=1e-30), data, initial=weights)
    found = begun.lifters.trajectory.named_parameters()
    assert all(torch.equal(own, weights[f"trajectory.{name}"]) for name, own in found)


# The run folder


def test_a_run_folder_keeps_both_networks_and_the_trajectory_s_error(data, outputs) -> None:
    finished = execute_run(plan_run(config(), data))
    lifters = finished.load_lifters(data)
    assert lifters.trajectory.num_joints_out == 1
    assert finished.timing["unlabelled_windows"] == 240
    assert finished.timing["parameters"] == lifters.num_parameters
    assert list(finished.root_errors) == ["Walking", "Sitting"]
    walking = finished.clips[finished.clips.action == "Walking"]
    assert finished.root_errors["Walking"] == pytest.approx(np.average(walking[ROOT_ERROR], weights=walking.frames))
    assert 0 < finished.root_errors["Walking"] < 1e5
    assert list(finished.history.terms.iloc[-1]) == ["trajectory", "projection", "bones"]
    assert check_run(finished.folder) == []
