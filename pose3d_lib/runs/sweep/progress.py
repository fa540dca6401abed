"""How the runs of a sweep are doing, as their folders show it: looked at again and again, and shown as a table."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.inventory import check_finished
from pose3d_lib.runs.layout import NOTEBOOK, is_finished, read_progress
from pose3d_lib.runs.run import DAMAGED_REMEDY, Run, run_folder
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import plan_run

SECONDS_BETWEEN_TABLES = 5.0  # of a notebook's table, as long as no run changes its state


@dataclass(frozen=True)
class RunStatus:
    """How one run of a sweep is doing."""

    config: RunConfig
    folder: Path  # its whole name is shown: two runs may differ in the hash only
    state: str  # "waiting", "starting", "training", "testing", "finished", "reused" or "failed"
    share: float  # of its windows seen so far, 0 to 1
    windows: int  # it has to see
    seconds: float | None = None  # it has trained so far
    epochs: str = ""  # trained so far, "3.2 of 12.0"; empty where it does not train
    loss: float | None = None  # of its last row of history, mm
    error: str = ""  # why it failed

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "reused", "failed")

    @property
    def seconds_left(self) -> float | None:
        """Of training, as far as the run's own speed tells."""
        if not self.seconds or not self.share or self.ended:
            return None
        return self.seconds / self.share * (1 - self.share)


def first_look(configs: Sequence[RunConfig], datasets: Mapping[DataSpec, PoseDataset]) -> list[RunStatus]:
    """The statuses before a sweep begins: what is finished will be reused, all else waits."""
    statuses = []
    for config in configs:
        data = datasets[config.data]
        status = RunStatus(config, run_folder(config, data), "waiting", 0.0, plan_run(config, data).budget.total)
        statuses.append(_look_at_finished(status, "reused") if is_finished(status.folder) else status)
    return statuses


def look_again(statuses: Sequence[RunStatus], begun: float) -> list[RunStatus]:
    """The statuses as the run folders show them now; what is older than `begun` (as of `time.time`) does not count."""
    return [status if status.ended else _look(status, begun) for status in statuses]


def _look(status: RunStatus, begun: float) -> RunStatus:
    if is_finished(status.folder):
        return _look_at_finished(status, "finished")
    progress = read_progress(status.folder)
    if progress and progress.at >= begun:
        share = progress.windows / progress.total
        return replace(
            status,
            state="testing" if share == 1 else "training",
            share=share,
            seconds=progress.seconds,
            epochs=f"{progress.epoch:.1f} of {progress.epochs:.1f}",
            loss=progress.train_mpjpe,
        )
    output = status.folder / NOTEBOOK
    started = output.is_file() and output.stat().st_mtime >= begun
    return replace(status, state="starting" if started else "waiting")


def _look_at_finished(status: RunStatus, state: str) -> RunStatus:
    """A finished run as what it is, or, if it cannot be read, as a failed one."""
    try:
        check_finished(status.folder, DAMAGED_REMEDY)
    except InputError as error:
        return replace(status, state="failed", error=str(error))
    seconds = None if state == "reused" else Run(status.folder).timing["train_seconds"]
    return replace(status, state=state, share=1.0, seconds=seconds, epochs="", loss=None)


def can_start(statuses: Sequence[RunStatus]) -> list[int]:
    """Numbers of the runs that have not ended; without those that start from the weights of another of them."""
    unfinished = {status.folder.name for status in statuses if not status.ended}
    return [
        number
        for number, status in enumerate(statuses)
        if not status.ended and status.config.start_from not in unfinished
    ]


def seconds_left(statuses: Sequence[RunStatus], elapsed: float) -> float | None:
    """Of a sweep that has taken `elapsed` seconds: what it has done since it began sets its speed."""
    own = [status for status in statuses if status.state not in ("reused", "failed")]
    total = sum(status.windows for status in own)
    done = sum(status.share * status.windows for status in own)
    return elapsed * (total - done) / done if done else None


def in_words(seconds: float) -> str:
    """ "50 s", "12 min", "2 h 05 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def sweep_table(statuses: Sequence[RunStatus]) -> pd.DataFrame:
    """What ran, what was reused, what failed: one row per run; the time left is of its training."""
    rows = []
    ended = all(status.ended for status in statuses)
    for status in statuses:
        run = Run(status.folder) if status.state in ("finished", "reused") else None
        row = {
            "run": status.folder.name,
            "state": status.state,
            "epoch": status.epochs,
            "loss [mm]": status.loss,
            "left": "" if status.seconds_left is None else in_words(status.seconds_left),
            "t": run.timing["t"] if run else None,
            "windows": f"{status.windows:,}",
            "training [s]": run.timing["train_seconds"] if run else None,
            "own test MPJPE [mm]": run.own_mpjpe if run else None,
            "error": status.error.partition("\n")[0],
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.drop(columns="left", errors="ignore") if ended else table  # it may show no run


def show_changes(show: Callable[[pd.DataFrame], None]) -> Callable[[Sequence[RunStatus]], None]:
    """An `on_look` that shows the sweep's table whenever a run has changed its state, and every SECONDS_BETWEEN_TABLES.

    Where nothing has changed, it does nothing, as every table is written into the notebook.
    """
    shown: Sequence[RunStatus] = []
    last = 0.0

    def on_look(statuses: Sequence[RunStatus]) -> None:
        nonlocal shown, last
        now = time.monotonic()
        due = statuses != shown and now - last >= SECONDS_BETWEEN_TABLES
        if due or [status.state for status in statuses] != [status.state for status in shown]:
            shown, last = statuses, now
            show(sweep_table(statuses))

    return on_look
