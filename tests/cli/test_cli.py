"""`pose3d ...`: wrong input is refused at once with what was meant; runs are kept, reused, and do not stop each other."""

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from pose3d_lib.cli.reproduce import RunBoard
from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run
from pose3d_lib.runs.sweep import sweep
from pose3d_lib.runs.sweep.kernel import NotebookFailed, open_kernels
from pose3d_lib.runs.sweep.progress import RunStatus, first_look, look_again, sweep_table
from pose3d_lib.runs.sweep.sweep import SweepFailed, count_jobs, raise_failures, run_sweep
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.console import Called
from tests.helpers.run_folders import Only

PROGRAM = Path(sys.executable).with_name("pose3d")
REFUSED_WITHIN_S = 10
TINY = {"scale": "tiny", "preset": "tiny", "evaluate_at": "", "device": "cpu"}
SHORT = 0.05  # unit epochs
NAMED = rf"27f-{SHORT:g}ue-seed0-\w{{10}}"  # a pattern: how a short run's line goes on after its action
OF_A_RUN = ["-p", "scale", "tiny", "-p", "preset", "tiny", "-p", "unit_epochs", str(SHORT)]
OF_A_STUDY = ["-p", "scale", "tiny", "-p", "preset", "tiny", "-p", "lengths", str(SHORT), "-p", "seeds", "0"]


@dataclass(frozen=True)
class Ended:
    code: object
    out: str
    err: str
    seconds: float


Call = Callable[..., Ended]


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """POSE3D_OUTPUTS, not made yet; and a POSE3D_DATA with nothing in it."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("POSE3D_DATA", str(tmp_path / "nowhere"))
    return tmp_path / "outputs"


@pytest.fixture
def prepared(outputs: Path, tiny_data: PoseDataset, tiny_outputs: Path) -> Path:
    """POSE3D_OUTPUTS in which the dataset is prepared and nothing else."""
    shutil.copytree(tiny_outputs / "data", outputs / "data")
    return outputs


@pytest.fixture
def call(console: Called) -> Call:
    """The console script within this process."""

    def called(*arguments: str) -> Ended:
        begun = time.monotonic()
        return Ended(*console(*arguments), time.monotonic() - begun)

    return called


def start(*arguments: str) -> Ended:
    """The console script as a terminal runs it, with output to a pipe."""
    begun = time.monotonic()
    ended = subprocess.run(
        [PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=os.environ, timeout=120
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr, time.monotonic() - begun)


def test_help(call: Call) -> None:
    assert call("run", "-h").out.startswith("Usage: ")
    ended = call("--help")
    assert ended.code == 0
    for command in ("run", "sweep", "reproduce"):
        assert re.search(rf"^  {command} +\S", ended.out, re.MULTILINE)


WRONG = [
    (("run", "02_train", "-p", "action", "sitting"), "unknown action 'sitting': did you mean Sitting, SittingDown"),
    (("run", "02_train", "-p", "acton", "Sitting"), "unknown parameter 'acton': did you mean action"),
    (("run", "02_train", "-p", "filter_widths", "2,3"), "parameter filter_widths: found '2,3'"),
    (("run", "02_train", "-p", "dataset", "/no/such.npz"), "/no/such.npz: there is no such file"),
    (
        ("run", "01_data_prep", "-p", "dataset", "human"),
        "unknown dataset 'human': did you mean humaneva15, humaneva20? Valid: ",
    ),
    (("run", "01_data_prep", "-p", "keypoints", "detected"), "unknown keypoints of the synthetic dataset 'detected'"),
    (("run", "04_results", "-p", "actions", "Sit"), "unknown action 'Sit': did you mean Sitting, SittingDown?"),
    (("reproduce", "-p", "lengths", "1,2,4"), "parameter lengths: found '1,2,4': give two at most"),
    (("run", "2_train"), "unknown notebook '2_train': did you mean 02_train?"),
    (("sweep", "-p", "dataset", "h36m"), "POSE3D_DATA"),
    (("run", "02_train", "-p", "action"), "requires 2 arguments"),
    (("train",), "No such command 'train'"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_what_is_wrong_is_refused_at_once(call: Call, outputs: Path, arguments: tuple[str, ...], said: str) -> None:
    ended = call(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.out == ""
    assert ended.seconds < REFUSED_WITHIN_S
    assert not outputs.exists()


def test_what_the_data_cannot_carry_is_refused_at_once(call: Call, prepared: Path) -> None:
    ended = call("sweep", "-p", "batch_size", "1000", "-p", "actions", "Sitting,Eating", *OF_A_STUDY)
    assert ended.code == 2
    assert "there are only 628 training windows of Eating in synthetic-tiny" in ended.err
    assert ended.seconds < REFUSED_WITHIN_S
    assert not (prepared / "runs").exists()


def test_outputs_below_a_file_are_refused_by_name(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "file" / "outputs"))
    for arguments in (("run", "02_train"), ("run", "01_data_prep"), ("sweep",), ("reproduce",)):
        ended = call(*arguments, "-p", "scale", "tiny")
        assert ended.code == 2
        assert f"{tmp_path / 'file' / 'outputs'}" in ended.err


@pytest.mark.slow
def test_run_leaves_a_run_folder_with_its_notebook_and_reuses_it(call: Call, prepared: Path) -> None:
    first = start("run", "02_train", "-p", "action", "Sitting", *OF_A_RUN)
    assert first.code == 0, first.err
    assert first.err == ""
    (folder,) = (prepared / "runs").iterdir()
    assert f"run folder: {folder}" in first.out
    assert re.search(rf"^\[ +1/1\] Sitting-{NAMED} +finished", first.out, re.MULTILINE)
    assert "\x1b" not in first.out, "no colours or cursor movements into a pipe"
    run = Run(folder)
    assert run.config.action == "Sitting"
    assert f" {run.actions.mpjpe['Sitting']:.2f} |" in first.out
    notebook = nbformat.read(folder / "02_train.ipynb", as_version=4)
    assert all(output.output_type != "error" for cell in notebook.cells for output in cell.get("outputs", []))
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    second = call("run", "02_train", "-p", "action", "Sitting", *OF_A_RUN)
    assert (second.code, second.err) == (0, "")
    assert re.search(rf"^\[ +1/1\] Sitting-{NAMED} +reused", second.out, re.MULTILINE)
    assert f"run folder: {folder}" in second.out
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """A sweep's runs in threads and without notebooks; Sitting fails. What would have been passed to papermill."""
    passed: list[dict] = []

    def execute(folder: Path, parameters: dict, *, stop: object) -> bool:
        passed.append(parameters)
        if parameters["action"] == "Sitting":
            raise NotebookFailed(folder / "a.ipynb", "FloatingPointError: the training loss is nan", refused=False)
        config = make_config(RunConfig, parameters)
        execute_run(plan_run(config, open_dataset(config.data)))
        return True

    monkeypatch.setattr(sweep, "execute_training", execute)
    monkeypatch.setattr(sweep, "open_kernels", lambda *_: open_kernels(1))
    return passed


def test_sweep_goes_on_after_a_failure_and_quotes_it(call, prepared, tiny_data, without_kernels) -> None:
    arguments = ("sweep", "-p", "actions", "Sitting,Walking", *OF_A_STUDY, "-p", "timed", "0")
    ended = call(*arguments)
    assert ended.code == 1
    assert [parameters["action"] for parameters in without_kernels] == ["All", "Sitting", "Walking"]
    failed = f"error: 1 of 3 runs failed:\n- Sitting-{NAMED}: FloatingPointError: the training loss is nan"
    assert re.search(failed, ended.err)
    assert "The executed notebook, with the traceback: " in ended.err
    assert "the same command again runs only those that failed" in ended.err
    states = re.findall(rf"^\[ +\d/3\] (\w+)-{NAMED} +(\w+)", ended.out, re.MULTILINE)
    assert states == [("All", "finished"), ("Sitting", "failed"), ("Walking", "finished")]
    assert len(list((prepared / "runs").glob("*/finished.json"))) == 2

    again = call(*arguments)
    assert again.code == 1
    assert [parameters["action"] for parameters in without_kernels[3:]] == ["Sitting"]
    states = re.findall(rf"^\[ +\d/3\] (\w+)-{NAMED} +(\w+)", again.out, re.MULTILINE)
    assert states == [("All", "reused"), ("Walking", "reused"), ("Sitting", "failed")]


def test_runs_to_be_timed_come_last_one_at_a_time(call, prepared, tiny_data, without_kernels, monkeypatch) -> None:
    jobs: list[int] = []
    opened = sweep.open_kernels
    monkeypatch.setattr(sweep, "open_kernels", lambda own, notebook: opened(jobs.append(own)))
    ended = call("sweep", "-p", "actions", "Walking", "-p", "jobs", "2", *OF_A_STUDY, "-p", "timed", "2")
    assert (ended.code, jobs) == (0, [2, 1])
    assert [parameters.get("timed", 0) for parameters in without_kernels] == [0, 0, 1, 2]
    assert "Then, to be timed: 2 runs, 0 of them finished; the other 2 take about" in ended.out
    assert re.findall(r"^\[ +(\d/4)\] (\w+)-", ended.out, re.MULTILINE) == [
        *(("1/4", "All"), ("2/4", "Walking"), ("3/4", "Walking"), ("4/4", "Walking"))
    ]


def tiny_plan(data: PoseDataset, **changes: object) -> list[RunConfig]:
    settings = {**TINY, "seeds": 0, "lengths": SHORT, "actions": "Sitting,Walking", **changes}
    return study_runs(make_config(StudyConfig, settings), Only(data))


def test_a_notebook_that_leaves_no_run_has_failed(prepared, tiny_data, without_kernels, monkeypatch) -> None:
    monkeypatch.setattr(sweep, "execute_training", lambda *_, stop: True)
    statuses = run_sweep(tiny_plan(tiny_data)[:1], Only(tiny_data), jobs=1, begun=time.time())
    assert [(status.state, status.error) for status in statuses] == [("failed", sweep.NOTHING_LEFT)]
    with pytest.raises(SweepFailed, match=f"1 of 1 runs failed:\n- All-{NAMED}: its notebook ended without"):
        raise_failures(statuses)


def test_what_an_older_process_left_is_not_progress(prepared: Path, tiny_data: PoseDataset) -> None:
    (status, *_) = first_look(tiny_plan(tiny_data), Only(tiny_data))
    status.folder.mkdir(parents=True)
    progress = status.folder / "progress.json"
    progress.write_text(
        '{"windows": 30, "total": 120, "epoch": 0.5, "epochs": 2.0, "train_mpjpe": 81.25, "seconds": 8.0, "at": 1000.0}'
    )
    (waiting,) = look_again([status], begun=2000.0)
    assert (waiting.state, waiting.share) == ("waiting", 0)
    (training,) = look_again([status], begun=500.0)
    assert (training.state, training.share, training.seconds) == ("training", 0.25, 8.0)
    assert (training.epochs, training.loss) == ("0.5 of 2.0", 81.25)
    assert training.seconds_left == pytest.approx(24)
    progress.write_text(
        '{"windows": 120, "total": 120, "epoch": 2, "epochs": 2, "train_mpjpe": 70, "seconds": 9.0, "at": 1000.0}'
    )
    assert look_again([status], begun=500.0)[0].state == "testing"


def test_a_notebook_that_refuses_its_input_says_only_why(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NotebookFailed(Path("out.ipynb"), "ValueError: no", refused=False)

    monkeypatch.setattr("pose3d_lib.runs.sweep.kernel.execute_notebook", fail)
    ended = call("run", "01_data_prep", "-p", "scale", "tiny")
    assert ended.code == 1
    assert ended.err == "error: ValueError: no\nThe executed notebook, with the traceback: out.ipynb\n"


def test_jobs_are_as_asked_for_or_as_many_as_the_cores_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for changes, jobs in (({}, 8), ({"jobs": 3}, 3), ({"threads": 2}, 4), ({"threads": 0}, 1), ({"threads": 16}, 1)):
        assert count_jobs(make_config(StudyConfig, {**TINY, **changes})) == jobs
    with pytest.raises(InputError, match="parameter jobs"):
        make_config(StudyConfig, {"jobs": -1})


BRACKETS = "[red]walk[red]"  # no style


def states(*changes: dict) -> list[RunStatus]:
    """Three runs that wait, but for the changes."""
    config = make_config(RunConfig, {"scale": "tiny", "preset": "tiny", "device": "cpu"})
    configs = [config.model_copy(update={"action": action}) for action in ("All", "Eating", BRACKETS)]
    waiting = [RunStatus(config, Path(f"{config.action}-0123"), "waiting", 0.0, 1000) for config in configs]
    return [replace(status, **change) for status, change in zip(waiting, changes, strict=True)]


FINISHED = {"state": "finished", "share": 1.0, "seconds": 61.5}
HALFWAY = {"state": "training", "share": 0.5, "seconds": 30.0}
FAILED = {"state": "failed", "error": "[Errno 28] No space left on device\nThe executed notebook: x"}
REUSED = {"state": "reused", "share": 1.0}


def test_on_no_terminal_a_line_is_written_as_each_run_ends() -> None:
    file = io.StringIO()
    with RunBoard(Console(file=file, width=80), begun=time.time() - 100) as board:
        board.show(states({}, {}, {}))
        board.show(states(HALFWAY, {}, {}))
        assert file.getvalue() == ""
        board.show(states(FINISHED, HALFWAY, {}))
        board.show(states(FINISHED, FAILED, HALFWAY))
        board.show(states(FINISHED, FAILED, HALFWAY))
        board.show(states(FINISHED, FAILED, FINISHED))
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"\[  1/3\] All-0123 finished, trained 61\.5 s, about \d+ (s|min) left", lines[0])
    assert re.match(r"\[  2/3\] Eating-0123 failed", lines[1])
    assert lines[1].endswith(": [Errno 28] No space left on device")
    assert re.match(r"\[  3/3\] \[red\]walk\[red\]-0123 finished, ", lines[2])
    assert "\x1b" not in file.getvalue()


def test_a_terminal_shows_those_at_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    with RunBoard(Console(force_terminal=True, file=file, width=100), begun=time.time() - 300) as board:
        board.show(states(REUSED, {}, {**HALFWAY, "share": 0.25}))
        time.sleep(0.3)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert re.search(r"1 of 3 runs, 5 min so far, about 35 min left\s+\[red\]walk\[red\]-0123 training 25 %", plain)
    assert "Eating" not in plain


def test_the_table_of_a_sweep(prepared: Path, tiny_data: PoseDataset) -> None:
    configs = tiny_plan(tiny_data)
    run = execute_run(plan_run(configs[1], tiny_data))
    all_, sitting, walking = first_look(configs, Only(tiny_data))
    failed = replace(walking, state="failed", error="first line\nsecond line")
    table = sweep_table([all_, sitting, failed])
    assert table.run.tolist() == [status.folder.name for status in (all_, sitting, failed)]
    assert table.state.tolist() == ["waiting", "reused", "failed"]
    assert table.error.tolist() == ["", "", "first line"]
    assert table["own test MPJPE [mm]"].isna().tolist() == [True, False, True]
    assert table["own test MPJPE [mm]"][1] == run.actions.mpjpe["Sitting"]
    assert table["t"][1] == run.timing["t"]
