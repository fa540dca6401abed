"""The content of `.npz`, torch, CDF, HDF5 and MATLAB files, which a process with limits reads.

One process serves all files of this one: it is started when the first is read, again after it died, and ends with this one.
A file that needs more than its size gives reason to, or ends the process, is refused.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.untrusted.answers import Refused, restore

MEMORY, MEMORY_RATIO = 2**30, 12
"""Bytes that reading any file may take, in memory and on the disk; or so many times the file's size."""

PROCESSOR_SECONDS, WALL_SECONDS, MEGABYTE = 5, 30, 10**6
"""For any file, and one more for each megabyte of it."""

LONGEST_ANSWER, ANSWER_RATIO = 64 * 2**20, 4
"""Bytes of an answer without its arrays; or so many times the file's size."""

START_SECONDS = 300
"""Until the libraries are imported, from a slow disk as well."""


def read_file(path: Path, kind: str, keys: Sequence[str]) -> dict[str, object]:
    """The values under some keys, with an InputError for each that cannot be read. Arrays are read-only and memory-mapped.

    Args:
        path: the file.
        kind: "npz", "torch" (its only key is ""), "cdf", "h5" or "mat".
        keys: of arrays, variables or datasets.

    Raises:
        InputError: the file cannot be read at all; names it and says why.
    """
    found = _ask(path, kind, list(keys))
    return {
        key: InputError(f"{path}{f', key {key!r}' * bool(key)}: {value}") if isinstance(value, Refused) else value
        for key, value in found.items()
    }


def list_npz_keys(path: Path) -> list[str]:
    """The names of the arrays in the file, in its order."""
    return _ask(path, "npz", None)


def read_npz_key(path: Path, key: str) -> object:
    """One array of the file; of a 0-d array of objects, the object that it holds.

    Raises:
        InputError: the file or the key is not there, is not whole, takes far more memory than arrays would, or holds
            anything but arrays, dicts, lists, tuples, strings, bytes and numbers.
    """
    try:
        value = read_file(path, "npz", [key])[key]
    except InputError as error:
        raise InputError(f"{error} (key {key!r})") from error
    if isinstance(value, InputError):
        try:
            check_name(key, list_npz_keys(path), "key")
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        raise value
    return value


def read_torch_file(path: Path) -> object:
    """The content of a file by `torch.save`: tensors, containers, texts and numbers, without numpy's."""
    return read_key(path, "torch", "")


def read_key(path: Path, kind: str, key: str) -> object:
    """The value under one key, as of `read_file`; raises its InputError."""
    value = read_file(path, kind, [key])[key]
    if isinstance(value, InputError):
        raise value
    return value


def stop() -> None:
    """Ends the process, which is started again when it is needed."""
    with _lock:
        _reader.stop()


class _Reader:
    """The process, its private folder, and the pipes to it; without a process until there is a request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._folder: Path | None = None
        self._killed = ""

    def ask(self, request: dict, size: int) -> tuple[dict, np.ndarray | None]:
        """The answer, and the bytes of its arrays. Raises Refused where there is none."""
        if self._process is None or self._process.poll() is not None:
            self.stop()
            try:
                self._start()
            except OSError as error:
                raise Refused(f"the process that reads it cannot be started ({error})") from error
        memory, more = max(MEMORY, MEMORY_RATIO * size), size // MEGABYTE
        seconds = PROCESSOR_SECONDS + more
        try:
            with self._watched(START_SECONDS, None, "the process that reads it was not ready within {} s"):
                self._send({**request, "memory": memory, "seconds": seconds})
                ready = self._process.stdout.readline(100)
            if not ready:
                raise Refused(self._why_it_died(seconds))
            with self._watched(WALL_SECONDS + more, memory):
                longest = max(LONGEST_ANSWER, ANSWER_RATIO * size)
                line = self._process.stdout.readline(longest)
            if len(line) == longest:
                raise Refused("holds more values than motion or a network has; refused")
            if not line.endswith(b"\n"):
                raise Refused(self._why_it_died(seconds))
            answer = json.loads(line)
            return answer, self._map() if answer.get("nodes") else None
        except BaseException:  # the next answer would be that to this request
            self.stop()
            raise

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pose3d-"))
        places = [str(Path(__file__).parents[3]), *(os.path.abspath(place) for place in sys.path)]
        environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(places), "TMPDIR": str(self._folder), "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::",  # which loads no filters from elsewhere
        }  # fmt: skip
        with (self._folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.reader"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=self._folder, env=environment,
                start_new_session=True,  # a signal to the group of processes would leave the folder
            )  # fmt: skip

    def _send(self, request: dict) -> None:
        os.truncate(self._folder / "errors", 0)
        with suppress(BrokenPipeError):  # it is dead, which the missing answer tells
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    @contextmanager
    def _watched(
        self, seconds: float, memory: int | None, what: str = "takes longer than {} s to read"
    ) -> Iterator[None]:
        """Kills the process when it takes longer, or so much more resident memory."""
        process, done, self._killed = self._process, threading.Event(), ""

        def watch() -> None:
            left = seconds
            with suppress(psutil.NoSuchProcess):  # it is dead, which the missing answer tells
                seen = psutil.Process(process.pid)
                before = seen.memory_info().rss
                while not done.wait(0.05):
                    left -= 0.05
                    if left < 0:
                        self._killed = f"{what.format(seconds)}; refused"
                    elif memory is not None and seen.memory_info().rss - before > memory:
                        self._killed = "needs more memory than a file of its size may; refused"
                    if self._killed:
                        process.kill()
                        return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _why_it_died(self, seconds: int) -> str:
        code = self._process.wait()
        if self._killed:
            return self._killed
        if code == -getattr(signal, "SIGXCPU", 0):
            return f"takes more than {seconds} s of the processor to read; refused"
        with (self._folder / "errors").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
            said = file.read().decode("utf-8", "replace").strip().splitlines()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"ends the process that reads it ({name}{f': {said[-1][:300]}' if said else ''}); refused"

    def _map(self) -> np.ndarray:
        """The bytes of the arrays, which stay on the disk only as long as they are used."""
        path = self._folder / "answer"
        mapped = np.memmap(path, np.uint8, mode="r")
        with suppress(PermissionError):  # Windows, where the folder is removed with the process
            path.unlink()
        return mapped.view(np.ndarray)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def abandon(self) -> None:
        """In a child of this process, which must not keep its parent's reader alive."""
        if self._process is not None:
            os.close(self._process.stdin.fileno())


_reader, _lock = _Reader(), threading.Lock()
_abandoned: list[_Reader] = []


def _begin_again() -> None:
    global _reader, _lock
    _reader.abandon()
    _abandoned.append(_reader)
    _reader, _lock = _Reader(), threading.Lock()


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)


def _ask(path: Path, kind: str, keys: list[str] | None) -> object:
    try:
        if not path.is_file():
            raise Refused("is no file" if path.exists() else "there is no such file")
        size = path.stat().st_size
        request = {"path": str(path.absolute()), "kind": kind, "keys": keys}
        with _lock:
            answer, buffer = _reader.ask(request, size)
        if "refused" in answer:
            raise Refused(answer["refused"])
        if keys is None:
            return [str(key) for key in answer["keys"]]
        value_of = restore(answer["nodes"], buffer)
        found = {key: answer["values"][key] for key in keys}
        return {
            key: value_of(value[0]) if isinstance(value, list) else Refused(printable(str(value)))
            for key, value in found.items()
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from error
    except Refused as error:
        raise InputError(f"{path}: {printable(str(error))}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read ({printable(str(error))[:200]}); get the file again") from error
