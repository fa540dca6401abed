"""What 04_results says of the paper's claims: the answer in five sentences, a verdict for each claim, and the causes."""

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.report.figures.study import draw_attribution
from pose3d_lib.report.readable import fill, show_change, show_p
from pose3d_lib.report.results import name_results, show_and_save
from pose3d_lib.report.show import say, show_figure, unit_epochs
from pose3d_lib.study.attribution import BATCH_NORM, BUDGET, DATA, LEARNING_RATE, SUMMANDS, WHOLE
from pose3d_lib.study.claims import SHOWN
from pose3d_lib.study.comparison import describe_runs
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.verdicts import NOT_DECIDABLE, NOT_REPRODUCED, REPRODUCED

UNLIKE = "equalised_"  # before the columns of `judge_claims` under the schedule that is the same for both arms


def show_answer(results: StudyResults) -> None:
    """The answer in five sentences, every number of which is from run folders; saved as `answer.md`."""
    claims = results.claims.set_index("claim")
    short, long = results.config.short, results.config.long
    early = (
        f"The paper finds the action-based models better after a short training (C1). Here, after {unit_epochs(short)}"
    )
    early = _both_ways(claims.loc["C1"], early)
    late = "The paper finds them worse after a long training (C2)"
    if long is None:
        late += ": this study has no long runs."
    else:
        late = _both_ways(claims.loc["C2"], f"{late}. Here, after {unit_epochs(long)}")
    sentences = _compared(results), early, late, _causes(results.attribution), _in_all(claims, results)
    answer = "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1))
    caption = escape_markdown(describe_runs(results.runs, results.data) if results.runs else "No run is finished yet.")
    results.folder.mkdir(parents=True, exist_ok=True)
    (results.folder / "answer.md").write_text(f"{answer}\n\n{caption}\n", encoding="utf-8")
    say(answer)
    say(f"*{caption}*")


def _compared(results: StudyResults) -> str:
    data, config = results.data, results.config
    actions = {run.config.action for run in results.runs if not run.config.is_baseline}
    seeds = {run.config.seed for run in results.runs}
    most = f"up to {len(seeds)} seeds" if len(seeds) > 1 else "a single seed"
    origin = (
        "**synthetic** data, where a program moved a body and nobody was filmed" if data.synthetic else "real motion"
    )
    return (
        f"One model of all actions was compared with one model per action, each trained on its action alone until it had seen "
        f"as many frames, on {origin} ({escape_markdown(data.name)}): {len(results.runs)} of {len(results.planned)} planned "
        f"runs are finished, of {len(actions)} actions, with {most}, {unit_epochs(*config.lengths)} long (a unit epoch is a pass "
        "over all actions)."
    )


def _both_ways(row: pd.Series, claim: str) -> str:
    if pd.isna(row.effect):
        published = f"nothing was measured under the published schedule ({row.reason})"
    else:
        claim += f" and on {row.actions} action{'s' if row.actions != 1 else ''}"
        published = (
            f"with the published schedule their error is {_change(row)}, which makes the claim **{row.verdict}**"
        )
    if pd.isna(row[f"{UNLIKE}effect"]):
        equal = "the schedule that both arms share was not run"
    else:
        equal = f"once both arms share one schedule it is {_change(row, UNLIKE)}: **{row[f'{UNLIKE}verdict']}**"
    return f"{claim}: {published}; {equal}."


def _change(row: pd.Series, prefix: str = "") -> str:
    """ "23.7 % above the original's (95 % interval +18.4 to +29.8 %)"."""
    effect, low, high = (row[f"{prefix}{name}"] for name in ("effect", "low", "high"))
    interval = f" (95 % interval {low:+.1f} to {high:+.1f} %)" if pd.notna(low) else " (no interval with so few runs)"
    return f"{abs(effect):.1f} % {'below' if effect < 0 else 'above'} the original's{interval}"


def _causes(parts: pd.DataFrame) -> str:
    told = []
    for claim, name in (("C1", "short"), ("C2", "long")):
        effect = parts[parts.claim == claim].set_index("part").effect
        if effect[[WHOLE, *SUMMANDS]].notna().all():
            told.append(
                f"{effect[WHOLE]:+.1f} % in the {name} runs is {effect[DATA]:+.1f} by the data, "
                f"{effect[LEARNING_RATE]:+.1f} by the learning rate and {effect[BATCH_NORM]:+.1f} by batch norm"
            )
    if not told:
        return (
            "What a difference is owed to, the data or the schedule, which in the published procedure differs between the "
            "arms, cannot be said: the runs that tell them apart are not finished (`-p study paper` makes them)."
        )
    actions = escape_markdown(parts[parts.part == WHOLE].actions.iloc[0])
    return (
        f"The published schedule lowers the learning rate, and in short runs the batch-norm momentum, faster for the "
        f"action-based models, so only a part of a difference is owed to the data: on {actions}, the actions in focus, "
        f"{'; '.join(told)}."
    )


def _in_all(claims: pd.DataFrame, results: StudyResults) -> str:
    parts = []
    for verdict in (REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE):
        own = claims.index[claims.verdict == verdict]
        names = f" ({', '.join(own)})" if len(own) else ""
        parts.append(f"{len(own)} {'is' if len(own) == 1 else 'are'} {verdict}{names}")
    caution = (
        "they are about synthetic motion, and say nothing about Human3.6M, whose figures are only quoted"
        if results.data.synthetic
        else f"they hold for {escape_markdown(results.data.name)}; the paper's own figures, on Human3.6M, are only quoted"
    )
    return (
        f"Of the paper's eight claims, judged with its own procedure, {parts[0]} with these runs, {parts[1]}, and {parts[2]}; "
        f"{caution}."
    )


def show_claims(results: StudyResults) -> None:
    """A verdict for each claim, the rules that decide, and why some cannot be decided."""
    claims = results.claims
    effects = {how: (show_change, [f"{how}{name}" for name in ("effect", "low", "high")]) for how in ("", UNLIKE)}
    columns = {
        "Claim": "claim",
        "The paper says": "paper",
        "Measured here": "measured",
        "Effect [%]": effects[""],
        "p": (show_p, ["p"]),
        "Smallest p": (show_p, ["smallest_p"]),
        "Runs": "runs",
        "Verdict": "verdict",
        "Same schedule: effect [%]": effects[UNLIKE],
        "Same schedule: verdict": f"{UNLIKE}verdict",
    }
    show_and_save(claims, results.folder / "claims", _caption(results), fill(claims, columns))
    rules = "\n".join(f"- **{row.claim}**: {row.rule}" for row in claims.itertuples())
    say(f"The rules. {SHOWN}\n\n{rules}")
    doubts = [
        f"- **{row.claim}**{how}: {escape_markdown(reason)}."
        for row in claims.itertuples()
        for how, reason in (("", row.reason), (", same schedule", row.equalised_reason))
        if reason
    ]
    if doubts:
        say("Why some are not decidable with these runs:\n\n" + "\n".join(doubts))


def _caption(results: StudyResults) -> str:
    seen = describe_runs(results.runs, results.data) if results.runs else ""
    return f"[95 % interval over seeds and takes]. {seen}"


def show_attribution(results: StudyResults) -> None:
    """The parts of the effects behind the claims, as a table and a figure."""
    parts = results.attribution
    told = parts[parts.effect.notna()]
    if not (told.part == DATA).any():
        say("**The runs that tell the settings apart are not finished**; `-p study paper` makes them.")
        return
    caption = _caption(results)
    lengths = unit_epochs(*results.config.lengths)
    actions = "; ".join(dict.fromkeys(told.actions))  # those in focus: the effects need not be those of all
    title = f"What the published effects are made of, {name_results(results)}. {actions}: trained for {lengths}"
    show_figure(draw_attribution(told, title), results.folder / "figure_attribution", caption)
    columns = {name.capitalize(): name for name in told.columns.drop(["low", "high"])}
    shown = fill(told, columns | {"Effect": (show_change, ["effect", "low", "high"])})
    show_and_save(parts, results.folder / "attribution", caption, shown)
    for claim, own in told.groupby("claim", sort=False):
        effects = own.set_index("part").effect
        if {WHOLE, *SUMMANDS} <= set(effects.index):
            budget = f"; the budget of 15 epochs changes it by {effects[BUDGET]:+.1f}" if BUDGET in effects else ""
            say(
                f"**{claim}**: {effects[WHOLE]:+.1f} as published is {effects[DATA]:+.1f} (data) "
                f"{effects[LEARNING_RATE]:+.1f} (learning rate) {effects[BATCH_NORM]:+.1f} (batch norm), "
                f"{_weigh(effects[WHOLE], effects[[*SUMMANDS]])}{budget}."
            )


def _weigh(whole: float, parts: pd.Series) -> str:
    """The part that causes most of an effect, if there is one: parts that are far larger than their sum cancel."""
    largest = parts.abs().idxmax()
    return (
        f"most of it by {largest}" if abs(parts[largest]) <= 1.5 * abs(whole) else "parts that cancel for the most part"
    )
