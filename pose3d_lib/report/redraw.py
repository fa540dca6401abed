"""Redraw every table and figure of a study from the files in its folder, without its runs."""

import contextlib
import io
from pathlib import Path

import pandas as pd

from pose3d_lib.common.errors import InputError
from pose3d_lib.report import answer, beyond, claims, data_prep, results, semi_supervised
from pose3d_lib.report.record import STUDY, StudyRecord, read_record
from pose3d_lib.report.show import name_data
from pose3d_lib.study.tables_scarcity import SCARCITY, read_scarcity


def redraw_study(folder: Path) -> None:
    """Write all tables and figures of a folder; an InputError where it holds no study."""
    with contextlib.redirect_stdout(io.StringIO()):  # what a notebook would show
        if (folder / STUDY).is_file():
            show_everything(read_record(folder))
        elif (folder / SCARCITY).is_file():
            semi_supervised.show_everything(read_scarcity(folder))
        else:
            raise InputError(
                f"{folder}: no {STUDY} and no {SCARCITY} here; 04_results and 05_semi_supervised write them, with the "
                "observations, into a study's folder"
            )


def show_everything(record: StudyRecord) -> None:
    """What 04_results shows of a study's record."""
    answer.show_answer(record)
    results.show_comparisons(record, "mpjpe", 1)
    results.show_comparisons(record, "mpjve", 2)
    results.show_metrics(record)
    results.show_long(record)
    claims.show_claims(record)
    claims.show_reported(record)
    claims.show_attribution(record)
    beyond.show_curves(record)
    beyond.show_transfer(record)
    beyond.show_labels(record)
    beyond.show_specialised(record)
    beyond.show_mixing(record)
    beyond.show_joints(record)
    beyond.show_fewer_frames(record)
    name = name_data(record.about.name, synthetic=record.about.synthetic)  # the first dataset
    data_prep.show_frames(pd.Series(record.about.frames), name, record.folder / "figure_training")
