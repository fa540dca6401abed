"""What tests of runs have in common."""

import shutil
from pathlib import Path

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import Run
from pose3d_lib.training.plan import plan_run
from pose3d_lib.training.windows import TrainingWindows
from tests.helpers.short_runs import ROWS, short_config
from tests.helpers.sweep_processes import RUNS, finish_sweep, results, start_sweep


@pytest.fixture(scope="session")
def data(hand_made) -> PoseDataset:
    """The dataset of `short_runs`."""
    return hand_made(ROWS)


@pytest.fixture
def runs(outputs: Path) -> Path:
    """An empty folder of runs."""
    (outputs / "runs").mkdir(parents=True)
    return outputs / "runs"


@pytest.fixture(scope="session")
def executed_baseline(hand_made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("baseline")))
        return execute_run(plan_run(short_config("All", lr=0.01), hand_made(ROWS))).folder


@pytest.fixture
def baseline(executed_baseline: Path, runs: Path) -> Run:
    """A finished run of `short_config("All", lr=0.01)` among the outputs, of this test alone."""
    return Run(Path(shutil.copytree(executed_baseline, runs / executed_baseline.name)))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of a sweep of RUNS that nothing disturbs."""
    outputs = tmp_path_factory.mktemp("undisturbed") / "outputs"
    finish_sweep(start_sweep(outputs, *RUNS))
    return results(outputs)


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """Fills with "labelled" or "unlabelled" and the numbers of the windows, for every batch of a training."""
    seen: list[tuple[str, list[int]]] = []
    gather = TrainingWindows.gather

    def remember(self, numbers):
        seen.append(("unlabelled" if self.targets is None else "labelled", numbers.tolist()))
        return gather(self, numbers)

    monkeypatch.setattr(TrainingWindows, "gather", remember)
    return seen
