"""The process that reads files of others: small files cannot exhaust anything, and it works wherever the library does."""

import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted import client
from pose3d_lib.data.untrusted.client import list_keys, read_npz_key
from tests.helpers.hostile_files import write_npz


@pytest.fixture
def good(tmp_path: Path) -> Path:
    np.savez(
        tmp_path / "good.npz", numbers=np.arange(5), named={"a": [np.ones((2, 3)), "text"]}, empty=np.zeros((0, 3))
    )
    return tmp_path / "good.npz"


def reader() -> psutil.Process:
    (process,) = psutil.Process().children()
    return process


def test_one_process_reads_all_files_and_another_one_after_its_death(good: Path) -> None:
    list_keys(good, "npz")
    first = reader()
    assert read_npz_key(good, "named")["a"][1] == "text"
    assert reader() == first
    first.kill()
    first.wait()
    np.testing.assert_array_equal(read_npz_key(good, "numbers"), np.arange(5))
    assert read_npz_key(good, "empty").shape == (0, 3)


def test_memory_is_limited_by_the_size_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MEMORY", 10**7)
    monkeypatch.setattr(client, "MEMORY_RATIO", 0)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a={"S1": np.zeros(6_000_000)})
    with pytest.raises(InputError, match=r"a\.npz.*memory"):
        read_npz_key(path, "a")


def test_a_full_temporary_folder_is_named_as_the_reason(good: Path) -> None:
    list_keys(good, "npz")
    resource.prlimit(reader().pid, resource.RLIMIT_FSIZE, (10, 10))
    with pytest.raises(InputError, match=r"good\.npz.* temporary folder .*TMPDIR"):
        read_npz_key(good, "numbers")
    client.stop()


def test_a_refusal_does_not_repeat_the_advice_to_trust_the_file(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * 10_000 + b")}"
    path = write_npz(tmp_path / "long.npz", {"key": b"\x93NUMPY\2\0" + struct.pack("<I", len(header)) + header})
    with pytest.raises(InputError, match="key 'key'") as refused:
        read_npz_key(path, "key")
    assert "allow_pickle" not in str(refused.value)


def test_threads_take_turns(good: Path) -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(read_npz_key(good, "numbers"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all((numbers == np.arange(5)).all() for numbers in found)


def test_arrays_are_read_only_and_outlive_the_process_and_the_next_file(good: Path) -> None:
    numbers = read_npz_key(good, "numbers")
    read_npz_key(good, "named")
    client.stop()
    np.testing.assert_array_equal(numbers, np.arange(5))
    assert not numbers.flags.writeable


SCRIPT = """
import sys, pathlib
import psutil
from pose3d_lib.data.untrusted import client
print(client.read_npz_key(pathlib.Path(sys.argv[1]), "numbers").sum())
(reader,) = psutil.Process().children()
print(reader.pid, reader.cwd(), flush=True)
"""
DAEMON = """
import multiprocessing, pathlib, sys
from pose3d_lib.data.untrusted.client import read_npz_key
read_npz_key(pathlib.Path(sys.argv[1]), "numbers")
def work(path):
    return int(read_npz_key(pathlib.Path(path), "numbers").sum())
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, [sys.argv[1]] * 4))
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_works_from_a_script_in_any_folder_and_leaves_nothing(good: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "json.py").write_text("raise SystemExit('a file of the working folder was imported')")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-W", "error", str(script), str(good)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path / "elsewhere")
    assert (done.returncode, done.stderr) == (0, "")
    numbers, ids = done.stdout.splitlines()
    assert numbers == "10"
    assert not psutil.pid_exists(int(ids.split()[0]))
    assert not Path(ids.split()[1]).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_works_in_daemonic_workers_of_a_process_that_has_read_before(good: Path) -> None:
    done = run(DAEMON, str(good))
    assert (done.stdout, done.stderr) == ("[10, 10, 10, 10]\n", "")


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["alone", "with its group"])
def test_it_ends_and_its_folder_goes_when_its_client_is_killed(good: Path, kill: Callable[[int, int], None]) -> None:
    waiting = SCRIPT + "import time; time.sleep(60)"
    command = [sys.executable, "-c", waiting, str(good)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        parent.stdout.readline()
        number, folder = parent.stdout.readline().split()
        child = psutil.Process(int(number))
        kill(parent.pid, signal.SIGKILL)
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not Path(folder).exists()


def test_an_answer_is_checked(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = [["|O", [1], 0], ["<f8", [10**12], 0], ["<f8", [1], 10**30], ["<f8", [1], -8]]
    others = [["list", 5], ["dict", [["list", []]], [1]], ["call", "os.system"]]
    for value in (*(["array", *array] for array in arrays), *others):
        answer = {"values": {"numbers": ["value", value]}}
        monkeypatch.setattr(client._Reader, "ask", lambda *_, answer=answer: (answer, np.zeros(100, np.uint8)))
        with pytest.raises(InputError, match=r"good\.npz"):
            read_npz_key(good, "numbers")
