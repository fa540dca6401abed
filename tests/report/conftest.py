"""What the tests of reports share: figures are closed, and statistics are of few draws."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest

from pose3d_lib.study import statistics


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports show what statistics give, which have their own tests."""
    for resample in (statistics.resample_means, statistics.resample_pooled):
        monkeypatch.setitem(resample.__kwdefaults__, "draws", 200)
    monkeypatch.setattr(statistics, "MOST_PERMUTATIONS", 999)
