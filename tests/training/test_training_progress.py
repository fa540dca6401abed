"""The lines that a run prints while it trains."""

import re
from dataclasses import replace

import pytest

from pose3d_lib.report.training import LINES, TrainingProgress
from pose3d_lib.training.budget import Budget
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.history import HistoryRow
from pose3d_lib.training.plan import plan_run


def row(windows: int, budget: Budget) -> HistoryRow:
    return HistoryRow(
        epoch=windows / budget.per_epoch,
        unit_epochs=windows / budget.unit,
        windows=windows, steps=windows, lr=0.001, bn_momentum=0.1, train_mpjpe=50.0, test_mpjpe=None,
        test_actions=None, test_recomputed=None, train_seconds=0.1 * windows, test_seconds=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("beyond", [0, 3], ids=["windows of one frame", "windows of several"])
@pytest.mark.parametrize("epochs", [2, 100])
def test_the_last_epoch_has_a_line_and_nothing_is_left_then(epochs: int, beyond: int, capsys, tiny_data) -> None:
    """Of windows of several frames, the last is seen whole, though the last epoch is not."""
    budget = Budget(unit=10, per_epoch=10, total=10 * epochs + 5)
    progress = TrainingProgress(replace(plan_run(RunConfig(), tiny_data), budget=budget))
    for windows in (*range(10, 10 * epochs + 1, 10), budget.total + beyond):
        progress(row(windows, budget))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert min(epochs, LINES // 2) <= len(lines) <= LINES + 1
    assert lines[-1].startswith(
        f"epoch {(budget.total + beyond) / 10:.2f} of {epochs}.50: {budget.total + beyond:,} wind"
    )
    left = [int(re.search(r"(-?\d+) s left", line.replace("-0 s left", "-1 s left"))[1]) for line in lines]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
