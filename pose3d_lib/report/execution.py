"""What each notebook's parameters are, checked before it is executed."""

from collections.abc import Mapping
from pathlib import Path

from pose3d_lib.common.paths import outputs_dir
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report.predict_config import PredictConfig
from pose3d_lib.study.config import StudyConfig
from pose3d_lib.study.scarcity import ScarcityConfig
from pose3d_lib.training.config import RunConfig
from pose3d_lib.training.parameters import check_data, make_config

NOTEBOOKS = {
    "01_data_prep": DataSpec,
    "02_train": RunConfig,
    "03_action_based": StudyConfig,
    "04_results": StudyConfig,
    "05_semi_supervised": ScarcityConfig,
    "06_predict": PredictConfig,
}
"""Name -> what its parameters are."""


def check_parameters(notebook: str, parameters: Mapping[str, object]) -> object:
    """The config that a notebook's parameters make; an InputError for a wrong one, within a second, nothing started."""
    config = make_config(NOTEBOOKS[notebook], parameters)
    check_data(config)
    return config


def notebook_output(notebook: str) -> Path:
    """Where the executed copy of a notebook goes that belongs to no single run."""
    return outputs_dir() / "notebooks" / f"{notebook}.ipynb"
