"""The modules that videos need besides the base installation: the extra `video`."""

import importlib
from types import ModuleType

from pose3d_lib.common.errors import InputError


def import_extra(name: str) -> ModuleType:
    """Import a module of the extra, or raise an InputError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"videos need {name}, which cannot be imported ({error}); in the project's folder: pip install -e '.[video]', for "
            "MediaPipe with Python 3.11 or 3.12. Where OpenCV lacks libGL.so.1: apt-get install libgl1 (Debian, Ubuntu)"
        ) from error
