"""What becomes of a prediction if the same motion comes from another detector or at another frame rate, measured."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pose3d_lib.data.sources.downsampling import thin
from pose3d_lib.model.lifted import Lifted, lift, spread
from pose3d_lib.report.predict import Task

CLIPS = 12
"""Of the task's, spread over all of them; more would make the table slow."""

STEPS = (2, 4)
"""One frame in so many is left in."""


def what_if_table(task: Task) -> pd.DataFrame:
    """One row for what the task sees, and one for each other way of seeing it: the error, and how far joints are moved.

    Returns:
        Columns `What the model sees`; `MPJPE [mm]`, where the truth is known; and `Joints move by [mm]`, the mean distance
        of a joint from where the first row has it, over the frames that both have.
    """
    rows = []
    first: Lifted | None = None
    for what, step, lifted in _ways(task):
        first = first or lifted
        apart = [
            np.linalg.norm(own.positions - base.positions[::step], axis=-1)
            for own, base in zip(lifted.clips, first.clips, strict=True)
        ]
        errors = [clip.errors for clip in lifted.clips if clip.errors is not None]
        row: dict[str, object] = {"What the model sees": what}
        if errors:
            row["MPJPE [mm]"] = float(np.concatenate(errors).mean())
        rows.append(row | {"Joints move by [mm]": 1000 * float(np.concatenate(apart).mean())})
    return pd.DataFrame(rows)


def _ways(task: Task) -> Iterator[tuple[str, int, Lifted]]:
    """What is seen, one of how many of the task's frames, and what the model makes of it; the task's own way first."""
    data, own = task.data, task.data.layouts[task.keypoints]
    clips = task.clips.iloc[spread(len(task.clips), CLIPS)]
    kept = "every frame" if data.frame_step == 1 else f"one frame in {data.frame_step}"
    yield f"keypoints {task.keypoints!r}, {kept}", 1, lift(task.model, data, clips, task.keypoints)
    for name in data.keypoints:
        same = data.layouts[name].joints == own.joints and (name in data.scores) == (task.keypoints in data.scores)
        if name != task.keypoints and same:
            yield f"keypoints {name!r}", 1, lift(task.model, data, clips, name)
    for step in STEPS:
        thinned = thin(data, clips, step)
        rates = ", ".join(f"{fps:g}" for fps in sorted(set(thinned.clips.fps)))
        lifted = lift(task.model, thinned, thinned.clips, task.keypoints)
        yield f"one frame in {step * data.frame_step}: {rates} per second", step, lifted
