"""What 05_semi_supervised shows: the plan, what unlabelled video and each term are worth, and this paper's question."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.report import show
from pose3d_lib.report.figures.beyond import draw_ablation, draw_question, draw_scarcity
from pose3d_lib.report.readable import fill, show_arms, show_change, show_p, show_value, tell_change, tell_interval
from pose3d_lib.study import tables_scarcity as tables
from pose3d_lib.study.scarcity import ScarcityConfig, subjects
from pose3d_lib.training.config import RunConfig


def show_plan(config: ScarcityConfig, data: PoseDataset, runs: Sequence[RunConfig]) -> None:
    """Whose poses are known, who is seen without, and which runs that makes."""
    own, others = subjects(config, data)
    rest = "the rest of the same clips" if others == (own,) else f"all clips of {', '.join(others)}"
    rows = []
    for run in runs:
        known, seen = f"all clips of {run.action}", "the clips of all other actions"
        if run.action == ALL:
            known, seen = f"{100 * run.train_share:g} % of every clip of {own}", rest
        told = seen if run.semi_supervised else "none"
        rows.append({"Poses known of": known, "Seen without poses": told, "Loss without": ", ".join(run.without_terms)})
    table = pd.DataFrame(rows)
    show.show_table(table.groupby(list(table), sort=False).size().reset_index(name="Runs"))


def show_everything(results: tables.ScarcityResults) -> None:
    """The three tables with their figures."""
    show_scarcity(results)
    show_ablation(results)
    show_question(results)


def show_scarcity(results: tables.ScarcityResults) -> None:
    """Both arms at every share of the labelled clips."""
    runs = results.table[(results.table.action == ALL) & results.table.loss.isin([tables.WHOLE, tables.ALONE])]
    if not len(table := tables.scarcity_table(runs)):
        show.say("There are no finished runs of both arms yet.")
        return
    _show_arms(results, table.drop(columns="action").assign(share=100 * table.share), "scarcity", runs)
    figure = draw_scarcity(runs, _title(results, "What unlabelled video is worth"))
    told = "The error against the number of labelled frames, with and without video of the rest."
    show.show_figure(figure, results.folder / "figure_scarcity", told)
    for row in table.itertuples():
        labelled = f"With {100 * row.share:g} % of every clip labelled ({row.frames:,} frames)"
        show.say(f"{labelled}, unlabelled video makes the model {_tell(row)}.")


def show_ablation(results: tables.ScarcityResults) -> None:
    """What each term of the loss is worth."""
    share = results.config.ablation_share
    runs = results.table[(results.table.action == ALL) & (results.table.share == share)]
    if runs.loss.isin([tables.WHOLE, tables.ALONE]).all():
        show.say("No run that leaves out a term of the loss is finished.")
        return
    table = tables.ablation_table(runs)
    caption = f"Mean ± standard deviation over seeds. {_describe(results, runs)}"
    columns = {named(metric): (show_value, [metric, f"{metric}_sd"]) for metric in METRICS}
    shown = fill(table, {"Loss": "loss", **columns, "Runs": "runs"})
    show.show_and_save(table, results.folder / "table_ablation", caption, shown)
    title = _title(results, f"What each term is worth, {100 * share:g} % labelled")
    told = "The error with the whole loss, without one of its terms, and without any video."
    show.show_figure(draw_ablation(runs, title), results.folder / "figure_ablation", told)
    root = runs.mrpe[runs.loss == tables.WHOLE]
    if len(root):
        show.say(f"With the whole loss, the root is {root.mean():,.0f} mm off (MRPE).")


def show_question(results: tables.ScarcityResults) -> None:
    """Whether video of other actions helps a model that knows the poses of one action."""
    table = tables.scarcity_table(results.table[results.table.action != ALL])
    if not len(table):
        show.say("There are no finished runs of single actions with and without video of the others.")
        return
    runs = results.table[results.table.action.isin(table.action)]
    _show_arms(results, table.drop(columns="share"), "question", runs)
    figure = draw_question(runs, _title(results, "Does video of other actions help?"))
    told = "The error of each action's own model, from its poses alone and with video of the other actions."
    show.show_figure(figure, results.folder / "figure_question", told)
    parts = [f"on {escape_markdown(row.action)} {_tell(row)}" for row in table.itertuples()]
    show.say(f"Video of other actions makes a model that knows the poses of one, {'; '.join(parts)}.")


def _tell(row: NamedTuple) -> str:
    """What video changes in a row of `scarcity_table`."""
    return f"{tell_change(row.percent)} ({tell_interval(row.low, row.high)}): {row.verdict}"


def _show_arms(results: tables.ScarcityResults, table: pd.DataFrame, name: str, runs: pd.DataFrame) -> None:
    """Shows and saves what `scarcity_table` made of some runs, of all shares or of all actions."""
    columns = {
        "Action": "action",
        "Labelled [%]": ("{:g}".format, ["share"]),
        "Frames": "frames",
        "Epochs": (lambda epochs: f"{epochs:,.0f}" if epochs >= 100 else f"{epochs:.3g}", ["epochs"]),
        **show_arms(tables.ARMS, named("mpjpe")),
        "Change [mm]": "change",
        "Seeds differ by [mm]": (lambda spread: "" if pd.isna(spread) else f"{spread:.1f}", ["spread"]),
        "Change [%]": (show_change, ["percent", "low", "high"]),
        "p": (show_p, ["p"]),
        "Verdict": "verdict",
    }
    del columns["Labelled [%]" if "action" in table else "Action"]
    show.show_and_save(table, results.folder / f"table_{name}", _describe(results, runs), fill(table, columns))


def _describe(results: tables.ScarcityResults, runs: pd.DataFrame) -> str:
    """The caption of a table of some runs, rows of `ScarcityResults.table`."""
    config = results.config
    network = [f"{config.receptive_field} frames", *show.name_network(config)]
    made = f"{len(runs)} runs, seeds {', '.join(map(str, sorted(runs.seed.unique())))}"
    about = show.describe_data(results.name, results.subjects, config, synthetic=results.synthetic)
    return f"{about}; {', '.join(network)}; {show.unit_epochs(config.unit_epochs)}; {made}."


def _title(results: tables.ScarcityResults, what: str) -> str:
    name = show.name_data(results.name, synthetic=results.synthetic)
    return f"{what}{'' if what.endswith('?') else ','} {name}. {show.unit_epochs(results.config.unit_epochs)}"
