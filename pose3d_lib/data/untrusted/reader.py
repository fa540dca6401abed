"""The process that reads untrusted files: `python -m pose3d_lib.data.untrusted.reader`, started by `client`.

It is asked by lines of JSON on its standard input, limits itself for each file, and ends with its input. Arrays go into a
file in its working folder, which belongs to it alone.
"""

import errno
import importlib
import json
import math
import os
import re
import shutil
import signal
import struct
import sys
import warnings
from contextlib import suppress

import psutil

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted.answers import ALIGNED, Refused, pack
from pose3d_lib.data.untrusted.archives import Opened, open_archive, open_npz
from pose3d_lib.data.untrusted.pickles import CODE

try:
    import resource
except ImportError:  # Windows, which has no such limits
    resource = None

WAITING_SECONDS = 30  # that a file may take besides those of the processor


class _Discarded(list):
    """Stands for anything of numpy's in a checkpoint: it takes whatever it is given, and keeps nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# Parts of numpy's numbers and random generators, in files by any of its versions; none of them is called.
DISCARDED = (
    "numpy.ndarray", "numpy.dtype", "numpy.random.__RandomState_ctor", "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor", "numpy.random._mt19937.MT19937",
    "numpy.random.bit_generator.SeedSequence", "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)  # fmt: skip


def open_torch(path: str) -> Opened:
    import torch

    with torch.serialization.safe_globals([(_Discarded, name) for name in DISCARDED]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    return {}, lambda key: content


def open_cdf(path: str) -> Opened:
    import cdflib

    with open(path, "rb") as file:  # cdflib would fill the gap behind the end of a file that is cut off
        head = file.read(28)
        if head[4:8] == b"\0\0\xff\xff":  # not compressed as a whole, where what is missing does not unpack
            kind, at, end = (">q", 20, 36) if head[:4] == b"\xcd\xf3\0\1" else (">i", 16, 20)
            file.seek(struct.unpack_from(kind, head, at)[0] + end)
            if struct.unpack(kind, file.read(struct.calcsize(kind)))[0] > os.path.getsize(path):
                raise Refused("is cut off; get the file again")
    return {}, lambda key: cdflib.CDF(path).varget(key)


def open_h5(path: str) -> Opened:
    import h5py

    file = h5py.File(path, "r")

    def read(key: str) -> object:
        """A dataset; where MATLAB's references to cells stand there, what the only one of them refers to."""
        found = file[key] if isinstance(file.get(key, getlink=True), h5py.HardLink) else None
        if isinstance(found, h5py.Dataset) and found.dtype == h5py.ref_dtype and found.shape == (1, 1):
            found = file[found[0, 0]]
        if not isinstance(found, h5py.Dataset) or found.shape is None or found.is_virtual or found.external:
            there = ", ".join(list(file)[:10]) or "nothing"
            raise Refused(f"has no dataset {key!r} with numbers in this very file; found {there}")
        return found[()]

    return {}, read


def open_mat(path: str) -> Opened:
    import h5py
    import scipy.io

    if h5py.is_hdf5(path):
        keys, read = open_h5(path)
        # MATLAB counts columns first: what it calls (frames, 96) stands in HDF5 as (96, frames).
        return keys, lambda key: read(key).T

    def read_cell(key: str) -> object:
        found = scipy.io.loadmat(path, variable_names=[key], appendmat=False)
        if key not in found or found[key].shape != (1, 1) or found[key].dtype != object:
            raise Refused(f"has no variable {key!r} that is one cell")
        return found[key][0, 0]

    return {}, read_cell


# Kind of a file -> the function that opens it, and the libraries imported before limits apply.
KINDS = {
    "npz": (open_npz, ()), "archive": (open_archive, ()), "torch": (open_torch, ("torch",)), "cdf": (open_cdf, ("cdflib",)),
    "h5": (open_h5, ("h5py",)), "mat": (open_mat, ("h5py", "scipy.io")),
}  # fmt: skip


def answer(request: dict) -> dict:
    """Values by key, and reasons by key where one cannot be read; sizes by key where none are asked for."""
    sizes, read = KINDS[request["kind"]][0](request["path"])
    if request["keys"] is None:
        return {"sizes": sizes}
    values, reasons = {}, {}
    with open("answer", "wb") as file:
        file.write(bytes(ALIGNED))  # an empty file cannot be mapped
        for key in request["keys"]:
            try:
                values[key] = pack(read(key), file)
            except Exception as error:
                reasons[key] = reason_of(error)
    return {"values": values, "reasons": reasons}


def reason_of(error: Exception) -> str:
    if isinstance(error, Refused | InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "needs more memory than a file of its size may; refused"
    if isinstance(error, RecursionError):
        return "is nested too deep, or holds itself; refused"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return (
            f"unpacks to more than a file of its size may or the temporary folder takes ({error.strerror}); make room, or "
            "name another by TMPDIR"
        )
    if asked := re.search(r"(?:global:|unsupported) GLOBAL (\S+)", str(error)):  # of PyTorch's reader
        return f"asks for {asked[1]}, {CODE}"
    # PyTorch, before this, and numpy, in the next lines, advise to trust the file.
    said = str(error).rpartition("WeightsUnpickler error: ")[2].partition("\n")[0]
    return f"cannot be read ({type(error).__name__}: {said[:300]}); get the file again"


def limit(memory: float, seconds: float) -> None:
    """Limit memory, written bytes, processor time and time from now on, as far as the system lets."""
    if resource:
        used, size = sum(os.times()[:2]), psutil.Process().memory_info().vms
        for name, most in (("AS", size + memory), ("FSIZE", memory), ("CPU", used + 1 + seconds)):
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            soft = min(most, math.inf if hard == resource.RLIM_INFINITY else hard)
            with suppress(ValueError, OSError):  # macOS knows no limit of the address space, some containers none
                resource.setrlimit(kind, (hard if soft == math.inf else int(soft), hard))
        # ends the process: a file system of the network may never answer
        signal.alarm(0 if seconds == math.inf else WAITING_SECONDS + seconds)


def main() -> None:
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    if resource:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        for line in sys.stdin:
            request = json.loads(line)
            for library in KINDS[request["kind"]][1]:
                importlib.import_module(library)
            try:
                limit(request["memory"], request["seconds"])
                text = json.dumps(answer(request))
            except Exception as error:
                text = json.dumps({"refused": reason_of(error)})
            finally:
                limit(math.inf, math.inf)
            print(text, file=answers, flush=True)
            del text
    finally:
        shutil.rmtree(os.getcwd(), ignore_errors=True)


if __name__ == "__main__":
    main()
