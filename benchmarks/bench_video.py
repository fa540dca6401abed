"""Frames per second of a video's way to a body that moves, each step apart; `make bench` runs it.

With a file, it is that video and MediaPipe: python benchmarks/bench_video.py walk.mp4. Without, a program makes the video and the
keypoints; detection is measured where MediaPipe is installed, on images without a person.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from measuring import seconds_of
from promises import promise, save_promises

from pose3d_lib.data.sources.video.detectors import MEDIAPIPE, open_detector
from pose3d_lib.data.sources.video.frames import VideoFile
from pose3d_lib.model.predict import lift
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.report.pictures import cut_pictures
from pose3d_lib.report.player import player_page
from pose3d_lib.report.predict import plan_task

FRAMES, SIZE = 100, (1280, 720)
REPETITIONS = 3


class MadeUp:
    """A detector of somebody who stands still."""

    layout = "coco"

    def __call__(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        xy = np.random.default_rng(0).uniform([0.4, 0.2], [0.6, 0.8], (17, 2)) * [width, height]
        return np.column_stack([xy, np.full(17, 0.9)])[None]


def make_video(path: Path) -> Path:
    """A picture in colours that moves sideways."""
    picture = np.random.default_rng(0).integers(0, 255, (SIZE[1] // 16, SIZE[0] // 16, 3), np.uint8)
    picture = picture.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(FRAMES):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.roll(picture, 4 * number, axis=1), format="rgb24"))
            )
        container.mux(stream.encode(None))
    return path


def measure(path: Path, detector: str) -> list[dict[str, object]]:
    """A row for each step."""
    images = [frame.image for frame in islice(VideoFile(path), FRAMES)]
    task = plan_task(PredictConfig(model="ready", dataset=str(path), detector=detector))
    lifted, whole = task.lifted, int((task.clips.stop - task.clips.start).sum())
    clips = lifted.clips[:1]
    pictured = [range(0, min(FRAMES, len(clips[0].frames)), 2)]
    steps: dict[str, tuple[int, Callable[[], object]]] = {
        "reading": (len(images), lambda: list(islice(VideoFile(path), FRAMES)))
    }
    if find_spec(MEDIAPIPE):
        find = open_detector(MEDIAPIPE)
        steps["detection by MediaPipe"] = len(images), lambda: [find(image) for image in images]
    steps["lifting by ready"] = whole, lambda: lift(task.model, task.data, task.clips, task.keypoints)
    steps["drawing: pictures of the video"] = len(pictured[0]), lambda: cut_pictures(lifted, clips, pictured)
    steps["drawing: the player"] = whole, lambda: player_page(lifted)
    about = "x".join(map(str, VideoFile(path).size))
    return [
        promise(f"video of {about}, {what}", "frames/s", [frames / seconds_of(step) for _ in range(REPETITIONS)])
        for what, (frames, step) in steps.items()
    ]


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            rows = measure(Path(sys.argv[1]).resolve(), MEDIAPIPE)
        else:
            kept, os.environ["POSE3D_OUTPUTS"] = os.environ.get("POSE3D_OUTPUTS"), folder
            rows = measure(make_video(Path(folder) / "made_up.mp4"), "bench_video:MadeUp")
            os.environ.pop("POSE3D_OUTPUTS") if kept is None else os.environ.update(POSE3D_OUTPUTS=kept)
    save_promises("video", rows)


if __name__ == "__main__":
    main()
