"""From run folders to the paper's tables: every number is read from a file that a run wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from pose3d_lib.actions import ALL
from pose3d_lib.config import RunConfig, SweepConfig
from pose3d_lib.dataset import PoseDataset
from pose3d_lib.evaluation import METRICS, UNITS
from pose3d_lib.paths import outputs_dir
from pose3d_lib.runs import Run, find_run
from pose3d_lib.sources.spec import DataSpec

ORIGINAL, ACTION_BASED = "Original", "Action-based"
"""The two arms, in the paper's words: one model for all actions, and one model per action."""

MEAN = "Mean of the actions"

NAMES = {"mpjpe": "MPJPE", "p_mpjpe": "P-MPJPE", "n_mpjpe": "N-MPJPE", "mpjve": "MPJVE"}

LATEX = {letter: f"\\{letter}" for letter in "%&#_$"}
"""Letter -> how LaTeX is told that it means just that."""

QUOTED = pd.DataFrame(
    [
        ("1", "unit epoch", "Eating, MPJPE [mm]", "56.34", "52.07"),
        ("1", "unit epoch", "Sitting, MPJPE [mm]", "70.49", "70.86"),
        ("2", "unit epoch", "Eating, MPJVE [mm/frame]", "3.14", "3.01"),
        ("2", "unit epoch", "Sitting, MPJVE [mm/frame]", "3.14", "2.86"),
        ("3", "80 epochs", "Eating, time [s]", "81173", "56921"),
        ("3", "80 epochs", "Eating, MPJPE [mm]", "43.30", "49.27"),
        ("3", "80 epochs", "Eating, MPJVE [mm/frame]", "2.24", "2.56"),
    ],
    columns=["Table", "Length", "Quantity", ORIGINAL, ACTION_BASED],
)
QUOTED["Change [%]"] = 100 * (QUOTED[ACTION_BASED].astype(float) / QUOTED[ORIGINAL].astype(float) - 1)
"""The figures of Bai and Wang, tables 1 to 3, on Human3.6M: quoted, not measured here."""


@dataclass(frozen=True)
class Comparison:
    """The finished runs of both arms, and what is still missing.

    Attributes:
        original: the baseline's runs, one per seed.
        action_based: action -> its models' runs, one per seed; actions without any are not in it.
        missing: the planned runs that are not finished.
        left_out: finished runs of seeds that another model of the comparison lacks.
    """

    original: list[Run]
    action_based: dict[str, list[Run]]
    missing: list[RunConfig]
    left_out: list[Run]

    @property
    def runs(self) -> list[Run]:
        return [*self.original, *(run for runs in self.action_based.values() for run in runs)]

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def usable(self) -> bool:
        """Whether both arms have at least one run, so that there is something to compare."""
        return bool(self.original and self.action_based)


def collect_runs(plan: Sequence[RunConfig], data: PoseDataset) -> Comparison:
    """The finished runs of a plan; no run of another dataset, config or result format can be among them.

    Every mean is over the same seeds: those that the original and every action with any finished run have.
    """
    found = [(config, find_run(config, data)) for config in plan]
    seeds: dict[str, set[int]] = {}
    for config, run in found:
        if run:
            seeds.setdefault(config.action, set()).add(config.seed)
    common = set.intersection(*seeds.values()) if seeds else set()
    by_action: dict[str, list[Run]] = {}
    for config, run in found:
        if run and config.seed in common:
            by_action.setdefault(config.action, []).append(run)
    original = by_action.pop(ALL, [])
    missing = [config for config, run in found if run is None]
    left_out = [run for config, run in found if run and config.seed not in common]
    return Comparison(original, by_action, missing, left_out)


def _error(runs: Sequence[Run], action: str, metric: str) -> float:
    """A metric on the test clips of an action, averaged over runs that differ in their seed."""
    return sum(float(run.actions.loc[action, metric]) for run in runs) / len(runs)


def compare_arms(comparison: Comparison, metric: str) -> pd.DataFrame:
    """Tables 1 (mpjpe) and 2 (mpjve) of the paper, for every action: both arms and the change in per cent.

    Returns:
        Columns "Action", one per arm named with metric and unit, "Change [%]"; the last row is the mean over the actions.
    """
    columns = [f"{arm}, {NAMES[metric]} [{UNITS[metric]}]" for arm in (ORIGINAL, ACTION_BASED)]
    rows = [
        (action, _error(comparison.original, action, metric), _error(runs, action, metric))
        for action, runs in comparison.action_based.items()
    ]
    table = pd.DataFrame(rows, columns=["Action", *columns])
    table.loc[len(table)] = [MEAN, *table[columns].mean()]
    table["Change [%]"] = 100 * (table[columns[1]] / table[columns[0]] - 1)
    return table


def table_3(comparison: Comparison) -> pd.DataFrame:
    """Table 3 of the paper, for every action: time consumed, MPJPE and MPJVE of both arms after a long training.

    Time is training and final evaluation. Beside it stand the windows seen, in millions, and the training seconds per
    million windows: two runs that saw different numbers of windows cannot be compared by their time alone.
    """
    rows = []
    for action, runs in comparison.action_based.items():
        row: dict[str, object] = {"Action": action}
        for arm, own in ((ORIGINAL, comparison.original), (ACTION_BASED, runs)):
            timing = pd.DataFrame([run.timing for run in own]).mean()
            row[f"{arm}, time [s]"] = timing.train_seconds + timing.evaluation_seconds
            row[f"{arm}, windows [M]"] = timing.windows / 1e6
            row[f"{arm}, training [s/M windows]"] = timing.train_seconds / timing.windows * 1e6
            for metric in ("mpjpe", "mpjve"):
                row[f"{arm}, {NAMES[metric]} [{UNITS[metric]}]"] = _error(own, action, metric)
        rows.append(row)
    return pd.DataFrame(rows)


def all_metrics(comparison: Comparison) -> pd.DataFrame:
    """All four metrics of both arms over the compared actions, action-wise and frame-wise.

    The action-based arm is every action's own model on its own action.
    """
    actions = list(comparison.action_based)
    frames = comparison.original[0].actions.frames.loc[actions]
    rows = []
    for arm in (ORIGINAL, ACTION_BASED):
        errors = pd.DataFrame(
            {
                metric: [
                    _error(comparison.original if arm == ORIGINAL else comparison.action_based[action], action, metric)
                    for action in actions
                ]
                for metric in METRICS
            },
            index=actions,
        )
        rows.append([arm, "action-wise", *errors.mean()])
        rows.append([arm, "frame-wise", *(errors.mul(frames, axis=0).sum() / frames.sum())])
    return pd.DataFrame(rows, columns=["Arm", "Mean", *(f"{NAMES[m]} [{UNITS[m]}]" for m in METRICS)])


def transfer(comparison: Comparison, metric: str = "mpjpe") -> pd.DataFrame:
    """Every model on every action: rows are models (the baseline first), columns the actions they are tested on."""
    actions = list(comparison.action_based)
    models = {ALL: comparison.original, **comparison.action_based}
    rows = {model: [_error(runs, action, metric) for action in actions] for model, runs in models.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=actions)


def unit_epochs(config: RunConfig) -> str:
    """A run's length in words: "1 unit epoch", "80 unit epochs"."""
    return f"{config.unit_epochs:g} unit epoch{'s' * (config.unit_epochs != 1)}"


def describe(comparison: Comparison, data: PoseDataset) -> str:
    """What stands under every table and figure: which data, which network, how many runs, on what machine."""
    config = comparison.runs[0].config
    machine = sorted({f"{run.provenance['processor']}, {run.provenance['device']}" for run in comparison.runs})
    seeds = sorted({run.config.seed for run in comparison.runs})
    origin = "SYNTHETIC data, nobody was filmed" if data.synthetic else "Data"
    per_action = next(iter(comparison.action_based.values()))[0].config
    schedule = f"learning rate per {per_action.lr_decay_per}, batch norm per {per_action.bn_decay_per}"
    network = f"{config.receptive_field} frames, {config.channels} channels"
    if config.precision != "float32":
        network += f", {config.precision}"
    length = f"{unit_epochs(config)}, budget {per_action.budget}, {schedule}"
    who = f"test subjects {', '.join(data.test_subjects)}"
    return (
        f"{origin}: {data.name}, 2D keypoints {config.keypoints!r}, {who}. {network}, {length}. "
        f"{len(comparison.runs)} runs, seed {', '.join(map(str, seeds))}, on {'; '.join(machine)}."
    )


def results_dir(data: PoseDataset, config: SweepConfig) -> Path:
    """Where the tables and figures of a comparison go: one of other data or settings does not overwrite them.

    The name says dataset, keypoints, widths, channels and batch size, and every other setting that is not the default.
    """
    told = {*DataSpec.model_fields, "filter_widths", "channels", "batch_size", "jobs", "threads", "device"}
    other = ""
    for name, field in SweepConfig.model_fields.items():
        value = getattr(config, name)
        if name not in told and value != field.default:
            other += f"-{name}-{','.join(map(str, value)) if isinstance(value, tuple) else value}"
    widths = "x".join(map(str, config.filter_widths))
    what = (
        f"{data.name}-{data.fingerprint[:6]}-{config.keypoints}-{widths}-{config.channels}c-{config.batch_size}b{other}"
    )
    return outputs_dir() / "results" / what


def save_table(table: pd.DataFrame, path: Path, caption: str) -> None:
    """Writes `<path>.csv`, every digit, and `<path>.md` and `<path>.tex`, rounded for reading, with the caption."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path.with_suffix(".csv"), index=False)
    path.with_suffix(".md").write_text(f"{to_markdown(table)}\n\n{caption}\n", encoding="utf-8")
    path.with_suffix(".tex").write_text(to_latex(table, caption), encoding="utf-8")


def to_markdown(table: pd.DataFrame) -> str:
    """A table as it stands in the README, as Markdown; rounded as `_rounded` does it."""
    return _rounded(table).to_markdown(index=False, disable_numparse=True, colalign=_alignment(table))


def to_latex(table: pd.DataFrame, caption: str) -> str:
    """The same as a table of LaTeX, which needs the package booktabs."""
    rows = tabulate(
        _rounded(table).to_numpy().tolist(),
        list(table.columns),
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=_alignment(table),
    )
    plain = "".join(LATEX.get(letter, letter) for letter in caption)
    return f"\\begin{{table}}\n\\centering\n\\caption{{{plain}}}\n{rows}\n\\end{{table}}\n"


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Two digits behind the point, a sign where the column is a change, nothing where there is no number."""
    shown = table.copy()
    for column in shown.select_dtypes("integer"):
        shown[column] = shown[column].map("{:,}".format)
    for column in shown.select_dtypes("float"):
        digits = "{:+.1f}" if column.startswith("Change") else "{:.2f}"
        shown[column] = ["" if pd.isna(value) else digits.format(value) for value in shown[column]]
    return shown


def _alignment(table: pd.DataFrame) -> list[str]:
    return ["right" if pd.api.types.is_numeric_dtype(kind) else "left" for kind in table.dtypes]
