"""Files that a reader sees whole or not at all, even if the writer is killed."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError

from pose3d_lib.common.errors import InputError

# a file that is being written: a dot, the name to be, the number of the process, and the suffix again
UNFINISHED = re.compile(r"\..+\.[0-9]+(\.\w+)?")


def remove_unfinished(folder: Path) -> None:
    """Removes what killed processes left in a folder to which no living one writes."""
    for path in folder.iterdir():
        if UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: dict, *, durable: bool = True) -> None:
    """Writes an object as JSON, atomically."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"), durable=durable)


def write_atomically(path: Path, *writes: Callable[[Path], object], durable: bool = True) -> None:
    """Writes beside `path`, each of `writes` in turn, and renames; `durable` also waits until the disk has it.

    Raises:
        InputError: it cannot be written; what was there before is as it was.
    """
    unfinished = path.parent / f".{path.name}.{os.getpid()}{path.suffix}"
    try:
        for write in writes:
            write(unfinished)
        mask = os.umask(0)
        os.umask(mask)
        unfinished.chmod(0o666 & ~mask)  # the permissions of `open`; some libraries let only its owner read
        if durable:
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
        unfinished.replace(path)
        if durable:
            flush_folder(path.parent)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be written ({error}); nothing finished was changed. Make room there, or choose another folder "
            "(POSE3D_OUTPUTS names that of outputs)"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def sort_metadata(path: Path) -> None:
    """Puts the metadata of a safetensors file in order, which safetensors writes in another one each time."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        file.seek(8)
        file.write(text.ljust(size))


def flush_folder(folder: Path) -> None:
    """Waits until the disk has the names in a folder as they are now."""
    with suppress(OSError):  # Windows and some network file systems refuse it; they do it on their own
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
