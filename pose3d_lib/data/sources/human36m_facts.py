"""Human3.6M: its subjects, its known sizes and flaws, and sentences on what a copy of it lacks."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from pose3d_lib.data.actions import H36M_ACTIONS, check_name
from pose3d_lib.data.sources import takes as selection
from pose3d_lib.data.sources.takes import Key

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}

KNOWN_FRAMES = {"train": 1_559_752, "test": 543_344}
"""Frames over four cameras that work on the whole dataset trains and tests on."""

FPS = 50.0

TERMS = (
    "Human3.6M is given out for academic use only (http://vision.imar.ro/human3.6m), and weights that were trained on it are "
    "for academic use too."
)

TAKES = 2
"""Of every action by every subject."""

MOST_NAMED = 4
"""Takes of one action that a sentence lists."""

CORRUPT = ("S11", "Directions")
"""Subject and name, letter for letter, of the take that everybody leaves out; `Directions 1` is another one."""

CORRUPT_KEY: Key = ("S11", "Directions", "0")

CORRUPT_NOTE = "S11's take `Directions` is left out because its recording is corrupt; `Directions 1` stays."

DRIFTING: tuple[Key, ...] = (("S9", "Greeting", "0"), ("S9", "SittingDown", "1"), ("S9", "Waiting", "1"))
"""Takes whose ground truth is displaced in the room, as users of the dataset report: the absolute error counts it, the
error relative to the root hardly changes. The files are called `Greeting`, `SittingDown 1` and `Waiting 1`."""

DRIFTING_WORD = "drifting"
"""What stands for all of `DRIFTING` in the parameter `leave_out`."""


def name_drifting(names: Sequence[str], keys: Iterable[Key]) -> list[str]:
    """The names of takes to leave out, the word "drifting" replaced by those of `DRIFTING` that are among the keys."""
    if DRIFTING_WORD not in names:
        return list(names)
    present = set(keys)
    drifting = ["/".join(key) for key in DRIFTING if key in present]
    return list(dict.fromkeys([*(name for name in names if name != DRIFTING_WORD), *drifting]))


def leave_out(keys: Sequence[Key], names: Sequence[str], where: object) -> tuple[list[Key], list[str]]:
    """The takes that stay, in order, and notes on those that do not and on the drifting ones that do.

    Args:
        keys: every take, the corrupt one not.
        names: those to leave out, each as "subject/action/take"; "drifting" stands for the takes of `DRIFTING`, and the
            corrupt take, which is left out anyway, may be named.
        where: the file or folder, for messages.
    """
    names = [name for name in names if name != "/".join(CORRUPT_KEY)]
    for name in names:
        check_name(name, [DRIFTING_WORD, *("/".join(key) for key in keys)], f"take to leave out of {where}")
    kept, notes = selection.leave_out(keys, name_drifting(names, keys), where)
    if drifting := ["/".join(key) for key in DRIFTING if key in kept]:
        notes.append(
            f"The ground truth of {', '.join(drifting)} is known to be displaced in the room, which changes absolute errors "
            f"and hardly those relative to the root. `leave_out` = {DRIFTING_WORD} leaves these takes out."
        )
    return kept, notes


def describe_missing_takes(keys: Iterable[Key]) -> list[str]:
    """Sentences on each subject of whom not every action has its two takes.

    Args:
        keys: every take that was found, those left out by choice included, the corrupt one not.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for subject, action, take in keys:
        found.setdefault(subject, {}).setdefault(action, []).append(take)
    said = []
    for subject, actions in found.items():
        fewer, more = [], []
        for action in H36M_ACTIONS:
            takes, known = sorted(actions.get(action, ())), TAKES - ((subject, action) == CORRUPT)
            if len(takes) != known:
                named = f" ({', '.join(takes[:MOST_NAMED])}{', ...' * (len(takes) > MOST_NAMED)})" if takes else ""
                (fewer if len(takes) < known else more).append(f"{len(takes)} of {action}{named}")
        whole = f"Human3.6M has {TAKES} takes of every action by every subject"
        if fewer:
            said.append(
                f"{subject}: takes are missing. {whole}; here are {', '.join(fewer)}. Add the missing ones to compare errors "
                "with published ones."
            )
        if more:
            said.append(
                f"{subject}: more takes than Human3.6M's. {whole}; here are {', '.join(more)}. Errors compare with published "
                "ones only on the original takes; `leave_out` leaves others out."
            )
    return said


def describe_totals(clips: pd.DataFrame, present: Mapping[str, Sequence[str]]) -> list[str]:
    """Sentences on missing subjects, and on frame totals other than those of the whole dataset.

    Args:
        clips: the dataset's table of clips.
        present: "train" and "test" -> those of `SUBJECTS` that are there.
    """
    said = []
    for split, subjects in present.items():
        missing = [subject for subject in SUBJECTS[split] if subject not in subjects]
        if missing:
            said.append(f"Missing {split} subjects: {', '.join(missing)}.")
        chosen = clips[clips.subject.isin(subjects)]
        found, known = int((chosen.stop - chosen.start).sum()), KNOWN_FRAMES[split]
        if found != known:
            said.append(f"Found {found:,} {split} frames over four cameras; the whole dataset has {known:,}.")
    return said
