"""What 04_results says of the claims: five sentences whose numbers are those of the runs, and the evidence that they rest on."""

import dataclasses
import re
from collections.abc import Callable

import pandas as pd
import pytest

from pose3d_lib.data.dataset import PoseDataset
from pose3d_lib.report import claims as report_claims
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.comparison import Comparison
from pose3d_lib.study.results import StudyResults, collect_study
from tests.helpers.run_folders import Only, make_study, write_runs

pytestmark = pytest.mark.usefixtures("outputs")


@pytest.fixture(scope="module")
def study(tiny_data: PoseDataset, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Everything but what is beyond the paper, on three actions: 5 seeds of the original, Eating and Sitting, 3 of Walking."""
    config = make_study(seeds="0,1,2", more_seeds="3,4", lengths="1,16", schedules="epoch,unit_epoch", confounds=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSE3D_OUTPUTS", str(tmp_path_factory.mktemp("study")))
        write_runs(study_runs(config, Only(tiny_data)), tiny_data)
        return collect_study(config, Only(tiny_data))


ORIGINAL = (58 + 68 + 78) / 3
ACTION_BASED = (48 + 48 + 44) / 3  # mm: the rules of `run_folders.error_of`, averaged over the seeds
CHANGE = 100 * (ACTION_BASED / ORIGINAL - 1)


def test_the_answer_has_five_sentences_with_the_numbers_of_the_runs(
    study: StudyResults, shown: Callable[[], str]
) -> None:
    report_claims.show_answer(study)
    sentences = re.findall(r"^\d\. (.*)$", shown(), re.MULTILINE)
    assert len(sentences) == 5
    compared, early, late, owed, in_all = sentences
    assert (
        f"{len(study.runs)} of {len(study.runs)} planned runs are finished, of 3 actions, with up to 5 seeds"
        in compared
    )
    assert "**synthetic**" in compared
    for sentence, length, verdict in (
        (early, "1 unit epoch", "reproduced"),
        (late, "16 unit epochs", "not reproduced"),
    ):
        assert f"after {length} and on 3 actions" in sentence
        assert sentence.count(f"{-CHANGE:.1f} % below the original's (95 % interval -") == 2
        assert sentence.count(f"**{verdict}**") == 2, "under either schedule"
    assert "on Eating, Sitting" in owed
    assert owed.count("+0.0 by the learning rate and +0.0 by batch norm") == 2, "no run depends on them"
    assert "say nothing about Human3.6M" in in_all
    counts = [int(number) for number in re.findall(r"(\d) (?:is|are) ", in_all)]
    assert sum(counts) == 8
    assert (study.folder / "answer.md").read_text(encoding="utf-8").splitlines()[:5] == [
        f"{number}. {sentence}" for number, sentence in enumerate(sentences, start=1)
    ]


def test_a_verdict_for_every_claim_is_shown_and_saved_with_its_rule(
    study: StudyResults, shown: Callable[[], str]
) -> None:
    report_claims.show_claims(study)
    for row in study.claims.itertuples():
        assert re.search(rf"^\| {row.claim} .*\| {row.verdict} ", shown(), re.MULTILINE)
        assert f"- **{row.claim}**: {row.rule}" in shown()
        for how, reason in (("", row.reason), (", same schedule", row.equalised_reason)):
            assert (f"- **{row.claim}**{how}: {reason}." in shown()) == bool(reason)
    saved = pd.read_csv(study.folder / "claims.csv").set_index("claim")
    assert saved.loc["C1", "effect"] == pytest.approx(CHANGE)
    assert saved.loc["C1", "runs"] == 5 + 5 + 5 + 3
    assert "SYNTHETIC data, nobody was filmed" in (study.folder / "claims.md").read_text(encoding="utf-8")


def test_the_evidence_has_every_condition_and_the_models_of_as_many_frames(study: StudyResults) -> None:
    found = study.evidence
    assert found.focus == ("Eating", "Sitting")
    assert len(found.comparisons) == 2 * (4 + 1)
    for (length, schedule, budget), comparison in found.comparisons.items():
        unit_epochs = {"short": 1, "long": 16}[length]
        assert comparison is study.comparisons[study.config.condition(unit_epochs, schedule, budget)]
    frames = study.data.frames_per_action().train
    for schedule in ("epoch", "unit_epoch"):
        for action in found.focus:
            runs = found.as_many_frames[schedule][action]
            assert len(runs) >= 3
            for run in runs:
                assert run.config.is_baseline
                assert run.config.schedule == schedule
                assert run.config.train_share == pytest.approx(frames[action] / frames.sum())


def test_the_attribution_is_shown_once_its_runs_are_there(study: StudyResults, shown: Callable[[], str]) -> None:
    report_claims.show_attribution(study)
    assert shown().count("Figure") == 1
    figure = (study.folder / "figure_attribution.svg").read_text(encoding="utf-8")  # its texts stand in comments
    assert "Eating, Sitting: trained for 1 and 16" in figure, "not the effects on all actions, which the tables show"
    parts = pd.read_csv(study.folder / "attribution.csv").set_index(["claim", "part"]).effect
    for claim in ("C1", "C2"):
        assert parts[claim, "data"] == pytest.approx(100 * ((48 + 48) / (58 + 68) - 1))
        assert parts[claim, "learning rate"] == pytest.approx(0)
        assert parts[claim, "batch norm"] == pytest.approx(0)
    condition = study.config.condition(1, "bn_unit_epoch")
    found = study.comparisons[condition]
    fewer = Comparison(found.original, {"Sitting": found.action_based["Sitting"]}, [])
    fewer = dataclasses.replace(study, comparisons={**study.comparisons, condition: fewer})
    assert fewer.attribution.query("claim == 'C1'").actions.tolist() == ["Sitting"] * 4 + ["Eating, Sitting"]


def test_without_any_run_the_answer_says_so(tiny_data: PoseDataset, shown: Callable[[], str]) -> None:
    study = collect_study(make_study(), Only(tiny_data))
    report_claims.show_answer(study)
    report_claims.show_claims(study)
    report_claims.show_attribution(study)
    assert len(re.findall(r"^\d\. ", shown(), re.MULTILINE)) == 5
    assert "0 of 4 planned runs are finished" in shown()
    assert "nothing was measured under the published schedule" in shown()
    assert "this study has no long runs" in shown()
    assert "8 are not decidable (C1, C2, C3, C4, C5, C6, C7, C8)" in shown()
    assert "are not finished**; `-p study paper` makes them" in shown()


@pytest.mark.parametrize(
    ("whole", "parts", "said"),
    [
        (30.0, (1.7, 0.8, 27.5), "most of it by batch norm"),
        (-14.0, (-11.0, -3.0, 0.0), "most of it by data"),
        (-0.2, (-2.1, 1.9, 0.0), "parts that cancel for the most part"),
    ],
)
def test_an_effect_is_owed_to_its_largest_part_unless_the_parts_cancel(whole: float, parts: tuple, said: str) -> None:
    assert report_claims._weigh(whole, pd.Series(parts, index=["data", "learning rate", "batch norm"])) == said
