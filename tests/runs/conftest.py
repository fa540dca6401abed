"""What tests of runs have in common."""

from pathlib import Path

import pytest

from pose3d_lib.data.dataset import PoseDataset
from tests.helpers.short_runs import ROWS


@pytest.fixture(scope="session")
def data(hand_made) -> PoseDataset:
    """The dataset of `short_runs`."""
    return hand_made(ROWS)


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """POSE3D_OUTPUTS, not made yet."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture
def runs(outputs: Path) -> Path:
    """An empty folder of runs."""
    (outputs / "runs").mkdir(parents=True)
    return outputs / "runs"
