"""`pose3d checkpoint ...`: trained models from VideoPose3D's checkpoints and into them, and what a model is, in words."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pose3d_lib.cli.data import echo_parts
from pose3d_lib.cli.evaluate import statistics_option
from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.paths import check_free, models_dir

if TYPE_CHECKING:
    from pose3d_lib.model.card import ModelCard


@click.group()
def checkpoint() -> None:
    """Bring trained models from VideoPose3D and to it, and say what a model is."""


@checkpoint.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--causal", is_flag=True, help="It was trained with --causal; the file does not say.")
@click.option("--dense", is_flag=True, help="It was trained with --dense; the file does not say.")
@click.option("--joints", default="", help="The joints that go in: h36m, coco, mpii, humaneva15, ...; by their number.")
@click.option("--keypoints", default="", help="The 2D source that it was trained on: cpn_ft_h36m_dbb, gt, ...")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Frames per second that it was trained on.")
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="The new file; one in outputs/models/ if not given."
)
@click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
def import_(file: Path, target: Path | None, overwrite: bool, **unsaid: object) -> None:
    """Keep a checkpoint of VideoPose3D as a model, for instance: pose3d checkpoint import pretrained_h36m_cpn.bin

    The file is read without running what may be in it. The network follows from its tensors; of what they do not say, each
    default is stated, with the option that changes it.
    """
    target = target or models_dir() / f"{file.stem}.safetensors"
    if target.suffix != ".safetensors":
        raise InputError(f"--to {target}: a model's file is called something.safetensors; give it such a name")
    from pose3d_lib.model.videopose3d import Unsaid, import_checkpoint
    from pose3d_lib.runs.models import save_model

    check_free([target], overwrite=overwrite)
    model = import_checkpoint(file, Unsaid(**unsaid))
    save_model(model, target)
    _show(model.card)
    click.echo(f"written: {target}")


@checkpoint.command()
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@statistics_option
@click.option("--streaming", is_flag=True, help="Of ONNX: lift a clip's next frames, with a state between two calls.")
@click.option("--overwrite", is_flag=True, help="Replace files of that name.")
def export(model: str, file: Path, statistics: str, streaming: bool, overwrite: bool) -> None:
    """Write a model for others, for instance: pose3d checkpoint export All-27f-1ue-seed0 ours.bin

    MODEL is `ready` or `ready-causal`, a run, by its folder or name or a part of that, or a model's file. A FILE.bin is a
    checkpoint that VideoPose3D loads, a FILE.onnx a graph for ONNX Runtime, a FILE.safetensors a model's file; FILE.md beside it
    is the model's card.
    """
    from pose3d_lib.report.export import BIN, export_model, videopose3d_command
    from pose3d_lib.runs.models import open_model

    opened = open_model(model, statistics=statistics, say=click.echo)
    for written in export_model(opened, file, streaming=streaming, overwrite=overwrite):
        click.echo(f"written: {written}")
    click.echo(f"licence: {opened.card.licence}")
    if file.suffix == BIN:
        click.echo("in VideoPose3D's folder, with its data:")
        click.echo(videopose3d_command(opened.card, file))


@checkpoint.command()
@click.argument("model")
def show(model: str) -> None:
    """Say what a model is, for instance: pose3d checkpoint show pretrained_h36m_cpn.safetensors

    MODEL is `ready` or `ready-causal`, which come along, a run, by its folder or name or a part of that, a model's file, or a
    checkpoint of VideoPose3D.
    """
    from pose3d_lib.runs.models import open_model

    _show(open_model(model).card)


def _show(card: "ModelCard") -> None:
    from pose3d_lib.report.describe import describe_card

    click.secho(printable(card.name), bold=True)
    echo_parts(describe_card(card))
