"""A dataset at a lower frame rate: every n-th frame of each clip, in 2D and in 3D alike."""

from dataclasses import replace

import numpy as np

from pose3d_lib.dataset import PoseDataset
from pose3d_lib.errors import InputError

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
    clips, stops = data.clips[~short], frames[~short].cumsum()
    rows = np.concatenate([np.arange(clip.start, clip.stop, every) for clip in clips.itertuples()])
    labelled = rows[rows < len(data.positions)]
    clips = clips.assign(fps=clips.fps / every, start=stops - frames[~short], stop=stops).reset_index(drop=True)
    rates = ", ".join(f"{rate:g}" for rate in sorted(set(clips.fps)))
    notes = [
        f"One frame of every {every} is kept, from each clip's first on: {rates} frames per second (`downsample`)."
    ]
    if gone := ["/".join(take) for take in data.clips.loc[short, TAKE].drop_duplicates().itertuples(index=False)]:
        more = f" and {len(gone) - MENTIONED} more" if len(gone) > MENTIONED else ""
        notes.append(
            f"Left out, as fewer than {FEWEST} frames would stay of them: {', '.join(gone[:MENTIONED])}{more}."
        )
    return replace(
        data,
        name=f"{data.name}-every{every}",
        clips=clips,
        keypoints={name: pixels[rows] for name, pixels in data.keypoints.items()},
        scores={name: scores[rows] for name, scores in data.scores.items()},
        positions=data.positions[labelled],
        trajectory=data.trajectory[labelled],
        notes=(*data.notes, *notes),
    )
