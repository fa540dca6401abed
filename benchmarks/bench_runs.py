"""How long `pose3d runs list` takes for ten thousand finished runs, from the command's start to its last line, on one core.

`make bench` runs it. It writes the folders itself, with the files and about the sizes that runs have.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import seconds_of
from promises import promise, save_promises

from pose3d_lib.data.actions import H36M_ACTIONS
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.runs.layout import RESULT_FORMAT
from pose3d_lib.training.config import RunConfig

RUNS = 10_000

SECONDS_TO_LIST = 2.0
"""What the project promises for them, at most."""

COMMAND = [sys.executable, "-m", "pose3d_lib.cli.main", "runs", "list"]


def contents() -> dict[str, str]:
    """The files of one run; those that the listing only measures are short."""
    errors = {metric: 54.13778 / (1 + number) for number, metric in enumerate(METRICS)}
    metrics = {"actions": {action: {"frames": 3144, **errors} for action in H36M_ACTIONS}}
    objects = {
        "config.json": RunConfig(action="Eating", channels=64).model_dump(mode="json"),
        "provenance.json": {"format": RESULT_FORMAT},
        "metrics.json": {**metrics, "action_wise": errors, "frame_wise": errors},
        "timing.json": {"train_seconds": 144.9},
        "finished.json": {"format": RESULT_FORMAT, "at": "2026-01-31T12:00:00+00:00", "sha256": {}},
    }
    others = (
        "history.jsonl",
        "clips.csv",
        "clips_published.csv",
        "statistics_published.safetensors",
        "model.safetensors",
        "card.json",
        "02_train.ipynb",
        "run.log",
    )
    return {name: json.dumps(value, indent=1) for name, value in objects.items()} | dict.fromkeys(others, "content")


def write_runs(outputs: Path) -> None:
    files = contents()
    for number in range(RUNS):
        folder = outputs / "runs" / f"Eating-27f-16ue-seed{number}-{number:010x}"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")


def list_runs(outputs: Path, count: int) -> None:
    environment = os.environ | {"POSE3D_OUTPUTS": str(outputs)}
    done = subprocess.run(COMMAND, check=True, capture_output=True, text=True, env=environment)
    counted = done.stdout.splitlines()[-1].partition(" in ")[0]
    if counted != f"{count:,}":
        raise AssertionError(f"expected {count:,} runs in the listing, found {counted}")


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # those that are started inherit it
    with tempfile.TemporaryDirectory() as none, tempfile.TemporaryDirectory() as folder:
        write_runs(Path(folder))
        start = [seconds_of(lambda: list_runs(Path(none), 0)) for _ in range(5)]
        listing = [seconds_of(lambda: list_runs(Path(folder), RUNS)) for _ in range(7)]
    save_promises(
        "runs",
        [
            promise(f"listing {RUNS:,} run folders", "s", listing, SECONDS_TO_LIST),
            promise("of these: the start and end of the command, without any run", "s", start),
        ],
    )


if __name__ == "__main__":
    main()
