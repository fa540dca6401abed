"""What several test files share: the tiny synthetic dataset, prepared once, and datasets of a few hand-made clips."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pose3d_lib.data.cameras import Camera
from pose3d_lib.data.dataset import CLIP_COLUMNS, PoseDataset
from pose3d_lib.data.open import open_dataset
from pose3d_lib.data.skeleton import COCO_17, H36M_17
from pose3d_lib.data.spec import DataSpec
from pose3d_lib.report import show as report
from tests.helpers.console import Called, make_console


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


def _hand_made(rows: list[tuple], **changes) -> PoseDataset:
    """Clips of random numbers; a row is subject, action, take, camera number and frames. S1 trains and S9 is tested.

    Image widths are powers of two, so that normalising pixels rounds nothing.
    """
    stops = np.cumsum([row[4] for row in rows]).tolist()
    clips = [(*row[:4], 50.0, stop - row[4], stop, True) for row, stop in zip(rows, stops, strict=True)]
    rng = np.random.default_rng(0)
    fields = {
        "name": "hand-made", "synthetic": True, "skeleton": H36M_17,
        "cameras": (Camera("wide", 1024, 512), Camera("tall", 512, 2048)),
        "clips": pd.DataFrame(clips, columns=list(CLIP_COLUMNS)),
        "keypoints": {
            "simulated": rng.uniform(0, 512, (stops[-1], 17, 2)).astype(np.float32),
            "detected": rng.uniform(0, 512, (stops[-1], 17, 2)).astype(np.float32),
        },
        "layouts": {"simulated": H36M_17, "detected": COCO_17},
        "positions": rng.normal(0, 0.3, (stops[-1], 17, 3)).astype(np.float32),
        "trajectory": rng.normal(0, 1, (stops[-1], 3)).astype(np.float32),
        "train_subjects": ("S1",),
        "test_subjects": ("S9",),
    }  # fmt: skip
    return PoseDataset(**{**fields, **changes})


@pytest.fixture(scope="session")
def hand_made() -> Callable[..., PoseDataset]:
    return _hand_made


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
