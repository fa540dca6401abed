"""What 04_results says of the claims: tables and figures of the record, and the rules and causes in words."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from reference import compare_studies

from pose3d_lib.report.claims import (
    claims_table,
    say_claims,
    show_attribution,
    show_claims,
    show_reported,
)
from pose3d_lib.report.record import StudyRecord
from pose3d_lib.study.claims import CLAIMS
from pose3d_lib.study.observations import AS_PUBLISHED, RECOMPUTED
from pose3d_lib.study.tables import NO_PROPERTY
from tests.helpers.made_up_observations import everything, make_observations
from tests.helpers.made_up_records import record_of

BOTH = {"lengths": "1,16", "schedules": "epoch,unit_epoch", "seeds": "0,1,2,3"}


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return record_of(everything(-11, 5, of_seeds=0.01), tmp_path, **BOTH)


def test_the_table_of_claims_has_the_verdict_in_the_second_column(record: StudyRecord) -> None:
    table = claims_table(record.claims)
    assert table.columns[:3].tolist() == ["Claim", "Verdict", "Change [%]"]
    assert table.Claim.tolist() == [claim.name for claim in CLAIMS] == [*say_claims()]
    first = table.iloc[0]
    assert (first.Verdict, first["Actions, replicates"]) == ("reproduced", "3, 4")
    assert re.fullmatch(r"-11\.0 \[-1\d\.\d, -\d+\.\d\]", first["Change [%]"])
    assert say_claims()["C1"] == "better after a short training (-7.6 % Eating, +0.5 % Sitting)"
    assert say_claims()["C3"].endswith("(-29.9 % Eating)")
    unmeasured = table.set_index("Claim").loc["C8"]
    assert (unmeasured["Change [%]"], unmeasured["Actions, replicates"]) == ("", "")


def test_claims_are_shown_with_their_rules_the_other_ways_to_judge_and_why_some_stay_open(record, shown) -> None:
    show_claims(record)
    for claim in CLAIMS:
        assert f"- **{claim.name}**: {claim.measured}. {claim.rule.words}" in shown()
    assert "- **C8**: no finished runs of both arms that were made to be timed." in shown()
    details = pd.read_csv(record.folder / "claims_details.csv", keep_default_na=False).set_index("Claim")
    assert details.columns.tolist() == ["Main", "Actions in focus", "Statistics as published", "One schedule"]
    assert re.fullmatch(r"-11\.0 \[.*\], reproduced", details.loc["C1", "Statistics as published"])
    assert (details.loc["C3", "One schedule"], details.loc["C8", "Main"]) == ("", "not measured")
    saved = pd.read_csv(record.folder / "claims.csv")
    assert len(saved) == len(record.claims)
    caption = (record.folder / "claims.md").read_text(encoding="utf-8").splitlines()[-1]
    assert "published schedule, recomputed statistics. SYNTHETIC data, nobody was filmed" in caption
    assert "they are about new people, new takes and new trainings." in caption


def test_c6_says_of_every_reported_change_whether_one_run_could_show_it(record, shown, tmp_path) -> None:
    show_reported(record)
    table = pd.read_csv(record.folder / "table_reported.csv")
    assert table.shown.tolist() == ["yes", "no", "not decidable", "yes", "yes", "yes"]
    assert "about other trainings alone" in shown()
    show_reported(record_of(everything(-11, 5), tmp_path, **BOTH))
    assert "**No finished runs that differ in their training seed alone.**" in shown()


def test_the_attribution_is_shown_once_its_runs_are_there(shown: Callable[[], str], figures, tmp_path: Path) -> None:
    changes = {(1.0, "epoch", AS_PUBLISHED): 24.0, (1.0, "epoch", RECOMPUTED): -8.0}
    show_attribution(record_of(make_observations(changes), tmp_path, **BOTH))
    assert "finished runs of both schedules**, which `-p study paper` makes." in shown()
    assert not figures
    changes |= {(1.0, "unit_epoch", RECOMPUTED): -11.0}
    record = record_of(make_observations(changes), tmp_path, **BOTH)
    show_attribution(record)
    parts = f"-11.0 % (data), {100 * (92 / 89 - 1):+.1f} % (learning rate) and {100 * (124 / 92 - 1):+.1f} % (stale statistics)"
    assert f"**C1**: +24.0 % as published is {parts}" in shown()
    assert NO_PROPERTY in shown()
    assert list(figures) == ["figure_attribution"]
    assert pd.read_csv(record.folder / "attribution.csv").log_points.size == 8


def test_studies_stand_side_by_side_and_the_larger_one_of_a_dataset_judges_what_it_measured(record, tmp_path) -> None:
    real = make_observations({(1.0, "epoch", RECOMPUTED): 7.0})
    other = record_of(real, tmp_path, name="real motion", synthetic=False, seeds="0,1,2,3")
    table = compare_studies([other, record]).set_index("Claim")
    assert table.columns.tolist() == ["The paper says", record.name, other.name]
    assert table.loc["C1", record.name].endswith(", reproduced")
    assert re.fullmatch(r"\+7\.0 \[.*\], not reproduced", table.loc["C1", other.name])
    assert table.loc["C2", other.name] == "not measured"
    long = make_observations({(16.0, "epoch", RECOMPUTED): 7.0})
    larger = record_of(long, tmp_path, lengths="1,16", seeds="0,1,2,3")
    larger = replace(larger, about=replace(larger.about, finished=record.about.finished + 1))
    both = compare_studies([larger, record]).set_index("Claim")[record.name]
    assert both["C1"] == table.loc["C1", record.name], "which the larger one has not measured"
    assert both["C2"].startswith("+7.0 [")
