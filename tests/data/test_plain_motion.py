"""Plain motion: what the file may hold, what is refused by name, and that what is filmed is what was stored."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.cameras import camera_to_world, h36m_cameras
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.sources import plain_motion
from pose3d_lib.data.sources.plain_motion import list_takes
from pose3d_lib.data.spec import DataSpec
from tests.helpers.source_files import walker


def write(folder: Path, arrays: dict[str, np.ndarray] | None = None) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **(arrays or {"ann/Walking/1": walker(5), "ann/Sitting/1": walker(3), "bob/Walking/1": walker(4)}))
    return path


def read(path: Path, **changes) -> PoseDataset:
    spec = {"fps": 30.0, "train_subjects": ("ann",), "test_subjects": ("bob",), **changes}
    return plain_motion.read(DataSpec(**spec), path, print)


def world_of(data: PoseDataset, row: int) -> np.ndarray:
    """(frames, 17, 3): a clip's stored 3D, back in the room."""
    clip = data.clips.iloc[row]
    rows = slice(clip.start, clip.stop)
    in_camera = data.positions[rows] + data.trajectory[rows, None]
    return camera_to_world(torch.from_numpy(in_camera).double(), data.camera_of(clip)).numpy()


def test_every_take_is_seen_by_the_four_cameras_of_s1(tmp_path: Path) -> None:
    data = read(write(tmp_path), fps=120.0)
    assert data.cameras == h36m_cameras()["S1"]
    assert data.clips.camera.tolist() == [0, 1, 2, 3] * 3
    assert data.clips.action.tolist() == ["Walking"] * 4 + ["Sitting"] * 4 + ["Walking"] * 4
    assert (data.clips.stop - data.clips.start).tolist() == [5] * 4 + [3] * 4 + [4] * 4
    assert set(data.clips.fps) == {120.0}
    assert data.clips.labelled.all()
    assert (data.name, data.synthetic) == ("mine", False)
    assert (data.train_subjects, data.test_subjects) == (("ann",), ("bob",))


def test_a_clip_is_moved_along_the_floor_to_the_middle_of_the_room(tmp_path: Path) -> None:
    world = world_of(read(write(tmp_path)), 0)
    root = world[:, 0]
    np.testing.assert_allclose((root.min(axis=0) + root.max(axis=0))[:2], 0, atol=1e-5)
    np.testing.assert_allclose(world[..., 2], walker(5)[..., 2], atol=1e-5)


def test_a_subject_of_neither_split_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    arrays = {"ann/Walking/1": walker(), "bob/Walking/1": walker(), "cat/Walking/1": np.zeros(3)}
    data = read(write(tmp_path, arrays))
    assert set(data.clips.subject) == {"ann", "bob"}
    assert any("cat" in note and "neither" in note for note in data.notes)


# Bad takes

KIND = r"expected float \(frames, 17, 3\), world metres"
INFINITE = walker(6)
INFINITE[4, 3, 1] = np.inf
BAD = {
    "16 joints": (np.zeros((5, 16, 3)), rf"float64\(5, 16, 3\), {KIND}"),
    "one pose": (np.zeros((17, 3)), rf"\(17, 3\), {KIND}"),
    "infinity": (INFINITE, "holds NaN or infinity, first in frame 4"),
    "millimetres": (1000 * walker(), r"is 1.7e\+03 tall along z"),
    "hundreds of metres": (0.01 * walker(), "is 0.017 tall along z"),
    "through a camera": (walker(20) * [1, 20, 1], "to a camera or behind it"),
}


@pytest.mark.parametrize("kind", BAD)
def test_an_array_that_is_no_motion_is_refused_by_its_key(kind, tmp_path: Path) -> None:
    array, said = BAD[kind]
    with pytest.raises(InputError, match=f"mine.npz: key 'bob/Walking/7'.*{said}"):
        read(write(tmp_path, {"ann/Walking/1": walker(), "bob/Walking/7": array}))


@pytest.mark.parametrize("turned", [walker()[..., [0, 2, 1]], walker() * [1, 1, -1]], ids=["y up", "upside down"])
def test_bodies_that_do_not_stand_in_most_takes_are_refused_as_z_may_not_be_up(turned, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bodies do not stand along z"):
        read(write(tmp_path, {"ann/Walking/1": turned, "bob/Walking/1": turned}))


def test_bad_takes_are_left_out_as_the_message_says(tmp_path: Path) -> None:
    path = write(tmp_path, {"ann/Walking/1": walker(), "ann/Walking/2": walker() * 1000, "bob/Walking/1": walker()})
    with pytest.raises(InputError, match="leave_out = 'ann/Walking/2'"):
        read(path)
    read(path, leave_out=("ann/Walking/2",))


# Bad files


@pytest.mark.parametrize("key", ["Walking", "ann/Walking/1/2", "ann//1"])
def test_a_key_that_does_not_say_subject_action_take_is_refused(key, tmp_path: Path) -> None:
    path = write(tmp_path, {"ann/Walking/1": walker(), key: walker()})
    with pytest.raises(InputError, match=f"{path}.*'{key}': expected subject/Action/take"):
        list_takes(path)


def test_a_file_without_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz")
    with pytest.raises(InputError, match="not a single array"):
        list_takes(tmp_path / "mine.npz")


def test_a_member_that_is_no_array_is_refused_by_key(tmp_path: Path) -> None:
    with zipfile.ZipFile(write(tmp_path), "a") as archive:
        archive.writestr("ann/Walking/notes.txt", "mine")
    with pytest.raises(InputError, match=r"'ann/Walking/notes\.txt'"):
        read(tmp_path / "mine.npz")
