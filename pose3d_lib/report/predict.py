"""From parameters to poses in files: which model, which clips, whether they fit, what is written and shown."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError, printable
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import in_file_name, outputs_dir, runs_dir
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import check_keypoints, describe_findings
from pose3d_lib.data.doctor.checks import NOTE
from pose3d_lib.data.open import detected_layouts, open_dataset, used_parameters
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.card import ModelCard, TrainedModel, check_fit, seen_before
from pose3d_lib.model.card_parts import Training
from pose3d_lib.model.lifted import Lifted, lift, spread
from pose3d_lib.model.poses import check_free, file_names, write_poses
from pose3d_lib.report.figures.skeletons import draw_sheet
from pose3d_lib.report.player import write_player
from pose3d_lib.report.predict_config import NEWEST, TRAIN, PredictConfig
from pose3d_lib.runs.card import read_run_card
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.inventory import list_runs
from pose3d_lib.runs.models import open_model
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config

SHEET, PLAYER = "sheet.png", "player.html"

SHEET_CLIPS = 3
"""Of a contact sheet."""

WITH_SCORES = 3
"""Features of a keypoint, where a model sees its score too."""

MOST_NAMED = 4
"""Actions of a model that are named."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What is to be lifted, after all checks: nothing slow was done but opening the data.

    Attributes:
        model: on the device on which it will lift.
        data, clips, keypoints: what it sees.
        folder, formats: where the poses go, and as what.
        warnings: a sentence each, on what the model did not see in training, on whom it did, and on what is wrong
            with the keypoints.
    """

    model: TrainedModel
    data: PoseDataset
    clips: pd.DataFrame
    keypoints: str
    folder: Path
    formats: tuple[str, ...]
    warnings: tuple[str, ...]

    @cached_property
    def lifted(self) -> Lifted:
        """The poses: lifted once, at the first use."""
        return lift(self.model, self.data, self.clips, self.keypoints)

    def describe(self) -> list[str]:
        """Sentences on the model, on what it will lift, and the warnings."""
        card, frames = self.model.card, int((self.clips.stop - self.clips.start).sum())
        told = [
            f"Model {card.name}: {card.origin} It sees {self.model.lifters.pose.receptive_field} frames to lift one."
        ]
        if card.training:
            actions = card.training.actions
            named = ", ".join(actions) if len(actions) <= MOST_NAMED else f"{len(actions)} actions"
            told.append(f"It was trained on {named} of {card.training.dataset}, keypoints {card.keypoints!r}.")
            told += _of_a_part(card.training)
        if card.errors:
            tested = f"{', '.join(card.errors.subjects)} of {card.errors.dataset}"
            told.append(f"Its MPJPE on {tested}: {card.errors.action_wise.mpjpe:.1f} mm, the mean over actions.")
        told += [card.licence, *card.assumed, *self.data.notes]
        in_clips = f"{len(self.clips):,} clip{'s' * (len(self.clips) != 1)} of {self.data.name}"
        told.append(f"Lifting {frames:,} frames in {in_clips}, keypoints {self.keypoints!r}.")
        return [*told, *(f"Warning: {warning}" for warning in self.warnings)]


def _of_a_part(training: Training) -> list[str]:
    """Sentences on a training with less than all that there was, of its subjects, its frames or its loss."""
    labelled, without = (_listed(training.config.get(name)) for name in ("labelled_subjects", "without_terms"))
    share = training.config.get("train_share")
    told = []
    parts = [f"{100 * share:.3g} % of every clip"] if isinstance(share, float) and share < 1 else []
    if labelled or parts:
        told.append(
            f"It knew poses of {' of '.join([*parts, *[labelled] * bool(labelled)])} alone, {training.frames:,} frames."
        )
    if training.unlabelled_clips:
        whose = f" of {', '.join(training.unlabelled_subjects)}" if training.unlabelled_subjects else ""
        told.append(f"It saw video of {training.unlabelled_clips:,} clips{whose} without poses.")
    if without:
        told.append(f"Left out of its loss: {without}.")
    return told


def _listed(names: object) -> str:
    """Names in a row, whatever a card may hold in their place."""
    return printable(", ".join(map(str, names))) if isinstance(names, list) else ""


def all_files(formats: Sequence[str]) -> list[str]:
    """The names of all files that `write_all` writes."""
    return [*file_names(formats), SHEET, PLAYER]


def plan_task(config: PredictConfig, *, say: Say = lambda line: None) -> Task:
    """Finds the model, opens the data, and checks that one fits the other and that files are not in the way.

    Args:
        config: what is asked for.
        say: called with a line of text when something slow begins.

    Raises:
        InputError: there is no such model, data, subject or action, the keypoints are none that the model can see, or a file
            is there that may not be overwritten.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "parameter device: this machine has no CUDA device that PyTorch can use; 'cpu' and 'auto' work here"
        )
    files = all_files(config.formats)
    if config.output:
        check_free(Path(config.output).expanduser(), files, overwrite=config.overwrite)  # before a model is trained
    model = find_model(config, say=say)
    spec = _choose_data(config, model.card)
    data = open_dataset(spec, progress=say)
    warnings = check_fit(model.card, data, spec.keypoints)
    clips = choose_clips(config, data)
    if data.skeleton.joints == model.card.skeleton.joints:  # or no error will be shown
        warnings += seen_before(model.card, data, clips[clips.labelled])
    checkup = check_keypoints(data, clips, spec.keypoints, parameters=used_parameters(spec.dataset))
    found = describe_findings(checkup, most=1)
    warnings += [f"{what}; {advice}." if advice else f"{what}." for level, what, advice in found if level != NOTE]
    named = in_file_name(f"{data.name}-{spec.keypoints}-by-{model.card.name}", 200)
    folder = Path(config.output).expanduser() if config.output else outputs_dir() / "predictions" / named
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    model = TrainedModel(model.lifters.to(device), model.card)
    check_free(folder, files, overwrite=config.overwrite)
    return Task(model, data, clips, spec.keypoints, folder, config.formats, tuple(warnings))


def _choose_data(config: PredictConfig, card: ModelCard) -> DataSpec:
    """The data, with the keypoints that were asked for or that the model was trained on; refused where they are not there."""
    spec = config.data_with(
        config.keypoints or own_keypoints(config, card), scores=card.network.in_features == WITH_SCORES
    )
    try:
        check_data(spec)
    except InputError as error:
        if config.keypoints:
            raise
        raise InputError(
            f"{error} (the keypoints {spec.keypoints!r} are those of model {card.name}; the parameter keypoints names others)"
        ) from error
    return spec


def find_model(config: PredictConfig, *, say: Say = lambda line: None) -> TrainedModel:
    """The model that is asked for; for TRAIN it is trained where no run of it is finished."""
    if config.model == TRAIN:
        run_config = make_config(RunConfig, _training_parameters(config))
        run = execute_run(run_config, open_dataset(run_config.data, progress=say), say=say)
        return open_model(run.folder)
    return open_model(_newest_run(config) if config.model == NEWEST else config.model)


def _newest_run(config: PredictConfig) -> Path:
    """The folder of the run of all actions on the same data that was finished last; for detections, on whatever data.

    One of a study that was shown only a part of the data, or that lacks a term of its loss, is not taken unasked.
    """
    offered = [layout.joints for layout in _offered(config).values()]
    runs = [entry for entry in list_runs() if entry.state == "finished" and entry.action == ALL]
    partial = ""
    for entry in sorted(runs, key=lambda entry: entry.at or 0, reverse=True):
        run = Run(runs_dir() / entry.name)
        same_keypoints = config.keypoints in ("", run.config.keypoints)
        if offered:
            fits = read_run_card(run.folder).layout.joints in offered
        else:
            fits = same_keypoints and run.config.data == config.data_with(
                run.config.keypoints, scores=run.config.scores
            )
        if fits and not _is_partial(run.config):
            return run.folder
        partial = partial or (entry.name if fits else "")
    given = "".join(
        f" -p {name} {shlex.quote(_as_text(value))}" for name, value in _training_parameters(config).items()
    )
    fitting = "with the joints of these detections" if offered else f"on {config.dataset}"
    if partial:
        fitting += (
            " that was trained on all subjects and frames with its whole loss (one without is taken by its name only, such "
            f"as {partial})"
        )
    raise InputError(
        f"parameter model: {runs_dir()} holds no finished run of action {ALL} {fitting}. `pose3d run 02_train -p action {ALL}"
        f"{given}` makes one, and so does this with {TRAIN!r} as model; or name a run or the file of a model"
    )


def _is_partial(config: RunConfig) -> bool:
    """Whether a run is one of a study of what happens with less: fewer subjects or frames, or a term of the loss."""
    return bool(config.labelled_subjects or config.train_share < 1 or config.without_terms)


def _offered(config: PredictConfig) -> Mapping[str, Skeleton]:
    """The 2D sources that detections may be opened with; none for other data."""
    offered = detected_layouts(config.dataset)
    return {config.keypoints: offered[config.keypoints]} if config.keypoints in offered else offered


def _training_parameters(config: PredictConfig) -> dict[str, object]:
    """Those of a run of all actions on the same data; none, for the built-in data, where nothing can be trained on them."""
    if detected_layouts(config.dataset):
        return {}
    defaults = PredictConfig.model_fields
    given = {name: getattr(config, name) for name in DataSpec.model_fields}
    return {name: value for name, value in given.items() if value != defaults[name].default}


def _as_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def own_keypoints(config: PredictConfig, card: ModelCard) -> str:
    """What the data call the 2D source that a model was trained on: of detections, that with the joints that it sees."""
    offered = _offered(config)
    return next((name for name, layout in offered.items() if layout.joints == card.layout.joints), card.keypoints)


def choose_clips(config: PredictConfig, data: PoseDataset) -> pd.DataFrame:
    """The clips that are asked for, in the order of the dataset's table."""
    everybody = tuple(dict.fromkeys(data.clips.subject))
    subjects = [check_name(name, everybody, f"subject of {data.name}") for name in config.subjects]
    actions = [check_name(name, data.actions, f"action of {data.name}") for name in config.actions]
    chosen = data.clips.subject.isin(subjects or data.test_subjects or everybody)
    clips = data.clips[chosen & data.clips.action.isin(actions or data.actions)]
    if not len(clips):
        raise InputError(
            f"{data.name}: no clip of {', '.join(subjects or data.test_subjects or everybody)} doing {', '.join(actions)}; "
            "give other subjects or actions"
        )
    return clips.iloc[spread(len(clips), config.clips)] if config.clips else clips


def write_all(task: Task) -> list[Path]:
    """Writes the poses, the contact sheet and the player, and returns the files; what was in the way was looked for before."""
    files = write_poses(task.lifted, task.folder, task.formats, overwrite=True)
    sheet = draw_sheet(task.lifted, task.lifted.some(SHEET_CLIPS))
    write_atomically(task.folder / SHEET, lambda path: sheet.savefig(path, dpi=100))
    plt.close(sheet)
    write_player(task.lifted, task.folder / PLAYER)
    return [*files, task.folder / SHEET, task.folder / PLAYER]
