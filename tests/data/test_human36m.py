"""Human3.6M's original files: the formats give one dataset, known flaws are declared, hostile files are refused."""

import random
import re
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.cameras import h36m_cameras, project
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import H36M_17_OF_32
from pose3d_lib.data.sources import human36m, human36m_facts
from pose3d_lib.data.sources.human36m import TakeFile, find, list_actions, read_take, recognise
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.data.untrusted import client
from tests.helpers.human36m_files import (
    FOLDERS,
    MAKERS,
    SMALL,
    file_of,
    make_cdf,
    make_h5,
    make_old_cdf,
    recording,
    write,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in circles is given up sooner."""
    monkeypatch.setattr(client, "PROCESSOR_SECONDS", 1)


SPEC = DataSpec(keypoints="gt")


def write_zip(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.*"), reverse=True):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def write_tgz(folder: Path, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def read(path: Path, *without: str) -> PoseDataset:
    return human36m.read(SPEC.model_copy(update={"leave_out": without}), path, lambda line: None)


def take_of(path: Path) -> np.ndarray:
    return read_take(TakeFile(path.parent, path.name))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_recording_becomes_the_17_joints_in_metres(kind, tmp_path: Path) -> None:
    values = recording(7, seed=3)
    path = tmp_path / f"Walking{MAKERS[kind][0]}"
    MAKERS[kind][1](path, values)
    expected = values.reshape(7, 32, 3)[:, H36M_17_OF_32] / 1000
    np.testing.assert_allclose(take_of(path), expected, atol=1e-6)


def test_takes_stand_in_order_and_each_is_projected_into_its_subject_s_four_cameras(tmp_path: Path) -> None:
    lines: list[str] = []
    data = human36m.read(SPEC, write(tmp_path), lines.append)
    assert lines == [f"reading S1 from {tmp_path}", f"reading S9 from {tmp_path}"]
    takes = [
        ("S1", "Walking", "0", 5), ("S1", "Walking", "1", 3), ("S9", "Greeting", "0", 4), ("S9", "Sitting", "2", 6),
    ]  # fmt: skip
    clips = data.clips
    found = list(zip(clips.subject, clips.action, clips["take"], clips.stop - clips.start, strict=True))
    assert found == [take for take in takes for _ in range(4)]
    assert data.cameras == (*h36m_cameras()["S1"], *h36m_cameras()["S9"])
    assert clips.camera.tolist() == [0, 1, 2, 3] * 2 + [4, 5, 6, 7] * 2
    assert set(clips.fps) == {50.0}
    assert (data.train_subjects, data.test_subjects) == (("S1",), ("S9",))
    for row in (1, 10):
        clip = clips.iloc[row]
        rows = slice(clip.start, clip.stop)
        values = recording(clip.stop - clip.start, seed=zlib.crc32(f"{clip.subject}/{clip.action}".encode()))
        np.testing.assert_allclose(data.world(clip), values.reshape(-1, 32, 3)[:, H36M_17_OF_32] / 1000, atol=1e-5)
        in_camera = data.positions[rows].astype(float) + data.trajectory[rows, None]
        intrinsics = torch.tensor(data.camera_of(clip).intrinsics).double()
        expected = project(torch.from_numpy(in_camera), intrinsics)
        np.testing.assert_allclose(data.keypoints["gt"][rows], expected, atol=1e-2)


def test_every_format_and_archive_gives_the_dataset_of_the_folder(tmp_path: Path) -> None:
    expected = read(write(tmp_path / "cdf")).fingerprint
    assert read(write(tmp_path / "mat", kind="MATLAB")).fingerprint == expected
    folder = write(tmp_path / "h5", kind="HDF5")
    assert read(folder).fingerprint == expected
    path = write_zip(folder, tmp_path / "any.zip", "a/b/")
    with zipfile.ZipFile(path, "a") as archive:  # what macOS leaves in a zip is not looked at
        archive.writestr("__MACOSX/S1/MyPoses/3D_positions/._Walking.h5", "none of yours")
        archive.writestr("S1/MyPoses/3D_positions/._Sitting.h5", "none of yours")
    assert read(path).fingerprint == expected
    for subject in ("S1", "S9"):
        write_tgz(folder / subject, tmp_path / "tars" / f"Poses_D3_Positions_{subject}.tgz")
    assert read(tmp_path / "tars").fingerprint == expected
    with tarfile.open(tmp_path / "h36m.tar", "w") as archive:
        archive.add(folder, "h36m")
    assert read(tmp_path / "h36m.tar").fingerprint == expected
    (tmp_path / "above").mkdir()
    folder.rename(tmp_path / "above" / "h36m")
    assert read(tmp_path / "above").fingerprint == expected


def test_an_unpacked_file_is_read_rather_than_the_archive_beside_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "new")
    expected = read(folder).fingerprint
    other = write(tmp_path / "old", {name: frames + 1 for name, frames in SMALL.items()})
    write_tgz(other / "S1", folder / "Poses_D3_Positions_S1.tgz")
    assert read(folder).fingerprint == expected


def test_synonyms_become_canonical_and_the_corrupt_take_alone_is_not_even_opened(tmp_path: Path) -> None:
    names = ["TakingPhoto", "WalkingDog 1", "WalkingTogether 2", "Directions", "Directions 1"]
    folder = write(tmp_path, {f"{subject}/{name}": 2 for subject in ("S1", "S11", "S2") for name in names})
    file_of(folder, "S11/Directions", ".cdf").write_bytes(b"corrupt")
    data = read(folder)
    found = set(zip(data.clips.subject, data.clips.action, data.clips["take"], strict=True))
    expected = {("Photo", "0"), ("WalkDog", "1"), ("WalkTogether", "2"), ("Directions", "0"), ("Directions", "1")}
    assert found == {("S1", *take) for take in expected} | {("S11", *take) for take in expected - {("Directions", "0")}}
    assert human36m_facts.CORRUPT_NOTE in data.notes
    assert any(note.startswith("S2 is left out") for note in data.notes)  # no part in the protocol


DRIFTING = {"S9/Greeting": 2, "S9/SittingDown 1": 3, "S9/Waiting 1": 4}
OTHERS = {"S1/Greeting": 2, "S9/Greeting 1": 2, "S9/SittingDown": 2, "S9/Waiting": 2}


def test_drifting_takes_are_mentioned_and_can_be_left_out_by_one_word(tmp_path: Path) -> None:
    folder = write(tmp_path / "all", {**DRIFTING, **OTHERS})
    (said,) = [note for note in read(folder).notes if "displaced" in note]
    assert "S9/Greeting/0, S9/SittingDown/1, S9/Waiting/1" in said
    without = read(folder, "drifting")
    np.testing.assert_array_equal(without.positions, read(write(tmp_path / "others", OTHERS)).positions)
    assert not any("displaced" in note for note in without.notes)
    for name in ("S9/Greeting/0", "S9/SittingDown/1", "S9/Waiting/1"):
        assert f"{name} is left out, as `leave_out` says." in without.notes


@pytest.mark.parametrize("archived", [False, True])
def test_a_take_that_is_left_out_is_not_read(archived, tmp_path: Path) -> None:
    folder = write(tmp_path / "folder")
    file_of(folder, "S9/Greeting", ".cdf").write_bytes(b"broken")
    path = write_tgz(folder, tmp_path / "tars" / "h36m.tgz").parent if archived else folder
    with pytest.raises(InputError, match=r"Greeting\.cdf"):
        read(path)
    assert "Greeting" not in set(read(path, "S9/Greeting/0").clips.action)


def test_totals_other_than_the_whole_dataset_s_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path)
    notes = read(folder).notes
    assert "Found 32 train frames over four cameras; the whole dataset has 1,559,752." in notes
    assert "Missing train subjects: S5, S6, S7, S8." in notes
    assert "Missing test subjects: S11." in notes
    monkeypatch.setattr(human36m_facts, "KNOWN_FRAMES", {"train": 32, "test": 40})
    assert not any(note.startswith("Found") for note in read(folder).notes)


def test_missing_takes_are_named_per_subject_and_the_corrupt_one_is_not_missing() -> None:
    takes = [(subject, action, take) for subject in ("S9", "S11") for action in H36M_ACTIONS for take in "01"]
    takes.remove(human36m_facts.CORRUPT)
    assert human36m_facts.describe_missing_takes(takes) == []
    for gone in (("S9", "Waiting", "0"), ("S9", "Eating", "0"), ("S9", "Eating", "1"), ("S11", "Directions", "1")):
        takes.remove(gone)
    nine, eleven = human36m_facts.describe_missing_takes(takes)
    assert nine.startswith("S9: takes are missing.")
    assert "0 of Eating, 1 of Waiting (1)." in nine
    assert "S11: takes are missing." in eleven
    assert "0 of Directions." in eleven


def test_two_files_of_one_take_are_refused_with_both_names(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", {**SMALL, "S1/Photo": 2, "S1/TakingPhoto": 2})
    with pytest.raises(InputError, match=r"/Photo\.cdf and .*/TakingPhoto\.cdf are both S1/Photo/0"):
        find(SPEC, folder)
    for name in ("a_D3_Positions.tgz", "b_D3_Positions.tgz"):
        write_tgz(write(tmp_path / "small"), tmp_path / "tars" / name)
    with pytest.raises(InputError, match=r"a_D3_Positions\.tgz: .* and .*b_D3_Positions\.tgz: "):
        read(tmp_path / "tars")


@pytest.mark.parametrize("name", ["Jumping", "Walking one", "Walking 1 (copy)", "Walking 1 2"])
def test_a_file_name_that_says_no_action_and_take_is_refused(name, tmp_path: Path) -> None:
    file_of(tmp_path, f"S1/{name}", ".cdf").write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(f"{name}.cdf")):
        find(SPEC, tmp_path)


def test_what_is_found_is_told_from_names_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("S1/WalkingDog", "S1/Eating 1", "S9/Eating"):
        file_of(folder, name, ".cdf").write_bytes(b"never read")
    path = write_zip(folder, tmp_path / "any.zip")
    tar = write_tgz(folder, tmp_path / "tars" / "Poses_D3_Positions_S1.tgz")
    for place in (folder, path, tar, tar.parent):
        assert recognise(place)
        assert find(SPEC, place)[0] == "h36m-originals"
    assert list_actions(SPEC, folder) == list_actions(SPEC, path) == ("Eating", "WalkDog")
    assert list_actions(SPEC.model_copy(update={"leave_out": ("S1/WalkDog/0",)}), folder) == ("Eating",)
    assert list_actions(SPEC, tar) == H36M_ACTIONS
    assert find(SPEC, path)[1] == [path]
    assert find(SPEC, tar.parent)[1] == [tar]
    assert find(SPEC, folder)[1] == sorted(folder.rglob("*.cdf"))
    for wrong, meant in (("S9/eating/0", "S9/Eating/0"), ("Drifting", "drifting")):
        with pytest.raises(InputError, match=f"did you mean {meant}"):
            find(SPEC.model_copy(update={"leave_out": (wrong,)}), folder)
    with pytest.raises(InputError, match=r"keypoints .*'cpn'.*Valid: gt"):
        find(DataSpec(keypoints="cpn"), folder)


def test_suffixes_are_read_in_any_case_beside_other_files(tmp_path: Path) -> None:
    folder = write(tmp_path)
    expected = read(folder).fingerprint
    for file in list(folder.rglob("*.cdf")):
        file.rename(file.with_suffix(".CDF"))
        file.with_suffix(".txt").write_text("mine")
    assert read(folder).fingerprint == expected


def test_other_files_and_folders_are_not_recognised_and_say_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "folder" / "S1").mkdir(parents=True)
    (tmp_path / "other.zip").write_bytes(b"no zip")
    (tmp_path / "pictures.tgz").write_bytes(b"")
    (tmp_path / "Poses_D3_Positions_mono_S1.tgz").write_bytes(b"")
    for name in ("folder", "other.zip", "pictures.tgz", "Poses_D3_Positions_mono_S1.tgz", "none"):
        assert not recognise(tmp_path / name)
    with pytest.raises(InputError, match=r"folder: .*MyPoseFeatures/D3_Positions/.*vision\.imar\.ro/human3\.6m"):
        find(SPEC, tmp_path / "folder")
    damaged = write_zip(write(tmp_path / "whole"), tmp_path / "h36m.zip")
    damaged.write_bytes(damaged.read_bytes()[:-30])
    assert recognise(damaged)
    with pytest.raises(InputError, match=r"h36m\.zip: cannot be read"):
        find(SPEC, damaged)


@pytest.mark.parametrize(("missing", "left"), [("train", "S9"), ("test", "S1")])
def test_data_without_train_or_test_subjects_are_refused(missing, left, tmp_path: Path) -> None:
    folder = write(tmp_path, {name: frames for name, frames in SMALL.items() if name.startswith(left)})
    with pytest.raises(InputError, match=f"has no {missing} subject; found {left}, expected some of S"):
        read(folder)


def test_poses_in_camera_coordinates_or_behind_a_camera_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path)
    make_cdf(file_of(folder, "S9/Greeting", ".cdf"), recording(4) + np.tile([20_000.0, 0, 0], 32))
    with pytest.raises(InputError, match=f"{tmp_path}: S9/Greeting/0 goes behind camera"):
        read(folder)
    for name, frames in SMALL.items():
        values = recording(frames).reshape(1, frames, 32, 3)[..., [0, 2, 1]] * [1, -1, 1] + [0, 0, 5000]
        make_cdf(file_of(folder, name, ".cdf"), values.reshape(1, frames, 96))
    with pytest.raises(InputError, match="D3_Positions_mono"):
        read(folder)


CONTENT = {
    "95 numbers": (lambda v: v[..., :95], r"\(5, 95\).*expected .* with 32 joints x 3 coordinates"),
    "turned": (lambda v: v.transpose(0, 2, 1), r"\(96, 5\)"),
    "metres": (lambda v: v / 1000, "the body would span 0.00"),
    "tenths": (lambda v: v * 3, "the body would span 5"),
}


@pytest.mark.parametrize("case", CONTENT)
def test_content_of_another_kind_is_refused_by_file(case, tmp_path: Path) -> None:
    change, message = CONTENT[case]
    path = tmp_path / "Walking 1.cdf"
    make_cdf(path, change(recording(5)))
    with pytest.raises(InputError, match=message) as refusal:
        take_of(path)
    assert str(path) in str(refusal.value)


def refuse(path: Path, message: str = "") -> None:
    """The file must be refused by name, quickly, and without much memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message or None) as refusal:
            take_of(path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 2
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_that_is_cut_off_or_damaged_is_refused_or_gives_possible_poses(kind, tmp_path: Path) -> None:
    path = tmp_path / f"x{MAKERS[kind][0]}"
    MAKERS[kind][1](path, recording(6))
    whole = path.read_bytes()
    # What MATLAB's file holds behind the recording, and the last bytes of the others, may be missing.
    for length in range(0, len(whole) - 400, len(whole) // 5):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cannot be read: .* expected"):
            take_of(path)
    rng, refused = random.Random(0), 0
    for _ in range(12):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 2, 5])):
            damaged[rng.randrange(min(len(damaged), 2000))] = rng.choice([0, 1, 127, 255, rng.randrange(256)])
        path.write_bytes(damaged)
        try:
            joints = take_of(path)
        except InputError:
            refused += 1
        else:
            assert joints.shape[1:] == (17, 3)
            assert np.isfinite(joints).all()
    assert refused


GDR, VDR, VXR, VVR = 312, 372, 520, 552
BILLION = 10**9
LIES = {
    "too many variables": (GDR + 40, 2**31 - 1), "too many dimensions": (VDR + 128, 2**31 - 1),
    "many frames": (VDR + 132, BILLION), "many records": (VDR + 16, BILLION),
    "an index that follows itself": (VXR + 8, VXR), "an index after the file": (VDR + 20, BILLION),
    "a large first record": (8, BILLION),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_cdf_that_claims_what_it_does_not_hold_is_refused_or_gives_possible_poses(lie, tmp_path: Path) -> None:
    make_old_cdf(tmp_path / "x.cdf", recording(5))
    data = bytearray((tmp_path / "x.cdf").read_bytes())
    struct.pack_into(">i", data, *LIES[lie])
    (tmp_path / "x.cdf").write_bytes(data)
    if lie == "too many variables":  # which cdflib does not notice
        assert np.isfinite(take_of(tmp_path / "x.cdf")).all()
    else:
        refuse(tmp_path / "x.cdf")


def mat_matrix(kind: int, shape: tuple[int, ...], content: bytes, name: bytes = b"") -> bytes:
    """One matrix of a MAT file of version 5, uncompressed."""
    parts = [(6, struct.pack("<2I", kind, 0)), (5, struct.pack(f"<{len(shape)}i", *shape)), (1, name)]
    padded = b"".join(struct.pack("<2I", t, len(b)) + b + bytes(-len(b) % 8) for t, b in parts) + content
    return struct.pack("<2I", 14, len(padded)) + padded


def mat_file(path: Path, content: bytes) -> Path:
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + content)
    return path


NUMBERS = struct.pack("<2I", 9, 8 * 96) + recording(1)[0].T.tobytes()


def nested_cells(depth: int) -> bytes:
    nested = mat_matrix(6, (1, 96), NUMBERS)
    for _ in range(depth):
        nested = mat_matrix(1, (1, 1), nested)
    return nested


MAT_LIES = {
    "many cells": mat_matrix(1, (BILLION, 1), mat_matrix(6, (1, 96), NUMBERS), b"data"),
    "an object": mat_matrix(1, (1, 1), mat_matrix(3, (1, 96), NUMBERS), b"data"),
    "another variable": mat_matrix(6, (1, 96), NUMBERS, b"date"),
    "an element that is too long": struct.pack("<2I", 14, BILLION),
    "cells within cells": mat_matrix(1, (1, 1), nested_cells(2000), b"data"),
}


def test_a_matlab_file_that_holds_something_else_is_refused_at_once(tmp_path: Path) -> None:
    good = mat_file(tmp_path / "x.cdf.mat", mat_matrix(1, (1, 1), nested_cells(0), b"data"))
    np.testing.assert_allclose(take_of(good)[0, 0], recording(1)[0, 0, :3] / 1000, atol=1e-6)
    bomb = zlib.compress(bytes(60_000_000))
    for lie in (*MAT_LIES.values(), struct.pack("<2I", 15, len(bomb)) + bomb):
        refuse(mat_file(tmp_path / "x.cdf.mat", lie))


def external_storage(file: h5py.File, name: str) -> None:
    file.create_dataset(name, (96, 3), "f8", external=[("/dev/zero", 0, 96 * 3 * 8)])


def virtual(file: h5py.File, name: str) -> None:
    layout = h5py.VirtualLayout((96, 3), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "3D_positions", (96, 3))
    file.create_virtual_dataset(name, layout)


def packed_bomb(file: h5py.File, name: str) -> None:
    made = file.create_dataset(name, (96, 3), "f8", chunks=(96, 3), compression="gzip")
    made.id.write_direct_chunk((0, 0), zlib.compress(bytes(60_000_000)))


H5_LIES = {
    "a link": (lambda file, name: file.__setitem__(name, h5py.SoftLink("/elsewhere")), "in this very file"),
    "numbers in another file": (external_storage, "in this very file"),
    "numbers of several files": (virtual, "in this very file"),
    "a chunk that unpacks to far more": (packed_bomb, ""),
    "frames that are not there": (lambda file, name: file.create_dataset(name, (96, 9), "f8"), "would span 0"),
    "a group": (lambda file, name: file.create_group(name), "in this very file"),
    "nothing": (lambda file, name: file.create_dataset(name, data=h5py.Empty("f8")), "in this very file"),
    "text": (lambda file, name: file.create_dataset(name, data="none"), "bytes|object|text"),
    "another name": (lambda file, name: file.create_dataset("3d_positions", data=recording()[0].T), "3d_positions"),
}  # fmt: skip


@pytest.mark.parametrize("lie", H5_LIES)
def test_an_hdf5_file_that_holds_something_else_is_refused_at_once(lie, tmp_path: Path) -> None:
    make_h5(tmp_path / "other.h5", recording(3))
    make, message = H5_LIES[lie]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["elsewhere"] = recording(3)[0].T
        make(file, "3D_positions")
    refuse(tmp_path / "x.h5", message)


@pytest.mark.parametrize("ending", FOLDERS)
def test_files_that_are_nothing_at_all_are_refused(ending, tmp_path: Path) -> None:
    for content in (b"", b"\0" * 5000, b"\x80\x04cos\nsystem\n(S'true'\ntR."):
        (tmp_path / f"x{ending}").write_bytes(content)
        refuse(tmp_path / f"x{ending}", "cannot be read")
