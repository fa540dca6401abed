"""The parts of a published change on made-up observations: they multiply up, and are those that were put in."""

from dataclasses import replace

import numpy as np
import pytest

from pose3d_lib.data.actions import ACTION_BASED
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED
from pose3d_lib.study.tables import DATA, LEARNING_RATE, STALE, SUMMANDS, WHOLE, attribution
from tests.helpers.made_up_observations import everything, make_observations
from tests.helpers.run_folders import make_study

STUDY = make_study(lengths="1,16", schedules="epoch,unit_epoch")
CHANGES = {
    (1.0, "epoch", AS_PUBLISHED): 20.0,
    (1.0, "epoch", RECOMPUTED): -4.0,
    (1.0, "unit_epoch", RECOMPUTED): {"Eating": -30.0, "Sitting": -20.0, "Walking": -10.0},
}


def test_a_change_is_data_learning_rate_and_stale_statistics() -> None:
    table = attribution(make_observations(CHANGES), STUDY)
    assert table.claim.drop_duplicates().tolist() == ["C1", "C1 velocity"]
    parts = table[table.claim == "C1"].set_index("part")
    assert list(parts.index) == [WHOLE, *SUMMANDS]
    data = (0.7 * 0.8 * 0.9) ** (1 / 3)
    expected = {WHOLE: 1.2, DATA: data, LEARNING_RATE: 0.96 / data, STALE: 1.2 / 0.96}
    assert (1 + parts.effect / 100).to_dict() == pytest.approx(expected)
    assert parts.log_points[[*SUMMANDS]].sum() == pytest.approx(parts.log_points[WHOLE])
    assert parts.log_points[WHOLE] == pytest.approx(100 * np.log(1.2))
    assert (parts.low <= parts.effect).all()
    assert (parts.actions == 3).all()
    assert (parts.replicates == 4).all()


def test_a_claim_without_its_runs_is_left_out() -> None:
    assert attribution(make_observations({key: CHANGES[key] for key in list(CHANGES)[:2]}), STUDY).empty
    found = attribution(everything(-8, 9), STUDY)
    assert found.claim.drop_duplicates().tolist() == ["C1", "C1 velocity", "C2", "C2 velocity"]


def test_the_takes_of_fixed_data_widen_the_whole_and_the_data_s_part() -> None:
    for fixed, untrained in ((False, ""), (True, ""), (True, "Walking")):
        found = make_observations(CHANGES, fixed=fixed, of_takes=0.05)
        own = found.errors
        gone = (own.action == untrained) & (own.arm == ACTION_BASED) & (own.schedule == "unit_epoch")
        table = attribution(replace(found, errors=own[~gone]), STUDY).set_index(["claim", "part"])
        assert (table.actions == 3 - bool(untrained)).all()
        wide = table.loc["C1"].high - table.loc["C1"].low > 6
        assert wide.to_dict() == {WHOLE: fixed, DATA: fixed, LEARNING_RATE: False, STALE: False}
