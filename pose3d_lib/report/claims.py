"""What 04_results says of the paper's claims: the answer in five sentences, a verdict for each claim, and what it is owed to."""

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.common.tables import save_table
from pose3d_lib.report.figures.attribution import draw_attribution
from pose3d_lib.report.readable import show_change, show_p
from pose3d_lib.report.results import describe_all
from pose3d_lib.report.show import name_data, say, show_figure, show_table, unit_epochs
from pose3d_lib.runs.run import Run
from pose3d_lib.study.attribution import BATCH_NORM, BUDGET, DATA, LEARNING_RATE, WHOLE, attribution
from pose3d_lib.study.beyond import AS_MANY_FRAMES, share_of
from pose3d_lib.study.claims import SHOWN, judge_claims
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.config import EQUALISED, PUBLISHED
from pose3d_lib.study.evidence import Evidence
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.verdicts import NOT_DECIDABLE, NOT_REPRODUCED, REPRODUCED

UNLIKE = "equalised_"
"""Before the columns of `judge_claims` under the schedule that is the same for both arms."""


def gather_evidence(results: StudyResults) -> Evidence:
    """The runs of a study as the claims need them."""

    def under(length: float | None, budget: str) -> dict[str, Comparison]:
        wanted = {
            c.schedule: results.find(length, c.schedule, budget) for c in results.comparisons if c.budget == budget
        }
        return {schedule: comparison for schedule, comparison in wanted.items() if comparison is not None}

    as_many: dict[str, dict[str, list[Run]]] = {PUBLISHED: {}, EQUALISED: {}}
    for action in results.focus:
        for run in results.beyond.get(AS_MANY_FRAMES, []):
            if run.config.train_share == share_of(action, results.data):
                as_many[run.config.schedule].setdefault(action, []).append(run)
    short, long = results.config.short, results.config.long
    return Evidence(
        short=under(short, "equal_frames"),
        long=under(long, "equal_frames"),
        fifteen_short=under(short, "fifteen"),
        fifteen_long=under(long, "fifteen"),
        focus=tuple(results.focus),
        as_many_frames=as_many,
    )


def judge_study(results: StudyResults) -> pd.DataFrame:
    """A row per claim, as `judge_claims` gives them."""
    return judge_claims(gather_evidence(results))


def show_answer(results: StudyResults, claims: pd.DataFrame) -> None:
    """The answer in five sentences, every number of which is from run folders; saved as `answer.md`."""
    claims = claims.set_index("claim")
    sentences = [
        _what_was_compared(results),
        _early(claims.loc["C1"], results),
        _late(claims.loc["C2"], results),
        _owed_to(attribution(gather_evidence(results))),
        _in_all(claims, results),
    ]
    answer = "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1))
    caption = describe_all(results) if results.runs else "No run is finished yet."
    results.folder.mkdir(parents=True, exist_ok=True)
    (results.folder / "answer.md").write_text(f"{answer}\n\n{escape_markdown(caption)}\n", encoding="utf-8")
    say(answer)
    say(f"*{escape_markdown(caption)}*")


def _what_was_compared(results: StudyResults) -> str:
    data, config = results.data, results.config
    actions = {run.config.action for run in results.runs if not run.config.is_baseline}
    seeds = {run.config.seed for run in results.runs}
    lengths = " and ".join(f"{length:g}" for length in config.lengths)
    lengths += f" unit epoch{'s' if config.lengths[-1] != 1 else ''}"
    most = f"up to {len(seeds)} seeds" if len(seeds) > 1 else "a single seed"
    origin = (
        "**synthetic** data, where a program moved a body and nobody was filmed" if data.synthetic else "real motion"
    )
    return (
        f"One model of all actions was compared with one model per action, each trained on its action alone until it had seen "
        f"as many frames, on {origin} ({escape_markdown(data.name)}): {len(results.runs)} of {len(results.planned)} planned "
        f"runs are finished, of {len(actions)} actions, with {most}, {lengths} long (a unit epoch is a pass over all actions)."
    )


def change_in_words(row: pd.Series, prefix: str = "") -> str:
    """ "23.7 % above the original's (95 % interval +18.4 to +29.8 %)"."""
    effect, low, high = (row[f"{prefix}{name}"] for name in ("effect", "low", "high"))
    interval = f" (95 % interval {low:+.1f} to {high:+.1f} %)" if pd.notna(low) else " (no interval with so few runs)"
    return f"{abs(effect):.1f} % {'below' if effect < 0 else 'above'} the original's{interval}"


def _both_ways(row: pd.Series, claim: str) -> str:
    if pd.isna(row.effect):
        published = f"nothing was measured under the published schedule ({row.reason})"
    else:
        claim += f" and on {row.actions} action{'s' if row.actions != 1 else ''}"
        published = f"with the published schedule their error is {change_in_words(row)}, which makes the claim **{row.verdict}**"
    if pd.isna(row[f"{UNLIKE}effect"]):
        equal = "the schedule that both arms share was not run"
    else:
        equal = f"once both arms share one schedule it is {change_in_words(row, UNLIKE)}: **{row[f'{UNLIKE}verdict']}**"
    return f"{claim}: {published}; {equal}."


def _early(row: pd.Series, results: StudyResults) -> str:
    length = unit_epochs(results.config.short)
    return _both_ways(
        row, f"The paper finds the action-based models better after a short training (C1). Here, after {length}"
    )


def _late(row: pd.Series, results: StudyResults) -> str:
    if results.config.long is None:
        return "The paper finds them worse after a long training (C2): this study has no long runs."
    return _both_ways(
        row, f"The paper finds them worse after a long training (C2). Here, after {results.config.long:g} unit epochs"
    )


def _owed_to(parts: pd.DataFrame) -> str:
    told = []
    for claim, name in (("C1", "short"), ("C2", "long")):
        own = parts[parts.claim == claim].set_index("part")
        if own.effect[[WHOLE, DATA, LEARNING_RATE, BATCH_NORM]].notna().all():
            told.append(
                f"{own.effect[WHOLE]:+.1f} % in the {name} runs is {own.effect[DATA]:+.1f} by the data, "
                f"{own.effect[LEARNING_RATE]:+.1f} by the learning rate and {own.effect[BATCH_NORM]:+.1f} by batch norm"
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
    by_verdict = {verdict: list(own.index) for verdict, own in claims.groupby("verdict")}
    parts = []
    for verdict in (REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE):
        own = by_verdict.get(verdict, [])
        names = f" ({', '.join(own)})" if own else ""
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


def show_claims(results: StudyResults, claims: pd.DataFrame) -> None:
    """A verdict for each claim, the rules that decide, and why some cannot be decided."""
    shown = pd.DataFrame(
        {
            "Claim": claims.claim,
            "The paper says": claims.paper,
            "Measured here": claims.measured,
            "Effect [%]": [_effect(row) for _, row in claims.iterrows()],
            "p": claims.p.map(show_p),
            "Smallest p": claims.smallest_p.map(show_p),
            "Runs": claims.runs,
            "Verdict": claims.verdict,
            "Same schedule: effect [%]": [_effect(row, UNLIKE) for _, row in claims.iterrows()],
            "Same schedule: verdict": claims[f"{UNLIKE}verdict"],
        }
    )
    caption = f"[95 % interval over seeds and takes]. {describe_all(results) if results.runs else ''}"
    save_table(claims, results.folder / "claims", caption, shown)
    show_table(shown, caption)
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


def _effect(row: pd.Series, prefix: str = "") -> str:
    values = [row[f"{prefix}{name}"] for name in ("effect", "low", "high")]
    return "" if pd.isna(values[0]) else show_change(*values)


def show_attribution(results: StudyResults) -> None:
    """What the effects of the claims are owed to, as a table and a figure."""
    parts = attribution(gather_evidence(results))
    told = parts[parts.effect.notna()]
    if not (told.part == DATA).any():
        say("**The runs that tell the settings apart are not finished**; `-p study paper` makes them.")
        return
    caption = f"[95 % interval over seeds and takes]. {describe_all(results)}"
    shown = told.assign(effect=[show_change(*row) for row in told[["effect", "low", "high"]].to_numpy()])
    shown = shown.drop(columns=["low", "high"]).rename(columns=str.capitalize)
    save_table(parts, results.folder / "attribution", caption, shown)
    lengths = " and ".join(f"{length:g}" for length in results.config.lengths)
    actions = "; ".join(dict.fromkeys(told.actions))  # those in focus: the effects need not be those of all
    title = f"What the published effects are made of, {name_data(results.data)}. {actions}: trained for {lengths} unit epochs"
    show_figure(draw_attribution(told, title), results.folder / "figure_attribution", caption)
    show_table(shown, caption)
    for claim, own in told.groupby("claim", sort=False):
        effects = own.set_index("part").effect
        if {WHOLE, DATA, LEARNING_RATE, BATCH_NORM} <= set(effects.index):
            budget = f"; the budget of 15 epochs changes it by {effects[BUDGET]:+.1f}" if BUDGET in effects else ""
            say(
                f"**{claim}**: {effects[WHOLE]:+.1f} as published is {effects[DATA]:+.1f} (data) "
                f"{effects[LEARNING_RATE]:+.1f} (learning rate) {effects[BATCH_NORM]:+.1f} (batch norm), "
                f"{_weigh(effects[WHOLE], effects[[DATA, LEARNING_RATE, BATCH_NORM]])}{budget}."
            )


def _weigh(whole: float, parts: pd.Series) -> str:
    """Which part most of an effect is owed to, if that can be said: parts that are far larger than their sum cancel."""
    largest = parts.abs().idxmax()
    return (
        f"most of it by {largest}" if abs(parts[largest]) <= 1.5 * abs(whole) else "parts that cancel for the most part"
    )
