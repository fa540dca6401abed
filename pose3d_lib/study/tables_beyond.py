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
from pose3d_lib.study.statistics import Cell
from pose3d_lib.study.tables import MEAN, compare_arms, summarise

FINE_TUNED = "Fine-tuned"
"""The model of all actions, trained further on one."""


def curves(comparison: Comparison, schedule: str, actions: Sequence[str]) -> pd.DataFrame:
    """Test errors of both arms as training went on, and how much of the learning rate was left.

    Args:
        comparison: under one condition.
        schedule: its name.
        actions: which actions' errors.

    Returns:
        A row per test: action, schedule, arm, seed, unit_epochs, mpjpe (mm), lr_share (the rate relative to the first).
    """
    rows = []
    for action in actions:
        arms = {ORIGINAL: comparison.original, ACTION_BASED: comparison.action_based.get(action, [])}
        for arm, runs in arms.items():
            for run in runs:
                place = {"action": action, "schedule": schedule, "arm": arm, "seed": run.config.seed}
                rows += [{**place, **test} for test in _tests(run, action)]
    return pd.DataFrame(rows)


def _tests(run: Run, action: str) -> list[dict[str, float]]:
    tests = run.history.dropna(subset=["test_actions"])
    found = [
        {"unit_epochs": row.unit_epochs, "mpjpe": row.test_actions[action], "lr_share": row.lr / run.config.lr}
        for row in tests.itertuples()
    ]
    last = run.history.iloc[-1]
    end = {"unit_epochs": last.unit_epochs, "mpjpe": run.actions.mpjpe[action], "lr_share": last.lr / run.config.lr}
    return [*found, end]


def joint_errors(comparison: Comparison, results: StudyResults) -> pd.DataFrame:
    """Error of every joint on every action, both arms, mean over the seeds, mm: action, joint, and a column per arm."""
    columns = joint_columns(results.data.skeleton)
    arms = {
        ORIGINAL: dict.fromkeys(comparison.action_based, comparison.original),
        ACTION_BASED: comparison.action_based,
    }
    rows = []
    for action in comparison.action_based:
        means = {
            arm: np.mean([_joints(run, action, columns) for run in own[action]], axis=0) for arm, own in arms.items()
        }
        for number, joint in enumerate(results.data.skeleton.joints):
            rows.append({"action": action, "joint": joint, **{arm: own[number] for arm, own in means.items()}})
    return pd.DataFrame(rows)


def _joints(run: Run, action: str, columns: Sequence[str]) -> np.ndarray:
    clips = run.clips[run.clips.action == action]
    return np.average(clips[list(columns)].to_numpy(), axis=0, weights=clips.frames)


def specialised(results: StudyResults) -> pd.DataFrame:
    """Both arms as in `compare_arms`, and "Fine-tuned": the baseline trained further on the action."""
    comparison = results.find(results.config.short, EQUALISED)
    runs = results.beyond.get(SPECIALISED, [])
    if comparison is None or not comparison.usable or not runs:
        return pd.DataFrame()
    table = compare_arms(comparison, "mpjpe").set_index("Action")
    cells: list[Cell] = []
    for action in comparison.action_based:
        own = [run for run in runs if run.config.action == action]
        if own:
            cells.append(take_cell(own, action, "mpjpe", f"{FINE_TUNED}, {action}"))
            for name, value in summarise([cells[-1]]).items():
                table.loc[action, f"{FINE_TUNED}, {name}"] = value
    if len(cells) == len(comparison.action_based):
        for name, value in summarise(cells).items():
            table.loc[MEAN, f"{FINE_TUNED}, {name}"] = value
    kept = [
        f"{arm}, {name}"
        for arm in (ORIGINAL, ACTION_BASED, FINE_TUNED)
        for name in ("mean", "sd", "low", "high", "runs")
    ]
    return table.reindex(columns=kept).reset_index()


def mixing(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against how many actions were trained on: action, trained_on, seed, mpjpe (mm)."""
    comparison = results.find(results.config.short, EQUALISED)
    runs = results.beyond.get(MIXING, [])
    if comparison is None or not comparison.usable or not runs:
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
    comparison = results.find(results.config.short, EQUALISED)
    runs = results.beyond.get(FEWER_FRAMES, [])
    if comparison is None or not comparison.usable or not runs:
        return pd.DataFrame()
    seeds = {run.config.seed for run in runs}
    as_many = [run for run in results.beyond.get(AS_MANY_FRAMES, []) if run.config.schedule == EQUALISED]
    rows = []
    for action in results.focus:
        own = [*comparison.original, *comparison.action_based.get(action, []), *as_many, *runs]
        for run in own:
            if run.config.seed in seeds and run.config.action in (ALL, action):
                arm = ORIGINAL if run.config.is_baseline else ACTION_BASED
                frames = run.timing["windows_per_epoch"] // (1 + run.config.mirror_training)
                rows.append(_point(run, action, arm=arm, frames=frames, share=run.config.train_share))
    return pd.DataFrame(rows).drop_duplicates()


def _point(run: Run, action: str, **place: object) -> dict[str, object]:
    return {"action": action, **place, "seed": run.config.seed, "mpjpe": float(run.actions.mpjpe[action])}
