"""Records of studies without runs: observations of known truth, as files in a folder."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from pose3d_lib.data.actions import ALL
from pose3d_lib.report.record import About, StudyRecord
from pose3d_lib.study.observations import Observations
from tests.helpers.run_folders import ACTIONS, make_study


def record_of(
    observations: Observations,
    folder: Path,
    *,
    name: str = "made-up",
    synthetic: bool = True,
    beyond: Mapping[str, pd.DataFrame] | None = None,
    **settings: object,
) -> StudyRecord:
    """A record of a study with these settings."""
    about = About(name, synthetic, ["S9", "S11"], dict.fromkeys(ACTIONS, 100), 10, 10)
    folder.mkdir(parents=True, exist_ok=True)
    return StudyRecord(make_study(**settings), observations, dict(beyond or {}), about, folder)


def transfer_table(own: float, others: float, original: float) -> pd.DataFrame:
    """MPJPE of every model on every action, as a record has it: one replicate, and no model that is told the action."""
    rows = [
        [model, "", 0, *(original if model == ALL else own if model == action else others for action in ACTIONS)]
        for model in (ALL, *ACTIONS)
    ]
    return pd.DataFrame(rows, columns=["model", "told", "seed", *ACTIONS])
