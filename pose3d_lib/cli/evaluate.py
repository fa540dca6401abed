"""`pose3d evaluate` and `pose3d predict`: measure a trained model on data, or lift 2D keypoints with it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pose3d_lib.cli.data import Given, parameter_option
from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import check_free

if TYPE_CHECKING:
    from pose3d_lib.data.spec import DataSpec
    from pose3d_lib.model.card import ModelCard

statistics_option = click.option(
    "--statistics",
    type=click.Choice(["recomputed", "published"]),
    default="recomputed",
    show_default=True,
    help="Of a run's batch norms: recomputed after the training, or as published.",
)


@click.command()
@click.argument("model")
@parameter_option
@statistics_option
@click.option("--subjects", default="", help="Whose clips, separated by commas; the test subjects if not given.")
@click.option("--actions", default="", help="Doing what, separated by commas, exactly as the dataset spells it.")
@click.option("--by", type=click.Choice(["action", "subject"]), default="action", show_default=True, help="The rows.")
@click.option(
    "--mirror/--no-mirror",
    default=None,
    help="Average with the prediction for the mirror image, or not; as the model was tested if not given.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="A folder for the table, as CSV, Markdown and LaTeX.")
@click.option("--overwrite", is_flag=True, help="Replace what is in that folder.")
def evaluate(
    model: str,
    given: Given,
    statistics: str,
    subjects: str,
    actions: str,
    by: str,
    mirror: bool | None,
    device: str,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Measure a model on some data, for instance: pose3d evaluate ours.safetensors -p dataset h36m --by subject

    MODEL is `ready` or `ready-causal`, which come along, a run, by its folder or name or a part of that, a model's file, or a
    checkpoint of VideoPose3D. -p gives the data, as for 01_data_prep: what the model was trained on if no dataset is given, with
    the keypoints that it was trained on if none are given.
    """
    # oneDNN, under PyTorch, keeps what it compiled for every length of a clip; that would take more memory than the data.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")

    from pose3d_lib.data.actions import tidy_name
    from pose3d_lib.data.spec import split_list
    from pose3d_lib.runs.models import open_model

    opened = open_model(model, statistics=statistics, say=click.echo)
    from pose3d_lib.common.tables import save_table, to_text
    from pose3d_lib.data.open import open_dataset
    from pose3d_lib.model import evaluate as evaluation
    from pose3d_lib.model.card import check_fit, check_skeleton
    from pose3d_lib.model.precision import check_device

    files = [] if output is None else [output / name for name in ("errors.csv", "errors.md", "errors.tex", "clips.csv")]
    check_free(files, overwrite=overwrite)
    spec = data_for(opened.card, dict(given))
    check_device(device)
    data = open_dataset(spec, progress=click.echo)
    chosen = {"subjects": split_list(tidy_name(subjects)), "actions": split_list(tidy_name(actions))}
    clips = evaluation.choose_clips(data, **chosen)
    check_skeleton(opened.card, data)
    for warning in check_fit(opened.card, data, spec.keypoints, clips):
        click.echo(f"warning: {warning}")
    click.echo(f"testing on {len(clips):,} clips, {(clips.stop - clips.start).sum():,} frames")
    opened.lifters.to(device)
    mirror = opened.card.mirrored if mirror is None else mirror
    try:
        errors = evaluation.evaluate_lifters(opened.lifters, data, clips, spec.keypoints, mirror=mirror)
    except FloatingPointError as error:
        raise InputError(f"model {opened.card.name}: {error}") from error
    table = evaluation.errors_by(errors, by)
    caption = (
        f"Errors of {opened.card.name} on {data.name}{', which is synthetic: nobody was filmed' * data.synthetic}; keypoints "
        f"{spec.keypoints}; subjects {', '.join(dict.fromkeys(errors.subject))}; {len(errors):,} clips, "
        f"{errors.frames.sum():,} frames; {'averaged with' if mirror else 'without'} the mirror image."
    )
    click.echo(f"{to_text(table)}\n\n{caption}")
    if output is not None:
        save_table(table, output / "errors", caption)
        errors.to_csv(output / "clips.csv", index=False)
        for file in files:
            click.echo(f"written: {file}")


@click.command()
@click.argument("model")
@click.argument("dataset")
@parameter_option
@click.option("--output", default="", help="The folder of the files; one under outputs/predictions/ if not given.")
@statistics_option
@click.option(
    "--format", "formats", default="npz", show_default=True, help="npz, csv, json, bvh, trc, gif; several with commas."
)
@click.option("--overwrite", is_flag=True, help="Replace files of those names.")
def predict(given: Given, **own: object) -> None:
    """Lift a video, or 2D keypoints, to 3D, for instance: pose3d predict ready walk.mp4

    MODEL is `ready` or `ready-causal`, which come along, a run, by its name or folder, the file of a model, `newest` (the last
    run of all actions, subjects and frames that was finished) or `train` (which trains one first if there is none). DATASET is
    the file of a video (extra `video`), or a name or path as for 01_data_prep; -p gives the other parameters of 06_predict.
    Poses, a contact sheet, a player that any browser opens and the keypoints of a video go to one folder.
    """
    from pose3d_lib.report.parameters import check_parameters

    for name, _ in given:
        if name in own:
            raise InputError(f"parameter {name}: give it as an argument or an option, not with -p; --help lists them")
    config = check_parameters("06_predict", {**dict(given), **own})
    from pose3d_lib.report.predict import plan_task, write_all

    task = plan_task(config, say=click.echo)
    for line in task.describe():
        click.echo(line)
    for file in write_all(task, say=click.echo):
        click.echo(f"written: {file}")


def data_for(card: "ModelCard", given: Mapping[str, object]) -> "DataSpec":
    """The data to measure a model on: what is given, or else its training data; keypoints not given are the model's own."""
    from pose3d_lib.data.open import detected_layouts
    from pose3d_lib.data.spec import DataSpec
    from pose3d_lib.model.evaluate import WITHOUT_POSES
    from pose3d_lib.training.parameters import check_data, make_config

    own: Mapping[str, object] = {}
    if "dataset" not in given:
        if card.training is None or card.is_ready:
            raise InputError(
                f"model {card.name}: what it was trained on is not at hand; give the data to measure it on: -p dataset ..."
            )
        own = {name: value for name, value in card.training.config.items() if name in DataSpec.model_fields}
    seen = {"keypoints": card.keypoints, "scores": card.network.in_features == 3}
    spec = make_config(DataSpec, {**own, **seen, **given})
    try:
        check_data(spec)
    except InputError as error:
        if "keypoints" in given or "keypoints" not in str(error):
            raise
        if detected_layouts(spec.dataset):
            raise InputError(f"{spec.dataset} {WITHOUT_POSES}; `pose3d predict` lifts them") from error
        raise InputError(
            f"{error}. The model was trained on the keypoints {card.keypoints!r}; -p keypoints chooses others"
        ) from error
    return spec
