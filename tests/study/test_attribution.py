"""The parts of an effect, on made-up runs whose effects are put together from known parts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.study.attribution import BATCH_NORM, BUDGET, DATA, LEARNING_RATE, WHOLE, attribution
from pose3d_lib.study.claims import judge_claims
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.evidence import Evidence
from tests.helpers.made_up_runs import make_comparison, make_evidence, make_run

FOCUS = ("Eating", "Sitting")
PARTS = [WHOLE, DATA, LEARNING_RATE, BATCH_NORM, BUDGET]
TOGETHER = 4.0  # what learning rate and batch norm change only where both are as published
EFFECTS = {"epoch": -6.0 + 3 + 9 + TOGETHER, "unit_epoch": -6.0, "lr_unit_epoch": -6.0 + 9, "bn_unit_epoch": -6.0 + 3}
KNOWN = {WHOLE: 10, DATA: -6, LEARNING_RATE: 3 + TOGETHER / 2, BATCH_NORM: 9 + TOGETHER / 2, BUDGET: 5}


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Known effects on error, time and late change, of long runs; one original for all."""

    def made(effect: float) -> Comparison:
        return make_comparison(effect, faster=-effect, late=effect, actions=FOCUS, noise=0.1)

    square = {name: made(effect) for name, effect in EFFECTS.items()}
    fifteen = {"epoch": made(EFFECTS["epoch"] + KNOWN[BUDGET])}
    return make_evidence(long=square, fifteen_long=fifteen, focus=FOCUS)


def short(evidence: Evidence) -> dict[tuple[str, str, str], Comparison]:
    return {("short", *condition): own for (_, *condition), own in evidence.comparisons.items()}


def changed(evidence: Evidence, **comparisons: Comparison | None) -> Evidence:
    """With other long runs under some schedules, or with none."""
    new = {("long", schedule, "equal_frames"): comparison for schedule, comparison in comparisons.items()}
    return replace(evidence, comparisons={k: v for k, v in {**evidence.comparisons, **new}.items() if v})


def parts(evidence: Evidence, claim: str) -> pd.DataFrame:
    table = attribution(evidence)
    return table[table.claim == claim].set_index("part")


def test_every_effect_is_split_into_its_known_parts(evidence) -> None:
    evidence = replace(evidence, comparisons={**evidence.comparisons, **short(evidence)})
    table = attribution(evidence)
    assert table.claim.tolist() == [claim for claim in ("C1", "C2", "C3", "C5") for _ in PARTS]
    assert set(table.actions) == {"Eating, Sitting"}
    for _, found in table.set_index("part").groupby("claim"):
        assert found.index.tolist() == PARTS
        assert found.effect.to_dict() == pytest.approx(KNOWN, abs=0.6)
        assert (found.low < found.effect).all()
        assert (found.effect < found.high).all()
        assert all(found.low[part] - 0.3 < effect < found.high[part] + 0.3 for part, effect in KNOWN.items())
        assert found.effect[[DATA, LEARNING_RATE, BATCH_NORM]].sum() == pytest.approx(found.effect[WHOLE], rel=1e-12)
    claim, whole = judge_claims(evidence).iloc[0], table.iloc[0]
    assert whole.effect == pytest.approx(claim.effect, rel=1e-12)
    assert [whole.low, whole.high] == pytest.approx([claim.low, claim.high], rel=0.3)


def test_an_action_that_lacks_a_condition_is_left_out_of_the_parts_that_need_it(evidence) -> None:
    own = evidence.comparisons["long", "lr_unit_epoch", "equal_frames"]
    alone = Comparison(own.original, {"Eating": own.action_based["Eating"]}, [])
    found = parts(changed(evidence, lr_unit_epoch=alone), "C2")
    assert found.actions.to_dict() == {**dict.fromkeys(PARTS, "Eating"), BUDGET: "Eating, Sitting"}
    assert found.effect.notna().all()
    found = parts(changed(evidence, lr_unit_epoch=None), "C2")
    assert found.effect.isna().tolist() == [True] * 4 + [False]
    assert found.actions.tolist() == [""] * 4 + ["Eating, Sitting"]
    assert set(parts(replace(evidence, focus=("Sitting",)), "C2").actions) == {"Sitting"}


def test_without_long_runs_only_time_is_split_instead_in_short_ones_and_without_any_nothing(evidence) -> None:
    table = attribution(replace(evidence, comparisons=short(evidence)))
    assert table.groupby("claim").effect.count().to_dict() == {"C1": 5, "C2": 0, "C3": 5, "C5": 0}
    table = attribution(make_evidence(focus=FOCUS))
    assert table.part.tolist() == PARTS * 4
    assert table[["effect", "low", "high"]].isna().all(axis=None)
    assert (table.actions == "").all()


def test_times_of_several_machines_and_runs_without_a_test_at_unit_epoch_4_tell_nothing(evidence) -> None:
    own = evidence.comparisons["long", "epoch", "equal_frames"]
    other = make_run({"Eating": np.full(4, 50.0)}, tests=(1.0, 8.0), processor="A Slide Rule")
    mixed = {**own.action_based, "Eating": [other, *own.action_based["Eating"][1:]]}
    table = attribution(changed(evidence, epoch=Comparison(own.original, mixed, [])))
    found = table.set_index(["claim", "part"]).actions
    assert found["C2", WHOLE] == "Eating, Sitting"
    assert found["C3", WHOLE] == found["C3", BUDGET] == found["C5", WHOLE] == "Sitting"


def test_what_both_arms_share_does_not_widen_a_part(evidence) -> None:
    """The original's runs and the takes are the same under all schedules, so that they drop out of differences."""
    another = make_run(dict.fromkeys(FOCUS, np.full(4, 90.0)))
    noisy = {
        name: Comparison([own.original[0], another], own.action_based, [])
        for name in EFFECTS
        if (own := evidence.comparisons["long", name, "equal_frames"])
    }
    found, wide = parts(evidence, "C2"), parts(changed(evidence, **noisy), "C2")
    width = wide.high - wide.low
    assert width[WHOLE] > 20 * (found.high - found.low)[WHOLE]
    assert width[LEARNING_RATE] / abs(wide.effect[LEARNING_RATE]) < width[WHOLE] / abs(wide.effect[WHOLE]) / 2


def test_runs_under_two_schedules_are_not_pairs() -> None:
    square = dict.fromkeys(EFFECTS, make_comparison(0, noise=1.0, actions=FOCUS))
    found = parts(make_evidence(short=square, focus=FOCUS), "C1").loc[LEARNING_RATE]
    assert found.effect == 0
    assert found.low < -0.5
    assert found.high > 0.5
