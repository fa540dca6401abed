"""A sweep that is disturbed: nothing goes on behind it, and the next one ends with the numbers of an undisturbed one."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pose3d_lib.training.checkpoint import CHECKPOINT
from tests.helpers.sweep_processes import named, processes_of, results, start_sweep, wait_until

RUNS = ("-p", "actions", "Sitting", "-p", "lengths", "4", "-p", "evaluate_at", "1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    outputs = tmp_path_factory.mktemp("undisturbed") / "outputs"
    process = start_sweep(outputs, *RUNS)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    return results(outputs)


def under_way(outputs: Path) -> bool:
    """Both runs train, and have something to go on from."""
    return len(list(outputs.glob(f"runs/*/{CHECKPOINT}"))) == 2


def interrupt_all(outputs: Path, sweep: subprocess.Popen) -> None:
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does; kernels have sessions of their own


def terminate_the_sweep(outputs: Path, sweep: subprocess.Popen) -> None:
    sweep.terminate()


def terminate_all(outputs: Path, sweep: subprocess.Popen) -> None:
    for process in processes_of(outputs):
        process.terminate()


def kill_the_sweep(outputs: Path, sweep: subprocess.Popen) -> None:
    sweep.kill()


def kill_a_worker(outputs: Path, sweep: subprocess.Popen) -> None:
    named(outputs, "import serve")[0].kill()


def kill_a_kernel(outputs: Path, sweep: subprocess.Popen) -> None:
    named(outputs, "ipykernel_launcher")[0].kill()


slow = pytest.mark.slow


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize(
    ("disturb", "ends"),
    [
        (terminate_the_sweep, "at once"),
        pytest.param(interrupt_all, "at once", marks=slow),
        pytest.param(terminate_all, "at once", marks=slow),
        pytest.param(kill_the_sweep, "at once", marks=slow),
        pytest.param(kill_a_worker, "with one failed", marks=slow),
        pytest.param(kill_a_kernel, "with one failed", marks=slow),
    ],
)
def test_nothing_goes_on_behind_a_disturbed_sweep_and_the_next_one_completes_it(
    disturb, ends: str, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    outputs = tmp_path / "outputs"
    sweep = start_sweep(outputs, *RUNS)
    try:
        assert wait_until(lambda: under_way(outputs), 90), sweep.communicate()[0]
        disturb(outputs, sweep)
        said, _ = sweep.communicate(timeout=60)
        assert sweep.returncode != 0
        if ends == "at once":
            assert "Traceback" not in said
            assert not list(outputs.glob("runs/*/finished.json")), "stopped too late to mean anything"
        else:
            assert len(list(outputs.glob("runs/*/finished.json"))) == 1
            assert "1 of 2 runs failed" in said
            assert "killed" in said
            assert "the same command again runs only those that failed" in said
        assert wait_until(lambda: not processes_of(outputs), 20), processes_of(outputs)
        assert list(outputs.glob(f"runs/*/{CHECKPOINT}"))
        for log in outputs.glob("runs/*/run.log") if ends == "at once" else ():
            assert "stopped by SIG" in log.read_text(), "it did not save where it was"
    finally:
        for process in processes_of(outputs):
            process.kill()
    again = start_sweep(outputs, *RUNS)
    said, _ = again.communicate(timeout=180)
    assert again.returncode == 0, said
    assert results(outputs) == undisturbed
    resumed = [path for path in outputs.glob("runs/*/run.log") if "resumes after" in path.read_text()]
    assert resumed, "no run went on from its checkpoint"
    assert not processes_of(outputs)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(terminate_the_sweep, marks=slow),
        pytest.param(kill_the_sweep, marks=slow),
        pytest.param(interrupt_all, marks=pytest.mark.chaos),
    ],
)
def test_nothing_goes_on_behind_a_notebook_that_sweeps(disturb, tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    outputs = tmp_path / "outputs"
    command = ("run", "03_action_based")
    sweep = start_sweep(outputs, *RUNS, command=command)
    try:
        assert wait_until(lambda: under_way(outputs), 120), sweep.communicate()[0]
        disturb(outputs, sweep)
        said, _ = sweep.communicate(timeout=60)
        assert sweep.returncode != 0
        assert "Kernel died" not in said
        assert not list(outputs.glob("runs/*/finished.json")), "stopped too late to mean anything"
        assert wait_until(lambda: not processes_of(outputs), 30), processes_of(outputs)
        for log in outputs.glob("runs/*/run.log"):
            assert "stopped by SIG" in log.read_text(), "it did not save where it was"
    finally:
        for process in processes_of(outputs):
            process.kill()
    again = start_sweep(outputs, *RUNS, command=command)
    said, _ = again.communicate(timeout=180)
    assert again.returncode == 0, said
    assert results(outputs) == undisturbed
