"""What the notebooks show of a run: a table, its figure, and a sentence whose numbers are filled in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.assignment import unlabelled_clips
from pose3d_lib.budget import Budget
from pose3d_lib.config import RunConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.evaluation import METRICS, ROOT_ERROR, action_wise, frame_wise, named, per_action
from pose3d_lib.figures import save_figure
from pose3d_lib.padded_clips import gather_targets
from pose3d_lib.runs import Run
from pose3d_lib.table_files import to_markdown


def say(text: str) -> None:
    """Shows a sentence, as Markdown."""
    display(Markdown(text))


def show_table(table: pd.DataFrame, caption: str = "") -> None:
    """Shows a table as it is saved, and what stands under it."""
    say(to_markdown(table) + (f"\n\n*{caption}*" if caption else ""))


def show_figure(figure: Figure, path: Path | None = None, caption: str = "") -> None:
    """Shows a figure once, with what stands under it, and saves it if a path is given."""
    if path is not None:
        save_figure(figure, path)
    display(figure)
    plt.close(figure)
    if caption:
        say(f"*{caption}*")


def describe_run(config: RunConfig, data: PoseDataset, budget: Budget) -> str:
    """What a run trains on, how much of it, and by which modes, in a few lines."""
    subjects = f" by {', '.join(config.labelled_subjects)}" if config.labelled_subjects else ""
    share = f", {100 * config.train_share:g} % of every clip" if config.train_share != 1 else ""
    lines = [
        f"{', '.join(config.trained_actions)} of {data.name}{subjects}{share}, keypoints {config.keypoints!r}, "
        f"seed {config.seed}, on the {config.device}",
        f"{budget.per_epoch:,} windows per epoch, {budget.unit:,} in a unit epoch: t = {budget.t:.2f}",
        f"{budget.total:,} windows in all, {budget.epochs:.2f} epochs, batches of {config.batch_size}",
    ]
    if config.semi_supervised:
        clips = unlabelled_clips(config, data)
        lines.append(
            f"besides, from epoch {config.warmup_epochs:g} on, as many windows of {len(clips)} clips without their 3D "
            f"poses: {', '.join(dict.fromkeys(clips.action))} by {', '.join(dict.fromkeys(clips.subject))}"
        )
        if tested := sorted(set(clips.subject) & set(data.test_subjects)):
            lines.append(f"video of {', '.join(tested)}, on whom the run is tested, is among them")
        if config.without_terms:
            lines.append(f"left out of the loss: {', '.join(config.without_terms)}")
    return "\n".join(lines)


def subjects_errors_table(clips: pd.DataFrame) -> pd.DataFrame:
    """As `errors_table`, but for every subject in place of every action; of a run's `clips`."""
    table = per_action(clips.assign(action=clips.subject)).rename(columns={metric: named(metric) for metric in METRICS})
    table = table.rename_axis("Subject").reset_index().rename(columns={"frames": "Frames"})
    return table.astype({"Frames": int})


def root_errors_table(run: Run, actions: Sequence[str]) -> pd.DataFrame:
    """The mean root position error of every action, of a run that has a network of the trajectory."""
    errors = pd.Series({action: run.root_errors[action] for action in actions})
    return errors.rename("MRPE [mm]").rename_axis("Action").reset_index()


def mean_pose_error(data: PoseDataset, actions: Sequence[str]) -> float:
    """Test MPJPE, mm, on some actions of always predicting the mean pose of their training clips: the least to beat."""
    trained = [action for action in actions if action in data.train_actions] or data.train_actions
    mean = gather_targets(data, data.select(data.train_subjects, trained)).mean(dim=0)
    return 1000 * float((gather_targets(data, data.select(data.test_subjects, actions)) - mean).norm(dim=-1).mean())


def typical_clip(run: Run, data: PoseDataset) -> pd.Series:
    """The test clip of the run's own actions with the median MPJPE: neither its best nor its worst."""
    clips, errors = data.test_clips(), run.clips.mpjpe.to_numpy()
    own = np.full(len(clips), True) if run.config.is_baseline else (clips.action == run.config.action).to_numpy()
    order = np.argsort(errors[own], kind="stable")
    return clips[own].iloc[order[len(order) // 2]]


def errors_table(actions: pd.DataFrame, roots: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The errors of `evaluation.per_action` with their names and units; several actions end in both means.

    Args:
        actions: as `per_action` gives them.
        roots: action -> mean error of the trajectory, mm, which becomes a column of its own; none if there are none.
    """
    columns = {metric: named(metric) for metric in METRICS}
    table = actions.rename(columns=columns).rename_axis("Action").reset_index().rename(columns={"frames": "Frames"})
    if len(actions) > 1:
        for name, mean in (("Action-wise mean", action_wise(actions)), ("Frame-wise mean", frame_wise(actions))):
            table.loc[len(table)] = [name, actions.frames.sum(), *mean]
    if roots:
        own = [roots[action] for action in actions.index]
        means = [np.mean(own), np.average(own, weights=actions.frames)] if len(actions) > 1 else []
        table[named(ROOT_ERROR)] = [*own, *means]
    return table.astype({"Frames": int})
