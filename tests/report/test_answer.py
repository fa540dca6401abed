"""The answer: five sentences, the first a result with its size, every number that of the observations; or one line."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pose3d_lib.report.answer import WITHOUT_RUNS, answer, show_answer, wrong_label
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED, Observations
from tests.helpers.made_up_observations import everything, make_observations
from tests.helpers.made_up_records import record_of, transfer_table

BY_ACTION = {"Eating": -38.0, "Sitting": 20.0, "Walking": -20.0}
MEAN = 100 * (np.exp(np.mean(np.log1p([change / 100 for change in BY_ACTION.values()]))) - 1)
BOTH = {"lengths": "1,16", "schedules": "epoch,unit_epoch", "seeds": "0,1,2,3"}
SHORT = {"schedules": "epoch,unit_epoch", "seeds": "0,1,2,3"}


def test_the_first_sentence_is_the_result_with_its_size(tmp_path: Path) -> None:
    observations = make_observations({(1.0, "epoch", RECOMPUTED): BY_ACTION}, noise=0.001)
    first, second, *_ = answer(record_of(observations, tmp_path, **SHORT))
    assert first.startswith(
        f"On made-up (synthetic data, 4 datasets), the action-based models are **{-MEAN:.1f} % better** on average"
    )
    assert "after 1 unit epoch (95 % interval -" in first
    assert "about new people, new takes and new trainings" in first
    assert (
        "better on 2 of 3 actions, from -38 % for Eating to +20 % for Sitting (significantly better on 2, worse on 1)"
        in first
    )
    assert first.endswith("(C1) is **reproduced**.")
    assert second.startswith("Actions differ (p < 0.001): ")
    assert re.search(r"a new action a change of -\d+ to \+\d+ % is expected \(95 % prediction interval\)\.$", second)
    fixed = make_observations({(1.0, "epoch", RECOMPUTED): BY_ACTION}, of_takes=0.01, fixed=True)
    assert "about other takes of these people and new trainings" in answer(record_of(fixed, tmp_path, **SHORT))[0]


def test_five_sentences_say_what_long_runs_other_statistics_and_time_say(tmp_path: Path) -> None:
    changes = {(1.0, schedule, RECOMPUTED): -11.0 for schedule in ("epoch", "unit_epoch")}
    changes |= {(16.0, schedule, RECOMPUTED): 5.0 for schedule in ("epoch", "unit_epoch")}
    changes |= {(1.0, "epoch", AS_PUBLISHED): 24.0, (16.0, "epoch", AS_PUBLISHED): 5.0}
    seconds = (10, 10.01, 10.02), (9, 9.01, 9.02)
    record = record_of(make_observations(changes, noise=0.001, seconds=seconds), tmp_path, **BOTH)
    sentences = answer(record)
    assert len(sentences) == 5
    _, _, late, ways, in_all = sentences
    assert re.match(r"After 16 unit epochs they are \*\*5\.0 % worse\*\* \(95 % .*\(C2\) is \*\*reproduced", late)
    assert "velocity" not in late
    assert "With the batch-norm statistics as published, C1 is **not reproduced** (+24.0 % [" in ways
    assert "]) and C2 is **reproduced** (+5.0 % [" in ways
    assert (
        "); on Eating and Sitting alone and with one learning-rate schedule for both arms the verdicts on C1 and C2 are the same."
        in ways
    )
    main = record.claims[record.claims.variant == "main"]
    assert [int(count) for count in re.findall(r"(\d+) (?:is|are) ", in_all)] == [
        (main.verdict == verdict).sum() for verdict in ("reproduced", "not reproduced", "not decidable", "not measured")
    ]
    assert "on synthetic motion, which says nothing about Human3.6M" in in_all
    assert re.search(
        r"by \+0\.\d % \[.*\] per million windows \(C3\) and by -\d+\.\d % \[.*\] in all \(C8\)\.$", in_all
    )
    assert "synthetic" not in answer(record_of(record.observations, tmp_path, synthetic=False, **BOTH))[4]


def test_a_velocity_error_that_says_something_else_is_named(tmp_path: Path) -> None:
    """Every metric's change is 1 per cent more than that of the one before: -1 of the MPJPE is +2 of the velocity error."""
    observations = make_observations({(1.0, "epoch", RECOMPUTED): -1.0}, noise=0.001)
    late = answer(record_of(observations, tmp_path, **SHORT))[2]
    assert late.startswith("This study has no long runs (`-p study paper` adds them)")
    assert "velocity error is lower after 1 unit epoch (C1 velocity) is **not reproduced** (+2.0 % [" in late


def test_a_study_of_another_schedule_or_budget_alone_is_judged_by_its_own_runs(tmp_path: Path) -> None:
    equalised = make_observations({(1.0, "unit_epoch", RECOMPUTED): -11.0}, noise=0.001)
    record = record_of(equalised, tmp_path, seeds="0,1,2,3", schedules="unit_epoch")
    assert re.search(r"one schedule for both arms, equal frames.*\(C1\) is \*\*reproduced\*\*\.", answer(record)[0])
    tables = vars(make_observations({(1.0, "epoch", RECOMPUTED): -11.0}, noise=0.001))
    fifteen = Observations(**{name: table.assign(budget="fifteen") for name, table in tables.items()})
    record = record_of(fifteen, tmp_path, seeds="0,1,2,3", budgets="fifteen")
    assert re.search(r"15 epochs per unit epoch.*\(C1\) is \*\*reproduced\*\*\.", answer(record)[0])


def test_one_change_of_time_is_told_once(tmp_path: Path) -> None:
    seconds = (10, 10.01, 10.02), (9, 9.01, 9.02)
    found = make_observations({(1.0, "epoch", RECOMPUTED): -11.0}, seconds=seconds)
    last = answer(record_of(replace(found, times=found.times.assign(windows=1_000_000)), tmp_path, **SHORT))[4]
    assert re.search(r"original's by -10\.0 % \[[^[]*\], per million windows \(C3\) as in all \(C8\)\.$", last)


def test_the_price_of_a_wrong_action_is_named_once_it_is_measured(tmp_path: Path) -> None:
    observations = everything(-11, 5)
    assert "test time" not in answer(record_of(observations, tmp_path, **BOTH))[3]
    known = record_of(observations, tmp_path, beyond={"transfer": transfer_table(70, 152, 79)}, **BOTH)
    assert (
        "at test time: after 16 unit epochs an action-based model errs by 70 mm on its own action and by 152 mm"
        in (answer(known)[3])
    )
    assert wrong_label(transfer_table(70, 152, 79)) == pytest.approx((70, 152, 79))
    assert wrong_label(transfer_table(70, 152, 79).iloc[:2, :4]) is None
    assert wrong_label(pd.DataFrame()) is None


def test_of_one_replicate_and_one_action_the_sizes_are_there_and_no_interval(tmp_path: Path) -> None:
    observations = make_observations({(1.0, "epoch", RECOMPUTED): -11.0}, actions=["Eating"], replicates=1, noise=0)
    first, second, *_ = answer(record_of(observations, tmp_path, actions="Eating", seeds=0))
    assert (
        "**11.0 % better** on average after 1 unit epoch (one replicate, so no interval), on Eating, the only action"
        in first
    )
    assert first.endswith("**not decidable**.")
    assert "takes several actions and replicates" in second


def test_the_answer_is_shown_and_saved_and_without_runs_it_is_one_line(tmp_path, shown: Callable[[], str]) -> None:
    observations = everything(-11, 5)
    show_answer(record_of(observations, tmp_path / "some", **BOTH))
    text = (tmp_path / "some" / "answer.md").read_text(encoding="utf-8")
    assert text == shown() + "\n"
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == list("12345")
    assert "SYNTHETIC data, nobody was filmed: made-up, 4 datasets" in text
    result = (tmp_path / "some" / "result.md").read_text(encoding="utf-8")
    assert re.findall(r"^(\d)\. ", result, re.MULTILINE) == list("123")
    nothing = type(observations)(**{name: table.iloc[:0] for name, table in vars(observations).items()})
    show_answer(record_of(nothing, tmp_path / "none", **BOTH))
    assert shown().splitlines()[-1] == WITHOUT_RUNS
    assert (tmp_path / "none" / "answer.md").read_text(encoding="utf-8") == f"{WITHOUT_RUNS}\n"


def test_names_of_actions_and_datasets_are_escaped(tmp_path: Path) -> None:
    changes = {(1.0, "epoch", RECOMPUTED): {"walk|fast": -38.0, "$x$": 20.0}}
    observations = make_observations(changes, actions=["walk|fast", "$x$"])
    first = answer(
        record_of(observations, tmp_path, name="a*b*c", actions="walk|fast,$x$", focus="$x$", seeds="0,1,2,3")
    )[0]
    assert r"walk\|fast" in first
    assert r"a\*b\*c" in first
    assert "$x$" not in first
