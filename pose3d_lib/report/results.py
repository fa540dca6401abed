"""What 04_results shows of a study: its plan, and the paper's tables with their uncertainty."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import remove_table, save_table
from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.evaluate import METRICS, NAMES, named
from pose3d_lib.report import readable
from pose3d_lib.report.figures.study import draw_arms, draw_changes
from pose3d_lib.report.show import name_data, say, show_figure, show_table, unit_epochs
from pose3d_lib.runs.run import Run
from pose3d_lib.study import tables
from pose3d_lib.study.beyond import plan_beyond
from pose3d_lib.study.comparison import Comparison, describe_runs, name_machines
from pose3d_lib.study.config import EQUALISED, PUBLISHED, Condition, StudyConfig, choose_actions, plan_study
from pose3d_lib.study.evidence import why_not_timed
from pose3d_lib.study.results import StudyResults

POINTS = (1.0, 2.0, 4.0, 8.0)  # unit epochs at which long runs are compared besides their end

SCHEDULE_WORDS = {
    "epoch": "published schedule",
    "unit_epoch": "same schedule for both arms",
    "lr_unit_epoch": "same learning rate for both arms, batch norm as published",
    "bn_unit_epoch": "same batch norm for both arms, learning rate as published",
}
BUDGET_WORDS = {"equal_frames": "equal frames", "fifteen": "15 epochs per unit epoch"}


def title_figure(what: str, results: StudyResults, condition: Condition) -> str:
    """The title of a figure of one condition: it says which data, how long a training, and under which schedule."""
    return f"{what}, {name_results(results)}. {name_condition(condition)}"


def name_results(results: StudyResults) -> str:
    """The data of a study in the title of a figure."""
    return name_data(results.data, results.config.num_datasets)


def name_condition(condition: Condition) -> str:
    """A condition in words."""
    rules = f"{SCHEDULE_WORDS[condition.schedule]}, {BUDGET_WORDS[condition.budget]}"
    return f"{unit_epochs(condition.unit_epochs)}, {rules}, {np.prod(condition.widths)} frames"


def show_and_save(table: pd.DataFrame, path: Path, caption: str, shown: pd.DataFrame | None = None) -> None:
    """Shows a table as `shown`, or else as it is, and saves both."""
    save_table(table, path, caption, shown)
    show_table(table if shown is None else shown, caption)


def show_and_save_figure(figure: Figure, results: StudyResults, name: str, runs: Sequence[Run], note: str = "") -> None:
    """Shows and saves a figure, captioned by a note and the runs that it is of."""
    show_figure(figure, results.folder / name, note + describe_runs(runs, results.data))


def plan_table(config: StudyConfig, datasets: Mapping[DataSpec, PoseDataset]) -> pd.DataFrame:
    """What a study will run: a row per comparison and per question beyond them; runs that rows share count in each."""
    plan = plan_study(config, datasets[config.data])
    parts = {f"both arms, {name_condition(own)}": runs for own, runs in plan.items()} | plan_beyond(config, datasets)
    rows = [(name, len({run.action for run in runs} - {ALL}), len(runs)) for name, runs in parts.items()]
    return pd.DataFrame(rows, columns=["Runs of 02_train", "Actions", "Runs"])


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
    data, (actions, focus) = results.data, choose_actions(results.config, results.data)
    compared, focused = (escape_markdown(", ".join(names)) for names in (actions, focus))
    seeds = ", with more seeds" if results.config.more_seeds else ""
    say(f"Actions compared: {compared}. In focus{seeds}: {focused}.")
    unpaired = {name: "no test clips" for name in data.train_actions if name not in data.test_actions}
    unpaired |= {name: "no training clips" for name in data.test_actions if name not in data.train_actions}
    if unpaired:
        names = ", ".join(f"{name} ({why})" for name, why in unpaired.items())
        reasons = "; ".join(dict.fromkeys(unpaired.values()))
        say(f"**Without a comparison, because the data has {reasons}**: {escape_markdown(names)}.")


def study_table(comparisons: Mapping[Condition, Comparison]) -> pd.DataFrame:
    """What a study consists of: a row per comparison, how many of its runs are finished, and what each run sees."""
    rows = []
    for condition, comparison in comparisons.items():
        arms = {
            ORIGINAL: comparison.original,
            ACTION_BASED: [run for own in comparison.action_based.values() for run in own],
        }
        counts = sorted({len(own) for own in comparison.action_based.values()})
        rows.append(
            {
                "Unit epochs": f"{condition.unit_epochs:g}",
                "Schedule": condition.schedule,
                "Budget": condition.budget,
                "Frames": int(np.prod(condition.widths)),
                "Runs": f"{len(comparison.runs)} of {len(comparison.runs) + len(comparison.missing)}",
                "Actions": len(comparison.action_based),
                f"Seeds, {ORIGINAL}": len(comparison.original),
                f"Seeds, {ACTION_BASED}": " to ".join(map(str, sorted({*counts[:1], *counts[-1:]}))),
                **{f"Windows [M], {arm}": _average(runs, "windows", 1e6) for arm, runs in arms.items()},
                **{f"Steps, {arm}": _average(runs, "steps") for arm, runs in arms.items()},
            }
        )
    return pd.DataFrame(rows)


def _average(runs: Sequence[Run], what: str, unit: float = 1) -> str:
    if not runs:
        return ""
    value = np.mean([run.timing[what] for run in runs]) / unit
    return f"{value:,.0f}" if unit == 1 else f"{value:.3f}"


def show_comparisons(results: StudyResults, metric: str, number: int) -> None:
    """Table 1 or 2 under every condition, its picture, and what it says; or what is missing. All is saved."""
    found = {}
    for condition, comparison in results.tables_of(results.config.short).items():
        path, name = results.folder / results.file_name(f"table_{number}", condition), name_condition(condition)
        if not comparison.usable:
            text = f"Table {number} needs the baseline and at least one action-based run; 03_action_based makes them."
            remove_table(path, text)
            say(f"**{text}** ({name})")
            continue
        pairs = tables.pair_arms(comparison, metric)
        arms, changes = tables.arms_table(pairs, metric, str(number)), tables.changes_table(pairs)
        found[condition] = arms, changes.assign(condition=name)
        _say_heading(name)
        caption = (
            f"Table {number}, {name}. {readable.how_to_read(comparison)} {describe_runs(comparison.runs, results.data)}"
        )
        headed = readable.head_comparison(arms, changes, metric)
        show_and_save(headed, path, caption, readable.show_comparison(headed))
        say(_sentence(arms, changes, metric))
    if not found:
        return
    first = next(iter(found))
    figure = draw_arms(found[first][0], title_figure(f"Table {number}: {NAMES[metric]}", results, first), named(metric))
    show_and_save_figure(figure, results, f"figure_table_{number}", results.comparisons[first].runs)
    if len(found) > 1:
        table = pd.concat([changes for _, changes in found.values()])
        title = f"Change of {NAMES[metric]}, {name_results(results)}"
        runs = [run for condition in found for run in results.comparisons[condition].runs]
        show_and_save_figure(draw_changes(table, title, NAMES[metric]), results, f"figure_changes_{number}", runs)


def _say_heading(name: str) -> None:
    say(f"**{name[:1].upper()}{name[1:]}**")


def _sentence(arms: pd.DataFrame, changes: pd.DataFrame, metric: str) -> str:
    actions, mean = changes[changes.action != tables.MEAN], changes[changes.action == tables.MEAN].iloc[0]
    first, second = arms[arms.action == tables.MEAN]["mean"]
    words = actions.verdict.value_counts()
    direction = "below" if mean.change < 0 else "above"
    interval = f", 95 % interval {mean.low:+.1f} to {mean.high:+.1f} %" if pd.notna(mean.low) else ""
    verdict = f"{mean.verdict}: {mean.reason}" if mean.reason else mean.verdict
    return (
        f"The action-based models have the lower mean {NAMES[metric]} on {(actions.change < 0).sum()} of {len(actions)} "
        f"actions; after Holm's correction {words.get('lower', 0)} are lower, {words.get('higher', 0)} higher, and "
        f"{words.get('not decidable', 0)} not decidable. Over the actions their mean is {abs(mean.change):.1f} % "
        f"{direction} the original's ({second:.2f} against {first:.2f}{interval}): {verdict}."
    )


def show_long(results: StudyResults) -> None:
    """Table 3 from long runs, and their tests during training; until there are any, how to make them."""
    planned = results.tables_of(results.config.long)
    usable = {condition: own for condition, own in planned.items() if own.usable}
    if not usable:
        text = (
            f"Table 3 compares long runs; none are finished for {escape_markdown(results.data.name)}. "
            "`pose3d sweep -p lengths 1,16`, with the same other parameters as here, makes them, and `-p study paper` makes "
            "all that the claims need."
        )
        remove_table(results.folder / "table_3", text)
        say(f"**{text}**")
    for condition, comparison in usable.items():
        table, name = tables.table_3(comparison), name_condition(condition)
        seen = describe_runs(comparison.runs, results.data)
        _say_heading(name)
        caption = f"Table 3, {name}. {readable.how_to_read(comparison)} {seen} Times: {name_machines(comparison.runs)}."
        path = results.folder / results.file_name("table_3", condition)
        show_and_save(readable.head_table_3(table), path, caption, readable.show_table_3(table))
        untimed = why_not_timed(comparison.runs)
        say(_long_sentence(table) + (f" These times cannot be compared: {untimed}." if untimed else ""))
        tests = tables.errors_during_training(comparison, [point for point in POINTS if point < condition.unit_epochs])
        caption = f"The same runs during training, mean of the actions, batch norms as published. {seen}"
        path = results.folder / results.file_name("table_on_the_way", condition)
        show_and_save(readable.head_errors_during_training(tests), path, caption)


def _long_sentence(table: pd.DataFrame) -> str:
    own, reference = (table[table.arm == arm].mean(numeric_only=True) for arm in (ACTION_BASED, ORIGINAL))
    return (
        f"Averaged over these actions, an action-based run trained {own.train_s:,.0f} s for {own.windows_m:.2f} "
        f"million windows, the original {reference.train_s:,.0f} s for {reference.windows_m:.2f} million; per "
        f"million windows that is {own.processor_s_per_m:.1f} and {reference.processor_s_per_m:.1f} s of processor time. "
        f"Their MPJPE is {own.mpjpe_mean:.2f} mm against {reference.mpjpe_mean:.2f} mm."
    )


def show_means(results: StudyResults) -> None:
    """All four metrics of both arms, action-wise and frame-wise, under the first condition and the equalised one."""
    for schedule in (PUBLISHED, EQUALISED):
        condition = results.config.condition(results.config.short, schedule, results.config.budgets[0])
        comparison = results.comparisons.get(condition)
        if comparison is None or not comparison.usable:
            continue
        table, seen = tables.all_metrics(comparison), describe_runs(comparison.runs, results.data)
        headed = readable.head_metrics(table.rename(columns={"arm": "Arm", "mean": "Mean"}))
        save_table(headed, results.folder / results.file_name("all_metrics", condition), seen)
        show_table(headed, f"{name_condition(condition)}. {seen}")
        means = table[table["mean"] == "action-wise"].set_index("arm")[[*METRICS]]
        change = 100 * (means.loc[ACTION_BASED] / means.loc[ORIGINAL] - 1)
        say(
            f"Action-wise, the action-based models' MPJPE differs from the original's by {change.mpjpe:+.1f} %, their "
            f"P-MPJPE by {change.p_mpjpe:+.1f} %. What lies between the two is the rotation, scale and shift of the "
            f"whole body, which P-MPJPE takes out."
        )
