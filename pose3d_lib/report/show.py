"""What the notebooks show of a run: a table, its figure, and a sentence whose numbers are filled in."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import to_markdown
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.clips import end_to_end
from pose3d_lib.model.evaluate import METRICS, frame_wise, named, per_action
from pose3d_lib.report.figures.style import save_figure
from pose3d_lib.runs.run import Run
from pose3d_lib.training.losses import PROJECTION
from pose3d_lib.training.plan import RunPlan, choose_test
from pose3d_lib.training.settings import Settings


def say(text: str) -> None:
    """Show a sentence of Markdown; names in it go through `escape_markdown`."""
    display(Markdown(text))


def show_table(table: pd.DataFrame, caption: str = "") -> None:
    """Show a table as it is saved, with a caption, plain text."""
    say(to_markdown(table) + (f"\n\n*{escape_markdown(caption)}*" if caption else ""))


def show_figure(figure: Figure, path: Path | None = None, caption: str = "") -> None:
    """Show a figure once, with a caption, plain text, and save it if a path is given."""
    if path is not None:
        save_figure(figure, path)
    display(figure)
    plt.close(figure)
    if caption:
        say(f"*{escape_markdown(caption)}*")


def name_data(name: str, *notes: str, synthetic: bool) -> str:
    """The name of a dataset in a title, which says whether the data are synthetic, with further notes."""
    told = ["synthetic data"] * synthetic + [*notes]
    return name + (f" ({', '.join(told)})" if told else "")


def describe_data(name: str, subjects: Sequence[str], config: Settings, *, synthetic: bool) -> str:
    """The first part of a caption: which data, seen how, tested on whom."""
    origin = "SYNTHETIC data, nobody was filmed" if synthetic else "Data"
    seen = f"2D keypoints {config.keypoints!r}{' with scores' * config.scores}"
    return f"{origin}: {name}, {seen}, test subjects {', '.join(subjects)}"


def name_network(config: Settings) -> list[str]:
    """What a caption says of a network besides its receptive field."""
    precision = [config.precision] if config.precision != "float32" else []
    return [f"{config.channels} channels", *precision, *config.modes]


def unit_epochs(*lengths: float) -> str:
    """Lengths with their unit: "1 unit epoch", "0.25 unit epochs", "0.25 and 1 unit epochs"."""
    return f"{' and '.join(f'{length:g}' for length in lengths)} unit epoch{'s' * (lengths != (1,))}"


def describe_run(plan: RunPlan) -> str:
    """What a run trains on, how much of it, and in which modes, in a few lines."""
    config, data, budget = plan.config, plan.data, plan.budget
    subjects = f" by {', '.join(config.labelled_subjects)}" if config.labelled_subjects else ""
    part = " from somewhere in" if config.share_at == "anywhere" else " of"
    share = f", {100 * config.train_share:g} %{part} every clip" if config.train_share != 1 else ""
    seen = f"keypoints {config.keypoints!r}{' with scores' * config.scores}"
    trained = f"{', '.join(config.trained_actions)} of {data.name}{subjects}{share}"
    lines = [
        f"{trained}, {seen}, seed {config.seed}, on the {config.device}",
        f"{budget.per_epoch:,} windows per epoch, {budget.unit:,} in a unit epoch: t = {budget.t:.2f}",
        f"{budget.total:,} windows in all, {budget.epochs:.2f} epochs, batches of {config.batch_size}",
    ]
    modes = [*config.modes, *["a network of the trajectory too"] * config.has_trajectory]
    modes += [f"started from {config.start_from}"] * bool(config.start_from)
    if modes:
        lines.append("; ".join(modes))
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
        without = f"without {', '.join(config.without_terms)}" if config.without_terms else "with all terms"
        lens = "" if PROJECTION in config.without_terms else f", projected through the {config.projection} lens"
        lines.append(f"the loss is {without}{lens}")
    return "\n".join(lines)


def subjects_errors_table(clips: pd.DataFrame) -> pd.DataFrame:
    """A run's errors for every subject in place of every action, from its `clips`."""
    table = per_action(clips.assign(action=clips.subject)).astype({"frames": int}).reset_index(names="Subject")
    return table.rename(columns={"frames": "Frames", **{metric: named(metric) for metric in METRICS}})


def statistics_table(run: Run) -> pd.DataFrame:
    """A run's errors on the actions it was trained on, means over their frames, with either statistics of its batch norms.

    The last column is the median over the clips of `scale`.
    """
    rows = []
    for name, own in (("as published", run.as_published), ("recomputed", run)):
        rows.append([name, *frame_wise(per_action(own.clips)), own.clips.scale.median()])
    return pd.DataFrame(rows, columns=["Statistics of batch norm", *map(named, METRICS), "Best scale (median)"])


def mean_pose_error(plan: RunPlan, actions: Sequence[str]) -> float:
    """Test MPJPE, mm, of always predicting the mean training pose, on some actions: the least to beat.

    The mean is over the run's training clips of these actions, or over all of them if it has none.
    """
    data, clips = plan.data, plan.train
    own = clips[clips.action.isin(actions)]
    mean = end_to_end(data.positions, own if len(own) else clips).mean(dim=0)
    tested = end_to_end(data.positions, data.select(data.test_subjects, actions))
    return 1000 * float((tested - mean).norm(dim=-1).mean())


def typical_clip(run: Run, data: PoseDataset) -> pd.Series:
    """The test clip of the run's own action with the median MPJPE: neither its best nor its worst."""
    clips, errors = choose_test(run.config, data), run.clips.mpjpe.to_numpy()
    own = np.full(len(clips), True) if run.config.is_baseline else (clips.action == run.config.action).to_numpy()
    order = np.argsort(errors[own], kind="stable")
    return clips[own].iloc[order[len(order) // 2]]
