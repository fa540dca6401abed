"""Measures a trained model, whoever trained it, on any data: its errors per clip, per action and per subject."""

from collections.abc import Sequence

import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.card import ModelCard, TrainedModel, check_fit, check_skeleton, seen_before
from pose3d_lib.model.evaluate import METRICS, ROOT_ERROR, errors_table, evaluate_lifters, per_action, summarise

WITHOUT_POSES = "holds no 3D poses, only keypoints: no error can be measured on it"


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
