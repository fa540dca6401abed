"""What the notebooks show of a run: a table, its figure, and a sentence whose numbers are filled in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.dataset import PoseDataset
from pose3d_lib.evaluation import METRICS, ROOT_ERROR, action_wise, frame_wise, named
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
