"""The simulated studies: what they promise of intervals and decisions, and the document that shows them."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from simulate_studies import (
    ACTIONS,
    COUNTED,
    FILE,
    REPLICATES,
    STUDIES,
    WORLDS,
    draw_noise,
    put_all,
    replicates_needed,
    simulate,
)

ROOT = Path(__file__).resolve().parents[1]
TABLE = pd.read_csv(FILE)
NEW, _, FIXED = WORLDS


def required(found: pd.Series, *, slack: float = 0.0) -> bool:
    """Whether shares by name are what is required of them; `slack` is for few studies."""
    coverage = found[["a_coverage", "a_pair_coverage", "b_coverage"]]
    false, power = found[["a_false", "c_false"]], found[["a_power", "c_power"]]
    return (
        coverage.between(0.93 - slack, 0.98 + slack).all()
        and (false <= 0.06 + slack).all()
        and (power > [0.9 - slack, 0.5 - slack]).all()
    )


def test_the_document_shows_the_simulation() -> None:
    document = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert put_all(document, TABLE) == document
    assert set(TABLE.studies) == {STUDIES}
    assert list(TABLE.quantity.unique()) == list(COUNTED)


@pytest.mark.parametrize("replicates", REPLICATES)
@pytest.mark.parametrize("world", [NEW.name, FIXED.name])
def test_the_simulation_holds_what_is_required(world: str, replicates: int) -> None:
    own = TABLE[(TABLE.world == world) & (TABLE.replicates == replicates)]
    assert required(own.set_index("quantity").value)


def test_a_world_favours_no_arm_and_has_takes_where_they_are_shared() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_noise(NEW, 4, rng) for _ in range(200)]
    assert drawn[0][0].shape == (ACTIONS, 4)
    assert np.mean([y for y, _ in drawn]) == pytest.approx(0, abs=0.005)
    assert {takes for _, takes in drawn} == {None}
    takes = draw_noise(FIXED, 4, rng)[1]
    assert takes is not None
    assert takes.pooled_df == ACTIONS * 2


@pytest.mark.parametrize(("deviation", "change"), [(0.06, -11), (0.1, 5), (0.08, -11)])
def test_the_replicates_needed_have_the_power_and_one_fewer_has_not(deviation: float, change: float) -> None:
    def power(number: int) -> float:
        noncentral = stats.nct(number - 1, abs(np.log1p(change / 100)) / deviation * np.sqrt(number))
        return noncentral.sf(stats.t.isf(0.025, number - 1))

    needed = replicates_needed(deviation, change)
    assert power(needed - 1) < 0.9 <= power(needed)
    assert replicates_needed(0.001, -11) == 4


@pytest.mark.slow
@pytest.mark.parametrize("world", [NEW, FIXED], ids=lambda own: own.name)
def test_intervals_are_honest_and_decisions_seldom_false(world) -> None:
    assert required(pd.Series(simulate(world, 4, studies=500)), slack=0.025)
