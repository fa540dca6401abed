"""Zips, tars and numpy's `.npz`, opened within the process that reads untrusted files."""

import gzip
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from pose3d_lib.data.actions import check_name
from pose3d_lib.data.untrusted.answers import Refused
from pose3d_lib.data.untrusted.pickles import read_objects

# Bytes that an archive may unpack to, or times its size; motion compresses to a third.
ALWAYS_ALLOWED, RATIO = 10**8, 50
MOST_MEMBERS = 50_000  # of one archive
_CHUNK = 1 << 20

Read = Callable[[str], object]
Opened = tuple[Mapping[str, int], Read]
"""Name -> size, and how to read what has a name."""


def _limit(path: str) -> int:
    return max(ALWAYS_ALLOWED, RATIO * os.path.getsize(path))


def _members(path: str, found: list[tuple[str, int]]) -> dict[str, int]:
    """Name -> size of every file of an archive; refuses what no honest archive has."""
    members: dict[str, int] = {}
    for name, size in found:
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or parts[0].endswith(":") or "\0" in name:
            raise Refused(f"{name!r} leads out of the archive; expected relative paths without '..'. Do not trust it")
        if name in members:
            raise Refused(f"has the name {name!r} twice; refused")
        members[name] = size
    if len(members) > MOST_MEMBERS:
        raise Refused(f"has more than {MOST_MEMBERS:,} files; unpack it yourself if you trust it")
    limit = _limit(path)
    if sum(members.values()) > limit:
        largest = max(members, key=members.get)
        raise Refused(
            f"unpacks to more than {limit:,} bytes, {largest!r} alone to {members[largest]:,}, which no motion does; refused"
        )
    return members


def _open_zip(path: str, ending: str = "") -> tuple[dict[str, int], zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """The members of a zip, named without the ending, and how to find them."""
    archive = zipfile.ZipFile(path)
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.orig_filename.removesuffix(ending) for info in infos]
    sizes = _members(path, [(name, info.file_size) for name, info in zip(names, infos, strict=True)])
    return sizes, archive, dict(zip(names, infos, strict=True))


def open_npz(path: str) -> Opened:
    sizes, archive, infos = _open_zip(path, ".npy")

    def read(key: str) -> object:
        with archive.open(infos[check_name(key, infos, "key")]) as file:
            version = np.lib.format.read_magic(file)
            if version not in ((1, 0), (2, 0)):
                raise Refused(f"is of the .npy format {version}; known: (1, 0), (2, 0)")
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
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

    def read(name: str) -> np.ndarray:
        info = infos[name]
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise Refused("is a link or a device; expected an ordinary file")
        data = archive.read(info)
        if len(data) != info.file_size:
            raise Refused(f"unpacks to {len(data):,} bytes; its header says {info.file_size:,}")
        return np.frombuffer(data, np.uint8)

    return sizes, read


def _open_tar(path: str) -> Opened:
    file = open(path, "rb")  # noqa: SIM115 (kept open)
    if file.peek(2)[:2] == b"\x1f\x8b":
        packed, file, limit = gzip.GzipFile(fileobj=file), tempfile.TemporaryFile(), _limit(path)  # noqa: SIM115
        while chunk := packed.read(_CHUNK):
            if file.tell() + len(chunk) > limit:
                raise Refused(f"unpacks to more than {limit:,} bytes, which no motion does; refused")
            file.write(chunk)
    file.seek(0)
    archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115
    every = archive.getmembers()
    infos = {member.name: member for member in every if not member.isdir()}
    sizes = _members(path, [(member.name, member.size) for member in every if not member.isdir()])
    file.seek(max((member.offset_data + member.isreg() * member.size for member in every), default=0))
    while chunk := file.read(_CHUNK):
        if chunk.strip(b"\0"):  # tarfile takes a damaged header for the end
            raise Refused(f"is damaged behind its file number {len(every)}; download or copy it again")

    def read(name: str) -> np.ndarray:
        member = infos[name]
        if not member.isreg() or member.issparse():
            raise Refused("is a link or a device; expected an ordinary file")
        return np.frombuffer(archive.extractfile(member).read(), np.uint8)

    return sizes, read


@lru_cache(maxsize=1)  # the members of an archive are asked for one by one
def _open(path: str, size: int, changed: int) -> Opened:
    return (_open_tar if path.lower().endswith((".tar", ".tar.gz", ".tgz")) else _open_plain_zip)(path)


def open_archive(path: str) -> Opened:
    return _open(path, os.path.getsize(path), os.stat(path).st_mtime_ns)
