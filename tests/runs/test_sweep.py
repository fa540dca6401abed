"""The sweep: which runs start, what other processes hold, and how progress is shown."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pose3d_lib.common.errors import InputError
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs import lease as leases
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.layout import CARD, FINISHED, LEASE, NEEDED
from pose3d_lib.runs.lease import CLAIM, hold_run
from pose3d_lib.runs.run import Run, find_run, run_folder, run_name
from pose3d_lib.runs.sweep import kernel as kernels
from pose3d_lib.runs.sweep import progress as run_status
from pose3d_lib.runs.sweep import sweep
from pose3d_lib.runs.sweep.progress import (
    RunStatus,
    can_start,
    first_look,
    look_again,
    seconds_left,
    show_changes,
    sweep_table,
)
from pose3d_lib.runs.sweep.sweep import CLUSTER_JOBS, SweepFailed, count_jobs, raise_failures
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run
from tests.helpers.listed_runs import write_lease
from tests.helpers.run_folders import Only
from tests.helpers.short_runs import short_config


def status(state: str = "training", share: float = 0.5, seed: int = 0, **changes) -> RunStatus:
    folder = Path(f"All-27f-1ue-seed{seed}-0123456789")
    return replace(RunStatus(RunConfig(seed=seed), folder, state, share, windows=1000, seconds=10.0), **changes)


def test_the_time_left_counts_windows_and_not_what_was_reused() -> None:
    assert status(share=0.25).seconds_left == 30.0
    assert status(state="finished", share=1.0).seconds_left is None
    statuses = [status("reused", 1.0), status("finished", 1.0), status("training", 0.5), status("waiting", 0.0)]
    assert seconds_left(statuses, elapsed=60.0) == pytest.approx(60.0)
    assert seconds_left([status("reused", 1.0), *statuses[2:]], elapsed=30.0) == pytest.approx(90.0)
    assert seconds_left([status("waiting", 0.0)], elapsed=5.0) is None
    assert seconds_left([status("finished", 1.0), status("failed", 0.0)], elapsed=30.0) == 0


def test_failures_are_named_with_their_reason_and_what_to_do() -> None:
    with pytest.raises(
        SweepFailed, match=r"1 of 2 runs failed:\n- All-27f-1ue-seed0-0123456789: no space(.|\n)*again runs only those"
    ):
        raise_failures([status("finished"), status("failed", error="no space")])
    raise_failures([status("finished"), status("reused")])


def test_runs_that_differ_in_their_schedule_only_are_told_apart(data: PoseDataset) -> None:
    configs = [short_config("Walking", lr_decay_per=schedule) for schedule in ("epoch", "unit_epoch")]
    statuses = first_look(configs, Only(data))
    assert sweep_table(statuses).run.nunique() == 2
    with pytest.raises(SweepFailed, match=rf"- {statuses[1].folder.name}: no space"):
        raise_failures([statuses[0], replace(statuses[1], state="failed", error="no space")])


def test_a_notebook_s_table_follows_the_runs_but_not_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(run_status.time, "monotonic", lambda: now[0])
    shown: list = []
    on_look = show_changes(shown.append)
    for seconds, share in ((0.0, 0.2), (1.0, 0.21), (run_status.SECONDS_BETWEEN_TABLES, 0.25), (100.0, 0.25)):
        now[0] = 100.0 + seconds
        on_look([status("training", share, epochs=f"{4 * share:.1f} of 4.0", loss=80 - 100 * share)])
    first, second = shown
    assert (first.epoch[0], second.epoch[0]) == ("0.8 of 4.0", "1.0 of 4.0")
    assert (first["loss [mm]"][0], second["loss [mm]"][0]) == (60.0, 55.0)
    assert (first.left[0], second.left[0]) == ("40 s", "30 s")
    assert "left" not in sweep_table([status("failed", error="no space")])


@pytest.fixture
def finished(baseline: Run, data: PoseDataset) -> tuple[PoseDataset, list[RunConfig]]:
    """Two runs, the first of them finished."""
    return data, [short_config("All", lr=0.01), short_config("Walking")]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [Path.unlink, cut, Path.touch], ids=["missing", "cut short", "whole"])
@pytest.mark.parametrize("name", ["model.safetensors", CARD])
def test_a_half_copied_run_is_named_and_left_out_and_the_others_go_on(name: str, damage, finished) -> None:
    data, configs = finished
    folder = run_folder(configs[0], data)
    damage(folder / name)
    whole = damage is Path.touch
    statuses = first_look(configs, Only(data))
    assert [one.state for one in statuses] == ["reused" if whole else "failed", "waiting"]
    assert can_start(statuses) == [1]
    assert (find_run(configs[0], data) is None) == (not whole)
    if not whole:
        with pytest.raises(SweepFailed, match=rf"{folder.name}: damaged, {name}.*delete"):
            raise_failures(statuses)
        with pytest.raises(InputError, match=rf"{folder.name}: damaged, {name}.*delete"):
            execute_run(plan_run(configs[0], data))
        (status,) = look_again([replace(statuses[0], state="testing")], begun=0.0)
        assert status.state == "failed"


def starting(data: PoseDataset, configs: list[RunConfig]) -> tuple[list[str], Callable[..., Future]]:
    """The names of runs that were started, and a function that executes one at once, in this process."""
    started: list[str] = []
    by_name = {run_folder(config, data).name: config for config in configs}

    def start(folder: Path, parameters: dict) -> Future:
        started.append(folder.name)
        execute_run(plan_run(by_name[folder.name], data))
        future: Future = Future()
        future.set_result(True)
        return future

    return started, start


def run_all(start: Callable, configs: list[RunConfig], data: PoseDataset, **settings: object) -> list[RunStatus]:
    """A sweep of one run at a time."""
    given = {"begun": time.time(), "on_look": lambda statuses: None, **settings}
    return sweep.run_on(start, lambda unfinished: 1, first_look(configs, Only(data)), **given)


def test_what_another_process_trains_is_left_to_it_until_that_ends(finished, monkeypatch: pytest.MonkeyPatch) -> None:
    data, (done, held) = finished
    free = held.model_copy(update={"seed": 1})
    monkeypatch.setattr(sweep, "SECONDS_BETWEEN_LOOKS", 0.05)
    started, start = starting(data, [held, free])
    looks: list[list[str]] = []
    run_folder(held, data).mkdir()
    with ExitStack() as other:
        other.enter_context(hold_run(run_folder(held, data), print))

        def on_look(statuses: list[RunStatus]) -> None:
            looks.append([one.state for one in statuses])
            if len(looks) == 3:
                other.close()

        statuses = run_all(start, [done, held, free], data, on_look=on_look)
    assert started == [run_folder(config, data).name for config in (free, held)]
    assert looks[:3] == [["reused", "waiting", "finished"]] * 3
    assert [one.state for one in statuses] == ["reused", "finished", "finished"]


def test_a_run_that_its_worker_gave_back_starts_again(finished) -> None:
    data, (_, config) = finished
    started, start = starting(data, [config])
    given_back: Future = Future()
    given_back.set_result(False)
    lost: Future = Future()
    lost.cancel()
    lost.set_running_or_notify_cancel()
    first = [lost, given_back]
    (status,) = run_all(lambda *run: first.pop() if first else start(*run), [config], data)
    assert status.state == "finished"
    assert started == [run_folder(config, data).name]


def test_two_sweeps_share_their_runs_and_each_run_is_executed_once(finished, monkeypatch: pytest.MonkeyPatch) -> None:
    data, (done, other) = finished
    configs = [other.model_copy(update={"seed": seed}) for seed in range(6)]
    template, executed = run_folder(done, data), []

    def execute(notebook: str, output: Path, parameters: dict, *, environment: dict, **_: object) -> None:
        mine = threading.current_thread().name[:1]
        executed.append((mine, output.parent.name))
        assert environment[CLAIM] in (output.parent / LEASE).read_text()
        time.sleep(0.1)
        output.write_text(mine)
        for name in (*NEEDED, CARD):
            shutil.copy(template / name, output.parent)
        shutil.copy(template / FINISHED, output.parent / "copied").rename(output.parent / FINISHED)

    monkeypatch.setattr(kernels, "execute_notebook", execute)
    monkeypatch.setattr(sweep, "SECONDS_BETWEEN_LOOKS", 0.05)
    ended: dict[str, list[str]] = {}

    def run(name: str) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix=name) as threads:
            statuses = run_all(partial(threads.submit, kernels.execute_training), configs, data)
        ended[name] = [status.state for status in statuses]

    sweeps = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join()
    assert sorted(folder for _, folder in executed) == sorted(run_folder(config, data).name for config in configs)
    assert {name for name, _ in executed} == {"a", "b"}
    assert ended == {"a": ["finished"] * 6, "b": ["finished"] * 6}
    for name, folder in executed:
        assert (template.parent / folder / "02_train.ipynb").read_text() == name, "the notebook of the one that trained"


def test_a_lease_dated_in_the_future_is_named_at_once_and_holds_as_long_as_it_shows_signs_of_life(
    finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, (_, held) = finished
    monkeypatch.setattr(sweep, "SECONDS_BETWEEN_LOOKS", 0.05)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(leases, "SECONDS_TO_TAKE_OVER", 0.1)
    folder = run_folder(held, data)
    folder.mkdir()
    write_lease(folder, pid=12345, age=-9e4, seconds=0.3)
    said: list[str] = []
    (status,) = run_all(starting(data, [held])[1], [held], data, say=said.append)
    assert status.state == "finished"
    (line,) = said
    assert line == f"process 12345 on elsewhere is training {folder}, which is left to it"


def test_a_run_that_starts_from_another_of_the_sweep_waits_for_it(data: PoseDataset) -> None:
    start = short_config("All")
    tuned = short_config(start_from=run_name(start, data.fingerprint))
    other = short_config("Walking", start_from="All-27f-1ue-seed0-0123456789")
    first, second, third = (
        RunStatus(config, run_folder(config, data), "waiting", 0.0, 1000) for config in (tuned, start, other)
    )
    assert can_start([first, second, third]) == [1, 2], "a start that is not of this sweep is there, or never will be"
    for state in ("finished", "failed"):
        assert can_start([first, replace(second, state=state), third]) == [0, 2]


def test_on_a_gpu_runs_are_made_one_at_a_time() -> None:
    config = make_config(StudyConfig, {"threads": 1})
    assert count_jobs(config.model_copy(update={"device": "cuda"})) == 1
    assert count_jobs(config.model_copy(update={"device": "cuda", "jobs": 2})) == 2


def test_a_cluster_has_a_number_of_jobs_of_its_own() -> None:
    assert count_jobs(make_config(StudyConfig, {"scheduler": "slurm"})) == CLUSTER_JOBS
    assert count_jobs(make_config(StudyConfig, {"scheduler": "slurm", "jobs": 3})) == 3


def test_a_scheduler_is_known_by_its_name_or_is_an_address() -> None:
    for scheduler in ("pbs", "tcp://host", "http://host:1", ""):
        with pytest.raises(InputError, match=r"parameter scheduler: .*local, slurm, lsf, or the address"):
            make_config(StudyConfig, {"scheduler": scheduler})
    for scheduler in ("lsf", "tls://node.of.a.cluster:1"):
        assert make_config(StudyConfig, {"scheduler": scheduler}).scheduler == scheduler
