"""Where data and outputs live: the same from the repository root, from notebooks/ and from anywhere else."""

import errno
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from pose3d_lib.common.errors import InputError

# a run's folder; one of another name is never deleted as a run's
RUN_NAME = re.compile(r"[^/\\]+-[0-9a-f]{10}", re.DOTALL)
# in a run's folder, the newest first
CHECKPOINTS = (".checkpoint.state", "checkpoint.state", "checkpoint.previous.state")


def project_root() -> Path:
    """The checkout this package runs from, or the working directory when it was installed without one."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def notebooks_dir() -> Path:
    return project_root() / "notebooks"


def outputs_dir() -> Path:
    """`outputs/` of the checkout, or the folder that the environment variable POSE3D_OUTPUTS names."""
    return _folder("POSE3D_OUTPUTS", "outputs")


def runs_dir() -> Path:
    return outputs_dir() / "runs"


def models_dir() -> Path:
    """Models that were imported, a file each."""
    return outputs_dir() / "models"


def prepared_dir() -> Path:
    """Prepared datasets: one memory-mapped file each, made again whenever they are missing."""
    return outputs_dir() / "data"


def source_data_dir() -> Path:
    """The folder of downloaded source files: the environment variable POSE3D_DATA, otherwise `data/` of the checkout."""
    return _folder("POSE3D_DATA", "data")


def make_folder(folder: Path) -> Path:
    """Makes a folder to write to and those above it, if they are not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "nothing can be written there")
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be used ({error.strerror}). The environment variables POSE3D_OUTPUTS, for outputs, and "
            "POSE3D_DATA, for source files, name other folders"
        ) from error
    return folder


def check_free(files: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse if one of these files exists, unless it may be overwritten."""
    there = [] if overwrite else [file for file in files if os.path.exists(file)]  # False of a name that is too long
    if there:
        raise InputError(f"{there[0]}: is already there; give another name or folder, or say overwrite")


def in_file_name(text: str, most: int = 100) -> str:
    """Text as part of a file's name: no slashes, at most `most` bytes (a name has 255); longer text ends in a hash."""
    text = re.sub(r"[/\\]", "_", text)
    whole = text.encode("utf-8", "replace")
    if len(whole) <= most:
        return text
    return f"{whole[: most - 11].decode('utf-8', 'ignore')}-{hashlib.sha256(whole).hexdigest()[:10]}"


def _folder(variable: str, default: str) -> Path:
    """A relative path counts from the project's root: a terminal and a notebook's kernel work in different folders."""
    return (project_root() / Path(os.environ.get(variable) or default).expanduser()).resolve()
