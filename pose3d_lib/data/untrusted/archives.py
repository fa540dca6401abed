"""Zips, tars and numpy's `.npz`, opened within the process that reads untrusted files."""

import gzip
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import numpy as np

from pose3d_lib.data.actions import check_name
from pose3d_lib.data.untrusted.answers import Refused
from pose3d_lib.data.untrusted.pickles import read_objects

# Bytes that an archive may unpack to, or times its size; motion compresses to a third.
ALWAYS_ALLOWED, RATIO = 10**8, 50
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}  # of `.npy`

Opened = tuple[Mapping[str, int], Callable[[str], object]]
"""Name -> size, and how to read what has a name."""


def _check_members(path: str, found: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Name -> size of every file of an archive; refuses what no honest archive has."""
    members: dict[str, int] = {}
    for name, size in found:
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":") or "\0" in name:
            raise Refused(f"{name!r} leads out of the archive; expected relative paths without '..'. Do not trust it")
        if name in members:
            raise Refused(f"has the name {name!r} twice; refused")
        members[name] = size
    limit = max(ALWAYS_ALLOWED, RATIO * os.path.getsize(path))
    if sum(members.values()) > limit:
        largest = max(members, key=members.get)
        raise Refused(
            f"unpacks to more than {limit:,} bytes, {largest!r} alone to {members[largest]:,}, which no motion does; refused"
        )
    return members


def _open_zip(path: str, ending: str = "") -> tuple[dict[str, int], zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """The members of a zip, named without the ending, and how to find them."""
    archive = zipfile.ZipFile(path)
    found = [(info.orig_filename.removesuffix(ending), info) for info in archive.infolist() if not info.is_dir()]
    return _check_members(path, ((name, info.file_size) for name, info in found)), archive, dict(found)


def open_npz(path: str) -> Opened:
    sizes, archive, infos = _open_zip(path, ".npy")

    def read(key: str) -> object:
        with archive.open(infos[check_name(key, infos, "key")]) as file:
            shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
            if dtype.kind == "O":
                value = read_objects(file, shape)
            else:
                file.seek(0)
                value = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):  # at the end, the zip's checksum is compared
                raise Refused("has data after its end; refused")
            return value

    return sizes, read


def _open_plain_zip(path: str) -> Opened:
    sizes, archive, infos = _open_zip(path)

    return sizes, lambda name: np.frombuffer(archive.read(infos[name]), np.uint8)


def _open_tar(path: str) -> Opened:
    file = open(path, "rb")  # noqa: SIM115 (kept open)
    if file.peek(2)[:2] == b"\x1f\x8b":
        packed, file = gzip.GzipFile(fileobj=file), tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(packed, file)
        file.seek(0)
    archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
    found = [(member.name, member) for member in archive.getmembers() if not member.isdir()]
    sizes, members = _check_members(path, ((name, member.size) for name, member in found)), dict(found)
    ends = (member.offset_data + member.isreg() * member.size for member in archive.getmembers())
    file.seek(max(ends, default=0))
    if file.read().strip(b"\0"):  # tarfile takes a damaged header for the end
        raise Refused(f"is damaged behind its file number {len(found)}; download or copy it again")

    def read(name: str) -> np.ndarray:
        if not members[name].isreg():
            raise Refused("is a link or a device; expected an ordinary file")
        return np.frombuffer(archive.extractfile(members[name]).read(), np.uint8)

    return sizes, read


@lru_cache(maxsize=1)  # the members of an archive are asked for one by one
def _open(path: str, size: int, changed: int) -> Opened:
    return (_open_tar if path.lower().endswith((".tar", ".tar.gz", ".tgz")) else _open_plain_zip)(path)


def open_archive(path: str) -> Opened:
    return _open(path, os.path.getsize(path), os.stat(path).st_mtime_ns)
