"""The parts of an effect, on made-up runs whose effects are put together from known parts."""

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.study.attribution import BATCH_NORM, BUDGET, DATA, LEARNING_RATE, WHOLE, attribution
from pose3d_lib.study.claims import judge_claims
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.evidence import Evidence
from tests.helpers.made_up_runs import MadeUpRun, make_comparison, make_evidence, make_run

FOCUS = ("Eating", "Sitting")
PARTS = [WHOLE, DATA, LEARNING_RATE, BATCH_NORM, BUDGET]
KNOWN = {DATA: -6.0, LEARNING_RATE: 3.0, BATCH_NORM: 9.0, BUDGET: 5.0}
TOGETHER = 4.0  # what learning rate and batch norm change only where both are as published
EFFECTS = {
    "epoch": -6.0 + 3 + 9 + TOGETHER,
    "unit_epoch": -6.0,
    "lr_unit_epoch": -6.0 + 9,
    "bn_unit_epoch": -6.0 + 3,
}
SHAPLEY = {**KNOWN, LEARNING_RATE: 3 + TOGETHER / 2, BATCH_NORM: 9 + TOGETHER / 2, WHOLE: EFFECTS["epoch"]}


def make_square(setting: str, **settings) -> tuple[dict[str, Comparison], dict[str, Comparison]]:
    """The four schedules, and the other budget, whose effects on `setting` are put together from the known ones.

    All have the same original, as every made-up comparison of one seed has.
    """
    square = {name: make_comparison(**{setting: effect}, **settings) for name, effect in EFFECTS.items()}
    fifteen = make_comparison(**{setting: EFFECTS["epoch"] + KNOWN[BUDGET]}, **settings)
    return square, {"epoch": fifteen}


def parts(evidence: Evidence, claim: str) -> pd.DataFrame:
    table = attribution(evidence)
    return table[table.claim == claim].set_index("part")


def check(found: pd.DataFrame, known: dict[str, float]) -> None:
    assert found.index.tolist() == PARTS
    for part, effect in known.items():
        assert found.effect[part] == pytest.approx(effect, abs=0.6), part
        assert found.low[part] - 0.3 < effect < found.high[part] + 0.3, part
    assert (found.low < found.effect).all()
    assert (found.effect < found.high).all()
    assert found.effect[[DATA, LEARNING_RATE, BATCH_NORM]].sum() == pytest.approx(found.effect[WHOLE], rel=1e-12)


def test_the_error_is_split_into_known_parts() -> None:
    square, fifteen = make_square("change", noise=0.1)
    for claim, length in (("C1", "short"), ("C2", "long")):
        found = parts(make_evidence(**{length: square, f"fifteen_{length}": fifteen}, focus=FOCUS), claim)
        check(found, SHAPLEY)
        assert set(found.actions) == {"Eating, Sitting"}


def test_time_is_split_into_known_parts() -> None:
    square, fifteen = make_square("faster")
    for length in ("long", "short"):
        found = parts(make_evidence(**{length: square, f"fifteen_{length}": fifteen}, focus=FOCUS), "C3")
        check(found, {part: -effect for part, effect in SHAPLEY.items()})


def test_the_late_change_is_split_into_known_parts_without_the_original() -> None:
    square, fifteen = make_square("late")
    found = parts(make_evidence(long=square, fifteen_long=fifteen, focus=FOCUS), "C5")
    check(found, SHAPLEY)


def test_the_whole_is_the_effect_of_the_claim_on_these_actions() -> None:
    square, fifteen = make_square("change", actions=FOCUS)
    evidence = make_evidence(short=square, fifteen_short=fifteen, focus=FOCUS)
    claim, whole = judge_claims(evidence).iloc[0], parts(evidence, "C1").loc[WHOLE]
    assert whole.effect == pytest.approx(claim.effect, rel=1e-12)
    assert [whole.low, whole.high] == pytest.approx([claim.low, claim.high], rel=0.3)


def test_an_action_that_lacks_a_condition_is_left_out_of_the_parts_that_need_it() -> None:
    square, fifteen = make_square("change")
    del square["lr_unit_epoch"].action_based["Sitting"]
    found = parts(make_evidence(short=square, fifteen_short=fifteen, focus=FOCUS), "C1")
    assert found.actions.to_dict() == {**dict.fromkeys(PARTS, "Eating"), BUDGET: "Eating, Sitting"}
    assert found.effect.notna().all()
    del square["lr_unit_epoch"]
    found = parts(make_evidence(short=square, fifteen_short=fifteen, focus=FOCUS), "C1")
    assert found.effect.isna().tolist() == [True] * 4 + [False]
    assert found.actions.tolist() == [""] * 4 + ["Eating, Sitting"]


def test_without_any_runs_every_part_is_there_and_empty() -> None:
    table = attribution(make_evidence(focus=FOCUS))
    assert table.claim.tolist() == [claim for claim in ("C1", "C2", "C3", "C5") for _ in PARTS]
    assert table.part.tolist() == PARTS * 4
    assert table[["effect", "low", "high"]].isna().all(axis=None)
    assert (table.actions == "").all()
    assert table.unit.str.contains("%").all()


def test_times_of_several_machines_and_runs_without_a_test_at_unit_epoch_4_tell_nothing() -> None:
    square, fifteen = make_square("change")
    other: MadeUpRun = make_run({"Eating": np.full(4, 50.0)}, tests=(1.0, 8.0), processor="A Slide Rule")
    square["epoch"].action_based["Eating"][0] = other
    found = (
        attribution(make_evidence(long=square, fifteen_long=fifteen, focus=FOCUS)).set_index(["claim", "part"]).actions
    )
    assert found["C2", WHOLE] == "Eating, Sitting"
    assert found["C3", WHOLE] == found["C3", BUDGET] == found["C5", WHOLE] == "Sitting"


def test_what_both_arms_share_does_not_widen_a_part() -> None:
    """The original's runs and the takes are the same under all schedules, so that they drop out of differences."""
    square, fifteen = make_square("change", noise=0.05)
    found = parts(make_evidence(short=square, fifteen_short=fifteen, focus=FOCUS), "C1")
    noisy = {
        name: Comparison([own.original[0], make_run(dict.fromkeys(FOCUS, np.full(4, 90.0)))], own.action_based, [])
        for name, own in square.items()
    }
    wide = parts(make_evidence(short=noisy, fifteen_short=fifteen, focus=FOCUS), "C1")
    widths = {name: table.high - table.low for name, table in (("calm", found), ("noisy", wide))}
    assert widths["noisy"][WHOLE] > 20 * widths["calm"][WHOLE]
    relative = widths["noisy"][LEARNING_RATE] / abs(wide.effect[LEARNING_RATE])
    assert relative < widths["noisy"][WHOLE] / abs(wide.effect[WHOLE]) / 2


def test_runs_under_two_schedules_are_not_pairs() -> None:
    square = dict.fromkeys(EFFECTS, make_comparison(0, noise=1.0))
    found = parts(make_evidence(short=square, focus=FOCUS), "C1").loc[LEARNING_RATE]
    assert found.effect == 0
    assert found.low < -0.5
    assert found.high > 0.5
