"""`pose3d predict`: a model and 2D keypoints in, 3D poses in files out."""

import click

from pose3d_lib.cli.data import Given, parameter_option
from pose3d_lib.common.errors import InputError


@click.command()
@click.argument("model")
@click.argument("dataset")
@parameter_option
@click.option("--output", default="", help="The folder of the files; one under outputs/predictions/ if not given.")
@click.option("--format", "formats", default="npz", show_default=True, help="npz, csv, json; several with commas.")
@click.option("--overwrite", is_flag=True, help="Replace files of those names.")
def predict(given: Given, **own: object) -> None:
    """Lift 2D keypoints to 3D, for instance: pose3d predict newest phone.json -p image_size 1080x1920 -p fps 30

    MODEL is a run, by its name or folder, the file of a model, `newest` (the last run of all actions, subjects and frames that
    was finished) or `train` (which trains one first if there is none). DATASET is a name or a path, as for 01_data_prep; -p
    gives the other parameters of 06_predict. Poses, a contact sheet and a player that any browser opens go to one folder.
    """
    from pose3d_lib.report.parameters import PredictConfig
    from pose3d_lib.training.parameters import check_data, make_config

    for name, _ in given:
        if name in own:
            raise InputError(f"parameter {name}: give it as an argument or an option, not with -p; --help lists them")
    config = make_config(PredictConfig, {**dict(given), **own})
    check_data(config)
    from pose3d_lib.report.predict import plan_task, write_all

    task = plan_task(config, say=click.echo)
    for line in task.describe():
        click.echo(line)
    for file in write_all(task):
        click.echo(f"written: {file}")
