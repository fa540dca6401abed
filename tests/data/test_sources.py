"""A dataset is found by its settings and prepared once; the built-in one is what its description says."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pose3d_lib.common.errors import InputError
from pose3d_lib.data import open as sources
from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.dataset import PoseDataset, save_dataset
from pose3d_lib.data.open import list_actions, open_dataset, prepared_path
from pose3d_lib.data.sources import synthetic
from pose3d_lib.data.sources.synthetic import Layout
from pose3d_lib.data.sources.synthetic.body import make_body
from pose3d_lib.data.spec import DataSpec
from tests.helpers.source_files import walker

SUBJECTS = ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]

HOLD_THE_LOCK_AND_PREPARE = """
import sys, time
from pathlib import Path
from filelock import FileLock
ready, path = map(Path, sys.argv[1:])
with FileLock(path.with_suffix(".lock")):
    print("locked", flush=True)
    time.sleep(0.5)
    ready.replace(path)
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "downloads"))


@pytest.fixture
def small(hand_made) -> PoseDataset:
    return hand_made([("S1", "Walking", "0", 0, 4), ("S9", "Walking", "0", 0, 3)])


@pytest.fixture
def made(small, monkeypatch) -> list[tuple]:
    """What the synthetic dataset was asked for; a small one is made in its place."""
    calls: list[tuple] = []

    def make(spec: DataSpec, *_: object) -> PoseDataset:
        calls.append((spec.scale, spec.data_seed))
        return small

    monkeypatch.setattr(synthetic, "read", make)
    return calls


def write_motion(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    takes = ("ann/Walking/1", "ann/Hopping/1", "bob/Walking/1")
    np.savez(path, **{take: walker(seed=seed) for seed, take in enumerate(takes)})


OWN_MOTION = {"dataset": "mine.npz", "train_subjects": "ann", "test_subjects": "bob"}


# Preparing


def test_a_dataset_is_prepared_once_and_then_read(made, small) -> None:
    said: list[str] = []
    for _ in range(3):
        data = open_dataset(DataSpec(scale="tiny", data_seed=4), progress=said.append)
        assert data.fingerprint == small.fingerprint
    assert made == [("tiny", 4)]
    assert said == [f"preparing {prepared_path(DataSpec(scale='tiny', data_seed=4)).name}"]


def test_while_another_process_prepares_it_waits_and_reads(made, small, tmp_path) -> None:
    save_dataset(small, tmp_path / "ready.safetensors")
    path = prepared_path(DataSpec())
    path.parent.mkdir(parents=True)
    command = [sys.executable, "-c", HOLD_THE_LOCK_AND_PREPARE, str(tmp_path / "ready.safetensors"), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        assert not path.exists()
        assert open_dataset(DataSpec()).fingerprint == small.fingerprint
    assert made == []


def test_the_prepared_file_lies_under_outputs_says_what_it_holds_and_holds_all_2d_sources(tmp_path) -> None:
    path = prepared_path(DataSpec(scale="tiny", keypoints="gt"))
    assert path == prepared_path(DataSpec(scale="tiny", keypoints="simulated"))
    assert path.parent == tmp_path / "outputs" / "data"
    assert path.name.startswith("synthetic-tiny-")


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ({}, {"scale": "tiny"}), ({}, {"data_seed": 1}), ({}, {"train_subjects": "S1"}), ({}, {"test_subjects": "S1"}),
        (OWN_MOTION, {"data_seed": 1}), (OWN_MOTION, {"fps": 25}), (OWN_MOTION, {"train_subjects": "ann,bob"}),
        (OWN_MOTION, {"test_subjects": "ann"}),
    ],
    ids=str,
)  # fmt: skip
def test_another_setting_is_another_file(own, other, tmp_path) -> None:
    write_motion(tmp_path / "downloads" / "mine.npz")
    assert prepared_path(DataSpec(**{**own, **other})) != prepared_path(DataSpec(**own))


def test_a_changed_source_file_or_format_is_prepared_again(tmp_path, monkeypatch) -> None:
    write_motion(tmp_path / "downloads" / "mine.npz")
    paths = {prepared_path(DataSpec(**OWN_MOTION))}
    np.savez(tmp_path / "downloads" / "mine.npz", **{"ann/Walking/1": walker(7), "bob/Walking/1": walker(8)})
    paths.add(prepared_path(DataSpec(**OWN_MOTION)))
    monkeypatch.setattr(sources, "PREPARED_FORMAT", sources.PREPARED_FORMAT + 1)
    paths.add(prepared_path(DataSpec(**OWN_MOTION)))
    assert len(paths) == 3


def test_only_the_reader_that_is_needed_is_imported() -> None:
    code = (
        "import sys; import pose3d_lib.training.config\n"
        "readers = lambda: sorted(m.split('.')[3] for m in sys.modules if m.startswith('pose3d_lib.data.sources.'))\n"
        "assert not readers(), readers()\n"
        "from pose3d_lib.data.open import list_actions\n"
        "list_actions(pose3d_lib.data.spec.DataSpec())\n"
        "assert not {'bvh', 'detections', 'human36m', 'plain_motion', 'videopose3d'} & set(readers()), readers()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Finding


def test_plain_motion_is_found_in_the_data_folder_from_anywhere(tmp_path, monkeypatch) -> None:
    path = tmp_path / "downloads" / "my cmu" / "mine.npz"
    write_motion(path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    spec = DataSpec(**{**OWN_MOTION, "dataset": "my cmu/mine.npz", "fps": 30})
    assert list_actions(spec) == ("Walking", "Hopping")
    data = open_dataset(spec)
    assert (data.name, data.actions, set(data.clips.fps)) == ("mine", ("Walking", "Hopping"), {30.0})
    assert (data.train_subjects, data.test_subjects) == (("ann",), ("bob",))
    assert open_dataset(spec.model_copy(update={"dataset": str(path)})).fingerprint == data.fingerprint


def test_the_built_in_actions_are_known_before_anything_is_prepared() -> None:
    assert list_actions(DataSpec()) == H36M_ACTIONS


def test_unknown_names_are_told_what_may_have_been_meant() -> None:
    with pytest.raises(
        InputError,
        match=r"unknown dataset 'synthetik': did you mean synthetic, .*Valid: synthetic, synthetic_h36m, h36m.*path",
    ):
        open_dataset(DataSpec(dataset="synthetik"))
    with pytest.raises(ValidationError, match="unknown scale 'smal': did you mean small"):
        DataSpec(scale="smal")
    with pytest.raises(ValidationError, match="scales"):
        DataSpec(scales="tiny")


def test_unknown_keypoints_are_told_what_may_have_been_meant(made, tmp_path) -> None:
    write_motion(tmp_path / "downloads" / "mine.npz")
    for settings in ({}, OWN_MOTION):
        with pytest.raises(InputError, match=r"unknown keypoints.*'simulate': did you mean simulated"):
            open_dataset(DataSpec(**settings, keypoints="simulate"))
    assert made == []


@pytest.mark.parametrize(
    ("given", "said"),
    [(OWN_MOTION, "mine.npz: there is no such file or folder, neither in "), ({"dataset": "h36m"}, "")],
)
def test_files_that_are_not_there_are_refused_with_the_folder_and_how_to_get_them(given, said, tmp_path) -> None:
    with pytest.raises(InputError, match="POSE3D_DATA") as refusal:
        open_dataset(DataSpec(**given))
    assert str(refusal.value).startswith(said)
    assert str(tmp_path / "downloads") in str(refusal.value)


# The built-in dataset


def camera_names(data: PoseDataset) -> pd.DataFrame:
    return data.clips.assign(name=[data.cameras[camera].name for camera in data.clips.camera])


def test_every_take_is_seen_by_one_of_four_cameras_in_turn(tiny_data) -> None:
    clips = camera_names(tiny_data)
    assert clips.subject.unique().tolist() == SUBJECTS
    assert tiny_data.train_subjects == ("S1", "S5", "S6", "S7", "S8")
    assert tiny_data.test_subjects == ("S9", "S11")
    assert tiny_data.actions == tiny_data.train_actions == tiny_data.test_actions == H36M_ACTIONS
    assert len(clips) == 7 * 15 * 4
    assert len(clips.drop_duplicates(["subject", "action", "take"])) == len(clips)
    assert clips.groupby(["subject", "action"]).name.nunique().eq(4).all(), "the four takes by the four cameras"
    for name in ("subject", "action", "take"):
        counts = clips.groupby([name, "name"]).size().unstack()
        assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 2, name
    assert set(clips.fps) == {50.0}
    assert clips.labelled.all()
    assert tiny_data.synthetic
    assert any("Synthetic" in sentence for sentence in tiny_data.declarations())


def test_eight_people_are_tested_on_four_takes_of_six_seconds_of_every_action() -> None:
    layout = Layout("synthetic", "small")
    assert len(layout.test) == 8
    assert not set(layout.test) & set(layout.train)
    assert layout.takes == 4
    tested = range(len(layout.train), len(layout.subjects))
    every = list(itertools.product(range(15), tested, range(4)))
    assert {layout.frames(*own, 3) for own in every} == {300}
    seen = pd.DataFrame([(*own, layout.eye(*own)) for own in every], columns=["action", "person", "take", "eye"])
    for name in ("action", "person", "take"):
        assert seen.groupby([name, "eye"]).size().unique().size == 1, f"each camera equally often for every {name}"


def t_of(layout: Layout, seed: int) -> np.ndarray:
    people = range(len(layout.train))
    frames = [
        sum(layout.frames(action, person, take, seed) for person in people for take in range(layout.takes))
        for action in range(len(H36M_ACTIONS))
    ]
    return sum(frames) / np.array(frames)


def test_actions_differ_in_length_so_that_t_is_not_fifteen_for_all_and_alike_for_every_seed() -> None:
    t = np.array([t_of(Layout("synthetic", "small"), seed) for seed in range(6)])
    assert t.min() < 13
    assert t.max() > 17
    assert (t / t.mean(axis=0)).std(axis=0, ddof=1).max() < 0.08
    assert len(np.unique(t[:, 0])) == 6
    of_h36m = np.array([t_of(Layout("synthetic_h36m", "small"), seed) for seed in range(6)])
    assert (of_h36m / of_h36m.mean(axis=0)).std(axis=0, ddof=1).min() > 0.1, "there the seed draws the actions too"


def test_another_seed_has_other_people_of_every_stature() -> None:
    layout = Layout("synthetic", "small")
    statures = np.array([[layout.body(subject, seed).stature for subject in layout.subjects] for seed in range(20)])
    assert statures.std(axis=0).min() > 0.05  # metres
    assert abs(np.corrcoef(statures[:-1].ravel(), statures[1:].ravel())[0, 1]) < 0.15


def test_the_full_scale_has_as_many_camera_frames_as_human36m() -> None:
    for name, cameras in (("synthetic", 1), ("synthetic_h36m", 4)):
        layout = Layout(name, "full")

        def camera_frames(people: range, layout: Layout = layout, cameras: int = cameras) -> int:
            every = itertools.product(range(len(H36M_ACTIONS)), people, range(layout.takes))
            return cameras * sum(layout.frames(*own, 0) for own in every)

        assert camera_frames(range(5)) == pytest.approx(1_559_752, rel=0.06)
        assert camera_frames(range(5, len(layout.subjects))) == pytest.approx(543_344, rel=0.15)


def test_human36m_s_own_layout_is_seven_subjects_twice_before_four_cameras(h36m_data) -> None:
    clips = camera_names(h36m_data)
    assert (h36m_data.name, h36m_data.train_subjects) == ("synthetic_h36m-tiny", ("S1", "S5", "S6", "S7", "S8"))
    assert h36m_data.test_subjects == ("S9", "S11")
    assert clips.groupby(["subject", "action", "take"]).name.nunique().eq(4).all()
    assert len(clips) == 7 * 15 * 2 * 4
    lengths = (clips.stop - clips.start).groupby([clips.subject, clips.action]).nunique()
    assert lengths.eq(2).mean() > 0.8, "the takes differ in length"


def make_tiny(**parameters: object) -> PoseDataset:
    return synthetic.read(DataSpec(scale="tiny", **parameters), Path(), lambda line: None)


@pytest.fixture
def three_actions(monkeypatch) -> None:
    monkeypatch.setattr(synthetic, "H36M_ACTIONS", ("Phoning", "Sitting", "Walking"))


@pytest.mark.usefixtures("three_actions")
def test_another_seed_gives_other_motion_and_other_errors_of_the_detector(monkeypatch) -> None:
    monkeypatch.setattr(Layout, "body", lambda self, subject, seed: make_body(subject, 0))  # the same people
    monkeypatch.setattr(Layout, "frames", lambda *_: 20)
    first, second = (make_tiny(data_seed=seed) for seed in (0, 1))
    assert first.fingerprint != second.fingerprint
    assert np.abs(first.positions[0] - second.positions[0]).max() > 0.05
    one, other = (data.keypoints["simulated"][0] - data.keypoints["gt"][0] for data in (first, second))
    assert np.abs(one - other).max() > 1  # pixels


def test_the_detector_s_error_differs_from_camera_to_camera(h36m_data) -> None:
    errors = h36m_data.keypoints["simulated"] - h36m_data.keypoints["gt"]
    starts = [clip.start for clip in h36m_data.clips.iloc[:4].itertuples()]
    first_frames = errors[starts].reshape(4, -1)
    assert np.abs(np.corrcoef(first_frames) - np.eye(4)).max() < 0.8
    assert 2 < np.median(np.abs(errors)) < 10  # pixels


@pytest.mark.usefixtures("three_actions")
def test_chosen_subjects_are_the_same_whoever_else_is_chosen() -> None:
    everybody = make_tiny(data_seed=3, train_subjects=SUBJECTS[:5], test_subjects=SUBJECTS[5:])
    assert make_tiny(data_seed=3).fingerprint == everybody.fingerprint
    few = make_tiny(data_seed=3, train_subjects=["S7"], test_subjects=["S9"])
    assert (few.train_subjects, few.test_subjects) == (("S7",), ("S9",))
    assert few.clips.subject.unique().tolist() == ["S7", "S9"]
    assert "Subject S11 is neither trained nor tested on." in few.notes
    chosen = everybody.clips[everybody.clips.subject.isin(["S7", "S9"])]
    rows = np.concatenate([np.arange(start, stop) for start, stop in zip(chosen.start, chosen.stop, strict=True)])
    np.testing.assert_array_equal(few.positions, everybody.positions[rows])
    for source, pixels in few.keypoints.items():
        np.testing.assert_array_equal(pixels, everybody.keypoints[source][rows])


def test_given_one_side_the_other_is_everybody_else_and_said_to_be(monkeypatch) -> None:
    monkeypatch.setattr(synthetic, "H36M_ACTIONS", ("Sitting",))
    data = make_tiny(data_seed=3, test_subjects=["S1", "S5"])
    assert (data.train_subjects, data.test_subjects) == (("S11", "S6", "S7", "S8", "S9"), ("S1", "S5"))
    assert any(note.startswith("Trained on S11, S6, S7, S8, S9; tested on S1, S5") for note in data.notes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"train_subjects": "S1,s5"}, "unknown subject in the synthetic dataset 's5': did you mean S5"),
        ({"train_subjects": "S1,S5", "test_subjects": "S5"}, "S5 cannot be both a train and a test subject"),
    ],
)
def test_subjects_that_cannot_be_chosen_are_refused_before_anything_is_made(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepared_path(DataSpec(**given))


@pytest.mark.parametrize("given", [{"fps": 60}, {"leave_out": "S1/Eating/0"}, {"dataset": "h36m", "scale": "tiny"}])
def test_a_parameter_that_the_dataset_does_not_use_is_refused(given: dict) -> None:
    with pytest.raises(InputError, match=r"which dataset '(synthetic|h36m)' does not use"):
        prepared_path(DataSpec(**given))
