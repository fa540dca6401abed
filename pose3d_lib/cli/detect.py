"""`pose3d detect`: find 2D keypoints in a video."""

from pathlib import Path

import click

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import check_free


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.argument("keypoints", type=click.Path(path_type=Path))
@click.option("--detector", default="mediapipe", show_default=True, help='Or "module:attribute", which makes another.')
@click.option(
    "--fps",
    type=click.FloatRange(0, 1000, min_open=True),
    help="Frames per second to use, at most the video's; up to 60 if not given.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file of keypoints.")
def detect(video: Path, keypoints: Path, detector: str, fps: float | None, overwrite: bool) -> None:
    """Find 2D keypoints in a video, for instance: pose3d detect walk.mp4 keypoints.json

    VIDEO is a file that FFmpeg reads; KEYPOINTS becomes JSON as MMPose writes it, with the size of the images and the frame
    rate, and can be given to `pose3d predict` in place of the video. MediaPipe finds one person, also where there are several.
    """
    if keypoints.suffix.casefold() != ".json":
        raise InputError(f"{keypoints}: the keypoints are written as JSON; give a name that ends in .json")
    check_free([keypoints], overwrite=overwrite)
    if not video.is_file():
        raise InputError(f"{video}: there is no such file")
    from pose3d_lib.data.sources.video import detect

    detect(video, keypoints, detector=detector, fps=fps, progress=click.echo)
    click.echo(f"written: {keypoints}")
