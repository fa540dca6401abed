"""What 04_results shows of a study: its plan, and the paper's tables with their uncertainty."""

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from pose3d_lib.common.errors import some
from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import save_table
from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.evaluate import METRICS, NAMES, named
from pose3d_lib.report import readable
from pose3d_lib.report.figures.study import draw_changes
from pose3d_lib.report.record import StudyRecord, View
from pose3d_lib.report.show import say, show_and_save, show_figure, show_table, unit_epochs
from pose3d_lib.runs.sweep.estimate import estimate_runs
from pose3d_lib.runs.sweep.progress import in_words
from pose3d_lib.study import tables
from pose3d_lib.study.beyond import study_parts, study_runs
from pose3d_lib.study.claims import NOTES, QUOTED
from pose3d_lib.study.config import StudyConfig, choose_actions, timed_runs
from pose3d_lib.study.evidence import why_not_timed
from pose3d_lib.study.observations import ARMS, RECOMPUTED, Ratios, choose
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.two_way import LEVEL, percent
from pose3d_lib.study.verdicts import BETTER, NOT_DECIDABLE, WORSE

SPREAD = "±: standard deviation over the replicates. "
CORRECTED = "p of an action is corrected for the number of actions, that of their mean is not. "
EFFECT: readable.Columns = {"Verdict": "verdict", "Change [%]": (readable.show_change, readable.CHANGE)}
EFFECT |= {arm: (readable.show_value, [arm]) for arm in ARMS} | {"p": (readable.show_p, ["p"])}
CHANGES = (
    "The change of the error on each action, from the worst for the action-based models to the best, by the first panel. "
    "Left of zero they are better than the original. Below the line: the mean of the actions, and where a new action is "
    "expected."
)
POINTS = (1.0, 2.0, 4.0, 8.0)  # unit epochs at which long runs are compared besides their end


def say_about(record: StudyRecord, *views: View, intervals: bool = True) -> None:
    """Of which data and runs a section is, in a line."""
    say(f"*{escape_markdown(record.describe(*(view.condition for view in views), intervals=intervals))}*")


def show_drawn(
    draw: Callable[..., Figure],
    table: pd.DataFrame,
    record: StudyRecord,
    view: View,
    name: str,
    what: str,
    caption: str,
    *more: object,
) -> None:
    """A figure of a table, whose title says what it shows, of which data, how trained, and with which statistics."""
    show_figure(draw(table, f"{what}, {record.name}. {view}", *more), record.folder / f"figure_{name}", caption)


def plan_table(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> pd.DataFrame:
    """What a study will run, in order: a row per comparison and question; runs that rows share count in each."""
    parts = {
        own if isinstance(own, str) else f"both arms, {', '.join(View(own).rules)}": runs
        for own, runs in study_parts(config, datasets).items()
    }
    rows = [(name, len({run.action for run in runs} - {ALL}), len(runs)) for name, runs in parts.items() if runs]
    return pd.DataFrame(rows, columns=["Runs of 02_train", "Actions", "Runs"])


def estimate_study(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset], jobs: int) -> str:
    """How long the study will take, in a sentence or two: the timed runs have the machine for themselves."""
    most, timed = estimate_runs(study_runs(config, datasets), datasets, jobs), timed_runs(config, datasets[config.data])
    if not timed:
        return str(most)
    alone = estimate_runs(timed, datasets, 1, most.windows_per_second)
    in_all = f" In all about {in_words(most.seconds + alone.seconds)}." if alone.seconds else ""
    return f"{most} Then, to be timed: {alone}{in_all}"


def show_study(results: StudyResults, record: StudyRecord) -> None:
    """What the study consists of, and how much of it is finished."""
    show_table(study_table(record))
    planned, data = len(results.planned), results.data
    if missing := [f"{config.action} (seed {config.seed})" for config in results.missing]:
        names = escape_markdown(some(missing))
        say(f"**{len(missing)} of {planned} planned runs are not finished**: {names}. `03_action_based` makes them.")
    else:
        say(f"All {planned} planned runs are finished.")
    compared, focused = (escape_markdown(", ".join(names)) for names in choose_actions(results.config, data))
    say(f"Actions compared: {compared}. In focus: {focused}.")
    print(*data.declarations(), sep="\n")


def study_table(record: StudyRecord) -> pd.DataFrame:
    """What was run: a row per condition with its complete replicates, and what a run of either arm sees."""
    rows = []
    for view in map(View, record.conditions):
        y, tests = record.ratios(view).y, choose(record.observations.tests, view.condition, statistics=RECOMPUTED)
        row = {"Condition": ", ".join(view.rules), "Runs": tests.run.nunique(), "Actions": len(y)}
        row["Complete replicates"] = y.shape[1] if len(y) else 0
        ends = tests.groupby(["arm", "run"])[["windows", "steps"]].max().groupby("arm").mean()
        for arm in (arm for arm in ARMS if arm in ends.index):
            windows, steps = ends.loc[arm]
            row |= {f"Windows [M], {arm}": f"{windows / 1e6:.3f}", f"Steps, {arm}": f"{steps:,.0f}"}
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def show_files(results: StudyResults, record: StudyRecord) -> None:
    """Where tables and figures are, and how many runs are in none of them yet."""
    print(f"tables and figures: {record.folder}")
    if results.missing:
        print(f"planned runs that are in no table yet: {len(results.missing)}")


def show_quoted() -> None:
    """The paper's own figures, and what a reader of them has to know."""
    columns = {"Table": "table", "Training": "length", "Action": "action", "What": "metric"}
    columns |= {arm: (_quote, [arm]) for arm in ARMS} | {"Change [%]": (readable.show_change, ["change"])}
    names = {metric: named(metric) for metric in METRICS} | {"seconds": "time [s]"}
    quoted = readable.fill(QUOTED.replace({"metric": names}), columns)
    show_table(quoted, "Quoted from the paper, Human3.6M, subjects S9 and S11.")
    say("\n".join(f"- {note}" for note in NOTES))


def _quote(figure: str) -> str:
    """ "56.34", "81,173": a figure as printed, with thousands separators."""
    return f"{float(figure):,.2f}".removesuffix(".00")


def show_effects(table: pd.DataFrame) -> None:
    """A table with an index, the columns of EFFECT; nothing where it is empty."""
    if len(table):
        show_table(readable.fill(table.reset_index(), {name.capitalize(): name for name in table.index.names} | EFFECT))


def show_comparisons(record: StudyRecord, metric: str, number: int) -> None:
    """What Table 1 or 2 says, the changes under all conditions as a picture, and the table of each, folded."""
    main, found = record.main(record.config.short), compare(record, record.config.short, metric, number)
    if main not in found:
        say(f"**Table {number} needs a replicate with all of its runs; 03_action_based makes them.**")
        return
    say(f"{_sentence(found[main], metric)} {tell_heterogeneity(record.ratios(main, metric))}")
    show_changes(record, found, metric, number)
    for view, table in found.items():
        ratios, unseen = record.ratios(view, metric), f"{tables.UNSEEN}, one outside this table"
        spread = f"{SPREAD}{CORRECTED}" * (ratios.y.shape[1] > 1)
        expected = f"{unseen}: the mean of the changes and the 95 % prediction interval."
        caption = f"Table {number}, {view}. {spread}{expected}"
        about = {"about": record.describe(view.condition), "folded": _in_full(number, view)}
        path = record.folder / record.file_name(f"table_{number}", view)
        show_and_save(table, path, caption, readable.show_comparison(table, metric), **about)
    if number == 1:
        show_subjects(record)
    say_about(record, main)


def _in_full(number: int, view: View) -> str:
    return f"Table {number} in full, {', '.join(view.parts[1:])}"


def compare(record: StudyRecord, length: float, metric: str, number: int) -> dict[View, pd.DataFrame]:
    """By what has a complete replicate, the rows of `tables.changes_table` with `tables.arms_table` beside them."""
    found = {}
    for view in record.views(length):
        ratios = record.ratios(view, metric)
        if ratios.y.size:
            arms = tables.arms_table(record.observations, view.condition, metric, view.statistics, str(number))
            found[view] = tables.changes_table(ratios).merge(readable.widen_arms(arms), on="action", how="left")
    return found


def show_changes(record: StudyRecord, found: Mapping[View, pd.DataFrame], metric: str, number: int) -> None:
    """The changes of every action in each of the tables of `compare`, side by side."""
    first, *others = found
    common = [part for part in first.parts if all(part in view.parts for view in others)]
    names = [", ".join(part for part in view.parts if part not in common) for view in found]
    table = pd.concat([own.assign(condition=name) for own, name in zip(found.values(), names, strict=True)])
    title = f"Change of {NAMES[metric]}, {record.name}. {', '.join(common)}"
    caption = CHANGES + (f" A panel for each of: {'; '.join(names)}." if len(names) > 1 else "")
    show_figure(draw_changes(table, title, NAMES[metric]), record.folder / f"figure_changes_{number}", caption)


def _sentence(table: pd.DataFrame, metric: str) -> str:
    actions = table[~table.action.isin([tables.MEAN, tables.UNSEEN])]
    mean = table[table.action == tables.MEAN].iloc[0]
    words = actions.verdict.value_counts()
    return (
        f"The action-based models' {NAMES[metric]} changes by {mean.change:+z.1f} % on average "
        f"({readable.tell_interval(mean.low, mean.high)}): {mean.verdict}. It is lower on {(actions.change < 0).sum()} of "
        f"{len(actions)} actions; after Holm's correction it is {BETTER} on {words.get(BETTER, 0)}, {WORSE} on "
        f"{words.get(WORSE, 0)} and {NOT_DECIDABLE} on {words.get(NOT_DECIDABLE, 0)}."
    )


def tell_heterogeneity(ratios: Ratios) -> str:
    """How much actions differ, and what is expected for a new one."""
    found = ratios.general()
    if pd.isna(found.p_heterogeneity):
        return "How much actions differ takes several actions and replicates to tell."
    begin = "Actions differ" if found.p_heterogeneity <= LEVEL else "That actions differ is not shown"
    low, high = found.unseen
    return (
        f"{begin} (p {readable.show_p(found.p_heterogeneity)}): the standard deviation of their true changes is "
        f"{percent(found.between):.0f} %, and for a new action a change of {low:+z.0f} to {high:+z.0f} % is expected (95 % "
        "prediction interval)."
    )


def show_subjects(record: StudyRecord) -> None:
    """The change on each test subject, where all replicates have the same people: how far it depends on who was filmed."""
    view, observations = record.main(record.config.short), record.observations
    table = tables.subjects_table(observations, view.condition) if observations.shared_takes else []
    if len(table) < 2:
        return
    change, p = (readable.show_change, readable.CHANGE), (readable.show_p, ["p"])
    shown = readable.fill(table, {"Subject": "subject", "Change of the MPJPE [%]": change, "p": p})
    rest = "Mean of the actions; the 95 % intervals are about these subjects and takes, and other trainings."
    about = record.describe(view.condition, intervals=False)
    caption = f"{view}. {about} {rest}"
    show_and_save(table, record.folder / "table_subjects", caption, shown, folded="The change on each test subject")


def show_long(record: StudyRecord) -> None:
    """Table 3 from long runs, their changes, and their tests during training; until there are any, how to make them."""
    length = record.config.long
    found = compare(record, length, "mpjpe", 3) if length else {}
    if not found:
        text = f"Table 3 compares long runs, of which there are none yet for {record.about.name}. {MAKE_LONG}"
        (record.folder / "table_3.md").write_text(f"{text}\n", encoding="utf-8")
        say(f"**{text}**")
        return
    untimed = why_not_timed(record.observations.times)
    for view in (own for own in found if own.statistics == RECOMPUTED):
        table = tables.table_3(record.observations, view.condition)
        about = record.describe(view.condition, intervals=False)
        caption = f"Table 3, {view}. {SPREAD}{f'Times are not shown: {untimed}.' if untimed else ''}".strip()
        path = record.folder / record.file_name("table_3", view)
        show_and_save(table, path, caption, readable.show_table_3(table), about=about, folded=_in_full(3, view))
        points = [point for point in POINTS if point < view.condition.unit_epochs]
        tests = tables.errors_during_training(record.observations, view.condition, points)
        caption = f"During training, mean of the actions, statistics as published. {about}"
        save_table(tests, record.folder / record.file_name("table_during_training", view), caption)
        say(f"{_sentence(found[view], 'mpjpe')} {tell_heterogeneity(record.ratios(view))}")
    show_changes(record, found, "mpjpe", 3)
    say_about(record, *found)


MAKE_LONG = (
    "`make paper`, or `pose3d reproduce -p study paper` with the other parameters of this study, makes all runs that the "
    "claims need."
)


def show_metrics(record: StudyRecord) -> None:
    """All four metrics with both statistics, short and long."""
    for length in record.config.lengths:
        view = record.main(length)
        table = tables.all_metrics(record.observations, view.condition)
        if not len(table):
            continue
        own = table.rename(columns={"original": ORIGINAL, "action_based": ACTION_BASED})
        shown = readable.fill(own, {"Statistics": "statistics", "Error": (named, ["metric"]), **EFFECT})
        path = record.folder / ("all_metrics" if length == record.config.short else "all_metrics_long")
        about, folded = record.describe(view.condition), f"All errors with both statistics, {view.rules[0]}"
        caption = f"Means of the actions, {', '.join(view.rules)}."
        show_and_save(table, path, caption, shown, about=about, folded=folded)
        change = table[table.statistics == RECOMPUTED].set_index("metric").change
        say(
            f"After {unit_epochs(length)} the action-based models' MPJPE changes by {change.mpjpe:+z.1f} %, "
            f"their P-MPJPE, which takes out rotation, scale and shift of the whole body, by {change.p_mpjpe:+z.1f} %, and their "
            f"N-MPJPE, which takes out scale alone, by {change.n_mpjpe:+z.1f} %."
        )
