"""The tables of the scarcity study: what unlabelled video is worth, beside how much seeds differ."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pose3d_lib.common.paths import make_folder
from pose3d_lib.data.actions import ALL
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs.run import Run
from pose3d_lib.study.observations import EMPTY_IS_NAN, write_table
from pose3d_lib.study.results import find_runs, folder_of, read_settings, write_settings
from pose3d_lib.study.scarcity import ScarcityConfig, plan_scarcity
from pose3d_lib.study.tables_beyond import training_frames
from pose3d_lib.study.two_way import mean_of_set
from pose3d_lib.study.verdicts import word_change

# The labelled part alone, and with unlabelled video.
ARMS = SUPERVISED, SEMI_SUPERVISED = ("Supervised", "Semi-supervised")
WHOLE, ALONE = "all terms", "supervised alone"  # losses of which nothing, and everything unlabelled, is left out
SCARCITY, RUNS = "scarcity.json", "runs.csv.gz"  # all of a study that is no table, and a row per run


@dataclass(frozen=True, eq=False)
class ScarcityResults:
    """A scarcity study as it is reported: files from which every table and figure is redrawn.

    table: a row per finished run, in the order of the plan: action, share, frames (labelled), epochs, arm, loss, seed, METRICS
        and mrpe (mm). The errors are those on what it was trained on.
    """

    config: ScarcityConfig
    table: pd.DataFrame
    name: str  # of the dataset
    synthetic: bool
    subjects: list[str]  # tested
    folder: Path  # of tables and figures


def collect_scarcity(config: ScarcityConfig, data: PoseDataset) -> ScarcityResults:
    """What the finished runs of a study say, and its folder holds from now on."""
    found = find_runs(plan_scarcity(config, data), {config.data: data})
    columns = ["action", "share", "frames", "epochs", "arm", "loss", "seed", *METRICS, "mrpe"]
    table = pd.DataFrame([_row(run) for run in found.values()], columns=columns)
    folder = make_folder(folder_of(data, config, {"scarcity": {}}))
    write_table(table, folder / RUNS)
    about = {"name": data.name, "synthetic": data.synthetic, "subjects": list(data.test_subjects)}
    write_settings(folder / SCARCITY, config, **about)
    return read_scarcity(folder)


def read_scarcity(folder: Path) -> ScarcityResults:
    """A study that `collect_scarcity` wrote, without its runs."""
    config, about = read_settings(folder / SCARCITY, ScarcityConfig)
    table = pd.read_csv(folder / RUNS, dtype={"action": str}, **EMPTY_IS_NAN)
    return ScarcityResults(config, table, **about, folder=folder)


def _row(run: Run) -> dict[str, object]:
    config = run.config
    own = list(run.actions.index) if config.action == ALL else [config.action]
    without = ", ".join(config.without_terms)
    return {
        "action": config.action,
        "share": config.train_share,
        "frames": training_frames(run),
        "epochs": run.timing["epochs"],
        "arm": SEMI_SUPERVISED if config.semi_supervised else SUPERVISED,
        "loss": (f"without {without}" if without else WHOLE) if config.semi_supervised else ALONE,
        "seed": config.seed,
        **{metric: float(run.actions.loc[own, metric].mean()) for metric in METRICS},
        "mrpe": float(np.mean([run.root_errors[name] for name in own])) if run.root_errors else np.nan,
    }


def scarcity_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Both arms at every share of the labelled clips, and what the video of the others is worth; of rows of a study's table.

    Returns:
        A row per action (or "All") and share with runs of both arms and the same seed: action; share; frames, the labelled
        ones; epochs; per arm "<arm>, mean" and ", sd", mm; runs, of each arm; change (mm) of the semi-supervised mean; spread
        (mm), the largest difference between two seeds of an arm, NaN for one; percent, low, high, p, verdict: of the changes
        within each seed, by a t interval of their log ratios, which is about other trainings on these takes.
    """
    rows = []
    for (action, share), own in runs[runs.loss.isin([WHOLE, ALONE])].groupby(["action", "share"], sort=False):
        pairs = own.pivot(index="seed", columns="arm", values="mpjpe").reindex(columns=ARMS).dropna()
        if not len(pairs):
            continue
        first = own[own.arm == SUPERVISED].iloc[0]
        row = {"action": action, "share": share, "frames": first.frames, "epochs": first.epochs}
        for arm in ARMS:
            row |= {f"{arm}, mean": pairs[arm].mean(), f"{arm}, sd": pairs[arm].std()}
        effect = mean_of_set(np.log(pairs[SEMI_SUPERVISED] / pairs[SUPERVISED]).to_numpy()[None])
        row |= {"runs": len(pairs), "change": (pairs[SEMI_SUPERVISED] - pairs[SUPERVISED]).mean()}
        row["spread"] = np.ptp(pairs.to_numpy(), axis=0).max() if len(pairs) > 1 else np.nan
        rows.append({**row, **effect.row("percent"), "verdict": word_change(effect, effect.p)})
    return pd.DataFrame(rows)


def ablation_table(runs: pd.DataFrame) -> pd.DataFrame:
    """The errors with the whole loss, without one of its terms, and supervised; of rows of one action and share.

    A row per loss: loss; per metric its mean over the seeds, and "<metric>_sd"; runs.
    """
    grouped = runs.groupby("loss")
    table = grouped[[*METRICS]].mean().join(grouped[[*METRICS]].std().add_suffix("_sd")).assign(runs=grouped.size())
    columns = [name for metric in METRICS for name in (metric, f"{metric}_sd")]
    return table.loc[losses(runs), [*columns, "runs"]].reset_index()


def losses(runs: pd.DataFrame) -> list[str]:
    """The losses of some runs: the whole one first, that of supervised runs last."""
    return sorted(runs.loss.unique(), key=lambda loss: (loss != WHOLE, loss == ALONE))
