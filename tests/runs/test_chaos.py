"""Minutes of disorder and hundreds of runs: what no killing may change, and what must not grow. `make test-chaos` runs these."""

import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pose3d_lib.runs.layout import NEEDED
from pose3d_lib.runs.run import check_run
from tests.helpers.sweep_processes import (
    find_kernels,
    finish_sweep,
    logs_of,
    processes_of,
    results,
    start_sweep,
    wait_until,
)

pytestmark = pytest.mark.chaos

THIRTY = ("-p", "actions", "Sitting,Walking", "-p", "seeds", ",".join(map(str, range(10))), "-p", "lengths", "0.5")
SECONDS_OF_DISORDER = 120
MOST_GROWTH = 1.1  # of the memory of the process that schedules, from the first third of a long sweep to its last


def test_after_two_minutes_of_random_killing_one_more_sweep_completes_every_run(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    finish_sweep(start_sweep(undisturbed, *THIRTY))
    outputs, chance = tmp_path / "outputs", random.Random(0)
    killed = {"the sweep": 0, "a kernel": 0}
    until = time.monotonic() + SECONDS_OF_DISORDER
    sweep = start_sweep(outputs, *THIRTY)
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.5, 6))
        kind = chance.choices(list(killed), weights=(1, 4))[0]
        victims = find_kernels(outputs) if kind == "a kernel" else [sweep] * (sweep.poll() is None)
        if victims:
            killed[kind] += 1
            with suppress(psutil.NoSuchProcess):
                chance.choice(victims).send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        if sweep.poll() is not None:
            sweep.communicate()
            sweep = start_sweep(outputs, *THIRTY)
    assert min(killed.values()) > 0, killed
    sweep.terminate()
    sweep.communicate(timeout=90)

    finish_sweep(start_sweep(outputs, *THIRTY))
    assert results(outputs) == results(undisturbed)
    assert any("resumes after" in log for log in logs_of(outputs)), "nothing was resumed"
    assert wait_until(lambda: not processes_of(outputs), 20), processes_of(outputs)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for what processes put beside their outputs; of a short name, as there are sockets in it."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_three_hundred_runs_end_with_as_many_whole_folders_and_nothing_left_over(tmp_path, temporary: Path) -> None:
    outputs = tmp_path / "outputs"
    seeds = ",".join(map(str, range(100)))
    sweep = start_sweep(outputs, "-p", "actions", "Sitting,Walking", "-p", "seeds", seeds, "-p", "lengths", "0.05")
    memory, descriptors = [], []
    scheduler = psutil.Process(sweep.pid)
    log = (tmp_path / "log.txt").open("w")
    for line in sweep.stdout:
        log.write(line)
        if "finished" in line and sweep.poll() is None:
            memory.append(scheduler.memory_info().rss)
            descriptors.append(scheduler.num_fds())
    sweep.communicate()
    log.close()
    assert sweep.returncode == 0, (tmp_path / "log.txt").read_text()[-2000:]
    folders = list((outputs / "runs").iterdir())
    assert len(folders) == 300
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert names == {*NEEDED, "finished.json", "run.log", "02_train.ipynb"}, folder
        assert check_run(folder) == [], folder
    third = len(memory) // 3
    assert third > 50
    assert max(memory[-third:]) < MOST_GROWTH * max(memory[:third])
    assert max(descriptors[-third:]) <= max(descriptors[:third]) + 2
    assert wait_until(lambda: not processes_of(outputs), 20), processes_of(outputs)
    assert not list(temporary.glob("pose3d-kernel-*"))
