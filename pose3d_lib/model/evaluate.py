"""The test protocol: whole clips, averaged with their mirror image, four errors per clip, then per action."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib import metrics
from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import ROOT, Skeleton
from pose3d_lib.model.lifter import Lifters, TemporalLifter
from pose3d_lib.model.predict import end_to_end, predict

METRICS = ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve")
ROOT_ERROR = "mrpe"  # the column of the trajectory's error, mm
SCALE = "scale"  # the column of the median best scale, as of `metrics.best_scale`
WITHOUT_POSES = "holds no 3D poses, only keypoints: no error can be measured on it"

NAMES = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE", "n_mpjpe": "N-MPJPE", "mpjve": "MPJVE", ROOT_ERROR: "MRPE"}


def named(metric: str) -> str:
    """A metric with its unit, such as "MPJPE [mm]"."""
    return f"{NAMES[metric]} [{'mm/frame' if metric == 'mpjve' else 'mm'}]"


def evaluate(
    model: TemporalLifter,
    data: PoseDataset,
    clips: pd.DataFrame,
    keypoints: str,
    *,
    mirror: bool = True,
    only_mpjpe: bool = False,
) -> pd.DataFrame:
    """The errors of every clip; with `mirror`, predictions are averaged with those for the mirror image.

    One row per clip: subject, action, take, camera (name), frames; METRICS, means over the clip's frames, mm and (MPJVE) mm
    per frame; SCALE, the median of the frames' best scales; and `joint_columns`, the MPJPE of every joint. With `only_mpjpe`
    the MPJPE alone, which takes half the time. An InputError for a clip of one frame.
    """
    check_velocity(data, clips)
    errors, done = [], 0
    for group in predict(model, data, clips, keypoints, mirror=mirror):
        own = clips.iloc[done : done + len(group)]
        for (_, clip), prediction in zip(own.iterrows(), group, strict=True):
            if not prediction.isfinite().all():
                raise FloatingPointError(f"{data.name}: the prediction for {data.name_of(clip)} is not finite")
        targets = end_to_end(data.positions, own).double()
        errors.append(_clip_errors(group, targets, joint_columns(data.skeleton), only_mpjpe=only_mpjpe))
        done += len(group)
    table = clips[["subject", "action", "take"]].reset_index(drop=True)
    table["camera"] = [data.cameras[number].name for number in clips.camera]
    table["frames"] = (clips.stop - clips.start).to_numpy()
    return table.join(pd.concat(errors, ignore_index=True))


def evaluate_lifters(
    lifters: Lifters, data: PoseDataset, clips: pd.DataFrame, keypoints: str, *, mirror: bool = True
) -> pd.DataFrame:
    """`evaluate` with, if there is a network of the trajectory, the column ROOT_ERROR, the root's mean error, mm."""
    errors = evaluate(lifters.pose, data, clips, keypoints, mirror=mirror)
    if lifters.trajectory is not None:
        groups = predict(lifters.trajectory, data, clips, keypoints, mirror=mirror, joints=ROOT)
        predicted = torch.cat([roots[:, 0] for group in groups for roots in group])
        if not predicted.isfinite().all():
            raise FloatingPointError(f"{data.name}: a predicted trajectory is not finite")
        true = end_to_end(data.trajectory, clips).double()
        apart = 1000 * metrics.mrpe(predicted, true)
        errors[ROOT_ERROR] = [float(own.mean()) for own in apart.split((clips.stop - clips.start).tolist())]
    return errors


def joint_columns(skeleton: Skeleton) -> list[str]:
    return [f"mpjpe of {joint}" for joint in skeleton.joints]


def check_velocity(data: PoseDataset, clips: pd.DataFrame) -> None:
    """Rejects a clip of one frame, which has no velocity to test."""
    short = clips[clips.stop - clips.start < 2]
    if len(short):
        raise InputError(f"{data.name}: {data.name_of(short.iloc[0])} has one frame, and so no velocity to test")


def _clip_errors(predictions: list[Tensor], targets: Tensor, joints: list[str], *, only_mpjpe: bool) -> pd.DataFrame:
    """METRICS, SCALE and the error of each joint, for each clip of a group; those of single frames for all frames at once."""
    predicted, targets, lengths = torch.cat(predictions) * 1000, targets * 1000, [len(own) for own in predictions]
    errors = {"mpjpe": metrics.mpjpe(predicted, targets).split(lengths)}
    if not only_mpjpe:
        errors["p_mpjpe"] = metrics.p_mpjpe(predicted, targets).split(lengths)
        errors["n_mpjpe"] = metrics.n_mpjpe(predicted, targets).split(lengths)
        clips = zip(predicted.split(lengths), targets.split(lengths), strict=True)
        errors["mpjve"] = [metrics.mpjve(*clip) for clip in clips]  # clip by clip: there is no velocity across a cut
    table = pd.DataFrame({name: [float(own.mean()) for own in values] for name, values in errors.items()})
    if not only_mpjpe:
        table[SCALE] = [float(np.median(own)) for own in metrics.best_scale(predicted, targets).split(lengths)]
        per_joint = metrics.joint_errors(predicted, targets).split(lengths)
        table[joints] = [own.mean(dim=0).tolist() for own in per_joint]
    return table


def per_action(clip_errors: pd.DataFrame) -> pd.DataFrame:
    """Errors of every action: the frame-weighted mean over its clips. One row per action: `frames` and its METRICS.

    MPJVE weights a clip by its F frames, not its F - 1 differences, as the published figures do.
    """
    own = _metrics_of(clip_errors)
    sums = own.mul(clip_errors.frames, axis=0).assign(frames=clip_errors.frames)
    sums = sums.groupby(clip_errors.action, sort=False).sum()
    errors = sums[["frames"]].join(sums[[*own]].div(sums.frames, axis=0))
    if own.isna().any(axis=None):  # a mean would skip it
        raise FloatingPointError("an error of a clip is not a number")
    return errors


def _metrics_of(errors: pd.DataFrame) -> pd.DataFrame:
    return errors[[metric for metric in METRICS if metric in errors]]


def action_wise(actions: pd.DataFrame) -> pd.Series:
    """The mean over the actions of `per_action`: the usual headline figure."""
    return _metrics_of(actions).mean()


def frame_wise(actions: pd.DataFrame) -> pd.Series:
    """The mean over the frames of all actions."""
    return _metrics_of(actions).mul(actions.frames, axis=0).sum() / actions.frames.sum()


def summarise(clip_errors: pd.DataFrame) -> dict[str, object]:
    """The errors of a run as metrics.json holds them: per action, their two means, and the trajectory's if it has one."""
    actions = per_action(clip_errors)
    rows = actions.to_dict(orient="index")
    summary: dict[str, object] = {
        "actions": {action: {**row, "frames": int(row["frames"])} for action, row in rows.items()},
        "action_wise": action_wise(actions).to_dict(),
        "frame_wise": frame_wise(actions).to_dict(),
    }
    if ROOT_ERROR in clip_errors:
        weighted = (clip_errors[ROOT_ERROR] * clip_errors.frames).groupby(clip_errors.action, sort=False).sum()
        summary["trajectory"] = {ROOT_ERROR: (weighted / actions.frames).to_dict()}
    return summary


def errors_table(actions: pd.DataFrame, roots: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The errors of `per_action` and of `roots`, action -> mm, with names and units; both means of several actions."""
    columns = {"frames": "Frames", **{metric: named(metric) for metric in METRICS}}
    table = actions[["frames", *METRICS]].rename(columns=columns).rename_axis("Action").reset_index()
    if len(actions) > 1:
        for name, mean in (("Action-wise mean", action_wise(actions)), ("Frame-wise mean", frame_wise(actions))):
            table.loc[len(table)] = [name, actions.frames.sum(), *mean]
    if roots:
        own = [roots.get(action, np.nan) for action in actions.index]
        means = [np.mean(own), np.average(own, weights=actions.frames)] if len(actions) > 1 else []
        table[named(ROOT_ERROR)] = [*own, *means]
    return table.astype({"Frames": int})


def choose_clips(data: PoseDataset, *, subjects: Sequence[str] = (), actions: Sequence[str] = ()) -> pd.DataFrame:
    """The labelled clips of some actions, by default all, and subjects, by default the test subjects; else an InputError."""
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


def errors_by(clip_errors: pd.DataFrame, by: str = "action") -> pd.DataFrame:
    """A table for reading, of every "action", or of the actions of every "subject", each with both means."""
    if by == "action":
        roots = summarise(clip_errors).get("trajectory", {}).get(ROOT_ERROR)
        return errors_table(per_action(clip_errors), roots)
    parts = {subject: errors_by(own) for subject, own in clip_errors.groupby("subject", sort=False)}
    return pd.concat(parts, names=["Subject"]).reset_index(level=0).reset_index(drop=True)
