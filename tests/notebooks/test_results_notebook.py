"""The tables that the cells of 04_results compute are those that the library writes."""

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.common.paths import project_root
from pose3d_lib.model.evaluate import METRICS
from pose3d_lib.report import results, show
from pose3d_lib.report.record import StudyRecord, read_record
from pose3d_lib.study.observations import EMPTY_IS_NAN
from pose3d_lib.study.tables import MEAN, UNSEEN
from tests.helpers.made_up_observations import make_observations
from tests.helpers.made_up_records import record_of
from tests.helpers.notebooks import code_cells, read_committed

REFERENCE = project_root() / "outputs" / "reference"
CELLS = ("9b79017c", "log-ratios", "945cb234")  # imports, and what computes Table 1


def executed(record: StudyRecord) -> dict[str, object]:
    """The names of 04_results after the cell of Table 1, with this record."""
    names: dict[str, object] = {"record": record, "short": record.main(record.config.short)}
    sources = {cell.id: cell.source for cell in code_cells(read_committed("04_results"))}
    for cell in CELLS:
        exec(sources[cell], names)
    return names


@pytest.mark.parametrize("study", ["quick", "bandai-namco-2"])  # with datasets of their own, and with shared takes
def test_the_cells_compute_the_tables_that_are_in_the_files(study: str) -> None:
    folder = REFERENCE / study
    names = executed(read_record(folder))
    for number, metric in ((1, "mpjpe"), (2, "mpjve")):
        written = pd.read_csv(folder / f"table_{number}.csv", **EMPTY_IS_NAN).set_index("action").drop(index=UNSEEN)
        table = names["compare"](names["short"], metric)
        assert list(table.index) == list(written.index)
        columns = {"change": "change", "low": "low", "high": "high", "p": "p_holm"}
        columns |= {arm: f"{arm}, mean" for arm in ("Original", "Action-based")}
        np.testing.assert_allclose(table[[*columns]], written[[*columns.values()]], rtol=1e-6)
        assert table.verdict.tolist() == written.verdict.tolist()
    means = pd.read_csv(folder / "all_metrics.csv").query("statistics == 'recomputed'").set_index("metric").change
    found = [names["compare"](names["short"], metric).change[MEAN] for metric in METRICS]
    np.testing.assert_allclose(found, means[[*METRICS]], rtol=1e-6)


def test_the_cells_leave_out_a_replicate_that_lacks_a_run_and_stand_without_any(tmp_path) -> None:
    observations = make_observations({(1.0, "epoch", "recomputed"): -11.0})
    errors = observations.errors
    lacking = (errors.replicate == 2) & (errors.action == "Eating") & (errors.arm == "Action-based")
    for kept, count in ((~lacking, 3), (errors.arm == "Original", 0)):
        own = type(observations)(**{**vars(observations), "errors": errors[kept]})
        names = executed(record_of(own, tmp_path, seeds="0,1,2,3"))
        assert names["log_ratios"](names["short"])[1].size == 3 * count
        assert len(names["compare"](names["short"])) == (4 if count else 0)


@pytest.mark.parametrize(("study", "timed"), [("paper", True), ("bandai-namco-2", False)])
def test_the_cell_of_table_3_computes_its_file_and_shows_no_times_that_cannot_be_compared(
    study: str, timed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shown, arms = REFERENCE / study, [], ["Action-based", "Original"]
    record = read_record(folder)
    names = executed(record) | {"config": record.config}
    written = pd.read_csv(folder / "table_3.csv", **EMPTY_IS_NAN)
    monkeypatch.setattr(results, "show_long", lambda record: None)
    monkeypatch.setattr(results, "show_effects", shown.append)
    monkeypatch.setattr(show, "show_table", lambda table: shown.append(table.set_index("arm")))
    for cell in code_cells(read_committed("04_results")):
        if "config.long" in cell.source:
            exec(cell.source, names)
    errors, ends = shown
    means = written.pivot(index="action", columns="arm", values="mpjpe_mean")[arms]
    np.testing.assert_allclose(errors.loc[means.index, arms], means, rtol=1e-6)
    assert list(ends.columns) == ["windows", "steps", *["seconds"] * timed]
    own = written.assign(windows=1e6 * written.windows_m).groupby("arm")[list(ends.columns)].mean()
    np.testing.assert_allclose(ends.loc[arms], own.loc[arms].round(1))
