"""Which takes of a source are used, who is trained and tested on, and which frames are kept."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError, some
from pose3d_lib.data.actions import check_name
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import Progress

T = TypeVar("T")
Key = tuple[str, str, str]  # subject, action, take
TEST_SHARE = 0.25  # of the subjects, when neither side is given
MOST_BAD = 5  # takes that cannot be used and are named at once
EVERY = 3.0  # seconds between lines of progress
FEWEST = 2  # frames of a clip: with fewer there is no motion in it, and no velocity to test


def leave_out(
    keys: Collection[Key], names: Sequence[str], where: object, **words: Sequence[str]
) -> tuple[list[Key], list[str]]:
    """The takes that stay, in order, and a note on each that does not; names are exactly "subject/action/take".

    `where` is the file or folder, for messages; `words` are further names, each of several takes.
    """
    offered = {"/".join(key): key for key in keys}
    for name in names:
        check_name(name, [*words, *offered], f"take to leave out of {where}")
    gone = {offered[one] for name in names for one in words.get(name, (name,))}
    notes = [f"{'/'.join(key)} is left out, as `leave_out` says." for key in keys if key in gone]
    return [key for key in keys if key not in gone], notes


def split_subjects(
    subjects: Sequence[str], train: Sequence[str], test: Sequence[str], where: object
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Who is trained on, who is tested on, and notes on what was decided here and on who is left out.

    Given neither, subjects called "train" and "test" are taken for what they say; otherwise the last quarter of the
    subjects in alphabetical order, at least one, is tested on. Given one side, the other is all other subjects.
    """
    subjects = sorted(dict.fromkeys(subjects))
    for subject in (*train, *test):
        check_name(subject, subjects, f"subject in {where}")
    if both := sorted(set(train) & set(test)):
        raise InputError(f"{where}: {', '.join(both)} cannot be both a train and a test subject")
    if not train and not test and {"train", "test"} <= set(subjects):
        train, test = ["train"], ["test"]
    if train and test:
        unused = [subject for subject in subjects if subject not in (*train, *test)]
        return tuple(train), tuple(test), [f"Subject {subject} is neither trained nor tested on." for subject in unused]
    if not train and not test and len(subjects) > 1:
        test = subjects[-max(1, int(TEST_SHARE * len(subjects))) :]
    train = train or [subject for subject in subjects if subject not in test]
    test = test or [subject for subject in subjects if subject not in train]
    said = f"Trained on {', '.join(train) or 'no subject'}; tested on {', '.join(test) or 'no subject'}"
    return tuple(train), tuple(test), [f"{said} (`train_subjects` and `test_subjects` choose others)."]


def paced(progress: Progress) -> Progress:
    """Progress that passes on a line, with the seconds since now behind it, if the last one is `EVERY` seconds old."""
    begun = said = time.monotonic()

    def say(line: str) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            progress(f"{line}, {said - begun:.0f} s")

    return say


def read_takes(names: Sequence[str], read: Callable[[str], T], progress: Progress) -> list[T]:
    """What `read` makes of each take, "subject/action/take", in order.

    Raises:
        InputError: some takes cannot be used; lists them, and says how to leave them out.
    """
    found: list[T] = []
    bad: dict[str, str] = {}
    say = paced(progress)
    for number, name in enumerate(names, start=1):
        try:
            found.append(read(name))
        except InputError as error:
            bad[name] = f"{error} (take {name})"
            if len(bad) == MOST_BAD:
                break
        say(f"read {number:,} of {len(names):,} takes")
    if bad:
        count = f"{len(bad)} take{'s' * (len(bad) > 1)} cannot be used{', and maybe more' * (number < len(names))}:"
        advice = f"Mend them, or leave them out: leave_out = {','.join(bad)!r}"
        raise InputError("\n".join([count, *bad.values(), advice]))
    return found


def downsample(data: PoseDataset, every: int) -> PoseDataset:
    """Every `every`-th frame of each clip, from its first on; for 1, the dataset itself.

    Takes are left out if fewer than FEWEST frames would stay of one of their clips. A note names them, and another the
    frame rate.

    Raises:
        InputError: no take would stay.
    """
    if every == 1:
        return data
    whole, take = data.clips.stop - data.clips.start, ["subject", "action", "take"]
    short = data.clips.assign(short=-(-whole // every) < FEWEST).groupby(take).short.transform("any")
    if short.all():
        raise InputError(
            f"parameter downsample: found {every}, with which no take of {data.name} keeps {FEWEST} frames; its "
            f"longest clip has {whole.max()}, so at most {max(1, whole.max() - 1)} does"
        )
    kept = thin(data, data.clips[~short], every)
    rates = ", ".join(f"{rate:g}" for rate in sorted(set(kept.clips.fps)))
    notes = [
        f"One frame of every {every} is kept, from each clip's first on: {rates} frames per second (`downsample`)."
    ]
    if gone := ["/".join(name) for name in data.clips.loc[short, take].drop_duplicates().itertuples(index=False)]:
        notes.append(f"Left out, as fewer than {FEWEST} frames would stay of them: {some(gone)}.")
    return replace(kept, name=f"{data.name}-every{every}", notes=(*data.notes, *notes))


def one_camera_each(data: PoseDataset) -> PoseDataset:
    """A dataset of one clip of each take, the first camera's of the first take, the second's of the second, and round again."""
    take = data.clips.groupby(["subject", "action", "take"], sort=False)
    kept = take.cumcount() == take.ngroup() % take.camera.transform("size")
    note = "Each take is seen by one of its cameras, in turn (`one_camera`)."
    one = thin(data, data.clips[kept], 1)
    return replace(one, name=f"{data.name}-one-camera", notes=(*data.notes, note))


def thin(data: PoseDataset, clips: pd.DataFrame, every: int) -> PoseDataset:
    """A dataset of some clips, in the order of the table, with every `every`-th frame of each, from its first on."""
    rows = [np.arange(start, stop, every) for start, stop in zip(clips.start, clips.stop, strict=True)]
    stops = np.cumsum([len(own) for own in rows])
    kept = np.concatenate(rows)
    labelled = kept[kept < len(data.positions)]
    places = data.clips.index.get_indexer(clips.index) if data.first_frames else ()
    return replace(
        data,
        clips=clips.assign(fps=clips.fps / every, start=np.append(0, stops[:-1]), stop=stops).reset_index(drop=True),
        keypoints={name: pixels[kept] for name, pixels in data.keypoints.items()},
        scores={name: scores[kept] for name, scores in data.scores.items()},
        positions=data.positions[labelled],
        trajectory=data.trajectory[labelled],
        first_frames=tuple(data.first_frames[place] for place in places),
        frame_step=every * data.frame_step,
    )
