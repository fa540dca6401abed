"""What the tests of reports share: a folder for outputs, figures that are closed, and few draws of a bootstrap."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from pose3d_lib.report import show as report
from pose3d_lib.study import tables_beyond, two_way
from tests.helpers.run_folders import error_saved


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports show what statistics give, which have their own tests."""
    monkeypatch.setitem(two_way.spread_of_takes.__kwdefaults__, "draws", 200)


@pytest.fixture(autouse=True)
def _without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run folders written by hand hold none."""
    monkeypatch.setattr(tables_beyond, "evaluate_saved", error_saved)


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures that were saved, by name; as files they would take longer than everything else."""
    saved = {}
    monkeypatch.setattr(report, "save_figure", lambda figure, path: saved.update({path.name: figure}))
    return saved
