"""Which takes of a source are used, and who of its subjects is trained on and tested on: the same rules for every source."""

from collections.abc import Sequence

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.actions import check_name

Key = tuple[str, str, str]
"""Subject, action, take."""

TEST_SHARE = 0.25
"""Of the subjects, when nobody says who is tested on."""


def leave_out(keys: Sequence[Key], names: Sequence[str], where: object) -> tuple[list[Key], list[str]]:
    """The takes that stay, in order, and a note on each that does not.

    Args:
        keys: every take.
        names: those to leave out, each as "subject/action/take", exactly.
        where: the file or folder, for messages.
    """
    offered = {"/".join(key): key for key in keys}
    gone = {offered[check_name(name, offered, f"take to leave out of {where}")] for name in names}
    notes = [f"{'/'.join(key)} is left out, as `leave_out` says." for key in keys if key in gone]
    return [key for key in keys if key not in gone], notes


def split_subjects(
    subjects: Sequence[str], train: Sequence[str], test: Sequence[str], where: object
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Who is trained on, who is tested on, and notes on what was decided here and on who is left out.

    Given neither, subjects called "train" and "test" are taken for what they say; otherwise the last quarter of the
    subjects in alphabetical order, at least one, is tested on. Given one side, the other is everybody else.

    Args:
        subjects: everybody there is.
        train, test: who shall be, as far as somebody said so.
        where: the file or folder, for messages.
    """
    subjects = sorted(dict.fromkeys(subjects))
    for subject in (*train, *test):
        check_name(subject, subjects, f"subject in {where}")
    if both := sorted(set(train) & set(test)):
        raise InputError(f"{where}: {', '.join(both)} cannot be both a train and a test subject")
    if train and test:
        unused = [subject for subject in subjects if subject not in (*train, *test)]
        return tuple(train), tuple(test), [f"Subject {subject} is neither trained nor tested on." for subject in unused]
    if train:
        test = [subject for subject in subjects if subject not in train]
    elif test:
        train = [subject for subject in subjects if subject not in test]
    elif {"train", "test"} <= set(subjects):
        return split_subjects(subjects, ["train"], ["test"], where)
    else:
        tested = min(len(subjects) - 1, max(1, int(TEST_SHARE * len(subjects))))
        train, test = subjects[: len(subjects) - tested], subjects[len(subjects) - tested :]
    said = f"Trained on {', '.join(train) or 'nobody'}; tested on {', '.join(test) or 'nobody'}"
    return tuple(train), tuple(test), [f"{said} (`train_subjects` and `test_subjects` choose others)."]
