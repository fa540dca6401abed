"""What reading videos needs besides the base installation: the extra `video`."""

import importlib
import sys
from types import ModuleType

from pose3d_lib.common.errors import InputError

INSTALL = "pip install -e '.[video]'"
BELOW = (3, 13)  # the last MediaPipe whose wheel carries the models is made for older Pythons only


def import_extra(name: str) -> ModuleType:
    """Import a module of the extra; an InputError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if name == "mediapipe" and sys.version_info >= BELOW:
            raise InputError(
                "the detector MediaPipe needs a Python below 3.13 (the last release that brings its models along is for those): "
                f"make an environment with Python 3.12, and there {INSTALL}; or give another detector"
            ) from error
        raise InputError(
            f"videos need {name}, which cannot be imported here ({error}): {INSTALL} in the project's folder installs it"
        ) from error
