"""Verifying: one changed byte or name of a finished run is found, and a sound run is called sound."""

import json
import re
from pathlib import Path

import pytest

from pose3d_lib.runs.layout import NEEDED
from pose3d_lib.runs.run import Run, check_run
from tests.helpers.run_folders import finish


@pytest.fixture
def folder(baseline: Run) -> Path:
    """A finished run."""
    return baseline.folder


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("name", NEEDED)
def test_one_changed_byte_of_any_file_is_found(folder: Path, name: str) -> None:
    assert check_run(folder) == []
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 0x10
    (folder / name).write_bytes(content)
    (problem,) = check_run(folder)
    assert problem.startswith(f"{name}: ")


def test_all_changed_files_are_told_with_both_checksums(folder: Path) -> None:
    sums = json.loads((folder / "finished.json").read_text())["sha256"]
    for name in ("clips.csv", "history.jsonl"):
        with (folder / name).open("a") as file:
            file.write("\n")
    (problem,) = check_run(folder)
    assert re.match(r"history.jsonl: changed: .*; clips.csv: changed: its sha256 is [0-9a-f]{10}…, expected ", problem)
    assert problem.endswith(f"{sums['clips.csv'][:10]}…")


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("config.json", {"seed": 1}, "config.json or provenance.json is another run's, of All-3f-1ue-"),
        ("config.json", {"channels": -1}, "config.json: not what a run writes (channels: Input should be greater "),
        (
            "provenance.json",
            {"dataset": {"name": "a", "fingerprint": "0"}},
            "config.json or provenance.json is another",
        ),
        ("provenance.json", {"dataset": [1]}, "provenance.json: not what a run writes (dataset: "),
    ],
)
def test_what_does_not_belong_to_the_run_is_found(folder: Path, file: str, changes: dict, said: str) -> None:
    rewrite(folder / file, **changes)
    finish(folder)
    (problem,) = check_run(folder)
    assert problem.startswith(said)


def test_a_damaged_run_and_one_that_is_gone_are_told(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert check_run(folder) == ["model.safetensors: missing or empty"]
    (folder / "finished.json").unlink()
    assert check_run(folder) == ["no checkpoint"]
    assert check_run(folder.parent / "nowhere-0123456789") == ["vanished"]
