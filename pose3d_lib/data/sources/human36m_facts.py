"""Human3.6M: its subjects, its known sizes and flaws, and sentences on what a copy of it lacks."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.data.dataset import PoseDataset
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

CORRUPT: Key = ("S11", "Directions", "0")  # the file `Directions`; `Directions 1` is another take
CORRUPT_NOTE = "S11's take `Directions` is left out because its recording is corrupt; `Directions 1` stays."

# Takes whose ground truth is displaced in the room, as users of the dataset report: the absolute error counts it, the
# error relative to the root hardly changes. The files are called `Greeting`, `SittingDown 1` and `Waiting 1`.
DRIFTING: tuple[Key, ...] = (("S9", "Greeting", "0"), ("S9", "SittingDown", "1"), ("S9", "Waiting", "1"))
DRIFTING_WORD = "drifting"  # stands for all of them in the parameter `leave_out`


def leave_out(keys: Collection[Key], names: Sequence[str], where: object) -> tuple[list[Key], list[str]]:
    """The takes that stay, in order, and notes on those that do not and on the drifting ones that do.

    As `takes.leave_out`; the names may also be "drifting". The corrupt take is always left out.
    """
    whole = [key for key in keys if key != CORRUPT]
    notes = [CORRUPT_NOTE] if CORRUPT in keys else []
    drifting = ["/".join(key) for key in DRIFTING if key in keys]
    names = [name for name in names if name != "/".join(CORRUPT)]
    kept, said = selection.leave_out(whole, names, where, **{DRIFTING_WORD: drifting})
    notes += said
    if stay := ["/".join(key) for key in DRIFTING if key in kept]:
        notes.append(
            f"The ground truth of {', '.join(stay)} is known to be displaced in the room, which changes absolute errors "
            f"and hardly those relative to the root. `leave_out` = {DRIFTING_WORD} leaves these takes out."
        )
    return kept, notes


def present_subjects(
    keys: Iterable[Key], wanted: Mapping[str, Sequence[str]], where: object
) -> dict[str, tuple[str, ...]]:
    """`train_subjects` and `test_subjects`: those of the wanted ones, by "train" and "test", who are there."""
    there = list(dict.fromkeys(subject for subject, _, _ in keys))
    present = {split: tuple(subject for subject in own if subject in there) for split, own in wanted.items()}
    for split, own in wanted.items():
        if own and not present[split]:
            raise InputError(
                f"{where}: has no {split} subject; found {', '.join(there) or 'none'}, expected some of {', '.join(own)}"
            )
    return {f"{split}_subjects": own for split, own in present.items()}


def describe_missing_takes(keys: Collection[Key]) -> list[str]:
    """Notes on subjects with fewer takes of an action than Human3.6M has."""
    said = []
    for subject in dict.fromkeys(subject for subject, _, _ in keys):
        fewer = []
        for action in H36M_ACTIONS:
            takes = sorted(key[2] for key in keys if key[:2] == (subject, action) and key != CORRUPT)
            if len(takes) < TAKES - ((subject, action) == CORRUPT[:2]):
                fewer.append(f"{len(takes)} of {action}" + f" ({', '.join(takes)})" * bool(takes))
        if fewer:
            said.append(
                f"{subject}: takes are missing. Human3.6M has {TAKES} takes of every action by every subject; here are "
                f"{', '.join(fewer)}. Add the missing ones to compare errors with published ones."
            )
    return said


def describe_totals(
    data: PoseDataset, wanted: Mapping[str, Sequence[str]], known_frames: Mapping[str, int]
) -> list[str]:
    """Notes on missing subjects, and on frame totals other than the known ones; all by "train" and "test"."""
    said = []
    for split, subjects in (("train", data.train_subjects), ("test", data.test_subjects)):
        if missing := [subject for subject in wanted[split] if subject not in subjects]:
            said.append(f"Missing {split} subjects: {', '.join(missing)}.")
        chosen = data.select(subjects)
        found = int((chosen.stop - chosen.start).sum())
        if split in known_frames and found != known_frames[split]:
            said.append(
                f"Found {found:,} {split} frames over four cameras; the whole dataset has {known_frames[split]:,}."
            )
    return said
