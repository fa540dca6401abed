"""What the tests of the study share: an empty folder for outputs, and a study of everything whose runs are finished."""

from dataclasses import replace
from pathlib import Path

import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.study import tables_beyond
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.config import timed_runs
from pose3d_lib.study.results import StudyResults, collect_study
from tests.helpers.run_folders import error_saved, make_study, write_run


@pytest.fixture(autouse=True)
def _outputs(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has its own; run folders written by hand hold no weights."""
    monkeypatch.setattr(tables_beyond, "evaluate_saved", error_saved)


@pytest.fixture(scope="session")
def whole(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Every comparison and question, finished, of two seeds with a dataset each; three training seeds; two timed runs."""
    counts = {"seeds": "0,1", "training_seeds": 3, "timed": 2}
    config = make_study(study="more", preset="tiny", lengths="1,4", evaluate_at="0.5,1,2", recompute_at="2", **counts)
    datasets = {config.data_of(0): tiny_data, config.data_of(1): replace(tiny_data, notes=("other people and takes",))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("whole")))
        for run in (*study_runs(config, datasets), *timed_runs(config, tiny_data)):
            write_run(run, datasets[run.data])
        return collect_study(config, datasets)
