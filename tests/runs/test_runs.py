"""A run folder holds what its module says, agrees with itself to the last digit, and never shows half a file."""

import csv
import json
import os
import re
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
from pose3d_lib.data.dataset import PoseDataset, save_dataset
from pose3d_lib.model.evaluate import METRICS, action_wise, evaluate, frame_wise, per_action
from pose3d_lib.runs import execute, layout
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import RESULT_FORMAT, Progress, read_progress
from pose3d_lib.runs.run import Run, find_run, run_folder
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import RunPlan, choose_test, plan_run
from tests.helpers.short_runs import short_config

LISTED = re.findall(r"^(\w+\.\w+) {2,}\S", layout.__doc__, re.MULTILINE)
LEFT = set(LISTED) - {"progress.json", "checkpoint.state", "02_train.ipynb"}
"""What a finished run leaves that no notebook started."""


def rated_config(**changes: object) -> RunConfig:
    return short_config(**{"evaluate_at": (0.2, 0.7), **changes})


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lease"}


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The actions trained so far."""
    begun: list[str] = []
    train = execute.train

    def counted(plan: RunPlan, **keywords: object) -> object:
        begun.append(plan.config.action)
        return train(plan, **keywords)

    monkeypatch.setattr(execute, "train", counted)
    return begun


@dataclass(frozen=True)
class Executed:
    """A run, what was said while it ran, and how many lines its history had as each row came."""

    run: Run
    said: list[str]
    lines_at_row: list[int]


@pytest.fixture(scope="module")
def executed(data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executed]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("runs") / "outputs"))
        config, said, counts = rated_config(), [], []
        history = run_folder(config, data) / "history.jsonl"
        run = execute_run(
            plan_run(config, data), say=said.append, on_row=lambda row: counts.append(history.read_text().count("\n"))
        )
        yield Executed(run, said, counts)


@pytest.fixture(scope="module")
def run(executed: Executed) -> Run:
    return executed.run


def test_the_folder_holds_what_the_module_lists_for_everyone_to_read(run: Run) -> None:
    assert len(LISTED) == 15
    assert files_in(run.folder) == LEFT
    if os.name == "posix":
        assert {path.stat().st_mode & 0o444 for path in run.folder.iterdir() if path.name in LEFT} == {0o444}


def test_what_was_given_is_read_and_what_is_said_names_the_folder_and_the_test_clips(executed: Executed) -> None:
    run = executed.run
    assert executed.said[0] == f"run folder: {run.folder}"
    assert executed.said[-1].endswith("testing on 1 clip"), "of its own action"
    assert run.config == rated_config()
    assert json.loads((run.folder / "config.json").read_text(encoding="utf-8")).keys() == RunConfig.model_fields.keys()


def test_history_has_a_row_per_epoch_and_per_test_written_before_it_is_reported(executed: Executed) -> None:
    run = executed.run
    assert executed.lines_at_row == list(range(1, len(executed.lines_at_row) + 1))
    rows = [json.loads(line) for line in (run.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["windows"] for row in rows] == [48, 60, 120, 152, 180, 200]
    tests = [row for row in rows if row["test_mpjpe"] is not None]
    assert [row["windows"] for row in tests] == [48, 152]
    assert all(row["test_actions"] == {"Sitting": row["test_mpjpe"]} for row in tests)
    assert rows[-1]["steps"] == run.timing["steps"]
    for read, row in zip(run.history.to_dict("records"), rows, strict=True):
        for name, value in row.items():
            assert read[name] == value or (value is None and pd.isna(read[name])), name


def test_metrics_and_clips_agree_and_are_read_to_the_last_digit(run: Run) -> None:
    with (run.folder / "clips.csv").open(encoding="utf-8", newline="") as file:
        clips = pd.DataFrame(list(csv.DictReader(file)))
    clips["frames"] = clips.frames.map(int)
    for metric in METRICS:
        clips[metric] = clips[metric].map(float)  # Python's float is exact; the tables of other readers may not be
        assert run.clips[metric].tolist() == clips[metric].tolist()
    actions = per_action(clips)
    written = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert written["actions"] == actions.to_dict(orient="index") == run.actions.to_dict(orient="index")
    assert (run.action_wise, run.frame_wise) == (written["action_wise"], written["frame_wise"])
    assert run.action_wise == pytest.approx(action_wise(actions).to_dict(), rel=1e-14)  # a sum's order is not ours
    assert run.frame_wise == pytest.approx(frame_wise(actions).to_dict(), rel=1e-14)


def test_clips_are_those_of_the_run_s_action_in_their_order(run: Run, data: PoseDataset) -> None:
    expected = choose_test(run.config, data)
    assert expected.index.tolist() == [i for i, clip in data.test_clips().iterrows() if clip.action == "Sitting"]
    for name in ("subject", "action", "take"):
        assert run.clips[name].tolist() == expected[name].tolist()
    assert run.clips.camera.tolist() == [data.cameras[number].name for number in expected.camera]
    assert run.clips.frames.tolist() == (expected.stop - expected.start).tolist()
    assert run.timing["evaluated_frames"] == run.clips.frames.sum()


def test_the_weights_give_the_same_errors_again(run: Run, data: PoseDataset) -> None:
    torch.set_num_threads(1)
    model = run.load_lifters(data).pose
    assert not model.training
    assert model.num_parameters == run.timing["parameters"]
    again = evaluate(model, data, choose_test(run.config, data), run.config.keypoints)
    for metric in METRICS:
        np.testing.assert_allclose(again[metric], run.clips[metric], rtol=1e-9)


def test_provenance_says_with_what_the_run_was_made(run: Run, data: PoseDataset) -> None:
    found = run.provenance
    assert found["packages"].items() >= {"torch": torch.__version__, "pose3d-lib": pose3d_lib.__version__}.items()
    assert found["dataset"].items() >= {"fingerprint": data.fingerprint, "name": "hand-made", "synthetic": True}.items()
    assert found["dataset"]["declarations"] == data.declarations()
    assert [found[name] for name in ("seed", "threads", "device", "format")] == [0, 1, "CPU", RESULT_FORMAT]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert datetime.fromisoformat(found["started"]).tzinfo is not None


def test_timing_says_how_much_was_seen(run: Run) -> None:
    expected = {"windows_per_unit_epoch": 200, "windows_per_epoch": 60, "t": 100 / 30, "windows": 200}
    assert run.timing.items() >= {**expected, "epochs": 200 / 60}.items()
    assert all(run.timing[name] > 0 for name in ("train_seconds", "train_cpu_seconds", "evaluation_seconds"))


def test_a_finished_run_is_found_and_reused(run: Run, data: PoseDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(run.folder.parent.parent))
    monkeypatch.setattr(execute, "train", lambda *_, **__: pytest.fail("trained again"))
    before = {path: path.stat().st_mtime_ns for path in run.folder.iterdir() if path.name != ".lease"}
    said: list[str] = []
    assert execute_run(plan_run(rated_config(), data), say=said.append) == run
    assert said == [f"finished before; read from {run.folder}"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert find_run(rated_config(), data) == run
    assert find_run(rated_config(seed=1), data) is None


def test_the_same_config_gives_the_same_numbers_in_another_folder_and_another_seed_others(run, data, outputs) -> None:
    other = execute_run(plan_run(rated_config(), data))
    assert other.folder != run.folder
    assert other.folder.name == run.folder.name
    for name in (
        *("metrics.json", "clips.csv", "clips_published.csv", "config.json"),
        *("model.safetensors", "statistics_published.safetensors"),
    ):
        assert (other.folder / name).read_bytes() == (run.folder / name).read_bytes(), name
    histories = [one.history.drop(columns=["train_seconds", "test_seconds"]) for one in (other, run)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    seeded = execute_run(plan_run(rated_config(seed=1), data))
    assert seeded.folder.name != run.folder.name
    assert seeded.provenance["seed"] == 1
    assert (seeded.actions.mpjpe != run.actions.mpjpe).all()


def test_the_baseline_is_tested_on_all_it_was_trained_on(data: PoseDataset, outputs: Path) -> None:
    run = execute_run(plan_run(rated_config(action="All"), data))
    assert run.folder.name.startswith("All-3f-1ue-seed0-")
    assert tuple(run.actions.index) == data.test_actions
    assert tuple(run.history.test_actions[0]) == data.test_actions


@pytest.mark.parametrize("name", ["config.json", "clips.csv", "model.safetensors", "finished.json"])
def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_finished_run(
    name: str, data: PoseDataset, outputs: Path, monkeypatch: pytest.MonkeyPatch, trainings: list[str]
) -> None:
    config = short_config()
    folder = run_folder(config, data)
    folder.mkdir(parents=True)
    old = None if name == "finished.json" else "what was there before"
    if old:
        (folder / name).write_text(old)
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if Path(target).name == name:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        with pytest.raises(InputError, match=r"cannot be written.*No space left") as caught:
            execute_run(plan_run(config, data))
    assert str(folder / name) in str(caught.value)
    assert ((folder / name).read_text() if (folder / name).exists() else None) == old
    assert not [left for left in files_in(folder) if left.startswith(".")], "an unfinished file was left"
    assert find_run(config, data) is None

    before = len(trainings)
    run = execute_run(plan_run(config, data))
    assert len(trainings) == before + 1
    assert find_run(config, data) == run
    assert files_in(folder) == LEFT


def test_progress_is_there_while_the_run_trains_and_gone_afterwards(data: PoseDataset, outputs, monkeypatch) -> None:
    monkeypatch.setattr("pose3d_lib.training.loop.SECONDS_BETWEEN_REPORTS", 0)
    folder = run_folder(rated_config(), data)
    assert read_progress(folder) is None
    seen: list[Progress] = []
    execute_run(plan_run(rated_config(), data), on_row=lambda row: seen.append(read_progress(folder)))
    shares = [progress.windows / progress.total for progress in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1
    assert seen[0].train_mpjpe is None, "before the first row"
    assert all(progress.train_mpjpe > 0 for progress in seen[1:])
    assert all(0 < progress.epoch <= progress.epochs for progress in seen)
    assert read_progress(folder) is None


SECOND_PROCESS = """
import sys
from pathlib import Path
from pose3d_lib.data.dataset import load_dataset
from pose3d_lib.runs import execute
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import plan_run

config = RunConfig.model_validate_json(sys.argv[2])
execute.train = None  # calling it would fail
plan = plan_run(config, load_dataset(Path(sys.argv[1])))
run = execute.execute_run(plan, say=lambda line: print(line, flush=True))
print(run.action_wise["mpjpe"], flush=True)
"""


def test_of_two_processes_one_trains_and_the_other_waits_and_reads(data, outputs, tmp_path, trainings) -> None:
    config = short_config()
    folder = run_folder(config, data)
    save_dataset(data, tmp_path / "data.safetensors")
    processes: list[subprocess.Popen] = []
    said: list[str] = []

    def start_second(row: object) -> None:
        """Training continues only when the second process has come to the same run."""
        if not processes:
            command = [sys.executable, "-c", SECOND_PROCESS, tmp_path / "data.safetensors", config.model_dump_json()]
            processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=os.environ)
            )
            said.append(processes[0].stdout.readline().strip())
            assert not (folder / "finished.json").exists()

    run = execute_run(plan_run(config, data), on_row=start_second)
    rest, _ = processes[0].communicate(timeout=60)
    assert processes[0].returncode == 0
    said += rest.splitlines()
    assert said == [
        f"process {os.getpid()} on {socket.gethostname()} is training this run ({folder}); waiting for it",
        f"finished meanwhile; read from {folder}",
        str(run.action_wise["mpjpe"]),
    ]
    assert trainings == ["Sitting"]
