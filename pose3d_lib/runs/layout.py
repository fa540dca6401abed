"""The files of a run folder by name, the format of what is in them, and reading them whatever state they are in.

What writers and readers of run folders agree on, for those too that cannot wait until PyTorch is imported.
"""

import hashlib
import os
import stat
from collections.abc import Mapping

from pydantic_core import from_json  # three times as fast as the standard library's, and half of a listing is this

from pose3d_lib.common.errors import InputError, printable

RESULT_FORMAT = 3
"""Raised whenever the same config would give other numbers or other files than before, so that old runs are not reused."""

CONFIG, PROVENANCE, HISTORY, PROGRESS = "config.json", "provenance.json", "history.jsonl", "progress.json"
CLIPS, ERRORS, TIMING, WEIGHTS, CARD = "clips.csv", "metrics.json", "timing.json", "model.safetensors", "card.json"
FINISHED, NOTEBOOK, LOG, LEASE, OLD_LOCK = "finished.json", "02_train.ipynb", "run.log", ".lease", ".lock"
CHECKPOINTS = (".checkpoint.state", "checkpoint.state", "checkpoint.previous.state")

NEEDED = (CONFIG, PROVENANCE, HISTORY, CLIPS, ERRORS, TIMING, WEIGHTS)
"""What a finished run has besides FINISHED; tables, figures or commands read every one of them."""

MARKS = frozenset((CONFIG, PROVENANCE, HISTORY, PROGRESS, FINISHED, NOTEBOOK, LOG, LEASE, OLD_LOCK, *CHECKPOINTS))
"""Files by any of which a folder is known for a run's."""

LEASE_SECONDS = 60
"""A process on another machine that did not touch its lease for so long counts as dead; on the same machine it is looked up."""

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


def missing_file(files: Files, name: str) -> str:
    """Say what is wrong with a file that has to be there with something in it; "" if nothing is."""
    if name not in files:
        return f"{name}: missing"
    if not stat.S_ISREG(files[name].st_mode):
        return f"{name}: no plain file"
    return "" if files[name].st_size else f"{name}: empty"


def is_finished(folder: str | os.PathLike) -> bool:
    """Whether a run was finished here; `find_damage` says whether its files still are what they were."""
    return os.path.isfile(os.path.join(folder, FINISHED))


def find_damage(folder: str | os.PathLike) -> str:
    """Say what is wrong with the files of a finished run, such as a half-copied one; "" if nothing is.

    All files have to be there, and have the checksums that were written. Of the weights, which may be large, only the header is
    read, and whether the file is as long as that says.
    """
    from safetensors import SafetensorError, safe_open  # which imports numpy; a listing needs neither

    try:
        files, _ = scan_folder(os.fspath(folder))
        if problems := [problem for name in NEEDED if (problem := missing_file(files, name))]:
            return "; ".join(problems)
        sums = read_sums(folder)
        if WEIGHTS in sums:
            with safe_open(os.path.join(folder, WEIGHTS), framework="numpy"):
                pass
    except SafetensorError as error:
        return f"{WEIGHTS}: cut short or damaged ({error})"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except InputError as error:
        return str(error)
    compared = (compare_sum(folder, name, sums[name]) for name in sorted(set(sums) & {*NEEDED, CARD} - {WEIGHTS}))
    return next(filter(None, compared), "")


def read_sums(folder: str | os.PathLike) -> dict[str, object]:
    """The checksums of a finished run's files by name; an InputError where they cannot be read."""
    sums = read_object(os.path.join(folder, FINISHED)).get("sha256", {})
    if not isinstance(sums, dict):
        raise InputError(f"{FINISHED}: sha256 {str(sums)[:80]!r}, expected a checksum for every file")
    return sums


def compare_sum(folder: str | os.PathLike, name: str, expected: object) -> str:
    """Say how a file of a run differs from its checksum; "" if it does not."""
    path = os.path.join(folder, name)
    if "/" in name or "\\" in name or not os.path.isfile(path):
        return f"{printable(name)}: missing, although {FINISHED} has its checksum"
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{name}: cannot be read ({error.strerror})"
    return "" if found == expected else f"{name}: changed: its sha256 is {found[:10]}…, expected {str(expected)[:10]}…"


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
