"""How long runs will take, from a throughput that was measured and not guessed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pose3d_lib.common.errors import RunStopped
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.run import find_run
from pose3d_lib.runs.sweep.progress import in_words
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.loop import train
from pose3d_lib.training.plan import plan_run

SECONDS_PER_RUN = 5.0  # besides training: a kernel, open data, test twice, draw, close; on an idle machine less
SECONDS_TO_MEASURE = 3.0
# what a run is measured with: nothing but training, and all that it trains on from the first step on
PLAIN = {"evaluate_at": (), "recompute_at": (), "test_every": 0, "start_from": "", "warmup_epochs": 0.0}


@dataclass(frozen=True)
class Estimate:
    """What a list of runs will take."""

    runs: int
    finished: int  # of them, already
    jobs: int  # runs at a time
    seconds: float  # the others will take
    windows_per_second: dict[str, float]  # of each network among them

    def __str__(self) -> str:
        left = self.runs - self.finished
        if not left:
            return f"{self.runs} runs, all finished."
        speeds = ", ".join(f"{name}: {speed:,.0f} windows/s" for name, speed in self.windows_per_second.items())
        return (
            f"{self.runs} runs, {self.finished} of them finished; the other {left} take about {in_words(self.seconds)}, "
            f"{self.jobs} at a time (measured, for one run: {speeds})."
        )


def estimate_runs(
    configs: Sequence[RunConfig], datasets: Mapping[DataSpec, PoseDataset], jobs: int, known: Mapping[str, float] = {}
) -> Estimate:
    """What is finished, and how long the rest will take, by training one run of each network for some seconds.

    `configs` names each run once; `jobs` is how many run at a time; `known` are `windows_per_second` of an earlier estimate.
    """
    left = [config for config in configs if find_run(config, datasets[config.data]) is None]
    # before any trial, as it refuses what the data cannot carry; of a timed run also the baseline, in turn
    windows = [plan_run(c, datasets[c.data]).budget.total * (2 if c.timed else 1) for c in left]
    speeds: dict[str, float] = {}
    seconds = SECONDS_PER_RUN * len(left)
    for config, to_see in zip(left, windows, strict=True):
        name = _network(config)
        if name not in speeds:
            speeds[name] = known.get(name) or measure_speed(config, datasets[config.data])
        seconds += to_see / speeds[name]
    return Estimate(len(configs), len(configs) - len(left), jobs, seconds / max(1, min(jobs, len(left))), speeds)


def _network(config: RunConfig) -> str:
    """What the speed of a run depends on: two of the same have about the same."""
    parts = [f"{config.receptive_field} frames", f"{config.channels} channels", config.precision, config.device]
    if config.chunk > 1:
        parts.append(f"chunks of {config.chunk}")
    kinds = {"dense": config.dense, "semi-supervised": config.semi_supervised, "with trajectory": config.trajectory}
    return ", ".join([*parts, *(kind for kind, is_it in kinds.items() if is_it)])


def measure_speed(config: RunConfig, data: PoseDataset) -> float:
    """Windows per second of a run, by training it for some seconds; nothing is kept."""
    reports: list[tuple[int, float]] = []

    def report(windows: int, total: int) -> None:
        reports.append((windows, time.perf_counter()))
        if reports[-1][1] - reports[0][1] > SECONDS_TO_MEASURE:
            raise RunStopped("measured")

    try:
        trained = train(plan_run(config.model_copy(update=PLAIN), data), on_progress=report)
    except RunStopped:
        (first, begun), (last, ended) = reports[0], reports[-1]  # the steps before the first report warmed up
        return (last - first) / (ended - begun)
    return trained.seen / trained.train_seconds
