"""Zips, tars and numpy's `.npz`, opened within the process that reads untrusted files."""

import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from pose3d_lib.data.actions import check_name
from pose3d_lib.data.untrusted.answers import Refused
from pose3d_lib.data.untrusted.pickles import read_objects

ALWAYS_ALLOWED, RATIO = (
    10**8,
    50,
)  # bytes that an archive may unpack to, or times its size; motion compresses to a third
MOST_MEMBERS = 50_000  # of one archive
_CHUNK = 1 << 20

Sizes = Mapping[str, int]
Read = Callable[[str], object]


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
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.orig_filename.removesuffix(ending) for info in infos]
    sizes = _members(path, [(name, info.file_size) for name, info in zip(names, infos, strict=True)])
    return sizes, archive, dict(zip(names, infos, strict=True))


@contextmanager
def open_npz(path: str) -> Iterator[tuple[Sizes, Read]]:
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

    yield sizes, read


def _read_zip(path: str) -> tuple[Sizes, Read]:
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


def _read_tar(path: str) -> tuple[Sizes, Read]:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        with gzip.open(path) as source, open("unpacked", "wb") as target:
            limit = max(ALWAYS_ALLOWED, RATIO * os.path.getsize(path))
            while chunk := source.read(_CHUNK):
                if target.tell() + len(chunk) > limit:
                    raise Refused(f"unpacks to more than {limit:,} bytes, far more than motion does; refused")
                target.write(chunk)
        path = "unpacked"
    archive = tarfile.open(path, "r:")  # noqa: SIM115 (kept open)
    every = archive.getmembers()
    infos = {member.name: member for member in every if not member.isdir()}
    sizes = _members(path, [(member.name, member.size) for member in every if not member.isdir()])
    with open(path, "rb") as file:
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


_last: dict[tuple, tuple[Sizes, Read]] = {}  # the archive that was opened last, as its members are asked for one by one


@contextmanager
def open_archive(path: str) -> Iterator[tuple[Sizes, Read]]:
    state = (path, os.path.getsize(path), os.stat(path).st_mtime_ns)
    if state not in _last:
        _last.clear()
        _last[state] = (_read_tar if path.lower().endswith((".tar", ".tar.gz", ".tgz")) else _read_zip)(path)
    yield _last[state]
