"""`pose3d live`: lift what a camera sees, or a file, frame by frame."""

import json
import webbrowser
from contextlib import ExitStack, suppress

import click

from pose3d_lib.cli.data import Given, parameter_option


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
