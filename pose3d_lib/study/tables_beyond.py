"""Tables of what is beyond the paper's: curves, errors per joint, other models, the worth of a label, error against frames."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar, nnls

from pose3d_lib.data.actions import ACTION_BASED, ALL, ORIGINAL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.skeleton import Skeleton
from pose3d_lib.model.evaluate import evaluate, joint_columns, per_action
from pose3d_lib.runs.run import Run
from pose3d_lib.study.beyond import FEWER_FRAMES, FINE_TUNING, MIXING, TOLD, condition_beyond
from pose3d_lib.study.config import Condition, choose_actions
from pose3d_lib.study.observations import ARMS, AS_PUBLISHED, EMPTY_IS_NAN, Observations, arm_of, choose
from pose3d_lib.study.results import StudyResults
from pose3d_lib.study.two_way import Effect, complete_table, mean_of_set, t_interval

# Of all actions, and then of one; and of all actions, with the label as an input.
FINE_TUNED, TOLD_ACTION = "Fine-tuned", "Told the action"

LEAST_POINTS = 4  # of a power law: one more than the curve has parameters
EXPONENTS = 0.05, 5.0  # below the first the curve is a logarithm, above the last it falls at the first point alone
AT_AN_END = 1.02  # a fit that is nearer to an end of EXPONENTS than by this factor has found none


def curves(observations: Observations, condition: Condition, actions: Sequence[str]) -> pd.DataFrame:
    """Test errors of both arms during training and at its end, under one condition, statistics as published.

    A row per test: action, schedule, arm, seed, unit_epochs, mpjpe (mm), lr_share (the rate relative to the first). Tests come at
    the end of a batch, which is elsewhere in every dataset: `unit_epochs` is the mean over the seeds.
    """
    tests = choose(observations.tests, condition, statistics=AS_PUBLISHED)
    number = tests.groupby(["run", "action"]).cumcount()
    tests = tests.assign(seen=tests.groupby(["arm", "action", number]).seen.transform("mean"))
    own = pd.concat([tests[tests.action == action] for action in actions], ignore_index=True)
    columns = ["action", "schedule", "arm", "replicate", "seen", "mpjpe", "lr_share"]
    return own[columns].rename(columns={"replicate": "seed", "seen": "unit_epochs"})


def with_both_arms(runs: Sequence[Run]) -> Sequence[Run]:
    """Runs of a condition, or none where they are of one arm."""
    return runs if {arm_of(run) for run in runs} == {*ARMS} else []


def _actions(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.config.action for run in runs if not run.config.is_baseline))


def _knows(run: Run, action: str) -> bool:
    return run.config.action in (ALL, action)


def joint_errors(runs: Sequence[Run], skeleton: Skeleton) -> pd.DataFrame:
    """Error of every joint on every action, mean over the seeds, mm: action, joint, and a column for each arm."""
    columns, parts = list(joint_columns(skeleton)), []
    for action, run in ((action, run) for action in _actions(runs) for run in runs if _knows(run, action)):
        clips = run.clips[run.clips.action == action]
        errors = np.average(clips[columns].to_numpy(), axis=0, weights=clips.frames)
        parts.append(pd.DataFrame({"action": action, "joint": skeleton.joints, "arm": arm_of(run), "error": errors}))
    errors = pd.concat(parts).pivot_table(index=["action", "joint"], columns="arm", values="error")
    rows = pd.MultiIndex.from_product([_actions(runs), skeleton.joints], names=["action", "joint"])
    return errors.loc[rows, [*ARMS]].reset_index().rename_axis(columns=None)


def transfer(results: StudyResults) -> pd.DataFrame:
    """MPJPE of every model on every action: model (the action it was trained on), told, seed, and a column per action, mm.

    The models are those of both arms, and the one that is told the action: a row per action that it can be told. Models that
    were tested on their own action alone, with the true label, are evaluated here, and their errors kept in the study's folder.
    Empty without both arms, and of a single action.
    """
    runs, asked = _runs_of(results, TOLD)
    actions, path = _actions(runs), results.folder / "transfer_errors.csv"
    if not results.config.beyond or len(actions) < 2:
        return pd.DataFrame()
    kept = pd.read_csv(path, index_col="key", **EMPTY_IS_NAN) if path.is_file() else pd.DataFrame()
    kept = kept.reindex(columns=actions).dropna()
    errors: dict[str, pd.Series] = {}
    rows = []
    for run, told in [*((run, "") for run in runs), *((run, action) for run in asked for action in actions)]:
        key = f"{run.folder.name} {told}".strip()
        if not told and set(actions) <= set(run.actions.index):
            errors[key] = run.actions.mpjpe[actions]
        elif key in kept.index:
            errors[key] = kept.loc[key]
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
    return per_action(evaluate(run.load_lifters(data).pose, data, clips, config.keypoints, **how)).mpjpe[list(actions)]


def labels(table: pd.DataFrame) -> pd.DataFrame:
    """What a known and a wrong label are worth, from `transfer`: seed, arm, known, action (tested on), mpjpe (mm).

    `known` is "yes", "no" (the mean over all other labels) or, of the original, "". Arms are it, ACTION_BASED and TOLD_ACTION,
    of seeds that have these for all actions.
    """
    actions, told = list(table.columns[3:]), table.told.fillna("")
    arm = np.select([told != "", table.model == ALL], [TOLD_ACTION, ORIGINAL], ACTION_BASED)
    own = table.assign(arm=arm, label=table.model.where(told == "", told))
    whole = own.groupby(["seed", "arm"]).label.transform("nunique") == len(actions)
    own = own[whole | (own.arm == ORIGINAL)].melt(["seed", "arm", "label"], actions, "action", "mpjpe")
    known = np.select([own.arm == ORIGINAL, own.label == own.action], ["", "yes"], "no")
    return own.assign(known=known).groupby(["seed", "arm", "known", "action"], sort=False, as_index=False).mpjpe.mean()


def _runs_of(results: StudyResults, question: str) -> tuple[Sequence[Run], list[Run]]:
    """The arms with which the questions beyond the paper compare, if both are there, and the runs of one question."""
    compared = results.parts.get(condition_beyond(results.config), [])
    return with_both_arms(compared), results.parts.get(question, [])


def specialised(results: StudyResults) -> pd.DataFrame:
    """The errors of both arms, FINE_TUNED and TOLD_ACTION on an action: action, arm, seed, mpjpe (mm).

    Empty without runs of the latter two.
    """
    runs, tuned = _runs_of(results, FINE_TUNING)
    tuned, told = [run for run in tuned if run.config.start_from], results.parts.get(TOLD, [])
    if not (runs and (tuned or told)):
        return pd.DataFrame()
    models = [(run, arm_of(run)) for run in runs]
    models += [(run, arm) for arm, own in ((FINE_TUNED, tuned), (TOLD_ACTION, told)) for run in own]
    return pd.DataFrame(
        _point(run, action, arm=arm) for action in _actions(runs) for run, arm in models if _knows(run, action)
    )


def change_of_arm(table: pd.DataFrame, arm: str, than: str = ORIGINAL) -> Effect | None:
    """How an arm of a table with "action", "arm", "seed" and "mpjpe" differs from another, mean of the actions of both.

    A t interval over the seeds that have all of these actions; None without any.
    """
    both = [set(table.action[table.arm == own]) for own in (than, arm)]
    actions = [action for action in table.action.unique() if action in both[0] & both[1]]
    if not actions:
        return None
    y = complete_table(table.set_index(["arm", "action", "seed"]).mpjpe, actions, (than, arm)).to_numpy()
    return mean_of_set(y) if y.size else None


def _in_focus(results: StudyResults, question: str) -> list[tuple[Run, str]]:
    """The arms and the runs of a question, of the replicates that have these, each with the actions in focus that it knows."""
    runs, asked = _runs_of(results, question)
    if not (runs and asked):
        return []
    seeds = {run.config.seed for run in asked}
    _, focus = choose_actions(results.config, results.data)
    known = [(run, action) for action in focus for run in (*runs, *asked) if _knows(run, action)]
    return [(run, action) for run, action in known if run.config.seed in seeds]


def mixing(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against how many actions were trained on: action, trained_on, seed, mpjpe (mm)."""
    every = len(results.data.train_actions)
    return pd.DataFrame(
        _point(run, action, trained_on=every if run.config.is_baseline else 1 + len(run.config.with_actions))
        for run, action in _in_focus(results, MIXING)
    )


def fewer_frames(results: StudyResults) -> pd.DataFrame:
    """Error on an action in focus against distinct training frames: action, arm, share, frames, seed, mpjpe (mm)."""
    points = [
        _point(run, action, arm=arm_of(run), share=run.config.train_share, frames=training_frames(run))
        for run, action in _in_focus(results, FEWER_FRAMES)
    ]
    return pd.DataFrame(points).drop_duplicates()


def training_frames(run: Run) -> int:
    """Distinct frames with known poses that a run is trained on."""
    return run.timing["windows_per_epoch"] // (1 + run.config.mirror_training)


def _point(run: Run, action: str, **place: object) -> dict[str, object]:
    return {"action": action, **place, "seed": run.config.seed, "mpjpe": float(run.actions.mpjpe[action])}


class PowerLaw(NamedTuple):
    """How an error falls with the number n of training frames, in one replicate: a + b (n / N)^-c."""

    a: float  # mm: the error that no number of frames takes away
    b: float  # mm: what is above it at N
    c: float  # the exponent
    most: float  # N, the largest number of frames

    def at(self, frames: np.ndarray | float) -> np.ndarray | float:
        """The error with some numbers of frames, mm."""
        return self.a + self.b * (np.asarray(frames) / self.most) ** -self.c

    @property
    def found(self) -> bool:
        """Whether the points tell the curve: the error falls, and its exponent is none of the ends."""
        low, high = EXPONENTS
        return self.b > 1e-6 and low * AT_AN_END < self.c < high / AT_AN_END


def fit_power_law(frames: Sequence[float], errors: Sequence[float]) -> PowerLaw | None:
    """Least squares of the relative differences, with a and b at least 0; None with fewer than LEAST_POINTS points.

    For each exponent the best a and b are those of a linear problem, so only the exponent is searched for.
    """
    n, e = np.asarray(frames, float), np.asarray(errors, float)
    if len(np.unique(n)) < LEAST_POINTS:
        return None

    def solve(log_c: float) -> tuple[np.ndarray, float]:
        return nnls(np.stack([1 / e, (n / n.max()) ** -np.exp(log_c) / e], axis=1), np.ones(len(e)))

    grid = np.linspace(*np.log(EXPONENTS), 60)
    best = int(np.argmin([solve(place)[1] for place in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    place = minimize_scalar(lambda own: solve(own)[1], bounds=around, method="bounded").x
    (a, b), _ = solve(place)
    return PowerLaw(float(a), float(b), float(np.exp(place)), float(n.max()))


def curves_of_frames(table: pd.DataFrame) -> dict[tuple[str, str], dict[int, PowerLaw]]:
    """By action and arm of `fewer_frames` the curve of every seed that has enough points."""
    found: dict[tuple[str, str], dict[int, PowerLaw]] = {}
    for (action, arm, seed), own in table.groupby(["action", "arm", "seed"], sort=False):
        if fit := fit_power_law(own.frames, own.mpjpe):
            found.setdefault((action, arm), {})[seed] = fit
    return found


def data_efficiency(table: pd.DataFrame) -> pd.DataFrame:
    """The curves error = a + b (n / N)^-c of `fewer_frames`, with t intervals over the seeds' fits.

    A row per action and arm: action, arm, frames (N, mean), replicates; the mean of a (mm) and the geometric mean of c, each
    with "_low" and "_high"; change, low, high (per cent): what twice the frames would do by the curve; found: whether every
    seed's points tell the curve, of which a and c are otherwise no properties.
    """
    rows = []
    for (action, arm), fits in curves_of_frames(table).items():
        own = pd.DataFrame(fits.values())
        row = {"action": action, "arm": arm, "frames": round(own.most.mean()), "replicates": len(own)}
        for name, interval in {"a": t_interval(own.a), "c": np.exp(t_interval(np.log(own.c)))}.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))
        twice = mean_of_set(np.log((own.a + own.b * 2**-own.c) / (own.a + own.b)).to_numpy()[None])
        rows.append({**row, **twice.row(), "found": all(fit.found for fit in fits.values())})
    return pd.DataFrame(rows).drop(columns="p", errors="ignore")


def as_many_of_all(table: pd.DataFrame, action: str) -> Effect | None:
    """How the action-based model of an action differs from one that is trained on the same number of frames of all actions.

    The error of the latter is read off the curve of its seed; None without any.
    """
    curves = curves_of_frames(table).get((action, ORIGINAL), {})
    own = table[(table.action == action) & (table.arm == ACTION_BASED) & (table.share == 1)]
    logs = [np.log(run.mpjpe / curves[run.seed].at(run.frames)) for run in own.itertuples() if run.seed in curves]
    return mean_of_set(np.array([logs])) if logs else None
