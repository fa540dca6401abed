"""The answer to the paper's question in five sentences, every number of which is from run folders."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pose3d_lib.common.escaping import escape_markdown
from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.report.readable import show_change, tell_change, tell_interval
from pose3d_lib.report.record import StudyRecord
from pose3d_lib.report.results import tell_heterogeneity
from pose3d_lib.report.show import say, unit_epochs
from pose3d_lib.study import verdicts
from pose3d_lib.study.config import PUBLISHED
from pose3d_lib.study.evidence import FOCUS, MAIN, ONE_SCHEDULE, STALE
from pose3d_lib.study.tables_beyond import labels

WITHOUT_RUNS = "No replicate is complete yet: run `03_action_based` with the same parameters first."
FILES = {"answer": 5, "result": 3}  # name -> how many of the sentences it holds


def show_answer(record: StudyRecord) -> None:
    """The answer, or what to do for one; saved as FILES."""
    sentences = answer(record)
    caption = f"\n\n*{escape_markdown(record.describe(*record.conditions))}*" if sentences else ""
    numbered = [f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1)] or [WITHOUT_RUNS]
    record.folder.mkdir(parents=True, exist_ok=True)
    for name, count in FILES.items():
        (record.folder / f"{name}.md").write_text("\n".join(numbered[:count]) + f"{caption}\n", encoding="utf-8")
    say("\n".join(numbered) + caption)


def answer(record: StudyRecord) -> list[str]:
    """The five sentences; none without a complete replicate of the short runs."""
    view = record.main(record.config.short)
    ratios = record.ratios(view)
    if not ratios.y.size:
        return []
    claims = record.claims.set_index(["claim", "variant"])
    effects, mean = 100 * np.expm1(ratios.y.mean(axis=1)), ratios.mean()
    of_actions = f"on {escape_markdown(effects.index[0])}, the only action"
    if len(effects) > 1:
        ends = " to ".join(
            f"{round(effects[name]):+} % for {escape_markdown(name)}" for name in (effects.idxmin(), effects.idxmax())
        )
        words = list(map(verdicts.word_change, *ratios.single()))
        sure = ", ".join(f"{word} on {words.count(word)}" for word in (verdicts.BETTER, verdicts.WORSE))
        of_actions = f"better on {(effects < 0).sum()} of {len(effects)} actions, from {ends} (significantly {sure})"
    usual = (PUBLISHED, "equal_frames")
    rules = "" if (view.condition.schedule, view.condition.budget) == usual else f", {', '.join(view.rules[1:])}"
    new = "other takes of these people" if record.observations.shared_takes else "new people, new takes"
    about = f", about {new} and new trainings" if ratios.y.shape[1] > 1 else ""
    first = (
        f"On {escape_markdown(record.name)}, the action-based models are **{tell_change(mean.value)}** on average after "
        f"{unit_epochs(record.config.short)}{rules} ({tell_interval(mean.low, mean.high)}{about}), {of_actions}: that they are "
        f"better after a short training (C1) is **{claims.verdict['C1', MAIN.name]}**."
    )
    return [
        first,
        tell_heterogeneity(ratios),
        _long(record, claims),
        _variants(record, claims),
        _in_all(record, claims),
    ]


def _long(record: StudyRecord, claims: pd.DataFrame) -> str:
    """What is different after a long training, and where velocity says something else."""
    long = claims.loc["C2", MAIN.name]
    if record.config.long is None:
        told = "This study has no long runs (`-p study paper` adds them)"
    elif not long.replicates:
        told = f"The long runs decide nothing yet ({escape_markdown(long.reason)}): `03_action_based` makes them"
    else:
        told = (
            f"After {unit_epochs(record.config.long)} they are **{tell_change(long.effect)}** "
            f"({tell_interval(long.low, long.high)}): that they are worse after a long training (C2) is **{long.verdict}**"
        )
    for claim, length, worded in (("C1", record.config.short, "lower"), ("C2", record.config.long, "higher")):
        own, velocity = claims.loc[claim, MAIN.name], claims.loc[f"{claim} velocity", MAIN.name]
        if velocity.replicates and velocity.verdict != own.verdict:
            what = f"that their velocity error is {worded} after {unit_epochs(length)} ({claim} velocity)"
            told += f"; {what} is {_judged(velocity)}"
    return f"{told}."


def _judged(row: pd.Series) -> str:
    return f"**{row.verdict}** ({_sized(row)})"


def _sized(row: pd.Series) -> str:
    change, *interval = show_change(row.effect, row.low, row.high).split(" [")
    return " [".join([f"{change} %", *interval])


def _variants(record: StudyRecord, claims: pd.DataFrame) -> str:
    """Where the verdicts on C1 and C2 depend on how they are judged, and what it takes to use an action-based model."""
    names = {
        FOCUS.name: f"on {escape_markdown(_and(record.observations.focus(record.config)))} alone",
        STALE.name: "with the batch-norm statistics as published",
        ONE_SCHEDULE.name: "with one learning-rate schedule for both arms",
    }
    parts, agree, unknown = [], [], []
    measured = [claim for claim in ("C1", "C2") if claims.loc[claim, MAIN.name].replicates]
    for variant, name in names.items():
        known = [claim for claim in measured if claims.loc[claim, variant].replicates]
        other = [claim for claim in known if claims.verdict[claim, variant] != claims.verdict[claim, MAIN.name]]
        if variant == STALE.name:  # whose size is told whatever the verdict: it is the published result
            other = known
        if other:
            parts.append(f"{name}, {_and([f'{claim} is {_judged(claims.loc[claim, variant])}' for claim in other])}")
        else:
            (agree if known else unknown).append(name)
    if agree:
        same = "the verdicts on C1 and C2 are" if len(measured) > 1 else f"the verdict on {measured[0]} is"
        parts.append(f"{_and(agree)} {same} the same")
    if unknown:
        parts.append(f"{_and(unknown)} nothing was run")
    if prices := wrong_label(record.beyond.get("transfer", pd.DataFrame())):
        own, others, original = prices
        length = unit_epochs(record.config.lengths[-1])
        parts.append(
            f"the action must be known at test time: after {length} an action-based model errs by "
            f"{own:.0f} mm on its own action and by {others:.0f} mm on another, the original by {original:.0f} mm"
        )
    told = "; ".join(parts)
    return f"{told[0].upper()}{told[1:]}."


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def wrong_label(table: pd.DataFrame) -> tuple[float, float, float] | None:
    """Mean MPJPE, mm, of action-based models on their own action and on another, and of the original, of `transfer`.

    None where models were not tested on the actions of others, or where there is one action.
    """
    means = labels(table).groupby(["arm", "known"]).mpjpe.mean() if len(table) else {}
    keys = (ACTION_BASED, "yes"), (ACTION_BASED, "no"), (ORIGINAL, "")
    return tuple(float(means[key]) for key in keys) if all(key in means for key in keys) else None


def _in_all(record: StudyRecord, claims: pd.DataFrame) -> str:
    """The verdicts in numbers, and time."""
    main = claims.xs(MAIN.name, level="variant")
    parts = []
    for verdict in (verdicts.REPRODUCED, verdicts.NOT_REPRODUCED, verdicts.NOT_DECIDABLE, verdicts.NOT_MEASURED):
        if own := list(main.index[main.verdict == verdict]):
            parts.append(f"{len(own)} {'is' if len(own) == 1 else 'are'} {verdict} ({_and(own)})")
    time = f"time is {verdicts.NOT_MEASURED}: {escape_markdown(main.reason['C3'])}"
    if main.replicates["C3"]:
        per_window, total = (_sized(main.loc[claim]) for claim in ("C3", "C8"))
        told = f"{per_window} per million windows (C3) and by {total} in all (C8)"
        if per_window == total:
            told = f"{total}, per million windows (C3) as in all (C8)"
        time = f"the training time of an action-based model differs from the original's by {told}"
    synthetic = ", on synthetic motion, which says nothing about Human3.6M" if record.about.synthetic else ""
    return f"Of the paper's {len(main)} claims, {_and(parts)}{synthetic}; {time}."
