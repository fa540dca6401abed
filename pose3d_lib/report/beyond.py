"""What 04_results shows beyond the paper's tables: curves, transfer, specialising, mixing, joints, fewer frames."""

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.answer import wrong_label
from pose3d_lib.report.figures.beyond import (
    draw_data_efficiency,
    draw_joint_bars,
    draw_joints,
    draw_mixing,
    draw_transfer,
)
from pose3d_lib.report.figures.study import draw_arms, draw_curves
from pose3d_lib.report.readable import fill, show_arms, widen_arms
from pose3d_lib.report.record import SCHEDULE_WORDS, StudyRecord, View
from pose3d_lib.report.results import SPREAD, show_and_save, show_and_save_figure, title_figure
from pose3d_lib.report.show import say, unit_epochs
from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, choose
from pose3d_lib.study.tables import MEAN
from pose3d_lib.study.tables_beyond import FINE_TUNED, curves

MAKE = "`make paper-more`, or `pose3d sweep -p study more` with the other parameters of this study, makes them."


def _view(record: StudyRecord) -> View:
    """Of the arms that the questions beyond the paper compare with."""
    return View(record.config.condition(record.config.short, EQUALISED))


def _table(record: StudyRecord, name: str, what: str) -> pd.DataFrame:
    """The table of a question; where it has no runs, it is said how to make them."""
    table = record.beyond.get(name, pd.DataFrame())
    if table.empty:
        say(f"**No {what} yet.** {MAKE}")
    return table


def show_curves(record: StudyRecord) -> None:
    """Test error of both arms against what was seen, for the actions in focus, under both schedules, long runs if any."""
    for length in filter(None, (record.config.long, record.config.short)):
        views = [View(record.config.condition(length, schedule), AS_PUBLISHED) for schedule in (PUBLISHED, EQUALISED)]
        views = [view for view in views if len(choose(record.observations.tests, view.condition, arm=ACTION_BASED))]
        if views:
            break
    else:
        return
    focus = record.observations.focus(record.config)
    table = pd.concat([curves(record.observations, view.condition, focus) for view in views])
    title = f"How fast either arm learns an action, {record.name}. {unit_epochs(length)}, statistics as published"
    if len(views) == 1:  # otherwise the panels say it
        title += f", {SCHEDULE_WORDS[views[0].condition.schedule]}"
    show_and_save_figure(draw_curves(table, title), record, "figure_curves", *views)
    for schedule, own in table.groupby("schedule", sort=False):
        say(f"{SCHEDULE_WORDS[schedule].capitalize()}: {_curve_sentence(own)}")


def _curve_sentence(table: pd.DataFrame) -> str:
    sentences = []
    for action, own in table.groupby("action", sort=False):
        means = own.groupby(["arm", "unit_epochs"]).mpjpe.mean()
        if set(ARMS) <= set(own.arm):
            original, based = (means[arm] for arm in ARMS)
            sentences.append(
                f"{escape_markdown(action)}: {based.iloc[0]:.1f} mm action-based against {original.iloc[0]:.1f} mm after "
                f"{based.index[0]:.3g} unit epochs, {based.iloc[-1]:.1f} against {original.iloc[-1]:.1f} mm at the end"
            )
    return "; ".join(sentences) + "."


def show_transfer(record: StudyRecord) -> None:
    """Every model on every action, and how much worse a model is on the actions that it never saw."""
    table = _table(record, "transfer", "models tested on the actions of others")
    if table.empty:
        return
    view = View(record.plainest)
    figure = draw_transfer(table.set_index("trained on"), title_figure("Every model on every action", record, view))
    show_and_save_figure(figure, record, "figure_transfer", view)
    if prices := wrong_label(table):
        own, others, original = prices
        say(
            f"On the action it was trained on, an action-based model errs by {own:.1f} mm on average; on the others by "
            f"{others:.1f} mm. The original errs by {original:.1f} mm on these actions."
        )


def show_specialised(record: StudyRecord) -> None:
    """The baseline fine-tuned on each action, beside both arms."""
    table = _table(record, "specialised", "fine-tuned runs")
    if table.empty:
        return
    arms, view = (*ARMS, FINE_TUNED), _view(record)
    wide = widen_arms(table)
    about = record.describe(view.condition, intervals=False)
    caption = f"{SPREAD}Fine-tuned: the original, trained further on the action. {about}"
    shown = fill(wide, {"Action": "action", **show_arms(arms, "MPJPE [mm]")})
    show_and_save(wide, record.folder / "table_specialised", caption, shown)
    title = title_figure("Specialising after generalising", record, view)
    show_and_save_figure(draw_arms(table, title, arms=arms), record, "figure_specialised", view)
    means = wide.set_index("action")[[f"{arm}, mean" for arm in arms]].set_axis(arms, axis=1)
    mean, actions = means.loc[MEAN], means.drop(index=MEAN)
    say(
        f"Mean of the actions: {mean[FINE_TUNED]:.1f} mm fine-tuned, {mean[ORIGINAL]:.1f} mm the original, "
        f"{mean[ACTION_BASED]:.1f} mm action-based. Fine-tuning has the lowest mean error on "
        f"{(actions.idxmin(axis=1) == FINE_TUNED).sum()} of {len(actions)} actions; it has seen the "
        "original's windows and its own besides, more than either of the others."
    )


def show_mixing(record: StudyRecord) -> None:
    """From one action to all, in steps."""
    table = _table(record, "mixing", "mixed runs")
    if table.empty:
        return
    title = title_figure("From one action to all", record, _view(record))
    show_and_save_figure(draw_mixing(table, title, len(record.about.frames)), record, "figure_mixing", _view(record))
    for action, own in table.groupby("action", sort=False):
        means = own.groupby("trained_on").mpjpe.mean()
        steps = ", ".join(f"{error:.1f} mm with {number}" for number, error in means.items())
        say(
            f"On {escape_markdown(action)}: {steps} actions; the lowest mean is with {means.idxmin()} (no test was made)."
        )


def show_joints(record: StudyRecord) -> None:
    """Error per joint and per action, both arms."""
    table, view = record.beyond.get("joints", pd.DataFrame()), View(record.plainest)
    if table.empty:
        return
    bars = draw_joint_bars(table, title_figure("Error per joint", record, view))
    show_and_save_figure(bars, record, "figure_joint_bars", view)
    changes = draw_joints(table, title_figure("Error per joint and action", record, view))
    show_and_save_figure(changes, record, "figure_joints", view)
    means = table.groupby("joint", sort=False)[[ORIGINAL, ACTION_BASED]].mean()
    change = means[ACTION_BASED] - means[ORIGINAL]
    say(
        f"Averaged over the actions, the action-based models' error differs from the original's by {change.min():+.1f} mm at "
        f"{escape_markdown(change.idxmin())}, which is the best of the joints, and by {change.max():+.1f} mm at "
        f"{escape_markdown(change.idxmax())}, the worst."
    )


def show_fewer_frames(record: StudyRecord) -> None:
    """Error against the number of distinct training frames, both arms, with the same number of windows for each."""
    table = _table(record, "fewer_frames", "runs on fewer frames")
    if table.empty:
        return
    title = title_figure("Error against training frames", record, _view(record))
    show_and_save_figure(draw_data_efficiency(table, title), record, "figure_fewer_frames", _view(record))
    say("Every run sees the same number of windows; with fewer frames it sees each more often.")
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
