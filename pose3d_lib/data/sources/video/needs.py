"""What videos need besides the base installation: the extra `video`."""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

from pose3d_lib.common.errors import InputError

INSTALL = "pip install -e '.[video]'"
BELOW = (3, 13)  # the last MediaPipe whose wheel carries the models is for older Pythons


def require(name: str) -> None:
    """Check that a module of the extra is there, without importing it; an InputError with the command that installs it."""
    if find_spec(name) is not None:
        return
    if name == "mediapipe" and sys.version_info >= BELOW:
        raise InputError(
            "the detector MediaPipe needs a Python below 3.13 (the last release that brings its models along is for those): "
            f"in an environment with Python 3.12, {INSTALL}; or give another detector"
        )
    raise InputError(f"videos need {name}, which is not installed; in the project's folder: {INSTALL}")


def import_extra(name: str) -> ModuleType:
    """Import a module of the extra."""
    require(name)
    try:
        return importlib.import_module(name)
    except ImportError as error:  # of a library of the system, for instance
        raise InputError(
            f"videos need {name}, which is installed but cannot be imported: {error}. If a library of the system is missing: "
            "apt-get install libgl1 libglib2.0-0 (Debian, Ubuntu), which OpenCV needs"
        ) from error
