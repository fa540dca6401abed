"""The content of `.npz`, torch, CDF, HDF5 and MATLAB files, zips and tars, which a process with limits reads.

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
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.data.untrusted.answers import Refused, unpack

MEMORY, MEMORY_RATIO = 2**30, 12  # bytes that any file may take, in memory and on the disk; or times its size
PROCESSOR_SECONDS, WALL_SECONDS, MEGABYTE = 5, 30, 10**6  # for any file, and a second more for each megabyte of it
LONGEST_ANSWER, ANSWER_RATIO = 64 * 2**20, 4  # bytes of an answer without its arrays; or times the file's size
START_SECONDS = 300  # until the libraries are imported, from a slow disk as well


def read_file(path: Path, kind: str, keys: Sequence[str]) -> dict[str, object]:
    """The values under some keys, with an InputError for each that cannot be read. Arrays are read-only and memory-mapped.

    Args:
        path: the file.
        kind: "npz", "archive" (zip or tar; members as bytes), "torch" (its only key is ""), "cdf", "h5" or "mat".
        keys: of arrays, members, variables or datasets.

    Raises:
        InputError: the file cannot be read at all; names it and says why.
    """
    found = _ask(path, kind, list(keys))
    return {
        key: InputError(f"{path}{f', key {key!r}' * bool(key)}: {value}") if isinstance(value, Refused) else value
        for key, value in found.items()
    }


def read_key(path: Path, kind: str, key: str) -> object:
    """The value under one key, as of `read_file`; raises its InputError."""
    value = read_file(path, kind, [key])[key]
    if isinstance(value, InputError):
        raise value
    return value


def read_npz_key(path: Path, key: str) -> object:
    """One array of the file; of a 0-d array of objects, the object that it holds.

    Raises:
        InputError: the file or the key is not there, is not whole, takes far more memory than arrays would, or holds
            anything but arrays, dicts, lists, tuples, strings, bytes and numbers.
    """
    try:
        return read_key(path, "npz", key)
    except InputError as error:
        raise InputError(str(error) if repr(key) in str(error) else f"{error} (key {key!r})") from error


def read_torch_file(path: Path) -> object:
    """The content of a file by `torch.save`: tensors, containers, texts and numbers, without numpy's."""
    return read_key(path, "torch", "")


def list_npz_keys(path: Path) -> list[str]:
    """The names of the arrays in the file, in its order."""
    return list(_ask(path, "npz", None))


def list_members(path: Path) -> dict[str, int]:
    """Name -> bytes of every file in a zip or tar, in its order; no name leads out of it."""
    return _ask(path, "archive", None)


def read_member(path: Path, name: str) -> np.ndarray:
    """The bytes of a file in a zip or tar: (bytes,) uint8; refuses a link or a device."""
    return read_key(path, "archive", name)


def _ask(path: Path, kind: str, keys: list[str] | None) -> dict:
    """Sizes by key or, where keys are given, values or reasons."""
    try:
        if not path.is_file():
            raise Refused("is no file" if path.exists() else "there is no such file")
        with _lock:
            answer, buffer = _reader.ask(
                {"path": str(path.absolute()), "kind": kind, "keys": keys}, path.stat().st_size
            )
        if "refused" in answer:
            raise Refused(answer["refused"])
        if keys is None:
            return {str(key): int(size) for key, size in answer["sizes"].items()}
        found = {}
        for key in keys:
            how, value = answer["values"][key]
            found[key] = unpack(value, buffer) if how == "value" else Refused(printable(str(value)))
        return found
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from error
    except Refused as error:
        raise InputError(f"{path}: {printable(str(error))}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read ({printable(str(error))[:200]}); get the file again") from error


class _Reader:
    """The process, its private folder, and the pipes to it; without a process until there is a request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._folder: Path | None = None

    def ask(self, request: dict, size: int) -> tuple[dict, np.ndarray]:
        """The answer, and the bytes of its arrays. Raises Refused where there is none."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        memory, more = max(MEMORY, MEMORY_RATIO * size), size // MEGABYTE
        longest, seconds = max(LONGEST_ANSWER, ANSWER_RATIO * size), PROCESSOR_SECONDS + more
        try:
            with suppress(BrokenPipeError):  # it is dead, which the missing answer tells
                self._process.stdin.write(
                    json.dumps({**request, "memory": memory, "seconds": seconds}).encode() + b"\n"
                )
                self._process.stdin.flush()
            self._receive(100, START_SECONDS, None, "is not read, as the process for it was not ready within {} s")
            line = self._receive(longest, WALL_SECONDS + more, memory, "takes longer than {} s to read; refused")
            answer, path = json.loads(line), self._folder / "answer"
            buffer = (
                np.memmap(path, np.uint8, mode="r").view(np.ndarray) if "values" in answer else np.empty(0, np.uint8)
            )
            with suppress(OSError):  # on Windows it goes with the folder
                path.unlink()
            return answer, buffer
        except BaseException:  # the next answer would be that to this request
            self.stop()
            raise

    def _start(self) -> None:
        self.stop()
        self._folder = Path(tempfile.mkdtemp(prefix="pose3d-"))
        places = [str(Path(__file__).parents[3]), *(os.path.abspath(place) for place in sys.path)]
        environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(places), "TMPDIR": str(self._folder), "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::",  # which loads no filters from elsewhere
        }  # fmt: skip
        with (self._folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.reader"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=self._folder, env=environment,
                start_new_session=True,  # a signal to the group of processes would leave the folder
            )  # fmt: skip

    def _receive(self, longest: int, seconds: float, memory: int | None, late: str) -> bytes:
        """A line from the process, which is killed when it takes longer, or so much more resident memory."""
        process, done, killed = self._process, threading.Event(), []

        def watch() -> None:
            with suppress(psutil.NoSuchProcess):  # it is dead, which the missing answer tells
                seen, begun = psutil.Process(process.pid), time.monotonic()
                before = seen.memory_info().rss
                while not killed and not done.wait(0.05):
                    if time.monotonic() - begun > seconds:
                        killed.append(late.format(seconds))
                    elif memory is not None and seen.memory_info().rss - before > memory:
                        killed.append("needs more memory than a file of its size may; refused")
                if killed:
                    process.kill()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            line = process.stdout.readline(longest)
        finally:
            done.set()
            watcher.join()
        if len(line) == longest:
            raise Refused("holds more values than motion or a network has; refused")
        if not line.endswith(b"\n"):
            raise Refused(killed[0] if killed else self._why_it_died())
        return line

    def _why_it_died(self) -> str:
        code = self._process.wait()
        if code == -getattr(signal, "SIGXCPU", 0):
            return "takes more seconds of the processor than a file of its size may; refused"
        said = (self._folder / "errors").read_text("utf-8", "replace").strip().splitlines()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"ends the process that reads it ({name}{f': {said[-1][:300]}' if said else ''}); refused"

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


def stop() -> None:
    """Ends the process, which is started again when it is needed."""
    with _lock:
        _reader.stop()


def _begin_again() -> None:
    global _reader, _lock
    _reader.abandon()
    _abandoned.append(_reader)
    _reader, _lock = _Reader(), threading.Lock()


_reader, _lock = _Reader(), threading.Lock()
_abandoned: list[_Reader] = []
atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)
