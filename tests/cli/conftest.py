"""What tests of the terminal have in common: two finished runs on the tiny dataset, not to be changed."""

from pathlib import Path

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run

SETTINGS = {"scale": "tiny", "preset": "tiny", "channels": 8, "unit_epochs": 0.1, "evaluate_at": "", "device": "cpu"}


def _executed(data: PoseDataset, outputs: Path, seed: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(outputs))
        config = make_config(RunConfig, {**SETTINGS, "action": "Sitting", "seed": seed})
        return execute_run(plan_run(config, data)).folder


@pytest.fixture(scope="session")
def tiny_run(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _executed(tiny_data, tmp_path_factory.mktemp("tiny-run"), seed=0)


@pytest.fixture(scope="session")
def other_tiny_run(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of another seed."""
    return _executed(tiny_data, tmp_path_factory.mktemp("other-tiny-run"), seed=1)
