"""The whole study from one command, at the tiny scale: every run, every table, every claim, the page; stopped and resumed."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pose3d_lib.data.open import Datasets
from pose3d_lib.report.redraw import redraw_study
from pose3d_lib.runs.execute import execute_run
from pose3d_lib.runs.run import run_folder
from pose3d_lib.study.beyond import study_runs
from pose3d_lib.study.claims import CLAIMS, judge_claims
from pose3d_lib.study.config import StudyConfig, timed_runs
from pose3d_lib.study.results import collect_study
from pose3d_lib.study.tables import SUMMANDS, WHOLE, attribution
from pose3d_lib.training.parameters import make_config
from pose3d_lib.training.plan import plan_run

STUDY = {
    "study": "more", "scale": "tiny", "train_subjects": "S1", "test_subjects": "S9", "downsample": "2",
    "preset": "tiny", "filter_widths": "3", "channels": "6", "batch_size": "16", "evaluate_at": "4",
    "actions": "Sitting,Walking,Photo", "focus": "Sitting", "seeds": "0,1", "training_seeds": "2", "timed": "2",
    "lengths": "0.5,4.5", "jobs": "1",
}  # fmt: skip
LEFT = 2  # runs that the command has to make, each in a kernel of its own
TABLES = (
    "table_1", "table_1_unit_epoch", "table_2", "table_3", "table_3_unit_epoch", "table_during_training", "table_specialised",
    "all_metrics", "claims", "claims_details", "attribution",
)  # fmt: skip
FIGURES = (
    "changes_1", "changes_2", "changes_3", "attribution", "curves", "transfer", "labels", "specialised", "mixing", "joints",
    "joint_bars", "fewer_frames", "training",
)  # fmt: skip
ABOUT_TIME = {"C3", "C8"}


def start(outputs: Path, *command: str) -> subprocess.Popen:
    given = [word for name, value in STUDY.items() for word in ("-p", name, value)]
    return subprocess.Popen(
        [sys.executable, "-m", "pose3d_lib.cli.main", *command, *given],
        env={**os.environ, "POSE3D_OUTPUTS": str(outputs), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip


def finished(outputs: Path) -> set[str]:
    return {path.parent.name for path in outputs.glob("runs/*/finished.json")}


@pytest.mark.slow
def test_the_whole_study_is_made_by_one_command_that_can_be_stopped(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("POSE3D_OUTPUTS", str(tmp_path))
    config = make_config(StudyConfig, STUDY)
    datasets = Datasets()
    plan = [*study_runs(config, datasets), *timed_runs(config, datasets[config.data])]
    for run in plan[:-LEFT]:
        execute_run(plan_run(run, datasets[run.data]))
    made = finished(tmp_path)
    assert len(made) == len(plan) - LEFT

    process = start(tmp_path, "run", "03_action_based")
    waited = time.monotonic()
    while finished(tmp_path) == made:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() - waited < 120
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
    process.communicate(timeout=120)
    assert process.returncode != 0
    before = {name: (tmp_path / "runs" / name / "finished.json").stat().st_mtime_ns for name in finished(tmp_path)}
    assert len(made) < len(before) < len(plan)

    process = start(tmp_path, "reproduce")
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    estimate = r"(\d+) runs, all finished. Then, to be timed: (\d+) runs, (\d+) of them finished; the other (\d+) take"
    most, timed, reused, rest = map(int, re.search(estimate, said).groups())
    assert (most + timed, most + reused, rest) == (len(plan), len(before), len(plan) - len(before))
    assert finished(tmp_path) == {run_folder(run, datasets[run.data]).name for run in plan}
    for name, written in before.items():
        assert (tmp_path / "runs" / name / "finished.json").stat().st_mtime_ns == written, "run a second time"

    (folder,) = (tmp_path / "results").iterdir()
    for name in TABLES:
        for ending in (".csv", ".md", ".tex"):
            assert (folder / f"{name}{ending}").is_file(), name
        assert "SYNTHETIC data, nobody was filmed" in (folder / f"{name}.md").read_text(encoding="utf-8"), name
    for name in FIGURES:
        assert (folder / f"figure_{name}.png").read_bytes().startswith(b"\x89PNG"), name
        drawn = (folder / f"figure_{name}.svg").read_text(encoding="utf-8")
        assert "(synthetic" in drawn or name == "training", name

    results = collect_study(config, datasets)
    assert results.missing == []
    claims = judge_claims(results.observations, config)
    assert list(claims.claim.unique()) == [claim.name for claim in CLAIMS]
    unmeasured = claims[claims.effect.isna()]
    assert set(unmeasured.claim) <= ABOUT_TIME, "every claim was measured, but for what only an idle machine tells"
    assert unmeasured.reason.str.contains("for processors that did other work").all()
    for _, own in attribution(results.observations, config).groupby("claim"):
        points = own.set_index("part").log_points
        assert points[[*SUMMANDS]].sum() == pytest.approx(points[WHOLE])

    answer = (folder / "answer.md").read_text(encoding="utf-8")
    assert re.findall(r"^(\d)\. ", answer, re.MULTILINE) == list("12345")
    assert "must be known at test time" in answer
    assert re.search(
        r"1\. On synthetic-tiny\S* \(synthetic data, 2 datasets\), the action-based models are .*\| Claim ",
        said,
        re.DOTALL,
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (
        page.index("The answer")
        < page.index("the action-based models are")
        < page.index(f"All {len(plan)} planned runs")
    )

    texts = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".md", ".csv", ".tex")}
    redraw_study(folder)
    assert {name: (folder / name).read_bytes() for name in texts} == texts
