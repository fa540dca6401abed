"""`pose3d detect` and `pose3d live`: find 2D keypoints in a video, or lift what a camera sees frame by frame."""

import json
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from pose3d_lib.cli.data import Given, parameter_option
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


@click.command()
@click.argument("source", required=False)
@click.option("--camera", type=click.IntRange(0), default=0, show_default=True, help="Which camera, without a SOURCE.")
@click.option("--model", default="ready-causal", show_default=True, help="A causal model, as for `pose3d predict`.")
@click.option("--label", default="", help="The action to tell a model that has to be told.")
@click.option("--detector", default="mediapipe", show_default=True, help="Of a camera or a video; or module:attribute.")
@click.option("--json", "as_json", is_flag=True, help="Write a line of JSON for every frame instead of showing a page.")
@click.option("--browser/--no-browser", default=True, help="Open the page, or only print its address.")
@parameter_option
def live(source: str | None, given: Given, as_json: bool, browser: bool, **options: object) -> None:
    """Lift a person before a camera, as it happens: pose3d live

    SOURCE is a video or a file of keypoints in place of the camera; -p gives its parameters, as for 06_predict. A page that
    only this machine can open shows the pose; --json writes it to standard output instead. Ctrl-C ends it.
    """
    from pose3d_lib.report.live import open_live, paced

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    lift, name, seen = open_live(source, dict(given), say=say, **options)
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        if as_json:
            click.echo(json.dumps(lift.about()))
            for own in seen:
                click.echo(lift(own).to_json())
        else:
            from pose3d_lib.report.live_page import LivePage

            page = stack.enter_context(LivePage(name, lift.card))
            say(f"{page.address}\nCtrl-C ends it.")
            if browser:
                webbrowser.open(page.address)
            if source is not None:
                page.opened.wait()
                seen = paced(seen)
            for own in seen:
                frame = lift(own)
                page.show(frame, lift.tell(frame))
    say(lift.counts.line())
