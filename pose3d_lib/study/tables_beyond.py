"""Tables of what is beyond the paper's: curves, errors per joint, other models, the worth of a label, error against frames."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import evaluate, joint_columns, per_action
from pose3d_lib.runs.run import Run
from pose3d_lib.study.beyond import FEWER_FRAMES, FINE_TUNING, MIXING, TOLD, condition_beyond
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.config import Condition
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, EMPTY_IS_NAN, Observations, choose
from pose3d_lib.study.power_law import PowerLaw, fit_power_law
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.tables import MEAN
from pose3d_lib.study.two_way import Effect, complete_table, mean_of_set, t_interval

# Of all actions, and then of one; and of all actions, with the label as an input.
FINE_TUNED, TOLD_ACTION = "Fine-tuned", "Told the action"


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


def transfer(results: StudyResults) -> pd.DataFrame:
    """MPJPE of every model on every action: model (the action it was trained on), told, seed, and a column per action, mm.

    The models are those of both arms, and the one that is told the action: a row per action that it can be told. Models that
    were tested on their own action alone, with the true label, are evaluated here, and their errors kept in the study's folder.
    """
    comparison, runs = _runs_of(results, TOLD)
    if comparison is None or not results.config.beyond:
        return pd.DataFrame()
    actions, path = list(comparison.action_based), results.folder / "transfer_errors.csv"
    kept = pd.read_csv(path, index_col="key", **EMPTY_IS_NAN) if path.is_file() else pd.DataFrame()
    kept = kept if set(actions) <= set(kept.columns) else pd.DataFrame()
    errors: dict[str, pd.Series] = {}
    rows = []
    for run, told in [*((run, "") for run in comparison.runs), *((run, action) for run in runs for action in actions)]:
        key = f"{run.folder.name} {told}".strip()
        if not told and set(actions) <= set(run.actions.index):
            errors[key] = run.actions.mpjpe[actions]
        elif key in kept.index:
            errors[key] = kept.loc[key, actions]
        else:
            errors[key] = evaluate_saved(run, results.datasets[run.config.data], actions, told)
        rows.append({"model": run.config.action, "told": told, "seed": run.config.seed, **errors[key]})
    results.folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(errors).T.rename_axis("key").to_csv(path)
    return pd.DataFrame(rows)


def evaluate_saved(run: Run, data: PoseDataset, actions: Sequence[str], told: str = "") -> pd.Series:
    """MPJPE of a saved model on the test clips of some actions, mm, by action; `told` one action, whichever it sees."""
    config, clips = run.config, data.select(data.test_subjects, list(actions))
    clips = clips.assign(told=told) if told else clips
    how = {"mirror": config.mirror_testing, "only_mpjpe": True}
    return per_action(evaluate(run.load_model(data), data, clips, config.keypoints, **how)).mpjpe[list(actions)]


def labels(table: pd.DataFrame) -> pd.DataFrame:
    """What a known and a wrong label are worth, from `transfer`: seed, arm, known, action (tested on), mpjpe (mm).

    `known` is "yes", "no" (the mean over all other labels) or, of the original, "". Arms are it, ACTION_BASED and TOLD_ACTION.
    """
    parts, actions = [], list(table.columns[3:])
    for seed, own in table.assign(told=table.told.fillna("")).groupby("seed"):
        plain, asked = own[own.told == ""].set_index("model"), own[own.told != ""].set_index("told")
        found = {(ORIGINAL, ""): plain.loc[ALL, actions]} if ALL in plain.index else {}
        for arm, models in ((ACTION_BASED, plain), (TOLD_ACTION, asked)):
            if len(actions) > 1 and set(actions) <= set(models.index):
                errors = models.loc[actions, actions].to_numpy(float)
                right = np.diag(errors)
                found |= {(arm, "yes"): right, (arm, "no"): (errors.sum(axis=0) - right) / (len(actions) - 1)}
        for (arm, known), errors in found.items():
            place = {"seed": seed, "arm": arm, "known": known}
            parts.append(pd.DataFrame({**place, "action": actions, "mpjpe": np.asarray(errors, float)}))
    return pd.concat(parts) if parts else pd.DataFrame(columns=["seed", "arm", "known", "action", "mpjpe"])


def _runs_of(results: StudyResults, question: str) -> tuple[Comparison | None, list[Run]]:
    """The arms with which the questions beyond the paper compare, None if there are none, and the runs of one."""
    comparison = results.comparisons.get(condition_beyond(results.config))
    return (comparison if comparison and comparison.usable else None), results.beyond.get(question, [])


def specialised(results: StudyResults) -> pd.DataFrame:
    """The errors of both arms, FINE_TUNED and TOLD_ACTION on an action: action, arm, seed, mpjpe (mm).

    Empty without runs of the latter two.
    """
    comparison, tuned = _runs_of(results, FINE_TUNING)
    told = results.beyond.get(TOLD, [])
    tuned = [run for run in tuned if run.config.start_from]
    if comparison is None or not (tuned or told):
        return pd.DataFrame()
    rows = []
    for action, based in comparison.action_based.items():
        own = [run for run in tuned if run.config.action == action]
        arms = {ORIGINAL: comparison.original, ACTION_BASED: based, FINE_TUNED: own, TOLD_ACTION: told}
        rows += [_point(run, action, arm=arm) for arm, runs in arms.items() for run in runs]
    return pd.DataFrame(rows)


def summarise_arms(table: pd.DataFrame) -> pd.DataFrame:
    """`specialised` over the seeds, as of `arms_table`: action, arm, mean, sd, replicates; MEAN of seeds with every action."""
    errors = table.pivot(index=["arm", "seed"], columns="action", values="mpjpe")[table.action.unique()]
    errors = errors.assign(**{MEAN: errors.mean(axis=1, skipna=False)}).melt(ignore_index=False).dropna()
    parts = errors.groupby(["action", "arm"], sort=False).value.agg(["mean", "std", "count"]).reset_index()
    return parts.rename(columns={"std": "sd", "count": "replicates"})


def change_of_arm(table: pd.DataFrame, arm: str, than: str = ORIGINAL) -> Effect | None:
    """How an arm of a table with "action", "arm", "seed" and "mpjpe" differs from another, mean of the actions of both.

    A t interval over the seeds that have all of these actions; None without any.
    """
    errors = table.rename(columns={"seed": "replicate", "mpjpe": "error"})
    both = [set(errors.action[errors.arm == own]) for own in (than, arm)]
    actions = [action for action in errors.action.unique() if action in both[0] & both[1]]
    y = complete_table(errors, actions=actions, arms=(than, arm))[0].to_numpy() if actions else np.empty(0)
    return mean_of_set(y) if y.size else None


def mixing(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against how many actions were trained on: action, trained_on, seed, mpjpe (mm)."""
    comparison, runs = _runs_of(results, MIXING)
    if comparison is None or not runs:
        return pd.DataFrame()
    rows = [_point(run, run.config.action, trained_on=1 + len(run.config.with_actions)) for run in runs]
    for action in results.focus:
        rows += [_point(run, action, trained_on=1) for run in comparison.action_based.get(action, [])]
        every = len(results.data.train_actions)
        rows += [_point(run, action, trained_on=every) for run in comparison.original]
    seeds = {run.config.seed for run in runs}
    return pd.DataFrame([row for row in rows if row["seed"] in seeds])


def fewer_frames(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against distinct training frames: action, arm, share, frames, seed, mpjpe (mm)."""
    comparison, runs = _runs_of(results, FEWER_FRAMES)
    if comparison is None or not runs:
        return pd.DataFrame()
    seeds = {run.config.seed for run in runs}
    rows = [
        _point(run, action, arm=arm_of(run), share=run.config.train_share, frames=training_frames(run))
        for action in results.focus
        for run in (*comparison.original, *comparison.action_based.get(action, []), *runs)
        if run.config.seed in seeds and run.config.action in (ALL, action)
    ]
    return pd.DataFrame(rows).drop_duplicates()


def curves_of_frames(table: pd.DataFrame) -> dict[tuple[str, str, int], PowerLaw]:
    """The curve of every action, arm and seed of `fewer_frames` that has enough points."""
    fits = {
        key: fit_power_law(own.frames, own.mpjpe) for key, own in table.groupby(["action", "arm", "seed"], sort=False)
    }
    return {key: fit for key, fit in fits.items() if fit}


def data_efficiency(table: pd.DataFrame) -> pd.DataFrame:
    """The curves error = a + b (n / N)^-c of `fewer_frames`, with t intervals over the seeds' fits.

    A row per action and arm: action, arm, frames (N, mean), replicates; the mean of a (mm) and the geometric mean of c, each
    with "_low" and "_high"; change, low, high (per cent): what twice the frames would do by the curve; found: whether every
    seed's points tell the curve, of which a and c are otherwise no properties.
    """
    rows = []
    curves = curves_of_frames(table)
    for action, arm in dict.fromkeys((action, arm) for action, arm, _ in curves):
        own = [fit for key, fit in curves.items() if key[:2] == (action, arm)]
        a, c = np.array([fit.a for fit in own]), np.array([fit.c for fit in own])
        twice = np.array([[np.log(fit.at(2 * fit.most) / fit.at(fit.most)) for fit in own]])
        row = {
            "action": action,
            "arm": arm,
            "frames": round(np.mean([fit.most for fit in own])),
            "replicates": len(own),
        }
        for name, (mean, low, high) in {"a": t_interval(a), "c": np.exp(t_interval(np.log(c)))}.items():
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        rows.append({**row, **mean_of_set(twice).row(), "found": all(fit.found for fit in own)})
    return pd.DataFrame(rows).drop(columns="p", errors="ignore")


def as_many_of_all(table: pd.DataFrame, action: str) -> Effect | None:
    """How the action-based model of an action differs from one that is trained on the same number of frames of all actions.

    The error of the latter is read off the curve of its seed; None without any.
    """
    curves, rows = curves_of_frames(table), []
    own = table[(table.action == action) & (table.arm == ACTION_BASED) & (table.share == 1)]
    for run in own.itertuples():
        if fit := curves.get((action, ORIGINAL, run.seed)):
            rows.append(np.log(run.mpjpe / fit.at(run.frames)))
    return mean_of_set(np.array([rows])) if rows else None


def training_frames(run: Run) -> int:
    """Distinct frames with known poses that a run is trained on."""
    return run.timing["windows_per_epoch"] // (1 + run.config.mirror_training)


def _point(run: Run, action: str, **place: object) -> dict[str, object]:
    return {"action": action, **place, "seed": run.config.seed, "mpjpe": float(run.actions.mpjpe[action])}
