"""The content of `.npz`, torch, CDF, HDF5 and MATLAB files, zips and tars, which a process with limits reads.

One process serves all files of this one: it is started when the first is read, again after it died, and ends with this one
and its forks. A file that needs more than its size gives reason to, or ends the process, is refused.
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
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.data.untrusted.answers import Refused, unpack

MEMORY, MEMORY_RATIO = 2**30, 12  # bytes that any file may take, in memory and on the disk; or times its size
PROCESSOR_SECONDS, MEGABYTE = 5, 10**6  # for any file, and a second more for each megabyte of it
LONGEST_ANSWER, ANSWER_RATIO = 8 * 2**20, 4  # bytes of an answer without its arrays; or times the file's size


def read_file(path: Path, kind: str, keys: Sequence[str] | None) -> dict[str, object]:
    """The values under some keys, with an InputError for each that cannot be read. Arrays are read-only and memory-mapped.

    Args:
        path: the file.
        kind: "npz"; "archive", a zip or tar without links and devices, whose members are (bytes,) uint8; "torch", a file by
            `torch.save`, whose only key is "" and whose tensors become arrays; "cdf", "h5" or "mat".
        keys: of arrays, members, variables or datasets; None asks for the size of everything in an "npz" or "archive".

    Raises:
        InputError: the file cannot be read at all; names it and says why.
    """

    def refusal(reason: object, key: str = keys[0] if keys and len(keys) == 1 else "") -> InputError:
        return InputError(f"{path}{f', key {key!r}' if key else ''}: {printable(str(reason))}")

    try:
        if not path.is_file():
            raise Refused("is no file" if path.exists() else "there is no such file")
        request = {"path": str(path.absolute()), "kind": kind, "keys": keys}
        answer, buffer = _reader_of(os.getpid()).ask(request, path.stat().st_size)
        if "refused" in answer:
            raise Refused(answer["refused"])
        if keys is None:
            return answer["sizes"]
        values = {key: unpack(text, buffer) for key, text in answer["values"].items()}
        return {key: values[key] if key in values else refusal(answer["reasons"][key], key) for key in keys}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from error
    except Refused as error:
        raise refusal(error) from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise refusal(f"cannot be read ({str(error)[:200]}); get the file again") from error


def read_key(path: Path, kind: str, key: str) -> object:
    """The value under one key, as of `read_file`; raises its InputError."""
    value = read_file(path, kind, [key])[key]
    if isinstance(value, InputError):
        raise value
    return value


def read_npz_key(path: Path, key: str) -> object:
    """One array of the file; of an array of objects a list, of a 0-d one the object: dicts, lists, texts, numbers, arrays."""
    return read_key(path, "npz", key)


def list_keys(path: Path, kind: str) -> dict[str, int]:
    """Name -> bytes of every array of an "npz" or member of an "archive", in the file's order; no name leads out of it."""
    return read_file(path, kind, None)


class _Reader:
    """The process, its private folder, and the pipes to it; without a process until there is a request."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._folder = Path()
        self._lock = threading.RLock()

    def ask(self, request: dict, size: int) -> tuple[dict, np.ndarray]:
        """The answer, and the bytes of its arrays. Raises Refused where there is none."""
        memory, seconds = max(MEMORY, MEMORY_RATIO * size), PROCESSOR_SECONDS + size // MEGABYTE
        line = json.dumps({**request, "memory": memory, "seconds": seconds}).encode() + b"\n"
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            try:
                return self._answer(line, max(LONGEST_ANSWER, ANSWER_RATIO * size))
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
                start_new_session=True,  # Ctrl-C is for this process, which ends the other with its input
            )  # fmt: skip

    def _answer(self, request: bytes, longest: int) -> tuple[dict, np.ndarray]:
        with suppress(BrokenPipeError):  # it is dead, which the missing answer tells
            self._process.stdin.write(request)
            self._process.stdin.flush()
        line = self._process.stdout.readline(longest)
        if len(line) == longest:
            raise Refused("holds more values than motion or a network has; refused")
        if not line.endswith(b"\n"):
            raise Refused(self._why_it_died())
        answer, path = json.loads(line), self._folder / "answer"
        if "values" not in answer:
            return answer, np.empty(0, np.uint8)
        buffer = np.memmap(path, np.uint8, mode="r").view(np.ndarray)
        with suppress(OSError):  # on Windows it goes with the folder
            path.unlink()
        return answer, buffer

    def _why_it_died(self) -> str:
        code = self._process.wait()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if name in ("SIGALRM", "SIGXCPU"):
            return "takes more seconds, or seconds of the processor, than a file of its size may; refused"
        said = (self._folder / "errors").read_text("utf-8", "replace").strip().splitlines()
        return f"ends the process that reads it ({': '.join([name, *said[-1:]])[:300]}); refused"

    def stop(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process.stdout.close()
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
                self._process = None
                shutil.rmtree(self._folder, ignore_errors=True)


@cache  # by process: after a fork, the parent's is neither used nor ended
def _reader_of(process: int) -> _Reader:
    return _Reader()


def stop() -> None:
    """Ends the process, which is started again when it is needed."""
    _reader_of(os.getpid()).stop()


atexit.register(stop)
