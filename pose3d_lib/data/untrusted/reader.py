"""The process that reads untrusted files: `python -m pose3d_lib.data.untrusted.reader`, started by `client`.

It is asked by lines of JSON on its standard input, limits itself for each file, and ends with its input. Arrays go into a
file in its working folder, which belongs to it alone.
"""

import errno
import importlib
import json
import os
import re
import shutil
import signal
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted.answers import TENSORS, Packer, Refused
from pose3d_lib.data.untrusted.archives import Read, open_archive, open_npz
from pose3d_lib.data.untrusted.pickles import CODE, Unpickled

try:
    import resource
except ImportError:  # Windows, where the client alone watches
    resource = None

ALWAYS_ALLOWED, RATIO = (
    64 * 2**20,
    50,
)  # bytes that an archive may unpack to, or times its size; motion compresses to a third
MOST_MEMBERS = 50_000  # of one archive

READY = "ready"


# Checkpoints


class _Discarded:
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


@contextmanager
def open_torch(path: str) -> Iterator[tuple[list[str], Read]]:
    import torch

    with torch.serialization.safe_globals([(_Discarded, name) for name in DISCARDED]):
        content = torch.load(path, map_location="cpu", weights_only=True)
    yield {}, lambda key: content


class Values(Packer):
    """Also arrays from pickles, and tensors; anything of numpy's in a checkpoint becomes an empty list."""

    def pack_other(self, value: object, depth: int) -> object:
        if isinstance(value, Unpickled) and value.value is not None:
            return self.pack(value.value, depth)
        if isinstance(value, Unpickled):
            raise Refused("holds an array that was only begun; refused")
        if isinstance(value, _Discarded):
            return ["list", []]
        torch = sys.modules.get("torch")
        name = str(value.dtype).removeprefix("torch.") if torch and isinstance(value, torch.Tensor) else ""
        if name not in TENSORS:
            return super().pack_other(value, depth)
        data = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
        return ["tensor", name, tuple(value.shape), self.pack(data, depth)]


# Recordings


@contextmanager
def open_cdf(path: str) -> Iterator[tuple[list[str], Read]]:
    import cdflib

    _check_end_of_cdf(path)
    yield {}, lambda key: cdflib.CDF(path).varget(key)


def _check_end_of_cdf(path: str) -> None:
    """Refuses a file that ends before the end that it states: cdflib would fill the gap."""
    with open(path, "rb") as file:
        head = file.read(28)
        if head[4:8] != b"\0\0\xff\xff":  # compressed as a whole: what is missing does not unpack
            return
        kind, at, end = (">q", 20, 36) if head[:4] == b"\xcd\xf3\0\1" else (">i", 16, 20)
        file.seek(struct.unpack_from(kind, head, at)[0] + end)
        (stated,) = struct.unpack(kind, file.read(struct.calcsize(kind)))
    if stated > os.path.getsize(path):
        raise Refused("is cut off; get the file again")


@contextmanager
def open_h5(path: str) -> Iterator[tuple[list[str], Read]]:
    import h5py

    with h5py.File(path, "r") as file:

        def read(key: str) -> object:
            """A dataset; where MATLAB's references to cells stand there, what the only one of them refers to."""
            if key not in file or not isinstance(file.get(key, getlink=True), h5py.HardLink):
                raise Refused(f"has no dataset {key!r} of its own; found {', '.join(list(file)[:10]) or 'nothing'}")
            found = _in_file(file[key])
            if found.dtype == h5py.ref_dtype and found.shape == (1, 1):
                found = _in_file(file[found[0, 0]])
            return found[()]

        def _in_file(found: object) -> h5py.Dataset:
            if not isinstance(found, h5py.Dataset) or found.shape is None:
                raise Refused(f"a {type(found).__name__} stands where a dataset is expected")
            if found.is_virtual or found.external:
                raise Refused("a dataset lies in other files")
            return found

        yield {}, read


@contextmanager
def open_mat(path: str) -> Iterator[tuple[list[str], Read]]:
    import h5py
    import scipy.io

    if h5py.is_hdf5(path):
        with open_h5(path) as (keys, read):
            # MATLAB counts columns first: what it calls (frames, 96) stands in HDF5 as (96, frames).
            yield keys, lambda key: read(key).T
        return

    def read_cell(key: str) -> object:
        found = scipy.io.loadmat(path, variable_names=[key], appendmat=False)
        if key not in found:
            raise Refused(f"has no variable {key!r}")
        if found[key].shape != (1, 1) or found[key].dtype != object:
            raise Refused(f"{key!r} is {found[key].dtype}{found[key].shape}; expected one cell")
        return found[key][0, 0]

    yield {}, read_cell


# Kind of a file -> the function that opens it, and the libraries imported before limits apply.
KINDS = {
    "npz": (open_npz, ()), "archive": (open_archive, ()), "torch": (open_torch, ("torch",)), "cdf": (open_cdf, ("cdflib",)),
    "h5": (open_h5, ("h5py",)), "mat": (open_mat, ("h5py", "scipy.io")),
}  # fmt: skip


def answer(request: dict) -> dict:
    """Values by key, each with the reason instead where it cannot be read; sizes by key where none are asked for."""
    opener, _ = KINDS[request["kind"]]
    with open("answer", "wb") as file, opener(request["path"]) as (sizes, read):
        if request["keys"] is None:
            return {"sizes": sizes}
        packer, values = Values(file), {}
        for key in request["keys"]:
            try:
                values[key] = ["value", packer.pack(read(key))]
            except Exception as error:
                values[key] = ["refused", reason_of(error)]
        return {"values": values}


def reason_of(error: Exception) -> str:
    if isinstance(error, Refused | InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "needs more memory than a file of its size may; refused"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return (
            f"unpacks to more than the temporary folder takes ({error.strerror}); make room, or name another by TMPDIR"
        )
    if asked := re.search(r"(?:global:|unsupported) GLOBAL (\S+)", str(error)):  # of PyTorch's reader
        return f"asks for {asked[1]}, {CODE}"
    # PyTorch, before this, and numpy, in the next lines, advise to trust the file.
    said = str(error).rpartition("WeightsUnpickler error: ")[2].partition("\n")[0]
    return f"cannot be read ({type(error).__name__}: {said[:300]}); get the file again"


@contextmanager
def limited(request: dict) -> Iterator[None]:
    """Limits memory, written bytes and processor time while a file is read, as far as the system lets."""
    if resource is None:
        yield
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_AS: psutil.Process().memory_info().vms + request["memory"],
        resource.RLIMIT_FSIZE: request["memory"],
        resource.RLIMIT_CPU: int(used.ru_utime + used.ru_stime) + 1 + request["seconds"],
    }
    before = {name: resource.getrlimit(name) for name in limits}
    for name, limit in limits.items():
        soft, hard = before[name]
        lowest = min([limit, *(value for value in (soft, hard) if value != resource.RLIM_INFINITY)])
        with suppress(ValueError, OSError):  # macOS knows no limit of the address space, some containers none at all
            resource.setrlimit(name, (lowest, hard))
    try:
        yield
    finally:
        for name, values in before.items():
            with suppress(ValueError, OSError):
                resource.setrlimit(name, values)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which ends this process with its input
    warnings.simplefilter("ignore")
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        for line in sys.stdin:
            request = json.loads(line)
            for library in KINDS[request["kind"]][1]:
                importlib.import_module(library)
            print(READY, file=answers, flush=True)
            try:
                with limited(request):
                    text = json.dumps(answer(request))
            except Exception as error:
                text = json.dumps({"refused": reason_of(error)})
            print(text, file=answers, flush=True)
            del text
    finally:
        shutil.rmtree(os.getcwd(), ignore_errors=True)


if __name__ == "__main__":
    main()
