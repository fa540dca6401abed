"""The files of a run folder by name, the format of what is in them, and reading them whatever state they are in.

What writers and readers of run folders agree on, for those too that cannot wait until PyTorch is imported.
"""

import os
import stat
from collections.abc import Mapping

from pydantic_core import from_json  # three times as fast as the standard library's, and half of a listing is this

from pose3d_lib.errors import InputError

RESULT_FORMAT = 3
"""As `config.RESULT_FORMAT`."""

CONFIG, PROVENANCE, HISTORY, PROGRESS = "config.json", "provenance.json", "history.jsonl", "progress.json"
CLIPS, ERRORS, TIMING, WEIGHTS = "clips.csv", "metrics.json", "timing.json", "model.safetensors"
FINISHED, NOTEBOOK, LOG, LEASE, OLD_LOCK = "finished.json", "02_train.ipynb", "run.log", ".lease", ".lock"
CHECKPOINTS = (".checkpoint.state", "checkpoint.state", "checkpoint.previous.state")

NEEDED = (CONFIG, PROVENANCE, HISTORY, CLIPS, ERRORS, TIMING, WEIGHTS)
"""What a finished run has besides FINISHED; tables, figures or commands read every one of them."""

MARKS = frozenset((CONFIG, PROVENANCE, HISTORY, PROGRESS, FINISHED, NOTEBOOK, LOG, LEASE, OLD_LOCK, *CHECKPOINTS))
"""Files by any of which a folder is known for a run's."""

LEASE_SECONDS = 60
"""A lease that was not touched for so long is nobody's."""

LARGEST_JSON = 10_000_000
"""Bytes; what runs write has some thousands."""

Files = Mapping[str, os.stat_result]
"""What is in a folder: name -> status, links followed."""


def scan_folder(path: str) -> tuple[Files, int]:
    """The files of a folder, and the bytes of all that is in it; an OSError where it cannot be opened."""
    files, size = {}, 0
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                status = entry.stat()
                if not stat.S_ISDIR(status.st_mode):
                    size += status.st_size
                elif not entry.is_symlink():
                    size += scan_folder(entry.path)[1]
            except OSError:  # vanished, or a link to nothing: as good as not there
                continue
            files[entry.name] = status
    return files, size


def read_object(path: str) -> dict:
    """The object that a JSON file holds.

    Raises:
        InputError: what is wrong with the file, named without its folder: missing, no plain file, too large, no JSON, NaN
            or infinity in it, or no object.
    """
    name = os.path.basename(path)
    try:
        content = from_json(_read_small(path, name), allow_inf_nan=False)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{name}: not what a run writes ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{name}: expected an object, found {type(content).__name__}")
    return content


def _read_small(path: str, name: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for somebody to write
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{name}: no plain file")
        if status.st_size > LARGEST_JSON:
            raise InputError(f"{name}: {status.st_size:,} bytes where some thousands are expected; not read")
        return os.read(descriptor, status.st_size + 1)  # a buffer of the limit's size for each would take longer
    finally:
        os.close(descriptor)


def compare_format(found: object, name: str) -> str:
    """What there is to say of a format of results that is another version's, "" of this one's.

    Raises:
        InputError: it is no number; `name` is the file that it was found in.
    """
    if type(found) is not int:
        raise InputError(f"{name}: format {found!r}, expected a number")
    if found == RESULT_FORMAT:
        return ""
    return f"format {found}, {'older' if found < RESULT_FORMAT else 'newer'} than {RESULT_FORMAT}"
