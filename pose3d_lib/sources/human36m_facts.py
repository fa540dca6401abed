"""Human3.6M: its subjects, its known sizes and flaws, and sentences on what a copy of it lacks."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from pose3d_lib.actions import H36M_ACTIONS
from pose3d_lib.sources.selection import Key

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}

KNOWN_FRAMES = {"train": 1_559_752, "test": 543_344}
"""Frames over four cameras that work on the whole dataset trains and tests on."""

FPS = 50.0
CAMERAS = 4

TAKES = 2
"""Of every action by every subject."""

CORRUPT = ("S11", "Directions")
"""Subject and name, letter for letter, of the take that everybody leaves out; `Directions 1` is another one."""

CORRUPT_NOTE = "S11's take `Directions` is left out because its recording is corrupt; `Directions 1` stays."

DRIFTING: tuple[Key, ...] = (("S9", "Greeting", "0"), ("S9", "SittingDown", "1"), ("S9", "Waiting", "1"))
"""Takes whose ground truth is displaced in the room, as users of the dataset report: the absolute error counts it, the
error relative to the root hardly changes. The files are called `Greeting`, `SittingDown 1` and `Waiting 1`."""

DRIFTING_WORD = "drifting"
"""What stands for all of `DRIFTING` in the parameter `leave_out`."""


def expand_drifting(names: Sequence[str], keys: Iterable[Key]) -> tuple[str, ...]:
    """The names of takes to leave out, the word "drifting" replaced by those of `DRIFTING` that are among the keys."""
    present = set(keys)
    drifting = ["/".join(key) for key in DRIFTING if key in present]
    kept = [name for name in names if name != DRIFTING_WORD]
    return tuple(dict.fromkeys([*kept, *(drifting if DRIFTING_WORD in names else ())]))


def describe_drifting(keys: Iterable[Key]) -> list[str]:
    """A sentence on the drifting takes among those that are used, if there are any."""
    present = set(keys)
    drifting = ["/".join(key) for key in DRIFTING if key in present]
    if not drifting:
        return []
    return [
        f"The ground truth of {', '.join(drifting)} is known to be displaced in the room, which changes absolute errors "
        f"and hardly those relative to the root. `leave_out` = {DRIFTING_WORD} leaves these takes out."
    ]


def describe_missing_takes(keys: Iterable[Key]) -> list[str]:
    """A sentence for each subject of whom not every action has its two takes.

    Args:
        keys: every take that was found, those left out by choice included, the corrupt one not.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for subject, action, take in keys:
        found.setdefault(subject, {}).setdefault(action, []).append(take)
    said = []
    for subject, actions in found.items():
        odd = []
        for action in H36M_ACTIONS:
            takes, known = sorted(actions.get(action, ())), TAKES - ((subject, action) == CORRUPT)
            if len(takes) != known:
                named = f" ({', '.join(takes)})" if takes else ""
                odd.append(f"{action} {len(takes)}{named} of {known}")
        if odd:
            said.append(f"{subject} does not have the takes of the whole dataset: {'; '.join(odd)}.")
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
