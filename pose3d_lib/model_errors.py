"""Measures a trained model, whoever trained it, on any data: its errors per clip, per action and per subject."""

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from pose3d_lib.actions import check_name
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.evaluation import METRICS, ROOT_ERROR, errors_table, evaluate_lifters, per_action, summarise
from pose3d_lib.model_card import ModelCard, TrainedModel, check_fit, check_skeleton, seen_before
from pose3d_lib.parameters import check_data, make_config
from pose3d_lib.sources import detected_layouts
from pose3d_lib.sources.spec import DataSpec

WITHOUT_POSES = "holds no 3D poses, only keypoints: no error can be measured on it"


def data_for(card: ModelCard, given: Mapping[str, object]) -> DataSpec:
    """Which data to measure a model on: what is given, or else what it was trained on.

    Keypoints that are not given are the model's own, with scores if it sees scores.

    Raises:
        InputError: the data is not there or has no such keypoints, a parameter is unknown, or nobody says which data.
    """
    own: Mapping[str, object] = {}
    if "dataset" not in given:
        if card.training is None:
            raise InputError(
                f"model {card.name}: nobody knows here what it was trained on; give the data to measure it on: -p dataset ..."
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


def check_device(device: str) -> None:
    """Refuses a device that this machine does not have."""
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: this machine has no CUDA device that PyTorch can use; cpu works here")


def choose_clips(data: PoseDataset, *, subjects: Sequence[str] = (), actions: Sequence[str] = ()) -> pd.DataFrame:
    """The labelled clips of some subjects doing some actions, all named exactly; of the test subjects and all actions if
    none are named. An InputError where there are none."""
    if not data.clips.labelled.any():
        raise InputError(f"{data.name} {WITHOUT_POSES}")
    known = tuple(dict.fromkeys(data.clips.subject[data.clips.labelled]))
    for subject in subjects:
        check_name(subject, known, f"subject of {data.name} with 3D poses")
    clips = data.select(subjects or data.test_subjects, list(actions) or None)
    if not len(clips):
        whose = ", ".join(subjects or data.test_subjects) or "nobody, as no test subjects are named"
        raise InputError(
            f"{data.name} has no 3D poses of {whose} doing {', '.join(actions) or 'anything'}; --subjects names others "
            f"({', '.join(known)})"
        )
    return clips


def check_measurable(card: ModelCard, data: PoseDataset, keypoints: str, clips: pd.DataFrame) -> list[str]:
    """Refuses data that a model cannot see or whose joints it does not predict; warnings on the rest, a sentence each."""
    check_skeleton(card, data)
    return [*check_fit(card, data, keypoints), *seen_before(card, data, clips)]


def measure(
    model: TrainedModel, data: PoseDataset, keypoints: str, clips: pd.DataFrame, *, mirror: bool = True
) -> pd.DataFrame:
    """The errors of every clip, as `evaluate_lifters` gives them; an InputError where a prediction is not finite."""
    try:
        return evaluate_lifters(model.lifters, data, clips, keypoints, mirror=mirror)
    except FloatingPointError as error:
        raise InputError(f"model {model.card.name}: {error}") from error


def errors_by(clip_errors: pd.DataFrame, by: str = "action") -> pd.DataFrame:
    """A table for reading, of every action or of every subject's actions, each with both means.

    Args:
        clip_errors: as `measure` gives them.
        by: "action" or "subject".
    """
    if by == "action":
        return _action_table(clip_errors)
    parts = []
    for subject, own in clip_errors.groupby("subject", sort=False):
        part = _action_table(own)
        part.insert(0, "Subject", subject)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _action_table(clip_errors: pd.DataFrame) -> pd.DataFrame:
    actions = per_action(clip_errors)
    roots = summarise(clip_errors).get("trajectory", {}).get(ROOT_ERROR)
    return errors_table(actions[["frames", *METRICS]], roots)


def describe_measured(
    model: TrainedModel, data: PoseDataset, keypoints: str, clip_errors: pd.DataFrame, *, mirror: bool
) -> str:
    """What was measured on what, in a sentence: what stands under the table."""
    subjects = ", ".join(dict.fromkeys(clip_errors.subject))
    return (
        f"Errors of {model.card.name} on {data.name}{', which is synthetic: nobody was filmed' if data.synthetic else ''}; "
        f"keypoints {keypoints}; subjects {subjects}; {len(clip_errors):,} clips, {clip_errors.frames.sum():,} frames; "
        f"{'averaged with' if mirror else 'without'} the mirror image."
    )
