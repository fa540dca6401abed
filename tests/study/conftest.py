"""What the tests of the study share: an empty folder for outputs, and a study of everything whose runs are finished."""

from pathlib import Path

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.results import StudyResults, collect_study
from tests.helpers.run_folders import Only, make_study, write_runs


@pytest.fixture(autouse=True)
def _outputs(outputs: Path) -> None:
    """Every test has its own."""


@pytest.fixture(scope="session")
def whole(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Every comparison and question, finished; two seeds, and a third of the baseline and of Eating and Sitting."""
    seeds = {"seeds": "0,1", "more_seeds": "2"}
    config = make_study(study="more", preset="tiny", lengths="1,4", evaluate_at="0.5,1,2", **seeds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("whole")))
        write_runs(study_runs(config, Only(tiny_data)), tiny_data)
        return collect_study(config, Only(tiny_data))
