"""`Observations` of known truth, without runs: changes that vary over the replicates in a pattern with mean 0."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ORIGINAL
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, MODEL, RECOMPUTED, RUN, TIMES, Observations, average

ACTIONS = ("Eating", "Sitting", "Walking")
TAKES = (("S9", "0", 300), ("S9", "1", 100), ("S11", "0", 300), ("S11", "1", 100))  # subject, take, frames

# per cent of the action-based models, of all actions or by action, by unit epochs, schedule and statistics
Changes = Mapping[tuple[float, str, str], float | Mapping[str, float]]


def make_observations(
    changes: Changes,
    *,
    actions: Sequence[str] = ACTIONS,
    replicates: int = 4,
    noise: float = 0.01,
    of_takes: float = 0.0,
    fixed: bool = False,
    gains: tuple[float, float] = (10.0, 3.0),
    seconds: tuple[Sequence[float], Sequence[float]] = ((), ()),
    waited: float = 0.02,
    of_seeds: float = 0.0,
) -> Observations:
    """Originals of 50, 60, 70, ... mm (MPJPE; every other metric 1 mm less than the one before) and action-based models.

    Args:
        changes: of the action-based models; each other metric's change is 1 per cent more than that of the one before.
        noise: by how much the log ratio of a replicate is off, up and down in turn.
        of_takes: by how much that of a take is, up and down in turn.
        fixed: all replicates have the same dataset.
        gains: per cent by which the MPJPE of the original and of the action-based models falls after unit epoch 4, with
            `noise`.
        seconds: of the timed runs of either arm, which see 1 and 0.9 million windows.
        waited: share of the time that they waited.
        of_seeds: by how much the log errors of five training seeds are off, up and down in turn; 0 for no such runs.
    """
    takes, tests = [], []
    for ((length, schedule, statistics), change), replicate, (number, action), arm in product(
        changes.items(), range(replicates), enumerate(actions), ARMS
    ):
        place = _place(length, schedule, replicate, arm, action, fixed) | {"action": action, "statistics": statistics}
        based, sign = arm == ACTION_BASED, (-1) ** replicate
        own = change[action] if isinstance(change, Mapping) else change
        errors = {
            metric: (50 + 10 * number - step) * ((1 + (own + step) / 100) * np.exp(sign * noise) if based else 1)
            for step, metric in enumerate(METRICS)
        }
        for subject, take, frames in TAKES:
            factor = np.exp(of_takes * (-1) ** int(take)) if based else 1
            measured = {metric: error * factor for metric, error in errors.items()} | {"scale": 1.0}
            takes.append({**place, "subject": subject, "take": take, "frames": frames, **measured})
        start = errors["mpjpe"] / (1 - gains[based] / 100) * np.exp(-sign * noise * (0.1 + based))
        for seen, mpjpe in ((0.5, 200.0), (2.0, 150.0), (4.01, start), (length, errors["mpjpe"])):
            if seen <= length:
                place |= {
                    "seen": seen, "windows": round(1e6 * seen), "steps": round(1000 * seen), "lr_share": 0.5**seen,
                }  # fmt: skip
                tests.append({**place, "mpjpe": mpjpe})
    table = pd.DataFrame(takes)
    seeds = [
        _place(1.0, "epoch", seed, arm, action, True)
        | {"action": action, "statistics": RECOMPUTED, "frames": 800, "scale": 1.0}
        | dict.fromkeys(METRICS, 50 * np.exp(of_seeds * (seed - 2)))
        for seed, arm, action in product(range(5 if of_seeds else 0), ARMS, actions[:2])
    ]
    times = [
        _place(1.0, "epoch", 0, arm, actions[0], True)
        | {"action": actions[0], "repetition": number, "seconds": taken, "windows": windows, "waited": waited}
        | {"processor": "An Abacus", "device": "CPU"}
        for arm, own, windows in zip(ARMS, seconds, (1_000_000, 900_000), strict=True)
        for number, taken in enumerate(own, start=1)
    ]
    measured = [*MODEL, *METRICS, "scale", "frames"]
    return Observations(
        errors=average(table, MODEL), takes=table, tests=pd.DataFrame(tests),
        seeds=pd.DataFrame(seeds, columns=measured), times=pd.DataFrame(times, columns=TIMES),
    )  # fmt: skip


def _place(length: float, schedule: str, replicate: int, arm: str, action: str, fixed: bool) -> dict[str, object]:
    model = "All" if arm == ORIGINAL else f"{action}-{schedule}"
    values = (length, schedule, "equal_frames", "3x3x3", replicate, arm, "data" if fixed else f"data{replicate}")
    return dict(zip(RUN, (*values, f"{model}-{length:g}ue-seed{replicate}"), strict=True))


def everything(short: float, long: float, **settings: object) -> Observations:
    """Short and long runs with these changes under both schedules, with both statistics."""
    lengths = {1.0: short, 16.0: long}
    conditions = product(lengths, ("epoch", "unit_epoch"), (RECOMPUTED, AS_PUBLISHED))
    return make_observations({own: lengths[own[0]] for own in conditions}, **settings)
