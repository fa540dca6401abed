"""A dataset at a lower frame rate: every n-th frame of each clip, in 2D and in 3D alike."""

from dataclasses import replace

import numpy as np
import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset

FEWEST = 2
"""Frames of a clip: with fewer there is no motion in it, and no velocity to test."""

TAKE = ["subject", "action", "take"]

MENTIONED = 8
"""How many takes a note lists."""


def downsample(data: PoseDataset, every: int) -> PoseDataset:
    """Every `every`-th frame of each clip, from its first on; for 1, the dataset itself.

    Takes are left out if fewer than FEWEST frames would stay of one of their clips. A note names them, and another the
    frame rate.

    Raises:
        InputError: no take would stay.
    """
    if every == 1:
        return data
    whole = data.clips.stop - data.clips.start
    frames = -(-whole // every)
    short = data.clips.assign(short=frames < FEWEST).groupby(TAKE).short.transform("any")
    if short.all():
        raise InputError(
            f"parameter downsample: found {every}, with which no take of {data.name} keeps {FEWEST} frames; its longest clip "
            f"has {whole.max()}, so at most {max(1, whole.max() - 1)} does"
        )
    kept = thin(data, data.clips[~short], every)
    rates = ", ".join(f"{rate:g}" for rate in sorted(set(kept.clips.fps)))
    notes = [
        f"One frame of every {every} is kept, from each clip's first on: {rates} frames per second (`downsample`)."
    ]
    if gone := ["/".join(take) for take in data.clips.loc[short, TAKE].drop_duplicates().itertuples(index=False)]:
        more = f" and {len(gone) - MENTIONED} more" if len(gone) > MENTIONED else ""
        notes.append(
            f"Left out, as fewer than {FEWEST} frames would stay of them: {', '.join(gone[:MENTIONED])}{more}."
        )
    return replace(kept, name=f"{data.name}-every{every}", notes=(*data.notes, *notes))


def thin(data: PoseDataset, clips: pd.DataFrame, every: int) -> PoseDataset:
    """A dataset of some of the clips, in the order of the table, with every `every`-th frame of each, from its first on."""
    rows = [np.arange(start, stop, every) for start, stop in zip(clips.start, clips.stop, strict=True)]
    stops = np.cumsum([len(own) for own in rows])
    kept = np.concatenate(rows)
    labelled = kept[kept < len(data.positions)]
    table = clips.assign(fps=clips.fps / every, start=np.append(0, stops[:-1]), stop=stops).reset_index(drop=True)
    first = (
        [data.first_frames[place] for place in data.clips.index.get_indexer(clips.index)] if data.first_frames else ()
    )
    return replace(
        data,
        clips=table,
        keypoints={name: pixels[kept] for name, pixels in data.keypoints.items()},
        scores={name: scores[kept] for name, scores in data.scores.items()},
        positions=data.positions[labelled],
        trajectory=data.trajectory[labelled],
        first_frames=tuple(first),
        frame_step=every * data.frame_step,
    )
