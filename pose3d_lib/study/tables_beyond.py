"""Tables of what is beyond the paper's: curves, errors per joint, specialising, mixing, and error against frames."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.model.evaluate import joint_columns
from pose3d_lib.runs.run import Run
from pose3d_lib.study.beyond import AS_MANY_FRAMES, FEWER_FRAMES, MIXING, SPECIALISED
from pose3d_lib.study.comparison import Comparison, take_cell
from pose3d_lib.study.config import EQUALISED
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, arms_table, pair_arms, summarise

FINE_TUNED = "Fine-tuned"  # the model of all actions, trained further on one


def curves(comparison: Comparison, schedule: str, actions: Sequence[str]) -> pd.DataFrame:
    """Test errors of both arms during training and at its end, under one condition, batch norms as published.

    A row per test: action, schedule, arm, seed, unit_epochs, mpjpe (mm), lr_share (the rate relative to the first).
    """
    rows = []
    for action in actions:
        based = comparison.action_based.get(action, [])
        for run in (*comparison.original, *based):
            place = {"action": action, "schedule": schedule, "arm": arm_of(run), "seed": run.config.seed}
            tests = run.history.dropna(subset=["test_actions"])
            points = [(row, row.test_actions[action]) for row in tests.itertuples()]
            points.append((run.history.iloc[-1], run.as_published.actions.mpjpe[action]))
            rows += [
                {**place, "unit_epochs": row.unit_epochs, "mpjpe": mpjpe, "lr_share": row.lr / run.config.lr}
                for row, mpjpe in points
            ]
    return pd.DataFrame(rows)


def arm_of(run: Run) -> str:
    return ORIGINAL if run.config.is_baseline else ACTION_BASED


def joint_errors(comparison: Comparison, results: StudyResults) -> pd.DataFrame:
    """Error of every joint on every action, mean over the seeds, mm: action, joint, and a column for each arm."""
    columns, joints = list(joint_columns(results.data.skeleton)), results.data.skeleton.joints

    def mean(runs: Sequence[Run], action: str) -> np.ndarray:
        clips = [run.clips[run.clips.action == action] for run in runs]
        return np.mean([np.average(own[columns].to_numpy(), axis=0, weights=own.frames) for own in clips], axis=0)

    parts = (
        pd.DataFrame(
            {"action": own.action, "joint": joints, **{arm: mean(runs, own.action) for arm, runs in own.runs.items()}}
        )
        for own in comparison.arms
    )
    return pd.concat(parts, ignore_index=True)


def _runs_of(results: StudyResults, question: str) -> tuple[Comparison | None, list[Run]]:
    """The arms with which a question beyond the paper compares, and its runs; without either, nothing."""
    comparison, runs = results.find(results.config.short, EQUALISED), results.beyond.get(question, [])
    return (comparison, runs) if comparison and comparison.usable and runs else (None, [])


def specialised(results: StudyResults) -> pd.DataFrame:
    """As `arms_table`, with a third arm FINE_TUNED, the baseline trained further on the action; empty without runs of it."""
    comparison, runs = _runs_of(results, SPECIALISED)
    if comparison is None:
        return pd.DataFrame()
    cells = {}
    for action in comparison.action_based:
        if own := [run for run in runs if run.config.action == action]:
            cells[action] = [take_cell(own, action, "mpjpe", f"{FINE_TUNED}, {action}")]
    if len(cells) == len(comparison.action_based):
        cells[MEAN] = [cell for own in cells.values() for cell in own]
    tuned = pd.DataFrame({"action": action, "arm": FINE_TUNED, **summarise(own)} for action, own in cells.items())
    return pd.concat([arms_table(pair_arms(comparison, "mpjpe"), "mpjpe"), tuned], ignore_index=True)


def mixing(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against how many actions were trained on: action, trained_on, seed, mpjpe (mm)."""
    comparison, runs = _runs_of(results, MIXING)
    if comparison is None:
        return pd.DataFrame()
    rows = [_point(run, run.config.action, trained_on=1 + len(run.config.with_actions)) for run in runs]
    for action in results.focus:
        rows += [_point(run, action, trained_on=1) for run in comparison.action_based.get(action, [])]
        every = len(results.data.train_actions)
        rows += [_point(run, action, trained_on=every) for run in comparison.original]
    seeds = {run.config.seed for run in runs}
    return pd.DataFrame([row for row in rows if row["seed"] in seeds])


def fewer_frames(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against distinct training frames: action, arm, frames, share, seed, mpjpe (mm)."""
    comparison, runs = _runs_of(results, FEWER_FRAMES)
    if comparison is None:
        return pd.DataFrame()
    seeds = {run.config.seed for run in runs}
    as_many = [run for run in results.beyond.get(AS_MANY_FRAMES, []) if run.config.schedule == EQUALISED]
    rows = [
        _point(run, action, arm=arm_of(run), frames=training_frames(run), share=run.config.train_share)
        for action in results.focus
        for run in (*comparison.original, *comparison.action_based.get(action, []), *as_many, *runs)
        if run.config.seed in seeds and run.config.action in (ALL, action)
    ]
    return pd.DataFrame(rows).drop_duplicates()


def training_frames(run: Run) -> int:
    """Distinct frames with known poses that a run is trained on."""
    return run.timing["windows_per_epoch"] // (1 + run.config.mirror_training)


def _point(run: Run, action: str, **place: object) -> dict[str, object]:
    return {"action": action, **place, "seed": run.config.seed, "mpjpe": float(run.actions.mpjpe[action])}
