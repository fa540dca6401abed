"""Whole sweeps that are disturbed: nothing goes on behind one, and the next ends with the numbers of an undisturbed one."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pose3d_lib.training.checkpoint import CHECKPOINT
from tests.helpers.sweep_processes import (
    RUNS,
    find_kernels,
    processes_of,
    results,
    start_sweep,
    under_way,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    outputs = tmp_path_factory.mktemp("undisturbed") / "outputs"
    said, _ = (process := start_sweep(outputs, *RUNS)).communicate(timeout=600)
    assert process.returncode == 0, said
    return results(outputs)


def interrupt(outputs: Path, sweep: subprocess.Popen) -> None:
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does; kernels have sessions of their own


def terminate(outputs: Path, sweep: subprocess.Popen) -> None:
    sweep.terminate()


def kill(outputs: Path, sweep: subprocess.Popen) -> None:
    sweep.kill()


def kill_a_kernel(outputs: Path, sweep: subprocess.Popen) -> None:
    find_kernels(outputs)[0].kill()


SWEEP, NOTEBOOK = ("sweep",), ("run", "03_action_based")


@pytest.mark.parametrize(
    ("command", "disturb"),
    [
        (SWEEP, terminate),
        (SWEEP, interrupt),
        (SWEEP, kill),
        (SWEEP, kill_a_kernel),
        (NOTEBOOK, terminate),
        (NOTEBOOK, kill),
    ],
)
def test_nothing_goes_on_behind_a_disturbed_sweep_and_the_next_one_completes_it(
    command: tuple[str, ...], disturb, tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    outputs = tmp_path / "outputs"
    sweep = start_sweep(outputs, *RUNS, command=command)
    try:
        assert wait_until(lambda: under_way(outputs), 300), sweep.communicate()[0]
        disturb(outputs, sweep)
        said, _ = sweep.communicate(timeout=300)
        assert sweep.returncode != 0
        assert "Traceback" not in said
        finished = len(list(outputs.glob("runs/*/finished.json")))
        if disturb is kill_a_kernel:
            assert finished == 1
            for part in (
                "1 of 2 runs failed",
                "its kernel was killed",
                "the same command again runs only those that failed",
            ):
                assert part in said
        else:
            assert finished == 0, "stopped too late to mean anything"
        assert wait_until(lambda: not processes_of(outputs), 20), processes_of(outputs)
        assert list(outputs.glob(f"runs/*/{CHECKPOINT}"))
        if disturb in (terminate, interrupt):
            assert all("stopped by SIG" in log.read_text() for log in outputs.glob("runs/*/run.log")), "not saved"
    finally:
        for process in processes_of(outputs):
            process.kill()
    again = start_sweep(outputs, *RUNS, command=command)
    said, _ = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert results(outputs) == undisturbed
    assert any("resumes after" in log.read_text() for log in outputs.glob("runs/*/run.log"))
    assert not processes_of(outputs)
