"""The tables of the scarcity study: what unlabelled video is worth, beside how much seeds differ; from run folders alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS, named
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import find_own, take_cell
from pose3d_lib.study.scarcity import ScarcityConfig, plan_scarcity
from pose3d_lib.study.statistics import compare
from pose3d_lib.study.verdicts import word_change
from pose3d_lib.training.config import RunConfig

SUPERVISED, SEMI_SUPERVISED = "Supervised", "Semi-supervised"
"""The two arms: the labelled part alone, and with unlabelled video beside it."""

WHOLE = "all terms"
"""The loss of which nothing is left out."""


@dataclass(frozen=True)
class ScarcityResults:
    """A scarcity study and its finished runs."""

    config: ScarcityConfig
    data: PoseDataset

    @cached_property
    def planned(self) -> list[RunConfig]:
        return plan_scarcity(self.config, self.data)

    @cached_property
    def runs(self) -> list[Run]:
        """The finished ones, in the order of the plan; an InputError as of `find_own`."""
        return [run for run in (find_own(config, self.data) for config in self.planned) if run]

    def of(self, action: str, share: float, *, semi_supervised: bool, without: tuple[str, ...] = ()) -> list[Run]:
        """The runs of one cell of the study, which differ in their seed only."""
        asked = (action, share, semi_supervised, without)
        return [run for run in self.runs if _cell_of(run) == asked]


def _cell_of(run: Run) -> tuple[str, float, bool, tuple[str, ...]]:
    config = run.config
    return config.action, config.train_share, config.semi_supervised, config.without_terms


def scarcity_table(results: ScarcityResults, action: str, shares: Sequence[float], metric: str) -> pd.DataFrame:
    """Both arms at every share of the labelled clips, and what the video of the others is worth.

    Args:
        results: with finished runs.
        action: what the runs are trained on, "All" or one action; the errors are on what they are trained on.
        shares: of the labelled clips.
        metric: one of METRICS.

    Returns:
        "Labelled [%]", "Frames", the labelled ones, "Epochs", how often each is seen; per arm "<arm>, mean" (action-wise),
        ", sd", ", runs"; "Change [mm]", the semi-supervised mean less the supervised one; "Spread [mm]", the largest
        difference between two seeds of an arm, NaN where each has one; "Change [%]", "Change, low [%]", "Change, high [%]"
        (95 % over seeds and takes), "p", "Smallest p" and "Verdict". Rows without runs of both arms are left out.
    """
    rows = []
    for share in shares:
        arms = {
            SUPERVISED: results.of(action, share, semi_supervised=False),
            SEMI_SUPERVISED: results.of(action, share, semi_supervised=True),
        }
        if not all(arms.values()):
            continue
        errors = {arm: _errors(runs, action, metric) for arm, runs in arms.items()}
        first = arms[SUPERVISED][0]
        tested = list(first.actions.index) if action == ALL else [action]
        effect = compare([
            tuple(take_cell(runs, own, metric, arm) for arm, runs in arms.items()) for own in tested
        ])  # fmt: skip
        rows.append(
            {
                "Labelled [%]": 100 * share,
                "Frames": first.timing["windows_per_epoch"] // (1 + first.config.mirror_training),
                "Epochs": first.timing["epochs"],
                **{f"{arm}, {name}": value for arm in arms for name, value in _summary(errors[arm]).items()},
                "Change [mm]": float(errors[SEMI_SUPERVISED].mean() - errors[SUPERVISED].mean()),
                "Spread [mm]": max((float(np.ptp(own)) for own in errors.values() if len(own) > 1), default=np.nan),
                "Change [%]": effect.value,
                "Change, low [%]": effect.low,
                "Change, high [%]": effect.high,
                "p": effect.p,
                "Smallest p": effect.smallest_p,
                "Verdict": word_change(effect, effect.p, 1).word,
            }
        )
    return pd.DataFrame(rows)


def _errors(runs: Sequence[Run], action: str, metric: str) -> np.ndarray:
    """(runs,): on the action, or the plain mean over all of them."""
    return np.array([
        run.actions[metric].mean() if action == ALL else run.actions[metric][action] for run in runs
    ])  # fmt: skip


def _summary(errors: np.ndarray) -> dict[str, float]:
    deviation = float(errors.std(ddof=1)) if len(errors) > 1 else float("nan")
    return {"mean": float(errors.mean()), "sd": deviation, "runs": len(errors)}


def ablation_table(results: ScarcityResults, action: str, share: float) -> pd.DataFrame:
    """What each term of the loss is worth: all four errors with the whole loss, without one of its terms, and supervised.

    Returns:
        "Loss", and per metric its name with unit, mean over the seeds, and the same with ", sd"; "Runs".
    """
    kinds = {WHOLE: (True, ())}
    for run in results.runs:
        if run.config.without_terms:
            kinds[f"without {', '.join(run.config.without_terms)}"] = (True, run.config.without_terms)
    kinds["supervised alone"] = (False, ())
    rows = []
    for name, (semi_supervised, without) in kinds.items():
        runs = results.of(action, share, semi_supervised=semi_supervised, without=without)
        if not runs:
            continue
        row: dict[str, object] = {"Loss": name}
        for metric in METRICS:
            summary = _summary(_errors(runs, action, metric))
            row |= {named(metric): summary["mean"], f"{named(metric)}, sd": summary["sd"]}
        rows.append({**row, "Runs": len(runs)})
    return pd.DataFrame(rows)


def seeds_table(results: ScarcityResults) -> pd.DataFrame:
    """A row per run: action, share, frames, arm, without, seed, mpjpe (mm, on what it was trained on), and mrpe (mm)."""
    rows = []
    for run in results.runs:
        action, share, semi_supervised, without = _cell_of(run)
        own = list(run.actions.index) if action == ALL else [action]
        roots = [run.root_errors[name] for name in own] if run.root_errors else [float("nan")]
        rows.append(
            {
                "action": action,
                "share": share,
                "frames": run.timing["windows_per_epoch"] // (1 + run.config.mirror_training),
                "arm": SEMI_SUPERVISED if semi_supervised else SUPERVISED,
                "without": ", ".join(without),
                "seed": run.config.seed,
                "mpjpe": float(_errors([run], action, "mpjpe")[0]),
                "mrpe": float(np.mean(roots)),
            }
        )
    return pd.DataFrame(rows)
