"""Detectors of 2D keypoints in images: their interface, and MediaPipe."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Protocol

import numpy as np

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.sources.detections.layouts import LAYOUTS
from pose3d_lib.data.sources.video.frames import import_extra

MEDIAPIPE = "mediapipe"


class Detector(Protocol):
    """Finds people in the images of one video, which it is given in order; it may follow them from image to image.

    Attributes:
        layout: which joints it finds, in which order: a key of `LAYOUTS`.
    """

    layout: str

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(people, joints, 3): x, y in pixels and a score of every joint, NaN where it is missing; no people, no rows.

        The image is (height, width, 3) uint8, RGB.
        """


class MediaPipe:
    """MediaPipe's pose landmarks, by the models in its wheel: one person, all 33 landmarks, with their visibility as score."""

    layout = "mediapipe_33"

    def __init__(self) -> None:
        with _silent_start():
            self._pose = import_extra("mediapipe").solutions.pose.Pose(model_complexity=1)
            self(np.zeros((64, 64, 3), np.uint8))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():  # of a function of protobuf that MediaPipe uses and will be removed
            warnings.filterwarnings("ignore", "SymbolDatabase.GetPrototype", UserWarning)
            found = self._pose.process(image).pose_landmarks
        if found is None:
            return np.empty((0, LAYOUTS[self.layout].num_joints, 3), np.float32)
        height, width = image.shape[:2]
        return np.array([[(m.x * width, m.y * height, m.visibility) for m in found.landmark]], np.float32)


@contextmanager
def _silent_start() -> Iterator[None]:
    """Keep off standard error what MediaPipe's C++ code says there when it begins: that all is well."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def open_detector(name: str = MEDIAPIPE) -> Detector:
    """A detector for one video: MEDIAPIPE, or "module:attribute", which is called without arguments to make one."""
    if ":" not in name:
        check_name(name, [MEDIAPIPE], "detector (or module:attribute, of your own)")
        return MediaPipe()
    try:
        detector = EntryPoint(name, name, "").load()()
    except (ImportError, AttributeError) as error:
        raise InputError(f"detector {name!r}: cannot be imported ({error}); expected module:attribute") from error
    check_name(getattr(detector, "layout", ""), LAYOUTS, f"layout of detector {name}")
    return detector
