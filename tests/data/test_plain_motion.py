"""Plain motion: what the file may hold, what is refused by name, and that what is filmed is what was stored."""

import pickle
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


def motion(frames: int = 5, *, seed: int = 0) -> np.ndarray:
    """(frames, 17, 3) metres: a cloud the size of a person, 1.7 m along z, that walks away from where it began."""
    rng = np.random.default_rng(seed)
    body = np.column_stack([rng.uniform(-0.3, 0.3, (17, 2)), np.linspace(0, 1.7, 17)])
    path = np.linspace(0, 1, frames)[:, None] * [0.8, -0.4, 0.1] + [20.0, -7.0, 0.0]
    return body + path[:, None]


def write(folder: Path, arrays: dict[str, np.ndarray] | None = None) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **(arrays or {"ann/Walking/1": motion(5), "ann/Sitting/1": motion(3), "bob/Walking/1": motion(4)}))
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


def trap(path: Path) -> bytes:
    """A pickle that makes an empty file when it is read."""
    return f"cbuiltins\nopen\n(V{path}\nVw\ntR.".encode()


@pytest.mark.parametrize("key", ["Walking", "ann/Walking/1/2", "ann//1"])
def test_a_key_that_does_not_say_subject_action_take_is_refused(key, tmp_path: Path) -> None:
    path = write(tmp_path, {"ann/Walking/1": motion(), key: motion()})
    with pytest.raises(InputError, match="expected subject/Action/take") as refusal:
        list_takes(path)
    assert repr(key) in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_file_without_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz")
    with pytest.raises(InputError, match="not a single array"):
        list_takes(tmp_path / "mine.npz")


@pytest.mark.parametrize("kept", [0, 0.5, 0.95])
def test_a_truncated_file_is_refused_with_its_path(kept, tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError) as refusal:
        read(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5, 16, 3)),
        np.zeros((17, 3)),
        np.zeros((0, 17, 3)),
        np.zeros((5, 17, 3), int),
        np.full((5, 17, 3), "x"),
    ],
    ids=["16 joints", "one pose", "no frame", "integers", "text"],
)
def test_an_array_of_another_kind_is_refused_by_key(array, tmp_path: Path) -> None:
    path = write(tmp_path, {"ann/Walking/1": motion(), "bob/Walking/7": array})
    with pytest.raises(InputError, match="'bob/Walking/7' is ") as refusal:
        read(path)
    assert str(array.shape) in str(refusal.value)
    assert "expected float (frames, 17, 3), world metres" in str(refusal.value)


def test_a_number_that_is_not_finite_is_refused_by_key_and_frame(tmp_path: Path) -> None:
    broken = motion(6)
    broken[4, 3, 1] = np.inf
    with pytest.raises(InputError, match="'bob/Walking/1' holds NaN or infinity, first in frame 4"):
        read(write(tmp_path, {"ann/Walking/1": motion(), "bob/Walking/1": broken}))


@pytest.mark.parametrize("factor", [1000.0, 0.01], ids=["millimetres", "hundreds of metres"])
def test_motion_in_another_unit_is_refused_by_key(factor, tmp_path: Path) -> None:
    path = write(tmp_path, {"ann/Walking/1": motion(), "bob/Walking/1": factor * motion()})
    with pytest.raises(InputError, match=r"'bob/Walking/1' is .* tall along z"):
        read(path)


def test_the_trap_of_the_next_two_tests_springs_when_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(trap(tmp_path / "sprung")).close()
    assert (tmp_path / "sprung").exists()


def test_an_array_of_objects_is_refused_by_key_and_not_unpickled(tmp_path: Path) -> None:
    path = write(tmp_path, {"ann/Walking/1": motion()})
    with zipfile.ZipFile(path, "a") as archive, archive.open("bob/Walking/1.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": (1,)})
        member.write(trap(tmp_path / "sprung"))
    with pytest.raises(InputError, match=r"'bob/Walking/1'.*which is code; refused"):
        read(path)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_in_place_of_the_file_is_refused_and_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(trap(tmp_path / "sprung"))
    with pytest.raises(InputError, match=r"mine\.npz: cannot be read"):
        list_takes(path)
    assert not (tmp_path / "sprung").exists()


def test_every_bad_take_is_named_up_to_five_with_how_to_leave_them_out(tmp_path: Path) -> None:
    arrays = {f"ann/Walking/{number}": motion(5) for number in range(9)} | {"bob/Walking/1": motion(4)}
    for number in (1, 4):
        arrays[f"ann/Walking/{number}"] = motion(5) * 1000
    with pytest.raises(InputError) as refusal:
        read(write(tmp_path, arrays))
    first, second, advice = str(refusal.value).splitlines()
    assert "'ann/Walking/1'" in first
    assert "'ann/Walking/4'" in second
    assert advice == "Mend them, or leave them out: -p leave_out ann/Walking/1,ann/Walking/4"
    read(write(tmp_path, arrays), leave_out=("ann/Walking/1", "ann/Walking/4"))
    for number in range(9):
        arrays[f"ann/Walking/{number}"] = motion(5) * 1000
    with pytest.raises(InputError) as refusal:
        read(write(tmp_path, arrays))
    assert len(str(refusal.value).splitlines()) == 6


@pytest.mark.parametrize("split", ["train_subjects", "test_subjects"])
def test_a_subject_that_is_not_in_the_file_is_refused_with_the_one_meant(split, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown subject in .*mine\.npz 'anne': did you mean ann\?"):
        read(write(tmp_path), **{split: ("anne",)})


def test_a_subject_of_neither_split_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    arrays = {"ann/Walking/1": motion(), "bob/Walking/1": motion(), "cat/Walking/1": np.zeros(3)}
    data = read(write(tmp_path, arrays))
    assert set(data.clips.subject) == {"ann", "bob"}
    assert any("cat" in note and "neither" in note for note in data.notes)


def test_every_take_is_seen_by_the_four_cameras_of_s1(tmp_path: Path) -> None:
    data = read(write(tmp_path))
    assert data.cameras == h36m_cameras()["S1"]
    assert data.clips.camera.tolist() == [0, 1, 2, 3] * 3
    assert data.clips.action.tolist() == ["Walking"] * 4 + ["Sitting"] * 4 + ["Walking"] * 4
    assert (data.clips.stop - data.clips.start).tolist() == [5] * 4 + [3] * 4 + [4] * 4


def test_the_frame_rate_is_stored_and_the_split_and_the_name(tmp_path: Path) -> None:
    data = read(write(tmp_path), fps=120.0)
    assert set(data.clips.fps) == {120.0}
    assert (data.train_subjects, data.test_subjects) == (("ann",), ("bob",))
    assert (data.name, data.synthetic) == ("mine", False)
    assert data.clips.labelled.all()


def test_a_clip_is_moved_along_the_floor_to_the_middle_of_the_room(tmp_path: Path) -> None:
    world = world_of(read(write(tmp_path)), 0)
    root = world[:, 0]
    np.testing.assert_allclose((root.min(axis=0) + root.max(axis=0))[:2], 0, atol=1e-5)
    np.testing.assert_allclose(world[..., 2], motion(5)[..., 2], atol=1e-5)


def test_a_damaged_array_is_refused_by_key(tmp_path: Path) -> None:
    path = write(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[500] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="'ann/Walking/1'"):
        read(path)


def test_a_member_that_is_no_array_is_refused_by_key(tmp_path: Path) -> None:
    path = write(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ann/Walking/notes.txt", "mine")
    with pytest.raises(InputError, match=r"'ann/Walking/notes\.txt'"):
        read(path)


@pytest.mark.parametrize("axes", [[0, 2, 1], None], ids=["y up", "upside down"])
def test_motion_that_does_not_stand_along_z_is_refused(axes, tmp_path: Path) -> None:
    turned = motion()[..., axes] if axes else motion() * [1, 1, -1]
    with pytest.raises(InputError, match="z up"):
        read(write(tmp_path, {"ann/Walking/1": motion(), "bob/Walking/1": turned}))


def test_bodies_that_lie_down_in_most_takes_are_refused_as_z_may_not_be_up(tmp_path: Path) -> None:
    lying = np.zeros((5, 17, 3))
    lying[..., 1] = np.linspace(0, 1.7, 17)  # along y, as in a file whose y is up
    lying[..., 2] = np.linspace(0, 0.3, 17)
    lying[:, 10] = lying[:, 16]
    with pytest.raises(InputError, match="do not stand along z"):
        read(write(tmp_path, {"ann/Walking/1": lying, "bob/Walking/1": lying}))


def test_motion_that_walks_through_a_camera_is_refused(tmp_path: Path) -> None:
    far = motion(20)
    far[..., 1] += np.linspace(-8, 8, 20)[:, None]
    with pytest.raises(InputError, match="'bob/Walking/1'"):
        read(write(tmp_path, {"ann/Walking/1": motion(), "bob/Walking/1": far}))
