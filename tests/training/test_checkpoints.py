"""The file of a checkpoint: whole or not there, the one before kept, and nothing in it is believed unchecked."""

import os
from pathlib import Path

import pytest
import torch

from pose3d_lib.common.errors import InputError
from pose3d_lib.training import checkpoint as checkpoints
from pose3d_lib.training.checkpoint import (
    CHECKPOINT,
    PREVIOUS,
    Checkpoint,
    delete_checkpoints,
    load_checkpoint,
    save_checkpoint,
)


def state(number: int) -> Checkpoint:
    return Checkpoint(
        {"weights": torch.full((3, 2), float(number)), "random": torch.arange(5, dtype=torch.uint8)},
        {"seen": number, "rows": [{"loss": 0.1, "test": None}]},
    )


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def seen(folder: Path) -> int:
    return load_checkpoint(folder)[0].numbers["seen"]


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) == (None, "")
    save_checkpoint(tmp_path, state(7))
    found, problem = load_checkpoint(tmp_path)
    assert problem == ""
    assert {**found.numbers, "format": None} == {**state(7).numbers, "format": None}
    assert found.tensors.keys() == state(7).tensors.keys()
    for name, tensor in state(7).tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_the_one_before_is_kept_and_no_other(tmp_path: Path) -> None:
    for number in range(3):
        save_checkpoint(tmp_path, state(number))
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, PREVIOUS}
    assert seen(tmp_path) == 2
    (tmp_path / CHECKPOINT).unlink()
    assert seen(tmp_path) == 1
    delete_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_whenever_writing_is_cut_off_a_whole_one_is_there(tmp_path: Path, monkeypatch, killed_at: int) -> None:
    """Every renaming is a moment; killed before it, what was there is read, or the new one."""
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    times = 0

    def killed(function):
        def step(*paths):
            nonlocal times
            times += 1
            if times == killed_at:
                raise KeyboardInterrupt
            return function(*paths)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed(os.replace))
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, state(3))
    assert times == killed_at
    assert seen(tmp_path) == (2 if killed_at == 1 else 3)
    save_checkpoint(tmp_path, state(4))
    assert seen(tmp_path) == 4
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, PREVIOUS}


@pytest.mark.parametrize("place", [0, 31, 32, 200, -1])
def test_with_one_bit_flipped_the_one_before_is_taken_and_the_damage_named(tmp_path: Path, place: int) -> None:
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    flip(tmp_path / CHECKPOINT, place)
    found, problem = load_checkpoint(tmp_path)
    assert found.numbers["seen"] == 1
    assert f"{tmp_path / CHECKPOINT}: damaged: its content does not have the checksum" in problem


@pytest.mark.parametrize("length", [0, 32, 100])
def test_where_none_is_whole_all_are_named(tmp_path: Path, length: int) -> None:
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    flip(tmp_path / PREVIOUS, 50)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="No older one is whole: delete both") as caught:
        load_checkpoint(tmp_path)
    assert f"{path}: damaged" in str(caught.value)
    assert f"{tmp_path / PREVIOUS}: damaged" in str(caught.value)


def test_instead_of_one_that_cannot_be_read_the_one_before_is_taken(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    (tmp_path / CHECKPOINT).unlink()
    (tmp_path / CHECKPOINT).mkdir()  # reading it is an error of the system, as on a broken disk
    found, problem = load_checkpoint(tmp_path)
    assert found.numbers["seen"] == 1
    assert f"{tmp_path / CHECKPOINT}: cannot be read (Is a directory)" in problem


def test_one_of_a_newer_version_is_refused(tmp_path: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "CHECKPOINT_FORMAT", 2)
        save_checkpoint(tmp_path, state(1))
    with pytest.raises(InputError, match=r"format 2 of checkpoints, expected 1"):
        load_checkpoint(tmp_path)
