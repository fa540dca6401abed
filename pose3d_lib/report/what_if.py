"""What other keypoints, flaws of a detector, another frame rate or another model would make of the same motion."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.paths import runs_dir
from pose3d_lib.data.actions import ALL
from pose3d_lib.data.sources.takes import thin
from pose3d_lib.model.predict import Lifted, LiftedClip, lift, spread
from pose3d_lib.report.parameters import PredictConfig
from pose3d_lib.report.predict import Task, newest_run
from pose3d_lib.runs.inventory import State, list_runs
from pose3d_lib.runs.models import open_model
from pose3d_lib.runs.run import Run
from pose3d_lib.training.config import RunConfig

WHAT_IF_CLIPS = 12  # of the task's, spread over all; more would make the table slow
WHAT_IF_STEPS = (2, 4)  # one frame in so many is kept

Change = Callable[[np.ndarray, np.ndarray], None]


def moved_by(task: Task, change: Change, number: int = 0) -> np.ndarray:
    """How far other keypoints move the joints of one of the task's clips, by number: (frames,), mm, mean over the joints.

    `change` is given copies of the clip's pixels, (frames, joints, 2), and scores, (frames, joints), and changes them in place.
    Scores are 1 where the data have none; only a model that sees scores is given them.
    """
    clip = task.clips.iloc[[number]]
    data = thin(task.data, clip, 1)
    pixels = data.keypoints[task.keypoints]
    change(pixels, data.scores.get(task.keypoints, np.ones(pixels.shape[:2], np.float32)))
    before = lift(task.model, task.data, clip, task.keypoints).clips[0]
    return distances(before, lift(task.model, data, data.clips, task.keypoints).clips[0])


def distances(clip: LiftedClip, other: LiftedClip) -> np.ndarray:
    """How far apart the joints of two predictions of the same frames are: (frames,), mm, mean over the joints."""
    return 1000 * np.linalg.norm(clip.positions - other.positions, axis=-1).mean(axis=-1)


def specialists_table(config: PredictConfig, task: Task, number: int = 0) -> pd.DataFrame:
    """One of the task's clips by the newest model of all actions, and by the models of one action that were trained like it.

    A row per model, that of all actions first, then the nearest to the truth or else to it: `Trained on`; `MPJPE [mm]`, where the
    truth is known; `Joints differ by [mm]`, from the model of all actions. Empty where there are no such models.
    """
    try:
        original = Run(newest_run(config.model_copy(update={"keypoints": task.keypoints}))).config
    except InputError:  # there is none
        return pd.DataFrame()
    if original.scores and task.keypoints not in task.data.scores:
        return pd.DataFrame()
    data = task.data if original.scores else replace(task.data, scores={})
    finished = [Run(runs_dir() / entry.name) for entry in list_runs() if entry.state == State.FINISHED]
    finished = [run for run in finished if not run.config.with_actions]
    alike = {r.config.action: r for r in finished if RunConfig(**{**r.config.model_dump(), "action": ALL}) == original}
    rows, first = [], None
    for action in sorted(alike, key=lambda action: action != ALL):
        clip = lift(open_model(alike[action].folder), data, task.clips.iloc[[number]], task.keypoints).clips[0]
        first = first or clip
        named = f"{action}, the clip's action" if action == clip.action else action
        rows.append({"Trained on": named, **_mpjpe([clip]), "Joints differ by [mm]": distances(clip, first).mean()})
    if len(rows) < 2:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    return pd.concat([table[:1], table[1:].sort_values(table.columns[1])], ignore_index=True)


def _mpjpe(clips: Sequence[LiftedClip]) -> dict[str, float]:
    """The mean error over all frames, as a column, where the truth is known."""
    errors = [clip.errors for clip in clips if clip.errors is not None]
    return {"MPJPE [mm]": float(np.concatenate(errors).mean())} if errors else {}


def what_if_table(task: Task) -> pd.DataFrame:
    """The prediction if the same motion came from another detector or at another frame rate; the first row is the task's.

    `Joints move by [mm]` is the mean distance of a joint from where the first row has it, over the frames that both have.
    """
    rows = []
    first: Lifted | None = None
    for what, step, lifted in _ways_to_see(task):
        first = first or lifted
        pairs = zip(lifted.clips, first.clips, strict=True)
        moved = np.concatenate([distances(own, base.part(slice(None, None, step))) for own, base in pairs]).mean()
        rows.append({"What the model sees": what, **_mpjpe(lifted.clips), "Joints move by [mm]": moved})
    return pd.DataFrame(rows)


def _ways_to_see(task: Task) -> Iterator[tuple[str, int, Lifted]]:
    """What the model sees, which of the task's frames (every n-th), and what it makes of it; the task's own way first."""
    data, own = task.data, task.data.layouts[task.keypoints]
    clips = task.clips.iloc[spread(len(task.clips), WHAT_IF_CLIPS)]
    kept = "every frame" if data.frame_step == 1 else f"one frame in {data.frame_step}"
    yield f"keypoints {task.keypoints!r}, {kept}", 1, lift(task.model, data, clips, task.keypoints)
    for name in data.keypoints:
        same = data.layouts[name].joints == own.joints and (name in data.scores) == (task.keypoints in data.scores)
        if name != task.keypoints and same:
            yield f"keypoints {name!r}", 1, lift(task.model, data, clips, name)
    for step in WHAT_IF_STEPS:
        thinned = thin(data, clips, step)
        rates = ", ".join(f"{fps:g}" for fps in sorted(set(thinned.clips.fps)))
        lifted = lift(task.model, thinned, thinned.clips, task.keypoints)
        yield f"one frame in {step * data.frame_step}: {rates} per second", step, lifted
