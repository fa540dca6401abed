"""What 04_results shows beyond the paper's tables: curves, transfer, specialising, mixing, joints, fewer frames."""

import numpy as np
import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import save_table
from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.report.figures.beyond import (
    draw_data_efficiency,
    draw_joint_bars,
    draw_joints,
    draw_mixing,
    draw_transfer,
)
from pose3d_lib.report.figures.study import draw_curves, draw_specialised
from pose3d_lib.report.readable import show_value
from pose3d_lib.report.results import SCHEDULE_WORDS, title_figure
from pose3d_lib.report.show import name_data, say, show_figure, show_table, unit_epochs
from pose3d_lib.study.beyond import FEWER_FRAMES, MIXING, SPECIALISED
from pose3d_lib.study.comparison import Comparison, describe, describe_runs
from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, transfer
from pose3d_lib.study.tables_beyond import FINE_TUNED, curves, fewer_frames, joint_errors, mixing, specialised

MAKE = "`make paper-more`, or `pose3d sweep -p study more` with the same other parameters as here, makes them."


def show_curves(results: StudyResults) -> None:
    """Test error of both arms against what was seen, for the actions in focus, under both schedules, long runs if any."""
    length = results.config.long
    comparisons = [results.find(length, schedule) for schedule in (PUBLISHED, EQUALISED)]
    if not any(comparison and comparison.usable for comparison in comparisons):
        length = results.config.short
        comparisons = [results.find(length, schedule) for schedule in (PUBLISHED, EQUALISED)]
    parts, runs = [], []
    for schedule, comparison in zip((PUBLISHED, EQUALISED), comparisons, strict=True):
        if comparison and comparison.usable:
            shown = [action for action in results.focus if action in comparison.action_based]
            parts.append(curves(comparison, schedule, shown or list(comparison.action_based)[:2]))
            runs += comparison.runs
    if parts:
        table = pd.concat(parts)
        caption = describe_runs(runs, results.data)
        save_csv(table, results, "curves")
        title = f"How fast either arm learns an action, {name_data(results.data)}. {unit_epochs(length)}"
        if table.schedule.nunique() == 1:  # otherwise the panels say it
            title += f", {SCHEDULE_WORDS[table.schedule.iloc[0]]}"
        show_figure(draw_curves(table, title), results.folder / "figure_curves", caption)
        for schedule, own in table.groupby("schedule", sort=False):
            say(f"Schedule `{schedule}`: {_curve_sentence(own)}")


def save_csv(table: pd.DataFrame, results: StudyResults, name: str) -> None:
    """What a figure is drawn from, every digit."""
    results.folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(results.folder / f"{name}.csv", index=False)


def _curve_sentence(table: pd.DataFrame) -> str:
    sentences = []
    for action, own in table.groupby("action", sort=False):
        means = own.groupby(["arm", "unit_epochs"]).mpjpe.mean()
        first = {arm: means[arm].iloc[0] for arm in (ORIGINAL, ACTION_BASED)}
        last = {arm: means[arm].iloc[-1] for arm in (ORIGINAL, ACTION_BASED)}
        begun = means[ACTION_BASED].index[0]
        sentences.append(
            f"{escape_markdown(action)}: {first[ACTION_BASED]:.1f} mm action-based against {first[ORIGINAL]:.1f} mm after "
            f"{begun:.3g} unit epochs, {last[ACTION_BASED]:.1f} against {last[ORIGINAL]:.1f} mm at the end"
        )
    return "; ".join(sentences) + "."


def _plainest(results: StudyResults) -> Comparison | None:
    """The short runs whose arms differ in the data only, or else those of the published schedule; None without any."""
    found = (results.find(results.config.short, name, results.config.budgets[0]) for name in (EQUALISED, PUBLISHED))
    return next((comparison for comparison in found if comparison and comparison.usable), None)


def show_transfer(results: StudyResults) -> None:
    """Every model on every action, and how much worse a model is on the actions that it never saw."""
    comparison = _plainest(results)
    if comparison is None:
        return
    matrix = transfer(comparison)
    save_csv(matrix.rename_axis("trained on").reset_index(), results, "transfer")
    show_figure(
        draw_transfer(matrix, title_figure("Every model on every action", results, results.condition_of(comparison))),
        results.folder / "figure_transfer",
        describe(comparison, results.data),
    )
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
    if table.empty:
        say(f"**No fine-tuned runs yet.** {MAKE}")
        return
    shown = pd.DataFrame({"Action": table.Action})
    for arm in (ORIGINAL, ACTION_BASED, FINE_TUNED):
        columns = [f"{arm}, {name}" for name in ("mean", "sd", "low", "high")]
        shown[f"{arm}, MPJPE [mm]"] = [
            "" if np.isnan(row[0]) else show_value(*row) for row in table[columns].to_numpy()
        ]
    caption = f"Fine-tuned: the original, trained further on the action. {_caption(results, SPECIALISED)}"
    save_table(table, results.folder / "table_specialised", caption, shown)
    show_table(shown, caption)
    show_figure(
        draw_specialised(table, _title("Specialising after generalising", results)),
        results.folder / "figure_specialised",
        caption,
    )
    mean = table.set_index("Action").loc[MEAN]
    best = table[table.Action != MEAN].set_index("Action")[
        [f"{arm}, mean" for arm in (ORIGINAL, ACTION_BASED, FINE_TUNED)]
    ]
    say(
        f"Mean of the actions: {mean[f'{FINE_TUNED}, mean']:.1f} mm fine-tuned, {mean[f'{ORIGINAL}, mean']:.1f} mm the original, "
        f"{mean[f'{ACTION_BASED}, mean']:.1f} mm action-based. Fine-tuning has the lowest mean error on "
        f"{int((best.idxmin(axis=1) == f'{FINE_TUNED}, mean').sum())} of {len(best)} actions; it has seen the "
        "original's windows and its own besides, more than either of the others."
    )


def _title(what: str, results: StudyResults) -> str:
    """The title of a figure whose arms are those of the short runs with the same schedule."""
    return title_figure(what, results, results.condition_of(results.find(results.config.short, EQUALISED)))


def _caption(results: StudyResults, question: str) -> str:
    return describe_runs(results.beyond[question], results.data)


def show_mixing(results: StudyResults) -> None:
    """From one action to all, in steps."""
    table = mixing(results)
    if table.empty:
        say(f"**No mixed runs yet.** {MAKE}")
        return
    save_csv(table, results, "mixing")
    every = len(results.data.train_actions)
    show_figure(
        draw_mixing(table, _title("From one action to all", results), every),
        results.folder / "figure_mixing",
        _caption(results, MIXING),
    )
    for action, own in table.groupby("action", sort=False):
        means = own.groupby("trained_on").mpjpe.mean()
        steps = ", ".join(f"{error:.1f} mm with {number}" for number, error in means.items())
        say(
            f"On {escape_markdown(action)}: {steps} actions; the lowest mean is with {means.idxmin()} (no test was made)."
        )


def show_joints(results: StudyResults) -> None:
    """Error per joint and per action, both arms."""
    comparison = _plainest(results)
    if comparison is None:
        return
    table = joint_errors(comparison, results)
    save_csv(table, results, "joints")
    caption, condition = describe(comparison, results.data), results.condition_of(comparison)
    for name, draw, what in (
        ("figure_joint_bars", draw_joint_bars, "Error per joint"),
        ("figure_joints", draw_joints, "Error per joint and action"),
    ):
        show_figure(draw(table, title_figure(what, results, condition)), results.folder / name, caption)
    means = table.groupby("joint", sort=False)[[ORIGINAL, ACTION_BASED]].mean()
    change = means[ACTION_BASED] - means[ORIGINAL]
    say(
        f"Averaged over the actions, the action-based models' error differs from the original's by {change.min():+.1f} mm at "
        f"{escape_markdown(change.idxmin())}, which is the best of the joints, and by {change.max():+.1f} mm at "
        f"{escape_markdown(change.idxmax())}, the worst."
    )


def show_fewer_frames(results: StudyResults) -> None:
    """Error against the number of distinct training frames, both arms, as many windows seen by each."""
    table = fewer_frames(results)
    if table.empty:
        say(f"**No runs on fewer frames yet.** {MAKE}")
        return
    save_csv(table, results, "fewer_frames")
    show_figure(
        draw_data_efficiency(table, _title("Error against training frames", results)),
        results.folder / "figure_fewer_frames",
        f"Every run sees as many windows; with fewer frames it sees each more often. {_caption(results, FEWER_FRAMES)}",
    )
    for action, own in table.groupby("action", sort=False):
        means = own.groupby(["arm", "frames"]).mpjpe.mean()
        least = means[ACTION_BASED].index.max()
        reference = means[ORIGINAL]
        nearest = min(reference.index, key=lambda frames: abs(frames - least))
        say(
            f"On {escape_markdown(action)}: {means[ACTION_BASED][least]:.1f} mm from {least:,} frames of the action alone; "
            f"the original {reference[nearest]:.1f} mm from {nearest:,} frames of all actions and "
            f"{reference.iloc[-1]:.1f} mm from {reference.index[-1]:,}."
        )
