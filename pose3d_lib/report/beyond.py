"""What 04_results shows beyond the paper's tables: curves, transfer, specialising, mixing, joints, fewer frames."""

import numpy as np
import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.report.figures.beyond import (
    draw_data_efficiency,
    draw_joint_bars,
    draw_joints,
    draw_mixing,
    draw_transfer,
)
from pose3d_lib.report.figures.study import draw_arms, draw_curves
from pose3d_lib.report.readable import fill, head_arms, show_arms
from pose3d_lib.report.results import SCHEDULE_WORDS, name_results, show_and_save, show_and_save_figure, title_figure
from pose3d_lib.report.show import say, show_figure, unit_epochs
from pose3d_lib.study.beyond import FEWER_FRAMES, MIXING, SPECIALISED
from pose3d_lib.study.comparison import describe_runs
from pose3d_lib.study.config import EQUALISED, PUBLISHED, Condition
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import ARMS, MEAN, transfer
from pose3d_lib.study.tables_beyond import FINE_TUNED, curves, fewer_frames, joint_errors, mixing, specialised

MAKE = "`make paper-more`, or `pose3d sweep -p study more` with the same other parameters as here, makes them."


def save_csv(table: pd.DataFrame, results: StudyResults, name: str) -> None:
    """The data of a figure, every digit."""
    results.folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(results.folder / f"{name}.csv", index=False)


def _title(what: str, results: StudyResults) -> str:
    """The title of a figure whose arms are those of the short runs with the same schedule."""
    return title_figure(what, results, results.config.condition(results.config.short, EQUALISED))


def show_curves(results: StudyResults) -> None:
    """Test error of both arms against what was seen, for the actions in focus, under both schedules, long runs if any."""
    parts, runs = [], []
    for length in filter(None, (results.config.long, results.config.short)):
        for schedule in (PUBLISHED, EQUALISED):
            comparison = results.find(length, schedule)
            if comparison and comparison.usable:
                actions = [action for action in results.focus if action in comparison.action_based]
                parts.append(curves(comparison, schedule, actions or list(comparison.action_based)[:2]))
                runs += comparison.runs
        if parts:
            break
    else:
        return
    table = pd.concat(parts)
    save_csv(table, results, "curves")
    title = f"How fast either arm learns an action, {name_results(results)}. {unit_epochs(length)}"
    if table.schedule.nunique() == 1:  # otherwise the panels say it
        title += f", {SCHEDULE_WORDS[table.schedule.iloc[0]]}"
    show_and_save_figure(draw_curves(table, title), results, "figure_curves", runs)
    for schedule, own in table.groupby("schedule", sort=False):
        say(f"Schedule `{schedule}`, batch norms as published: {_curve_sentence(own)}")


def _curve_sentence(table: pd.DataFrame) -> str:
    sentences = []
    for action, own in table.groupby("action", sort=False):
        means = own.groupby(["arm", "unit_epochs"]).mpjpe.mean()
        original, based = (means[arm] for arm in ARMS)
        sentences.append(
            f"{escape_markdown(action)}: {based.iloc[0]:.1f} mm action-based against {original.iloc[0]:.1f} mm after "
            f"{based.index[0]:.3g} unit epochs, {based.iloc[-1]:.1f} against {original.iloc[-1]:.1f} mm at the end"
        )
    return "; ".join(sentences) + "."


def _plainest(results: StudyResults) -> Condition | None:
    """Of the short runs, where the arms differ in the data only, or else the published schedule; None without any."""
    for schedule in (EQUALISED, PUBLISHED):
        condition = results.config.condition(results.config.short, schedule, results.config.budgets[0])
        if condition in results.comparisons and results.comparisons[condition].usable:
            return condition
    return None


def _not_made(table: pd.DataFrame, what: str) -> bool:
    """Whether a question has no runs; then it is said how to make them."""
    if table.empty:
        say(f"**No {what} yet.** {MAKE}")
    return table.empty


def show_transfer(results: StudyResults) -> None:
    """Every model on every action, and how much worse a model is on the actions that it never saw."""
    if (condition := _plainest(results)) is None:
        return
    comparison = results.comparisons[condition]
    matrix = transfer(comparison)
    save_csv(matrix.rename_axis("trained on").reset_index(), results, "transfer")
    figure = draw_transfer(matrix, title_figure("Every model on every action", results, condition))
    show_and_save_figure(figure, results, "figure_transfer", comparison.runs)
    actions = list(matrix.columns)
    own = pd.Series(np.diag(matrix.loc[actions]), index=actions)
    others = (matrix.loc[actions].sum().sum() - own.sum()) / max(1, len(own) * (len(own) - 1))
    elsewhere = f"; on the others by {others:.1f} mm" if len(own) > 1 else ""
    say(
        f"On the action it was trained on, an action-based model errs by {own.mean():.1f} mm on average{elsewhere}. The "
        f"original errs by {matrix.loc[ALL].mean():.1f} mm on these actions."
    )


def show_specialised(results: StudyResults) -> None:
    """The baseline fine-tuned on each action, beside both arms."""
    table = specialised(results)
    if _not_made(table, "fine-tuned runs"):
        return
    arms = (*ARMS, FINE_TUNED)
    headed = head_arms(table, arms).astype({f"{FINE_TUNED}, runs": float})
    shown = fill(headed, {"Action": "Action", **show_arms(arms, "MPJPE [mm]")})
    seen = describe_runs(results.beyond[SPECIALISED], results.data)
    caption = f"Fine-tuned: the original, trained further on the action. {seen}"
    show_and_save(headed, results.folder / "table_specialised", caption, shown)
    figure = draw_arms(table, _title("Specialising after generalising", results), "MPJPE [mm]", arms)
    show_figure(figure, results.folder / "figure_specialised", caption)
    means = headed.set_index("Action")[[f"{arm}, mean" for arm in arms]].set_axis(arms, axis=1)
    mean, actions = means.loc[MEAN], means.drop(index=MEAN)
    say(
        f"Mean of the actions: {mean[FINE_TUNED]:.1f} mm fine-tuned, {mean[ORIGINAL]:.1f} mm the original, "
        f"{mean[ACTION_BASED]:.1f} mm action-based. Fine-tuning has the lowest mean error on "
        f"{(actions.idxmin(axis=1) == FINE_TUNED).sum()} of {len(actions)} actions; it has seen the "
        "original's windows and its own besides, more than either of the others."
    )


def show_mixing(results: StudyResults) -> None:
    """From one action to all, in steps."""
    table = mixing(results)
    if _not_made(table, "mixed runs"):
        return
    save_csv(table, results, "mixing")
    every = len(results.data.train_actions)
    figure = draw_mixing(table, _title("From one action to all", results), every)
    show_and_save_figure(figure, results, "figure_mixing", results.beyond[MIXING])
    for action, own in table.groupby("action", sort=False):
        means = own.groupby("trained_on").mpjpe.mean()
        steps = ", ".join(f"{error:.1f} mm with {number}" for number, error in means.items())
        say(
            f"On {escape_markdown(action)}: {steps} actions; the lowest mean is with {means.idxmin()} (no test was made)."
        )


def show_joints(results: StudyResults) -> None:
    """Error per joint and per action, both arms."""
    if (condition := _plainest(results)) is None:
        return
    comparison = results.comparisons[condition]
    table = joint_errors(comparison, results)
    save_csv(table, results, "joints")
    bars = draw_joint_bars(table, title_figure("Error per joint", results, condition))
    show_and_save_figure(bars, results, "figure_joint_bars", comparison.runs)
    changes = draw_joints(table, title_figure("Error per joint and action", results, condition))
    show_and_save_figure(changes, results, "figure_joints", comparison.runs)
    means = table.groupby("joint", sort=False)[[ORIGINAL, ACTION_BASED]].mean()
    change = means[ACTION_BASED] - means[ORIGINAL]
    say(
        f"Averaged over the actions, the action-based models' error differs from the original's by {change.min():+.1f} mm at "
        f"{escape_markdown(change.idxmin())}, which is the best of the joints, and by {change.max():+.1f} mm at "
        f"{escape_markdown(change.idxmax())}, the worst."
    )


def show_fewer_frames(results: StudyResults) -> None:
    """Error against the number of distinct training frames, both arms, with the same number of windows for each."""
    table = fewer_frames(results)
    if _not_made(table, "runs on fewer frames"):
        return
    save_csv(table, results, "fewer_frames")
    figure = draw_data_efficiency(table, _title("Error against training frames", results))
    note = "Every run sees as many windows; with fewer frames it sees each more often. "
    show_and_save_figure(figure, results, "figure_fewer_frames", results.beyond[FEWER_FRAMES], note)
    for action, own in table.groupby("action", sort=False):
        means = own.groupby(["arm", "frames"]).mpjpe.mean()
        original, based = (means[arm] for arm in ARMS)
        least = based.index.max()
        nearest = min(original.index, key=lambda frames: abs(frames - least))
        say(
            f"On {escape_markdown(action)}: {based[least]:.1f} mm from {least:,} frames of the action alone; "
            f"the original {original[nearest]:.1f} mm from {nearest:,} frames of all actions and "
            f"{original.iloc[-1]:.1f} mm from {original.index[-1]:,}."
        )
