"""The tables of the scarcity study: what unlabelled video is worth, beside how much seeds differ; from run folders alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs.run import Run
from pose3d_lib.study.comparison import find_runs
from pose3d_lib.study.results import folder_of
from pose3d_lib.study.scarcity import ScarcityConfig, plan_scarcity
from pose3d_lib.study.tables_beyond import training_frames
from pose3d_lib.study.two_way import mean_of_set
from pose3d_lib.study.verdicts import word_change
from pose3d_lib.training.config import RunConfig

SUPERVISED, SEMI_SUPERVISED = "Supervised", "Semi-supervised"  # the labelled part alone, and with unlabelled video
ARMS = [SUPERVISED, SEMI_SUPERVISED]
WHOLE, ALONE = "all terms", "supervised alone"  # losses of which nothing, and everything unlabelled, is left out


@dataclass(frozen=True)
class ScarcityResults:
    """A scarcity study and its finished runs, looked up once, when they are first needed."""

    config: ScarcityConfig
    data: PoseDataset

    @cached_property
    def planned(self) -> list[RunConfig]:
        return plan_scarcity(self.config, self.data)

    @cached_property
    def runs(self) -> list[Run]:
        """The finished ones, in the order of the plan; an InputError as of `find_runs`."""
        return list(find_runs(self.planned, {self.config.data: self.data})[0].values())

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per run: run, action, share, frames (labelled), arm, loss, seed, METRICS and mrpe (mm).

        The errors are those on what it was trained on.
        """
        columns = ["run", "action", "share", "frames", "arm", "loss", "seed", *METRICS, "mrpe"]
        return pd.DataFrame([_row(run) for run in self.runs], columns=columns)

    @property
    def folder(self) -> Path:
        """Where the tables and figures go."""
        return folder_of(self.data, self.config, {"scarcity": {}})


def _row(run: Run) -> dict[str, object]:
    config = run.config
    own = list(run.actions.index) if config.action == ALL else [config.action]
    without = ", ".join(config.without_terms)
    return {
        "run": run,
        "action": config.action,
        "share": config.train_share,
        "frames": training_frames(run),
        "arm": SEMI_SUPERVISED if config.semi_supervised else SUPERVISED,
        "loss": (f"without {without}" if without else WHOLE) if config.semi_supervised else ALONE,
        "seed": config.seed,
        **{metric: float(run.actions.loc[own, metric].mean()) for metric in METRICS},
        "mrpe": float(np.mean([run.root_errors[name] for name in own])) if run.root_errors else np.nan,
    }


def scarcity_table(results: ScarcityResults, action: str, shares: Iterable[float]) -> pd.DataFrame:
    """Both arms at every share of the labelled clips, and what the video of the others is worth.

    Returns:
        A row per share with runs of both arms and the same seed on `action` (or "All"): action; share; frames, the labelled
        ones; epochs; per arm "<arm>, mean" and ", sd", mm; runs, of each arm; change (mm) of the semi-supervised mean; spread
        (mm), the largest difference between two seeds of an arm, NaN for one; percent, low, high, p, verdict: of the changes
        within each seed, by a t interval of their log ratios, which is about other trainings on these takes.
    """
    rows = []
    for share in shares:
        table = results.table
        table = table[(table.action == action) & (table.share == share) & table.loss.isin([WHOLE, ALONE])]
        pairs = table.pivot(index="seed", columns="arm", values="mpjpe").reindex(columns=ARMS).dropna()
        if not len(pairs):
            continue
        first = table[table.arm == SUPERVISED].iloc[0]
        row = {"action": action, "share": share, "frames": first.frames, "epochs": first.run.timing["epochs"]}
        for arm, own in pairs.items():
            row |= {f"{arm}, mean": own.mean(), f"{arm}, sd": own.std()}
        supervised, semi_supervised = (pairs[arm].to_numpy() for arm in ARMS)
        effect = mean_of_set(np.log(semi_supervised / supervised)[None])
        row |= {"runs": len(pairs), "change": float((semi_supervised - supervised).mean())}
        row["spread"] = float(np.ptp(pairs.to_numpy(), axis=0).max()) if len(pairs) > 1 else np.nan
        rows.append({**row, **effect.row("percent"), "verdict": word_change(effect, effect.p)})
    return pd.DataFrame(rows)


def ablation_table(results: ScarcityResults, action: str, share: float) -> pd.DataFrame:
    """The errors with the whole loss, without one of its terms, and supervised.

    A row per loss: loss; per metric its mean over the seeds, and "<metric>_sd"; runs.
    """
    table = results.table
    table = table[(table.action == action) & (table.share == share)]
    rows = []
    for loss in losses(table):
        own, row = table[table.loss == loss], {"loss": loss}
        for metric in METRICS:
            row |= {metric: own[metric].mean(), f"{metric}_sd": own[metric].std()}
        rows.append({**row, "runs": len(own)})
    return pd.DataFrame(rows)


def losses(table: pd.DataFrame) -> list[str]:
    """The losses of a table of runs: the whole one first, that of supervised runs last."""
    return sorted(dict.fromkeys(table.loss), key=lambda loss: (loss != WHOLE, loss == ALONE))
