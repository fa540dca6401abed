"""What the notebooks say of a run and of a comparison: a table, its figure, and a sentence whose numbers are filled in."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from pose3d_lib.actions import ALL
from pose3d_lib.config import ResultsConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.evaluation import METRICS, UNITS, action_wise, frame_wise
from pose3d_lib.figures import draw_comparison, draw_learning, draw_transfer, save_figure
from pose3d_lib.runs import Run
from pose3d_lib.tables import (
    ACTION_BASED,
    MEAN,
    NAMES,
    ORIGINAL,
    Comparison,
    all_metrics,
    compare_arms,
    describe,
    save_table,
    table_3,
    to_markdown,
    transfer,
    unit_epochs,
)
from pose3d_lib.windows import gather_targets


def say(text: str) -> None:
    """Shows a sentence, as Markdown."""
    display(Markdown(text))


def show_table(table: pd.DataFrame, caption: str = "") -> None:
    """Shows a table as it is saved, and what stands under it."""
    say(to_markdown(table) + (f"\n\n*{caption}*" if caption else ""))


def show_figure(figure: Figure, path: Path | None = None) -> None:
    """Shows a figure once, and saves it if a path is given."""
    if path is not None:
        save_figure(figure, path)
    display(figure)
    plt.close(figure)


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


def errors_table(actions: pd.DataFrame) -> pd.DataFrame:
    """The errors of `evaluation.per_action` with their names and units; several actions end in both means."""
    columns = {metric: f"{NAMES[metric]} [{UNITS[metric]}]" for metric in METRICS}
    table = actions.rename(columns=columns).rename_axis("Action").reset_index().rename(columns={"frames": "Frames"})
    if len(actions) > 1:
        for name, mean in (("Action-wise mean", action_wise(actions)), ("Frame-wise mean", frame_wise(actions))):
            table.loc[len(table)] = [name, actions.frames.sum(), *mean]
    return table.astype({"Frames": int})


def say_missing(comparison: Comparison) -> None:
    """Which planned runs are not finished, and how to get them."""
    if comparison.complete:
        say(f"All {len(comparison.runs)} planned runs are finished.")
        return
    planned = len(comparison.runs) + len(comparison.missing) + len(comparison.left_out)
    names = ", ".join(f"{config.action} (seed {config.seed})" for config in comparison.missing)
    left_out = ", ".join(f"{run.config.action} (seed {run.config.seed})" for run in comparison.left_out)
    also = f" Left out, as other models lack their seed: {left_out}." if left_out else ""
    say(
        f"**{len(comparison.missing)} of {planned} planned runs are not finished**: "
        f"{names}. `03_action_based` with the same parameters runs them.{also}"
    )


def show_comparison(comparison: Comparison, data: PoseDataset, metric: str, number: int, folder: Path) -> None:
    """Table 1 or 2: the table, its picture and what it says; or what is missing. Saved to `folder`."""
    path = folder / f"table_{number}"
    if not comparison.usable:
        _say_not_yet(
            path, f"Table {number} needs the baseline and at least one action-based run; 03_action_based makes them."
        )
        return
    table = compare_arms(comparison, metric)
    caption = describe(comparison, data)
    save_table(table, path, f"Table {number}. {caption}")
    show_table(table, caption)
    kind = " (synthetic data)" if data.synthetic else ""
    length = unit_epochs(comparison.original[0].config)
    show_figure(
        draw_comparison(table, f"Table {number}: {NAMES[metric]} after {length}, {data.name}{kind}"),
        folder / f"figure_table_{number}",
    )
    say(_sentence(table, metric, len(comparison.original)))


def _sentence(table: pd.DataFrame, metric: str, seeds: int) -> str:
    actions, mean = table[table.Action != MEAN], table[table.Action == MEAN].iloc[0]
    original, action_based = table.columns[1:3]
    better = int((actions[action_based] < actions[original]).sum())
    direction = "below" if mean["Change [%]"] < 0 else "above"
    caution = "One seed each: no statement on chance is possible." if seeds == 1 else f"Means over {seeds} seeds."
    return (
        f"The action-based models have the lower {NAMES[metric]} on {better} of {len(actions)} actions. Over the actions "
        f"their mean is {abs(mean['Change [%]']):.1f} % {direction} the original's ({mean[action_based]:.2f} against "
        f"{mean[original]:.2f}). {caution}"
    )


def show_table_3(comparison: Comparison, data: PoseDataset, config: ResultsConfig, folder: Path) -> None:
    """Table 3 from long runs; until there are any, how to make them."""
    path = folder / "table_3"
    if not comparison.usable:
        preset = f" -p preset {config.long_preset}" if config.long_preset else ""
        _say_not_yet(
            path,
            f"Table 3 compares long runs of {config.long_unit_epochs:g} unit epochs; none are finished for {data.name}. "
            f"To make them: `pose3d sweep -p unit_epochs {config.long_unit_epochs:g}{preset}`, with the same other parameters "
            f"as here; `-p actions NAME` limits it to one action, as the paper does with Eating.",
        )
        return
    table = table_3(comparison)
    caption = describe(comparison, data)
    save_table(table, path, f"Table 3. {caption}")
    show_table(table, caption)
    means = table.mean(numeric_only=True)
    say(
        f"Over these actions, an action-based run took {means[f'{ACTION_BASED}, time [s]']:,.0f} s for "
        f"{means[f'{ACTION_BASED}, windows [M]']:.2f} million windows, the original {means[f'{ORIGINAL}, time [s]']:,.0f} s for "
        f"{means[f'{ORIGINAL}, windows [M]']:.2f} million; their MPJPE is {means[f'{ACTION_BASED}, MPJPE [mm]']:.2f} mm against "
        f"{means[f'{ORIGINAL}, MPJPE [mm]']:.2f} mm."
    )


def _say_not_yet(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".csv", ".tex"):
        path.with_suffix(suffix).unlink(missing_ok=True)
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    say(f"**{text}**")


def show_means(comparison: Comparison, data: PoseDataset, folder: Path) -> None:
    """All four metrics of both arms, action-wise and frame-wise."""
    if comparison.usable:
        table, caption = all_metrics(comparison), describe(comparison, data)
        save_table(table, folder / "all_metrics", caption)
        show_table(table, caption)
        mpjpe, p_mpjpe = (f"{NAMES[metric]} [{UNITS[metric]}]" for metric in ("mpjpe", "p_mpjpe"))
        means = table[table.Mean == "action-wise"].set_index("Arm")
        change = 100 * (means.loc[ACTION_BASED][[mpjpe, p_mpjpe]] / means.loc[ORIGINAL][[mpjpe, p_mpjpe]] - 1)
        say(
            f"Action-wise, the action-based models' MPJPE differs from the original's by {change[mpjpe]:+.1f} %, their "
            f"P-MPJPE by {change[p_mpjpe]:+.1f} %. What lies between the two is the rotation, scale and shift of the whole "
            f"body, which P-MPJPE takes out."
        )


def show_learning(comparison: Comparison, data: PoseDataset, actions: Sequence[str], folder: Path) -> None:
    """Test error against windows seen for some actions, first seed."""
    own = {action: comparison.action_based[action][0] for action in actions if action in comparison.action_based}
    if comparison.original and own:
        title = f"How fast either arm learns an action, {data.name}{' (synthetic data)' if data.synthetic else ''}"
        show_figure(draw_learning(comparison.original[0], own, title), folder / "figure_learning")
        say(_learning_sentence(comparison))


def _learning_sentence(comparison: Comparison) -> str:
    """On how many actions either arm is ahead at the first test on the way, and at the end; first seed."""
    original = comparison.original[0]
    runs = {action: runs[0] for action, runs in comparison.action_based.items()}
    ends = sum(bool(run.actions.mpjpe[action] < original.actions.mpjpe[action]) for action, run in runs.items())
    end = f"at the end on {ends}"
    tests = {run: run.history.dropna(subset=["test_actions"]) for run in (original, *runs.values())}
    if any(not len(rows) for rows in tests.values()):
        return f"Of {len(runs)} actions, the action-based model is ahead {end}."
    first = {run: rows.test_actions.iloc[0] for run, rows in tests.items()}
    starts = sum(first[run][action] < first[original][action] for action, run in runs.items())
    seen = tests[original].unit_epochs.iloc[0]
    risen = [
        sum(
            min(test[action] for test in tests[run].test_actions) < run.actions.mpjpe[action]
            for action, run in arm.items()
        )
        for arm in (runs, dict.fromkeys(runs, original))
    ]
    return (
        f"Of {len(runs)} actions, the action-based model is ahead after {seen:.3g} unit epochs on {starts}, {end}. The "
        f"action-based error was lower at a test on the way than at the end on {risen[0]} of them, the original's on {risen[1]}."
    )


def show_transfer(comparison: Comparison, data: PoseDataset, folder: Path) -> None:
    """Every model on every action, and how much worse a model is on the actions that it never saw."""
    if not comparison.usable:
        return
    matrix = transfer(comparison)
    kind = " (synthetic data)" if data.synthetic else ""
    show_figure(draw_transfer(matrix, f"Every model on every action, {data.name}{kind}"), folder / "figure_transfer")
    actions = list(matrix.columns)
    own = pd.Series(np.diag(matrix.loc[actions]), index=actions)
    others = (matrix.loc[actions].sum().sum() - own.sum()) / max(1, len(own) * (len(own) - 1))
    elsewhere = f"; on the others by {others:.1f} mm" if len(own) > 1 else ""
    say(
        f"On the action it was trained on, an action-based model errs by {own.mean():.1f} mm on average{elsewhere}. The "
        f"original errs by {matrix.loc[ALL].mean():.1f} mm on these actions."
    )
