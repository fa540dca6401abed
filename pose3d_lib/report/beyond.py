"""What 04_results shows beyond the paper's tables: curves, transfer, labels, specialists, mixing, joints, fewer frames."""

from collections.abc import Sequence

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.answer import wrong_label
from pose3d_lib.report.figures import beyond as figures
from pose3d_lib.report.figures.study import draw_arms, draw_curves
from pose3d_lib.report.readable import CHANGE, fill, show_arms, show_change, tell_change, tell_interval, widen_arms
from pose3d_lib.report.record import SCHEDULE_WORDS, StudyRecord, View
from pose3d_lib.report.results import SPREAD, say_about, show_drawn
from pose3d_lib.report.show import say, show_and_save, show_figure, unit_epochs
from pose3d_lib.study import tables_beyond as tables
from pose3d_lib.study.beyond import LAST_PART, condition_beyond
from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.observations import ARMS, choose
from pose3d_lib.study.tables import summarise_arms
from pose3d_lib.study.two_way import Effect

MAKE = "`make paper-more`, or `pose3d sweep -p study more` with the other parameters of this study, makes them."

NAMES = {ORIGINAL: "the original", ACTION_BASED: "the action's own model"}


def _view(record: StudyRecord) -> View:
    """Of the arms that the questions beyond the paper compare with."""
    return View(condition_beyond(record.config))


def _table(record: StudyRecord, name: str, what: str) -> pd.DataFrame:
    """The table of a question; where it has no runs, it is said how to make them."""
    table = record.beyond.get(name, pd.DataFrame())
    if table.empty:
        say(f"**No {what} yet.** {MAKE}")
    return table


def _conclude(record: StudyRecord, name: str, sentences: Sequence[str]) -> None:
    """Shows the sentences on a question as a list, saves them for documents, and ends the section."""
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    about = f"*{escape_markdown(record.describe(_view(record).condition, intervals=False))}*"
    (record.folder / f"beyond_{name}.md").write_text(f"{text}\n\n{about}\n", encoding="utf-8")
    say(text)
    say(about)


def show_curves(record: StudyRecord) -> None:
    """Test error of both arms against what was seen, for the actions in focus, under both schedules, long runs if any."""
    for length in reversed(record.config.lengths):
        conditions = (record.config.condition(length, schedule) for schedule in (PUBLISHED, EQUALISED))
        found = [own for own in conditions if len(choose(record.observations.tests, own, arm=ACTION_BASED))]
        if found:
            break
    else:
        return
    focus = record.observations.focus(record.config)
    table = pd.concat([tables.curves(record.observations, condition, focus) for condition in found])
    title = f"How fast either arm learns an action, {record.name}. {unit_epochs(length)}, statistics as published"
    if len(found) == 1:  # otherwise the panels say it
        title += f", {SCHEDULE_WORDS[found[0].schedule]}"
    caption = (
        "The test error against the windows seen, both on logarithmic scales. Where the lines cross, the arm that learns faster "
        "is overtaken; stale statistics may be a reason."
    )
    show_figure(draw_curves(table, title), record.folder / "figure_curves", caption)
    say_about(record, *map(View, found), intervals=False)


def show_transfer(record: StudyRecord) -> None:
    """Every model on every action, and how much worse a model is on the actions that it never saw."""
    table = _table(record, "transfer", "models tested on the actions of others")
    if table.empty:
        return
    matrix = table[table.told.fillna("") == ""].groupby("model", sort=False)[list(table.columns[3:])].mean()
    caption = (
        "A row is a model, a column the action it is tested on; the darker, the larger the error. Framed, the models on their "
        "own actions; above them the original, which knows all."
    )
    show_drawn(figures.draw_transfer, matrix, record, _view(record), "transfer", "Every model on every action", caption)
    if prices := wrong_label(table):
        own, others, original = prices
        say(
            f"On the action it was trained on, an action-based model errs by {own:.1f} mm on average; on the others by "
            f"{others:.1f} mm. The original errs by {original:.1f} mm on these actions."
        )
    say_about(record, _view(record), intervals=False)


def show_labels(record: StudyRecord) -> None:
    """What the label of the action is worth: to one model that is told it, and to choose a model by it."""
    table = record.beyond.get("transfer", pd.DataFrame())
    worth = tables.labels(table) if len(table) else pd.DataFrame(columns=["known"])
    if not (worth.known == "no").any():
        say(f"**No models tested with a wrong label yet.** {MAKE}")
        return
    caption = (
        "The error of every kind of model, mean of the actions. Filled: with the true label; hollow: with a wrong one."
    )
    show_drawn(
        figures.draw_labels, worth, record, _view(record), "labels", "What the label of the action is worth", caption
    )
    told = worth.assign(arm=worth.arm + worth.known)
    sentences = []
    for arm, known, wrong in (
        (tables.TOLD_ACTION, "one model that is told the action is", "told another one, it is"),
        (ACTION_BASED, "the action's own model is", "the model of another action is"),
    ):
        right, other = (tables.change_of_arm(told, f"{arm}{own}") for own in ("yes", "no"))
        if right and other:
            sentences.append(f"Against the original, {known} {_tell(right)}; {wrong} {_tell(other)}.")
    _conclude(record, "labels", sentences)


def show_specialised(record: StudyRecord) -> None:
    """Two ways to a specialist besides the paper's, with the same number of windows: fine-tuning, and the label as input."""
    table = _table(record, "specialised", "fine-tuned runs or models told the action")
    if table.empty:
        return
    arms, view = [arm for arm in (*ARMS, tables.FINE_TUNED, tables.TOLD_ACTION) if arm in set(table.arm)], _view(record)
    summary = summarise_arms(table.sort_values("arm", kind="stable").rename(columns={"seed": "replicate"}))
    wide = widen_arms(summary)
    caption = (
        f"{SPREAD}{tables.FINE_TUNED}: the original for the first {100 * (1 - LAST_PART):g} % of the windows, then a model per "
        f"action; the learning rate continues as if it were one run. {tables.TOLD_ACTION}: one model with the action as a "
        "further input."
    )
    shown = fill(wide, {"Action": "action", **show_arms(arms, "MPJPE [mm]")})
    about = {"about": record.describe(view.condition, intervals=False), "folded": "The errors in numbers"}
    show_and_save(wide, record.folder / "table_specialised", caption, shown, **about)
    title = "Three ways to use the label of the action"
    caption = f"The error of {len(arms)} ways to train on every action, from the hardest action for the original to the easiest."
    show_drawn(draw_arms, summary, record, view, "specialised", title, caption, arms)
    names = {
        ACTION_BASED: "models of one action are",
        tables.FINE_TUNED: "models fine-tuned on it are",
        tables.TOLD_ACTION: "one model that is told the action is",
    }
    effects = {name: tables.change_of_arm(table, arm) for arm, name in names.items()}
    parts = [f"{name} {_tell(effect)}" for name, effect in effects.items() if effect]
    sentences = [f"Against the original with the same number of windows, {'; '.join(parts)}; means of the actions."]
    if effect := tables.change_of_arm(table, tables.FINE_TUNED, ACTION_BASED):
        sentences.append(f"Against models of one action from random weights, fine-tuned ones are {_tell(effect)}.")
    _conclude(record, "specialised", sentences)


def _tell(effect: Effect) -> str:
    return f"{tell_change(effect.value)} ({tell_interval(effect.low, effect.high)})"


def show_mixing(record: StudyRecord) -> None:
    """From one action to all, in steps."""
    table = _table(record, "mixing", "mixed runs")
    if table.empty:
        return
    every = len(record.about.frames)
    caption = f"The error on an action against the number of actions that its model knows, from one to all {every}."
    show_drawn(figures.draw_mixing, table, record, _view(record), "mixing", "From one action to all", caption, every)
    sentences = []
    for action, own in table.groupby("action", sort=False):
        alone, *others = sorted(own.trained_on.unique())
        effects = {count: tables.change_of_arm(own.assign(arm=own.trained_on), count, alone) for count in others}
        parts = [f"one of {count} actions is {_tell(effect)}" for count, effect in effects.items() if effect]
        sentences.append(f"On {escape_markdown(action)}, against a model of this action alone, {'; '.join(parts)}.")
    _conclude(record, "mixing", sentences)


def show_joints(record: StudyRecord) -> None:
    """Error per joint and per action, both arms."""
    table, view = record.beyond.get("joints", pd.DataFrame()), View(record.plainest)
    if table.empty:
        return
    caption = (
        "The error of each joint under either arm, in the order of the skeleton; positions are relative to the hip."
    )
    show_drawn(figures.draw_joint_bars, table, record, view, "joint_bars", "Error per joint", caption)
    caption = "How much the arms differ at each joint on each action, in the colour of the better arm."
    show_drawn(figures.draw_joints, table, record, view, "joints", "Error per joint and action", caption)
    means = table.groupby("joint", sort=False)[[ORIGINAL, ACTION_BASED]].mean()
    change = means[ACTION_BASED] - means[ORIGINAL]
    say(
        f"Averaged over the actions, the action-based models' error differs from the original's by {change.min():+z.1f} mm at "
        f"{escape_markdown(change.idxmin())}, which is the best of the joints, and by {change.max():+z.1f} mm at "
        f"{escape_markdown(change.idxmax())}, the worst."
    )
    say_about(record, view, intervals=False)


def show_fewer_frames(record: StudyRecord) -> None:
    """Error against the number of distinct training frames, both arms, with the same number of windows for each."""
    table, view = _table(record, "fewer_frames", "runs on fewer frames"), _view(record)
    if table.empty:
        return
    caption = (
        "The error against the number of distinct training frames, on a logarithmic scale. Where the markers of one "
        "arm lie lower at the same number of frames, its frames are worth more."
    )
    show_drawn(
        figures.draw_data_efficiency, table, record, view, "fewer_frames", "Error against training frames", caption
    )
    fits = tables.data_efficiency(table)
    if fits.empty:
        say("A curve of the error against frames takes four numbers of frames; there are fewer.")
        return
    caption = (
        "error = a + b (n / N)^-c, fitted to each replicate; means (of c: geometric) with 95 % intervals over the replicates. "
        "Twice the frames: what the curve says of 2 N."
    )
    columns = {
        "Action": "action",
        "Arm": "arm",
        "N": ("{:,}".format, ["frames"]),
        "a [mm]": (_show_found, ["found", "a", "a_low", "a_high"]),
        "c": (_show_found, ["found", "c", "c_low", "c_high"]),
        "Twice the frames [%]": (show_change, CHANGE),
    }
    about = {"about": record.describe(view.condition, intervals=False), "folded": "The curves in numbers"}
    show_and_save(fits, record.folder / "table_fewer_frames", caption, fill(fits, columns), **about)
    sentences = []
    for action, own in fits.groupby("action", sort=False):
        parts = [
            f"{NAMES[row.arm]} would be {tell_change(row.change)} ({tell_interval(row.low, row.high)})"
            for row in own.itertuples()
        ]
        told = f"On {escape_markdown(action)}, with twice the frames, by the curves, {'; '.join(parts)}."
        if effect := tables.as_many_of_all(table, action):
            told += (
                f" The action's own frames make a model {_tell(effect)} than the same number of frames of all actions."
            )
        sentences.append(told)
    if not fits.found.all():
        sentences.append(
            "Where a and c are not told, the points of some replicate show no fall, or no bend to fit an exponent to."
        )
    _conclude(record, "fewer_frames", sentences)


def _show_found(found: bool, value: float, low: float, high: float) -> str:
    """ "41.2 [38.0, 44.4]", or that it is not told."""
    digits = 1 if abs(value) >= 10 else 2
    ends = "" if pd.isna(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{ends}" if found else "not told"
