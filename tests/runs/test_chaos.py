"""Minutes of disorder: what no killing may change. `make test-chaos` runs this."""

import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

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
