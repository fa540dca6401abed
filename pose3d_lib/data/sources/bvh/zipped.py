"""BVH files in a zip, read where they are."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.untrusted.zips import ALWAYS_ALLOWED, RATIO, check_member, named_faults, open_zip


@dataclass(frozen=True)
class ZippedFile:
    """A file in a zip, with what of a `Path` its readers ask for.

    Attributes:
        parent: the zip.
        opened: the zip, kept open: to open it takes as long as to read several of its files.
        name: of the file in it.
        size: bytes, unpacked.
    """

    parent: Path
    opened: zipfile.ZipFile
    name: str
    size: int

    def __str__(self) -> str:
        return f"{self.parent}: {self.name}"

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_size=self.size)

    def open(self, mode: str = "rb") -> io.BytesIO:
        with named_faults(self.parent, self.name), self.opened.open(self.name) as member:
            return io.BytesIO(member.read(self.size + 1))


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def zip_holds(path: Path, suffix: str) -> bool:
    """Whether a zip has a file of this kind; not if it cannot be opened."""
    try:
        with open_zip(path) as archive:
            return any(name.lower().endswith(suffix) and not _is_hidden(name) for name in archive.namelist())
    except InputError:
        return False


def list_zipped(path: Path) -> dict[str, ZippedFile]:
    """Every file of a zip by its path in it, without the one folder that holds all of them, where there is such."""
    with open_zip(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
        if sum(info.file_size for info in infos) > max(ALWAYS_ALLOWED, RATIO * path.stat().st_size):
            raise InputError(f"{path}: unpacks to far more than motion would; unpack it yourself if you trust it")
        for info in infos:
            check_member(path, info)
    with named_faults(path):
        opened = zipfile.ZipFile(path)
    tops = {info.filename.partition("/")[0] for info in infos if "/" in info.filename}
    top = f"{tops.pop()}/" if len(tops) == 1 and all("/" in info.filename for info in infos) else ""
    return {
        info.filename.removeprefix(top): ZippedFile(path, opened, info.filename, info.file_size)
        for info in sorted(infos, key=lambda info: info.filename)
    }


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
