"""06_predict: from parameters to poses in files."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.common.files import write_atomically
from pose3d_lib.common.paths import check_free, in_file_name, outputs_dir, runs_dir
from pose3d_lib.data.actions import ALL, check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.doctor import check_keypoints, describe_findings
from pose3d_lib.data.doctor.checks import NOTE
from pose3d_lib.data.open import detected_keypoints, detected_layouts, open_dataset, open_video, used_parameters
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.data.sources.video.frames import VideoFile
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.card import PUBLISHED, ModelCard, TrainedModel, check_fit
from pose3d_lib.model.poses import file_names, write_poses
from pose3d_lib.model.precision import check_device
from pose3d_lib.model.predict import Lifted, lift, spread
from pose3d_lib.model.upright import level
from pose3d_lib.report.describe import STATISTICS, start_command, tell_settings
from pose3d_lib.report.figures.skeletons import draw_sheet, save_animation
from pose3d_lib.report.figures.style import DPI
from pose3d_lib.report.parameters import GIF, NEWEST, TRAIN, PredictConfig
from pose3d_lib.report.player import player_page
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.inventory import State, list_runs
from pose3d_lib.runs.models import open_model, read_run_card
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config
from pose3d_lib.training.plan import plan_run

SHEET, PLAYER = "sheet.png", "player.html"
KEYPOINTS = "keypoints.json"  # of a video
SHEET_CLIPS = 3  # on a contact sheet
WITH_SCORES = 3  # features of a keypoint, where a model sees its score too

Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """What is to be lifted, after all checks: nothing slow was done but opening the data."""

    config: PredictConfig
    model: TrainedModel  # on the device on which it will lift
    data: PoseDataset
    clips: pd.DataFrame
    keypoints: str
    folder: Path  # of the poses
    # What the model did not see in training, subjects that it did see, flaws of the keypoints.
    warnings: tuple[str, ...] = ()
    detected: Path | None = None  # the file of keypoints that were found in a video
    video: VideoFile | None = None  # that the keypoints were found in

    @cached_property
    def lifted(self) -> Lifted:
        """The poses: lifted once, at the first use."""
        lifted = replace(lift(self.model, self.data, self.clips, self.keypoints), video=self.video)
        return level(lifted) if self.config.upright else lifted

    def describe(self) -> list[str]:
        """Sentences on the model, on what it will lift, and the warnings."""
        card, frames = self.model.card, int((self.clips.stop - self.clips.start).sum())
        lines = [
            f"Model {card.name}: {card.origin} It sees {self.model.lifters.pose.receptive_field} frames to lift one."
        ]
        if card.statistics:
            lines.append(f"Its batch norms: {STATISTICS[card.statistics]}.")
        if training := card.training:
            lines.append(
                f"It was trained on {some(training.actions)} of {training.dataset}, keypoints {card.keypoints!r}."
            )
            lines.append(f"Its settings: {'; '.join(tell_settings(training.config).splitlines())}.")
        if card.errors:
            tested = f"{', '.join(card.errors.subjects)} of {card.errors.dataset}"
            lines.append(f"Its MPJPE on {tested}: {card.errors.action_wise.mpjpe:.1f} mm, the mean over actions.")
        lines += [card.licence, *card.assumed, *self.data.notes]
        clips = f"{len(self.clips):,} clip{'s' * (len(self.clips) != 1)} of {self.data.name}"
        lines.append(f"Lifting {frames:,} frames in {clips}, keypoints {self.keypoints!r}.")
        return [*lines, *(f"Warning: {warning}" for warning in self.warnings)]


def plan_task(config: PredictConfig, *, say: Say = lambda line: None) -> Task:
    """Find the model, open the data, and check that they fit and that no file is in the way; an InputError otherwise.

    `say` is called with a line of text when something slow begins.
    """
    check_device(config.device)
    model = find_model(config, say=say)
    spec = _choose_data(config, model.card)
    data = open_dataset(spec, progress=say)
    clips = choose_clips(config, data)
    warnings = check_fit(model.card, data, spec.keypoints, clips)
    checkup = check_keypoints(data, clips, spec.keypoints, parameters=used_parameters(spec.dataset))
    found = describe_findings(checkup, most=1)
    warnings += [f"{what}; {advice}." if advice else f"{what}." for level, what, advice in found if level != NOTE]
    published = "-published" if model.card.statistics == PUBLISHED else ""
    named = in_file_name(f"{data.name}-{spec.keypoints}-by-{model.card.name}{published}", 200)
    folder = Path(config.output).expanduser() if config.output else outputs_dir() / "predictions" / named
    model = TrainedModel(
        model.lifters.to("cuda" if torch.cuda.is_available() and config.device != "cpu" else "cpu"), model.card
    )
    detected = detected_keypoints(spec)
    keys = list(clips[["subject", "action", "take"]].itertuples(index=False))
    files = [*file_names(config.formats, keys), SHEET, PLAYER, *[KEYPOINTS] * (detected is not None)]
    check_free((folder / file for file in files), overwrite=config.overwrite)
    seen = model, data, clips, spec.keypoints
    return Task(config, *seen, folder, tuple(warnings), detected, open_video(spec))


def _choose_data(config: PredictConfig, card: ModelCard) -> DataSpec:
    """The data with the keypoints that were asked for, or else with those that the model was trained on."""
    seen = {
        "keypoints": config.keypoints or own_keypoints(config, card),
        "scores": card.network.in_features == WITH_SCORES,
    }
    spec = config.data.model_copy(update=seen)
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
    """The model that is asked for; TRAIN trains it unless a run of it is finished."""
    if config.model == TRAIN:
        run_config = _training_config(config)
        run = execute_run(plan_run(run_config, open_dataset(run_config.data, progress=say)), say=say)
        return open_model(run.folder, statistics=config.statistics)
    return open_model(newest_run(config) if config.model == NEWEST else config.model, statistics=config.statistics)


def newest_run(config: PredictConfig) -> Path:
    """The folder of the last finished run of all actions on the same data; for detections, on any data.

    A run that was trained on a part of the data, or without a term of the loss, is taken by its name only.
    """
    offered = [layout.joints for layout in _offered(config).values()]
    runs = [entry for entry in list_runs() if entry.state == State.FINISHED and entry.action == ALL]
    for entry in sorted(runs, key=lambda entry: entry.at or 0, reverse=True):
        run = Run(runs_dir() / entry.name)
        own = run.config
        if own.labelled_subjects or own.train_share < 1 or own.without_terms or own.action_input:
            continue
        if offered:
            fits = read_run_card(run.folder).layout.joints in offered
        else:
            seen = {"keypoints": own.keypoints, "scores": own.scores}
            fits = config.keypoints in ("", own.keypoints) and own.data == config.data.model_copy(update=seen)
        if fits:
            return run.folder
    fitting = "with the joints of these detections" if offered else f"on {config.dataset}"
    command = start_command(_training_config(config))
    raise InputError(
        f"parameter model: {runs_dir()} holds no finished run of action {ALL} {fitting} that was trained on all subjects and "
        f"frames with its whole loss. `{command}` makes one, and so does this with {TRAIN!r} as model; or name a run, "
        "the file of a model, or 'ready', which comes along"
    )


def _offered(config: PredictConfig) -> Mapping[str, Skeleton]:
    """The 2D sources that detections may be opened with; none for other data."""
    offered = detected_layouts(config.dataset)
    return {config.keypoints: offered[config.keypoints]} if config.keypoints in offered else offered


def _training_config(config: PredictConfig) -> RunConfig:
    """A run of all actions on the same data; detections cannot be trained on, so for them on the default."""
    own = config.model_dump(include=set(DataSpec.model_fields), exclude_defaults=True)
    return make_config(RunConfig, {} if detected_layouts(config.dataset) else own)


def own_keypoints(config: PredictConfig, card: ModelCard) -> str:
    """The data's name for the 2D source that a model was trained on; of detections, the one with the joints it sees."""
    offered = _offered(config)
    return next((name for name, layout in offered.items() if layout.joints == card.layout.joints), card.keypoints)


def choose_clips(config: PredictConfig, data: PoseDataset) -> pd.DataFrame:
    """The clips that are asked for, in the order of the dataset's table."""
    everybody = tuple(dict.fromkeys(data.clips.subject))
    subjects = [check_name(name, everybody, f"subject of {data.name}") for name in config.subjects]
    subjects = subjects or data.test_subjects or everybody
    actions = [check_name(name, data.actions, f"action of {data.name}") for name in config.actions]
    clips = data.clips[data.clips.subject.isin(subjects) & data.clips.action.isin(actions or data.actions)]
    if not len(clips):
        raise InputError(
            f"{data.name}: no clip of {', '.join(subjects)} doing {', '.join(actions)}; give other subjects or actions"
        )
    return clips.iloc[spread(len(clips), config.clips)] if config.clips else clips


def write_all(task: Task, *, say: Say = print) -> list[Path]:
    """Write the poses, the contact sheet and the player, replacing what `plan_task` allowed; return the files."""
    for note in task.lifted.notes:
        if note not in task.data.notes:  # those were said before
            say(note)
    formats, folder, few = task.config.formats, task.folder, task.lifted.of_actions(SHEET_CLIPS)
    files = write_poses(task.lifted, folder, [kind for kind in formats if kind != GIF], say=say)

    def add(name: str, write: Callable[[Path], object]) -> None:
        write_atomically(folder / name, write)
        files.append(folder / name)

    if GIF in formats:
        add(*file_names([GIF], []), lambda path: save_animation(task.lifted, few, path))
    if task.detected is not None:
        add(KEYPOINTS, lambda path: shutil.copyfile(task.detected, path))
    sheet = draw_sheet(task.lifted, few)
    add(SHEET, lambda path: sheet.savefig(path, dpi=DPI))
    plt.close(sheet)
    add(PLAYER, lambda path: path.write_text(player_page(task.lifted), encoding="utf-8"))
    return files
