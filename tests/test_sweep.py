"""The sweep: what is done about a process that was killed, and how far runs are."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pose3d_lib.config import RunConfig, SweepConfig, make_config
from pose3d_lib.execution import parameters_of
from pose3d_lib.sweep import (
    RunStatus,
    SweepFailed,
    count_jobs,
    first_look,
    look_again,
    raise_failures,
    seconds_left,
    sweep_table,
)

KILLED = """
import os, time
from pose3d_lib import sweep
from pose3d_lib.config import RunConfig, SweepConfig, make_config
from pose3d_lib.runs import execute_run
from pose3d_lib.sources import open_dataset

def run(notebook, output, parameters):
    config = make_config(RunConfig, parameters)
    if config.action == "All":
        os._exit(9)
    execute_run(config, open_dataset(config.data))

if __name__ == "__main__":
    sweep.execute_notebook = run
    config = make_config(
        SweepConfig, dict(scale="tiny", preset="tiny", unit_epochs=0.05, evaluate_at="", actions="Sitting,Walking")
    )
    data = open_dataset(config.data)
    print([s.state for s in sweep.run_sweep(config.plan(data), data, jobs=1, begun=time.time())])
"""


def test_a_killed_process_fails_its_own_run_only(tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    ended = subprocess.run(
        [sys.executable, tmp_path / "killed.py"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"POSE3D_OUTPUTS": str(tmp_path / "outputs")},
    )
    assert ended.stdout.splitlines()[-1] == "['failed', 'finished', 'finished']", ended.stderr[-500:]


def status(state: str = "training", share: float = 0.5, **changes) -> RunStatus:
    return replace(RunStatus(RunConfig(), Path("nowhere"), state, share, windows=1000, seconds=10.0), **changes)


def test_the_time_left_follows_from_the_run_s_own_speed() -> None:
    assert status(share=0.25).seconds_left == 30.0
    assert status(state="finished", share=1.0).seconds_left is None


def test_the_time_left_of_a_sweep_counts_windows_and_not_what_was_reused() -> None:
    statuses = [status("reused", 1.0), status("finished", 1.0), status("training", 0.5), status("waiting", 0.0)]
    assert seconds_left(statuses, elapsed=60.0) == pytest.approx(60.0)
    assert seconds_left([status("waiting", 0.0)], elapsed=5.0) is None


def test_nothing_has_begun_at_the_first_look(tiny_data, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    plan = make_config(SweepConfig, {"scale": "tiny", "preset": "tiny"}).plan(tiny_data)
    statuses = first_look(plan, tiny_data)
    assert {s.state for s in statuses} == {"waiting"}
    assert [s.windows for s in statuses] == pytest.approx([statuses[0].windows] * 16, abs=64)
    assert look_again(statuses, begun=0.0) == statuses
    assert list(sweep_table(statuses).state) == ["waiting"] * 16


def test_as_many_jobs_as_the_cores_allow_unless_told(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert count_jobs(make_config(SweepConfig, {"threads": 2, "device": "cpu"})) == 4
    assert count_jobs(make_config(SweepConfig, {"threads": 16, "device": "cpu"})) == 1
    assert count_jobs(make_config(SweepConfig, {"jobs": 3})) == 3


@pytest.mark.parametrize("preset", ["default", "tiny", "paper_243"])
def test_the_parameters_of_a_run_make_that_run(preset: str) -> None:
    config = make_config(RunConfig, {"preset": preset, "action": "All", "seed": 4, "scale": "tiny"})
    assert make_config(RunConfig, parameters_of(config)) == config
    assert parameters_of(config)["action"] == "All"


def test_failures_are_named_with_their_reason_and_what_to_do() -> None:
    with pytest.raises(SweepFailed, match=r"1 of 2 runs failed:\n- All, seed 0: no space(.|\n)*again runs only those"):
        raise_failures([status("finished"), status("failed", error="no space")])
    raise_failures([status("finished"), status("reused")])
