"""Verifying: one changed byte, number, name or weight of a finished run is found, and a sound run is called sound."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs import verify as verification
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import NEEDED
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.verify import TOLERANCE, Difference, check_files, compare_clips, draw_sample, evaluate_again, judge
from pose3d_lib.training.config import RunConfig

ROWS = [
    ("S1", "Walking", "0", 0, 70),
    ("S1", "Sitting", "0", 0, 30),
    ("S9", "Walking", "0", 0, 12),
    ("S9", "Sitting", "0", 0, 8),
]
THREADS = 1
CONFIG = RunConfig(filter_widths=(3,), channels=6, batch_size=16, evaluate_at=(), threads=THREADS, action="Sitting")


@pytest.fixture(scope="module")
def data(hand_made) -> PoseDataset:
    return hand_made(ROWS)


@pytest.fixture(scope="module")
def trained(data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        return execute_run(CONFIG, data).folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / trained.name))


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def without_sums(folder: Path) -> None:
    content = json.loads((folder / "finished.json").read_text())
    content.pop("sha256")
    (folder / "finished.json").write_text(json.dumps(content))


def test_a_run_as_it_was_written_is_sound(folder: Path) -> None:
    assert check_files(folder) == ([], True)
    without_sums(folder)
    assert check_files(folder) == ([], False)


@pytest.mark.parametrize("name", NEEDED)
def test_one_changed_byte_of_any_file_is_found(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 0x10
    (folder / name).write_bytes(content)
    problems, _ = check_files(folder)
    assert problems
    assert any(problem.startswith(f"{name}: ") for problem in problems)


def test_all_changed_files_are_told_with_both_checksums(folder: Path) -> None:
    sums = json.loads((folder / "finished.json").read_text())["sha256"]
    for name in ("clips.csv", "history.jsonl"):
        with (folder / name).open("a") as file:
            file.write("\n")
    problems, _ = check_files(folder)
    assert [problem.partition(":")[0] for problem in problems] == ["history.jsonl", "clips.csv"]
    assert problems[1].endswith(f", expected {sums['clips.csv'][:10]}…")
    assert re.search(r"clips.csv: changed: its sha256 is [0-9a-f]{10}…", problems[1])


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "nested/file", "..", "clips.csv\0"])
def test_a_checksum_of_something_outside_the_folder_is_not_followed(folder: Path, name: str, monkeypatch) -> None:
    (folder.parent / "secret").write_text("")
    (folder / "nested").mkdir()
    (folder / "nested" / "file").write_text("")
    rewrite(folder / "finished.json", sha256={name: "0" * 64})
    problems, has_sums = check_files(folder)
    assert has_sums
    assert len(problems) == 1
    assert problems[0].endswith("missing, although finished.json has its checksum")
    assert "\0" not in problems[0]


@pytest.mark.parametrize("sums", [[], "none", 3, None, {"clips.csv": None}, {"clips.csv": ["0"]}])
def test_checksums_that_are_none_are_wrong(folder: Path, sums: object) -> None:
    rewrite(folder / "finished.json", sha256=sums)
    problems, has_sums = check_files(folder)
    assert has_sums
    assert len(problems) == 1


def test_changed_settings_are_found_by_the_name_even_without_checksums(folder: Path) -> None:
    without_sums(folder)
    rewrite(folder / "config.json", seed=1)
    ((problem,), _) = check_files(folder)
    assert problem.startswith(f"config.json or provenance.json is another run's, of {folder.name[:15]}")


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("config.json", {"channels": -1}, "config.json: channels: Input should be greater than or equal to 1"),
        ("provenance.json", {"dataset": {"fingerprint": "0"}}, "config.json or provenance.json is another run's"),
        ("provenance.json", {"dataset": [1]}, "provenance.json: the dataset's fingerprint is 'None'"),
    ],
)
def test_what_does_not_belong_to_the_run_is_found(folder: Path, file: str, changes: dict, said: str) -> None:
    without_sums(folder)
    rewrite(folder / file, **changes)
    ((problem,), _) = check_files(folder)
    assert problem.startswith(said)


@pytest.mark.parametrize("name", ["provenance.json", "timing.json"])
def test_json_that_the_listing_leaves_out_is_read(folder: Path, name: str) -> None:
    without_sums(folder)
    (folder / name).write_text("{")
    ((problem,), _) = check_files(folder)
    assert problem.startswith(f"{name}: not what a run writes")


def test_a_run_that_breaks_while_it_is_looked_at_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_object = verification.read_object

    def break_first(path: str) -> dict:
        (folder / "finished.json").write_text("{")
        return read_object(path)

    monkeypatch.setattr(verification, "read_object", break_first)
    ((problem,), has_sums) = check_files(folder)
    assert has_sums
    assert problem.startswith("finished.json: not what a run writes")


def test_a_damaged_run_and_one_that_is_gone_are_told(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert check_files(folder)[0] == ["model.safetensors: missing"]
    (folder / "finished.json").unlink()
    assert check_files(folder)[0] == ["no checkpoint"]
    assert check_files(folder.parent / "nowhere-0123456789")[0] == ["vanished"]


def test_a_sample_is_drawn_without_repetition_and_the_same_for_a_seed() -> None:
    names = [str(number) for number in range(50)]
    drawn = draw_sample(names, 10, 3)
    assert drawn == draw_sample(names[::-1], 10, 3) == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn != draw_sample(names, 10, 4)
    assert draw_sample(names[:2], 10, 0) == ["0", "1"]
    assert draw_sample(names, 0, 0) == draw_sample([], 1, 0) == []


def test_testing_a_run_again_gives_its_errors_to_the_last_digit_and_leaves_the_threads_alone(
    folder: Path, data: PoseDataset
) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(THREADS + 1)
        assert evaluate_again(Run(folder), data).relative == 0
        assert torch.get_num_threads() == THREADS + 1
    finally:
        torch.set_num_threads(before)


def test_weights_that_differ_in_one_number_are_found(folder: Path, data: PoseDataset) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.dtype == torch.float32 and tensor.ndim > 1)
    weights[name].view(-1)[0] += 0.01
    save_file(weights, folder / "model.safetensors")
    difference = evaluate_again(Run(folder), data)
    assert difference.relative > TOLERANCE
    assert re.search(r" of S9/(Walking|Sitting)/0/wide$", difference.where)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"no weights"])
def test_a_file_that_holds_no_weights_is_refused(folder: Path, data: PoseDataset, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        evaluate_again(Run(folder), data)


def test_weights_of_another_network_and_weights_that_are_no_numbers_are_refused(folder: Path, data) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, next(iter(weights)): torch.zeros(7, 7)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: not the weights of this run"):
        evaluate_again(Run(folder), data)
    save_file({name: tensor * np.nan for name, tensor in weights.items()}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: .* not finite"):
        evaluate_again(Run(folder), data)


def test_another_dataset_is_refused_with_both_fingerprints(folder: Path, data: PoseDataset, hand_made) -> None:
    other = hand_made([*ROWS, ("S9", "Sitting", "1", 0, 9)])
    with pytest.raises(
        InputError, match=f"{data.fingerprint[:10]}.*hand-made with {other.fingerprint[:10]}; put the data"
    ):
        evaluate_again(Run(folder), other)


def clips(**columns: list[float]) -> pd.DataFrame:
    place = {"subject": "S9", "action": ["Walking", "Sitting"], "take": "0", "camera": "wide", "frames": [12, 8]}
    return pd.DataFrame(
        {**place, **{metric: [50.0, 80.0] for metric in METRICS}, "mpjpe of Hip": [1.0, 2.0], **columns}
    )


PATH = Path("somewhere/clips.csv")


def test_the_largest_difference_of_all_clips_and_columns_is_told() -> None:
    again = clips(mpjve=[50.0, 80.8], p_mpjpe=[49.9, 80.0])
    difference = compare_clips(clips(), again, PATH)
    assert difference.relative == pytest.approx(0.01)
    assert difference.where == "mpjve of S9/Sitting/0/wide"


def test_a_joint_is_compared_as_a_part_of_its_clip() -> None:
    difference = compare_clips(clips(), clips(**{"mpjpe of Hip": [1.0, 2.08]}), PATH)
    assert difference.relative == pytest.approx(0.08 / 80)
    assert difference.where == "mpjpe of Hip of S9/Sitting/0/wide"


def test_tables_from_before_joints_were_written_are_compared_in_what_they_have() -> None:
    assert compare_clips(clips().drop(columns="mpjpe of Hip"), clips(), PATH).relative == 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (clips().drop(columns="n_mpjpe"), "no column 'n_mpjpe'"),
        (clips().drop(columns="frames"), "no column 'frames'"),
        (clips(take=["0", "1"]), "other clips than those of the dataset"),
        (clips(frames=[12, 9]), "other clips than those of the dataset"),
        (clips().iloc[:1], "other clips than those of the dataset, 1 and 2"),
        (clips().iloc[:0], "other clips than those of the dataset, 0 and 2"),
        (clips(mpjpe=[50.0, float("nan")]), "an error that is not a number"),
        (clips(mpjpe=[50.0, float("inf")]), "an error that is not a number"),
        (clips(mpjpe=["50", "many"]), "many"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_that_is_not_of_these_clips_is_refused(written: pd.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=r"somewhere/clips\.csv: ") as refused:
        compare_clips(written, clips(), PATH)
    assert said in str(refused.value)


def test_a_table_that_cannot_be_read_is_refused(folder: Path, data: PoseDataset) -> None:
    (folder / "clips.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"clips\.csv: cannot be read"):
        evaluate_again(Run(folder), data)


def test_a_difference_is_judged_by_the_tolerance_and_told_with_what_the_run_was_made_on() -> None:
    assert judge(Difference(TOLERANCE, "mpjpe of a"), {}) == ""
    said = judge(Difference(1.1 * TOLERANCE, "mpjpe of a"), {"packages": {"torch": "1.0"}, "processor": "An Abacus"})
    assert said.startswith("tested again, mpjpe of a differs by 1.1e-06 of it, expected at most 1e-06")
    assert "PyTorch 1.0 on An Abacus" in said
    assert judge(Difference(float("nan"), "mpjpe of a"), {"packages": []})
