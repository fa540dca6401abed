"""Tables of what is beyond the paper's: curves, errors per joint, specialising, mixing, and error against frames."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate, joint_columns, per_action
from pose3d_lib.runs.run import Run
from pose3d_lib.study.beyond import FEWER_FRAMES, MIXING, SPECIALISED
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.config import EQUALISED, Condition
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, Observations, choose
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN, arms_table

FINE_TUNED = "Fine-tuned"  # the model of all actions, trained further on one


def curves(observations: Observations, condition: Condition, actions: Sequence[str]) -> pd.DataFrame:
    """Test errors of both arms during training and at its end, under one condition, statistics as published.

    A row per test: action, schedule, arm, seed, unit_epochs, mpjpe (mm), lr_share (the rate relative to the first). Tests come at
    the end of a batch, which is elsewhere in every dataset: `unit_epochs` is the mean over the seeds.
    """
    tests = choose(observations.tests, condition, statistics=AS_PUBLISHED)
    number = tests.groupby(["run", "action"]).cumcount()
    tests = tests.assign(seen=tests.groupby(["arm", "action", number]).seen.transform("mean"))
    own = pd.concat([tests[tests.action == action] for action in actions])
    columns = ["action", "schedule", "arm", "replicate", "seen", "mpjpe", "lr_share"]
    return own[columns].rename(columns={"replicate": "seed", "seen": "unit_epochs"}).reset_index(drop=True)


def arm_of(run: Run) -> str:
    return ORIGINAL if run.config.is_baseline else ACTION_BASED


def joint_errors(comparison: Comparison, results: StudyResults) -> pd.DataFrame:
    """Error of every joint on every action, mean over the seeds, mm: action, joint, and a column for each arm."""
    columns, joints = list(joint_columns(results.data.skeleton)), results.data.skeleton.joints

    def mean(runs: Sequence[Run], action: str) -> np.ndarray:
        clips = [run.clips[run.clips.action == action] for run in runs]
        return np.mean([np.average(own[columns].to_numpy(), axis=0, weights=own.frames) for own in clips], axis=0)

    parts = []
    for action, based in comparison.action_based.items():
        arms = {arm: mean(runs, action) for arm, runs in zip(ARMS, (comparison.original, based), strict=True)}
        parts.append(pd.DataFrame({"action": action, "joint": joints, **arms}))
    return pd.concat(parts, ignore_index=True)


def transfer(results: StudyResults, condition: Condition) -> pd.DataFrame:
    """MPJPE of every model on every action: rows are models (the baseline first), columns the actions they are tested on.

    Means over the seeds. Where models were tested on their own action alone, a study of what is beyond the paper evaluates the
    saved ones, and keeps the errors in its folder; another one has no such table: it is empty.
    """
    comparison = results.comparisons[condition]
    actions, path = list(comparison.action_based), results.folder / "transfer_errors.csv"
    kept = pd.read_csv(path, index_col="run") if path.is_file() else pd.DataFrame()
    errors: dict[str, pd.Series] = {}
    for run in comparison.runs:
        if set(actions) <= set(run.actions.index):
            errors[run.folder.name] = run.actions.mpjpe[actions]
        elif run.folder.name in kept.index and set(actions) <= set(kept.columns):
            errors[run.folder.name] = kept.loc[run.folder.name, actions]
        elif results.config.beyond:
            errors[run.folder.name] = evaluate_saved(run, results.datasets[run.config.data], actions)
        else:
            return pd.DataFrame()
    table = pd.DataFrame(errors).T
    results.folder.mkdir(parents=True, exist_ok=True)
    table.rename_axis("run").to_csv(path)
    models = {ALL: comparison.original, **comparison.action_based}
    return pd.DataFrame(
        {model: table.loc[[run.folder.name for run in runs]].mean() for model, runs in models.items()}
    ).T


def evaluate_saved(run: Run, data: PoseDataset, actions: Sequence[str]) -> pd.Series:
    """MPJPE of a saved model on the test clips of some actions, mm, by action."""
    config, clips = run.config, data.select(data.test_subjects, list(actions))
    errors = evaluate(run.load_model(data), data, clips, config.keypoints, mirror=config.mirror_testing)
    return per_action(errors).mpjpe[list(actions)]


def _runs_of(results: StudyResults, question: str) -> tuple[Comparison | None, list[Run]]:
    """The arms with which a question beyond the paper compares, and its runs; without either, nothing."""
    comparison = results.comparisons.get(results.config.condition(results.config.short, EQUALISED))
    runs = results.beyond.get(question, [])
    return (comparison, runs) if comparison and comparison.usable and runs else (None, [])


def specialised(results: StudyResults) -> pd.DataFrame:
    """As `arms_table`, with a third arm FINE_TUNED, the baseline trained further on the action; empty without runs of it."""
    comparison, runs = _runs_of(results, SPECIALISED)
    if comparison is None:
        return pd.DataFrame()
    arms = arms_table(results.observations, results.config.condition(results.config.short, EQUALISED), "mpjpe")
    actions = [action for action in arms.action.unique() if action != MEAN]
    tuned = pd.DataFrame([_point(run, run.config.action) for run in runs])
    errors = tuned.pivot(index="seed", columns="action", values="mpjpe").reindex(columns=actions)
    errors[MEAN] = errors.mean(axis=1, skipna=False)
    found = pd.DataFrame({"mean": errors.mean(), "sd": errors.std(), "replicates": errors.count()}).dropna(
        subset="mean"
    )
    found = found.rename_axis("action").reset_index().assign(arm=FINE_TUNED, quoted=np.nan)
    return pd.concat([arms, found[arms.columns]], ignore_index=True)


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
    """Error on an action in focus against distinct training frames: action, arm, frames, share, seed, mpjpe (mm).

    A share has other frames in every dataset: `frames` is the mean over the seeds.
    """
    comparison, runs = _runs_of(results, FEWER_FRAMES)
    if comparison is None:
        return pd.DataFrame()
    seeds = {run.config.seed for run in runs}
    rows = [
        _point(run, action, arm=arm_of(run), frames=training_frames(run), share=run.config.train_share)
        for action in results.focus
        for run in (*comparison.original, *comparison.action_based.get(action, []), *runs)
        if run.config.seed in seeds and run.config.action in (ALL, action)
    ]
    table = pd.DataFrame(rows).drop_duplicates()
    place = table.groupby(["action", "arm", "seed"]).frames.rank(method="dense")
    frames = table.groupby(["action", "arm", place]).frames.transform("mean")
    return table.assign(frames=frames.round().astype(int))


def training_frames(run: Run) -> int:
    """Distinct frames with known poses that a run is trained on."""
    return run.timing["windows_per_epoch"] // (1 + run.config.mirror_training)


def _point(run: Run, action: str, **place: object) -> dict[str, object]:
    return {"action": action, **place, "seed": run.config.seed, "mpjpe": float(run.actions.mpjpe[action])}
