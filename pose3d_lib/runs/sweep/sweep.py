"""The sweep: papermill once per action and seed, several at a time, one failed run not stopping the others."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from functools import partial
from pathlib import Path

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.runs.layout import LOG
from pose3d_lib.runs.lease import LEASE, LeaseWatch, read_holder
from pose3d_lib.runs.sweep.jobs import SweepSettings
from pose3d_lib.runs.sweep.kernel import SweepFailed, execute_training, open_kernels
from pose3d_lib.runs.sweep.progress import RunStatus, can_start, first_look, look_again
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import parameters_of
from pose3d_lib.training.settings import available_cores

SECONDS_BETWEEN_LOOKS = 0.5
CLUSTER_JOBS = 8  # of a batch system at a time, unless the user gives a number
NOTHING_LEFT = "its notebook ended without a finished run here; was the dataset or the code changed meanwhile?"

Start = Callable[[Path, Mapping[str, object]], Future]
Room = Callable[[int], int]


def count_jobs(config: SweepSettings) -> int:
    """Runs at a time: as asked for, or as many as there are cores for; one on a GPU, and on a cluster CLUSTER_JOBS."""
    if config.jobs:
        return config.jobs
    if config.scheduler != "local":
        return CLUSTER_JOBS
    return 1 if config.device == "cuda" else max(1, available_cores() // config.threads)


def run_sweep(
    configs: Sequence[RunConfig],
    datasets: Mapping[DataSpec, PoseDataset],
    *,
    jobs: int,
    begun: float,
    scheduler: str = "local",
    on_look: Callable[[list[RunStatus]], None] = lambda statuses: None,
    say: Callable[[str], None] = print,
) -> list[RunStatus]:
    """Execute 02_train for every config whose run is not finished, in their order, and return how each ended.

    `jobs` run at a time, where `scheduler` says, as in `SweepSettings`; `begun` is the time (as of `time.time`) now.
    `on_look` is called about twice a second with the statuses, `say` with a line of text about what is waited for.
    """
    statuses = first_look(configs, datasets)
    on_look(statuses)
    if not can_start(statuses):
        return statuses
    given = {"begun": begun, "on_look": on_look, "say": say}
    if scheduler == "local":
        with open_kernels(jobs, "02_train") as submit:
            return run_on(partial(submit, execute_training), lambda unfinished: jobs, statuses, **given)
    from pose3d_lib.runs.sweep.cluster import open_cluster

    own = {"threads": configs[0].threads, "device": configs[0].device}
    with open_cluster(scheduler, jobs=jobs, say=say, **own) as (start, room):
        return run_on(start, room, statuses, **given)


def run_on(
    start: Start,
    room: Room,
    statuses: list[RunStatus],
    *,
    begun: float,
    on_look: Callable[[list[RunStatus]], None],
    say: Callable[[str], None] = print,
) -> list[RunStatus]:
    """Execute the runs of a sweep that have not ended, each as soon as what it starts from has; arguments as of `run_sweep`.

    `start` calls `execute_training` elsewhere: in a thread, or on a worker that sees the same run folders. `room` says how
    many runs may be at work, by how many have not ended. What another process is training, such as the same sweep in
    another terminal, is left to it, and resumed if that ends without having finished it, or gives no sign of life.
    """
    at_work: dict[Future, int] = {}
    watches: dict[int, LeaseWatch] = {}  # of runs that other processes hold
    while (left := can_start(statuses)) or at_work:
        places = room(len(left))
        for number in left:
            if len(at_work) >= places:
                break
            folder = statuses[number].folder
            if number in at_work.values():
                continue
            if not (holder := read_holder(folder)):
                at_work[start(folder, parameters_of(statuses[number].config))] = number
                continue
            if number not in watches:
                watches[number] = LeaseWatch(folder / LEASE)
                say(f"{holder} is training {folder}, which is left to it")
            watches[number].look()
        if not at_work:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        done = wait(at_work, timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED).done
        statuses = look_again(statuses, begun)
        for future in done:
            number = at_work.pop(future)
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or (not error and not future.result()):
                continue  # another process was quicker, or the worker is gone
            if error or not statuses[number].ended:
                statuses[number] = replace(statuses[number], state="failed", error=str(error or NOTHING_LEFT))
        on_look(statuses)
    return statuses


def raise_failures(statuses: Sequence[RunStatus]) -> None:
    """Raises SweepFailed if any run failed, after all have ended."""
    reasons = []
    for status in statuses:
        if status.state == "failed":
            log = status.folder / LOG
            reasons.append(f"- {status.folder.name}: {status.error}" + f"\n  its log: {log}" * log.is_file())
    if reasons:
        kept = "The others are finished and kept; the same command again runs only those that failed, from their checkpoints."
        raise SweepFailed("\n".join([f"{len(reasons)} of {len(statuses)} runs failed:", *reasons, kept]))
