"""Calls in processes of their own: one that is killed fails alone, and none outlives the process that made it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pose3d_lib.runs.sweep.processes import open_processes

FUNCTIONS = """
import os, signal, time
from pathlib import Path

def number_after(folder, seconds):
    print("what a call prints")
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(seconds)
    return os.getpid()

def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)
"""
CALLS = """
import functools, os, signal, sys, time
from concurrent.futures import wait
from functions import kill_itself, number_after
from pose3d_lib.runs.sweep.processes import open_processes

number_after = functools.partial(number_after, sys.argv[1])
with open_processes(2) as executor:
    if sys.argv[2] == "kill":
        calls = [executor.submit(number_after, 3), executor.submit(kill_itself)]
        calls += [executor.submit(number_after, 0) for _ in range(4)]
        wait(calls)
        print([type(call.exception()).__name__ for call in calls])
        print(len({call.result() for call in calls if not call.exception()}))
    elif sys.argv[2] == "kill between":
        numbers = [call.result() for call in [executor.submit(number_after, 1) for _ in range(2)]]
        for number in numbers:
            os.kill(number, signal.SIGKILL)
        time.sleep(1)
        print([executor.submit(number_after, 0).result() in numbers for _ in range(4)])
    else:
        wait([executor.submit(number_after, 60) for _ in range(4)])
"""
"""A script as people write them: without a guarded main."""


def start(tmp_path: Path, task: str) -> subprocess.Popen:
    (tmp_path / "calls.py").write_text(CALLS)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    (tmp_path / "numbers").mkdir()
    return subprocess.Popen(
        [sys.executable, tmp_path / "calls.py", tmp_path / "numbers", task],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_a_killed_process_fails_its_own_call_only(tmp_path: Path) -> None:
    output, errors = start(tmp_path, "kill").communicate(timeout=60)
    kinds, processes = output.splitlines()
    assert kinds == str(["NoneType", "BrokenProcessPool", *["NoneType"] * 4]), errors
    assert processes == "2", "the other process went on, and one new took the place of the killed"


def test_one_that_was_killed_between_two_calls_fails_none(tmp_path: Path) -> None:
    output, errors = start(tmp_path, "kill between").communicate(timeout=60)
    assert output.splitlines() == ["[False, False, False, False]"], errors


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_made_it(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "sleep")
    folder = tmp_path / "numbers"
    try:
        assert wait_until(lambda: len(list(folder.iterdir())) == 2)
        numbers = [int(path.name) for path in folder.iterdir()]
        assert all(alive(number) for number in numbers)
        if number != signal.SIGINT:
            os.kill(process.pid, number)
        if (
            number == signal.SIGINT
        ):  # a terminal sends it to all of them, and the first to hear of it begins another call
            for child in numbers:
                os.kill(child, number)
            time.sleep(0.5)
            os.kill(process.pid, number)
        process.communicate(timeout=30)
        assert process.returncode != 0
        assert wait_until(lambda: not any(alive(number) for number in numbers))
    finally:
        process.kill()
        process.communicate()


def test_results_and_errors_come_back() -> None:
    with open_processes(1) as executor:
        assert executor.submit(divmod, 7, 3).result() == (2, 1)
        assert isinstance(executor.submit(divmod, 7, 0).exception(), ZeroDivisionError)
