"""Human3.6M: its subjects, its known sizes and flaws, and sentences on what a copy of it lacks."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.sources import takes as selection
from pose3d_lib.data.sources.takes import Key

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}

KNOWN_FRAMES = {"train": 1_559_752, "test": 543_344}  # of the whole dataset, over four cameras
FPS = 50.0

TERMS = (
    "Human3.6M is given out for academic use only (http://vision.imar.ro/human3.6m), and weights that were trained on it are "
    "for academic use too."
)

TAKES = 2  # of every action by every subject
MOST_NAMED = 4  # takes of one action in a note

CORRUPT = ("S11", "Directions")  # subject and exact name of the file; `Directions 1` is another take
CORRUPT_KEY: Key = ("S11", "Directions", "0")
CORRUPT_NOTE = "S11's take `Directions` is left out because its recording is corrupt; `Directions 1` stays."

# Takes whose ground truth is displaced in the room, as users of the dataset report: the absolute error counts it, the
# error relative to the root hardly changes. The files are called `Greeting`, `SittingDown 1` and `Waiting 1`.
DRIFTING: tuple[Key, ...] = (("S9", "Greeting", "0"), ("S9", "SittingDown", "1"), ("S9", "Waiting", "1"))
DRIFTING_WORD = "drifting"  # stands for all of them in the parameter `leave_out`


def leave_out(keys: Collection[Key], names: Sequence[str], where: object) -> tuple[list[Key], list[str]]:
    """The takes that stay, in order, and notes on those that do not and on the drifting ones that do.

    As `takes.leave_out`; the names may also be "drifting" and that of the corrupt take, which is none of the keys.
    """
    names = [name for name in names if name != "/".join(CORRUPT_KEY)]
    drifting = ["/".join(key) for key in DRIFTING if key in keys]
    kept, notes = selection.leave_out(keys, names, where, **{DRIFTING_WORD: drifting})
    if stay := ["/".join(key) for key in DRIFTING if key in kept]:
        notes.append(
            f"The ground truth of {', '.join(stay)} is known to be displaced in the room, which changes absolute errors "
            f"and hardly those relative to the root. `leave_out` = {DRIFTING_WORD} leaves these takes out."
        )
    return kept, notes


def describe_missing_takes(keys: Iterable[Key]) -> list[str]:
    """Notes on subjects with fewer or more than two takes of an action; the keys are all but the corrupt one."""
    found: dict[str, dict[str, list[str]]] = {}
    for subject, action, take in keys:
        found.setdefault(subject, {}).setdefault(action, []).append(take)
    said, whole = [], f"Human3.6M has {TAKES} takes of every action by every subject"
    for subject, actions in found.items():
        fewer, more = [], []
        for action in H36M_ACTIONS:
            takes, known = sorted(actions.get(action, ())), TAKES - ((subject, action) == CORRUPT)
            if len(takes) != known:
                named = f" ({', '.join(takes[:MOST_NAMED])}{', ...' * (len(takes) > MOST_NAMED)})" if takes else ""
                (fewer if len(takes) < known else more).append(f"{len(takes)} of {action}{named}")
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
    """Notes on missing subjects, and on frame totals other than those of the whole dataset.

    `present` maps "train" and "test" to those of `SUBJECTS` that are there.
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
