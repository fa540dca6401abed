"""What several test files share: the tiny synthetic dataset, prepared once, and datasets of a few hand-made clips."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report import show as report
from tests.helpers.console import Called, make_console
from tests.helpers.hand_made import hand_made as make_dataset


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Called:
    """`pose3d ...` within this process: exit code, what it printed, what it printed as errors."""
    return make_console(monkeypatch, capsys)


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """POSE3D_OUTPUTS, not made yet."""
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture(scope="session")
def tiny_outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A POSE3D_OUTPUTS for `tiny_data`, the same for all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny-outputs"


@pytest.fixture(scope="session")
def tiny_data(tiny_outputs: Path) -> PoseDataset:
    """The built-in dataset, tiny: as `open_dataset` gives it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tiny_outputs))
        return open_dataset(DataSpec(scale="tiny"))


@pytest.fixture(scope="session")
def h36m_data(tiny_outputs: Path) -> PoseDataset:
    """The same in Human3.6M's layout, with every take before four cameras."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tiny_outputs))
        return open_dataset(DataSpec(dataset="synthetic_h36m", scale="tiny"))


@pytest.fixture(scope="session")
def hand_made() -> Callable[..., PoseDataset]:
    return make_dataset


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """What a report has shown so far, figures as the word Figure."""
    texts: list[str] = []
    monkeypatch.setattr(
        report, "display", lambda what: texts.append("Figure" if isinstance(what, report.Picture) else what.data)
    )
    yield lambda: "\n".join(texts)
    plt.close("all")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser that is on the machine; without the extra `browser` the test is skipped."""
    from tests.helpers.chromium import chromium

    with chromium() as running:
        yield running
