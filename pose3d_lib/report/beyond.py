"""What 04_results shows beyond the paper's tables: curves, transfer, labels, specialists, mixing, joints, fewer frames."""

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.answer import wrong_label
from pose3d_lib.report.figures.beyond import (
    draw_data_efficiency,
    draw_joint_bars,
    draw_joints,
    draw_labels,
    draw_mixing,
    draw_transfer,
)
from pose3d_lib.report.figures.study import draw_arms, draw_curves
from pose3d_lib.report.readable import fill, show_arms, show_change, tell_change, tell_interval, widen_arms
from pose3d_lib.report.record import SCHEDULE_WORDS, StudyRecord, View
from pose3d_lib.report.results import SPREAD, say_about, title_figure
from pose3d_lib.report.show import say, show_and_save, show_figure, unit_epochs
from pose3d_lib.study.beyond import LAST_PART, condition_beyond
from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, choose
from pose3d_lib.study.tables_beyond import (
    FINE_TUNED,
    TOLD_ACTION,
    as_many_of_all,
    change_of_arm,
    curves,
    data_efficiency,
    labels,
    summarise_arms,
)
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


def _say(record: StudyRecord, name: str, *sentences: str) -> None:
    """Shows the sentences on a question as a list, and saves them for documents."""
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    about = escape_markdown(record.describe(_view(record).condition, intervals=False))
    (record.folder / f"beyond_{name}.md").write_text(f"{text}\n\n*{about}*\n", encoding="utf-8")
    say(text)


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
    caption = (
        "The test error against the windows seen, both on logarithmic scales. Where the lines cross, the arm that learns faster "
        "is overtaken; stale statistics may be a reason."
    )
    show_figure(draw_curves(table, title), record.folder / "figure_curves", caption)
    for schedule, own in table.groupby("schedule", sort=False):
        say(f"{SCHEDULE_WORDS[schedule].capitalize()}: {_curve_sentence(own)}")
    say_about(record, *views, intervals=False)


def _curve_sentence(table: pd.DataFrame) -> str:
    sentences = []
    for action, own in table.groupby("action", sort=False):
        means = own.groupby(["arm", "unit_epochs"]).mpjpe.mean()
        if set(ARMS) <= set(own.arm):
            original, based = (means[arm] for arm in ARMS)
            sentences.append(
                f"{escape_markdown(action)}: {based.iloc[0]:.1f} mm action-based against {original.iloc[0]:.1f} mm after "
                f"{unit_epochs(based.index[0].round(3))}, {based.iloc[-1]:.1f} against {original.iloc[-1]:.1f} mm at the end"
            )
    return "; ".join(sentences) + "."


def show_transfer(record: StudyRecord) -> None:
    """Every model on every action, and how much worse a model is on the actions that it never saw."""
    table = _table(record, "transfer", "models tested on the actions of others")
    if table.empty:
        return
    view = _view(record)
    matrix = table[table.told.isna() | (table.told == "")].groupby("model", sort=False)[list(table.columns[3:])].mean()
    figure = draw_transfer(matrix, title_figure("Every model on every action", record, view))
    caption = (
        "A row is a model, a column the action it is tested on; the darker, the larger the error. Framed, the models on their "
        "own actions; above them the original, which knows all."
    )
    show_figure(figure, record.folder / "figure_transfer", caption)
    if prices := wrong_label(table):
        own, others, original = prices
        say(
            f"On the action it was trained on, an action-based model errs by {own:.1f} mm on average; on the others by "
            f"{others:.1f} mm. The original errs by {original:.1f} mm on these actions."
        )
    say_about(record, view, intervals=False)


def show_labels(record: StudyRecord) -> None:
    """What the label of the action is worth: to one model that is told it, and to choose a model by it."""
    table = record.beyond.get("transfer", pd.DataFrame())
    worth = labels(table) if len(table) else table
    if worth.empty or not worth.known.astype(bool).any():
        say(f"**No models tested with a wrong label yet.** {MAKE}")
        return
    view = _view(record)
    title = title_figure("What the label of the action is worth", record, view)
    caption = (
        "The error of every kind of model, mean of the actions. Filled: with the true label; hollow: with a wrong one."
    )
    show_figure(draw_labels(worth, title), record.folder / "figure_labels", caption)
    told = worth.assign(arm=worth.arm + worth.known)
    sentences = []
    for arm, known, wrong in (
        (TOLD_ACTION, "one model that is told the action is", "told another one, it is"),
        (ACTION_BASED, "the action's own model is", "the model of another action is"),
    ):
        right, other = (change_of_arm(told, f"{arm}{own}") for own in ("yes", "no"))
        if right and other:
            sentences.append(f"Against the original, {known} {_tell(right)}; {wrong} {_tell(other)}.")
    _say(record, "labels", *sentences)
    say_about(record, view, intervals=False)


def show_specialised(record: StudyRecord) -> None:
    """Two ways to a specialist besides the paper's, with the same number of windows: fine-tuning, and the label as input."""
    table = _table(record, "specialised", "fine-tuned runs or models told the action")
    if table.empty:
        return
    arms, view = [arm for arm in (*ARMS, FINE_TUNED, TOLD_ACTION) if arm in set(table.arm)], _view(record)
    summary = summarise_arms(table)
    wide = widen_arms(summary)
    caption = (
        f"{SPREAD}{FINE_TUNED}: the original for the first {100 * (1 - LAST_PART):g} % of the windows, then a model per action; "
        f"the learning rate continues as if it were one run. {TOLD_ACTION}: one model with the action as a further input."
    )
    about = record.describe(view.condition, intervals=False)
    shown = fill(wide, {"Action": "action", **show_arms(arms, "MPJPE [mm]")})
    show_and_save(
        wide, record.folder / "table_specialised", caption, shown, about=about, folded="The errors in numbers"
    )
    title = title_figure("Three ways to use the label of the action", record, view)
    caption = f"The error of {len(arms)} ways to train on every action, from the hardest action for the original to the easiest."
    show_figure(draw_arms(summary, title, arms=arms), record.folder / "figure_specialised", caption)
    names = {
        ACTION_BASED: "models of one action are",
        FINE_TUNED: "models fine-tuned on it are",
        TOLD_ACTION: "one model that is told the action is",
    }
    effects = {name: change_of_arm(table, arm) for arm, name in names.items()}
    parts = [f"{name} {_tell(effect)}" for name, effect in effects.items() if effect]
    sentences = [f"Against the original with the same number of windows, {'; '.join(parts)}; means of the actions."]
    if effect := change_of_arm(table, FINE_TUNED, ACTION_BASED):
        sentences.append(f"Against models of one action from random weights, fine-tuned ones are {_tell(effect)}.")
    _say(record, "specialised", *sentences)
    say_about(record, view, intervals=False)


def _tell(effect: Effect) -> str:
    return f"{tell_change(effect.value)} ({tell_interval(effect.low, effect.high)})"


def show_mixing(record: StudyRecord) -> None:
    """From one action to all, in steps."""
    table = _table(record, "mixing", "mixed runs")
    if table.empty:
        return
    view, every = _view(record), len(record.about.frames)
    figure = draw_mixing(table, title_figure("From one action to all", record, view), every)
    caption = f"The error on an action against the number of actions that its model knows, from one to all {every}."
    show_figure(figure, record.folder / "figure_mixing", caption)
    sentences = []
    for action, own in table.groupby("action", sort=False):
        counts = sorted(own.trained_on.unique())
        steps = own.assign(arm=own.trained_on.astype(str))
        effects = {count: change_of_arm(steps, str(count), str(counts[0])) for count in counts[1:]}
        parts = [f"one of {count} actions is {_tell(effect)}" for count, effect in effects.items() if effect]
        sentences.append(f"On {escape_markdown(action)}, against a model of this action alone, {'; '.join(parts)}.")
    _say(record, "mixing", *sentences)
    say_about(record, view, intervals=False)


def show_joints(record: StudyRecord) -> None:
    """Error per joint and per action, both arms."""
    table, view = record.beyond.get("joints", pd.DataFrame()), View(record.plainest)
    if table.empty:
        return
    bars = draw_joint_bars(table, title_figure("Error per joint", record, view))
    caption = (
        "The error of each joint under either arm, in the order of the skeleton; positions are relative to the hip."
    )
    show_figure(bars, record.folder / "figure_joint_bars", caption)
    changes = draw_joints(table, title_figure("Error per joint and action", record, view))
    caption = "How much the arms differ at each joint on each action, in the colour of the better arm."
    show_figure(changes, record.folder / "figure_joints", caption)
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
    table = _table(record, "fewer_frames", "runs on fewer frames")
    if table.empty:
        return
    view = _view(record)
    title = title_figure("Error against training frames", record, view)
    caption = (
        "The error against the number of distinct training frames, on a logarithmic scale. Where the markers of one "
        "arm lie lower at the same number of frames, its frames are worth more."
    )
    show_figure(draw_data_efficiency(table, title), record.folder / "figure_fewer_frames", caption)
    fits = data_efficiency(table)
    if fits.empty:
        say("A curve of the error against frames takes four numbers of frames; there are fewer.")
        return
    about = record.describe(view.condition, intervals=False)
    caption = (
        "error = a + b (n / N)^-c, fitted to each replicate; means (of c: geometric) with 95 % intervals over the replicates. "
        "Twice the frames: what the curve says of 2 N."
    )
    shown = fill(
        fits,
        {
            "Action": "action",
            "Arm": "arm",
            "N": ("{:,}".format, ["frames"]),
            "a [mm]": (_show_found, ["found", "a", "a_low", "a_high"]),
            "c": (_show_found, ["found", "c", "c_low", "c_high"]),
            "Twice the frames [%]": (show_change, ["change", "low", "high"]),
        },
    )
    show_and_save(
        fits, record.folder / "table_fewer_frames", caption, shown, about=about, folded="The curves in numbers"
    )
    sentences = []
    for action, own in fits.groupby("action", sort=False):
        parts = [
            f"{NAMES[row['arm']]} would be {tell_change(row['change'])} ({tell_interval(row['low'], row['high'])})"
            for row in own.to_dict("records")
        ]
        told = f"On {escape_markdown(action)}, with twice the frames, by the curves, {'; '.join(parts)}."
        if effect := as_many_of_all(table, action):
            told += (
                f" The action's own frames make a model {_tell(effect)} than the same number of frames of all actions."
            )
        sentences.append(told)
    if not fits.found.all():
        sentences.append(
            "Where a and c are not told, the points of some replicate show no fall, or no bend to fit an exponent to."
        )
    _say(record, "fewer_frames", *sentences)
    say_about(record, view, intervals=False)


def _show_found(found: bool, value: float, low: float, high: float) -> str:
    """ "41.2 [38.0, 44.4]", or that it is not told."""
    digits = 1 if abs(value) >= 10 else 2
    ends = "" if pd.isna(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{ends}" if found else "not told"
