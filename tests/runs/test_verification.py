"""Verifying: one changed byte, number, name or weight of a finished run is found, and a sound run is called sound."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs.layout import NEEDED
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.verify import TOLERANCE, check_files, compare_clips, evaluate_again, judge
from tests.helpers.run_folders import finish
from tests.helpers.short_runs import ROWS


@pytest.fixture
def folder(baseline: Run) -> Path:
    """A finished run."""
    return baseline.folder


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("name", NEEDED)
def test_one_changed_byte_of_any_file_is_found(folder: Path, name: str) -> None:
    assert check_files(folder) == []
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 0x10
    (folder / name).write_bytes(content)
    (problem,) = check_files(folder)
    assert problem.startswith(f"{name}: ")


def test_all_changed_files_are_told_with_both_checksums(folder: Path) -> None:
    sums = json.loads((folder / "finished.json").read_text())["sha256"]
    for name in ("clips.csv", "history.jsonl"):
        with (folder / name).open("a") as file:
            file.write("\n")
    (problem,) = check_files(folder)
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
    (problem,) = check_files(folder)
    assert problem.startswith(said)


def test_a_damaged_run_and_one_that_is_gone_are_told(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert check_files(folder) == ["model.safetensors: missing or empty"]
    (folder / "finished.json").unlink()
    assert check_files(folder) == ["no checkpoint"]
    assert check_files(folder.parent / "nowhere-0123456789") == ["vanished"]


def test_testing_a_run_again_gives_its_errors_to_the_last_digit_and_leaves_the_threads_alone(folder, data) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert evaluate_again(Run(folder), data)[0] == 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_weights_that_differ_in_one_number_are_found(folder: Path, data: PoseDataset) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.dtype == torch.float32 and tensor.ndim > 1)
    weights[name].view(-1)[0] += 0.01
    save_file(weights, folder / "model.safetensors")
    relative, where = evaluate_again(Run(folder), data)
    assert relative > TOLERANCE
    assert re.search(r" of S9/\w+/0/(wide|tall)( as published)?$", where)


def test_weights_that_are_no_numbers_are_refused(folder: Path, data: PoseDataset) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor * np.nan for name, tensor in weights.items()}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: .* not finite"):
        evaluate_again(Run(folder), data)


def test_another_dataset_is_refused_with_both_fingerprints(folder: Path, data: PoseDataset, hand_made) -> None:
    other = hand_made([*ROWS, ("S9", "Sitting", "1", 0, 9)])
    with pytest.raises(InputError, match=f"{data.fingerprint[:10]}.*hand-made with {other.fingerprint[:10]}"):
        evaluate_again(Run(folder), other)


def clips(**columns: list[float]) -> pd.DataFrame:
    place = {"subject": "S9", "action": ["Walking", "Sitting"], "take": "0", "camera": "wide", "frames": [12, 8]}
    return pd.DataFrame({**place, **{metric: [50.0, 80.0] for metric in METRICS}, **columns})


def test_the_largest_difference_is_told_with_its_metric_and_clip() -> None:
    relative, where = compare_clips(clips(), clips(mpjve=[50.0, 80.8], p_mpjpe=[49.9, 80.0]))
    assert (relative, where) == (pytest.approx(0.01), "mpjve of S9/Sitting/0/wide")
    relative, where = compare_clips(clips(mpjpe=[50.0, np.nan]), clips())
    assert relative == np.inf
    assert judge(relative, where, {"packages": {"torch": "1.0"}, "processor": "An Abacus"})


def test_a_table_of_other_clips_is_refused(data: PoseDataset) -> None:
    with pytest.raises(ValueError, match="other clips than those of the dataset, 2 and 1"):
        compare_clips(clips(), clips()[:1])


def test_a_difference_is_judged_by_the_tolerance_and_told_with_what_the_run_was_made_on() -> None:
    assert judge(TOLERANCE, "mpjpe of a", {}) == ""
    said = judge(1.1 * TOLERANCE, "mpjpe of a", {"packages": {"torch": "1.0"}, "processor": "An Abacus"})
    assert said.startswith("tested again, mpjpe of a differs by 1.1e-06 of it, expected at most 1e-06")
    assert "PyTorch 1.0 on An Abacus" in said
