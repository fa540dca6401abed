"""What 04_results says of the paper's claims: a verdict for each, how else it can be judged, and the causes."""

import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.model.evaluate import NAMES
from pose3d_lib.report.figures.study import draw_attribution
from pose3d_lib.report.readable import fill, show_change, show_p
from pose3d_lib.report.record import SCHEDULE_WORDS, StudyRecord
from pose3d_lib.report.results import MAKE_LONG
from pose3d_lib.report.show import fold, say, show_and_save, show_figure, unit_epochs
from pose3d_lib.study.claims import CLAIMS, QUOTED, reported_changes
from pose3d_lib.study.evidence import MAIN
from pose3d_lib.study.tables import DATA, LEARNING_RATE, NO_PROPERTY, QUANTITIES, STALE, WHOLE, attribution
from pose3d_lib.study.verdicts import NOT_DECIDABLE, NOT_MEASURED

# Claim -> length and metric of the changes that the paper's tables give.
QUOTED_OF = {**QUANTITIES, "C3": ("long", "seconds")}

PARTS = (
    "For each claim, the change as published on top, and below the line the three parts that it is the sum of: the data, the "
    "learning rate and stale statistics. Left of zero speaks for the action-based model."
)


def claims_table(claims: pd.DataFrame) -> pd.DataFrame:
    """A row per claim for reading, the verdict in the second column, from `judge_claims`."""
    main = claims[claims.variant == MAIN.name]
    columns = {
        "Claim": "claim",
        "Verdict": "verdict",
        "Change [%]": (show_change, ["effect", "low", "high"]),
        "The paper says": (say_claims().get, ["claim"]),
        "Actions, replicates": (_counts, ["actions", "replicates"]),
    }
    return fill(main, columns)


def _counts(actions: int, replicates: int) -> str:
    """ "15, 4"; empty of what is not measured."""
    return f"{actions}, {replicates}" if replicates else ""


def say_claims() -> dict[str, str]:
    """By name the claims in a few words, with the changes that the paper gives: "better ... (-7.6 % Eating, +0.5 % Sitting)"."""
    told = {}
    for claim in CLAIMS:
        length, metric = QUOTED_OF.get(claim.name, ("", ""))
        rows = QUOTED[(QUOTED.length == length) & (QUOTED.metric == metric)]
        quoted = ", ".join(f"{row.change:+z.1f} % {row.action}" for row in rows.itertuples())
        told[claim.name] = f"{claim.short} ({quoted})" if quoted else claim.short
    return told


def show_claims(record: StudyRecord) -> None:
    """A verdict for each claim, the rules that decide, how else it can be judged, and why some cannot be decided."""
    claims, gains = record.claims, "C5 and " * record.observations.shared_takes
    trainings = (
        f"The intervals of {gains}C6 are about other trainings on the same data alone, those of C3 and C8 about timing the runs "
        "of one action again."
    )
    schedule = SCHEDULE_WORDS[record.config.main_schedule]
    caption = f"Main verdicts: all actions (of C3 and C8 one), {schedule}, recomputed statistics."
    about = f"{record.describe(*map(record.config.condition, record.config.lengths))} {trainings}"
    show_and_save(claims, record.folder / "claims", caption, claims_table(claims), about=about)
    rules = "\n".join(f"- **{claim.name}**: {claim.measured}. {claim.rule.words}" for claim in CLAIMS)
    fold("The rules that decide", rules)
    focus = ", ".join(record.observations.focus(record.config))
    ways = f"Change [%] and verdict, judged in other ways; empty: not judged in this way. In focus: {focus}."
    path, about = record.folder / "claims_details", f"{record.describe(*record.conditions)} {trainings}"
    show_and_save(details_table(claims), path, ways, about=about, folded="The same claims, judged in other ways")
    main = claims[(claims.variant == MAIN.name) & (claims.reason != "")]
    if len(main):
        doubts = "\n".join(f"- **{row.claim}**: {escape_markdown(row.reason)}." for row in main.itertuples())
        fold(f"Why some are {NOT_DECIDABLE} or {NOT_MEASURED}", doubts)
    say(f"*{escape_markdown(about)}*")


def details_table(claims: pd.DataFrame) -> pd.DataFrame:
    """A row per claim, a column per way to judge it; empty where a claim is not judged in that way."""
    changes = claims.apply(lambda row: show_change(row.effect, row.low, row.high), axis=1)
    told = (changes + ", " + claims.verdict).str.removeprefix(", ")
    wide = claims.assign(told=told).pivot(index="claim", columns="variant", values="told").fillna("")
    wide = wide.loc[claims.claim.unique(), claims.variant.unique()].rename(columns=str.capitalize)
    return wide.rename_axis(index="Claim").reset_index()


def show_reported(record: StudyRecord) -> None:
    """C6: for each change that the paper reports, whether one run per arm could show it."""
    table = reported_changes(record.observations)
    if not len(table):
        say(f"**No finished runs that differ in their training seed alone.** {MAKE_LONG}")
        return
    columns = {
        "Table": "table",
        "Action": "action",
        "Error": (NAMES.get, ["metric"]),
        "Reported [%]": (show_change, ["change"]),
        "One run shows [%]": (lambda *own: show_change(*own).replace("+", ""), ["least", "low", "high"]),
        "Shown by one run": "shown",
    }
    caption = (
        "1.96 √2 times the standard deviation over training seeds of short runs on one dataset, and its 95 % interval (chi "
        "squared): they are about other trainings alone."
    )
    folded = "C6: whether one run of each arm could show the changes that the paper reports"
    show_and_save(table, record.folder / "table_reported", caption, fill(table, columns), folded=folded)


def show_attribution(record: StudyRecord) -> None:
    """The parts of the effects behind the claims, as a table and a figure."""
    parts = attribution(record.observations, record.config)
    if not len(parts):
        say("**This takes finished runs of both schedules**, which `-p study paper` makes.")
        return
    lengths = unit_epochs(*record.config.lengths)
    title = f"What the published change is made of, {record.name}. {lengths}, mean of {parts.actions.max()} actions"
    caption = record.describe(*record.conditions)
    if record.observations.shared_takes:
        caption += f" Those of {LEARNING_RATE} and {STALE} are about other trainings alone."
    show_figure(draw_attribution(parts, title), record.folder / "figure_attribution", PARTS)
    columns = {"Claim": "claim", "Part": "part", "Change [%]": (show_change, ["effect", "low", "high"])}
    columns |= {"Log points": ("{:+z.1f}".format, ["log_points"]), "p": (show_p, ["p"])}
    columns |= {"Actions, replicates": (_counts, ["actions", "replicates"])}
    told, folded = "The changes multiply up, the log points add up.", "The parts in numbers"
    show_and_save(parts, record.folder / "attribution", told, fill(parts, columns), about=caption, folded=folded)
    for claim, own in parts.groupby("claim", sort=False):
        effects = own.set_index("part").effect
        say(
            f"**{claim}**: {effects[WHOLE]:+z.1f} % as published is {effects[DATA]:+z.1f} % ({DATA}), "
            f"{effects[LEARNING_RATE]:+z.1f} % ({LEARNING_RATE}) and {effects[STALE]:+z.1f} % ({STALE})."
        )
    say(NO_PROPERTY)
    say(f"*{escape_markdown(caption)}*")
