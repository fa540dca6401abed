"""A run folder holds what its module says, agrees with itself to the last digit, and never shows half a file."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import pose3d_lib
from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.dataset_file import save_dataset
from pose3d_lib.model.evaluate import METRICS, action_wise, evaluate, frame_wise, per_action
from pose3d_lib.runs import execute as lifecycle
from pose3d_lib.runs import run as runs
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.runs.run import Run, find_run, read_progress, run_folder
from pose3d_lib.training.config import ADDED, RunConfig
from pose3d_lib.training.parameters import make_config

SETTINGS = {
    "scale": "tiny",
    "preset": "tiny",
    "channels": 8,
    "unit_epochs": 0.2,
    "evaluate_at": "0.05,0.1",
    "device": "cpu",
}
"""About 6000 windows: two epochs and a half of Sitting, a quarter of a second."""

LISTED = re.findall(r"^(\w+\.\w+) {2,}\S", runs.__doc__, re.MULTILINE)
LEFT = set(LISTED) - {"progress.json", "checkpoint.state", "02_train.ipynb"}
"""What a finished run leaves that no notebook started."""


def small_config(**changes: object) -> RunConfig:
    return make_config(RunConfig, {**SETTINGS, "action": "Sitting", **changes})


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lease"}


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty outputs folder."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The actions trained so far."""
    begun: list[str] = []
    train = lifecycle.train

    def counted(config: RunConfig, *arguments: object, **keywords: object) -> object:
        begun.append(config.action)
        return train(config, *arguments, **keywords)

    monkeypatch.setattr(lifecycle, "train", counted)
    return begun


@dataclass(frozen=True)
class Executed:
    """A run, what was said while it ran, and its files' history as each row came."""

    run: Run
    said: list[str]
    lines_at_row: list[int]


@pytest.fixture(scope="module")
def executed(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executed]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("runs") / "outputs"))
        config, said, counts = small_config(), [], []
        history = run_folder(config, tiny_data) / "history.jsonl"
        run = execute_run(
            config,
            tiny_data,
            say=said.append,
            on_row=lambda row: counts.append(len(history.read_text(encoding="utf-8").splitlines())),
        )
        yield Executed(run, said, counts)


@pytest.fixture(scope="module")
def run(executed: Executed) -> Run:
    return executed.run


def test_the_folder_holds_what_the_module_lists(run: Run) -> None:
    assert len(LISTED) == 13
    assert files_in(run.folder) == LEFT


def test_the_folder_s_name_says_what_it_is_and_ends_in_a_hash(run: Run, tiny_data: PoseDataset) -> None:
    assert re.fullmatch(r"Sitting-27f-0\.2ue-seed0-[0-9a-f]{10}", run.folder.name)
    assert run.folder.parent.name == "runs"
    others = [small_config(lr=0.002), small_config(lr_decay_per="unit_epoch"), small_config(channels=9)]
    names = {run_folder(config, tiny_data).name for config in others}
    assert len(names | {run.folder.name}) == 4
    assert {name[:-10] for name in names} == {run.folder.name[:-10]}


def test_what_is_said_names_the_folder_and_the_number_of_test_clips(executed: Executed, tiny_data: PoseDataset) -> None:
    assert executed.said[0] == f"run folder: {executed.run.folder}"
    assert executed.said[-1].endswith(f"testing on {len(tiny_data.test_clips())} clips")


def test_the_config_is_read_as_it_was_given(run: Run) -> None:
    assert run.config == small_config()
    assert json.loads((run.folder / "config.json").read_text(encoding="utf-8")).keys() == RunConfig.model_fields.keys()


def test_a_run_that_was_made_before_a_setting_existed_is_read_with_its_default(
    run: Run, tiny_data: PoseDataset, outputs: Path
) -> None:
    older = outputs / "runs" / run.folder.name
    shutil.copytree(run.folder, older)
    settings = json.loads((older / "config.json").read_text(encoding="utf-8"))
    (older / "config.json").write_text(json.dumps({name: settings[name] for name in settings if name not in ADDED}))
    (older / "finished.json").write_text("{}")  # its checksums are those of the settings of today
    found = find_run(small_config(), tiny_data)
    assert found == Run(older)
    assert found.config == small_config()
    assert run_folder(found.config, tiny_data) == older


def test_every_line_of_history_is_there_before_its_row_is_reported(executed: Executed) -> None:
    assert executed.lines_at_row == list(range(1, len(executed.lines_at_row) + 1))


def test_history_has_a_row_per_epoch_and_per_test_on_the_way(run: Run) -> None:
    text = (run.folder / "history.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    windows, per_epoch = run.timing["windows"], run.timing["windows_per_epoch"]
    ends = [*range(per_epoch, windows, per_epoch), windows]
    assert len(ends) == 3
    assert set(ends) <= {row["windows"] for row in rows}
    tests = [row for row in rows if row["test_mpjpe"] is not None]
    assert [round(row["unit_epochs"], 2) for row in tests] == [0.05, 0.1]
    assert all(list(row["test_actions"]) == ["Sitting"] for row in tests)
    assert all(row["test_actions"]["Sitting"] == row["test_mpjpe"] for row in tests)
    assert [row["windows"] for row in rows] == sorted({row["windows"] for row in rows})
    assert rows[-1]["steps"] == run.timing["steps"]


def test_history_is_read_to_the_last_digit(run: Run) -> None:
    lines = (run.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    for row, line in zip(run.history.to_dict("records"), lines, strict=True):
        for name, value in json.loads(line).items():
            assert row[name] == value or (value is None and pd.isna(row[name])), name


def test_metrics_are_those_of_the_clips_to_the_last_digit(run: Run) -> None:
    with (run.folder / "clips.csv").open(encoding="utf-8", newline="") as file:
        clips = pd.DataFrame(list(csv.DictReader(file)))
    clips["frames"] = clips.frames.map(int)
    for metric in METRICS:
        clips[metric] = clips[metric].map(float)  # Python's float is exact; the tables of other readers may not be
    actions = per_action(clips)
    written = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert written["actions"] == actions.to_dict(orient="index")
    assert run.actions.to_dict(orient="index") == written["actions"]
    assert (run.action_wise, run.frame_wise) == (written["action_wise"], written["frame_wise"])
    assert run.action_wise == pytest.approx(action_wise(actions).to_dict(), rel=1e-14)  # a sum's order is not ours
    assert run.frame_wise == pytest.approx(frame_wise(actions).to_dict(), rel=1e-14)


def test_an_action_s_error_is_the_mean_over_the_frames_of_its_clips(run: Run) -> None:
    for action, clips in run.clips.groupby("action"):
        assert run.actions.frames[action] == clips.frames.sum()
        for metric in METRICS:
            assert run.actions[metric][action] == pytest.approx(np.average(clips[metric], weights=clips.frames))
    assert run.action_wise["mpjpe"] == pytest.approx(np.mean(run.actions.mpjpe))
    assert run.frame_wise["mpjpe"] == pytest.approx(np.average(run.clips.mpjpe, weights=run.clips.frames))


def test_clips_are_read_to_the_last_digit(run: Run) -> None:
    with (run.folder / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for metric in METRICS:
        assert run.clips[metric].tolist() == [float(row[metric]) for row in rows]


def test_clips_are_the_test_clips_in_their_order(run: Run, tiny_data: PoseDataset) -> None:
    expected = tiny_data.test_clips()
    for name in ("subject", "action", "take"):
        assert run.clips[name].tolist() == expected[name].tolist()
    assert run.clips.camera.tolist() == [tiny_data.cameras[number].name for number in expected.camera]
    assert run.clips.frames.tolist() == (expected.stop - expected.start).tolist()
    assert run.timing["evaluated_frames"] == run.clips.frames.sum()


def test_the_weights_give_the_same_errors_again(run: Run, tiny_data: PoseDataset) -> None:
    torch.set_num_threads(1)
    model = run.load_model(tiny_data)
    assert not model.training
    assert model.num_parameters == run.timing["parameters"]
    again = evaluate(model, tiny_data, tiny_data.test_clips(), run.config.keypoints)
    for metric in METRICS:
        np.testing.assert_allclose(again[metric], run.clips[metric], rtol=1e-9)


def test_provenance_says_with_what_the_run_was_made(run: Run, tiny_data: PoseDataset) -> None:
    provenance = run.provenance
    assert provenance["packages"]["torch"] == torch.__version__
    assert provenance["packages"]["pose3d-lib"] == pose3d_lib.__version__
    assert provenance["packages"]["numpy"] == np.__version__
    assert provenance["dataset"]["fingerprint"] == tiny_data.fingerprint
    assert provenance["dataset"]["name"] == tiny_data.name
    assert provenance["dataset"]["synthetic"] is True
    assert provenance["dataset"]["declarations"] == tiny_data.declarations()
    assert (provenance["seed"], provenance["threads"], provenance["device"]) == (0, 1, "CPU")
    assert provenance["format"] == RESULT_FORMAT
    assert provenance["python"] == ".".join(map(str, sys.version_info[:3]))
    assert datetime.fromisoformat(provenance["started"]).tzinfo is not None


def test_timing_says_how_much_was_seen(run: Run, tiny_data: PoseDataset) -> None:
    frames = tiny_data.frames_per_action().train
    assert run.timing["windows_per_unit_epoch"] == 2 * frames.sum()
    assert run.timing["windows_per_epoch"] == 2 * frames["Sitting"]
    assert run.timing["t"] == frames.sum() / frames["Sitting"]
    assert run.timing["windows"] == round(0.2 * 2 * frames.sum())
    assert run.timing["epochs"] == run.timing["windows"] / (2 * frames["Sitting"])
    assert run.timing["train_seconds"] > 0
    assert run.timing["train_cpu_seconds"] > 0
    assert run.timing["evaluation_seconds"] > 0


def test_a_finished_run_is_found_and_reused(run: Run, tiny_data: PoseDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(run.folder.parent.parent))
    monkeypatch.setattr(lifecycle, "train", lambda *_, **__: pytest.fail("trained again"))
    before = {path: path.stat().st_mtime_ns for path in run.folder.iterdir() if path.name != ".lease"}
    said: list[str] = []
    assert execute_run(small_config(), tiny_data, say=said.append) == run
    assert said == [f"finished before; read from {run.folder}"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert find_run(small_config(), tiny_data) == run
    assert find_run(small_config(seed=1), tiny_data) is None


def test_the_same_config_gives_the_same_numbers_in_another_folder(
    run: Run, tiny_data: PoseDataset, outputs: Path
) -> None:
    other = execute_run(small_config(), tiny_data)
    assert other.folder != run.folder
    assert other.folder.name == run.folder.name
    for name in ("metrics.json", "clips.csv", "config.json", "model.safetensors"):
        assert (other.folder / name).read_bytes() == (run.folder / name).read_bytes(), name
    pd.testing.assert_frame_equal(
        other.history.drop(columns=["train_seconds", "test_seconds"]),
        run.history.drop(columns=["train_seconds", "test_seconds"]),
        check_exact=True,
    )


def test_another_seed_gives_another_run_and_other_numbers(run: Run, tiny_data: PoseDataset, outputs: Path) -> None:
    other = execute_run(small_config(seed=1), tiny_data)
    assert other.folder.name != run.folder.name
    assert other.provenance["seed"] == 1
    assert (other.actions.mpjpe != run.actions.mpjpe).all()


def test_the_baseline_is_tested_on_all_it_was_trained_on(tiny_data: PoseDataset, outputs: Path) -> None:
    run = execute_run(small_config(action="All", unit_epochs=0.1, evaluate_at="0.05"), tiny_data)
    assert run.folder.name.startswith("All-27f-0.1ue-seed0-")
    assert tuple(run.actions.index) == tiny_data.test_actions
    assert tuple(run.history.test_actions[0]) == tiny_data.test_actions


def fail_to_replace(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Renaming to a file of this name fails as on a full disk."""
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if Path(target).name == name:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)


@pytest.mark.parametrize("name", sorted(LEFT - {"history.jsonl", "run.log"}))
def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_finished_run(
    name: str, tiny_data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch, trainings: list[str]
) -> None:
    config = small_config(unit_epochs=0.05, evaluate_at="")
    folder = run_folder(config, tiny_data)
    folder.mkdir(parents=True)
    old = None if name == "finished.json" else "what was there before"
    if old:
        (folder / name).write_text(old)
    with monkeypatch.context() as patch:
        fail_to_replace(patch, name)
        with pytest.raises(InputError, match=r"cannot be written.*No space left") as caught:
            execute_run(config, tiny_data)
    assert str(folder / name) in str(caught.value)
    assert ((folder / name).read_text() if (folder / name).exists() else None) == old
    assert not [left for left in files_in(folder) if left.startswith(".")], "an unfinished file was left"
    assert find_run(config, tiny_data) is None

    before = len(trainings)
    run = execute_run(config, tiny_data)
    assert len(trainings) == before + 1
    assert find_run(config, tiny_data) == run
    assert files_in(folder) == LEFT


def test_finished_is_the_last_file_written(
    tiny_data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    replace = Path.replace

    def noted(self: Path, target: Path) -> Path:
        written.append(Path(target).name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    execute_run(small_config(unit_epochs=0.05, evaluate_at=""), tiny_data)
    assert written[-1] == "finished.json"
    assert written.count("finished.json") == 1
    assert set(written) == LEFT - {"history.jsonl", "run.log"} | {"progress.json", ".checkpoint.state"}


def test_a_reader_never_sees_half_a_file(
    tiny_data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(unit_epochs=0.05, evaluate_at="")
    folder = run_folder(config, tiny_data)

    def half(weights: dict, path: Path) -> None:
        Path(path).write_bytes(b"half of it")
        assert not (folder / "model.safetensors").exists()
        raise OSError("the cable was pulled")

    monkeypatch.setattr(lifecycle, "save_file", half)
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be written \(the cable was pulled\)"):
        execute_run(config, tiny_data)
    assert not (folder / "model.safetensors").exists()
    assert not [left for left in files_in(folder) if left.startswith(".")]


def test_the_files_may_be_read_by_everyone(run: Run) -> None:
    if os.name != "posix":
        pytest.skip("permissions are POSIX's")
    assert {path.name: oct(path.stat().st_mode & 0o444) for path in run.folder.iterdir() if path.name in LEFT} == (
        dict.fromkeys(LEFT, "0o444")
    )


def test_what_an_interrupted_run_left_is_trained_anew(
    run: Run, tiny_data: PoseDataset, outputs: Path, trainings: list[str]
) -> None:
    folder = run_folder(small_config(), tiny_data)
    folder.mkdir(parents=True)
    for name in LEFT - {"finished.json"} | {"progress.json"}:
        (folder / name).write_text("garbage {")
    assert find_run(small_config(), tiny_data) is None
    again = execute_run(small_config(), tiny_data)
    assert trainings == ["Sitting"]
    assert files_in(folder) == LEFT
    assert again.actions.equals(run.actions)
    assert len(again.history) == len(run.history)


def test_a_run_that_fails_is_not_finished_and_lets_the_next_one_train(
    tiny_data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(unit_epochs=0.05, evaluate_at="")

    def fail(*_: object, **__: object) -> None:
        raise FloatingPointError("the training loss is nan")

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "train", fail)
        with pytest.raises(FloatingPointError):
            execute_run(config, tiny_data)
    assert find_run(config, tiny_data) is None
    assert execute_run(config, tiny_data).action_wise["mpjpe"] > 0


def test_progress_is_there_while_the_run_trains_and_gone_afterwards(
    tiny_data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pose3d_lib.training.loop.SECONDS_BETWEEN_REPORTS", 0)
    config = small_config()
    folder = run_folder(config, tiny_data)
    assert read_progress(folder) is None
    seen: list[dict] = []
    execute_run(config, tiny_data, on_row=lambda row: seen.append(read_progress(folder)))
    shares = [progress["windows"] / progress["total"] for progress in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1
    assert {tuple(sorted(progress)) for progress in seen} == {
        ("at", "epoch", "epochs", "seconds", "total", "train_mpjpe", "windows")
    }
    assert seen[0]["train_mpjpe"] is None, "before the first row"
    assert all(progress["train_mpjpe"] > 0 for progress in seen[1:])
    assert all(0 < progress["epoch"] <= progress["epochs"] for progress in seen)
    assert read_progress(folder) is None


SECOND_PROCESS = """
import sys
from pathlib import Path
from pose3d_lib.runs import execute as runs
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.data.dataset_file import load_dataset

config = RunConfig.model_validate_json(sys.argv[2])
runs.train = None  # calling it would fail
run = runs.execute_run(config, load_dataset(Path(sys.argv[1])), say=lambda line: print(line, flush=True))
print(run.action_wise["mpjpe"], flush=True)
"""


def test_of_two_processes_one_trains_and_the_other_waits_and_reads(
    tiny_data: PoseDataset, outputs: Path, tmp_path: Path, trainings: list[str]
) -> None:
    config = small_config(unit_epochs=0.05, evaluate_at="")
    folder = run_folder(config, tiny_data)
    save_dataset(tiny_data, tmp_path / "tiny.safetensors")
    processes: list[subprocess.Popen] = []
    said: list[str] = []

    def start_second(row: object) -> None:
        """Goes on training only when the second process has come to the same run."""
        if not processes:
            command = [sys.executable, "-c", SECOND_PROCESS, tmp_path / "tiny.safetensors", config.model_dump_json()]
            processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=os.environ)
            )
            said.append(processes[0].stdout.readline().strip())
            assert not (folder / "finished.json").exists()

    run = execute_run(config, tiny_data, on_row=start_second)
    rest, _ = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 0
    said += rest.splitlines()
    assert said == [
        f"process {os.getpid()} on {socket.gethostname()} is training this run ({folder}); waiting for it",
        f"finished meanwhile; read from {folder}",
        str(run.action_wise["mpjpe"]),
    ]
    assert trainings == ["Sitting"]


def test_the_batch_must_fit_before_anything_is_written(tiny_data: PoseDataset, outputs: Path) -> None:
    with pytest.raises(InputError, match=r"batch_size: found 100000, .* of Sitting .* give at most 2488"):
        execute_run(small_config(batch_size=100_000), tiny_data)
    assert not outputs.exists()


def test_outputs_below_a_file_are_refused_by_name(
    tiny_data: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "file" / "outputs"))
    with pytest.raises(InputError, match=r"cannot be made .*POSE3D_OUTPUTS") as caught:
        execute_run(small_config(), tiny_data)
    assert str(tmp_path / "file" / "outputs") in str(caught.value)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")
def test_outputs_that_may_not_be_written_are_refused_by_name(
    tiny_data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs.mkdir()
    outputs.chmod(0o555)
    try:
        with pytest.raises(InputError, match=r"cannot be made .*POSE3D_OUTPUTS") as caught:
            execute_run(small_config(), tiny_data)
    finally:
        outputs.chmod(0o755)
    assert str(outputs) in str(caught.value)
