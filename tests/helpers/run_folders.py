"""Run folders written by hand, whose every number is known: what tables, claims and figures are tested on.

Errors follow from a handful of rules, stated at `error_of` and in `CLIPS`, so that a test can do its own arithmetic.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.model.evaluate import METRICS, joint_columns
from pose3d_lib.runs import layout
from pose3d_lib.runs.run import Run, run_folder
from pose3d_lib.study.config import EQUALISED, StudyConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from tests.helpers.listed_runs import NO_WEIGHTS

ACTIONS = ("Eating", "Sitting", "Walking")
FRAMES = {"Eating": 100, "Sitting": 300, "Walking": 400}
"""Action -> its test frames, over all cameras; and as many to train on, of any other action 200."""

MODELS = {"All": 0, "Eating": 1, "Sitting": 2, "Walking": 3}

CLIPS = (
    ("S9", "0", "left", 0.1, 7.0), ("S9", "0", "right", 0.2, 1.0), ("S9", "1", "left", 0.1, -4.0),
    ("S9", "1", "right", 0.1, 0.0), ("S11", "0", "left", 0.2, -5.0), ("S11", "1", "left", 0.2, 2.0),
    ("S11", "1", "right", 0.1, 1.0),
)  # fmt: skip
"""Of every action: subject, take, camera, share of the action's frames, and by how many mm the clip is harder than the
action on average for the baseline; for the other models it is half as many. Weighted by frames they add up to nothing."""

TAKES = {("S9", "0"): (0.3, 3.0), ("S9", "1"): (0.2, -2.0), ("S11", "0"): (0.2, -5.0), ("S11", "1"): (0.3, 5 / 3)}
"""The same per take, both cameras together: (0.1 * 7 + 0.2 * 1) / 0.3 = 3, and so on."""

AS_PUBLISHED = 6.0  # mm: by how much more every error is, with the batch norms' statistics as published


class Only(dict[DataSpec, PoseDataset]):
    """One dataset, whichever is asked for: as if every seed of a study had the same data."""

    def __init__(self, data: PoseDataset):
        super().__init__()
        self._data = data

    def __missing__(self, spec: DataSpec) -> PoseDataset:
        return self._data


UNIT = 3_000_000  # windows of a unit epoch
TINY = {"scale": "tiny", "preset": "tiny", "device": "cpu"}


def error_of(config: RunConfig, action: str, metric: str = "mpjpe") -> float:
    """The error of a run on an action.

    MPJPE of the baseline: 50, 60, 70 mm. An action's own model is 10, 20, 30 mm better there, and other models are 100 mm
    worse; every seed adds 4 mm, every other metric is 1 mm less than the one before it. A further action that is trained
    on adds 5 mm, a share of the frames 10 mm times what is missing, and 1 mm more but for the schedule that is the same for
    both arms; a model to start from takes 3 mm, a network that is told the action 2 mm. Unlabelled clips take 8 mm, of which
    each term that is left out gives 3 back.
    """
    model = config.action
    own = -10 * MODELS[model] if model == action else 100 * (model != "All")
    added = 5 * len(config.with_actions) + 10 * (1 - config.train_share) - 3 * bool(config.start_from)
    added -= 2 * config.action_input
    added += config.train_share < 1 and config.lr_decay_per != EQUALISED
    added += (3 * len(config.without_terms) - 8) * config.semi_supervised
    return 50 + 10 * ACTIONS.index(action) + own + added + 4 * config.seed - METRICS.index(metric)


def error_saved(run: Run, data: PoseDataset, actions: Sequence[str], told: str = "") -> pd.Series:
    """Stands in for `evaluate_saved`, as there are no weights: a wrong label adds 50 mm."""
    return pd.Series({action: error_of(run.config, action) + 50.0 * (told not in ("", action)) for action in actions})


def write_run(config: RunConfig, data: PoseDataset, *, device: str = "CPU", repeats: int = 1) -> Run:
    """A finished run's folder, by hand: only what tables read.

    Args:
        config, data: which run it is.
        device: it ran on.
        repeats: how often the takes of CLIPS are there, each time with another number and with as much fewer frames.
    """
    folder = run_folder(config, data)
    folder.mkdir(parents=True, exist_ok=True)
    baseline = config.action == "All"
    clips = []
    for action in ACTIONS:
        for subject, take, camera, share, harder in CLIPS:
            for number in range(repeats):
                more = harder if baseline else harder / 2
                errors = {metric: error_of(config, action, metric) + more for metric in METRICS}
                joints = {
                    name: errors["mpjpe"] + place - (data.skeleton.num_joints - 1) / 2
                    for place, name in enumerate(joint_columns(data.skeleton))
                }
                place = {"subject": subject, "action": action, "take": f"{take}{'+' * number}", "camera": camera}
                frames = {"frames": round(share * FRAMES[action] / repeats)}
                clips.append({**place, **frames, **errors, "scale": 1.0, **joints})
    table = pd.DataFrame(clips)
    table.to_csv(folder / layout.CLIPS, index=False)
    measured = [*METRICS, *joint_columns(data.skeleton)]
    published = table.assign(scale=1.1, **{name: table[name] + AS_PUBLISHED for name in measured})
    published.to_csv(folder / layout.CLIPS_PUBLISHED, index=False)
    own = ACTIONS if baseline else config.trained_actions
    total = round(config.unit_epochs * (UNIT if baseline else 2_500_000))
    seconds = config.unit_epochs * (300.0 if baseline else 100.0 * MODELS[config.action]) + config.seed
    files = {
        layout.CONFIG: config.model_dump(mode="json"),
        layout.ERRORS: {**_summary(config, 0.0), layout.PUBLISHED: _summary(config, AS_PUBLISHED)},
        layout.TIMING: {
            "train_seconds": seconds, "train_cpu_seconds": 0.98 * seconds, "test_seconds_on_the_way": 1.0,
            "evaluation_seconds": 7.0 + config.seed, "evaluated_frames": 800, "windows": total,
            "windows_per_epoch": round(2 * config.train_share * sum(FRAMES.get(action, 200) for action in own)),
            "windows_per_unit_epoch": UNIT, "t": 1.0 if baseline else 15.0, "epochs": config.unit_epochs,
            "steps": total // config.batch_size, "parameters": 1234,
            **({"baseline": timed_beside(config)} if config.timed else {}),
        },
        layout.PROVENANCE: {
            "dataset": {"name": data.name, "synthetic": data.synthetic, "fingerprint": data.fingerprint},
            "format": layout.RESULT_FORMAT, "processor": "An Abacus", "device": device,
        },
        layout.CARD: {},
    }  # fmt: skip
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    for name in (layout.WEIGHTS, layout.STATISTICS_PUBLISHED):
        (folder / name).write_bytes(NO_WEIGHTS)
    lines = "".join(json.dumps(row) + "\n" for row in history_of(config, total))
    (folder / layout.HISTORY).write_text(lines, encoding="utf-8")
    finish(folder)
    return Run(folder)


def timed_beside(config: RunConfig) -> dict[str, float]:
    """What a timed run says of the baseline that was trained in turn with it."""
    seconds = config.unit_epochs * 300.0
    return {"train_seconds": seconds, "train_cpu_seconds": 0.98 * seconds, "seen": round(config.unit_epochs * UNIT)}


def _summary(config: RunConfig, more: float) -> dict[str, object]:
    """The errors as ERRORS holds them, each this much higher."""
    actions = {
        action: {"frames": FRAMES[action], **{m: error_of(config, action, m) + more for m in METRICS}}
        for action in ACTIONS
    }
    return {
        "actions": actions,
        "action_wise": {m: sum(own[m] for own in actions.values()) / len(ACTIONS) for m in METRICS},
    }


def finish(folder: Path) -> None:
    """Writes the checksums of a run's files as they are now."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in layout.NEEDED}
    finished = {"format": layout.RESULT_FORMAT, "at": "2026-11-22T16:58:22+00:00", "sha256": sums}
    (folder / layout.FINISHED).write_text(json.dumps(finished))


def error_on_the_way(config: RunConfig, action: str, unit_epochs: float) -> float:
    """MPJPE at a test on the way, as published: what is left of 200 mm halves with every unit epoch, above that at the end."""
    return error_of(config, action) + AS_PUBLISHED + 200 * 0.5**unit_epochs


def history_of(config: RunConfig, total: int) -> list[dict[str, object]]:
    """A line per test on the way, which comes a little late, a line without a test before each, and one at the end."""
    points = [point for point in {*config.evaluate_at, *config.recompute_at} if point * UNIT < total]
    rows = []
    own = ACTIONS if config.action == "All" else (config.action,)
    for point in (*(part for p in points for part in (0.75 * p, p)), total / UNIT):
        windows = min(round(point * UNIT) + 64, total)
        tested = point in points
        errors = {action: error_on_the_way(config, action, point) for action in own}
        recomputed = {action: error - AS_PUBLISHED for action, error in errors.items()}
        rows.append(
            {
                "epoch": windows / UNIT, "unit_epochs": windows / UNIT, "windows": windows,
                "steps": windows // config.batch_size, "lr": config.lr * 0.5**point, "bn_momentum": 0.1,
                "train_mpjpe": 100.0,
                "test_mpjpe": sum(errors.values()) / len(errors) if tested else None,
                "test_actions": errors if tested else None,
                "test_recomputed": recomputed if point in config.recompute_at else None,
                "train_seconds": point,
                "test_seconds": 0.0,
            }
        )  # fmt: skip
    return sorted(rows, key=lambda row: row["windows"])


def make_study(**changes: object) -> StudyConfig:
    """A study of the three actions, one seed, tiny networks."""
    return make_config(StudyConfig, {**TINY, "seeds": 0, "actions": ",".join(ACTIONS), **changes})


def write_runs(plan: Sequence[RunConfig], data: PoseDataset, **settings: object) -> list[Run]:
    return [write_run(config, data, **settings) for config in dict.fromkeys(plan)]
