"""What a run is made from is found out once."""

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from pose3d_lib.data import open as opening
from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.report.notebook import TrainingProgress, check_current, read_parameters
from pose3d_lib.report.show import describe_run, mean_pose_error
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.start import check_start
from pose3d_lib.training import plan as planning
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.plan import plan_run


def test_the_cells_of_a_run_choose_its_clips_once(
    tiny_data: PoseDataset, tiny_outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def count(module: ModuleType, name: str) -> None:
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *arguments: calls.update([name]) or function(*arguments))

    count(planning, "_choose_train")
    count(planning, "_choose_unlabelled")
    count(opening, "_origin")
    given = {"scale": "tiny", "preset": "tiny", "unit_epochs": 0.05, "evaluate_at": "end"}
    given |= {"action": "Sitting", "unlabelled_actions": "Eating", "warmup_epochs": 0.1}
    cell = "\n".join(f"{name}: object = {value!r}" for name, value in given.items())
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tiny_outputs))
    config = read_parameters(RunConfig, {"In": [cell, ""], **given})
    data = open_dataset(config.data)
    assert data.fingerprint == tiny_data.fingerprint, "it was prepared before"
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    plan = plan_run(config, data)
    check_start(plan)
    describe_run(plan)
    progress = TrainingProgress(plan)
    run = execute_run(plan, on_row=progress)
    progress.finish(run)
    check_current(run, plan)
    mean_pose_error(plan, ["Sitting"])
    assert calls == {"_choose_train": 1, "_choose_unlabelled": 1, "_origin": 3}  # completed, checked, opened
