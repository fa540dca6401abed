"""What 02_train shows of a run: what it will do, its progress, and its errors once it is finished."""

import math
import time
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from pose3d_lib.common.errors import InputError
from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, frame_wise, named, per_action
from pose3d_lib.model.predict import end_to_end
from pose3d_lib.report.describe import tell_settings
from pose3d_lib.report.figures.run import draw_learning_curve
from pose3d_lib.report.show import Picture, name_data
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.training.history import HistoryRow
from pose3d_lib.training.plan import RunPlan, choose_test

LINES = 40  # of progress that a run prints, about, however many epochs it has
SECONDS_BETWEEN_DRAWINGS = 3.0  # training waits while a figure is drawn


def check_current(run: Run | None, plan: RunPlan) -> None:
    """Raise an InputError in a cell that would show the run of parameters that were read before the current ones."""
    wanted = run_folder(plan.config, plan.data)
    if run is None or run.folder != wanted:
        last = "this run is not finished" if run is None else f"the last training was {run.folder.name}"
        raise InputError(f"{last}; execute the training cell, which makes {wanted.name}")


class TrainingProgress:
    """The learning curve, redrawn in its place, and below it a line for every epoch, or for some where there are many.

    Widgets would stand still in the notebook that papermill saves, and a bar would flood it.
    """

    def __init__(self, plan: RunPlan):
        config, named = plan.config, name_data(plan.data.name, synthetic=plan.data.synthetic)
        self._tested_on = "all actions" if config.is_baseline else config.action
        schedule = f"learning rate x {config.lr_decay:g} after every {config.lr_decay_per.replace('_', ' ')}"
        self._title = (
            f"{'+'.join(config.trained_actions)}, seed {config.seed}, {named}. Published statistics, {schedule}"
        )
        self._total, self._epochs = sum(plan.budget.epoch_sizes), plan.budget.epochs
        self._every = max(1, math.ceil(self._epochs / LINES))
        self._folder = run_folder(config, plan.data)
        self._curve = display(Markdown(""), display_id=True)
        self._drawn = time.monotonic()  # a run of a few seconds is drawn once, when it is finished

    def __call__(self, row: HistoryRow) -> None:
        last = row.windows >= self._total  # windows of several frames may end a little beyond
        if not (last or row.test_mpjpe is not None or round(row.epoch) % self._every == 0):
            return
        spent = row.train_seconds + row.test_seconds
        left = spent / row.windows * max(self._total - row.windows, 0)
        test = f", test {row.test_mpjpe:.1f} mm" if row.test_mpjpe is not None else ""
        print(
            f"epoch {row.epoch:.2f} of {self._epochs:.2f}: {row.windows:,} windows, {spent:.0f} s, {left:.0f} s left; "
            f"lr {row.lr:.1e}, loss {row.train_mpjpe:.1f} mm{test}",
            flush=True,
        )
        if time.monotonic() - self._drawn > SECONDS_BETWEEN_DRAWINGS:
            self._draw(Run(self._folder))
            self._drawn = time.monotonic()

    def finish(self, run: Run) -> None:
        """Redraw the curve with the errors of the finished model, as published as its last point and recomputed beside it."""
        tables = [own.actions for own in (run.as_published, run)]
        if not run.config.is_baseline:
            tables = [own.loc[[run.config.action]] for own in tables]
        self._draw(run, *(float(frame_wise(own).mpjpe) for own in tables))

    def _draw(self, run: Run, *errors: float) -> None:
        figure = draw_learning_curve(run.history, self._tested_on, self._title, *errors)
        self._curve.update(
            Picture(figure, "The error of the training and of tests during it, against the windows seen.")
        )
        plt.close(figure)


def describe_run(plan: RunPlan) -> str:
    """What a run trains on, how much of it, and with which settings, in a few lines."""
    config, data, budget = plan.config, plan.data, plan.budget
    lines = [
        f"{', '.join(config.trained_actions)} of {data.name}, keypoints {config.keypoints!r}, on the {config.device}",
        f"{budget.per_epoch:,} windows per epoch, {budget.unit:,} in a unit epoch: t = {budget.t:.2f}",
        f"{budget.total:,} windows in all, {budget.epochs:.2f} epochs, batches of {config.batch_size}",
    ]
    if config.chunk > 1:
        lines.append("(a window counts here as often as it has output frames)")
    if config.semi_supervised:
        clips = plan.unlabelled
        actions, people = (", ".join(dict.fromkeys(names)) for names in (clips.action, clips.subject))
        lines.append(
            f"besides, from epoch {config.warmup_epochs:g} on, as many windows of {clips.index.nunique()} clips without their "
            f"3D poses: {actions} by {people}"
        )
        if tested := sorted(set(clips.subject) & set(data.test_subjects)):
            lines.append(f"video of {', '.join(tested)}, on whom the run is tested, is among them")
    settings = tell_settings(config.model_dump(mode="json"))
    return "\n".join([*lines, "settings: " + "; ".join(settings.splitlines())])


def subjects_errors_table(clips: pd.DataFrame) -> pd.DataFrame:
    """A run's errors for every subject in place of every action, from its `clips`."""
    table = per_action(clips.assign(action=clips.subject)).astype({"frames": int}).reset_index(names="Subject")
    return table.rename(columns={"frames": "Frames", **{metric: named(metric) for metric in METRICS}})


def statistics_table(run: Run) -> pd.DataFrame:
    """A run's errors on the actions it was trained on, means over their frames, with either statistics of its batch norms.

    The last column is the median over the clips of `scale`.
    """
    rows = [
        [name, *frame_wise(per_action(own.clips)), own.clips.scale.median()]
        for name, own in (("as published", run.as_published), ("recomputed", run))
    ]
    return pd.DataFrame(rows, columns=["Statistics of batch norm", *map(named, METRICS), "Best scale (median)"])


def tell_error(run: Run, plan: RunPlan) -> str:
    """A run's test error beside that of the least that is to beat."""
    names, blind = ", ".join(run.config.trained_actions), mean_pose_error(plan, run.actions.index)
    return (
        f"{escape_markdown(names)}: MPJPE {run.frame_wise['mpjpe']:.1f} mm over all frames; the mean training pose, always "
        f"predicted: {blind:.1f} mm."
    )


def mean_pose_error(plan: RunPlan, actions: Sequence[str]) -> float:
    """Test MPJPE, mm, of always predicting the mean training pose, on some actions: the least to beat.

    The mean is over the run's training clips of these actions, or over all of them if it has none.
    """
    data, clips = plan.data, plan.train
    own = clips[clips.action.isin(actions)]
    mean = end_to_end(data.positions, own if len(own) else clips).mean(dim=0)
    tested = end_to_end(data.positions, data.select(data.test_subjects, actions))
    return 1000 * float((tested - mean).norm(dim=-1).mean())


def telling_clips(run: Run, data: PoseDataset) -> pd.DataFrame:
    """The test clips of the run's own action with the median MPJPE and with the largest, in this order."""
    clips, errors = choose_test(run.config, data), run.clips.mpjpe.to_numpy()
    own = np.full(len(clips), True) if run.config.is_baseline else (clips.action == run.config.action).to_numpy()
    order = np.argsort(errors[own], kind="stable")
    return clips[own].iloc[list(dict.fromkeys(order[[len(order) // 2, -1]]))]
