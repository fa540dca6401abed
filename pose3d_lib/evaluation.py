"""The test protocol: whole clips, averaged with their mirror image, four errors per clip, then per action."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pose3d_lib import metrics
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError
from pose3d_lib.model import TemporalLifter, padding
from pose3d_lib.precision import arithmetic
from pose3d_lib.skeleton import Skeleton
from pose3d_lib.windows import gather_targets, mirror_keypoints, mirror_poses, pad_clips

METRICS = ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve")
UNITS = {"mpjpe": "mm", "p_mpjpe": "mm", "n_mpjpe": "mm", "mpjve": "mm/frame"}
NAMES = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE", "n_mpjpe": "N-MPJPE", "mpjve": "MPJVE"}

ROWS_AT_ONCE = 2048
"""Frames, with padding, that pass through the network together, few enough for a cache; a longer clip passes whole."""


def named(metric: str) -> str:
    """A metric with its unit, such as "MPJPE [mm]"."""
    return f"{NAMES[metric]} [{UNITS[metric]}]"


@torch.no_grad()
def predict(model: TemporalLifter, data: PoseDataset, clips: pd.DataFrame, keypoints: str) -> Iterator[list[Tensor]]:
    """Lifts whole clips, a group of them at a time: yields one (frames, joints, 3) prediction, metres, per clip, in order.

    Clips stand end to end with their padding and pass through the dilated network as one; the frames between two clips
    that mix both are dropped, so each prediction is exactly that of the clip alone. A prediction is the mean of the
    clip's and of its mirror image's, mirrored back (VideoPose3D, section 5.2).
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = (clips.stop - clips.start).to_numpy() + sum(padding(model.filter_widths, causal=model.causal))
    for _, group in clips.groupby(np.cumsum(rows) // ROWS_AT_ONCE):
        padded = pad_clips(data, group, keypoints, model.filter_widths, causal=model.causal)
        screen = padded.screen.to(device)
        both = torch.stack([screen, mirror_keypoints(screen, data.layouts[keypoints])])
        with arithmetic("float32", device.type):
            lifted = model(both)
        plain, mirrored = lifted[:, padded.first_row.to(device)].double().cpu()
        yield list(((plain + mirror_poses(mirrored, data.skeleton)) / 2).split(padded.lengths))
    model.train(was_training)


def evaluate(model: TemporalLifter, data: PoseDataset, clips: pd.DataFrame, keypoints: str) -> pd.DataFrame:
    """The errors of every clip.

    Args:
        model: the lifter, on any device.
        data, clips, keypoints: what to test on; every clip needs two frames or more, or it would have no velocity.

    Returns:
        One row per clip: subject, action, take, camera (name), frames, and METRICS in millimetres, MPJVE in millimetres
        per frame; each is the mean over the clip's frames. Then `joint_columns`: the MPJPE of every joint alone.
    """
    _check_velocity(data, clips)
    rows, done = [], 0
    for group in predict(model, data, clips, keypoints):
        own = clips.iloc[done : done + len(group)]
        for (_, clip), prediction in zip(own.iterrows(), group, strict=True):
            if not prediction.isfinite().all():
                raise FloatingPointError(f"{data.name}: the prediction for {data.name_of(clip)} is not finite")
        errors = _clip_errors(group, gather_targets(data, own).double(), joint_columns(data.skeleton))
        for (_, clip), values in zip(own.iterrows(), errors, strict=True):
            place = {key: clip[key] for key in ("subject", "action", "take")}
            rows.append({**place, "camera": data.camera_of(clip).name, "frames": clip.stop - clip.start, **values})
        done += len(group)
    return pd.DataFrame(rows)


def joint_columns(skeleton: Skeleton) -> list[str]:
    """Names of the columns that hold each joint's own error."""
    return [f"mpjpe of {joint}" for joint in skeleton.joints]


def check_test_clips(data: PoseDataset) -> None:
    """Refuses a dataset whose test clips `evaluate` would refuse, before a model is trained for them."""
    _check_velocity(data, data.test_clips())


def _check_velocity(data: PoseDataset, clips: pd.DataFrame) -> None:
    short = clips[clips.stop - clips.start < 2]
    if len(short):
        raise InputError(f"{data.name}: {data.name_of(short.iloc[0])} has one frame, and so no velocity to test")


def _clip_errors(predictions: list[Tensor], targets: Tensor, joints: list[str]) -> list[dict[str, float]]:
    """Metrics of each clip of a group; those of single frames are computed for all frames at once."""
    predicted = torch.cat(predictions) * 1000
    targets = targets * 1000
    lengths = [len(prediction) for prediction in predictions]
    per_frame = {
        name: function(predicted, targets).split(lengths)
        for name, function in (("mpjpe", metrics.mpjpe), ("p_mpjpe", metrics.p_mpjpe), ("n_mpjpe", metrics.n_mpjpe))
    }
    velocity = [
        metrics.mpjve(*clip) for clip in zip(predicted.split(lengths), targets.split(lengths), strict=True)
    ]  # clip by clip: there is no velocity across a cut
    per_joint = [clip.mean(dim=0).tolist() for clip in metrics.joint_errors(predicted, targets).split(lengths)]
    return [
        {
            **{name: float(parts[i].mean()) for name, parts in per_frame.items()},
            "mpjve": float(velocity[i].mean()),
            **dict(zip(joints, per_joint[i], strict=True)),
        }
        for i in range(len(lengths))
    ]


def per_action(clip_errors: pd.DataFrame) -> pd.DataFrame:
    """Errors of every action: the frame-weighted mean over its clips. One row per action: `frames` and METRICS.

    MPJVE weights a clip by its F frames, not its F - 1 differences, as the published figures do.
    """
    weighted = clip_errors[list(METRICS)].mul(clip_errors.frames, axis=0)
    sums = weighted.assign(frames=clip_errors.frames).groupby(clip_errors.action, sort=False).sum()
    errors = sums[["frames"]].join(sums[list(METRICS)].div(sums.frames, axis=0))
    if clip_errors[list(METRICS)].isna().any(axis=None):  # a mean would skip it
        raise FloatingPointError("an error of a clip is not a number")
    return errors


def action_wise(actions: pd.DataFrame) -> pd.Series:
    """The plain mean over the actions of `per_action`: the field's headline figure."""
    return actions[list(METRICS)].mean()


def frame_wise(actions: pd.DataFrame) -> pd.Series:
    """The mean over all frames, whatever their action: another number than `action_wise`."""
    return actions[list(METRICS)].mul(actions.frames, axis=0).sum() / actions.frames.sum()
