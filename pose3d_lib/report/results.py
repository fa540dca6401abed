"""What 04_results shows of a study: its plan, the paper's tables with their uncertainty, claims, and the confounds."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import remove_table, save_table
from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, NAMES, named
from pose3d_lib.report.figures.study import draw_arms, draw_changes
from pose3d_lib.report.readable import how_to_read, show_arms, show_table_3
from pose3d_lib.report.show import name_data, say, show_figure, show_table, unit_epochs
from pose3d_lib.study.beyond import plan_beyond
from pose3d_lib.study.comparison import describe, describe_runs, name_machines
from pose3d_lib.study.config import EQUALISED, PUBLISHED, Condition, StudyConfig, choose_actions, plan_study
from pose3d_lib.study.evidence import why_not_timed
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, all_metrics, compare_arms, on_the_way, study_table, table_3

ON_THE_WAY = (1.0, 2.0, 4.0, 8.0)
"""Unit epochs at which long runs are compared besides their end."""

SCHEDULE_WORDS = {
    "epoch": "published schedule",
    "unit_epoch": "same schedule for both arms",
    "lr_unit_epoch": "same learning rate for both arms, batch norm as published",
    "bn_unit_epoch": "same batch norm for both arms, learning rate as published",
}
BUDGET_WORDS = {"equal_frames": "equal frames", "fifteen": "15 epochs per unit epoch"}


def title_figure(what: str, results: StudyResults, condition: Condition) -> str:
    """The title of a figure of one condition: it says which data, how long a training, and under which schedule."""
    return f"{what}, {name_data(results.data)}. {name_condition(condition)}"


def name_condition(condition: Condition) -> str:
    """A condition in words."""
    rules = f"{SCHEDULE_WORDS[condition.schedule]}, {BUDGET_WORDS[condition.budget]}"
    return f"{unit_epochs(condition.unit_epochs)}, {rules}, {np.prod(condition.widths)} frames"


def show_study(results: StudyResults) -> None:
    """What the study consists of, and how much of it is finished."""
    planned, missing = len(results.planned), len(results.missing)
    show_table(study_table(results.comparisons), "A run that two rows share, such as the original's, was made once.")
    if missing:
        names = escape_markdown(", ".join(f"{config.action} (seed {config.seed})" for config in results.missing[:8]))
        more = f" and {missing - 8} more" if missing > 8 else ""
        say(
            f"**{missing} of {planned} planned runs are not finished**: {names}{more}. `03_action_based` with the same "
            f"parameters runs them; every mean below is over the runs that are there."
        )
    else:
        say(f"All {planned} planned runs are finished.")
    _say_actions(results)


def _say_actions(results: StudyResults) -> None:
    data, (actions, focus) = results.data, choose_actions(results.config, results.data)
    compared, focused = (escape_markdown(", ".join(names)) for names in (actions, focus))
    more = ", with more seeds" if results.config.more_seeds else ""
    say(f"Actions compared: {compared}. In focus{more}: {focused}.")
    everything = dict.fromkeys([*data.train_actions, *data.test_actions])
    unpaired = {
        name: "no test clips" if name in data.train_actions else "no training clips"
        for name in everything
        if name not in data.train_actions or name not in data.test_actions
    }
    if unpaired:
        names = ", ".join(f"{name} ({why})" for name, why in unpaired.items())
        reasons = "; ".join(dict.fromkeys(unpaired.values()))
        say(f"**Without a comparison, because the data has {reasons}**: {escape_markdown(names)}.")


def show_comparisons(results: StudyResults, metric: str, number: int) -> None:
    """Table 1 or 2 under every condition, its picture, and what it says; or what is missing. All is saved."""
    tables = results.tables_of(results.config.short)
    found = {}
    for condition, comparison in tables.items():
        path = results.folder / results.file_name(f"table_{number}", condition)
        if not comparison.usable:
            text = f"Table {number} needs the baseline and at least one action-based run; 03_action_based makes them."
            remove_table(path, text)
            say(f"**{text}** ({name_condition(condition)})")
            continue
        found[condition] = table = compare_arms(comparison, metric, str(number))
        caption = f"Table {number}, {name_condition(condition)}. {how_to_read(comparison)} {describe(comparison, results.data)}"
        say(f"**{name_condition(condition)[:1].upper()}{name_condition(condition)[1:]}**")
        show_table(save_shown(table, path, caption), caption)
        say(_sentence(table, metric))
    if not found:
        return
    first = next(iter(found))
    show_figure(
        draw_arms(
            found[first],
            title_figure(f"Table {number}: {NAMES[metric]}", results, first),
            named(metric),
        ),
        results.folder / f"figure_table_{number}",
        describe(tables[first], results.data),
    )
    if len(found) > 1:
        show_figure(
            draw_changes(_changes(found), f"Change of {NAMES[metric]}, {name_data(results.data)}", NAMES[metric]),
            results.folder / f"figure_changes_{number}",
            describe_runs([run for condition in found for run in tables[condition].runs], results.data),
        )


def save_shown(table: pd.DataFrame, path: Path, caption: str) -> pd.DataFrame:
    """Saves a table of `compare_arms`, and returns how it is shown."""
    shown = show_arms(table)
    save_table(table, path, caption, shown)
    return shown


def _changes(found: Mapping[Condition, pd.DataFrame]) -> pd.DataFrame:
    columns = {"Action": "action", "Change [%]": "change", "Change, low [%]": "low", "Change, high [%]": "high"}
    parts = [
        table.rename(columns={**columns, "Verdict": "verdict"}).assign(condition=name_condition(condition))
        for condition, table in found.items()
    ]
    return pd.concat(parts)[["condition", *columns.values(), "verdict"]]


def _sentence(table: pd.DataFrame, metric: str) -> str:
    actions, mean = table[table.Action != MEAN], table[table.Action == MEAN].iloc[0]
    better = int((actions["Change [%]"] < 0).sum())
    certain = actions.Verdict.value_counts()
    direction = "below" if mean["Change [%]"] < 0 else "above"
    interval = ""
    if pd.notna(mean["Change, low [%]"]):
        interval = f", 95 % interval {mean['Change, low [%]']:+.1f} to {mean['Change, high [%]']:+.1f} %"
    verdict = mean.Verdict
    if f"{mean.Reason}":
        verdict += f": {mean.Reason}"
    return (
        f"The action-based models have the lower mean {NAMES[metric]} on {better} of {len(actions)} actions; after Holm's "
        f"correction {certain.get('lower', 0)} are lower, {certain.get('higher', 0)} higher, and "
        f"{certain.get('not decidable', 0)} not decidable. Over the actions their mean is {abs(mean['Change [%]']):.1f} % "
        f"{direction} the original's ({mean[f'{ACTION_BASED}, mean']:.2f} against {mean[f'{ORIGINAL}, mean']:.2f}{interval}): "
        f"{verdict}."
    )


def show_long(results: StudyResults) -> None:
    """Table 3 from long runs, and the same runs at tests on the way; until there are any, how to make them."""
    tables = results.tables_of(results.config.long)
    usable = {condition: comparison for condition, comparison in tables.items() if comparison.usable}
    if not usable:
        text = (
            f"Table 3 compares long runs; none are finished for {escape_markdown(results.data.name)}. "
            "`pose3d sweep -p lengths 1,16`, with the same other parameters as here, makes them, and `-p study paper` makes "
            "all that the claims need."
        )
        remove_table(results.folder / "table_3", text)
        say(f"**{text}**")
    for condition, comparison in usable.items():
        table = table_3(comparison)
        name = name_condition(condition)
        caption = f"Table 3, {name}. {how_to_read(comparison)} {describe(comparison, results.data)}"
        caption += f" Times: {name_machines(comparison.runs)}."
        shown = show_table_3(table)
        save_table(table, results.folder / results.file_name("table_3", condition), caption, shown)
        say(f"**{name[:1].upper()}{name[1:]}**")
        show_table(shown, caption)
        untimed = why_not_timed(comparison.runs)
        say(_long_sentence(table) + (f" These times cannot be compared: {untimed}." if untimed else ""))
        way = on_the_way(comparison, [point for point in ON_THE_WAY if point < condition.unit_epochs])
        caption = f"The same runs on the way, mean of the actions. {describe(comparison, results.data)}"
        save_table(way, results.folder / results.file_name("table_on_the_way", condition), caption)
        show_table(way, caption)


def _long_sentence(table: pd.DataFrame) -> str:
    arms = {arm: table[table.Arm == arm].mean(numeric_only=True) for arm in (ORIGINAL, ACTION_BASED)}
    error, speed = f"{named('mpjpe')}, mean", "training [processor s/M windows]"
    own, reference = arms[ACTION_BASED], arms[ORIGINAL]
    return (
        f"Averaged over these actions, an action-based run trained {own['training [s]']:,.0f} s for {own['windows [M]']:.2f} "
        f"million windows, the original {reference['training [s]']:,.0f} s for {reference['windows [M]']:.2f} million; per "
        f"million windows that is {own[speed]:.1f} and {reference[speed]:.1f} s of processor time. Their MPJPE is "
        f"{own[error]:.2f} mm against {reference[error]:.2f} mm."
    )


def show_means(results: StudyResults) -> None:
    """All four metrics of both arms, action-wise and frame-wise, under the first condition and the equalised one."""
    for schedule in (PUBLISHED, EQUALISED):
        comparison = results.find(results.config.short, schedule, results.config.budgets[0])
        if comparison is None or not comparison.usable:
            continue
        table, caption = all_metrics(comparison), describe(comparison, results.data)
        condition = results.condition_of(comparison)
        save_table(table, results.folder / results.file_name("all_metrics", condition), caption)
        show_table(table, f"{name_condition(condition)}. {caption}")
        columns = [named(metric) for metric in METRICS]
        means = table[table.Mean == "action-wise"].set_index("Arm")[columns]
        change = 100 * (means.loc[ACTION_BASED] / means.loc[ORIGINAL] - 1)
        say(
            f"Action-wise, the action-based models' MPJPE differs from the original's by {change[columns[0]]:+.1f} %, their "
            f"P-MPJPE by {change[columns[1]]:+.1f} %. What lies between the two is the rotation, scale and shift of the "
            f"whole body, which P-MPJPE takes out."
        )


def describe_all(results: StudyResults) -> str:
    """What stands under what was made of every run of the study."""
    return describe_runs(results.runs, results.data)


def plan_table(config: StudyConfig, data: PoseDataset) -> pd.DataFrame:
    """What a study will run: a row per comparison and per question beyond them; runs that rows share count in each."""
    rows = [
        (f"both arms, {name_condition(condition)}", len({run.action for run in runs} - {ALL}), len(runs))
        for condition, runs in plan_study(config, data).items()
    ]
    questions = plan_beyond(config, data).items()
    rows += [(question, len({run.action for run in runs} - {ALL}), len(runs)) for question, runs in questions]
    return pd.DataFrame(rows, columns=["Runs of 02_train", "Actions", "Runs"])
