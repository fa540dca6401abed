"""`pose3d detect` and `pose3d live`: find 2D keypoints in a video, or lift what a camera sees frame by frame."""

import json
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import check_free

detector_option = click.option(
    "--detector", default="mediapipe", show_default=True, help='Or "module:attribute", which makes another.'
)
fps_option = click.option(
    "--fps",
    type=click.FloatRange(0, 1000, min_open=True),
    help="Frames per second to use, at most the video's; up to 60 if not given.",
)


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.argument("keypoints", type=click.Path(path_type=Path))
@detector_option
@fps_option
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


@click.command()
@click.argument("video", required=False, type=click.Path(path_type=Path))
@click.option("--camera", type=click.IntRange(0), default=0, show_default=True, help="Which camera, without a VIDEO.")
@click.option("--model", default="ready-causal", show_default=True, help="A causal model, as for `pose3d predict`.")
@detector_option
@fps_option
@click.option("--json", "as_json", is_flag=True, help="Write a line of JSON for every frame instead of showing a page.")
@click.option("--browser/--no-browser", default=True, help="Open the page, or only print its address.")
def live(video: Path | None, as_json: bool, browser: bool, **options: object) -> None:
    """Lift a person before a camera, or in a VIDEO, as it happens: pose3d live

    A page that only this machine can open shows the pose; --json writes it to standard output instead. Ctrl-C ends it.
    """
    from pose3d_lib.report.live import open_live, paced

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    lift, name, seen = open_live(video, say=say, **options)
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        if as_json:
            click.echo(json.dumps(lift.about(name)))
            for own in seen:
                click.echo(lift(own).to_json())
        else:
            from pose3d_lib.report.live_page import LivePage

            page = stack.enter_context(LivePage(name, lift.card))
            say(f"{page.address}\nCtrl-C ends it.")
            if browser:
                webbrowser.open(page.address)
            if video is not None:
                page.opened.wait()
                seen = paced(seen)
            for own in seen:
                frame = lift(own)
                page.show(frame, lift.tell(frame))
    say(lift.counts.line())
