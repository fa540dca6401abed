"""What 05_semi_supervised shows: the plan, what unlabelled video and each term are worth, and this paper's question."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import save_table
from pose3d_lib.data.actions import ALL
from pose3d_lib.report.figures.scarcity import draw_ablation, draw_question, draw_scarcity
from pose3d_lib.report.readable import show_change, show_p, show_value
from pose3d_lib.report.show import name_data, say, show_figure, show_table, unit_epochs
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import describe_runs
from pose3d_lib.study.result_folders import folder_of
from pose3d_lib.study.scarcity import ABLATIONS, labelled_subject, question_actions, unlabelled_subjects
from pose3d_lib.study.tables_scarcity import (
    SEMI_SUPERVISED,
    SUPERVISED,
    WHOLE,
    ScarcityResults,
    ablation_table,
    scarcity_table,
    seeds_table,
)
from pose3d_lib.study.verdicts import HIGHER, LEVEL, LOWER, NOT_DECIDABLE


def scarcity_dir(results: ScarcityResults) -> Path:
    """Where the tables and figures of a scarcity study go."""
    return folder_of(results.data, results.config, {"scarcity": {}})


def show_plan(results: ScarcityResults) -> None:
    """Whose poses are known, who is seen without, and which runs that makes."""
    config, data = results.config, results.data
    own, others = labelled_subject(config, data), unlabelled_subjects(config, data)
    whose = "the rest of the same clips" if others == (own,) else f"all clips of {', '.join(others)}"
    seeds = len(config.seeds)
    both = sum(run.semi_supervised and run.action == ALL and not run.without_terms for run in results.planned)
    rows = [
        (
            f"{', '.join(f'{100 * share:g} %' for share in config.shares)} of every clip of {own} labelled",
            f"none, and {whose}",
            both + len(config.shares) * seeds,
        )
    ]
    ablations = sum(bool(run.without_terms) for run in results.planned)
    if ablations:
        left_out = ", then ".join(ABLATIONS)
        rows.append(
            (f"{100 * config.ablation_share:g} % of every clip of {own}", f"the same, without {left_out}", ablations)
        )
    for action in question_actions(config, data):
        rows.append((f"all clips of {action}", "none, and the clips of all other actions", 2 * seeds))
    show_table(pd.DataFrame(rows, columns=["Poses known of", "Seen without poses", "Runs"]))
    missing = len(results.planned) - len(results.runs)
    say(f"{len(results.planned)} runs, {missing} of them not finished yet." if missing else "All runs are finished.")


def show_scarcity(results: ScarcityResults) -> None:
    """Both arms at every share of the labelled clips."""
    table = scarcity_table(results, ALL, results.config.shares, "mpjpe")
    if not len(table):
        say("There are no finished runs of both arms yet.")
        return
    runs = [run for run in results.runs if run.config.action == ALL and not run.config.without_terms]
    caption = _caption(results, runs)
    save_table(table, scarcity_dir(results) / "table_scarcity", caption, _for_reading(table))
    show_table(_for_reading(table), caption)
    seeds = seeds_table(results)
    shown = seeds[(seeds.action == ALL) & (seeds.without == "")]
    _show(results, draw_scarcity(shown, _title(results, "What unlabelled video is worth")), "figure_scarcity", caption)
    for row in table.to_dict(orient="records"):
        say(
            f"With {row['Labelled [%]']:g} % of every clip labelled ({row['Frames']:,} frames), unlabelled video makes it "
            f"{_tell_change(row)}. Verdict: {row['Verdict']}."
        )


def show_ablation(results: ScarcityResults) -> None:
    """What each term of the loss is worth."""
    planned = [run for run in results.planned if run.without_terms]
    share = results.config.ablation_share
    runs = [run for run in results.runs if run.config.is_baseline and run.config.train_share == share]
    if not planned or not any(run.config.without_terms for run in runs):
        say("No run that leaves out a term is finished yet." if planned else "No run leaves out a term of the loss.")
        return
    table = ablation_table(results, ALL, share)
    caption = f"Mean ± standard deviation over seeds. {_caption(results, runs)}"
    save_table(table, scarcity_dir(results) / "table_ablation", caption, _with_deviations(table))
    show_table(_with_deviations(table), caption)
    seeds = seeds_table(results)
    shown = seeds[(seeds.action == ALL) & (seeds.share == share)]
    title = _title(results, f"What each term is worth, {100 * share:g} % labelled")
    _show(results, draw_ablation(shown, title), "figure_ablation", caption)
    errors = table.set_index("Loss")["MPJPE [mm]"]
    if WHOLE in errors:
        roots = shown[(shown.arm == SEMI_SUPERVISED) & (shown.without == "")].mrpe
        worth = "; ".join(f"{name}: {error - errors[WHOLE]:+.1f} mm" for name, error in errors.items() if name != WHOLE)
        say(f"MPJPE against the whole loss: {worth}. With it, the root is {roots.mean():.0f} mm off (MRPE).")


def show_question(results: ScarcityResults) -> None:
    """Whether video of other actions helps a model that knows the poses of one action."""
    actions = question_actions(results.config, results.data)
    tables = {action: scarcity_table(results, action, (1.0,), "mpjpe") for action in actions}
    finished = {action: table for action, table in tables.items() if len(table)}
    if not finished:
        say("There are no finished runs of single actions with and without video of the others.")
        return
    table = pd.concat([own.assign(Action=action) for action, own in finished.items()])
    table = table[["Action", *table.columns.drop("Action")]].drop(columns="Labelled [%]")
    runs = [run for run in results.runs if run.config.action in finished]
    caption = _caption(results, runs)
    save_table(table, scarcity_dir(results) / "table_question", caption, _for_reading(table))
    show_table(_for_reading(table), caption)
    seeds = seeds_table(results)
    figure = draw_question(
        seeds[seeds.action.isin(list(finished))], _title(results, "Does video of other actions help?")
    )
    _show(results, figure, "figure_question", caption)
    say(_answer(table))


def _answer(table: pd.DataFrame) -> str:
    """The question of this paper, answered by a table of actions that `tables_scarcity.scarcity_table` made."""
    rows = table.to_dict(orient="records")
    told = "; ".join(
        f"on {escape_markdown(row['Action'])} {_tell_change(row)}, verdict {row['Verdict']}" for row in rows
    )
    words = set(table["Verdict"])
    if words == {LOWER}:
        answer = "Yes"
    elif words == {HIGHER}:
        answer = "No, it harms"
    elif words == {NOT_DECIDABLE}:
        least = table["Smallest p"].min()
        few = f", as with so few runs p cannot be below {show_p(least)}" if least > LEVEL else ""
        answer = f"That is not decidable with these runs{few}"
    else:
        answer = "That is not the same for every action, or not decidable for all"
    return (
        f"Does video of other actions help a model that knows the poses of one? {answer}. It makes the model, {told}."
    )


def _tell_change(row: Mapping[str, object]) -> str:
    """What video changes in a row of `tables_scarcity.scarcity_table`, beside how much seeds differ."""
    change, spread = row["Change [mm]"], row["Spread [mm]"]
    told = (
        f"{abs(change):.1f} mm {'better' if change < 0 else 'worse'}: {row[f'{SEMI_SUPERVISED}, mean']:.1f} against "
        f"{row[f'{SUPERVISED}, mean']:.1f} mm"
    )
    if max(row[f"{SEMI_SUPERVISED}, runs"], row[f"{SUPERVISED}, runs"]) < 2:
        return f"{told} (one seed, so that nobody knows how much seeds differ)"
    return f"{told}, {'more' if abs(change) > spread else 'no more'} than two seeds differ ({spread:.1f} mm at most)"


def _show(results: ScarcityResults, figure: Figure, name: str, caption: str) -> None:
    show_figure(figure, scarcity_dir(results) / name, caption)


def _title(results: ScarcityResults, what: str) -> str:
    comma = "" if what.endswith("?") else ","
    return f"{what}{comma} {name_data(results.data)}. {unit_epochs(results.config.unit_epochs)}"


def _caption(results: ScarcityResults, runs: list[Run]) -> str:
    return describe_runs(runs, results.data)


def _with_deviations(table: pd.DataFrame) -> pd.DataFrame:
    """Every mean with its standard deviation in one cell."""
    shown = table.copy()
    for column in [name for name in table if f"{name}, sd" in table]:
        shown[column] = [show_value(*row) for row in table[[column, f"{column}, sd"]].to_numpy()]
        shown = shown.drop(columns=f"{column}, sd")
    return shown


def _for_reading(table: pd.DataFrame) -> pd.DataFrame:
    """`tables_scarcity.scarcity_table` for reading."""
    shown = table[[name for name in ("Action", "Labelled [%]", "Frames", "Epochs") if name in table]].copy()
    if "Labelled [%]" in shown:
        shown["Labelled [%]"] = table["Labelled [%]"].map("{:g}".format)
    shown["Epochs"] = table["Epochs"].map("{:.3g}".format)
    for arm in (SUPERVISED, SEMI_SUPERVISED):
        rows = table[[f"{arm}, mean", f"{arm}, sd"]].to_numpy()
        shown[f"{arm}, MPJPE [mm]"] = [show_value(*row) for row in rows]
    shown["Change [mm]"] = table["Change [mm]"]
    shown["Seeds differ by [mm]"] = table["Spread [mm]"].map("{:.1f}".format, na_action="ignore")
    changes = table[["Change [%]", "Change, low [%]", "Change, high [%]"]].to_numpy()
    shown["Change [%]"] = [show_change(*row) for row in changes]
    shown["p, smallest p"] = [f"{show_p(p)}, {show_p(least)}" for p, least in table[["p", "Smallest p"]].to_numpy()]
    shown["Verdict"] = table["Verdict"]
    return shown
